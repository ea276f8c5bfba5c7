//! Unary operators.

use super::{
    Binder,
    operand::{Operand, Val},
};
use crate::{
    Span,
    ir::{CallNode, Const, DynamicNode, Node, Use},
    ops,
    syntax::ast::{Expr, ExprKind},
    types::{Member, MemberKind, Num, Type, registry},
};

impl<'a> Binder<'a> {
    pub(crate) fn unary(&mut self, op: &'static str, inner: &'a Expr, span: Span) -> Operand<'a> {
        if matches!(op, "++" | "--") {
            return self.increment(op, inner, false, span);
        }
        if op == "-"
            && let Some(minimum) = self.least_integer(inner)
        {
            return minimum;
        }
        let value = self.value(inner);
        if value.ty.is_error() {
            return Operand::Error;
        }
        if op == "&" {
            let message = "Pointers and fixed size buffers may only be used in an unsafe context";
            self.error("CS0214", message, span);
            return Operand::Error;
        }
        let lifted = value.ty.nullable_of().is_some();
        let ty = value.ty.nullable_of().unwrap_or(&value.ty).clone();
        if matches!(ty, Type::Dynamic) {
            return Operand::value(
                Type::Dynamic,
                Node::Dynamic(Box::new(DynamicNode::Binary(
                    op,
                    value.node,
                    Node::Const(Const::Null),
                ))),
            );
        }
        if op == "!" && ty.is_bool() {
            if let Some(Const::Bool(b)) = value.konst {
                return Operand::konst(Type::BOOL, Const::Bool(!b));
            }
            let node = if lifted {
                Node::LiftedUnary(ops::not, Box::new(value.node))
            } else {
                Node::Not(Box::new(value.node))
            };
            return Operand::value(value.ty, node);
        }
        if op == "~" && ty.is_enum() {
            return Operand::value(value.ty, Node::Unary(ops::enum_not, Box::new(value.node)));
        }
        if let Some(done) = self.unary_numeric(op, &ty, lifted, &value, span) {
            let (target, f) = done;
            let wrapped = if lifted { Type::nullable(target) } else { target };
            if let (Some(f), Some(c)) = (f, value.konst.as_ref())
                && let Some(folded) = self.fold_unary(f, c, &wrapped, span)
            {
                return folded;
            }
            let value = self.convert_value(value, &wrapped, span);
            return match f {
                None => Operand::Value(value),
                Some(f) if lifted => Operand::value(wrapped, Node::LiftedUnary(f, Box::new(value.node))),
                Some(f) => Operand::value(wrapped, Node::Unary(f, Box::new(value.node))),
            };
        }
        if let Some(operand) = self.user_unary(op, &ty, &value) {
            self.uses.push(Use::Member(operand));
            let call = CallNode {
                call: operand.get,
                args: Box::new([value.node]),
                types: [].into(),
                receiver: false,
                outs: [].into(),
                setter: false,
                name: operand.name.clone(),
            };
            return Operand::value(operand.ret.clone(), Node::Call(Box::new(call)));
        }
        let (code, of) = if matches!(value.ty, Type::Null) {
            ("CS8310", "operand")
        } else {
            ("CS0023", "operand of type")
        };
        let message = format!("Operator '{op}' cannot be applied to {of} '{}'", value.ty);
        self.error(code, message, span);
        Operand::Error
    }

    fn user_unary(&self, op: &str, ty: &Type, _value: &Val) -> Option<&'static Member> {
        let d = ty.def()?;
        registry()
            .def(d)
            .named(op)
            .find(|m| m.kind == MemberKind::Operator && m.params.len() == 1)
    }

    /// `-2147483648` and `-9223372036854775808` are constants of int and long.
    fn least_integer(&mut self, inner: &'a Expr) -> Option<Operand<'a>> {
        use crate::syntax::{ast::Literal, token::NumKind};
        let ExprKind::Literal(Literal::Int(v, kind)) = &inner.kind else {
            return None;
        };
        match (*v, kind) {
            (0x8000_0000, NumKind::Natural) => Some(Operand::konst(Type::INT, Const::Int(i32::MIN))),
            (0x8000_0000_0000_0000, NumKind::Natural | NumKind::Long) => {
                Some(Operand::konst(Type::LONG, Const::Long(i64::MIN)))
            }
            _ => None,
        }
    }

    fn unary_numeric(
        &mut self,
        op: &str,
        ty: &Type,
        _lifted: bool,
        value: &Val,
        _span: Span,
    ) -> Option<(Type, Option<crate::ir::UnaryFn>)> {
        let num = ty.num()?;
        let promoted = match (op, num) {
            ("-", Num::UInt) => Num::Long,
            ("-", Num::ULong) => return None,
            (_, Num::SByte | Num::Byte | Num::Short | Num::UShort | Num::Char) => Num::Int,
            ("~", Num::Float | Num::Double | Num::Decimal) => return None,
            _ => num,
        };
        let _ = value;
        match op {
            "+" => Some((promoted.ty(), None)),
            "-" | "~" => ops::unary(op, promoted, self.checked).map(|f| (promoted.ty(), Some(f))),
            _ => None,
        }
    }

    fn fold_unary(&mut self, f: crate::ir::UnaryFn, c: &Const, ty: &Type, span: Span) -> Option<Operand<'a>> {
        let c = super::convert::convert_constant(c, ty)?;
        let checked = match (&c, ty.num()) {
            (Const::Int(i32::MIN), _) | (Const::Long(i64::MIN), _) if self.checked_constants() => {
                self.error(
                    "CS0220",
                    "The operation overflows at compile time in checked mode",
                    span,
                );
                return Some(Operand::Error);
            }
            _ => f(c.value()),
        };
        Const::of(&checked.ok()?).map(|v| Operand::konst(ty.clone(), v))
    }
}
