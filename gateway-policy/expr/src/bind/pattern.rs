//! `is` and the patterns of `case`.

use super::{
    Binder,
    operand::{Operand, Val},
    shared,
};
use crate::{
    Span,
    ir::{BinaryFn, Const, Node},
    ops,
    syntax::ast::{Expr, ExprKind, Pattern},
    types::{Type, is_subtype},
};

impl<'a> Binder<'a> {
    /// `inner is pattern`
    pub(crate) fn is_pattern(&mut self, inner: &'a Expr, pattern: &'a Pattern, span: Span) -> Operand<'a> {
        let operand = self.operand(inner);
        let value = match operand {
            Operand::Lambda(_) | Operand::Group(_) | Operand::LocalFn(..) => {
                self.error("CS0837", "The first operand of an 'is' or 'as' operator may not be a lambda expression, anonymous method, or method group.", inner.span);
                return Operand::Error;
            }
            Operand::Null => Val::konst(Type::Null, Const::Null),
            operand => self.rvalue(operand, inner.span),
        };
        if let Pattern::Const(Expr {
            kind: ExprKind::Error,
            ..
        }) = pattern
        {
            return Operand::Error;
        }
        if matches!(value.ty, Type::Null) && !self.names_type(pattern) {
            let message = "Invalid operand for pattern match; value required, but found '<null>'.";
            self.error("CS8117", message, inner.span);
        }
        if value.ty.is_error() {
            // Variables of the pattern still come into scope.
            let slot = self.temp();
            let outer = std::mem::replace(&mut self.naming_type, true);
            self.pattern_test(slot, &Type::Error, pattern, span);
            self.naming_type = outer;
            return Operand::Error;
        }
        let slot = self.temp();
        let ty = value.ty.clone();
        let outer = std::mem::replace(&mut self.naming_type, true);
        let test = self.pattern_test(slot, &ty, pattern, span);
        self.naming_type = outer;
        let node = Node::Sequence(Box::new([Node::Set(slot, Box::new(value.node)), test]));
        Operand::value(Type::BOOL, node)
    }

    /// Whether what stands behind `is` is a type alone.
    fn names_type(&mut self, pattern: &'a Pattern) -> bool {
        let Pattern::Const(e) = pattern else {
            return false;
        };
        let mark = self.diagnostics.len();
        let operand = self.operand(e);
        self.diagnostics.truncate(mark);
        matches!(operand, Operand::Type(_) | Operand::Error | Operand::Discard)
    }

    /// A test of the value in `slot`; declares the pattern's variable.
    pub(crate) fn pattern_test(&mut self, slot: u32, ty: &Type, pattern: &'a Pattern, span: Span) -> Node {
        match pattern {
            Pattern::Var(name, _) => {
                if let Some(name) = name {
                    let id = self.declare(name, ty.clone());
                    let target = self.slot_of(id);
                    let set = Node::Set(target, Box::new(Node::Local(slot)));
                    return Node::Sequence(Box::new([set, Node::Const(Const::Bool(true))]));
                }
                Node::Const(Const::Bool(true))
            }
            Pattern::Declaration(syn, name) => {
                let declared_var = super::statement::is_var(syn);
                let target = if declared_var {
                    ty.clone()
                } else {
                    self.resolve_type(syn)
                };
                if target.nullable_of().is_some() && !declared_var {
                    let inner = target.nullable_of().cloned().unwrap_or(Type::Error);
                    let message = format!(
                        "It is not legal to use nullable type '{target}' in a pattern; use the underlying type '{inner}' instead."
                    );
                    self.error("CS8116", message, syn.span);
                }
                self.check_pattern_type(ty, &target, syn.span);
                let test = Node::Is(Box::new(Node::Local(slot)), shared(&target));
                let Some(name) = name else { return test };
                let id = self.declare(name, target.clone());
                let to = self.slot_of(id);
                let set = Node::Set(to, Box::new(Node::Local(slot)));
                let assign = Node::Sequence(Box::new([set, Node::Const(Const::Bool(true))]));
                Node::And(Box::new((test, assign)))
            }
            Pattern::Const(e) => self.constant_pattern(slot, ty, e, span),
        }
    }

    fn check_pattern_type(&mut self, from: &Type, to: &Type, span: Span) {
        if from.is_error() || to.is_error() || matches!(from, Type::Null) {
            return;
        }
        if !self.reference_castable(from, to) {
            let message =
                format!("An expression of type '{from}' cannot be handled by a pattern of type '{to}'.");
            self.error("CS8121", message, span);
        }
    }

    /// A constant, or a type: `is null`, `is 5`, `is string`.
    fn constant_pattern(&mut self, slot: u32, ty: &Type, e: &'a Expr, span: Span) -> Node {
        let mark = self.diagnostics.len();
        let operand = self.operand(e);
        if self.naming_type
            && let Some(first) = type_root(e)
        {
            // After `is`, what is not known is taken for a type.
            for d in &mut self.diagnostics[mark..] {
                if d.code == "CS0103" && d.span.start == first.start {
                    d.code = "CS0246";
                    let name = d.message.split('\'').nth(1).unwrap_or_default().to_owned();
                    d.message = format!(
                        "The type or namespace name '{name}' could not be found (are you missing a using directive or an assembly reference?)"
                    );
                }
            }
        }
        let local = || Box::new(Node::Local(slot));
        match operand {
            Operand::Type(target) => {
                if target.is_error() {
                    return Node::Const(Const::Bool(false));
                }
                // A test that can never succeed is only a warning.
                let never = !ty.is_error() && !self.reference_castable(ty, &target);
                let null = matches!(ty, Type::Null);
                if never || null {
                    return Node::Sequence(Box::new([Node::Local(slot), Node::Const(Const::Bool(false))]));
                }
                if is_subtype(ty, &target) && ty.is_value_type() && ty.nullable_of().is_none() {
                    return Node::Const(Const::Bool(true));
                }
                let target = target.nullable_of().cloned().unwrap_or(target);
                Node::Is(local(), shared(&target))
            }
            Operand::Discard if self.naming_type => {
                let message = "The type or namespace name '_' could not be found (are you missing a using directive or an assembly reference?)";
                self.error("CS0246", message, e.span);
                Node::Const(Const::Bool(false))
            }
            Operand::Null => {
                if !ty.takes_null() && !ty.is_error() {
                    let message =
                        format!("Cannot convert null to '{ty}' because it is a non-nullable value type");
                    self.error("CS0037", message, e.span);
                }
                Node::Not(Box::new(Node::NotNull(local())))
            }
            operand => {
                let value = self.rvalue(operand, e.span);
                if value.ty.is_error() {
                    return Node::Const(Const::Bool(false));
                }
                let boxed = self.in_instance || ty.is_object() || ty.is_interface() || ty.is_error();
                let inner = ty.nullable_of().unwrap_or(ty).clone();
                let mark = self.diagnostics.len();
                let value = if boxed {
                    value
                } else {
                    self.convert_value(value, &inner, e.span)
                };
                if value.konst.is_none() {
                    if !value.ty.is_error() && !self.has_errors_since(mark) {
                        self.error("CS0150", "A constant value is expected", e.span);
                    }
                    return Node::Const(Const::Bool(false));
                }
                let _ = span;
                let f: BinaryFn = ops::value_eq;
                Node::Binary(f, Box::new((Node::Local(slot), value.node)))
            }
        }
    }
}

/// Where the first name of a plain dotted name stands.
fn type_root(e: &Expr) -> Option<Span> {
    match &e.kind {
        ExprKind::Name(name, _) => Some(name.span),
        ExprKind::Member(inner, ..) => type_root(inner),
        _ => None,
    }
}
