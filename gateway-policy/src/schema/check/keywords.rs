//! Keywords about a value itself, its members and its items.

use std::{cmp::Ordering, collections::HashSet};

use serde_json::Value;

use super::{Checker, Direction, Faults, Keywords, Seen, Stop};
use crate::schema::{
    format,
    json::{Json, Node, Number, of_schema, shorten},
};

/// Bytes of a text that a pattern gets through in a step.
const BYTES_PER_STEP: u64 = 16;

pub(super) fn additional(name: &str) -> String {
    format!(
        "Property '{}' has not been defined and the schema does not allow additional properties.",
        shorten(name)
    )
}

fn count(keywords: &Keywords, word: &str) -> Option<u64> {
    let value = keywords.get(word)?;
    // `2.0` is a count as well.
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64))
}

fn number(value: &Value) -> Option<Number> {
    value.as_number().and_then(|n| Number::new(&n.to_string()))
}

/// `name` in a map of schemas, and how it is spelt there.
fn named<'s>(schemas: &'s Keywords, name: &str, ignore_case: bool) -> Option<&'s Value> {
    if !ignore_case {
        return schemas.get(name);
    }
    let same = |known: &str| known.to_lowercase() == name.to_lowercase();
    schemas
        .iter()
        .find(|(known, _)| same(known))
        .map(|(_, schema)| schema)
}

impl<'s> Checker<'s> {
    /// Keywords for every kind of value.
    pub(super) fn any(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let mut good = true;
        if let Some(types) = keywords.get("type") {
            let list = match types {
                Value::Array(list) => list.as_slice(),
                one => std::slice::from_ref(one),
            };
            if !list.iter().filter_map(Value::as_str).any(|t| is_type(t, node)) {
                let wanted: Vec<String> = list.iter().filter_map(Value::as_str).map(capital).collect();
                good = faults.add(node, || {
                    format!(
                        "Invalid type. Expected {} but got {}.",
                        wanted.join(", "),
                        node.kind()
                    )
                });
            }
        }
        if let Some(Value::Array(values)) = keywords.get("enum") {
            self.spend(values.len() as u64)?;
            let own = node.canonical();
            if !values.iter().any(|v| of_schema(v).canonical() == own) {
                good = faults.add(node, || format!("Value {node} is not defined in enum."));
            }
        }
        if let Some(value) = keywords.get("const") {
            self.spend(1)?;
            if of_schema(value).canonical() != node.canonical() {
                good = faults.add(node, || format!("Value {node} does not match const."));
            }
        }
        Ok(good)
    }

    pub(super) fn number(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        value: &Number,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let kind = node.kind();
        let mut good = true;
        for (word, exclusive_word, wrong, text) in [
            (
                "minimum",
                "exclusiveMinimum",
                Ordering::Less,
                "is less than minimum",
            ),
            (
                "maximum",
                "exclusiveMaximum",
                Ordering::Greater,
                "exceeds maximum",
            ),
        ] {
            let short = &word[..3];
            let exclusive = keywords.get(exclusive_word);
            // Draft 4 and OpenAPI 3.0: a flag beside the limit; later a limit of its own.
            let flag = exclusive.and_then(Value::as_bool) == Some(true);
            let limits = [
                (keywords.get(word), flag),
                (exclusive.filter(|e| e.is_number()), true),
            ];
            for (limit, exclusive) in limits {
                let Some(limit) = limit.and_then(number) else {
                    continue;
                };
                let order = value.compare(&limit);
                if order == wrong {
                    good = faults.add(node, || format!("{kind} {node} {text} value of {}.", limit.text));
                } else if exclusive && order == Ordering::Equal {
                    good = faults.add(node, || {
                        format!(
                            "{kind} {node} equals {short}imum value of {} and exclusive {short}imum is true.",
                            limit.text
                        )
                    });
                }
            }
        }
        if let Some(divisor) = keywords.get("multipleOf").and_then(number)
            && !value.is_multiple_of(&divisor)
        {
            good = faults.add(node, || {
                format!("{kind} {node} is not a multiple of {}.", divisor.text)
            });
        }
        if let Some(format) = keywords.get("format").and_then(Value::as_str)
            && format::number(format, value) == Some(false)
        {
            good = faults.add(node, || {
                format!("{kind} {node} does not validate against format '{format}'.")
            });
        }
        Ok(good)
    }

