//! Queries: bound as the calls they mean; what is wrong with those is told in terms of the query.

use super::{Binder, operand::Operand};
use crate::{
    Diagnostic, Span,
    syntax::ast::{Body, Expr, ExprKind, Ident},
};

impl<'a> Binder<'a> {
    pub(crate) fn query(&mut self, inner: &'a Expr, clauses: &'a [Span]) -> Operand<'a> {
        let mark = self.diagnostics.len();
        let operand = self.operand(inner);
        let lambdas = lambdas(inner, clauses);
        // Nothing can be inferred from what could not be read.
        let broken = lambdas
            .iter()
            .any(|(_, body)| matches!(body, Body::Expr(e) if matches!(e.kind, ExprKind::Error)));
        let mut found = self.diagnostics.split_off(mark);
        if broken {
            found.retain(|d| !(d.code == "CS0411" && clauses.contains(&d.span)));
        }
        for d in &mut found {
            let variable = lambdas
                .iter()
                .flat_map(|(names, _)| names)
                .any(|n| n.span == d.span);
            reword(d, clauses, variable);
        }
        self.diagnostics.append(&mut found);
        operand
    }
}

/// Parameters and bodies of the lambdas that clauses were made into.
fn lambdas<'e>(query: &'e Expr, clauses: &[Span]) -> Vec<(Vec<&'e Ident>, &'e Body)> {
    let mut all = Vec::new();
    let mut at = query;
    while let ExprKind::Call(target, args) = &at.kind
        && let ExprKind::Member(source, name, _) = &target.kind
        && clauses.contains(&name.span)
    {
        for arg in args {
            if let ExprKind::Lambda(params, body) = &arg.value.kind {
                all.push((params.iter().map(|p| &p.name).collect(), body));
            }
        }
        at = source;
    }
    all
}

/// The query's word for an error in a call that stands for a clause or in a lambda made of one.
fn reword(d: &mut Diagnostic, clauses: &[Span], variable: bool) {
    let clause = clauses.contains(&d.span);
    let method = d.message.split(['(', '.']).nth(1).unwrap_or_default().to_owned();
    match d.code {
        "CS1061" if clause => {
            let mut quoted = d.message.split('\'').skip(1).step_by(2);
            let (source, method) = (quoted.next().unwrap_or(""), quoted.next().unwrap_or(""));
            d.message = format!(
                "Could not find an implementation of the query pattern for source type '{source}'. '{method}' not found."
            );
            d.code = "CS1936";
        }
        "CS0023" if d.message.ends_with("'<null>'") => {
            d.code = "CS0186";
            d.message = "Use of null is not valid in this context".to_owned();
        }
        "CS0411" if clause => {
            d.code = match method.as_str() {
                "Join" | "GroupJoin" => "CS1941",
                "SelectMany" => "CS1943",
                _ => "CS1942",
            };
            d.message = format!(
                "The type of an expression in the clause is incorrect. Type inference failed in the call to '{method}'."
            );
        }
        "CS0136" if variable => {
            d.code = "CS1931";
            let name = d.message.split('\'').nth(1).unwrap_or_default();
            d.message =
                format!("The range variable '{name}' conflicts with a previous declaration of '{name}'");
        }
        "CS0100" | "CS0833" => {
            d.code = "CS1930";
            let name = d.message.split('\'').nth(1).unwrap_or_default();
            d.message = format!("The range variable '{name}' has already been declared");
        }
        _ => {}
    }
}
