//! Chooses the kernel object to embed. It never builds one, so a plain `cargo build` needs no BPF toolchain and costs
//! nothing extra:
//!
//! 1. `GATEWAY_BPF_OBJECT` names an object: it is embedded (packagers, cross builds).
//! 2. `<target>/bpf/gateway-ebpf`, left there by `cargo xtask bpf build`, is embedded when its fingerprint says it was made
//!    from the sources in the tree.
//! 3. Otherwise a stub: loading then fails with `LoadError::NotBuilt`, which carries the reason found here.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "build/fingerprint.rs"]
mod fingerprint;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-check-cfg=cfg(gateway_bpf)");
    println!("cargo::rerun-if-env-changed=GATEWAY_BPF_OBJECT");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?);
    let workspace = manifest.parent().ok_or("the crate has no parent directory")?;

    match choose(&out, workspace)? {
        Ok(object) => {
            fs::copy(&object, out.join("gateway-ebpf.o"))
                .map_err(|error| format!("{}: {error}", object.display()))?;
            println!("cargo::rustc-cfg=gateway_bpf");
            println!("cargo::rustc-env=GATEWAY_BPF_REASON=embedded");
        }
        Err(reason) => println!("cargo::rustc-env=GATEWAY_BPF_REASON={reason}"),
    }
    Ok(())
}

/// The object to embed, or why there is none.
fn choose(out: &Path, workspace: &Path) -> Result<Result<PathBuf, String>, Box<dyn Error>> {
    if let Some(path) = env::var_os("GATEWAY_BPF_OBJECT").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        println!("cargo::rerun-if-changed={}", path.display());
        if !path.is_file() {
            return Err(format!("GATEWAY_BPF_OBJECT names {}, which is not a file", path.display()).into());
        }
        return Ok(Ok(path));
    }
    for source in fingerprint::SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let triple = env::var("TARGET")?;
    let Some(target) = target_directory(out, &triple) else {
        return Ok(Err(format!(
            "no target directory was found above {}",
            out.display()
        )));
    };
    let object = target.join(fingerprint::OBJECT);
    if let Some(directory) = object.parent() {
        // Cargo re-runs the script on every build while a watched path is missing; an empty directory is a quiet one.
        fs::create_dir_all(directory)?;
        println!("cargo::rerun-if-changed={}", directory.display());
    }
    if !object.is_file() {
        return Ok(Err("no object was built in this target directory".to_owned()));
    }
    let built_from = fs::read_to_string(fingerprint::sidecar(&object)).unwrap_or_default();
    if built_from.trim() != fingerprint::of_sources(workspace)? {
        return Ok(Err(
            "the object in the target directory is older than its sources".to_owned(),
        ));
    }
    Ok(Ok(object))
}

/// The cargo target directory of a build script whose output directory is `out`, for the triple `triple`.
///
/// The place is read off cargo's layout, `<target>/[<triple>/]<profile>/build/<package>/out`. The tag file at the root of
/// a target directory is no proof: cargo writes it only when it makes the directory itself, and whatever put something
/// below `target/` first leaves a directory without one.
fn target_directory(out: &Path, triple: &str) -> Option<PathBuf> {
    let build = out
        .ancestors()
        .find(|directory| directory.file_name().is_some_and(|name| name == "build"))?;
    let above = build.parent()?.parent()?;
    let root = if above.file_name().is_some_and(|name| name == triple) {
        above.parent()?
    } else {
        above
    };
    Some(root.to_owned())
}
