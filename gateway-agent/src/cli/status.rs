//! `status`: asks the admin endpoint and prints what it says for people.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use serde_json::Value;

use super::{
    AdminArgs, Format, StatusArgs,
    output::{Exit, colour, complain, print, styled, table},
};

/// An agent on the same machine answers in milliseconds; one that takes this long is stuck.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes read of an answer; a status with 200 problems has about 100 KiB.
const ANSWER_BYTES: u64 = 8 << 20;

pub(super) fn main(args: &StatusArgs) -> Exit {
    let (body, report) = match ask(&args.admin, "GET", "/status") {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    match args.admin.format {
        Format::Json => print(&body),
        Format::Text => print(&render(&report, colour())),
    }
    if report["ready"] == Value::Bool(true) {
        Exit::Ok
    } else {
        Exit::Problem
    }
}

/// An answer of the admin endpoint: its text and, where it is JSON, its value. What went wrong is said on standard error.
pub(super) fn ask(args: &AdminArgs, method: &str, path: &str) -> Result<(String, Value), Exit> {
    let Some(admin) = endpoint(args) else {
        complain("the settings turn the admin endpoint off (admin.address: none); give --admin ADDRESS");
        return Err(Exit::Usage);
    };
    match request(&admin, method, path) {
        Ok((200, body)) if method == "GET" => match serde_json::from_str(&body) {
            Ok(value) => Ok((body, value)),
            Err(_) => {
                complain(&format!("what answers at {admin} is not a gateway-agent"));
                Err(Exit::Unreachable)
            }
        },
        Ok((200, body)) => Ok((body, Value::Null)),
        Ok((400..=499, body)) if path.contains('?') && !body.contains("no such path") => {
            complain(body.trim_end());
            Err(Exit::Problem)
        }
        Ok((status, _)) => {
            complain(&format!(
                "what answers at {admin} is not this gateway-agent (status {status})"
            ));
            Err(Exit::Unreachable)
        }
        Err(error) => {
            complain(&format!(
                "no agent answers at {admin}: {error}\nIs it running, and is admin.address the same there? \
                 Give another with --admin."
            ));
            Err(Exit::Unreachable)
        }
    }
}

fn endpoint(args: &AdminArgs) -> Option<String> {
    if let Some(admin) = &args.admin {
        return Some(admin.clone());
    }
    let settings = crate::settings::gather(args.settings.as_deref()).settings;
    settings
        .admin_address
        .or(settings.admin.socket_path)
        .map(|address| address.to_string())
}

/// One request over HTTP/1.0, so that the body ends with the connection.
pub(super) fn request(admin: &str, method: &str, path: &str) -> io::Result<(u16, String)> {
    let path_of_socket = admin
        .strip_prefix("unix:")
        .or_else(|| admin.contains('/').then_some(admin));
    if let Some(socket) = path_of_socket {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        return exchange(stream, method, path);
    }
    let address: SocketAddr = admin
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    exchange(stream, method, path)
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str) -> io::Result<(u16, String)> {
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES).read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("not HTTP"))?;
    Ok((status, body.to_owned()))
}

/// How a source over a network is, and the copy on disk.
fn remote(rows: &mut Vec<Vec<String>>, remote: &Value, good: &dyn Fn(bool, &str) -> String) {
    let Some(state) = remote["state"].as_str() else {
        return;
    };
    let since = remote["since"].as_str().unwrap_or_default();
    let mut line = format!("{} since {since}", good(state == "fresh", state));
    for part in ["message", "remedy"] {
        if let Some(text) = remote[part].as_str() {
            line.push_str("; ");
            line.push_str(text);
        }
    }
    rows.push(vec!["source state".to_owned(), line]);
    if let Some(expiry) = remote["credentialsExpire"].as_str() {
        rows.push(vec!["token".to_owned(), format!("expires {expiry}")]);
    }
    let backup = &remote["backup"];
    if !backup.is_null() {
        let saved = backup["saved"]
            .as_str()
            .map_or("none yet".to_owned(), |at| format!("saved {at}"));
        let problem = backup["problem"]
            .as_str()
            .map(|p| format!("; {}", good(false, p)))
            .unwrap_or_default();
        rows.push(vec!["backup".to_owned(), format!("{saved}{problem}")]);
    }
}

