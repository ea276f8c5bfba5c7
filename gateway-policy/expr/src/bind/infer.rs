//! Generic type inference (C# 7.3 §7.5.2).

use super::{Binder, args::Argument, convert::standard, operand::Operand};
use crate::{
    syntax::ast::PassBy,
    types::{
        ICOLLECTION_T, IENUMERABLE_T, ILIST_T, IREADONLY_COLLECTION, IREADONLY_LIST, Type, element_of,
        registry, subst,
    },
};

/// What is known of one type parameter.
#[derive(Clone, Debug, Default)]
struct Bounds {
    exact: Vec<Type>,
    lower: Vec<Type>,
    upper: Vec<Type>,
    fixed: Option<Type>,
}

fn add(list: &mut Vec<Type>, ty: &Type) {
    if !matches!(ty, Type::Null | Type::Void | Type::Error) && !list.contains(ty) {
        list.push(ty.clone());
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Exact,
    Lower,
    Upper,
}

/// Bounds from matching an argument type against a parameter type.
fn relate(bounds: &mut [Bounds], from: &Type, to: &Type, how: Direction) {
    match to {
        Type::MethodParam(n) => {
            if let Some(b) = bounds.get_mut(usize::from(*n)) {
                let list = match how {
                    Direction::Exact => &mut b.exact,
                    Direction::Lower => &mut b.lower,
                    Direction::Upper => &mut b.upper,
                };
                add(list, from);
            }
        }
        _ if !to.is_open() => {}
        Type::Array(element, rank) => {
            if let Type::Array(of, r) = from
                && r == rank
            {
                let how = if of.is_reference() { how } else { Direction::Exact };
                relate(bounds, of, element, how);
            }
        }
        Type::Tuple(items, _) => {
            if let Type::Tuple(of, _) = from {
                for (f, t) in of.iter().zip(items.iter()) {
                    relate(bounds, f, t, how);
                }
            }
        }
        Type::Gen(..) => relate_generic(bounds, from, to, how),
        _ => {}
    }
}

fn relate_generic(bounds: &mut [Bounds], from: &Type, to: &Type, how: Direction) {
    let (Some(def), args) = (to.def(), to.args()) else {
        return;
    };
    if let (Some(a), Some(b)) = (from.nullable_of(), to.nullable_of()) {
        relate(bounds, a, b, how);
        return;
    }
    if let (Some(b), Direction::Lower) = (to.nullable_of(), how) {
        // A value converts to its nullable form.
        relate(bounds, from, b, Direction::Lower);
        return;
    }
    if let Type::Array(of, 1) = from
        && [
            IENUMERABLE_T,
            ICOLLECTION_T,
            ILIST_T,
            IREADONLY_LIST,
            IREADONLY_COLLECTION,
        ]
        .contains(&def)
    {
        if let Some(arg) = args.first() {
            let how = if of.is_reference() { how } else { Direction::Exact };
            relate(bounds, of, arg, how);
        }
        return;
    }
    let found = match how {
        Direction::Lower => element_of(from, def).filter(|_| unique_interface(from, def)),
        _ => (from.def() == Some(def)).then(|| from.clone()),
    };
    let Some(found) = found else { return };
    let variance = &registry().def(def).variance;
    for (i, (f, t)) in found.args().iter().zip(args).enumerate() {
        let reference = f.is_reference();
        let how = match (how, variance.get(i).copied().unwrap_or(0)) {
            (Direction::Exact, _) | (_, 0) => Direction::Exact,
            _ if !reference => Direction::Exact,
            (how, 1) => how,
            (Direction::Lower, _) => Direction::Upper,
            (Direction::Upper, _) => Direction::Lower,
        };
        relate(bounds, f, t, how);
    }
}

/// Whether a type implements one construction of a generic interface only; else nothing is inferred.
pub(crate) fn unique_interface(ty: &Type, def: crate::types::DefId) -> bool {
    ty.def() == Some(def)
        || crate::types::interfaces_of(ty)
            .iter()
            .filter(|i| i.def() == Some(def))
            .count()
            < 2
}

fn fixed_types(bounds: &[Bounds]) -> Vec<Type> {
    bounds
        .iter()
        .enumerate()
        .map(|(i, b)| b.fixed.clone().unwrap_or(Type::MethodParam(i as u16)))
        .collect()
}

fn mentions(ty: &Type, n: usize) -> bool {
    match ty {
        Type::MethodParam(m) => usize::from(*m) == n,
        Type::Gen(_, args) | Type::Tuple(args, _) => args.iter().any(|a| mentions(a, n)),
        Type::Array(of, _) => mentions(of, n),
        _ => false,
    }
}

/// Parts of the type of an argument that a generic method is called with. A method that gives back its argument twice doubles them
/// with each call around it. People's types have a dozen.
const MAX_TYPE_PARTS: usize = 4_096;

impl<'a> Binder<'a> {
    /// Type arguments for `count` type parameters, from arguments and the parameter types they go to.
    pub(crate) fn infer(
        &mut self,
        count: usize,
        args: &[Argument<'a>],
        wanted: &[Type],
    ) -> Option<Vec<Type>> {
        let mut bounds = vec![Bounds::default(); count];
        let mut pending: Vec<usize> = Vec::new();
        for (i, arg) in args.iter().enumerate() {
            let Some(to) = wanted.get(i) else { continue };
            if self
                .type_of(&arg.operand)
                .is_some_and(|ty| ty.is_larger_than(MAX_TYPE_PARTS))
            {
                self.error(
                    "CS8078",
                    "An expression is too long or complex to compile",
                    arg.span,
                );
                return None;
            }
            self.first_phase(&mut bounds, arg, &arg.operand, to);
            if to.is_delegate()
                && to.is_open()
                && matches!(
                    arg.operand,
                    Operand::Lambda(_) | Operand::Group(_) | Operand::LocalFn(..)
                )
            {
                pending.push(i);
            }
        }
        loop {
            let mut progress = false;
            // Fix what no pending lambda can still add to.
            let outputs: Vec<Type> = pending
                .iter()
                .filter_map(|i| self.delegate_signature(&wanted[*i]))
                .map(|(_, ret)| ret)
                .collect();
            for (n, bound) in bounds.iter_mut().enumerate().take(count) {
                let ready = bound.fixed.is_none() && !outputs.iter().any(|o| mentions(o, n));
                if ready && self.fix(bound) {
                    progress = true;
                }
            }
            let fixed = fixed_types(&bounds);
            let mut rest = Vec::new();
            for i in std::mem::take(&mut pending) {
                let Some((inputs, ret)) = self.delegate_signature(&wanted[i]) else {
                    continue;
                };
                let inputs: Vec<Type> = inputs.iter().map(|t| subst(t, &[], &fixed)).collect();
                if inputs.iter().any(Type::is_open) && !self.explicitly_typed(&args[i].operand) {
                    rest.push(i);
                    continue;
                }
                progress = true;
                if let Some(result) = self.output_type(&args[i].operand, &inputs) {
                    relate(&mut bounds, &result, &ret, Direction::Lower);
                }
            }
            pending = rest;
            if !progress {
                // Break a cycle: fix something a pending lambda takes as input.
                let broke = (0..count).any(|n| bounds[n].fixed.is_none() && self.fix(&mut bounds[n]));
                if !broke {
                    break;
                }
            }
        }
        bounds.into_iter().map(|b| b.fixed).collect()
    }

    fn first_phase(&mut self, bounds: &mut [Bounds], arg: &Argument<'a>, operand: &Operand<'a>, to: &Type) {
        match operand {
            Operand::Lambda(e) => {
                // Explicit parameter types bind exactly.
                let Some(given) = self.explicit_parameters(e) else {
                    return;
                };
                if let Some((inputs, _)) = self.delegate_signature(to) {
                    for (f, t) in given.iter().zip(&inputs) {
                        relate(bounds, f, t, Direction::Exact);
                    }
                }
            }
            Operand::Tuple(parts) => {
                if let Type::Tuple(items, _) = to {
                    for ((_, part, _), t) in parts.iter().zip(items.iter()) {
                        self.first_phase(bounds, arg, part, t);
                    }
                } else if let Some(ty) = self.type_of(operand) {
                    relate(bounds, &ty, to, Direction::Lower);
                }
            }
            operand => {
                if let Some(ty) = self.type_of(operand) {
                    let by_ref = matches!(arg.by, PassBy::Out | PassBy::Ref);
                    let how = if by_ref {
                        Direction::Exact
                    } else {
                        Direction::Lower
                    };
                    relate(bounds, &ty, to, how);
                }
            }
        }
    }

    fn output_type(&mut self, operand: &Operand<'a>, inputs: &[Type]) -> Option<Type> {
        match operand {
            Operand::Lambda(e) => self.lambda_result(e, inputs),
            Operand::Group(g) => self.group_result(g, inputs),
            Operand::LocalFn(f, _) => self.local_signature(*f, inputs).map(|(_, _, ret)| ret),
            _ => None,
        }
    }

    /// What the typed arguments alone say of the type parameters.
    pub(crate) fn infer_known(&mut self, count: usize, args: &[Argument<'a>], wanted: &[Type]) -> Vec<Type> {
        let mut bounds = vec![Bounds::default(); count];
        for (arg, to) in args.iter().zip(wanted) {
            self.first_phase(&mut bounds, arg, &arg.operand, to);
        }
        for b in &mut bounds {
            self.fix(b);
        }
        fixed_types(&bounds)
    }

    /// Chooses the type of a parameter from its bounds.
    fn fix(&mut self, b: &mut Bounds) -> bool {
        let mut pool: Vec<Type> = Vec::new();
        for ty in b.exact.iter().chain(&b.lower).chain(&b.upper) {
            add(&mut pool, ty);
        }
        if pool.is_empty() {
            return false;
        }
        if let Some(dynamic) = pool.iter().find(|t| matches!(t, Type::Dynamic)) {
            b.fixed = Some(dynamic.clone());
            return true;
        }
        for exact in &b.exact {
            pool.retain(|c| c == exact);
        }
        for lower in &b.lower {
            pool.retain(|c| standard(lower, c));
        }
        for upper in &b.upper {
            pool.retain(|c| standard(c, upper));
        }
        let best = pool.iter().find(|c| pool.iter().all(|d| standard(d, c)));
        b.fixed = best.cloned();
        b.fixed.is_some()
    }

    /// The best common type of a set of expressions: array elements, results of a lambda, `?:`.
    pub(crate) fn best_common(&mut self, types: &[Type]) -> Option<Type> {
        let mut b = Bounds::default();
        for ty in types {
            add(&mut b.lower, ty);
        }
        if b.lower.is_empty() {
            return types.iter().any(Type::is_error).then_some(Type::Error);
        }
        self.fix(&mut b);
        b.fixed
    }
}
