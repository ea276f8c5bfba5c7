//! Unary and binary operators, `?:`, `??`, `as`.

use gateway_dotnet::Str;

use super::{
    Binder,
    convert::standard,
    member::hierarchy,
    operand::{Operand, Val},
    shared,
};
use crate::{
    Span,
    ir::{BinaryFn, CallNode, Const, DynamicNode, Node, Use},
    ops,
    syntax::ast::{Expr, ExprKind, TypeSyn},
    types::{Member, MemberKind, Num, Type, is_subtype, registry},
};

impl<'a> Binder<'a> {
    /// A chain of binary operators: the left spine is walked in a loop, not by recursion.
    pub(crate) fn binary_chain(&mut self, e: &'a Expr) -> Operand<'a> {
        let mut spine: Vec<(&'static str, &'a Expr, Span)> = Vec::new();
        let mut at = e;
        while let ExprKind::Binary(op, l, r) = &at.kind {
            if *op == "??" {
                break;
            }
            spine.push((op, r, at.span));
            at = l;
        }
        let mut left = self.operand(at);
        let mut left_span = at.span;
        while let Some((op, right, span)) = spine.pop() {
            let r = self.operand(right);
            left = self.binary(op, left, left_span, r, right.span, span);
            left_span = span;
        }
        left
    }

    fn binary(
        &mut self,
        op: &'static str,
        left: Operand<'a>,
        left_span: Span,
        right: Operand<'a>,
        right_span: Span,
        span: Span,
    ) -> Operand<'a> {
        if matches!(left, Operand::Error) || matches!(right, Operand::Error) {
            return Operand::Error;
        }
        if matches!(op, "==" | "!=")
            && let (Some(a), Some(b)) = (self.cardinality(&left), self.cardinality(&right))
        {
            return self.tuple_equality(op, (left, left_span, a), (right, right_span, b), span);
        }
        if matches!((&left, &right), (Operand::Default, Operand::Default)) {
            let message = format!("Operator '{op}' is ambiguous on operands 'default' and 'default'");
            self.error("CS8315", message, span);
            return Operand::Error;
        }
        if (matches!(left, Operand::Default) || matches!(right, Operand::Default))
            && !matches!(op, "==" | "!=")
        {
            let message = format!("Operator '{op}' cannot be applied to operand 'default'");
            self.error("CS8310", message, span);
            return Operand::Error;
        }
        // `default` takes the type of the other side.
        let (left, right) = match (left, right) {
            (Operand::Default, r) => match self.type_of(&r) {
                Some(ty) => (Operand::Value(self.convert(Operand::Default, &ty, left_span)), r),
                None => (Operand::Default, r),
            },
            (l, Operand::Default) => match self.type_of(&l) {
                Some(ty) => {
                    let d = self.convert(Operand::Default, &ty, right_span);
                    (l, Operand::Value(d))
                }
                None => (l, Operand::Default),
            },
            both => both,
        };
        for (o, _) in [(&left, left_span), (&right, right_span)] {
            let what = match o {
                Operand::Lambda(_) => "lambda expression",
                Operand::Group(_) | Operand::LocalFn(..) => "method group",
                _ => continue,
            };
            let other = |b: &mut Self, o: &Operand<'a>| match o {
                Operand::Lambda(_) => "lambda expression".to_owned(),
                Operand::Group(_) | Operand::LocalFn(..) => "method group".to_owned(),
                Operand::Null => "<null>".to_owned(),
                o => b.type_of(o).map_or_else(|| "?".to_owned(), |t| t.to_string()),
            };
            let _ = what;
            let (l, r) = (other(self, &left), other(self, &right));
            self.error(
                "CS0019",
                format!("Operator '{op}' cannot be applied to operands of type '{l}' and '{r}'"),
                span,
            )
            .help("add parentheses to call the method");
            return Operand::Error;
        }
        let l = self.rvalue(left, left_span);
        let r = self.rvalue(right, right_span);
        if l.ty.is_error() || r.ty.is_error() {
            return Operand::Error;
        }
        self.binary_values(op, l, r, span)
    }

    /// An operator on two values.
    pub(crate) fn binary_values(&mut self, op: &'static str, l: Val, r: Val, span: Span) -> Operand<'a> {
        if matches!(l.ty, Type::Void) || matches!(r.ty, Type::Void) {
            return self.no_operator(op, &l, &r, span);
        }
        if matches!(op, "&&" | "||") {
            return self.logical(op, l, r, span);
        }
        if matches!(l.ty, Type::Dynamic) || matches!(r.ty, Type::Dynamic) {
            return Operand::value(
                Type::Dynamic,
                Node::Dynamic(Box::new(DynamicNode::Binary(op, l.node, r.node))),
            );
        }
        // Before concatenation: `XNamespace + string` is a name.
        if let Some(done) = self.user_operator(op, &l, &r, span) {
            return done.apply(self, l, r);
        }
        if op == "+" && (l.ty.is_string() || r.ty.is_string()) {
            return self.concat(l, r);
        }
        if matches!((&l.ty, &r.ty), (Type::Null, Type::Null)) {
            match op {
                "-" | "*" | "/" | "%" | "<<" | ">>" => {
                    return Operand::value(Type::nullable(Type::INT), Node::Const(Const::Null));
                }
                "<" | ">" | "<=" | ">=" => return Operand::konst(Type::BOOL, Const::Bool(false)),
                _ => {}
            }
        }
        let nothing = |t: &Type| matches!(t, Type::Null);
        if op == "+" && (nothing(&l.ty) && r.ty.is_bool() || nothing(&r.ty) && l.ty.is_bool()) {
            return self.concat(l, r);
        }
        if let Some(done) = self.builtin(op, &l, &r) {
            return self.apply_builtin(op, done, l, r, span);
        }
        if let (true, Some(Const::Str(a)), Some(Const::Str(b))) =
            (matches!(op, "==" | "!="), &l.konst, &r.konst)
        {
            return Operand::konst(Type::BOOL, Const::Bool((a == b) == (op == "==")));
        }
        if matches!(op, "==" | "!=")
            && let Some(result) = self.equality(op, &l, &r, span)
        {
            return Operand::value(Type::BOOL, result(l.node, r.node));
        }
        self.no_operator(op, &l, &r, span)
    }

    fn no_operator(&mut self, op: &str, l: &Val, r: &Val, span: Span) -> Operand<'a> {
        if ambiguous(op, &l.ty, &r.ty) {
            let message = format!(
                "Operator '{op}' is ambiguous on operands of type '{}' and '{}'",
                l.ty, r.ty
            );
            self.error("CS0034", message, span)
                .help("cast one side to the type of the other");
            return Operand::Error;
        }
        let message = format!(
            "Operator '{op}' cannot be applied to operands of type '{}' and '{}'",
            l.ty, r.ty
        );
        let token = |t: &Type| t.def() == Some(crate::types::JTOKEN);
        let help = if token(&l.ty) || token(&r.ty) || l.ty.is_object() || r.ty.is_object() {
            let other = if token(&l.ty) || l.ty.is_object() {
                &r.ty
            } else {
                &l.ty
            };
            Some(format!("cast it first: ({other})…"))
        } else if l.ty.nullable_of().is_some_and(Type::is_bool)
            || r.ty.nullable_of().is_some_and(Type::is_bool)
        {
            Some("compare it with true: … == true".to_owned())
        } else {
            None
        };
        self.error("CS0019", message, span).help = help;
        Operand::Error
    }

    fn logical(&mut self, op: &str, l: Val, r: Val, span: Span) -> Operand<'a> {
        let boolean = |t: &Type| t.is_bool() || matches!(t, Type::Dynamic);
        if !boolean(&l.ty) || !boolean(&r.ty) {
            return self.no_operator(op, &l, &r, span);
        }
        let l = self.convert_value(l, &Type::BOOL, span);
        let r = self.convert_value(r, &Type::BOOL, span);
        if let (Some(Const::Bool(a)), Some(Const::Bool(b))) = (&l.konst, &r.konst) {
            let value = if op == "&&" { *a && *b } else { *a || *b };
            return Operand::konst(Type::BOOL, Const::Bool(value));
        }
        let pair = Box::new((l.node, r.node));
        Operand::value(
            Type::BOOL,
            if op == "&&" {
                Node::And(pair)
            } else {
                Node::Or(pair)
            },
        )
    }

    /// String concatenation: chains become one node, constants are joined.
    fn concat(&mut self, l: Val, r: Val) -> Operand<'a> {
        if let (Some(a), Some(b)) = (constant_text(&l), constant_text(&r)) {
            let both: Vec<u16> = a.units().chain(b.units()).collect();
            return Operand::konst(Type::STRING, Const::Str(crate::intern::literal(&both)));
        }
        let mut parts = match (l.konst.is_some(), l.ty.is_string(), l.node) {
            (false, true, Node::Concat(parts)) => parts.into_vec(),
            (_, _, node) => vec![node],
        };
        match (parts.last_mut(), constant_text(&r)) {
            // `x + "a" + "b"` joins the constants, as long as the left end is text already.
            (Some(Node::Const(Const::Str(last))), Some(text)) if l.ty.is_string() => {
                let both: Vec<u16> = last.units().chain(text.units()).collect();
                *last = Str::from_utf16(&both);
            }
            _ => parts.push(r.node),
        }
        Operand::Value(Val {
            never_null: true,
            ..Val::new(Type::STRING, Node::Concat(parts.into()))
        })
    }

    /// The operand type of a built-in operator, with whether it is lifted over nullables.
    fn builtin(&mut self, op: &str, l: &Val, r: &Val) -> Option<Builtin> {
        let lifted = l.ty.nullable_of().is_some() || r.ty.nullable_of().is_some();
        let value = |v: &Val| v.ty.nullable_of().unwrap_or(&v.ty).clone();
        let (a, b) = (value(l), value(r));
        // A null literal takes part in lifted operators of the other operand's type.
        let (a, b, lifted) = match (&a, &b) {
            (Type::Null, other) if other.is_value_type() => (other.clone(), other.clone(), true),
            (other, Type::Null) if other.is_value_type() => (other.clone(), other.clone(), true),
            _ => (a, b, lifted),
        };
        if a.is_bool() && b.is_bool() && matches!(op, "&" | "|" | "^" | "==" | "!=") {
            return Some(Builtin { on: On::Bool, lifted });
        }
        if a.is_enum() || b.is_enum() {
            return enum_operator(op, &a, &b, l, r).map(|on| Builtin { on, lifted });
        }
        let (x, y) = (a.num()?, b.num()?);
        let num = if matches!(op, "<<" | ">>") {
            if !standard(&b, &Type::INT) {
                return None;
            }
            match x {
                Num::UInt | Num::Long | Num::ULong => x,
                _ if x.is_integral() => Num::Int,
                _ => return None,
            }
        } else {
            promote(x, y, l, r)?
        };
        if matches!(op, "&" | "|" | "^" | "<<" | ">>") && !num.is_integral() {
            return None;
        }
        Some(Builtin {
            on: On::Num(num),
            lifted,
        })
    }

    fn apply_builtin(&mut self, op: &'static str, b: Builtin, l: Val, r: Val, span: Span) -> Operand<'a> {
        let shift = matches!(op, "<<" | ">>");
        let comparison = matches!(op, "==" | "!=" | "<" | ">" | "<=" | ">=");
        let (operand_ty, f): (Type, Option<BinaryFn>) = match &b.on {
            On::Bool => (Type::BOOL, bool_operator(op)),
            On::Num(n) => (n.ty(), ops::binary(op, *n, self.checked)),
            On::Enum(ty) => (ty.clone(), ops::enum_binary(op)),
            On::EnumArith(ty) => return self.enum_arithmetic(op, ty.clone(), l, r, b.lifted, span),
        };
        let Some(f) = f else {
            return self.no_operator(op, &l, &r, span);
        };
        let right_ty = if shift { Type::INT } else { operand_ty.clone() };
        let wrap = |t: Type| if b.lifted { Type::nullable(t) } else { t };
        let result = if comparison {
            Type::BOOL
        } else {
            operand_ty.clone()
        };
        if let (Some(x), Some(y), false) = (&l.konst, &r.konst, b.lifted)
            && let Some(folded) = self.fold(op, &b.on, x, y, &operand_ty, &right_ty, &result, span)
        {
            return folded;
        }
        self.constant_zero(op, &b.on, &r, span);
        let l = self.convert_value(l, &wrap(operand_ty.clone()), span);
        let r = self.convert_value(r, &wrap(right_ty), span);
        let pair = Box::new((l.node, r.node));
        match (b.lifted, comparison) {
            (false, _) => Operand::value(result, Node::Binary(f, pair)),
            (true, true) => {
                let one = op == "!=";
                let both = op == "==";
                Operand::value(Type::BOOL, Node::LiftedCompare(f, pair, one, both))
            }
            (true, false) if matches!(b.on, On::Bool) && op != "^" => {
                Operand::value(Type::nullable(result), Node::Logic3(op == "&", pair))
            }
            (true, false) => Operand::value(Type::nullable(result), Node::LiftedBinary(f, pair)),
        }
    }

    /// Integer division by a constant zero (CS0020).
    fn constant_zero(&mut self, op: &str, on: &On, r: &Val, span: Span) {
        let integral = matches!(on, On::Num(n) if n.is_integral() || *n == Num::Decimal);
        let zero = match &r.konst {
            Some(Const::Decimal(d)) => d.is_zero(),
            Some(c) => c.as_integer() == Some(0),
            None => false,
        };
        if matches!(op, "/" | "%") && integral && zero {
            self.error("CS0020", "Division by constant zero", span);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one folded operation")]
    fn fold(
        &mut self,
        op: &str,
        on: &On,
        x: &Const,
        y: &Const,
        operand: &Type,
        right: &Type,
        result: &Type,
        span: Span,
    ) -> Option<Operand<'a>> {
        let convert = super::convert::convert_constant;
        let (x, y) = match on {
            On::Bool => (x.clone(), y.clone()),
            On::Num(_) | On::Enum(_) | On::EnumArith(_) => (convert(x, operand)?, convert(y, right)?),
        };
        let f = match on {
            On::Bool => bool_operator(op)?,
            On::Num(n) => ops::binary(op, *n, self.checked_constants())?,
            On::Enum(_) | On::EnumArith(_) => ops::enum_binary(op)?,
        };
        match f(x.value(), y.value()) {
            Ok(v) => Some(Operand::konst(result.clone(), Const::of(&v)?)),
            Err(_) => {
                let zero = matches!(op, "/" | "%")
                    && (y.as_integer() == Some(0) || matches!(&y, Const::Decimal(d) if d.is_zero()));
                if zero {
                    self.error("CS0020", "Division by constant zero", span);
                } else if matches!(x, Const::Decimal(_)) {
                    self.error(
                        "CS0463",
                        "Evaluation of the decimal constant expression failed",
                        span,
                    );
                } else {
                    self.error(
                        "CS0220",
                        "The operation overflows at compile time in checked mode",
                        span,
                    );
                }
                Some(Operand::Error)
            }
        }
    }

    fn enum_arithmetic(
        &mut self,
        op: &str,
        ty: Type,
        l: Val,
        r: Val,
        lifted: bool,
        span: Span,
    ) -> Operand<'a> {
        let _ = lifted;
        let both_enums = l.ty.is_enum() && r.ty.is_enum();
        let a = self.cast_value(l, &Type::INT, span);
        let b = self.cast_value(r, &Type::INT, span);
        let Some(f) = ops::binary(op, Num::Int, self.checked) else {
            return Operand::Error;
        };
        let sum = Val::new(Type::INT, Node::Binary(f, Box::new((a.node, b.node))));
        if both_enums {
            Operand::Value(sum)
        } else {
            Operand::Value(self.cast_value(sum, &ty, span))
        }
    }

    /// `==` and `!=` of references.
    fn equality(
        &mut self,
        op: &str,
        l: &Val,
        r: &Val,
        span: Span,
    ) -> Option<Box<dyn FnOnce(Node, Node) -> Node>> {
        let equal = op == "==";
        let negate = move |node: Node| if equal { node } else { Node::Not(Box::new(node)) };
        if l.ty.is_string() && r.ty.is_string()
            || l.ty.is_string() && matches!(r.ty, Type::Null)
            || matches!(l.ty, Type::Null) && r.ty.is_string()
        {
            return Some(Box::new(move |a, b| negate(string_equality(a, b))));
        }
        let null = |t: &Type| matches!(t, Type::Null);
        if null(&l.ty) && null(&r.ty) {
            return Some(Box::new(move |_, _| Node::Const(Const::Bool(equal))));
        }
        // Tests against null need no comparison.
        if null(&r.ty) && (l.ty.takes_null() || matches!(l.ty, Type::Param(_))) {
            return Some(Box::new(move |a, _| {
                let test = Node::NotNull(Box::new(a));
                if equal { Node::Not(Box::new(test)) } else { test }
            }));
        }
        if null(&l.ty) && (r.ty.takes_null() || matches!(r.ty, Type::Param(_))) {
            return Some(Box::new(move |_, b| {
                let test = Node::NotNull(Box::new(b));
                if equal { Node::Not(Box::new(test)) } else { test }
            }));
        }
        let reference = |t: &Type| t.is_reference();
        if !reference(&l.ty) || !reference(&r.ty) {
            return None;
        }
        let related = is_subtype(&l.ty, &r.ty) || is_subtype(&r.ty, &l.ty);
        let unsealed = |t: &Type| !t.is_string() && !matches!(t, Type::Array(..));
        let interface = (l.ty.is_interface() && unsealed(&r.ty)) || (r.ty.is_interface() && unsealed(&l.ty));
        if !related && !interface {
            return None;
        }
        self.warn_reference(l, r, span);
        let f: BinaryFn = if equal {
            ops::same_object
        } else {
            ops::other_object
        };
        Some(Box::new(move |a, b| Node::Binary(f, Box::new((a, b)))))
    }

    /// `object == string` compares references: CS0252, CS0253.
    fn warn_reference(&mut self, l: &Val, r: &Val, span: Span) {
        let (code, side) = if l.ty.is_object() && r.ty.is_string() {
            ("CS0252", "left")
        } else if l.ty.is_string() && r.ty.is_object() {
            ("CS0253", "right")
        } else {
            return;
        };
        let message = format!(
            "Possible unintended reference comparison; to get a value comparison, cast the {side} hand side to type 'string'"
        );
        self.warn(code, message, span)
            .help("write (string) in front of the value");
    }

    /// An operator declared by a library type.
    fn user_operator(&mut self, op: &str, l: &Val, r: &Val, span: Span) -> Option<UserOperator> {
        let value = |t: &Type| t.nullable_of().unwrap_or(t).clone();
        let (a, b) = (value(&l.ty), value(&r.ty));
        let mut candidates: Vec<&'static Member> = Vec::new();
        for start in [&a, &b] {
            for t in hierarchy(start) {
                let Some(d) = t.def() else { continue };
                for m in registry().def(d).named(op) {
                    if m.kind == MemberKind::Operator
                        && m.params.len() == 2
                        && !candidates.iter().any(|c| std::ptr::eq(*c, m))
                    {
                        candidates.push(m);
                    }
                }
            }
        }
        let fits = |m: &Member, lift: bool| {
            let ok = |v: &Val, p: &Type| {
                let from = if lift { value(&v.ty) } else { v.ty.clone() };
                from == *p
                    || (matches!(from, Type::Null) && (p.takes_null() || lift))
                    || standard(&from, p)
                    || super::convert::user_defined(&from, p, false).is_some()
            };
            ok(l, &m.params[0].ty) && ok(r, &m.params[1].ty)
        };
        let exact = |m: &Member| usize::from(m.params[0].ty == a) + usize::from(m.params[1].ty == b);
        let best = |lift: bool| {
            candidates
                .iter()
                .copied()
                .filter(|m| fits(m, lift))
                .max_by_key(|m| exact(m))
        };
        let (member, lifted) = match best(false) {
            Some(m) => (m, false),
            None => (best(true)?, true),
        };
        Some(UserOperator {
            member,
            lifted,
            span,
            equal: op == "==",
            unequal: op == "!=",
        })
    }

    // ---- conditional forms

    pub(crate) fn ternary(&mut self, c: &'a Expr, a: &'a Expr, b: &'a Expr, span: Span) -> Operand<'a> {
        let cond = self.condition(c);
        let (x, y) = (self.operand(a), self.operand(b));
        let (tx, ty) = (self.type_of(&x), self.type_of(&y));
        if tx.as_ref().is_some_and(Type::is_error) || ty.as_ref().is_some_and(Type::is_error) {
            return Operand::Error;
        }
        let (x_to_y, y_to_x) = (
            ty.as_ref().is_some_and(|t| self.implicit(&x, t)),
            tx.as_ref().is_some_and(|t| self.implicit(&y, t)),
        );
        let target = match (tx, ty) {
            (Some(t), Some(u)) if t == u => t,
            (Some(_), Some(u)) if x_to_y && !y_to_x => u,
            (Some(t), Some(_)) if y_to_x && !x_to_y => t,
            (Some(t), Some(u)) if x_to_y && y_to_x => {
                // Both convert: constants of a narrower type, as in `flag ? 1 : someByte`.
                if standard(&t, &u) { u } else { t }
            }
            (Some(t), None) if y_to_x => t,
            (None, Some(u)) if x_to_y => u,
            (t, u) => {
                let show = |o: &Operand<'a>, t: Option<Type>| match o {
                    Operand::Null => "<null>".to_owned(),
                    Operand::Lambda(_) => "lambda expression".to_owned(),
                    Operand::Group(_) => "method group".to_owned(),
                    _ => t.map_or_else(|| "?".to_owned(), |t| t.to_string()),
                };
                let message = format!(
                    "Type of conditional expression cannot be determined because there is no implicit conversion between '{}' and '{}'",
                    show(&x, t),
                    show(&y, u)
                );
                self.error("CS0173", message, span)
                    .help("cast one side to the type of the other");
                return Operand::Error;
            }
        };
        if matches!(target, Type::Void) {
            let message = "Type of conditional expression cannot be determined because there is no implicit conversion between 'void' and 'void'";
            self.error("CS0173", message, span);
            return Operand::Error;
        }
        let x = self.convert(x, &target, a.span);
        let y = self.convert(y, &target, b.span);
        if let (Some(Const::Bool(c)), Some(p), Some(q)) = (&cond.konst, &x.konst, &y.konst) {
            let chosen = if *c { p } else { q };
            return Operand::konst(target, chosen.clone());
        }
        Operand::value(target, Node::Cond(Box::new((cond.node, x.node, y.node))))
    }

    pub(crate) fn coalesce(&mut self, l: &'a Expr, r: &'a Expr, span: Span) -> Operand<'a> {
        let left_operand = self.operand(l);
        let null = matches!(left_operand, Operand::Null);
        let right = self.operand(r);
        let left = self.rvalue(left_operand, l.span);
        if left.ty.is_error() {
            return Operand::Error;
        }
        if self.type_of(&right).is_some_and(|t| t.is_error()) {
            return Operand::Error;
        }
        let inner = left.ty.nullable_of().cloned();
        let usable = (left.ty.takes_null() && !null) || (null && self.type_of(&right).is_some());
        let target = if !usable {
            None
        } else if let Some(inner) = inner.as_ref().filter(|i| self.implicit(&right, i)) {
            Some(inner.clone())
        } else if !null && self.implicit(&right, &left.ty) {
            Some(left.ty.clone())
        } else {
            let right_ty = self.type_of(&right);
            let from = inner.as_ref().unwrap_or(&left.ty).clone();
            right_ty.filter(|t| self.implicit_type(&from, t))
        };
        let Some(target) = target else {
            let shown = match &right {
                Operand::Null => "<null>".to_owned(),
                o => self
                    .type_of(o)
                    .map_or_else(|| "lambda expression".to_owned(), |t| t.to_string()),
            };
            let message = format!(
                "Operator '??' cannot be applied to operands of type '{}' and '{shown}'",
                left.ty
            );
            self.error("CS0019", message, span);
            return Operand::Error;
        };
        let r = self.convert(right, &target, r.span);
        let left_node = if left.ty == target || inner.as_ref() == Some(&target) {
            left.node
        } else {
            // The converted left side is only computed when it is not null.
            let slot = self.temp();
            let from = inner.unwrap_or(left.ty.clone());
            let value = self.convert_value(Val::new(from, Node::Local(slot)), &target, span);
            Node::Access(slot, Box::new((left.node, value.node)))
        };
        Operand::value(target, Node::Coalesce(Box::new((left_node, r.node))))
    }

    pub(crate) fn as_operator(&mut self, inner: &'a Expr, syn: &'a TypeSyn, span: Span) -> Operand<'a> {
        let operand = self.operand(inner);
        let to = self.resolve_type(syn);
        if to.is_error() {
            return Operand::Error;
        }
        if let Type::Param(p) = &to
            && !p.class
            && p.bounds.iter().all(Type::is_interface)
        {
            let message = format!(
                "The type parameter '{to}' cannot be used with the 'as' operator because it does not have a class type constraint nor a 'class' constraint"
            );
            self.error("CS0413", message, span);
            return Operand::Error;
        }
        if to.is_value_type() && to.nullable_of().is_none() {
            let message = format!(
                "The as operator must be used with a reference type or nullable type ('{to}' is a non-nullable value type)"
            );
            self.error("CS0077", message, span)
                .help(format!("write as {to}?"));
            return Operand::Error;
        }
        if matches!(operand, Operand::Null) {
            return Operand::value(to, Node::Const(Const::Null));
        }
        let value = self.rvalue(operand, inner.span);
        if value.ty.is_error() {
            return Operand::Error;
        }
        if !self.reference_castable(&value.ty, &to) {
            let message = format!(
                "Cannot convert type '{}' to '{to}' via a reference conversion, boxing conversion, unboxing conversion, wrapping conversion, or null type conversion",
                value.ty
            );
            self.error("CS0039", message, span);
            return Operand::Error;
        }
        Operand::value(to.clone(), Node::As(Box::new(value.node), shared(&to)))
    }

    /// Whether a reference, boxing or unboxing conversion could succeed either way.
    pub(crate) fn reference_castable(&self, from: &Type, to: &Type) -> bool {
        let value = |t: &Type| t.nullable_of().unwrap_or(t).clone();
        let (f, t) = (value(from), value(to));
        if self.in_instance || f.has_parameter() || t.has_parameter() {
            return true;
        }
        if matches!(from, Type::Dynamic) || is_subtype(&f, &t) || is_subtype(&t, &f) {
            return true;
        }
        let sealed =
            |t: &Type| t.is_value_type() || t.is_string() || matches!(t, Type::Array(..)) || t.is_delegate();
        (f.is_interface() && !sealed(&t)) || (t.is_interface() && !sealed(&f))
    }
}

