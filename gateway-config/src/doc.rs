//! Documents with positions: one tree for JSON and YAML, so that every mistake names line and column.

mod json;
mod members;
mod yaml;

use std::fmt;

use crate::problem::{Place, Problem};

/// Deepest nesting that is read: a document from outside must not exhaust the stack.
const MAX_DEPTH: usize = 128;
/// Most nodes of one document, aliases expanded: bounds memory against alias bombs (200 operations of a
/// large API description have about 50,000).
const MAX_NODES: usize = 1_000_000;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// First character of the value.
    pub place: Place,
    /// The place is in the overlay that was merged into the document.
    pub(crate) in_overlay: bool,
    /// The value.
    pub data: Data,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Nothing, also an empty YAML value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Members in order; a repeated key was reported and the last one kept.
    Map(Vec<(Key, Node)>),
}

/// A member's name and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// Its first character.
    pub place: Place,
}

impl Node {
    pub(crate) fn new(place: Place, data: Data) -> Self {
        Node {
            place,
            in_overlay: false,
            data,
        }
    }

    /// An empty object without a place, for entities that a layer creates.
    pub fn empty_map() -> Self {
        Node::new(Place::default(), Data::Map(Vec::new()))
    }

    /// The member `name` of an object, exact case; `null` counts as absent.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.members()
            .iter()
            .find(|(k, _)| k.name == name)
            .map(|(_, v)| v)
            .filter(|v| !v.is_null())
    }

    /// Members of an object; empty for anything else.
    pub fn members(&self) -> &[(Key, Node)] {
        match &self.data {
            Data::Map(members) => members,
            _ => &[],
        }
    }

    /// Items of a list; empty for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// Text, exactly.
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(t) => Some(t),
            _ => None,
        }
    }

    /// Text, or a number or truth value as written (YAML authors leave out quotes).
    pub fn as_scalar(&self) -> Option<&str> {
        match &self.data {
            Data::Text(t) | Data::Number(t) => Some(t),
            Data::Bool(true) => Some("true"),
            Data::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// A truth value, or text that spells one.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.data {
            Data::Bool(b) => Some(*b),
            Data::Text(t) if t.eq_ignore_ascii_case("true") => Some(true),
            Data::Text(t) if t.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// An integer, or text that spells one.
    pub fn as_i64(&self) -> Option<i64> {
        match &self.data {
            Data::Number(t) | Data::Text(t) => t.trim().parse().ok(),
            _ => None,
        }
    }

    /// Is it `null`?
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "a truth value",
            Data::Number(_) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "an object",
        }
    }

    /// Merges `over` into `self`: objects member by member, anything else replaced (APIOps override rule).
    pub fn merge(&mut self, over: &Node) {
        match (&mut self.data, &over.data) {
            (Data::Map(mine), Data::Map(theirs)) => {
                for (key, value) in theirs {
                    match mine.iter_mut().find(|(k, _)| k.name == key.name) {
                        Some((_, old)) => old.merge(value),
                        None => mine.push((key.clone(), value.clone())),
                    }
                }
            }
            _ => *self = over.clone(),
        }
    }

    /// Marks all places as being in the overlay.
    pub(crate) fn mark_overlay(&mut self) {
        self.in_overlay = true;
        match &mut self.data {
            Data::List(items) => items.iter_mut().for_each(Node::mark_overlay),
            Data::Map(members) => members.iter_mut().for_each(|(_, value)| value.mark_overlay()),
            _ => {}
        }
    }

    /// The value as JSON, for consumers that need no positions (examples of an operation).
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(b) => Value::Bool(*b),
            Data::Number(t) => serde_json::from_str(t).unwrap_or_else(|_| Value::String(t.clone())),
            Data::Text(t) => Value::String(t.clone()),
            Data::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Data::Map(m) => Value::Object(m.iter().map(|(k, v)| (k.name.clone(), v.to_json())).collect()),
        }
    }
}

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where reading stopped.
    pub place: Place,
    /// Why.
    pub message: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Reads JSON, or YAML when the path ends in `.yaml` or `.yml`. Repeated keys are reported as warnings.
///
/// # Errors
/// One problem of severity `Scope` when the text cannot be read at all.
pub fn read(path: &str, bytes: &[u8], problems: &mut Vec<Problem>) -> Result<Node, Problem> {
    let text = text_of(path, bytes)?;
    let mut repeated = Vec::new();
    let yaml = path.ends_with(".yaml") || path.ends_with(".yml");
    let parsed = if yaml {
        yaml::parse(text, &mut repeated)
    } else {
        json::parse(text, &mut repeated)
    };
    for key in repeated {
        problems.push(
            Problem::warning(
                "repeated-key",
                path,
                format!("`{}` stands twice; the last one counts", key.name),
            )
            .at(key.place)
            .on(key.name),
        );
    }
    parsed.map_err(|m| {
        let code = if yaml { "bad-yaml" } else { "bad-json" };
        Problem::scope(code, path, m.message).at(m.place)
    })
}

/// The text of a file: UTF-8, with or without byte-order mark.
///
/// # Errors
/// A problem that names the first bad byte's line.
pub fn text_of<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u32 + 1;
        Problem::scope("not-utf8", path, "the file is not UTF-8 text; save it as UTF-8")
            .at(Place::new(line, 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &str, text: &str) -> Node {
        read(path, text.as_bytes(), &mut Vec::new()).unwrap()
    }

    #[test]
    fn json_and_yaml_give_one_tree() {
        let from_json = node("a.json", r#"{"a": [1, "x", true, null], "b": {"c": "d"}}"#);
        let from_yaml = node("a.yaml", "a: [1, x, true, null]\nb:\n  c: d\n");
        assert_eq!(from_json.to_json(), from_yaml.to_json());
    }

    #[test]
    fn merge_is_deep_for_objects_and_replaces_the_rest() {
        let mut base = node("a.json", r#"{"a": {"x": 1, "y": [1, 2]}, "b": 1}"#);
        base.merge(&node("o.yaml", "a:\n  y: [3]\n  z: 4\n"));
        assert_eq!(base.to_json().to_string(), r#"{"a":{"x":1,"y":[3],"z":4},"b":1}"#);
    }

    #[test]
    fn not_utf8_names_the_line() {
        let p = text_of("f", b"a\nb\xff").unwrap_err();
        assert_eq!((p.code, p.line), ("not-utf8", 2));
        assert_eq!(text_of("f", b"\xef\xbb\xbfa").unwrap(), "a");
    }
}