    pub(super) fn text(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        text: &str,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let mut good = true;
        let (least, most) = (count(keywords, "minLength"), count(keywords, "maxLength"));
        if least.is_some() || most.is_some() {
            let length = text.chars().count() as u64;
            if let Some(least) = least.filter(|least| length < *least) {
                good = faults.add(node, || {
                    format!(
                        "String '{}' is less than minimum length of {least}.",
                        shorten(text)
                    )
                });
            }
            if let Some(most) = most.filter(|most| length > *most) {
                good = faults.add(node, || {
                    format!("String '{}' exceeds maximum length of {most}.", shorten(text))
                });
            }
        }
        if let Some(pattern) = keywords.get("pattern").and_then(Value::as_str)
            && !self.matches(pattern, text)?
        {
            good = faults.add(node, || {
                format!(
                    "String '{}' does not match regex pattern '{pattern}'.",
                    shorten(text)
                )
            });
        }
        if let Some(format) = keywords.get("format").and_then(Value::as_str)
            && format::text(format, text) == Some(false)
        {
            good = faults.add(node, || {
                format!(
                    "String '{}' does not validate against format '{format}'.",
                    shorten(text)
                )
            });
        }
        Ok(good)
    }

    fn matches(&mut self, pattern: &str, text: &str) -> Result<bool, Stop> {
        self.spend(1 + text.len() as u64 / BYTES_PER_STEP)?;
        let compiled = self
            .document
            .pattern(pattern)
            .map_err(|why| Stop::Pattern(format!("'{}', {why}", shorten(pattern))))?;
        // What takes too many steps back is no answer, so the value does not pass.
        compiled
            .is_match(text)
            .map_err(|why| Stop::Pattern(format!("'{}', {why}", shorten(pattern))))
    }

    pub(super) fn list(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        items: &[Node],
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let mut good = true;
        let length = items.len() as u64;
        if let Some(least) = count(keywords, "minItems").filter(|least| length < *least) {
            good = faults.add(node, || {
                format!("Array item count {length} is less than minimum count of {least}.")
            });
        }
        if let Some(most) = count(keywords, "maxItems").filter(|most| length > *most) {
            good = faults.add(node, || {
                format!("Array item count {length} exceeds maximum count of {most}.")
            });
        }
        if keywords.get("uniqueItems").and_then(Value::as_bool) == Some(true) {
            self.spend(length)?;
            let mut known = HashSet::new();
            if let Some(again) = items.iter().position(|item| !known.insert(item.canonical())) {
                good = faults.add(&items[again], || {
                    format!("Non-unique array item at index {again}.")
                });
            }
        }
        let given = keywords.get("items");
        let first = keywords.get("prefixItems").or(given.filter(|i| i.is_array()));
        let first = first.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let rest = match given {
            Some(Value::Array(_)) => keywords.get("additionalItems"),
            other => other,
        };
        for (i, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(i).or(rest) {
                good &= self.fresh(schema, item, faults)?;
                if self.tracks {
                    Seen::mark(&mut seen.items, i);
                }
                if !good && faults.is_silent() {
                    return Ok(false);
                }
            }
        }
        if let Some(schema) = keywords.get("contains") {
            good &= self.contains(keywords, schema, node, items, seen, faults)?;
        }
        Ok(good)
    }

    fn contains(
        &mut self,
        keywords: &'s Keywords,
        schema: &'s Value,
        node: &Node,
        items: &[Node],
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let mut found = 0;
        for (i, item) in items.iter().enumerate() {
            if self.fresh(schema, item, &mut Faults::silent())? {
                found += 1;
                if self.tracks {
                    Seen::mark(&mut seen.items, i);
                }
            }
        }
        let least = count(keywords, "minContains").unwrap_or(1);
        let most = count(keywords, "maxContains").unwrap_or(u64::MAX);
        Ok((least..=most).contains(&found)
            || faults.add(node, || {
                format!("Contains match count {found} is not from {least} to {most}.")
            }))
    }

