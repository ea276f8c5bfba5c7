//! Calls: methods, extension methods, local functions, delegates, constructors, indexers.

use std::sync::Arc;

use super::{
    Binder,
    args::{Argument, Laid},
    member::{Found, find, plain_name},
    operand::{Group, Operand, Prop, Val},
    overload::{Applied, Candidate, Resolved},
};
use crate::{
    Span,
    ir::{CallNode, Const, DynamicNode, Node},
    syntax::ast::{Arg, Expr, ExprKind, PassBy},
    types::{Member, MemberKind, ParamDef, Type, interfaces_of, registry, subst},
};

pub(crate) fn candidate(member: &'static Member, owner: &Type, rank: usize, extension: bool) -> Candidate {
    let args = owner.args();
    let params = member
        .params
        .iter()
        .map(|p| ParamDef {
            ty: subst(&p.ty, args, &[]),
            ..p.clone()
        })
        .collect();
    Candidate {
        member: Some(member),
        owner: owner.clone(),
        params,
        ret: subst(&member.ret, args, &[]),
        tparams: member.tparams.len(),
        rank,
        extension,
    }
}

/// Drops methods that a more derived interface declares again with the same parameters.
fn hide(found: &mut Vec<Found>) {
    let shape = |f: &Found| -> Vec<Type> {
        let args = f.owner.args();
        f.member.params.iter().map(|p| subst(&p.ty, args, &[])).collect()
    };
    let all: Vec<(Type, Vec<Type>)> = found.iter().map(|f| (f.owner.clone(), shape(f))).collect();
    found.retain(|f| {
        let params = shape(f);
        !all.iter().any(|(owner, other)| {
            *other == params && *owner != f.owner && interfaces_of(owner).contains(&f.owner)
        })
    });
}

