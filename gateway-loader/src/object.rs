//! The embedded kernel object, or the stub in its place.

use gateway_common::LAYOUT_VERSION;
use gateway_common::config::LAYOUT_MAGIC;

use crate::error::LoadError;

#[cfg(gateway_bpf)]
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/gateway-ebpf.o"));
#[cfg(not(gateway_bpf))]
static OBJECT: &[u8] = &[];

/// Whether this build carries a kernel object.
pub const fn is_built() -> bool {
    cfg!(gateway_bpf)
}

/// Why this build carries no kernel object; `None` when it does.
pub fn why_not_built() -> Option<&'static str> {
    (!is_built()).then_some(env!("GATEWAY_BPF_REASON"))
}

/// The object, checked to be of this crate's layout.
pub(crate) fn bytes() -> Result<&'static [u8], LoadError> {
    match why_not_built() {
        Some(reason) => Err(LoadError::NotBuilt { reason }),
        None => check_layout(OBJECT).map(|()| OBJECT),
    }
}

fn check_layout(object: &[u8]) -> Result<(), LoadError> {
    let found = object
        .windows(LAYOUT_MAGIC.len() + 1)
        .find(|window| window.starts_with(LAYOUT_MAGIC))
        .and_then(|window| window.last().copied());
    match found {
        Some(version) if u32::from(version) == LAYOUT_VERSION => Ok(()),
        found => Err(LoadError::Layout {
            found: found.map(u32::from),
            expected: LAYOUT_VERSION,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_of_this_layout_is_taken() {
        let object = |version: u8| [b"\x7fELF", &LAYOUT_MAGIC[..], &[version], b"rest"].concat();
        assert!(check_layout(&object(LAYOUT_VERSION as u8)).is_ok());
        for (bytes, expected) in [
            (object(LAYOUT_VERSION as u8 + 1), Some(LAYOUT_VERSION + 1)),
            (vec![0; 64], None),
        ] {
            match check_layout(&bytes) {
                Err(LoadError::Layout { found, .. }) => assert_eq!(found, expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_stub_says_how_to_build_the_object() {
        match bytes() {
            Ok(object) => assert!(is_built() && object.starts_with(b"\x7fELF")),
            Err(error) => {
                assert!(!is_built());
                assert!(error.to_string().contains("cargo xtask bpf"), "{error}");
            }
        }
    }
}
