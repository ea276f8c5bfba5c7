//! `cargo xtask bpf`: the BPF toolchain and the kernel object.
//!
//! Two ways to compile for the BPF target, both with bpf-linker:
//!
//! * the distribution's compiler with its prebuilt `core` for BPF (Debian: `rustc-web`, `libstd-rust-web-dev-bpf`), the
//!   one `setup` installs;
//! * a rustup nightly with `rust-src`, where `core` is built along.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use gateway_tests::process::find;

use crate::shell::{cargo, complain, root, run};

#[path = "../../gateway-loader/build/fingerprint.rs"]
mod fingerprint;

const TARGET: &str = "bpfel-unknown-none";
const PROFILE: &str = "bpf";
/// The compiler of the distribution package; the one on the path is usually rustup's.
const PACKAGED_RUSTC: &str = "/usr/bin/rustc";
/// Libraries the linker is built against. LLVM must not be older than the compiler's.
const LLVM: u32 = 22;
const LINKER_VERSION: &str = "0.13.0";
const PACKAGES: [(&str, &str); 5] = [
    ("rustc-web", PACKAGED_RUSTC),
    (
        "libstd-rust-web-dev-bpf",
        "/usr/lib/rustlib/bpfel-unknown-none/lib",
    ),
    ("llvm-22-dev", "/usr/lib/llvm-22/bin/llvm-config"),
    ("libzstd-dev", "/usr/include/zstd.h"),
    ("zlib1g-dev", "/usr/include/zlib.h"),
];

/// How the object is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Toolchain {
    /// Distribution compiler with a prebuilt `core`.
    Packaged,
    /// rustup nightly with `rust-src`.
    Nightly,
}

/// Installs what is missing to build the kernel object. Each step that is already done is skipped.
///
/// Progress goes to standard error. Errors name the command that failed, or what to run as root.
pub(crate) fn setup() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, proof)| !Path::new(proof).exists())
        .map(|(name, _)| *name)
        .collect();
    if toolchain().is_ok() && find_linker().is_some() {
        complain("bpf toolchain: compiler and linker are there");
        return Ok(());
    }
    if missing.is_empty() {
        complain("bpf toolchain: packages are installed");
    } else {
        install_packages(&missing)?;
    }
    if find_linker().is_some() {
        complain("bpf toolchain: bpf-linker is installed");
    } else {
        complain("bpf toolchain: building bpf-linker (about two minutes of CPU)");
        run(cargo()
            .args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked"])
            .args(["--no-default-features", "--features", &format!("llvm-{LLVM}")])
            .env("LLVM_PREFIX", format!("/usr/lib/llvm-{LLVM}")))?;
    }
    toolchain().map(|_| ())
}

fn install_packages(missing: &[&str]) -> Result<()> {
    let list = missing.join(" ");
    ensure!(
        find("apt-get").is_some(),
        "missing: {list}. This machine has no apt-get: install a rustup nightly with rust-src and bpf-linker instead \
         (rustup toolchain install nightly --component rust-src; cargo install bpf-linker)"
    );
    ensure!(
        nix::unistd::geteuid().is_root(),
        "missing packages: {list}. Run as root: apt-get install --no-install-recommends -y {list}"
    );
    complain(&format!("bpf toolchain: installing {list}"));
    // Standard output belongs to `--json` of the tasks that call this.
    let apt = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::io::stderr()))
    };
    let install = [&["install", "--no-install-recommends", "-y", "-qq"], missing].concat();
    if apt(&install).is_ok() {
        return Ok(());
    }
    apt(&["update", "-qq"])?;
    apt(&install).with_context(|| {
        format!(
            "this distribution has no {list} (Debian 12 and later have): install a rustup nightly with rust-src, and \
             bpf-linker {LINKER_VERSION} against an LLVM that is not older than the compiler's, then run this again"
        )
    })
}