/// Operands that several built-in operators take equally well: `ulong` with a signed type, two nulls.
fn ambiguous(op: &str, l: &Type, r: &Type) -> bool {
    if matches!((l, r), (Type::Null, Type::Null)) {
        return matches!(op, "+" | "&" | "|" | "^");
    }
    let num = |t: &Type| t.nullable_of().unwrap_or(t).num();
    let signed = |n: Num| matches!(n, Num::SByte | Num::Short | Num::Int | Num::Long);
    match (num(l), num(r)) {
        (Some(a), Some(b)) => {
            let mixed = a == Num::ULong && signed(b) || b == Num::ULong && signed(a);
            mixed
                && matches!(
                    op,
                    "+" | "-" | "*" | "/" | "%" | "<" | ">" | "<=" | ">=" | "==" | "!="
                )
        }
        _ => false,
    }
}

/// Operand type of a built-in operator.
#[derive(Debug)]
struct Builtin {
    on: On,
    lifted: bool,
}

#[derive(Debug)]
enum On {
    Bool,
    Num(Num),
    /// Comparison and bit operators on an enum.
    Enum(Type),
    /// `e + 1`, `e - 1`, `e - f`
    EnumArith(Type),
}

/// An operator of a library type about to be called.
struct UserOperator {
    member: &'static Member,
    lifted: bool,
    span: Span,
    equal: bool,
    unequal: bool,
}