impl<'a> Binder<'a> {
    /// `target(args)`
    pub(crate) fn call(&mut self, target: &'a Expr, args: &'a [Arg], span: Span) -> Operand<'a> {
        if let (Some(name), [arg]) = (plain_name(target), args)
            && &*name.name == "nameof"
            && self.lookup("nameof").is_none()
        {
            return self.nameof(&arg.value);
        }
        let callee = self.operand(target);
        match self.extension_of_same_name(callee, target) {
            Operand::Group(group) => self.call_group(*group, args, span),
            Operand::LocalFn(f, targs) => self.call_local(f, &targs, args, span),
            Operand::Error => {
                for arg in args {
                    // Errors inside arguments are still worth reporting.
                    self.operand(&arg.value);
                }
                Operand::Error
            }
            Operand::Lambda(_) => {
                self.error("CS0149", "Method name expected", target.span);
                Operand::Error
            }
            Operand::Type(ty) => {
                self.error(
                    "CS1955",
                    format!("Non-invocable member '{ty}' cannot be used like a method."),
                    target.span,
                );
                Operand::Error
            }
            operand => {
                let name = match &operand {
                    Operand::Prop(p) => Some(p.member.name.clone()),
                    _ => None,
                };
                let value = self.rvalue(operand, target.span);
                self.call_value(value, name.as_deref(), args, target.span, span)
            }
        }
    }

    /// A called property that is no delegate does not hide the extension method of its name: `array.First()`.
    fn extension_of_same_name(&mut self, operand: Operand<'a>, target: &'a Expr) -> Operand<'a> {
        let ExprKind::Member(_, name, targs) = &target.kind else {
            return operand;
        };
        let Operand::Prop(mut prop) = operand else {
            return operand;
        };
        let plain = !prop.ty.is_delegate() && prop.ty != Type::Dynamic;
        match prop.receiver.take() {
            Some(receiver) if plain && registry().extensions(&name.name).next().is_some() => {
                Operand::Group(Box::new(Group {
                    name: name.name.clone(),
                    span: name.span,
                    on: receiver.ty.clone(),
                    receiver: Some(receiver),
                    is_static: false,
                    targs: targs.iter().map(|t| self.resolve_type(t)).collect(),
                }))
            }
            receiver => {
                prop.receiver = receiver;
                Operand::Prop(prop)
            }
        }
    }

    fn call_value(
        &mut self,
        value: Val,
        name: Option<&str>,
        args: &'a [Arg],
        target: Span,
        span: Span,
    ) -> Operand<'a> {
        if value.ty.is_error() {
            return Operand::Error;
        }
        if let (Type::Dynamic, Node::Dynamic(d)) = (&value.ty, &value.node)
            && matches!(**d, DynamicNode::Member(..))
        {
            return self.dynamic_call(value.node, args);
        }
        if !value.ty.is_delegate() {
            match name {
                Some(name) => {
                    let message = format!("Non-invocable member '{name}' cannot be used like a method.");
                    self.error("CS1955", message, target);
                }
                None => {
                    self.error("CS0149", "Method name expected", target);
                }
            }
            return Operand::Error;
        }
        let Some(invoke) = Self::invoke_member(&value.ty) else {
            return Operand::Error;
        };
        let owner = value.ty.clone();
        let list = self.arguments(args);
        let candidates = vec![candidate(invoke, &owner, 0, false)];
        let mark = self.diagnostics.len();
        let Some((applied, laid)) = self.choose("Invoke", &candidates, list, &[], span) else {
            for d in &mut self.diagnostics[mark..] {
                if d.code == "CS1501" {
                    d.code = "CS1593";
                    d.message = format!("Delegate '{owner}' does not take {} arguments", args.len());
                }
            }
            return Operand::Error;
        };
        let ret = subst(&candidates[applied.candidate].ret, &[], &applied.targs);
        Operand::value(ret, Node::Invoke(Box::new(value.node), laid.nodes.into()))
    }

    fn dynamic_call(&mut self, target: Node, args: &'a [Arg]) -> Operand<'a> {
        let Node::Dynamic(member) = target else {
            return Operand::Error;
        };
        let DynamicNode::Member(receiver, name) = *member else {
            return Operand::Error;
        };
        let args: Vec<Node> = args.iter().map(|a| self.value(&a.value).node).collect();
        Operand::value(
            Type::Dynamic,
            Node::Dynamic(Box::new(DynamicNode::Call(receiver, name, args.into()))),
        )
    }

    fn nameof(&mut self, e: &'a Expr) -> Operand<'a> {
        let mark = self.diagnostics.len();
        let mut root = e;
        while let ExprKind::Member(inner, ..) = &root.kind {
            root = inner;
        }
        let named = matches!(
            root.kind,
            ExprKind::Name(..)
                | ExprKind::Predefined(_)
                | ExprKind::Global
                | ExprKind::This(_)
                | ExprKind::Type(_)
        );
        if !named && matches!(e.kind, ExprKind::Member(..)) {
            self.error(
                "CS8082",
                "Sub-expression cannot be used in an argument to nameof.",
                root.span,
            );
            return Operand::Error;
        }
        if let ExprKind::Name(name, targs) = &e.kind
            && targs.is_empty()
            && self.lookup(&name.name).is_none()
            && self.generic_alone(&name.name, name.span)
        {
            return Operand::Error;
        }
        let _ = self.operand(e);
        // An instance member may be named through its type.
        let through_type = self.diagnostics[mark..].iter().all(|d| d.code == "CS0120");
        if through_type {
            self.diagnostics.truncate(mark);
        }
        let bad = self.has_errors_since(mark);
        let name = match &e.kind {
            ExprKind::Name(n, _) | ExprKind::Member(_, n, _) => n.name.clone(),
            _ => {
                if !bad && !matches!(e.kind, ExprKind::Error) {
                    self.error("CS8081", "Expression does not have a name.", e.span);
                }
                return Operand::Error;
            }
        };
        if bad {
            return Operand::Error;
        }
        let units: Vec<u16> = name.encode_utf16().collect();
        Operand::konst(Type::STRING, Const::Str(crate::intern::literal(&units)))
    }

    /// Resolves and lays out; reports what does not fit.
    pub(crate) fn choose(
        &mut self,
        name: &str,
        candidates: &[Candidate],
        args: Vec<Argument<'a>>,
        targs: &[Type],
        span: Span,
    ) -> Option<(Applied, Laid)> {
        let applied = match self.resolve(candidates, &args, targs) {
            Resolved::One(applied) => applied,
            Resolved::None(misfits) => {
                self.report_misfits(name, candidates, &args, &misfits, span);
                self.forgive(args);
                return None;
            }
            Resolved::Ambiguous(..) if args.iter().any(|a| matches!(a.operand, Operand::Error)) => {
                self.forgive(args);
                return None;
            }
            Resolved::Ambiguous(a, b) => {
                let shown = |c: &Candidate| {
                    let params = c
                        .params
                        .iter()
                        .map(|p| p.ty.to_string())
                        .collect::<Vec<_>>()
                        .join(", ");
                    format!("{}.{name}({params})", c.owner)
                };
                let message = format!(
                    "The call is ambiguous between the following methods or properties: '{}' and '{}'",
                    shown(&candidates[a]),
                    shown(&candidates[b])
                );
                self.error("CS0121", message, span);
                self.forgive(args);
                return None;
            }
        };
        let chosen = &candidates[applied.candidate];
        let laid = self.lay_out(
            args,
            &chosen.params,
            &applied.types,
            &applied.map,
            applied.expanded,
        );
        Some((applied, laid))
    }

    /// After a failed call: variables its `out var` arguments would have typed are not reported again.
    fn forgive(&mut self, args: Vec<Argument<'a>>) {
        for arg in args {
            if let Operand::OutVar(id, _) = arg.operand {
                self.vars[id].inferring = false;
            }
        }
    }

    /// Candidates of a method group, without extension methods.
    pub(crate) fn group_candidates(&mut self, g: &Group) -> Vec<Candidate> {
        let mut found = find(&g.on, &g.name);
        if g.on.is_interface() {
            hide(&mut found);
        }
        let mut ranks: Vec<Type> = Vec::new();
        found
            .iter()
            .filter(|f| f.member.kind == MemberKind::Method && (!g.is_static || f.member.is_static))
            .filter(|f| g.targs.is_empty() || f.member.tparams.len() == g.targs.len())
            .map(|f| {
                let rank = match ranks.iter().position(|r| *r == f.owner) {
                    Some(n) => n,
                    None => {
                        ranks.push(f.owner.clone());
                        ranks.len() - 1
                    }
                };
                // Members of different interfaces are equally near.
                candidate(
                    f.member,
                    &f.owner,
                    if g.on.is_interface() {
                        usize::from(f.owner.is_object())
                    } else {
                        rank
                    },
                    false,
                )
            })
            .collect()
    }

    fn extension_candidates(&self, g: &Group) -> Vec<Candidate> {
        registry()
            .extensions(&g.name)
            .filter(|m| g.targs.is_empty() || m.tparams.len() == g.targs.len())
            .map(|m| candidate(m, &Type::Def(m.owner), 0, true))
            .collect()
    }

    fn call_group(&mut self, g: Group, args: &'a [Arg], span: Span) -> Operand<'a> {
        let mut list = self.arguments(args);
        if let Some(dynamic) = self.dynamic_arguments(&g, &list) {
            return dynamic;
        }
        let own = self.group_candidates(&g);
        let own_fits = matches!(
            self.resolve(&own, &list, &g.targs),
            Resolved::One(_) | Resolved::Ambiguous(..)
        );
        if !own_fits && g.receiver.is_some() {
            let extensions = self.extension_candidates(&g);
            if !extensions.is_empty() {
                return self.call_extension(g, own, extensions, list, span);
            }
        }
        if own.is_empty() {
            return self.no_candidates(&g);
        }
        if !own_fits && g.is_static && self.instance_fits(&g, &list) {
            self.object_required(&g.on, &format!("{}()", g.name), g.span);
            return Operand::Error;
        }
        let Some((applied, laid)) = self.choose(&g.name, &own, std::mem::take(&mut list), &g.targs, g.span)
        else {
            return Operand::Error;
        };
        let chosen = own[applied.candidate].clone();
        self.finish_call(g, chosen, applied, laid, span)
    }

    /// Whether the arguments of a static call are those of an instance method.
    fn instance_fits(&mut self, g: &Group, list: &[Argument<'a>]) -> bool {
        let all = Group {
            name: g.name.clone(),
            span: g.span,
            receiver: None,
            on: g.on.clone(),
            is_static: false,
            targs: g.targs.clone(),
        };
        let candidates = self.group_candidates(&all);
        matches!(self.resolve(&candidates, list, &g.targs), Resolved::One(_))
    }

    fn no_candidates(&mut self, g: &Group) -> Operand<'a> {
        let any = find(&g.on, &g.name);
        match any.first() {
            Some(f) if !g.targs.is_empty() && f.member.tparams.is_empty() => {
                let message = format!(
                    "The non-generic method '{}.{}' cannot be used with type arguments",
                    g.on, g.name
                );
                self.error("CS0308", message, g.span);
            }
            Some(_) if g.is_static => self.object_required(&g.on, &format!("{}()", g.name), g.span),
            _ => self.no_member(&g.on, &g.name, g.span),
        }
        Operand::Error
    }

    fn call_extension(
        &mut self,
        mut g: Group,
        own: Vec<Candidate>,
        extensions: Vec<Candidate>,
        mut list: Vec<Argument<'a>>,
        span: Span,
    ) -> Operand<'a> {
        let Some(receiver) = g.receiver.take() else {
            return Operand::Error;
        };
        let on = receiver.ty.clone();
        list.insert(
            0,
            Argument {
                name: None,
                by: PassBy::Value,
                operand: Operand::Value(receiver),
                span: g.span,
            },
        );
        let fits = matches!(
            self.resolve(&extensions, &list, &g.targs),
            Resolved::One(_) | Resolved::Ambiguous(..)
        );
        if !fits && !own.is_empty() {
            // The type's own method is the better target of the complaint.
            list.remove(0);
            let Resolved::None(misfits) = self.resolve(&own, &list, &g.targs) else {
                return Operand::Error;
            };
            self.report_misfits(&g.name, &own, &list, &misfits, g.span);
            self.forgive(list);
            return Operand::Error;
        }
        if !fits {
            // Extensions whose receiver does not fit at all are not meant.
            let near: Vec<Candidate> = extensions
                .iter()
                .filter(|c| self.receiver_fits(c, &on))
                .cloned()
                .collect();
            if near.is_empty() {
                self.no_member(&on, &g.name, g.span);
                self.forgive(list);
                return Operand::Error;
            }
            self.choose(&g.name, &near, list, &g.targs, g.span);
            return Operand::Error;
        }
        let Some((applied, laid)) = self.choose(&g.name, &extensions, list, &g.targs, g.span) else {
            return Operand::Error;
        };
        let chosen = extensions[applied.candidate].clone();
        self.finish_call(g, chosen, applied, laid, span)
    }

    /// Whether a receiver could be the first argument, type parameters taken as anything.
    fn receiver_fits(&self, c: &Candidate, on: &Type) -> bool {
        let Some(first) = c.params.first() else {
            return false;
        };
        match &first.ty {
            Type::MethodParam(_) => true,
            ty if ty.is_open() => match ty.def() {
                Some(d) => {
                    matches!(on, Type::Array(..)) && crate::types::enumerable_element(on).is_some()
                        || (crate::types::element_of(on, d).is_some()
                            && super::infer::unique_interface(on, d))
                }
                None => matches!((ty, on), (Type::Array(..), Type::Array(..))),
            },
            // Nothing is inferred from the receiver: that it does not fit is the mistake (CS1929).
            _ => true,
        }
    }

    fn finish_call(
        &mut self,
        g: Group,
        chosen: Candidate,
        applied: Applied,
        laid: Laid,
        span: Span,
    ) -> Operand<'a> {
        let Some(member) = chosen.member else {
            return Operand::Error;
        };
        self.check_allowed(member, g.span);
        if !chosen.extension && g.receiver.is_some() && member.is_static {
            let message = format!(
                "Member '{}.{}' cannot be accessed with an instance reference; qualify it with a type name instead",
                g.on, g.name
            );
            self.error("CS0176", message, g.span)
                .help(format!("write {}.{}", chosen.owner, g.name));
            return Operand::Error;
        }
        let ret = subst(&chosen.ret, &[], &applied.targs);
        if g.on.is_delegate() && &*member.name == "Invoke" {
            let target = g.receiver.map_or(Node::Const(Const::Null), |r| r.node);
            let call = Node::Invoke(Box::new(target), laid.nodes.into());
            let node = self.after_call(call, laid.after);
            return Operand::value(ret, node);
        }
        let types: Arc<[Type]> = chosen
            .owner
            .args()
            .iter()
            .chain(&applied.targs)
            .cloned()
            .collect();
        let checked = g
            .receiver
            .as_ref()
            .is_some_and(|r| !r.never_null && (r.ty.is_reference() || matches!(r.ty, Type::Dynamic)));
        let shift = usize::from(g.receiver.is_some());
        let mut args: Vec<Node> = Vec::with_capacity(laid.nodes.len() + shift);
        args.extend(g.receiver.map(|r| r.node));
        args.extend(laid.nodes);
        let call = CallNode {
            call: member.get,
            args: args.into(),
            types,
            receiver: checked,
            outs: laid.outs.iter().map(|(i, s)| (i + shift, *s)).collect(),
            setter: false,
            name: member.name.clone(),
        };
        let _ = span;
        let node = self.after_call(crate::look::fuse(call), laid.after);
        Operand::value(ret, node)
    }

    /// Runs the write-backs behind a call and gives its value.
    pub(crate) fn after_call(&mut self, call: Node, after: Vec<Node>) -> Node {
        if after.is_empty() {
            return call;
        }
        let slot = self.temp();
        let mut list = vec![Node::Set(slot, Box::new(call))];
        list.extend(after);
        list.push(Node::Local(slot));
        Node::Sequence(list.into())
    }

    /// With a `dynamic` argument the choice is made at run time, unless only one method can be meant.
    fn dynamic_arguments(&mut self, g: &Group, args: &[Argument<'a>]) -> Option<Operand<'a>> {
        let dynamic = args
            .iter()
            .any(|a| matches!(&a.operand, o if matches!(self.type_of(o), Some(Type::Dynamic))));
        if !dynamic {
            return None;
        }
        if self.options.allow_list {
            self.error("APIM0006", "Dynamic member invocation is not supported", g.span);
            return Some(Operand::Error);
        }
        None
    }

    /// An indexer access.
    pub(crate) fn indexer(
        &mut self,
        value: Val,
        found: Vec<Found>,
        args: &'a [Arg],
        span: Span,
    ) -> Operand<'a> {
        let list = self.arguments(args);
        let mut ranks: Vec<&Type> = Vec::new();
        let candidates: Vec<Candidate> = found
            .iter()
            .map(|f| {
                let rank = ranks.iter().position(|r| **r == f.owner).unwrap_or_else(|| {
                    ranks.push(&f.owner);
                    ranks.len() - 1
                });
                candidate(
                    f.member,
                    &f.owner,
                    if value.ty.is_interface() { 0 } else { rank },
                    false,
                )
            })
            .collect();
        let Some((applied, laid)) = self.choose("this", &candidates, list, &[], span) else {
            return Operand::Error;
        };
        let chosen = &candidates[applied.candidate];
        let Some(member) = chosen.member else {
            return Operand::Error;
        };
        self.check_allowed(member, span);
        let prop = Prop {
            member,
            receiver: Some(value),
            args: laid.nodes,
            types: chosen.owner.args().into(),
            ty: chosen.ret.clone(),
        };
        Operand::Prop(Box::new(prop))
    }

    /// A constructor call.
    pub(crate) fn construct_with(&mut self, ty: &Type, list: Vec<Argument<'a>>, span: Span) -> Option<Val> {
        let d = ty.def()?;
        let def = registry().def(d);
        let candidates: Vec<Candidate> = def
            .of_kind(MemberKind::Constructor)
            .map(|m| candidate(m, ty, 0, false))
            .collect();
        if candidates.is_empty() && list.is_empty() && ty.is_value_type() {
            return Some(super::value::default_of(ty.clone()));
        }
        if candidates.is_empty() {
            let message = format!(
                "'{ty}' does not contain a constructor that takes {} arguments",
                list.len()
            );
            self.error("CS1729", message, span);
            return None;
        }
        if list.is_empty() && ty.is_value_type() && !candidates.iter().any(|c| c.params.is_empty()) {
            return Some(super::value::default_of(ty.clone()));
        }
        let (applied, laid) = self.choose(&def.name, &candidates, list, &[], span)?;
        let member = candidates[applied.candidate].member?;
        self.check_allowed(member, span);
        let call = CallNode {
            call: member.get,
            args: laid.nodes.into(),
            types: ty.args().into(),
            receiver: false,
            outs: laid.outs.into(),
            setter: false,
            name: member.name.clone(),
        };
        let node = self.after_call(Node::Call(Box::new(call)), laid.after);
        Some(Val {
            never_null: true,
            ..Val::new(ty.clone(), node)
        })
    }

    /// Calls a library member by name with values at hand: `Dispose`, `Add` of collection initialisers.
    pub(crate) fn call_named(
        &mut self,
        receiver: Val,
        name: &str,
        args: Vec<Argument<'a>>,
        span: Span,
    ) -> Option<Val> {
        let on = receiver.ty.clone();
        let group = Group {
            name: name.into(),
            span,
            receiver: Some(receiver),
            on,
            is_static: false,
            targs: Vec::new(),
        };
        let own = self.group_candidates(&group);
        if own.is_empty() {
            self.no_member(&group.on, name, span);
            return None;
        }
        let (applied, laid) = self.choose(name, &own, args, &[], span)?;
        let chosen = own[applied.candidate].clone();
        match self.finish_call(group, chosen, applied, laid, span) {
            Operand::Value(v) => Some(v),
            _ => None,
        }
    }
}
