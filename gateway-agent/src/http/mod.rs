//! HTTP with clients: servers for each version, hardening, bodies, headers.

pub(crate) mod body;
pub(crate) mod check;
pub(crate) mod conn;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod io;
pub(crate) mod linger;
mod proxy;
pub(crate) mod serve;
#[cfg(test)]
mod tests;
