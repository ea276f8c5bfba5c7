//! The stand-in for the management API against Microsoft's SDKs, and the agent against the stand-in.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{path::PathBuf, process::Command, time::Duration};

use gateway_tests::{
    agent::{Agent, Start},
    arm::{self, StandIn},
    certs::Authority,
    hub::Hub,
    lab::{Lab, Mode},
    process::run,
    scene::{GATEWAY, workspace},
    skip::Need,
    skip_unless, wait,
};
use serde_json::json;

/// A debug build on a busy machine; waits end with their event.
const TAKEN_UP: Duration = Duration::from_secs(30);

/// The laboratory, a service and what it hides.
struct Bench {
    stand_in: StandIn,
    lab: Lab,
    authority: Authority,
    application: PathBuf,
}

macro_rules! bench {
    () => {{
        skip_unless!(
            Need::Program("python3", "python3"),
            Need::Program("curl", "curl"),
            Need::Program("openssl", "openssl"),
        );
        if let Err(reason) = arm::python() {
            println!("SKIP: {reason}");
            return;
        }
        Bench::start()
    }};
}

impl Bench {
    fn start() -> Self {
        let lab = Lab::new(Mode::Loopback).unwrap();
        let folder = lab.folder();
        let authority = Authority::new(&folder.join("certs")).unwrap();
        let application = application(&folder.join("application"));
        let leaf = authority.leaf("vaulted", &["vaulted.example"]).unwrap();
        let pem = std::fs::read_to_string(leaf.chain).unwrap() + &std::fs::read_to_string(leaf.key).unwrap();
        let secrets = folder.join("secrets.json");
        let held = json!({
            "subscriptions": {
                "starter-team": ["starter-key-1", "starter-key-2"], "echo-team": ["echo-key-1", "echo-key-2"],
                "orders-team": ["orders-key-1"], "former-team": ["former-key-1"],
            },
            "namedValues": { "echo-secret": "not-a-real-secret" },
            "vault": {
                "vaulted": { "value": pem, "contentType": "application/x-pem-file" },
                "plain": { "value": "from the vault", "contentType": "text/plain" },
            },
        });
        std::fs::write(&secrets, held.to_string()).unwrap();
        let artifacts = folder.join("artifacts");
        run(Command::new("cp")
            .arg("-r")
            .arg(workspace().join("examples/artifacts"))
            .arg(&artifacts))
        .unwrap();
        let stand_in = StandIn::start(&arm::Start {
            host: &lab.node,
            port: 0,
            folder: &artifacts,
            secrets: &secrets,
            scratch: folder,
            authority: &authority,
            application: Some(&application.join("certificate.pem")),
            page: 2,
        })
        .unwrap();
        Self {
            stand_in,
            lab,
            authority,
            application,
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.lab.folder().join("artifacts").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// An agent that reads the service, with further settings.
    fn agent(&self, name: &'static str, further: &[(&str, String)]) -> Agent {
        let mut start = Start::new("none", "none");
        start.name = name;
        start.settings = self.stand_in.settings();
        let own = [
            ("gateway.name", GATEWAY.to_owned()),
            ("net.server.address", "127.0.0.1".to_owned()),
            (
                "net.server.http.port",
                self.lab.port(&self.lab.node, 0).unwrap().to_string(),
            ),
            ("net.server.https.port", "0".to_owned()),
            ("config.service.refreshInterval", "1s".to_owned()),
            ("kernel.mode", "off".to_owned()),
        ];
        let further = further.iter().map(|(n, v)| (*n, v.clone()));
        for (name, value) in own.into_iter().chain(further) {
            start.settings.push((name.to_owned(), value));
        }
        Agent::start(&self.lab, &start).unwrap()
    }
}

/// An RSA certificate for client assertions, and the same with its key in one file.
fn application(folder: &std::path::Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    run(Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=app", "-days", "7", "-keyout",
        ])
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("certificate.pem")))
    .unwrap();
    let both = ["certificate.pem", "key.pem"].map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    std::fs::write(folder.join("both.pem"), both.concat()).unwrap();
    folder.to_owned()
}

