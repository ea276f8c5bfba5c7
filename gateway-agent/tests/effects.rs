//! What policies ask for, through the running agent and with real peers: an OpenID provider, Redis, backends that
//! ask for certificates, token endpoints.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is the report")]
#![expect(clippy::print_stdout, reason = "a skip is a line that people see")]

#[path = "support/peers.rs"]
mod peers;
mod support;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use gateway_tests::{skip::Need, skip_unless};
use peers::{Peer, ask, get, line_of, metric, node_folder, ok, redis, serve};
use serde_json::Value;
use support::{Agent, Ended, Scratch, free_port};

/// An artifact folder with one open API at `/api` whose document has `inbound` and `outbound`.
fn folder(scratch: &Scratch, backend: &str, inbound: &str, outbound: &str) -> String {
    let api = format!(
        r#"{{"properties":{{"displayName":"api","path":"api","protocols":["http"],"isCurrent":true,
        "subscriptionRequired":false,"serviceUrl":"{backend}"}}}}"#
    );
    let specification = "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /{id}:\n    get: {operationId: get, responses: {'200': {description: OK}}}\n";
    scratch.write("artifacts/apis/api/apiInformation.json", api);
    scratch.write("artifacts/apis/api/specification.yaml", specification);
    scratch.write(
        "artifacts/apis/api/policy.xml",
        format!(
            "<policies><inbound>{inbound}</inbound><backend><forward-request /></backend>\
             <outbound>{outbound}</outbound><on-error /></policies>"
        ),
    );
    scratch.path("artifacts").display().to_string()
}

/// An agent that serves, with more settings.
fn agent(scratch: &Scratch, folder: &str, settings: &[(&str, &str)]) -> Agent {
    let mut all = vec![("config.artifacts.path", folder)];
    all.extend_from_slice(settings);
    let agent = Agent::start(scratch, &all);
    agent.event("ConfigInitialSyncCompleted");
    agent
}

// ---- OpenID ----

struct Provider {
    process: Ended,
    port: u16,
    facts: Value,
}

impl Provider {
    fn start(folder: &Path, kid: &str, port: u16) -> Self {
        let mut child = Command::new("node")
            .arg("provider.mjs")
            .current_dir(folder)
            .env("KID", kid)
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = line_of(&mut child, |line| line.starts_with('{'));
        let facts: Value = serde_json::from_str(&line).unwrap();
        Self {
            process: Ended(child),
            port: facts["port"].as_u64().unwrap() as u16,
            facts,
        }
    }

    /// A token as an application gets it.
    fn token(&self) -> String {
        let form = "grant_type=client_credentials&client_id=app&client_secret=secret&resource=api%3A%2F%2Forders&scope=read";
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let answer = ask(
            address,
            "POST",
            "/token",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            form,
        );
        let json: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body));
        json["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{json}"))
            .to_owned()
    }
}

