//! LINQ query syntax, translated to method calls as the language definition says (C# 7.3 §7.16.2).

use super::{
    ast::{Arg, Body, Expr, ExprKind, Ident, Param, PassBy, TypeSyn},
    parser::{Parse, Parser},
    token::Tok,
};
use crate::Span;

/// Clauses of one query: the calls they become are bound one inside the other. People write up to ten.
const MAX_CLAUSES: usize = 96;
/// Range variables of one query: each nests the type of the one that carries them a level deeper. People write three or four.
const MAX_RANGE_VARIABLES: usize = 48;

/// The range variables in scope and the lambda parameter that carries them.
struct Range {
    /// Name of the parameter: the variable itself while there is only one.
    param: Ident,
    /// Variables other than the parameter and the member path that leads to each.
    names: Vec<(Box<str>, Vec<Box<str>>)>,
    source: Expr,
    count: usize,
    /// Where the clauses stand that became calls.
    clauses: Vec<Span>,
}

impl Range {
    fn new(var: Ident, source: Expr) -> Self {
        Range {
            param: var,
            names: Vec::new(),
            source,
            count: 0,
            clauses: Vec::new(),
        }
    }

    fn parameter(&self) -> Param {
        Param {
            by: PassBy::Value,
            ty: None,
            name: self.param.clone(),
            default: None,
            params: false,
            this: false,
            transparent: self.names.clone(),
        }
    }

    fn lambda(&self, body: Expr, more: Option<&Ident>) -> Expr {
        let span = body.span;
        let mut params = vec![self.parameter()];
        params.extend(more.map(|name| plain(name.clone())));
        Expr {
            span,
            kind: ExprKind::Lambda(params, Body::Expr(Box::new(body))),
        }
    }

    /// The key of one side of a join, in which the other side's variables are known to be out of scope.
    fn key(&self, body: Expr, foreign: &[Box<str>], code: &str) -> Expr {
        let mut lambda = self.lambda(body, None);
        if let ExprKind::Lambda(params, _) = &mut lambda.kind
            && let Some(first) = params.first_mut()
        {
            let refused = foreign
                .iter()
                .filter(|name| **name != self.param.name)
                .map(|name| (name.clone(), vec![format!("<>{code}").into()]));
            first.transparent.extend(refused);
        }
        lambda
    }

    /// Names that can be used in the clauses behind this one.
    fn variables(&self) -> Vec<Box<str>> {
        let own = Some(self.param.name.clone()).filter(|n| !n.starts_with("<>"));
        self.names.iter().map(|(n, _)| n.clone()).chain(own).collect()
    }

    fn call(&mut self, method: &str, args: Vec<Expr>, span: Span) {
        self.clauses.push(span);
        let source = std::mem::replace(
            &mut self.source,
            Expr {
                span,
                kind: ExprKind::Error,
            },
        );
        self.source = call(source, method, args, span);
    }

    /// The value that carries all variables on: `new { param, var }`, and the state after it.
    fn extend(&mut self, var: &Ident, value: Expr) -> Expr {
        let carried = Expr {
            span: self.param.span,
            kind: ExprKind::Name(self.param.clone(), Vec::new()),
        };
        let span = var.span;
        let old = self.param.clone();
        let next: Box<str> = format!("<>q{}", self.count).into();
        self.count += 1;
        for (_, path) in &mut self.names {
            path.insert(0, old.name.clone());
        }
        if !old.name.starts_with("<>") {
            self.names.push((old.name.clone(), vec![old.name.clone()]));
        }
        self.names.push((var.name.clone(), vec![var.name.clone()]));
        self.param = Ident { name: next, span };
        Expr {
            span,
            kind: ExprKind::NewAnonymous(vec![(Some(old), carried), (Some(var.clone()), value)]),
        }
    }
}

fn plain(name: Ident) -> Param {
    Param {
        by: PassBy::Value,
        ty: None,
        name,
        default: None,
        params: false,
        this: false,
        transparent: Vec::new(),
    }
}

fn call(source: Expr, method: &str, args: Vec<Expr>, span: Span) -> Expr {
    let name = Ident {
        name: method.into(),
        span,
    };
    let args = args
        .into_iter()
        .map(|value| Arg {
            name: None,
            by: PassBy::Value,
            value,
        })
        .collect();
    let target = Expr {
        span,
        kind: ExprKind::Member(Box::new(source), name, Vec::new()),
    };
    Expr {
        span,
        kind: ExprKind::Call(Box::new(target), args),
    }
}

