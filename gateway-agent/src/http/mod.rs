//! HTTP with clients: servers for each version, hardening, bodies, headers.

pub(crate) mod body;
pub(crate) mod conn;
pub(crate) mod guard;
pub(crate) mod io;
