//! Relations between types: substitution, bases, interfaces, subtyping with variance.

use std::sync::Arc;

use super::{
    ARRAY, DELEGATE, DefId, ENUM, ICOLLECTION_T, IENUMERABLE, IENUMERABLE_T, ILIST_T, IREADONLY_COLLECTION,
    IREADONLY_LIST, OBJECT, Type, TypeKind, VALUE_TYPE, registry,
};

/// Replaces type parameters: of the declaring type by `class`, of the method by `method`.
pub(crate) fn subst(ty: &Type, class: &[Type], method: &[Type]) -> Type {
    match ty {
        Type::TypeParam(n) => class.get(usize::from(*n)).unwrap_or(ty).clone(),
        Type::MethodParam(n) => method.get(usize::from(*n)).unwrap_or(ty).clone(),
        Type::Gen(d, args) => Type::Gen(*d, args.iter().map(|a| subst(a, class, method)).collect()),
        Type::Array(of, rank) => Type::Array(Arc::new(subst(of, class, method)), *rank),
        Type::Tuple(items, names) => Type::Tuple(
            items.iter().map(|a| subst(a, class, method)).collect(),
            names.clone(),
        ),
        Type::Anon(members, number) => Type::Anon(
            members
                .iter()
                .map(|(n, t)| (n.clone(), subst(t, class, method)))
                .collect(),
            *number,
        ),
        _ => ty.clone(),
    }
}

/// The base class of a type.
pub(crate) fn base_of(ty: &Type) -> Option<Type> {
    match ty {
        Type::Def(d) | Type::Gen(d, _) => {
            let def = registry().def(*d);
            if *d == OBJECT || def.kind == TypeKind::Interface {
                return None;
            }
            Some(match (&def.base, def.kind) {
                (Some(base), _) => subst(base, ty.args(), &[]),
                (None, TypeKind::Struct) => Type::Def(VALUE_TYPE),
                (None, TypeKind::Enum) => Type::Def(ENUM),
                (None, TypeKind::Delegate) => Type::Def(DELEGATE),
                (None, _) => Type::OBJECT,
            })
        }
        Type::Array(..) => Some(Type::Def(ARRAY)),
        Type::Tuple(..) => Some(Type::Def(VALUE_TYPE)),
        Type::Param(p) => Some(
            p.bounds
                .iter()
                .find(|b| !b.is_interface())
                .cloned()
                .unwrap_or(if p.value {
                    Type::Def(VALUE_TYPE)
                } else {
                    Type::OBJECT
                }),
        ),
        Type::Anon(..) | Type::Dynamic => Some(Type::OBJECT),
        _ => None,
    }
}

/// Every interface a type implements, inherited ones included.
pub(crate) fn interfaces_of(ty: &Type) -> Vec<Type> {
    let mut all = Vec::new();
    collect_interfaces(ty, &mut all);
    all
}

fn collect_interfaces(ty: &Type, all: &mut Vec<Type>) {
    let mut add = |i: Type| {
        if !all.contains(&i) {
            all.push(i.clone());
            collect_interfaces(&i, all);
        }
    };
    if let Type::Array(of, 1) = ty {
        let of = || -> Arc<[Type]> { Arc::from([(**of).clone()]) };
        for d in [
            ILIST_T,
            IREADONLY_LIST,
            ICOLLECTION_T,
            IREADONLY_COLLECTION,
            IENUMERABLE_T,
        ] {
            add(Type::Gen(d, of()));
        }
    }
    if let Type::Param(p) = ty {
        p.bounds
            .iter()
            .filter(|b| b.is_interface())
            .for_each(|b| add(b.clone()));
    }
    if let Some(d) = ty.def() {
        for i in &registry().def(d).interfaces {
            add(subst(i, ty.args(), &[]));
        }
    }
    if let Some(base) = base_of(ty) {
        collect_interfaces(&base, all);
    }
}

/// Whether a reference (or boxing) conversion from `from` to `to` exists: identity, base, interface, variance.
pub(crate) fn is_subtype(from: &Type, to: &Type) -> bool {
    if from == to || to.is_object() || from.is_error() || to.is_error() {
        return !matches!(from, Type::Void) || from == to;
    }
    if let Type::Null = from {
        return to.takes_null();
    }
    if let (Type::Array(a, m), Type::Array(b, n)) = (from, to) {
        return m == n && (a == b || (a.is_reference() && b.is_reference() && is_subtype(a, b)));
    }
    let mut at = Some(from.clone());
    while let Some(t) = at {
        if &t == to || same_with_variance(&t, to) {
            return true;
        }
        at = base_of(&t);
    }
    if to.is_interface() || to.is_def(IENUMERABLE) {
        if let Type::Array(of, 1) = from {
            // Array covariance carries over to the interfaces of arrays.
            if let Type::Gen(d, args) = to {
                let list = [
                    ILIST_T,
                    IREADONLY_LIST,
                    ICOLLECTION_T,
                    IREADONLY_COLLECTION,
                    IENUMERABLE_T,
                ];
                if let (true, Some(arg)) = (list.contains(d), args.first()) {
                    return &**of == arg || (of.is_reference() && arg.is_reference() && is_subtype(of, arg));
                }
            }
        }
        return interfaces_of(from)
            .iter()
            .any(|i| i == to || same_with_variance(i, to));
    }
    false
}

/// Same generic definition, arguments equal or convertible as the parameters' variance allows.
fn same_with_variance(from: &Type, to: &Type) -> bool {
    let (Type::Gen(a, x), Type::Gen(b, y)) = (from, to) else {
        return false;
    };
    if a != b || x.len() != y.len() {
        return false;
    }
    let variance = &registry().def(*a).variance;
    x.iter().zip(y.iter()).enumerate().all(|(i, (x, y))| {
        x == y
            || match variance.get(i) {
                Some(1) => x.is_reference() && y.is_reference() && is_subtype(x, y),
                Some(-1) => x.is_reference() && y.is_reference() && is_subtype(y, x),
                _ => false,
            }
    })
}

/// Whether a value whose run-time type is `from` is an instance of `to` (enums and nullables unboxed exactly).
pub(crate) fn runtime_is(from: &Type, to: &Type) -> bool {
    match to.nullable_of() {
        Some(inner) => from == inner,
        None => is_subtype(from, to),
    }
}

/// The constructed form of `def` among a type, its bases and its interfaces.
pub(crate) fn element_of(ty: &Type, def: DefId) -> Option<Type> {
    let mut at = Some(ty.clone());
    while let Some(t) = at {
        if t.def() == Some(def) {
            return Some(t);
        }
        at = base_of(&t);
    }
    interfaces_of(ty).into_iter().find(|i| i.def() == Some(def))
}

/// The element type that `foreach` gives, if the type can be enumerated.
pub(crate) fn enumerable_element(ty: &Type) -> Option<Type> {
    match ty {
        Type::Array(of, _) => Some((**of).clone()),
        Type::Dynamic => Some(Type::Dynamic),
        Type::Error => Some(Type::Error),
        _ => match element_of(ty, IENUMERABLE_T) {
            Some(found) => found.args().first().cloned(),
            None => is_subtype(ty, &Type::Def(IENUMERABLE)).then_some(Type::OBJECT),
        },
    }
}
