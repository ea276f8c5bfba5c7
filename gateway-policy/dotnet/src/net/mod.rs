//! `System.Uri`, `System.Net.WebUtility` and `System.Net.IPAddress`.

mod entities;
mod escape;
mod host;
mod ip;
mod uri;
mod uri_components;
mod uri_relative;
pub mod web;

pub use escape::{escape_data_string, escape_uri_string, unescape_data_string};
pub use ip::{ip_to_text, is_loopback, parse_ip};
pub use uri::{Uri, UriKind, UriPartial};
pub use uri_components::check_host_name;

/// Longest URI and longest text `EscapeDataString` takes, in UTF-16 units: .NET's own limit.
pub const MAX_URI_UNITS: usize = 65_519;
