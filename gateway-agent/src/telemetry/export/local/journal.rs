//! Entries of systemd's journal: `NAME=value` lines, values with line ends as counted blocks.
//!
//! Source: "Native Journal Protocol" of systemd.

use serde_json::Value;

use super::Record;

/// Longest name of a field.
const NAME_MAX: usize = 64;

/// One entry.
pub(super) fn entry(record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    put(&mut out, "MESSAGE", &record.message);
    put(&mut out, "PRIORITY", &(record.level as u32).to_string());
    put(&mut out, "SYSLOG_IDENTIFIER", "gateway-agent");
    put(&mut out, "GATEWAY_RECORD", &record.kind);
    for (name, value) in &record.fields {
        if matches!(name.as_str(), "message" | "level" | "timestamp") {
            continue;
        }
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        put(&mut out, &field_name(name), &text);
    }
    out
}

/// `eventType` is `GATEWAY_EVENT_TYPE`: upper case, digits, underscores, and no word of the journal's own.
fn field_name(name: &str) -> String {
    let mut out = "GATEWAY_".to_owned();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.ends_with('_') {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        });
    }
    out.truncate(NAME_MAX);
    out
}

fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::export::local::tests::record;

    #[test]
    fn entries_have_fields() {
        let text = String::from_utf8(entry(&record("Started", "m"))).unwrap();
        assert_eq!(
            text,
            "MESSAGE=m\nPRIORITY=6\nSYSLOG_IDENTIFIER=gateway-agent\nGATEWAY_RECORD=Started\nGATEWAY_EVENT_TYPE=Started\n"
        );
    }

    #[test]
    fn values_with_line_ends_are_counted() {
        let bytes = entry(&record("E", "a\nb"));
        assert!(
            bytes.starts_with(b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\nPRIORITY=6\n"),
            "{bytes:?}"
        );
    }

    #[test]
    fn names_are_the_journals_kind() {
        for (name, expected) in [
            ("eventType", "GATEWAY_EVENT_TYPE"),
            ("request_id", "GATEWAY_REQUEST_ID"),
            ("x-y", "GATEWAY_X_Y"),
        ] {
            assert_eq!(field_name(name), expected);
        }
    }
}