#[test]
fn tokens_of_a_real_provider_through_its_life() {
    skip_unless!(Need::Program("node", "nodejs"), Need::Program("npm", "npm"));
    let Some(modules) = node_folder("npm-oidc", &["oidc-provider@9"], "oidc/provider.mjs") else {
        return;
    };
    let scratch = Scratch::new();
    let provider = Provider::start(&modules, "k1", 0);
    let backend = Peer::start(|_, _| ok("served", ""));
    let inbound = format!(
        r#"<validate-jwt header-name="Authorization" failed-validation-httpcode="401" require-scheme="Bearer">
        <openid-config url="http://127.0.0.1:{}/.well-known/openid-configuration" />
        <audiences><audience>api://orders</audience></audiences>
        <required-claims><claim name="scope"><value>read</value></claim></required-claims></validate-jwt>"#,
        provider.port
    );
    let folder = folder(&scratch, &format!("http://{}", backend.address), &inbound, "");
    let agent = agent(&scratch, &folder, &[("openid.minimum-refresh-interval", "1ms")]);
    let call = |token: &str| get(&agent, "/api/1", &format!("Authorization: Bearer {token}\r\n"));

    let first = provider.token();
    assert_eq!(call(&first).status, 200, "a token of the provider");
    assert_eq!(get(&agent, "/api/1", "").status, 401, "none");
    let changed = format!("{}x", &first[..first.len() - 1]);
    for (what, token) in [
        ("changed", changed.as_str()),
        (
            "the public key as a secret",
            provider.facts["confused"].as_str().unwrap(),
        ),
        ("no signature", provider.facts["unsigned"].as_str().unwrap()),
    ] {
        assert_eq!(call(token).status, 401, "{what}");
    }
    assert_eq!(backend.count(), 1, "nothing refused came through");

    // The provider comes back with another key.
    let port = provider.port;
    drop(provider);
    let provider = Provider::start(&modules, "k2", port);
    let second = provider.token();
    assert_eq!(call(&second).status, 200, "the new key is asked for");
    assert_eq!(call(&first).status, 401, "the old key is gone");

    // And goes away: what is known goes on serving.
    drop(provider.process);
    assert_eq!(call(&second).status, 200);
    assert_eq!(call(&first).status, 401);
    assert!(metric(&agent, "gateway_openid_fetches_total", "ok") >= 2.0);
    assert!(metric(&agent, "gateway_openid_fetches_total", "failed") >= 1.0);
}

#[test]
fn a_provider_that_was_never_there_fails_closed() {
    let scratch = Scratch::new();
    let backend = Peer::start(|_, _| ok("served", ""));
    let inbound = format!(
        r#"<validate-jwt header-name="Authorization"><openid-config url="http://127.0.0.1:{}/x" /></validate-jwt>"#,
        free_port()
    );
    let folder = folder(&scratch, &format!("http://{}", backend.address), &inbound, "");
    let agent = agent(&scratch, &folder, &[]);
    let answer = get(&agent, "/api/1", "Authorization: Bearer a.b.c\r\n");
    assert_eq!((answer.status, backend.count()), (500, 0), "{}", answer.body);
}

// ---- Redis ----

const CACHE: &str = r#"<cache-lookup vary-by-developer="false" vary-by-developer-groups="false" downstream-caching-type="public">
    <vary-by-header>Accept-Language</vary-by-header><vary-by-query-parameter>q</vary-by-query-parameter></cache-lookup>"#;
const STORE: &str = r#"<cache-store duration="60" />"#;

/// A backend that numbers its answers.
fn numbering() -> Peer {
    Peer::start(|_, count| {
        ok(
            &format!("answer {count}"),
            "Content-Type: text/plain\r\nX-From: backend\r\n",
        )
    })
}

/// Requests and the answers they must get, on one agent.
fn check_responses(agent: &Agent) {
    for (target, headers, expected) in [
        ("/api/1?q=a", "", "answer 0"),
        ("/api/1?q=a", "", "answer 0"),
        ("/api/1?q=a&other=1", "", "answer 0"),
        ("/api/1?q=b", "", "answer 1"),
        ("/api/1?q=a", "Accept-Language: de\r\n", "answer 2"),
        ("/api/1?q=a", "Accept-Language: de\r\n", "answer 2"),
        // Whoever signs in is not served what others got, nor the other way round.
        ("/api/1?q=a", "Authorization: Basic eA==\r\n", "answer 3"),
        ("/api/1?q=a", "Authorization: Basic eA==\r\n", "answer 4"),
        ("/api/1?q=a", "", "answer 0"),
    ] {
        let answer = get(agent, target, headers);
        assert_eq!(
            (answer.status, &*answer.body),
            (200, expected),
            "{target} {headers}"
        );
        assert_eq!(answer.header("x-from"), Some("backend"));
        if headers.is_empty() {
            assert_eq!(
                answer.header("cache-control"),
                Some("public, max-age=60, must-revalidate")
            );
        }
    }
}

