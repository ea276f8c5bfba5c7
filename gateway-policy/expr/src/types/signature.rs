//! Library declarations, written as C#, to definitions.
//!
//! A mistake in a table is a mistake of this crate: it shows as a panic in the test that builds the registry.
#![expect(
    clippy::panic,
    reason = "the tables are program text; a wrong one must fail the first test that runs"
)]

use super::{
    DefId, Num, Type, names,
    registry::{Member, MemberKind, ParamDef, Registry, TypeKind},
};
use crate::{
    Span,
    ir::Const,
    lib::Entry,
    syntax::{
        ast::{ExprKind, Literal, Param, TypeKind as SynKind, TypeSyn},
        parser::Parser,
        token::Tok,
    },
};
use gateway_dotnet::Str;

/// The head of a type declaration, before names can be resolved.
pub(super) struct Head {
    pub full: String,
    pub name: String,
    pub kind: TypeKind,
    pub is_abstract: bool,
    pub flags: bool,
    pub underlying: Num,
    pub params: Vec<(String, i8)>,
    bases: &'static str,
}

/// Reads `[abstract] class Namespace.Name<T, out U> : Base, Interface`.
pub(super) fn head(text: &'static str) -> Head {
    let (left, bases) = text.split_once(" : ").unwrap_or((text, ""));
    let mut words = left.split_whitespace();
    let (mut is_abstract, mut flags) = (false, false);
    let kind = loop {
        match words.next() {
            Some("abstract") => is_abstract = true,
            Some("flags") => flags = true,
            Some("class") => break TypeKind::Class,
            Some("static") => break TypeKind::Static,
            Some("struct") => break TypeKind::Struct,
            Some("interface") => break TypeKind::Interface,
            Some("enum") => break TypeKind::Enum,
            Some("delegate") => break TypeKind::Delegate,
            other => panic!("library declaration {text:?}: unexpected {other:?}"),
        }
    };
    let rest = words.collect::<Vec<_>>().join(" ");
    let (dotted, params) = match rest.split_once('<') {
        Some((n, p)) => (n.to_owned(), p.trim_end_matches('>')),
        None => (rest, ""),
    };
    let params: Vec<(String, i8)> = params
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .map(|p| match p.split_once(' ') {
            Some(("out", n)) => (n.to_owned(), 1),
            Some(("in", n)) => (n.to_owned(), -1),
            _ => (p.to_owned(), 0),
        })
        .collect();
    let name = dotted.rsplit(['.', '+']).next().unwrap_or(&dotted).to_owned();
    let full = if params.is_empty() {
        dotted
    } else if let Some((outer, nested)) = dotted.split_once('+') {
        // A nested type has the parameters of the type around it.
        format!("{outer}`{}+{nested}", params.len())
    } else {
        format!("{dotted}`{}", params.len())
    };
    let underlying = match (kind, bases) {
        (TypeKind::Enum, "byte") => Num::Byte,
        (TypeKind::Enum, "long") => Num::Long,
        _ => Num::Int,
    };
    Head {
        full,
        name,
        kind,
        is_abstract,
        flags,
        underlying,
        params,
        bases,
    }
}

/// Names in scope while a declaration is read.
struct Scope<'a> {
    reg: &'a Registry,
    class: &'a [Box<str>],
    method: &'a [Box<str>],
    text: &'static str,
}

pub(super) fn bases(reg: &Registry, n: usize, head: &Head) -> (Option<Type>, Vec<Type>) {
    if head.bases.is_empty() || head.kind == TypeKind::Enum {
        return (None, Vec::new());
    }
    let scope = Scope {
        reg,
        class: &reg.defs[n].params,
        method: &[],
        text: head.bases,
    };
    let mut parser = parser(head.bases);
    let (mut base, mut interfaces) = (None, Vec::new());
    loop {
        let Ok(syn) = parser.parse_type() else {
            panic!("library bases {:?}", head.bases)
        };
        let ty = scope.resolve(&syn);
        let interface = ty.def().is_some_and(|d| reg.def(d).kind == TypeKind::Interface);
        if interface || head.kind == TypeKind::Interface {
            interfaces.push(ty);
        } else {
            base = Some(ty);
        }
        if !parser.eat_op(",") {
            return (base, interfaces);
        }
    }
}

