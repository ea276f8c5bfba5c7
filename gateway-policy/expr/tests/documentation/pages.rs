//! From types, members and rows to Markdown.

use std::{collections::HashMap, fmt::Write as _};

use gateway_expr::catalogue::{self, LibraryMember, LibraryType};
use serde_json::Value as Json;

use crate::{chapter, examples};
use examples::Row;

/// Longest text of a result that is shown whole.
const WIDEST: usize = 90;

/// Longest string of a context that is shown whole: certificates are longer.
const WIDEST_IN_CONTEXT: usize = 48;

type Shown<'r> = HashMap<LibraryMember, &'r Row>;

/// Every page: its name below `docs/`, and its text.
pub(crate) fn all(rows: &[Row]) -> Vec<(String, String)> {
    let shown = examples::by_member(rows);
    let types: Vec<LibraryType> = catalogue::types().collect();
    let mut spaces: Vec<&str> = types.iter().filter(|t| documented(t)).map(namespace).collect();
    spaces.sort_unstable();
    spaces.dedup();
    let mut pages = Vec::new();
    let mut index = String::new();
    for space in spaces {
        let mut here: Vec<&LibraryType> = types
            .iter()
            .filter(|t| documented(t) && namespace(t) == space)
            .collect();
        here.sort_by_key(|t| t.full_name);
        let file = format!("expressions/{space}.md");
        let members = here.iter().map(|t| allowed(t).count()).sum::<usize>();
        let names: Vec<String> = here.iter().map(|t| cell(name(t))).collect();
        let _ = writeln!(index, "| [{space}]({file}) | {members} | {} |", names.join(", "));
        pages.push((file, page(space, &here, &shown)));
    }
    let refused: Vec<String> = types
        .iter()
        .filter(|t| !t.listed && t.full_name.contains('.'))
        .map(|t| cell(t.full_name))
        .collect();
    pages.push((
        "expressions.md".to_owned(),
        chapter::render(rows, &index, &refused),
    ));
    pages
}

fn allowed(t: &LibraryType) -> impl Iterator<Item = &LibraryMember> {
    t.members.iter().filter(|m| m.allowed)
}

fn documented(t: &LibraryType) -> bool {
    t.listed && allowed(t).next().is_some()
}

/// The page a type belongs to: its namespace; `context` for the gateway's own model.
fn namespace(t: &LibraryType) -> &str {
    t.full_name.rsplit_once('.').map_or("context", |(space, _)| space)
}

/// The name as declared: `Dictionary<TKey, TValue>`.
fn name(t: &LibraryType) -> &str {
    let head = t.declaration.split(" : ").next().unwrap_or_default();
    let kinds = ["class ", "struct ", "interface ", "enum ", "delegate "];
    let found = kinds.iter().find_map(|kind| head.split_once(kind));
    found.map_or(head, |(_, name)| name)
}

fn page(space: &str, types: &[&LibraryType], shown: &Shown<'_>) -> String {
    let mut out = format!(
        "<!-- Made from the library's tables and the recorded rows: {}. -->\n# {}\n\n",
        crate::ADVICE,
        if space == "context" {
            "The context model"
        } else {
            space
        }
    );
    out += "Each example is evaluated by a test; the results are the real compiler's, except where a note says \
            otherwise. [All namespaces](../expressions.md#types-and-members).\n";
    for t in types {
        let _ = write!(
            out,
            "\n## {}\n\n`{}`\n\n",
            name(t).replace('<', "\\<"),
            t.declaration
        );
        if t.declaration.starts_with("enum ") {
            values(&mut out, t, shown);
        } else {
            members(&mut out, t, shown);
        }
        let refused: Vec<String> = t
            .members
            .iter()
            .filter(|m| !m.allowed)
            .map(|m| format!("`{}`", m.signature))
            .collect();
        if !refused.is_empty() {
            let _ = writeln!(out, "\nNot on the allow-list (APIM0002): {}.", refused.join(", "));
        }
        for (class, why) in ABSENT {
            let absent: Vec<String> = absent(t, class).map(cell).collect();
            if !absent.is_empty() {
                let _ = writeln!(out, "\n{why}: {}.", absent.join(", "));
            }
        }
    }
    out
}

/// Why members of .NET are not here, by the class that `absent.tsv` gives them.
const ABSENT: [(&str, &str); 6] = [
    ("missing", "In .NET Core 3.1 and not here"),
    ("unlisted", "Not here, for the vendor allows this type in part"),
    (
        "refused",
        "Not here, for they take or give types that are not on the allow-list",
    ),
    (
        "ref",
        "Not here, for they take or give spans, memory, pointers or references, which no expression can hold",
    ),
    (
        "async",
        "Not here, for they are asynchronous, and an expression cannot wait",
    ),
    (
        "outside",
        "Not here, for they reach files, streams, handles or serialization, which are outside an expression",
    ),
];

/// Members of .NET that the type lacks here: `absent.tsv` has type, name, number of parameters, number of
/// members of that name and number which are here, class and signature.
fn absent<'t>(t: &LibraryType, class: &'t str) -> impl Iterator<Item = &'static str> + use<'t> {
    let here: Vec<(String, usize)> = t.members.iter().map(|m| called(m.signature)).collect();
    let full = t.full_name;
    include_str!("absent.tsv").lines().filter_map(move |line| {
        let mut fields = line.splitn(6, '\t');
        let (of, name) = (fields.next()?, fields.next()?);
        let count: usize = fields.next()?.parse().ok()?;
        let known: usize = fields.next()?.parse().ok()?;
        let (group, signature) = (fields.next()?, fields.next()?);
        if of != full || group != class {
            return None;
        }
        let now = here.iter().filter(|(n, c)| n == name && *c == count).count();
        assert_eq!(
            now, known,
            "{full}.{name}: if `{signature}` came, take it off absent.tsv; else correct the number there"
        );
        Some(signature)
    })
}

