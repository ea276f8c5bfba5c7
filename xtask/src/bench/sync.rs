//! `cargo xtask bench sync`: ten thousand APIs through a folder, a hub and a backup, and what one edit costs.
//!
//! The whole agent is measured, from its start to its readiness: reading files, parsing, compiling, building routes.
//! Memory is the most that the process ever had. Look-ups are measured inside gateway-config by its own bench.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use gateway_tests::{
    agent::{Agent, Start},
    client::exchange,
    hub::Hub,
    lab::{Lab, Mode},
    wait,
};

use super::{agent::binary, page::machine};
use crate::shell::{cargo, root, say};

/// What the configuration plane is meant for.
const APIS: usize = 10_000;
const OPERATIONS: usize = 20;
const POLICIES: usize = 5_000;
/// Nothing takes this long, on any machine.
const LIMIT: Duration = Duration::from_secs(300);
/// How often it is looked whether an edit is live.
const LOOK: Duration = Duration::from_millis(10);
/// Edits whose median is told.
const EDITS: usize = 5;

const POLICY: &str = "<policies><inbound><base/><set-header name=\"x-scope\" exists-action=\"override\">\
    <value>@(context.Request.IpAddress)</value></set-header><choose><when condition=\"@(context.Api.Id == &quot;a&quot;)\">\
    <set-variable name=\"v\" value=\"1\"/></when></choose></inbound><backend><base/></backend><outbound><base/></outbound>\
    <on-error><base/></on-error></policies>";

/// A measured way to a configuration.
struct Figure {
    what: &'static str,
    aim: &'static str,
    measured: String,
}

/// Measures and writes the page.
pub(crate) fn run() -> Result<bool> {
    let binary = binary()?;
    let lab = Lab::new(Mode::Loopback)?;
    let folder = lab.folder().join("artifacts");
    say("writing 10,000 APIs");
    write_folder(&folder)?;
    let mut figures = Vec::new();
    from_folder(&lab, &folder, &binary, &mut figures)?;
    through_hub(&lab, &folder, &binary, &mut figures)?;
    let look_ups = look_ups()?;
    let page = page(&figures, &look_ups);
    let path = root().join("docs/benchmarks-sync.md");
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("wrote {}", path.display()));
    Ok(true)
}

/// A folder on disk, watched.
fn from_folder(lab: &Lab, folder: &Path, binary: &Path, figures: &mut Vec<Figure>) -> Result<()> {
    let port = lab.port(&lab.node, 0)?;
    let start =
        start(lab, "folder", port, binary)?.with("config.artifacts.path", folder.display().to_string());
    let (agent, took) = ready(lab, &start)?;
    figures.push(figure("load from the folder", "at most 10 s", &took, &agent));
    figures.push(Figure {
        what: "memory after it, at most",
        aim: "at most 1.5 GiB",
        measured: format!("{} MiB", peak_mib(agent.process.pid())),
    });
    let edits = (0..EDITS)
        .map(|edit| live_after(lab, folder, port, &format!("folder {edit}")))
        .collect::<Result<Vec<_>>>()?;
    figures.push(Figure {
        what: "an edited policy of a folder is live",
        aim: "-",
        measured: format!(
            "after {:.2} s (median of {EDITS}; a folder is read twice to see that nobody writes)",
            middle(edits)
        ),
    });
    Ok(())
}

