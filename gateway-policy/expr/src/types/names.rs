//! Name look-up: what a simple or dotted name means under the implicit usings.

use super::{DefId, registry};

/// Namespaces that every expression sees (`expressions.md` §1).
pub(crate) const USINGS: &[&str] = &[
    "",
    "System",
    "System.Collections.Generic",
    "System.IO",
    "System.Linq",
    "System.Security.Cryptography",
    "System.Security.Cryptography.X509Certificates",
    "System.Text",
    "System.Text.RegularExpressions",
    "System.Threading",
    "System.Threading.Tasks",
    "System.Xml",
    "System.Xml.Linq",
    "Newtonsoft.Json",
    "Newtonsoft.Json.Linq",
];

impl super::registry::Registry {
    /// Types called `name` with `arity` type parameters that the usings bring in.
    pub(crate) fn visible(&self, name: &str, arity: usize) -> Vec<DefId> {
        USINGS
            .iter()
            .filter_map(|ns| self.in_namespace(ns, name, arity))
            .collect()
    }

    /// The type `name` of namespace `ns`.
    pub(crate) fn in_namespace(&self, ns: &str, name: &str, arity: usize) -> Option<DefId> {
        let mut full = String::with_capacity(ns.len() + name.len() + 3);
        if !ns.is_empty() {
            full.push_str(ns);
            full.push('.');
        }
        full.push_str(name);
        if arity > 0 {
            full.push_str(&format!("`{arity}"));
        }
        self.by_full_name(&full)
    }

    /// Whether any type lives in namespace `ns` or below it.
    pub(crate) fn is_namespace(&self, ns: &str) -> bool {
        self.namespaces.contains(ns)
    }

    /// A type of this name in any namespace: for "are you missing a using directive" help.
    pub(crate) fn elsewhere(&self, name: &str) -> Option<&str> {
        self.defs.iter().find(|d| &*d.name == name).map(|d| &*d.full)
    }
}

/// The registry's answer for a name as library declarations write it: usings first, then any namespace.
pub(crate) fn resolve_library(reg: &registry::Registry, name: &str, arity: usize) -> Option<DefId> {
    let full = if arity > 0 {
        format!("{name}`{arity}")
    } else {
        name.to_owned()
    };
    if let Some(id) = reg.by_full_name(&full) {
        return Some(id);
    }
    if let Some(id) = USINGS.iter().find_map(|ns| reg.in_namespace(ns, name, arity)) {
        return Some(id);
    }
    reg.defs
        .iter()
        .position(|d| &*d.name == name && d.params.len() == arity)
        .map(|i| DefId(i as u16))
}
