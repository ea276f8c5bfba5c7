//! Local functions: declared, bound, called; generic ones are checked once with their type parameters
//! opaque, then compiled for every list of type arguments they are called with.

use super::{
    Binder, ReturnMode,
    builder::FunctionBuilder,
    overload::Candidate,
    scope::{Entry, LocalFunction},
};
use crate::{
    Span,
    ir::{Const, Node},
    syntax::ast::{Arg, Body, Constraint, Expr, ExprKind, Ident, LocalFn, PassBy},
    types::{MemberKind, ParamDef, ParamRef, Type, TypeParameter, is_subtype, registry, subst},
};

use super::operand::Operand;

/// Most compiled forms of generic local functions in one expression: a function that calls itself with
/// ever larger type arguments has no end of them.
const MAX_INSTANCES: usize = 64;

/// A generic local function compiled for some type arguments.
#[derive(Debug)]
pub(crate) struct Instance {
    of: usize,
    targs: Vec<Type>,
    function: usize,
    bound: bool,
}

impl<'a> Binder<'a> {
    pub(crate) fn declare_local_fn(&mut self, decl: &'a LocalFn) {
        self.check_free(&decl.name);
        self.check_parameter_order(decl);
        let outer = self.type_names.len();
        let parameters = self.declare_type_parameters(decl);
        let ret = self.resolve_type(&decl.ret);
        let mut params = Vec::new();
        for p in &decl.params {
            let ty = p.ty.as_ref().map_or(Type::Error, |t| self.resolve_type(t));
            let default = p.default.as_ref().map(|e| self.default_value(e, &p.name, &ty));
            if p.params && !matches!(&ty, Type::Array(_, 1) | Type::Error) {
                let message = "The params parameter must be a single dimensional array";
                self.error("CS0225", message, p.name.span);
            }
            if p.this {
                let message = "Extension method must be defined in a non-generic static class";
                self.error("CS1106", message, p.name.span);
            }
            params.push(ParamDef {
                name: p.name.name.clone(),
                ty,
                by: p.by,
                default,
                params: p.params,
            });
        }
        self.type_names.truncate(outer);
        let function = self.new_function();
        self.functions[function].params = params.len() as u32;
        self.local_fns.push(LocalFunction {
            decl,
            params,
            ret,
            function,
            parameters,
            owner: self.current,
            depth: self.scopes.len(),
        });
        let id = self.local_fns.len() - 1;
        if let Some(scope) = self.scopes.last_mut() {
            // Of two with one name, which is an error, the first is meant.
            scope
                .names
                .entry(decl.name.name.clone())
                .or_insert(Entry::LocalFn(id));
        }
    }

    /// The value of an optional parameter: a constant that converts to its type, or its default.
    fn default_value(&mut self, e: &'a Expr, name: &Ident, ty: &Type) -> Const {
        let operand = self.operand(e);
        let free = matches!(operand, Operand::Null | Operand::Default | Operand::Error)
            || matches!(e.kind, ExprKind::Default(_))
            || matches!(&e.kind, ExprKind::New(_, args, None) if args.as_ref().is_none_or(Vec::is_empty) && ty.is_value_type());
        let given = self
            .type_of(&operand)
            .map_or("<null>".to_owned(), |t| t.to_string());
        let mark = self.diagnostics.len();
        let value = self.convert(operand, ty, e.span);
        for d in &mut self.diagnostics[mark..] {
            if matches!(d.code, "CS0029" | "CS0037" | "CS0266") {
                d.code = "CS1750";
                d.message = format!(
                    "A value of type '{given}' cannot be used as a default parameter because there are no standard conversions to type '{ty}'"
                );
            }
        }
        if value.konst.is_none() && !free && !self.has_errors_since(mark) && !value.ty.is_error() {
            let message = format!(
                "Default parameter value for '{}' must be a compile-time constant",
                name.name
            );
            self.error("CS1736", message, e.span);
        }
        value.konst.unwrap_or(Const::Null)
    }

    fn check_parameter_order(&mut self, decl: &'a LocalFn) {
        let last = decl.params.len().saturating_sub(1);
        let mut optional = false;
        for (i, p) in decl.params.iter().enumerate() {
            if p.params && i != last {
                let message = "A params parameter must be the last parameter in a formal parameter list";
                self.error("CS0231", message, p.name.span);
            }
            if optional && p.default.is_none() && !p.params {
                let message = "Optional parameters must appear after all required parameters";
                self.error("CS1737", message, p.name.span);
            }
            optional |= p.default.is_some();
        }
    }

