//! Expressions.

use super::{
    ast::{
        Arg, Body, Designation, Expr, ExprKind, InterpPart, Literal, Param, PassBy, Pattern, TypeKind,
        TypeSyn,
    },
    parser::{MAX_CHAIN, Parse, Parser, Syntax},
    token::{Piece, Tok},
};
use crate::Span;

const ASSIGNMENTS: &[&str] = &["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="];

/// Binding strength of a binary operator, 0 for none.
fn precedence(op: &str) -> u8 {
    match op {
        "*" | "/" | "%" => 10,
        "+" | "-" => 9,
        "<<" | ">>" => 8,
        "<" | ">" | "<=" | ">=" => 7,
        "==" | "!=" => 6,
        "&" => 5,
        "^" => 4,
        "|" => 3,
        "&&" => 2,
        "||" => 1,
        _ => 0,
    }
}

const RELATIONAL: u8 = 7;

impl Parser<'_> {
    pub(crate) fn make(&self, start: usize, kind: ExprKind) -> Expr {
        Expr {
            span: self.span_from(start),
            kind,
        }
    }

    /// Any expression, assignments and lambdas included.
    pub(crate) fn expression(&mut self) -> Parse<Expr> {
        self.nested(Self::expression_inner)
    }

    fn expression_inner(&mut self) -> Parse<Expr> {
        let start = self.span().start;
        if self.is_kw("throw") {
            self.advance();
            let value = self.expression()?;
            return Ok(self.make(start, ExprKind::Throw(Box::new(value))));
        }
        if self.is_kw("ref") {
            self.advance();
            let value = self.expression()?;
            return Ok(self.make(start, ExprKind::Ref(Box::new(value))));
        }
        if self.asynchronous_lambda() {
            self.report(
                "APIM0101",
                "Asynchronous functions are not supported within expressions",
            );
            self.advance();
            let outer = std::mem::replace(&mut self.in_async, true);
            let lambda = self.expression();
            self.in_async = outer;
            lambda?;
            // Nothing can be said about what it returns.
            return Ok(self.make(start, ExprKind::Error));
        }
        if let Some(lambda) = self.lambda()? {
            return Ok(lambda);
        }
        if self.is_query() {
            return self.query(start);
        }
        let left = self.conditional()?;
        if let Tok::Op(op) = *self.peek()
            && let Some(op) = ASSIGNMENTS.iter().find(|a| **a == op)
        {
            self.advance();
            let right = self.expression()?;
            return Ok(self.make(start, ExprKind::Assign(op, Box::new(left), Box::new(right))));
        }
        Ok(left)
    }

    fn conditional(&mut self) -> Parse<Expr> {
        let start = self.span().start;
        let cond = self.coalesce()?;
        if !self.eat_op("?") {
            return Ok(cond);
        }
        let yes = self.expression()?;
        if self.in_hole && matches!(self.peek(), Tok::End) {
            let message = "A conditional expression cannot be used directly in a string interpolation because the ':' ends the interpolation. Parenthesize the conditional expression.";
            self.report("CS8361", message);
            return Ok(self.make(start, ExprKind::Error));
        }
        self.expect_op(":")?;
        let no = self.expression()?;
        Ok(self.make(
            start,
            ExprKind::Ternary(Box::new(cond), Box::new(yes), Box::new(no)),
        ))
    }

    fn coalesce(&mut self) -> Parse<Expr> {
        let start = self.span().start;
        let mut operands = vec![self.binary(1)?];
        while self.eat_op("??") {
            if operands.len() >= MAX_CHAIN {
                return self.fail("CS8078", "An expression is too long or complex to compile");
            }
            let operand = if self.is_kw("throw") {
                self.expression()?
            } else {
                self.binary(1)?
            };
            operands.push(operand);
        }
        let mut right = operands.pop().ok_or(Syntax)?;
        while let Some(left) = operands.pop() {
            let span = Span {
                start: left.span.start,
                end: right.span.end,
            };
            right = Expr {
                span,
                kind: ExprKind::Binary("??", Box::new(left), Box::new(right)),
            };
        }
        right.span.start = start;
        Ok(right)
    }

    fn binary(&mut self, min: u8) -> Parse<Expr> {
        let start = self.span().start;
        let mut left = self.unary()?;
        let mut chain = 0;
        loop {
            if min <= RELATIONAL && (self.is_kw("is") || self.is_kw("as")) {
                left = self.type_test(start, left)?;
                continue;
            }
            let Tok::Op(op) = *self.peek() else {
                return Ok(left);
            };
            let strength = precedence(op);
            if strength == 0 || strength < min {
                return Ok(left);
            }
            chain += 1;
            if chain > MAX_CHAIN {
                return self.fail("CS8078", "An expression is too long or complex to compile");
            }
            self.advance();
            let right = self.nested(|p| p.binary(strength + 1))?;
            left = self.make(start, ExprKind::Binary(op, Box::new(left), Box::new(right)));
        }
    }

    fn type_test(&mut self, start: usize, left: Expr) -> Parse<Expr> {
        if self.eat_kw("as") {
            let ty = self.type_after_operator()?;
            return Ok(self.make(start, ExprKind::As(Box::new(left), ty)));
        }
        self.advance();
        let pattern = self.pattern()?;
        Ok(self.make(start, ExprKind::Is(Box::new(left), Box::new(pattern))))
    }

    /// A type after `is`/`as`: a trailing `?` belongs to it only when no operand can follow.
    fn type_after_operator(&mut self) -> Parse<TypeSyn> {
        let start = self.span().start;
        let ty = self.type_with(false)?;
        let ends = matches!(self.peek_at(1), Tok::Op(o) if matches!(*o, ")" | "]" | "}" | ";" | "," | "&&" | "||" | "??" | "==" | "!=" | ":" | "?"))
            || matches!(self.peek_at(1), Tok::End);
        if self.is_op("?") && ends {
            self.advance();
            return Ok(TypeSyn {
                span: self.span_from(start),
                kind: TypeKind::Nullable(Box::new(ty)),
            });
        }
        Ok(ty)
    }

    /// A pattern after `is` or `case`.
    pub(crate) fn pattern(&mut self) -> Parse<Pattern> {
        let start = self.span().start;
        if self.is_word("var") && matches!(self.peek_at(1), Tok::Ident { .. }) {
            self.advance();
            let name = self.ident()?;
            let span = self.span_from(start);
            let discard = &*name.name == "_";
            return Ok(Pattern::Var((!discard).then_some(name), span));
        }
        let tokens = self.tokens.clone();
        let typed = self.attempt(|p| {
            let ty = p.type_after_operator()?;
            if matches!(p.peek(), Tok::Ident { .. }) && !p.is_word("when") && !p.is_query_word() {
                let name = p.ident()?;
                let discard = &*name.name == "_";
                return Ok(Some(Pattern::Declaration(ty, (!discard).then_some(name))));
            }
            // A plain name or a constant is decided by the binder; only pure types are types here.
            let pure = !matches!(ty.kind, TypeKind::Name(_) | TypeKind::Predefined(_) | TypeKind::Tuple(_));
            let predefined = matches!(ty.kind, TypeKind::Predefined(_)) && !p.is_op(".");
            if predefined && p.is_op("{") {
                let span = ty.span;
                return Ok(Some(Pattern::Const(Expr { span, kind: ExprKind::Type(ty) })));
            }
            let follows = matches!(p.peek(), Tok::Op(o) if matches!(*o, ")" | "]" | "}" | ";" | "," | "&&" | "||" | "??" | "?" | ":" | "==" | "!=" | "&" | "|" | "^"))
                || matches!(p.peek(), Tok::End);
            if (pure || predefined) && follows {
                let span = ty.span;
                return Ok(Some(Pattern::Const(Expr { span, kind: ExprKind::Type(ty) })));
            }
            if let TypeKind::Name(parts) = &ty.kind
                && follows && parts.iter().any(|part| !part.args.is_empty()) {
                    let span = ty.span;
                    return Ok(Some(Pattern::Const(Expr { span, kind: ExprKind::Type(ty) })));
                }
            Ok(None)
        });
        match typed {
            Some(pattern) => Ok(pattern),
            None => {
                self.tokens = tokens;
                Ok(Pattern::Const(self.binary(RELATIONAL + 1)?))
            }
        }
    }

    fn is_query_word(&self) -> bool {
        [
            "select",
            "where",
            "orderby",
            "group",
            "join",
            "let",
            "into",
            "from",
            "on",
            "equals",
            "by",
            "ascending",
            "descending",
        ]
        .iter()
        .any(|w| self.is_word(w))
            && self.in_query()
    }

    fn unary(&mut self) -> Parse<Expr> {
        self.nested(Self::unary_inner)
    }

    fn unary_inner(&mut self) -> Parse<Expr> {
        let start = self.span().start;
        if let Tok::Op(op) = *self.peek() {
            match op {
                "-" | "+" | "!" | "~" | "++" | "--" | "&" | "*" => {
                    self.advance();
                    let operand = self.unary()?;
                    if self.pointers_allowed && matches!(op, "&" | "*") {
                        return Ok(self.make(start, ExprKind::Error));
                    }
                    return Ok(self.make(start, ExprKind::Unary(op, Box::new(operand))));
                }
                "(" => {
                    if let Some(ty) = self.cast_type() {
                        let operand = self.unary()?;
                        return Ok(self.make(start, ExprKind::Cast(ty, Box::new(operand))));
                    }
                }
                _ => {}
            }
        }
        if self.in_async && self.is_word("await") {
            self.advance();
            return self.unary();
        }
        if self.is_await() {
            self.advance();
            let operand = self.unary()?;
            return Ok(self.make(start, ExprKind::Await(Box::new(operand))));
        }
        let primary = self.primary()?;
        self.suffixes(start, primary)
    }

    /// Whether `async` in front of a lambda or an anonymous method is under the cursor.
    fn asynchronous_lambda(&self) -> bool {
        self.is_word("async")
            && match self.peek_at(1) {
                Tok::Keyword("delegate") => true,
                Tok::Ident { .. } => self.is_op_at(2, "=>"),
                Tok::Op("(") => self.arrow_after_parenthesis(1),
                _ => false,
            }
    }

    /// `await x`, which is no declaration of a variable of the type `await`.
    pub(crate) fn is_await(&self) -> bool {
        self.is_word("await")
            && matches!(self.peek_at(1), Tok::Ident { .. } | Tok::Keyword("new"))
            && !matches!(self.peek_at(2), Tok::Op("=" | ";" | ","))
    }

    /// `(T)` in front of an operand: the cursor ends behind the closing parenthesis.
    fn cast_type(&mut self) -> Option<TypeSyn> {
        let tokens = self.tokens.clone();
        let found = self.attempt(|p| {
            p.expect_op("(")?;
            let ty = p.parse_type()?;
            p.expect_op(")")?;
            let sure = !matches!(ty.kind, TypeKind::Name(_) | TypeKind::Tuple(_));
            let certain_name = match &ty.kind {
                TypeKind::Name(parts) => parts.iter().any(|part| !part.args.is_empty()),
                _ => false,
            };
            let operand = match p.peek() {
                Tok::Op(o) => match *o {
                    "(" | "!" | "~" => true,
                    "+" | "-" | "++" | "--" => sure,
                    _ => false,
                },
                Tok::Keyword(k) => !matches!(*k, "is" | "as" | "in"),
                Tok::End => false,
                Tok::Ident { .. } => !p.is_query_word(),
                _ => true,
            };
            let _ = certain_name;
            Ok(operand.then_some(ty))
        });
        if found.is_none() {
            self.tokens = tokens;
        }
        found
    }

    /// Member accesses, calls, indexers, `?.` and postfix operators behind a primary expression.
    fn suffixes(&mut self, start: usize, mut left: Expr) -> Parse<Expr> {
        let mut chain = 0;
        loop {
            chain += 1;
            if chain > MAX_CHAIN {
                return self.fail("CS8078", "An expression is too long or complex to compile");
            }
            let Tok::Op(op) = *self.peek() else {
                return Ok(left);
            };
            match op {
                "." => {
                    self.advance();
                    let name = self.ident()?;
                    let args = self.generic_arguments();
                    left = self.make(start, ExprKind::Member(Box::new(left), name, args));
                }
                "(" => {
                    let args = self.arguments("(", ")")?;
                    left = self.make(start, ExprKind::Call(Box::new(left), args));
                }
                "[" => {
                    let args = self.arguments("[", "]")?;
                    left = self.make(start, ExprKind::Index(Box::new(left), args));
                }
                "++" | "--" => {
                    self.advance();
                    left = self.make(start, ExprKind::Postfix(op, Box::new(left)));
                }
                "?." => {
                    self.advance();
                    let name = self.ident()?;
                    let args = self.generic_arguments();
                    let receiver = Expr {
                        span: left.span,
                        kind: ExprKind::Receiver,
                    };
                    let first = self.make(start, ExprKind::Member(Box::new(receiver), name, args));
                    let access = self.nested(|p| p.suffixes(start, first))?;
                    return Ok(self.make(start, ExprKind::Conditional(Box::new(left), Box::new(access))));
                }
                "?" if self.is_op_at(1, "[") => {
                    let receiver = Expr {
                        span: left.span,
                        kind: ExprKind::Receiver,
                    };
                    let access = self.attempt(|p| {
                        p.advance();
                        let args = p.arguments("[", "]")?;
                        let first = p.make(start, ExprKind::Index(Box::new(receiver), args));
                        let access = p.nested(|p| p.suffixes(start, first))?;
                        // `a ? [b] : c` does not exist in C# 7.3, but `x is T ? [..` neither: always an access.
                        Ok(Some(access))
                    });
                    match access {
                        Some(access) => {
                            return Ok(
                                self.make(start, ExprKind::Conditional(Box::new(left), Box::new(access)))
                            );
                        }
                        None => return Ok(left),
                    }
                }
                _ => return Ok(left),
            }
        }
    }

    /// `(a, name: b, out c)` between the given brackets.
    pub(crate) fn arguments(&mut self, open: &'static str, close: &'static str) -> Parse<Vec<Arg>> {
        self.expect_op(open)?;
        let mut args = Vec::new();
        if self.is_op(",") {
            // `f(, a)`: the first argument is missing.
            args.push(self.argument()?);
        }
        while self.next_in_list(close, args.is_empty()) {
            args.push(self.argument()?);
        }
        if args.is_empty() && close == "]" {
            self.report("CS0443", "Syntax error; value expected");
        }
        self.expect_op(close)?;
        Ok(args)
    }

    fn argument(&mut self) -> Parse<Arg> {
        let mut name = None;
        if matches!(self.peek(), Tok::Ident { .. }) && self.is_op_at(1, ":") && !self.is_op_at(1, "::") {
            name = Some(self.ident()?);
            self.advance();
        }
        let by = if self.eat_kw("out") {
            PassBy::Out
        } else if self.eat_kw("ref") {
            PassBy::Ref
        } else if self.eat_kw("in") {
            PassBy::In
        } else {
            PassBy::Value
        };
        let start = self.span().start;
        if self.is_op(",") {
            self.report("CS0839", "Argument missing");
            let span = self.span();
            let value = Expr {
                span,
                kind: ExprKind::Error,
            };
            return Ok(Arg { name, by, value });
        }
        if by == PassBy::Out
            && let Some(ty) = self.declaration_type()
        {
            let ident = self.ident()?;
            let designation = if &*ident.name == "_" {
                Designation::Discard(ident.span)
            } else {
                Designation::Name(ident)
            };
            let value = self.make(start, ExprKind::Declare(ty, designation));
            return Ok(Arg { name, by, value });
        }
        Ok(Arg {
            name,
            by,
            value: self.expression()?,
        })
    }

    fn primary(&mut self) -> Parse<Expr> {
        let start = self.span().start;
        let literal = match self.peek() {
            Tok::Int(v, k) => Literal::Int(*v, *k),
            Tok::Double(v) => Literal::Double(*v),
            Tok::Float(v) => Literal::Float(*v),
            Tok::Decimal(text) => Literal::Decimal(text.clone()),
            Tok::Char(c) => Literal::Char(*c),
            Tok::Str(units) => Literal::Str(units.clone()),
            Tok::Bad => {
                self.advance();
                return Ok(self.make(start, ExprKind::Error));
            }
            Tok::Keyword("null") => Literal::Null,
            Tok::Keyword("true") => Literal::Bool(true),
            Tok::Keyword("false") => Literal::Bool(false),
            Tok::Interp(pieces) => {
                let pieces = pieces.clone();
                self.advance();
                return self.interpolated(start, pieces);
            }
            Tok::Keyword(word) => {
                let word = *word;
                return self.keyword(start, word);
            }
            Tok::Ident { .. } if self.is_query_word() && !self.is_query() => return self.no_term(),
            Tok::Ident { .. } => return self.name(start),
            Tok::Op("(") => {
                self.advance();
                let inner = self.tuple_or_expression(start)?;
                self.expect_op(")")?;
                if let ExprKind::Tuple(_) = inner.kind {
                    return Ok(Expr {
                        span: self.span_from(start),
                        kind: inner.kind,
                    });
                }
                return Ok(self.make(start, ExprKind::Paren(Box::new(inner))));
            }
            _ => return self.no_term(),
        };
        self.advance();
        Ok(self.make(start, ExprKind::Literal(literal)))
    }

    /// Nothing here starts an expression: reported, and left for whoever can use it.
    fn no_term(&mut self) -> Parse<Expr> {
        if matches!(self.peek(), Tok::End) && (self.in_hole || self.swallows()) {
            self.report("CS1733", "Expected expression");
            let span = self.span();
            return Ok(Expr {
                span,
                kind: ExprKind::Error,
            });
        }
        let text = match self.peek() {
            Tok::End => "}".to_owned(),
            Tok::Op(op) => (*op).to_owned(),
            _ => self.token_text(),
        };
        self.report("CS1525", format!("Invalid expression term '{text}'"));
        let start = self.span().start;
        Ok(Expr {
            span: Span { start, end: start },
            kind: ExprKind::Error,
        })
    }

    fn name(&mut self, start: usize) -> Parse<Expr> {
        if self.is_word("global") && self.is_op_at(1, "::") {
            self.advance();
            self.advance();
            let global = self.make(start, ExprKind::Global);
            let name = self.ident()?;
            let args = self.generic_arguments();
            return Ok(self.make(start, ExprKind::Member(Box::new(global), name, args)));
        }
        // `var (a, b) = …`
        if self.is_word("var") && self.is_op_at(1, "(") {
            let found = self.attempt(|p| {
                let span = p.span();
                let ident = p.ident()?;
                let designation = p.designation_tuple()?;
                let part = super::ast::NamePart {
                    ident,
                    args: Vec::new(),
                };
                let ty = TypeSyn {
                    span,
                    kind: TypeKind::Name(vec![part]),
                };
                Ok(p.is_op("=")
                    .then(|| p.make(start, ExprKind::Declare(ty, designation))))
            });
            if let Some(declaration) = found {
                return Ok(declaration);
            }
        }
        // `Type name` inside a deconstruction target `(int a, string b) = …`
        if let Some(declaration) = self.typed_designation(start) {
            return Ok(declaration);
        }
        let name = self.ident()?;
        let args = self.generic_arguments();
        Ok(self.make(start, ExprKind::Name(name, args)))
    }

    /// `T name` followed by `,` or `)`: part of a deconstruction.
    fn typed_designation(&mut self, start: usize) -> Option<Expr> {
        let behind_comma = self
            .at
            .checked_sub(1)
            .and_then(|i| self.tokens.get(i))
            .is_some_and(|t| matches!(t.kind, Tok::Op(",")));
        let tokens = self.tokens.clone();
        let found = self.attempt(|p| {
            let ty = p.parse_type()?;
            if !matches!(p.peek(), Tok::Ident { .. }) || p.is_query_word() {
                return Ok(None);
            }
            let name = p.ident()?;
            // One declaration alone in parentheses deconstructs nothing.
            let decides = p.is_op(",") || p.is_op(")") && behind_comma;
            Ok(decides.then(|| p.make(start, ExprKind::Declare(ty, Designation::Name(name)))))
        });
        if found.is_none() {
            self.tokens = tokens;
        }
        found
    }

    fn designation_tuple(&mut self) -> Parse<Designation> {
        self.nested(|p| {
            p.expect_op("(")?;
            let mut parts = Vec::new();
            loop {
                if p.is_op("(") {
                    parts.push(p.designation_tuple()?);
                } else {
                    let name = p.ident()?;
                    let discard = &*name.name == "_";
                    parts.push(if discard {
                        Designation::Discard(name.span)
                    } else {
                        Designation::Name(name)
                    });
                }
                if !p.eat_op(",") {
                    break;
                }
            }
            p.expect_op(")")?;
            Ok(Designation::Tuple(parts))
        })
    }

    fn keyword(&mut self, start: usize, word: &'static str) -> Parse<Expr> {
        if self.is_predefined().is_some() {
            if let Some(declaration) = self.typed_designation(start) {
                return Ok(declaration);
            }
            self.advance();
            if !self.is_op(".") {
                self.report("CS1525", format!("Invalid expression term '{word}'"));
                return Ok(self.make(start, ExprKind::Error));
            }
            return Ok(self.make(start, ExprKind::Predefined(word)));
        }
        match word {
            "new" => self.creation(start),
            "typeof" | "sizeof" => {
                self.advance();
                self.expect_op("(")?;
                let ty = self.parse_type()?;
                self.expect_op(")")?;
                let kind = if word == "typeof" {
                    ExprKind::Typeof(ty)
                } else {
                    ExprKind::Sizeof(ty)
                };
                Ok(self.make(start, kind))
            }
            "default" => {
                self.advance();
                let mut ty = None;
                if self.eat_op("(") {
                    ty = Some(self.parse_type()?);
                    self.expect_op(")")?;
                }
                Ok(self.make(start, ExprKind::Default(ty)))
            }
            "checked" | "unchecked" => {
                self.advance();
                self.expect_op("(")?;
                let inner = self.expression()?;
                self.expect_op(")")?;
                Ok(self.make(start, ExprKind::Checked(word == "checked", Box::new(inner))))
            }
            "this" | "base" => {
                self.advance();
                Ok(self.make(start, ExprKind::This(word)))
            }
            "delegate" => {
                self.advance();
                let params = if self.is_op("(") {
                    Some(self.parameters()?)
                } else {
                    None
                };
                let body = if self.is_op("{") {
                    self.block_as_body()?
                } else {
                    // The closing brace is not missed where the opening one is.
                    self.report("CS1514", "{ expected");
                    Body::Block(Vec::new(), self.span())
                };
                Ok(self.make(start, ExprKind::AnonymousMethod(params, body)))
            }
            "stackalloc" => {
                self.pointer();
                self.creation(start)?;
                Ok(self.make(start, ExprKind::Error))
            }
            _ => self.no_term(),
        }
    }

    fn block_as_body(&mut self) -> Parse<Body> {
        let start = self.span().start;
        self.expect_op("{")?;
        let statements = self.statements_until_brace()?;
        self.expect_op("}")?;
        Ok(Body::Block(statements, self.span_from(start)))
    }

    /// After `=>`: an expression or a block.
    pub(crate) fn lambda_body(&mut self) -> Parse<Body> {
        if self.is_op("{") {
            return self.nested(Self::block_as_body);
        }
        Ok(Body::Expr(Box::new(self.expression()?)))
    }

    fn lambda(&mut self) -> Parse<Option<Expr>> {
        let start = self.span().start;
        if matches!(self.peek(), Tok::Ident { .. }) && self.is_op_at(1, "=>") {
            let name = self.ident()?;
            self.advance();
            let param = Param {
                by: PassBy::Value,
                ty: None,
                name,
                default: None,
                params: false,
                this: false,
                transparent: Vec::new(),
            };
            let body = self.lambda_body()?;
            return Ok(Some(self.make(start, ExprKind::Lambda(vec![param], body))));
        }
        if !self.is_op("(") || !self.arrow_after_parenthesis(0) {
            return Ok(None);
        }
        let params = self.lambda_parameters()?;
        self.expect_op("=>")?;
        let body = self.lambda_body()?;
        Ok(Some(self.make(start, ExprKind::Lambda(params, body))))
    }

    /// Whether the parenthesis under the cursor closes in front of `=>`.
    fn arrow_after_parenthesis(&self, from: usize) -> bool {
        let mut depth = 0usize;
        let mut n = from;
        loop {
            match self.peek_at(n) {
                Tok::Op("(") => depth += 1,
                Tok::Op(")") => {
                    depth -= 1;
                    if depth == 0 {
                        return self.is_op_at(n + 1, "=>");
                    }
                }
                Tok::Op("{" | "}" | ";") | Tok::End => return false,
                _ => {}
            }
            n += 1;
        }
    }

    fn lambda_parameters(&mut self) -> Parse<Vec<Param>> {
        let bare = self.is_op_at(1, ")")
            || (matches!(self.peek_at(1), Tok::Ident { .. })
                && (self.is_op_at(2, ",") || self.is_op_at(2, ")")));
        if !bare {
            return self.parameters();
        }
        self.expect_op("(")?;
        let mut params = Vec::new();
        while !self.is_op(")") {
            let name = self.ident()?;
            params.push(Param {
                by: PassBy::Value,
                ty: None,
                name,
                default: None,
                params: false,
                this: false,
                transparent: Vec::new(),
            });
            if !self.eat_op(",") {
                break;
            }
        }
        self.expect_op(")")?;
        Ok(params)
    }

    /// Typed parameters with modifiers and defaults, parentheses included.
    pub(crate) fn parameters(&mut self) -> Parse<Vec<Param>> {
        self.expect_op("(")?;
        let mut list = Vec::new();
        while !self.is_op(")") {
            let (mut by, mut params, mut this) = (PassBy::Value, false, false);
            match self.peek() {
                Tok::Keyword("ref") => by = PassBy::Ref,
                Tok::Keyword("out") => by = PassBy::Out,
                Tok::Keyword("in") => by = PassBy::In,
                Tok::Keyword("params") => params = true,
                Tok::Keyword("this") => this = true,
                _ => {}
            }
            if by != PassBy::Value || params || this {
                self.advance();
            }
            let ty = Some(self.parse_type()?);
            let name = self.ident()?;
            let default = if self.eat_op("=") {
                Some(self.expression()?)
            } else {
                None
            };
            list.push(Param {
                by,
                ty,
                name,
                default,
                params,
                this,
                transparent: Vec::new(),
            });
            if !self.eat_op(",") {
                break;
            }
        }
        self.expect_op(")")?;
        Ok(list)
    }

    fn interpolated(&mut self, start: usize, pieces: Vec<Piece>) -> Parse<Expr> {
        let mut parts = Vec::new();
        for piece in pieces {
            parts.push(match piece {
                Piece::Text(units) => InterpPart::Text(units),
                Piece::Hole { expr, format } => self.hole(expr, format)?,
            });
        }
        Ok(self.make(start, ExprKind::Interpolated(parts)))
    }

    /// Parses a hole of an interpolated string on its own: an expression and perhaps a width.
    fn hole(&mut self, range: Span, format: Option<Vec<u16>>) -> Parse<InterpPart> {
        let mut inner = Parser::new(self.source, range);
        // Errors of the hole's tokens were reported when the whole string was scanned.
        inner.errors.clear();
        inner.depth = self.depth;
        inner.in_hole = true;
        if matches!(inner.peek(), Tok::End) {
            inner.report("CS1733", "Expected expression");
        }
        let mut align = None;
        let value = if inner.errors.is_empty() {
            let value = inner.expression();
            if inner.eat_op(",") {
                align = Some(inner.expression());
            }
            value
        } else {
            Ok(inner.make(range.start, ExprKind::Error))
        };
        if !matches!(inner.peek(), Tok::End) {
            let text = inner.token_text();
            inner.report("CS1073", format!("Unexpected token '{text}'"));
        }
        self.errors.append(&mut inner.errors);
        Ok(InterpPart::Hole {
            value: value?,
            align: align.transpose()?,
            format,
        })
    }
}
