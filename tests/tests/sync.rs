//! From the management API through a hub to three nodes, and through everything that can happen on the way.
//!
//! The management API is the stand-in of `tests/arm`, which Microsoft's SDKs agree with (`tests/arm.rs`). It and the hub
//! run on the upstream's host, three nodes on the node's host, requests come from the client's.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use gateway_tests::{
    agent::{Agent, Start},
    arm::{self, StandIn},
    certs::Authority,
    client::{Ask, curl, exchange},
    hub::Hub,
    lab::{Lab, Mode},
    process::run,
    scene::{GATEWAY, workspace},
    skip::Need,
    skip_unless, wait,
};
use serde_json::{Value, json};

/// A debug build on a busy machine; waits end with their event.
const TAKEN_UP: Duration = Duration::from_secs(60);
/// How long processes are killed at random moments.
const KILLING: Duration = Duration::from_secs(30);
const NODES: usize = 3;
const TEAPOT: &str = "apis/public/operations/teapot/policy.xml";
const HELLO: &str = "apis/public/operations/hello/policy.xml";

/// Everything that runs. Parts are dropped in this order.
struct Fleet {
    nodes: Vec<Agent>,
    hub: Hub,
    stand_in: StandIn,
    lab: Lab,
    authority: Authority,
    token: String,
}

macro_rules! fleet {
    () => {{
        skip_unless!(
            Need::Namespaces,
            Need::Program("python3", "python3"),
            Need::Program("curl", "curl"),
            Need::Program("openssl", "openssl"),
        );
        if let Err(reason) = arm::python() {
            println!("SKIP: {reason}");
            return;
        }
        Fleet::start()
    }};
}

fn answering(text: &str) -> String {
    format!(
        "<policies><inbound><base/><return-response><set-status code=\"200\" reason=\"OK\"/><set-body>{text}</set-body>\
         </return-response></inbound></policies>"
    )
}

impl Fleet {
    fn start() -> Self {
        let lab = Lab::new(Mode::Namespaces).unwrap();
        let folder = lab.folder();
        let authority = Authority::new(&folder.join("certs")).unwrap();
        let artifacts = folder.join("artifacts");
        run(Command::new("cp")
            .arg("-r")
            .arg(workspace().join("examples/artifacts"))
            .arg(&artifacts))
        .unwrap();
        std::fs::write(artifacts.join(HELLO), answering("{{greeting}}")).unwrap();
        // Keys decide, so that their rotation shows.
        let information = artifacts.join("products/open/productInformation.json");
        let text = std::fs::read_to_string(&information).unwrap();
        std::fs::write(
            &information,
            text.replace(
                "\"subscriptionRequired\": false",
                "\"subscriptionRequired\": true",
            ),
        )
        .unwrap();
        let at = format!("{}:9443", lab.upstream.address);
        let put = |path: &str, properties: Value| {
            write(&artifacts, path, &json!({ "properties": properties }).to_string())
        };
        let vault = |name: &str| json!({ "secretIdentifier": format!("https://{at}/secrets/{name}") });
        put(
            "subscriptions/team/subscriptionInformation.json",
            json!({ "scope": "/apis/public", "state": "active", "displayName": "team" }),
        );
        put(
            "named values/greeting/namedValueInformation.json",
            json!({ "displayName": "greeting", "secret": true, "keyVault": vault("greeting") }),
        );
        put(
            "certificates/shown/certificateInformation.json",
            json!({ "subject": "CN=gateway.example", "keyVault": vault("shown") }),
        );
        put(
            "gateways/node/hostnameConfigurations/h/hostnameConfigurationInformation.json",
            json!({ "hostname": "gateway.example", "certificateId": "/certificates/shown" }),
        );
        secrets(folder, &authority, "key-one", "hello", "first");
        let stand_in = StandIn::start(&arm::Start {
            host: &lab.upstream,
            port: 9443,
            folder: &artifacts,
            secrets: &folder.join("secrets.json"),
            scratch: folder,
            authority: &authority,
            application: None,
            page: 5,
        })
        .unwrap();
        let hub = Hub::launch(&lab, &lab.upstream, &hub_settings(&lab, &authority, &stand_in)).unwrap();
        let hub = ready(hub);
        hub.give("node.primary", "the-key-of-the-gateway").unwrap();
        let token = hub.token(GATEWAY, "node.primary").unwrap();
        let mut fleet = Self {
            nodes: Vec::new(),
            hub,
            stand_in,
            lab,
            authority,
            token,
        };
        for index in 0..NODES {
            let node = fleet.launch(index);
            fleet.nodes.push(node);
        }
        for node in &mut fleet.nodes {
            node.wait_ready().unwrap();
        }
        fleet
    }

