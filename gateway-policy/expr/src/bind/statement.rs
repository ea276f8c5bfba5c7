//! Statements, with reachability.

use std::collections::HashMap;

use super::{
    Binder, ReturnMode,
    lambda::is_statement_expression,
    operand::{Operand, Val},
    scope::Entry,
    shared, switch,
};
use crate::{
    Span,
    ir::{CatchCode, Const, Node, Stmt as Code},
    syntax::ast::{
        Catch, Expr, ExprKind, ForeachTarget, GotoTarget, LocalDecl, Stmt, StmtKind, TypeKind, TypeSyn,
    },
    types::{IDISPOSABLE, Type, enumerable_element, is_subtype},
};

/// Whether a type is written `var`.
pub(crate) fn is_var(syn: &TypeSyn) -> bool {
    matches!(&syn.kind, TypeKind::Name(parts) if matches!(&**parts, [p] if &*p.ident.name == "var" && p.args.is_empty()))
}

/// What a nested function body must not see of the body around it.
pub(crate) struct BodyState {
    breakable: usize,
    loops: usize,
    catches: usize,
    switches: Vec<switch::Labels>,
    labels: HashMap<Box<str>, u32>,
    finally_labels: Option<u32>,
    outside_finally: (usize, usize),
    caught_tries: usize,
    iterator: Option<super::iterator::Yields>,
    receivers: Vec<(Type, u32)>,
}

impl<'a> Binder<'a> {
    pub(crate) fn enter_body(&mut self) -> BodyState {
        BodyState {
            breakable: std::mem::take(&mut self.breakable),
            loops: std::mem::take(&mut self.loops),
            catches: std::mem::take(&mut self.catches),
            switches: std::mem::take(&mut self.switches),
            labels: std::mem::take(&mut self.labels),
            finally_labels: self.finally_labels.take(),
            outside_finally: std::mem::take(&mut self.outside_finally),
            caught_tries: std::mem::take(&mut self.caught_tries),
            iterator: self.iterator.take(),
            receivers: std::mem::take(&mut self.receivers),
        }
    }

    pub(crate) fn leave_body(&mut self, state: BodyState) {
        self.breakable = state.breakable;
        self.loops = state.loops;
        self.catches = state.catches;
        self.switches = state.switches;
        self.labels = state.labels;
        self.finally_labels = state.finally_labels;
        self.outside_finally = state.outside_finally;
        self.caught_tries = state.caught_tries;
        self.iterator = state.iterator;
        self.receivers = state.receivers;
    }

    /// The outermost block of a function: its statements and whether the end is reachable.
    pub(crate) fn function_block(&mut self, statements: &'a [Stmt]) -> (Code, bool) {
        self.block(statements)
    }

    /// A block in a scope of its own.
    fn block(&mut self, statements: &'a [Stmt]) -> (Code, bool) {
        self.push_scope();
        let outer_labels = self.labels.clone();
        let (codes, labels, reachable) = self.statements(statements);
        self.labels = outer_labels;
        let slots = self.pop_scope();
        (Code::Block(slots, codes.into(), labels.into()), reachable)
    }

    /// Statements in the current scope.
    pub(crate) fn statements(&mut self, statements: &'a [Stmt]) -> (Vec<Code>, Vec<(u32, usize)>, bool) {
        self.hoist(statements);
        let mut codes = Vec::with_capacity(statements.len());
        let mut labels = Vec::new();
        let mut reachable = true;
        for stmt in statements {
            let mut at = stmt;
            while let StmtKind::Labeled(label, inner) = &at.kind {
                if let Some(id) = self.labels.get(&label.name) {
                    labels.push((*id, codes.len()));
                }
                reachable = true;
                at = inner;
            }
            let (code, end) = self.statement(at);
            // Declaring a local function neither ends nor revives the flow.
            if !matches!(at.kind, StmtKind::LocalFn(_)) {
                reachable = end && reachable;
            }
            codes.push(code);
        }
        self.bind_instances();
        (codes, labels, reachable)
    }

