//! Sends the script's requests one after the other and joins what client, agent and kernel say of each.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::Result;
use gateway_tests::{client::Ask, lab::VIP, wait};
use serde_json::Value;

use super::{
    report::{Connection, Hook, Report, Request, read},
    script::{From, Seen, Step, To, steps},
    stage::Stage,
};

/// A port of the steered range that nobody bound.
const VIP_PORT: u16 = 9042;
/// The kernel's account of a connection comes just after its end.
const ACCOUNT_DEADLINE: Duration = Duration::from_secs(2);
/// So many unanswered requests in a row mean that nothing works; each costs its whole time limit.
const UNANSWERED_MAX: usize = 3;
/// Hooks that the examples ask for.
const HOOKS: &[&str] = &["sk_lookup", "sk_reuseport", "sock_ops", "xdp"];
/// Metrics whose samples are shown: the seed's names.
const METRICS: &[&str] = &[
    "gateway_requests_total",
    "gateway_request_duration_seconds_count",
    "gateway_request_duration_seconds_sum",
    "gateway_backend_duration_seconds_count",
    "gateway_backend_duration_seconds_sum",
    "configuration_sync_total",
    "configuration_sync_errors_total",
];

/// Runs the script; gives the report and the differences that belong to no single request.
pub(super) fn run(stage: &Stage) -> Result<(Report, Vec<String>)> {
    let status = stage.scene.agent.json("/status")?;
    let hooks: Vec<Hook> = read(&status["hooks"])?;
    let steered = hooks.iter().any(|hook| hook.name == "sk_lookup" && hook.attached);
    let mut requests = Vec::new();
    let mut differences = Vec::new();
    let mut unanswered = 0;
    for step in steps(steered) {
        let request = send(stage, &step)?;
        unanswered = if request.status == 0 && step.expect.status != 0 {
            unanswered + 1
        } else {
            0
        };
        requests.push(request);
        if unanswered == UNANSWERED_MAX {
            differences.push(format!(
                "stopped after {UNANSWERED_MAX} requests without an answer in a row"
            ));
            break;
        }
    }
    compare_hooks(stage, &hooks, &mut differences);
    let connections = connections(stage, &hooks, &requests, &mut differences)?;
    let metrics = metrics(stage, &requests, &mut differences)?;
    let ok = differences.is_empty() && requests.iter().all(|request| request.wrong.is_empty());
    let mode = status["mode"].as_str().unwrap_or_default().to_owned();
    Ok((
        Report {
            ok,
            mode,
            requests,
            hooks,
            connections,
            metrics,
        },
        differences,
    ))
}

fn send(stage: &Stage, step: &Step) -> Result<Request> {
    let ask = ask(stage, step);
    // A refused packet leaves no record; everything else leaves one.
    let (answer, record) = match step.from {
        From::Denied => (stage.scene.send(&ask)?, None),
        From::Client => stage.scene.send_recorded(&ask)?,
    };
    let record = record.unwrap_or(Value::Null);
    let text = |name: &str| record[name].as_str().map(str::to_owned);
    let policies = record["policies"].as_array().into_iter().flatten();
    let seen = Seen {
        tls: text("clientTlsVersion"),
        api: text("apiId"),
        operation: text("operationId"),
        policies: policies
            .filter_map(|policy| policy.as_str().map(str::to_owned))
            .collect(),
        backend: text("backendId").or_else(|| text("backendUrl")),
        answer,
    };
    let mut wrong = step.expect.compare(&seen);
    if step.from == From::Client && record.is_null() {
        wrong.push("the agent has no record of it".to_owned());
    }
    Ok(Request {
        method: step.method.to_owned(),
        url: ask.url,
        protocol: seen.answer.protocol.clone(),
        tls: seen.tls,
        status: seen.answer.status,
        api: seen.api,
        operation: seen.operation,
        policies: seen.policies,
        backend: seen.backend,
        ms: seen.answer.ms,
        shows: step.shows,
        wrong,
    })
}

