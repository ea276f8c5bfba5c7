//! Types as written, and the look-ahead that tells a generic name from two comparisons.

use super::{
    ast::{Ident, NamePart, TypeKind, TypeSyn},
    parser::{Parse, Parser},
    token::Tok,
};
use crate::Span;

/// Names of the predefined types.
pub(crate) const PREDEFINED: &[&str] = &[
    "bool", "byte", "char", "decimal", "double", "float", "int", "long", "object", "sbyte", "short",
    "string", "uint", "ulong", "ushort", "void",
];

impl Parser<'_> {
    pub(crate) fn is_predefined(&self) -> Option<&'static str> {
        match self.peek() {
            Tok::Keyword(k) => PREDEFINED.iter().find(|p| *p == k).copied(),
            _ => None,
        }
    }

    /// A type with all its suffixes.
    pub(crate) fn parse_type(&mut self) -> Parse<TypeSyn> {
        self.type_with(true)
    }

    /// A type; after `is`, `as` and in `new`, a `?` that cannot be part of the type is left alone.
    pub(crate) fn type_with(&mut self, nullable: bool) -> Parse<TypeSyn> {
        self.nested(|p| {
            let start = p.span().start;
            let mut ty = p.non_array_type()?;
            loop {
                if p.is_op("*") && p.is_pointer(&ty) {
                    p.pointer();
                    p.advance();
                    ty = TypeSyn {
                        span: p.span_from(start),
                        kind: TypeKind::Omitted,
                    };
                } else if nullable && p.is_op("?") {
                    p.advance();
                    let kind = TypeKind::Nullable(Box::new(ty));
                    ty = TypeSyn {
                        span: p.span_from(start),
                        kind,
                    };
                } else if p.is_op("[") && (p.is_op_at(1, "]") || p.is_op_at(1, ",")) {
                    // `int[][,]` is an array of two-dimensional arrays: ranks read left to right.
                    let mut ranks = Vec::new();
                    while p.is_op("[") && (p.is_op_at(1, "]") || p.is_op_at(1, ",")) {
                        p.advance();
                        let mut rank = 1u8;
                        while p.eat_op(",") {
                            rank = rank.saturating_add(1);
                        }
                        p.expect_op("]")?;
                        ranks.push(rank);
                    }
                    for rank in ranks.into_iter().rev() {
                        let kind = TypeKind::Array(Box::new(ty), rank);
                        ty = TypeSyn {
                            span: p.span_from(start),
                            kind,
                        };
                    }
                } else {
                    return Ok(ty);
                }
            }
        })
    }

    /// Whether the `*` under the cursor makes a pointer of `ty`: behind a keyword nothing can be multiplied.
    fn is_pointer(&self, ty: &TypeSyn) -> bool {
        matches!(ty.kind, TypeKind::Predefined(_) | TypeKind::Omitted)
            && matches!(
                self.peek_at(1),
                Tok::Ident { .. } | Tok::Op("*" | ")" | "[" | ">")
            )
    }

    pub(crate) fn non_array_type(&mut self) -> Parse<TypeSyn> {
        let start = self.span().start;
        if let Some(name) = self.is_predefined() {
            self.advance();
            return Ok(TypeSyn {
                span: self.span_from(start),
                kind: TypeKind::Predefined(name),
            });
        }
        if self.is_op("(") {
            self.advance();
            let mut parts = Vec::new();
            while !(parts.is_empty() && self.is_op(")")) {
                let ty = self.parse_type()?;
                let name = if matches!(self.peek(), Tok::Ident { .. }) {
                    Some(self.ident()?)
                } else {
                    None
                };
                parts.push((ty, name));
                if !self.eat_op(",") {
                    break;
                }
            }
            self.expect_op(")")?;
            if parts.len() < 2 {
                self.report("CS8124", "Tuple must contain at least two elements.");
            }
            return Ok(TypeSyn {
                span: self.span_from(start),
                kind: TypeKind::Tuple(parts),
            });
        }
        if !matches!(self.peek(), Tok::Ident { .. }) {
            self.report("CS1031", "Type expected");
            let start = self.span().start;
            return Ok(TypeSyn {
                span: Span { start, end: start },
                kind: TypeKind::Omitted,
            });
        }
        if self.is_word("global") && self.is_op_at(1, "::") {
            self.advance();
            self.advance();
        }
        let mut parts = Vec::new();
        loop {
            let ident = self.ident()?;
            let args = if self.is_op("<") {
                self.type_arguments()?
            } else {
                Vec::new()
            };
            parts.push(NamePart { ident, args });
            if !(self.is_op(".") && matches!(self.peek_at(1), Tok::Ident { .. })) {
                break;
            }
            self.advance();
        }
        Ok(TypeSyn {
            span: self.span_from(start),
            kind: TypeKind::Name(parts),
        })
    }

    /// `<A, B>`; splits `>>` when types nest.
    pub(crate) fn type_arguments(&mut self) -> Parse<Vec<TypeSyn>> {
        self.expect_op("<")?;
        let mut args = Vec::new();
        loop {
            if self.is_op(",") || self.is_op(">") {
                let span = self.span();
                args.push(TypeSyn {
                    span,
                    kind: TypeKind::Omitted,
                });
            } else {
                args.push(self.parse_type()?);
            }
            if !self.eat_op(",") {
                break;
            }
        }
        self.close_angle()?;
        Ok(args)
    }

    fn close_angle(&mut self) -> Parse<()> {
        for (joined, rest) in [(">>", ">"), (">=", "="), (">>=", ">=")] {
            if self.is_op(joined) {
                if let Some(token) = self.tokens.get_mut(self.at) {
                    token.kind = Tok::Op(rest);
                    token.span.start += 1;
                }
                return Ok(());
            }
        }
        self.expect_op(">")
    }

    /// After a simple name in an expression: type arguments if `<…>` parses as such and what follows
    /// cannot continue a comparison (C# 7.3, §7.6.5 "grammar ambiguities").
    pub(crate) fn generic_arguments(&mut self) -> Vec<TypeSyn> {
        if !self.is_op("<") {
            return Vec::new();
        }
        let tokens = self.tokens.clone();
        let found = self.attempt(|p| {
            let args = p.type_arguments()?;
            let decides = match p.peek() {
                Tok::Op(o) => matches!(
                    *o,
                    "(" | ")"
                        | "]"
                        | "}"
                        | ":"
                        | ";"
                        | ","
                        | "."
                        | "?"
                        | "?."
                        | "=="
                        | "!="
                        | "|"
                        | "^"
                        | "&&"
                        | "||"
                        | "&"
                        | "["
                ),
                Tok::End => true,
                _ => false,
            };
            Ok(decides.then_some(args))
        });
        if found.is_none() {
            self.tokens = tokens;
        }
        found.unwrap_or_default()
    }

    /// Whether a declaration `Type name` starts here: returns after the type, cursor on the name.
    pub(crate) fn declaration_type(&mut self) -> Option<TypeSyn> {
        let tokens = self.tokens.clone();
        let found = self.attempt(|p| {
            let ty = p.parse_type()?;
            let name = matches!(p.peek(), Tok::Ident { .. });
            Ok(name.then_some(ty))
        });
        if found.is_none() {
            self.tokens = tokens;
        }
        found
    }

    /// Type parameters of a generic local function or of a library declaration.
    pub(crate) fn type_parameters(&mut self) -> Parse<Vec<Ident>> {
        let mut names = Vec::new();
        if self.eat_op("<") {
            loop {
                if self.is_kw("in") || self.is_kw("out") {
                    self.advance();
                }
                names.push(self.ident()?);
                if !self.eat_op(",") {
                    break;
                }
            }
            self.close_angle()?;
        }
        Ok(names)
    }
}
