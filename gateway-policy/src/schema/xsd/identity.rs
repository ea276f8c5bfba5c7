//! `unique`, `key` and `keyref`: which values stand for what, found after an element has been checked.
//!
//! Source: XML Schema 1.0 part 1, §3.11, whose subset of XPath is the one read here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    load::{At, Loaded, Loader},
    model::QName,
    short,
    tree::{NONE, Tree},
    validate::{Budget, Stop},
};

/// Steps of one path, and paths of one selector or field.
const STEPS_MAX: usize = 50;
/// Fields of one constraint.
const FIELDS_MAX: usize = 50;

/// An identity constraint of an element.
#[derive(Debug)]
pub(super) struct Constraint {
    pub(super) name: QName,
    pub(super) kind: Kind,
    selector: Vec<Path>,
    fields: Vec<Vec<Path>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unique,
    Key,
    /// To the key of this name.
    Reference(QName),
}

#[derive(Debug)]
struct Path {
    /// `.//` in front.
    deep: bool,
    steps: Vec<Test>,
    attribute: Option<Test>,
}

#[derive(Debug)]
enum Test {
    Any,
    Namespace(Arc<str>),
    Name(QName),
}

impl Test {
    fn admits(&self, uri: &str, local: &str) -> bool {
        match self {
            Test::Any => true,
            Test::Namespace(own) => **own == *uri,
            Test::Name(name) => *name.local == *local && *name.uri == *uri,
        }
    }
}

/// Reads a constraint.
pub(super) fn read(loader: &mut Loader<'_>, at: At) -> Loaded<Constraint> {
    let name = loader.own_name(at)?;
    let kind = match loader.local(at) {
        "unique" => Kind::Unique,
        "key" => Kind::Key,
        _ => match loader.attribute(at, "refer") {
            Some(text) => Kind::Reference(loader.resolve(at, &text)?),
            None => return loader.wrong(at, "`keyref` needs `refer`"),
        },
    };
    let (mut selector, mut fields) = (None, Vec::new());
    for (child, local) in loader.children(at)? {
        let Some(text) = loader.attribute(child, "xpath") else {
            return loader.wrong(child, format!("`{local}` needs `xpath`"));
        };
        match local {
            "selector" if selector.is_none() => selector = Some(paths(loader, child, &text, false)?),
            "field" if fields.len() < FIELDS_MAX => fields.push(paths(loader, child, &text, true)?),
            other => return loader.wrong(child, format!("`{other}` has no place here")),
        }
    }
    match selector {
        Some(selector) if !fields.is_empty() => Ok(Constraint {
            name,
            kind,
            selector,
            fields,
        }),
        _ => loader.wrong(at, format!("`{name}` needs a `selector` and a `field`")),
    }
}

fn paths(loader: &mut Loader<'_>, at: At, text: &str, field: bool) -> Loaded<Vec<Path>> {
    let mut out = Vec::new();
    for alternative in text.split('|') {
        if out.len() >= STEPS_MAX {
            return loader.wrong(at, format!("more than {STEPS_MAX} paths"));
        }
        out.push(path(loader, at, alternative, field)?);
    }
    Ok(out)
}

