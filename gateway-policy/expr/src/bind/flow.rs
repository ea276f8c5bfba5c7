//! Definite assignment (C# 7.3 §5.3): no variable is read before it has a value on every path.
//!
//! Runs over the syntax tree once binding has found nothing wrong; the binder hands over which name at
//! which place is which variable.

use std::collections::{HashMap, HashSet};

use crate::{
    Diagnostic, Span,
    syntax::{
        Source,
        ast::{
            Arg, Body, CaseLabel, Catch, Designation, Expr, ExprKind, ForeachTarget, GotoTarget, Ident,
            InitTarget, InitValue, Initializer, InterpPart, Literal, LocalDecl, LocalFn, Param, PassBy,
            Pattern, Stmt, StmtKind,
        },
    },
};

/// Which variables have a value here; nothing is asked of a place that cannot be reached.
#[derive(Clone, Default, PartialEq)]
struct State {
    dead: bool,
    set: HashSet<usize>,
}

impl State {
    fn join(&mut self, other: &State) {
        if other.dead {
            return;
        }
        if self.dead {
            *self = other.clone();
        } else {
            self.set.retain(|v| other.set.contains(v));
        }
    }

    fn unreachable(&self) -> State {
        State {
            dead: true,
            set: self.set.clone(),
        }
    }
}

/// What calling a local function asks of the variables around it, and what it gives them.
#[derive(Clone, Default)]
struct Effect {
    /// Captured variables that it reads before it has given them a value.
    reads: Vec<(usize, Box<str>)>,
    /// Captured variables that have a value whenever it returns.
    gives: HashSet<usize>,
    /// It never returns: whatever follows cannot be reached.
    ends: bool,
}

struct Flow<'b> {
    /// Variable by the place of a name.
    vars: &'b HashMap<usize, usize>,
    errors: Vec<Diagnostic>,
    reported: HashSet<usize>,
    state: State,
    /// States at the `break`s and `continue`s of the loops and switches around.
    breaks: Vec<State>,
    continues: Vec<State>,
    /// `out` parameters of the local function being looked at.
    outs: Vec<(usize, Ident)>,
    /// Variables that belong to functions around this one and are not followed in it.
    free: bool,
    owned: HashSet<usize>,
    /// Local functions in scope, innermost last.
    functions: Vec<&'b LocalFn>,
    effects: HashMap<usize, Effect>,
    /// Reads of captured variables in the local function whose effect is being found.
    captured: Vec<(usize, Box<str>)>,
    /// What has a value at the returns of that function.
    returned: Option<State>,
    /// What has a value at the jumps to a label, by function and name.
    jumps: HashMap<(usize, Box<str>), State>,
    /// The nested function being looked at.
    function: usize,
}

/// Finds every use of a variable before its assignment.
pub(crate) fn check<'b>(tree: &'b Source, vars: &'b HashMap<usize, usize>) -> Vec<Diagnostic> {
    let mut jumps = HashMap::new();
    for _ in 0..MAX_ROUNDS {
        let mut flow = Flow {
            vars,
            errors: Vec::new(),
            reported: HashSet::new(),
            state: State::default(),
            breaks: Vec::new(),
            continues: Vec::new(),
            outs: Vec::new(),
            free: false,
            owned: HashSet::new(),
            functions: Vec::new(),
            effects: HashMap::new(),
            captured: Vec::new(),
            returned: None,
            jumps: jumps.clone(),
            function: 0,
        };
        match tree {
            Source::Expression(e) => flow.expr(e),
            Source::Block(list, _) => flow.block(list),
        }
        if flow.jumps == jumps {
            return flow.errors;
        }
        jumps = flow.jumps;
    }
    Vec::new()
}

/// Most looks at a body with jumps: each finds what the labels before it have learnt since. Code that needs
/// more is taken to assign what it uses.
const MAX_ROUNDS: usize = 8;