    /// Local functions and labels are visible in the whole block; so are the names of variables to come.
    fn hoist(&mut self, statements: &'a [Stmt]) {
        let mut functions = Vec::new();
        let first_here = self.next_label;
        for stmt in statements {
            let mut at = stmt;
            while let StmtKind::Labeled(label, inner) = &at.kind {
                let id = self.next_label;
                self.next_label += 1;
                match self.labels.insert(label.name.clone(), id) {
                    Some(other) if other >= first_here => {
                        let message = format!("The label '{}' is a duplicate", label.name);
                        self.error("CS0140", message, label.span);
                    }
                    Some(_) => {
                        let message = format!(
                            "The label '{}' shadows another label by the same name in a contained scope",
                            label.name
                        );
                        self.error("CS0158", message, label.span);
                    }
                    None => {}
                }
                at = inner;
            }
            match &at.kind {
                StmtKind::LocalFn(f) => functions.push(&**f),
                StmtKind::Local(decl) => {
                    for v in &decl.vars {
                        if let Some(scope) = self.scopes.last_mut() {
                            scope.later.insert(v.name.name.clone(), v.name.span);
                        }
                    }
                }
                _ => {}
            }
        }
        for f in functions {
            self.declare_local_fn(f);
        }
    }

    /// A statement that is not a declaration of its own scope: `if (x) var y = 1;` is refused.
    fn embedded(&mut self, stmt: &'a Stmt) -> (Code, bool) {
        if matches!(
            stmt.kind,
            StmtKind::Local(_) | StmtKind::LocalFn(_) | StmtKind::Labeled(..)
        ) {
            self.error(
                "CS1023",
                "Embedded statement cannot be a declaration or labeled statement",
                stmt.span,
            );
        }
        self.push_scope();
        let (code, end) = self.statement(stmt);
        let slots = self.pop_scope();
        if slots.is_empty() {
            return (code, end);
        }
        (Code::Block(slots, Box::new([code]), Box::new([])), end)
    }

    pub(crate) fn statement(&mut self, stmt: &'a Stmt) -> (Code, bool) {
        if !self.enter(stmt.span) {
            self.leave();
            return (Code::Empty, true);
        }
        let result = self.statement_inner(stmt);
        self.leave();
        result
    }

    fn statement_inner(&mut self, stmt: &'a Stmt) -> (Code, bool) {
        match &stmt.kind {
            StmtKind::Empty => (Code::Empty, true),
            StmtKind::Block(list) => self.block(list),
            StmtKind::Local(decl) => (self.local_declaration(decl), true),
            StmtKind::LocalFn(f) => {
                self.local_function(f);
                (Code::Empty, true)
            }
            StmtKind::Expr(e) => (self.expression_statement(e), true),
            StmtKind::Broken(e) => {
                self.operand(e);
                (Code::Empty, true)
            }
            StmtKind::If(cond, yes, no) => self.if_statement(cond, yes, no.as_deref()),
            StmtKind::While(cond, body) => self.while_statement(cond, body, false),
            StmtKind::Do(body, cond) => self.while_statement(cond, body, true),
            StmtKind::For {
                init,
                cond,
                step,
                body,
            } => self.for_statement(init, cond.as_ref(), step, body),
            StmtKind::Foreach { target, source, body } => {
                self.foreach_statement(target, source, body, stmt.span)
            }
            StmtKind::Switch(value, sections) => self.switch_statement(value, sections),
            StmtKind::Break => {
                if self.breakable == 0 {
                    self.no_loop(self.outside_finally.0, stmt.span);
                }
                self.breaks = true;
                (Code::Break, self.breakable == 0)
            }
            StmtKind::Continue => {
                if self.loops == 0 {
                    self.no_loop(self.outside_finally.1, stmt.span);
                }
                (Code::Continue, self.loops == 0)
            }
            StmtKind::Return(value) => (self.return_statement(value.as_ref(), stmt.span), false),
            StmtKind::Throw(value) => (self.throw_statement(value.as_ref(), stmt.span), false),
            StmtKind::Try {
                body,
                catches,
                finally,
            } => self.try_statement(body, catches, finally.as_deref()),
            StmtKind::Using { decl, expr, body } => self.using_statement(decl.as_ref(), expr.as_ref(), body),
            StmtKind::Lock(on, body) => {
                let value = self.value(on);
                if value.ty.is_value_type() {
                    let message = format!(
                        "'{}' is not a reference type as required by the lock statement",
                        value.ty
                    );
                    self.error("CS0185", message, on.span);
                }
                let (code, end) = self.embedded(body);
                let test = Code::Expr(Node::Unary(crate::cast::lockable, Box::new(value.node)));
                (Code::Block([].into(), Box::new([test, code]), Box::new([])), end)
            }
            StmtKind::Checked(checked, body) => {
                let (old, old_un) = (self.checked, self.unchecked);
                self.checked = *checked;
                self.unchecked = !*checked;
                let result = self.statement(body);
                self.checked = old;
                self.unchecked = old_un;
                result
            }
            StmtKind::Yield(value) => self.yield_statement(value.as_ref(), stmt.span),
            StmtKind::Goto(target) => {
                let code = self.goto_statement(target, stmt.span);
                let fails = matches!(code, Code::Empty);
                (code, fails)
            }
            StmtKind::Labeled(..) => {
                let list = std::slice::from_ref(stmt);
                let (codes, labels, end) = self.statements(list);
                (Code::Block([].into(), codes.into(), labels.into()), end)
            }
        }
    }