    /// Brings the type parameters into scope, constraints resolved.
    fn declare_type_parameters(&mut self, decl: &'a LocalFn) -> Vec<Type> {
        let first = self.type_names.len();
        for (i, t) in decl.type_params.iter().enumerate() {
            if self.type_names[first..].iter().any(|(n, _)| *n == t.name) {
                let message = format!("Duplicate type parameter '{}'", t.name);
                self.error("CS0692", message, t.span);
            }
            let plain = TypeParameter::new(t.name.clone(), i as u16);
            self.type_names
                .push((t.name.clone(), Type::Param(ParamRef::new(plain))));
        }
        for (name, constraints) in &decl.constraints {
            let place = self.type_names[first..].iter().position(|(n, _)| *n == name.name);
            let Some(place) = place else {
                let message = format!(
                    "'{}' does not define type parameter '{}'",
                    decl.name.name, name.name
                );
                self.error("CS0699", message, name.span);
                continue;
            };
            let mut parameter = TypeParameter::new(name.name.clone(), place as u16);
            for c in constraints {
                match c {
                    Constraint::Class => parameter.class = true,
                    Constraint::Struct => parameter.value = true,
                    Constraint::New => parameter.new = true,
                    Constraint::Type(syn) => parameter.bounds.push(self.resolve_type(syn)),
                }
            }
            self.type_names[first + place].1 = Type::Param(ParamRef::new(parameter));
        }
        self.type_names[first..].iter().map(|(_, t)| t.clone()).collect()
    }

    /// The declaration in its place: binds the body, of a generic function for its mistakes alone.
    pub(crate) fn local_function(&mut self, decl: &'a LocalFn) {
        let Some(Entry::LocalFn(id)) = self.lookup(&decl.name.name).cloned() else {
            return;
        };
        if !std::ptr::eq(self.local_fns[id].decl, decl) {
            return;
        }
        let local = &self.local_fns[id];
        let (function, targs) = (local.function, local.parameters.clone());
        let mark = self.diagnostics.len();
        self.local_body(id, function, &targs);
        for d in &mut self.diagnostics[mark..] {
            if d.code == "CS1643" {
                d.code = "CS0161";
                d.message = format!("'{}': not all code paths return a value", decl.name.name);
            }
        }
        if !targs.is_empty() {
            // Only its compiled forms are ever called.
            self.functions[function].body = None;
        }
    }

    /// Binds the body of a local function with `targs` for its type parameters.
    fn local_body(&mut self, id: usize, function: usize, targs: &[Type]) {
        let local = &self.local_fns[id];
        let decl = local.decl;
        let ret = of_arguments(&local.ret, targs);
        let result = ret.clone();
        let types: Vec<Type> = local.params.iter().map(|p| of_arguments(&p.ty, targs)).collect();
        let names = self.type_names.len();
        for (t, arg) in decl.type_params.iter().zip(targs) {
            self.type_names.push((t.name.clone(), arg.clone()));
        }
        let outer = std::mem::replace(&mut self.current, function);
        let old_mode = std::mem::replace(&mut self.returns, ReturnMode::To(ret));
        let old_lambda = std::mem::replace(&mut self.in_lambda, false);
        let state = self.enter_body();
        self.lambda_context
            .push((std::ptr::from_ref(decl) as usize, targs.to_vec()));
        self.push_scope();
        for (p, ty) in decl.params.iter().zip(types) {
            let id = self.declare_parameter(&p.name, ty);
            if p.by == PassBy::In {
                self.vars[id].by_in = true;
            }
        }
        if let Body::Block(statements, _) = &decl.body
            && super::iterator::yields(statements)
        {
            self.check_iterator_parameters(decl);
            self.iterator = self.iterator_of(&result, decl.name.span);
            self.functions[function].iterator = Some(result);
        }
        let code = self.function_body(&decl.body);
        self.pop_scope();
        self.lambda_context.pop();
        self.leave_body(state);
        self.in_lambda = old_lambda;
        self.functions[function].body = Some(code);
        self.returns = old_mode;
        self.current = outer;
        self.type_names.truncate(names);
    }

    /// The candidate a local function is in overload resolution, its type parameters open.
    pub(crate) fn local_candidate(&self, id: usize) -> Candidate {
        let local = &self.local_fns[id];
        let open: Vec<Type> = (0..local.parameters.len())
            .map(|i| Type::MethodParam(i as u16))
            .collect();
        Candidate {
            member: None,
            owner: Type::Void,
            params: local
                .params
                .iter()
                .map(|p| ParamDef {
                    ty: of_arguments(&p.ty, &open),
                    ..p.clone()
                })
                .collect(),
            ret: of_arguments(&local.ret, &open),
            tparams: open.len(),
            rank: 0,
            extension: false,
        }
    }

