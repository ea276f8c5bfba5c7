//! YAML 1.2 (core schema) into positioned nodes, aliases expanded within bounds.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{Data, Key, MAX_DEPTH, MAX_NODES, Malformed, Node, members::Members};
use crate::problem::Place;

/// Reads the first document; a second one is an error, keys that stand twice go to `repeated`.
pub(super) fn parse(text: &str, repeated: &mut Vec<Key>) -> Result<Node, Malformed> {
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
        repeated,
    };
    let mut document = None;
    loop {
        let (event, span) = builder.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if document.is_some() => {
                return Err(malformed(span.start, "a second document in one file; keep one"));
            }
            first => document = Some(builder.node(first, span, 0)?),
        }
    }
    // Nothing but comments is a valid document: nothing.
    Ok(document.unwrap_or_else(|| Node::new(Place::new(1, 1), Data::Null)))
}

struct Builder<'a, 'r> {
    parser: Parser<'a, StrInput<'a>>,
    /// Nodes with an anchor and how many nodes they hold.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    repeated: &'r mut Vec<Key>,
}

impl<'a> Builder<'a, '_> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Malformed> {
        match self.parser.next_event() {
            Some(Ok(pair)) => Ok(pair),
            Some(Err(e)) => Err(malformed(*e.marker(), e.info())),
            None => Err(Malformed {
                place: Place::default(),
                message: "the file ends early".into(),
            }),
        }
    }

    fn count(&mut self, more: usize, at: Marker) -> Result<(), Malformed> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MAX_NODES {
            return Err(malformed(
                at,
                format!("more than {MAX_NODES} values once aliases are expanded"),
            ));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Malformed> {
        if depth > MAX_DEPTH {
            return Err(malformed(
                span.start,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        let before = self.nodes;
        self.count(1, span.start)?;
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref()), anchor),
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err(malformed(span.start, "an alias inside its own anchor"));
                };
                let (node, size) = (node.clone(), *size);
                self.count(size, span.start)?;
                return Ok(Node::new(place(span.start), node.data));
            }
            _ => return Err(malformed(span.start, "expected a value")),
        };
        let node = Node::new(place(span.start), data);
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Data, Malformed> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Data::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Data, Malformed> {
        let mut members = Members::default();
        let mut merged = Vec::new();
        loop {
            let (key_event, key_span) = self.next()?;
            if matches!(key_event, Event::MappingEnd) {
                break;
            }
            let key = self.node(key_event, key_span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let name = match key.as_scalar() {
                Some(name) => name.to_owned(),
                None if key.is_null() => "null".to_owned(),
                None => return Err(malformed(key_span.start, "a key must be text")),
            };
            if name == "<<" {
                merged.push(value);
                continue;
            }
            let key = Key {
                name,
                place: key.place,
            };
            self.repeated.extend(members.push(key, value));
        }
        for source in merged {
            merge_in(&mut members, &source);
        }
        Ok(Data::Map(members.finish()))
    }
}

/// The `<<` merge key: members of `source` (a map or a list of maps) that are not there yet.
fn merge_in(members: &mut Members, source: &Node) {
    for map in source.items() {
        merge_in(members, map);
    }
    for (key, value) in source.members() {
        if members.position(&key.name).is_none() {
            members.push(key.clone(), value.clone());
        }
    }
}

/// Resolves a plain scalar by the core schema; quoted and block scalars are text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Data {
    let forced_text = tag.is_some_and(|t| t.suffix == "str" || t.handle == "!" && t.suffix.is_empty());
    if style != ScalarStyle::Plain || forced_text {
        return Data::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        _ if is_number(text) => Data::Number(text.to_owned()),
        _ => Data::Text(text.to_owned()),
    }
}

/// A number as JSON writes it. Octal, hexadecimal, `.5`, `.inf` stay text: nothing here needs them as numbers,
/// and a version `1.10` or a key `0x1f` must not change its spelling.
fn is_number(text: &str) -> bool {
    text.bytes()
        .next()
        .is_some_and(|b| b.is_ascii_digit() || b == b'-')
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn place(marker: Marker) -> Place {
    Place {
        line: marker.line() as u32,
        column: marker.col() as u32 + 1,
    }
}

fn malformed(marker: Marker, message: impl Into<String>) -> Malformed {
    Malformed {
        place: place(marker),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, json: &str) {
        let node = parse(text, &mut Vec::new()).unwrap();
        assert_eq!(node.to_json().to_string(), json, "{text}");
    }

    #[test]
    fn values() {
        for (text, json) in [
            (
                "a: 1\nb: '1'\nc: yes\nd:\n",
                r#"{"a":1,"b":"1","c":"yes","d":null}"#,
            ),
            ("a: 1.10\nv: v1\nh: 0x1f\n", r#"{"a":1.1,"v":"v1","h":"0x1f"}"#),
            (
                "- {a: [x, y]}\n- |\n  two\n  lines\n",
                r#"[{"a":["x","y"]},"two\nlines\n"]"#,
            ),
            (
                "base: &b {x: 1}\nuse: *b\nm:\n  <<: *b\n  y: 2\n",
                r#"{"base":{"x":1},"use":{"x":1},"m":{"y":2,"x":1}}"#,
            ),
            ("200: ok\ntrue: t\n", r#"{"200":"ok","true":"t"}"#),
        ] {
            check(text, json);
        }
    }

    #[test]
    fn places_are_one_based() {
        let node = parse("a:\n  b: x\n", &mut Vec::new()).unwrap();
        let (key, value) = &node.members()[0].1.members()[0];
        assert_eq!(key.place, Place::new(2, 3));
        assert_eq!(value.place, Place::new(2, 6));
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, line) in [
            ("a: [1\n", 2),
            ("a: b: c\n", 1),
            ("a: 1\n---\nb: 2\n", 3),
            ("a: *x\n", 1),
        ] {
            let m = parse(text, &mut Vec::new()).unwrap_err();
            assert_eq!(m.place.line, line, "{text}: {m}");
        }
        let mut repeated = Vec::new();
        parse("a: 1\na: 2\n", &mut repeated).unwrap();
        assert_eq!(repeated[0].place.line, 2);
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            text += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
        }
        assert!(
            parse(&text, &mut Vec::new())
                .unwrap_err()
                .message
                .contains("aliases")
        );
    }
}
