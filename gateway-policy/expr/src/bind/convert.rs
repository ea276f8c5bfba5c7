//! Conversions: which exist, and the code that does them (C# 7.3 §6).

use super::{
    Binder,
    operand::{Operand, Val},
    shared,
};
use crate::{
    Span, cast,
    ir::{CallNode, Const, DynamicNode, Node},
    ops,
    types::{Member, MemberKind, Num, Type, base_of, is_subtype, registry},
};

/// A standard implicit conversion between types: identity, numeric, nullable, reference, boxing.
pub(crate) fn standard(from: &Type, to: &Type) -> bool {
    if from == to || from.is_error() || to.is_error() {
        return true;
    }
    if matches!(from, Type::Void) || matches!(to, Type::Void) {
        return false;
    }
    if let (Some(a), Some(b)) = (from.num(), to.num()) {
        return a.widens_to(b);
    }
    if let Some(inner) = to.nullable_of() {
        let from = from.nullable_of().unwrap_or(from);
        return standard_value(from, inner);
    }
    if let Some(inner) = from.nullable_of() {
        // Boxing of a nullable boxes its value.
        return to.is_object() || (to.is_reference() && is_subtype(inner, to));
    }
    if let (Type::Tuple(a, _), Type::Tuple(b, _)) = (from, to) {
        return a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| standard(a, b));
    }
    is_subtype(from, to)
}

/// Identity and numeric conversions, as they lift over nullables.
fn standard_value(from: &Type, to: &Type) -> bool {
    if let Type::Null = from {
        return true;
    }
    from == to || matches!((from.num(), to.num()), (Some(a), Some(b)) if a.widens_to(b))
}

/// User-defined conversion operators that could turn `from` into `to`.
fn operators(from: &Type, to: &Type, explicit: bool) -> Vec<&'static Member> {
    let mut found: Vec<&'static Member> = Vec::new();
    for start in [from, to] {
        let mut at = start.nullable_of().or(Some(start)).cloned();
        while let Some(ty) = at {
            if let Some(d) = ty.def() {
                let def = registry().def(d);
                let kinds = if explicit {
                    &[MemberKind::Implicit, MemberKind::Explicit][..]
                } else {
                    &[MemberKind::Implicit]
                };
                for kind in kinds {
                    for m in def.of_kind(*kind) {
                        if !found.iter().any(|f| std::ptr::eq(*f, m)) {
                            found.push(m);
                        }
                    }
                }
            }
            at = base_of(&ty);
        }
    }
    found
}

fn source(m: &Member) -> &Type {
    m.params.first().map_or(&Type::Error, |p| &p.ty)
}

/// The user-defined conversion from `from` to `to`, if exactly one is best.
pub(crate) fn user_defined(from: &Type, to: &Type, explicit: bool) -> Option<&'static Member> {
    if from.is_object() || to.is_object() || from.is_interface() || to.is_interface() {
        return None;
    }
    let all = operators(from, to, explicit);
    let fits = |m: &&'static Member| {
        let s = source(m);
        if explicit {
            (standard(from, s) || standard(s, from) || explicit_numeric(from, s))
                && (standard(&m.ret, to) || standard(to, &m.ret) || explicit_numeric(&m.ret, to))
        } else {
            standard(from, s) && standard(&m.ret, to)
        }
    };
    let fitting: Vec<&'static Member> = all.into_iter().filter(fits).collect();
    let sources: Vec<&Type> = fitting.iter().map(|m| source(m)).collect();
    let best_source = most_specific(&sources, from, true)?;
    let targets: Vec<&Type> = fitting.iter().map(|m| &m.ret).collect();
    let best_target = most_specific(&targets, to, false)?;
    let mut exact = fitting
        .iter()
        .filter(|m| source(m) == best_source && &m.ret == best_target);
    exact.next().copied()
}

fn explicit_numeric(a: &Type, b: &Type) -> bool {
    a.num().is_some() && b.num().is_some()
}

