//! Compiled XML schemas: declarations, types and content models, referring to each other by index.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    builtin::{Primitive, Space},
    identity::Constraint,
    particle::Program,
    pattern::Pattern,
    value::Value,
};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) struct $name(pub(super) usize);
    )*};
}

ids! {
    /// Of a type.
    TypeId
    /// Of an element declaration.
    ElementId
    /// Of an attribute declaration.
    AttributeId
}

/// A name with its namespace; an empty one is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct QName {
    pub(super) uri: Arc<str>,
    pub(super) local: Arc<str>,
}

impl fmt::Display for QName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.uri.is_empty() {
            f.write_str(&self.local)
        } else {
            write!(f, "{}:{}", self.uri, self.local)
        }
    }
}

/// Components by name.
#[derive(Debug)]
pub(super) struct Table<T>(HashMap<Arc<str>, HashMap<Arc<str>, T>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Copy> Table<T> {
    pub(super) fn get(&self, uri: &str, local: &str) -> Option<T> {
        self.0.get(uri)?.get(local).copied()
    }

    /// What was there before.
    pub(super) fn insert(&mut self, name: &QName, value: T) -> Option<T> {
        let space = self.0.entry(Arc::clone(&name.uri)).or_default();
        space.insert(Arc::clone(&name.local), value)
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }
}

/// How a type comes from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Methods(pub(super) u8);

impl Methods {
    pub(super) const EXTENSION: Self = Self(1);
    pub(super) const RESTRICTION: Self = Self(2);
    pub(super) const SUBSTITUTION: Self = Self(4);
    pub(super) const ALL: Self = Self(7);

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An element declaration.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: QName,
    pub(super) ty: TypeId,
    pub(super) nillable: bool,
    pub(super) is_abstract: bool,
    pub(super) default: Option<Arc<str>>,
    pub(super) fixed: Option<Arc<str>>,
    pub(super) block: Methods,
    pub(super) head: Option<ElementId>,
    pub(super) constraints: Vec<Arc<Constraint>>,
}

/// An attribute declaration.
#[derive(Debug)]
pub(super) struct AttributeDecl {
    pub(super) name: QName,
    pub(super) ty: TypeId,
    pub(super) fixed: Option<Arc<str>>,
}

/// An attribute in a type.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) attribute: AttributeId,
    pub(super) required: bool,
    pub(super) fixed: Option<Arc<str>>,
}

/// A type; `Pending` only while a schema is read.
#[derive(Debug)]
pub(super) enum Type {
    Pending,
    Simple(Arc<Simple>),
    Complex(Arc<Complex>),
}

/// A simple type.
#[derive(Clone, Debug)]
pub(super) struct Simple {
    pub(super) name: Option<QName>,
    pub(super) base: TypeId,
    pub(super) variety: Variety,
    pub(super) space: Space,
    /// The nearest built-in type above.
    pub(super) builtin: usize,
    pub(super) facets: Facets,
    /// Methods by which nothing may come from it.
    pub(super) block: Methods,
}

#[derive(Clone, Debug)]
pub(super) enum Variety {
    Atomic(Primitive),
    List(TypeId),
    Union(Vec<TypeId>),
}

/// A bound and whether it is within.
pub(super) type Bound = (Value, bool);

/// What a restriction asks of a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Facets {
    pub(super) length: Option<u64>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    /// Of each step of derivation one must match.
    pub(super) patterns: Vec<Arc<Vec<Pattern>>>,
    pub(super) enumeration: Option<Arc<Vec<Value>>>,
    pub(super) min: Option<Bound>,
    pub(super) max: Option<Bound>,
    pub(super) total_digits: Option<u64>,
    pub(super) fraction_digits: Option<u64>,
}

/// A complex type.
#[derive(Debug)]
pub(super) struct Complex {
    pub(super) name: Option<QName>,
    pub(super) base: TypeId,
    pub(super) method: Methods,
    pub(super) is_abstract: bool,
    pub(super) block: Methods,
    pub(super) mixed: bool,
    pub(super) content: Content,
    /// The particle the content was made of; an extension goes on behind it.
    pub(super) particle: Option<Particle>,
    pub(super) uses: Vec<Use>,
    pub(super) wildcard: Option<Wildcard>,
}

/// What an element holds.
#[derive(Debug)]
pub(super) enum Content {
    Empty,
    Simple(TypeId),
    Model(Arc<Program>),
    /// Each at most once, in any order; with the flag nothing at all is right as well.
    All(Vec<(ElementId, bool)>, bool),
}

/// A part of a content model and how often it occurs; no `max`: without bound.
#[derive(Clone, Debug)]
pub(super) struct Particle {
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    pub(super) term: Arc<Term>,
}

