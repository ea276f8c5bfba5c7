//! Member access, indexers and conditional access.

use std::sync::Arc;

use super::{
    Binder,
    name::closest,
    operand::{Group, Operand, Prop, Val},
};
use crate::{
    Span,
    ir::{Const, DynamicNode, Node, Use},
    syntax::ast::{Arg, Expr, ExprKind, Ident, TypeSyn},
    types::{Member, MemberKind, Num, Type, TypeKind, base_of, interfaces_of, registry, subst},
};

/// A member with the constructed type it was found in.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub member: &'static Member,
    pub owner: Type,
}

/// The types whose members a value of `ty` has, most derived first.
pub(crate) fn hierarchy(ty: &Type) -> Vec<Type> {
    let mut all = Vec::new();
    let mut at = Some(ty.clone());
    while let Some(t) = at {
        at = base_of(&t);
        all.push(t);
    }
    if ty.is_interface() {
        all.extend(interfaces_of(ty));
        all.push(Type::OBJECT);
    }
    if let Type::Param(_) = ty {
        all.extend(interfaces_of(ty));
    }
    all
}

/// Members called `name`, most derived first.
pub(crate) fn find(ty: &Type, name: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for owner in hierarchy(ty) {
        if let Some(d) = owner.def() {
            let def = registry().def(d);
            // Called by the name of their class, extension methods are plain static ones.
            let plain = def.kind == TypeKind::Static;
            let members = def.named(name).filter(|m| plain || !m.extension);
            found.extend(members.map(|member| Found {
                member,
                owner: owner.clone(),
            }));
        }
        // Tuples are value types with fields of their own; the rest comes from ValueType.
    }
    found
}

/// The type arguments of the declaring type.
pub(crate) fn class_args(owner: &Type) -> &[Type] {
    owner.args()
}