/// The most encompassed source (or most encompassing target) among candidates.
fn most_specific<'t>(types: &[&'t Type], wanted: &Type, source: bool) -> Option<&'t Type> {
    if let Some(exact) = types.iter().find(|t| **t == wanted) {
        return Some(exact);
    }
    let encompassing: Vec<&&Type> = types
        .iter()
        .filter(|t| {
            if source {
                standard(wanted, t)
            } else {
                standard(t, wanted)
            }
        })
        .collect();
    let pool: Vec<&'t Type> = if encompassing.is_empty() {
        types.to_vec()
    } else {
        encompassing.into_iter().copied().collect()
    };
    let encompassed_wins = source
        == pool.iter().any(|t| {
            if source {
                standard(wanted, t)
            } else {
                standard(t, wanted)
            }
        });
    pool.iter()
        .find(|a| {
            pool.iter().all(|b| {
                if encompassed_wins {
                    standard(a, b)
                } else {
                    standard(b, a)
                }
            })
        })
        .copied()
}

/// Whether an explicit reference conversion, unboxing or enum conversion exists.
fn explicit_standard(from: &Type, to: &Type) -> bool {
    let value = |t: &Type| t.nullable_of().unwrap_or(t).clone();
    let (f, t) = (value(from), value(to));
    let numeric = |x: &Type| x.num().is_some() || x.is_enum();
    if numeric(&f) && numeric(&t) {
        return true;
    }
    if f == t && (from.nullable_of().is_some() || to.nullable_of().is_some()) {
        return true;
    }
    if standard(to, from) || matches!(from, Type::Dynamic) {
        return !matches!(to, Type::Void);
    }
    if let (Type::Array(a, m), Type::Array(b, n)) = (from, to) {
        return m == n && a.is_reference() && b.is_reference() && explicit_standard(a, b);
    }
    if let (Type::Tuple(a, _), Type::Tuple(b, _)) = (from, to) {
        return a.len() == b.len()
            && a.iter()
                .zip(b.iter())
                .all(|(a, b)| standard(a, b) || explicit_standard(a, b));
    }
    let sealed =
        |t: &Type| t.is_value_type() || t.is_string() || matches!(t, Type::Array(..)) || t.is_delegate();
    match (from.is_interface(), to.is_interface()) {
        (true, true) => true,
        (true, false) => !sealed(to),
        (false, true) => !sealed(from),
        _ => false,
    }
}

impl<'a> Binder<'a> {
    /// Whether a value of type `from` converts implicitly to `to`, user-defined conversions included.
    pub(crate) fn implicit_type(&self, from: &Type, to: &Type) -> bool {
        standard(from, to) || matches!(from, Type::Dynamic) || user_defined(from, to, false).is_some()
    }

    /// Whether an expression converts implicitly to `to`.
    pub(crate) fn implicit(&mut self, operand: &Operand<'a>, to: &Type) -> bool {
        match operand {
            Operand::Value(v) => {
                self.implicit_type(&v.ty, to) || v.konst.as_ref().is_some_and(|c| constant_fits(c, &v.ty, to))
            }
            Operand::Local(id) => {
                let ty = self.vars[*id].ty.clone();
                let konst = self.vars[*id].konst.clone();
                self.implicit_type(&ty, to) || konst.is_some_and(|c| constant_fits(&c, &ty, to))
            }
            Operand::Prop(p) => {
                self.implicit_type(&p.ty, to)
                    || p.member
                        .constant
                        .as_ref()
                        .is_some_and(|c| constant_fits(c, &p.ty, to))
            }
            Operand::Element(_, _, ty) | Operand::TupleField(_, _, ty) => self.implicit_type(ty, to),
            Operand::Null => to.takes_null() || matches!(to, Type::Error),
            Operand::Default | Operand::Error => true,
            Operand::Throw(_) => true,
            Operand::Lambda(e) => self.lambda_fits(e, to),
            Operand::Group(g) => self.group_fits(g, to),
            Operand::LocalFn(f, _) => self.local_fn_fits(*f, to),
            Operand::Tuple(parts) => {
                let target = to.nullable_of().unwrap_or(to);
                match target {
                    Type::Tuple(items, _) if items.len() == parts.len() => {
                        let items = items.clone();
                        parts
                            .iter()
                            .zip(items.iter())
                            .all(|((_, part, _), t)| self.implicit(part, t))
                    }
                    _ => self.type_of(operand).is_some_and(|t| self.implicit_type(&t, to)),
                }
            }
            Operand::Type(_) | Operand::Namespace(_) | Operand::OutVar(..) | Operand::Discard => false,
        }
    }

