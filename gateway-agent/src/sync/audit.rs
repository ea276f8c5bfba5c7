//! The audit file: one line of JSON for each change of configuration, for as long as the bound allows.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use gateway_config::{events::Revision, load::Diff};
use serde::Serialize;

use crate::telemetry::clock::Timestamp;

/// A file of this size is put aside as `….1` and a new one begun: years of edits, and never a full disk.
const BYTES_MAX: u64 = 16 << 20;

/// One change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'a> {
    pub(super) time: Timestamp,
    /// Where the configuration comes from.
    pub(super) source: &'a str,
    /// The revision before; absent for the first since the start.
    pub(super) from: Option<&'a str>,
    /// The revision now.
    pub(super) to: &'a str,
    /// Data set and counter of a source over a network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<&'a (String, Revision)>,
    /// Entities by what became of them; absent for the first since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changes: Option<&'a Diff>,
    pub(super) refused_scopes: usize,
    pub(super) warnings: usize,
}

/// Adds a line.
pub(super) fn append(path: &Path, record: &impl Serialize) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() >= BYTES_MAX) {
        let mut old = path.as_os_str().to_owned();
        old.push(".1");
        fs::rename(path, PathBuf::from(old))?;
    }
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    // One write: lines of two processes do not mix.
    file.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;

    #[test]
    fn lines_are_added_and_a_large_file_is_put_aside() {
        let scratch = Scratch::new();
        let path = scratch.path().join("audit");
        for n in [1, 2] {
            append(&path, &n).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(BYTES_MAX)
            .unwrap();
        append(&path, &3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
        assert!(scratch.path().join("audit.1").exists());
        assert!(append(&scratch.path().join("none/audit"), &4).is_err());
    }
}
