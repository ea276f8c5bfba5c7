//! The edge end to end: what operators, policies and rate limits keep off the uplinks, and how people see it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    net::{IpAddr, TcpListener, TcpStream},
    process::Output,
    time::Duration,
};

use gateway_tests::{
    agent::binary,
    client::Ask,
    lab::Mode,
    scene::{Options, Scene},
    skip::Need,
    skip_unless, wait,
};
use serde_json::Value;

/// A ban waits for the next look of the agent, and the machine is busy.
const SOON: Duration = Duration::from_secs(10);
/// curl: the time ran out; packets were dropped.
const TIMED_OUT: i32 = 28;

macro_rules! scene {
    ($options:expr) => {{
        skip_unless!(
            Need::Namespaces,
            Need::Bpf,
            Need::Program("nginx", "nginx-light"),
            Need::Program("curl", "curl"),
            Need::Program("openssl", "openssl"),
        );
        let scene = Scene::start(Mode::Namespaces, &$options).unwrap();
        let status = scene.agent.json("/status").unwrap();
        let hook = status["hooks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|hook| hook["name"] == "xdp")
            .cloned()
            .unwrap();
        let reason = hook["reason"].as_str().unwrap_or_default();
        if hook["attached"] != true && reason.contains("cargo xtask bpf") {
            println!("SKIP: xdp: {reason}");
            return;
        }
        assert_eq!(hook["attached"], true, "{hook}");
        scene
    }};
}

/// The command line against the scene's agent, from the node.
fn cli(scene: &Scene, arguments: &[&str]) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = scene
        .lab
        .node
        .command(binary().unwrap())
        .args(arguments)
        .args(["--admin", &scene.agent.admin().to_string()])
        .output()
        .unwrap();
    let text = [stdout, stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (status.code().unwrap_or(-1), text)
}

/// A request from an address of the client that gives up soon.
fn from(scene: &Scene, address: IpAddr) -> Ask {
    let mut ask = scene.ask("/orders/v1/list");
    ask.from = Some(address);
    ask.options.extend(["--connect-timeout", "2"].map(str::to_owned));
    ask
}

#[test]
fn an_operator_bans_asks_and_lets_go_again() {
    let overlay = vec![("  deny:\n".to_owned(), "  sampleDrops: 100\n  deny:\n".to_owned())];
    let scene = scene!(Options {
        overlay,
        ..Options::default()
    });
    let client = IpAddr::V4(scene.lab.client.address);
    let (text, node) = (client.to_string(), scene.lab.node.address.to_string());
    let port = scene.plain_port.to_string();
    let place = ["where", &text, &node, &port, "tcp"];
    assert_eq!(scene.send(&from(&scene, client)).unwrap().status, 200);
    let (code, said) = cli(&scene, &place);
    assert!(
        code == 0 && said.contains("pass") && said.contains("taken by the gateway's own socket"),
        "{said}"
    );
    let (code, _) = cli(
        &scene,
        &[
            "bans",
            "add",
            &text,
            "--for",
            "10m",
            "--reason",
            "scans & guesses",
        ],
    );
    assert_eq!(code, 0);
    assert_eq!(scene.send(&from(&scene, client)).unwrap().exit, TIMED_OUT);
    let (_, bans) = cli(&scene, &["bans"]);
    assert!(
        bans.contains(&text)
            && bans.contains("operator  gateway  kernel")
            && bans.contains("scans & guesses"),
        "{bans}"
    );
    let (code, said) = cli(&scene, &place);
    assert!(
        code == 1 && said.contains("is banned at the gateway's destinations"),
        "{said}"
    );
    // Samples are taken from their ring a few times a second.
    let sampled = wait::until("a sample of what was dropped", SOON, || {
        let (_, drops) = cli(&scene, &["drops"]);
        (drops.contains("drop_banned") && drops.contains(&format!("> {node}:{port} tcp S"))).then_some(())
    });
    sampled.unwrap();
    let (_, status) = cli(&scene, &["status"]);
    assert!(status.contains("BANS4") && status.contains("down0"), "{status}");
    let (code, top) = cli(&scene, &["top", "--interval", "1", "--count", "1"]);
    assert!(
        code == 0 && top.contains("edge_drop drop_banned") && top.contains("1 bans"),
        "{top}"
    );
    assert_eq!(cli(&scene, &["bans", "remove", &text]).0, 0);
    let (code, said) = cli(&scene, &["bans", "remove", &text]);
    assert!(code == 1 && said.contains("was not banned"), "{said}");
    assert_eq!(scene.send(&from(&scene, client)).unwrap().status, 200);
    let (code, said) = cli(&scene, &["bans", "add", "127.0.0.1"]);
    assert!(
        code == 1 && said.contains("no address that packets come from"),
        "{said}"
    );
    let (_, said) = cli(&scene, &["connections", "--filter", &text]);
    assert!(said.contains(&text), "{said}");
}

#[test]
fn an_unconditional_filter_of_the_global_policy_is_enforced_on_the_uplink_and_withdrawn_with_it() {
    const PLAIN: &str = "<policies><inbound/><backend><forward-request timeout='10'/></backend><outbound/><on-error/></policies>";
    const FILTER: &str = "<policies><inbound><ip-filter action='forbid'><address>192.0.2.66</address></ip-filter></inbound>\
        <backend><forward-request timeout='10'/></backend><outbound/><on-error/></policies>";
    let overlay = vec![(
        "  deny:\n    - 192.0.2.66/32\n".to_owned(),
        "  ipFilterDenies: true\n".to_owned(),
    )];
    let scene = scene!(
        Options {
            overlay,
            ..Options::default()
        }
        .file("policy.xml", FILTER)
    );
    let denied = IpAddr::V4(scene.lab.denied_client);
    assert_eq!(scene.send(&from(&scene, denied)).unwrap().exit, TIMED_OUT);
    assert_eq!(
        scene
            .send(&from(&scene, IpAddr::V4(scene.lab.client.address)))
            .unwrap()
            .status,
        200
    );
    let (text, node, port) = (
        denied.to_string(),
        scene.lab.node.address.to_string(),
        scene.plain_port.to_string(),
    );
    let (code, said) = cli(&scene, &["where", &text, &node, &port, "tcp"]);
    assert!(
        code == 1 && said.contains("denied at the gateway's destinations by ip-filter"),
        "{said}"
    );
    // Whatever else the node serves is not the policy's business.
    let (code, said) = cli(&scene, &["where", &text, &node, "22", "tcp"]);
    assert!(code == 0 && said.contains("not the gateway's"), "{said}");
    std::fs::write(scene.artifacts().join("policy.xml"), PLAIN).unwrap();
    wait::until("the filter to be withdrawn", SOON, || {
        (cli(&scene, &["where", &text, &node, &port, "tcp"]).0 == 0).then_some(())
    })
    .unwrap();
    assert_eq!(scene.send(&from(&scene, denied)).unwrap().status, 200);
}

#[test]
fn a_client_that_a_rate_limit_refuses_again_and_again_is_banned_for_a_while() {
    const LIMIT: &str = "<policies><inbound><rate-limit-by-key calls='2' renewal-period='60' counter-key='@(context.Request.IpAddress)'/></inbound>\
        <backend><forward-request timeout='10'/></backend><outbound/><on-error/></policies>";
    let overlay = vec![(
        "  deny:\n".to_owned(),
        "  rateLimitBans: {refusals: 3, within: 60s, lasts: 10m}\n  deny:\n".to_owned(),
    )];
    let scene = scene!(
        Options {
            overlay,
            ..Options::default()
        }
        .file("policy.xml", LIMIT)
    );
    let client = IpAddr::V4(scene.lab.client.address);
    let statuses: Vec<u16> = (0..5)
        .map(|_| scene.send(&from(&scene, client)).unwrap().status)
        .collect();
    assert_eq!(statuses, [200, 200, 429, 429, 429]);
    let bans = wait::until("the ban", SOON, || {
        let bans = scene.agent.json("/bans").unwrap();
        (!bans.as_array().unwrap().is_empty()).then_some(bans)
    })
    .unwrap();
    let ban = &bans[0];
    assert_eq!(
        (&ban["address"], &ban["by"]),
        (&Value::from(client.to_string()), &Value::from("rate-limit")),
        "{ban}"
    );
    assert_eq!(ban["reason"], "refused 3 times within 60 s");
    assert_eq!(scene.send(&from(&scene, client)).unwrap().exit, TIMED_OUT);
}

#[test]
fn bans_hold_while_the_agent_is_down_and_uninstalling_ends_them() {
    let pins = format!("/sys/fs/bpf/gwtest-agent-{}", std::process::id());
    if !std::path::Path::new("/sys/fs/bpf").exists() {
        println!("SKIP: no BPF file system is mounted at /sys/fs/bpf");
        return;
    }
    let mut scene = scene!(Options::default().with("kernel.pin.path", pins.clone()));
    let client = scene.lab.client.address.to_string();
    // Something else of the node, which no policy would touch.
    let other = scene
        .lab
        .node
        .enter(|| TcpListener::bind((scene.lab.node.address, 0)))
        .unwrap()
        .unwrap();
    let to = other.local_addr().unwrap();
    let ping = |scene: &Scene| {
        let reached = scene
            .lab
            .client
            .enter(|| TcpStream::connect_timeout(&to, Duration::from_secs(1)).is_ok());
        reached.unwrap()
    };
    let banned = [
        "bans",
        "add",
        &client,
        "--whole-node",
        "--reason",
        "for the whole node",
    ];
    assert!(ping(&scene), "before");
    assert_eq!(cli(&scene, &banned).0, 0);
    assert!(!ping(&scene));
    scene
        .agent
        .process
        .signal(nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    wait::until("the end of the agent", SOON, || {
        scene.agent.process.ended().map(drop)
    })
    .unwrap();
    assert!(!ping(&scene), "the ban outlives the agent");
    let list = |action: &str| {
        let output = std::process::Command::new(binary().unwrap())
            .args(["kernel", action, &pins])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("$ gateway-agent kernel {action}\n{text}");
        (output.status.success(), text)
    };
    let (ok, text) = list("pins");
    assert!(
        ok && text.contains("edge_drop,down0,generic") && text.contains("attached, program"),
        "{text}"
    );
    let (ok, text) = list("uninstall");
    assert!(ok && text.contains("removed"), "{text}");
    wait::until("the end of the ban", SOON, || ping(&scene).then_some(())).unwrap();
    assert!(!std::path::Path::new(&pins).exists());
}
