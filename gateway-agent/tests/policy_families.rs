//! One whole scenario per family of policies, through the running agent and with real peers: nginx, Redis, a GraphQL
//! server and tokens of packages from npm, certificates and revocation lists of OpenSSL. Where no real peer can be
//! had (Dapr's sidecar, a language model, Azure's content safety) a stand-in of the test says so.
//!
//! Each family has APIs of its own on one agent, and a table of requests and what must come of them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is the report")]
#![expect(clippy::print_stdout, reason = "a skip is a line that people see")]

#[path = "support/nginx.rs"]
mod nginx;
#[path = "support/peers.rs"]
mod peers;
mod support;

use std::{
    fs,
    process::{Command, Stdio},
    time::Instant,
};

use gateway_tests::{skip::Need, skip_unless};
use nginx::Nginx;
use peers::{Peer, ask, line_of, metric, node_folder, ok, redis};
use serde_json::{Value, json};
use support::{Agent, Ended, LIMIT, Scratch, free_port};

/// The document of all APIs: what every failure looks like to its family's table.
const GLOBAL: &str = r#"<policies><inbound /><backend><forward-request /></backend><outbound />
<on-error><set-header name="X-Error" exists-action="override"><value>@{
    var e = context.LastError;
    return string.Join("|", e.Source, e.Reason, e.Section, e.Scope, e.Path, e.PolicyId, context.Response.StatusCode);
}</value></set-header></on-error></policies>"#;

const SPECIFICATION: &str = "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /{id}:\n    parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n    get: {operationId: get, responses: {'200': {description: OK}}}\n    post: {operationId: post, responses: {'200': {description: OK}}}\n";

/// A folder of APIs in the making.
struct Scene {
    scratch: Scratch,
    settings: Vec<(String, String)>,
}

impl Scene {
    fn new() -> Self {
        let scratch = Scratch::new();
        scratch.write("artifacts/policy.xml", GLOBAL);
        let folder = scratch.path("artifacts").display().to_string();
        Self {
            scratch,
            settings: vec![("config.artifacts.path".to_owned(), folder)],
        }
    }

    fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// An open API at `/name` with `GET` and `POST /{id}`.
    fn api(self, name: &str, backend: &str, inbound: &str, outbound: &str) -> Self {
        self.api_with(name, backend, "", &sections(inbound, "<base />", outbound))
    }

    /// The same with a whole document and more members of its entity.
    fn api_with(self, name: &str, backend: &str, members: &str, policy: &str) -> Self {
        let api = format!(
            r#"{{"properties":{{"displayName":"{name}","path":"{name}","protocols":["http","https"],"isCurrent":true,
            "subscriptionRequired":false,"serviceUrl":"{backend}"{members}}}}}"#
        );
        let folder = format!("artifacts/apis/{name}");
        self.scratch.write(&format!("{folder}/apiInformation.json"), api);
        let specification = self.scratch.path(&format!("{folder}/specification.yaml"));
        if !specification.exists() && !members.contains("graphql") {
            self.scratch
                .write(&format!("{folder}/specification.yaml"), SPECIFICATION);
        }
        self.scratch.write(&format!("{folder}/policy.xml"), policy);
        self
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.scratch.write(name, text);
        self
    }

    fn backend(self, name: &str, url: &str) -> Self {
        let entity = json!({"properties": {"protocol": "http", "url": url}});
        let name = format!("artifacts/backends/{name}/backendInformation.json");
        self.file(&name, entity.to_string())
    }

    fn start(self) -> Running {
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(n, v)| (&**n, &**v)).collect();
        let agent = Agent::start(&self.scratch, &settings);
        let loaded = agent.event("ConfigInitialSyncCompleted");
        Running {
            agent,
            loaded,
            scratch: self.scratch,
        }
    }
}

fn sections(inbound: &str, backend: &str, outbound: &str) -> String {
    format!(
        "<policies><inbound><base />{inbound}</inbound><backend>{backend}</backend><outbound><base />{outbound}</outbound><on-error><base /></on-error></policies>"
    )
}

struct Running {
    agent: Agent,
    loaded: Value,
    scratch: Scratch,
}

impl Running {
    /// `METHOD target`, then header lines, then a blank line and the body → the status, then `name: value` of headers
    /// that must be there (`name: -`: must not), then the body after ` | ` (`…` at an end: more may stand there).
    #[track_caller]
    fn check(&self, request: &str, expected: &str) {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let (method, target) = line.split_once(' ').unwrap();
        let headers: String = headers
            .lines()
            .map(|line| format!("{}\r\n", line.trim()))
            .collect();
        let answer = ask(self.agent.http, method, target, &headers, body);
        let told = || format!("{request}\n→ {}\n\n{}\n{}", answer.head, answer.body, self.loaded);
        let (head, body) = match expected.split_once(" | ") {
            Some((head, body)) => (head, Some(body)),
            None => (expected, None),
        };
        let mut parts = head.split("; ");
        assert_eq!(answer.status.to_string(), parts.next().unwrap(), "{}", told());
        for part in parts {
            let (name, value) = part.split_once(": ").unwrap();
            assert_eq!(answer.header(name).unwrap_or("-"), value, "{name} of {}", told());
        }
        let Some(body) = body else { return };
        let inner = body.trim_start_matches('…').trim_end_matches('…');
        let fits = match (body.starts_with('…'), body.ends_with('…')) {
            (false, false) => answer.body == inner,
            (false, true) => answer.body.starts_with(inner),
            (true, false) => answer.body.ends_with(inner),
            (true, true) => answer.body.contains(inner),
        };
        assert!(fits, "body {body} of {}", told());
    }
}