/// `source.Cast<T>()` when the range variable has a type.
fn typed(source: Expr, ty: Option<TypeSyn>) -> Expr {
    let Some(ty) = ty else { return source };
    let span = source.span;
    let name = Ident {
        name: "Cast".into(),
        span,
    };
    let target = Expr {
        span,
        kind: ExprKind::Member(Box::new(source), name, vec![ty]),
    };
    Expr {
        span,
        kind: ExprKind::Call(Box::new(target), Vec::new()),
    }
}

fn name_of(ident: &Ident) -> Expr {
    Expr {
        span: ident.span,
        kind: ExprKind::Name(ident.clone(), Vec::new()),
    }
}

impl Parser<'_> {
    /// `from x in` or `from T x in` at the cursor.
    pub(crate) fn is_query(&self) -> bool {
        if !self.is_word("from") {
            return false;
        }
        match (self.peek_at(1), self.peek_at(2)) {
            (Tok::Ident { .. }, Tok::Keyword("in" | "new")) => true,
            (Tok::Ident { .. } | Tok::Keyword(_), Tok::Ident { .. }) => {
                matches!(self.peek_at(3), Tok::Keyword("in"))
            }
            (Tok::Ident { .. } | Tok::Keyword(_), Tok::Op("." | "<" | "[")) => {
                // `from List<int> x in`: decided by the `in` that follows within a few tokens.
                (3..16).any(|n| matches!(self.peek_at(n), Tok::Keyword("in")))
            }
            _ => false,
        }
    }

    /// Query keywords end an operand only inside a query.
    pub(crate) fn in_query(&self) -> bool {
        self.query_depth > 0
    }

    pub(crate) fn query(&mut self, start: usize) -> Parse<Expr> {
        self.query_depth += 1;
        let result = self.query_expression(start);
        self.query_depth -= 1;
        result
    }

    fn query_expression(&mut self, start: usize) -> Parse<Expr> {
        self.advance();
        let ty = match self.peek_at(1) {
            Tok::Keyword("new") => Some(self.parse_type()?),
            _ => self.range_type(),
        };
        let var = if self.is_kw("new") {
            self.report("CS1001", "Identifier expected");
            let start = self.span().start;
            let span = Span { start, end: start };
            Ident {
                name: "".into(),
                span,
            }
        } else {
            self.ident()?
        };
        self.expect_kw("in")?;
        let source = typed(self.expression()?, ty);
        let mut range = Range::new(var, source);
        loop {
            self.query_clauses(&mut range)?;
            let value = self.query_end(&mut range)?;
            if !self.eat_word("into") {
                return Ok(self.make(start, ExprKind::Query(Box::new(value), range.clauses)));
            }
            let clauses = std::mem::take(&mut range.clauses);
            range = Range::new(self.ident()?, value);
            range.clauses = clauses;
        }
    }

    /// The type in `from T x in`, if there is one.
    fn range_type(&mut self) -> Option<TypeSyn> {
        if matches!(self.peek_at(1), Tok::Keyword("in")) {
            None
        } else {
            self.declaration_type()
        }
    }

    fn query_clauses(&mut self, range: &mut Range) -> Parse<()> {
        loop {
            let span = self.span();
            if range.names.len() > MAX_RANGE_VARIABLES || range.clauses.len() > MAX_CLAUSES {
                return self.fail("CS8078", "An expression is too long or complex to compile");
            }
            if self.eat_word("from") {
                self.second_from(range, span)?;
            } else if self.eat_word("let") {
                let var = self.ident()?;
                self.expect_op("=")?;
                let value = self.expression()?;
                let before = Range {
                    param: range.param.clone(),
                    names: range.names.clone(),
                    ..Range::new(var.clone(), name_of(&var))
                };
                let carried = range.extend(&var, value);
                let selector = before.lambda(carried, None);
                range.call("Select", vec![selector], span);
            } else if self.eat_word("where") {
                let cond = self.expression()?;
                let test = range.lambda(cond, None);
                range.call("Where", vec![test], span);
            } else if self.eat_word("join") {
                self.join_clause(range, span)?;
            } else if self.eat_word("orderby") {
                let mut method = ["OrderBy", "OrderByDescending"];
                loop {
                    let key = self.expression()?;
                    let descending = self.eat_word("descending");
                    if !descending {
                        self.eat_word("ascending");
                    }
                    let selector = range.lambda(key, None);
                    range.call(method[usize::from(descending)], vec![selector], span);
                    method = ["ThenBy", "ThenByDescending"];
                    if !self.eat_op(",") {
                        break;
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn second_from(&mut self, range: &mut Range, span: Span) -> Parse<()> {
        let ty = self.range_type();
        let var = self.ident()?;
        self.expect_kw("in")?;
        let inner = typed(self.expression()?, ty);
        let collection = range.lambda(inner, None);
        if self.is_word("select") {
            // The usual end: the result selector takes both variables.
            self.advance();
            let value = self.expression()?;
            let result = range.lambda(value, Some(&var));
            range.call("SelectMany", vec![collection, result], span);
            self.query_done = true;
            return Ok(());
        }
        let before = Range {
            param: range.param.clone(),
            names: range.names.clone(),
            ..Range::new(var.clone(), name_of(&var))
        };
        let carried = range.extend(&var, name_of(&var));
        let result = before.lambda(carried, Some(&var));
        range.call("SelectMany", vec![collection, result], span);
        Ok(())
    }

    fn join_clause(&mut self, range: &mut Range, span: Span) -> Parse<()> {
        let ty = self.range_type();
        let var = self.ident()?;
        self.expect_kw("in")?;
        let inner = typed(self.expression()?, ty);
        if !self.eat_word("on") {
            self.report("CS0743", "Expected contextual keyword 'on'");
        }
        let left = self.expression()?;
        if !self.eat_word("equals") {
            self.report("CS0744", "Expected contextual keyword 'equals'");
        }
        let right = self.expression()?;
        let outer_key = range.key(left, std::slice::from_ref(&var.name), "CS1937");
        let inner_key = Range::new(var.clone(), name_of(&var)).key(right, &range.variables(), "CS1938");
        let (method, result_var) = if self.eat_word("into") {
            ("GroupJoin", self.ident()?)
        } else {
            ("Join", var)
        };
        if self.eat_word("select") {
            let value = self.expression()?;
            let result = range.lambda(value, Some(&result_var));
            range.call(method, vec![inner, outer_key, inner_key, result], span);
            self.query_done = true;
            return Ok(());
        }
        let before = Range {
            param: range.param.clone(),
            names: range.names.clone(),
            ..Range::new(result_var.clone(), name_of(&result_var))
        };
        let carried = range.extend(&result_var, name_of(&result_var));
        let result = before.lambda(carried, Some(&result_var));
        range.call(method, vec![inner, outer_key, inner_key, result], span);
        Ok(())
    }

    /// `select` or `group … by`, which ends a query body.
    fn query_end(&mut self, range: &mut Range) -> Parse<Expr> {
        let span = self.span();
        let take = |range: &mut Range| {
            std::mem::replace(
                &mut range.source,
                Expr {
                    span,
                    kind: ExprKind::Error,
                },
            )
        };
        if std::mem::take(&mut self.query_done) {
            return Ok(take(range));
        }
        if self.eat_word("select") {
            let value = self.expression()?;
            // `from x in xs where … select x` adds no Select.
            let identity = matches!(&value.kind, ExprKind::Name(n, _) if n.name == range.param.name)
                && matches!(range.source.kind, ExprKind::Call(..));
            if !identity {
                let selector = range.lambda(value, None);
                range.call("Select", vec![selector], span);
            }
            return Ok(take(range));
        }
        if self.eat_word("group") {
            let value = self.expression()?;
            if !self.eat_word("by") {
                self.report("CS0745", "Expected contextual keyword 'by'");
            }
            let key = self.expression()?;
            let identity = matches!(&value.kind, ExprKind::Name(n, _) if n.name == range.param.name);
            let mut args = vec![range.lambda(key, None)];
            if !identity {
                args.push(range.lambda(value, None));
            }
            range.call("GroupBy", args, span);
            return Ok(take(range));
        }
        self.report(
            "CS0742",
            "A query body must end with a select clause or a group clause",
        );
        Ok(Expr {
            span,
            kind: ExprKind::Error,
        })
    }
}
