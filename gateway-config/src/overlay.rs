//! The overlay: one YAML file for what an artifact folder cannot hold.
//!
//! Two kinds of members: entity kinds in the shape of APIOps' `configuration.{env}.yaml` (deep merge into the folder's
//! entities), and our own for host names, listeners, kernel options, users and certificates. Keys are closed: an
//! unknown one is refused with the closest known one, because a slip in `deny:` must not leave a door open.
//! The reference with an annotated example is `docs/overlay.md`, made from the tables in `keys.rs`.

pub mod certificates;
mod document;
mod edge;
mod entities;
mod keys;
mod l4;
mod network;
#[cfg(test)]
mod tests;
mod users;

use std::{collections::BTreeMap, sync::Arc};

use gateway_policy::context;

use crate::{
    artifacts::Artifacts,
    doc::{self, Node},
    network::{Hostname, KernelOptions, Listener},
    problem::{Place, Problem, Severity},
};

pub use certificates::CertificateFile;
pub use document::markdown;
pub(crate) use entities::EntityOverride;
pub(crate) use network::is_host_name;

/// An overlay file, already read.
#[derive(Clone, Copy, Debug)]
pub struct OverlayFile<'a> {
    /// Path, for problems.
    pub path: &'a str,
    /// Content.
    pub bytes: &'a [u8],
}

/// What an overlay says.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    pub(crate) path: String,
    pub(crate) service_name: Option<Arc<str>>,
    /// By kind, in order.
    pub(crate) entities: BTreeMap<&'static str, Vec<EntityOverride>>,
    /// By lower-case id.
    pub(crate) users: BTreeMap<String, Arc<context::User>>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) hostnames: Vec<Hostname>,
    pub(crate) kernel: KernelOptions,
    pub(crate) certificates: Vec<CertificateFile>,
}

/// Reads an overlay. A mistake in it is fatal: keys and denied addresses must not be half there.
pub(crate) fn read(file: OverlayFile<'_>, problems: &mut Vec<Problem>) -> Overlay {
    let mut out = Overlay {
        path: file.path.to_owned(),
        ..Overlay::default()
    };
    let yaml_path = if file.path.ends_with(".json") {
        file.path.to_owned()
    } else {
        format!("{}.yaml", file.path)
    };
    let mut read_problems = Vec::new();
    let root = doc::read(&yaml_path, file.bytes, &mut read_problems);
    problems.extend(read_problems.into_iter().map(|p| Problem {
        path: file.path.to_owned(),
        ..p
    }));
    let root = match root {
        Ok(root) => root,
        Err(p) => {
            // An empty overlay says nothing, which is a valid thing to say.
            if file.bytes.iter().all(u8::is_ascii_whitespace) {
                return out;
            }
            problems.push(Problem {
                severity: Severity::Fatal,
                path: file.path.to_owned(),
                ..p
            });
            return out;
        }
    };
    if root.is_null() {
        return out;
    }
    let mut reader = Reader {
        path: file.path,
        problems,
    };
    let Some(members) = reader.members(&root, keys::TOP, "the overlay") else {
        return out;
    };
    out.service_name = members.text("apimServiceName").map(Arc::from);
    for kind in keys::ENTITY_KINDS {
        if let Some(list) = members.get(kind.name) {
            let entities = entities::read(&mut reader, kind, list);
            out.entities.insert(kind.name, entities);
        }
    }
    out.users = users::read(&mut reader, members.get("users"), members.get("groups"));
    out.listeners = network::listeners(&mut reader, members.get("listeners"));
    out.hostnames = network::hostnames(&mut reader, members.get("hostnames"));
    out.kernel = network::kernel(&mut reader, members.get("kernel"), &out.listeners);
    out.kernel.l4 = l4::l4(&mut reader, members.get("l4"));
    out.certificates = certificates::read(&mut reader, members.get("certificates"));
    out
}

impl Overlay {
    /// Merges the entity overrides into what the folder holds.
    pub(crate) fn apply(&self, artifacts: &mut Artifacts, problems: &mut Vec<Problem>) {
        entities::apply(self, artifacts, problems);
    }
}