/// The report for people.
fn render(report: &Value, colour: bool) -> String {
    let good = |yes: bool, word: &str| styled(colour, if yes { "32" } else { "31" }, word);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let ready = report["ready"] == true;
    let mut state = good(ready, if ready { "ready" } else { "not ready" });
    if report["draining"] == true {
        state.push_str(", draining");
    }
    let mut rows = vec![
        vec!["version".to_owned(), text(&report["version"])],
        vec!["state".to_owned(), state],
        vec!["uptime".to_owned(), seconds(&report["uptime_seconds"])],
        vec!["mode".to_owned(), text(&report["mode"])],
        vec!["workers".to_owned(), report["workers"].to_string()],
    ];
    let configuration = &report["configuration"];
    rows.push(vec!["source".to_owned(), text(&configuration["source"])]);
    remote(&mut rows, &configuration["remote"], &good);
    let active = &configuration["active"];
    if active.is_null() {
        rows.push(vec!["configuration".to_owned(), good(false, "none")]);
    } else {
        let age = seconds(&configuration["age_seconds"]);
        rows.push(vec![
            "configuration".to_owned(),
            format!("{}, active for {age}", text(&active["revision"])),
        ]);
        rows.push(vec!["entities".to_owned(), entities(&active["entities"])]);
    }
    let mut out = table(&rows);
    attempt(&mut out, &configuration["last_attempt"], colour);
    problems(
        &mut out,
        "\nRefused and warned in the active configuration\n",
        &active["problems"]["shown"],
    );
    list(
        &mut out,
        "\nListeners\n",
        &report["listeners"],
        &["address", "tls", "http3"],
    );
    list(
        &mut out,
        "\nKernel hooks\n",
        &report["hooks"],
        &["name", "target", "attached", "mode", "pinned", "reason"],
    );
    maps(&mut out, &report["maps"], colour);
    if let Some(open) = report["connections"]["active"]
        .as_object()
        .filter(|open| !open.is_empty())
    {
        out.push_str("\nOpen connections\n");
        out.push_str(&table(
            &open
                .iter()
                .map(|(k, v)| vec![k.clone(), v.to_string()])
                .collect::<Vec<_>>(),
        ));
    }
    out
}

/// Share of a map's room above which it is worth a look: the alert rule's threshold.
const MAP_FULL: f64 = 0.8;

/// Maps that hold anything, the fullest first.
pub(super) fn maps(out: &mut String, maps: &Value, colour: bool) {
    let mut filled: Vec<(f64, Vec<String>)> = Vec::new();
    for map in maps.as_array().into_iter().flatten() {
        let (used, room) = (
            map["used"].as_u64().unwrap_or(0),
            map["room"].as_u64().unwrap_or(0),
        );
        if used == 0 || room == 0 {
            continue;
        }
        let share = used as f64 / room as f64;
        let forgets = map["forgets"] == true;
        let mut percent = format!("{:.1} %", share * 100.0);
        if share >= MAP_FULL && !forgets {
            percent = styled(colour, "31", &percent);
        }
        let name = map["map"].as_str().unwrap_or_default().to_owned();
        let note = if forgets { "forgets the oldest" } else { "" };
        filled.push((
            share,
            vec![name, used.to_string(), room.to_string(), percent, note.to_owned()],
        ));
    }
    if filled.is_empty() {
        return;
    }
    filled.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut rows = vec![["map", "used", "room", "full", ""].map(str::to_owned).to_vec()];
    rows.extend(filled.into_iter().map(|(_, row)| row));
    out.push_str("\nKernel maps\n");
    out.push_str(&table(&rows));
}

/// Only a failed attempt is worth lines: it is what differs from the configuration that serves.
fn attempt(out: &mut String, attempt: &Value, colour: bool) {
    if attempt.is_null() || attempt["ok"] == true {
        return;
    }
    out.push('\n');
    out.push_str(&styled(colour, "31", "The last change was not taken"));
    let field = |name: &str| attempt[name].as_str().unwrap_or("").to_owned();
    out.push_str(&format!(
        " ({}, {})\n{}\n",
        field("cause"),
        field("at"),
        field("message")
    ));
    problems(out, "", &attempt["problems"]["shown"]);
    out.push_str(&format!("What to do: {}\n", field("remedy")));
}

fn problems(out: &mut String, title: &str, shown: &Value) {
    let Some(shown) = shown.as_array().filter(|shown| !shown.is_empty()) else {
        return;
    };
    out.push_str(title);
    for problem in shown {
        let field = |name: &str| problem[name].as_str().unwrap_or("");
        let place = match (problem["line"].as_u64(), problem["column"].as_u64()) {
            (Some(line), Some(column)) if line > 0 && column > 0 => format!(":{line}:{column}"),
            (Some(line), _) if line > 0 => format!(":{line}"),
            _ => String::new(),
        };
        out.push_str(&format!(
            "  {}[{}] {}{place}: {}\n",
            field("severity"),
            field("code"),
            field("path"),
            field("message")
        ));
    }
}