fn ask(stage: &Stage, step: &Step) -> Ask {
    let scene = &stage.scene;
    let mut ask = match step.to {
        To::Tls => scene.ask_tls("gateway.example", step.path, step.options),
        To::Plain | To::Vip => scene.ask(step.path),
    };
    if step.to != To::Tls {
        ask.options = step.options.iter().map(|option| (*option).to_owned()).collect();
    }
    if step.to == To::Vip {
        ask.url = format!("http://{VIP}:{VIP_PORT}{}", step.path);
    }
    if step.from == From::Denied {
        ask.from = Some(IpAddr::V4(scene.lab.denied_client));
    }
    ask.method = step.method;
    ask.headers
        .extend(step.key.map(|key| format!("Ocp-Apim-Subscription-Key: {key}")));
    ask.body = step.body.map(str::to_owned);
    ask
}

// With the programs built and root, every hook that the examples ask for has to be there.
fn compare_hooks(stage: &Stage, hooks: &[Hook], differences: &mut Vec<String>) {
    for name in HOOKS {
        match hooks.iter().find(|hook| hook.name == *name) {
            None => differences.push(format!("the agent says nothing of hook {name}")),
            Some(hook) if stage.kernel && !hook.attached => {
                let reason = hook.reason.as_deref().unwrap_or("no reason given");
                differences.push(format!("hook {name} is not attached: {reason}"));
            }
            Some(hook) if !hook.attached && hook.reason.is_none() => {
                differences.push(format!("hook {name} is not attached and no reason is given"));
            }
            Some(_) => {}
        }
    }
}

// Every answered request of the script came over a connection of its own: the kernel must know as many.
fn connections(
    stage: &Stage,
    hooks: &[Hook],
    requests: &[Request],
    differences: &mut Vec<String>,
) -> Result<Vec<Connection>> {
    if !hooks.iter().any(|hook| hook.name == "sock_ops" && hook.attached) {
        return read(&stage.scene.agent.json("/connections")?);
    }
    let expected = requests.iter().filter(|request| request.status != 0).count();
    let client = stage.scene.lab.client.address.to_string() + ":";
    let mut seen: Vec<Connection> = Vec::new();
    let enough = wait::until(
        "the kernel's account of every connection",
        ACCOUNT_DEADLINE,
        || {
            seen = read(&stage.scene.agent.json("/connections").ok()?).ok()?;
            (seen.iter().filter(|c| c.remote.starts_with(&client)).count() >= expected).then_some(())
        },
    );
    let count = seen.iter().filter(|c| c.remote.starts_with(&client)).count();
    if enough.is_err() || count != expected {
        differences.push(format!(
            "the kernel counted {count} client connections, the client made {expected}"
        ));
    }
    if let Some(empty) = seen
        .iter()
        .find(|c| c.remote.starts_with(&client) && (c.bytes_in == 0 || c.packets_in == 0))
    {
        differences.push(format!(
            "the connection from {} has no bytes or packets",
            empty.remote
        ));
    }
    Ok(seen)
}

fn metrics(
    stage: &Stage,
    requests: &[Request],
    differences: &mut Vec<String>,
) -> Result<BTreeMap<String, f64>> {
    let samples: BTreeMap<String, f64> = stage
        .scene
        .agent
        .metrics()?
        .into_iter()
        .filter(|(sample, _)| METRICS.contains(&sample.split('{').next().unwrap_or_default()))
        .collect();
    for name in METRICS {
        if !samples
            .keys()
            .any(|sample| sample.split('{').next() == Some(name))
        {
            differences.push(format!("metric {name} is missing"));
        }
    }
    let counted: f64 = samples
        .iter()
        .filter(|(sample, _)| sample.starts_with("gateway_requests_total"))
        .map(|(_, value)| value)
        .sum();
    let answered = requests.iter().filter(|request| request.status != 0).count();
    if counted != answered as f64 {
        differences.push(format!(
            "gateway_requests_total says {counted}, the client had {answered} answers"
        ));
    }
    Ok(samples)
}
