//! What outlives the process: maps and links pinned in a BPF file system, by layout version.
//!
//! ```text
//! <base>/v2/maps/BANS4            maps; programs of the next process use the same ones
//! <base>/v2/links/edge_drop,eth0,generic   links: what keeps a program attached
//! ```
//!
//! A start loads new programs on the old maps and then replaces the program behind each link in one step: no packet meets
//! neither or both. When a new program cannot be loaded nothing is replaced, and the old ones go on. Links of another layout
//! are replaced the same way, by programs with fresh maps; their directory goes last.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use aya::maps::{MapInfo, MapType};
use gateway_common::edge::{BanEntry, MAX_OWN, MAX_PREFIX_ENTRIES, MAX_VIPS};
use gateway_common::steer::{MAX_EXACT, MAX_GROUPS, MAX_PREFIXES, MAX_SOCKETS};
use gateway_common::{
    COUNTERS, ConnMark, CounterValue, EdgeConfig, LAYOUT_VERSION, PrefixEntry, SourceState, SteerKey,
    SteerSet, VipBudget,
};

use crate::sys::{self, LinkInfo};

/// Shape of a map that is pinned. A pinned map of another shape is not used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) kind: MapType,
    pub(crate) key: u32,
    pub(crate) value: u32,
    pub(crate) entries: u32,
}

/// Sizes that options decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) sources: u32,
    pub(crate) bans: u32,
    pub(crate) filter: u32,
    pub(crate) ring: u32,
}

/// The maps that outlive the process. Not among them: constants of the object and scratch space.
pub(crate) fn shapes(sizes: &Sizes) -> Vec<Shape> {
    const fn size<T>() -> u32 {
        size_of::<T>() as u32
    }
    let shape = |name, kind, key, value, entries| Shape {
        name,
        kind,
        key,
        value,
        entries,
    };
    let steer_key = size::<SteerKey>();
    vec![
        shape(
            "COUNTS",
            MapType::PerCpuArray,
            4,
            size::<CounterValue>(),
            COUNTERS,
        ),
        shape("EDGE", MapType::Array, 4, size::<EdgeConfig>(), 1),
        shape(
            "PREFIXES4",
            MapType::LpmTrie,
            4 + 4,
            size::<PrefixEntry>(),
            MAX_PREFIX_ENTRIES,
        ),
        shape(
            "PREFIXES6",
            MapType::LpmTrie,
            4 + 16,
            size::<PrefixEntry>(),
            MAX_PREFIX_ENTRIES,
        ),
        shape("FILTER4", MapType::Array, 4, 8, sizes.filter),
        shape("FILTER6", MapType::Array, 4, 8, sizes.filter),
        shape("BANS4", MapType::Hash, 4, size::<BanEntry>(), sizes.bans),
        shape("BANS6", MapType::Hash, 16, size::<BanEntry>(), sizes.bans),
        shape(
            "SOURCES",
            MapType::LruHash,
            16,
            size::<SourceState>(),
            sizes.sources,
        ),
        shape("VIPS", MapType::Hash, steer_key, size::<VipBudget>(), MAX_VIPS),
        shape("OWN", MapType::Hash, steer_key, 4, MAX_OWN),
        shape("EXACT", MapType::Hash, steer_key, 4, MAX_EXACT),
        shape(
            "PREFIXES",
            MapType::LpmTrie,
            4 + 20,
            size::<SteerSet>(),
            MAX_PREFIXES,
        ),
        shape("WORKING", MapType::Array, 4, 8, MAX_GROUPS + 1),
        shape("SOCKETS", MapType::SockMap, 4, 4, MAX_SOCKETS),
        shape("GROUPS", MapType::Hash, 20, 4, 2 * MAX_GROUPS),
        shape("MARKS", MapType::SkStorage, 4, size::<ConnMark>(), 0),
        shape("CONNS", MapType::RingBuf, 0, 0, sizes.ring),
        shape(
            "DROPS",
            MapType::RingBuf,
            0,
            0,
            gateway_common::edge::SAMPLE_RING_BYTES as u32,
        ),
    ]
}

/// The directory of pins.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    base: PathBuf,
    layout: PathBuf,
}