    /// Converts implicitly, reporting what does not convert.
    pub(crate) fn convert(&mut self, operand: Operand<'a>, to: &Type, span: Span) -> Val {
        match operand {
            Operand::Error => Val {
                ty: to.clone(),
                ..Val::error()
            },
            Operand::Null => self.convert_null(to, span),
            Operand::Default => Val::new(to.clone(), Node::Default(shared(to))),
            Operand::Throw(node) => Val::new(to.clone(), node),
            Operand::Lambda(e) => self.convert_lambda(e, to),
            Operand::Group(g) => self.convert_group(*g, to, span),
            Operand::LocalFn(f, _) => self.convert_local_fn(f, to, span),
            Operand::Tuple(parts) => self.convert_tuple(parts, to, span),
            operand => {
                let value = self.rvalue(operand, span);
                self.convert_value(value, to, span)
            }
        }
    }

    fn convert_null(&mut self, to: &Type, span: Span) -> Val {
        if matches!(to, Type::Param(_)) && !to.takes_null() {
            let message = format!(
                "Cannot convert null to type parameter '{to}' because it could be a non-nullable value type. Consider using 'default({to})' instead."
            );
            self.error("CS0403", message, span);
        } else if !to.takes_null() && !to.is_error() {
            let message = format!("Cannot convert null to '{to}' because it is a non-nullable value type");
            self.error("CS0037", message, span)
                .help(format!("use the nullable type '{to}?'"));
        }
        Val {
            ty: to.clone(),
            node: Node::Const(Const::Null),
            konst: to.is_reference().then_some(Const::Null),
            never_null: false,
        }
    }

    /// Converts a value implicitly.
    pub(crate) fn convert_value(&mut self, value: Val, to: &Type, span: Span) -> Val {
        if value.ty.is_error() || to.is_error() {
            return Val {
                ty: to.clone(),
                ..value
            };
        }
        if let Some(c) = value.konst.as_ref().filter(|c| constant_fits(c, &value.ty, to)) {
            let target = to.nullable_of().unwrap_or(to);
            if let Some(c) = convert_constant(c, target) {
                return Val {
                    ty: to.clone(),
                    ..Val::konst(to.clone(), c)
                };
            }
        }
        if standard(&value.ty, to) {
            return self.apply_standard(value, to);
        }
        if matches!(value.ty, Type::Dynamic) {
            return self.dynamic_convert(value, to, false, span);
        }
        if let Some(op) = user_defined(&value.ty, to, false) {
            return self.apply_user(value, op, to, span);
        }
        self.no_conversion(&value, to, span);
        Val {
            ty: to.clone(),
            ..Val::error()
        }
    }

    fn dynamic_convert(&mut self, value: Val, to: &Type, explicit: bool, span: Span) -> Val {
        if to.is_object() {
            return Val {
                ty: to.clone(),
                ..value
            };
        }
        let _ = span;
        Val::new(
            to.clone(),
            Node::Dynamic(Box::new(DynamicNode::Convert(value.node, to.clone(), explicit))),
        )
    }

