//! What the next load may take over, by content hash.

use std::{collections::HashMap, sync::Arc};

use super::{digest::Digest, operations::Built, policies::Compiled, secrets::Memory};

/// Parts of a snapshot by the hash of everything they were made from.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    pub(crate) operations: HashMap<Digest, Arc<Built>>,
    pub(crate) documents: HashMap<Digest, Arc<Compiled>>,
    /// Secrets that the overlay refers to.
    pub(crate) secrets: Memory,
}