fn path(loader: &mut Loader<'_>, at: At, text: &str, field: bool) -> Loaded<Path> {
    let packed: String = text.split_ascii_whitespace().collect();
    let bad = |loader: &Loader<'_>| -> Loaded<Path> {
        let message = format!(
            "`{}` is beyond the XPath that XML Schema admits here",
            short(text)
        );
        loader.wrong(at, message)
    };
    let (deep, rest) = match packed.strip_prefix(".//") {
        Some(rest) => (true, rest),
        None => (false, packed.as_str()),
    };
    let mut path = Path {
        deep,
        steps: Vec::new(),
        attribute: None,
    };
    let steps: Vec<&str> = rest.split('/').collect();
    if steps.len() > STEPS_MAX {
        return bad(loader);
    }
    for (i, step) in steps.iter().enumerate() {
        let last = i + 1 == steps.len();
        if *step == "." {
            continue;
        }
        let attribute = step
            .strip_prefix('@')
            .or_else(|| step.strip_prefix("attribute::"));
        let name = attribute.or_else(|| step.strip_prefix("child::")).unwrap_or(step);
        let test = if name == "*" {
            Test::Any
        } else if let Some(prefix) = name.strip_suffix(":*") {
            match loader.tree(at.part).lookup(at.node, prefix).map(str::to_owned) {
                Some(uri) if !prefix.is_empty() => Test::Namespace(loader.shared(&uri)),
                _ => return bad(loader),
            }
        } else if name.contains(':') {
            Test::Name(loader.resolve(at, name)?)
        } else if super::value::is_ncname(name) {
            // Without a prefix a name is of no namespace, whatever the default is.
            Test::Name(loader.name("", name))
        } else {
            return bad(loader);
        };
        match attribute {
            Some(_) if field && last => path.attribute = Some(test),
            Some(_) => return bad(loader),
            None => path.steps.push(test),
        }
    }
    Ok(path)
}

/// Sees to it that every reference has its key.
pub(super) fn link(loader: &mut Loader<'_>) -> Loaded<()> {
    let mut fields: HashMap<QName, usize> = HashMap::new();
    let start = At { part: 0, node: 0 };
    let all: Vec<Arc<Constraint>> = loader
        .out
        .elements
        .iter()
        .flat_map(|e| e.constraints.iter().cloned())
        .collect();
    for constraint in &all {
        let before = fields.insert(constraint.name.clone(), constraint.fields.len());
        if before.is_some() {
            return loader.wrong(
                start,
                format!("the identity constraint `{}` is declared twice", constraint.name),
            );
        }
    }
    for constraint in &all {
        let Kind::Reference(key) = &constraint.kind else {
            continue;
        };
        let target = all
            .iter()
            .find(|c| c.name == *key && !matches!(c.kind, Kind::Reference(_)));
        if target.is_none_or(|t| t.fields.len() != constraint.fields.len()) {
            let message = format!("`{}` refers to no key of as many fields", constraint.name);
            return loader.wrong(start, message);
        }
    }
    Ok(())
}

/// Keys found below an element, by constraint.
pub(super) type Tables = HashMap<QName, HashSet<String>>;

/// Values as they compare, by node and number of the attribute ([`NONE`] for the element's own).
pub(super) type Values = HashMap<(usize, usize), String>;

/// What does not hold, and the node.
pub(super) struct Broken {
    pub(super) node: usize,
    pub(super) message: String,
}

/// Finds the keys of an element's constraints among `values`; enters them into `tables`, which hold those of the
/// elements inside.
pub(super) fn check(
    constraints: &[Arc<Constraint>],
    tree: &Tree<'_>,
    node: usize,
    values: &Values,
    tables: &mut Tables,
    budget: &mut Budget,
) -> Result<Vec<Broken>, Stop> {
    let mut broken = Vec::new();
    let references = |c: &&Arc<Constraint>| matches!(c.kind, Kind::Reference(_));
    for constraint in constraints.iter().filter(|c| !references(c)) {
        let mut own = HashSet::new();
        for target in select(&constraint.selector, tree, node, budget)? {
            match constraint.key(tree, target, values, budget)? {
                Key::Whole(key) if own.contains(&key) => {
                    let message = format!(
                        "There is a duplicate key sequence '{}' for the '{}' key or unique identity constraint.",
                        short(&shown(&key)),
                        constraint.name
                    );
                    broken.push(Broken {
                        node: target,
                        message,
                    });
                }
                Key::Whole(key) => {
                    own.insert(key);
                }
                Key::Wrong(message) => broken.push(Broken {
                    node: target,
                    message,
                }),
                Key::Partial if constraint.kind == Kind::Key => {
                    let message = format!(
                        "The identity constraint '{}' validation has failed. Either a key is missing or the existing key has an empty node.",
                        constraint.name
                    );
                    broken.push(Broken {
                        node: target,
                        message,
                    });
                }
                Key::Partial => {}
            }
        }
        tables.entry(constraint.name.clone()).or_default().extend(own);
    }
    for constraint in constraints.iter().filter(references) {
        let Kind::Reference(name) = &constraint.kind else {
            continue;
        };
        for target in select(&constraint.selector, tree, node, budget)? {
            let key = match constraint.key(tree, target, values, budget)? {
                Key::Whole(key) => key,
                Key::Partial => continue,
                Key::Wrong(message) => {
                    broken.push(Broken {
                        node: target,
                        message,
                    });
                    continue;
                }
            };
            if !tables.get(name).is_some_and(|known| known.contains(&key)) {
                let message = format!(
                    "The key sequence '{}' in '{}' Keyref fails to refer to some key.",
                    short(&shown(&key)),
                    constraint.name
                );
                broken.push(Broken {
                    node: target,
                    message,
                });
            }
        }
    }
    Ok(broken)
}