fn constant(e: &Expr) -> Option<bool> {
    match &e.kind {
        ExprKind::Literal(Literal::Bool(b)) => Some(*b),
        ExprKind::Paren(inner) => constant(inner),
        ExprKind::Unary("!", inner) => constant(inner).map(|b| !b),
        _ => None,
    }
}

/// The section a literal is known to choose.
fn chosen(value: &Expr, sections: &[crate::syntax::ast::Section]) -> Option<usize> {
    let literal = literal(value)?;
    let guarded = sections
        .iter()
        .flat_map(|s| &s.labels)
        .any(|(l, _)| matches!(l, CaseLabel::Case(p, g) if g.is_some() || !matches!(p, Pattern::Const(_))));
    if guarded {
        return None;
    }
    sections.iter().position(|s| {
        s.labels
            .iter()
            .any(|(l, _)| matches!(l, CaseLabel::Case(Pattern::Const(e), None) if self::literal(e).as_ref() == Some(&literal)))
    })
}

/// A literal in a form that can be compared.
fn literal(e: &Expr) -> Option<String> {
    match &e.kind {
        ExprKind::Paren(inner) => literal(inner),
        ExprKind::Literal(l @ (Literal::Bool(_) | Literal::Int(..) | Literal::Char(_) | Literal::Str(_))) => {
            Some(format!("{l:?}"))
        }
        _ => None,
    }
}

/// `null`, whatever it is cast to.
fn is_null(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Paren(inner) | ExprKind::Cast(_, inner) => is_null(inner),
        ExprKind::Literal(Literal::Null) => true,
        _ => false,
    }
}

impl<'b> Flow<'b> {
    fn var(&self, name: &Ident) -> Option<usize> {
        self.vars.get(&name.span.start).copied()
    }

    fn assign(&mut self, name: &Ident) {
        if let Some(v) = self.var(name) {
            self.state.set.insert(v);
        }
    }

    fn own(&mut self, name: &Ident) {
        if let Some(v) = self.var(name) {
            self.owned.insert(v);
        }
    }

    /// A name that is declared with a value: parameters, iteration variables.
    fn declare_assigned(&mut self, name: &Ident) {
        self.own(name);
        self.assign(name);
    }

    fn use_name(&mut self, name: &Ident) {
        let Some(v) = self.var(name) else {
            let local = self.functions.iter().rev().find(|f| f.name.name == name.name);
            if let Some(f) = local.copied() {
                self.use_function(f, name.span);
            }
            return;
        };
        if self.free && !self.owned.contains(&v) {
            if !self.state.dead && !self.state.set.contains(&v) {
                self.captured.push((v, name.name.clone()));
            }
            return;
        }
        if !self.state.dead
            && !self.state.set.contains(&v)
            && self.owned.contains(&v)
            && self.reported.insert(v)
        {
            let message = format!("Use of unassigned local variable '{}'", name.name);
            let mut error = Diagnostic::error("CS0165", message, name.span);
            error.help("give it a value where it is declared");
            self.errors.push(error);
        }
    }

    fn block(&mut self, list: &'b [Stmt]) {
        let outer = self.functions.len();
        for s in list {
            let mut at = s;
            while let StmtKind::Labeled(_, inner) = &at.kind {
                at = inner;
            }
            if let StmtKind::LocalFn(f) = &at.kind {
                self.functions.push(f);
            }
        }
        for s in list {
            self.stmt(s);
        }
        self.functions.truncate(outer);
    }

    /// A call of a local function, or its use as a delegate.
    fn use_function(&mut self, f: &'b LocalFn, span: Span) {
        let effect = self.effect(f);
        for (v, name) in effect.reads {
            if self.state.dead || self.state.set.contains(&v) {
                continue;
            }
            if self.free && !self.owned.contains(&v) {
                self.captured.push((v, name));
            } else if self.owned.contains(&v) && self.reported.insert(v) {
                let message = format!("Use of unassigned local variable '{name}'");
                let mut error = Diagnostic::error("CS0165", message, span);
                error.help("give it a value before the local function is called");
                self.errors.push(error);
            }
        }
        self.state.set.extend(effect.gives);
        if effect.ends {
            self.state.set.extend(self.owned.iter().copied());
        }
    }

