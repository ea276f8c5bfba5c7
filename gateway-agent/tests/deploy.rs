//! What `deploy/` ships: known settings, existing metrics, valid manifests, units, rules and dashboards.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is the report")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use gateway_agent::telemetry::{Metrics, route::Sample};
use gateway_config::{doc, settings};
use gateway_tests::{skip::Need, skip_unless};
use serde_json::Value;
use support::Scratch;

/// The oldest Kubernetes whose schemas the validator has, and the newest.
const KUBERNETES: [&str; 2] = ["1.25.0", "1.37.0"];

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(deploy(path)).unwrap()
}

/// The documents of a manifest as JSON.
fn documents(path: &str) -> Vec<Value> {
    text(path)
        .split("\n---\n")
        .map(|part| {
            doc::read("manifest.yaml", part.as_bytes(), &mut Vec::new())
                .unwrap()
                .to_json()
        })
        .collect()
}

fn of_kind(path: &str, kind: &str) -> Vec<Value> {
    documents(path)
        .into_iter()
        .filter(|d| d["kind"] == kind)
        .collect()
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{program} {arguments:?}\n{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn settings_in_the_manifests_are_known_and_valid() {
    for manifest in ["kubernetes/gateway.yaml", "kubernetes/daemonset.yaml"] {
        let mut raw = Vec::new();
        for map in of_kind(manifest, "ConfigMap") {
            for (name, value) in map["data"].as_object().unwrap() {
                let value = value
                    .as_str()
                    .unwrap_or_else(|| unreachable!("{name} is not quoted"))
                    .to_owned();
                raw.push(settings::RawSetting {
                    origin: manifest.into(),
                    name: name.clone(),
                    value,
                    line: 0,
                });
            }
        }
        assert!(raw.len() > 5, "{manifest}");
        let (_, problems) = settings::parse(&raw);
        let errors: Vec<_> = problems
            .iter()
            .filter(|p| p.severity != gateway_config::Severity::Warning)
            .collect();
        assert!(errors.is_empty(), "{manifest}: {errors:?}");
    }
    let (_, problems) = settings::parse(
        &text("systemd/settings.yaml")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| settings::RawSetting {
                origin: "settings.yaml".into(),
                name: name.to_owned(),
                value: value.to_owned(),
                line: 0,
            })
            .collect::<Vec<_>>(),
    );
    assert_eq!(problems, []);
}

#[test]
fn the_manifest_of_the_portal_starts_the_binary_as_it_is() {
    let map = of_kind("kubernetes/gateway.yaml", "ConfigMap").remove(0);
    let secret = of_kind("kubernetes/gateway.yaml", "Secret").remove(0);
    let scratch = Scratch::new();
    let token = secret["stringData"]["value"].as_str().unwrap();
    let mut environment: Vec<(&str, &str)> = vec![("config.service.auth", token)];
    environment.extend(
        map["data"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str().unwrap())),
    );
    // Only for this test to read: the log's shape.
    environment.push(("telemetry.logs.std", "json"));
    let agent = support::Agent::start(&scratch, &environment);
    agent.event("WorkersStarted");
    assert_eq!(agent.admin("GET", "/healthz").0, 200);
    // There is no Azure in this version: the node is alive, says so and is not ready.
    assert_eq!(agent.admin("GET", "/ready").0, 503);
}

#[test]
fn the_daemonset_takes_the_smallest_set_of_privileges() {
    let set = of_kind("kubernetes/daemonset.yaml", "DaemonSet").remove(0);
    let pod = &set["spec"]["template"]["spec"];
    let context = &pod["containers"][0]["securityContext"];
    let added: BTreeSet<String> = context["capabilities"]["add"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| format!("CAP_{}", c.as_str().unwrap()))
        .collect();
    let needed: BTreeSet<String> = gateway_loader::privilege::NEEDS
        .iter()
        .map(|need| need.capability.to_string())
        // The default ports are above 1023.
        .filter(|name| name != "CAP_NET_BIND_SERVICE")
        .collect();
    assert_eq!(added, needed);
    assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(pod["hostNetwork"], true);
    let drain = settings::parse(&[]).0.limits.drain_timeout;
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    assert!(grace > drain, "the drain of {drain:?} must fit into {grace:?}");
}

#[test]
fn the_unit_takes_the_smallest_set_of_capabilities() {
    let needed: BTreeSet<String> = gateway_loader::privilege::NEEDS
        .iter()
        .map(|need| need.capability.to_string())
        .collect();
    let unit = text("systemd/gateway-agent.service");
    for name in ["AmbientCapabilities=", "CapabilityBoundingSet="] {
        let line = unit.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let given: BTreeSet<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(given, needed, "{name}");
    }
}

#[test]
fn kubernetes_takes_the_manifests() {
    skip_unless!(Need::Program(
        "kubernetes-validate",
        "kubernetes-validate from PyPI"
    ));
    for manifest in ["kubernetes/gateway.yaml", "kubernetes/daemonset.yaml"] {
        for version in KUBERNETES {
            run(
                "kubernetes-validate",
                &["--strict", "-k", version, deploy(manifest).to_str().unwrap()],
            );
        }
    }
}

