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
        parser::{Parse, Parser},
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

/// A member line while it is read.
struct Line<'r> {
    reg: &'r Registry,
    n: usize,
    text: &'static str,
    parser: Parser<'static>,
    get: crate::lib::Native,
    set: Option<crate::lib::Native>,
}

fn read(reg: &Registry, n: usize, entry: &Entry) -> Member {
    let (text, get, set) = entry.parts();
    let mut line = Line {
        reg,
        n,
        text,
        parser: parser(text),
        get,
        set,
    };
    let mut is_static = false;
    let mut kind = MemberKind::Property;
    while let Tok::Keyword(word) = line.parser.peek().clone() {
        match word {
            "static" | "const" => is_static = true,
            "implicit" => kind = MemberKind::Implicit,
            "explicit" => kind = MemberKind::Explicit,
            _ => break,
        }
        line.parser.advance();
    }
    if line.parser.is_word("ctor") {
        return line.constructor();
    }
    if kind != MemberKind::Property {
        return line.conversion(kind);
    }
    let ret = line.syntax(Parser::parse_type);
    if line.parser.is_kw("operator") {
        return line.operator(&ret);
    }
    if line.parser.eat_kw("this") {
        return line.indexer(&ret, is_static);
    }
    line.named(&ret, is_static)
}

impl<'r> Line<'r> {
    fn bad(&self) -> ! {
        panic!("library member {:?} of {}", self.text, self.reg.defs[self.n].full)
    }

    /// Something of the line; a table that does not parse is a mistake of this crate.
    fn syntax<T>(&mut self, read: impl FnOnce(&mut Parser<'static>) -> Parse<T>) -> T {
        match read(&mut self.parser) {
            Ok(found) if self.parser.errors.is_empty() => found,
            _ => self.bad(),
        }
    }

    fn scope<'s>(&'s self, method: &'s [Box<str>]) -> Scope<'s> {
        Scope {
            reg: self.reg,
            class: &self.reg.defs[self.n].params,
            method,
            text: self.text,
        }
    }

    fn parameters(&mut self) -> Vec<ParamDef> {
        let list = self.syntax(Parser::parameters);
        self.scope(&[]).params(list)
    }

    fn member(&self, name: &str, kind: MemberKind, params: Vec<ParamDef>, ret: Type) -> Member {
        Member {
            owner: DefId(self.n as u16),
            name: name.into(),
            kind,
            is_static: true,
            extension: false,
            tparams: Vec::new(),
            bound: None,
            params,
            ret,
            get: self.get,
            set: self.set,
            constant: None,
            allowed: true,
            text: self.text,
        }
    }

    fn constructor(mut self) -> Member {
        self.parser.advance();
        let params = self.parameters();
        let id = DefId(self.n as u16);
        let count = self.reg.defs[self.n].params.len();
        let args: Vec<Type> = (0..count).map(|i| Type::TypeParam(i as u16)).collect();
        let ret = if args.is_empty() {
            Type::Def(id)
        } else {
            Type::generic(id, args)
        };
        self.member(".ctor", MemberKind::Constructor, params, ret)
    }

    fn conversion(mut self, kind: MemberKind) -> Member {
        self.parser.advance(); // `operator`
        let ret = self.syntax(Parser::parse_type);
        let ret = self.scope(&[]).resolve(&ret);
        let params = self.parameters();
        self.member("op_Conversion", kind, params, ret)
    }

    fn operator(mut self, ret: &TypeSyn) -> Member {
        self.parser.advance();
        let Tok::Op(op) = *self.parser.peek() else {
            self.bad()
        };
        self.parser.advance();
        let params = self.parameters();
        let ret = self.scope(&[]).resolve(ret);
        self.member(op, MemberKind::Operator, params, ret)
    }

    fn indexer(self, ret: &TypeSyn, is_static: bool) -> Member {
        let Some((open, close)) = self.text.find('[').zip(self.text.rfind(']')) else {
            self.bad()
        };
        let list: &'static str = Box::leak(format!("({})", &self.text[open + 1..close]).into_boxed_str());
        let Ok(list) = parser(list).parameters() else {
            self.bad()
        };
        let scope = self.scope(&[]);
        let (params, ret) = (scope.params(list), scope.resolve(ret));
        Member {
            is_static,
            ..self.member("Item", MemberKind::Indexer, params, ret)
        }
    }

    /// A method, or a property when no parameters follow its name.
    fn named(mut self, ret: &TypeSyn, is_static: bool) -> Member {
        let name = self.syntax(Parser::ident).name;
        let tparams: Vec<Box<str>> = self
            .syntax(Parser::type_parameters)
            .into_iter()
            .map(|i| i.name)
            .collect();
        let ret = self.scope(&tparams).resolve(ret);
        if !self.parser.is_op("(") {
            return Member {
                is_static,
                ..self.member(&name, MemberKind::Property, Vec::new(), ret)
            };
        }
        let list = self.syntax(Parser::parameters);
        let extension = list.first().is_some_and(|p| p.this);
        let params = self.scope(&tparams).params(list);
        let bound = self.bound(&tparams);
        Member {
            is_static,
            extension,
            bound,
            tparams,
            ..self.member(&name, MemberKind::Method, params, ret)
        }
    }

    /// `where T : Bound`, of the first type parameter only: no table needs more.
    fn bound(&mut self, tparams: &[Box<str>]) -> Option<Type> {
        if !self.parser.eat_word("where") {
            return None;
        }
        self.syntax(Parser::ident);
        if !self.parser.eat_op(":") {
            self.bad();
        }
        let syn = self.syntax(Parser::parse_type);
        Some(self.scope(tparams).resolve(&syn))
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