    /// Looks at a local function as if nothing around it had a value.
    fn effect(&mut self, f: &'b LocalFn) -> Effect {
        let key = f.name.span.start;
        if let Some(known) = self.effects.get(&key) {
            return known.clone();
        }
        // A function that calls itself asks for nothing new.
        self.effects.insert(key, Effect::default());
        let errors = self.errors.len();
        let reported = self.reported.clone();
        let state = std::mem::take(&mut self.state);
        let captured = std::mem::take(&mut self.captured);
        let returned = self.returned.replace(State {
            dead: true,
            ..State::default()
        });
        let mut end = State::default();
        self.nested(true, |flow| {
            flow.state.dead = false;
            flow.parameters(f);
            flow.body(&f.body);
            end = flow.state.clone();
        });
        if let Some(at_returns) = std::mem::replace(&mut self.returned, returned) {
            end.join(&at_returns);
        }
        let effect = Effect {
            reads: std::mem::replace(&mut self.captured, captured),
            ends: end.dead,
            gives: if end.dead { HashSet::new() } else { end.set },
        };
        self.state = state;
        // Mistakes inside are reported where the function is declared.
        self.errors.truncate(errors);
        self.reported = reported;
        self.effects.insert(key, effect.clone());
        effect
    }

    fn parameters(&mut self, f: &'b LocalFn) {
        for p in &f.params {
            self.own(&p.name);
            match (p.by, self.var(&p.name)) {
                (PassBy::Out, Some(v)) => self.outs.push((v, p.name.clone())),
                _ => self.assign(&p.name),
            }
        }
    }

    fn declaration(&mut self, decl: &'b LocalDecl) {
        for v in &decl.vars {
            if !super::statement::is_var(&decl.ty) {
                self.own(&v.name);
            }
            if let Some(init) = &v.init {
                self.expr(init);
                self.declare_assigned(&v.name);
            } else if decl.constant || super::statement::is_var(&decl.ty) {
                // Reported as it is.
                self.declare_assigned(&v.name);
            }
        }
    }

    fn stmt(&mut self, s: &'b Stmt) {
        match &s.kind {
            StmtKind::Empty => {}
            StmtKind::Block(list) => self.block(list),
            StmtKind::Local(decl) => self.declaration(decl),
            StmtKind::LocalFn(f) => self.local_fn(f),
            StmtKind::Expr(e) | StmtKind::Broken(e) => self.expr(e),
            StmtKind::If(c, yes, no) => {
                let (t, f) = self.cond(c);
                self.state = t;
                self.stmt(yes);
                let after_yes = std::mem::replace(&mut self.state, f);
                if let Some(no) = no {
                    self.stmt(no);
                }
                self.state.join(&after_yes);
            }
            StmtKind::While(c, body) => {
                let (t, f) = self.cond(c);
                self.state = t;
                let exits = self.looped(body).0;
                self.state = f;
                self.state.join(&exits);
            }
            StmtKind::Do(body, c) => {
                let (exits, again) = self.looped(body);
                self.state.join(&again);
                let (_, f) = self.cond(c);
                self.state = f;
                self.state.join(&exits);
            }
            StmtKind::For {
                init,
                cond,
                step,
                body,
            } => self.for_loop(init, cond.as_ref(), step, body),
            StmtKind::Foreach { target, source, body } => self.foreach(target, source, body),
            StmtKind::Switch(value, sections) => self.switch(value, sections),
            StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Return(_)
            | StmtKind::Throw(_)
            | StmtKind::Goto(_) => {
                self.jump(s);
            }
            StmtKind::Try {
                body,
                catches,
                finally,
            } => self.try_block(body, catches, finally.as_deref()),
            StmtKind::Using { decl, expr, body } => {
                if let Some(decl) = decl {
                    self.declaration(decl);
                }
                if let Some(e) = expr {
                    self.expr(e);
                }
                self.stmt(body);
            }
            StmtKind::Yield(Some(e)) => self.expr(e),
            StmtKind::Yield(None) => self.state = self.state.unreachable(),
            StmtKind::Lock(e, body) => {
                self.expr(e);
                self.stmt(body);
            }
            StmtKind::Checked(_, body) => self.stmt(body),
            StmtKind::Labeled(label, inner) => {
                if let Some(at_jumps) = self.jumps.get(&(self.function, label.name.clone())) {
                    self.state.join(&at_jumps.clone());
                }
                self.stmt(inner);
            }
        }
    }