    /// `break` and `continue` with nothing around that they could leave.
    fn no_loop(&mut self, outside_finally: usize, span: Span) {
        if outside_finally > 0 {
            self.leaves_finally(span);
        } else {
            let message = "No enclosing loop out of which to break or continue";
            self.error("CS0139", message, span);
        }
    }

    fn leaves_finally(&mut self, span: Span) {
        self.error(
            "CS0157",
            "Control cannot leave the body of a finally clause",
            span,
        );
    }

    /// A `finally` block: nothing in it may lead out of it.
    fn finally_block(&mut self, block: &'a Stmt) -> (Code, bool) {
        let (breakable, loops) = (
            std::mem::take(&mut self.breakable),
            std::mem::take(&mut self.loops),
        );
        let old = self.finally_labels.replace(self.next_label);
        let outside = self.outside_finally;
        self.outside_finally = (outside.0 + breakable, outside.1 + loops);
        let result = self.statement(block);
        self.finally_labels = old;
        self.outside_finally = outside;
        (self.breakable, self.loops) = (breakable, loops);
        result
    }

    fn expression_statement(&mut self, e: &'a Expr) -> Code {
        if !is_statement_expression(e) && !matches!(e.kind, ExprKind::Paren(_)) {
            let mark = self.diagnostics.len();
            let operand = self.operand(e);
            if !self.has_errors_since(mark) {
                let _ = operand;
            }
            self.error(
                "CS0201",
                "Only assignment, call, increment, decrement, and new object expressions can be used as a statement",
                e.span,
            );
            return Code::Empty;
        }
        if matches!(e.kind, ExprKind::Paren(_)) {
            self.error(
                "CS0201",
                "Only assignment, call, increment, decrement, and new object expressions can be used as a statement",
                e.span,
            );
        }
        let operand = self.operand(e);
        match operand {
            Operand::Error => Code::Empty,
            Operand::Value(v) => Code::Expr(v.node),
            operand => Code::Expr(self.rvalue(operand, e.span).node),
        }
    }

    fn local_declaration(&mut self, decl: &'a LocalDecl) -> Code {
        let mut codes = Vec::new();
        let inferred = is_var(&decl.ty);
        let declared = if inferred {
            None
        } else {
            Some(self.resolve_type(&decl.ty))
        };
        if let Some(Type::Void) = declared {
            self.error(
                "CS1547",
                "Keyword 'void' cannot be used in this context",
                decl.ty.span,
            );
            return Code::Empty;
        }
        if inferred && decl.constant {
            self.error(
                "CS0822",
                "Implicitly-typed variables cannot be constant",
                decl.ty.span,
            );
        }
        if inferred && decl.vars.len() > 1 {
            self.error(
                "CS0819",
                "Implicitly-typed variables cannot have multiple declarators",
                decl.ty.span,
            );
        }
        for v in &decl.vars {
            let id = self.declare(&v.name, declared.clone().unwrap_or(Type::Error));
            let Some(init) = &v.init else {
                if inferred {
                    self.error(
                        "CS0818",
                        "Implicitly-typed variables must be initialized",
                        v.name.span,
                    );
                } else if decl.constant {
                    self.error(
                        "CS0145",
                        "A const field requires a value to be provided",
                        v.name.span,
                    );
                }
                continue;
            };
            self.vars[id].inferring = inferred;
            let mark = self.diagnostics.len();
            let value = match &declared {
                Some(ty) => self.initial_value(ty, init),
                None => self.inferred_value(init, v.name.span),
            };
            self.vars[id].inferring = false;
            if inferred {
                self.vars[id].ty = value.ty.clone();
            }
            if decl.constant {
                match value.konst {
                    Some(c) => self.vars[id].konst = Some(c),
                    None if self.has_errors_since(mark) => {}
                    None if !constant_type(&value.ty) => {
                        let message = format!("The type '{}' cannot be declared const", value.ty);
                        self.error("CS0283", message, decl.ty.span);
                    }
                    None if !value.ty.is_error() => {
                        let message = format!(
                            "The expression being assigned to '{}' must be constant",
                            v.name.name
                        );
                        self.error("CS0133", message, init.span);
                    }
                    None => {}
                }
                continue;
            }
            let slot = self.slot_of(id);
            codes.push(Code::Expr(Node::Set(slot, Box::new(value.node))));
        }
        match codes.len() {
            1 => codes.pop().unwrap_or(Code::Empty),
            _ => Code::Block([].into(), codes.into(), [].into()),
        }
    }

