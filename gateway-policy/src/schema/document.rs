//! JSON schemas as kept: one document, its references turned into pointers into itself, its patterns.
//!
//! Nothing is compiled before it is used and nothing is ever fetched: a reference that leads out of the
//! document cannot be followed, and what it describes cannot be validated (fail closed).
//! Source: JSON Schema draft 4 to 2020-12, "Schema Object" of OpenAPI 2.0, 3.0 and 3.1.

use std::{collections::HashMap, fmt, sync::OnceLock};

use fancy_regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Steps back that one match may take: enough for look-ahead in passwords, little enough that the worst
/// pattern costs milliseconds.
const BACKTRACK_MAX: usize = 50_000;
/// Compiled size of one pattern in bytes: `(a{1000}){1000}` does not fit.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Different patterns of one document: each costs memory once used.
const PATTERNS_MAX: usize = 5_000;

/// How the words of a schema are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Swagger 2.0: draft 4 with `x-nullable` and `readOnly`.
    OpenApi2,
    /// OpenAPI 3.0: draft 4 with `nullable`, `readOnly` and `writeOnly`.
    OpenApi30,
    /// OpenAPI 3.1: draft 2020-12 with `readOnly` and `writeOnly`.
    OpenApi31,
    /// JSON Schema up to draft 7: nothing counts beside `$ref`.
    Draft7,
    /// JSON Schema from 2019-09 on.
    #[default]
    Latest,
}

impl Dialect {
    /// The dialect a lone JSON schema names in `$schema`.
    pub fn of(root: &Value) -> Self {
        let named = root.get("$schema").and_then(Value::as_str).unwrap_or("");
        if ["draft-04", "draft-06", "draft-07", "draft-03"]
            .iter()
            .any(|d| named.contains(d))
        {
            return Dialect::Draft7;
        }
        match root.get("openapi").and_then(Value::as_str) {
            Some(version) if version.starts_with("3.0") => Dialect::OpenApi30,
            Some(_) => Dialect::OpenApi31,
            None if root.get("swagger").is_some() => Dialect::OpenApi2,
            None => Dialect::Latest,
        }
    }

    /// Keywords beside `$ref` count.
    pub(super) fn reads_beside_ref(self) -> bool {
        matches!(self, Dialect::OpenApi31 | Dialect::Latest)
    }

    /// `readOnly` and `writeOnly` members are not required in the other direction.
    pub(super) fn has_directions(self) -> bool {
        matches!(self, Dialect::OpenApi2 | Dialect::OpenApi30 | Dialect::OpenApi31)
    }

    /// The word that admits null beside a type.
    pub(super) fn nullable(self) -> Option<&'static str> {
        match self {
            Dialect::OpenApi2 => Some("x-nullable"),
            Dialect::OpenApi30 => Some("nullable"),
            _ => None,
        }
    }

    fn has_ids(self) -> bool {
        !matches!(self, Dialect::OpenApi2 | Dialect::OpenApi30)
    }
}

/// Schemas that refer to each other, in one document.
pub struct JsonSchemas {
    root: Value,
    dialect: Dialect,
    patterns: HashMap<String, OnceLock<Result<Regex, String>>>,
    /// Pointers of the documents in the document, in the order of their numbers.
    resources: Vec<String>,
    /// Where each dynamic anchor stands: number of the document in the document, and pointer. The recursive anchor of
    /// 2019-09 has no name.
    dynamic: HashMap<String, Vec<(usize, String)>>,
    /// Some schema asks what others have looked at (`unevaluatedProperties`, `unevaluatedItems`).
    pub(super) tracks: bool,
}

impl fmt::Debug for JsonSchemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonSchemas")
            .field("dialect", &self.dialect)
            .field("patterns", &self.patterns.len())
            .finish_non_exhaustive()
    }
}

impl JsonSchemas {
    /// Takes a document of schemas (an OpenAPI document, or a schema on its own).
    pub fn new(root: Value, dialect: Dialect) -> Self {
        let mut schemas = Self {
            root,
            dialect,
            patterns: HashMap::new(),
            resources: Vec::new(),
            dynamic: HashMap::new(),
            tracks: false,
        };
        let mut names = Names {
            beside_ref: dialect.reads_beside_ref(),
            ..Names::default()
        };
        names.resources.insert(String::new(), String::new());
        if dialect.has_ids() {
            names.gather(&schemas.root, "", &mut String::new());
        }
        names.settle();
        schemas.resources.clone_from(&names.pointers);
        for (anchor, pointer) in &names.dynamic {
            let place = (names.document_of(pointer), pointer.clone());
            schemas.dynamic.entry(anchor.clone()).or_default().push(place);
        }
        let mut root = std::mem::take(&mut schemas.root);
        schemas.prepare(&mut root, "", &names);
        schemas.root = root;
        schemas
    }

