//! Iterators: functions with `yield` in their bodies.

use super::{Binder, operand::Operand};
use crate::{
    Span,
    ir::{Node, Stmt as Code},
    syntax::ast::{Expr, LocalFn, PassBy, Stmt, StmtKind},
    types::{IENUMERABLE, IENUMERABLE_T, IENUMERATOR_T, Type},
};

/// What the iterator being bound yields; an unknown type where it cannot be an iterator.
#[derive(Clone, Debug)]
pub(crate) struct Yields(Type);

/// Whether `yield` stands in these statements, nested functions aside.
pub(crate) fn yields(statements: &[Stmt]) -> bool {
    statements.iter().any(yields_in)
}

fn yields_in(s: &Stmt) -> bool {
    match &s.kind {
        StmtKind::Yield(_) => true,
        StmtKind::Block(list) => yields(list),
        StmtKind::If(_, yes, no) => yields_in(yes) || no.as_deref().is_some_and(yields_in),
        StmtKind::While(_, body)
        | StmtKind::Do(body, _)
        | StmtKind::For { body, .. }
        | StmtKind::Foreach { body, .. }
        | StmtKind::Using { body, .. }
        | StmtKind::Lock(_, body)
        | StmtKind::Checked(_, body)
        | StmtKind::Labeled(_, body) => yields_in(body),
        StmtKind::Switch(_, sections) => sections.iter().any(|s| yields(&s.body)),
        StmtKind::Try {
            body,
            catches,
            finally,
        } => {
            yields_in(body)
                || catches.iter().any(|c| yields_in(&c.body))
                || finally.as_deref().is_some_and(yields_in)
        }
        _ => false,
    }
}

impl<'a> Binder<'a> {
    /// What a function that returns `ret` yields; reports a type that is no iterator's.
    pub(crate) fn iterator_of(&mut self, ret: &Type, span: Span) -> Option<Yields> {
        let element = match ret {
            Type::Error => Type::Error,
            ty if ty.is_def(IENUMERABLE) => Type::OBJECT,
            ty if matches!(ty.def(), Some(IENUMERABLE_T | IENUMERATOR_T)) => {
                ty.args().first().cloned().unwrap_or(Type::Error)
            }
            ty => {
                let message = format!(
                    "The body cannot be an iterator block because '{ty}' is not an iterator interface type"
                );
                self.error("CS1624", message, span);
                Type::Error
            }
        };
        Some(Yields(element))
    }

    pub(crate) fn check_iterator_parameters(&mut self, decl: &'a LocalFn) {
        if let Some(p) = decl.params.iter().find(|p| p.by != PassBy::Value) {
            let message = "Iterators cannot have ref, in or out parameters";
            self.error("CS1623", message, p.name.span);
        }
    }

    pub(crate) fn yield_statement(&mut self, value: Option<&'a Expr>, span: Span) -> (Code, bool) {
        if self.in_lambda {
            let message =
                "The yield statement cannot be used inside an anonymous method or lambda expression";
            self.error("CS1621", message, span);
        } else {
            let refusal = if self.finally_labels.is_some() {
                Some(("CS1625", "Cannot yield in the body of a finally clause"))
            } else if value.is_none() {
                None
            } else if self.caught_tries > 0 {
                Some((
                    "CS1626",
                    "Cannot yield a value in the body of a try block with a catch clause",
                ))
            } else if self.catches > 0 {
                Some(("CS1631", "Cannot yield a value in the body of a catch clause"))
            } else {
                None
            };
            if let Some((code, message)) = refusal {
                self.error(code, message, span);
            }
        }
        let Some(e) = value else {
            return (Code::Return(None), self.in_lambda);
        };
        let operand = self.operand(e);
        let node = match self.iterator.clone().filter(|_| !self.in_lambda) {
            Some(Yields(ty)) if !ty.is_error() => self.convert(operand, &ty, e.span).node,
            _ => match operand {
                Operand::Value(v) => v.node,
                _ => Node::Const(crate::ir::Const::Null),
            },
        };
        (Code::Yield(node), true)
    }
}
