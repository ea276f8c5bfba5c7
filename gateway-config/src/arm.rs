//! Payloads of the management API (Azure Resource Manager, api-version 2024-05-01) as files of the artifact layout.
//!
//! One model for all sources: what the management API says becomes the tree that an APIOps folder would be, with what
//! a folder cannot hold (operations as entities, keys, host names, certificates) in files of our own names. The reader
//! of the network asks; this module decodes, and never does IO. Source: `config-plane.md` §5-§7.

mod payload;
mod scopes;
#[cfg(test)]
mod tests;
mod tree;

pub use payload::{
    Fault, Item, Page, PayloadError, VaultSecret, fault, item, keys, page, value, vault_secret,
};
pub use scopes::{Scope, scope_of, scopes_of};
pub use tree::{
    CERTIFICATE_FILE, File, Kind, api_folder, authority_link, fragment_file, gateway_api_link, hostname,
    information, is_current, link, named_values_in, operations, policy_file, revision_of, schema_text,
    subscription_with_keys, with_value,
};
