//! Fingerprint of the sources of the kernel object, shared by the build script that embeds an object and the task that
//! builds it: an object is embedded only when it was made from the sources beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Everything the object is made from, relative to the workspace.
pub(crate) const SOURCES: [&str; 4] = [
    "gateway-common/src",
    "gateway-common/Cargo.toml",
    "gateway-ebpf/src",
    "gateway-ebpf/Cargo.toml",
];

/// Where the object lies below the target directory, with its fingerprint beside it (`.sources`).
pub(crate) const OBJECT: &str = "bpf/gateway-ebpf";

/// The object's fingerprint file.
pub(crate) fn sidecar(object: &Path) -> PathBuf {
    object.with_extension("sources")
}

/// 64-bit FNV-1a over relative paths and contents, in path order, as hexadecimal text.
pub(crate) fn of_sources(workspace: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&workspace.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for file in files {
        let name = file.strip_prefix(workspace).unwrap_or(&file);
        eat(name.as_os_str().as_encoded_bytes());
        eat(&[0]);
        eat(&fs::read(&file)?);
        eat(&[0]);
    }
    Ok(format!("{hash:016x}"))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}
