//! Lambdas, anonymous methods, and methods used as delegates.

use std::sync::Arc;

use super::{
    Binder, ReturnMode, Returned,
    operand::{Group, Operand, Val},
    overload::Resolved,
    scope::Entry,
    shared,
};
use crate::{
    Span,
    ir::{CallNode, Code, Node, Stmt},
    syntax::ast::{Body, Expr, ExprKind, Param, PassBy},
    types::{MemberKind, Type, registry, subst},
};

/// A lambda at its place, with parameter types, wanted return type and the lambdas around it.
pub(crate) type Key = (usize, Vec<Type>, Option<Type>, Vec<(usize, Vec<Type>)>);

/// What a speculative look at a lambda found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inferred {
    /// The inferred return type; `None` when nothing typed is returned.
    pub ty: Option<Type>,
    /// Every return converts to the wanted type.
    pub fits: bool,
}

fn parts(e: &Expr) -> Option<(Option<&[Param]>, &Body)> {
    match &e.kind {
        ExprKind::Lambda(params, body) => Some((Some(params), body)),
        ExprKind::AnonymousMethod(params, body) => Some((params.as_deref(), body)),
        _ => None,
    }
}

/// Whether an expression may stand as a statement.
pub(crate) fn is_statement_expression(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Call(..)
        | ExprKind::Assign(..)
        | ExprKind::Postfix(..)
        | ExprKind::New(..)
        | ExprKind::Await(_) => true,
        ExprKind::Unary(op, _) => matches!(*op, "++" | "--"),
        ExprKind::Conditional(_, access) => is_statement_expression(access),
        ExprKind::Error => true,
        _ => false,
    }
}

impl<'a> Binder<'a> {
    /// Parameter and return types of a delegate type.
    pub(crate) fn delegate_signature(&self, ty: &Type) -> Option<(Vec<Type>, Type)> {
        let d = ty.def().filter(|_| ty.is_delegate())?;
        let invoke = registry().def(d).named("Invoke").next()?;
        let params = invoke
            .params
            .iter()
            .map(|p| subst(&p.ty, ty.args(), &[]))
            .collect();
        Some((params, subst(&invoke.ret, ty.args(), &[])))
    }

    /// Types of an explicitly typed lambda's parameters.
    pub(crate) fn explicit_parameters(&mut self, e: &'a Expr) -> Option<Vec<Type>> {
        let (params, _) = parts(e)?;
        params?
            .iter()
            .map(|p| p.ty.as_ref().map(|t| self.resolve_type(t)))
            .collect()
    }

    pub(crate) fn explicitly_typed(&mut self, operand: &Operand<'a>) -> bool {
        match operand {
            Operand::Lambda(e) => parts(e)
                .and_then(|(p, _)| p)
                .is_some_and(|p| p.iter().all(|p| p.ty.is_some())),
            _ => false,
        }
    }

    /// The return type a lambda has for these parameter types.
    pub(crate) fn lambda_result(&mut self, e: &'a Expr, inputs: &[Type]) -> Option<Type> {
        let (params, body) = parts(e)?;
        if params.is_some_and(|p| p.len() != inputs.len()) {
            return None;
        }
        if matches!(body, Body::Expr(e) if matches!(e.kind, ExprKind::Error)) {
            return Some(Type::Error);
        }
        self.look(e, inputs, None).ty
    }

    /// Whether a lambda converts to a delegate type.
    pub(crate) fn lambda_fits(&mut self, e: &'a Expr, to: &Type) -> bool {
        if to.is_error() {
            return true;
        }
        let Some((inputs, ret)) = self.delegate_signature(to) else {
            return false;
        };
        let Some((params, body)) = parts(e) else {
            return false;
        };
        if params.is_some_and(|p| p.len() != inputs.len()) {
            return false;
        }
        if let Some(given) = self.explicit_parameters(e)
            && given.iter().zip(&inputs).any(|(g, i)| g != i && !g.is_error())
        {
            return false;
        }
        if matches!(ret, Type::Void) {
            return match body {
                Body::Expr(inner) => {
                    is_statement_expression(inner) || matches!(inner.kind, ExprKind::Throw(_))
                }
                Body::Block(..) => self.look(e, &inputs, None).ty.is_none(),
            };
        }
        self.look(e, &inputs, Some(&ret)).fits
    }

    /// Whether the lambda's own return type is exactly the delegate's.
    pub(crate) fn lambda_exact(&mut self, e: &'a Expr, to: &Type) -> bool {
        let Some((inputs, ret)) = self.delegate_signature(to) else {
            return false;
        };
        !matches!(ret, Type::Void) && self.lambda_result(e, &inputs).is_some_and(|t| t == ret)
    }