impl UserOperator {
    fn apply<'a>(self, binder: &mut Binder<'a>, l: Val, r: Val) -> Operand<'a> {
        let m = self.member;
        binder.uses.push(Use::Member(m));
        let (slot_l, slot_r) = (binder.temp(), binder.temp());
        let ret = m.ret.clone();
        if !self.lifted {
            let l = binder.convert_value(l, &m.params[0].ty, self.span);
            let r = binder.convert_value(r, &m.params[1].ty, self.span);
            return Operand::value(ret, call_operator(m, l.node, r.node));
        }
        // Lifted: null in, null out (comparisons: false, equality compares the nulls).
        let read = |slot: u32, ty: &Type| Val::new(ty.nullable_of().unwrap_or(ty).clone(), Node::Local(slot));
        let unwrap = |v: Val, p: &Type| {
            if matches!(v.ty, Type::Null) {
                Val::new(p.clone(), v.node)
            } else {
                v
            }
        };
        let (lv, rv) = (unwrap(l, &m.params[0].ty), unwrap(r, &m.params[1].ty));
        let a = binder.convert_value(read(slot_l, &lv.ty), &m.params[0].ty, self.span);
        let b = binder.convert_value(read(slot_r, &rv.ty), &m.params[1].ty, self.span);
        let call = call_operator(m, a.node, b.node);
        let comparison = ret.is_bool();
        let null = |slot: u32| Node::Not(Box::new(Node::NotNull(Box::new(Node::Local(slot)))));
        let none = if self.equal || self.unequal {
            // Equal when both are null.
            let both = Node::And(Box::new((null(slot_l), null(slot_r))));
            if self.equal {
                both
            } else {
                Node::Not(Box::new(both))
            }
        } else if comparison {
            Node::Const(Const::Bool(false))
        } else {
            Node::Const(Const::Null)
        };
        let any_null = Node::Or(Box::new((null(slot_l), null(slot_r))));
        let result = Node::Cond(Box::new((any_null, none, call)));
        let node = Node::Sequence(Box::new([
            Node::Set(slot_l, Box::new(lv.node)),
            Node::Set(slot_r, Box::new(rv.node)),
            result,
        ]));
        Operand::value(if comparison { ret } else { Type::nullable(ret) }, node)
    }
}

