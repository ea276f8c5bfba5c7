//! From text to syntax tree: lexer, parser and tree of C# 7.3 as policies may write it.
//!
//! Never panics; nesting is bounded by [`parser::MAX_NESTING`]. The first syntax error ends a parse.

pub(crate) mod ast;
mod expression;
mod lexer;
pub(crate) mod parser;
mod query;
mod statement;
pub(crate) mod token;
mod types;

use crate::{Diagnostic, Span};
use ast::{Expr, Stmt};
use parser::Parser;

/// The two forms a policy expression has.
#[derive(Debug)]
pub(crate) enum Source {
    /// `@(…)` or bare text
    Expression(Box<Expr>),
    /// `@{…}`
    Block(Vec<Stmt>, Span),
}

/// Parses `@(…)`, `@{…}` or a bare expression.
pub(crate) fn parse(source: &str) -> Result<Source, Vec<Diagnostic>> {
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
            return Err(vec![Diagnostic::error(
                code,
                message,
                Span {
                    start: whole.end,
                    end: whole.end,
                },
            )]);
        }
        None => whole,
    };
    let mut parser = Parser::new(source, inner);
    let tree = if close == Some('}') {
        parser.block_body().map(|body| Source::Block(body, inner))
    } else {
        parser
            .parenthesized_content()
            .map(|e| Source::Expression(Box::new(e)))
    };
    match tree {
        Ok(tree) if parser.errors.is_empty() => Ok(tree),
        _ => Err(parser.into_errors()),
    }
}