    /// Which of two delegate types suits a lambda better by its return type; `None`: neither.
    pub(crate) fn better_lambda(&mut self, e: &'a Expr, s: &Type, t: &Type) -> Option<bool> {
        let ((si, sr), (ti, tr)) = (self.delegate_signature(s)?, self.delegate_signature(t)?);
        if si != ti {
            return Some(false);
        }
        if matches!(tr, Type::Void) {
            return Some(!matches!(sr, Type::Void));
        }
        if matches!(sr, Type::Void) {
            return Some(false);
        }
        let found = self.lambda_result(e, &si);
        if let Some(found) = &found {
            match (*found == sr, *found == tr) {
                (true, false) => return Some(true),
                (false, true) => return Some(false),
                _ => {}
            }
        }
        Some(self.better_target(&sr, &tr))
    }

    /// Binds a lambda to see what it returns, leaving no trace but captured variables.
    fn look(&mut self, e: &'a Expr, inputs: &[Type], ret: Option<&Type>) -> Inferred {
        let key: Key = (
            std::ptr::from_ref(e) as usize,
            inputs.to_vec(),
            ret.cloned(),
            self.lambda_context.clone(),
        );
        if let Some(known) = self.lambda_cache.get(&key) {
            return known.clone();
        }
        let marks = (
            self.diagnostics.len(),
            self.functions.len(),
            self.vars.len(),
            self.local_fns.len(),
            self.uses.len(),
        );
        let instances = self.instances.len();
        let sites = self.functions[self.current].sites.len();
        let labels = (self.labels.clone(), self.next_label);
        let mode = match ret {
            Some(ty) => ReturnMode::To(ty.clone()),
            None => ReturnMode::Infer,
        };
        let old_mismatch = std::mem::replace(&mut self.return_mismatch, false);
        let (_, returned) = self.bind_function(e, inputs, mode);
        let fits = !std::mem::replace(&mut self.return_mismatch, old_mismatch);
        self.functions[self.current].sites.truncate(sites);
        self.diagnostics.truncate(marks.0);
        self.functions.truncate(marks.1);
        self.vars.truncate(marks.2);
        self.local_fns.truncate(marks.3);
        self.uses.truncate(marks.4);
        self.instances.truncate(instances);
        (self.labels, self.next_label) = labels;
        let mut types: Vec<Type> = returned
            .iter()
            .filter(|r| !r.untyped)
            .map(|r| r.ty.clone())
            .collect();
        types.retain(|t| !matches!(t, Type::Void));
        let inferred = Inferred {
            ty: self.best_common(&types),
            fits,
        };
        self.lambda_cache.insert(key, inferred.clone());
        inferred
    }

    /// Binds the body of a lambda as a new function.
    fn bind_function(&mut self, e: &'a Expr, inputs: &[Type], mode: ReturnMode) -> (usize, Vec<Returned>) {
        let Some((params, body)) = parts(e) else {
            return (0, Vec::new());
        };
        let function = self.new_function();
        let outer = std::mem::replace(&mut self.current, function);
        let old_mode = std::mem::replace(&mut self.returns, mode);
        let old_returned = std::mem::take(&mut self.returned);
        let old_lambda = std::mem::replace(&mut self.in_lambda, true);
        let state = self.enter_body();
        self.lambda_context
            .push((std::ptr::from_ref(e) as usize, inputs.to_vec()));
        self.push_scope();
        self.functions[function].params = inputs.len() as u32;
        match params {
            Some(params) => self.declare_parameters(params, inputs),
            None => inputs.iter().for_each(|ty| {
                self.declare_hidden("<>unused", ty.clone());
            }),
        }
        let code = self.function_body(body);
        self.pop_scope();
        self.lambda_context.pop();
        self.leave_body(state);
        self.in_lambda = old_lambda;
        self.functions[function].body = Some(code);
        self.returns = old_mode;
        self.current = outer;
        (function, std::mem::replace(&mut self.returned, old_returned))
    }

