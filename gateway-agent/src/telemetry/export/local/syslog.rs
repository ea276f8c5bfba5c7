//! Syslog lines: RFC 3164 for the socket of this machine, RFC 5424 for a server.

use std::io::Write as _;

use super::{Level, Record};
use crate::telemetry::clock::Timestamp;

/// What lines are tagged with.
const NAME: &str = "gateway-agent";

fn priority(level: Level, facility: u8) -> u32 {
    u32::from(facility) * 8 + level as u32
}

/// The record as JSON: what log pipelines parse.
fn json(record: &Record) -> String {
    serde_json::to_string(&record.fields).unwrap_or_default()
}

/// `<PRI>Mmm dd hh:mm:ss TAG[PID]: MSG`. The local socket adds the host.
pub(super) fn rfc3164(record: &Record, facility: u8) -> Vec<u8> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, month, day, hour, minute) = Timestamp(record.at).minute();
    let second = Timestamp(record.at).unix_seconds() as u64 % 60;
    let month = MONTHS.get(month.saturating_sub(1) as usize).unwrap_or(&"Jan");
    format!(
        "<{}>{month} {day:>2} {hour:02}:{minute:02}:{second:02} {NAME}[{}]: {}",
        priority(record.level, facility),
        std::process::id(),
        json(record)
    )
    .into_bytes()
}

/// `<PRI>1 TIME HOST APP PID MSGID - BOM MSG` (RFC 5424 §6). Times have six digits at most there.
pub(super) fn rfc5424(record: &Record, facility: u8, host: &str) -> Vec<u8> {
    let mut time = Timestamp(record.at).to_string();
    // Seven digits and `Z`: the seventh goes.
    time.truncate(time.len().saturating_sub(2));
    let mut out = Vec::with_capacity(512);
    // Writing into memory does not fail.
    let _ = write!(
        out,
        "<{}>1 {time}Z {} {NAME} {} {} - \u{feff}{}",
        priority(record.level, facility),
        word(host, 255),
        std::process::id(),
        word(&record.kind, 32),
        json(record)
    );
    out
}

/// A header field: printable ASCII without spaces, of bounded length; `-` when there is none.
fn word(text: &str, limit: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(limit).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::export::local::tests::record;

    #[test]
    fn lines_have_the_form_of_their_standard() {
        let record = record("GatewayStartup", "starting");
        let pid = std::process::id();
        let json = r#"{"level":"Info","eventType":"GatewayStartup","message":"starting"}"#;
        assert_eq!(
            String::from_utf8(rfc3164(&record, 7)).unwrap(),
            format!("<62>Nov 14 22:13:20 gateway-agent[{pid}]: {json}")
        );
        assert_eq!(
            String::from_utf8(rfc5424(&record, 16, "node one")).unwrap(),
            format!(
                "<134>1 2023-11-14T22:13:20.000000Z nodeone gateway-agent {pid} GatewayStartup - \u{feff}{json}"
            )
        );
    }

    #[test]
    fn header_fields_are_words() {
        for (text, expected) in [("a b", "ab"), ("", "-"), ("é", "-"), ("abcdef", "abcd")] {
            assert_eq!(word(text, 4), expected);
        }
    }
}
