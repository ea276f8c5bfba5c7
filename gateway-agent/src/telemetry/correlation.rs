//! Traces over process borders: what the client says about the operation it is part of, and what backends are told.
//!
//! Sources: W3C Trace Context (level 1), the `Request-Id` protocol of .NET ("hierarchical" ids), `httpCorrelationProtocol`
//! of diagnostics; `gateway-behaviour.md` §17.

use gateway_config::telemetry::Correlation;
use http::{HeaderMap, HeaderName, HeaderValue};

/// `traceparent`
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `Request-Id`
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// `Request-Context`
pub(crate) const REQUEST_CONTEXT: HeaderName = HeaderName::from_static("request-context");

/// Longest `Request-Id` that is believed; .NET's own bound is 1,024.
const LEGACY_MAX: usize = 128;

/// The operation that a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    protocol: Correlation,
    /// Names the operation over all processes.
    pub(crate) operation: String,
    /// Who caused this request, as the client names it.
    pub(crate) parent: Option<String>,
    /// This request.
    span: u64,
    sampled: bool,
    /// Names the resource that this node's telemetry goes to.
    application_id: Option<HeaderValue>,
}

impl Trace {
    /// The client's operation by the protocol, or a new one. `random` gives an id for this request and, with a
    /// second call for each half, one for a new operation.
    pub(crate) fn read(
        protocol: Correlation,
        headers: &HeaderMap,
        application_id: Option<&str>,
        mut random: impl FnMut() -> u64,
    ) -> Self {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let found = match protocol {
            Correlation::None => None,
            Correlation::W3c => text(&TRACEPARENT).and_then(w3c),
            Correlation::Legacy => text(&REQUEST_ID).and_then(legacy),
        };
        let span = random();
        let (operation, parent, sampled) = match found {
            Some((operation, parent, sampled)) => (operation, Some(parent), sampled),
            None => (format!("{:016x}{:016x}", random(), random()), None, false),
        };
        Self {
            protocol,
            operation,
            parent,
            span,
            sampled,
            application_id: application_id
                .and_then(|id| HeaderValue::from_str(&format!("appId=cid-v1:{id}")).ok()),
        }
    }

    /// Telemetry of this request is sent, so backends should send theirs too.
    pub(crate) fn sample(&mut self) {
        self.sampled = true;
    }

    /// This request's own id, as telemetry has it.
    pub(crate) fn id(&self) -> String {
        self.name(self.span)
    }

    /// The id of a call made for this request.
    pub(crate) fn name(&self, span: u64) -> String {
        match self.protocol {
            Correlation::Legacy => format!("|{}.{span:016x}.", self.operation),
            Correlation::None | Correlation::W3c => format!("{span:016x}"),
        }
    }

    /// Tells a backend who calls. `span` is the call.
    pub(crate) fn tell(&self, headers: &mut HeaderMap, span: u64) {
        let mut put = |name: HeaderName, value: String| {
            // Made of hexadecimal digits and of what came in a header.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        match self.protocol {
            Correlation::None => return,
            Correlation::W3c => {
                let flags = u8::from(self.sampled);
                put(
                    TRACEPARENT,
                    format!("00-{}-{span:016x}-{flags:02x}", self.operation),
                );
                put(REQUEST_ID, format!("|{}.{span:016x}.", self.operation));
            }
            Correlation::Legacy => put(REQUEST_ID, format!("|{}.{span:016x}.", self.operation)),
        }
        if let Some(context) = &self.application_id {
            headers.insert(REQUEST_CONTEXT, context.clone());
        }
    }

    /// What the client is told.
    pub(crate) fn context(&self) -> Option<&HeaderValue> {
        self.application_id
            .as_ref()
            .filter(|_| self.protocol != Correlation::None)
    }
}