/// Gathers problems of one overlay.
pub(crate) struct Reader<'a> {
    pub(crate) path: &'a str,
    pub(crate) problems: &'a mut Vec<Problem>,
}

/// The members of one object, keys checked.
#[derive(Clone, Copy)]
pub(crate) struct Members<'n> {
    node: &'n Node,
}

impl<'n> Members<'n> {
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.node.get(key)
    }

    pub(crate) fn place(&self) -> Place {
        self.node.place
    }

    fn text(&self, key: &str) -> Option<&'n str> {
        self.node.get(key).and_then(Node::as_scalar)
    }
}

impl<'a> Reader<'a> {
    /// Reports a fatal mistake.
    pub(crate) fn fail(&mut self, code: &'static str, key: &str, place: Place, message: impl Into<String>) {
        self.problems.push(
            Problem::new(Severity::Fatal, code, self.path, message)
                .at(place)
                .on(key),
        );
    }

    /// The members of an object, unknown keys reported.
    pub(crate) fn members<'n>(
        &mut self,
        node: &'n Node,
        keys: &[keys::Key],
        what: &str,
    ) -> Option<Members<'n>> {
        if !matches!(node.data, doc::Data::Map(_)) {
            let message = format!("{what} must be an object, found {}", node.kind());
            self.fail("wrong-type", what, node.place, message);
            return None;
        }
        let known: Vec<&str> = keys.iter().map(|k| k.name).collect();
        for (key, _) in node
            .members()
            .iter()
            .filter(|(k, _)| !known.contains(&k.name.as_str()))
        {
            let hint = crate::problem::suggestion(&key.name, &known);
            let message = format!("`{}` is not known in {what}; {hint}", key.name);
            self.fail("unknown-key", &key.name, key.place, message);
        }
        Some(Members { node })
    }

    /// The items of a list; a single object is not taken for a list of one.
    pub(crate) fn list<'n>(&mut self, node: Option<&'n Node>, what: &str) -> &'n [Node] {
        let Some(node) = node else { return &[] };
        if !matches!(node.data, doc::Data::List(_)) {
            let message = format!("`{what}` must be a list, found {}", node.kind());
            self.fail("wrong-type", what, node.place, message);
        }
        node.items()
    }

    /// Text that may be absent.
    pub(crate) fn text(&mut self, members: Members<'_>, key: &str) -> Option<Arc<str>> {
        let node = members.get(key)?;
        let text = node.as_scalar().filter(|t| !t.is_empty());
        if text.is_none() {
            self.fail(
                "wrong-type",
                key,
                node.place,
                format!("`{key}` must be text, found {}", node.kind()),
            );
        }
        text.map(Arc::from)
    }

    /// Text that has to be there.
    pub(crate) fn needed(&mut self, members: Members<'_>, key: &str, what: &str) -> Option<Arc<str>> {
        if members.get(key).is_none() {
            self.fail(
                "missing-key",
                key,
                members.place(),
                format!("{what} needs `{key}`"),
            );
            return None;
        }
        self.text(members, key)
    }

    /// A value converted from its text.
    pub(crate) fn parsed<T>(
        &mut self,
        members: Members<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(members, key)?;
        let node = members.get(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.fail("bad-value", key, node.place, format!("`{key}`: {message}"));
                None
            }
        }
    }

    /// A truth value with its default.
    pub(crate) fn truth(&mut self, members: Members<'_>, key: &str, default: bool) -> bool {
        let Some(node) = members.get(key) else {
            return default;
        };
        node.as_bool().unwrap_or_else(|| {
            self.fail(
                "wrong-type",
                key,
                node.place,
                format!("`{key}` must be true or false"),
            );
            default
        })
    }

    /// A list of texts, each converted.
    pub(crate) fn texts<T>(
        &mut self,
        members: Members<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut out = Vec::new();
        for node in self.list(members.get(key), key) {
            match node
                .as_scalar()
                .ok_or_else(|| format!("must be text, found {}", node.kind()))
                .and_then(&parse)
            {
                Ok(value) => out.push(value),
                Err(message) => self.fail("bad-value", key, node.place, format!("`{key}`: {message}")),
            }
        }
        out
    }
}
