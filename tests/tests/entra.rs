//! Nodes that sign in to a hub with Entra's flow, the token side played by a real provider (npm `oidc-provider`).

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gateway_tests::{
    agent::{Agent, Start},
    client::{Ask, curl},
    hub::Hub,
    lab::{Lab, Mode},
    process::{Process, run},
    scene::{GATEWAY, workspace},
    skip::Need,
    skip_unless, wait,
};
use serde_json::Value;

const TAKEN_UP: Duration = Duration::from_secs(30);
const TENANT: &str = "tenant";
const AUDIENCE: &str = "https://azure-api.net/configuration";
const CLIENT: (&str, &str) = ("node-application", "its-secret");

/// The folder with npm `oidc-provider`; the error is the reason to skip.
fn modules() -> Result<PathBuf, String> {
    let folder = workspace().join("target/npm-entra");
    if !folder.join("node_modules/oidc-provider").exists() {
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        std::fs::write(folder.join("package.json"), r#"{"private":true}"#)
            .map_err(|error| error.to_string())?;
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--silent",
            "oidc-provider@9",
        ]);
        run(npm.current_dir(&folder))
            .map_err(|error| format!("npm cannot install oidc-provider: {error:#}"))?;
    }
    Ok(folder)
}

/// An RSA certificate and its key, together and the key alone.
fn application(folder: &Path) -> (PathBuf, PathBuf) {
    let [key, certificate, both] = ["app.key", "app.crt", "app.pem"].map(|file| folder.join(file));
    run(Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=app", "-days", "7", "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&certificate))
    .unwrap();
    let texts = [&certificate, &key].map(|file| std::fs::read_to_string(file).unwrap());
    std::fs::write(&both, texts.concat()).unwrap();
    (both, key)
}

fn provider(lab: &Lab, modules: &Path, key: &Path) -> (Process, u16) {
    // Node resolves the package from where the script is.
    std::fs::copy(workspace().join("tests/arm/entra.mjs"), modules.join("entra.mjs")).unwrap();
    let mut command = Command::new("node");
    command
        .arg("entra.mjs")
        .current_dir(modules)
        .env("TENANT", TENANT)
        .env("AUDIENCE", AUDIENCE)
        .env("CLIENT", CLIENT.0)
        .env("SECRET", CLIENT.1)
        .env("KEY", key);
    let process = Process::spawn("entra", command, &lab.folder().join("entra.log")).unwrap();
    let port = wait::until("the provider to listen", TAKEN_UP, || {
        let output = process.output();
        let line = output.lines().find(|line| line.starts_with('{'))?;
        serde_json::from_str::<Value>(line).ok()?["port"].as_u64()
    });
    assert!(port.is_ok(), "{}", process.tail(20));
    let port = port.unwrap();
    (process, u16::try_from(port).unwrap())
}

#[test]
fn applications_stand_for_gateways() {
    skip_unless!(
        Need::Program("node", "nodejs"),
        Need::Program("npm", "npm"),
        Need::Program("openssl", "openssl"),
        Need::Program("curl", "curl"),
    );
    let modules = match modules() {
        Ok(modules) => modules,
        Err(reason) => return println!("SKIP: {reason}"),
    };
    let lab = Lab::new(Mode::Loopback).unwrap();
    let (both, key) = application(lab.folder());
    let (_provider, port) = provider(&lab, &modules, &key);
    let authority = format!("http://127.0.0.1:{port}");
    let address = lab.node.at(lab.port(&lab.node, 0).unwrap());
    let settings = [
        (
            "config.artifacts.path",
            workspace().join("examples/artifacts").display().to_string(),
        ),
        ("hub.address", address.to_string()),
        (
            "hub.openid.config-url",
            format!("{authority}/.well-known/openid-configuration"),
        ),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    let hub = Hub::start(&lab, &lab.node, &settings).unwrap();
    let (secret, certificate) = (
        ("config.service.auth.azureAd.clientSecret", CLIENT.1.to_owned()),
        (
            "config.service.auth.azureAd.certificatePath",
            both.display().to_string(),
        ),
    );
    let signed = format!("{}-certificate", CLIENT.0);
    for (name, client, proof) in [
        ("secret", CLIENT.0, secret),
        ("certificate", &*signed, certificate),
    ] {
        let mut agent = node(&lab, name, &address.to_string(), client, &authority, &proof);
        let state = |agent: &Agent| {
            let status = agent.json("/status").unwrap_or_default();
            status["configuration"]["remote"].clone()
        };
        hub.give(&format!("{GATEWAY}.applications"), "another-application\n")
            .unwrap();
        let refused = wait::until("the refusal", TAKEN_UP, || {
            let remote = state(&agent);
            (remote["state"] == "unauthorised").then_some(remote)
        })
        .unwrap();
        assert!(
            refused["remedy"].to_string().contains("applications"),
            "{refused}"
        );
        hub.give(
            &format!("{GATEWAY}.applications"),
            &format!("{client} # the node\n"),
        )
        .unwrap();
        agent.wait_ready().unwrap();
        assert_eq!(state(&agent)["state"], "fresh");
    }
    for bad in [
        "",
        "Bearer ",
        "Bearer a.b.c",
        "Bearer eyJhbGciOiJub25lIn0.eyJhcHBpZCI6ImEifQ.",
    ] {
        let ask = Ask {
            url: format!("http://{address}/gateways/{GATEWAY}/events"),
            headers: vec![format!("Authorization: {bad}")],
            ..Ask::default()
        };
        assert_eq!(curl(&lab.node, &ask).unwrap().status, 401, "{bad}");
    }
}

fn node(
    lab: &Lab,
    name: &'static str,
    hub: &str,
    client: &str,
    authority: &str,
    proof: &(&str, String),
) -> Agent {
    let mut start = Start::new("none", "none")
        .with("config.service.endpoint", format!("http://{hub}"))
        .with("config.service.auth", "azureAdApp")
        .with("config.service.auth.azureAd.tenantId", TENANT)
        .with("config.service.auth.azureAd.clientId", client)
        .with("config.service.auth.azureAd.authority", authority)
        .with("config.service.refreshInterval", "1s")
        .with("gateway.name", GATEWAY)
        .with("net.server.address", "127.0.0.1")
        .with(
            "net.server.http.port",
            lab.port(&lab.node, 0).unwrap().to_string(),
        )
        .with("net.server.https.port", "0")
        .with("kernel.mode", "off")
        .with(proof.0, proof.1.clone());
    start.name = name;
    Agent::launch(lab, &start).unwrap()
}
