//! `services` and `flows`: what is passed through without HTTP.

use std::net::IpAddr;

use clap::Args;
use serde_json::Value;

use super::{
    AdminArgs,
    edge::{encoded, rows, show},
    output::Exit,
};

/// Options of `services`.
#[derive(Args, Debug)]
pub(crate) struct ServicesArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

/// Options of `flows`.
#[derive(Args, Debug)]
pub(crate) struct FlowsArgs {
    /// Only flows of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only flows of this client or backend
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u32,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn services(args: &ServicesArgs) -> Exit {
    show(&args.admin, "/services", render_services)
}

pub(super) fn flows(args: &FlowsArgs) -> Exit {
    let mut path = format!("/flows?limit={}", args.limit);
    if let Some(service) = &args.service {
        path.push_str(&format!("&service={}", encoded(service)));
    }
    if let Some(host) = args.host {
        path.push_str(&format!("&host={host}"));
    }
    show(&args.admin, &path, render_flows)
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

fn render_services(services: &Value) -> String {
    if is_empty(services) {
        return "no L4 services\n".to_owned();
    }
    let mut text = rows(
        services,
        &[
            ("service", "name"),
            ("address", "address"),
            ("protocol", "protocol"),
            ("runs", "runs"),
            ("active", "active_flows"),
            ("flows", "flows"),
            ("bytes in", "bytes_in"),
            ("bytes out", "bytes_out"),
            ("reason", "reason"),
        ],
    );
    for service in services.as_array().into_iter().flatten() {
        let name = service["name"].as_str().unwrap_or_default();
        text.push_str(&format!("\nbackends of {name}\n"));
        text.push_str(&rows(
            &service["backends"],
            &[
                ("address", "address"),
                ("health", "health"),
                ("weight", "weight"),
                ("share %", "share_percent"),
                ("flows", "flows"),
                ("bytes in", "bytes_in"),
                ("bytes out", "bytes_out"),
            ],
        ));
    }
    text
}

fn render_flows(flows: &Value) -> String {
    if is_empty(flows) {
        return "no flows\n".to_owned();
    }
    rows(
        flows,
        &[
            ("service", "service"),
            ("protocol", "protocol"),
            ("client", "client"),
            ("address", "address"),
            ("source", "source"),
            ("backend", "backend"),
            ("state", "state"),
            ("idle s", "idle_seconds"),
            ("packets in", "packets_in"),
            ("bytes in", "bytes_in"),
            ("packets out", "packets_out"),
            ("bytes out", "bytes_out"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn services_and_flows_are_tables() {
        let service = json!([{
            "name": "db", "address": "203.0.113.10:5432", "protocol": "tcp", "runs": "kernel", "active_flows": 3,
            "flows": 9, "bytes_in": 10, "bytes_out": 20, "reason": null,
            "backends": [{"address": "10.0.0.5:5432", "health": "up", "weight": 1, "share_percent": 50.0}]
        }]);
        let text = render_services(&service);
        for part in [
            "203.0.113.10:5432",
            "kernel",
            "backends of db",
            "10.0.0.5:5432",
            "up",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
        let flow = json!([{"service": "db", "client": "192.0.2.2:40000", "state": "established"}]);
        assert!(render_flows(&flow).contains("192.0.2.2:40000"));
        for render in [render_services, render_flows] {
            assert!(render(&json!([])).starts_with("no "));
        }
    }
}
