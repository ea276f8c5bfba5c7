//! Assignment, compound assignment, `++` and `--`.

use super::{
    Binder,
    operand::{Operand, Prop, Val},
};
use crate::{
    Span,
    ir::{Const, Node},
    syntax::ast::{Expr, ExprKind},
    types::{Num, Type},
};

/// A place that is read and then written: everything it depends on is computed once.
pub(crate) enum Place {
    Local(usize),
    Prop {
        member: &'static crate::types::Member,
        receiver: Option<(u32, Type, bool)>,
        args: Vec<u32>,
        types: std::sync::Arc<[Type]>,
        ty: Type,
    },
    Element {
        array: (u32, Type),
        index: Vec<u32>,
        ty: Type,
    },
    Field(Box<Place>, u32, Type, Type),
}

impl<'a> Binder<'a> {
    pub(crate) fn assign(&mut self, op: &'static str, l: &'a Expr, r: &'a Expr, span: Span) -> Operand<'a> {
        if op != "=" {
            return self.compound(op, l, r, span);
        }
        if matches!(l.kind, ExprKind::Tuple(_))
            || matches!(
                &l.kind,
                ExprKind::Declare(_, crate::syntax::ast::Designation::Tuple(_))
            )
        {
            return self.deconstruct(l, r, span);
        }
        let target = match super::member::plain_name(l) {
            Some(name) if &*name.name == "_" && self.lookup("_").is_none() => Operand::Discard,
            _ => self.operand(l),
        };
        let value = self.operand(r);
        if matches!(target, Operand::Error) || matches!(value, Operand::Error) {
            self.note_assigned(&target);
            return Operand::Error;
        }
        if let Operand::Discard = target {
            return Operand::Value(self.rvalue(value, r.span));
        }
        let Some(ty) = self.type_of(&target) else {
            self.not_assignable(&target, l.span);
            return Operand::Error;
        };
        let value = match &target {
            // What cannot be assigned is refused without a look at the value.
            Operand::Prop(p) if p.member.set.is_none() => Val::error(),
            _ => self.convert(value, &ty, r.span),
        };
        match self.store(target, value, l.span) {
            Some(v) => Operand::Value(v),
            None => {
                let _ = span;
                Operand::Error
            }
        }
    }

    fn note_assigned(&mut self, _target: &Operand<'a>) {}

    fn not_assignable(&mut self, target: &Operand<'a>, span: Span) {
        match target {
            Operand::Group(g) => {
                let message = format!("Cannot assign to '{}' because it is a 'method group'", g.name);
                self.error("CS1656", message, span);
            }
            Operand::LocalFn(f, _) => {
                let name = self.local_fns[*f].decl.name.name.clone();
                let message = format!("Cannot assign to '{name}' because it is a 'method group'");
                self.error("CS1656", message, span);
            }
            _ => {
                let message = "The left-hand side of an assignment must be a variable, property or indexer";
                self.error("CS0131", message, span);
            }
        }
    }

    /// Writes a converted value to a place.
    pub(crate) fn store(&mut self, target: Operand<'a>, value: Val, span: Span) -> Option<Val> {
        match target {
            Operand::Local(id) => {
                let var = &self.vars[id];
                if var.context {
                    // A parameter: assignable in C#, with no use in a policy.
                    return Some(value);
                }
                if var.konst.is_some() {
                    self.error(
                        "CS0131",
                        "The left-hand side of an assignment must be a variable, property or indexer",
                        span,
                    );
                    return None;
                }
                if var.by_in {
                    let message = format!(
                        "Cannot assign to variable 'in {}' because it is a readonly variable",
                        var.ty
                    );
                    self.error("CS8331", message, span);
                    return None;
                }
                if let Some(why) = var.readonly {
                    let message = format!("Cannot assign to '{}' because it is a '{why}'", var.name);
                    self.error("CS1656", message, span);
                    return None;
                }
                let ty = var.ty.clone();
                let slot = self.slot_of(id);
                Some(Val::new(ty, Node::Set(slot, Box::new(value.node))))
            }
            Operand::OutVar(id, _) => {
                let ty = self.vars[id].ty.clone();
                let slot = self.slot_of(id);
                Some(Val::new(ty, Node::Set(slot, Box::new(value.node))))
            }
            Operand::Prop(p) => {
                if let Some(c) = &p.member.constant {
                    let _ = c;
                    self.error(
                        "CS0131",
                        "The left-hand side of an assignment must be a variable, property or indexer",
                        span,
                    );
                    return None;
                }
                self.set_prop(*p, value, span)
            }
            Operand::Element(array, index, ty) => Some(Val::new(
                ty,
                Node::SetIndex(Box::new((array.node, index.into(), value.node))),
            )),
            Operand::TupleField(tuple, n, ty) => self.store_field(*tuple, n, ty, value, span),
            Operand::Discard => Some(value),
            Operand::Value(v) if matches!(v.ty, Type::Dynamic) => {
                if !self.options.allow_list {
                    return self.store_dynamic(v, value);
                }
                None
            }
            Operand::Value(v) if matches!(v.node, Node::Field(..)) => {
                // A member of an anonymous object.
                self.error(
                    "CS0200",
                    "Property or indexer cannot be assigned to -- it is read only",
                    span,
                );
                None
            }
            Operand::Error => None,
            other => {
                self.not_assignable(&other, span);
                None
            }
        }
    }

    fn store_dynamic(&mut self, target: Val, value: Val) -> Option<Val> {
        use crate::ir::DynamicNode;
        let Node::Dynamic(d) = target.node else {
            return None;
        };
        let set = match *d {
            DynamicNode::Member(receiver, name) => DynamicNode::SetMember(receiver, name, value.node),
            DynamicNode::Index(receiver, args) => DynamicNode::SetIndex(receiver, args, value.node),
            _ => return None,
        };
        Some(Val::new(Type::Dynamic, Node::Dynamic(Box::new(set))))
    }

    /// Replaces one element of a tuple variable.
    fn store_field(&mut self, tuple: Operand<'a>, n: u32, ty: Type, value: Val, span: Span) -> Option<Val> {
        let tuple_ty = self.type_of(&tuple)?;
        let place = self.place(tuple, span)?;
        let slot = self.temp();
        let read = self.read_place(&place, span);
        let with = Val::new(
            tuple_ty,
            Node::WithField(Box::new((read.node, Node::Local(slot))), n),
        );
        let write = self.write_place(&place, with, span)?;
        let mut steps = vec![Node::Set(slot, Box::new(value.node))];
        steps.append(&mut self.place_setup);
        steps.push(write.node);
        steps.push(Node::Local(slot));
        Some(Val::new(ty, Node::Sequence(steps.into())))
    }

    /// Computes what a place depends on into temporaries (see `place_setup`).
    pub(crate) fn place(&mut self, target: Operand<'a>, span: Span) -> Option<Place> {
        match target {
            Operand::Local(id) => Some(Place::Local(id)),
            Operand::Prop(p) => {
                let Prop {
                    member,
                    receiver,
                    args,
                    types,
                    ty,
                } = *p;
                if member.set.is_none() || member.constant.is_some() {
                    let prop = Prop {
                        member,
                        receiver,
                        args,
                        types,
                        ty,
                    };
                    if prop.member.constant.is_some() {
                        self.error(
                            "CS0131",
                            "The left-hand side of an assignment must be a variable, property or indexer",
                            span,
                        );
                    } else {
                        self.set_prop(prop, Val::error(), span);
                    }
                    return None;
                }
                let receiver = receiver.map(|r| {
                    let slot = self.temp();
                    self.place_setup.push(Node::Set(slot, Box::new(r.node)));
                    (slot, r.ty, r.never_null)
                });
                let args = self.spill(args);
                Some(Place::Prop {
                    member,
                    receiver,
                    args,
                    types,
                    ty,
                })
            }
            Operand::Element(array, index, ty) => {
                let slot = self.temp();
                self.place_setup.push(Node::Set(slot, Box::new(array.node)));
                let index = self.spill(index);
                Some(Place::Element {
                    array: (slot, array.ty),
                    index,
                    ty,
                })
            }
            Operand::TupleField(tuple, n, ty) => {
                let tuple_ty = self.type_of(&tuple)?;
                let inner = self.place(*tuple, span)?;
                Some(Place::Field(Box::new(inner), n, ty, tuple_ty))
            }
            Operand::Error => None,
            other => {
                let message = "The left-hand side of an assignment must be a variable, property or indexer";
                let _ = self.type_of(&other);
                self.error("CS0131", message, span);
                None
            }
        }
    }

    fn spill(&mut self, nodes: Vec<Node>) -> Vec<u32> {
        nodes
            .into_iter()
            .map(|node| {
                let slot = self.temp();
                self.place_setup.push(Node::Set(slot, Box::new(node)));
                slot
            })
            .collect()
    }

    fn place_operand(&mut self, place: &Place) -> Operand<'a> {
        match place {
            Place::Local(id) => Operand::Local(*id),
            Place::Prop {
                member,
                receiver,
                args,
                types,
                ty,
            } => Operand::Prop(Box::new(Prop {
                member,
                receiver: receiver.as_ref().map(|(slot, ty, never)| Val {
                    never_null: *never,
                    ..Val::new(ty.clone(), Node::Local(*slot))
                }),
                args: args.iter().map(|s| Node::Local(*s)).collect(),
                types: types.clone(),
                ty: ty.clone(),
            })),
            Place::Element {
                array: (slot, array_ty),
                index,
                ty,
            } => Operand::Element(
                Box::new(Val::new(array_ty.clone(), Node::Local(*slot))),
                index.iter().map(|s| Node::Local(*s)).collect(),
                ty.clone(),
            ),
            Place::Field(inner, n, ty, _) => {
                let inner = self.place_operand(inner);
                Operand::TupleField(Box::new(inner), *n, ty.clone())
            }
        }
    }

    pub(crate) fn read_place(&mut self, place: &Place, span: Span) -> Val {
        let operand = self.place_operand(place);
        self.rvalue(operand, span)
    }

    pub(crate) fn write_place(&mut self, place: &Place, value: Val, span: Span) -> Option<Val> {
        match place {
            Place::Field(inner, n, _, tuple_ty) => {
                let read = self.read_place(inner, span);
                let with = Val::new(
                    tuple_ty.clone(),
                    Node::WithField(Box::new((read.node, value.node)), *n),
                );
                self.write_place(inner, with, span)
            }
            place => {
                let operand = self.place_operand(place);
                self.store(operand, value, span)
            }
        }
    }

    fn compound(&mut self, op: &'static str, l: &'a Expr, r: &'a Expr, span: Span) -> Operand<'a> {
        let target = self.operand(l);
        let right_operand = self.operand(r);
        if matches!(target, Operand::Error) || matches!(right_operand, Operand::Error) {
            return Operand::Error;
        }
        let right = match right_operand {
            Operand::Lambda(_) => {
                self.error(
                    "CS0019",
                    format!("Operator '{op}' cannot be applied to operands of type and 'lambda expression'"),
                    span,
                );
                return Operand::Error;
            }
            o => self.rvalue(o, r.span),
        };
        let outer = std::mem::take(&mut self.place_setup);
        let place = self.place(target, l.span);
        let setup = std::mem::replace(&mut self.place_setup, outer);
        let Some(place) = place else { return Operand::Error };
        let Some(value) = self.compound_value(op, &place, right, l.span, span) else {
            return Operand::Error;
        };
        let Some(write) = self.write_place(&place, value, l.span) else {
            return Operand::Error;
        };
        self.with_setup(setup, write)
    }

    /// `place op right`, converted back to the place's type.
    fn compound_value(
        &mut self,
        op: &'static str,
        place: &Place,
        right: Val,
        l: Span,
        span: Span,
    ) -> Option<Val> {
        let current = self.read_place(place, l);
        let ty = current.ty.clone();
        let bare = op
            .strip_suffix('=')
            .and_then(|bare| OPERATORS.iter().find(|o| **o == bare))
            .copied()?;
        let fits = self.implicit(
            &Operand::Value(Val {
                node: Node::Const(Const::Null),
                ty: right.ty.clone(),
                konst: right.konst.clone(),
                never_null: false,
            }),
            &ty,
        );
        let right_constant = right.konst.clone().map(|c| Val::konst(right.ty.clone(), c));
        let result = match self.binary_values(bare, current, right, span) {
            Operand::Value(v) => v,
            _ => return None,
        };
        if self.implicit_type(&result.ty, &ty) {
            return Some(self.convert_value(result, &ty, span));
        }
        if let Some(c) = right_constant {
            // A constant too large for the place is the mistake, not the sum.
            let mark = self.diagnostics.len();
            if !fits && ty.num().is_some_and(Num::is_integral) && !matches!(bare, "<<" | ">>") {
                self.convert_value(c, &ty, span);
            }
            if self.has_errors_since(mark) {
                return None;
            }
        }
        // `b += 1` on a byte: the result is cast back when the right side alone would convert.
        let shift = matches!(bare, "<<" | ">>");
        let numeric = |t: &Type| {
            let t = t.nullable_of().unwrap_or(t);
            t.num().is_some() || t.is_enum()
        };
        if numeric(&result.ty) && numeric(&ty) && (fits || shift) {
            return Some(self.cast_value(result, &ty, span));
        }
        Some(self.convert_value(result, &ty, span))
    }

    fn with_setup(&mut self, setup: Vec<Node>, write: Val) -> Operand<'a> {
        if setup.is_empty() {
            return Operand::Value(write);
        }
        let mut steps = setup;
        steps.push(write.node);
        Operand::value(write.ty, Node::Sequence(steps.into()))
    }

    /// `x++`, `--x` …
    pub(crate) fn increment(&mut self, op: &str, inner: &'a Expr, postfix: bool, span: Span) -> Operand<'a> {
        let target = self.operand(inner);
        if matches!(target, Operand::Error) {
            return Operand::Error;
        }
        let constant = matches!(target, Operand::Local(id) if self.vars[id].konst.is_some());
        if constant
            || !matches!(
                target,
                Operand::Local(_) | Operand::Prop(_) | Operand::Element(..) | Operand::TupleField(..)
            )
        {
            self.error(
                "CS1059",
                "The operand of an increment or decrement operator must be a variable, property or indexer",
                inner.span,
            );
            return Operand::Error;
        }
        let outer = std::mem::take(&mut self.place_setup);
        let place = self.place(target, inner.span);
        let setup = std::mem::replace(&mut self.place_setup, outer);
        let Some(place) = place else { return Operand::Error };
        let current = self.read_place(&place, inner.span);
        let ty = current.ty.clone();
        let base = ty.nullable_of().unwrap_or(&ty);
        if base.num().is_none() && !base.is_enum() && !matches!(ty, Type::Dynamic) {
            if !ty.is_error() {
                self.error(
                    "CS0023",
                    format!("Operator '{op}' cannot be applied to operand of type '{ty}'"),
                    span,
                );
            }
            return Operand::Error;
        }
        let old = self.temp();
        let saved = Val::new(ty.clone(), Node::Local(old));
        let bare = if op == "++" { "+" } else { "-" };
        let one = match base.num() {
            Some(Num::Decimal) => Val::konst(Type::INT, Const::Int(1)),
            _ => Val::konst(Type::INT, Const::Int(1)),
        };
        let Operand::Value(next) = self.binary_values(bare, saved, one, span) else {
            return Operand::Error;
        };
        let next = self.cast_value(next, &ty, span);
        let Some(write) = self.write_place(&place, next, inner.span) else {
            return Operand::Error;
        };
        let mut steps = setup;
        steps.push(Node::Set(old, Box::new(current.node)));
        steps.push(write.node);
        if postfix {
            steps.push(Node::Local(old));
        }
        Operand::value(ty, Node::Sequence(steps.into()))
    }
}

const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"];