impl<'a> Binder<'a> {
    pub(crate) fn member(&mut self, target: &'a Expr, name: &'a Ident, targs: &'a [TypeSyn]) -> Operand<'a> {
        let operand = self.operand(target);
        let targs: Vec<Type> = targs.iter().map(|t| self.resolve_type(t)).collect();
        match operand {
            // A name that is missing has been reported.
            _ if name.name.is_empty() => Operand::Error,
            Operand::Error => Operand::Error,
            Operand::Namespace(ns) => self.namespace_member(&ns, name, targs),
            Operand::Type(ty) => self.static_member(ty, &name.name, name.span, targs),
            Operand::Null => {
                self.error(
                    "CS0023",
                    "Operator '.' cannot be applied to operand of type '<null>'",
                    target.span,
                );
                Operand::Error
            }
            Operand::Lambda(_) => {
                self.error(
                    "CS0023",
                    "Operator '.' cannot be applied to operand of type 'lambda expression'",
                    target.span,
                );
                Operand::Error
            }
            Operand::Group(_) | Operand::LocalFn(..) => {
                self.error(
                    "CS0119",
                    format!(
                        "'{}' is a method, which is not valid in the given context",
                        group_name(&operand)
                    ),
                    target.span,
                )
                .help("add parentheses to call it");
                Operand::Error
            }
            operand => self.instance_member(operand, target.span, &name.name, name.span, targs),
        }
    }

    fn namespace_member(&mut self, ns: &str, name: &'a Ident, targs: Vec<Type>) -> Operand<'a> {
        let reg = registry();
        if let Some(id) = reg.in_namespace(ns, &name.name, targs.len()) {
            let ty = if targs.is_empty() {
                Type::Def(id)
            } else {
                Type::generic(id, targs)
            };
            return Operand::Type(ty);
        }
        let full = if ns.is_empty() {
            name.name.to_string()
        } else {
            format!("{ns}.{}", name.name)
        };
        if reg.is_namespace(&full) {
            return Operand::Namespace(full);
        }
        let message = format!(
            "The type or namespace name '{}' does not exist in the namespace '{ns}' (are you missing an assembly reference?)",
            name.name
        );
        self.error("CS0234", message, name.span);
        Operand::Error
    }

    /// A member of a type: constant, static property, nested type or method group.
    fn static_member(&mut self, ty: Type, name: &str, span: Span, targs: Vec<Type>) -> Operand<'a> {
        if ty.is_error() {
            return Operand::Error;
        }
        if let Some(d) = ty.def() {
            let def = registry().def(d);
            if def.kind == TypeKind::Enum
                && let Some((_, v)) = def.values.iter().find(|(n, _)| *n == name)
            {
                self.check_enum_allowed(d, name, span);
                return Operand::konst(ty, Const::Enum(d, *v));
            }
            if let Some(nested) = self.nested_type(&ty, name) {
                return Operand::Type(Type::Def(nested));
            }
        }
        let found = find(&ty, name);
        let Some(first) = found.first() else {
            let known: Vec<&str> = hierarchy(&ty)
                .iter()
                .filter_map(Type::def)
                .flat_map(|d| {
                    let def = registry().def(d);
                    def.members
                        .iter()
                        .filter(|m| m.is_static)
                        .map(|m| &*m.name)
                        .chain(def.values.iter().map(|(n, _)| *n))
                })
                .collect();
            let help = closest(name, known.into_iter()).map(|n| format!("did you mean '{n}'?"));
            let message = format!("'{ty}' does not contain a definition for '{name}'");
            self.error("CS0117", message, span).help = help;
            return Operand::Error;
        };
        if first.member.kind == MemberKind::Method {
            return Operand::Group(Box::new(Group {
                name: name.into(),
                span,
                receiver: None,
                on: ty,
                is_static: true,
                targs,
            }));
        }
        if !first.member.is_static {
            self.object_required(&ty, name, span);
            return Operand::Error;
        }
        self.check_allowed(first.member, span);
        let args = class_args(&first.owner);
        let prop = Prop {
            member: first.member,
            receiver: None,
            args: Vec::new(),
            types: args.into(),
            ty: subst(&first.member.ret, args, &[]),
        };
        Operand::Prop(Box::new(prop))
    }

    pub(crate) fn object_required(&mut self, ty: &Type, name: &str, span: Span) {
        let message = format!(
            "An object reference is required for the non-static field, method, or property '{ty}.{name}'"
        );
        self.error("CS0120", message, span);
    }

    fn check_enum_allowed(&mut self, d: crate::types::DefId, name: &str, span: Span) {
        let def = registry().def(d);
        if let Some((name, _)) = def.values.iter().find(|(n, _)| *n == name) {
            self.uses.push(Use::Value(d, name));
        }
        let message = match def.verdict {
            crate::lib::Verdict::All => return,
            crate::lib::Verdict::Only(names) if names.contains(&name) => return,
            crate::lib::Verdict::None if self.options.allow_list => {
                let message = format!("Usage of type '{}' is not supported within expressions", def.full);
                self.error("APIM0001", message, span);
                return;
            }
            _ => format!(
                "Usage of member '{name}' of type '{}' is not supported within expressions",
                def.full
            ),
        };
        if self.options.allow_list {
            self.error("APIM0002", message, span);
        }
    }

    /// `operand.name` for a name that is not in the source.
    pub(crate) fn named_member(&mut self, operand: Operand<'a>, name: &str, span: Span) -> Operand<'a> {
        self.instance_member(operand, span, name, span, Vec::new())
    }

    fn instance_member(
        &mut self,
        operand: Operand<'a>,
        target: Span,
        name: &str,
        span: Span,
        targs: Vec<Type>,
    ) -> Operand<'a> {
        let Some(ty) = self.type_of(&operand) else {
            self.rvalue(operand, target);
            return Operand::Error;
        };
        match &ty {
            Type::Error => return Operand::Error,
            Type::Void => {
                self.error(
                    "CS0023",
                    "Operator '.' cannot be applied to operand of type 'void'",
                    span,
                );
                return Operand::Error;
            }
            Type::Dynamic => return self.dynamic_member(operand, name, target, span),
            Type::Tuple(items, names) => {
                if let Some((n, item)) = tuple_field(items, names, name) {
                    return Operand::TupleField(Box::new(operand), n, item);
                }
            }
            Type::Anon(members, _) => {
                if let Some(n) = members.iter().position(|(m, _)| **m == *name) {
                    let item = members[n].1.clone();
                    let value = self.rvalue(operand, target);
                    return Operand::value(item, Node::Field(Box::new(value.node), n as u32));
                }
            }
            _ => {}
        }
        let found = find(&ty, name);
        if let Some(first) = found.first().filter(|f| f.member.kind != MemberKind::Method) {
            return self.property(operand, target, first, name, span, &ty);
        }
        let has_method = !found.is_empty() || registry().extensions(name).next().is_some();
        if !has_method {
            self.no_member(&ty, name, span);
            self.rvalue(operand, target);
            return Operand::Error;
        }
        let receiver = self.rvalue(operand, target);
        let group = Group {
            name: name.into(),
            span,
            receiver: Some(receiver),
            on: ty,
            is_static: false,
            targs,
        };
        Operand::Group(Box::new(group))
    }

    fn property(
        &mut self,
        operand: Operand<'a>,
        target: Span,
        found: &Found,
        name: &str,
        span: Span,
        ty: &Type,
    ) -> Operand<'a> {
        if found.member.is_static {
            let message = format!(
                "Member '{ty}.{name}' cannot be accessed with an instance reference; qualify it with a type name instead"
            );
            self.error("CS0176", message, span)
                .help(format!("write {ty}.{name}"));
            return Operand::Error;
        }
        self.check_allowed(found.member, span);
        let args = class_args(&found.owner).to_vec();
        let receiver = self.rvalue(operand, target);
        self.note_body(found.member, &receiver);
        let ty = subst(&found.member.ret, &args, &[]);
        let prop = Prop {
            member: found.member,
            receiver: Some(receiver),
            args: Vec::new(),
            types: args.into(),
            ty,
        };
        Operand::Prop(Box::new(prop))
    }