#[test]
fn microsofts_sdks_read_the_stand_in_and_agree() {
    let bench = bench!();
    let arguments = json!({
        "port": bench.stand_in.port, "folder": bench.lab.folder().join("artifacts"),
        "secrets": bench.lab.folder().join("secrets.json"), "tenant": arm::TENANT,
        "client": arm::CLIENT.0, "secret": arm::CLIENT.1, "federated": arm::FEDERATED,
        "certificate": bench.application.join("both.pem"),
        "subscription": arm::SUBSCRIPTION, "group": arm::GROUP, "service": arm::SERVICE,
    });
    let authority = bench.authority.certificate();
    let said = run(Command::new(arm::python().unwrap())
        .arg(workspace().join("tests/arm/sdk_check.py"))
        .arg(arguments.to_string())
        .env("REQUESTS_CA_BUNDLE", &authority)
        .env("SSL_CERT_FILE", &authority))
    .unwrap();
    let agreed: u32 = said.trim().strip_prefix("AGREED ").unwrap().parse().unwrap();
    assert!(agreed > 500, "{said}");
}

#[test]
fn every_identity_reads_the_service() {
    let bench = bench!();
    let endpoint = bench.stand_in.endpoint();
    let none = String::new();
    let token = bench.lab.folder().join("federated.token");
    std::fs::write(&token, arm::FEDERATED).unwrap();
    let secret = "config.service.auth.azureAd.clientSecret";
    let certificate = bench.application.join("both.pem").display().to_string();
    for (source, settings) in [
        ("application", vec![]),
        (
            "application",
            vec![
                (secret, none.clone()),
                ("config.service.auth.azureAd.certificatePath", certificate),
            ],
        ),
        (
            "workloadIdentity",
            vec![
                (secret, none),
                ("AZURE_FEDERATED_TOKEN_FILE", token.display().to_string()),
            ],
        ),
        (
            "managedIdentity",
            vec![
                ("identity.source", "managedIdentity".to_owned()),
                ("AZURE_POD_IDENTITY_AUTHORITY_HOST", endpoint),
            ],
        ),
    ] {
        let agent = bench.agent("identity", &settings);
        let tokens = agent
            .metric("gateway_identity_tokens_total", &[source, "ok"])
            .unwrap();
        assert!(tokens >= 1.0, "{source}: {settings:?}");
        let status = agent.json("/status").unwrap();
        assert_eq!(status["configuration"]["remote"]["state"], "fresh", "{status}");
    }
}

const REVISION: &str = r#"
openapi: 3.0.1
info: {title: Echo, version: '2'}
paths:
  /things/{id}:
    put:
      operationId: put_thing
      summary: Put a thing
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: mode, in: query, required: true, schema: {type: string, enum: [a, b]}}
        - {name: page, in: query, schema: {type: integer}}
      requestBody:
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Thing'}
      responses:
        '200':
          description: done
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Thing'}
              example: {id: 7}
components:
  schemas:
    Thing: {type: object, required: [id], properties: {id: {type: integer}}}
"#;