/// Tells the request: its line, the fields that tests set, its body.
fn echo() -> Peer {
    Peer::start(|request, _| {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let mut text = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        for line in lines {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if name.starts_with("x-in") || matches!(&*name, "authorization" | "content-type") {
                text += &format!("; {line}");
            }
        }
        if !body.is_empty() {
            text += &format!(" | {body}");
        }
        ok(&text, "Content-Type: text/plain\r\n")
    })
}

// ---- Control ----

#[test]
fn control() {
    // Fails twice, then works.
    let flaky = Peer::start(|_, count| match count {
        0 | 1 => {
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned()
        }
        n => ok(&format!("try {n}"), ""),
    });
    let slow = Peer::start(|_, _| ok("served", ""));
    let inbound = r#"<include-fragment fragment-id="mark" />
        <choose><when condition="@(context.Request.MatchedParameters["id"] == "stop")"><return-response>
            <set-status code="418" reason="I am a teapot" /><set-header name="X-Why"><value>asked</value></set-header>
            <set-body>no</set-body></return-response></when>
        <when condition="@(context.Request.MatchedParameters["id"] == "mock")"><mock-response status-code="201" content-type="application/json" /></when>
        <when condition="@(context.Request.MatchedParameters["id"] == "boom")"><choose><when condition="@(true)">
            <set-variable id="bad" name="v" value="@((string)context.Variables["missing"])" /></when></choose></when></choose>
        <limit-concurrency key="one" max-count="1"><wait for="all">
            <send-request mode="new" response-variable-name="a"><set-url>SLOW/a</set-url></send-request>
            <send-request mode="new" response-variable-name="b"><set-url>SLOW/b</set-url></send-request></wait></limit-concurrency>"#
        .replace("SLOW", &format!("http://{}", slow.address));
    let backend = r#"<retry condition="@(context.Response == null || context.Response.StatusCode == 503)" count="3" interval="1" first-fast-retry="true">
        <forward-request buffer-request-body="true" /></retry>"#;
    let outbound = r#"<set-header name="X-Read"><value>@(((IResponse)context.Variables["a"]).StatusCode + "+" + ((IResponse)context.Variables["b"]).StatusCode)</value></set-header>"#;
    let scene = Scene::new()
        .file(
            "artifacts/policy fragments/mark/policy.xml",
            r#"<fragment><set-header name="X-In-Mark"><value>fragment</value></set-header></fragment>"#,
        )
        .file(
            "artifacts/policy fragments/mark/policyFragmentInformation.json",
            r#"{"properties":{"format":"rawxml"}}"#,
        )
        .api_with(
            "control",
            &format!("http://{}", flaky.address),
            "",
            &sections(&inbound, backend, outbound),
        )
        .start();
    scene.check(
        "POST /control/1\n\nbody",
        "200; x-read: 200+200; x-error: - | try 2",
    );
    let tries = flaky.heads.lock().unwrap().clone();
    assert_eq!(tries.len(), 3);
    assert!(
        tries
            .iter()
            .all(|r| r.ends_with("\r\n\r\nbody") && r.to_ascii_lowercase().contains("x-in-mark: fragment")),
        "{tries:?}"
    );
    assert_eq!(slow.count(), 2);
    scene.check("GET /control/stop", "418; x-why: asked; x-read: - | no");
    scene.check("GET /control/mock", "201; content-type: application/json");
    scene.check(
        "GET /control/boom",
        "500; x-error: set-variable|ExpressionValueEvaluationFailure|inbound|api|choose[1]/when[3]/choose[1]/when[1]|bad|500 | …Internal server error…",
    );
}

// ---- Transformation ----