    /// Keeps track of which bodies the expression may read.
    fn note_body(&mut self, member: &'static Member, receiver: &Val) {
        let owner = &*registry().def(member.owner).full;
        match (owner, &*member.name) {
            ("IExpressionContext", "Response") => self.uses_response = true,
            ("IRequest", "Body") => self.needs.request_body = true,
            ("IResponse", "Body") => match &receiver.node {
                Node::Call(c) if &*c.name == "Response" => self.needs.response_body = true,
                Node::Cast(..) | Node::Call(_) => {}
                _ => self.indirect_body = true,
            },
            _ => {}
        }
        if self.uses_response && self.indirect_body {
            self.needs.response_body = true;
        }
    }

    pub(crate) fn no_member(&mut self, ty: &Type, name: &str, span: Span) {
        let message = format!(
            "'{ty}' does not contain a definition for '{name}' and no accessible extension method '{name}' accepting a first argument of type '{ty}' could be found (are you missing a using directive or an assembly reference?)"
        );
        let mut known: Vec<&str> = Vec::new();
        for t in hierarchy(ty) {
            if let Some(d) = t.def() {
                known.extend(
                    registry()
                        .def(d)
                        .members
                        .iter()
                        .filter(|m| !m.is_static)
                        .map(|m| &*m.name),
                );
            }
        }
        let extensions = registry().extension_names().filter(|n| {
            let mut all = registry().extensions(n);
            all.any(|m| {
                m.params
                    .first()
                    .is_some_and(|p| p.ty.is_open() || crate::types::is_subtype(ty, &p.ty))
            })
        });
        let help = closest(name, known.into_iter().chain(extensions)).map(|n| format!("did you mean '{n}'?"));
        self.error("CS1061", message, span).help = help;
    }

    fn dynamic_member(&mut self, operand: Operand<'a>, name: &str, target: Span, span: Span) -> Operand<'a> {
        if self.options.allow_list {
            self.error("APIM0006", "Dynamic member invocation is not supported", span);
        }
        let value = self.rvalue(operand, target);
        Operand::value(
            Type::Dynamic,
            Node::Dynamic(Box::new(DynamicNode::Member(value.node, name.into()))),
        )
    }

    /// `target[args]`
    pub(crate) fn index(&mut self, target: &'a Expr, args: &'a [Arg], span: Span) -> Operand<'a> {
        let operand = self.operand(target);
        if let Operand::Type(ty) = &operand {
            self.error(
                "CS0119",
                format!("'{ty}' is a type, which is not valid in the given context"),
                target.span,
            );
            return Operand::Error;
        }
        if let Operand::Group(_) | Operand::LocalFn(..) = &operand {
            let message = "Cannot apply indexing with [] to an expression of type 'method group'";
            self.error("CS0021", message, span)
                .help("add parentheses to call the method");
            return Operand::Error;
        }
        let value = self.rvalue(operand, target.span);
        self.index_value(value, args, span)
    }

