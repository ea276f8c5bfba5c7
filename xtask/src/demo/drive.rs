//! Sends the script's requests one after the other and joins what client, agent and kernel say of each.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::Result;
use gateway_tests::{
    client::{Ask, curl},
    lab::VIP,
    wait,
};
use serde_json::Value;

use super::{
    report::{Connection, Hook, Report, Request, read},
    script::{From, Seen, Step, To, steps},
    stage::Stage,
};

/// A port of the steered range that nobody bound.
const VIP_PORT: u16 = 9042;
/// The record of a request is written just after its last byte.
const RECORD_DEADLINE: Duration = Duration::from_secs(2);
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
    let status = stage.agent.json("/status")?;
    let hooks: Vec<Hook> = read(&status["hooks"])?;
    let steered = hooks.iter().any(|hook| hook.name == "sk_lookup" && hook.attached);
    let mut requests = Vec::new();
    for step in steps(steered) {
        requests.push(send(stage, &step)?);
    }
    let mut differences = Vec::new();
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
    let known = records(stage)?.len();
    let ask = ask(stage, step);
    let answer = curl(&stage.lab.client, &ask)?;
    // A refused packet leaves no record; everything else leaves one.
    let record = if step.from == From::Denied {
        Value::Null
    } else {
        record(stage, known)?
    };
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
    let node = stage.lab.node.address;
    let url = match step.to {
        To::Plain => format!("http://{node}:{}{}", stage.plain_port, step.path),
        To::Tls => format!("https://gateway.example:{}{}", stage.tls_port, step.path),
        To::Vip => format!("http://{VIP}:{VIP_PORT}{}", step.path),
    };
    let mut options: Vec<String> = step.options.iter().map(|option| (*option).to_owned()).collect();
    if step.to == To::Tls {
        options.extend([
            "--cacert".to_owned(),
            stage.authority.certificate().display().to_string(),
        ]);
        options.extend(["--connect-to".to_owned(), format!("::{node}:")]);
    }
    let from = match step.from {
        From::Client => stage.lab.client.address,
        From::Denied => stage.lab.denied_client,
    };
    Ask {
        method: step.method,
        url,
        headers: step
            .key
            .map(|key| format!("Ocp-Apim-Subscription-Key: {key}"))
            .into_iter()
            .collect(),
        body: step.body.map(str::to_owned),
        options,
        from: Some(IpAddr::V4(from)),
    }
}

fn records(stage: &Stage) -> Result<Vec<Value>> {
    Ok(stage
        .agent
        .json("/requests")?
        .as_array()
        .cloned()
        .unwrap_or_default())
}

// The record that was not there before; requests are sent one at a time.
fn record(stage: &Stage, known: usize) -> Result<Value> {
    let found = wait::until("the record of a request", RECORD_DEADLINE, || {
        let all = records(stage).ok()?;
        (all.len() > known).then_some(all)
    });
    let newest = |all: Vec<Value>| {
        all.into_iter()
            .max_by_key(|record| record["timeGenerated"].to_string())
    };
    Ok(found.ok().and_then(newest).unwrap_or(Value::Null))
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
        return read(&stage.agent.json("/connections")?);
    }
    let expected = requests.iter().filter(|request| request.status != 0).count();
    let client = stage.lab.client.address.to_string() + ":";
    let mut seen: Vec<Connection> = Vec::new();
    let enough = wait::until(
        "the kernel's account of every connection",
        RECORD_DEADLINE,
        || {
            seen = read(&stage.agent.json("/connections").ok()?).ok()?;
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
