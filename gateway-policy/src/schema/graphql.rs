//! GraphQL schemas and requests, read by `apollo-compiler` within limits.

use std::{collections::HashMap, fmt};

use apollo_compiler::{
    ExecutableDocument, Name, Schema,
    executable::{Selection, SelectionSet},
    parser::Parser,
    validation::Valid,
};

/// Nesting of a request: the reader recurses. The documented depth is far below.
const NESTING_MAX: usize = 100;
/// Tokens of a request of at most 100 KB.
const TOKENS_MAX: usize = 20_000;
/// Errors listed for one request.
const ERRORS_MAX: usize = 10;

/// A valid GraphQL schema.
pub struct GraphQlSchema(Valid<Schema>);

impl fmt::Debug for GraphQlSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphQlSchema")
            .field("types", &self.0.types.len())
            .finish()
    }
}

impl GraphQlSchema {
    /// Reads a schema.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        match Schema::parse_and_validate(text, "schema.graphql") {
            Ok(schema) => Ok(Self(schema)),
            Err(errors) => Err(first(&errors.errors)),
        }
    }

    /// The request, valid against the schema, or what is wrong with it.
    pub(crate) fn request(&self, query: &str) -> Result<ExecutableDocument, Vec<String>> {
        let mut parser = Parser::new().recursion_limit(NESTING_MAX).token_limit(TOKENS_MAX);
        let read = parser.parse_executable(&self.0, query, "query");
        let document = read.map_err(|errors| all(&errors.errors))?;
        let valid = document.validate(&self.0).map_err(|errors| all(&errors.errors))?;
        Ok(valid.into_inner())
    }
}

fn first(errors: &apollo_compiler::validation::DiagnosticList) -> String {
    all(errors).into_iter().next().unwrap_or_default()
}

fn all(errors: &apollo_compiler::validation::DiagnosticList) -> Vec<String> {
    errors
        .iter()
        .take(ERRORS_MAX)
        .map(|e| e.error.to_string())
        .collect()
}

/// How much a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Levels of fields inside each other, the deepest operation's.
    pub(crate) depth: u64,
    /// Levels of all operations together.
    pub(crate) total_depth: u64,
    /// Fields of all operations, a fragment's wherever it is spread; as many as fit a `u64`.
    pub(crate) fields: u64,
}

pub(crate) fn size(document: &ExecutableDocument) -> Size {
    let mut known = HashMap::new();
    let mut all = Size::default();
    for operation in document.operations.iter() {
        let (depth, fields) = size_of(document, &operation.selection_set, &mut known);
        all.depth = all.depth.max(depth);
        all.total_depth = all.total_depth.saturating_add(depth);
        all.fields = all.fields.saturating_add(fields);
    }
    all
}

/// Levels and fields. A valid document nests without end nowhere, and each fragment is looked at once.
fn size_of(
    document: &ExecutableDocument,
    set: &SelectionSet,
    known: &mut HashMap<Name, (u64, u64)>,
) -> (u64, u64) {
    let (mut deepest, mut all) = (0, 0u64);
    for selection in &set.selections {
        let (depth, fields) = match selection {
            Selection::Field(field) => {
                let (depth, fields) = size_of(document, &field.selection_set, known);
                (depth + 1, fields.saturating_add(1))
            }
            Selection::InlineFragment(inline) => size_of(document, &inline.selection_set, known),
            Selection::FragmentSpread(spread) => match known.get(&spread.fragment_name) {
                Some(size) => *size,
                None => {
                    let fragment = document.fragments.get(&spread.fragment_name);
                    let size = fragment.map_or((0, 0), |f| size_of(document, &f.selection_set, known));
                    known.insert(spread.fragment_name.clone(), size);
                    size
                }
            },
        };
        deepest = deepest.max(depth);
        all = all.saturating_add(fields);
    }
    (deepest, all)
}

/// What is done about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Remove,
}

/// Takes fields out of a set; `judge` sees type and name of each. True: nothing is left of it.
pub(crate) fn filter<E>(
    set: &mut SelectionSet,
    judge: &mut impl FnMut(&str, &str) -> Result<Verdict, E>,
) -> Result<bool, E> {
    let mut kept = Vec::with_capacity(set.selections.len());
    for mut selection in std::mem::take(&mut set.selections) {
        let keep = match &mut selection {
            Selection::Field(field) => {
                let own = judge(&set.ty, &field.name)?;
                let had_more = !field.selection_set.selections.is_empty();
                let emptied =
                    own == Verdict::Keep && had_more && filter(&mut field.make_mut().selection_set, judge)?;
                // Without a selection an object is no valid field.
                own == Verdict::Keep && !emptied
            }
            Selection::InlineFragment(inline) => !filter(&mut inline.make_mut().selection_set, judge)?,
            Selection::FragmentSpread(_) => true,
        };
        if keep {
            kept.push(selection);
        }
    }
    set.selections = kept;
    Ok(set.selections.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str =
        "type Query { user(id: ID!): User, all: [User] } type User { name: String, friend: User }";

    #[test]
    fn requests_are_valid_or_say_why_not() {
        let schema = GraphQlSchema::new(SCHEMA).unwrap();
        for (query, expected) in [
            ("{ all { name } }", Ok((2, 2, 2))),
            (
                "query($i: ID!) { user(id: $i) { ...F } } fragment F on User { friend { friend { name } } }",
                Ok((4, 4, 4)),
            ),
            ("{ __schema { types { name } } }", Ok((3, 3, 3))),
            (
                "query A { all { ...F } a: all { ...F } } query B { all { name } } fragment F on User { name friend { name } }",
                Ok((3, 5, 10)),
            ),
            ("{ none }", Err("type `Query` does not have a field `none`")),
            (
                "{ user { name } }",
                Err("the required argument `Query.user(id:)` is not provided"),
            ),
            ("{ all { name }", Err("syntax error")),
            (
                "{ all { ...F } } fragment F on User { friend { ...F } }",
                Err("cannot reference itself"),
            ),
        ] {
            match (schema.request(query), expected) {
                (Ok(document), Ok((depth, total_depth, fields))) => {
                    let expected = Size {
                        depth,
                        total_depth,
                        fields,
                    };
                    assert_eq!(size(&document), expected, "{query}");
                }
                (Err(errors), Err(part)) => {
                    assert!(errors.iter().any(|e| e.contains(part)), "{query}: {errors:?}");
                }
                (got, _) => panic!("{query}: {:?}", got.map(|_| ())),
            }
        }
        assert!(GraphQlSchema::new("type Query { a: None }").is_err());
    }

    #[test]
    fn hostile_requests_end() {
        let schema = GraphQlSchema::new(SCHEMA).unwrap();
        let deep = format!(
            "{{ all {}name{} }}",
            "{ friend ".repeat(20_000),
            "}".repeat(20_000)
        );
        assert!(schema.request(&deep).is_err());
        let wide = format!("{{ {} }}", "all { name } ".repeat(20_000));
        assert!(schema.request(&wide).is_err());
        // Each fragment doubles: 2^40 fields if they were written out.
        let mut bomb = String::from("{ all { ...F0 } } ");
        for i in 0..40 {
            bomb += &format!(
                "fragment F{i} on User {{ a: friend {{ ...F{} }} b: friend {{ ...F{} }} }} ",
                i + 1,
                i + 1
            );
        }
        bomb += "fragment F40 on User { name }";
        let began = std::time::Instant::now();
        let read = schema.request(&bomb);
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        if let Ok(document) = read {
            let size = size(&document);
            assert_eq!(size.depth, 42);
            assert!(size.fields > 1 << 40);
        }
    }
}