    fn launch(&self, index: usize) -> Agent {
        let name = ["node-a", "node-b", "node-c"][index];
        let backup = self.lab.folder().join(format!("backup-{index}"));
        let seal = self.lab.folder().join("seal");
        std::fs::write(&seal, "a secret of sixteen bytes or more").unwrap();
        let mut start = Start::new("none", "none")
            .with(
                "config.service.endpoint",
                format!("https://{}:4293", self.lab.upstream.address),
            )
            .with("config.service.auth", &self.token)
            .with("config.service.refreshInterval", "1s")
            .with("config.backup.path", backup.display().to_string())
            .with("config.backup.key.path", seal.display().to_string())
            .with("config.service.integration.timeout", "5s")
            .with("certificates.local.ca.enabled", "true")
            .with(
                "certificates.local.ca.path",
                self.authority.certificate().display().to_string(),
            )
            .with("net.server.http.port", plain(index).to_string())
            .with("net.server.https.port", tls(index).to_string())
            .with("limits.drain.timeout", "2s")
            .with("kernel.mode", "off");
        start.name = name;
        start.admin_port = 4300 + u16::try_from(index).unwrap();
        Agent::launch(&self.lab, &start).unwrap()
    }

    fn edit(&self, path: &str, text: &str) {
        write(&self.lab.folder().join("artifacts"), path, text);
    }

    /// Status and body that a node answers with.
    fn get(&self, index: usize, path: &str, key: &str) -> (u16, String) {
        let to = self.lab.node.at(plain(index));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {to}\r\nOcp-Apim-Subscription-Key: {key}\r\nConnection: close\r\n\r\n"
        );
        let Ok(answer) = exchange(&self.lab.client, to, request.as_bytes(), Duration::from_secs(5)) else {
            return (0, String::new());
        };
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.trim().to_owned())
    }

    /// Waits until all nodes answer a request as expected.
    fn all_answer(&self, what: &str, path: &str, key: &str, expected: impl Fn(&(u16, String)) -> bool) {
        for index in 0..NODES {
            let mut last = (0, String::new());
            let reached = wait::until(what, TAKEN_UP, || {
                last = self.get(index, path, key);
                expected(&last).then_some(())
            });
            assert!(reached.is_ok(), "{what}: node {index} answers {last:?}");
        }
    }

    fn cable(&self, state: &str) {
        let namespace = self.lab.node.namespace().unwrap();
        run(Command::new("ip").args(["-n", namespace, "link", "set", "up0", state])).unwrap();
    }

    fn state(&self, index: usize) -> Value {
        let status = self.nodes[index].json("/status").unwrap_or_default();
        status["configuration"]["remote"]["state"].clone()
    }

    fn content(&self, index: usize) -> String {
        let answer = self.nodes[index].ask("GET", "/content").unwrap();
        let lines = answer.body.lines().filter(|line| !line.starts_with("listener "));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

fn plain(index: usize) -> u16 {
    8080 + 10 * u16::try_from(index).unwrap()
}

fn tls(index: usize) -> u16 {
    8081 + 10 * u16::try_from(index).unwrap()
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Whole or not at all: the stand-in may read at this moment.
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, &path).unwrap();
}