    fn foreach(&mut self, target: &'b ForeachTarget, source: &'b Expr, body: &'b Stmt) {
        self.expr(source);
        let before = self.state.clone();
        match target {
            ForeachTarget::Var(_, name) => self.declare_assigned(name),
            ForeachTarget::Deconstruct(e) => self.target(e),
        }
        let exits = self.looped(body).0;
        self.state = before;
        self.state.join(&exits);
    }

    /// A statement that leads elsewhere: what is behind it cannot be reached.
    fn jump(&mut self, s: &'b Stmt) {
        match &s.kind {
            StmtKind::Break => {
                if let Some(b) = self.breaks.last_mut() {
                    b.join(&self.state);
                }
            }
            StmtKind::Continue => {
                if let Some(c) = self.continues.last_mut() {
                    c.join(&self.state);
                }
            }
            StmtKind::Return(value) => {
                if let Some(e) = value {
                    self.expr(e);
                }
                self.check_outs(s.span);
                if let Some(returned) = &mut self.returned {
                    returned.join(&self.state);
                }
            }
            StmtKind::Throw(Some(e)) => self.expr(e),
            StmtKind::Goto(GotoTarget::Label(label)) if !self.state.dead => {
                let key = (self.function, label.name.clone());
                match self.jumps.get_mut(&key) {
                    Some(known) => known.join(&self.state),
                    None => {
                        self.jumps.insert(key, self.state.clone());
                    }
                }
            }
            _ => {}
        }
        self.state = self.state.unreachable();
    }

    fn try_block(&mut self, body: &'b Stmt, catches: &'b [Catch], finally: Option<&'b Stmt>) {
        let before = self.state.clone();
        self.stmt(body);
        let mut after = self.state.clone();
        for c in catches {
            self.state = before.clone();
            if let Some(name) = &c.name {
                self.declare_assigned(name);
            }
            if let Some(when) = &c.when {
                self.state = self.cond(when).0;
            }
            self.stmt(&c.body);
            after.join(&self.state);
        }
        self.state = after;
        if let Some(finally) = finally {
            let end = std::mem::replace(&mut self.state, before);
            self.stmt(finally);
            // What `finally` assigns is assigned however the block was left.
            let finally_end = std::mem::replace(&mut self.state, end);
            self.state.set.extend(finally_end.set);
            self.state.dead |= finally_end.dead;
        }
    }

    /// A loop body; gives the states at its breaks and continues.
    fn looped(&mut self, body: &'b Stmt) -> (State, State) {
        self.breaks.push(self.state.unreachable());
        self.continues.push(self.state.unreachable());
        self.stmt(body);
        let (b, c) = (self.breaks.pop(), self.continues.pop());
        (b.unwrap_or_default(), c.unwrap_or_default())
    }