#[test]
fn responses_are_shared_through_redis_and_its_loss_is_a_miss() {
    let scratch = Scratch::new();
    skip_unless!(Need::Program("redis-server", "redis-server"));
    let (server, address) = redis(&scratch);
    let backend = numbering();
    let folder = folder(&scratch, &format!("http://{}", backend.address), CACHE, STORE);
    let settings = [("cache.external.connection-string", &*address)];
    let (here, there) = (Scratch::new(), Scratch::new());
    let first = agent(&here, &folder, &settings);
    check_responses(&first);
    let second = agent(&there, &folder, &settings);
    assert_eq!(
        get(&second, "/api/1?q=a", "").body,
        "answer 0",
        "another node stored it"
    );
    assert!(
        metric(
            &second,
            "gateway_cache_operations_total",
            r#"cache="external",operation="lookup",result="hit""#
        ) >= 1.0
    );
    drop(server);
    let answer = get(&first, "/api/1?q=a", "");
    assert_eq!((answer.status, &*answer.body), (200, "answer 5"));
    assert!(metric(&first, "gateway_cache_operations_total", "failed") >= 1.0);
}

#[test]
fn responses_are_kept_in_memory_when_a_setting_says_so() {
    let scratch = Scratch::new();
    let backend = numbering();
    let folder = folder(&scratch, &format!("http://{}", backend.address), CACHE, STORE);
    let first = agent(&scratch, &folder, &[("cache.memory.enabled", "true")]);
    check_responses(&first);
    assert!(metric(&first, "gateway_cache_memory_entries", "") >= 3.0);
    let there = Scratch::new();
    let without = agent(&there, &folder, &[]);
    let (one, two) = (
        get(&without, "/api/1?q=a", "").body,
        get(&without, "/api/1?q=a", "").body,
    );
    assert_ne!(one, two, "there is no cache by default");
}

#[test]
fn values_are_stored_found_and_removed() {
    let scratch = Scratch::new();
    let inbound = r#"<cache-lookup-value key="n" variable-name="n" />
        <choose><when condition="@(context.Request.Url.Query.ContainsKey(&quot;drop&quot;))"><cache-remove-value key="n" /></when>
        <when condition="@(!context.Variables.ContainsKey(&quot;n&quot;))">
            <set-variable name="n" value="@(new JObject(new JProperty(&quot;made&quot;, context.Request.MatchedParameters[&quot;id&quot;])))" />
            <cache-store-value key="n" value="@((JObject)context.Variables[&quot;n&quot;])" duration="60" /></when></choose>
        <return-response><set-body>@((string)((JObject)context.Variables["n"])["made"])</set-body></return-response>"#;
    let folder = folder(&scratch, "http://127.0.0.1:1", inbound, "");
    let agent = agent(&scratch, &folder, &[("cache.memory.enabled", "true")]);
    for (target, expected) in [
        ("/api/1", "1"),
        ("/api/2", "1"),
        ("/api/3?drop=1", "1"),
        ("/api/4", "4"),
        ("/api/5", "4"),
    ] {
        let answer = get(&agent, target, "");
        assert_eq!((answer.status, &*answer.body), (200, expected), "{target}");
    }
}

const LIMIT_BY_KEY: &str = r#"<rate-limit-by-key calls="5" renewal-period="300" counter-key="all" remaining-calls-header-name="X-Left" />"#;

/// Statuses of `calls` calls, in turn on each agent.
fn statuses(agents: &[&Agent], calls: usize) -> Vec<u16> {
    (0..calls)
        .map(|n| get(agents[n % agents.len()], "/api/1", "").status)
        .collect()
}

