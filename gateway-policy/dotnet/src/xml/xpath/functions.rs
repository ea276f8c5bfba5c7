//! The core function library (§4).

use super::{Error, Expr, Item, Place, QName, Value, error, eval::Evaluation};
use crate::xml::{Kind, Node, XML_NAMESPACE};

/// Name, least and greatest number of arguments.
const CORE: &[(&str, usize, usize)] = &[
    ("last", 0, 0),
    ("position", 0, 0),
    ("count", 1, 1),
    ("id", 1, 1),
    ("local-name", 0, 1),
    ("namespace-uri", 0, 1),
    ("name", 0, 1),
    ("string", 0, 1),
    ("concat", 2, usize::MAX),
    ("starts-with", 2, 2),
    ("contains", 2, 2),
    ("substring-before", 2, 2),
    ("substring-after", 2, 2),
    ("substring", 2, 3),
    ("string-length", 0, 1),
    ("normalize-space", 0, 1),
    ("translate", 3, 3),
    ("boolean", 1, 1),
    ("not", 1, 1),
    ("true", 0, 0),
    ("false", 0, 0),
    ("lang", 1, 1),
    ("number", 0, 1),
    ("sum", 1, 1),
    ("floor", 1, 1),
    ("ceiling", 1, 1),
    ("round", 1, 1),
];