    /// How its words are meant.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The schema at a JSON pointer.
    pub(crate) fn get(&self, pointer: &str) -> Option<&Value> {
        self.root.pointer(pointer)
    }

    /// The target of a reference as prepared, and the number of the document in the document that it is in. A dynamic
    /// one leads to the outermost of `scopes`, the documents on the way there, that has its anchor.
    pub(super) fn follow(&self, reference: &str, scopes: &[usize]) -> Option<(&Value, usize)> {
        let (anchor, pointer) = match reference.strip_prefix(DYNAMIC) {
            Some(rest) => rest
                .split_once('#')
                .map(|(anchor, pointer)| (Some(anchor), pointer))?,
            None => (None, reference.strip_prefix('#')?),
        };
        let places = anchor.and_then(|anchor| self.dynamic.get(anchor));
        let outermost = places.and_then(|places| {
            let at = |scope: &usize| places.iter().find(|(document, _)| document == scope);
            scopes.iter().find_map(at)
        });
        let pointer = outermost.map_or(pointer, |(_, pointer)| pointer.as_str());
        Some((self.root.pointer(pointer)?, document_of(&self.resources, pointer)))
    }

    /// References depend on the way to them.
    pub(super) fn is_dynamic(&self) -> bool {
        !self.dynamic.is_empty()
    }

    /// The pattern, compiled on first use.
    pub(super) fn pattern(&self, pattern: &str) -> Result<&Regex, &str> {
        let Some(slot) = self.patterns.get(pattern) else {
            return Err("the document has too many patterns");
        };
        let compiled = slot.get_or_init(|| {
            RegexBuilder::new(pattern)
                .backtrack_limit(BACKTRACK_MAX)
                .delegate_size_limit(PATTERN_BYTES_MAX)
                .delegate_dfa_size_limit(PATTERN_BYTES_MAX)
                .build()
                .map_err(|e| e.to_string())
        });
        compiled.as_ref().map_err(String::as_str)
    }

    /// Turns references into pointers and notes patterns. Documents are at most 128 levels deep, as their
    /// readers see to.
    fn prepare(&mut self, value: &mut Value, base: &str, names: &Names) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|i| self.prepare(i, base, names)),
            Value::Object(members) => {
                let own = self
                    .dialect
                    .has_ids()
                    .then(|| id_of(members, names.beside_ref))
                    .flatten()
                    .map(|id| join(base, id));
                let number = own.as_deref().and_then(|own| names.number(own));
                if let (Some(number), true) = (number, self.is_dynamic()) {
                    members.insert(NUMBER.to_owned(), number.into());
                }
                let base = own.as_deref().unwrap_or(base).to_owned();
                for (name, member) in members.iter_mut() {
                    match (name.as_str(), &mut *member) {
                        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                            if let Some(pointer) = names.resolve(&base, reference) {
                                let anchor =
                                    (name.as_str() != "$ref").then(|| names.anchor_at(reference, &pointer));
                                *reference = match anchor.flatten() {
                                    Some(anchor) => format!("{DYNAMIC}{anchor}{pointer}"),
                                    None => pointer,
                                };
                            }
                        }
                        ("pattern", Value::String(pattern)) => self.note(pattern),
                        ("patternProperties", Value::Object(patterns)) => {
                            patterns.keys().for_each(|p| self.note(p));
                        }
                        ("unevaluatedProperties" | "unevaluatedItems", _) => self.tracks = true,
                        _ => {}
                    }
                    if !is_data(name, member) {
                        self.prepare(member, &base, names);
                    }
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, pattern: &str) {
        if self.patterns.len() < PATTERNS_MAX && !self.patterns.contains_key(pattern) {
            self.patterns.insert(pattern.to_owned(), OnceLock::new());
        }
    }
}

