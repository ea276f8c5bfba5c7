//! Configuration as ordered events: what a hub serves and what a node makes a folder of again.
//!
//! The shape is the visible one of the service's own configuration endpoint (`config-plane.md` §3.2): a data set with an
//! identifier, a counter that grows with every change, and pages of events behind a counter. Here an event is a file of
//! the artifact tree that was written or removed. The log keeps only the last event of each file, so reading it from
//! zero is a snapshot and reading it from any later counter is an update; both end at the same tree.

mod log;
mod replica;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub use log::EventLog;
pub use replica::{Progress, Replica, ReplicaError, TreeBounds};

/// Most events of one page, the service's own `$top`.
pub const PAGE_EVENTS_MAX: usize = 100;

/// Bytes of content after which a page ends. A page holds at least one event, so one large file makes a larger page.
pub const PAGE_BYTES: usize = 4 << 20;

/// Longest path of a file. Entity names have at most 256 characters and nest three deep.
pub const PATH_BYTES_MAX: usize = 1024;

/// A position in a data set: how many changes it has seen. Written as eight hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u32);

impl Revision {
    /// Reads eight hexadecimal digits; fewer are taken as if zeros stood before them.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(text, 16).ok().filter(|_| fits).map(Self)
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for Revision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a revision has eight hexadecimal digits"))
    }
}

/// Some events, and how far the log reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Which log this is. Another one means: start again from zero.
    pub dataset_id: String,
    /// Where the question was asked from: the page has everything behind it, up to its last event.
    pub after: Revision,
    /// The log's last change.
    pub revision: Revision,
    /// In order of their revisions.
    pub events: Vec<Event>,
    /// There are more behind the last one.
    #[serde(default)]
    pub more: bool,
}

/// One file written or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The change it was.
    pub revision: Revision,
    /// Path in the artifact tree.
    pub path: String,
    /// New content; `None`: removed.
    pub content: Option<Arc<[u8]>>,
}

/// How an event looks in JSON. Nearly every file is text; the rest (specifications in other encodings) goes as hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireEvent {
    revision: Revision,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.content.as_deref().map(std::str::from_utf8);
        let wire = WireEvent {
            revision: self.revision,
            path: self.path.clone(),
            text: text.and_then(|t| t.ok().map(str::to_owned)),
            bytes: text.and_then(|t| {
                t.is_err()
                    .then(|| hex(self.content.as_deref().unwrap_or_default()))
            }),
            removed: self.content.is_none(),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireEvent::deserialize(deserializer)?;
        let content = match (wire.text, wire.bytes, wire.removed) {
            (Some(text), None, false) => Some(Arc::from(text.into_bytes())),
            (None, Some(bytes), false) => {
                let bytes = unhex(&bytes).ok_or_else(|| D::Error::custom("`bytes` is not hexadecimal"))?;
                Some(Arc::from(bytes))
            }
            (None, None, true) => None,
            _ => {
                return Err(D::Error::custom(
                    "an event has one of `text`, `bytes` and `removed`",
                ));
            }
        };
        Ok(Self {
            revision: wire.revision,
            path: wire.path,
            content,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
