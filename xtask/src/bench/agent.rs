//! The agent as a peer: one process, one worker, three APIs that cost differently.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gateway_tests::agent::{Agent, Start};

use super::{
    PROXY_CPU,
    peers::{Ground, Peer},
};
use crate::shell::{cargo, root, run};

/// Name of the peer.
pub(super) const NAME: &str = "agent";
/// Path of the API with key check and one policy at each scope.
pub(super) const SCOPED: &str = "/scoped";
/// What is asked of it: name, path, header.
pub(super) const PATHS: &[(&str, &str, Option<&str>)] = &[
    ("no policy", "/bare", None),
    (
        "key and one policy at each scope",
        SCOPED,
        Some("Ocp-Apim-Subscription-Key: bench-key"),
    ),
    ("ten policies", "/ten", None),
];

const PLAIN_PORT: u16 = 12080;
const TLS_PORT: u16 = 12443;

/// Starts a release build with metrics and accounting on, as in production.
pub(super) fn start(ground: &Ground<'_>) -> Result<Peer> {
    let binary = binary()?;
    let artifacts = ground.lab.folder().join("bench-artifacts");
    let overlay = ground.lab.folder().join("bench-overlay.yaml");
    write_artifacts(&artifacts, &format!("http://{}", ground.upstream))?;
    write(&overlay, &overlay_text(ground))?;
    let mut start = Start::new(artifacts, overlay)
        .with("gateway.name", "bench")
        .with("runtime.workers", "1")
        .with("telemetry.logs.std", "none")
        .with("admin.requests", "0")
        .with("admin.connections", "0");
    start.binary = Some(binary);
    start.wrapper = ["taskset", "-c", PROXY_CPU].map(str::to_owned).to_vec();
    start.name = "bench-agent";
    let agent = Agent::start(ground.lab, &start)?;
    let version = agent.json("/version")?["version"]
        .as_str()
        .unwrap_or("unknown")
        .to_owned();
    Ok(Peer::adopt(NAME, agent.process, (PLAIN_PORT, TLS_PORT), version))
}

// A release build, or the one that `GATEWAY_AGENT_BINARY` names.
pub(super) fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("GATEWAY_AGENT_BINARY") {
        return Ok(given.into());
    }
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", "gateway-agent"]);
    run(&mut build)?;
    Ok(root().join("target/release/gateway-agent"))
}

fn overlay_text(ground: &Ground<'_>) -> String {
    let address = ground.host.address;
    format!(
        "subscriptions:\n  - name: bench\n    properties: {{primaryKey: bench-key}}\n\
         listeners:\n  - {{name: http, address: {address}, port: {PLAIN_PORT}}}\n\
         \x20 - {{name: https, address: {address}, port: {TLS_PORT}, tls: true}}\n\
         hostnames:\n  - name: bench.example\n    certificatePath: {chain}\n    keyPath: {key}\n    defaultSslBinding: true\n",
        chain = ground.leaf.chain.display(),
        key = ground.leaf.key.display(),
    )
}

fn write_artifacts(folder: &Path, upstream: &str) -> Result<()> {
    let file = |path: &str, text: &str| write(&folder.join(path), text);
    file(
        "gateways/bench/gatewayInformation.json",
        r#"{"properties":{"locationData":{"name":"bench"}}}"#,
    )?;
    file("policy.xml", &policy(false, GLOBAL, ""))?;
    file(
        "products/bench/productInformation.json",
        r#"{"properties":{"displayName":"bench","state":"published","subscriptionRequired":true}}"#,
    )?;
    file(
        "products/bench/policy.xml",
        &policy(true, &header("X-Product"), ""),
    )?;
    file("products/bench/apis/scoped/productApiInformation.json", "{}")?;
    file(
        "subscriptions/bench/subscriptionInformation.json",
        r#"{"properties":{"displayName":"bench","scope":"/products/bench","state":"active"}}"#,
    )?;
    for (api, key, inbound, outbound) in [
        ("bare", false, String::new(), ""),
        ("scoped", true, header("X-Api"), ""),
        ("ten", false, TEN.to_owned(), TEN_OUTBOUND),
    ] {
        file(
            &format!("gateways/bench/apis/{api}/gatewayApiInformation.json"),
            "{}",
        )?;
        file(
            &format!("apis/{api}/apiInformation.json"),
            &format!(
                r#"{{"properties":{{"displayName":"{api}","path":"{api}","protocols":["http","https"],"apiRevision":"1","isCurrent":true,"subscriptionRequired":{key},"serviceUrl":"{upstream}"}}}}"#
            ),
        )?;
        file(&format!("apis/{api}/specification.yaml"), SPECIFICATION)?;
        file(
            &format!("apis/{api}/policy.xml"),
            &policy(key, &inbound, outbound),
        )?;
    }
    file(
        "apis/scoped/operations/size/policy.xml",
        &policy(true, &header("X-Operation"), ""),
    )
}

// A document with or without the broader scopes.
fn policy(base: bool, inbound: &str, outbound: &str) -> String {
    let (base, backend) = if base {
        ("<base />", "<base />")
    } else {
        ("", "<forward-request />")
    };
    format!(
        "<policies><inbound>{base}{inbound}</inbound><backend>{backend}</backend>\
         <outbound>{base}{outbound}</outbound><on-error>{base}</on-error></policies>"
    )
}

fn header(name: &str) -> String {
    format!("<set-header name=\"{name}\" exists-action=\"override\"><value>yes</value></set-header>")
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

const GLOBAL: &str =
    "<set-header name=\"X-Global\" exists-action=\"override\"><value>yes</value></set-header>";

const SPECIFICATION: &str = "openapi: 3.0.1\ninfo: {title: bench, version: '1'}\npaths:\n  '/size/{name}':\n    get:\n      \
    operationId: size\n      parameters:\n        - {name: name, in: path, required: true, schema: {type: string}}\n      \
    responses: {'200': {description: OK}}\n";

// Seven before the backend (one inside choose), three after it.
const TEN: &str = r#"
<set-variable name="who" value="@(context.Request.IpAddress)" />
<choose><when condition="@(context.Request.Method == "GET")"><set-header name="X-Read" exists-action="override"><value>yes</value></set-header></when></choose>
<set-header name="X-Who" exists-action="override"><value>@((string)context.Variables["who"])</value></set-header>
<set-query-parameter name="via" exists-action="override"><value>node</value></set-query-parameter>
<ip-filter action="allow"><address-range from="127.0.0.0" to="127.255.255.255" /></ip-filter>
<rewrite-uri template="/size/{name}" />
"#;
const TEN_OUTBOUND: &str = r#"
<set-header name="X-Served-By" exists-action="override"><value>agent</value></set-header>
<set-header name="Server" exists-action="delete" />
<set-variable name="done" value="@(context.Response.StatusCode)" />
"#;