    fn for_loop(&mut self, init: &'b [Stmt], cond: Option<&'b Expr>, step: &'b [Expr], body: &'b Stmt) {
        self.block(init);
        let exit = match cond {
            Some(c) => {
                let (t, f) = self.cond(c);
                self.state = t;
                f
            }
            None => self.state.unreachable(),
        };
        let (exits, again) = self.looped(body);
        self.state.join(&again);
        for e in step {
            self.expr(e);
        }
        self.state = exit;
        self.state.join(&exits);
    }

    fn switch(&mut self, value: &'b Expr, sections: &'b [crate::syntax::ast::Section]) {
        self.expr(value);
        let before = self.state.clone();
        self.breaks.push(before.unreachable());
        let chosen = chosen(value, sections);
        let mut default = chosen.is_some();
        for (n, section) in sections.iter().enumerate() {
            self.state = match chosen {
                Some(only) if only != n => before.unreachable(),
                _ => before.clone(),
            };
            let single = section.labels.len() == 1;
            for (label, _) in &section.labels {
                match label {
                    CaseLabel::Default => default = true,
                    CaseLabel::Case(pattern, guard) => {
                        default |= guard.is_none() && matches!(pattern, Pattern::Var(..));
                        let mut matched = before.clone();
                        std::mem::swap(&mut self.state, &mut matched);
                        self.pattern(pattern);
                        if let Some(g) = guard {
                            self.state = self.cond(g).0;
                        }
                        if !single {
                            self.state = matched;
                        }
                    }
                }
            }
            self.block(&section.body);
        }
        let exits = self.breaks.pop().unwrap_or_default();
        self.state = if default { before.unreachable() } else { before };
        self.state.join(&exits);
    }

    fn check_outs(&mut self, span: Span) {
        if self.state.dead {
            return;
        }
        for (v, name) in &self.outs {
            if !self.state.set.contains(v) && self.reported.insert(*v) {
                let message = format!(
                    "The out parameter '{}' must be assigned to before control leaves the current method",
                    name.name
                );
                self.errors.push(Diagnostic::error("CS0177", message, span));
            }
        }
    }

    /// A nested function: its own loops and returns; captured variables are looked at as they are now,
    /// or not at all for local functions, which run later.
    fn nested(&mut self, free: bool, run: impl FnOnce(&mut Self)) {
        let state = self.state.clone();
        let (breaks, continues) = (
            std::mem::take(&mut self.breaks),
            std::mem::take(&mut self.continues),
        );
        let outs = std::mem::take(&mut self.outs);
        let old_free = self.free;
        self.free |= free;
        let functions = self.functions.clone();
        let owned = if free {
            std::mem::take(&mut self.owned)
        } else {
            self.owned.clone()
        };
        run(self);
        self.owned = owned;
        self.functions = functions;
        self.free = old_free;
        self.outs = outs;
        self.breaks = breaks;
        self.continues = continues;
        self.state = state;
    }

    fn body(&mut self, body: &'b Body) {
        let outer = std::mem::replace(&mut self.function, std::ptr::from_ref(body) as usize);
        self.body_inside(body);
        self.function = outer;
    }

    fn body_inside(&mut self, body: &'b Body) {
        match body {
            Body::Expr(e) => {
                self.expr(e);
                self.check_outs(e.span);
            }
            Body::Block(list, span) => {
                self.block(list);
                self.check_outs(*span);
            }
        }
    }

    fn local_fn(&mut self, f: &'b LocalFn) {
        self.nested(true, |flow| {
            flow.state.dead = false;
            flow.parameters(f);
            flow.body(&f.body);
        });
    }

    // ---- expressions