#[test]
fn the_same_folder_is_the_same_configuration_from_three_sources() {
    let bench = bench!();
    // Another revision, with validated messages, schemas and examples: what a specification says and entities say as well.
    bench.write(
        "apis/echo;rev=2/apiInformation.json",
        r#"{"properties": {"displayName": "Echo", "path": "echo", "protocols": ["http", "https"], "apiRevision": "2",
            "isCurrent": false, "subscriptionRequired": true, "serviceUrl": "http://198.51.100.2:9003"}}"#,
    );
    bench.write("apis/echo;rev=2/specification.yaml", REVISION);
    bench.write(
        "apis/echo;rev=2/operations/put_thing/policy.xml",
        "<policies><inbound><base/><validate-content unspecified-content-type-action=\"prevent\" max-size=\"1000\" \
         size-exceeded-action=\"prevent\"><content type=\"application/json\" validate-as=\"json\" action=\"prevent\"/>\
         </validate-content></inbound></policies>",
    );
    let overlay = bench.lab.folder().join("overlay.yaml");
    let text = std::fs::read_to_string(workspace().join("examples/overlay.yaml")).unwrap();
    let entities = text.split("listeners:").next().unwrap();
    std::fs::write(&overlay, entities).unwrap();
    let from_service = bench.agent("service", &[]);
    let folder = [
        (
            "config.artifacts.path",
            bench.lab.folder().join("artifacts").display().to_string(),
        ),
        ("config.overlay.path", overlay.display().to_string()),
        ("net.server.http.port", listener_port(&from_service)),
    ];
    let contents = |agent: &Agent| {
        let answer = agent.ask("GET", "/content").unwrap();
        assert_eq!(answer.status, 200);
        // The listener is the test's own and differs.
        let lines = answer.body.lines().filter(|line| !line.starts_with("listener "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = contents(&from_service);
    assert!(first.len() > 25, "{first:?}");
    let revision = first.iter().find(|line| line.contains("put_thing"));
    assert!(
        revision.is_some_and(|line| line.contains("validated=true")),
        "{revision:?}"
    );
    drop(from_service);
    let second = contents(&bench.agent("folder", &folder));
    assert_eq!(first, second, "folder");
    let address = bench.lab.node.at(bench.lab.port(&bench.lab.node, 0).unwrap());
    let settings = [
        (folder[0].0, folder[0].1.clone()),
        ("hub.address", address.to_string()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    let hub = Hub::start(&bench.lab, &bench.lab.node, &settings).unwrap();
    hub.give("node.primary", "the-key-of-the-gateway").unwrap();
    let through_hub = [
        ("config.arm.service", "none".to_owned()),
        ("config.service.endpoint", format!("http://{address}")),
        ("config.service.auth", hub.token(GATEWAY, "node.primary").unwrap()),
        folder[1].clone(),
    ];
    assert_eq!(first, contents(&bench.agent("through-hub", &through_hub)), "hub");
}

fn listener_port(agent: &Agent) -> String {
    let listeners = agent.json("/listeners").unwrap();
    let address = listeners[0]["address"].as_str().unwrap().to_owned();
    address.rsplit(':').next().unwrap().to_owned()
}

#[test]
fn keys_values_and_certificates_come_from_the_vault_and_rotate() {
    let bench = bench!();
    let at = format!("{}:{}", bench.stand_in.host.address, bench.stand_in.port);
    let vault = |name: &str| json!({ "secretIdentifier": format!("https://{at}/secrets/{name}") });
    let put = |path: &str, properties: serde_json::Value| {
        bench.write(path, &json!({ "properties": properties }).to_string());
    };
    put(
        "certificates/vaulted/certificateInformation.json",
        json!({ "subject": "CN=vaulted.example", "keyVault": vault("vaulted") }),
    );
    put(
        "gateways/node/hostnameConfigurations/h/hostnameConfigurationInformation.json",
        json!({ "hostname": "vaulted.example", "certificateId": "/certificates/vaulted", "negotiateClientCertificate": false }),
    );
    put(
        "named values/plain/namedValueInformation.json",
        json!({ "displayName": "plain", "secret": true, "keyVault": vault("plain") }),
    );
    bench.write(
        "apis/public/operations/hello/policy.xml",
        "<policies><inbound><return-response><set-status code=\"200\" reason=\"OK\"/><set-body>{{plain}}</set-body></return-response></inbound></policies>",
    );
    let port = bench.lab.port(&bench.lab.node, 0).unwrap();
    let agent = bench.agent("vault", &[("net.server.https.port", port.to_string())]);
    let ask = || {
        let answer = gateway_tests::client::curl(
            &bench.lab.node,
            &gateway_tests::client::Ask {
                url: format!("https://vaulted.example:{port}/public/hello"),
                options: vec![
                    "--cacert".to_owned(),
                    bench.authority.certificate().display().to_string(),
                    "--resolve".to_owned(),
                    format!("vaulted.example:{port}:127.0.0.1"),
                ],
                ..Default::default()
            },
        );
        answer
            .map(|a| a.body)
            .unwrap_or_else(|error| format!("{error:#}"))
    };
    assert_eq!(ask(), "from the vault");
    let file = bench.lab.folder().join("secrets.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("from the vault", "rotated")).unwrap();
    wait::until("the new value", TAKEN_UP, || (ask() == "rotated").then_some(())).unwrap();
    let status = agent.json("/status").unwrap();
    assert_eq!(
        status["configuration"]["active"]["problems"]["refused"], 0,
        "{status}"
    );
}

#[test]
fn throttling_is_seen_and_respected() {
    let bench = bench!();
    let agent = bench.agent("paced", &[("config.arm.rate", "1000".to_owned())]);
    bench
        .stand_in
        .control(&json!({ "throttle": { "reads": 10, "refill": 5, "after": 2 } }))
        .unwrap();
    wait::until("the throttled state", TAKEN_UP, || {
        let status = agent.json("/status").unwrap();
        (status["configuration"]["remote"]["state"] == "throttled").then_some(())
    })
    .unwrap();
    let errors = agent
        .metric("configuration_sync_errors_total", &["throttled"])
        .unwrap();
    assert!(errors >= 1.0);
    bench.stand_in.control(&json!({ "throttle": null })).unwrap();
    wait::until("the fresh state", TAKEN_UP, || {
        let status = agent.json("/status").unwrap();
        (status["configuration"]["remote"]["state"] == "fresh").then_some(())
    })
    .unwrap();
    let waited = agent
        .metric("configuration_source_wait_seconds_total", &[])
        .unwrap();
    assert!(
        waited > 0.0,
        "few calls left make the node wait before it is told to"
    );
}