fn call_operator(m: &'static Member, l: Node, r: Node) -> Node {
    Node::Call(Box::new(CallNode {
        call: m.get,
        args: Box::new([l, r]),
        types: [].into(),
        receiver: false,
        outs: [].into(),
        setter: false,
        name: m.name.clone(),
    }))
}

fn constant_text(v: &Val) -> Option<Str> {
    match &v.konst {
        Some(Const::Str(s)) => Some(s.clone()),
        Some(Const::Null) if v.ty.is_string() || matches!(v.ty, Type::Null) => Some(Str::EMPTY),
        _ => None,
    }
}

pub(crate) fn bool_operator(op: &str) -> Option<BinaryFn> {
    Some(match op {
        "&" => ops::bool_and,
        "|" => ops::bool_or,
        "^" | "!=" => ops::bool_xor,
        "==" => ops::bool_eq,
        _ => return None,
    })
}

/// Binary numeric promotion (§7.3.6.2).
fn promote(x: Num, y: Num, l: &Val, r: &Val) -> Option<Num> {
    let either = |n: Num| x == n || y == n;
    if either(Num::Decimal) {
        return (!either(Num::Float) && !either(Num::Double)).then_some(Num::Decimal);
    }
    if either(Num::Double) {
        return Some(Num::Double);
    }
    if either(Num::Float) {
        return Some(Num::Float);
    }
    if either(Num::ULong) {
        // A non-negative constant of a signed type converts.
        let (other, val) = if x == Num::ULong { (y, r) } else { (x, l) };
        let signed = matches!(other, Num::SByte | Num::Short | Num::Int | Num::Long);
        let constant = val
            .konst
            .as_ref()
            .and_then(Const::as_integer)
            .is_some_and(|c| c >= 0);
        return (!signed || (constant && matches!(other, Num::Int | Num::Long))).then_some(Num::ULong);
    }
    if either(Num::Long) {
        return Some(Num::Long);
    }
    if either(Num::UInt) {
        let (other, val) = if x == Num::UInt { (y, r) } else { (x, l) };
        if other == Num::Int
            && val
                .konst
                .as_ref()
                .and_then(Const::as_integer)
                .is_some_and(|c| c >= 0)
        {
            return Some(Num::UInt);
        }
        return Some(if matches!(other, Num::SByte | Num::Short | Num::Int) {
            Num::Long
        } else {
            Num::UInt
        });
    }
    Some(Num::Int)
}