impl Pins {
    /// Opens or makes the directory. The error says what is wrong with it.
    pub(crate) fn open(base: &Path) -> Result<Self, String> {
        let pins = Self {
            base: base.to_owned(),
            layout: base.join(format!("v{LAYOUT_VERSION}")),
        };
        let shown = base.display();
        for directory in [pins.maps(), pins.links()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)
                .map_err(|error| format!("{}: {error}", directory.display()))?;
        }
        match sys::is_bpffs(base) {
            Ok(true) => Ok(pins),
            Ok(false) => {
                // Directories that were made just now in the wrong place; what is not empty stays.
                let _ = remove_tree(&pins.layout, &mut Vec::new());
                let _ = fs::remove_dir(base);
                Err(format!(
                    "{shown} is not in a BPF file system (mount -t bpf bpf /sys/fs/bpf)"
                ))
            }
            Err(error) => Err(format!("{shown}: {error}")),
        }
    }

    fn maps(&self) -> PathBuf {
        self.layout.join("maps")
    }

    fn links(&self) -> PathBuf {
        self.layout.join("links")
    }

    /// Path of a map's pin.
    pub(crate) fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    /// Takes away the pins of maps whose shape is not what this process needs; a fresh map is made in their place, and the old
    /// one goes with the programs that use it. Returns their names.
    pub(crate) fn discard_misfits(&self, shapes: &[Shape]) -> Vec<&'static str> {
        let mut discarded = Vec::new();
        for shape in shapes {
            let path = self.map(shape.name);
            if !path.exists() {
                continue;
            }
            let fits = MapInfo::from_pin(&path).is_ok_and(|info| {
                info.map_type().is_ok_and(|kind| kind == shape.kind)
                    && (info.key_size(), info.value_size(), info.max_entries())
                        == (shape.key, shape.value, shape.entries)
            });
            if !fits && fs::remove_file(&path).is_ok() {
                discarded.push(shape.name);
            }
        }
        discarded
    }

    /// A pinned link of this hook and target, of any layout, that is still attached. Pins of links whose target is gone are
    /// removed on the way.
    pub(crate) fn link(&self, hook: &str, target: &str, alive: impl Fn(&LinkInfo) -> bool) -> Option<Pinned> {
        let wanted = format!("{hook},{},", escaped(target));
        for directory in self.layouts() {
            for entry in fs::read_dir(directory.join("links"))
                .into_iter()
                .flatten()
                .flatten()
            {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(mode) = name.strip_prefix(&wanted) else {
                    continue;
                };
                let path = entry.path();
                let link = sys::open(&path).ok();
                let info = link.as_ref().and_then(|link| sys::link_info(link.as_fd()).ok());
                match (link, info) {
                    (Some(link), Some(info)) if alive(&info) => {
                        return Some(Pinned {
                            link,
                            path,
                            mode: mode.to_owned(),
                        });
                    }
                    _ => {
                        let _ = fs::remove_file(&path);
                    }
                }
            }
        }
        None
    }

    /// Whether any link is pinned.
    pub(crate) fn has_links(&self) -> bool {
        self.layouts()
            .iter()
            .filter_map(|layout| fs::read_dir(layout.join("links")).ok())
            .any(|mut entries| entries.next().is_some())
    }

    /// Path of a link's pin.
    pub(crate) fn link_path(&self, hook: &str, target: &str, mode: &str) -> PathBuf {
        self.links().join(format!("{hook},{},{mode}", escaped(target)))
    }

    /// Removes what other layouts have left: their links were replaced, so nothing uses their maps.
    pub(crate) fn drop_other_layouts(&self) {
        for layout in self.layouts().iter().filter(|layout| **layout != self.layout) {
            let _ = remove_tree(layout, &mut Vec::new());
        }
    }

    /// This layout first, then the others.
    fn layouts(&self) -> Vec<PathBuf> {
        let mut layouts = vec![self.layout.clone()];
        for entry in fs::read_dir(&self.base).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_layout(&path) && path != self.layout {
                layouts.push(path);
            }
        }
        layouts
    }
}

/// A pinned link that is attached.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) link: OwnedFd,
    path: PathBuf,
    /// How it is attached.
    pub(crate) mode: String,
}

impl Pinned {
    /// Puts `program` behind the link, and pins it in this layout's directory when it came from another one.
    pub(crate) fn replace(
        &self,
        program: BorrowedFd<'_>,
        pins: &Pins,
        hook: &str,
        target: &str,
    ) -> io::Result<()> {
        sys::link_update(self.link.as_fd(), program)?;
        if !self.path.starts_with(&pins.layout) {
            sys::pin(self.link.as_fd(), &pins.link_path(hook, target, &self.mode))?;
            let _ = fs::remove_file(&self.path);
        }
        Ok(())
    }

