//! The node as a process: start, readiness, reload, drain, and every way to start wrongly.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is the report")]

mod support;

use std::{fs, os::unix::fs::symlink, process::Stdio};

use support::{Agent, Scratch, command, examples};

fn artifacts() -> String {
    examples().display().to_string()
}

#[test]
fn starts_serves_and_ends_cleanly() {
    let scratch = Scratch::new();
    let agent = Agent::start(&scratch, &[("config.artifacts.path", &artifacts())]);
    agent.event("ConfigInitialSyncCompleted");
    let status = agent.status();
    assert_eq!(status["ready"], true, "{status}");
    assert_eq!(status["workers"], 1);
    assert_eq!(status["listeners"][0]["address"], agent.http.to_string());
    assert_eq!(agent.admin("GET", "/ready").0, 200);
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn settings_come_as_dotted_names_shell_names_and_file() {
    let scratch = Scratch::new();
    let file = scratch.write(
        "settings.yaml",
        format!("config.artifacts.path: {}\nadmin.requests: 7\n", artifacts()),
    );
    let agent = Agent::start(
        &scratch,
        &[
            ("GATEWAY_SETTINGS_FILE", file.to_str().unwrap()),
            ("ADMIN_CONNECTIONS", "9"),
            ("gateway.name", "gw1"),
        ],
    );
    agent.event("WorkersStarted");
    let dump = agent.admin("GET", "/config_dump").1;
    let dump: serde_json::Value = serde_json::from_str(&dump).unwrap();
    for (name, value, origin) in [
        ("admin.requests", "7", file.to_str().unwrap()),
        ("admin.connections", "9", "environment"),
        ("gateway.name", "gw1", "environment"),
        ("limits.drain.timeout", "60s", "default"),
    ] {
        assert_eq!(dump["settings"][name]["value"], value, "{name}: {dump}");
        assert_eq!(dump["settings"][name]["origin"], origin, "{name}");
    }
}

#[test]
fn the_dump_shows_what_is_served_and_no_secret() {
    let scratch = Scratch::new();
    let overlay = examples().join("../overlay.yaml");
    let overlay = fs::read_to_string(overlay)
        .unwrap()
        .replace("port: 8080", "port: 0")
        .replace("port: 8081", "port: 0");
    let overlay = scratch.write("overlay.yaml", overlay);
    let agent = Agent::start(
        &scratch,
        &[
            ("config.artifacts.path", &artifacts()),
            ("config.overlay.path", overlay.to_str().unwrap()),
        ],
    );
    agent.event("ConfigInitialSyncCompleted");
    let text = agent.admin("GET", "/config_dump").1;
    for secret in ["echo-key-1", "starter-key-2", "not-a-real-secret"] {
        assert!(!text.contains(secret), "{secret} is shown");
    }
    let dump: serde_json::Value = serde_json::from_str(&text).unwrap();
    let apis = dump["active"]["apis"].as_array().unwrap();
    let echo = apis.iter().find(|api| api["id"] == "echo").unwrap();
    assert_eq!(echo["path"], "echo");
    assert!(!echo["operations"].as_array().unwrap().is_empty());
    // Port 0 of the overlay: the system chose, and status tells what.
    let listeners = agent.status()["listeners"].clone();
    assert!(
        !listeners[0]["address"].as_str().unwrap().ends_with(":0"),
        "{listeners}"
    );
}

/// CAP_BPF, which a node keeps where the kernel needs it for maps that are open already (before 5.19).
const CAP_BPF: u64 = 1 << 39;

#[test]
fn no_thread_keeps_a_capability() {
    let scratch = Scratch::new();
    let agent = Agent::start(
        &scratch,
        &[("config.artifacts.path", &artifacts()), ("kernel.mode", "auto")],
    );
    let dropped = agent.event("CapabilitiesDropped");
    agent.event("ConfigInitialSyncCompleted");
    let allowed = if dropped["kept"] == "[]" { 0 } else { CAP_BPF };
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap() {
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else {
            continue;
        };
        let field = |name: &str| {
            status
                .lines()
                .find_map(|l| l.strip_prefix(name))
                .unwrap_or("")
                .trim()
        };
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            let held = u64::from_str_radix(field(set), 16).unwrap();
            assert_eq!(held & !allowed, 0, "{} of {}", set, field("Name:"));
        }
        assert_eq!(field("NoNewPrivs:"), "1", "{}", field("Name:"));
        threads += 1;
    }
    // Main, log writer, watcher, side runtime, worker: the check above saw them all.
    assert!(threads >= 5, "{threads} threads");
}