fn enum_operator(op: &str, a: &Type, b: &Type, l: &Val, r: &Val) -> Option<On> {
    let zero = |v: &Val| v.konst.as_ref().and_then(Const::as_integer) == Some(0) && !v.ty.is_enum();
    let ty = if a.is_enum() { a.clone() } else { b.clone() };
    let same = a == b || (a.is_enum() && zero(r)) || (b.is_enum() && zero(l));
    match op {
        "==" | "!=" | "<" | ">" | "<=" | ">=" | "&" | "|" | "^" if same => Some(On::Enum(ty)),
        "+" | "-" if a == b && op == "-" => Some(On::EnumArith(ty)),
        "+" | "-" if a.is_enum() != b.is_enum() => {
            let other = if a.is_enum() { b } else { a };
            other.num().filter(|n| n.is_integral()).map(|_| On::EnumArith(ty))
        }
        _ => None,
    }
}

/// [`promote`] without constants, for operands whose types are known at run time only.
pub(crate) fn promote_types(x: Num, y: Num) -> Num {
    let dummy = || Val::new(x.ty(), Node::Const(Const::Null));
    promote(x, y, &dummy(), &dummy()).unwrap_or(Num::Double)
}

/// `==` of strings; a constant on the right is compared where it is.
fn string_equality(a: Node, b: Node) -> Node {
    match b {
        Node::Const(Const::Str(text)) => Node::StrIs(Box::new(a), text),
        b => Node::StrEq(Box::new((a, b))),
    }
}
