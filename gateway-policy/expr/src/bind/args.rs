//! Arguments before and after a method is chosen.

use super::{
    Binder,
    operand::{Operand, Val},
};
use crate::{
    Span,
    ir::{Const, Node},
    syntax::ast::{Arg, Ident, PassBy},
    types::{ParamDef, Type},
};

/// An argument as written.
#[derive(Debug)]
pub(crate) struct Argument<'a> {
    pub name: Option<&'a Ident>,
    pub by: PassBy,
    pub operand: Operand<'a>,
    pub span: Span,
}

/// Arguments laid out for a call.
pub(crate) struct Laid {
    pub nodes: Vec<Node>,
    /// Argument position (receiver not counted) and the slot it is written back to.
    pub outs: Vec<(usize, u32)>,
    /// Assignments to run after the call, for `out` arguments that are no plain variables.
    pub after: Vec<Node>,
}

impl<'a> Binder<'a> {
    pub(crate) fn arguments(&mut self, args: &'a [Arg]) -> Vec<Argument<'a>> {
        args.iter()
            .map(|a| Argument {
                name: a.name.as_ref(),
                by: a.by,
                operand: self.argument_operand(a),
                span: a.value.span,
            })
            .collect()
    }

    fn argument_operand(&mut self, a: &'a Arg) -> Operand<'a> {
        if a.by == PassBy::Out
            && let crate::syntax::ast::ExprKind::Name(n, _) = &a.value.kind
            && &*n.name == "_"
            && self.lookup("_").is_none()
        {
            return Operand::Discard;
        }
        self.operand(&a.value)
    }

    /// Converts arguments to their parameters and puts them in order.
    /// `map` gives the parameter of each argument; `expanded` collects the tail into an array.
    pub(crate) fn lay_out(
        &mut self,
        args: Vec<Argument<'a>>,
        params: &[ParamDef],
        types: &[Type],
        map: &[usize],
        expanded: bool,
    ) -> Laid {
        let mut laid = Laid {
            nodes: Vec::new(),
            outs: Vec::new(),
            after: Vec::new(),
        };
        // Named arguments out of order are evaluated in the order they are written.
        let reordered = map.windows(2).any(|pair| pair[0] > pair[1]);
        let mut first: Vec<Node> = Vec::new();
        let mut places: Vec<Option<Node>> = (0..params.len()).map(|_| None).collect();
        let mut tail = Vec::new();
        let last = params.len().wrapping_sub(1);
        for (i, arg) in args.into_iter().enumerate() {
            let to = map.get(i).copied().unwrap_or(0);
            let Some(ty) = types.get(to) else { continue };
            if expanded && to == last {
                let element = element(ty);
                tail.push(self.convert(arg.operand, &element, arg.span).node);
                continue;
            }
            let node = match arg.by {
                PassBy::Out | PassBy::Ref => self.by_reference(arg, ty, to, &mut laid),
                _ => self.convert(arg.operand, ty, arg.span).node,
            };
            let node = if reordered && !matches!(node, Node::Const(_)) {
                let slot = self.temp();
                first.push(Node::Set(slot, Box::new(node)));
                Node::Local(slot)
            } else {
                node
            };
            if let Some(place) = places.get_mut(to) {
                *place = Some(node);
            }
        }
        for (i, place) in places.into_iter().enumerate() {
            laid.nodes.push(match place {
                Some(node) => node,
                None if expanded && i == last => {
                    let element = types.get(i).map_or(Type::Error, element);
                    Node::NewArray(super::shared(&element), std::mem::take(&mut tail).into())
                }
                None => default_argument(&params[i], types.get(i).unwrap_or(&Type::Error)),
            });
        }
        if !first.is_empty()
            && let Some(node) = laid.nodes.first_mut()
        {
            first.push(std::mem::replace(node, Node::Const(Const::Null)));
            *node = Node::Sequence(first.into());
        }
        laid
    }

    fn by_reference(&mut self, arg: Argument<'a>, ty: &Type, at: usize, laid: &mut Laid) -> Node {
        let read = |slot: u32| {
            if arg.by == PassBy::Ref {
                Node::Local(slot)
            } else {
                Node::Const(Const::Null)
            }
        };
        match arg.operand {
            Operand::Local(id) | Operand::OutVar(id, _) => {
                if self.vars[id].ty.is_error() || matches!(arg.operand, Operand::OutVar(_, None)) {
                    self.vars[id].ty = ty.clone();
                }
                self.vars[id].inferring = false;
                if self.vars[id].konst.is_some() {
                    let message = "A ref or out value must be an assignable variable";
                    self.error("CS1510", message, arg.span);
                }
                if let Some(why) = self.vars[id].readonly {
                    let message = format!(
                        "Cannot use '{}' as a ref or out value because it is a '{why}'",
                        self.vars[id].name
                    );
                    self.error("CS1657", message, arg.span);
                }
                let slot = self.slot_of(id);
                laid.outs.push((at, slot));
                read(slot)
            }
            Operand::Discard => {
                let slot = self.temp();
                laid.outs.push((at, slot));
                read(slot)
            }
            operand => {
                if let Some((code, message)) = match &operand {
                    Operand::Prop(_) => Some((
                        "CS0206",
                        "A property or indexer may not be passed as an out or ref parameter",
                    )),
                    Operand::Element(..) | Operand::TupleField(..) | Operand::Error => None,
                    Operand::Value(v) if v.ty.is_error() || v.ty == Type::Dynamic => None,
                    _ => Some(("CS1510", "A ref or out value must be an assignable variable")),
                } {
                    self.error(code, message, arg.span);
                    return Node::Const(Const::Null);
                }
                let slot = self.temp();
                laid.outs.push((at, slot));
                let outer = std::mem::take(&mut self.place_setup);
                let place = self.place(operand, arg.span);
                let mut steps = std::mem::replace(&mut self.place_setup, outer);
                let Some(place) = place else {
                    return read(slot);
                };
                // The place is found once; its value comes back when the call is over.
                if arg.by == PassBy::Ref {
                    let now = self.read_place(&place, arg.span);
                    steps.push(Node::Set(slot, Box::new(now.node)));
                }
                let value = Val::new(ty.clone(), Node::Local(slot));
                if let Some(store) = self.write_place(&place, value, arg.span) {
                    laid.after.push(store.node);
                }
                steps.push(read(slot));
                Node::Sequence(steps.into())
            }
        }
    }
}

/// The value of a parameter left out.
fn default_argument(p: &ParamDef, ty: &Type) -> Node {
    match &p.default {
        Some(Const::Null) | None => Node::Default(super::shared(ty)),
        Some(c) => Node::Const(super::convert::convert_constant(c, ty).unwrap_or_else(|| c.clone())),
    }
}

/// Element type of a `params` array.
pub(crate) fn element(ty: &Type) -> Type {
    match ty {
        Type::Array(of, _) => (**of).clone(),
        _ => Type::Error,
    }
}