/// Builds the kernel object unless one made from the present sources is there, and returns its path.
///
/// The loader's build script picks it up from there. Errors when the toolchain is missing (`cargo xtask bpf setup`
/// installs it), when it does not compile, or when the object has a panicking path.
pub(crate) fn build() -> Result<PathBuf> {
    let workspace = root();
    let target = target_directory()?;
    let object = target.join(fingerprint::OBJECT);
    let sources = fingerprint::of_sources(&workspace).context("reading the sources of the kernel object")?;
    if object.is_file()
        && fs::read_to_string(fingerprint::sidecar(&object)).is_ok_and(|built| built == sources)
    {
        complain("bpf object: up to date");
        return Ok(object);
    }
    let toolchain = toolchain()?;
    complain(&format!("bpf object: compiling ({toolchain:?})"));
    // A target directory of its own: other flags and another compiler would otherwise rebuild everything each time.
    let scratch = target.join("bpf-build");
    compile(&toolchain, &workspace, &scratch)?;
    let built = scratch.join(TARGET).join(PROFILE).join("gateway-ebpf");
    check_object(&built)?;
    if let Some(directory) = object.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::copy(&built, &object)
        .with_context(|| format!("copying {} to {}", built.display(), object.display()))?;
    fs::write(fingerprint::sidecar(&object), sources)?;
    Ok(object)
}

fn compile(toolchain: &Toolchain, workspace: &Path, scratch: &Path) -> Result<()> {
    let linker = find_linker().context("bpf-linker is missing: run cargo xtask bpf setup")?;
    let mut cargo = match toolchain {
        Toolchain::Packaged => {
            let mut cargo = cargo();
            // The BPF crates use one unstable feature (inline assembly for this target).
            cargo.env("RUSTC", PACKAGED_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            cargo
        }
        Toolchain::Nightly => {
            let mut cargo = Command::new("rustup");
            cargo
                .args(["run", "nightly", "cargo", "-Zbuild-std=core"])
                .env_remove("RUSTC");
            cargo
        }
    };
    let arch = std::env::consts::ARCH;
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--package",
            "gateway-ebpf",
            "--bin",
            "gateway-ebpf",
        ])
        .args(["--profile", PROFILE, "--target", TARGET, "--target-dir"])
        .arg(scratch)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker)
        .env(
            "RUSTFLAGS",
            format!("-C link-arg=--btf --cfg bpf_target_arch=\"{arch}\""),
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTUP_TOOLCHAIN");
    run(&mut cargo)
}

/// Refuses an object with a panicking path (the handler is an endless loop to the verifier), or without BTF.
fn check_object(object: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    fs::File::open(object)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .with_context(|| format!("reading {}", object.display()))?;
    ensure!(
        bytes.starts_with(b"\x7fELF"),
        "{} is not an object file",
        object.display()
    );
    for symbol in [
        &b"core9panicking"[..],
        b"rust_begin_unwind",
        b"panic_fmt",
        b"panic_bounds_check",
    ] {
        ensure!(
            !symbol_names(&bytes).any(|name| contains(name, symbol)),
            "{} has a panicking path ({}): something in gateway-ebpf indexes, slices, divides or unwraps",
            object.display(),
            String::from_utf8_lossy(symbol)
        );
    }
    ensure!(
        contains(&bytes, b".BTF.ext"),
        "{} has no BTF: was bpf-linker called with --btf?",
        object.display()
    );
    Ok(())
}

/// Names in the string table that starts the symbol names: zero-terminated runs in the whole file are good enough, for
/// debug information lies in compressed-free sections of its own and names mangled paths with a leading `_`.
fn symbol_names(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    section(bytes, b".strtab")
        .unwrap_or_default()
        .split(|byte| *byte == 0)
}

