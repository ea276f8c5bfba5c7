//! What there is: every type and member of the library, and which of them an expression uses.
//!
//! For documentation and for questions about policies. Nothing here runs while a request is served.

use crate::{
    Expression,
    ir::Use,
    lib::Verdict,
    types::{Member, TypeDef, TypeKind, registry},
};

/// A member of the library: its type and itself, both as C# declares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LibraryMember {
    /// Full .NET name of the declaring type with arity: ``System.Collections.Generic.List`1``.
    pub owner: &'static str,
    /// `string Trim()`, `static int Parse(string s)`, `ctor(int capacity)`; of an enum the name of a value.
    pub signature: &'static str,
    /// Whether the vendor's allow-list lets expressions use it (APIM0001, APIM0002).
    pub allowed: bool,
    /// A property or indexer that can be set.
    pub settable: bool,
}

/// A type of the library.
#[derive(Clone, Debug)]
pub struct LibraryType {
    /// Full .NET name with arity; types of the `context` model have no namespace.
    pub full_name: &'static str,
    /// As C# declares it, without the namespace: `class List<T> : IList<T>`.
    pub declaration: String,
    /// Whether the allow-list names it at all.
    pub listed: bool,
    /// Members declared here, in the order of the table; those inherited are with the type that has them.
    pub members: Vec<LibraryMember>,
}

/// Every type, in the order of the tables.
pub fn types() -> impl Iterator<Item = LibraryType> {
    registry().defs.iter().map(describe)
}

fn describe(def: &'static TypeDef) -> LibraryType {
    let listed = !matches!(def.verdict, Verdict::None);
    let values = def.values.iter().map(|(name, _)| value(def, name));
    LibraryType {
        full_name: &def.full,
        declaration: declaration(def),
        listed,
        members: def.members.iter().map(member).chain(values).collect(),
    }
}

fn member(member: &'static Member) -> LibraryMember {
    LibraryMember {
        owner: &registry().def(member.owner).full,
        signature: member.text,
        allowed: member.allowed,
        settable: member.set.is_some(),
    }
}

fn value(def: &'static TypeDef, name: &'static str) -> LibraryMember {
    let allowed = match def.verdict {
        Verdict::All => true,
        Verdict::None => false,
        Verdict::Only(names) => names.contains(&name),
    };
    LibraryMember {
        owner: &def.full,
        signature: name,
        allowed,
        settable: false,
    }
}

fn declaration(def: &TypeDef) -> String {
    let kind = match def.kind {
        TypeKind::Class if def.is_abstract => "abstract class",
        TypeKind::Class => "class",
        TypeKind::Static => "static class",
        TypeKind::Struct => "struct",
        TypeKind::Interface => "interface",
        TypeKind::Enum => "enum",
        TypeKind::Delegate => "delegate",
    };
    let mut out = format!("{kind} {}", def.name);
    if !def.params.is_empty() {
        out += &format!("<{}>", def.params.join(", "));
    }
    let named = |ty: &crate::types::Type| with_parameters(&ty.to_string(), &def.params);
    let parents: Vec<String> = def.base.iter().chain(&def.interfaces).map(named).collect();
    if !parents.is_empty() {
        out += &format!(" : {}", parents.join(", "));
    }
    out
}

/// Puts the names of type parameters where their numbers stand.
fn with_parameters(text: &str, names: &[Box<str>]) -> String {
    let mut out = text.to_owned();
    for (n, name) in names.iter().enumerate() {
        out = out.replace(&format!("T{n}"), name);
    }
    out
}

impl Expression {
    /// The library members it was bound to, each once, in the order they were bound. Members that only `dynamic`
    /// code reaches are not among them: those are looked up when it runs.
    pub fn members(&self) -> Vec<LibraryMember> {
        let mut found: Vec<LibraryMember> = Vec::new();
        for used in &self.program.uses {
            let one = match used {
                Use::Member(m) => member(m),
                Use::Value(def, name) => value(registry().def(*def), name),
            };
            if !found.contains(&one) {
                found.push(one);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile_with;

    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let (expression, _) = compile_with(source, false).unwrap_or_else(|e| panic!("{source}: {e:?}"));
        let found: Vec<String> = expression
            .members()
            .iter()
            .map(|m| format!("{}: {}", m.owner, m.signature))
            .collect();
        let mut found: Vec<&str> = found.iter().map(|f| &**f).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn members_of_an_expression_are_known() {
        check("1 + 2", &[]);
        check(
            "\" a \".Trim().Length",
            &["System.String: string Trim()", "System.String: int Length"],
        );
        // Folded to a constant, and still used.
        check("int.MaxValue", &["System.Int32: const int MaxValue"]);
        check("DayOfWeek.Friday", &["System.DayOfWeek: Friday"]);
        // Operators and conversions.
        check(
            "TimeSpan.Zero + TimeSpan.Zero",
            &[
                "System.TimeSpan: static TimeSpan Zero",
                "System.TimeSpan: static TimeSpan operator +(TimeSpan t1, TimeSpan t2)",
            ],
        );
        check(
            "(int)JToken.Parse(\"1\")",
            &[
                "Newtonsoft.Json.Linq.JToken: static JToken Parse(string json)",
                "Newtonsoft.Json.Linq.JToken: static explicit operator int(JToken value)",
            ],
        );
        // A lambda that is bound several times while overloads are weighed counts once.
        check(
            "new[]{\"a\"}.Select(s => s.Length).Sum()",
            &[
                "System.Linq.Enumerable: static IEnumerable<TResult> Select<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, TResult> selector)",
                "System.String: int Length",
                "System.Linq.Enumerable: static int Sum(this IEnumerable<int> source)",
            ],
        );
    }

    #[test]
    fn types_are_written_as_csharp_declares_them() {
        let text = |full: &str| {
            types()
                .find(|t| t.full_name == full)
                .map(|t| t.declaration)
                .unwrap_or_default()
        };
        assert_eq!(text("System.DayOfWeek"), "enum DayOfWeek");
        assert_eq!(text("System.Math"), "static class Math");
        let list = text("System.Collections.Generic.List`1");
        assert!(list.starts_with("class List<T> : "), "{list}");
        assert!(list.contains("IList<T>"), "{list}");
    }
}