#[test]
fn tokens_never_leave_the_process() {
    let scratch = Scratch::new();
    let agent = Agent::start(
        &scratch,
        &[
            ("config.artifacts.path", &artifacts()),
            ("config.service.auth", "GatewayKey gw1&20300101&t0ps3cret"),
        ],
    );
    agent.event("WorkersStarted");
    for target in ["/config_dump", "/status", "/", "/metrics"] {
        let (code, body) = agent.admin("GET", target);
        assert_eq!(code, 200, "{target}");
        assert!(!body.contains("t0ps3cret"), "{target}");
    }
}

/// Starts with these settings alone, expects the end with status 1 and this in the log.
fn check_refused(settings: &[(&str, &str)], expected: &str) {
    let mut command = command(&["run"]);
    command.envs(settings.iter().copied()).stderr(Stdio::null());
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains(expected), "no {expected:?} in\n{log}");
}

#[test]
fn wrong_starts_say_what_to_do() {
    let artifacts = artifacts();
    let source = ("config.artifacts.path", artifacts.as_str());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let quiet = [
        ("admin.address", "none"),
        ("telemetry.metrics.prometheus.port", "0"),
        ("net.server.https.port", "0"),
    ];
    let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
        quiet
            .iter()
            .chain([&source])
            .chain(more)
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    };
    let check = |more: &[(&'static str, &str)], expected: &str| {
        let settings = with(more);
        let settings: Vec<_> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        check_refused(&settings, expected);
    };
    check(
        &[
            ("net.server.address", "127.0.0.1"),
            ("net.server.http.port", &port),
        ],
        "another process holds port",
    );
    check(
        &[("net.server.address", "192.0.2.1")],
        "is not an address of this machine",
    );
    check(&[("net.server.http.port", "0")], "no listener is left");
    check(&[("net.server.http.port", "eighty")], "whole number");
    check(
        &[("GATEWAY_SETTINGS_FILE", "/nonexistent/s.yaml")],
        "/nonexistent/s.yaml",
    );
    check_refused(&[], "no configuration source");
}

#[test]
fn all_wrong_settings_are_reported_at_once() {
    let output = command(&["run"])
        .envs([
            ("net.server.http.port", "x"),
            ("telemetry.logs.std.level", "loud"),
            ("runtime.workers", "many"),
        ])
        .output()
        .unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    for name in [
        "net.server.http.port",
        "telemetry.logs.std.level",
        "runtime.workers",
    ] {
        assert!(log.contains(name), "{name} is not in\n{log}");
    }
}

#[test]
fn without_a_log_the_reason_is_on_standard_error() {
    for (settings, expected) in [
        (
            [("telemetry.logs.std", "none"), ("runtime.workers", "2")],
            "no configuration source",
        ),
        (
            [("telemetry.logs.std", "none"), ("runtime.workers", "many")],
            "runtime.workers",
        ),
    ] {
        let output = command(&["run"]).envs(settings).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(said.contains(expected), "no {expected:?} in {said}");
    }
}

#[test]
fn a_missing_folder_leaves_the_node_alive_and_not_ready() {
    let scratch = Scratch::new();
    let folder = scratch.path("later");
    let agent = Agent::start(&scratch, &[("config.artifacts.path", folder.to_str().unwrap())]);
    let failed = agent.event("ConfigInitialSyncFailed");
    assert_eq!(failed["cause"], "unreadable");
    assert_eq!(agent.admin("GET", "/healthz").0, 200);
    let (code, body) = agent.admin("GET", "/ready?verbose");
    assert_eq!(code, 503, "{body}");
    assert!(body.contains("[-] configuration: "), "{body}");
    symlink(examples(), &folder).unwrap();
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(agent.admin("GET", "/ready").0, 200);
}