    fn initial_value(&mut self, ty: &Type, init: &'a Expr) -> Val {
        if let (ExprKind::ArrayInit(_), false) = (&init.kind, matches!(ty, Type::Array(..)) || ty.is_error())
        {
            self.error("CS0622", "Can only use array initializer expressions to assign to array types. Try using a new expression instead.", init.span);
            return Val::error();
        }
        if let ExprKind::ArrayInit(_) = init.kind {
            return match self.array_initializer(ty, init) {
                Some(node) => Val::new(ty.clone(), node),
                None => Val::error(),
            };
        }
        let operand = self.operand(init);
        self.convert(operand, ty, init.span)
    }

    fn inferred_value(&mut self, init: &'a Expr, name: Span) -> Val {
        if let ExprKind::ArrayInit(_) = init.kind {
            self.error(
                "CS0820",
                "Cannot initialize an implicitly-typed variable with an array initializer",
                init.span,
            );
            return Val::error();
        }
        let operand = self.operand(init);
        let what = match &operand {
            Operand::Null => "<null>",
            Operand::Lambda(_) => "lambda expression",
            Operand::Group(_) | Operand::LocalFn(..) => "method group",
            Operand::Default => "default",
            Operand::Value(v) if matches!(v.ty, Type::Void) => "void",
            Operand::Tuple(_) if self.type_of(&operand).is_none() => "a tuple with an element without a type",
            _ => return self.rvalue(operand, init.span),
        };
        self.error(
            "CS0815",
            format!("Cannot assign {what} to an implicitly-typed variable"),
            name,
        );
        Val::error()
    }

    fn if_statement(&mut self, cond: &'a Expr, yes: &'a Stmt, no: Option<&'a Stmt>) -> (Code, bool) {
        let test = self.condition(cond);
        let (yes, yes_end) = self.embedded(yes);
        let (no, no_end) = match no {
            Some(no) => {
                let (code, end) = self.embedded(no);
                (Some(Box::new(code)), end)
            }
            None => (None, true),
        };
        let reachable = match test.konst {
            Some(Const::Bool(true)) => yes_end,
            Some(Const::Bool(false)) => no_end,
            _ => yes_end || no_end,
        };
        (Code::If(test.node, Box::new(yes), no), reachable)
    }

    /// The body of a loop: its code and whether a `break` leaves it.
    fn loop_body(&mut self, body: &'a Stmt) -> (Code, bool) {
        let old = std::mem::replace(&mut self.breaks, false);
        self.breakable += 1;
        self.loops += 1;
        let (code, _) = self.embedded(body);
        self.breakable -= 1;
        self.loops -= 1;
        (code, std::mem::replace(&mut self.breaks, old))
    }

    fn while_statement(&mut self, cond: &'a Expr, body: &'a Stmt, test_last: bool) -> (Code, bool) {
        self.push_scope();
        let (test, (body, breaks)) = if test_last {
            let body = self.loop_body(body);
            (self.condition(cond), body)
        } else {
            let test = self.condition(cond);
            (test, self.loop_body(body))
        };
        let slots = self.pop_scope();
        let endless = matches!(test.konst, Some(Const::Bool(true)));
        let cond = if endless { None } else { Some(test.node) };
        let code = Code::Loop {
            cond,
            step: [].into(),
            body: Box::new(body),
            test_last,
        };
        let code = if slots.is_empty() {
            code
        } else {
            Code::Block(slots, Box::new([code]), Box::new([]))
        };
        (code, !endless || breaks)
    }