/// Contents of an ELF64 little-endian section.
fn section<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let u16_at = |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
    let u64_at = |at: usize| usize::try_from(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok();
    let (table, size, count, names) = (u64_at(0x28)?, u16_at(0x3a)?, u16_at(0x3c)?, u16_at(0x3e)?);
    let header = |index: usize| table.checked_add(index.checked_mul(size)?);
    let contents = |at: usize| bytes.get(u64_at(at + 0x18)?..)?.get(..u64_at(at + 0x20)?);
    let names = contents(header(names)?)?;
    for index in 0..count {
        let at = header(index)?;
        let name = names.get(u32_at(at)?..)?;
        if name.get(..wanted.len()) == Some(wanted) && name.get(wanted.len()) == Some(&0) {
            return contents(at);
        }
    }
    None
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn toolchain() -> Result<Toolchain> {
    let packaged = PACKAGES[..2].iter().all(|(_, proof)| Path::new(proof).exists());
    if packaged {
        return Ok(Toolchain::Packaged);
    }
    let sources = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--print", "sysroot"])
        .output()
        .ok();
    let nightly = sources
        .filter(|output| output.status.success())
        .is_some_and(|output| {
            let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            root.join("lib/rustlib/src/rust/library/core").is_dir()
        });
    if nightly {
        return Ok(Toolchain::Nightly);
    }
    bail!("no compiler for the BPF target: run cargo xtask bpf setup")
}

fn find_linker() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    find("bpf-linker").or_else(|| {
        home.map(|home| home.join("bin/bpf-linker"))
            .filter(|path| path.is_file())
    })
}

/// The target directory cargo uses for the workspace, where the loader's build script looks too.
fn target_directory() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let directory = metadata["target_directory"].as_str();
    Ok(directory
        .context("cargo metadata names no target directory")?
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF64 file with the sections `.strtab` (names) and `.shstrtab`.
    fn elf(symbols: &[u8]) -> Vec<u8> {
        let section_names = b"\0.strtab\0.shstrtab\0";
        let mut file = b"\x7fELF".to_vec();
        file.resize(0x40, 0);
        let symbols_at = file.len() as u64;
        file.extend_from_slice(symbols);
        let names_at = file.len() as u64;
        file.extend_from_slice(section_names);
        let table = file.len() as u64;
        for (name, at, length) in [
            (1u32, symbols_at, symbols.len()),
            (9, names_at, section_names.len()),
        ] {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[0x18..0x20].copy_from_slice(&at.to_le_bytes());
            header[0x20..0x28].copy_from_slice(&(length as u64).to_le_bytes());
            file.extend_from_slice(&header);
        }
        file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
        for (at, value) in [(0x3a, 64u16), (0x3c, 2), (0x3e, 1)] {
            file[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        file
    }

    fn check(symbols: &[u8], btf: &[u8], expected: &str) {
        let directory = std::env::temp_dir().join(format!("gateway-bpf-check-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("object-{}", symbols.len()));
        let mut file = elf(symbols);
        file.extend_from_slice(btf);
        fs::write(&path, file).unwrap();
        let result = check_object(&path).map_err(|error| error.to_string());
        fs::remove_dir_all(&directory).unwrap();
        match result {
            Ok(()) => assert_eq!(expected, ""),
            Err(error) => assert!(!expected.is_empty() && error.contains(expected), "{error}"),
        }
    }

    #[test]
    fn objects_with_a_panicking_path_are_refused() {
        check(b"\0edge_drop\0memcpy\0", b".BTF.ext", "");
        check(b"\0edge_drop\0", b"", "no BTF");
        check(
            b"\0_ZN4core9panicking5panic17h0E\0x\0",
            b".BTF.ext",
            "panicking path",
        );
    }

    #[test]
    fn truncated_objects_have_no_sections() {
        let whole = elf(b"\0edge_drop\0");
        assert!(section(&whole, b".strtab").is_some());
        for length in 0..whole.len() - 64 {
            assert_eq!(section(&whole[..length], b".missing"), None);
        }
    }
}