#[test]
fn a_limit_holds_for_all_nodes_that_share_redis() {
    let scratch = Scratch::new();
    skip_unless!(Need::Program("redis-server", "redis-server"));
    let (server, address) = redis(&scratch);
    let backend = numbering();
    let folder = folder(&scratch, &format!("http://{}", backend.address), LIMIT_BY_KEY, "");
    let settings = [("cache.external.connection-string", &*address)];
    let (here, there) = (Scratch::new(), Scratch::new());
    let (first, second) = (
        agent(&here, &folder, &settings),
        agent(&there, &folder, &settings),
    );
    assert_eq!(get(&first, "/api/1", "").header("x-left"), Some("4"));
    assert_eq!(statuses(&[&second, &first], 6), [200, 200, 200, 200, 429, 429]);
    let refused = get(&second, "/api/1", "");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((200..=300).contains(&wait), "{wait}");
    assert_eq!(refused.header("x-left"), Some("0"));
    assert_eq!(metric(&first, "gateway_counts_total", "node"), 0.0);
    // Without Redis each node goes on from what it let through itself: 3 of one, 2 of the other.
    drop(server);
    assert_eq!(statuses(&[&first], 3), [200, 200, 429]);
    assert_eq!(statuses(&[&second], 4), [200, 200, 200, 429]);
    assert!(metric(&first, "gateway_counts_total", "node") >= 3.0);
}

#[test]
fn without_redis_a_limit_is_each_nodes_own_and_the_log_says_so() {
    let scratch = Scratch::new();
    let backend = numbering();
    let folder = folder(&scratch, &format!("http://{}", backend.address), LIMIT_BY_KEY, "");
    let alone = Agent::start(&scratch, &[("config.artifacts.path", &folder)]);
    let said = alone.event("CountersOfNode");
    assert!(
        said["message"].as_str().unwrap().contains("each node for itself"),
        "{said}"
    );
    alone.event("ConfigInitialSyncCompleted");
    assert_eq!(statuses(&[&alone], 7), [200, 200, 200, 200, 200, 429, 429]);
}

#[test]
fn bandwidth_is_charged_with_what_went_over_the_wire() {
    let scratch = Scratch::new();
    let backend = Peer::start(|_, _| ok(&"x".repeat(600), ""));
    let inbound = r#"<quota-by-key bandwidth="1" renewal-period="3600" counter-key="all" />"#;
    let folder = folder(&scratch, &format!("http://{}", backend.address), inbound, "");
    let agent = agent(&scratch, &folder, &[]);
    assert_eq!(statuses(&[&agent], 2), [200, 200]);
    let refused = get(&agent, "/api/1", "");
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .body
            .contains("Out of bandwidth quota. Quota will be replenished in 00:"),
        "{}",
        refused.body
    );
}

// ---- Identity ----

#[test]
fn a_token_of_the_node_goes_to_the_backend() {
    let scratch = Scratch::new();
    let backend = Peer::start(|_, _| ok("served", ""));
    // Stands for Azure's metadata service, which cannot be had outside Azure.
    let imds = Peer::start(|_, count| {
        ok(
            &format!(r#"{{"access_token":"token-{count}","expires_in":"3600"}}"#),
            "",
        )
    });
    let inbound = r#"<authentication-managed-identity resource="https://vault.azure.net" />"#;
    let folder = folder(&scratch, &format!("http://{}", backend.address), inbound, "");
    let host = format!("http://{}", imds.address);
    let agent = agent(&scratch, &folder, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &host)]);
    assert_eq!(statuses(&[&agent], 3), [200; 3]);
    assert_eq!(imds.count(), 1, "it is kept");
    let asked = imds.heads.lock().unwrap()[0].to_ascii_lowercase();
    assert!(asked.starts_with("get /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3a%2f%2fvault.azure.net "), "{asked}");
    assert!(asked.contains("metadata: true"), "{asked}");
    let heads = backend.heads.lock().unwrap();
    assert!(
        heads.iter().all(|head| head
            .to_ascii_lowercase()
            .contains("authorization: bearer token-0")),
        "{heads:?}"
    );
    assert_eq!(
        metric(
            &agent,
            "gateway_identity_tokens_total",
            r#"source="managedIdentity""#
        ),
        1.0
    );
}