    fn no_conversion(&mut self, value: &Val, to: &Type, span: Span) {
        let from = &value.ty;
        if matches!(from, Type::Void) {
            self.error(
                "CS0029",
                format!("Cannot implicitly convert type 'void' to '{to}'"),
                span,
            );
            return;
        }
        if let (Some(c), Some(num)) = (value.konst.as_ref().and_then(Const::as_integer), to.num())
            && from.num().is_some_and(|n| {
                n.is_integral() && !matches!(n, Num::Char | Num::UInt | Num::Long | Num::ULong)
            })
            && num.is_integral()
            && num != Num::Char
        {
            self.error(
                "CS0031",
                format!("Constant value '{c}' cannot be converted to a '{to}'"),
                span,
            );
            return;
        }
        if let (Some(Const::Double(_)), Some(Num::Float | Num::Decimal)) = (&value.konst, to.num()) {
            let suffix = if to.num() == Some(Num::Float) { "F" } else { "M" };
            let message = format!(
                "Literal of type double cannot be implicitly converted to type '{to}'; use an '{suffix}' suffix to create a literal of this type"
            );
            self.error("CS0664", message, span)
                .help(format!("write {suffix} behind the number"));
            return;
        }
        let explicit = explicit_standard(from, to) || user_defined(from, to, true).is_some();
        if explicit {
            let message = format!(
                "Cannot implicitly convert type '{from}' to '{to}'. An explicit conversion exists (are you missing a cast?)"
            );
            self.error("CS0266", message, span)
                .help(format!("write ({to}) in front of it"));
        } else {
            self.error(
                "CS0029",
                format!("Cannot implicitly convert type '{from}' to '{to}'"),
                span,
            );
        }
    }

    fn apply_standard(&mut self, value: Val, to: &Type) -> Val {
        if value.ty == *to {
            return Val {
                ty: to.clone(),
                ..value
            };
        }
        let target = to.nullable_of().unwrap_or(to);
        let from = value.ty.nullable_of().unwrap_or(&value.ty).clone();
        if let (Some(a), Some(b)) = (from.num(), target.num()) {
            if a == b {
                return Val {
                    ty: to.clone(),
                    konst: None,
                    ..value
                };
            }
            if let Some(c) = value.konst.as_ref().and_then(|c| convert_constant(c, target)) {
                return Val::konst(to.clone(), c);
            }
            let f = ops::convert(b, false);
            let node = if value.ty.nullable_of().is_some() {
                Node::LiftedUnary(f, Box::new(value.node))
            } else {
                Node::Unary(f, Box::new(value.node))
            };
            return Val::new(to.clone(), node);
        }
        if let (Type::Tuple(a, _), Type::Tuple(b, _)) = (&value.ty.clone(), to) {
            return self.convert_tuple_value(value, a, b, to);
        }
        // Boxing and reference conversions keep the representation; a string constant stays one.
        let konst = value
            .konst
            .filter(|c| matches!(c, Const::Null | Const::Str(_)) && to.is_string());
        Val {
            ty: to.clone(),
            node: value.node,
            konst,
            never_null: value.never_null,
        }
    }

    fn convert_tuple_value(&mut self, value: Val, from: &[Type], items: &[Type], to: &Type) -> Val {
        let slot = self.temp();
        let mut parts = Vec::new();
        for (i, (f, t)) in from.iter().zip(items).enumerate() {
            let part = Val::new(f.clone(), Node::Field(Box::new(Node::Local(slot)), i as u32));
            parts.push(self.convert_value(part, t, Span::default()).node);
        }
        let tuple = Node::Tuple(shared(to), parts.into());
        let node = Node::Sequence(Box::new([Node::Set(slot, Box::new(value.node)), tuple]));
        Val::new(to.clone(), node)
    }

    fn apply_user(&mut self, value: Val, op: &'static Member, to: &Type, span: Span) -> Val {
        self.check_allowed(op, span);
        let lifted = value.ty.nullable_of().is_some() && source(op).nullable_of().is_none();
        let arg = if explicit_standard(&value.ty, source(op)) && !standard(&value.ty, source(op)) {
            self.cast_value(value, source(op), span)
        } else {
            self.apply_standard(value, &source(op).clone())
        };
        let call = CallNode {
            call: op.get,
            args: Box::new([arg.node]),
            types: [].into(),
            receiver: false,
            outs: [].into(),
            setter: false,
            name: op.name.clone(),
        };
        let _ = lifted;
        let result = Val::new(op.ret.clone(), Node::Call(Box::new(call)));
        if standard(&op.ret, to) {
            self.apply_standard(result, to)
        } else {
            self.cast_value(result, to, span)
        }
    }

