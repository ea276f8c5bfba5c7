//! How types are written: as C# in diagnostics, as .NET names at run time.

use std::fmt::{self, Write};

use super::{TupleNames, Type, known, registry};

/// C# keyword of a predefined type.
pub(crate) fn keyword(def: super::DefId) -> Option<&'static str> {
    Some(match def {
        known::OBJECT => "object",
        known::BOOL => "bool",
        known::CHAR => "char",
        known::SBYTE => "sbyte",
        known::BYTE => "byte",
        known::SHORT => "short",
        known::USHORT => "ushort",
        known::INT => "int",
        known::UINT => "uint",
        known::LONG => "long",
        known::ULONG => "ulong",
        known::FLOAT => "float",
        known::DOUBLE => "double",
        known::DECIMAL => "decimal",
        known::STRING => "string",
        _ => return None,
    })
}

impl fmt::Display for Type {
    /// As C# writes it in messages: `List<string>`, `int?`, `(int a, string b)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("<null>"),
            Type::Void => f.write_str("void"),
            Type::Error => f.write_str("?"),
            Type::Dynamic => f.write_str("dynamic"),
            Type::Def(d) => f.write_str(keyword(*d).unwrap_or(&registry().def(*d).name)),
            Type::Gen(d, args) if *d == known::NULLABLE => {
                write!(f, "{}?", args.first().unwrap_or(&Type::Error))
            }
            Type::Gen(d, args) => {
                f.write_str(&registry().def(*d).name)?;
                list(f, '<', args, '>')
            }
            Type::Open(d) => write!(f, "{}<>", registry().def(*d).name),
            Type::Array(of, rank) => {
                // The outermost rank is written first.
                let mut inner = &**of;
                let mut ranks = format!("[{}]", ",".repeat(usize::from(*rank).saturating_sub(1)));
                while let Type::Array(of, rank) = inner {
                    let _ = write!(ranks, "[{}]", ",".repeat(usize::from(*rank).saturating_sub(1)));
                    inner = of;
                }
                write!(f, "{inner}{ranks}")
            }
            Type::Tuple(items, names) => {
                f.write_char('(')?;
                for (i, item) in items.iter().enumerate() {
                    let sep = if i == 0 { "" } else { ", " };
                    write!(f, "{sep}{item}")?;
                    if let Some(Some(name)) = names.0.as_ref().and_then(|n| n.get(i)) {
                        write!(f, " {name}")?;
                    }
                }
                f.write_char(')')
            }
            Type::Anon(members, _) => {
                f.write_str("<anonymous type: ")?;
                for (i, (name, ty)) in members.iter().enumerate() {
                    let sep = if i == 0 { "" } else { ", " };
                    write!(f, "{sep}{ty} {name}")?;
                }
                f.write_char('>')
            }
            Type::TypeParam(n) | Type::MethodParam(n) => write!(f, "T{n}"),
            Type::Param(p) => f.write_str(&p.name),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, open: char, items: &[Type], close: char) -> fmt::Result {
    f.write_char(open)?;
    for (i, item) in items.iter().enumerate() {
        let sep = if i == 0 { "" } else { ", " };
        write!(f, "{sep}{item}")?;
    }
    f.write_char(close)
}

impl Type {
    /// `Type.ToString()`: `System.Collections.Generic.List`1[System.String]`.
    pub(crate) fn net_name(&self) -> String {
        let mut out = String::new();
        self.write_net(&mut out);
        out
    }

    fn write_net(&self, out: &mut String) {
        match self {
            Type::Null | Type::Error | Type::Void => out.push_str("System.Void"),
            Type::Dynamic => out.push_str("System.Object"),
            Type::Def(d) => out.push_str(&registry().def(*d).full),
            Type::Open(d) => {
                out.push_str(&registry().def(*d).full);
                let params: Vec<&str> = registry().def(*d).params.iter().map(|p| &**p).collect();
                let _ = write!(out, "[{}]", params.join(","));
            }
            Type::Gen(d, args) => {
                out.push_str(&registry().def(*d).full);
                write_args(out, args.iter());
            }
            Type::Array(of, rank) => {
                of.write_net(out);
                let _ = write!(out, "[{}]", ",".repeat(usize::from(*rank).saturating_sub(1)));
            }
            Type::Tuple(items, _) => {
                // The eighth argument of a long tuple is the tuple of the rest.
                if let Some((first, rest)) = items.split_at_checked(7).filter(|(_, rest)| !rest.is_empty()) {
                    out.push_str("System.ValueTuple`8");
                    let rest = Type::Tuple(rest.into(), TupleNames::default());
                    write_args(out, first.iter().chain(std::iter::once(&rest)));
                    return;
                }
                let _ = write!(out, "System.ValueTuple`{}", items.len());
                write_args(out, items.iter());
            }
            Type::Anon(members, number) if members.is_empty() => {
                let _ = write!(out, "<>f__AnonymousType{}", number.0);
            }
            Type::Anon(members, number) => {
                let _ = write!(out, "<>f__AnonymousType{}`{}", number.0, members.len());
                write_args(out, members.iter().map(|(_, t)| t));
            }
            Type::TypeParam(_) | Type::MethodParam(_) => out.push('T'),
            Type::Param(p) => out.push_str(&p.name),
        }
    }
}

fn write_args<'a>(out: &mut String, args: impl Iterator<Item = &'a Type>) {
    out.push('[');
    for (i, arg) in args.enumerate() {
        if i > 0 {
            out.push(',');
        }
        arg.write_net(out);
    }
    out.push(']');
}