    fn for_statement(
        &mut self,
        init: &'a [Stmt],
        cond: Option<&'a Expr>,
        step: &'a [Expr],
        body: &'a Stmt,
    ) -> (Code, bool) {
        self.push_scope();
        let mut codes: Vec<Code> = init.iter().map(|s| self.statement(s).0).collect();
        let test = cond.map(|c| self.condition(c));
        let (body, breaks) = self.loop_body(body);
        let steps: Vec<Node> = step
            .iter()
            .map(|e| match self.expression_statement(e) {
                Code::Expr(node) => node,
                _ => Node::Const(Const::Null),
            })
            .collect();
        let slots = self.pop_scope();
        let endless = test
            .as_ref()
            .is_none_or(|t| matches!(t.konst, Some(Const::Bool(true))));
        let cond = test.filter(|_| !endless).map(|t| t.node);
        codes.push(Code::Loop {
            cond,
            step: steps.into(),
            body: Box::new(body),
            test_last: false,
        });
        (Code::Block(slots, codes.into(), [].into()), !endless || breaks)
    }

    fn foreach_statement(
        &mut self,
        target: &'a ForeachTarget,
        source: &'a Expr,
        body: &'a Stmt,
        span: Span,
    ) -> (Code, bool) {
        let operand = self.operand(source);
        let value = if matches!(operand, Operand::Default) {
            let message = "Use of default literal is not valid in this context";
            self.error("CS8312", message, source.span);
            Val::error()
        } else {
            self.rvalue(operand, source.span)
        };
        if matches!(value.konst, Some(Const::Null)) {
            self.error("CS0186", "Use of null is not valid in this context", source.span);
        }
        let element = match enumerable_element(&value.ty) {
            Some(ty) => ty,
            None => {
                let message = format!(
                    "foreach statement cannot operate on variables of type '{}' because '{}' does not contain a public instance definition for 'GetEnumerator'",
                    value.ty, value.ty
                );
                self.error("CS1579", message, source.span);
                Type::Error
            }
        };
        let (element, source_node) = match crate::lib::foreach_element(&value.ty) {
            Some(pair) => (pair, Node::Unary(crate::lib::object_pairs, Box::new(value.node))),
            None => (element, value.node),
        };
        self.push_scope();
        let item = self.temp();
        let convert = match target {
            ForeachTarget::Var(syn, name) => {
                let ty = if is_var(syn) {
                    element.clone()
                } else {
                    self.resolve_type(syn)
                };
                let read = Val::new(element, Node::Local(item));
                let converted = self.cast_foreach(read, &ty, syn.span);
                let id = self.declare(name, ty);
                self.vars[id].readonly = Some("foreach iteration variable");
                let slot = self.slot_of(id);
                Node::Set(slot, Box::new(converted.node))
            }
            ForeachTarget::Deconstruct(e) => {
                let mut steps = Vec::new();
                let read = Operand::Value(Val::new(element, Node::Local(item)));
                self.deconstruct_into(e, read, e.span, &mut steps);
                Node::Sequence(steps.into())
            }
        };
        let (body, _) = self.loop_body(body);
        let slots = self.pop_scope();
        let _ = span;
        let code = Code::ForEach {
            source: source_node,
            slots,
            slot: item,
            convert: Some(convert),
            body: Box::new(body),
        };
        (code, true)
    }

    /// The iteration variable takes the element by an explicit conversion.
    fn cast_foreach(&mut self, value: Val, to: &Type, span: Span) -> Val {
        if value.ty == *to {
            return value;
        }
        self.cast_value(value, to, span)
    }