    /// An explicit conversion `(to)operand`.
    pub(crate) fn cast(&mut self, operand: Operand<'a>, to: &Type, span: Span) -> Val {
        match operand {
            Operand::Null
            | Operand::Lambda(_)
            | Operand::Group(_)
            | Operand::LocalFn(..)
            | Operand::Default => self.convert(operand, to, span),
            Operand::Error => Val {
                ty: to.clone(),
                ..Val::error()
            },
            Operand::Tuple(parts) => {
                if let Type::Tuple(items, _) = to
                    && items.len() == parts.len()
                {
                    let items = items.clone();
                    let nodes: Vec<Node> = parts
                        .into_iter()
                        .zip(items.iter())
                        .map(|((_, p, s), t)| self.cast(p, t, s).node)
                        .collect();
                    return Val::new(to.clone(), Node::Tuple(shared(to), nodes.into()));
                }
                self.convert_tuple(parts, to, span)
            }
            operand => {
                let value = self.rvalue(operand, span);
                self.cast_value(value, to, span)
            }
        }
    }

    /// An explicit conversion of a value.
    pub(crate) fn cast_value(&mut self, value: Val, to: &Type, span: Span) -> Val {
        if value.ty.is_error() || to.is_error() {
            return Val {
                ty: to.clone(),
                node: value.node,
                konst: None,
                never_null: false,
            };
        }
        if let Some(folded) = self.cast_constant(&value, to, span) {
            return folded;
        }
        if standard(&value.ty, to) {
            return self.apply_standard(value, to);
        }
        if matches!(value.ty, Type::Dynamic) {
            return self.dynamic_convert(value, to, true, span);
        }
        let user_first = !explicit_standard(&value.ty, to);
        if user_first && let Some(op) = user_defined(&value.ty, to, true) {
            return self.apply_user(value, op, to, span);
        }
        if let Some(cast) = self.numeric_cast(&value, to) {
            return Val::new(to.clone(), cast(value.node));
        }
        if explicit_standard(&value.ty, to) {
            if let Some(inner) = value.ty.nullable_of().cloned()
                && to.nullable_of().is_none()
                && to.is_value_type()
            {
                let unwrapped = Val::new(inner, Node::Unary(cast::nullable_value, Box::new(value.node)));
                return self.cast_value(unwrapped, to, span);
            }
            let node = if to.is_string() {
                Node::CastStr(Box::new(value.node))
            } else {
                Node::Cast(Box::new(value.node), shared(to))
            };
            return Val::new(to.clone(), node);
        }
        let message = format!("Cannot convert type '{}' to '{to}'", value.ty);
        self.error("CS0030", message, span);
        Val {
            ty: to.clone(),
            ..Val::error()
        }
    }

    /// Numeric and enum casts as a wrapper around the node, lifted over nullables.
    fn numeric_cast(&self, value: &Val, to: &Type) -> Option<Box<dyn FnOnce(Node) -> Node>> {
        let lifted = value.ty.nullable_of().is_some() && to.nullable_of().is_some();
        if value.ty.nullable_of().is_some() && !lifted {
            return None;
        }
        let from = value.ty.nullable_of().unwrap_or(&value.ty);
        let target = to.nullable_of().unwrap_or(to);
        let numeric = |t: &Type| t.num().is_some() || t.is_enum();
        if !numeric(from) || !numeric(target) {
            return None;
        }
        let to_enum = target.is_enum().then(|| target.clone());
        let num = match &to_enum {
            Some(t) => registry().def(t.def()?).underlying,
            None => target.num()?,
        };
        let convert = ops::convert(num, self.checked);
        Some(Box::new(move |node| {
            let node = match lifted {
                true => Node::LiftedUnary(convert, Box::new(node)),
                false => Node::Unary(convert, Box::new(node)),
            };
            match to_enum {
                Some(t) => Node::Cast(Box::new(Node::Unary(ops::to_int, Box::new(node))), shared(&t)),
                None => node,
            }
        }))
    }