#[test]
fn a_hang_up_reads_again_and_a_change_is_noticed() {
    let scratch = Scratch::new();
    let folder = scratch.path("tree");
    fs::create_dir_all(&folder).unwrap();
    scratch.write(
        "tree/policy.xml",
        "<policies><inbound/><backend><forward-request/></backend><outbound/><on-error/></policies>",
    );
    let agent = Agent::start(&scratch, &[("config.artifacts.path", folder.to_str().unwrap())]);
    agent.event("ConfigInitialSyncCompleted");
    agent.signal("HUP");
    agent.event("ReloadAsked");
    agent.event("ConfigurationUpdated");
    scratch.write(
        "tree/policy.xml",
        "<policies><inbound></inbound><backend><forward-request/></backend><outbound/><on-error/></policies>",
    );
    agent.event("ConfigurationUpdated");
    assert_eq!(agent.status()["configuration"]["attempts"], 3);
}

#[test]
fn the_admin_endpoint_drains_and_changes_the_level() {
    let scratch = Scratch::new();
    let agent = Agent::start(&scratch, &[("config.artifacts.path", &artifacts())]);
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(agent.admin("POST", "/logging?level=debug").0, 200);
    agent.event("LogLevelChanged");
    assert_eq!(agent.admin("GET", "/drain").0, 405);
    assert_eq!(agent.admin("POST", "/drain?seconds=1").0, 202);
    agent.event("GatewayStopped");
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn status_prints_what_the_agent_says() {
    let scratch = Scratch::new();
    let agent = Agent::start(&scratch, &[("config.artifacts.path", &artifacts())]);
    agent.event("ConfigInitialSyncCompleted");
    let socket = agent.socket.to_str().unwrap();
    let (code, out, _) = support::run(&["status", "--admin", socket]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("ready") && out.contains("Listeners"), "{out}");
    let (code, out, _) = support::run(&["status", "--admin", socket, "--format", "json"]);
    assert_eq!(code, 0);
    assert!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["ready"].is_boolean());
}

/// A self-signed certificate that ends with the year before `year`, and its key.
fn certificate(year: i32) -> (String, String) {
    let mut parameters = rcgen::CertificateParams::new(vec!["gateway.example".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_replaced_certificate_is_taken_up_and_a_broken_one_is_told() {
    let scratch = Scratch::new();
    let put = |(chain, key): (String, String)| {
        scratch.write("certs/new.pem", chain);
        scratch.write("certs/gateway.key", key);
        // The chain by renaming, as tools do that care.
        fs::rename(scratch.path("certs/new.pem"), scratch.path("certs/gateway.pem")).unwrap();
    };
    put(certificate(2040));
    let overlay = scratch.write(
        "overlay.yaml",
        "listeners:\n  - {name: https, address: 127.0.0.1, port: 0, tls: true}\n\
         hostnames:\n  - {name: gateway.example, certificatePath: certs/gateway.pem, keyPath: certs/gateway.key}\n",
    );
    let agent = Agent::start(
        &scratch,
        &[
            ("config.artifacts.path", &artifacts()),
            ("config.overlay.path", overlay.to_str().unwrap()),
        ],
    );
    let expiry = || {
        let text = agent.admin("GET", "/metrics").1;
        let name = "gateway_tls_certificate_expiry_timestamp_seconds{host=\"gateway.example\"} ";
        text.lines()
            .find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(expiry().as_deref(), Some("2208988800"));
    put(certificate(2041));
    while expiry().as_deref() != Some("2240611200") {
        // Two files change one after the other; what is between them may be told as a mismatch.
        agent.event("ConfigurationUpdated");
    }
    scratch.write("certs/gateway.pem", "garbage");
    // Other problems of this folder are told too.
    while !agent
        .event("ConfigurationProblem")
        .to_string()
        .contains("gateway.pem")
    {}
    assert_eq!(agent.status()["ready"], true);
}