/// Members that hold values, not schemas.
fn is_data(name: &str, member: &Value) -> bool {
    matches!(name, "enum" | "const" | "default" | "example") || (name == "examples" && member.is_array())
}

/// In front of a reference that depends on the way to it: this, its anchor and its pointer.
const DYNAMIC: &str = "dynamic:";
/// Member that holds the number of the document in the document that starts here; no keyword is called so.
pub(super) const NUMBER: &str = "\u{0}document";

/// The document in the document that a pointer leads into: the innermost.
fn document_of(pointers: &[String], pointer: &str) -> usize {
    let holds = |own: &String| {
        let rest = pointer.strip_prefix(own.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let holding = pointers.iter().enumerate().filter(|(_, own)| holds(own));
    holding.max_by_key(|(_, own)| own.len()).map_or(0, |(i, _)| i)
}

fn id_of(members: &serde_json::Map<String, Value>, beside_ref: bool) -> Option<&str> {
    let id = members
        .get("$id")
        .or_else(|| members.get("id"))
        .and_then(Value::as_str)?;
    // Beside a reference, drafts up to 7 do not read it, and later ones have no `id`.
    (!members.contains_key("$ref") || beside_ref).then_some(id)
}

/// What references may name.
#[derive(Default)]
struct Names {
    /// Pointer of each document in the document, by its address.
    resources: HashMap<String, String>,
    /// Pointer of each `address#anchor`.
    anchors: HashMap<String, String>,
    /// Dynamic anchors and their pointers; the recursive one has no name.
    dynamic: Vec<(String, String)>,
    /// Pointers of the documents in the document; numbers stand for them.
    pointers: Vec<String>,
    /// An id counts beside a reference.
    beside_ref: bool,
}

impl Names {
    fn gather(&mut self, value: &Value, base: &str, pointer: &mut String) {
        let length = pointer.len();
        match value {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    pointer.push_str(&format!("/{i}"));
                    self.gather(item, base, pointer);
                    pointer.truncate(length);
                }
            }
            Value::Object(members) => {
                let mut base = base.to_owned();
                if let Some(id) = id_of(members, self.beside_ref) {
                    let joined = join(&base, id);
                    match joined.split_once('#') {
                        // Up to draft 7 an anchor is an `$id` of a fragment.
                        Some((_, fragment)) if !fragment.is_empty() => {
                            self.anchors.insert(joined.clone(), pointer.clone());
                        }
                        _ => {
                            base = joined.trim_end_matches('#').to_owned();
                            self.resources.insert(base.clone(), pointer.clone());
                        }
                    }
                }
                for key in ["$anchor", "$dynamicAnchor"] {
                    if let Some(anchor) = members.get(key).and_then(Value::as_str) {
                        if key.starts_with("$d") {
                            self.dynamic.push((anchor.to_owned(), pointer.clone()));
                        }
                        self.anchors.insert(format!("{base}#{anchor}"), pointer.clone());
                    }
                }
                if members.get("$recursiveAnchor").and_then(Value::as_bool) == Some(true) {
                    self.dynamic.push((String::new(), pointer.clone()));
                }
                for (name, member) in members.iter().filter(|(n, m)| !is_data(n, m)) {
                    pointer.push('/');
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    self.gather(member, &base, pointer);
                    pointer.truncate(length);
                }
            }
            _ => {}
        }
    }

    /// Numbers the documents.
    fn settle(&mut self) {
        self.pointers = self.resources.values().cloned().collect();
        self.pointers.sort_unstable();
        self.pointers.dedup();
    }

    fn document_of(&self, pointer: &str) -> usize {
        document_of(&self.pointers, pointer)
    }

    /// The number of the document of this address.
    fn number(&self, address: &str) -> Option<usize> {
        let pointer = self.resources.get(address.trim_end_matches('#'))?;
        self.pointers.iter().position(|p| p == pointer)
    }

    /// The dynamic anchor that a reference names, when the place it leads to has it.
    fn anchor_at(&self, reference: &str, pointer: &str) -> Option<&str> {
        let (_, anchor) = reference.split_once('#').unwrap_or((reference, ""));
        let at = pointer.strip_prefix('#')?;
        let found = self
            .dynamic
            .iter()
            .find(|(name, place)| name == anchor && place == at);
        found.map(|(name, _)| name.as_str())
    }

    fn resolve(&self, base: &str, reference: &str) -> Option<String> {
        let address = join(base, reference);
        let (resource, fragment) = address.split_once('#').unwrap_or((&address, ""));
        if let Some(pointer) = self.anchors.get(&address) {
            return Some(format!("#{pointer}"));
        }
        let resource = self.resources.get(resource)?;
        let fragment = percent_decoded(fragment);
        (fragment.is_empty() || fragment.starts_with('/')).then(|| format!("#{resource}{fragment}"))
    }
}

