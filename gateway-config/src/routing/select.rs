//! Which of the APIs on one path: revision, kind, scheme, version.

use std::sync::Arc;

use http::{HeaderMap, header};

use super::{
    operations::{Found, OperationTable, Wanted},
    path::Segments,
    query::query_value,
};
use crate::snapshot::{ApiEntry, ApiKind, RequestKey, VersionPlace};

/// An API on a path, with its operations.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) api: Arc<ApiEntry>,
    operations: Arc<OperationTable>,
}

impl Candidate {
    pub(crate) fn new(api: Arc<ApiEntry>, operations: Arc<OperationTable>) -> Self {
        Candidate { api, operations }
    }

    pub(crate) fn find(
        &self,
        segments: &Segments<'_>,
        first: usize,
        wanted: Wanted<'_>,
    ) -> Option<Found<'_>> {
        self.operations.find(segments, first, wanted)
    }

    /// Does it answer requests of this revision, kind and scheme?
    fn answers(&self, key: &RequestKey<'_>, revision: Option<&str>, websocket: bool) -> bool {
        let api = &*self.api;
        let right_revision = match revision {
            None => api.api.is_current_revision,
            Some(wanted) => *api.api.revision == *wanted,
        };
        let secure = key.scheme.eq_ignore_ascii_case("https") || key.scheme.eq_ignore_ascii_case("wss");
        let p = api.protocols;
        let right_scheme = match (api.kind == ApiKind::WebSocket, secure) {
            (true, true) => p.wss,
            (true, false) => p.ws,
            (false, true) => p.https,
            (false, false) => p.http,
        };
        right_revision && right_scheme && (api.kind == ApiKind::WebSocket) == websocket
    }
}

/// Picks the API. An upgrade request goes to a WebSocket API when one is there, else to the others.
pub(super) fn select<'c>(
    candidates: &'c [Candidate],
    key: &RequestKey<'_>,
    revision: Option<&str>,
) -> Option<&'c Candidate> {
    let websocket = key
        .websocket
        .then(|| by_version(candidates, key, revision, true))
        .flatten();
    websocket.or_else(|| by_version(candidates, key, revision, false))
}

/// The version named by the request; the unversioned one when it names none; nothing for an unknown name.
fn by_version<'c>(
    candidates: &'c [Candidate],
    key: &RequestKey<'_>,
    revision: Option<&str>,
    websocket: bool,
) -> Option<&'c Candidate> {
    let mut original = None;
    let mut named = false;
    for candidate in candidates.iter().filter(|c| c.answers(key, revision, websocket)) {
        let version = candidate.api.version.as_ref();
        let sent = match version.map(|v| &v.place) {
            None | Some(VersionPlace::Segment) => None,
            Some(VersionPlace::Query(name)) => query_value(key.query, name),
            Some(VersionPlace::Header(name)) => key
                .headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(|v| v.trim().into()),
        };
        let sent = sent.filter(|s| !s.is_empty());
        let own = version
            .filter(|v| v.place != VersionPlace::Segment)
            .map_or("", |v| &*v.identifier);
        match &sent {
            Some(sent) if !own.is_empty() && sent.eq_ignore_ascii_case(own) => return Some(candidate),
            Some(_) => named = true,
            None if own.is_empty() => original = original.or(Some(candidate)),
            None => {}
        }
    }
    original.filter(|_| !named)
}

/// The SOAP action of a request: `SOAPAction` (1.1) or the `action` parameter of the media type (1.2).
pub(super) fn soap_action(headers: &HeaderMap) -> Option<&str> {
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
