//! Reading a folder whole: bounded in size, count and depth, with errors that name the file and the remedy.
//!
//! Symbolic links are followed (mounted ConfigMaps are made of them); depth and count bound what a cycle
//! can cost. Names that begin with a dot or end with a tilde belong to editors, version control and the
//! kubelet, and are not read.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use gateway_config::FileTree;
use sha2::{Digest, Sha256};

/// What a folder may hold. A large public artifact repository has about 2,500 files and 40 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Files in all.
    pub files: usize,
    /// Bytes in all: held in memory twice while a new configuration is built.
    pub total_bytes: u64,
    /// Bytes of one file. API Management refuses specifications above 4 MB and policies above 256 KiB.
    pub file_bytes: u64,
    /// Folders inside folders; artifact folders are five deep.
    pub depth: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            files: 50_000,
            total_bytes: 512 << 20,
            file_bytes: 32 << 20,
            depth: 24,
        }
    }
}

/// What identifies the state of one file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Stamp {
    /// The stamp of an open or named file.
    pub fn of(meta: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            size: meta.len(),
            modified: meta.modified().ok(),
            inode: meta.ino(),
        }
    }
}

/// Files outside a folder that were looked at, each with its stamp from just before it was read; `None` for
/// one that was not there. A change after that moment shows as another stamp, however soon it came.
pub type Looked = BTreeMap<PathBuf, Option<Stamp>>;

/// Notes a file that is about to be read. The first look counts.
pub fn look(looked: &mut Looked, path: &Path) {
    if !looked.contains_key(path) {
        looked.insert(
            path.to_owned(),
            fs::metadata(path).ok().map(|meta| Stamp::of(&meta)),
        );
    }
}

/// The stamps of every file of a folder: equal before and after means that nobody wrote.
pub type Stamps = BTreeMap<PathBuf, Stamp>;

/// A folder that was read.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Content by relative path.
    pub files: FileTree,
    /// Stamps taken before each file was read.
    pub stamps: Stamps,
    /// SHA-256 over all paths and contents.
    pub digest: [u8; 32],
}

/// Why a folder could not be read.
#[derive(Debug)]
pub struct TreeError {
    /// The file or folder concerned.
    pub path: PathBuf,
    /// What happened to it.
    pub kind: TreeErrorKind,
}

