//! Overload resolution (C# 7.3 §7.5.3).

use super::{
    Binder,
    args::{Argument, element},
    convert::standard,
    operand::Operand,
};
use crate::{
    Span,
    syntax::ast::PassBy,
    types::{Member, Num, ParamDef, Type, is_subtype, subst},
};

/// A method that could be meant.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub member: Option<&'static Member>,
    /// The constructed type that declares it.
    pub owner: Type,
    /// Parameters with the declaring type's arguments in place.
    pub params: Vec<ParamDef>,
    pub ret: Type,
    pub tparams: usize,
    /// Distance from the type looked at: nearer ones win.
    pub rank: usize,
    /// Called as an extension: the first argument is the receiver.
    pub extension: bool,
}

/// A candidate that takes the arguments.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub candidate: usize,
    pub map: Vec<usize>,
    pub expanded: bool,
    pub targs: Vec<Type>,
    /// Type of every parameter.
    pub types: Vec<Type>,
}

/// Why a candidate does not take the arguments; the later ones are nearer misses.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) enum Misfit {
    TypeArguments(usize),
    Count,
    Missing(usize),
    /// A named argument out of position with positional ones behind it.
    NotTrailing(usize),
    /// A named argument for a parameter that a positional one has taken.
    Taken(usize),
    Name(usize),
    Inference,
    Bound,
    By(usize, PassByWanted),
    Argument(usize, Box<TypeText>),
}

/// What keyword an argument needs.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum PassByWanted {
    Out,
    Ref,
    Plain,
}

/// A type, ordered not at all (so that misfits can derive an order).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeText(pub Type);

impl PartialOrd for TypeText {
    fn partial_cmp(&self, _other: &Self) -> Option<std::cmp::Ordering> {
        Some(std::cmp::Ordering::Equal)
    }
}

/// The candidate a complaint is about.
struct Miss<'m> {
    name: &'m str,
    shown: &'m str,
    candidate: &'m Candidate,
    /// There is no other of the name.
    only: bool,
    /// Arguments that are not counted: the receiver of an extension method.
    skip: usize,
    span: Span,
}

/// The outcome of a resolution.
pub(crate) enum Resolved {
    One(Applied),
    None(Vec<(usize, Misfit)>),
    Ambiguous(usize, usize),
}

