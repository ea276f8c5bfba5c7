//! Going on after a syntax error, as the C# compiler does: what is missing is reported once and taken as
//! there, what is in the way is reported once and skipped.

use super::{parser::Parser, token::Tok, types::PREDEFINED};

/// Keywords that start an expression, predefined types aside.
const TERMS: &[&str] = &[
    "base",
    "this",
    "typeof",
    "sizeof",
    "checked",
    "unchecked",
    "new",
    "delegate",
    "null",
    "true",
    "false",
    "default",
    "throw",
    "ref",
    "stackalloc",
];

/// Keywords that start a statement and no expression.
const STATEMENTS: &[&str] = &[
    "if",
    "while",
    "do",
    "for",
    "foreach",
    "switch",
    "break",
    "continue",
    "return",
    "try",
    "using",
    "lock",
    "goto",
    "const",
    "fixed",
    "unsafe",
    "static",
    "public",
    "private",
    "protected",
    "internal",
    "readonly",
    "virtual",
    "override",
    "abstract",
    "sealed",
    "volatile",
    "extern",
    "namespace",
    "class",
    "struct",
    "enum",
    "interface",
    "catch",
    "finally",
];

impl Parser<'_> {
    /// Whether an expression can start at the cursor.
    pub(crate) fn possible_expression(&self) -> bool {
        match self.peek() {
            Tok::Op(o) => {
                // A binary operator too: its left side is what is missing.
                !matches!(
                    *o,
                    ")" | "]"
                        | "{"
                        | "}"
                        | "["
                        | ";"
                        | ","
                        | ":"
                        | "."
                        | "?"
                        | "?."
                        | "::"
                        | "->"
                        | "=>"
                        | "@"
                )
            }
            Tok::Keyword(k) => TERMS.contains(k) || PREDEFINED.contains(k),
            Tok::End => false,
            _ => true,
        }
    }

    fn possible_argument(&self) -> bool {
        self.possible_expression() || matches!(self.peek(), Tok::Keyword("ref" | "out" | "in"))
    }

    /// Whether a statement can start at the cursor.
    pub(crate) fn possible_statement(&self) -> bool {
        match self.peek() {
            Tok::Op("{" | ";") => true,
            Tok::Keyword(k) if STATEMENTS.contains(k) => true,
            _ => self.possible_expression(),
        }
    }

    /// Where skipping inside a list stops at the latest.
    fn stops(&self, close: &str) -> bool {
        self.is_op(close) || self.is_op(";") || matches!(self.peek(), Tok::End) || self.possible_statement()
    }

    /// Between two members of a list: true to read another member. A missing comma is reported and taken
    /// as there; what cannot be a member is reported and skipped.
    pub(crate) fn next_in_list(&mut self, close: &'static str, first: bool) -> bool {
        let braces = close == "}";
        loop {
            if self.is_op(close) || self.is_op(";") || matches!(self.peek(), Tok::End) {
                return false;
            }
            let possible = if braces {
                self.possible_expression() || self.is_op("{") || self.is_op("[")
            } else {
                self.possible_argument()
            };
            if first && possible {
                return true;
            }
            if self.is_op(",") || possible {
                if !self.eat_op(",") {
                    self.report("CS1003", "Syntax error, ',' expected");
                }
                // A comma may end the members of braces.
                return !(braces && self.is_op(close));
            }
            self.report("CS1003", "Syntax error, ',' expected");
            loop {
                if self.is_op(close) || self.is_op(";") || matches!(self.peek(), Tok::End) {
                    return false;
                }
                self.advance();
                if self.is_op(",") || self.stops(close) {
                    break;
                }
            }
            if self.is_op(";") {
                return false;
            }
        }
    }

    /// Skips what cannot start a statement; the first such token is reported.
    pub(crate) fn skip_to_statement(&mut self) {
        self.report("CS1513", "} expected");
        self.advance();
        while !self.possible_statement() && !self.is_op("}") && !matches!(self.peek(), Tok::End) {
            self.advance();
        }
    }

    /// After an error that leaves nothing to go on with: to the end of the statement.
    pub(crate) fn skip_statement(&mut self, from: usize) {
        while !matches!(self.peek(), Tok::End | Tok::Op(";" | "}")) {
            self.advance();
        }
        self.eat_op(";");
        if self.at == from {
            self.advance();
        }
    }
}
