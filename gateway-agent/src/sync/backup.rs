//! The last good configuration on disk: from it a node starts when its source cannot be reached.
//!
//! One file, `configuration.backup`, written beside itself and renamed, so that whatever happens in between leaves the
//! old one or the new one. It is encrypted and authenticated as a whole (AES-256-GCM), for it holds keys and named values:
//!
//! ```text
//! "gwbackup" | version 1 | salt, 16 bytes | nonce, 12 bytes | sealed: header length u32, header JSON, files
//! ```
//!
//! The sealing key is derived from a secret (HKDF-SHA-256, RFC 5869): the content of a file the operator names, or, with
//! none, the machine's own identifier. The latter keeps a copied disk image from being read elsewhere, not root out.
//! Numbers are little-endian. A reader refuses versions it does not know; later versions keep reading this one.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand,
};
use gateway_config::{FileTree, events::Revision};
use serde::{Deserialize, Serialize};

use crate::telemetry::clock::Timestamp;

/// Name of the file inside the backup folder.
const FILE: &str = "configuration.backup";
const MAGIC: &[u8; 8] = b"gwbackup";
const VERSION: u8 = 1;
const SALT_LEN: usize = 16;
/// Everything before the sealed part.
const HEAD_LEN: usize = MAGIC.len() + 1 + SALT_LEN + NONCE_LEN;
/// Largest backup: what the largest artifact folder takes, with room for paths.
const BYTES_MAX: u64 = 640 << 20;
/// Where systemd keeps an identifier of the machine.
const MACHINE_ID: &str = "/etc/machine-id";

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// What it is a copy of.
    pub origin: Origin,
    /// The artifact tree.
    pub files: FileTree,
}

/// Where a configuration came from and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The source, for people.
    pub source: String,
    /// The source's data set.
    pub dataset: String,
    /// The source's counter.
    pub revision: Revision,
    /// Seconds since 1970 when it was saved.
    pub saved: u64,
    /// The last revision of every file ever seen, removed ones included; only a hub keeps it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<(String, Revision)>,
}

/// Why there is no backup to start from, or none was written.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refused.
    #[error("{path}: {error}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// There is none.
    #[error("{0}: there is no backup yet")]
    Absent(PathBuf),
    /// Not a backup, cut short, or written by a later version.
    #[error("{path}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Another key sealed it, or somebody changed it.
    #[error("{0}: it does not open with this key: another key or machine wrote it, or it was changed")]
    Sealed(PathBuf),
    /// Larger than a backup may be.
    #[error("{0}: larger than the bound of a backup")]
    TooLarge(PathBuf),
    /// Nothing to make a key from.
    #[error("no key for the backup: {0}")]
    NoKey(String),
}

impl BackupError {
    /// The metric's label.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Io { .. } => "unreadable",
            Self::Absent(_) => "absent",
            Self::Damaged { .. } => "damaged",
            Self::Sealed(_) => "sealed",
            Self::TooLarge(_) => "too_large",
            Self::NoKey(_) => "no_key",
        }
    }
}

/// A folder for backups and the secret that seals them.
pub struct Store {
    folder: PathBuf,
    secret: Vec<u8>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Backups in `folder`, sealed with the content of `key`, or with the machine's identifier.
    ///
    /// # Errors
    /// The key cannot be read, or there is neither.
    pub fn open(folder: &Path, key: Option<&Path>) -> Result<Self, BackupError> {
        let path = key.unwrap_or(MACHINE_ID.as_ref());
        let secret =
            fs::read(path).map_err(|error| BackupError::NoKey(format!("{}: {error}", path.display())))?;
        let secret = secret.trim_ascii().to_vec();
        if secret.len() < 16 {
            let message = format!("{}: a key has at least 16 bytes", path.display());
            return Err(BackupError::NoKey(message));
        }
        Ok(Self {
            folder: folder.to_owned(),
            secret,
        })
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn sealing_key(&self, salt: &[u8], path: &Path) -> Result<LessSafeKey, BackupError> {
        let failed = |_| BackupError::NoKey(format!("{}: key derivation failed", path.display()));
        let mut bytes = [0; 32];
        Salt::new(HKDF_SHA256, salt)
            .extract(&self.secret)
            .expand(&[b"gateway-agent configuration backup"], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut bytes))
            .map_err(failed)?;
        UnboundKey::new(&AES_256_GCM, &bytes)
            .map(LessSafeKey::new)
            .map_err(failed)
    }