impl<'a> Binder<'a> {
    /// Chooses among `candidates`.
    pub(crate) fn resolve(
        &mut self,
        candidates: &[Candidate],
        args: &[Argument<'a>],
        targs: &[Type],
    ) -> Resolved {
        let mut fitting: Vec<Applied> = Vec::new();
        let mut misfits = Vec::new();
        for (i, c) in candidates.iter().enumerate() {
            match self.apply(c, i, args, targs, false) {
                Ok(applied) => {
                    fitting.push(applied);
                    continue;
                }
                Err(why) => misfits.push((i, why)),
            }
            if c.params.last().is_some_and(|p| p.params) {
                match self.apply(c, i, args, targs, true) {
                    Ok(applied) => fitting.push(applied),
                    Err(why) => misfits.push((i, why)),
                }
            }
        }
        // A fitting method of a derived type hides those of its bases.
        if let Some(nearest) = fitting.iter().map(|a| candidates[a.candidate].rank).min() {
            fitting.retain(|a| candidates[a.candidate].rank == nearest);
        }
        let owner = |a: &Applied| &candidates[a.candidate].owner;
        let hidden = |a: &Applied| {
            let mut others = fitting.iter().map(owner);
            owner(a).is_interface()
                && others.any(|o| o != owner(a) && o.is_interface() && is_subtype(o, owner(a)))
        };
        let hidden: Vec<bool> = fitting.iter().map(hidden).collect();
        let mut hidden = hidden.into_iter();
        fitting.retain(|_| !hidden.next().unwrap_or(false));
        match fitting.len() {
            0 => return Resolved::None(misfits),
            1 => return fitting.pop().map_or(Resolved::None(misfits), Resolved::One),
            _ => {}
        }
        for i in 0..fitting.len() {
            let wins =
                (0..fitting.len()).all(|j| i == j || self.better(candidates, &fitting[i], &fitting[j], args));
            if wins {
                return Resolved::One(fitting.swap_remove(i));
            }
        }
        Resolved::Ambiguous(fitting[0].candidate, fitting[1].candidate)
    }

    /// Whether the candidate takes the arguments, in normal or expanded form.
    fn apply(
        &mut self,
        c: &Candidate,
        index: usize,
        args: &[Argument<'a>],
        targs: &[Type],
        expanded: bool,
    ) -> Result<Applied, Misfit> {
        if !targs.is_empty() && targs.len() != c.tparams {
            return Err(Misfit::TypeArguments(c.tparams));
        }
        let map = map_arguments(c, args, expanded)?;
        let arg_type = |i: usize, types: &[Type]| {
            let ty = types.get(map[i]).cloned().unwrap_or(Type::Error);
            if expanded && map[i] + 1 == types.len() {
                element(&ty)
            } else {
                ty
            }
        };
        let open: Vec<Type> = c.params.iter().map(|p| p.ty.clone()).collect();
        let targs = if c.tparams > 0 && targs.is_empty() {
            let wanted: Vec<Type> = (0..args.len()).map(|i| arg_type(i, &open)).collect();
            self.infer(c.tparams, args, &wanted).ok_or(Misfit::Inference)?
        } else {
            targs.to_vec()
        };
        if let (Some(bound), Some(first)) = (c.member.and_then(|m| m.bound.as_ref()), targs.first())
            && first != bound
            && !is_subtype(first, bound)
        {
            return Err(Misfit::Bound);
        }
        let types: Vec<Type> = open.iter().map(|t| subst(t, &[], &targs)).collect();
        for (i, arg) in args.iter().enumerate() {
            let ty = arg_type(i, &types);
            let wanted = c.params[map[i]].by;
            self.argument_fits(i, arg, &ty, wanted, c.extension && i == 0)?;
        }
        Ok(Applied {
            candidate: index,
            map,
            expanded,
            targs,
            types,
        })
    }

    fn argument_fits(
        &mut self,
        i: usize,
        arg: &Argument<'a>,
        ty: &Type,
        wanted: PassBy,
        receiver: bool,
    ) -> Result<(), Misfit> {
        let misfit = || Misfit::Argument(i, Box::new(TypeText(ty.clone())));
        match (wanted, arg.by) {
            (PassBy::Out, PassBy::Out) | (PassBy::Ref, PassBy::Ref) => {
                let exact = match &arg.operand {
                    Operand::OutVar(_, None) | Operand::Discard | Operand::Error => true,
                    Operand::OutVar(id, Some(_)) => self.vars[*id].ty == *ty || self.vars[*id].ty.is_error(),
                    operand => self.type_of(operand).is_none_or(|t| t == *ty || t.is_error()),
                };
                if exact { Ok(()) } else { Err(misfit()) }
            }
            (PassBy::Out, _) => Err(Misfit::By(i, PassByWanted::Out)),
            (PassBy::Ref, _) => Err(Misfit::By(i, PassByWanted::Ref)),
            (_, PassBy::Out | PassBy::Ref) => Err(Misfit::By(i, PassByWanted::Plain)),
            _ if receiver => {
                let from = self.type_of(&arg.operand).unwrap_or(Type::Null);
                // Only identity, reference and boxing conversions apply to a receiver.
                let fits =
                    from == *ty || is_subtype(&from, ty) || (ty.is_object() && !matches!(from, Type::Void));
                let numeric = from.num().is_some() && ty.num().is_some() && from != *ty;
                if fits && !numeric { Ok(()) } else { Err(misfit()) }
            }
            _ => {
                if self.implicit(&arg.operand, ty) {
                    Ok(())
                } else {
                    Err(misfit())
                }
            }
        }
    }

    /// Whether `a` is a better function member than `b` for these arguments.
    fn better(&mut self, candidates: &[Candidate], a: &Applied, b: &Applied, args: &[Argument<'a>]) -> bool {
        let arg_type = |x: &Applied, i: usize| {
            let ty = x.types.get(x.map[i]).cloned().unwrap_or(Type::Error);
            if x.expanded && x.map[i] + 1 == x.types.len() {
                element(&ty)
            } else {
                ty
            }
        };
        let (mut some, mut same) = (false, true);
        for (i, arg) in args.iter().enumerate() {
            let (s, t) = (arg_type(a, i), arg_type(b, i));
            if s == t {
                continue;
            }
            same = false;
            if self.better_conversion(&arg.operand, &t, &s) {
                return false;
            }
            some |= self.better_conversion(&arg.operand, &s, &t);
        }
        if some {
            return true;
        }
        let (ca, cb) = (&candidates[a.candidate], &candidates[b.candidate]);
        let all_given = |c: &Candidate| c.params.len() <= args.len();
        if !same {
            // Beyond the letter of the language definition, the compiler prefers the one without defaults.
            return all_given(ca) && !all_given(cb);
        }
        // Ties: not generic, normal form, more parameters, no defaults used, more specific.
        if (ca.tparams == 0) != (cb.tparams == 0) {
            return ca.tparams == 0;
        }
        if a.expanded != b.expanded {
            return !a.expanded;
        }
        if a.expanded && ca.params.len() != cb.params.len() {
            return ca.params.len() > cb.params.len();
        }
        if all_given(ca) != all_given(cb) {
            return all_given(ca);
        }
        more_specific(ca, cb, a, b, args.len())
    }

    /// Whether converting the argument to `s` is better than to `t` (§7.5.3.3).
    fn better_conversion(&mut self, operand: &Operand<'a>, s: &Type, t: &Type) -> bool {
        let exact = |binder: &mut Self, to: &Type| match operand {
            Operand::Lambda(e) => binder.lambda_exact(e, to),
            operand => binder.type_of(operand).is_some_and(|ty| ty == *to),
        };
        match (exact(self, s), exact(self, t)) {
            (true, false) => return true,
            (false, true) => return false,
            _ => {}
        }
        if let Operand::Lambda(e) = operand
            && let Some(answer) = self.better_lambda(e, s, t)
        {
            return answer;
        }
        self.better_target(s, t)
    }

    /// Whether `s` is the better conversion target of two types.
    pub(crate) fn better_target(&mut self, s: &Type, t: &Type) -> bool {
        let (there, back) = (self.implicit_type(s, t), self.implicit_type(t, s));
        if there != back {
            return there;
        }
        let signed = |x: &Type| matches!(x.num(), Some(Num::SByte | Num::Short | Num::Int | Num::Long));
        let unsigned = |x: &Type| matches!(x.num(), Some(Num::Byte | Num::UShort | Num::UInt | Num::ULong));
        let (s, t) = (s.nullable_of().unwrap_or(s), t.nullable_of().unwrap_or(t));
        signed(s) && unsigned(t)
    }
}

/// Assigns arguments to parameters: by position, then by name.
fn map_arguments(c: &Candidate, args: &[Argument<'_>], expanded: bool) -> Result<Vec<usize>, Misfit> {
    let count = c.params.len();
    let mut taken = vec![false; count];
    let mut map = Vec::with_capacity(args.len());
    for (i, arg) in args.iter().enumerate() {
        let to = match arg.name {
            Some(name) => match c.params.iter().position(|p| *p.name == *name.name) {
                Some(to) => to,
                None => return Err(Misfit::Name(i)),
            },
            None if expanded && i + 1 >= count => count - 1,
            None => i,
        };
        if to >= count {
            return Err(Misfit::Count);
        }
        if let Some(earlier) = args[..i].iter().position(|a| a.name.is_some())
            && arg.name.is_none()
            && (0..=earlier).any(|n| map.get(n).is_some_and(|to| *to != n))
        {
            return Err(Misfit::NotTrailing(earlier));
        }
        if taken[to] && !(expanded && to + 1 == count) {
            let positional = args.get(to).is_some_and(|a| a.name.is_none());
            match arg.name {
                Some(_) if positional => return Err(Misfit::Taken(i)),
                Some(_) => {}
                None => return Err(Misfit::Count),
            }
        }
        taken[to] = true;
        map.push(to);
    }
    for (i, p) in c.params.iter().enumerate() {
        let optional = p.default.is_some() || (expanded && i + 1 == count);
        if !taken[i] && !optional {
            return Err(Misfit::Missing(i));
        }
    }
    Ok(map)
}

/// §7.5.3.2: more specific parameter types before type arguments were put in.
fn more_specific(ca: &Candidate, cb: &Candidate, a: &Applied, b: &Applied, args: usize) -> bool {
    let open = |c: &Candidate, x: &Applied, i: usize| {
        let ty = c.member.map_or_else(
            || c.params[x.map[i]].ty.clone(),
            |m| m.params.get(x.map[i]).map_or(Type::Error, |p| p.ty.clone()),
        );
        if x.expanded && x.map[i] + 1 == c.params.len() {
            element(&ty)
        } else {
            ty
        }
    };
    let (mut more, mut less) = (false, false);
    for i in 0..args {
        let (s, t) = (open(ca, a, i), open(cb, b, i));
        match (specific(&s, &t), specific(&t, &s)) {
            (true, false) => more = true,
            (false, true) => less = true,
            _ => {}
        }
    }
    more && !less
}

/// Whether `s` is more specific than `t`: a parameter is less specific than anything else.
fn specific(s: &Type, t: &Type) -> bool {
    match (s, t) {
        (Type::MethodParam(_) | Type::TypeParam(_), _) => false,
        (_, Type::MethodParam(_) | Type::TypeParam(_)) => true,
        (Type::Gen(a, x), Type::Gen(b, y)) if a == b => {
            let pairs = || x.iter().zip(y.iter());
            pairs().any(|(x, y)| specific(x, y)) && !pairs().any(|(x, y)| specific(y, x))
        }
        (Type::Array(a, m), Type::Array(b, n)) if m == n => specific(a, b),
        _ => false,
    }
}

impl<'a> Binder<'a> {
    /// Reports why no candidate took the arguments, as the compiler would.
    pub(crate) fn report_misfits(
        &mut self,
        name: &str,
        candidates: &[Candidate],
        args: &[Argument<'a>],
        misfits: &[(usize, Misfit)],
        span: Span,
    ) {
        if args
            .iter()
            .any(|a| matches!(a.operand, Operand::Error) || self.is_error_operand(&a.operand))
        {
            return;
        }
        let best = misfits
            .iter()
            .fold(None::<&(usize, Misfit)>, |best, m| match best {
                Some(b) if b.1 >= m.1 => Some(b),
                _ => Some(m),
            });
        let Some((index, why)) = best else { return };
        let candidate = &candidates[*index];
        let skip = usize::from(candidate.extension);
        let shown_params = candidate
            .params
            .iter()
            .skip(skip)
            .map(|p| p.ty.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let shown = match candidate.member {
            Some(m) if &*m.name == ".ctor" => format!("{}.{name}({shown_params})", candidate.owner),
            Some(_) => format!("{}.{name}({shown_params})", candidate.owner),
            None => format!("{name}({shown_params})"),
        };
        let miss = Miss {
            name,
            shown: &shown,
            candidate,
            only: candidates.len() == 1,
            skip,
            span,
        };
        match why {
            Misfit::Argument(..) | Misfit::By(..) => self.report_bad_argument(&miss, why, args),
            Misfit::Bound | Misfit::Inference | Misfit::TypeArguments(_) => {
                self.report_type_arguments(&miss, why, args);
            }
            _ => self.report_bad_list(&miss, why, args),
        }
    }

    /// An argument of the wrong type, or without the keyword it needs.
    fn report_bad_argument(&mut self, miss: &Miss<'_>, why: &Misfit, args: &[Argument<'a>]) {
        let Miss {
            name,
            shown,
            candidate,
            skip,
            span,
            ..
        } = *miss;
        match why {
            Misfit::Argument(0, wanted) if candidate.extension => {
                let from = self.type_of(&args[0].operand).unwrap_or(Type::Null);
                let message = format!(
                    "'{from}' does not contain a definition for '{name}' and the best extension method overload '{shown}' requires a receiver of type '{}'",
                    wanted.0
                );
                self.error("CS1929", message, span);
            }
            Misfit::Argument(i, wanted) => self.report_argument(&args[*i], i + 1 - skip, &wanted.0),
            Misfit::By(i, PassByWanted::Plain) => {
                let word = if args[*i].by == PassBy::Out { "out" } else { "ref" };
                let message = format!(
                    "Argument {} may not be passed with the '{word}' keyword",
                    i + 1 - skip
                );
                self.error("CS1615", message, args[*i].span);
            }
            Misfit::By(i, wanted) => {
                let word = if *wanted == PassByWanted::Out {
                    "out"
                } else {
                    "ref"
                };
                let message = format!(
                    "Argument {} must be passed with the '{word}' keyword",
                    i + 1 - skip
                );
                self.error("CS1620", message, args[*i].span);
            }
            _ => {}
        }
    }

    /// Type arguments that are wrong, or that nothing says.
    fn report_type_arguments(&mut self, miss: &Miss<'_>, why: &Misfit, args: &[Argument<'a>]) {
        let Miss {
            name,
            shown,
            candidate,
            span,
            ..
        } = *miss;
        match why {
            Misfit::Bound => {
                let bound = candidate
                    .member
                    .and_then(|m| m.bound.clone())
                    .unwrap_or(Type::OBJECT);
                let message = format!(
                    "The type cannot be used as type parameter 'T' in the generic type or method '{shown}'. There is no implicit reference conversion to '{bound}'."
                );
                self.error("CS0311", message, span);
            }
            Misfit::Inference if candidate.extension && name == "Contains" => {
                // The compiler finds `MemoryExtensions.Contains` nearer, which wants a span.
                let from = self.type_of(&args[0].operand).unwrap_or(Type::Null);
                let message = format!(
                    "'{from}' does not contain a definition for '{name}' and the best extension method overload requires a receiver of another type"
                );
                self.error("CS1929", message, span)
                    .help("give it a value of the element type");
            }
            Misfit::Inference if self.errors_in_lambdas(candidate, args) => {}
            Misfit::Inference => {
                let message = format!(
                    "The type arguments for method '{shown}' cannot be inferred from the usage. Try specifying the type arguments explicitly."
                );
                self.error("CS0411", message, span);
            }
            Misfit::TypeArguments(n) => {
                let message = if *n == 0 {
                    format!("The non-generic method '{shown}' cannot be used with type arguments")
                } else {
                    format!("Using the generic method '{shown}' requires {n} type arguments")
                };
                self.error(if *n == 0 { "CS0308" } else { "CS0305" }, message, span);
            }
            _ => {}
        }
    }

    /// A list of arguments that cannot be laid over the parameters.
    fn report_bad_list(&mut self, miss: &Miss<'_>, why: &Misfit, args: &[Argument<'a>]) {
        let Miss {
            name,
            shown,
            candidate,
            only,
            skip,
            span,
        } = *miss;
        match why {
            Misfit::NotTrailing(i) | Misfit::Taken(i) => {
                let arg = args[*i].name.map(|n| n.name.to_string()).unwrap_or_default();
                let (code, message) = if matches!(why, Misfit::Taken(_)) {
                    (
                        "CS1744",
                        format!(
                            "Named argument '{arg}' specifies a parameter for which a positional argument has already been given"
                        ),
                    )
                } else {
                    (
                        "CS8323",
                        format!(
                            "Named argument '{arg}' is used out-of-position but is followed by an unnamed argument"
                        ),
                    )
                };
                self.error(code, message, args[*i].span);
            }
            Misfit::Name(i) => {
                let arg = args[*i].name.map(|n| n.name.to_string()).unwrap_or_default();
                let message =
                    format!("The best overload for '{name}' does not have a parameter named '{arg}'");
                self.error("CS1739", message, args[*i].span);
            }
            Misfit::Missing(i) if only => {
                let message = format!(
                    "There is no argument given that corresponds to the required formal parameter '{}' of '{shown}'",
                    candidate.params[*i].name
                );
                self.error("CS7036", message, span);
            }
            Misfit::Missing(_) | Misfit::Count => {
                let given = args.len() - skip;
                if candidate.member.is_some_and(|m| &*m.name == ".ctor") {
                    let message =
                        format!("'{name}' does not contain a constructor that takes {given} arguments");
                    self.error("CS1729", message, span);
                } else {
                    let message = format!("No overload for method '{name}' takes {given} arguments");
                    self.error("CS1501", message, span);
                }
            }
            _ => {}
        }
    }

    /// Reports what is wrong inside lambda arguments, taking their parameters from what can be inferred.
    fn errors_in_lambdas(&mut self, c: &Candidate, args: &[Argument<'a>]) -> bool {
        let mark = self.diagnostics.len();
        let wanted: Vec<Type> = c.params.iter().map(|p| p.ty.clone()).collect();
        let known = self.infer_known(c.tparams, args, &wanted);
        for (arg, ty) in args.iter().zip(&wanted) {
            if let Operand::Lambda(e) = &arg.operand
                && let Some((inputs, _)) = self.delegate_signature(ty)
            {
                let inputs: Vec<Type> = inputs.iter().map(|t| subst(t, &[], &known)).collect();
                if !inputs.iter().any(Type::is_open) {
                    self.report_inside(e, &inputs);
                }
            }
        }
        self.has_errors_since(mark)
    }

    fn is_error_operand(&mut self, operand: &Operand<'a>) -> bool {
        self.type_of(operand).is_some_and(|t| t.is_error())
    }

    fn report_argument(&mut self, arg: &Argument<'a>, number: usize, wanted: &Type) {
        let from = match &arg.operand {
            Operand::Null => "<null>".to_owned(),
            Operand::Lambda(e) => {
                self.report_lambda_mismatch(e, wanted);
                return;
            }
            Operand::Group(_) | Operand::LocalFn(..) => "method group".to_owned(),
            Operand::OutVar(id, _) => self.vars[*id].ty.to_string(),
            Operand::Type(t) => {
                self.error(
                    "CS0119",
                    format!("'{t}' is a type, which is not valid in the given context"),
                    arg.span,
                );
                return;
            }
            operand => self
                .type_of(operand)
                .map_or_else(|| "?".to_owned(), |t| t.to_string()),
        };
        let by = match arg.by {
            PassBy::Out => "out ",
            PassBy::Ref => "ref ",
            _ => "",
        };
        let message = format!("Argument {number}: cannot convert from '{by}{from}' to '{by}{wanted}'");
        let castable = self
            .type_of(&arg.operand)
            .is_some_and(|t| !standard(&t, wanted) && t.is_object());
        let error = self.error("CS1503", message, arg.span);
        if castable {
            error.help(format!("cast it: ({wanted})…"));
        }
    }
}