/// Name and number of parameters of a member as the tables declare it.
fn called(signature: &str) -> (String, usize) {
    let signature = signature.split(" where ").next().unwrap_or(signature);
    let Some(at) = signature
        .find(['(', '['])
        .filter(|_| signature.ends_with([')', ']']))
    else {
        return (signature.rsplit(' ').next().unwrap_or_default().to_owned(), 0);
    };
    let (head, list) = signature.split_at(at);
    let (mut depth, mut commas) = (0, 0);
    for c in list[1..list.len() - 1].chars() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
    }
    let count = if list.len() == 2 { 0 } else { commas + 1 };
    let head = head.split('<').next().unwrap_or(head);
    (head.rsplit(' ').next().unwrap_or(head).to_owned(), count)
}

fn members(out: &mut String, t: &LibraryType, shown: &Shown<'_>) {
    out.push_str("| member | example | result |\n|---|---|---|\n");
    let mut notes: Vec<&str> = Vec::new();
    for m in allowed(t) {
        let Some(row) = shown.get(m) else { continue };
        let mark = row.own.as_deref().map_or(String::new(), |why| {
            let n = notes.iter().position(|n| *n == why).unwrap_or_else(|| {
                notes.push(why);
                notes.len() - 1
            });
            format!(" ({})", n + 1)
        });
        let signature = cell(&csharp(t, m));
        let _ = writeln!(out, "| {signature} | {} | {}{mark} |", example(row), result(row));
    }
    for (n, why) in notes.iter().enumerate() {
        let _ = write!(out, "\n({}) Not recorded: {why}.\n", n + 1);
    }
}

/// An enum: its values, and the examples that show them.
fn values(out: &mut String, t: &LibraryType, shown: &Shown<'_>) {
    let names: Vec<String> = allowed(t).map(|m| format!("`{}`", m.signature)).collect();
    let _ = write!(out, "{}\n\n| example | result |\n|---|---|\n", names.join(", "));
    let mut seen: Vec<&str> = Vec::new();
    for row in allowed(t).filter_map(|m| shown.get(m)) {
        if !seen.contains(&&*row.source) {
            seen.push(&row.source);
            let _ = writeln!(out, "| {} | {} |", example(row), result(row));
        }
    }
}

/// The signature as C# writes it: constructors by their type's name, properties with their accessors.
fn csharp(t: &LibraryType, m: &LibraryMember) -> String {
    if let Some(parameters) = m.signature.strip_prefix("ctor") {
        return format!("new {}{parameters}", name(t));
    }
    // `byte[](JToken value)` would read as a link.
    let signature = m.signature.replace("[](", "[] (");
    let method = m.signature.contains('(') && !m.signature.contains("this[");
    match (method || m.signature.starts_with("const "), m.settable) {
        (true, _) => signature,
        (false, true) => format!("{signature} {{ get; set; }}"),
        (false, false) => format!("{signature} {{ get; }}"),
    }
}

/// Expression and context of a row.
pub(crate) fn example(row: &Row) -> String {
    if row.context.is_null() {
        return cell(&row.source);
    }
    let mut context = row.context.clone();
    shorten(&mut context);
    format!("{} with {}", cell(&row.source), cell(&context.to_string()))
}

fn shorten(json: &mut Json) {
    match json {
        Json::String(s) if s.chars().count() > WIDEST_IN_CONTEXT => {
            *s = s.chars().take(WIDEST_IN_CONTEXT / 2).chain(['…']).collect();
        }
        Json::Array(items) => items.iter_mut().for_each(shorten),
        Json::Object(map) => map.values_mut().for_each(shorten),
        _ => {}
    }
}

/// What came out: a text, null, an exception, or the codes of the refusal.
pub(crate) fn result(row: &Row) -> String {
    let text = |name: &str| row.result[name].as_str().unwrap_or_default();
    if row.result["null"] == true {
        return "`null`".to_owned();
    }
    if let Some(kind) = row.result["throws"].as_str() {
        return format!("throws `{}`", kind.strip_prefix("System.").unwrap_or(kind));
    }
    if let Some(codes) = row.result["compile"].as_array() {
        let codes: Vec<&str> = codes.iter().filter_map(Json::as_str).collect();
        return format!("does not compile: {}", codes.join(", "));
    }
    let whole = text("text");
    let cut: String = whole.chars().take(WIDEST).collect();
    cell(&if cut.len() < whole.len() { cut + "…" } else { cut })
}

/// A table cell of code: backticks as many as it takes, bars and line ends escaped.
pub(crate) fn cell(code: &str) -> String {
    let code = code.replace('|', "\\|").replace('\n', " ");
    // A control character is shown as C# writes it: a page is text.
    let shown = |c: char| {
        if c.is_control() {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    let code: String = code.chars().map(shown).collect();
    if code.is_empty() {
        return "(empty)".to_owned();
    }
    match code.contains('`') {
        true => format!("`` {code} ``"),
        false => format!("`{code}`"),
    }
}