    fn return_statement(&mut self, value: Option<&'a Expr>, span: Span) -> Code {
        let void = matches!(self.returns, ReturnMode::To(Type::Void));
        if self.finally_labels.is_some() {
            self.leaves_finally(span);
        }
        if self.iterator.is_some() {
            if let Some(e) = value {
                self.operand(e);
            }
            let message = "Cannot return a value from an iterator. Use the yield return statement to return a value, or yield break to end the iteration.";
            self.error("CS1622", message, span);
            return Code::Return(None);
        }
        match value {
            None => {
                if let ReturnMode::To(ty) = self.returns.clone() {
                    if !matches!(ty, Type::Void | Type::Error) {
                        self.error(
                            "CS0126",
                            format!("An object of a type convertible to '{ty}' is required"),
                            span,
                        );
                    }
                } else {
                    self.returned.push(super::Returned {
                        ty: Type::Void,
                        untyped: false,
                    });
                }
                Code::Return(None)
            }
            Some(e) if void => {
                let operand = self.operand(e);
                let _ = operand;
                self.return_mismatch = true;
                let (code, message) = if self.in_lambda {
                    (
                        "CS8030",
                        "Anonymous function converted to a void returning delegate cannot return a value",
                    )
                } else {
                    (
                        "CS0127",
                        "Since this function returns void, a return keyword must not be followed by an object expression",
                    )
                };
                self.error(code, message, span);
                Code::Return(None)
            }
            Some(e) => {
                let operand = self.operand(e);
                if let Operand::Throw(node) = operand {
                    if !throws_nothing(e) {
                        let message = "A throw expression is not allowed in this context.";
                        self.error("CS8115", message, e.span);
                    }
                    return Code::Expr(node);
                }
                Code::Return(Some(self.return_operand(operand, e.span)))
            }
        }
    }

    fn throw_statement(&mut self, value: Option<&'a Expr>, span: Span) -> Code {
        match value {
            None => {
                if self.catches == 0 {
                    self.error(
                        "CS0156",
                        "A throw statement with no arguments is not allowed outside of a catch clause",
                        span,
                    );
                }
                Code::Throw(None)
            }
            Some(e) => {
                let operand = self.operand(e);
                let value = match self.type_of(&operand) {
                    ty if matches!(operand, Operand::Default)
                        || ty
                            .as_ref()
                            .is_some_and(|ty| !ty.is_error() && !is_subtype(ty, &Type::EXCEPTION)) =>
                    {
                        if !matches!(operand, Operand::Default) {
                            self.rvalue(operand, e.span);
                        }
                        self.error(
                            "CS0155",
                            "The type caught or thrown must be derived from System.Exception",
                            e.span,
                        );
                        Val::error()
                    }
                    _ => self.convert(operand, &Type::EXCEPTION, e.span),
                };
                Code::Throw(Some(value.node))
            }
        }
    }

    fn try_statement(
        &mut self,
        body: &'a Stmt,
        catches: &'a [Catch],
        finally: Option<&'a Stmt>,
    ) -> (Code, bool) {
        self.caught_tries += usize::from(!catches.is_empty());
        let (body, mut end) = self.statement(body);
        self.caught_tries -= usize::from(!catches.is_empty());
        let mut codes = Vec::new();
        let mut caught: Vec<Type> = Vec::new();
        for (i, c) in catches.iter().enumerate() {
            if c.ty.is_none() && c.when.is_none() && i + 1 < catches.len() {
                let message = "Catch clauses cannot follow the general catch clause of a try statement";
                self.error("CS1017", message, catches[i + 1].body.span);
                caught.clear();
                continue;
            }
            self.push_scope();
            let ty = c.ty.as_ref().map(|t| {
                let ty = self.resolve_type(t);
                if !ty.is_error() && !is_subtype(&ty, &Type::EXCEPTION) {
                    self.error("CS0155", "The type caught or thrown must be derived from System.Exception", t.span);
                    return Type::Error;
                }
                if let Some(earlier) = caught.iter().find(|e| is_subtype(&ty, e)).cloned() {
                        let message = format!(
                            "A previous catch clause already catches all exceptions of this or of a super type ('{earlier}')"
                        );
                        self.error("CS0160", message, t.span);
                    }
                ty
            });
            let slot = c.name.as_ref().map(|name| {
                let id = self.declare(name, ty.clone().unwrap_or(Type::EXCEPTION));
                self.slot_of(id)
            });
            let when = c.when.as_ref().map(|e| self.condition(e).node);
            self.catches += 1;
            let (body, catch_end) = self.statement(&c.body);
            self.catches -= 1;
            self.pop_scope();
            end |= catch_end;
            if when.is_none() {
                caught.push(ty.clone().unwrap_or(Type::EXCEPTION));
            }
            codes.push(CatchCode {
                ty: ty.filter(|t| !t.is_error()).map(|t| shared(&t)),
                slot,
                when,
                body,
            });
        }
        let finally = finally.map(|f| {
            let (code, finally_end) = self.finally_block(f);
            end &= finally_end;
            Box::new(code)
        });
        (
            Code::Try {
                body: Box::new(body),
                catches: Vec::into(codes),
                finally,
            },
            end,
        )
    }

