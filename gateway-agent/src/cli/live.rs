//! `connections` and `top`: what goes on, once or again and again.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::Value;

use super::{
    AdminArgs, Format,
    output::{Exit, print, table},
    status::{self, ask},
};

/// Pause between two looks of `connections --follow`.
const FOLLOW: Duration = Duration::from_secs(1);
/// Connections remembered as shown; the agent keeps at most as many.
const SHOWN: usize = 20_000;

/// Options of `connections`.
#[derive(Args, Debug)]
pub(crate) struct ConnectionsArgs {
    /// Go on showing new ones
    #[arg(long, short)]
    follow: bool,
    /// Only those whose JSON holds this text: an address, a state, a listener
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Options of `top`.
#[derive(Args, Debug)]
pub(crate) struct TopArgs {
    /// Pause between two looks, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    interval: u64,
    /// Looks; without it until interrupted
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn connections(args: &ConnectionsArgs) -> Exit {
    let mut shown = HashSet::new();
    let mut first = true;
    loop {
        let value = match ask(&args.admin, "GET", "/connections") {
            Ok((_, value)) => value,
            Err(exit) => return exit,
        };
        let mut new = Vec::new();
        for connection in value.as_array().into_iter().flatten() {
            let text = connection.to_string();
            let wanted = args.filter.as_deref().is_none_or(|filter| text.contains(filter));
            if wanted && shown.insert(text) {
                new.push(connection.clone());
            }
        }
        if shown.len() > SHOWN {
            shown.clear();
            shown.extend(value.as_array().into_iter().flatten().map(Value::to_string));
        }
        match args.admin.format {
            // One a line, so that a reader can take them as they come.
            Format::Json => new
                .iter()
                .for_each(|connection| print(&format!("{connection}\n"))),
            Format::Text if first || !new.is_empty() => print(&render(&new, first)),
            Format::Text => {}
        }
        if !args.follow {
            return Exit::Ok;
        }
        first = false;
        pause(FOLLOW);
    }
}

fn render(connections: &[Value], titles: bool) -> String {
    const COLUMNS: [(&str, &str); 10] = [
        ("remote", "remote"),
        ("local", "local"),
        ("listener", "listener"),
        ("in", "bytes_in"),
        ("out", "bytes_out"),
        ("requests", "requests"),
        ("retr", "retransmits"),
        ("rtt us", "srtt_us"),
        ("ms", "duration_ms"),
        ("state", "state"),
    ];
    let mut rows = Vec::new();
    if titles {
        rows.push(COLUMNS.map(|(title, _)| title.to_owned()).to_vec());
    }
    for connection in connections {
        let cell = |(_, field): &(&str, &str)| match &connection[*field] {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        rows.push(COLUMNS.iter().map(cell).collect());
    }
    table(&rows)
}

/// One look: counters by name, and what stands.
#[derive(Debug, Default)]
struct Look {
    at: Option<Instant>,
    counters: BTreeMap<String, u64>,
    status: Value,
    bans: usize,
}

pub(super) fn top(args: &TopArgs) -> Exit {
    let mut before = Look::default();
    let mut looks = 0;
    loop {
        let now = match look(&args.admin) {
            Ok(look) => look,
            Err(exit) => return exit,
        };
        if before.at.is_some() {
            let clear = if args.count.is_none() { "\x1b[2J\x1b[H" } else { "" };
            print(&format!("{clear}{}", render_top(&before, &now)));
            looks += 1;
        }
        if args.count.is_some_and(|count| looks >= count) {
            return Exit::Ok;
        }
        before = now;
        pause(Duration::from_secs(args.interval.max(1)));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command of one thread that looks now and then; nobody else waits for it"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn look(admin: &AdminArgs) -> Result<Look, Exit> {
    let mut counters = BTreeMap::new();
    let (_, list) = ask(admin, "GET", "/counters")?;
    for counter in list.as_array().into_iter().flatten() {
        let field = |name: &str| counter[name].as_str().unwrap_or_default().to_owned();
        let name = format!("{} {}", field("program"), field("reason"));
        counters.insert(name, counter["count"].as_u64().unwrap_or(0));
    }
    let (_, status) = ask(admin, "GET", "/status")?;
    let (_, bans) = ask(admin, "GET", "/bans")?;
    Ok(Look {
        at: Some(Instant::now()),
        counters,
        status,
        bans: bans.as_array().map_or(0, Vec::len),
    })
}

fn render_top(before: &Look, now: &Look) -> String {
    let seconds = match (before.at, now.at) {
        (Some(before), Some(now)) => now.duration_since(before).as_secs_f64().max(0.001),
        _ => 1.0,
    };
    let status = &now.status;
    let open = status["connections"]["active"].as_object();
    let open: f64 = open
        .into_iter()
        .flatten()
        .filter_map(|(_, open)| open.as_f64())
        .sum();
    let mut out = format!(
        "gateway-agent {}  {}  {} connections open  {} bans\n\n",
        status["version"].as_str().unwrap_or("?"),
        if status["ready"] == true {
            "ready"
        } else {
            "not ready"
        },
        open,
        now.bans,
    );
    let mut rows = vec![["counter", "per second", "total"].map(str::to_owned).to_vec()];
    let mut moving: Vec<(f64, &String, u64)> = now
        .counters
        .iter()
        .filter(|(_, total)| **total > 0)
        .map(|(name, total)| {
            let last = before.counters.get(name).copied().unwrap_or(0);
            (total.saturating_sub(last) as f64 / seconds, name, *total)
        })
        .collect();
    moving.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.2.cmp(&a.2)));
    for (rate, name, total) in moving {
        rows.push(vec![name.clone(), format!("{rate:.1}"), total.to_string()]);
    }
    if rows.len() == 1 {
        out.push_str("no kernel program has counted anything\n");
    } else {
        out.push_str(&table(&rows));
    }
    status::maps(&mut out, &status["maps"], false);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn connections_read_well() {
        let connections = [
            json!({"remote": "192.0.2.2:40000", "local": "192.0.2.1:8080", "bytes_in": 120, "bytes_out": 3000,
            "retransmits": 0, "srtt_us": 250, "duration_ms": 5, "state": "LAST-ACK"}),
        ];
        let expected = "\
remote           local           listener  in   out   requests  retr  rtt us  ms  state
192.0.2.2:40000  192.0.2.1:8080  -         120  3000  -         0     250     5   LAST-ACK
";
        assert_eq!(render(&connections, true), expected);
        assert!(!render(&connections, false).contains("remote"));
    }

    #[test]
    fn rates_are_differences_over_time() {
        let start = Instant::now();
        let look = |seconds, pass, denied| Look {
            at: Some(start + Duration::from_secs(seconds)),
            counters: BTreeMap::from([
                ("edge_drop pass".to_owned(), pass),
                ("edge_drop drop_denied".to_owned(), denied),
                ("edge_drop fragment".to_owned(), 0),
            ]),
            status: json!({"version": "1", "ready": true, "connections": {"active": {"a": 2.0, "b": 1.0}}}),
            bans: 4,
        };
        let expected = "\
gateway-agent 1  ready  3 connections open  4 bans

counter                per second  total
edge_drop drop_denied  50.0        107
edge_drop pass         5.0         20
";
        assert_eq!(render_top(&look(0, 10, 7), &look(2, 20, 107)), expected);
    }
}
