//! Which of the APIs on one path: revision, kind, scheme, version.

use std::sync::Arc;

use http::{HeaderMap, header};

use super::{NONE, operations::OperationTable, query::query_value};
use crate::snapshot::{ApiEntry, ApiKind, Protocols, RequestKey, VersionPlace};

/// An API on a path, with what choosing it needs at hand: the entry itself is touched only when it is chosen.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(super) api: Arc<ApiEntry>,
    pub(super) operations: Arc<OperationTable>,
    /// Next API on the same path.
    pub(super) next: u32,
    pub(super) refused: bool,
    current: bool,
    versioned: bool,
    kind: ApiKind,
    protocols: Protocols,
}

impl Candidate {
    pub(crate) fn new(api: Arc<ApiEntry>, operations: Arc<OperationTable>) -> Self {
        Candidate {
            next: NONE,
            refused: api.refused.is_some(),
            current: api.api.is_current_revision,
            versioned: api
                .version
                .as_ref()
                .is_some_and(|v| v.place != VersionPlace::Segment),
            kind: api.kind,
            protocols: api.protocols,
            api,
            operations,
        }
    }

    /// Does it answer requests of this revision, kind and scheme?
    fn answers(&self, secure: bool, revision: Option<&str>, websocket: bool) -> bool {
        let right_revision = match revision {
            None => self.current,
            Some(wanted) => *self.api.api.revision == *wanted,
        };
        let p = self.protocols;
        let right_scheme = match (websocket, secure) {
            (true, true) => p.wss,
            (true, false) => p.ws,
            (false, true) => p.https,
            (false, false) => p.http,
        };
        right_revision && right_scheme && (self.kind == ApiKind::WebSocket) == websocket
    }

    /// The action of a request to a SOAP API; other APIs do not look for one.
    pub(super) fn soap_action<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        if self.kind == ApiKind::Soap {
            soap_action(headers)
        } else {
            None
        }
    }
}

/// Picks the API among the chain that begins at `first`. An upgrade request goes to a WebSocket API when one is there,
/// else to the others.
pub(super) fn select<'c>(
    candidates: &'c [Candidate],
    first: u32,
    key: &RequestKey<'_>,
    revision: Option<&str>,
) -> Option<&'c Candidate> {
    let chain = || {
        std::iter::successors(candidates.get(first as usize), |c| {
            candidates.get(c.next as usize)
        })
    };
    let websocket = key
        .websocket
        .then(|| by_version(chain(), key, revision, true))
        .flatten();
    websocket.or_else(|| by_version(chain(), key, revision, false))
}

/// The version named by the request; the unversioned one when it names none; nothing for an unknown name.
fn by_version<'c>(
    candidates: impl Iterator<Item = &'c Candidate>,
    key: &RequestKey<'_>,
    revision: Option<&str>,
    websocket: bool,
) -> Option<&'c Candidate> {
    let secure = key.scheme.eq_ignore_ascii_case("https") || key.scheme.eq_ignore_ascii_case("wss");
    let mut original = None;
    let mut named = false;
    for candidate in candidates.filter(|c| c.answers(secure, revision, websocket)) {
        if !candidate.versioned {
            original = original.or(Some(candidate));
            continue;
        }
        let Some(version) = &candidate.api.version else {
            continue;
        };
        let sent = match &version.place {
            VersionPlace::Segment => None,
            VersionPlace::Query(name) => query_value(key.query, name),
            VersionPlace::Header(name) => key
                .headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(|v| v.trim().into()),
        };
        let own = &*version.identifier;
        match sent.filter(|s| !s.is_empty()) {
            Some(sent) if !own.is_empty() && sent.eq_ignore_ascii_case(own) => return Some(candidate),
            Some(_) => named = true,
            None if own.is_empty() => original = original.or(Some(candidate)),
            None => {}
        }
    }
    original.filter(|_| !named)
}

/// The SOAP action of a request: `SOAPAction` (1.1) or the `action` parameter of the media type (1.2).
fn soap_action(headers: &HeaderMap) -> Option<&str> {
    if let Some(action) = headers.get("soapaction").and_then(|v| v.to_str().ok()) {
        return Some(action.trim().trim_matches('"'));
    }
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("action")
            .then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn actions() {
        for (name, value, expected) in [
            ("soapaction", "\"urn:a\"", Some("urn:a")),
            ("soapaction", " urn:a ", Some("urn:a")),
            ("soapaction", "\"\"", Some("")),
            (
                "content-type",
                "application/soap+xml;action=\"urn:b\"",
                Some("urn:b"),
            ),
            (
                "content-type",
                "application/soap+xml; charset=utf-8; Action=urn:b",
                Some("urn:b"),
            ),
            ("content-type", "text/xml", None),
            ("accept", "text/xml", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
            assert_eq!(soap_action(&headers), expected, "{name}: {value}");
        }
    }
}
