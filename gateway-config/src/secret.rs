//! Secrets by reference: where a value is, and the value once the agent has fetched it.

use std::{fmt, sync::Arc};

/// Where a secret value comes from. The agent resolves it; this crate never reads anything.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// Written in the overlay itself.
    Literal(Arc<str>),
    /// `{env: NAME}`
    Env(Arc<str>),
    /// `{file: PATH}`; one line end at the end of the file is not part of the value.
    File(Arc<str>),
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Literal(_) => f.write_str("literal"),
            SecretRef::Env(name) => write!(f, "env {name}"),
            SecretRef::File(path) => write!(f, "file {path}"),
        }
    }
}

/// A secret value that never shows in logs.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Secret(value.into())
    }

    /// The value itself.
    pub fn expose(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Fetches secrets: the agent's, or a map in tests. The error says what failed, without the value.
pub type SecretLookup<'a> = &'a dyn Fn(&SecretRef) -> Result<Secret, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_shows() {
        assert_eq!(format!("{:?}", Secret::new("k")), "***");
        assert_eq!(format!("{:?}", SecretRef::Literal("k".into())), "literal");
        assert_eq!(format!("{:?}", SecretRef::Env("K".into())), "env K");
    }
}