/// Refuses a core function called with the wrong number of arguments.
pub(super) fn check(name: &QName, given: usize, text: &str) -> Result<(), Error> {
    if name.prefix.is_some() {
        return Ok(());
    }
    match CORE.iter().find(|(n, ..)| *n == &*name.local) {
        Some((_, least, most)) if given < *least || given > *most => Err(error(format!(
            "Function '{}' in '{text}' has an invalid number of arguments.",
            name.local
        ))),
        _ => Ok(()),
    }
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// XPath's `round`: halves go up, and what is no number stays.
fn round(value: f64) -> f64 {
    if value.fract() == -0.5 {
        value.ceil()
    } else {
        value.round()
    }
}

/// `substring`: positions from 1, rounded, in UTF-16 units.
fn substring(text: &str, start: f64, length: Option<f64>) -> String {
    let start = round(start);
    let end = length.map_or(f64::INFINITY, |l| start + round(l));
    let kept: Vec<u16> = units(text)
        .into_iter()
        .enumerate()
        .filter(|(i, _)| {
            let at = *i as f64 + 1.0;
            at >= start && at < end
        })
        .map(|(_, unit)| unit)
        .collect();
    String::from_utf16_lossy(&kept)
}

fn translate(text: &str, from: &str, to: &str) -> String {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    text.chars()
        .filter_map(|c| match from.iter().position(|f| *f == c) {
            None => Some(c),
            Some(i) => to.get(i).copied(),
        })
        .collect()
}

fn normalize(text: &str) -> String {
    let words = text.split([' ', '\t', '\n', '\r']).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// `lang()`: the nearest `xml:lang` is the language or a dialect of it.
fn is_language(item: &Item, wanted: &str) -> bool {
    let mut at = Some(item.clone());
    while let Some(here) = at {
        if let Item::Node(node) = &here
            && let Some(found) = node.attributes().iter().find(|a| {
                let name = a.name();
                &*name.namespace == XML_NAMESPACE && &*name.local == "lang"
            })
        {
            let value = found.value().to_ascii_lowercase();
            let wanted = wanted.to_ascii_lowercase();
            return value == wanted || value.starts_with(&format!("{wanted}-"));
        }
        at = here.parent();
    }
    false
}

impl Evaluation<'_> {
    pub(super) fn call(&self, name: &QName, args: &[Expr], at: &Place<'_>) -> Result<Value, Error> {
        let core = name.prefix.is_none() && CORE.iter().any(|(n, ..)| *n == &*name.local);
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.expr(arg, at)?);
        }
        if core {
            return self.core(&name.local, values, at);
        }
        let resolved = self.resolve(name)?;
        match self.environment.function(&resolved, &values, at) {
            Some(result) => result,
            None => Err(error(
                "Namespace Manager or XsltContext needed. This query has a prefix, variable, or user-defined function.",
            )),
        }
    }

    fn core(&self, name: &str, args: Vec<Value>, at: &Place<'_>) -> Result<Value, Error> {
        let text = |i: usize| match args.get(i) {
            Some(value) => value.to_text(),
            None => at.item.text(),
        };
        let number = |i: usize| match args.get(i) {
            Some(value) => value.to_number(),
            None => super::parse_number(&at.item.text()),
        };
        let flag = |i: usize| args.get(i).is_some_and(Value::to_bool);
        let nodes = |i: usize| match args.get(i) {
            Some(Value::Nodes(nodes)) => Ok(nodes.as_slice()),
            _ => Err(super::not_nodes()),
        };
        // The node of `name()` and its like: the argument's first, or the context node.
        let subject = || match args.first() {
            None => Ok(Some(at.item.clone())),
            Some(_) => Ok(nodes(0)?.first().cloned()),
        };
        self.spend(args.len() + 1)?;
        Ok(match name {
            "last" => Value::Number(at.size as f64),
            "position" => Value::Number(at.position as f64),
            "count" => Value::Number(nodes(0)?.len() as f64),
            "id" => Value::Nodes(self.by_id(args.first(), at)?),
            "local-name" => Value::Text(
                subject()?
                    .and_then(|i| i.name())
                    .map(|n| n.local.to_string())
                    .unwrap_or_default(),
            ),
            "namespace-uri" => Value::Text(
                subject()?
                    .and_then(|i| i.name())
                    .map(|n| n.namespace.to_string())
                    .unwrap_or_default(),
            ),
            "name" => Value::Text(subject()?.map(|i| i.qualified_name()).unwrap_or_default()),
            "string" => Value::Text(text(0)),
            "concat" => {
                let joined: String = args.iter().map(Value::to_text).collect();
                self.spend(joined.len() / 16)?;
                Value::Text(joined)
            }
            "starts-with" => Value::Bool(text(0).starts_with(&text(1))),
            "contains" => Value::Bool(text(0).contains(&text(1))),
            "substring-before" => {
                let (whole, part) = (text(0), text(1));
                Value::Text(
                    whole
                        .split_once(&part)
                        .map_or("", |(before, _)| before)
                        .to_owned(),
                )
            }
            "substring-after" => {
                let (whole, part) = (text(0), text(1));
                Value::Text(whole.split_once(&part).map_or("", |(_, after)| after).to_owned())
            }
            "substring" => Value::Text(substring(&text(0), number(1), args.get(2).map(Value::to_number))),
            "string-length" => Value::Number(units(&text(0)).len() as f64),
            "normalize-space" => Value::Text(normalize(&text(0))),
            "translate" => Value::Text(translate(&text(0), &text(1), &text(2))),
            "boolean" => Value::Bool(flag(0)),
            "not" => Value::Bool(!flag(0)),
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "lang" => Value::Bool(is_language(at.item, &text(0))),
            "number" => Value::Number(number(0)),
            "sum" => {
                let list = nodes(0)?;
                self.spend(list.len())?;
                Value::Number(list.iter().map(|n| super::parse_number(&n.text())).sum())
            }
            "floor" => Value::Number(number(0).floor()),
            "ceiling" => Value::Number(number(0).ceil()),
            _ => Value::Number(round(number(0))),
        })
    }

    /// `id()`: without a DTD no attribute is an ID but `xml:id`.
    fn by_id(&self, wanted: Option<&Value>, at: &Place<'_>) -> Result<Vec<Item>, Error> {
        let texts: Vec<String> = match wanted {
            Some(Value::Nodes(nodes)) => nodes.iter().map(Item::text).collect(),
            Some(other) => vec![other.to_text()],
            None => Vec::new(),
        };
        let ids: Vec<&str> = texts.iter().flat_map(|t| t.split_whitespace()).collect();
        let mut found = Vec::new();
        if let Item::Node(root) = at.item.root() {
            let all = root.descendants();
            self.spend(all.len())?;
            found.extend(all.into_iter().filter(|n| has_id(n, &ids)).map(Item::Node));
        }
        Ok(found)
    }
}

fn has_id(node: &Node, ids: &[&str]) -> bool {
    matches!(node.kind(), Kind::Element { .. })
        && node.attributes().iter().any(|a| {
            let name = a.name();
            &*name.namespace == XML_NAMESPACE && &*name.local == "id" && ids.contains(&&*a.value())
        })
}
