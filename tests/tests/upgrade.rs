//! Hot restart under load: the running agent is replaced again and again while strangers' clients ask without pause.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use gateway_tests::{
    agent,
    client::{Ask, curl},
    lab::{Host, Mode},
    process::Process,
    scene::{Options, Scene},
    skip::Need,
    skip_unless, wait,
};
use serde_json::Value;

const NEEDS: [Need; 5] = [
    Need::Namespaces,
    Need::Program("nginx", "nginx-light"),
    Need::Program("curl", "curl"),
    Need::Program("openssl", "openssl"),
    Need::Python("aioquic, websockets", "aioquic websockets"),
];

/// For a process to end or to serve, while two cores may be compiling.
const DEADLINE: Duration = Duration::from_secs(60);
/// Port of the echo that WebSockets reach.
const ECHO_PORT: u16 = 9090;

macro_rules! skip {
    () => {
        skip_unless!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3], NEEDS[4]);
    };
}

#[cfg(test)]
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

#[cfg(test)]
fn scene(options: Options) -> Scene {
    let echo = r#"{"properties":{"displayName":"Socket","path":"socket","protocols":["ws"],"type":"websocket",
        "subscriptionRequired":false,"apiRevision":"1","isCurrent":true,"serviceUrl":"ws://198.51.100.2:9090"}}"#;
    let options = options
        .file("gateways/node/apis/socket/gatewayApiInformation.json", "{}")
        .file("apis/socket/apiInformation.json", echo)
        .with("limits.drain.timeout", "8s");
    Scene::start(Mode::Namespaces, &options).unwrap()
}

/// The clients of `clients/steady_load.py`, from the client host.
struct Load(Child);

#[cfg(test)]
impl Load {
    fn start(scene: &Scene, without: &[&str]) -> Self {
        let mut command = scene.lab.client.command(gateway_tests::skip::python());
        command.arg(script("steady_load.py"));
        command.args([
            "--plain",
            &scene.plain().to_string(),
            "--tls",
            &scene.tls().to_string(),
        ]);
        command.args(["--name", "gateway.example", "--path", "/place/where", "--ca"]);
        command.arg(scene.authority.certificate());
        command.args(["--websocket", &format!("ws://{}/socket", scene.plain())]);
        for protocol in without {
            command.args(["--without", protocol]);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Ends the load and gives what each protocol counted.
    fn end(mut self) -> Vec<Value> {
        self.0.stdin.take().unwrap().flush().unwrap();
        let output = self.0.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Runs `gateway-agent upgrade` as the operator does.
#[cfg(test)]
fn upgrade(scene: &Scene, settings: &[(&str, &str)]) -> std::process::Output {
    let mut command: Command = scene.lab.node.command(agent::binary().unwrap());
    command.args(["upgrade", "--timeout", "60"]);
    command.envs(settings.iter().copied());
    command.output().unwrap()
}

#[cfg(test)]
fn generation(scene: &Scene) -> u64 {
    scene.agent.json("/status").unwrap()["generation"]
        .as_u64()
        .unwrap()
}

/// Ends the process that serves by now, which the scene did not start itself; when a test fails, too.
struct LastOne {
    host: Host,
    status: String,
}

#[cfg(test)]
impl LastOne {
    fn of(scene: &Scene) -> Self {
        Self {
            host: scene.lab.node.loopback(),
            status: format!("http://{}/status", scene.agent.admin()),
        }
    }
}

#[cfg(test)]
impl Drop for LastOne {
    fn drop(&mut self) {
        let ask = Ask {
            url: self.status.clone(),
            ..Ask::default()
        };
        let status = curl(&self.host, &ask).ok();
        let status = status.and_then(|answer| serde_json::from_str::<Value>(&answer.body).ok());
        let pid = status.and_then(|status| status["pid"].as_i64());
        let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) else {
            return;
        };
        let pid = nix::unistd::Pid::from_raw(pid);
        // Gone already is as good; a drain that hangs is found by the lab, which cannot end its namespaces then.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = wait::until("the last agent to end", DEADLINE, || {
            nix::sys::signal::kill(pid, None).is_err().then_some(())
        });
    }
}

#[cfg(test)]
fn replaced_without_a_failure(options: Options, times: u64, without: &[&str]) {
    let mut scene = scene(options);
    let last = LastOne::of(&scene);
    let echo = scene.lab.upstream.command(gateway_tests::skip::python());
    let echo = {
        let mut command = echo;
        command.arg(script("websocket_echo.py"));
        command.args([scene.lab.upstream.address.to_string(), ECHO_PORT.to_string()]);
        Process::spawn("echo", command, &scene.lab.folder().join("echo.log")).unwrap()
    };
    if !without.contains(&"http3") {
        // QUIC needs the kernel's help: a build without it fails here.
        let status = scene.agent.json("/status").unwrap();
        let hooks = status["hooks"].as_array().unwrap();
        let pick = hooks.iter().find(|hook| hook["name"] == "sk_reuseport").unwrap();
        assert_eq!(pick["attached"], true, "{pick}");
    }
    let load = Load::start(&scene, without);
    for number in 1..=times {
        let output = upgrade(&scene, &[]);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "upgrade {number}: {text}");
        assert_eq!(generation(&scene), number, "{text}");
        if number == 1 {
            print!("{text}");
        }
    }
    wait::until("the first agent to end", DEADLINE, || scene.agent.process.ended()).unwrap();
    let counted = load.end();
    assert_eq!(counted.len(), 5 - without.len());
    for row in &counted {
        println!("{row}");
    }
    for row in &counted {
        // A WebSocket lives as long as the process that relays it: until its deadline.
        let cut = if row["protocol"] == "websocket" { times } else { 0 };
        assert!(row["failures"].as_u64().unwrap() <= cut, "{row}");
        assert!(row["requests"].as_u64().unwrap() > 10 * times, "{row}");
        assert!(row["connections"].as_u64().unwrap() >= 1, "{row}");
    }
    drop(last);
    drop(echo);
}