    fn using_statement(
        &mut self,
        decl: Option<&'a LocalDecl>,
        expr: Option<&'a Expr>,
        body: &'a Stmt,
    ) -> (Code, bool) {
        self.push_scope();
        let mut codes = Vec::new();
        let mut resources: Vec<(u32, Type)> = Vec::new();
        if let Some(decl) = decl {
            codes.push(self.local_declaration(decl));
            for v in &decl.vars {
                if v.init.is_none() {
                    let message = "You must provide an initializer in a fixed or using statement declaration";
                    self.error("CS0210", message, v.name.span);
                }
                if let Some(Entry::Var(id)) = self.lookup(&v.name.name).cloned() {
                    self.vars[id].readonly = Some("using variable");
                    self.check_disposable(&self.vars[id].ty.clone(), decl.ty.span);
                    let slot = self.slot_of(id);
                    resources.push((slot, self.vars[id].ty.clone()));
                }
            }
        }
        if let Some(e) = expr {
            let operand = self.operand(e);
            let value = self.rvalue(operand, e.span);
            self.check_disposable(&value.ty, e.span);
            let slot = self.temp();
            resources.push((slot, value.ty.clone()));
            codes.push(Code::Expr(Node::Set(slot, Box::new(value.node))));
        }
        let (body, end) = self.embedded(body);
        let slots = self.pop_scope();
        let mut inner = body;
        for (slot, ty) in resources.into_iter().rev() {
            let mark = self.diagnostics.len();
            let receiver = Val {
                never_null: true,
                ..Val::new(ty, Node::Local(slot))
            };
            let dispose = match self.call_named(receiver, "Dispose", Vec::new(), Span::default()) {
                Some(call) => Code::If(
                    Node::NotNull(Box::new(Node::Local(slot))),
                    Box::new(Code::Expr(call.node)),
                    None,
                ),
                None => Code::Empty,
            };
            // A missing Dispose was reported with the resource; the allow-list does not see this call.
            self.diagnostics.truncate(mark);
            inner = Code::Try {
                body: Box::new(inner),
                catches: Vec::new().into(),
                finally: Some(Box::new(dispose)),
            };
        }
        codes.push(inner);
        (Code::Block(slots, codes.into(), [].into()), end)
    }

    fn check_disposable(&mut self, ty: &Type, span: Span) {
        if !ty.is_error()
            && !is_subtype(ty, &Type::Def(IDISPOSABLE))
            && !matches!(ty, Type::Dynamic | Type::Null)
        {
            let message = format!(
                "'{ty}': type used in a using statement must be implicitly convertible to 'System.IDisposable'"
            );
            self.error("CS1674", message, span);
        }
    }

    fn goto_statement(&mut self, target: &'a GotoTarget, span: Span) -> Code {
        match target {
            GotoTarget::Label(name) => match self.labels.get(&name.name) {
                Some(id) => {
                    let id = *id;
                    if self.finally_labels.is_some_and(|first| id < first) {
                        self.leaves_finally(span);
                    }
                    Code::Goto(id)
                }
                None => {
                    let message = format!(
                        "No such label '{}' within the scope of the goto statement",
                        name.name
                    );
                    self.error("CS0159", message, name.span);
                    Code::Empty
                }
            },
            GotoTarget::Default => self.goto_default(span),
            GotoTarget::Case(e) => self.goto_case(e, span),
        }
    }
}

/// `throw` with nothing behind it, which has been reported.
fn throws_nothing(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Paren(inner) => throws_nothing(inner),
        ExprKind::Throw(inner) => matches!(inner.kind, ExprKind::Error),
        _ => false,
    }
}

/// Whether constants of a type exist: numbers, booleans, enums, and references, if only null.
fn constant_type(ty: &Type) -> bool {
    ty.num().is_some() || ty.is_bool() || ty.is_enum() || ty.is_reference()
}