    pub(crate) fn call_local(
        &mut self,
        id: usize,
        targs: &[Type],
        args: &'a [Arg],
        span: Span,
    ) -> Operand<'a> {
        let list = self.arguments(args);
        let name = self.local_fns[id].decl.name.name.to_string();
        let candidates = [self.local_candidate(id)];
        let Some((applied, laid)) = self.choose(&name, &candidates, list, targs, span) else {
            return Operand::Error;
        };
        let ret = subst(&candidates[0].ret, &[], &applied.targs);
        if !self.constraints_hold(id, &applied.targs, span) {
            return Operand::Error;
        }
        let function = self.instance(id, &applied.targs, span);
        let site = self.site(function);
        let call = Node::CallLocal(site, laid.nodes.into(), laid.outs.into());
        let node = self.after_call(call, laid.after);
        Operand::value(ret, node)
    }

    /// Reports the first type argument that its parameter's constraints refuse.
    fn constraints_hold(&mut self, id: usize, targs: &[Type], span: Span) -> bool {
        let name = self.local_fns[id].decl.name.name.clone();
        for (parameter, arg) in self.local_fns[id].parameters.clone().iter().zip(targs) {
            let Type::Param(p) = parameter else { continue };
            let refused = if arg.is_error() {
                None
            } else if p.class && !arg.is_reference() {
                Some(("CS0452", "a reference type"))
            } else if p.value && (!arg.is_value_type() || arg.nullable_of().is_some()) {
                Some(("CS0453", "a non-nullable value type"))
            } else if p.new && !creatable(arg) {
                Some((
                    "CS0310",
                    "a non-abstract type with a public parameterless constructor",
                ))
            } else if p.bounds.iter().any(|b| !is_subtype(arg, &of_arguments(b, targs))) {
                Some((
                    if arg.is_value_type() { "CS0315" } else { "CS0311" },
                    "convertible to its constraint",
                ))
            } else {
                None
            };
            if let Some((code, what)) = refused {
                let message = format!(
                    "The type '{arg}' must be {what} in order to use it as parameter '{parameter}' in the generic type or method '{name}'"
                );
                self.error(code, message, span);
                return false;
            }
        }
        true
    }

    /// The function compiled for these type arguments, made when first asked for.
    pub(crate) fn instance(&mut self, id: usize, targs: &[Type], span: Span) -> usize {
        let local = &self.local_fns[id];
        let (checked, owner, count) = (local.function, local.owner, local.params.len());
        if targs.is_empty() || targs.iter().any(Type::has_parameter) {
            return checked;
        }
        if let Some(known) = self.instances.iter().find(|i| i.of == id && i.targs == targs) {
            return known.function;
        }
        if self.instances.len() >= MAX_INSTANCES {
            let message = "Generic local functions are used with too many different type arguments";
            self.error("APIM0101", message, span);
            return checked;
        }
        let mut function = FunctionBuilder::new(Some(owner));
        function.params = count as u32;
        self.functions.push(function);
        let function = self.functions.len() - 1;
        self.instances.push(Instance {
            of: id,
            targs: targs.to_vec(),
            function,
            bound: false,
        });
        function
    }

    /// At the end of the block that declares them: binds what has been asked for of its generic functions.
    pub(crate) fn bind_instances(&mut self) {
        let depth = self.scopes.len();
        let mut next = 0;
        while let Some(instance) = self.instances.get_mut(next) {
            next += 1;
            let local = &self.local_fns[instance.of];
            if instance.bound || local.depth != depth || local.owner != self.current {
                continue;
            }
            instance.bound = true;
            let (id, function, targs) = (instance.of, instance.function, instance.targs.clone());
            let (span, name) = (local.decl.name.span, local.decl.name.name.clone());
            let mark = self.diagnostics.len();
            let clean = !self.has_errors_since(0);
            let outer = std::mem::replace(&mut self.in_instance, true);
            self.local_body(id, function, &targs);
            self.in_instance = outer;
            let failed = self.has_errors_since(mark);
            self.diagnostics.truncate(mark);
            if failed && clean {
                let message = format!(
                    "The generic local function '{name}' cannot be compiled for these type arguments"
                );
                self.error("APIM0101", message, span)
                    .help("write the function for the types it is used with");
            }
        }
    }
}

/// A type of a declaration with `targs` in place of its type parameters.
fn of_arguments(ty: &Type, targs: &[Type]) -> Type {
    match ty {
        Type::Param(p) => targs.get(usize::from(p.index)).unwrap_or(ty).clone(),
        Type::Gen(d, args) => Type::Gen(*d, args.iter().map(|a| of_arguments(a, targs)).collect()),
        Type::Array(of, rank) => Type::Array(of_arguments(of, targs).into(), *rank),
        Type::Tuple(items, names) => Type::Tuple(
            items.iter().map(|a| of_arguments(a, targs)).collect(),
            names.clone(),
        ),
        _ => ty.clone(),
    }
}

/// Whether `new T()` exists.
fn creatable(ty: &Type) -> bool {
    if ty.is_value_type() {
        return true;
    }
    match (ty, ty.def()) {
        (Type::Param(p), _) => p.new || p.value,
        (_, Some(d)) => {
            let def = registry().def(d);
            !def.is_abstract && def.of_kind(MemberKind::Constructor).any(|m| m.params.is_empty())
        }
        _ => false,
    }
}
