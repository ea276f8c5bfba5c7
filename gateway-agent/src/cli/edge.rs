//! `bans`, `drops`, `where`, `kernel`: what the kernel side drops and would do.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::{
    AdminArgs, Format,
    output::{Exit, colour, complain, print, styled, table},
    status::ask,
};

/// Options of `bans`.
#[derive(Args, Debug)]
pub(crate) struct BansArgs {
    #[command(subcommand)]
    action: Option<BansAction>,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Subcommand)]
enum BansAction {
    /// The bans in force (the default)
    List,
    /// Ban an address for a time
    Add {
        /// Source address
        address: IpAddr,
        /// How long: 90s, 10m, 2h
        #[arg(long = "for", value_name = "TIME", value_parser = time, default_value = "10m")]
        lasts: Duration,
        /// Why, for whoever looks at the list
        #[arg(long, value_name = "TEXT", default_value = "by hand")]
        reason: String,
        /// Drop every packet, not only those to the gateway's own destinations
        #[arg(long)]
        whole_node: bool,
    },
    /// End a ban
    Remove {
        /// Source address
        address: IpAddr,
    },
}

/// Options of `drops`.
#[derive(Args, Debug)]
pub(crate) struct DropsArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

/// Options of `where`.
#[derive(Args, Debug)]
pub(crate) struct WhereArgs {
    /// Source address
    source: IpAddr,
    /// Destination address
    destination: IpAddr,
    /// Destination port
    port: u16,
    /// Transport protocol
    #[arg(value_enum, default_value_t)]
    protocol: Transport,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Transport protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// TCP: a SYN
    #[default]
    Tcp,
    /// UDP: a datagram
    Udp,
}

/// Options of `kernel`.
#[derive(Args, Debug)]
pub(crate) struct KernelArgs {
    #[command(subcommand)]
    action: KernelAction,
}

#[derive(Debug, Subcommand)]
enum KernelAction {
    /// What is pinned in a directory: links that keep programs attached, maps
    Pins {
        /// kernel.pin.path
        directory: PathBuf,
    },
    /// Take off every program and free every map that was pinned in a directory, and nothing else
    Uninstall {
        /// kernel.pin.path
        directory: PathBuf,
    },
}

/// `90s`, `10m`, `2h`, `1d`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a number with s, m, h or d".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number
        .checked_mul(unit)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

pub(super) fn bans(args: &BansArgs) -> Exit {
    let path = match &args.action {
        None | Some(BansAction::List) => return show(&args.admin, "/bans", list),
        Some(BansAction::Remove { address }) => format!("/bans/remove?address={address}"),
        Some(BansAction::Add {
            address,
            lasts,
            reason,
            whole_node,
        }) => format!(
            "/bans/add?address={address}&seconds={}&scope={}&reason={}",
            lasts.as_secs(),
            if *whole_node { "node" } else { "gateway" },
            encoded(reason)
        ),
    };
    match ask(&args.admin, "POST", &path) {
        Ok((body, _)) => {
            print(&body);
            Exit::Ok
        }
        Err(exit) => exit,
    }
}

/// An answer as it is, or as `render` shows it.
pub(super) fn show(admin: &AdminArgs, path: &str, render: impl Fn(&Value) -> String) -> Exit {
    match ask(admin, "GET", path) {
        Err(exit) => exit,
        Ok((body, value)) => {
            match admin.format {
                Format::Json => print(&body),
                Format::Text => print(&render(&value)),
            }
            Exit::Ok
        }
    }
}

/// Everything but letters, digits and a few marks as `%XX` (RFC 3986 §2.3).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn rows(items: &Value, columns: &[(&str, &str)]) -> String {
    let mut rows = vec![
        columns
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect::<Vec<_>>(),
    ];
    for item in items.as_array().into_iter().flatten() {
        rows.push(columns.iter().map(|(_, field)| text(&item[*field])).collect());
    }
    table(&rows)
}

fn list(bans: &Value) -> String {
    if bans.as_array().is_none_or(Vec::is_empty) {
        return "no bans\n".to_owned();
    }
    rows(
        bans,
        &[
            ("address", "address"),
            ("by", "by"),
            ("scope", "scope"),
            ("at", "at"),
            ("left s", "left_seconds"),
            ("age s", "age_seconds"),
            ("dropped", "dropped"),
            ("reason", "reason"),
        ],
    )
}

pub(super) fn drops(args: &DropsArgs) -> Exit {
    show(&args.admin, "/drops", render_drops)
}

