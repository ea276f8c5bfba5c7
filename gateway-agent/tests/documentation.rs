//! Pages made from the program: `UPDATE_DOCS=1 cargo test -p gateway-agent --test documentation` writes them.

#![expect(clippy::unwrap_used, reason = "in a test that is the report")]

use std::{fmt::Write as _, fs, path::Path};

use gateway_agent::{admin::routes::ROUTES, cli, telemetry::Metrics};

/// The page must be what the program says.
#[track_caller]
fn check(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let advice = "is stale: run UPDATE_DOCS=1 cargo test -p gateway-agent --test documentation";
    assert!(found == expected, "docs/{name} {advice}");
}

#[test]
fn the_page_of_metrics_is_current() {
    let mut page = String::from(
        "# Metrics\n\nMade from the program; a test compares. Served on the port of `telemetry.metrics.prometheus.port` (4290) and on the \
         admin endpoint, in the Prometheus text format.\n\n\
         No label has a value that a client can invent: requests that match no API or operation are counted under \
         `_unmatched`, status codes have three digits, everything else is a closed set.\n\n\
         | name | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for family in Metrics::new().unwrap().families() {
        let labels = family
            .labels
            .iter()
            .map(|l| format!("`{l}`"))
            .collect::<Vec<_>>()
            .join(", ");
        writeln!(
            page,
            "| `{}` | {} | {labels} | {} |",
            family.name, family.kind, family.help
        )
        .unwrap();
    }
    check("metrics.md", &page);
}

#[test]
fn the_page_of_the_admin_endpoint_is_current() {
    let mut page = String::from(
        "# Admin endpoint\n\nMade from the program; a test compares. It listens on loopback (`admin.address`, 127.0.0.1:4292) and, when \
         `admin.socket.path` is set, on a Unix socket for the owner alone; never on another address. Reading is GET, changing is \
         POST. Requests that come from a web page are refused: those with an `Origin`, and those to a host name instead of an \
         address.\n\n`gateway-agent status` prints `/status` for people.\n\n| method | path | what it does |\n|---|---|---|\n",
    );
    for route in ROUTES {
        writeln!(
            page,
            "| {} | `{}` | {} |",
            route.method,
            route.path,
            route.help.replace('|', "\\|")
        )
        .unwrap();
    }
    page.push_str(
        "\n`/requests` has the fields of the original's request log (`GatewayLogs`) in their order, then ours: `policies`, \
         `backendAddress`, `worker`, `configurationRevision`, `totalTimeUs`. Keys in the query are masked.\n\n\
         `/connections` has, for each closed client connection: `local`, `remote`, `bytes_in`, `bytes_out`, `packets_in`, \
         `packets_out`, `retransmits`, `srtt_us`, `duration_ms`, `state`, `direction`, and `source`: `kernel` (exact, from sock_ops) or \
         `userspace` (TCP_INFO when the agent closes).\n\n\
         Both are empty unless `admin.requests` and `admin.connections` say how many to keep.\n",
    );
    check("admin.md", &page);
}

fn command(page: &mut String, command: &mut clap::Command, path: &str, depth: usize) {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    writeln!(
        page,
        "\n{} {path}\n\n```text\n{}\n```",
        "#".repeat(depth),
        help.join("\n").trim_end()
    )
    .unwrap();
    let names: Vec<String> = command
        .get_subcommands()
        .map(|s| s.get_name().to_owned())
        .filter(|name| name != "help")
        .collect();
    for name in names {
        let sub = command.find_subcommand_mut(&name).unwrap();
        self::command(page, sub, &format!("{path} {name}"), depth + 1);
    }
}

#[test]
fn the_page_of_the_command_line_is_current() {
    let mut page = String::from(
        "# Command line\n\nMade from the program; a test compares. `gateway-agent man` and `gateway-agent completion SHELL` come from the same \
         definition.\n",
    );
    let mut definition = cli::definition().term_width(110);
    definition.build();
    command(&mut page, &mut definition, "gateway-agent", 2);
    check("command-line.md", &page);
}