    fn declare_parameters(&mut self, params: &'a [Param], inputs: &[Type]) {
        for (p, ty) in params.iter().zip(inputs) {
            let ty = match &p.ty {
                Some(syn) => self.resolve_type(syn),
                None => ty.clone(),
            };
            let id = if p.name.name.starts_with("<>") {
                self.declare_hidden(&p.name.name, ty)
            } else {
                self.declare_parameter(&p.name, ty)
            };
            for (name, path) in &p.transparent {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.names.insert(name.clone(), Entry::Path(id, path.clone()));
                }
            }
        }
    }

    /// The body of a lambda or local function.
    pub(crate) fn function_body(&mut self, body: &'a Body) -> Code {
        match body {
            Body::Expr(inner) => {
                self.push_scope();
                let node = self.return_expression(inner);
                let slots = self.pop_scope();
                match slots.is_empty() {
                    true => Code::Expr(node),
                    false => Code::Block(Stmt::Block(
                        slots,
                        Box::new([Stmt::Return(Some(node))]),
                        Box::new([]),
                    )),
                }
            }
            Body::Block(statements, span) => {
                let (stmt, reachable) = self.function_block(statements);
                let needs_value = match &self.returns {
                    ReturnMode::To(ty) => !matches!(ty, Type::Void),
                    ReturnMode::Infer => {
                        !self.returned.is_empty()
                            && self
                                .returned
                                .iter()
                                .any(|r| !matches!(r.ty, Type::Void) || r.untyped)
                    }
                };
                if reachable && needs_value && self.iterator.is_none() {
                    let end = Span {
                        start: span.end.saturating_sub(1),
                        end: span.end,
                    };
                    self.error(
                        "CS1643",
                        "Not all code paths return a value in lambda expression",
                        end,
                    );
                    self.return_mismatch = true;
                }
                Code::Block(stmt)
            }
        }
    }

    /// The expression body: its value is returned, or dropped when nothing is wanted.
    fn return_expression(&mut self, inner: &'a Expr) -> Node {
        if matches!(self.returns, ReturnMode::To(Type::Void)) {
            let operand = self.operand(inner);
            if let Operand::Throw(node) = operand {
                return node;
            }
            if !is_statement_expression(inner) && !matches!(operand, Operand::Error) {
                let message = "Only assignment, call, increment, decrement, await, and new object expressions can be used as a statement";
                self.error("CS0201", message, inner.span);
            }
            return match operand {
                Operand::Value(v) => v.node,
                operand => self.rvalue(operand, inner.span).node,
            };
        }
        let operand = self.operand(inner);
        self.return_operand(operand, inner.span)
    }

    /// Records or converts a returned operand.
    pub(crate) fn return_operand(&mut self, operand: Operand<'a>, span: Span) -> Node {
        match self.returns.clone() {
            ReturnMode::Infer => {
                let ty = self.type_of(&operand);
                self.returned.push(Returned {
                    untyped: ty.is_none(),
                    ty: ty.unwrap_or(Type::Null),
                });
                match operand {
                    Operand::Null
                    | Operand::Lambda(_)
                    | Operand::Group(_)
                    | Operand::Default
                    | Operand::LocalFn(..)
                    | Operand::Throw(_) => Node::Const(crate::ir::Const::Null),
                    operand => self.rvalue(operand, span).node,
                }
            }
            ReturnMode::To(ty) => {
                if self.lambda_context.is_empty() && matches!(operand, Operand::Throw(_)) && self.current == 0
                {
                    self.error(
                        "CS8115",
                        "A throw expression is not allowed in this context.",
                        span,
                    );
                }
                if !self.implicit(&operand, &ty) && !self.type_of(&operand).is_some_and(|t| t.is_error()) {
                    self.return_mismatch = true;
                }
                self.convert(operand, &ty, span).node
            }
        }
    }

    /// Converts a lambda to a delegate, reporting everything wrong in it.
    pub(crate) fn convert_lambda(&mut self, e: &'a Expr, to: &Type) -> Val {
        let Some((inputs, ret)) = self.delegate_signature(to) else {
            let broken = parts(e)
                .is_some_and(|(_, body)| matches!(body, Body::Expr(e) if matches!(e.kind, ExprKind::Error)));
            if !to.is_error() && !broken {
                let what = if matches!(e.kind, ExprKind::Lambda(..)) {
                    "lambda expression"
                } else {
                    "anonymous method"
                };
                let message =
                    format!("Cannot convert {what} to type '{to}' because it is not a delegate type");
                self.error("CS1660", message, e.span);
            }
            return Val {
                ty: to.clone(),
                ..Val::error()
            };
        };
        let Some((params, _)) = parts(e) else {
            return Val::error();
        };
        if params.is_some_and(|p| p.len() != inputs.len()) {
            let count = params.map_or(0, <[Param]>::len);
            let message = format!("Delegate '{to}' does not take {count} arguments");
            self.error("CS1593", message, e.span);
            return Val {
                ty: to.clone(),
                ..Val::error()
            };
        }
        if self.explicit_mismatch(e, to, &inputs) {
            return Val {
                ty: to.clone(),
                ..Val::error()
            };
        }
        let old_mismatch = std::mem::replace(&mut self.return_mismatch, false);
        let (function, _) = self.bind_function(e, &inputs, ReturnMode::To(ret));
        let mismatch = std::mem::replace(&mut self.return_mismatch, old_mismatch);
        if mismatch
            && self
                .diagnostics
                .last()
                .is_some_and(|d| matches!(d.code, "CS0029" | "CS0266" | "CS0037"))
        {
            let what = if matches!(e.kind, ExprKind::Lambda(..)) {
                "lambda expression"
            } else {
                "anonymous method"
            };
            let message = format!(
                "Cannot convert {what} to intended delegate type because some of the return types in the block are not implicitly convertible to the delegate return type"
            );
            self.error("CS1662", message, e.span);
        }
        let site = self.site(function);
        Val {
            never_null: true,
            ..Val::new(to.clone(), Node::Closure(site, shared(to)))
        }
    }

    /// Parameter types that are written and are not the delegate's (CS1661 with CS1678).
    fn explicit_mismatch(&mut self, e: &'a Expr, to: &Type, inputs: &[Type]) -> bool {
        let mark = self.diagnostics.len();
        let Some(given) = self.explicit_parameters(e) else {
            return false;
        };
        // They are resolved again, and reported, with the body.
        self.diagnostics.truncate(mark);
        let wrong: Vec<usize> = (0..given.len().min(inputs.len()))
            .filter(|i| given[*i] != inputs[*i] && !given[*i].is_error() && !inputs[*i].is_error())
            .collect();
        if wrong.is_empty() {
            return false;
        }
        let message = format!(
            "Cannot convert lambda expression to type '{to}' because the parameter types do not match the delegate parameter types"
        );
        self.error("CS1661", message, e.span);
        for i in wrong {
            let message = format!(
                "Parameter {} is declared as type '{}' but should be '{}'",
                i + 1,
                given[i],
                inputs[i]
            );
            self.error("CS1678", message, e.span);
        }
        true
    }

    /// Binds a lambda for the errors in its body alone.
    pub(crate) fn report_inside(&mut self, e: &'a Expr, inputs: &[Type]) {
        if parts(e)
            .and_then(|(p, _)| p)
            .is_none_or(|p| p.len() == inputs.len())
        {
            self.bind_function(e, inputs, ReturnMode::Infer);
        }
    }

    /// A lambda given to a parameter it does not fit: the errors inside it, or that it does not fit.
    pub(crate) fn report_lambda_mismatch(&mut self, e: &'a Expr, wanted: &Type) {
        let mark = self.diagnostics.len();
        let _ = self.convert_lambda(e, wanted);
        if !self.has_errors_since(mark) {
            self.error(
                "CS1661",
                format!("Cannot convert lambda expression to type '{wanted}'"),
                e.span,
            );
        }
    }

    // ---- methods as delegates

    fn group_choice(
        &mut self,
        g: &Group,
        inputs: &[Type],
    ) -> Option<(super::overload::Candidate, super::overload::Applied)> {
        let args: Vec<super::args::Argument<'a>> = inputs
            .iter()
            .map(|ty| super::args::Argument {
                name: None,
                by: PassBy::Value,
                operand: Operand::value(ty.clone(), Node::Const(crate::ir::Const::Null)),
                span: g.span,
            })
            .collect();
        let candidates = self.group_candidates(g);
        match self.resolve(&candidates, &args, &g.targs) {
            Resolved::One(applied) if !applied.expanded => {
                Some((candidates[applied.candidate].clone(), applied))
            }
            _ => None,
        }
    }

    pub(crate) fn group_fits(&mut self, g: &Group, to: &Type) -> bool {
        let Some((inputs, ret)) = self.delegate_signature(to) else {
            return to.is_error();
        };
        let Some((candidate, applied)) = self.group_choice(g, &inputs) else {
            return false;
        };
        let found = subst(&candidate.ret, &[], &applied.targs);
        matches!(ret, Type::Void)
            || found == ret
            || (found.is_reference() && crate::types::is_subtype(&found, &ret))
    }

    pub(crate) fn group_result(&mut self, g: &Group, inputs: &[Type]) -> Option<Type> {
        let (candidate, applied) = self.group_choice(g, inputs)?;
        Some(subst(&candidate.ret, &[], &applied.targs))
    }

    pub(crate) fn convert_group(&mut self, g: Group, to: &Type, span: Span) -> Val {
        let Some((inputs, _)) = self.delegate_signature(to) else {
            if !to.is_error() {
                let message = format!(
                    "Cannot convert method group '{}' to non-delegate type '{to}'. Did you intend to invoke the method?",
                    g.name
                );
                self.error("CS0428", message, span)
                    .help("add parentheses to call it");
            }
            return Val {
                ty: to.clone(),
                ..Val::error()
            };
        };
        let Some((candidate, applied)) = self.group_choice(&g, &inputs).filter(|_| self.group_fits(&g, to))
        else {
            let message = format!("No overload for '{}' matches delegate '{to}'", g.name);
            self.error("CS0123", message, span);
            return Val {
                ty: to.clone(),
                ..Val::error()
            };
        };
        let Some(member) = candidate.member else {
            return Val::error();
        };
        self.check_allowed(member, span);
        let types: Arc<[Type]> = candidate
            .owner
            .args()
            .iter()
            .chain(&applied.targs)
            .cloned()
            .collect();
        let receiver = g.receiver.filter(|_| !member.is_static);
        let checked = receiver.as_ref().is_some_and(|r| r.ty.is_reference());
        let call = CallNode {
            call: member.get,
            args: receiver.map(|r| r.node).into_iter().collect(),
            types,
            receiver: checked,
            outs: [].into(),
            setter: false,
            name: member.name.clone(),
        };
        Val {
            never_null: true,
            ..Val::new(to.clone(), Node::Delegate(Box::new(call), shared(to)))
        }
    }

    /// What a local function is as a delegate: its type arguments, parameter types and return type.
    pub(crate) fn local_signature(
        &mut self,
        f: usize,
        inputs: &[Type],
    ) -> Option<(Vec<Type>, Vec<Type>, Type)> {
        let candidates = [self.local_candidate(f)];
        if candidates[0].tparams == 0 {
            let types = candidates[0].params.iter().map(|p| p.ty.clone()).collect();
            return Some((Vec::new(), types, candidates[0].ret.clone()));
        }
        let args: Vec<super::args::Argument<'a>> = inputs
            .iter()
            .map(|ty| super::args::Argument {
                name: None,
                by: PassBy::Value,
                operand: Operand::value(ty.clone(), Node::Const(crate::ir::Const::Null)),
                span: Span::default(),
            })
            .collect();
        match self.resolve(&candidates, &args, &[]) {
            Resolved::One(applied) if !applied.expanded => {
                let ret = subst(&candidates[0].ret, &[], &applied.targs);
                Some((applied.targs, applied.types, ret))
            }
            _ => None,
        }
    }

    pub(crate) fn local_fn_fits(&mut self, f: usize, to: &Type) -> bool {
        let Some((inputs, ret)) = self.delegate_signature(to) else {
            return to.is_error();
        };
        let Some((_, types, own)) = self.local_signature(f, &inputs) else {
            return false;
        };
        types.len() == inputs.len()
            && types
                .iter()
                .zip(&inputs)
                .all(|(p, i)| p == i || (i.is_reference() && crate::types::is_subtype(i, p)))
            && (matches!(ret, Type::Void)
                || own == ret
                || (own.is_reference() && crate::types::is_subtype(&own, &ret)))
    }

    pub(crate) fn convert_local_fn(&mut self, f: usize, to: &Type, span: Span) -> Val {
        if !self.local_fn_fits(f, to) {
            let name = self.local_fns[f].decl.name.name.clone();
            let (code, message) = match to.is_delegate() {
                true => (
                    "CS0123",
                    format!("No overload for '{name}' matches delegate '{to}'"),
                ),
                false => (
                    "CS0428",
                    format!(
                        "Cannot convert method group '{name}' to non-delegate type '{to}'. Did you intend to invoke the method?"
                    ),
                ),
            };
            self.error(code, message, span);
            return Val {
                ty: to.clone(),
                ..Val::error()
            };
        }
        let targs = self
            .delegate_signature(to)
            .and_then(|(inputs, _)| self.local_signature(f, &inputs))
            .map(|(targs, ..)| targs)
            .unwrap_or_default();
        let function = self.instance(f, &targs, span);
        let site = self.site(function);
        Val {
            never_null: true,
            ..Val::new(to.clone(), Node::Closure(site, shared(to)))
        }
    }

    /// The `Invoke` member of a delegate type.
    pub(crate) fn invoke_member(ty: &Type) -> Option<&'static crate::types::Member> {
        registry()
            .def(ty.def()?)
            .members
            .iter()
            .find(|m| &*m.name == "Invoke" && m.kind == MemberKind::Method)
    }
}
