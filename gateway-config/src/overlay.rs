//! The overlay: one YAML file for what an artifact folder cannot hold.

/// An overlay file, already read.
#[derive(Clone, Copy, Debug)]
pub struct OverlayFile<'a> {
    /// Path, for problems.
    pub path: &'a str,
    /// Content.
    pub bytes: &'a [u8],
}