    /// Replaces the backup.
    ///
    /// # Errors
    /// It could not be written; the old one is still there.
    pub fn save(&self, backup: &Backup) -> Result<(), BackupError> {
        let path = self.path();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| BackupError::Io { path, error }
        };
        let mut plain = encode(backup);
        if plain.len() as u64 + 1024 > BYTES_MAX {
            return Err(BackupError::TooLarge(path));
        }
        let mut head = Vec::with_capacity(HEAD_LEN);
        head.extend_from_slice(MAGIC);
        head.push(VERSION);
        let mut random = [0; SALT_LEN + NONCE_LEN];
        rand::fill(&mut random)
            .map_err(|_| BackupError::NoKey("the system has no random numbers".to_owned()))?;
        head.extend_from_slice(&random);
        let (salt, nonce) = random.split_at(SALT_LEN);
        let key = self.sealing_key(salt, &path)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| BackupError::Sealed(path.clone()))?;
        key.seal_in_place_append_tag(nonce, Aad::from(&head), &mut plain)
            .map_err(|_| BackupError::Sealed(path.clone()))?;

        fs::create_dir_all(&self.folder).map_err(io(&self.folder))?;
        let beside = self.folder.join(format!(".{FILE}.{}", std::process::id()));
        let written = (|| {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(&head)?;
            file.write_all(&plain)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            // The rename is on disk only when the folder is.
            fs::File::open(&self.folder)?.sync_all()
        })();
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written.map_err(io(&path))
    }

    /// Reads the backup.
    ///
    /// # Errors
    /// There is none, or it cannot be used; the text says which.
    pub fn load(&self) -> Result<Backup, BackupError> {
        let path = self.path();
        let damaged = |what| BackupError::Damaged {
            path: path.clone(),
            what,
        };
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => BackupError::Absent(path.clone()),
            _ => BackupError::Io {
                path: path.clone(),
                error,
            },
        };
        if fs::metadata(&path).map_err(io)?.len() > BYTES_MAX {
            return Err(BackupError::TooLarge(path));
        }
        let mut bytes = fs::read(&path).map_err(io)?;
        if bytes.len() < HEAD_LEN + AES_256_GCM.tag_len() {
            return Err(damaged("cut short"));
        }
        let (head, sealed) = bytes.split_at_mut(HEAD_LEN);
        let Some((version, random)) = head.strip_prefix(MAGIC).and_then(<[u8]>::split_first) else {
            return Err(damaged("not a configuration backup"));
        };
        if *version != VERSION {
            return Err(damaged("written by a later version"));
        }
        let (salt, nonce) = random.split_at(SALT_LEN);
        let key = self.sealing_key(salt, &path)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged("no nonce"))?;
        let plain = key
            .open_in_place(nonce, Aad::from(&*head), sealed)
            .map_err(|_| BackupError::Sealed(path.clone()))?;
        decode(plain).ok_or_else(|| damaged("its content is not what its seal promises"))
    }
}