    fn cast_constant(&mut self, value: &Val, to: &Type, span: Span) -> Option<Val> {
        let konst = value.konst.as_ref()?;
        if let (Some(_), Some(num)) = (numeric_of(&value.ty), to.num()) {
            let outcome = ops::convert(num, true)(konst.value());
            return Some(match outcome {
                Ok(v) => Val::konst(to.clone(), Const::of(&v)?),
                Err(_)
                    if self.checked_constants()
                        || matches!(konst, Const::Decimal(_))
                        || num == crate::types::Num::Decimal =>
                {
                    let shown = crate::text::to_text(&konst.value());
                    let code = if matches!(konst, Const::Decimal(_)) || num == crate::types::Num::Decimal {
                        "CS0031"
                    } else {
                        "CS0221"
                    };
                    let message = if code == "CS0031" {
                        format!(
                            "Constant value '{}' cannot be converted to a '{to}'",
                            shown.to_lossy()
                        )
                    } else {
                        format!(
                            "Constant value '{}' cannot be converted to a '{to}' (use 'unchecked' syntax to override)",
                            shown.to_lossy()
                        )
                    };
                    self.error(code, message, span);
                    Val {
                        ty: to.clone(),
                        ..Val::error()
                    }
                }
                Err(_) => {
                    let v = ops::convert(num, false)(konst.value()).ok()?;
                    Val::konst(to.clone(), Const::of(&v)?)
                }
            });
        }
        if to.is_enum()
            && numeric_of(&value.ty).is_some()
            && let (Some(i), Some(d)) = (konst.as_integer(), to.def())
        {
            return Some(Val::konst(to.clone(), Const::Enum(d, i as i64)));
        }
        None
    }

    /// Constants are checked unless `unchecked` says otherwise.
    pub(crate) fn checked_constants(&self) -> bool {
        !self.unchecked
    }

    /// Converts an operand that is used for its value alone; a lambda, group or null has none.
    pub(crate) fn type_of(&mut self, operand: &Operand<'a>) -> Option<Type> {
        match operand {
            Operand::Value(v) => Some(v.ty.clone()),
            Operand::Local(id) => Some(self.vars[*id].ty.clone()),
            Operand::Prop(p) => Some(p.ty.clone()),
            Operand::Element(_, _, ty) | Operand::TupleField(_, _, ty) => Some(ty.clone()),
            Operand::Tuple(parts) => {
                let mut types = Vec::new();
                let mut names = Vec::new();
                for (name, part, _) in parts {
                    types.push(self.type_of(part)?);
                    names.push(name.clone());
                }
                Some(Type::Tuple(
                    types.into(),
                    crate::types::TupleNames(Some(names.into())),
                ))
            }
            Operand::OutVar(id, Some(_)) => Some(self.vars[*id].ty.clone()),
            Operand::Error => Some(Type::Error),
            _ => None,
        }
    }
}

fn numeric_of(ty: &Type) -> Option<()> {
    (ty.num().is_some() || ty.is_enum()).then_some(())
}

/// Whether a constant converts implicitly although its type does not: small integers, zero to enums.
fn constant_fits(c: &Const, from: &Type, to: &Type) -> bool {
    let target = to.nullable_of().unwrap_or(to);
    let Some(value) = c.as_integer() else { return false };
    let Some(source) = from.num() else { return false };
    if target.is_enum() {
        return value == 0 && source.is_integral() && source != Num::Char;
    }
    let Some((low, high)) = target
        .num()
        .filter(|n| n.is_integral() && *n != Num::Char)
        .and_then(Num::range)
    else {
        return false;
    };
    match source {
        Num::Int => value >= low && value <= high,
        Num::Long => target.num() == Some(Num::ULong) && value >= 0,
        _ => false,
    }
}

/// A constant in another numeric or enum type.
pub(crate) fn convert_constant(c: &Const, to: &Type) -> Option<Const> {
    if let Some(num) = to.num() {
        return Const::of(&ops::convert(num, true)(c.value()).ok()?);
    }
    if to.is_enum() {
        return Some(Const::Enum(to.def()?, c.as_integer()? as i64));
    }
    if to.is_string() && matches!(c, Const::Str(_) | Const::Null) {
        return Some(c.clone());
    }
    None
}