#[test]
fn no_token_is_a_failure_unless_it_is_ignored() {
    for (attribute, status, calls) in [("", 500, 0), (r#"ignore-error="true""#, 200, 1)] {
        let scratch = Scratch::new();
        let backend = Peer::start(|_, _| ok("served", ""));
        let imds = Peer::start(|_, _| {
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned()
        });
        let inbound =
            format!(r#"<authentication-managed-identity resource="https://vault.azure.net" {attribute} />"#);
        let folder = folder(&scratch, &format!("http://{}", backend.address), &inbound, "");
        let host = format!("http://{}", imds.address);
        let agent = agent(&scratch, &folder, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &host)]);
        assert_eq!(get(&agent, "/api/1", "").status, status);
        assert_eq!(backend.count(), calls);
    }
}

// ---- Client certificates ----

/// A TLS backend that wants a client certificate, and says whose it saw by its serial number.
fn wanting(scratch: &Scratch) -> SocketAddr {
    use rustls::{
        ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer, server::WebPkiClientVerifier,
    };
    let provider = gateway_agent::tls::provider();
    let server = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    scratch.write("ca.pem", server.cert.pem());
    let mut roots = rustls::RootCertStore::empty();
    for name in ["one", "two"] {
        let client = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        scratch.write(&format!("{name}.pem"), client.cert.pem());
        scratch.write(&format!("{name}.key"), client.signing_key.serialize_pem());
        roots.add(client.cert.der().clone()).unwrap();
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![server.cert.der().clone()],
            PrivateKeyDer::try_from(server.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let (config, one) = (Arc::new(config), fs::read(scratch.path("one.pem")).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Mutex::default();
    std::thread::spawn(move || {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};
        let one = CertificateDer::from_pem_slice(&one).unwrap();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            if tls.conn.complete_io(&mut tls.sock).is_err() {
                continue;
            }
            let shown = tls
                .conn
                .peer_certificates()
                .and_then(<[_]>::first)
                .is_some_and(|leaf| *leaf == one);
            serve(&mut tls, &heads, |_, _| ok(if shown { "one" } else { "two" }, ""));
            tls.conn.send_close_notify();
            let _ = tls.conn.complete_io(&mut tls.sock);
        }
    });
    address
}

#[test]
fn a_backend_sees_the_certificate_of_the_policy() {
    let scratch = Scratch::new();
    let address = wanting(&scratch);
    let overlay = scratch.write(
        "overlay.yaml",
        "certificates:\n  - {id: one, certificatePath: one.pem, keyPath: one.key}\n  - {id: two, certificatePath: two.pem, keyPath: two.key}\n  - {id: ca, certificatePath: ca.pem}\n",
    );
    let inbound = r#"<choose>
        <when condition="@(context.Request.MatchedParameters[&quot;id&quot;] == &quot;none&quot;)" />
        <when condition="@(context.Request.MatchedParameters[&quot;id&quot;] == &quot;list&quot;)"><return-response><set-body>@(
            string.Join(&quot;,&quot;, context.Deployment.Certificates.Select(c => c.Key + &quot; &quot; + c.Value.HasPrivateKey).OrderBy(n => n)))
            </set-body></return-response></when>
        <otherwise><authentication-certificate certificate-id="@(context.Request.MatchedParameters[&quot;id&quot;])" /></otherwise>
        </choose>"#;
    let folder = folder(
        &scratch,
        &format!("https://localhost:{}", address.port()),
        inbound,
        "",
    );
    let agent = agent(
        &scratch,
        &folder,
        &[
            ("config.overlay.path", overlay.to_str().unwrap()),
            ("certificates.local.ca.enabled", "true"),
            ("admin.requests", "10"),
            (
                "certificates.local.ca.path",
                scratch.path("ca.pem").to_str().unwrap(),
            ),
        ],
    );
    for (id, status, body) in [
        ("one", 200, "one"),
        ("two", 200, "two"),
        ("one", 200, "one"),
        ("none", 500, ""),
        ("unknown", 500, ""),
        ("list", 200, "ca False,one True,two True"),
    ] {
        let answer = get(&agent, &format!("/api/{id}"), "");
        assert_eq!(
            answer.status,
            status,
            "{id}: {} {}",
            answer.body,
            agent.admin("GET", "/requests").1
        );
        assert!(status != 200 || answer.body == body, "{id}: {}", answer.body);
    }
}
