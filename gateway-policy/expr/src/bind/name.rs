//! Names: types as written, and what a simple name stands for.

use super::{
    Binder,
    operand::{Group, Operand},
    scope::Entry,
};
use crate::{
    Span,
    ir::Use,
    lib::Verdict,
    syntax::ast::{Ident, TypeKind as SynKind, TypeSyn},
    types::{DefId, Member, TupleNames, Type, registry, signature::predefined},
};

impl<'a> Binder<'a> {
    /// The type a written type means; reports what is unknown.
    pub(crate) fn resolve_type(&mut self, syn: &TypeSyn) -> Type {
        match &syn.kind {
            SynKind::Predefined("void") => Type::Void,
            SynKind::Predefined(word) => Type::Def(predefined(word)),
            SynKind::Array(of, rank) => Type::Array(self.resolve_type(of).into(), *rank),
            SynKind::Nullable(of) => {
                let inner = self.resolve_type(of);
                if !inner.is_value_type() && !inner.is_error() || inner.nullable_of().is_some() {
                    let reference = inner.is_reference() && inner.nullable_of().is_none();
                    let message = format!(
                        "The type '{inner}' must be a non-nullable value type in order to use it as parameter 'T' in the generic type or method 'Nullable<T>'"
                    );
                    self.error("CS0453", message, syn.span);
                    if !reference {
                        return Type::Error;
                    }
                }
                Type::nullable(inner)
            }
            SynKind::Tuple(parts) => {
                let types = parts
                    .iter()
                    .map(|(t, _)| self.resolve_type(t))
                    .collect::<Vec<_>>();
                let names = parts
                    .iter()
                    .map(|(_, n)| n.as_ref().map(|n| n.name.clone()))
                    .collect::<Vec<_>>();
                Type::Tuple(types.into(), TupleNames(Some(names.into())))
            }
            SynKind::Omitted => Type::Error,
            SynKind::Name(parts) => {
                if let [single] = &**parts
                    && &*single.ident.name == "dynamic"
                    && single.args.is_empty()
                {
                    return Type::Dynamic;
                }
                self.resolve_name(parts, syn.span)
            }
        }
    }

    fn resolve_name(&mut self, parts: &[crate::syntax::ast::NamePart], span: Span) -> Type {
        if let [single] = parts
            && single.args.is_empty()
            && let Some((_, ty)) = self
                .type_names
                .iter()
                .rev()
                .find(|(n, _)| *n == single.ident.name)
        {
            return ty.clone();
        }
        let reg = registry();
        let mut ns = String::new();
        let mut found: Option<Type> = None;
        for (i, part) in parts.iter().enumerate() {
            let name = &*part.ident.name;
            let arity = part.args.len();
            let candidates: Vec<DefId> = match (&found, i) {
                (Some(outer), _) => self.nested_type(outer, name).into_iter().collect(),
                (None, 0) => reg.visible(name, arity),
                (None, _) => reg.in_namespace(&ns, name, arity).into_iter().collect(),
            };
            match &*candidates {
                [] => {
                    if !ns.is_empty() {
                        ns.push('.');
                    }
                    ns.push_str(name);
                    let last = i + 1 == parts.len();
                    if last || !reg.is_namespace(&ns) {
                        self.unknown_type(parts, i, span);
                        return Type::Error;
                    }
                }
                [id] => found = Some(self.construct(*id, &part.args)),
                [a, b, ..] => {
                    self.ambiguous(name, *a, *b, part.ident.span);
                    return Type::Error;
                }
            }
        }
        found.unwrap_or(Type::Error)
    }

    fn ambiguous(&mut self, name: &str, a: DefId, b: DefId, span: Span) {
        let (a, b) = (registry().def(a).full.clone(), registry().def(b).full.clone());
        let message = format!("'{name}' is an ambiguous reference between '{a}' and '{b}'");
        self.error("CS0104", message, span).help(format!("write {b}"));
    }

    fn unknown_type(&mut self, parts: &[crate::syntax::ast::NamePart], at: usize, span: Span) {
        let reg = registry();
        let name = &*parts[at].ident.name;
        let arity = parts[at].args.len();
        if at > 0 {
            let outer = parts[..at]
                .iter()
                .map(|p| &*p.ident.name)
                .collect::<Vec<_>>()
                .join(".");
            let message = format!(
                "The type or namespace name '{name}' does not exist in the namespace '{outer}' (are you missing an assembly reference?)"
            );
            self.error("CS0234", message, span);
            return;
        }
        // A generic type without its arguments, or the other way round.
        if self.generic_alone(name, span) {
            return;
        }
        if name == "var" && arity == 0 {
            let message = "The contextual keyword 'var' may only appear within a local variable declaration or in script code";
            self.error("CS0825", message, span);
            return;
        }
        let shown = if arity == 0 {
            name.to_owned()
        } else {
            format!("{name}<{}>", ",".repeat(arity - 1))
        };
        let message = format!(
            "The type or namespace name '{shown}' could not be found (are you missing a using directive or an assembly reference?)"
        );
        let help = reg.elsewhere(name).map(|full| format!("write {full}"));
        let error = self.error("CS0246", message, span);
        error.help = help;
    }

    /// Reports a name that only generic types have (CS0305).
    pub(crate) fn generic_alone(&mut self, name: &str, span: Span) -> bool {
        let reg = registry();
        let Some(other) = (1..=8).find_map(|n| reg.visible(name, n).first().copied()) else {
            return false;
        };
        if !reg.visible(name, 0).is_empty() {
            return false;
        }
        let def = reg.def(other);
        let shown = format!(
            "{}<{}>",
            def.name,
            def.params.iter().map(|p| &**p).collect::<Vec<_>>().join(", ")
        );
        let message = format!(
            "Using the generic type '{shown}' requires {} type arguments",
            def.params.len()
        );
        self.error("CS0305", message, span);
        true
    }

