//! `new` in all its forms, initialisers, `typeof`, `sizeof`.

use super::{
    Binder,
    args::Argument,
    operand::{Operand, Prop, Val},
    shared,
};
use crate::{
    Span,
    ir::{Const, Node},
    syntax::ast::{
        Arg, Expr, ExprKind, Ident, InitTarget, InitValue, Initializer, MemberInit, PassBy,
        TypeKind as SynKind, TypeSyn,
    },
    types::{IENUMERABLE, Num, Type, TypeKind, is_subtype, registry},
};

impl<'a> Binder<'a> {
    /// `new T(args) { init }`
    pub(crate) fn creation(
        &mut self,
        syn: &'a TypeSyn,
        args: Option<&'a [Arg]>,
        init: Option<&'a Initializer>,
        span: Span,
    ) -> Operand<'a> {
        let ty = self.resolve_type(syn);
        let list = self.arguments(args.unwrap_or_default());
        if let SynKind::Tuple(_) = syn.kind {
            let message = "'new' cannot be used with tuple type. Use a tuple literal expression instead.";
            self.error("CS8181", message, syn.span);
            return Operand::Error;
        }
        if let Type::Open(_) = ty {
            self.error("CS7003", "Unexpected use of an unbound generic name", syn.span);
            return Operand::Error;
        }
        if ty.is_error() {
            if let Some(init) = init {
                self.look_at_initializer(init);
            }
            return Operand::Error;
        }
        let created = self.create(&ty, list, syn.span);
        let Some(value) = created else {
            return Operand::Error;
        };
        let Some(init) = init else {
            return Operand::Value(value);
        };
        let slot = self.temp();
        let mut steps = vec![Node::Set(slot, Box::new(value.node))];
        self.initialize(slot, &ty, init, span, &mut steps);
        steps.push(Node::Local(slot));
        Operand::Value(Val {
            never_null: true,
            ..Val::new(ty, Node::Sequence(steps.into()))
        })
    }

    /// Mistakes in the initialiser of something that cannot be created.
    fn look_at_initializer(&mut self, init: &'a Initializer) {
        match init {
            Initializer::Object(members) => {
                for m in members {
                    match &m.value {
                        InitValue::Expr(e) => {
                            self.operand(e);
                        }
                        InitValue::Nested(inner) => self.look_at_initializer(inner),
                    }
                }
            }
            Initializer::Collection(items, _) => items.iter().flatten().for_each(|e| {
                self.operand(e);
            }),
        }
    }

    fn create(&mut self, ty: &Type, mut list: Vec<Argument<'a>>, span: Span) -> Option<Val> {
        match ty {
            Type::Param(p) if p.new || p.value => {
                return Some(Val::new(ty.clone(), Node::Default(shared(ty))));
            }
            Type::Param(_) => {
                let message = format!(
                    "Cannot create an instance of the variable type '{ty}' because it does not have the new() constraint"
                );
                self.error("CS0304", message, span);
                return None;
            }
            Type::Tuple(items, _) if list.len() == items.len() => {
                let items = items.clone();
                let nodes: Vec<Node> = list
                    .into_iter()
                    .zip(items.iter())
                    .map(|(a, t)| self.convert(a.operand, t, a.span).node)
                    .collect();
                return Some(Val::new(ty.clone(), Node::Tuple(shared(ty), nodes.into())));
            }
            _ => {}
        }
        if let Some(inner) = ty.nullable_of() {
            return match list.pop() {
                Some(arg) => {
                    let value = self.convert(arg.operand, inner, arg.span);
                    Some(Val {
                        ty: ty.clone(),
                        konst: None,
                        ..value
                    })
                }
                None => Some(Val::new(ty.clone(), Node::Const(Const::Null))),
            };
        }
        if ty.is_delegate() {
            let arg = list.pop()?;
            return Some(self.convert(arg.operand, ty, arg.span));
        }
        let def = registry().def(ty.def()?);
        let (code, message) = match def.kind {
            TypeKind::Interface => (
                "CS0144",
                format!("Cannot create an instance of the abstract class or interface '{ty}'"),
            ),
            TypeKind::Class if def.is_abstract => (
                "CS0144",
                format!("Cannot create an instance of the abstract class or interface '{ty}'"),
            ),
            TypeKind::Static => (
                "CS0712",
                format!("Cannot create an instance of the static class '{ty}'"),
            ),
            _ => return self.construct_with(ty, list, span),
        };
        self.error(code, message, span);
        None
    }

    /// Object and collection initialisers on the object in `slot`.
    fn initialize(&mut self, slot: u32, ty: &Type, init: &'a Initializer, span: Span, steps: &mut Vec<Node>) {
        match init {
            Initializer::Object(members) => {
                for m in members {
                    self.initialize_member(slot, ty, m, steps);
                }
            }
            Initializer::Collection(items, init_span) => {
                if !is_subtype(ty, &Type::Def(IENUMERABLE)) && !items.is_empty() {
                    let message = format!(
                        "Cannot initialize type '{ty}' with a collection initializer because it does not implement 'System.Collections.IEnumerable'"
                    );
                    self.error("CS1922", message, *init_span);
                    return;
                }
                for group in items {
                    let args = group
                        .iter()
                        .map(|e| Argument {
                            name: None,
                            by: PassBy::Value,
                            operand: self.operand(e),
                            span: e.span,
                        })
                        .collect();
                    let receiver = Val {
                        never_null: true,
                        ..Val::new(ty.clone(), Node::Local(slot))
                    };
                    let at = group.first().map_or(span, |e| e.span);
                    let mark = self.diagnostics.len();
                    if let Some(call) = self.call_named(receiver, "Add", args, at) {
                        steps.push(call.node);
                    } else if self.diagnostics[mark..].iter().any(|d| d.code == "CS1503") {
                        let message = format!(
                            "The best overloaded Add method '{ty}.Add' for the collection initializer has some invalid arguments"
                        );
                        self.error("CS1950", message, at);
                    }
                }
            }
        }
    }

    fn initialize_member(&mut self, slot: u32, ty: &Type, m: &'a MemberInit, steps: &mut Vec<Node>) {
        let receiver = Val {
            never_null: true,
            ..Val::new(ty.clone(), Node::Local(slot))
        };
        let place = match &m.target {
            InitTarget::Member(name) => self.initializer_member(receiver, name),
            InitTarget::Index(args) => self.index_value(receiver, args, m.span),
        };
        match &m.value {
            InitValue::Expr(e) => {
                let operand = self.operand(e);
                let Some(target) = self.type_of(&place) else {
                    return;
                };
                let value = self.convert(operand, &target, e.span);
                if let Some(node) = self.store(place, value, m.span) {
                    steps.push(node.node);
                }
            }
            InitValue::Nested(nested) => {
                let inner = self.rvalue(place, m.span);
                let inner_ty = inner.ty.clone();
                let inner_slot = self.temp();
                steps.push(Node::Set(inner_slot, Box::new(inner.node)));
                self.initialize(inner_slot, &inner_ty, nested, m.span, steps);
            }
        }
    }

    fn initializer_member(&mut self, receiver: Val, name: &'a Ident) -> Operand<'a> {
        let ty = receiver.ty.clone();
        let found = super::member::find(&ty, &name.name);
        if found.is_empty() {
            let message = format!("'{ty}' does not contain a definition for '{}'", name.name);
            self.error("CS0117", message, name.span);
            return Operand::Error;
        }
        self.named_member(Operand::Value(receiver), &name.name, name.span)
    }

    /// `new T[n]`, `new T[] { … }`
    pub(crate) fn array_creation(
        &mut self,
        syn: &'a TypeSyn,
        sizes: &'a [Expr],
        init: Option<&'a Expr>,
        span: Span,
    ) -> Operand<'a> {
        let ty = self.resolve_type(syn);
        let Type::Array(element, rank) = &ty else {
            return Operand::Error;
        };
        if let Some(init) = init {
            let mut level = Some(init);
            for size in sizes {
                let given = self.value(size);
                let items = match level.map(|e| &e.kind) {
                    Some(ExprKind::ArrayInit(items)) => items.as_slice(),
                    _ => &[],
                };
                let count = items.len() as i128;
                level = items.first();
                match given.konst.as_ref().and_then(Const::as_integer) {
                    Some(n) if n == count => {}
                    Some(n) => {
                        self.error(
                            "CS0847",
                            format!("An array initializer of length '{n}' is expected"),
                            init.span,
                        );
                    }
                    None if !given.ty.is_error() => {
                        self.error("CS0150", "A constant value is expected", size.span);
                    }
                    None => {}
                }
            }
            return match self.array_initializer(&ty, init) {
                Some(node) => Operand::Value(Val {
                    never_null: true,
                    ..Val::new(ty, node)
                }),
                None => Operand::Error,
            };
        }
        if element.is_error() {
            return Operand::Error;
        }
        let _ = (rank, span);
        let mut nodes: Vec<Node> = Vec::with_capacity(sizes.len());
        for size in sizes {
            let length = self.array_index(size);
            if length
                .konst
                .as_ref()
                .and_then(Const::as_integer)
                .is_some_and(|n| n < 0)
            {
                self.error("CS0248", "Cannot create an array with a negative size", size.span);
            }
            nodes.push(length.node);
        }
        Operand::Value(Val {
            never_null: true,
            ..Val::new(ty.clone(), Node::NewSized(shared(&ty), nodes.into()))
        })
    }

    /// `{ a, b }` for an array of type `ty`.
    pub(crate) fn array_initializer(&mut self, ty: &Type, init: &'a Expr) -> Option<Node> {
        let (Type::Array(element, rank), ExprKind::ArrayInit(items)) = (ty, &init.kind) else {
            self.error("CS0623", "Array initializers can only be used in a variable or field initializer. Try using a new expression instead.", init.span);
            return None;
        };
        if *rank == 1 {
            let mut nodes = Vec::with_capacity(items.len());
            for item in items {
                let operand = self.operand(item);
                nodes.push(self.convert(operand, element, item.span).node);
            }
            return Some(Node::NewArray(shared(element), nodes.into()));
        }
        self.matrix(ty, element, *rank, init)
    }

    /// A rectangular initialiser: created with its lengths, then filled in order.
    fn matrix(&mut self, ty: &Type, element: &Type, rank: u8, init: &'a Expr) -> Option<Node> {
        let mut lengths = Vec::new();
        let mut at = init;
        if let ExprKind::ArrayInit(items) = &init.kind
            && let Some(flat) = items.iter().find(|e| !matches!(e.kind, ExprKind::ArrayInit(_)))
        {
            self.error("CS0846", "A nested array initializer is expected", flat.span);
            return None;
        }
        while let ExprKind::ArrayInit(items) = &at.kind {
            lengths.push(items.len() as i32);
            match items.first() {
                Some(first) if lengths.len() < usize::from(rank) => at = first,
                _ => break,
            }
        }
        let slot = self.temp();
        let sizes: Vec<Node> = lengths.iter().map(|n| Node::Const(Const::Int(*n))).collect();
        let mut steps = vec![Node::Set(
            slot,
            Box::new(Node::NewSized(shared(ty), sizes.into())),
        )];
        self.fill_matrix(slot, element, init, &lengths, &mut Vec::new(), &mut steps)?;
        steps.push(Node::Local(slot));
        Some(Node::Sequence(steps.into()))
    }

    fn fill_matrix(
        &mut self,
        slot: u32,
        element: &Type,
        e: &'a Expr,
        lengths: &[i32],
        at: &mut Vec<i32>,
        steps: &mut Vec<Node>,
    ) -> Option<()> {
        if at.len() == lengths.len() {
            let operand = self.operand(e);
            let value = self.convert(operand, element, e.span);
            let index: Vec<Node> = at.iter().map(|i| Node::Const(Const::Int(*i))).collect();
            steps.push(Node::SetIndex(Box::new((
                Node::Local(slot),
                index.into(),
                value.node,
            ))));
            return Some(());
        }
        let ExprKind::ArrayInit(items) = &e.kind else {
            self.error("CS0846", "A nested array initializer is expected", e.span);
            return None;
        };
        if items.len() as i32 != lengths[at.len()] {
            let message = format!(
                "An array initializer of length '{}' is expected",
                lengths[at.len()]
            );
            self.error("CS0847", message, e.span);
            return None;
        }
        for (i, item) in items.iter().enumerate() {
            at.push(i as i32);
            self.fill_matrix(slot, element, item, lengths, at, steps)?;
            at.pop();
        }
        Some(())
    }

    /// `new[] { … }`
    pub(crate) fn implicit_array(&mut self, rank: u8, init: &'a Expr, span: Span) -> Operand<'a> {
        let ExprKind::ArrayInit(items) = &init.kind else {
            return Operand::Error;
        };
        if rank > 1 {
            return self.implicit_matrix(rank, init, span);
        }
        let operands: Vec<(Operand<'a>, Span)> = items.iter().map(|e| (self.operand(e), e.span)).collect();
        let Some(element) = self.common_element(operands.iter().map(|(o, _)| o), span) else {
            return Operand::Error;
        };
        let nodes: Vec<Node> = operands
            .into_iter()
            .map(|(o, s)| self.convert(o, &element, s).node)
            .collect();
        let ty = Type::array(element.clone());
        Operand::Value(Val {
            never_null: true,
            ..Val::new(ty, Node::NewArray(shared(&element), nodes.into()))
        })
    }

    /// The element type of an array that names none.
    fn common_element<'o>(
        &mut self,
        operands: impl Iterator<Item = &'o Operand<'a>>,
        span: Span,
    ) -> Option<Type>
    where
        'a: 'o,
    {
        let types: Vec<Type> = operands.filter_map(|o| self.type_of(o)).collect();
        let best = self.best_common(&types);
        if best.is_none() && !types.iter().any(Type::is_error) {
            self.error("CS0826", "No best type found for implicitly-typed array", span);
        }
        best
    }

    /// `new[,] { … }`: its elements are looked at for their type first.
    fn implicit_matrix(&mut self, rank: u8, init: &'a Expr, span: Span) -> Operand<'a> {
        let mut leaves = vec![init];
        for _ in 0..rank {
            let mut below = Vec::new();
            for e in leaves {
                match &e.kind {
                    ExprKind::ArrayInit(items) => below.extend(items),
                    _ => {
                        self.error("CS0846", "A nested array initializer is expected", e.span);
                        return Operand::Error;
                    }
                }
            }
            leaves = below;
        }
        let mark = self.diagnostics.len();
        let operands: Vec<Operand<'a>> = leaves.iter().map(|e| self.operand(e)).collect();
        let element = self.common_element(operands.iter(), span);
        if self.has_errors_since(mark) {
            return Operand::Error;
        }
        let Some(element) = element else {
            return Operand::Error;
        };
        let ty = Type::Array(element.into(), rank);
        match self.array_initializer(&ty, init) {
            Some(node) => Operand::Value(Val {
                never_null: true,
                ..Val::new(ty, node)
            }),
            None => Operand::Error,
        }
    }

    /// `new { a, b = c }`
    pub(crate) fn anonymous(&mut self, members: &'a [(Option<Ident>, Expr)], span: Span) -> Operand<'a> {
        let names = members
            .iter()
            .filter_map(|(name, e)| name.as_ref().or_else(|| projected_name(e)))
            .map(|n| n.name.clone())
            .collect();
        let number = self.anonymous_number(span, names);
        let mut types: Vec<(Box<str>, Type)> = Vec::new();
        let mut nodes = Vec::new();
        for (name, e) in members {
            let name = match name.as_ref().or_else(|| projected_name(e)) {
                Some(n) => n.name.clone(),
                None => {
                    let message = "Invalid anonymous type member declarator. Anonymous type members must be declared with a member assignment, simple name or member access.";
                    self.error("CS0746", message, e.span);
                    continue;
                }
            };
            if types.iter().any(|(n, _)| *n == name) {
                self.error(
                    "CS0833",
                    "An anonymous type cannot have multiple properties with the same name",
                    e.span,
                );
            }
            let operand = self.operand(e);
            let value = match self.type_of(&operand) {
                Some(Type::Void) | None => {
                    let what = match &operand {
                        Operand::Null => "<null>",
                        Operand::Lambda(_) => "lambda expression",
                        Operand::Group(_) | Operand::LocalFn(..) => "method group",
                        Operand::Type(_) | Operand::Namespace(_) => {
                            self.rvalue(operand, e.span);
                            continue;
                        }
                        _ => "void",
                    };
                    self.error(
                        "CS0828",
                        format!("Cannot assign '{what}' to anonymous type property"),
                        e.span,
                    );
                    Val::error()
                }
                Some(_) => self.rvalue(operand, e.span),
            };
            types.push((name, value.ty));
            nodes.push(value.node);
        }
        let ty = Type::Anon(types.into(), number);
        Operand::Value(Val {
            never_null: true,
            ..Val::new(ty.clone(), Node::Anon(shared(&ty), nodes.into()))
        })
    }

    /// Anonymous types are numbered in the order in which new lists of names occur.
    fn anonymous_number(&mut self, span: Span, names: Vec<Box<str>>) -> crate::types::AnonNumber {
        let places = &mut self.anonymous_places;
        let at = places
            .iter()
            .position(|(at, known)| *at == span.start && *known == names)
            .unwrap_or_else(|| {
                places.push((span.start, names));
                places.len() - 1
            });
        let mut seen: Vec<&[Box<str>]> = Vec::new();
        for (_, known) in &places[..at] {
            if !seen.contains(&&**known) {
                seen.push(known);
            }
        }
        let own = &*places[at].1;
        let number = seen.iter().position(|s| *s == own).unwrap_or(seen.len());
        crate::types::AnonNumber(number as u32)
    }

    pub(crate) fn typeof_operator(&mut self, syn: &'a TypeSyn) -> Operand<'a> {
        let ty = self.resolve_type(syn);
        if matches!(ty, Type::Dynamic) {
            self.error(
                "CS1962",
                "The typeof operator cannot be used on the dynamic type",
                syn.span,
            );
        }
        let val = Val::new(
            Type::Def(crate::types::TYPE),
            Node::Const(Const::Type(shared(&ty))),
        );
        Operand::Value(Val {
            never_null: true,
            ..val
        })
    }

    pub(crate) fn sizeof_operator(&mut self, syn: &'a TypeSyn, span: Span) -> Operand<'a> {
        let ty = self.resolve_type(syn);
        let size = match ty.num() {
            Some(Num::SByte | Num::Byte) => 1,
            Some(Num::Short | Num::UShort | Num::Char) => 2,
            Some(Num::Int | Num::UInt | Num::Float) => 4,
            Some(Num::Long | Num::ULong | Num::Double) => 8,
            Some(Num::Decimal) => 16,
            None if ty.is_bool() => 1,
            None if ty.is_enum() => 4,
            None if ty.is_error() => return Operand::Error,
            None => {
                if ty.is_reference() {
                    let message = format!(
                        "Cannot take the address of, get the size of, or declare a pointer to a managed type ('{ty}')"
                    );
                    self.error("CS0208", message, span);
                }
                let message = format!(
                    "'{ty}' does not have a predefined size, therefore sizeof can only be used in an unsafe context"
                );
                self.error("CS0233", message, span);
                return Operand::Error;
            }
        };
        Operand::konst(Type::INT, Const::Int(size))
    }

    /// Assigns to a property of an object at hand.
    pub(crate) fn set_prop(&mut self, p: Prop, value: Val, span: Span) -> Option<Val> {
        let Some(set) = p.member.set else {
            let owner = registry().def(p.member.owner);
            let field = p.member.is_static
                && matches!(
                    &*p.member.name,
                    "Empty" | "MinValue" | "MaxValue" | "Zero" | "IsLittleEndian"
                );
            let (code, message) = if field {
                (
                    "CS0198",
                    "A static readonly field cannot be assigned to (except in a static constructor or a variable initializer)"
                        .to_owned(),
                )
            } else if p.args.is_empty() {
                (
                    "CS0200",
                    format!(
                        "Property or indexer '{}.{}' cannot be assigned to -- it is read only",
                        owner.name, p.member.name
                    ),
                )
            } else {
                let keys = p
                    .member
                    .params
                    .iter()
                    .map(|p| p.ty.to_string())
                    .collect::<Vec<_>>()
                    .join(", ");
                let ty = p
                    .receiver
                    .as_ref()
                    .map_or_else(|| owner.name.to_string(), |r| r.ty.to_string());
                (
                    "CS0200",
                    format!(
                        "Property or indexer '{ty}.this[{keys}]' cannot be assigned to -- it is read only"
                    ),
                )
            };
            self.error(code, message, span);
            return None;
        };
        let receiver = p
            .receiver
            .as_ref()
            .is_some_and(|r| !r.never_null && r.ty.is_reference());
        let mut args: Vec<Node> = p.receiver.map(|r| r.node).into_iter().collect();
        args.extend(p.args);
        args.push(value.node);
        let call = crate::ir::CallNode {
            call: set,
            args: args.into(),
            types: p.types,
            receiver,
            outs: [].into(),
            setter: true,
            name: p.member.name.clone(),
        };
        Some(Val::new(p.ty, Node::Call(Box::new(call))))
    }
}

/// The name an anonymous member or tuple element takes from its expression.
pub(crate) fn projected_name(e: &Expr) -> Option<&Ident> {
    match &e.kind {
        ExprKind::Name(n, _) | ExprKind::Member(_, n, _) => Some(n),
        ExprKind::Conditional(_, access) => projected_name(access),
        ExprKind::Paren(_) => None,
        _ => None,
    }
}