/// What happened.
#[derive(Debug)]
pub enum TreeErrorKind {
    /// The system refused.
    Io(io::Error),
    /// More than a bound allows; the text names which.
    Bound(&'static str, u64),
    /// The name is not UTF-8.
    Name,
    /// Not a folder.
    NotAFolder,
}

impl TreeError {
    /// The metric's label.
    pub fn cause(&self) -> &'static str {
        match self.kind {
            TreeErrorKind::Bound(..) => "too_large",
            _ => "unreadable",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match &self.kind {
            TreeErrorKind::Io(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => "let the agent's user read it (files r, folders r and x)",
                io::ErrorKind::NotFound => {
                    "create it, or correct the configured path; a dangling link counts as missing"
                }
                _ => "check the file system",
            },
            TreeErrorKind::Bound(..) => "keep only gateway artifacts in the folder",
            TreeErrorKind::Name => "rename it: artifact names are UTF-8",
            TreeErrorKind::NotAFolder => "name the artifact folder itself",
        }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.kind {
            TreeErrorKind::Io(error) => write!(f, "{error}")?,
            TreeErrorKind::Bound(what, limit) => write!(f, "more than {limit} {what}")?,
            TreeErrorKind::Name => write!(f, "the name is not UTF-8")?,
            TreeErrorKind::NotAFolder => write!(f, "is not a folder")?,
        }
        write!(f, "; {}", self.remedy())
    }
}

impl std::error::Error for TreeError {}

/// One file found by the walk.
struct Found {
    name: String,
    path: PathBuf,
    stamp: Stamp,
}

/// Reads the whole folder.
///
/// # Errors
/// The first file that cannot be read, or the bound that was exceeded.
pub fn read(root: &Path, bounds: &Bounds) -> Result<Tree, TreeError> {
    let found = walk(root, bounds)?;
    let mut files = FileTree::new();
    let mut stamps = Stamps::new();
    let mut hash = Sha256::new();
    let mut total = 0;
    for file in found {
        let bytes = read_file(&file.path, bounds.file_bytes)?;
        total += bytes.len() as u64;
        if total > bounds.total_bytes {
            return Err(bound(root, "bytes in all files", bounds.total_bytes));
        }
        for part in [file.name.as_bytes(), &bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        stamps.insert(file.path, file.stamp);
        files.insert(file.name, bytes);
    }
    Ok(Tree {
        files,
        stamps,
        digest: hash.finalize().into(),
    })
}

/// Stamps of the whole folder, without reading a file.
///
/// # Errors
/// As [`read`], except for what only reading finds.
pub fn stamps(root: &Path, bounds: &Bounds) -> Result<Stamps, TreeError> {
    Ok(walk(root, bounds)?
        .into_iter()
        .map(|file| (file.path, file.stamp))
        .collect())
}

/// Reads one file of at most `limit` bytes.
///
/// # Errors
/// The system's reason, or the bound.
pub fn read_file(path: &Path, limit: u64) -> Result<Arc<[u8]>, TreeError> {
    let file = fs::File::open(path).map_err(|error| io_error(path, error))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from one that is too long, however it grows meanwhile.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| io_error(path, error))?;
    if bytes.len() as u64 > limit {
        return Err(bound(path, "bytes in one file", limit));
    }
    Ok(bytes.into())
}

fn walk(root: &Path, bounds: &Bounds) -> Result<Vec<Found>, TreeError> {
    let meta = fs::metadata(root).map_err(|error| io_error(root, error))?;
    if !meta.is_dir() {
        return Err(TreeError {
            path: root.to_owned(),
            kind: TreeErrorKind::NotAFolder,
        });
    }
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        if depth > bounds.depth {
            return Err(bound(&folder, "folders inside folders", bounds.depth as u64));
        }
        for entry in fs::read_dir(&folder).map_err(|error| io_error(&folder, error))? {
            let entry = entry.map_err(|error| io_error(&folder, error))?;
            let path = entry.path();
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(TreeError {
                    path,
                    kind: TreeErrorKind::Name,
                });
            };
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let meta = fs::metadata(&path).map_err(|error| io_error(&path, error))?;
            let name = format!("{prefix}{name}");
            if meta.is_dir() {
                folders.push((path, format!("{name}/"), depth + 1));
            } else if meta.is_file() {
                found.push(Found {
                    name,
                    path,
                    stamp: Stamp::of(&meta),
                });
            }
            if found.len() + folders.len() > bounds.files {
                return Err(bound(root, "files", bounds.files as u64));
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn io_error(path: &Path, error: io::Error) -> TreeError {
    TreeError {
        path: path.to_owned(),
        kind: TreeErrorKind::Io(error),
    }
}

fn bound(path: &Path, what: &'static str, limit: u64) -> TreeError {
    TreeError {
        path: path.to_owned(),
        kind: TreeErrorKind::Bound(what, limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;
    use std::os::unix::fs::symlink;

    fn names(scratch: &Scratch) -> Vec<String> {
        read(scratch.path(), &Bounds::default())
            .unwrap()
            .files
            .into_keys()
            .collect()
    }

    fn fails(scratch: &Scratch, bounds: &Bounds, expected: &str) {
        let text = read(scratch.path(), bounds).expect_err(expected).to_string();
        assert!(text.contains(expected), "{expected:?} not in {text:?}");
        assert!(text.contains("; "), "no remedy in {text:?}");
    }

    #[test]
    fn reads_files_by_relative_path() {
        let scratch = Scratch::new();
        scratch.write("policy.xml", "<policies/>");
        scratch.write("apis/echo/policy.xml", "<policies />");
        scratch.write(".git/HEAD", "x");
        scratch.write("apis/.policy.xml.swp", "x");
        scratch.write("apis/echo/policy.xml~", "x");
        assert_eq!(names(&scratch), ["apis/echo/policy.xml", "policy.xml"]);
    }

    #[test]
    fn a_mounted_config_map_is_read_through_its_links() {
        let scratch = Scratch::new();
        scratch.write("..2026_01/policy.xml", "<policies/>");
        symlink("..2026_01", scratch.path().join("..data")).unwrap();
        symlink("..data/policy.xml", scratch.path().join("policy.xml")).unwrap();
        assert_eq!(names(&scratch), ["policy.xml"]);
    }

    #[test]
    fn the_digest_is_of_content_and_names() {
        let digest = |files: &[(&str, &str)]| {
            let scratch = Scratch::new();
            for (name, text) in files {
                scratch.write(name, text);
            }
            read(scratch.path(), &Bounds::default()).unwrap().digest
        };
        assert_eq!(
            digest(&[("a", "1"), ("b", "2")]),
            digest(&[("b", "2"), ("a", "1")])
        );
        for other in [
            &[("a", "1"), ("b", "3")],
            &[("a", "1"), ("c", "2")],
            &[("a", "1b"), ("c", "2")],
        ] {
            assert_ne!(digest(&[("a", "1"), ("b", "2")]), digest(other), "{other:?}");
        }
        assert_ne!(digest(&[("ab", "c")]), digest(&[("a", "bc")]));
    }

    #[test]
    fn bounds_hold() {
        let scratch = Scratch::new();
        scratch.write("a/b/c", "12345");
        scratch.write("d", "12345");
        let all = Bounds::default();
        fails(&scratch, &Bounds { files: 1, ..all }, "more than 1 files");
        fails(
            &scratch,
            &Bounds {
                total_bytes: 9,
                ..all
            },
            "more than 9 bytes in all files",
        );
        fails(
            &scratch,
            &Bounds { file_bytes: 4, ..all },
            "more than 4 bytes in one file",
        );
        fails(
            &scratch,
            &Bounds { depth: 1, ..all },
            "more than 1 folders inside folders",
        );
        assert!(
            read(
                scratch.path(),
                &Bounds {
                    files: 4,
                    total_bytes: 10,
                    file_bytes: 5,
                    depth: 2
                }
            )
            .is_ok()
        );
    }

    #[test]
    fn a_cycle_of_links_ends_at_a_bound() {
        let scratch = Scratch::new();
        symlink(".", scratch.path().join("self")).unwrap();
        fails(&scratch, &Bounds::default(), "folders inside folders");
    }

    #[test]
    fn missing_things_are_named() {
        let scratch = Scratch::new();
        symlink("nowhere", scratch.path().join("dangling.xml")).unwrap();
        fails(&scratch, &Bounds::default(), "dangling.xml");
        let error = read(&scratch.path().join("absent"), &Bounds::default()).unwrap_err();
        assert_eq!(error.cause(), "unreadable");
        scratch.write("file", "");
        let error = read(&scratch.path().join("file"), &Bounds::default()).unwrap_err();
        assert!(error.to_string().contains("is not a folder"), "{error}");
    }

    #[test]
    fn a_name_that_is_not_text_is_refused() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
        let scratch = Scratch::new();
        fs::write(scratch.path().join(OsStr::from_bytes(b"bad\xff")), "x").unwrap();
        fails(&scratch, &Bounds::default(), "not UTF-8");
    }

    #[test]
    fn unreadable_files_are_named_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::new();
        scratch.write("secret.xml", "x");
        let path = scratch.path().join("secret.xml");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::File::open(&path).is_ok() {
            eprintln!("skipped: this user (root) may read everything");
            return;
        }
        fails(&scratch, &Bounds::default(), "let the agent's user read it");
    }
}