/// A reference against the address of what it stands in.
fn join(base: &str, reference: &str) -> String {
    let joined = join_raw(base, reference);
    if !joined.contains("./") {
        return joined;
    }
    let (address, fragment) = match joined.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (joined.as_str(), None),
    };
    let start = address.find("://").map_or(0, |i| i + 3);
    let mut parts: Vec<&str> = Vec::new();
    for part in address[start..].split('/') {
        match part {
            "." => {}
            ".." if parts.len() > 1 => {
                parts.pop();
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    let mut out = format!("{}{}", &address[..start], parts.join("/"));
    if let Some(fragment) = fragment {
        out.push('#');
        out.push_str(fragment);
    }
    out
}

fn join_raw(base: &str, reference: &str) -> String {
    let base = base.split('#').next().unwrap_or_default();
    if reference.contains("://") || reference.starts_with("urn:") {
        return reference.to_owned();
    }
    if reference.is_empty() || reference.starts_with('#') {
        return format!("{base}{reference}");
    }
    let authority = base.find("://").map_or(0, |i| {
        base[i + 3..].find('/').map_or(base.len(), |slash| i + 3 + slash)
    });
    if reference.starts_with('/') {
        return format!("{}{reference}", &base[..authority]);
    }
    let folder = base.rfind('/').map_or("", |slash| &base[..=slash]);
    format!("{folder}{reference}")
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_become_pointers_or_stay_outside() {
        let root = json!({
            "$id": "http://x.test/root.json",
            "$defs": {
                "a": { "$id": "a.json", "$defs": { "in": { "type": "null" } }, "x": { "$ref": "#/$defs/in" } },
                "b": { "$anchor": "bee" },
                "c/d": {},
            },
            "properties": {
                "r1": { "$ref": "#/$defs/b" }, "r2": { "$ref": "#bee" }, "r3": { "$ref": "a.json" },
                "r4": { "$ref": "http://x.test/a.json#/$defs/in" }, "r5": { "$ref": "http://y.test/z" },
                "r6": { "$ref": "#/$defs/c~1d" }, "r7": { "$ref": "#/%24defs/b" },
                "$ref": { "type": "string" },
            },
        });
        let schemas = JsonSchemas::new(root, Dialect::Latest);
        for (pointer, expected) in [
            ("/properties/r1", "#/$defs/b"),
            ("/properties/r2", "#/$defs/b"),
            ("/properties/r3", "#/$defs/a"),
            ("/properties/r4", "#/$defs/a/$defs/in"),
            ("/properties/r5", "http://y.test/z"),
            ("/properties/r6", "#/$defs/c~1d"),
            ("/properties/r7", "#/$defs/b"),
            ("/$defs/a/x", "#/$defs/a/$defs/in"),
        ] {
            let found = schemas.root.pointer(pointer).unwrap()["$ref"].as_str().unwrap();
            assert_eq!(found, expected, "{pointer}");
        }
        assert!(schemas.follow("http://y.test/z", &[0]).is_none());
        assert!(schemas.follow("#/$defs/c~1d", &[0]).is_some());
    }

    #[test]
    fn patterns_are_bounded() {
        let root = json!({ "a": { "pattern": "^(?=.*\\d)[a-z\\d]{4,}$" }, "b": { "pattern": "((a{1000}){1000}){9}" }, "c": { "pattern": "(" } });
        let schemas = JsonSchemas::new(root, Dialect::Latest);
        let pattern = schemas.pattern("^(?=.*\\d)[a-z\\d]{4,}$").unwrap();
        assert!(pattern.is_match("abc4").unwrap() && !pattern.is_match("abcd").unwrap());
        assert!(schemas.pattern("((a{1000}){1000}){9}").is_err());
        assert!(schemas.pattern("(").is_err());
        assert!(schemas.pattern("never seen").is_err());
    }
}