/// Operation, parent and flag of a `traceparent`. Later versions may add parts, which are passed over (§3.2.4 there).
fn w3c(text: &str) -> Option<(String, String, bool)> {
    let mut parts = text.trim().split('-');
    let (version, operation, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    let good = hex(version, 2)
        && version != "ff"
        && hex(operation, 32)
        && !zero(operation)
        && hex(parent, 16)
        && !zero(parent)
        && hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    let sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
    good.then(|| (operation.to_owned(), parent.to_owned(), sampled))
}

/// Operation and parent of a `Request-Id`: the root is what stands between `|` and the first `.`.
fn legacy(text: &str) -> Option<(String, String, bool)> {
    let text = text.trim();
    if text.is_empty() || text.len() > LEGACY_MAX || text.bytes().any(|b| !b.is_ascii_graphic()) {
        return None;
    }
    let root = text.strip_prefix('|').unwrap_or(text);
    let root = root.split('.').next().filter(|root| !root.is_empty())?;
    Some((root.to_owned(), text.to_owned(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(protocol: Correlation, name: HeaderName, value: &str) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        let mut next = 0;
        Trace::read(protocol, &headers, Some("app"), || {
            next += 1;
            next
        })
    }

    const OPERATION: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[track_caller]
    fn check_w3c(value: &str, parent: Option<&str>) {
        let trace = trace(Correlation::W3c, TRACEPARENT, value);
        assert_eq!(trace.parent.as_deref(), parent, "{value}");
        let operation = match parent {
            Some(_) => OPERATION,
            None => "00000000000000020000000000000003",
        };
        assert_eq!(trace.operation, operation, "{value}");
        assert_eq!(trace.id(), "0000000000000001");
    }

    #[test]
    fn the_clients_operation_is_continued_when_it_is_well_formed() {
        let good = format!("00-{OPERATION}-00f067aa0ba902b7-01");
        check_w3c(&good, Some("00f067aa0ba902b7"));
        check_w3c(
            &format!("cc-{OPERATION}-00f067aa0ba902b7-00-later"),
            Some("00f067aa0ba902b7"),
        );
        for bad in [
            "",
            "00",
            &format!("ff-{OPERATION}-00f067aa0ba902b7-01"),
            &format!("{good}-more"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{OPERATION}-0000000000000000-01"),
            &good.to_uppercase(),
            &format!("00-{OPERATION}-00f067aa0ba902b7-0x"),
        ] {
            check_w3c(bad, None);
        }
    }

    #[track_caller]
    fn check_legacy(value: &str, expected: Option<(&str, &str)>) {
        let trace = trace(Correlation::Legacy, REQUEST_ID, value);
        assert_eq!(
            trace.parent.as_deref().map(|p| (trace.operation.as_str(), p)),
            expected,
            "{value}"
        );
    }

    #[test]
    fn older_clients_are_understood() {
        check_legacy("|abc.1.2_", Some(("abc", "|abc.1.2_")));
        check_legacy("plain", Some(("plain", "plain")));
        check_legacy("|", None);
        check_legacy(&"x".repeat(LEGACY_MAX + 1), None);
        check_legacy("a b", None);
    }

    #[track_caller]
    fn check_told(protocol: Correlation, sampled: bool, expected: &[(&str, &str)]) {
        let mut trace = trace(
            protocol,
            TRACEPARENT,
            &format!("00-{OPERATION}-00f067aa0ba902b7-00"),
        );
        if sampled {
            trace.sample();
        }
        let mut headers = HeaderMap::new();
        trace.tell(&mut headers, 0xab);
        let told: Vec<(&str, &str)> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
            .collect();
        assert_eq!(told, expected, "{protocol:?}");
    }

    #[test]
    fn backends_are_told_by_the_protocol() {
        let child = "|4bf92f3577b34da6a3ce929d0e0e4736.00000000000000ab.";
        check_told(Correlation::None, true, &[]);
        check_told(
            Correlation::W3c,
            true,
            &[
                (
                    "traceparent",
                    "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ab-01",
                ),
                ("request-id", child),
                ("request-context", "appId=cid-v1:app"),
            ],
        );
        check_told(
            Correlation::W3c,
            false,
            &[
                (
                    "traceparent",
                    "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ab-00",
                ),
                ("request-id", child),
                ("request-context", "appId=cid-v1:app"),
            ],
        );
        check_told(
            Correlation::Legacy,
            true,
            &[
                (
                    "request-id",
                    "|00000000000000020000000000000003.00000000000000ab.",
                ),
                ("request-context", "appId=cid-v1:app"),
            ],
        );
    }
}