    pub(crate) fn index_value(&mut self, value: Val, args: &'a [Arg], span: Span) -> Operand<'a> {
        match &value.ty {
            Type::Error => {
                for arg in args {
                    self.operand(&arg.value);
                }
                Operand::Error
            }
            Type::Array(element, rank) => {
                if args.len() != usize::from(*rank) {
                    self.error(
                        "CS0022",
                        format!("Wrong number of indices inside []; expected {rank}"),
                        span,
                    );
                    return Operand::Error;
                }
                let element = (**element).clone();
                let index = args.iter().map(|a| self.array_index(&a.value).node).collect();
                Operand::Element(Box::new(value), index, element)
            }
            Type::Dynamic => {
                if self.options.allow_list {
                    self.error("APIM0006", "Dynamic member invocation is not supported", span);
                }
                let args: Vec<Node> = args.iter().map(|a| self.value(&a.value).node).collect();
                Operand::value(
                    Type::Dynamic,
                    Node::Dynamic(Box::new(DynamicNode::Index(value.node, args.into()))),
                )
            }
            ty => {
                let ty = ty.clone();
                let mut found = Vec::new();
                for owner in hierarchy(&ty) {
                    if let Some(d) = owner.def() {
                        let indexers = registry().def(d).of_kind(MemberKind::Indexer);
                        found.extend(indexers.map(|member| Found {
                            member,
                            owner: owner.clone(),
                        }));
                    }
                }
                if found.is_empty() {
                    let message = format!("Cannot apply indexing with [] to an expression of type '{ty}'");
                    self.error("CS0021", message, span);
                    return Operand::Error;
                }
                self.indexer(value, found, args, span)
            }
        }
    }

    /// An array index: int, uint, long or ulong.
    pub(crate) fn array_index(&mut self, e: &'a Expr) -> Val {
        let operand = self.operand(e);
        for num in [Num::Int, Num::UInt, Num::Long, Num::ULong] {
            if self.implicit(&operand, &num.ty()) {
                return self.convert(operand, &num.ty(), e.span);
            }
        }
        self.convert(operand, &Type::INT, e.span)
    }

    /// `target?.member` and `target?[index]`
    pub(crate) fn conditional_access(
        &mut self,
        target: &'a Expr,
        access: &'a Expr,
        span: Span,
    ) -> Operand<'a> {
        let receiver = self.value(target);
        if receiver.ty.is_error() {
            return Operand::Error;
        }
        let inner = match receiver.ty.nullable_of() {
            Some(inner) => inner.clone(),
            None if receiver.ty.is_value_type() || matches!(receiver.ty, Type::Void | Type::Null) => {
                let message = format!(
                    "Operator '?' cannot be applied to operand of type '{}'",
                    receiver.ty
                );
                self.error(
                    "CS0023",
                    message,
                    Span {
                        start: target.span.end,
                        end: span.end,
                    },
                );
                return Operand::Error;
            }
            None => receiver.ty.clone(),
        };
        let slot = self.temp();
        self.receivers.push((inner, slot));
        let operand = self.operand(access);
        let value = self.rvalue(operand, access.span);
        self.receivers.pop();
        if value.ty.is_error() {
            return Operand::Error;
        }
        let ty = if value.ty.is_value_type() && value.ty.nullable_of().is_none() {
            Type::nullable(value.ty.clone())
        } else {
            value.ty.clone()
        };
        Operand::value(ty, Node::Access(slot, Box::new((receiver.node, value.node))))
    }
}

/// Position and type of a tuple element by `ItemN` or by name.
pub(crate) fn tuple_field(
    items: &Arc<[Type]>,
    names: &crate::types::TupleNames,
    name: &str,
) -> Option<(u32, Type)> {
    let by_name = names
        .0
        .as_ref()
        .and_then(|n| n.iter().position(|n| n.as_deref() == Some(name)));
    let by_item = || {
        name.strip_prefix("Item")
            .and_then(|n| n.parse::<usize>().ok())
            .and_then(|n| n.checked_sub(1))
    };
    let n = by_name.or_else(by_item)?;
    items.get(n).map(|t| (n as u32, t.clone()))
}

fn group_name(operand: &Operand<'_>) -> String {
    match operand {
        Operand::Group(g) => format!("{}.{}", g.on, g.name),
        _ => "local function".to_owned(),
    }
}

/// Whether an expression is a plain name, which `nameof` and deconstruction look at.
pub(crate) fn plain_name(e: &Expr) -> Option<&Ident> {
    match &e.kind {
        ExprKind::Name(name, targs) if targs.is_empty() => Some(name),
        ExprKind::Paren(inner) => plain_name(inner),
        _ => None,
    }
}
