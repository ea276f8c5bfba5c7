//! Tuples, deconstruction and declaration expressions.

use super::{
    Binder,
    create::projected_name,
    operand::{Operand, Val},
    shared,
    statement::is_var,
};
use crate::{
    Span,
    ir::{Const, Node},
    syntax::ast::{Designation, Expr, ExprKind, Ident, TypeSyn},
    types::{KEY_VALUE_PAIR, TupleNames, Type},
};

impl<'a> Binder<'a> {
    /// `(a, b: c)`
    pub(crate) fn tuple(&mut self, parts: &'a [(Option<Ident>, Expr)]) -> Operand<'a> {
        let mut items: Vec<(Option<Box<str>>, Operand<'a>, Span)> = Vec::new();
        for (name, e) in parts {
            let operand = self.operand(e);
            let name = match name {
                Some(n) => Some(n.name.clone()),
                None => projected_name(e).map(|n| n.name.clone()),
            };
            // A name used twice, or one that means a position, is not taken over.
            let reserved = name
                .as_ref()
                .is_some_and(|n| n.starts_with("Item") || &**n == "ToString" || &**n == "Rest");
            items.push((name.filter(|_| !reserved), operand, e.span));
        }
        for i in 0..items.len() {
            let twice = items[i].0.is_some() && (0..items.len()).any(|j| i != j && items[i].0 == items[j].0);
            if twice && parts[i].0.is_none() {
                items[i].0 = None;
            }
        }
        self.check_element_names(parts);
        if items.iter().any(|(_, o, _)| matches!(o, Operand::Error)) {
            return Operand::Error;
        }
        Operand::Tuple(items)
    }

    /// Written names: none twice, none that means another position.
    fn check_element_names(&mut self, parts: &'a [(Option<Ident>, Expr)]) {
        for (i, (name, _)) in parts.iter().enumerate() {
            let Some(name) = name else { continue };
            if let Some(n) = name
                .name
                .strip_prefix("Item")
                .and_then(|n| n.parse::<usize>().ok())
                && n != i + 1
            {
                let message = format!(
                    "Tuple element name '{}' is only allowed at position {n}.",
                    name.name
                );
                self.error("CS8125", message, name.span);
            }
            let twice = parts[..i]
                .iter()
                .any(|(other, _)| other.as_ref().is_some_and(|o| o.name == name.name));
            if twice {
                self.error("CS8127", "Tuple element names must be unique.", name.span);
            }
        }
    }

    /// A tuple literal as a value of its natural type.
    pub(crate) fn tuple_value(
        &mut self,
        parts: Vec<(Option<Box<str>>, Operand<'a>, Span)>,
        span: Span,
    ) -> Val {
        let mut types = Vec::new();
        let mut names = Vec::new();
        let mut nodes = Vec::new();
        for (name, operand, at) in parts {
            let Some(ty) = self.type_of(&operand).filter(|t| !matches!(t, Type::Void)) else {
                self.error("CS8135", "Tuple element has no type that can be inferred", at);
                return Val::error();
            };
            let value = self.rvalue(operand, at);
            types.push(ty);
            names.push(name);
            nodes.push(value.node);
        }
        let _ = span;
        let ty = Type::Tuple(types.into(), TupleNames(Some(names.into())));
        Val::new(ty.clone(), Node::Tuple(shared(&ty), nodes.into()))
    }

    pub(crate) fn convert_tuple(
        &mut self,
        parts: Vec<(Option<Box<str>>, Operand<'a>, Span)>,
        to: &Type,
        span: Span,
    ) -> Val {
        let target = to.nullable_of().unwrap_or(to);
        if let Type::Tuple(items, _) = target
            && items.len() == parts.len()
        {
            let items = items.clone();
            let nodes: Vec<Node> = parts
                .into_iter()
                .zip(items.iter())
                .map(|((_, o, s), t)| self.convert(o, t, s).node)
                .collect();
            return Val::new(to.clone(), Node::Tuple(shared(target), nodes.into()));
        }
        let value = self.tuple_value(parts, span);
        if value.ty.is_error() {
            return Val {
                ty: to.clone(),
                ..value
            };
        }
        self.convert_value(value, to, span)
    }

    /// How many elements an operand has, if it is a tuple.
    pub(crate) fn cardinality(&mut self, operand: &Operand<'a>) -> Option<usize> {
        match operand {
            Operand::Tuple(parts) => Some(parts.len()),
            operand => match self.type_of(operand) {
                Some(Type::Tuple(items, _)) => Some(items.len()),
                _ => None,
            },
        }
    }

    /// `==` and `!=` of tuples: element by element, each pair by its own operator.
    pub(crate) fn tuple_equality(
        &mut self,
        op: &'static str,
        (left, left_span, a): (Operand<'a>, Span, usize),
        (right, right_span, b): (Operand<'a>, Span, usize),
        span: Span,
    ) -> Operand<'a> {
        if a != b {
            let message = format!(
                "Tuple types used as operands of an == or != operator must have matching cardinalities. But this operator has tuple types of cardinality {a} on the left and {b} on the right."
            );
            self.error("CS8384", message, span);
            return Operand::Error;
        }
        let mut steps = Vec::new();
        let l = self.elements(left, left_span, &mut steps);
        let r = self.elements(right, right_span, &mut steps);
        let mut test: Option<Node> = None;
        for ((l, ls), (r, rs)) in l.into_iter().zip(r) {
            let pair = match (self.cardinality(&l), self.cardinality(&r)) {
                (Some(a), Some(b)) => self.tuple_equality(op, (l, ls, a), (r, rs, b), span),
                _ => {
                    let (l, r) = (self.rvalue(l, ls), self.rvalue(r, rs));
                    match l.ty.is_error() || r.ty.is_error() {
                        true => Operand::Error,
                        false => self.binary_values(op, l, r, span),
                    }
                }
            };
            if matches!(pair, Operand::Error) {
                return Operand::Error;
            }
            let value = self.convert(pair, &Type::BOOL, span);
            test = Some(match test {
                None => value.node,
                Some(before) if op == "==" => Node::And(Box::new((before, value.node))),
                Some(before) => Node::Or(Box::new((before, value.node))),
            });
        }
        steps.extend(test);
        Operand::value(Type::BOOL, Node::Sequence(steps.into()))
    }

    /// The elements of a tuple operand, evaluated once, each readable again.
    fn elements(
        &mut self,
        tuple: Operand<'a>,
        span: Span,
        steps: &mut Vec<Node>,
    ) -> Vec<(Operand<'a>, Span)> {
        if let Operand::Tuple(parts) = tuple {
            return parts
                .into_iter()
                .map(|(_, part, at)| (self.spilled(part, at, steps), at))
                .collect();
        }
        let value = self.rvalue(tuple, span);
        let Type::Tuple(items, _) = value.ty.clone() else {
            return Vec::new();
        };
        let slot = self.temp();
        steps.push(Node::Set(slot, Box::new(value.node)));
        items
            .iter()
            .enumerate()
            .map(|(i, ty)| {
                let read = Node::Field(Box::new(Node::Local(slot)), i as u32);
                (Operand::value(ty.clone(), read), span)
            })
            .collect()
    }

    fn spilled(&mut self, part: Operand<'a>, at: Span, steps: &mut Vec<Node>) -> Operand<'a> {
        match part {
            Operand::Tuple(parts) => Operand::Tuple(
                parts
                    .into_iter()
                    .map(|(name, part, at)| (name, self.spilled(part, at, steps), at))
                    .collect(),
            ),
            Operand::Null | Operand::Default | Operand::Error => part,
            part => {
                let value = self.rvalue(part, at);
                if value.konst.is_some() {
                    return Operand::Value(value);
                }
                let slot = self.temp();
                steps.push(Node::Set(slot, Box::new(value.node)));
                Operand::Value(Val::new(value.ty, Node::Local(slot)))
            }
        }
    }

    /// `out var x`, `out int x`, `var (a, b)` outside a deconstruction.
    pub(crate) fn declaration_expression(
        &mut self,
        syn: &'a TypeSyn,
        designation: &'a Designation,
        span: Span,
    ) -> Operand<'a> {
        match designation {
            Designation::Discard(_) => {
                // A type that does not exist is an error even where its value is dropped.
                if !is_var(syn) {
                    self.resolve_type(syn);
                }
                Operand::Discard
            }
            Designation::Name(name) => {
                let inferred = is_var(syn);
                let ty = if inferred {
                    Type::Error
                } else {
                    self.resolve_type(syn)
                };
                let id = self.declare(name, ty);
                self.vars[id].inferring = inferred;
                Operand::OutVar(id, (!inferred).then_some(syn))
            }
            Designation::Tuple(_) => {
                self.error("CS8185", "A declaration is not allowed in this context.", span);
                Operand::Error
            }
        }
    }

    /// `(a, var b) = value`
    pub(crate) fn deconstruct(&mut self, l: &'a Expr, r: &'a Expr, span: Span) -> Operand<'a> {
        let right = self.operand(r);
        let mut setup = Vec::new();
        let done = self.deconstruct_into(l, right, r.span, &mut setup);
        match done {
            Some(ty) => {
                setup.push(Node::Const(Const::Null));
                let _ = span;
                Operand::value(ty, Node::Sequence(setup.into()))
            }
            None => Operand::Error,
        }
    }

    /// Splits a value over the targets on the left; gives the tuple type.
    pub(crate) fn deconstruct_into(
        &mut self,
        l: &'a Expr,
        right: Operand<'a>,
        right_span: Span,
        steps: &mut Vec<Node>,
    ) -> Option<Type> {
        match &l.kind {
            ExprKind::Declare(syn, Designation::Tuple(names)) => {
                let Some(items) = self.split(right, right_span, names.len(), l.span, steps) else {
                    names.iter().for_each(|d| self.declare_undeconstructed(d));
                    return None;
                };
                let mut types = Vec::new();
                for (name, item) in names.iter().zip(items) {
                    types.push(item.ty.clone());
                    self.declare_designation(syn, name, item, steps);
                }
                Some(Type::Tuple(types.into(), TupleNames::default()))
            }
            ExprKind::Tuple(parts) => {
                if mixed(parts) {
                    let message =
                        "A deconstruction cannot mix declarations and expressions on the left-hand-side.";
                    self.error("CS8184", message, l.span);
                }
                let items = self.split(right, right_span, parts.len(), l.span, steps)?;
                let mut types = Vec::new();
                for ((_, target), item) in parts.iter().zip(items) {
                    types.push(item.ty.clone());
                    self.deconstruct_target(target, item, steps);
                }
                Some(Type::Tuple(types.into(), TupleNames::default()))
            }
            _ => None,
        }
    }

    /// Variables of a deconstruction that failed: known, without a type.
    fn declare_undeconstructed(&mut self, d: &'a Designation) {
        match d {
            Designation::Discard(_) => {}
            Designation::Name(name) => {
                let message = format!(
                    "Cannot infer the type of implicitly-typed deconstruction variable '{}'.",
                    name.name
                );
                self.error("CS8130", message, name.span);
                self.declare(name, Type::Error);
            }
            Designation::Tuple(names) => names.iter().for_each(|d| self.declare_undeconstructed(d)),
        }
    }

    fn declare_designation(
        &mut self,
        syn: &'a TypeSyn,
        d: &'a Designation,
        item: Val,
        steps: &mut Vec<Node>,
    ) {
        match d {
            Designation::Discard(_) => {}
            Designation::Name(name) => {
                let ty = if is_var(syn) {
                    item.ty.clone()
                } else {
                    self.resolve_type(syn)
                };
                let value = self.convert_value(item, &ty, name.span);
                let id = self.declare(name, ty);
                let slot = self.slot_of(id);
                steps.push(Node::Set(slot, Box::new(value.node)));
            }
            Designation::Tuple(names) => {
                if let Some(items) = self.split(Operand::Value(item), syn.span, names.len(), syn.span, steps)
                {
                    for (name, item) in names.iter().zip(items) {
                        self.declare_designation(syn, name, item, steps);
                    }
                }
            }
        }
    }

    fn deconstruct_target(&mut self, target: &'a Expr, item: Val, steps: &mut Vec<Node>) {
        match &target.kind {
            ExprKind::Declare(syn, d) => self.declare_designation(syn, d, item, steps),
            ExprKind::Tuple(_) => {
                self.deconstruct_into(target, Operand::Value(item), target.span, steps);
            }
            ExprKind::Name(n, _) if &*n.name == "_" && self.lookup("_").is_none() => {}
            _ => {
                let place = self.operand(target);
                let Some(ty) = self.type_of(&place) else { return };
                let value = self.convert_value(item, &ty, target.span);
                if let Some(store) = self.store(place, value, target.span) {
                    steps.push(store.node);
                }
            }
        }
    }

    /// The parts of a deconstructed value, each in a temporary.
    fn split(
        &mut self,
        right: Operand<'a>,
        right_span: Span,
        count: usize,
        left_span: Span,
        steps: &mut Vec<Node>,
    ) -> Option<Vec<Val>> {
        if let Operand::Tuple(parts) = right {
            if parts.len() == count {
                let mut items = Vec::new();
                for (_, operand, span) in parts {
                    let value = self.rvalue(operand, span);
                    let slot = self.temp();
                    steps.push(Node::Set(slot, Box::new(value.node)));
                    items.push(Val::new(value.ty, Node::Local(slot)));
                }
                return Some(items);
            }
            let message = format!(
                "Cannot deconstruct a tuple of '{}' elements into '{count}' variables.",
                parts.len()
            );
            self.error("CS8132", message, left_span);
            return None;
        }
        let value = self.rvalue(right, right_span);
        let types: Vec<Type> = match &value.ty {
            Type::Tuple(items, _) => items.to_vec(),
            Type::Gen(KEY_VALUE_PAIR, args) => args.to_vec(),
            Type::Gen(d, args) if crate::types::registry().def(*d).full.starts_with("System.Tuple`") => {
                args.to_vec()
            }
            Type::Error => return None,
            Type::Null => {
                let message =
                    "Deconstruct assignment requires an expression with a type on the right-hand-side.";
                self.error("CS8131", message, right_span);
                return None;
            }
            ty => {
                let message = format!(
                    "'{ty}' does not contain a definition for 'Deconstruct' and no accessible extension method 'Deconstruct' accepting a first argument of type '{ty}' could be found (are you missing a using directive or an assembly reference?)"
                );
                self.error("CS1061", message, right_span);
                let message = format!(
                    "No suitable 'Deconstruct' instance or extension method was found for type '{ty}', with {count} out parameters and a void return type."
                );
                self.error("CS8129", message, right_span);
                return None;
            }
        };
        if types.len() != count {
            let message = format!(
                "Cannot deconstruct a tuple of '{}' elements into '{count}' variables.",
                types.len()
            );
            self.error("CS8132", message, left_span);
            return None;
        }
        let slot = self.temp();
        steps.push(Node::Set(slot, Box::new(value.node)));
        // Elements are read before the first assignment.
        let mut items = Vec::new();
        for (i, ty) in types.into_iter().enumerate() {
            let part = self.temp();
            steps.push(Node::Set(
                part,
                Box::new(Node::Field(Box::new(Node::Local(slot)), i as u32)),
            ));
            items.push(Val::new(ty, Node::Local(part)));
        }
        Some(items)
    }
}

/// Declared variables beside ones that exist; a discard goes with either.
fn mixed(parts: &[(Option<Ident>, Expr)]) -> bool {
    let declared = parts.iter().any(|(_, e)| matches!(e.kind, ExprKind::Declare(..)));
    let existing = parts.iter().any(|(_, e)| {
        !matches!(&e.kind, ExprKind::Declare(..) | ExprKind::Tuple(_))
            && !matches!(&e.kind, ExprKind::Name(n, _) if &*n.name == "_")
    });
    declared && existing
}