fn parser(text: &'static str) -> Parser<'static> {
    Parser::new(
        text,
        Span {
            start: 0,
            end: text.len(),
        },
    )
}

/// Reads one member line.
pub(super) fn member(reg: &Registry, n: usize, entry: &Entry) -> Member {
    let mut member = read(reg, n, entry);
    member.constant = entry.constant().cloned();
    member
}

fn read(reg: &Registry, n: usize, entry: &Entry) -> Member {
    let (text, get, set) = entry.parts();
    let mut p = parser(text);
    let bad = || -> ! { panic!("library member {text:?} of {}", reg.defs[n].full) };
    let mut is_static = false;
    let mut kind = MemberKind::Property;
    while let Tok::Keyword(word) = p.peek().clone() {
        match word {
            "static" | "const" => is_static = true,
            "implicit" => kind = MemberKind::Implicit,
            "explicit" => kind = MemberKind::Explicit,
            _ => break,
        }
        p.advance();
    }
    let class = &reg.defs[n].params;
    if p.is_word("ctor") {
        p.advance();
        let scope = Scope {
            reg,
            class,
            method: &[],
            text,
        };
        let params = scope.params(p.parameters().unwrap_or_else(|_| bad()));
        let args: Vec<Type> = (0..class.len()).map(|i| Type::TypeParam(i as u16)).collect();
        let id = DefId(n as u16);
        let ret = if args.is_empty() {
            Type::Def(id)
        } else {
            Type::generic(id, args)
        };
        return build(
            n,
            ".ctor".into(),
            MemberKind::Constructor,
            true,
            vec![],
            params,
            ret,
            text,
            get,
            set,
        );
    }
    if kind != MemberKind::Property {
        p.advance(); // `operator`
        let scope = Scope {
            reg,
            class,
            method: &[],
            text,
        };
        let ret = scope.resolve(&p.parse_type().unwrap_or_else(|_| bad()));
        let params = scope.params(p.parameters().unwrap_or_else(|_| bad()));
        return build(
            n,
            "op_Conversion".into(),
            kind,
            true,
            vec![],
            params,
            ret,
            text,
            get,
            set,
        );
    }
    let ret_syn = p.parse_type().unwrap_or_else(|_| bad());
    if p.is_kw("operator") {
        p.advance();
        let Tok::Op(op) = *p.peek() else { bad() };
        p.advance();
        let scope = Scope {
            reg,
            class,
            method: &[],
            text,
        };
        let params = scope.params(p.parameters().unwrap_or_else(|_| bad()));
        return build(
            n,
            op.into(),
            MemberKind::Operator,
            true,
            vec![],
            params,
            scope.resolve(&ret_syn),
            text,
            get,
            set,
        );
    }
    if p.eat_kw("this") {
        let scope = Scope {
            reg,
            class,
            method: &[],
            text,
        };
        let inner = text.find('[').zip(text.rfind(']')).unwrap_or_else(|| bad());
        let list: &'static str = Box::leak(format!("({})", &text[inner.0 + 1..inner.1]).into_boxed_str());
        let params = scope.params(parser(list).parameters().unwrap_or_else(|_| bad()));
        let ret = scope.resolve(&ret_syn);
        return build(
            n,
            "Item".into(),
            MemberKind::Indexer,
            is_static,
            vec![],
            params,
            ret,
            text,
            get,
            set,
        );
    }
    let name = p.ident().unwrap_or_else(|_| bad()).name;
    let tparams: Vec<Box<str>> = p
        .type_parameters()
        .unwrap_or_else(|_| bad())
        .into_iter()
        .map(|i| i.name)
        .collect();
    let scope = Scope {
        reg,
        class,
        method: &tparams,
        text,
    };
    let ret = scope.resolve(&ret_syn);
    if !p.is_op("(") {
        return build(
            n,
            name,
            MemberKind::Property,
            is_static,
            vec![],
            vec![],
            ret,
            text,
            get,
            set,
        );
    }
    let syn = p.parameters().unwrap_or_else(|_| bad());
    let extension = syn.first().is_some_and(|p| p.this);
    let params = scope.params(syn);
    // `where T : Bound`, of the first type parameter only: no table needs more.
    let bound = p.is_word("where").then(|| {
        p.advance();
        if p.ident().is_err() || !p.eat_op(":") {
            bad();
        }
        scope.resolve(&p.parse_type().unwrap_or_else(|_| bad()))
    });
    let mut m = build(
        n,
        name,
        MemberKind::Method,
        is_static,
        tparams,
        params,
        ret,
        text,
        get,
        set,
    );
    m.extension = extension;
    m.bound = bound;
    m
}

#[expect(
    clippy::too_many_arguments,
    reason = "a constructor for a plain record, used only above"
)]
fn build(
    n: usize,
    name: Box<str>,
    kind: MemberKind,
    is_static: bool,
    tparams: Vec<Box<str>>,
    params: Vec<ParamDef>,
    ret: Type,
    text: &'static str,
    get: crate::lib::Native,
    set: Option<crate::lib::Native>,
) -> Member {
    Member {
        owner: DefId(n as u16),
        name,
        kind,
        is_static,
        extension: false,
        tparams,
        bound: None,
        params,
        ret,
        get,
        set,
        constant: None,
        allowed: true,
        text,
    }
}

