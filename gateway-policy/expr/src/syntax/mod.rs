//! From text to syntax tree: lexer, parser and tree of C# 7.3 as policies may write it.
//!
//! Never panics; nesting is bounded by [`parser::MAX_NESTING`]. A parse goes on
//! behind a syntax error (see `recover`), so that one mistake does not hide the others.

pub(crate) mod ast;
mod creation;
mod directive;
mod expression;
mod lexer;
pub(crate) mod parser;
mod query;
mod recover;
mod statement;
pub(crate) mod token;
mod types;

use crate::{Diagnostic, Span};
use ast::{Expr, ExprKind, Stmt, StmtKind};
use parser::Parser;

/// The two forms a policy expression has.
#[derive(Debug)]
pub(crate) enum Source {
    /// `@(…)` or bare text
    Expression(Box<Expr>),
    /// `@{…}`
    Block(Vec<Stmt>, Span),
}

/// A tree, with what is wrong in it: a tree with errors is looked at for further ones, never run.
pub(crate) struct Parsed {
    pub tree: Source,
    pub errors: Vec<Diagnostic>,
}

/// Parses `@(…)`, `@{…}` or a bare expression.
pub(crate) fn parse(source: &str) -> Parsed {
    let trimmed = source.trim();
    let start = source.len() - source.trim_start().len();
    let whole = Span {
        start,
        end: start + trimmed.len(),
    };
    let close = match trimmed.as_bytes() {
        [b'@', b'{', ..] => Some('}'),
        [b'@', b'(', ..] => Some(')'),
        _ => None,
    };
    let inner = match close {
        Some(c) if trimmed.len() > 2 && trimmed.ends_with(c) => Span {
            start: start + 2,
            end: whole.end - 1,
        },
        Some(c) => {
            let (code, message) = if c == '}' {
                ("CS1513", "} expected")
            } else {
                ("CS1026", ") expected")
            };
            let end = Span {
                start: whole.end,
                end: whole.end,
            };
            return Parsed {
                tree: Source::Expression(Box::new(Expr {
                    span: end,
                    kind: ExprKind::Error,
                })),
                errors: vec![Diagnostic::error(code, message, end)],
            };
        }
        None => whole,
    };
    let mut parser = Parser::new(source, inner);
    if close != Some('}') {
        parser.wrap_expression();
    }
    let statements = parser.block_body();
    let errors = parser.into_errors();
    if errors.is_empty() && close != Some('}') {
        return match <[Stmt; 1]>::try_from(statements) {
            Ok(
                [
                    Stmt {
                        kind: StmtKind::Return(Some(value)),
                        ..
                    },
                ],
            ) => Parsed {
                tree: Source::Expression(Box::new(unwrapped(value))),
                errors,
            },
            Ok([other]) => Parsed {
                tree: Source::Block(vec![other], inner),
                errors,
            },
            Err(statements) => Parsed {
                tree: Source::Block(statements, inner),
                errors,
            },
        };
    }
    Parsed {
        tree: Source::Block(statements, inner),
        errors,
    }
}

/// What stands in the parentheses that the expression was put into.
fn unwrapped(value: Expr) -> Expr {
    match value.kind {
        ExprKind::Paren(inner) => *inner,
        kind => Expr { kind, ..value },
    }
}