    pub(super) fn object(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        members: &[(Box<str>, Node)],
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let mut good = true;
        let length = members.len() as u64;
        if let Some(least) = count(keywords, "minProperties").filter(|least| length < *least) {
            good = faults.add(node, || {
                format!("Object property count {length} is less than minimum count of {least}.")
            });
        }
        if let Some(most) = count(keywords, "maxProperties").filter(|most| length > *most) {
            good = faults.add(node, || {
                format!("Object property count {length} exceeds maximum count of {most}.")
            });
        }
        good &= self.required(keywords, node, members, faults)?;
        good &= self.members(keywords, node, members, seen, faults)?;
        if !good && faults.is_silent() {
            return Ok(false);
        }
        good &= self.dependencies(keywords, node, members, seen, faults)?;
        Ok(good)
    }

    pub(super) fn has(&self, members: &[(Box<str>, Node)], name: &str) -> bool {
        let ignore_case = self.options.ignore_case;
        members
            .iter()
            .any(|(n, _)| **n == *name || (ignore_case && n.to_lowercase() == name.to_lowercase()))
    }

    fn required(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        members: &[(Box<str>, Node)],
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let Some(Value::Array(required)) = keywords.get("required") else {
            return Ok(true);
        };
        self.spend(required.len() as u64 * (1 + members.len() as u64 / BYTES_PER_STEP))?;
        let missing: Vec<&str> = required
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| !self.has(members, name) && !self.other_way(keywords, name))
            .collect();
        Ok(missing.is_empty()
            || faults.add(node, || {
                format!(
                    "Required properties are missing from object: {}.",
                    missing.join(", ")
                )
            }))
    }

    /// The member belongs to messages of the other direction only.
    fn other_way(&self, keywords: &Keywords, name: &str) -> bool {
        let word = match self.options.direction {
            Some(Direction::Request) => "readOnly",
            Some(Direction::Response) => "writeOnly",
            None => return false,
        };
        let member = keywords.get("properties").and_then(|p| p.get(name));
        self.document.dialect().has_directions()
            && member.and_then(|m| m.get(word)).and_then(Value::as_bool) == Some(true)
    }

    fn members(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        members: &[(Box<str>, Node)],
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let properties = keywords.get("properties").and_then(Value::as_object);
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        let names = keywords.get("propertyNames");
        let others = keywords
            .get("additionalProperties")
            .filter(|_| self.options.additional.is_none());
        seen.describes |= properties.is_some() || patterns.is_some() || others.is_some();
        seen.describes |= keywords.get("type").and_then(Value::as_str) == Some("object");
        let mut good = true;
        for (i, (name, value)) in members.iter().enumerate() {
            let mut defined = false;
            if let Some(schema) = properties.and_then(|p| named(p, name, self.options.ignore_case)) {
                defined = true;
                good &= self.fresh(schema, value, faults)?;
            }
            for (pattern, schema) in patterns.into_iter().flatten() {
                if self.matches(pattern, name)? {
                    defined = true;
                    good &= self.fresh(schema, value, faults)?;
                }
            }
            match others.filter(|_| !defined) {
                Some(Value::Bool(false)) => good = faults.add(value, || additional(name)),
                Some(schema) => {
                    defined = true;
                    good &= self.fresh(schema, value, faults)?;
                }
                None => {}
            }
            if let Some(schema) = names {
                let as_text = Node {
                    end: node.end,
                    json: Json::Text(name.clone()),
                };
                good &= self.fresh(schema, &as_text, faults)?;
            }
            if defined && self.tracks {
                Seen::mark(&mut seen.members, i);
            }
            if !good && faults.is_silent() {
                return Ok(false);
            }
        }
        Ok(good)
    }
}

fn is_type(name: &str, node: &Node) -> bool {
    match (name, &node.json) {
        ("integer", Json::Number(n)) => n.is_integer(),
        ("null", Json::Null)
        | ("boolean", Json::Bool(_))
        | ("number", Json::Number(_))
        | ("string", Json::Text(_))
        | ("array", Json::List(_))
        | ("object", Json::Object(_)) => true,
        // Draft 3 and Swagger 2.0: whatever it is, JSON cannot tell.
        ("any" | "file", _) => true,
        _ => false,
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