/// The service's keys, and what its vault holds: a greeting and a certificate under `leaf`'s name.
fn secrets(folder: &Path, authority: &Authority, key: &str, greeting: &str, leaf: &str) {
    let made = authority.leaf(leaf, &["gateway.example"]).unwrap();
    let pem = [made.chain, made.key]
        .map(|file: PathBuf| std::fs::read_to_string(file).unwrap())
        .concat();
    let held = json!({
        "subscriptions": { "team": [key, "key-other"], "starter-team": ["s"], "echo-team": ["e"], "orders-team": ["o"], "former-team": ["f"] },
        "namedValues": { "echo-secret": "x" },
        "vault": {
            "greeting": { "value": greeting, "contentType": "text/plain" },
            "shown": { "value": pem, "contentType": "application/x-pem-file" },
        },
    });
    write(folder, "secrets.json", &held.to_string());
}

fn hub_settings(lab: &Lab, authority: &Authority, stand_in: &StandIn) -> Vec<(String, String)> {
    let leaf = authority
        .leaf("hub", &[&lab.upstream.address.to_string()])
        .unwrap();
    let seal = lab.folder().join("hub-seal");
    std::fs::write(&seal, "another secret of sixteen bytes").unwrap();
    let own = [
        ("hub.address", format!("{}:4293", lab.upstream.address)),
        ("hub.tls.certificate.path", leaf.chain.display().to_string()),
        ("hub.tls.key.path", leaf.key.display().to_string()),
        (
            "hub.state.path",
            lab.folder().join("hub-state").display().to_string(),
        ),
        ("config.backup.key.path", seal.display().to_string()),
        (
            "config.audit.path",
            lab.folder().join("audit.jsonl").display().to_string(),
        ),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    own.into_iter().chain(stand_in.settings()).collect()
}

fn ready(mut hub: Hub) -> Hub {
    hub.wait_ready().unwrap();
    hub
}

#[test]
fn an_edit_arrives_and_a_bad_one_refuses_its_scope() {
    let fleet = fleet!();
    fleet.all_answer("the first configuration", "/public/hello", "key-one", |a| {
        *a == (200, "hello".to_owned())
    });
    let began = Instant::now();
    fleet.edit(HELLO, &answering("edited"));
    fleet.all_answer("the edit", "/public/hello", "key-one", |a| {
        *a == (200, "edited".to_owned())
    });
    println!(
        "an edit reached {NODES} nodes after {} ms",
        began.elapsed().as_millis()
    );

    fleet.edit(
        TEAPOT,
        "<policies><inbound><no-such-policy/></inbound></policies>",
    );
    fleet.all_answer("the refusal", "/public/teapot", "key-one", |a| a.0 == 500);
    for index in 0..NODES {
        assert_eq!(
            fleet.get(index, "/public/hello", "key-one").0,
            200,
            "the rest serves"
        );
        let refused = fleet.nodes[index]
            .metric("configuration_scopes_refused", &[])
            .unwrap();
        assert!((refused - 1.0).abs() < f64::EPSILON, "{refused}");
    }
    fleet.edit(TEAPOT, &answering("mended"));
    fleet.all_answer("the mended one", "/public/teapot", "key-one", |a| {
        *a == (200, "mended".to_owned())
    });

    let audit = std::fs::read_to_string(fleet.lab.folder().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = audit
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[1]["changes"]["changed"], json!(["apis/public"]), "{audit}");
    assert!(lines.iter().any(|line| line["refusedScopes"] == 1), "{audit}");
    assert_eq!(fleet.content(0), fleet.content(1));
    assert_eq!(fleet.content(0), fleet.content(2));
}

#[test]
fn a_cut_cable_stops_nothing_but_news() {
    let mut fleet = fleet!();
    fleet.cable("down");
    fleet.edit(HELLO, &answering("while away"));
    wait::until("the stale state", TAKEN_UP, || {
        (0..NODES)
            .all(|index| fleet.state(index) == "stale")
            .then_some(())
    })
    .unwrap();
    for index in 0..NODES {
        assert_eq!(
            fleet.get(index, "/public/hello", "key-one"),
            (200, "hello".to_owned())
        );
    }
    // A node that starts while nobody can be reached serves its copy.
    fleet.nodes.remove(0).process.end().unwrap();
    let again = fleet.launch(0);
    fleet.nodes.insert(0, again);
    fleet.nodes[0].wait_ready().unwrap();
    assert_eq!(
        fleet.get(0, "/public/hello", "key-one"),
        (200, "hello".to_owned())
    );
    assert_eq!(fleet.state(0), "stale");
    let saved = fleet.nodes[0]
        .metric("configuration_backup_timestamp_seconds", &[])
        .unwrap();
    assert!(saved > 1_700_000_000.0, "the age of the copy is told: {saved}");

    fleet.cable("up");
    fleet.all_answer("the news", "/public/hello", "key-one", |a| {
        *a == (200, "while away".to_owned())
    });
    wait::until("the fresh state", TAKEN_UP, || {
        (0..NODES)
            .all(|index| fleet.state(index) == "fresh")
            .then_some(())
    })
    .unwrap();
}

#[test]
fn keys_values_and_certificates_rotate_under_load_without_a_failure() {
    let fleet = fleet!();
    fleet.all_answer("the first configuration", "/public/hello", "key-other", |a| {
        a.0 == 200
    });
    let (running, asked) = (AtomicBool::new(true), AtomicU64::new(0));
    let failures = std::thread::scope(|scope| {
        let load = |index: usize| {
            let mut failed = Vec::new();
            while running.load(Ordering::Relaxed) {
                // The second key stays while the first one is replaced, as the service's rotation has it.
                let plain = fleet.get(index, "/public/hello", "key-other");
                let secure = handshake(&fleet, index);
                asked.fetch_add(2, Ordering::Relaxed);
                if plain.0 != 200 {
                    failed.push(format!("{plain:?}"));
                }
                failed.extend(secure.err());
            }
            failed
        };
        let workers: Vec<_> = (0..NODES).map(|index| scope.spawn(move || load(index))).collect();
        for round in 0..4 {
            let (key, greeting) = (format!("key-{round}"), format!("greeting {round}"));
            secrets(
                fleet.lab.folder(),
                &fleet.authority,
                &key,
                &greeting,
                &format!("leaf-{round}"),
            );
            fleet.all_answer("the new key and value", "/public/hello", &key, |a| {
                *a == (200, greeting.clone())
            });
        }
        running.store(false, Ordering::Relaxed);
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect::<Vec<_>>()
    });
    let asked = asked.load(Ordering::Relaxed);
    println!(
        "{asked} requests during four rotations, {} failed",
        failures.len()
    );
    assert!(failures.is_empty(), "{failures:?}");
    assert!(asked > 50, "{asked}");
    let expired = fleet.all_old_keys_fail(&["key-one", "key-0", "key-1", "key-2"]);
    assert!(expired, "replaced keys open nothing");
}

impl Fleet {
    fn all_old_keys_fail(&self, keys: &[&str]) -> bool {
        (0..NODES).all(|index| {
            keys.iter()
                .all(|key| self.get(index, "/public/hello", key).0 == 401)
        })
    }
}

/// A request over TLS that believes the authority and asks for the name.
fn handshake(fleet: &Fleet, index: usize) -> Result<(), String> {
    let options = [
        "--cacert".to_owned(),
        fleet.authority.certificate().display().to_string(),
        "--connect-to".to_owned(),
        format!("::{}:", fleet.lab.node.address),
    ];
    let ask = Ask {
        url: format!("https://gateway.example:{}/public/hello", tls(index)),
        options: options.to_vec(),
        headers: vec!["Ocp-Apim-Subscription-Key: key-other".to_owned()],
        ..Ask::default()
    };
    match curl(&fleet.lab.client, &ask) {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(format!("TLS: {} {} {}", answer.status, answer.body, answer.error)),
        Err(error) => Err(format!("TLS: {error:#}")),
    }
}

#[test]
fn throttling_of_the_service_is_the_hubs_matter() {
    let fleet = fleet!();
    fleet
        .stand_in
        .control(&json!({ "throttle": { "reads": 12, "refill": 6, "after": 2 } }))
        .unwrap();
    let state = || fleet.hub.status().unwrap()["configuration"]["remote"]["state"].clone();
    wait::until("the throttled state", TAKEN_UP, || {
        (state() == "throttled").then_some(())
    })
    .unwrap();
    for index in 0..NODES {
        assert_eq!(fleet.state(index), "fresh", "nodes have their hub");
        assert_eq!(fleet.get(index, "/public/hello", "key-one").0, 200);
    }
    fleet.edit(HELLO, &answering("slowly"));
    // Always fewer left than the hub keeps in reserve, and never none.
    fleet
        .stand_in
        .control(&json!({ "throttle": { "reads": 48, "refill": 40, "after": 1 } }))
        .unwrap();
    fleet.all_answer("the edit, paced", "/public/hello", "key-one", |a| {
        *a == (200, "slowly".to_owned())
    });
    let metrics = fleet.hub.ask("/metrics").unwrap().body;
    let waited = metrics.lines().find_map(|line| {
        line.strip_prefix("configuration_source_wait_seconds_total ")?
            .parse::<f64>()
            .ok()
    });
    assert!(waited.unwrap() > 0.5, "the hub paces itself: {waited:?}");
}

#[test]
fn killed_at_any_moment_everything_converges() {
    let mut fleet = fleet!();
    let began = Instant::now();
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move |below: u64| {
        // xorshift: which process and when need not be secret, but the same at each run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let (mut kills, mut edits) = (0, 0);
    while began.elapsed() < KILLING {
        edits += 1;
        fleet.edit(HELLO, &answering(&format!("edit {edits}")));
        wait::pause(Duration::from_millis(200 + next(1500)));
        let victim = usize::try_from(next(4)).unwrap();
        kills += 1;
        if victim == NODES {
            fleet
                .hub
                .process
                .signal(nix::sys::signal::Signal::SIGKILL)
                .unwrap();
            let settings = hub_settings(&fleet.lab, &fleet.authority, &fleet.stand_in);
            fleet.hub = Hub::launch(&fleet.lab, &fleet.lab.upstream, &settings).unwrap();
        } else {
            fleet.nodes[victim]
                .process
                .signal(nix::sys::signal::Signal::SIGKILL)
                .unwrap();
            let again = fleet.launch(victim);
            fleet.nodes[victim] = again;
        }
    }
    let last = format!("edit {edits}");
    fleet.all_answer("the last edit", "/public/hello", "key-one", |a| {
        *a == (200, last.clone())
    });
    for node in &mut fleet.nodes {
        node.wait_ready().unwrap();
    }
    println!("{kills} kills and {edits} edits");
    // What the nodes serve is what a node that reads the source itself serves.
    let mut start = Start::new("none", "none");
    start.settings = fleet.stand_in.settings();
    start = start
        .with("gateway.name", GATEWAY)
        .with("config.service.refreshInterval", "1s")
        .with("net.server.http.port", "8180")
        .with("net.server.https.port", "8181")
        .with("kernel.mode", "off");
    start.name = "reader";
    start.admin_port = 4310;
    let reader = Agent::start(&fleet.lab, &start).unwrap();
    let truth = reader.ask("GET", "/content").unwrap().body;
    let truth: String = truth
        .lines()
        .filter(|line| !line.starts_with("listener "))
        .map(|line| format!("{line}\n"))
        .collect();
    for index in 0..NODES {
        assert_eq!(fleet.content(index), truth, "node {index}");
    }
}