#[test]
fn systemd_takes_the_unit_and_finds_it_tight() {
    skip_unless!(Need::Program("systemd-analyze", "systemd"));
    let scratch = Scratch::new();
    // The binary is not installed here; the rest of the unit is checked as it is.
    let unit = text("systemd/gateway-agent.service").replace("/usr/bin/gateway-agent", "/bin/true");
    let path = scratch.write("gateway-agent.service", unit);
    let path = path.to_str().unwrap();
    run("systemd-analyze", &["verify", "--man=no", path]);
    // Exposure 0 to 100; the hardened unit was measured at 22.
    run(
        "systemd-analyze",
        &["security", "--offline=true", "--threshold=30", path],
    );
}

#[test]
fn alerts_fire_and_stay_silent_as_they_should() {
    skip_unless!(Need::Program("promtool", "prometheus"));
    run(
        "promtool",
        &[
            "check",
            "rules",
            deploy("prometheus/rules.yaml").to_str().unwrap(),
        ],
    );
    run(
        "promtool",
        &[
            "test",
            "rules",
            deploy("prometheus/rules_test.yaml").to_str().unwrap(),
        ],
    );
    let tests = text("prometheus/rules_test.yaml");
    for line in text("prometheus/rules.yaml").lines() {
        let Some(alert) = line.trim().strip_prefix("- alert: ") else {
            continue;
        };
        for case in ["fires", "is silent"] {
            assert!(
                tests.contains(&format!("name: {alert} {case}")),
                "no test where {alert} {case}"
            );
        }
    }
}

/// Raises every family once, so that each has a sample and, the second time, a rate.
fn raise(metrics: &Metrics) {
    let sample = Sample {
        status: 200,
        total: Duration::from_millis(3),
        backend: Some(Duration::from_millis(2)),
        ..Sample::default()
    };
    metrics.route("echo", "get").unwrap().record(&sample);
    metrics.route("echo", "get").unwrap().record(&Sample {
        status: 500,
        ..sample
    });
    let one = &["x"];
    for family in [
        &metrics.refused,
        &metrics.policies_skipped,
        &metrics.log_lines_dropped,
        &metrics.connections.accepted,
        &metrics.connections.refused,
        &metrics.tls.handshakes,
        &metrics.tls.failures,
        &metrics.upstream.connects,
        &metrics.kernel.closed,
        &metrics.kernel.bytes,
        &metrics.kernel.packets,
    ] {
        family.with_label_values(one).inc();
    }
    for histogram in [
        &metrics.tls.handshake_duration,
        &metrics.upstream.connect_duration,
        &metrics.sync.duration,
        &metrics.kernel.duration,
        &metrics.kernel.rtt,
    ] {
        histogram.observe(0.001);
    }
    metrics.sync.activated.set(1_700_000_000.0);
    metrics.connections.active.with_label_values(one).set(1);
    metrics.sync.entities.with_label_values(one).set(1);
    metrics.sync.info.with_label_values(&["x", "y"]).set(1);
    metrics.kernel.attached.with_label_values(&["x", "y"]).set(1);
    metrics.kernel.verdicts.with_label_values(&["x", "y"]).inc();
    metrics.kernel.map_entries.with_label_values(one).set(1);
    metrics.kernel.map_room.with_label_values(one).set(2);
    metrics.tls.certificate_expiry.with_label_values(one).set(1.0);
}

fn scrape() -> String {
    let metrics = Metrics::new().unwrap();
    raise(&metrics);
    metrics.render().unwrap()
}

#[test]
fn prometheus_takes_the_metrics() {
    skip_unless!(
        Need::Program("promtool", "prometheus"),
        Need::Program("sh", "dash")
    );
    let scratch = Scratch::new();
    let path = scratch.write("scrape.txt", scrape());
    run(
        "sh",
        &["-c", &format!("promtool check metrics < {}", path.display())],
    );
}

/// Names of metrics in an expression.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| {
            ["gateway_", "configuration_", "process_"]
                .iter()
                .any(|p| word.starts_with(p))
        })
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn check_metrics_exist(what: &str, expressions: &[String]) {
    let scrape = scrape();
    let samples: BTreeSet<&str> = scrape
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split(['{', ' ']).next())
        .collect();
    assert!(expressions.len() >= 10, "{what}: {expressions:?}");
    for expression in expressions {
        for name in metrics_of(expression) {
            assert!(
                samples.contains(name.as_str()),
                "{what}: {name} does not exist: {expression}"
            );
        }
    }
}

#[test]
fn alerts_are_on_metrics_that_exist() {
    let rules = doc::read(
        "rules.yaml",
        text("prometheus/rules.yaml").as_bytes(),
        &mut Vec::new(),
    )
    .unwrap()
    .to_json();
    let expressions: Vec<String> = rules["groups"][0]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["expr"].as_str().unwrap().to_owned())
        .collect();
    check_metrics_exist("rules", &expressions);
}

fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&text("grafana/gateway-agent.json")).unwrap();
    let mut out = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().unwrap().to_owned();
            out.push((title, target["expr"].as_str().unwrap().to_owned()));
        }
    }
    out
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    let expressions: Vec<String> = panels().into_iter().map(|(_, expression)| expression).collect();
    check_metrics_exist("dashboard", &expressions);
    let dashboard: Value = serde_json::from_str(&text("grafana/gateway-agent.json")).unwrap();
    let ids: BTreeSet<u64> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].as_u64().unwrap())
        .collect();
    assert_eq!(
        ids.len(),
        dashboard["panels"].as_array().unwrap().len(),
        "ids are unique"
    );
}

#[test]
fn the_dashboard_has_series_in_a_real_prometheus() {
    skip_unless!(Need::Program("prometheus", "prometheus"));
    let scratch = Scratch::new();
    let (target, port) = (scrape_target(), support::free_port());
    let config = format!(
        "global: {{scrape_interval: 500ms}}\nscrape_configs:\n  - job_name: gateway-agent\n    static_configs: [{{targets: ['{target}']}}]\n"
    );
    let config = scratch.write("prometheus.yml", config);
    let server = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", scratch.path("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = support::Ended(server);
    let mut waiting = panels();
    let deadline = Instant::now() + support::LIMIT;
    while !waiting.is_empty() {
        assert!(Instant::now() < deadline, "no series for {waiting:#?}");
        waiting.retain(|(_, expression)| !has_series(port, expression));
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// An address that serves metrics which rise with every scrape, until the test's process ends.
fn scrape_target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let metrics = Metrics::new().unwrap();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            raise(&metrics);
            let body = metrics.render().unwrap();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

fn has_series(port: u16, expression: &str) -> bool {
    let query: String = dashboard_variables(expression)
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let sent = write!(
        stream,
        "GET /api/v1/query?query={query} HTTP/1.0\r\nHost: localhost\r\n\r\n"
    );
    let mut answer = String::new();
    if sent.is_err() || stream.read_to_string(&mut answer).is_err() {
        return false;
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let Ok(body) = serde_json::from_str::<Value>(body) else {
        return false;
    };
    body["data"]["result"]
        .as_array()
        .is_some_and(|series| !series.is_empty())
}

/// What Grafana puts in for its variables.
fn dashboard_variables(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "30s")
        .replace("$instance", ".*")
        .replace("$api", ".*")
}

#[test]
fn the_dashboards_expressions_parse() {
    skip_unless!(Need::Program("promtool", "prometheus"));
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (number, (title, expression)) in panels().into_iter().enumerate() {
        let expression = dashboard_variables(&expression);
        let quoted = serde_json::to_string(&expression).unwrap();
        rules.push_str(&format!(
            "      # {title}\n      - record: panel:{number}\n        expr: {quoted}\n"
        ));
    }
    let scratch = Scratch::new();
    let path = scratch.write("dashboard.yaml", rules);
    run("promtool", &["check", "rules", path.to_str().unwrap()]);
}

#[test]
fn the_image_recipe_names_what_the_project_has() {
    let recipe = text("image/Containerfile");
    let version = env!("CARGO_PKG_VERSION");
    for part in [
        format!("image.version=\"{version}\""),
        "USER 1001:1001".to_owned(),
        "EXPOSE 8080/tcp 8081/tcp 8081/udp 4290/tcp".to_owned(),
        "FROM scratch".to_owned(),
    ] {
        assert!(recipe.contains(&part), "no {part:?} in the recipe");
    }
}

/// A store of the test's own, emptied at the end.
struct Store(Scratch);

impl Store {
    fn options(&self) -> Vec<String> {
        let path = |name: &str| self.0.path(name).display().to_string();
        [
            "--storage-driver",
            "vfs",
            "--root",
            &path("root"),
            "--runroot",
            &path("run"),
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn buildah(&self, arguments: &[&str]) -> String {
        let output = Command::new("buildah")
            .args(self.options())
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "buildah {arguments:?}\n{said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        for leftovers in [["rm", "--all"], ["rmi", "--all"]] {
            let _ = Command::new("buildah")
                .args(self.options())
                .args(leftovers)
                .output();
        }
    }
}

#[test]
fn the_image_builds_without_a_daemon_and_the_same_each_time() {
    skip_unless!(
        Need::Program("buildah", "buildah"),
        Need::Program("strip", "binutils"),
        Need::Namespaces
    );
    let store = Store(Scratch::new());
    let build = || {
        let output = Command::new(deploy("image/build.sh"))
            .args([env!("CARGO_BIN_EXE_gateway-agent"), "gateway-agent:test"])
            .args(store.options())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        store.buildah(&["images", "--quiet", "--no-trunc", "gateway-agent:test"])
    };
    let first = build();
    assert_eq!(first, build(), "the same binary gives the same image");
    let container = store.buildah(&["from", "gateway-agent:test"]);
    let run = [
        "run",
        "--isolation",
        "chroot",
        &container,
        "--",
        "/usr/bin/gateway-agent",
        "version",
    ];
    assert_eq!(
        store.buildah(&run),
        format!("gateway-agent {}", env!("CARGO_PKG_VERSION"))
    );
}
