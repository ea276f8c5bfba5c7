//! Scopes, variables and local functions.

use std::collections::HashMap;

use super::{Binder, builder::FunctionBuilder};
use crate::{
    Span,
    ir::Const,
    syntax::ast::{Ident, LocalFn},
    types::{ParamDef, Type},
};

/// A local variable or parameter.
#[derive(Debug)]
pub(crate) struct Var {
    pub name: Box<str>,
    pub ty: Type,
    /// The function it belongs to.
    pub owner: usize,
    pub slot: u32,
    pub konst: Option<Const>,
    /// Why it cannot be assigned: "foreach iteration variable", "using variable".
    pub readonly: Option<&'static str>,
    /// An `in` parameter: cannot be assigned.
    pub by_in: bool,
    /// The `context` parameter.
    pub context: bool,
    /// Its type is being inferred: a use is an error (CS0841, CS8196).
    pub inferring: bool,
    pub span: Span,
}

/// What a name in a scope means.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Var(usize),
    LocalFn(usize),
    /// A member reached through a parameter: a range variable of a query.
    Path(usize, Vec<Box<str>>),
}

#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub names: HashMap<Box<str>, Entry>,
    pub slots: Vec<u32>,
    /// The block of a `switch`: what its sections declare is declared here.
    pub sections: bool,
    /// Names declared later in this block, by position.
    pub later: HashMap<Box<str>, Span>,
}

/// A local function: its signature, and its body once bound.
#[derive(Debug)]
pub(crate) struct LocalFunction<'a> {
    pub decl: &'a LocalFn,
    pub params: Vec<ParamDef>,
    pub ret: Type,
    pub function: usize,
    /// Its type parameters.
    pub parameters: Vec<Type>,
    /// The function around it.
    pub owner: usize,
    /// How many scopes there are in the block that declares it.
    pub depth: usize,
}

impl Binder<'_> {
    pub(crate) fn push_scope(&mut self) {
        self.scopes.push(Scope::default());
    }

    /// Ends a scope and gives the slots declared in it.
    pub(crate) fn pop_scope(&mut self) -> Box<[u32]> {
        self.scopes
            .pop()
            .map(|s| s.slots.into_boxed_slice())
            .unwrap_or_default()
    }

    /// A variable without a place in the source.
    pub(crate) fn declare_hidden(&mut self, name: &str, ty: Type) -> usize {
        let ident = Ident {
            name: name.into(),
            span: Span::default(),
        };
        self.add_var(&ident, ty)
    }

    fn add_var(&mut self, name: &Ident, ty: Type) -> usize {
        let slot = self.functions[self.current].slot();
        self.vars.push(Var {
            name: name.name.clone(),
            ty,
            owner: self.current,
            slot,
            konst: None,
            readonly: None,
            by_in: false,
            context: false,
            inferring: false,
            span: name.span,
        });
        let id = self.vars.len() - 1;
        self.places.insert(name.span.start, id);
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(name.name.clone(), Entry::Var(id));
            scope.slots.push(slot);
        }
        id
    }

    /// Declares a variable, refusing a name that is taken here or around (CS0128, CS0136).
    pub(crate) fn declare(&mut self, name: &Ident, ty: Type) -> usize {
        if !name.name.is_empty() {
            self.check_free(name);
        }
        self.add_var(name, ty)
    }

    /// Declares a parameter: a name used twice is CS0100.
    pub(crate) fn declare_parameter(&mut self, name: &Ident, ty: Type) -> usize {
        if self
            .scopes
            .last()
            .is_some_and(|s| s.names.contains_key(&name.name))
        {
            let message = format!("The parameter name '{}' is a duplicate", name.name);
            self.error("CS0100", message, name.span);
            return self.add_var(name, ty);
        }
        self.declare(name, ty)
    }

    pub(crate) fn check_free(&mut self, name: &Ident) {
        let mut scopes = self.scopes.iter().rev();
        let mut same = scopes.next().is_some_and(|s| s.names.contains_key(&name.name));
        if let Some(section) = scopes.clone().next().filter(|s| s.sections) {
            // The sections of a switch are one block.
            same |= section.names.contains_key(&name.name);
        }
        if same {
            let message = format!(
                "A local variable or function named '{}' is already defined in this scope",
                name.name
            );
            self.error("CS0128", message, name.span);
        } else if scopes.any(|s| s.names.contains_key(&name.name) || s.later.contains_key(&name.name)) {
            let message = format!(
                "A local or parameter named '{}' cannot be declared in this scope because that name is used in an enclosing local scope to define a local or parameter",
                name.name
            );
            self.error("CS0136", message, name.span)
                .help("choose another name");
        }
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<&Entry> {
        self.scopes.iter().rev().find_map(|s| s.names.get(name))
    }

    /// Whether `name` is declared later in a block around the cursor.
    pub(crate) fn declared_later(&self, name: &str, at: Span) -> bool {
        self.scopes
            .iter()
            .rev()
            .any(|s| s.later.get(name).is_some_and(|span| span.start > at.start))
    }

    /// Starts a function nested in the current one.
    pub(crate) fn new_function(&mut self) -> usize {
        self.functions.push(FunctionBuilder::new(Some(self.current)));
        self.functions.len() - 1
    }
}