impl Particle {
    /// The same without a level that says nothing: one part, repeated within repetitions. `None`: as it is.
    pub(super) fn flattened(&self) -> Option<Particle> {
        let mut out: Option<Particle> = None;
        for _ in 0..NULLABLE_DEPTH_MAX {
            let here = out.as_ref().unwrap_or(self);
            let (Term::Sequence(parts) | Term::Choice(parts)) = &*here.term else {
                break;
            };
            let [inner] = parts.as_slice() else {
                break;
            };
            // Turns of at least two leave gaps: (a{2}){1,2} is no a{2,4}.
            let gapless = inner.min <= 1 && inner.max != Some(0);
            if !gapless && (here.min, here.max) != (1, Some(1)) {
                break;
            }
            let max = match (here.max, inner.max) {
                (Some(a), Some(b)) => a.checked_mul(b),
                (Some(0), None) | (None, Some(0)) => Some(0),
                _ => None,
            };
            out = Some(Particle {
                min: here.min.saturating_mul(inner.min),
                max,
                term: Arc::clone(&inner.term),
            });
        }
        out
    }
}

#[derive(Debug)]
pub(super) enum Term {
    Element(ElementId),
    Any(Wildcard),
    Sequence(Vec<Particle>),
    Choice(Vec<Particle>),
    All(Vec<Particle>),
}

/// Levels looked at for what can be empty.
const NULLABLE_DEPTH_MAX: usize = 40;

impl Term {
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Term::Element(_) | Term::Any(_))
    }

    /// It can be nothing. Beyond some depth the answer is yes, which only admits more.
    pub(super) fn is_nullable(&self, depth: usize) -> bool {
        let empty = |p: &Particle| p.min == 0 || p.term.is_nullable(depth + 1);
        depth > NULLABLE_DEPTH_MAX
            || match self {
                Term::Element(_) | Term::Any(_) => false,
                Term::Sequence(parts) | Term::All(parts) => parts.iter().all(empty),
                Term::Choice(parts) => parts.is_empty() || parts.iter().any(empty),
            }
    }
}

/// Any element or attribute of some namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    pub(super) namespaces: Namespaces,
    pub(super) process: Process,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Namespaces {
    Any,
    /// All but this one, and not none.
    Other(Arc<str>),
    These(Vec<Arc<str>>),
}

/// How what stands for a wildcard is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Strict,
    Lax,
    Skip,
}

impl Namespaces {
    pub(super) fn admits(&self, uri: &str) -> bool {
        match self {
            Namespaces::Any => true,
            Namespaces::Other(not) => !uri.is_empty() && *uri != **not,
            Namespaces::These(list) => list.iter().any(|u| **u == *uri),
        }
    }

    /// Of both (§3.10.6, "Attribute Wildcard Intersection"); `None`: it cannot be said.
    pub(super) fn intersection(&self, other: &Namespaces) -> Option<Namespaces> {
        use Namespaces::{Any, Other, These};
        Some(match (self, other) {
            (Any, x) | (x, Any) => x.clone(),
            (These(list), x) | (x, These(list)) => {
                These(list.iter().filter(|u| x.admits(u)).cloned().collect())
            }
            (Other(a), Other(b)) if a == b || b.is_empty() => Other(Arc::clone(a)),
            (Other(a), Other(b)) if a.is_empty() => Other(Arc::clone(b)),
            (Other(_), Other(_)) => return None,
        })
    }

    /// Of either (§3.10.6, "Attribute Wildcard Union"); `None`: it cannot be said.
    pub(super) fn union(&self, other: &Namespaces) -> Option<Namespaces> {
        use Namespaces::{Any, Other, These};
        Some(match (self, other) {
            (Any, _) | (_, Any) => Any,
            (These(a), These(b)) => {
                let more = b.iter().filter(|u| !a.contains(u));
                These(a.iter().chain(more).cloned().collect())
            }
            (Other(a), Other(b)) if a == b => Other(Arc::clone(a)),
            (Other(_), Other(_)) => Other("".into()),
            (Other(not), These(list)) | (These(list), Other(not)) => {
                let (own, none) = (list.contains(not), list.iter().any(|u| u.is_empty()));
                match (own, none || not.is_empty()) {
                    (true, true) => Any,
                    (true, false) => Other("".into()),
                    (false, true) if !not.is_empty() => return None,
                    _ => Other(Arc::clone(not)),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_meet_and_join() {
        use Namespaces::{Any, Other, These};
        let these = |list: &[&str]| These(list.iter().map(|u| Arc::from(*u)).collect());
        let other = |u: &str| Other(u.into());
        for (a, b, meet, join) in [
            (Any, other("a"), Some(other("a")), Some(Any)),
            (
                these(&["a", "b"]),
                these(&["b", "c"]),
                Some(these(&["b"])),
                Some(these(&["a", "b", "c"])),
            ),
            (
                other("a"),
                these(&["a", "b"]),
                Some(these(&["b"])),
                Some(other("")),
            ),
            (other("a"), these(&["a", ""]), Some(these(&[])), Some(Any)),
            (other("a"), these(&["b", ""]), Some(these(&["b"])), None),
            (other("a"), other("b"), None, Some(other(""))),
            (other("a"), other(""), Some(other("a")), Some(other(""))),
        ] {
            assert_eq!(a.intersection(&b), meet, "{a:?} {b:?}");
            assert_eq!(a.union(&b), join, "{a:?} {b:?}");
            assert_eq!(b.union(&a).is_some(), join.is_some(), "{b:?} {a:?}");
        }
        assert!(!other("a").admits("") && other("a").admits("b") && !other("a").admits("a"));
    }
}