/// A hub, a node that follows it, and the same node from its backup.
fn through_hub(lab: &Lab, folder: &Path, binary: &Path, figures: &mut Vec<Figure>) -> Result<()> {
    let address = lab.node.at(lab.port(&lab.node, 0)?);
    let settings = [
        ("config.artifacts.path", folder.display().to_string()),
        ("hub.address", address.to_string()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    let mut hub = Hub::launch_as(lab, &lab.node, &settings, binary)?;
    wait::until("the hub's configuration", LIMIT, || {
        hub.ask("/ready")
            .ok()
            .filter(|answer| answer.status == 200)
            .map(drop)
    })?;
    hub.give("bench.primary", "the-key-of-the-gateway")?;
    let token = hub.token("bench", "bench.primary")?;
    let port = lab.port(&lab.node, 0)?;
    let backup = lab.folder().join("backup");
    let seal = lab.folder().join("seal");
    std::fs::write(&seal, "a secret of sixteen bytes or more")?;
    let start = start(lab, "node", port, binary)?
        .with("config.artifacts.path", "none")
        .with("config.service.endpoint", format!("http://{address}"))
        .with("config.service.auth", token)
        .with("config.backup.path", backup.display().to_string())
        .with("config.backup.key.path", seal.display().to_string());
    let (mut agent, took) = ready(lab, &start)?;
    figures.push(figure("load from a hub", "-", &took, &agent));
    let mut edits = Vec::new();
    for edit in 0..EDITS {
        edits.push(live_after_hub(lab, &hub, folder, port, &format!("hub {edit}"))?);
    }
    figures.push(Figure {
        what: "a changed policy is live on a node after its hub knows it",
        aim: "at most 2 s",
        measured: format!(
            "after {:.2} s (median of {EDITS}; the node asks once a second)",
            middle(edits)
        ),
    });
    wait::until("the copy on disk", LIMIT, || {
        let saved = agent.metric("configuration_backup_timestamp_seconds", &[]).ok()?;
        (saved > 0.0).then_some(())
    })?;
    agent.process.end()?;
    hub.process.end()?;
    let (agent, took) = ready(lab, &start)?;
    figures.push(figure(
        "load from the copy on disk, nobody reachable",
        "at most 2 s",
        &took,
        &agent,
    ));
    figures.push(Figure {
        what: "memory after it, at most",
        aim: "at most 1.5 GiB",
        measured: format!("{} MiB", peak_mib(agent.process.pid())),
    });
    Ok(())
}

fn start(lab: &Lab, name: &'static str, port: u16, binary: &Path) -> Result<Start> {
    let mut start = Start::new("none", "none")
        .with("gateway.name", "bench")
        .with("net.server.address", lab.node.address.to_string())
        .with("net.server.http.port", port.to_string())
        .with("net.server.https.port", "0")
        .with("config.service.refreshInterval", "1s")
        .with("kernel.mode", "off")
        .with("telemetry.logs.std", "none")
        .with("runtime.workers", "1");
    start.binary = Some(binary.to_owned());
    start.name = name;
    start.admin_port = lab.port(&lab.node, 0)?;
    Ok(start)
}

/// Wall time from start to readiness, and processor time until then.
struct Took {
    wall: Duration,
    cpu: Duration,
}

fn ready(lab: &Lab, start: &Start) -> Result<(Agent, Took)> {
    let began = Instant::now();
    let agent = Agent::launch(lab, start)?;
    wait::until("the agent to be ready", LIMIT, || {
        agent
            .ask("GET", "/ready")
            .ok()
            .filter(|answer| answer.status == 200)
            .map(drop)
    })
    .with_context(|| agent.process.tail(20))?;
    let wall = began.elapsed();
    let cpu = cpu(agent.process.pid());
    // Readiness comes with the activation, the figures just after it.
    wait::until("the number of operations", LIMIT, || {
        let served = agent.metric("configuration_entities", &["\"operations\""]).ok()?;
        (served as usize == APIS * OPERATIONS).then_some(())
    })?;
    Ok((agent, Took { wall, cpu }))
}

fn figure(what: &'static str, aim: &'static str, took: &Took, agent: &Agent) -> Figure {
    let inside = agent
        .metric("configuration_sync_duration_seconds_sum", &[])
        .unwrap_or_default();
    Figure {
        what,
        aim,
        measured: format!(
            "{:.1} s from start to ready, {:.1} s of it checking and building; {:.1} s of processor time",
            took.wall.as_secs_f64(),
            inside,
            took.cpu.as_secs_f64()
        ),
    }
}

/// Writes a policy that answers `text`; seconds until a request gets it.
fn live_after(lab: &Lab, folder: &Path, port: u16, text: &str) -> Result<f64> {
    edit(folder, text)?;
    let began = Instant::now();
    answers(lab, port, text)?;
    Ok(began.elapsed().as_secs_f64())
}

/// The same, counted from the moment at which the hub tells its new revision.
fn live_after_hub(lab: &Lab, hub: &Hub, folder: &Path, port: u16, text: &str) -> Result<f64> {
    let revision = || hub.status().map(|status| status["hub"]["revision"].clone());
    let before = revision()?;
    edit(folder, text)?;
    wait::until("the hub to know", LIMIT, || {
        revision().ok().filter(|now| *now != before).map(drop)
    })?;
    let began = Instant::now();
    answers(lab, port, text)?;
    Ok(began.elapsed().as_secs_f64())
}

fn answers(lab: &Lab, port: u16, text: &str) -> Result<()> {
    let to = lab.node.at(port);
    let request = format!("GET /team1/api-1/things0/x HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if exchange(&lab.client, to, request.as_bytes(), Duration::from_secs(5))
            .is_ok_and(|a| a.ends_with(text))
        {
            return Ok(());
        }
        wait::pause(LOOK);
    }
    anyhow::bail!("`{text}` was never answered")
}

fn edit(folder: &Path, text: &str) -> Result<()> {
    let policy = format!(
        "<policies><inbound><base/><return-response><set-status code=\"200\" reason=\"OK\"/><set-body>{text}</set-body>\
         </return-response></inbound></policies>"
    );
    let beside = folder.join("apis/api-1/.policy.new");
    std::fs::write(&beside, policy)?;
    std::fs::rename(beside, folder.join("apis/api-1/policy.xml"))?;
    Ok(())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Processor time of a process so far.
fn cpu(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = behind
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // Linux counts a hundred ticks a second for user space, whatever the kernel's own rate.
    Duration::from_millis(ticks * 10)
}

/// The most memory that a process ever had.
fn peak_mib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<u64> = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    kib.unwrap_or_default() / 1024
}

/// What gateway-config's own bench says: load without IO, reload after one edit, look-ups for few and many APIs.
fn look_ups() -> Result<Vec<String>> {
    say("measuring look-ups");
    let output = cargo()
        .args([
            "bench",
            "--quiet",
            "--package",
            "gateway-config",
            "--bench",
            "scale",
        ])
        .output()
        .context("cannot run cargo bench")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter(|line| line.contains("look-up"))
        .map(str::to_owned)
        .collect())
}

fn page(figures: &[Figure], look_ups: &[String]) -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let mut out = format!(
        "# Benchmarks of configuration\n\nMade by `cargo xtask bench sync`; run it to have your own.\n\n\
         {APIS} APIs with {} operations and {POLICIES} policy documents, a release build with one worker. Machine: {}; its load \
         average at the end of the run was {load}, and what else ran is in the wall times.\n\n\
         | what | aim | measured |\n|---|---|---|\n",
        APIS * OPERATIONS,
        machine(),
    );
    for figure in figures {
        let _ = writeln!(out, "| {} | {} | {} |", figure.what, figure.aim, figure.measured);
    }
    out.push_str(
        "\n## Without files and sockets\n\nThe same configuration in memory, by `cargo bench -p gateway-config`; processor time, and \
         the lower decile of look-ups over batches. A look-up should take at most 1 µs and not depend on the number of APIs.\n\n",
    );
    for line in look_ups {
        let _ = writeln!(out, "- {line}");
    }
    out
}