    /// Takes the program off its target.
    pub(crate) fn detach(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A target as a file name: `/` and `,` have a meaning, and a BPF file system takes no dots.
fn escaped(target: &str) -> String {
    target.replace('/', "+").replace(',', "-").replace('.', "~")
}

fn is_layout(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_prefix('v'))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What [`uninstall`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uninstalled {
    /// Pins that were removed: links first, which takes the programs off.
    pub removed: Vec<PathBuf>,
    /// What was found in the directory and is not ours: left alone.
    pub left: Vec<PathBuf>,
}

/// Removes everything that was pinned under `base`, and nothing else: programs are taken off, maps are freed, directories
/// go when they are empty.
///
/// # Errors
/// When a pin cannot be removed. Those before it are gone.
pub fn uninstall(base: &Path) -> io::Result<Uninstalled> {
    let mut done = Uninstalled::default();
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(done),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if is_layout(&path) {
            done.removed.extend(remove_tree(&path, &mut done.left)?);
        } else {
            done.left.push(path);
        }
    }
    if done.left.is_empty() {
        fs::remove_dir(base)?;
    }
    Ok(done)
}

/// One pinned object, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Directory of the layout, such as `v2`.
    pub layout: String,
    /// `link` or `map`.
    pub kind: &'static str,
    /// Hook, target and mode of a link; name of a map.
    pub name: String,
    /// Whether a link is attached; shape of a map.
    pub state: String,
}

/// What is pinned under `base`.
///
/// # Errors
/// When the directory cannot be read.
pub fn pinned(base: &Path) -> io::Result<Vec<Pin>> {
    let mut pins = Vec::new();
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(pins),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if !is_layout(&path) {
            continue;
        }
        for (directory, kind) in [("links", "link"), ("maps", "map")] {
            for entry in fs::read_dir(path.join(directory)).into_iter().flatten() {
                let entry = entry?;
                let state = if kind == "link" {
                    link_state(&entry.path())
                } else {
                    map_state(&entry.path())
                };
                pins.push(Pin {
                    layout: path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                    kind,
                    name: entry.file_name().to_string_lossy().into_owned(),
                    state,
                });
            }
        }
    }
    pins.sort_by(|a, b| (&a.layout, a.kind, &a.name).cmp(&(&b.layout, b.kind, &b.name)));
    Ok(pins)
}

fn link_state(path: &Path) -> String {
    let info = sys::open(path).and_then(|link| sys::link_info(link.as_fd()));
    match info {
        Ok(info) if info.target == 0 && info.target_high == 0 => "its target is gone".to_owned(),
        Ok(info) => format!("attached, program {}", info.program),
        Err(error) => error.to_string(),
    }
}

fn map_state(path: &Path) -> String {
    match MapInfo::from_pin(path) {
        Ok(info) => format!(
            "key {}, value {}, room {}",
            info.key_size(),
            info.value_size(),
            info.max_entries()
        ),
        Err(error) => error.to_string(),
    }
}

/// Removes one layout: links, maps, directories. Other files go to `left`.
fn remove_tree(layout: &Path, left: &mut Vec<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for part in ["links", "maps"] {
        let directory = layout.join(part);
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            fs::remove_file(&path)?;
            removed.push(path);
        }
        // One that is not empty holds what is listed as left; one that is not there is as good.
        let _ = fs::remove_dir(&directory);
    }
    for entry in fs::read_dir(layout).into_iter().flatten() {
        left.push(entry?.path());
    }
    let _ = fs::remove_dir(layout);
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_from_other_directories() {
        for (path, expected) in [
            ("/x/v1", true),
            ("/x/v23", true),
            ("/x/v", false),
            ("/x/v1x", false),
            ("/x/other", false),
        ] {
            assert_eq!(is_layout(Path::new(path)), expected, "{path}");
        }
        assert_eq!(escaped("/sys/fs,cgroup"), "+sys+fs-cgroup");
        assert_eq!(escaped("eth0.100"), "eth0~100");
    }

    #[test]
    fn a_directory_elsewhere_is_refused_and_not_littered() {
        let folder = std::env::temp_dir().join(format!("gateway-pins-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let error = Pins::open(&folder.join("agent")).unwrap_err();
        assert!(error.contains("not in a BPF file system"), "{error}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing was left");
        fs::remove_dir(&folder).unwrap();
        assert_eq!(uninstall(&folder).unwrap(), Uninstalled::default());
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let base = std::env::temp_dir().join(format!("gateway-uninstall-{}", std::process::id()));
        for directory in ["v1/links", "v1/maps", "v2/maps/strange", "other"] {
            fs::create_dir_all(base.join(directory)).unwrap();
        }
        for file in ["v1/links/a", "v1/maps/B", "v2/maps/C", "v2/note", "other/file"] {
            fs::write(base.join(file), "").unwrap();
        }
        let mut done = uninstall(&base).unwrap();
        done.removed.sort();
        done.left.sort();
        let paths = |names: &[&str]| names.iter().map(|name| base.join(name)).collect::<Vec<_>>();
        assert_eq!(done.removed, paths(&["v1/links/a", "v1/maps/B", "v2/maps/C"]));
        assert_eq!(
            done.left,
            paths(&["other", "v2/maps", "v2/maps/strange", "v2/note"])
        );
        assert!(base.join("other/file").exists() && !base.join("v1").exists());
        fs::remove_dir_all(&base).unwrap();
    }
}