#[test]
fn transformation() {
    skip_unless!(Need::Program("nginx", "nginx"));
    let nginx = Nginx::start(&[
        (
            "order.xml",
            "<order id='7'><name>pen</name><name>ink</name></order>",
        ),
        (
            "items.json",
            r#"{"items":[{"n":1,"t":"a"},{"n":2,"t":"b"}],"host":"secret.internal"}"#,
        ),
        ("data.json", r##"{"order":{"#attrs":{"id":"7"},"name":"pen"}}"##),
    ]);
    let xsl = r#"<xsl-transform><parameter name="who">@(context.Api.Name)</parameter>
        <xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:param name="who" />
        <xsl:output method="xml" omit-xml-declaration="yes" />
        <xsl:template match="/"><seen by="{$who}"><xsl:for-each select="order/name"><i><xsl:value-of select="." /></i></xsl:for-each></seen></xsl:template>
        </xsl:stylesheet></xsl-transform>"#;
    let rewritten = r#"<rewrite-uri template="/echo/{id}/x" /><set-query-parameter name="added"><value>a b</value></set-query-parameter>
        <set-query-parameter name="gone" exists-action="delete" /><set-header name="X-In" exists-action="append"><value>two</value></set-header>"#;
    let scene = Scene::new()
        .api("uri", &nginx.url, rewritten, "")
        .api("tojson", &nginx.url, "", r#"<xml-to-json kind="direct" apply="content-type-xml" consider-accept-header="false" />"#)
        .api("toxml", &nginx.url, "", r##"<json-to-xml apply="always" consider-accept-header="false" attribute-block-name="#attrs" />"##)
        .api("xsl", &nginx.url, "", xsl)
        .api(
            "liquid",
            &nginx.url,
            "",
            r#"<set-body template="liquid">{% for i in body.items %}{{i.t | Upcase}}{{i.n}};{% endfor %}</set-body><set-header name="Content-Type"><value>text/plain</value></set-header>"#,
        )
        .api("replace", &nginx.url, "", r#"<find-and-replace from="secret.internal" to="public" /><set-status code="203" reason="Changed" />"#)
        .api("broken", &nginx.url, "", r#"<xsl-transform><xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/" /></xsl:stylesheet></xsl-transform>"#)
        .start();
    scene.check(
        "GET /uri/9?gone=1&kept=2\nX-In: one",
        "200 | GET /echo/9/x?kept=2&added=a%20b in=one,two auth=",
    );
    scene.check(
        "GET /tojson/order.xml",
        r#"200; content-type: application/json | {"order":{"@id":"7","name":["pen","ink"]}}"#,
    );
    scene.check(
        "GET /toxml/data.json",
        r#"200; content-type: application/xml | <order id="7"><name>pen</name></order>"#,
    );
    scene.check(
        "GET /xsl/order.xml",
        r#"200 | <seen by="xsl"><i>pen</i><i>ink</i></seen>"#,
    );
    scene.check("GET /liquid/items.json", "200; content-type: text/plain | A1;B2;");
    scene.check("GET /replace/items.json", r#"203 | …"host":"public"}"#);
    // Not XML: the failure says who, where and what; nothing of the backend's answer is left.
    scene.check(
        "GET /broken/items.json",
        "500; x-error: xsl-transform|PolicyFailure|outbound|api|xsl-transform||500 | …Internal server error…",
    );
}

// ---- Access ----

/// Tokens of npm `jose`, encrypted in each documented way.
#[test]
fn access() {
    skip_unless!(
        Need::Program("node", "nodejs"),
        Need::Program("npm", "npm"),
        Need::Program("openssl", "openssl")
    );
    let Some(modules) = node_folder("npm-jose", &["jose@6"], "policy_families/tokens.mjs") else {
        return;
    };
    let backend = echo();
    let scene = Scene::new();
    openssl(
        &scene.scratch,
        "req -x509 -newkey rsa:2048 -nodes -keyout open.key -out open.pem -days 2 -subj /CN=open",
    );
    let tokens = Command::new("node")
        .arg(modules.join("tokens.mjs"))
        .arg(scene.scratch.path("open.pem"))
        .output()
        .unwrap();
    let tokens: Value = serde_json::from_slice(&tokens.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&tokens.stderr)));
    let overlay = scene.scratch.write(
        "overlay.yaml",
        "certificates:\n  - {id: open, certificatePath: open.pem, keyPath: open.key}\n",
    );
    let jwt = format!(
        r#"<validate-jwt header-name="Authorization" require-scheme="Bearer" output-token-variable-name="jwt">
        <issuer-signing-keys><key>{}</key></issuer-signing-keys>
        <decryption-keys><key certificate-id="open" /><key>{}</key><key>{}</key></decryption-keys>
        <audiences><audience>api://orders</audience></audiences></validate-jwt>
        <set-header name="Authorization" exists-action="delete" /><set-header name="X-In-Sub"><value>@(((Jwt)context.Variables["jwt"]).Subject)</value></set-header>"#,
        tokens["signing"].as_str().unwrap(),
        tokens["short"].as_str().unwrap(),
        tokens["long"].as_str().unwrap()
    );
    let url = format!("http://{}", backend.address);
    let scene = scene
        .setting("config.overlay.path", overlay.to_str().unwrap())
        .api("jwt", &url, &jwt, "")
        .api("header", &url, r#"<check-header name="X-Key" failed-check-httpcode="401" failed-check-error-message="No entry" ignore-case="true"><value>One</value></check-header>"#, "")
        .api("allowed", &url, r#"<ip-filter action="allow"><address-range from="127.0.0.1" to="127.0.0.9" /></ip-filter>"#, "")
        .api("forbidden", &url, r#"<ip-filter action="forbid"><address>127.0.0.1</address></ip-filter>"#, "")
        .api("basic", &url, r#"<authentication-basic username="ann" password="p:w" />"#, "")
        .start();
    for name in ["plain", "RSA-OAEP", "RSA-OAEP-256", "dir", "A128KW", "A256KW"] {
        let token = tokens["tokens"][name].as_str().unwrap();
        scene.check(
            &format!("GET /jwt/1\nAuthorization: Bearer {token}"),
            "200; x-error: - | GET /1; x-in-sub: ann",
        );
    }
    for name in ["stranger", "unsigned", "claims"] {
        let token = tokens["tokens"][name].as_str().unwrap();
        let answer = ask(
            scene.agent.http,
            "GET",
            "/jwt/1",
            &format!("Authorization: Bearer {token}\r\n"),
            "",
        );
        assert_eq!(answer.status, 401, "{name}: {}", answer.head);
    }
    scene.check(
        "GET /jwt/1",
        r#"401; x-error: validate-jwt|TokenNotPresent|inbound|api|validate-jwt||401 | { "statusCode": 401, "message": "JWT not present." }"#,
    );
    scene.check("GET /header/1\nX-Key: one", "200");
    scene.check(
        "GET /header/1\nX-Key: two",
        r#"401; x-error: check-header|HeaderValueNotAllowed|inbound|api|check-header||401 | …"No entry"…"#,
    );
    scene.check(
        "GET /header/1",
        "401; x-error: check-header|HeaderNotFound|inbound|api|check-header||401",
    );
    scene.check("GET /allowed/1", "200");
    scene.check(
        "GET /forbidden/1",
        "403; x-error: ip-filter|CallerIpBlocked|inbound|api|ip-filter||403",
    );
    scene.check("GET /basic/1", "200 | GET /1; authorization: Basic YW5uOnA6dw==");
}

#[track_caller]
fn openssl(scratch: &Scratch, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(scratch.path(""))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An authority with a database, whose list is where its certificates say.
fn authority(scratch: &Scratch, list: &str) {
    scratch.write("index.txt", "");
    scratch.write("serial", "1000\n");
    scratch.write("crlnumber", "1000\n");
    scratch.write(
        "ca.cnf",
        format!(
            "[ca]\ndefault_ca = a\n[a]\ndatabase = index.txt\nserial = serial\ncrlnumber = crlnumber\nnew_certs_dir = .\n\
             certificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\ndefault_days = 2\ndefault_crl_days = 1\n\
             policy = p\nunique_subject = no\n[p]\ncommonName = supplied\n\
             [client]\nextendedKeyUsage = clientAuth\ncrlDistributionPoints = URI:{list}\n\
             [root]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = keyCertSign,cRLSign\nsubjectKeyIdentifier = hash\n\
             [req]\ndistinguished_name = d\n[d]\n"
        ),
    );
    openssl(
        scratch,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=Test-CA -config ca.cnf -extensions root",
    );
    for name in ["good", "bad"] {
        openssl(
            scratch,
            &format!(
                "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name} -config ca.cnf"
            ),
        );
        openssl(
            scratch,
            &format!("ca -batch -notext -config ca.cnf -extensions client -in {name}.csr -out {name}.pem"),
        );
    }
}

#[test]
fn client_certificates_and_their_revocation() {
    skip_unless!(
        Need::Program("nginx", "nginx"),
        Need::Program("openssl", "openssl"),
        Need::Program("curl", "curl")
    );
    let nginx = Nginx::start(&[("empty.txt", "")]);
    let backend = echo();
    let scene = Scene::new();
    authority(&scene.scratch, &format!("{}/ca.crl", nginx.url));
    openssl(
        &scene.scratch,
        "req -x509 -newkey rsa:2048 -nodes -keyout host.key -out host.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost",
    );
    let overlay = scene.scratch.write(
        "overlay.yaml",
        "hostnames:\n  - {name: localhost, certificatePath: host.pem, keyPath: host.key, negotiateClientCertificate: true}\n",
    );
    let (port, ca) = (free_port(), scene.scratch.path("ca.pem"));
    let url = format!("http://{}", backend.address);
    let scene = scene
        .setting("config.overlay.path", overlay.to_str().unwrap())
        .setting("certificates.local.ca.enabled", "true")
        .setting("certificates.local.ca.path", ca.to_str().unwrap())
        .setting("net.server.https.port", port.to_string())
        .api("checked", &url, "<validate-client-certificate />", "")
        .api(
            "unchecked",
            &url,
            r#"<validate-client-certificate validate-revocation="false" />"#,
            "",
        )
        .start();
    let call = |name: &str, api: &str| {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--max-time",
            "60",
            "--output",
            "-",
            "--write-out",
            " %{http_code} %header{x-error}",
        ])
        .arg("--cacert")
        .arg(scene.scratch.path("host.pem"))
        .arg(format!("https://localhost:{port}/{api}/1"));
        if !name.is_empty() {
            curl.arg("--cert").arg(scene.scratch.path(&format!("{name}.pem")));
            curl.arg("--key").arg(scene.scratch.path(&format!("{name}.key")));
        }
        let output = curl.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let refused = |reason: &str| {
        format!("403 validate-client-certificate|{reason}|inbound|api|validate-client-certificate||403")
    };
    // No list is there yet: nobody can say, so nobody enters.
    let told = call("good", "checked");
    assert!(
        told.ends_with(&refused("ClientCertificateRevocationUnknown")),
        "{told}"
    );
    assert!(call("good", "unchecked").ends_with(" 200 "));
    assert!(call("", "checked").ends_with(&refused("ClientCertificateNotFound")));
    openssl(&scene.scratch, "ca -config ca.cnf -revoke bad.pem");
    openssl(&scene.scratch, "ca -config ca.cnf -gencrl -out ca.crl.pem");
    openssl(&scene.scratch, "crl -in ca.crl.pem -outform DER -out ca.crl");
    fs::copy(scene.scratch.path("ca.crl"), nginx.scratch.path("files/ca.crl")).unwrap();
    // The failure is remembered for ten seconds.
    let deadline = Instant::now() + LIMIT;
    loop {
        let told = call("good", "checked");
        if told.ends_with(" 200 ") {
            break;
        }
        assert!(Instant::now() < deadline, "{told}");
    }
    let told = call("bad", "checked");
    assert!(told.ends_with(&refused("ClientCertificateRevoked")), "{told}");
    assert!(call("bad", "unchecked").ends_with(" 200 "));
    for result in ["good", "revoked", "unknown"] {
        let label = format!("result=\"{result}\"");
        assert!(
            metric(&scene.agent, "gateway_revocation_checks_total", &label) >= 1.0,
            "{result}"
        );
    }
}

// ---- Caching ----

#[test]
fn caching() {
    skip_unless!(Need::Program("redis-server", "redis-server"));
    let (here, there) = (Scene::new(), Scene::new());
    let (server, address) = redis(&here.scratch);
    let tokens = Peer::start(|_, count| ok(&format!("token {count}"), ""));
    let inbound = r#"<cache-value key="token" variable-name="token" expires-after="600"><value>
        <send-request mode="new" response-variable-name="answer" timeout="5"><set-url>PEER/token</set-url></send-request>
        <set-variable name="token" value="@(((IResponse)context.Variables["answer"]).Body.As<string>())" /></value></cache-value>
        <choose><when condition="@(context.Request.MatchedParameters["id"] == "drop")"><cache-remove-value key="token" /></when></choose>
        <return-response><set-body>@((string)context.Variables["token"])</set-body></return-response>"#
        .replace("PEER", &format!("http://{}", tokens.address));
    let cached = |scene: Scene| scene.api("cached", "http://127.0.0.1:1", &inbound, "").start();
    // One is told by its settings, the other by a cache entity of its artifacts.
    let first = cached(here.setting("cache.external.connection-string", address.clone()));
    let named = json!({"properties": {"displayName": "redis", "value": address}});
    let entity = json!({"properties": {"connectionString": "{{redis}}", "useFromLocation": "default"}});
    let there = there
        .file(
            "artifacts/named values/redis/namedValueInformation.json",
            named.to_string(),
        )
        .file(
            "artifacts/caches/default/cacheInformation.json",
            entity.to_string(),
        );
    let second = cached(there);
    first.check("GET /cached/1", "200 | token 0");
    first.check("GET /cached/1", "200 | token 0");
    second.check("GET /cached/1", "200 | token 0");
    second.check("GET /cached/drop", "200 | token 0");
    first.check("GET /cached/1", "200 | token 1");
    drop(server);
    // Without the cache everything is made anew.
    first.check("GET /cached/1", "200 | token 2");
    drop(tokens);
}

// ---- Routing ----

#[test]
fn routing() {
    skip_unless!(Need::Program("nginx", "nginx"));
    let nginx = Nginx::start(&[("blue.json", "{}")]);
    let (blue, proxy) = (
        echo(),
        Peer::start(|request, _| ok(&format!("proxied {}", request.lines().next().unwrap()), "")),
    );
    let inbound = r#"<choose><when condition="@(context.Request.MatchedParameters["id"] == "blue")"><set-backend-service backend-id="blue" /></when>
        <when condition="@(context.Request.MatchedParameters["id"] == "none")"><set-backend-service backend-id="nowhere" /></when>
        <when condition="@(context.Request.MatchedParameters["id"] == "far")"><set-backend-service base-url="http://far.test/base" /></when>
        <otherwise><set-backend-service base-url="NGINX/echo" /></otherwise></choose>"#
        .replace("NGINX", &nginx.url);
    let scene = Scene::new()
        .setting("HTTP_PROXY", format!("http://u:p@{}", proxy.address))
        .setting("NO_PROXY", "near.test")
        .backend("blue", &format!("http://{}/pool", blue.address))
        .api("route", "http://127.0.0.1:1", &inbound, "")
        .api("down", "http://127.0.0.1:1", "", "")
        .start();
    scene.check("GET /route/green?x=1", "200 | GET /echo/green?x=1 in= auth=");
    scene.check("GET /route/blue", "200 | GET /pool/blue");
    scene.check(
        "GET /route/none",
        "500; x-error: set-backend-service|PolicyFailure|inbound|api|choose[1]/when[2]||500",
    );
    // What is not on this machine goes through the proxy of the environment.
    scene.check(
        "GET /route/far",
        "200 | proxied GET http://far.test/base/far HTTP/1.1",
    );
    let asked = proxy.heads.lock().unwrap().join("");
    assert!(
        asked.contains("Proxy-Authorization: Basic dTpw")
            || asked.contains("proxy-authorization: Basic dTpw"),
        "{asked}"
    );
    scene.check(
        "GET /down/1",
        "500; x-error: forward-request|BackendConnectionFailure|backend|global|forward-request||500",
    );
}

// ---- Validation ----

#[test]
fn validation() {
    let backend = Peer::start(|request, _| match request.contains("/wrong") {
        true => "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\nX-Extra: 1\r\n\r\n{}"
            .to_owned(),
        false => ok("{}", "Content-Type: application/json\r\n"),
    });
    let specification = "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /{id}:\n    parameters:\n      - {name: id, in: path, required: true, schema: {type: string, maxLength: 8}}\n      - {name: size, in: query, schema: {type: integer, maximum: 9}}\n    post:\n      operationId: post\n      requestBody: {content: {application/json: {schema: {type: object, required: [name], properties: {name: {type: string}, n: {type: integer}}, additionalProperties: false}}}}\n      responses: {'200': {description: OK}}\n";
    let inbound = r#"<validate-parameters specified-parameter-action="prevent" unspecified-parameter-action="prevent"><headers specified-parameter-action="ignore" unspecified-parameter-action="ignore" /></validate-parameters>
        <validate-content unspecified-content-type-action="prevent" max-size="100" size-exceeded-action="prevent"><content type="application/json" validate-as="json" action="prevent" /></validate-content>"#;
    let scene = Scene::new()
        .file("artifacts/apis/valid/specification.yaml", specification)
        .api(
            "valid",
            &format!("http://{}", backend.address),
            inbound,
            r#"<validate-status-code unspecified-status-code-action="prevent" />"#,
        )
        .start();
    let post =
        |target: &str, body: &str| format!("POST /valid/{target}\nContent-Type: application/json\n\n{body}");
    scene.check(&post("1?size=3", r#"{"name":"pen"}"#), "200; x-error: -");
    for (request, error, body) in [
        (
            post("1?size=12", r#"{"name":"pen"}"#),
            "validate-parameters",
            "The value of the query parameter size",
        ),
        (
            post("123456789", r#"{"name":"pen"}"#),
            "validate-parameters",
            "path parameter id",
        ),
        (
            post("1?other=1", r#"{"name":"pen"}"#),
            "validate-parameters",
            "Unspecified query parameter other is not allowed.",
        ),
        (
            post("1", r#"{"n":1}"#),
            "validate-content",
            "Body of the request does not conform to the definition",
        ),
        (
            post("1", r#"{"name":1}"#),
            "validate-content",
            "Body of the request does not conform to the definition",
        ),
        (
            post("1", &format!(r#"{{"name":"{}"}}"#, "x".repeat(100))),
            "validate-content",
            "exceeds the",
        ),
        (
            post("1", "{").replace("application/json", "text/plain"),
            "validate-content",
            "Unspecified content type text/plain is not allowed.",
        ),
    ] {
        let error = format!("{error}|Bad request|inbound|api|{error}||400");
        scene.check(&request, &format!("400; x-error: {error} | …{body}…"));
    }
    scene.check(
        &post("wrong", r#"{"name":"pen"}"#),
        "502 | …internal error. Contact the API owner…",
    );
    assert_eq!(backend.count(), 2, "nothing that was refused came through");
}

// ---- Integration ----

#[test]
fn integration() {
    let (service, hook, backend) = (
        Peer::start(|request, _| match request.contains("/fail") {
            true => "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
            false => ok(r#"{"rate":1.5}"#, "Content-Type: application/json\r\n"),
        }),
        Peer::start(|_, _| ok("", "")),
        echo(),
    );
    let inbound = r#"<send-one-way-request mode="copy"><set-url>HOOK/called</set-url><set-method>POST</set-method><set-body>called</set-body></send-one-way-request>
        <send-request mode="new" response-variable-name="rate" timeout="5" ignore-error="false"><set-url>@("SERVICE/" + context.Request.MatchedParameters["id"])</set-url>
            <set-method>PUT</set-method><set-header name="X-In-Own"><value>1</value></set-header><set-body>{"q":1}</set-body></send-request>
        <send-request mode="new" response-variable-name="gone" timeout="5" ignore-error="true"><set-url>http://127.0.0.1:1/</set-url></send-request>
        <set-header name="X-In-Rate"><value>@(((IResponse)context.Variables["rate"]).StatusCode == 200 ? ((IResponse)context.Variables["rate"]).Body.As<JObject>()["rate"].ToString() : "none")</value></set-header>
        <set-header name="X-In-Gone"><value>@((context.Variables["gone"] == null).ToString())</value></set-header>"#
        .replace("HOOK", &format!("http://{}", hook.address))
        .replace("SERVICE", &format!("http://{}", service.address));
    let needed = r#"<send-request id="needed" mode="new" response-variable-name="r" timeout="5"><set-url>http://127.0.0.1:1/</set-url></send-request>"#;
    let url = format!("http://{}", backend.address);
    let scene = Scene::new()
        .api("call", &url, &inbound, "")
        .api("needs", &url, needed, "")
        .start();
    scene.check("GET /call/1", "200 | GET /1; x-in-rate: 1.5; x-in-gone: True");
    scene.check(
        "GET /call/fail",
        "200 | GET /fail; x-in-rate: none; x-in-gone: True",
    );
    scene.check(
        "GET /needs/1",
        "500; x-error: send-request|BackendConnectionFailure|inbound|api|send-request|needed|500",
    );
    let asked = service.heads.lock().unwrap()[0].clone();
    assert!(
        asked.starts_with("PUT /1 HTTP/1.1") && asked.ends_with(r#"{"q":1}"#),
        "{asked}"
    );
    // Nobody waits for a one-way request; it is under way when the answer is there, or before.
    let deadline = Instant::now() + LIMIT;
    while hook.count() < 2 {
        assert!(Instant::now() < deadline, "the hook was not called");
        std::thread::yield_now();
    }
    assert!(hook.heads.lock().unwrap()[0].ends_with("called"));
}

// ---- Cross-domain ----

#[test]
fn cross_domain() {
    let backend = Peer::start(|_, _| ok(r#"{"a":1}"#, "Content-Type: application/json\r\n"));
    let cors = r#"<cors allow-credentials="true"><allowed-origins><origin>https://app.test</origin></allowed-origins>
        <allowed-methods preflight-result-max-age="60"><method>GET</method></allowed-methods><allowed-headers><header>X-One</header></allowed-headers>
        <expose-headers><header>X-Two</header></expose-headers></cors>"#;
    let url = format!("http://{}", backend.address);
    let global = GLOBAL.replace("<inbound />", r#"<inbound><cross-domain><cross-domain-policy><allow-access-from domain="*.test" /></cross-domain-policy></cross-domain></inbound>"#);
    let scene = Scene::new()
        .file("artifacts/policy.xml", global)
        .api("cors", &url, cors, "")
        .api("jsonp", &url, "", r#"<jsonp callback-parameter-name="cb" />"#)
        .start();
    scene.check(
        "OPTIONS /cors/1\nOrigin: https://app.test\nAccess-Control-Request-Method: GET\nAccess-Control-Request-Headers: X-One",
        "200; access-control-allow-origin: https://app.test; access-control-allow-credentials: true; access-control-max-age: 60 | ",
    );
    scene.check(
        "OPTIONS /cors/1\nOrigin: https://other.test\nAccess-Control-Request-Method: GET",
        "200; access-control-allow-origin: - | ",
    );
    assert_eq!(backend.count(), 0, "a preflight request goes nowhere");
    scene.check(
        "GET /cors/1\nOrigin: https://app.test",
        r#"200; access-control-allow-origin: https://app.test; access-control-expose-headers: X-Two | {"a":1}"#,
    );
    scene.check(
        "GET /cors/1\nOrigin: https://other.test",
        "200; access-control-allow-origin: - | ",
    );
    scene.check(
        "GET /jsonp/1?cb=show",
        r#"200; content-type: application/javascript | show({"a":1})"#,
    );
    scene.check("GET /jsonp/1", r#"200; content-type: application/json | {"a":1}"#);
    scene.check(
        "GET /jsonp/1?cb=alert(1)",
        "400; x-error: jsonp|CallbackParameterInvalid|outbound|api|jsonp||400",
    );
    scene.check(
        "GET /crossdomain.xml",
        "200 | …allow-access-from domain=\"*.test\"…",
    );
}

// ---- GraphQL ----

#[test]
fn graphql() {
    skip_unless!(Need::Program("node", "nodejs"), Need::Program("npm", "npm"));
    let packages = ["graphql@16", "graphql-http@1"];
    let Some(modules) = node_folder("npm-graphql", &packages, "policy_families/graphql.mjs") else {
        return;
    };
    let mut child = Command::new("node")
        .arg("graphql.mjs")
        .current_dir(&modules)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = line_of(&mut child, |line| line.starts_with('{'));
    let _server = Ended(child);
    let facts: Value = serde_json::from_str(&line).unwrap();
    let inbound = r#"<validate-graphql-request error-variable-name="e" max-size="2000" max-depth="3" max-complexity="5"><authorize>
        <rule path="/__*" action="reject" /><rule path="/User/secret" action="reject" /><rule path="/User/age" action="remove" /></authorize></validate-graphql-request>"#;
    let scene = Scene::new()
        .file(
            "artifacts/apis/graph/specification.graphql",
            facts["schema"].as_str().unwrap(),
        )
        .api_with(
            "graph",
            &format!("http://127.0.0.1:{}/graphql", facts["port"]),
            r#","type":"graphql""#,
            &sections(inbound, "<base />", ""),
        )
        .start();
    let query = |query: &str| {
        format!(
            "POST /graph\nContent-Type: application/json\nAccept: application/json\n\n{}",
            json!({ "query": query })
        )
    };
    scene.check(
        &query("{ user(id: 1) { name friend { name } } }"),
        r#"200 | {"data":{"user":{"name":"ann","friend":{"name":"bob"}}}}"#,
    );
    scene.check(
        &query("{ user(id: 1) { name age } }"),
        r#"200 | {"data":{"user":{"name":"ann"}}}"#,
    );
    for (text, why) in [
        (
            "{ user(id: 1) { secret } }",
            "Access to the field User.secret is not allowed.",
        ),
        ("{ __schema { types { name } } }", "is not allowed."),
        (
            "{ user(id: 1) { friend { friend { name } } } }",
            "is 4 levels deep and exceeds the limit of 3 levels.",
        ),
        (
            "{ a: user(id: 1) { name } b: user(id: 2) { name } c: user(id: 1) { name } }",
            "has 6 fields and exceeds the limit of 5.",
        ),
        ("{ user(id: 1) { nothing } }", "nothing"),
        ("{ user(id: 1)", "syntax error"),
    ] {
        scene.check(&query(text), &format!("400 | …{why}…"));
    }
}

// ---- Dapr ----

/// Dapr's sidecar cannot be had from a package registry: a stand-in of the test answers in its place.
#[test]
fn dapr() {
    let sidecar = Peer::start(|request, _| match request.contains("/bindings/broken") {
        true => "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        false => ok("sidecar", ""),
    });
    let inbound = r#"<choose><when condition="@(context.Request.MatchedParameters["id"] == "invoke")"><set-backend-service backend-id="dapr" dapr-app-id="orders" dapr-method="list" dapr-namespace="shop" /></when>
        <when condition="@(context.Request.MatchedParameters["id"] == "broken")"><invoke-dapr-binding name="broken" response-variable-name="r"><data>1</data></invoke-dapr-binding></when>
        <otherwise><publish-to-dapr pubsub-name="bus" topic="new" template="Liquid" response-variable-name="r">{"id":"{{body.id}}"}</publish-to-dapr>
        <invoke-dapr-binding name="queue" operation="create"><metadata><item key="p">high</item></metadata><data>{"a":1}</data></invoke-dapr-binding>
        <return-response><set-status code="202" reason="Accepted" /><set-body>@(((IResponse)context.Variables["r"]).Body.As<string>())</set-body></return-response></otherwise></choose>"#;
    let scene = Scene::new()
        .setting("DAPR_HTTP_PORT", sidecar.address.port().to_string())
        .api("dapr", "http://127.0.0.1:1", inbound, "")
        .start();
    scene.check(
        "POST /dapr/1\nContent-Type: application/json\n\n{\"id\":7}",
        "202 | sidecar",
    );
    scene.check("GET /dapr/invoke?x=1", "200 | sidecar");
    scene.check(
        "GET /dapr/broken",
        "500; x-error: invoke-dapr-binding|PolicyFailure|inbound|api|choose[1]/when[2]||500",
    );
    let asked = sidecar.heads.lock().unwrap().clone();
    for (request, line, body) in [
        (&asked[0], "POST /v1.0/publish/bus/new HTTP/1.1", r#"{"id":"7"}"#),
        (
            &asked[1],
            "POST /v1.0/bindings/queue HTTP/1.1",
            r#"{"operation":"create","metadata":{"p":"high"},"data":{"a":1}}"#,
        ),
        (
            &asked[2],
            "GET /v1.0/invoke/orders.shop/method/list?x=1 HTTP/1.1",
            "",
        ),
    ] {
        assert!(
            request.starts_with(line) && request.ends_with(&format!("\r\n\r\n{body}")),
            "{request}"
        );
    }
}

// ---- AI ----

/// A language model and Azure's content safety cannot be had here: stand-ins speak their interfaces.
#[test]
fn ai() {
    let model = Peer::start(|request, _| {
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        if json["stream"] == true {
            let event = |text: &str| {
                format!(
                    "data: {}\n\n",
                    json!({"choices": [{"index": 0, "delta": {"content": text}}]})
                )
            };
            let usage = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}});
            let body = format!("{}{}data: {usage}\n\ndata: [DONE]\n\n", event("Hel"), event("lo"));
            return ok(&body, "Content-Type: text/event-stream\r\n");
        }
        let answer = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60}});
        ok(&answer.to_string(), "Content-Type: application/json\r\n")
    });
    let safety = Peer::start(|request, _| {
        let severity = if request.contains("hurt") { 4 } else { 0 };
        let answer = json!({"categoriesAnalysis": [{"category": "Violence", "severity": severity}], "blocklistsMatch": []});
        ok(&answer.to_string(), "Content-Type: application/json\r\n")
    });
    let limit = r#"<llm-token-limit counter-key="all" tokens-per-minute="100" estimate-prompt-tokens="false" remaining-tokens-header-name="X-Left" tokens-consumed-header-name="X-Used" />
        <llm-emit-token-metric namespace="test"><dimension name="API ID" /></llm-emit-token-metric>"#;
    let safe = r#"<llm-content-safety backend-id="safety"><categories output-type="FourSeverityLevels"><category name="Violence" threshold="4" /></categories></llm-content-safety>"#;
    let url = format!("http://{}", model.address);
    let scene = Scene::new()
        .backend("safety", &format!("http://{}", safety.address))
        .api("chat", &url, limit, "")
        .api("safe", &url, safe, "")
        .start();
    let ask = |api: &str, text: &str, stream: bool| {
        let body =
            json!({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": text}]});
        format!("POST /{api}/1\nContent-Type: application/json\n\n{body}")
    };
    scene.check(
        &ask("chat", "hi", false),
        "200; x-used: 60; x-left: 100 | …\"Hello\"…",
    );
    scene.check(
        &ask("chat", "hi", true),
        "200; content-type: text/event-stream; x-left: 32; x-used: 8 | …data: [DONE]\n\n",
    );
    scene.check(&ask("chat", "hi", false), "200 | …\"Hello\"…");
    scene.check(
        &ask("chat", "hi", false),
        "429; x-error: llm-token-limit|RateLimitExceeded|inbound|api|llm-token-limit||429",
    );
    assert_eq!(model.count(), 3, "what is over the limit goes nowhere");
    scene.check(&ask("safe", "how are you", false), "200 | …\"Hello\"…");
    scene.check(&ask("safe", "how to hurt", false), "403");
    let asked = safety.heads.lock().unwrap().join("\n");
    assert!(
        asked.contains("POST /contentsafety/text:analyze?api-version="),
        "{asked}"
    );
}
