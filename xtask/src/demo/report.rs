//! The account of a run: one object for machines, tables for people.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::shell::say;

/// The object that `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Everything was as expected.
    pub(super) ok: bool,
    /// `kernel` when any hook is attached, else `userspace`.
    pub(super) mode: String,
    pub(super) requests: Vec<Request>,
    pub(super) hooks: Vec<Hook>,
    pub(super) connections: Vec<Connection>,
    /// Prometheus samples by name with labels.
    pub(super) metrics: BTreeMap<String, f64>,
}

/// One request as client and agent saw it.
#[derive(Debug, Serialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) protocol: String,
    pub(super) tls: Option<String>,
    pub(super) status: u16,
    pub(super) api: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) policies: Vec<String>,
    pub(super) backend: Option<String>,
    pub(super) ms: f64,
    #[serde(skip)]
    pub(super) shows: &'static str,
    #[serde(skip)]
    pub(super) wrong: Vec<String>,
}

/// One kernel hook.
#[derive(Debug, Serialize, serde::Deserialize)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) attached: bool,
    pub(super) mode: String,
    pub(super) reason: Option<String>,
}

/// One closed connection as the kernel counted it.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub(super) struct Connection {
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) packets_in: u64,
    pub(super) packets_out: u64,
    pub(super) retransmits: u64,
    pub(super) srtt_us: u64,
    pub(super) duration_ms: u64,
}

/// Reads hooks and connections from the agent's documents.
pub(super) fn read<T: serde::de::DeserializeOwned>(value: &Value) -> anyhow::Result<Vec<T>> {
    Ok(serde_json::from_value(value.clone())?)
}

/// Prints the tables.
pub(super) fn print(report: &Report, differences: &[String]) {
    say("\nRequests\n");
    let mut last = "";
    for (number, request) in report.requests.iter().enumerate() {
        if request.shows != last {
            say(&format!("  {}", request.shows));
            last = request.shows;
        }
        print_request(number + 1, request);
    }
    say("\nThe kernel's view\n");
    for hook in &report.hooks {
        let state = if hook.attached { "attached" } else { "not attached" };
        let reason = hook
            .reason
            .as_deref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        say(&format!("  {:<14} {state} ({}){reason}", hook.name, hook.mode));
    }
    print_connections(&report.connections);
    say("\nPrometheus\n");
    // A series of zeros exists for every operation; people want to see what moved. `--json` has them all.
    for (sample, value) in report.metrics.iter().filter(|(_, value)| **value != 0.0) {
        say(&format!("  {sample} {value}"));
    }
    say("");
    for difference in differences {
        say(&format!("not as expected: {difference}"));
    }
    let wrong = report
        .requests
        .iter()
        .filter(|request| !request.wrong.is_empty())
        .count();
    say(&format!(
        "{} mode, {} requests, {wrong} of them not as expected, {} other differences: {}",
        report.mode,
        report.requests.len(),
        differences.len(),
        if report.ok {
            "all as expected"
        } else {
            "NOT as expected"
        }
    ));
}

fn print_request(number: usize, request: &Request) {
    let status = if request.status == 0 {
        "no answer".to_owned()
    } else {
        request.status.to_string()
    };
    let tls = request
        .tls
        .as_deref()
        .map(|version| format!(" TLS {version}"))
        .unwrap_or_default();
    let route = match (&request.api, &request.operation) {
        (Some(api), Some(operation)) => format!("{api}/{operation}"),
        (Some(api), None) => format!("{api}, no operation"),
        _ => "no API".to_owned(),
    };
    say(&format!(
        "    {number:>2}. {} {} {}{tls} -> {status} in {:.1} ms",
        request.method, request.url, request.protocol, request.ms
    ));
    let backend = request.backend.as_deref().unwrap_or("none");
    say(&format!(
        "        {route}; backend {backend}; policies: {}",
        request.policies.join(", ")
    ));
    for wrong in &request.wrong {
        say(&format!("        NOT AS EXPECTED {wrong}"));
    }
}

fn print_connections(connections: &[Connection]) {
    say(&format!(
        "\n  {:<24} {:<24} {:>9} {:>9} {:>6} {:>6} {:>7} {:>8} {:>8}",
        "local", "remote", "bytes in", "out", "pkts", "out", "retrans", "srtt µs", "ms"
    ));
    for c in connections {
        say(&format!(
            "  {:<24} {:<24} {:>9} {:>9} {:>6} {:>6} {:>7} {:>8} {:>8}",
            c.local,
            c.remote,
            c.bytes_in,
            c.bytes_out,
            c.packets_in,
            c.packets_out,
            c.retransmits,
            c.srtt_us,
            c.duration_ms
        ));
    }
    if connections.is_empty() {
        say("  (none: without sock_ops the kernel keeps no account)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_the_agreed_members() {
        let request = Request {
            method: "GET".to_owned(),
            url: "http://x/".to_owned(),
            protocol: "HTTP/1.1".to_owned(),
            tls: None,
            status: 200,
            api: None,
            operation: None,
            policies: Vec::new(),
            backend: None,
            ms: 1.5,
            shows: "hidden",
            wrong: vec!["hidden".to_owned()],
        };
        let report = Report {
            ok: true,
            mode: "userspace".to_owned(),
            requests: vec![request],
            hooks: Vec::new(),
            connections: Vec::new(),
            metrics: BTreeMap::new(),
        };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(
            text,
            r#"{"ok":true,"mode":"userspace","requests":[{"method":"GET","url":"http://x/","protocol":"HTTP/1.1","tls":null,"status":200,"api":null,"operation":null,"policies":[],"backend":null,"ms":1.5}],"hooks":[],"connections":[],"metrics":{}}"#
        );
    }
}