fn write_folder(folder: &Path) -> Result<()> {
    let put = |path: PathBuf, text: &str| -> Result<()> {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for api in 0..APIS {
        let (team, at) = (api % 100, PathBuf::from(format!("apis/api-{api}")));
        let information = format!(
            r#"{{"properties":{{"path":"team{team}/api-{api}","displayName":"API {api}","protocols":["http","https"],"serviceUrl":"https://b{api}.example/base","subscriptionRequired":false}}}}"#
        );
        put(at.join("apiInformation.json"), &information)?;
        put(at.join("specification.yaml"), &specification(api))?;
        if api < POLICIES {
            put(at.join("policy.xml"), POLICY)?;
        }
    }
    Ok(())
}

fn specification(api: usize) -> String {
    let mut out = format!("openapi: 3.0.1\ninfo: {{title: API {api}, version: '1'}}\npaths:\n");
    for at in 0..OPERATIONS / 2 {
        let _ = write!(
            out,
            "  /things{at}/{{id}}:\n    get:\n      summary: Get thing {at}\n      operationId: get-thing-{at}\n      parameters:\n        \
             - {{name: id, in: path, required: true, schema: {{type: string}}}}\n        - {{name: page, in: query, schema: {{type: integer}}}}\n      \
             responses:\n        '200':\n          description: ok\n          content:\n            application/json:\n              \
             example: {{id: 1, name: thing}}\n    put:\n      operationId: put-thing-{at}\n      responses:\n        '204': {{description: done}}\n"
        );
    }
    out
}