    /// Both outcomes of a condition.
    fn cond(&mut self, e: &'b Expr) -> (State, State) {
        match &e.kind {
            ExprKind::Paren(inner) => self.cond(inner),
            ExprKind::Unary("!", inner) => {
                let (t, f) = self.cond(inner);
                (f, t)
            }
            ExprKind::Binary("&&", l, r) => {
                let (t, mut f) = self.cond(l);
                self.state = t;
                let (t, f2) = self.cond(r);
                f.join(&f2);
                (t, f)
            }
            ExprKind::Binary("||", l, r) => {
                let (mut t, f) = self.cond(l);
                self.state = f;
                let (t2, f) = self.cond(r);
                t.join(&t2);
                (t, f)
            }
            ExprKind::Is(inner, pattern) => {
                self.expr(inner);
                let before = self.state.clone();
                self.pattern(pattern);
                let t = std::mem::replace(&mut self.state, before.clone());
                (t, before)
            }
            _ => {
                self.expr(e);
                let both = self.state.clone();
                match constant(e) {
                    Some(true) => (both.clone(), both.unreachable()),
                    Some(false) => (both.unreachable(), both),
                    None => (both.clone(), both),
                }
            }
        }
    }

    fn pattern(&mut self, p: &'b Pattern) {
        match p {
            Pattern::Const(e) => self.expr(e),
            Pattern::Declaration(_, Some(name)) | Pattern::Var(Some(name), _) => self.declare_assigned(name),
            Pattern::Declaration(_, None) | Pattern::Var(None, _) => {}
        }
    }

    fn designation(&mut self, d: &'b Designation) {
        match d {
            Designation::Name(name) => self.declare_assigned(name),
            Designation::Discard(_) => {}
            Designation::Tuple(parts) => parts.iter().for_each(|p| self.designation(p)),
        }
    }

    /// The left side of an assignment.
    fn target(&mut self, e: &'b Expr) {
        match &e.kind {
            ExprKind::Name(name, _) => self.assign(name),
            ExprKind::Paren(inner) => self.target(inner),
            ExprKind::Tuple(parts) => parts.iter().for_each(|(_, p)| self.target(p)),
            ExprKind::Declare(_, d) => self.designation(d),
            _ => self.expr(e),
        }
    }

    fn args(&mut self, args: &'b [Arg]) {
        for a in args.iter().filter(|a| a.by != PassBy::Out) {
            self.expr(&a.value);
        }
        for a in args.iter().filter(|a| a.by == PassBy::Out) {
            self.target(&a.value);
        }
    }

    fn initializer(&mut self, init: &'b Initializer) {
        match init {
            Initializer::Object(members) => {
                for m in members {
                    if let InitTarget::Index(args) = &m.target {
                        self.args(args);
                    }
                    match &m.value {
                        InitValue::Expr(e) => self.expr(e),
                        InitValue::Nested(inner) => self.initializer(inner),
                    }
                }
            }
            Initializer::Collection(items, _) => items.iter().flatten().for_each(|e| self.expr(e)),
        }
    }

    /// Runs something whose assignments are not certain to happen.
    fn maybe(&mut self, run: impl FnOnce(&mut Self)) {
        let before = self.state.clone();
        run(self);
        self.state.join(&before);
        if self.state.dead {
            self.state = before;
        }
    }

    fn closure(&mut self, params: &'b [Param], body: &'b Body) {
        self.nested(false, |f| {
            let returned = f.returned.take();
            params.iter().for_each(|p| f.declare_assigned(&p.name));
            f.body(body);
            f.returned = returned;
        });
    }

    fn assignment(&mut self, l: &'b Expr, r: &'b Expr) {
        if !matches!(
            l.kind,
            ExprKind::Name(..) | ExprKind::Tuple(_) | ExprKind::Declare(..)
        ) {
            self.expr(l);
        }
        self.expr(r);
        if matches!(
            l.kind,
            ExprKind::Name(..) | ExprKind::Tuple(_) | ExprKind::Declare(..)
        ) {
            self.target(l);
        }
    }

