//! The static checker: from syntax tree to compiled form.
//!
//! Names, conversions, overloads and generic arguments are resolved here, once, at load. What the C#
//! compiler refuses is refused with its code; what the vendor's static check refuses with its own.

mod advice;
mod args;
mod assign;
mod builder;
mod call;
mod convert;
mod create;
mod flow;
mod generic;
mod infer;
mod iterator;
mod lambda;
mod member;
mod name;
mod operand;
mod operator;
mod overload;
mod pattern;
mod query;
mod scope;
mod statement;
mod switch;
mod tuple;
mod unary;
mod value;

use std::{collections::HashMap, sync::Arc};

use builder::FunctionBuilder;
use operand::{Operand, Val};
use scope::{LocalFunction, Scope, Var};

use crate::{
    Diagnostic, Needs, Span,
    ir::{Code, Node, Program, Stmt, Use},
    syntax::{self, Source},
    types::Type,
};

/// Most expression nodes the checker looks at, counting repeated looks at lambdas during overload
/// resolution, which nest exponentially in hostile input. Real policies stay under 20,000.
const MAX_WORK: usize = 400_000;

/// Deepest recursion of the checker; the parser's bounds keep honest input far below.
const MAX_DEPTH: usize = 700;

/// How strict a compilation is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Refuse what the vendor's allow-list refuses (APIM0001, APIM0002, APIM0006).
    pub allow_list: bool,
}

/// Checks and compiles `source`.
pub(crate) fn compile(
    source: &str,
    options: Options,
) -> Result<(Program, Needs, Vec<Diagnostic>), Vec<Diagnostic>> {
    let parsed = syntax::parse(source);
    let mut diagnostics = parsed.errors;
    if diagnostics.iter().any(|d| d.code == "CS8078") {
        advice::complete(source, &mut diagnostics);
        return Err(diagnostics);
    }
    let tree = parsed.tree;
    let mut binder = Binder::new(options);
    binder.root(&tree);
    diagnostics.append(&mut binder.diagnostics);
    if !diagnostics.iter().any(|d| d.code == "CS8078") {
        diagnostics.extend(flow::check(&tree, &binder.places));
    } else {
        // What follows from parts that were not looked at says nothing.
        diagnostics.retain(|d| d.code == "CS8078");
    }
    diagnostics.sort_by_key(|d| (d.span.start, d.span.end));
    diagnostics.dedup();
    advice::complete(source, &mut diagnostics);
    if diagnostics.iter().any(|d| !d.warning) {
        return Err(diagnostics);
    }
    let needs = binder.needs;
    Ok((binder.finish(), needs, diagnostics))
}

/// What a `return` inside the function being bound means.
#[derive(Clone, Debug)]
enum ReturnMode {
    /// Convert to this type.
    To(Type),
    /// Collect, to infer the type of a lambda.
    Infer,
}

/// A return statement seen while inferring.
#[derive(Clone, Debug)]
struct Returned {
    ty: Type,
    /// `null`, `default`, a lambda or a method group: has no type of its own.
    untyped: bool,
}

/// The checker's state.
pub(crate) struct Binder<'a> {
    options: Options,
    diagnostics: Vec<Diagnostic>,
    vars: Vec<Var>,
    local_fns: Vec<LocalFunction<'a>>,
    functions: Vec<FunctionBuilder>,
    /// The function being bound.
    current: usize,
    scopes: Vec<Scope>,
    returns: ReturnMode,
    returned: Vec<Returned>,
    /// A returned value did not convert to the wanted type.
    return_mismatch: bool,
    /// Places of anonymous objects in source order, with the names of their members.
    anonymous_places: Vec<(usize, Vec<Box<str>>)>,
    /// The function being bound is a lambda or an anonymous method.
    in_lambda: bool,
    /// Type parameters in scope and what they stand for.
    type_names: Vec<(Box<str>, Type)>,
    /// Compiled forms of generic local functions.
    instances: Vec<generic::Instance>,
    /// Binding a compiled form of a generic local function: what its types rule out is no mistake.
    in_instance: bool,
    /// Binding the right side of `is`, where an unknown name is a missing type.
    naming_type: bool,
    /// The function being bound is an iterator.
    iterator: Option<iterator::Yields>,
    /// Labels below this number stand outside the innermost `finally` block.
    finally_labels: Option<u32>,
    /// Loops and switches, and loops alone, around the innermost `finally` block.
    outside_finally: (usize, usize),
    /// `try` blocks with `catch` clauses around the statement.
    caught_tries: usize,
    /// Whether arithmetic is checked: by `checked` and in constants.
    checked: bool,
    /// Inside `unchecked`: constants wrap.
    unchecked: bool,
    /// Loops and switches around the statement, for `break` and `continue`.
    breakable: usize,
    /// A `break` leaves the loop or switch being bound.
    breaks: bool,
    loops: usize,
    switches: Vec<switch::Labels>,
    catches: usize,
    labels: HashMap<Box<str>, u32>,
    next_label: u32,
    /// Types of receivers of conditional accesses, innermost last, with the slot that holds each.
    receivers: Vec<(Type, u32)>,
    /// Inferred return types of lambdas: by place and parameter types, under the lambdas around them.
    lambda_cache: HashMap<lambda::Key, lambda::Inferred>,
    lambda_context: Vec<(usize, Vec<Type>)>,
    work: usize,
    depth: usize,
    needs: Needs,
    /// Library members bound so far, also more than once.
    uses: Vec<Use>,
    /// Which variable the name at a place is, for the flow analysis.
    places: HashMap<usize, usize>,
    /// Nodes that compute what a place read and written depends on.
    place_setup: Vec<Node>,
    /// `context.Response` is read somewhere.
    uses_response: bool,
    /// `Body` is read of a response that may be `context.Response`.
    indirect_body: bool,
}

