//! The parser's cursor, error reporting and look-ahead helpers.

use super::{
    ast::{Expr, ExprKind, Ident},
    lexer,
    token::{Tok, Token},
};
use crate::{Diagnostic, Span};

/// Deepest nesting of expressions and statements. Real policies stay below 40; the bound keeps
/// parser, checker and evaluator, which recurse over the tree, within a 2 MiB thread stack.
pub(crate) const MAX_NESTING: usize = 96;

/// Most operands of one chain such as `a + b + c` or `a.b().c()`, for the same reason.
pub(crate) const MAX_CHAIN: usize = 400;

/// Most syntax errors of one expression. Recovery takes missing marks as there, so a bound on errors is
/// what bounds its work and memory on hostile input.
const MAX_ERRORS: usize = 100;

/// A syntax error has been recorded; unwinds to the caller that can go on.
#[derive(Debug)]
pub(crate) struct Syntax;

pub(crate) type Parse<T> = Result<T, Syntax>;

pub(crate) struct Parser<'a> {
    pub source: &'a str,
    pub tokens: Vec<Token>,
    pub at: usize,
    pub errors: Vec<Diagnostic>,
    pub depth: usize,
    /// Queries around the cursor: their keywords end operands.
    pub query_depth: usize,
    /// A `from` clause has taken the `select` that ends its query.
    pub query_done: bool,
    /// The source is a hole of an interpolated string.
    pub in_hole: bool,
    /// Inside `unsafe { … }`, which has been refused as a whole.
    pub pointers_allowed: bool,
    /// Inside an asynchronous function, which has been refused as a whole.
    pub in_async: bool,
    /// The rest of the source has been taken for members of the class around.
    pub left_method: bool,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(source: &'a str, range: Span) -> Self {
        let mut errors = Vec::new();
        let tokens = lexer::lex(source, range, &mut errors);
        Parser {
            source,
            tokens,
            at: 0,
            errors,
            depth: 0,
            query_depth: 0,
            query_done: false,
            in_hole: false,
            pointers_allowed: false,
            in_async: false,
            left_method: false,
        }
    }

    /// Makes `return (…);` of the tokens: the compiler sees a bare expression that way.
    pub(crate) fn wrap_expression(&mut self) {
        let start = self.span().start;
        let Some(end) = self.tokens.pop() else { return };
        let mark = |kind: Tok, at: usize| Token {
            kind,
            span: Span { start: at, end: at },
        };
        let inner = std::mem::take(&mut self.tokens);
        self.tokens.push(mark(Tok::Keyword("return"), start));
        self.tokens.push(mark(Tok::Op("("), start));
        self.tokens.extend(inner);
        if self.swallows() {
            self.tokens.push(end);
            return;
        }
        self.tokens.push(mark(Tok::Op(")"), end.span.start));
        self.tokens.push(mark(Tok::Op(";"), end.span.start));
        self.tokens.push(end);
    }

    /// Whether an unclosed comment or verbatim string took everything behind it.
    pub(crate) fn swallows(&self) -> bool {
        self.errors.iter().any(|e| matches!(e.code, "CS1035" | "CS1039"))
    }

    pub(crate) fn into_errors(mut self) -> Vec<Diagnostic> {
        self.errors.sort_by_key(|e| e.span.start);
        self.errors
    }

    pub(crate) fn peek(&self) -> &Tok {
        self.peek_at(0)
    }

    pub(crate) fn peek_at(&self, n: usize) -> &Tok {
        self.tokens
            .get(self.at + n)
            .or(self.tokens.last())
            .map_or(&Tok::End, |t| &t.kind)
    }

    pub(crate) fn span(&self) -> Span {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(Span::default(), |t| t.span)
    }

    /// Where the token before the cursor ends.
    pub(crate) fn last_end(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|i| self.tokens.get(i))
            .map_or(self.span().start, |t| t.span.end)
    }

    pub(crate) fn span_from(&self, start: usize) -> Span {
        Span {
            start,
            end: self.last_end().max(start),
        }
    }

    pub(crate) fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    pub(crate) fn is_op(&self, op: &str) -> bool {
        self.is_op_at(0, op)
    }

    pub(crate) fn is_op_at(&self, n: usize, op: &str) -> bool {
        matches!(self.peek_at(n), Tok::Op(o) if *o == op)
    }

    pub(crate) fn is_kw(&self, word: &str) -> bool {
        matches!(self.peek(), Tok::Keyword(k) if *k == word)
    }

    /// Whether the cursor is on the contextual keyword `word`.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Tok::Ident { name, verbatim: false } if &**name == word)
    }

    pub(crate) fn eat_op(&mut self, op: &str) -> bool {
        let hit = self.is_op(op);
        if hit {
            self.advance();
        }
        hit
    }

    pub(crate) fn eat_kw(&mut self, word: &str) -> bool {
        let hit = self.is_kw(word);
        if hit {
            self.advance();
        }
        hit
    }

    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let hit = self.is_word(word);
        if hit {
            self.advance();
        }
        hit
    }

    /// Takes the mark, or reports it as missing and goes on as if it were there.
    pub(crate) fn expect_op(&mut self, op: &'static str) -> Parse<()> {
        if self.eat_op(op) {
            return Ok(());
        }
        match op {
            ";" => self.report("CS1002", "; expected"),
            ")" => self.report("CS1026", ") expected"),
            "}" => self.report("CS1513", "} expected"),
            "{" => self.report("CS1514", "{ expected"),
            _ => self.report("CS1003", format!("Syntax error, '{op}' expected")),
        }
        Ok(())
    }

    pub(crate) fn expect_kw(&mut self, word: &'static str) -> Parse<()> {
        if !self.eat_kw(word) {
            self.report("CS1003", format!("Syntax error, '{word}' expected"));
        }
        Ok(())
    }

    /// Records an error that ends what is being parsed.
    pub(crate) fn fail<T>(&mut self, code: &'static str, message: impl Into<String>) -> Parse<T> {
        self.report(code, message);
        Err(Syntax)
    }

    /// Records an error at the cursor.
    pub(crate) fn report(&mut self, code: &'static str, message: impl Into<String>) {
        let span = match self.peek() {
            // A missing token is reported behind the one before it.
            _ if matches!(code, "CS1002" | "CS1026" | "CS1513" | "CS1003") => {
                let end = self.last_end();
                Span { start: end, end }
            }
            _ => self.span(),
        };
        self.errors.push(Diagnostic::error(code, message, span));
        if self.errors.len() >= MAX_ERRORS {
            // Nothing is learnt from more: the rest is not looked at.
            self.at = self.tokens.len().saturating_sub(1);
        }
    }

    pub(crate) fn ident(&mut self) -> Parse<Ident> {
        if let Tok::Ident { name, .. } = self.peek() {
            let ident = Ident {
                name: name.clone(),
                span: self.span(),
            };
            self.advance();
            return Ok(ident);
        }
        match self.peek() {
            Tok::Keyword(k) => {
                let message = format!("Identifier expected; '{k}' is a keyword");
                self.report("CS1041", message);
            }
            _ => self.report("CS1001", "Identifier expected"),
        }
        // A name that nobody can write stands for the one that is missing.
        let start = self.span().start;
        let span = Span { start, end: start };
        Ok(Ident {
            name: "".into(),
            span,
        })
    }

    /// Pointers are refused, once with a block around them that allows them.
    pub(crate) fn pointer(&mut self) {
        if !self.pointers_allowed {
            let message = "Pointers and fixed size buffers may only be used in an unsafe context";
            self.report("CS0214", message);
        }
    }

    /// Text of the token under the cursor for messages.
    pub(crate) fn token_text(&self) -> String {
        let span = self.span();
        self.source.get(span.start..span.end).unwrap_or("").to_owned()
    }

    /// Runs `inner` one level deeper, refusing what nests beyond [`MAX_NESTING`].
    pub(crate) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_NESTING {
            return self.fail("CS8078", "An expression is too long or complex to compile");
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Tries `inner`; on failure or `None` puts cursor and errors back.
    pub(crate) fn attempt<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parse<Option<T>>) -> Option<T> {
        let (at, errors, depth) = (self.at, self.errors.len(), self.depth);
        match inner(self) {
            Ok(Some(value)) if self.errors.len() == errors => Some(value),
            _ => {
                self.at = at;
                self.errors.truncate(errors);
                self.depth = depth;
                None
            }
        }
    }

    /// What stands between parentheses: `e`, or `(a, b: c)` as a tuple. The closing mark is left.
    pub(crate) fn tuple_or_expression(&mut self, start: usize) -> Parse<Expr> {
        let mut parts = Vec::new();
        loop {
            let named = matches!(self.peek(), Tok::Ident { .. }) && self.is_op_at(1, ":");
            let name = if named { Some(self.ident()?) } else { None };
            if named {
                self.advance();
            }
            parts.push((name, self.expression()?));
            if !self.eat_op(",") {
                break;
            }
        }
        if parts.len() == 1 && parts.first().is_some_and(|(name, _)| name.is_none()) {
            return parts.pop().map(|(_, e)| e).ok_or(Syntax);
        }
        if parts.len() == 1 {
            self.report("CS8124", "Tuple must contain at least two elements.");
        }
        Ok(Expr {
            span: self.span_from(start),
            kind: ExprKind::Tuple(parts),
        })
    }
}
