//! Keywords made of further schemas for the same value, and those that ask what others have looked at.

use serde_json::Value;

use super::{Checker, Faults, Keywords, Seen, Stop, keywords};
use crate::schema::json::{Json, Node};

impl<'s> Checker<'s> {
    pub(super) fn composed(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let mut good = true;
        if let Some(Value::Array(all)) = keywords.get("allOf") {
            for schema in all {
                good &= self.schema(schema, node, seen, faults)?;
                if !good && faults.is_silent() {
                    return Ok(false);
                }
            }
        }
        if let Some(Value::Array(any)) = keywords.get("anyOf") {
            let fitting = self.fitting(any, node, seen, if self.tracks { usize::MAX } else { 1 })?;
            if fitting.is_empty() {
                good = faults.add(node, || {
                    "JSON does not match any schemas from 'anyOf'.".to_owned()
                });
            }
        }
        if let Some(Value::Array(one)) = keywords.get("oneOf") {
            let fitting = self.fitting(one, node, seen, 2)?;
            good &= match fitting.as_slice() {
                [_] => true,
                [] => faults.add(node, || {
                    "JSON is valid against no schemas from 'oneOf'.".to_owned()
                }),
                [first, second, ..] => faults.add(node, || {
                    format!(
                        "JSON is valid against more than one schema from 'oneOf'. Valid schema indexes: {first}, {second}."
                    )
                }),
            };
        }
        if let Some(schema) = keywords.get("not")
            && self.holds(schema, node, &mut Seen::default())?
        {
            good = faults.add(node, || "JSON is valid against schema from 'not'.".to_owned());
        }
        if let Some(condition) = keywords.get("if") {
            let mut own = Seen::default();
            let met = self.holds(condition, node, &mut own)?;
            if met {
                seen.merge(&own);
            }
            if let Some(schema) = keywords.get(if met { "then" } else { "else" }) {
                good &= self.schema(schema, node, seen, faults)?;
            }
        }
        Ok(good)
    }

    /// Positions of the schemas that the value fits, at most `enough`.
    fn fitting(
        &mut self,
        schemas: &'s [Value],
        node: &Node,
        seen: &mut Seen,
        enough: usize,
    ) -> Result<Vec<usize>, Stop> {
        let mut fitting = Vec::new();
        for (i, schema) in schemas.iter().enumerate() {
            let mut own = Seen::default();
            if self.holds(schema, node, &mut own)? {
                seen.merge(&own);
                fitting.push(i);
            }
            if fitting.len() >= enough {
                break;
            }
        }
        Ok(fitting)
    }

    fn holds(&mut self, schema: &'s Value, node: &Node, seen: &mut Seen) -> Result<bool, Stop> {
        self.schema(schema, node, seen, &mut Faults::silent())
    }

    pub(super) fn dependencies(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        members: &[(Box<str>, Node)],
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let mut good = true;
        for word in ["dependencies", "dependentRequired", "dependentSchemas"] {
            let Some(Value::Object(dependencies)) = keywords.get(word) else {
                continue;
            };
            self.spend(dependencies.len() as u64)?;
            for (name, needed) in dependencies {
                if !self.has(members, name) {
                    continue;
                }
                let names = match needed {
                    Value::Array(names) => names.as_slice(),
                    // Draft 3 took one name as text.
                    Value::String(_) => std::slice::from_ref(needed),
                    schema => {
                        good &= self.schema(schema, node, seen, faults)?;
                        continue;
                    }
                };
                let missing: Vec<&str> = names
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|n| !self.has(members, n))
                    .collect();
                if !missing.is_empty() {
                    good = faults.add(node, || {
                        format!(
                            "Dependencies for property '{name}' failed. Missing required keys: {}.",
                            missing.join(", ")
                        )
                    });
                }
            }
        }
        Ok(good)
    }

    /// What no schema beside this one, or inside it, has looked at.
    pub(super) fn unevaluated(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let mut good = true;
        if let (Json::Object(members), Some(schema)) = (&node.json, keywords.get("unevaluatedProperties"))
            && self.options.additional != Some(true)
        {
            for (i, (name, value)) in members.iter().enumerate() {
                if seen.member(i) {
                    continue;
                }
                good &= match schema {
                    Value::Bool(false) => faults.add(value, || keywords::additional(name)),
                    schema => self.fresh(schema, value, faults)?,
                };
                Seen::mark(&mut seen.members, i);
            }
        }
        if let (Json::List(items), Some(schema)) = (&node.json, keywords.get("unevaluatedItems")) {
            for (i, item) in items.iter().enumerate() {
                if seen.item(i) {
                    continue;
                }
                good &= match schema {
                    Value::Bool(false) => faults.add(item, || {
                        format!("Item at index {i} has not been evaluated and the schema does not allow it.")
                    }),
                    schema => self.fresh(schema, item, faults)?,
                };
                Seen::mark(&mut seen.items, i);
            }
        }
        Ok(good)
    }
}