fn render_drops(drops: &Value) -> String {
    let mut out = String::new();
    if drops["reasons"].as_array().is_none_or(Vec::is_empty) {
        out.push_str("nothing was dropped\n");
    } else {
        let columns = [
            ("program", "program"),
            ("reason", "reason"),
            ("count", "count"),
            ("bytes", "bytes"),
            ("meaning", "meaning"),
        ];
        out.push_str(&rows(&drops["reasons"], &columns));
    }
    let samples = drops["samples"].as_array().map_or(&[][..], Vec::as_slice);
    if samples.is_empty() {
        return out;
    }
    out.push_str("\nSamples, newest first\n");
    let mut lines = vec![
        ["ago", "if", "reason", "packet", "bytes"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for sample in samples {
        let reason = match sample["noticed"].as_str() {
            Some(noticed) => format!("{} ({noticed})", text(&sample["reason"])),
            None => text(&sample["reason"]),
        };
        lines.push(vec![
            format!("{:.1} s", sample["ago_seconds"].as_f64().unwrap_or(0.0)),
            text(&sample["interface"]),
            reason,
            text(&sample["packet"]),
            text(&sample["length"]),
        ]);
    }
    out.push_str(&table(&lines));
    out
}

pub(super) fn whereto(args: &WhereArgs) -> Exit {
    let protocol = match args.protocol {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let path = format!(
        "/where?source={}&destination={}&port={}&protocol={protocol}",
        args.source, args.destination, args.port
    );
    match ask(&args.admin, "GET", &path) {
        Err(exit) => exit,
        Ok((body, answer)) => {
            match args.admin.format {
                Format::Json => print(&body),
                Format::Text => print(&render_where(&answer, colour())),
            }
            if answer["edge"] == "drop" {
                Exit::Problem
            } else {
                Exit::Ok
            }
        }
    }
}

fn render_where(answer: &Value, colour: bool) -> String {
    let edge = text(&answer["edge"]);
    let style = if edge == "drop" { "31" } else { "32" };
    let mut out = format!("{}  {}\n", styled(colour, style, &edge), text(&answer["verdict"]));
    for reason in answer["reasons"].as_array().into_iter().flatten() {
        out.push_str(&format!("  {}\n", text(reason)));
    }
    out.push_str(&format!("then  {}\n", text(&answer["then"])));
    out
}

pub(super) fn kernel(args: &KernelArgs) -> Exit {
    match &args.action {
        KernelAction::Pins { directory } => pins(directory),
        KernelAction::Uninstall { directory } => match gateway_loader::uninstall(directory) {
            Ok(done) => {
                for path in &done.removed {
                    print(&format!("removed {}\n", path.display()));
                }
                for path in &done.left {
                    print(&format!("left    {} (not ours)\n", path.display()));
                }
                if done.removed.is_empty() && done.left.is_empty() {
                    print(&format!("nothing is pinned in {}\n", directory.display()));
                }
                Exit::Ok
            }
            Err(error) => {
                complain(&format!("{}: {error}; run it as root", directory.display()));
                Exit::Problem
            }
        },
    }
}

fn pins(directory: &std::path::Path) -> Exit {
    match gateway_loader::pinned(directory) {
        Ok(list) if list.is_empty() => {
            print(&format!("nothing is pinned in {}\n", directory.display()));
            Exit::Ok
        }
        Ok(list) => {
            let mut rows = vec![["layout", "kind", "name", "state"].map(str::to_owned).to_vec()];
            rows.extend(
                list.into_iter()
                    .map(|pin| vec![pin.layout, pin.kind.to_owned(), pin.name, pin.state]),
            );
            print(&table(&rows));
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("{}: {error}; run it as root", directory.display()));
            Exit::Problem
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("2h", Some(7200)),
            ("1d", Some(86_400)),
            ("0s", None),
            ("10", None),
            ("", None),
            ("xm", None),
            ("1ü", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(time(text).ok().map(|time| time.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn reasons_survive_the_query() {
        assert_eq!(
            encoded("scans logins & more: 5%"),
            "scans%20logins%20%26%20more%3A%205%25"
        );
    }

    #[test]
    fn bans_read_well() {
        assert_eq!(list(&json!([])), "no bans\n");
        let bans = json!([{"address": "192.0.2.7", "by": "operator", "scope": "gateway", "at": "kernel", "left_seconds": 599,
            "age_seconds": 1, "dropped": 12, "reason": "scans logins"}]);
        let expected = "\
address    by        scope    at      left s  age s  dropped  reason
192.0.2.7  operator  gateway  kernel  599     1      12       scans logins
";
        assert_eq!(list(&bans), expected);
    }

    #[test]
    fn drops_read_well() {
        assert_eq!(
            render_drops(&json!({"reasons": [], "samples": []})),
            "nothing was dropped\n"
        );
        let drops = json!({
            "reasons": [{"program": "edge_drop", "reason": "drop_denied", "count": 3, "bytes": 180, "meaning": "A packet from a denied prefix was dropped."}],
            "samples": [{"ago_seconds": 1.25, "interface": 2, "reason": "drop_malformed", "noticed": "tcp_flags",
                "packet": "192.0.2.1:1 > 198.51.100.1:443 tcp FS", "length": 60, "bytes": "00"}]
        });
        let expected = "\
program    reason       count  bytes  meaning
edge_drop  drop_denied  3      180    A packet from a denied prefix was dropped.

Samples, newest first
ago    if  reason                      packet                                 bytes
1.2 s  2   drop_malformed (tcp_flags)  192.0.2.1:1 > 198.51.100.1:443 tcp FS  60
";
        assert_eq!(render_drops(&drops), expected);
    }

    #[test]
    fn answers_to_where_read_well() {
        let answer = json!({"edge": "drop", "verdict": "drop_denied", "then": "it goes no further",
            "reasons": ["198.51.100.0/24 is the longest prefix of 198.51.100.1: denied by ip-filter", "A packet from a denied prefix was dropped."]});
        let expected = "\
drop  drop_denied
  198.51.100.0/24 is the longest prefix of 198.51.100.1: denied by ip-filter
  A packet from a denied prefix was dropped.
then  it goes no further
";
        assert_eq!(render_where(&answer, false), expected);
        assert!(render_where(&answer, true).contains("\x1b[31mdrop"));
    }
}