/// Header and files as bytes.
fn encode(backup: &Backup) -> Vec<u8> {
    let size: usize = backup
        .files
        .iter()
        .map(|(path, bytes)| path.len() + bytes.len() + 8)
        .sum();
    let header = serde_json::to_vec(&backup.origin).unwrap_or_default();
    let mut out = Vec::with_capacity(size + header.len() + 64);
    let mut put = |bytes: &[u8]| {
        // Every part is far below four gigabytes: a folder has a bound, and so has a backup.
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    put(&header);
    for (path, bytes) in &backup.files {
        put(path.as_bytes());
        put(bytes);
    }
    out
}

fn decode(mut rest: &[u8]) -> Option<Backup> {
    let mut take = || -> Option<&[u8]> {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (part, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = behind;
        Some(part)
    };
    let origin = serde_json::from_slice(take()?).ok()?;
    let mut files = FileTree::new();
    while let Some(path) = take() {
        let path = std::str::from_utf8(path).ok()?.to_owned();
        files.insert(path, Arc::from(take()?));
    }
    rest.is_empty().then_some(Backup { origin, files })
}

/// Reads what is inside a seal and writes it again.
#[cfg(feature = "fuzzing")]
pub fn read_backup(bytes: &[u8]) -> Option<Vec<u8>> {
    decode(bytes).map(|backup| encode(&backup))
}

impl Origin {
    /// How old the copy is.
    pub fn age(&self, now: Timestamp) -> std::time::Duration {
        std::time::Duration::from_secs((now.unix_seconds() as u64).saturating_sub(self.saved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;

    fn backup(text: &str) -> Backup {
        Backup {
            origin: Origin {
                source: "hub https://hub".to_owned(),
                dataset: "ou32zolgxrgslmq".to_owned(),
                revision: Revision(7),
                saved: 1000,
                history: Vec::new(),
            },
            files: FileTree::from([
                ("policy.xml".to_owned(), Arc::from(text.as_bytes())),
                ("empty".to_owned(), Arc::from(&b""[..])),
            ]),
        }
    }

    fn store(scratch: &Scratch, key: &str) -> Store {
        scratch.write("key", key);
        Store::open(&scratch.path().join("backup"), Some(&scratch.path().join("key"))).unwrap()
    }

    const KEY: &str = "0123456789abcdef0123456789abcdef\n";

    #[test]
    fn what_was_saved_comes_back_and_is_not_readable() {
        let scratch = Scratch::new();
        let store = store(&scratch, KEY);
        assert_eq!(store.load().unwrap_err().cause(), "absent");
        for text in ["first-secret", "second-secret"] {
            store.save(&backup(text)).unwrap();
            assert_eq!(store.load().unwrap(), backup(text));
        }
        let bytes = fs::read(store.path()).unwrap();
        assert!(!bytes.windows(6).any(|w| w == b"secret"));
        let names: Vec<_> = fs::read_dir(store.folder)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, [FILE], "nothing is left beside it");
    }

    #[test]
    fn another_key_does_not_open_it() {
        let scratch = Scratch::new();
        store(&scratch, KEY).save(&backup("x")).unwrap();
        let other = store(&scratch, "another key of sixteen bytes or more");
        assert_eq!(other.load().unwrap_err().cause(), "sealed");
    }

    #[test]
    fn every_damage_is_noticed() {
        let scratch = Scratch::new();
        let store = store(&scratch, KEY);
        store.save(&backup("x")).unwrap();
        let good = fs::read(store.path()).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(store.path(), &bad).unwrap();
            assert!(store.load().is_err(), "byte {at} changed");
            fs::write(store.path(), &good[..at]).unwrap();
            assert!(store.load().is_err(), "cut at {at}");
        }
        fs::write(store.path(), &good).unwrap();
        assert!(store.load().is_ok());
    }

    #[test]
    fn a_write_that_was_cut_leaves_the_old_one() {
        let scratch = Scratch::new();
        let store = store(&scratch, KEY);
        store.save(&backup("old")).unwrap();
        // What a process killed before its rename leaves behind.
        scratch.write("backup/.configuration.backup.1", "half");
        assert_eq!(store.load().unwrap(), backup("old"));
        store.save(&backup("new")).unwrap();
        assert_eq!(store.load().unwrap(), backup("new"));
    }

    #[test]
    fn keys_are_long_enough_and_there() {
        let scratch = Scratch::new();
        scratch.write("short", "0123");
        for name in ["short", "absent"] {
            let key = scratch.path().join(name);
            assert_eq!(
                Store::open(scratch.path(), Some(&key)).unwrap_err().cause(),
                "no_key"
            );
        }
    }
}
