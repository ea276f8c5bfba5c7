//! Reads the properties of one entity and gathers what is wrong with them.

use std::sync::Arc;

use gateway_policy::context::Url;

use super::Entity;
use crate::{
    doc::Node,
    problem::{Problem, Severity},
};

/// One entity's properties while they are read.
pub(crate) struct Fields<'n, 'p> {
    entity: &'n Entity,
    pub(crate) node: &'n Node,
    problems: &'p mut Vec<Problem>,
    /// The first mistake that refuses the entity, in words.
    refused: Option<String>,
}

impl<'n, 'p> Fields<'n, 'p> {
    pub(crate) fn new(entity: &'n Entity, node: &'n Node, problems: &'p mut Vec<Problem>) -> Self {
        Fields {
            entity,
            node,
            problems,
            refused: None,
        }
    }

    /// The first mistake that refuses the entity.
    pub(crate) fn refusal(&self) -> Option<Arc<str>> {
        self.refused.as_deref().map(Into::into)
    }

    /// Reports at a node (or at the whole entity).
    pub(crate) fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        key: &str,
        at: Option<&Node>,
        message: impl Into<String>,
    ) {
        let message = message.into();
        let at = at.unwrap_or(self.node);
        let path = match &self.entity.overlay {
            Some(overlay) if at.in_overlay => overlay,
            _ => self.entity.path.as_str(),
        };
        if severity >= Severity::Scope && self.refused.is_none() {
            self.refused = Some(format!("{path}: {message}"));
        }
        self.problems
            .push(Problem::new(severity, code, path, message).at(at.place).on(key));
    }

    fn wrong_type(&mut self, key: &str, node: &Node, wanted: &str) {
        let message = format!("`{key}` must be {wanted}, found {}", node.kind());
        self.report(Severity::Scope, "wrong-type", key, Some(node), message);
    }

    /// Text, or a bare number or truth value.
    pub(crate) fn text(&mut self, key: &str) -> Option<&'n str> {
        let node = self.node.get(key)?;
        let text = node.as_scalar();
        if text.is_none() {
            self.wrong_type(key, node, "text");
        }
        text
    }

    /// Text that has to be there.
    pub(crate) fn required_text(&mut self, key: &str, remedy: &str) -> Option<&'n str> {
        if self.node.get(key).is_none() {
            let message = format!("`{key}` is missing; {remedy}");
            self.report(Severity::Scope, "missing-property", key, None, message);
            return None;
        }
        self.text(key)
    }

    pub(crate) fn bool(&mut self, key: &str, default: bool) -> bool {
        let Some(node) = self.node.get(key) else {
            return default;
        };
        node.as_bool().unwrap_or_else(|| {
            self.wrong_type(key, node, "true or false");
            default
        })
    }

    pub(crate) fn u32(&mut self, key: &str) -> Option<u32> {
        let node = self.node.get(key)?;
        let number = node.as_i64().and_then(|n| u32::try_from(n).ok());
        if number.is_none() {
            self.wrong_type(key, node, "a whole number that is not negative");
        }
        number
    }

    pub(crate) fn list(&mut self, key: &str) -> &'n [Node] {
        let Some(node) = self.node.get(key) else {
            return &[];
        };
        if !matches!(node.data, crate::doc::Data::List(_)) {
            self.wrong_type(key, node, "a list");
        }
        node.items()
    }

    /// An object; an empty one when it is absent.
    pub(crate) fn object(&mut self, key: &str) -> Option<&'n Node> {
        let node = self.node.get(key)?;
        if !matches!(node.data, crate::doc::Data::Map(_)) {
            self.wrong_type(key, node, "an object");
            return None;
        }
        Some(node)
    }

    /// An absolute `http`, `https`, `ws` or `wss` address. Its text never enters a message: it may hold signatures.
    pub(crate) fn url(&mut self, key: &str) -> Option<Url> {
        let text = self.text(key).filter(|t| !t.trim().is_empty())?;
        match parse_url(text) {
            Ok(url) => Some(url),
            Err(why) => {
                let at = self.node.get(key);
                self.report(
                    Severity::Scope,
                    "bad-url",
                    key,
                    at,
                    format!("`{key}` is no usable address: {why}"),
                );
                None
            }
        }
    }
}

/// Parses an absolute address.
pub(crate) fn parse_url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    if text.contains("{{") {
        return Err("it refers to a named value that does not exist".to_owned());
    }
    let uri: http::Uri = text
        .parse()
        .map_err(|_| "it is not written as scheme://host/path".to_owned())?;
    let scheme = uri
        .scheme_str()
        .ok_or("the scheme is missing; begin with https:// or http://")?;
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        other => return Err(format!("scheme `{other}` is not http, https, ws or wss")),
    };
    let authority = uri.authority().ok_or("the host is missing")?;
    if authority.as_str().contains('@') {
        return Err("credentials in an address are not allowed; use the backend's credentials".to_owned());
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    let tail = &authority.as_str()[authority.host().len()..];
    let port = match tail.strip_prefix(':') {
        None => default_port,
        Some(port) => port.parse().map_err(|_| format!("`{port}` is no port number"))?,
    };
    Ok(Url {
        scheme: scheme.to_ascii_lowercase().into(),
        host: host.to_ascii_lowercase().into(),
        port,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or("").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            (
                "https://a.example/x?y=1",
                Ok(("https", "a.example", 443, "/x", "y=1")),
            ),
            ("HTTP://A.example:8080", Ok(("http", "a.example", 8080, "/", ""))),
            ("wss://[::1]:9/s", Ok(("wss", "::1", 9, "/s", ""))),
            ("https://[::1]/s", Ok(("https", "::1", 443, "/s", ""))),
            ("a.example/x", Err("not written as")),
            ("/x", Err("scheme is missing")),
            ("ftp://a/x", Err("`ftp` is not")),
            ("https://u:p@a/x", Err("credentials")),
            ("https://a:99999/", Err("no port number")),
            ("https://{{host}}/", Err("named value")),
            ("", Err("not written as")),
        ] {
            match (parse_url(text), expected) {
                (Ok(u), Ok(e)) => {
                    assert_eq!((&*u.scheme, &*u.host, u.port, &*u.path, &*u.query), e, "{text}")
                }
                (Err(m), Err(part)) => assert!(m.contains(part), "{text}: {m}"),
                (got, expected) => panic!("{text}: {got:?} instead of {expected:?}"),
            }
        }
    }
}
