//! The library as the compiler sees it: built once from the declaration tables under `lib/`.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use super::{DefId, KNOWN, Type, signature};
use crate::{
    ir::Const,
    lib::{self, Decl, Entry, Native, Verdict},
    syntax::ast::PassBy,
};

/// What sort of type a definition is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TypeKind {
    Class,
    Static,
    Struct,
    Interface,
    Enum,
    Delegate,
}

/// A type of the library.
#[derive(Debug)]
pub(crate) struct TypeDef {
    pub id: DefId,
    pub name: Box<str>,
    /// Full .NET name with arity: `System.Collections.Generic.List`1`.
    pub full: Box<str>,
    pub kind: TypeKind,
    pub is_abstract: bool,
    /// Names of type parameters.
    pub params: Vec<Box<str>>,
    /// 1 covariant, -1 contravariant, 0 neither.
    pub variance: Vec<i8>,
    pub base: Option<Type>,
    pub interfaces: Vec<Type>,
    pub members: Vec<Member>,
    by_name: HashMap<Box<str>, Vec<usize>>,
    /// Names and values of an enum, in declaration order.
    pub values: Vec<(&'static str, i64)>,
    pub flags: bool,
    pub underlying: super::Num,
    pub verdict: Verdict,
}

/// A parameter in a library signature.
#[derive(Clone, Debug)]
pub(crate) struct ParamDef {
    pub name: Box<str>,
    pub ty: Type,
    pub by: PassBy,
    pub default: Option<Const>,
    pub params: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MemberKind {
    Method,
    Constructor,
    Property,
    Indexer,
    Operator,
    Implicit,
    Explicit,
}

/// A member of a library type.
#[derive(Debug)]
pub(crate) struct Member {
    pub owner: DefId,
    pub name: Box<str>,
    pub kind: MemberKind,
    pub is_static: bool,
    pub extension: bool,
    /// Names of the method's own type parameters.
    pub tparams: Vec<Box<str>>,
    /// What the method's first type parameter must derive from (`where T : …`).
    pub bound: Option<Type>,
    pub params: Vec<ParamDef>,
    pub ret: Type,
    pub get: Native,
    pub set: Option<Native>,
    /// Value of a constant member.
    pub constant: Option<Const>,
    /// Refused by the vendor's allow-list (APIM0002).
    pub allowed: bool,
    /// The signature as declared, for messages.
    pub text: &'static str,
}

impl TypeDef {
    /// Members of this name declared here.
    pub(crate) fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Member> {
        self.by_name
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|i| self.members.get(*i))
    }

    pub(crate) fn of_kind(&self, kind: MemberKind) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |m| m.kind == kind)
    }
}

/// All definitions.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub defs: Vec<TypeDef>,
    by_full: HashMap<Box<str>, DefId>,
    pub namespaces: HashSet<Box<str>>,
    /// Extension methods by name.
    extensions: HashMap<Box<str>, Vec<(DefId, usize)>>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::build);

/// The registry, built at first use.
pub(crate) fn registry() -> &'static Registry {
    &REGISTRY
}

impl Registry {
    pub(crate) fn def(&self, id: DefId) -> &TypeDef {
        &self.defs[usize::from(id.0)]
    }

    pub(crate) fn by_full_name(&self, full: &str) -> Option<DefId> {
        self.by_full.get(full).copied()
    }

    /// Names of extension methods, for suggestions.
    pub(crate) fn extension_names(&self) -> impl Iterator<Item = &str> {
        self.extensions.keys().map(|n| &**n)
    }

    pub(crate) fn extensions(&self, name: &str) -> impl Iterator<Item = &Member> {
        self.extensions
            .get(name)
            .into_iter()
            .flatten()
            .map(|(d, i)| &self.def(*d).members[*i])
    }

    /// Type by full name without arguments, for run-time names.
    pub(crate) fn type_named(&self, full: &str) -> Option<Type> {
        self.by_full_name(full).map(Type::Def)
    }

    fn build() -> Registry {
        let mut reg = Registry::default();
        let mut decls: Vec<&'static Decl> = Vec::new();
        let all: Vec<&'static Decl> = lib::TABLES.iter().flat_map(|t| t.iter()).collect();
        let heads: Vec<signature::Head> = all.iter().map(|d| signature::head(d.ty)).collect();
        let mut order: Vec<usize> = Vec::with_capacity(all.len());
        for known in KNOWN {
            order.extend(heads.iter().position(|h| h.full == *known));
        }
        debug_assert_eq!(order.len(), KNOWN.len(), "a known type is not declared");
        order.extend((0..all.len()).filter(|i| !KNOWN.contains(&&*heads[*i].full)));
        for (n, i) in order.iter().enumerate() {
            reg.declare(DefId(n as u16), &heads[*i], all[*i]);
            decls.push(all[*i]);
        }
        // Bases and members need every name declared.
        for (n, decl) in decls.iter().enumerate() {
            let head = &heads[order[n]];
            let (base, interfaces) = signature::bases(&reg, n, head);
            reg.defs[n].base = base;
            reg.defs[n].interfaces = interfaces;
            let generated = lib::generated(&head.full).iter().flat_map(|list| list.iter());
            let members = decl
                .members
                .iter()
                .chain(generated)
                .map(|e| signature::member(&reg, n, e))
                .collect::<Vec<_>>();
            reg.set_members(n, decl, members);
        }
        reg
    }

    fn declare(&mut self, id: DefId, head: &signature::Head, decl: &'static Decl) {
        self.by_full.insert(head.full.clone().into(), id);
        let mut ns = &*head.full;
        while let Some((parent, _)) = ns.rsplit_once('.') {
            self.namespaces.insert(parent.into());
            ns = parent;
        }
        self.defs.push(TypeDef {
            id,
            name: head.name.clone().into(),
            full: head.full.clone().into(),
            kind: head.kind,
            is_abstract: head.is_abstract,
            params: head.params.iter().map(|(p, _)| p.clone().into()).collect(),
            variance: head.params.iter().map(|(_, v)| *v).collect(),
            base: None,
            interfaces: Vec::new(),
            members: Vec::new(),
            by_name: HashMap::new(),
            values: decl.values.to_vec(),
            flags: head.flags,
            underlying: head.underlying,
            verdict: decl.verdict,
        });
    }

    fn set_members(&mut self, n: usize, decl: &Decl, mut members: Vec<Member>) {
        for m in &mut members {
            let generated = lib::generated(&self.defs[n].full);
            let mut entries = decl.members.iter().chain(generated.iter().copied().flatten());
            let denied = entries.any(|e| matches!(e, Entry::Denied(t, _) if *t == m.text));
            m.allowed = !denied
                && match decl.verdict {
                    Verdict::All => true,
                    Verdict::None => false,
                    Verdict::Only(names) => names.contains(&&*m.name),
                };
        }
        for (i, m) in members.iter().enumerate() {
            self.defs[n].by_name.entry(m.name.clone()).or_default().push(i);
            if m.extension {
                self.extensions
                    .entry(m.name.clone())
                    .or_default()
                    .push((DefId(n as u16), i));
            }
        }
        self.defs[n].members = members;
    }
}