    fn construct(&mut self, id: DefId, args: &[TypeSyn]) -> Type {
        if args.is_empty() {
            return Type::Def(id);
        }
        if args.iter().any(|a| matches!(a.kind, SynKind::Omitted)) {
            return Type::Open(id);
        }
        let types: Vec<Type> = args.iter().map(|a| self.resolve_type(a)).collect();
        if let (crate::types::NULLABLE, [inner], [syn]) = (id, &*types, args)
            && !inner.is_error()
            && (!inner.is_value_type() || inner.nullable_of().is_some())
        {
            let message = format!(
                "The type '{inner}' must be a non-nullable value type in order to use it as parameter 'T' in the generic type or method 'Nullable<T>'"
            );
            self.error("CS0453", message, syn.span);
        }
        Type::generic(id, types)
    }

    /// A type nested in `outer`.
    pub(crate) fn nested_type(&self, outer: &Type, name: &str) -> Option<DefId> {
        let def = registry().def(outer.def()?);
        registry().by_full_name(&format!("{}+{name}", def.full))
    }

    /// A simple name in an expression.
    pub(crate) fn name(&mut self, name: &'a Ident, targs: &'a [TypeSyn]) -> Operand<'a> {
        if name.name.is_empty() {
            return Operand::Error;
        }
        match self.lookup(&name.name).cloned() {
            Some(Entry::Var(id)) => {
                if self.declared_later(&name.name, name.span) && self.vars[id].span.start > name.span.start {
                    let message = format!("Cannot use local variable '{}' before it is declared", name.name);
                    self.error("CS0841", message, name.span);
                    return Operand::Error;
                }
                self.places.insert(name.span.start, id);
                return Operand::Local(id);
            }
            Some(Entry::LocalFn(f)) => {
                let targs = targs.iter().map(|t| self.resolve_type(t)).collect();
                return Operand::LocalFn(f, targs);
            }
            Some(Entry::Path(_, path)) if path.first().is_some_and(|p| p.starts_with("<>CS")) => {
                let (code, side) = match &*path[0] {
                    "<>CS1937" => ("CS1937", "left"),
                    _ => ("CS1938", "right"),
                };
                let message = format!(
                    "The name '{}' is not in scope on the {side} side of 'equals'. Consider swapping the expressions on either side of 'equals'.",
                    name.name
                );
                self.error(code, message, name.span);
                return Operand::Error;
            }
            Some(Entry::Path(id, path)) => {
                let mut operand = Operand::Local(id);
                for part in &path {
                    operand = self.named_member(operand, part, name.span);
                }
                return operand;
            }
            None => {}
        }
        if self.declared_later(&name.name, name.span) {
            let message = format!("Cannot use local variable '{}' before it is declared", name.name);
            self.error("CS0841", message, name.span);
            return Operand::Error;
        }
        if let Some((_, ty)) = self.type_names.iter().rev().find(|(n, _)| *n == name.name) {
            return Operand::Type(ty.clone());
        }
        let reg = registry();
        match &*reg.visible(&name.name, targs.len()) {
            [] => {}
            [id] => return Operand::Type(self.construct(*id, targs)),
            [a, b, ..] => {
                self.ambiguous(&name.name, *a, *b, name.span);
                return Operand::Error;
            }
        }
        if reg.is_namespace(&name.name) {
            return Operand::Namespace(name.name.to_string());
        }
        if &*name.name == "_" {
            return Operand::Discard;
        }
        // Static methods of the class around the expression, which are those of `object`.
        if !super::member::find(&Type::OBJECT, &name.name).is_empty() {
            return Operand::Group(Box::new(Group {
                name: name.name.clone(),
                span: name.span,
                receiver: None,
                on: Type::OBJECT,
                is_static: true,
                targs: targs.iter().map(|t| self.resolve_type(t)).collect(),
            }));
        }
        let message = format!("The name '{}' does not exist in the current context", name.name);
        let help = self.similar_name(&name.name);
        self.error("CS0103", message, name.span).help = help;
        Operand::Error
    }

    fn similar_name(&self, name: &str) -> Option<String> {
        if let Some(full) = registry().elsewhere(name) {
            return Some(format!("write {full}"));
        }
        let names = self.scopes.iter().flat_map(|s| s.names.keys()).map(|n| &**n);
        closest(name, names).map(|n| format!("did you mean '{n}'?"))
    }

    /// Notes a member that is used, and reports one that the vendor's allow-list refuses.
    pub(crate) fn check_allowed(&mut self, member: &'static Member, span: Span) {
        self.uses.push(Use::Member(member));
        if !self.options.allow_list || member.allowed {
            return;
        }
        let owner = registry().def(member.owner);
        if matches!(owner.verdict, Verdict::None) {
            let message = format!(
                "Usage of type '{}' is not supported within expressions",
                owner.full
            );
            self.error("APIM0001", message, span);
        } else {
            let message = format!(
                "Usage of member '{}' of type '{}' is not supported within expressions",
                member.name, owner.full
            );
            let cast = owner.id == crate::types::OBJECT;
            let error = self.error("APIM0002", message, span);
            if cast {
                error
                    .help("cast the value to its type first, for example ((string)context.Variables[\"x\"])");
            }
        }
    }
}

/// The candidate nearest to `name`, if near enough to be a slip of the pen.
pub(crate) fn closest<'n>(name: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.len() / 3).max(1);
    candidates
        .filter(|c| !c.starts_with("<>"))
        .map(|c| (distance(name, c), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, name)| (*d, *name))
        .map(|(_, c)| c)
}

/// Edit distance, case counting half as much as a letter would.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
