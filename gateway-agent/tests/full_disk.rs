//! A disk that is full: a half-written folder changes nothing, and a log nobody can write stops nobody.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is the report")]

mod support;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use gateway_tests::{skip::Need, skip_unless};
use support::{Agent, LIMIT, Scratch, command, examples};

/// A file system of 64 KiB, unmounted at the end.
struct Tiny(PathBuf);

impl Tiny {
    fn mount(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(&path)
            .status();
        assert!(mounted.unwrap().success());
        Self(path)
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Writes until the disk is full.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[b'x'; 512]).is_ok() {}
}

const POLICY: &str =
    "<policies><inbound/><backend><forward-request/></backend><outbound/><on-error/></policies>";

#[test]
fn a_folder_cut_by_a_full_disk_leaves_the_last_good_configuration() {
    skip_unless!(Need::Namespaces);
    let scratch = Scratch::new();
    let disk = Tiny::mount(scratch.path("disk"));
    let api = disk.0.join("apis/a");
    fs::create_dir_all(&api).unwrap();
    let information = r#"{"properties": {"displayName": "A", "path": "a", "protocols": ["http"], "serviceUrl": "http://127.0.0.1:9"}}"#;
    fs::write(api.join("apiInformation.json"), information).unwrap();
    fs::write(disk.0.join("policy.xml"), POLICY).unwrap();
    let overlay = disk.0.join("overlay.yaml");
    fs::write(&overlay, "subscriptions: []\n").unwrap();
    let agent = Agent::start(
        &scratch,
        &[
            ("config.artifacts.path", disk.0.to_str().unwrap()),
            ("config.overlay.path", overlay.to_str().unwrap()),
        ],
    );
    agent.event("ConfigInitialSyncCompleted");
    let before = agent.status()["configuration"]["active"]["revision"].clone();
    // An editor that truncates and then cannot write: the overlay ends inside a flow list.
    fill(&disk.0.join(".ballast"));
    let text = format!(
        "subscriptions: [{}",
        "{name: x, properties: {primaryKey: y}}, ".repeat(400)
    );
    assert!(fs::write(&overlay, text).is_err(), "the disk is full");
    let rejected = agent.event("ConfigurationRejected");
    assert_eq!(rejected["cause"], "invalid");
    let status = agent.status();
    assert_eq!(status["ready"], true, "{status}");
    assert_eq!(status["configuration"]["active"]["revision"], before);
    assert_eq!(status["configuration"]["last_attempt"]["ok"], false);
    assert!(status.to_string().contains("overlay.yaml"), "{status}");
    // And it recovers once there is room again.
    fs::remove_file(disk.0.join(".ballast")).unwrap();
    fs::write(&overlay, "subscriptions: []\n").unwrap();
    agent.event("ConfigurationUpdated");
    assert_eq!(agent.status()["configuration"]["last_attempt"]["ok"], true);
}

#[test]
fn a_log_on_a_full_disk_is_dropped_counted_and_stops_nobody() {
    skip_unless!(Need::Namespaces);
    let scratch = Scratch::new();
    let disk = Tiny::mount(scratch.path("disk"));
    let log = fs::File::create(disk.0.join("log")).unwrap();
    fill(&disk.0.join("ballast"));
    let socket = scratch.path("admin.sock");
    let child = command(&["run"])
        .env("config.artifacts.path", examples())
        .env("net.server.address", "127.0.0.1")
        .env("net.server.http.port", support::free_port().to_string())
        .env("net.server.https.port", "0")
        .env("admin.address", "none")
        .env("admin.socket.path", &socket)
        .env("telemetry.metrics.prometheus.port", "0")
        .env("kernel.mode", "off")
        .stdout(log)
        .spawn()
        .unwrap();
    let _ended = support::Ended(child);
    let deadline = Instant::now() + LIMIT;
    while support::try_admin(&socket, "GET", "/ready").is_none_or(|(status, _)| status != 200) {
        assert!(Instant::now() < deadline, "the node did not become ready");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let dropped = || {
        let (_, text) = support::try_admin(&socket, "GET", "/metrics").unwrap();
        let line = text
            .lines()
            .find(|l| l.starts_with("gateway_log_lines_dropped_total{stream=\"events\"}"));
        line.map_or(0.0, |l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
    };
    while dropped() == 0.0 {
        assert!(Instant::now() < deadline, "no lost line was counted");
        // Each change of the level is an event; the first ones may still fit into a buffer.
        assert_eq!(
            support::try_admin(&socket, "POST", "/logging?level=info")
                .unwrap()
                .0,
            200
        );
    }
    assert_eq!(support::try_admin(&socket, "GET", "/healthz").unwrap().0, 200);
}