impl<'a> Binder<'a> {
    fn new(options: Options) -> Self {
        Binder {
            options,
            diagnostics: Vec::new(),
            vars: Vec::new(),
            local_fns: Vec::new(),
            functions: vec![FunctionBuilder::new(None)],
            current: 0,
            scopes: Vec::new(),
            returns: ReturnMode::To(Type::OBJECT),
            returned: Vec::new(),
            return_mismatch: false,
            anonymous_places: Vec::new(),
            in_lambda: false,
            type_names: Vec::new(),
            instances: Vec::new(),
            in_instance: false,
            naming_type: false,
            iterator: None,
            finally_labels: None,
            outside_finally: (0, 0),
            caught_tries: 0,
            checked: false,
            unchecked: false,
            breakable: 0,
            breaks: false,
            loops: 0,
            switches: Vec::new(),
            catches: 0,
            labels: HashMap::new(),
            next_label: 0,
            receivers: Vec::new(),
            lambda_cache: HashMap::new(),
            lambda_context: Vec::new(),
            work: 0,
            depth: 0,
            needs: Needs::default(),
            uses: Vec::new(),
            places: HashMap::new(),
            place_setup: Vec::new(),
            uses_response: false,
            indirect_body: false,
        }
    }

    fn root(&mut self, tree: &'a Source) {
        self.push_scope();
        let context = self.declare_hidden("context", Type::Def(crate::types::EXPRESSION_CONTEXT));
        self.vars[context].context = true;
        // It folds into constants wherever it is read, so it needs no slot.
        self.functions[0].slots = 0;
        if let Some(scope) = self.scopes.last_mut() {
            scope.slots.clear();
        }
        self.push_scope();
        let body = match tree {
            Source::Expression(e) => {
                let value = self.returned_value(e);
                let slots = self.pop_scope();
                match slots.is_empty() {
                    true => Code::Expr(value),
                    false => Code::Block(Stmt::Block(
                        slots,
                        Box::new([Stmt::Return(Some(value))]),
                        Box::new([]),
                    )),
                }
            }
            Source::Block(statements, span) => {
                if iterator::yields(statements) {
                    self.iterator = self.iterator_of(&Type::OBJECT, *span);
                }
                let (stmt, reachable) = self.function_block(statements);
                if reachable && self.iterator.is_none() {
                    let end = Span {
                        start: span.end,
                        end: span.end,
                    };
                    self.error("CS0161", "not all code paths return a value", end)
                        .help("end every path with `return …;` or `throw …;`");
                }
                self.pop_scope();
                Code::Block(stmt)
            }
        };
        self.functions[0].body = Some(body);
        self.pop_scope();
    }

    fn returned_value(&mut self, e: &'a syntax::ast::Expr) -> Node {
        let operand = self.operand(e);
        let value = self.returnable(operand, e.span);
        value.node
    }

    /// Converts what the expression returns to `object`, as the generated method does.
    fn returnable(&mut self, operand: Operand<'a>, span: Span) -> Val {
        if let Operand::Throw(_) = operand {
            self.error(
                "CS8115",
                "A throw expression is not allowed in this context.",
                span,
            );
        }
        let value = self.convert(operand, &Type::OBJECT, span);
        if self.options.allow_list && !value.ty.is_error() {
            // Return types are not restricted here: the policy that takes the value decides.
        }
        value
    }

    fn finish(self) -> Program {
        builder::finish(self.functions, &self.vars, &self.local_fns, self.uses)
    }

    // ---- diagnostics

    fn error(&mut self, code: &'static str, message: impl Into<String>, span: Span) -> &mut Diagnostic {
        self.diagnostics.push(Diagnostic::error(code, message, span));
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    fn warn(&mut self, code: &'static str, message: impl Into<String>, span: Span) -> &mut Diagnostic {
        let d = self.error(code, message, span);
        d.warning = true;
        d
    }

    fn has_errors_since(&self, mark: usize) -> bool {
        self.diagnostics[mark..].iter().any(|d| !d.warning)
    }

    /// Counts a node; false once the budget is spent (reported once).
    fn enter(&mut self, span: Span) -> bool {
        self.work += 1;
        self.depth += 1;
        if self.work <= MAX_WORK && self.depth <= MAX_DEPTH {
            return true;
        }
        if !self.diagnostics.iter().any(|d| d.code == "CS8078") {
            self.error("CS8078", "An expression is too long or complex to compile", span);
        }
        false
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// A type behind an `Arc`, as nodes keep it.
fn shared(ty: &Type) -> Arc<Type> {
    Arc::new(ty.clone())
}

pub(crate) use convert::user_defined as user_conversion;
pub(crate) use member::hierarchy as member_types;

/// The type two numbers are promoted to by an operator at run time.
pub(crate) fn promoted(x: crate::types::Num, y: crate::types::Num) -> crate::types::Num {
    operator::promote_types(x, y)
}