/// `GATEWAY_UPGRADES` asks for more than CI has time for.
#[cfg(test)]
fn times() -> u64 {
    std::env::var("GATEWAY_UPGRADES").map_or(4, |times| times.parse().unwrap())
}

#[test]
fn replaced_under_load_without_a_failed_request() {
    skip!();
    skip_unless!(Need::Bpf);
    replaced_without_a_failure(Options::default(), times(), &[]);
}

#[test]
fn without_kernel_programs_tcp_is_replaced_without_a_failed_request() {
    skip!();
    // QUIC connections end with the process then: the documentation says so.
    replaced_without_a_failure(Options::default().with("kernel.mode", "off"), times(), &["http3"]);
}

#[test]
fn a_successor_that_fails_leaves_the_running_agent_alone() {
    skip!();
    let scene = scene(Options::default().with("kernel.mode", "off"));
    let broken = scene.artifacts().join("apis/place/apiInformation.json");
    let whole = std::fs::read_to_string(&broken).unwrap();
    let output = {
        let mut command = scene.lab.node.command(agent::binary().unwrap());
        command.args(["upgrade", "--program", "/bin/false"]);
        command.output().unwrap()
    };
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("before it served") && text.contains("goes on serving"),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(&broken).unwrap(), whole);
    assert_eq!(generation(&scene), 0);
    assert_eq!(scene.get("/place/where", None).unwrap().status, 200);
    // Nobody waits elsewhere.
    let output = upgrade(&scene, &[("UPGRADE_SOCKET", "@nobody")]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn without_a_running_agent_taking_over_is_refused() {
    skip!();
    let scene = scene(Options::default().with("kernel.mode", "off"));
    let mut command: Command = scene.lab.node.command(agent::binary().unwrap());
    command
        .args(["run", "--take-over"])
        .env("UPGRADE_SOCKET", "@nobody")
        .env("CONFIG_ARTIFACTS_PATH", scene.artifacts());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("no agent hands over its sockets at @nobody"),
        "{text}"
    );
}

#[test]
fn usr2_starts_a_successor_when_no_capability_is_needed() {
    skip!();
    let mut scene = scene(Options::default().with("kernel.mode", "off"));
    let last = LastOne::of(&scene);
    scene
        .agent
        .process
        .signal(nix::sys::signal::Signal::SIGUSR2)
        .unwrap();
    wait::until("the first agent to end", DEADLINE, || scene.agent.process.ended()).unwrap();
    assert_eq!(generation(&scene), 1);
    assert_eq!(scene.get("/place/where", None).unwrap().status, 200);
    drop(last);
}