    fn creation(&mut self, e: &'b Expr) {
        match &e.kind {
            ExprKind::New(_, args, init) => {
                self.args(args.as_deref().unwrap_or_default());
                if let Some(init) = init {
                    self.initializer(init);
                }
            }
            ExprKind::NewArray(_, sizes, init) => {
                sizes.iter().for_each(|s| self.expr(s));
                if let Some(init) = init {
                    self.expr(init);
                }
            }
            ExprKind::NewImplicitArray(_, init) => self.expr(init),
            ExprKind::ArrayInit(items) => items.iter().for_each(|i| self.expr(i)),
            ExprKind::NewAnonymous(members) => members.iter().for_each(|(_, m)| self.expr(m)),
            ExprKind::Tuple(parts) => parts.iter().for_each(|(_, p)| self.expr(p)),
            _ => {}
        }
    }

    fn expr(&mut self, e: &'b Expr) {
        match &e.kind {
            ExprKind::Name(name, _) => self.use_name(name),
            ExprKind::Interpolated(parts) => {
                for p in parts {
                    if let InterpPart::Hole { value, .. } = p {
                        self.expr(value);
                    }
                }
            }
            ExprKind::Paren(inner)
            | ExprKind::Member(inner, ..)
            | ExprKind::Cast(_, inner)
            | ExprKind::As(inner, _)
            | ExprKind::Checked(_, inner)
            | ExprKind::Await(inner)
            | ExprKind::Ref(inner)
            | ExprKind::Query(inner, _)
            | ExprKind::Postfix(_, inner) => self.expr(inner),
            ExprKind::Throw(inner) => {
                self.expr(inner);
                self.state = self.state.unreachable();
            }
            ExprKind::Unary("!", _) | ExprKind::Binary("&&" | "||", ..) | ExprKind::Is(..) => {
                let (t, f) = self.cond(e);
                self.state = t;
                self.state.join(&f);
            }
            ExprKind::Unary(_, inner) => self.expr(inner),
            ExprKind::Call(target, args) => {
                let nameof = matches!(&target.kind, ExprKind::Name(n, _) if &*n.name == "nameof" && self.var(n).is_none());
                if !nameof {
                    self.expr(target);
                    self.args(args);
                }
            }
            ExprKind::Index(target, args) => {
                self.expr(target);
                self.args(args);
            }
            ExprKind::Conditional(target, access) => {
                self.expr(target);
                self.maybe(|f| f.expr(access));
            }
            ExprKind::Binary("??", l, r) => {
                self.expr(l);
                if is_null(l) {
                    self.expr(r);
                } else {
                    self.maybe(|f| f.expr(r));
                }
            }
            ExprKind::Binary(_, l, r) => {
                self.expr(l);
                self.expr(r);
            }
            ExprKind::Assign("=", l, r) => self.assignment(l, r),
            ExprKind::Assign(_, l, r) => {
                self.expr(l);
                self.expr(r);
            }
            ExprKind::Ternary(c, a, b) => {
                let (t, f) = self.cond(c);
                self.state = t;
                self.expr(a);
                let after = std::mem::replace(&mut self.state, f);
                self.expr(b);
                self.state.join(&after);
            }
            ExprKind::New(..)
            | ExprKind::NewArray(..)
            | ExprKind::NewImplicitArray(..)
            | ExprKind::ArrayInit(_)
            | ExprKind::NewAnonymous(_)
            | ExprKind::Tuple(_) => self.creation(e),
            ExprKind::Lambda(params, body) => self.closure(params, body),
            ExprKind::AnonymousMethod(params, body) => {
                self.closure(params.as_deref().unwrap_or_default(), body)
            }
            ExprKind::Declare(_, d) => self.designation(d),
            ExprKind::Error
            | ExprKind::Literal(_)
            | ExprKind::Global
            | ExprKind::Predefined(_)
            | ExprKind::Type(_)
            | ExprKind::Receiver
            | ExprKind::Typeof(_)
            | ExprKind::Sizeof(_)
            | ExprKind::Default(_)
            | ExprKind::This(_) => {}
        }
    }
}
