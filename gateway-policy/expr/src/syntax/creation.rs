//! `new` in all its forms, and the initialisers in braces.

use super::{
    ast::{Expr, ExprKind, Ident, InitTarget, InitValue, Initializer, MemberInit, TypeKind, TypeSyn},
    parser::{Parse, Parser},
    token::Tok,
};

impl Parser<'_> {
    pub(crate) fn creation(&mut self, start: usize) -> Parse<Expr> {
        self.advance();
        if self.is_op("{") {
            return self.anonymous(start);
        }
        if self.is_op("[") {
            self.advance();
            let mut rank = 1u8;
            while self.eat_op(",") {
                rank = rank.saturating_add(1);
            }
            self.expect_op("]")?;
            let init = self.array_initializer()?;
            return Ok(self.make(start, ExprKind::NewImplicitArray(rank, Box::new(init))));
        }
        let ty_start = self.span().start;
        let mut ty = self.non_array_type()?;
        if self.is_op("?") && (self.is_op_at(1, "[") || self.is_op_at(1, "(")) {
            self.advance();
            ty = TypeSyn {
                span: self.span_from(ty_start),
                kind: TypeKind::Nullable(Box::new(ty)),
            };
        }
        if self.is_op("[") {
            return self.array_creation(start, ty_start, ty);
        }
        let args = if self.is_op("(") {
            Some(self.arguments("(", ")")?)
        } else {
            None
        };
        let init = if self.is_op("{") {
            Some(self.initializer()?)
        } else {
            None
        };
        if args.is_none() && init.is_none() {
            self.report("CS1526", "A new expression requires (), [], or {} after type");
        }
        Ok(self.make(start, ExprKind::New(ty, args, init)))
    }

    fn array_creation(&mut self, start: usize, ty_start: usize, element: TypeSyn) -> Parse<Expr> {
        let mut sizes = Vec::new();
        let mut rank = 1u8;
        self.expect_op("[")?;
        if self.is_op("]") || self.is_op(",") {
            while self.eat_op(",") {
                rank = rank.saturating_add(1);
            }
        } else {
            loop {
                sizes.push(self.expression()?);
                if !self.eat_op(",") {
                    break;
                }
            }
            rank = sizes.len() as u8;
        }
        self.expect_op("]")?;
        let mut ranks = vec![rank];
        while self.is_op("[") {
            self.advance();
            if !self.is_op("]") && !self.is_op(",") {
                self.report("CS0178", "Invalid rank specifier: expected ',' or ']'");
                self.expression()?;
            }
            let mut rank = 1u8;
            while self.eat_op(",") {
                rank = rank.saturating_add(1);
            }
            self.expect_op("]")?;
            ranks.push(rank);
        }
        let mut ty = element;
        for rank in ranks.into_iter().rev() {
            ty = TypeSyn {
                span: self.span_from(ty_start),
                kind: TypeKind::Array(Box::new(ty), rank),
            };
        }
        let init = if self.is_op("{") {
            Some(Box::new(self.array_initializer()?))
        } else {
            None
        };
        if sizes.is_empty() && init.is_none() {
            self.report(
                "CS1586",
                "Array creation must have array size or array initializer",
            );
        }
        Ok(self.make(start, ExprKind::NewArray(ty, sizes, init)))
    }

    /// `{ a, { b, c } }`
    pub(crate) fn array_initializer(&mut self) -> Parse<Expr> {
        self.nested(|p| {
            let start = p.span().start;
            p.expect_op("{")?;
            let mut items = Vec::new();
            while p.next_in_list("}", items.is_empty()) {
                items.push(if p.is_op("{") {
                    p.array_initializer()?
                } else {
                    p.expression()?
                });
            }
            p.expect_op("}")?;
            Ok(p.make(start, ExprKind::ArrayInit(items)))
        })
    }

    fn anonymous(&mut self, start: usize) -> Parse<Expr> {
        self.expect_op("{")?;
        let mut members = Vec::new();
        while self.next_in_list("}", members.is_empty()) {
            let named = matches!(self.peek(), Tok::Ident { .. }) && self.is_op_at(1, "=");
            let name: Option<Ident> = if named { Some(self.ident()?) } else { None };
            if named {
                self.advance();
            }
            members.push((name, self.expression()?));
        }
        self.expect_op("}")?;
        Ok(self.make(start, ExprKind::NewAnonymous(members)))
    }

    fn initializer(&mut self) -> Parse<Initializer> {
        self.nested(|p| {
            let start = p.span().start;
            let object = match p.peek_at(1) {
                Tok::Ident { .. } => p.is_op_at(2, "="),
                Tok::Op("[") => true,
                Tok::Op("}") => true,
                _ => false,
            };
            p.expect_op("{")?;
            if object {
                return p.object_initializer();
            }
            let mut items = Vec::new();
            while p.next_in_list("}", items.is_empty()) {
                if p.eat_op("{") {
                    let mut group = Vec::new();
                    while p.next_in_list("}", group.is_empty()) {
                        group.push(p.expression()?);
                    }
                    p.expect_op("}")?;
                    items.push(group);
                } else {
                    items.push(vec![p.expression()?]);
                }
            }
            p.expect_op("}")?;
            Ok(Initializer::Collection(items, p.span_from(start)))
        })
    }

    fn object_initializer(&mut self) -> Parse<Initializer> {
        let mut members = Vec::new();
        while self.next_in_list("}", members.is_empty()) {
            let start = self.span().start;
            let target = if self.is_op("[") {
                InitTarget::Index(self.arguments("[", "]")?)
            } else {
                InitTarget::Member(self.ident()?)
            };
            self.expect_op("=")?;
            let value = if self.is_op("{") {
                InitValue::Nested(self.initializer()?)
            } else {
                InitValue::Expr(self.expression()?)
            };
            members.push(MemberInit {
                target,
                value,
                span: self.span_from(start),
            });
        }
        self.expect_op("}")?;
        Ok(Initializer::Object(members))
    }
}