impl Scope<'_> {
    fn params(&self, list: Vec<Param>) -> Vec<ParamDef> {
        list.into_iter()
            .map(|p| {
                let ty = p.ty.as_ref().map_or(Type::Error, |t| self.resolve(t));
                let default = p.default.as_ref().map(|e| match &e.kind {
                    ExprKind::Literal(Literal::Bool(b)) => Const::Bool(*b),
                    ExprKind::Literal(Literal::Int(i, _)) => Const::Int(*i as i32),
                    ExprKind::Literal(Literal::Str(s)) => Const::Str(Str::from_utf16(s)),
                    _ => Const::Null,
                });
                ParamDef {
                    name: p.name.name,
                    ty,
                    by: p.by,
                    default,
                    params: p.params,
                }
            })
            .collect()
    }

    fn resolve(&self, syn: &TypeSyn) -> Type {
        match &syn.kind {
            SynKind::Predefined("void") => Type::Void,
            SynKind::Predefined(name) => Type::Def(predefined(name)),
            SynKind::Array(of, rank) => Type::Array(self.resolve(of).into(), *rank),
            SynKind::Nullable(of) => Type::nullable(self.resolve(of)),
            SynKind::Tuple(parts) => Type::Tuple(
                parts.iter().map(|(t, _)| self.resolve(t)).collect(),
                super::TupleNames::default(),
            ),
            SynKind::Omitted => Type::Error,
            SynKind::Name(parts) => {
                let args: Vec<Type> = parts
                    .last()
                    .map(|l| l.args.iter().map(|a| self.resolve(a)).collect())
                    .unwrap_or_default();
                let dotted = parts.iter().map(|p| &*p.ident.name).collect::<Vec<_>>().join(".");
                if args.is_empty() {
                    if let Some(i) = self.method.iter().position(|m| **m == *dotted) {
                        return Type::MethodParam(i as u16);
                    }
                    if let Some(i) = self.class.iter().position(|m| **m == *dotted) {
                        return Type::TypeParam(i as u16);
                    }
                    if dotted == "dynamic" {
                        return Type::Dynamic;
                    }
                }
                let Some(id) = names::resolve_library(self.reg, &dotted, args.len()) else {
                    panic!(
                        "library signature {:?}: unknown type {dotted}`{}",
                        self.text,
                        args.len()
                    )
                };
                if args.is_empty() {
                    Type::Def(id)
                } else {
                    Type::generic(id, args)
                }
            }
        }
    }
}

/// The definition behind a C# keyword.
pub(crate) fn predefined(word: &str) -> DefId {
    match word {
        "bool" => super::BOOL,
        "char" => super::CHAR,
        "sbyte" => super::SBYTE,
        "byte" => super::BYTE,
        "short" => super::SHORT,
        "ushort" => super::USHORT,
        "int" => super::INT,
        "uint" => super::UINT,
        "long" => super::LONG,
        "ulong" => super::ULONG,
        "float" => super::FLOAT,
        "double" => super::DOUBLE,
        "decimal" => super::DECIMAL,
        "string" => super::STRING,
        _ => super::OBJECT,
    }
}