fn list(out: &mut String, title: &str, items: &Value, columns: &[&str]) {
    let Some(items) = items.as_array().filter(|items| !items.is_empty()) else {
        return;
    };
    out.push_str(title);
    let mut rows = vec![columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()];
    for item in items {
        let cell = |column: &&str| match &item[*column] {
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        rows.push(columns.iter().map(cell).collect());
    }
    out.push_str(&table(&rows));
}

fn entities(pairs: &Value) -> String {
    let pair = |p: &Value| Some(format!("{} {}", p[1], p[0].as_str()?.replace('_', " ")));
    pairs
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(pair)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `2 d 3 h`, `5 min`, `7 s`: two units at most.
fn seconds(value: &Value) -> String {
    let total = value.as_u64().unwrap_or(0);
    let (days, hours, minutes) = (total / 86_400, total / 3_600 % 24, total / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{total} s"),
        (0, 0, m) => format!("{m} min {} s", total % 60),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    fn report() -> Value {
        json!({
            "version": "0.1.0", "ready": true, "draining": false, "uptime_seconds": 7, "mode": "userspace", "workers": 2,
            "configuration": {
                "source": "folder /srv/apim", "age_seconds": 3_700,
                "active": {"revision": "abc", "entities": [["apis", 3], ["products", 1]],
                           "problems": {"shown": [{"severity": "warning", "code": "c", "path": "a/policy.xml",
                                                    "line": 3, "column": 7, "message": "m"}]}},
                "last_attempt": {"ok": true}
            },
            "listeners": [{"address": "0.0.0.0:8081", "tls": true, "http3": true}],
            "hooks": [{"name": "sock_ops", "target": "", "attached": false, "mode": "userspace", "pinned": false,
                       "reason": "CAP_BPF is missing"}],
            "maps": [{"map": "BANS4", "used": 900, "room": 1000, "forgets": false},
                     {"map": "VIPS", "used": 0, "room": 9, "forgets": false},
                     {"map": "SOURCES", "used": 1000, "room": 1000, "forgets": true}],
            "connections": {"active": {"https": 4.0}}
        })
    }

    #[test]
    fn a_ready_node_reads_well() {
        let expected = "\
version        0.1.0
state          ready
uptime         7 s
mode           userspace
workers        2
source         folder /srv/apim
configuration  abc, active for 1 h 1 min
entities       3 apis, 1 products

Refused and warned in the active configuration
  warning[c] a/policy.xml:3:7: m

Listeners
address       tls  http3
0.0.0.0:8081  yes  yes

Kernel hooks
name      target  attached  mode       pinned  reason
sock_ops          no        userspace  no      CAP_BPF is missing

Kernel maps
map      used  room  full
SOURCES  1000  1000  100.0 %  forgets the oldest
BANS4    900   1000  90.0 %

Open connections
https  4.0
";
        assert_eq!(render(&report(), false), expected);
    }

    #[test]
    fn a_refused_change_is_shown_with_its_remedy() {
        let mut report = report();
        report["configuration"]["last_attempt"] = json!({
            "ok": false, "cause": "invalid", "at": "2026-01-01T00:00:00Z", "message": "1 mistakes",
            "remedy": "correct it", "problems": {"shown": [{"severity": "error", "code": "x", "path": "f",
                                                             "line": 0, "column": 0, "message": "bad"}]}
        });
        let text = render(&report, false);
        assert!(text.contains("The last change was not taken (invalid"), "{text}");
        assert!(
            text.contains("  error[x] f: bad\nWhat to do: correct it\n"),
            "{text}"
        );
    }

    #[test]
    fn colour_is_for_terminals() {
        assert!(!render(&report(), false).contains('\x1b'));
        assert!(render(&report(), true).contains("\x1b[32mready"));
    }

    #[test]
    fn durations_read_well() {
        for (value, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_661, "1 h 1 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(seconds(&json!(value)), expected);
        }
    }

    fn args(admin: &str) -> StatusArgs {
        StatusArgs {
            admin: AdminArgs {
                admin: Some(admin.to_owned()),
                settings: None,
                format: Format::Json,
            },
        }
    }

    #[test]
    fn nobody_there_is_exit_3() {
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(main(&args(&unused.to_string())), Exit::Unreachable);
        assert_eq!(main(&args("/nonexistent/admin.sock")), Exit::Unreachable);
        assert_eq!(main(&args("unix:nonexistent.sock")), Exit::Unreachable);
    }

    #[test]
    fn something_else_there_is_exit_3() {
        for answer in [
            "HTTP/1.1 200 OK\r\n\r\n<html>",
            "HTTP/1.1 404 Not Found\r\n\r\n{}",
            "SSH-2.0\r\n",
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 256];
                let _ = stream.read(&mut head).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert_eq!(main(&args(&address)), Exit::Unreachable, "{answer:?}");
            server.join().unwrap();
        }
    }
}
