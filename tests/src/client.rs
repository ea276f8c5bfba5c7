//! Clients as strangers use them: curl with its own account of the exchange, and raw sockets for bad input.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::lab::Host;

/// Limit for one request of a test, in seconds: far above anything expected, so that a hang is a failure.
const REQUEST_SECONDS: &str = "20";
/// Longest answer read by [`exchange`]; larger ones are a failure of the test.
const ANSWER_MAX: u64 = 16 << 20;

/// What to ask with curl.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Request method; empty means GET.
    pub method: &'static str,
    /// Whole URL.
    pub url: String,
    /// Header fields, `Name: value`.
    pub headers: Vec<String>,
    /// Body, sent as it is.
    pub body: Option<String>,
    /// Further curl arguments, such as `--http2`.
    pub options: Vec<String>,
    /// Source address, when the host has several.
    pub from: Option<IpAddr>,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status code; 0 when there was no answer.
    pub status: u16,
    /// `HTTP/1.1`, `HTTP/2`, …
    pub protocol: String,
    /// Header fields with lower-case names.
    pub headers: BTreeMap<String, String>,
    /// Body as text.
    pub body: String,
    /// From the first byte of the connection to the last of the answer, in milliseconds.
    pub ms: f64,
    /// Bytes of the response body that curl counted.
    pub bytes_in: u64,
    /// curl's exit code, 0 when the exchange was whole; 7 refused, 28 timed out, 35 TLS failed, 56 reset.
    pub exit: i32,
    /// curl's words when it failed.
    pub error: String,
}

/// Runs curl on `host`.
pub fn curl(host: &Host, ask: &Ask) -> Result<Answer> {
    let mut command = host.command("curl");
    command.args([
        "--silent",
        "--include",
        "--max-time",
        REQUEST_SECONDS,
        "--noproxy",
        "*",
    ]);
    command.args(["--write-out", "\\n%{stderr}%{json}"]);
    if ask.method == "HEAD" {
        command.arg("--head");
    } else if !ask.method.is_empty() {
        command.args(["--request", ask.method]);
    }
    for header in &ask.headers {
        command.args(["--header", header]);
    }
    if let Some(body) = &ask.body {
        command.args(["--data-binary", body]);
    }
    if let Some(from) = ask.from {
        command.args(["--interface", &from.to_string()]);
    }
    command.args(&ask.options).arg(&ask.url).stdin(Stdio::null());
    let output = command.output().context("cannot run curl (package curl)")?;
    let account = String::from_utf8_lossy(&output.stderr);
    let account: Account = serde_json::from_str(account.trim())
        .with_context(|| format!("curl gave no account of {}: {account}", ask.url))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(account.answer(&text))
}

/// Sends raw bytes and reads until the peer closes or `quiet` passes without a byte.
pub fn exchange(host: &Host, to: SocketAddr, bytes: &[u8], quiet: Duration) -> Result<String> {
    let mut stream = host.connect(to)?;
    stream.set_read_timeout(Some(quiet))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            // A time-out and a reset both end the answer: what was read until then is judged by the test.
            Ok(0) | Err(_) => break,
            Ok(n) => answer.extend_from_slice(chunk.get(..n).unwrap_or_default()),
        }
        anyhow::ensure!(
            answer.len() as u64 <= ANSWER_MAX,
            "more than {ANSWER_MAX} bytes came back"
        );
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The members of curl's `%{json}` that are used here.
#[derive(Deserialize)]
struct Account {
    http_code: u16,
    http_version: String,
    time_total: f64,
    size_download: u64,
    exitcode: i32,
    errormsg: Option<String>,
}

impl Account {
    fn answer(self, text: &str) -> Answer {
        let (head, body) = last_head(text);
        let headers = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Answer {
            status: self.http_code,
            protocol: match self.http_version.as_str() {
                "0" => String::new(),
                version => format!("HTTP/{version}"),
            },
            headers,
            body: body.strip_suffix('\n').unwrap_or(body).to_owned(),
            ms: (self.time_total * 1e5).round() / 100.0,
            bytes_in: self.size_download,
            exit: self.exitcode,
            error: self.errormsg.unwrap_or_default(),
        }
    }
}

// Interim answers (100 Continue, 101 towards h2c) come as heads of their own before the real one.
fn last_head(text: &str) -> (&str, &str) {
    let mut rest = text;
    let mut head = "";
    while rest.starts_with("HTTP/") {
        let interim = rest.starts_with("HTTP/1.1 1");
        let (this, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
        (head, rest) = (this, body);
        if !interim {
            break;
        }
    }
    (head, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_heads_are_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 is my body\n";
        assert_eq!(
            last_head(text),
            ("HTTP/1.1 200 OK\r\nA: b", "HTTP/1.1 is my body\n")
        );
    }

    #[test]
    fn an_account_becomes_an_answer() {
        let account: Account = serde_json::from_str(
            r#"{"http_code":404,"http_version":"2","time_total":0.01234,"size_download":4,"exitcode":0,"errormsg":null}"#,
        )
        .unwrap();
        let answer = account.answer("HTTP/2 404 \r\nContent-Type: a/b\r\n\r\nbody\n");
        assert_eq!(
            (answer.status, answer.protocol.as_str(), answer.ms),
            (404, "HTTP/2", 12.34)
        );
        assert_eq!(
            (answer.body.as_str(), answer.headers["content-type"].as_str()),
            ("body", "a/b")
        );
    }
}