/// The values of all fields of one node.
enum Key {
    Whole(String),
    /// One is missing.
    Partial,
    /// They cannot be told, and why.
    Wrong(String),
}

/// A key sequence for people: without the marks of kinds.
fn shown(key: &str) -> String {
    let parts: Vec<&str> = key.split('\u{1}').map(|p| p.get(1..).unwrap_or("")).collect();
    parts.join(" ")
}

impl Constraint {
    /// The values of all fields.
    fn key(&self, tree: &Tree<'_>, target: usize, values: &Values, budget: &mut Budget) -> Result<Key, Stop> {
        let mut parts = Vec::new();
        for field in &self.fields {
            let mut found = None;
            let mut count = 0;
            for path in field {
                for node in reach(path, tree, target, budget)? {
                    let value = match &path.attribute {
                        None => match values.get(&(node, NONE)) {
                            None if tree.attribute(node, super::XSI, "nil").is_none() => {
                                let message = "The field is expecting an element or attribute with simple type or simple content.";
                                return Ok(Key::Wrong(message.to_owned()));
                            }
                            value => value,
                        },
                        Some(test) => {
                            let attributes = tree.attributes(node).iter().enumerate();
                            let mut fitting = attributes.filter(|(_, a)| test.admits(tree.uri(a), a.local));
                            fitting.next().and_then(|(i, _)| values.get(&(node, i)))
                        }
                    };
                    count += usize::from(value.is_some());
                    found = found.or(value);
                }
            }
            if count > 1 {
                return Ok(Key::Wrong(
                    "The field is expecting at the most one value.".to_owned(),
                ));
            }
            match found {
                Some(value) => parts.push(value.as_str()),
                None => return Ok(Key::Partial),
            }
        }
        Ok(Key::Whole(parts.join("\u{1}")))
    }
}

fn select(paths: &[Path], tree: &Tree<'_>, node: usize, budget: &mut Budget) -> Result<Vec<usize>, Stop> {
    let mut out = Vec::new();
    for path in paths {
        out.extend(reach(path, tree, node, budget)?);
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// The nodes at the end of a path.
fn reach(path: &Path, tree: &Tree<'_>, node: usize, budget: &mut Budget) -> Result<Vec<usize>, Stop> {
    let mut here = vec![node];
    if path.deep {
        let mut at = 0;
        while let Some(next) = here.get(at).copied() {
            here.extend(tree.elements(next));
            budget.spend(1)?;
            at += 1;
        }
    }
    for step in &path.steps {
        let mut next = Vec::new();
        for node in here {
            for child in tree.elements(node) {
                budget.spend(1)?;
                let (uri, local) = tree.name(child);
                if step.admits(uri, local) {
                    next.push(child);
                }
            }
        }
        here = next;
    }
    Ok(here)
}
