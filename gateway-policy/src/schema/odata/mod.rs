//! OData requests: is the URL one that the conventions, and the metadata if it is at hand, admit.
//!
//! Source: OData 4.01 URL Conventions. Checked are the resource path, key predicates, system query options and the
//! expressions in them. `$apply` is an extension and only has to be balanced.

mod expression;
mod model;
#[cfg(test)]
mod tests;

use expression::{Kind, Parser};
pub use model::ODataModel;
use model::{Item, TypeRef};

/// Segments of a path, and levels of `$expand` inside each other.
const SEGMENTS_MAX: usize = 50;
const EXPAND_MAX: usize = 20;

/// A version: 4.0, 4.01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32);

impl Version {
    /// Reads `4.0`; what follows a semicolon is of old clients and says nothing.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.split(';').next().unwrap_or("").trim();
        let (major, minor) = text.split_once('.')?;
        let good = |t: &str| (1..=2).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
        if !good(major) || !good(minor) {
            return None;
        }
        // 4.01 is between 4.0 and 4.1: its digits are a decimal fraction.
        let fraction: u32 = format!("{minor:0<2}").parse().ok()?;
        Some(Self(major.parse::<u32>().ok()? * 100 + fraction))
    }

    /// Options may leave out their `$`, and be of any case.
    fn is_lenient(self) -> bool {
        self >= Version(401)
    }
}

/// Characters of a text shown in a message.
const SHOWN_CHARS: usize = 100;

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

const OPTIONS: [&str; 16] = [
    "$filter",
    "$orderby",
    "$select",
    "$expand",
    "$top",
    "$skip",
    "$count",
    "$search",
    "$format",
    "$skiptoken",
    "$deltatoken",
    "$apply",
    "$compute",
    "$index",
    "$id",
    "$schemaversion",
];

/// What is wrong with a request: its decoded path behind the service's root, and its decoded query options.
pub(crate) fn check(
    model: Option<&ODataModel>,
    version: Version,
    path: &str,
    options: &[(String, String)],
) -> Result<(), String> {
    let subject = resource(model, path)?;
    let mut seen: Vec<String> = Vec::new();
    let mut computed = Vec::new();
    let mut named = Vec::new();
    for (name, value) in options {
        let name = match system(name, version)? {
            Some(name) => name,
            None => {
                if name.starts_with('@') {
                    whole(Parser::new(value, model, None))?;
                }
                continue;
            }
        };
        if seen.contains(&name) {
            return Err(format!(
                "Query option '{name}' was specified more than once, but it must be specified at most once."
            ));
        }
        seen.push(name.clone());
        named.push((name, value));
    }
    // What `$compute` makes, the others may use.
    named.sort_by_key(|(name, _)| *name != "$compute");
    for (name, value) in named {
        option(&name, value, model, subject.as_ref(), &mut computed, 0)?;
    }
    Ok(())
}

/// The system query option that a name means; `None`: it is the client's own.
fn system(name: &str, version: Version) -> Result<Option<String>, String> {
    let lower = name.to_ascii_lowercase();
    let with = if lower.starts_with('$') {
        lower
    } else {
        format!("${lower}")
    };
    let known = OPTIONS.contains(&with.as_str());
    if version.is_lenient() && known {
        return Ok(Some(with));
    }
    if !name.starts_with('$') {
        return Ok(None);
    }
    if OPTIONS.contains(&name) {
        return Ok(Some(name.to_owned()));
    }
    Err(format!("The query parameter '{}' is not supported.", short(name)))
}

fn whole(mut parser: Parser<'_>) -> Result<Kind, String> {
    let kind = parser.expression()?;
    if parser.done() { Ok(kind) } else { parser.syntax() }
}

fn option(
    name: &str,
    value: &str,
    model: Option<&ODataModel>,
    subject: Option<&TypeRef>,
    computed: &mut Vec<String>,
    depth: usize,
) -> Result<(), String> {
    let mut parser = Parser::new(value, model, subject.cloned());
    parser.computed.clone_from(computed);
    match name {
        "$filter" => {
            let kind = whole(parser)?;
            if !matches!(kind, Kind::Boolean | Kind::Other) {
                return Err("The $filter expression must evaluate to a single boolean value.".to_owned());
            }
        }
        "$orderby" => loop {
            parser.expression()?;
            parser.blank();
            let rest = parser.rest();
            if let Some(word) = ["asc", "desc"].iter().find(|w| rest.starts_with(**w)) {
                parser.at += word.len();
            }
            if parser.done() {
                break;
            }
            parser.expect(',')?;
        },
        "$compute" => loop {
            parser.expression()?;
            parser.blank();
            if !parser.rest().starts_with("as ") {
                return parser.syntax();
            }
            parser.at += 3;
            parser.blank();
            match parser.name() {
                Some(alias) => computed.push(alias.to_owned()),
                None => return parser.syntax(),
            }
            if parser.done() {
                break;
            }
            parser.expect(',')?;
        },
        "$select" | "$expand" => items(&mut parser, name == "$expand", depth)?,
        "$top" | "$skip" => {
            let good = !value.is_empty()
                && value.bytes().all(|b| b.is_ascii_digit())
                && value.parse::<u32>().is_ok();
            if !good {
                return Err(format!(
                    "Invalid value '{}' for {name} query option found. The {name} query option requires a non-negative integer value.",
                    short(value)
                ));
            }
        }
        "$index" if value.parse::<i32>().is_err() => {
            return Err(format!(
                "Invalid value '{}' for $index query option found.",
                short(value)
            ));
        }
        "$count" if !matches!(value, "true" | "false") => {
            return Err(format!(
                "Invalid value '{}' for $count query option found. Valid values are 'true' and 'false'.",
                short(value)
            ));
        }
        "$levels" if value != "max" && value.parse::<u32>().is_err() => {
            return Err(format!(
                "Invalid value '{}' for $levels option found.",
                short(value)
            ));
        }
        "$search" => search(&mut parser)?,
        "$apply" => balanced(value)?,
        "$format" if value.is_empty() => return Err("The value of $format is empty.".to_owned()),
        // Tokens are the service's own.
        _ => {}
    }
    Ok(())
}

/// `Name,Address/City,*` of `$select` and `$expand`, with options in parentheses.
fn items(parser: &mut Parser<'_>, expand: bool, depth: usize) -> Result<(), String> {
    if depth > EXPAND_MAX {
        return Err("$expand is nested too deep.".to_owned());
    }
    if parser.done() {
        return parser.syntax();
    }
    loop {
        parser.blank();
        let mut ty = parser.subject.clone();
        let mut first = true;
        loop {
            if parser.eat('*') {
                ty = None;
            } else {
                let Some(name) = parser.name() else {
                    return parser.syntax();
                };
                match name {
                    "$ref" | "$count" | "$value" if !first => {}
                    _ => {
                        let from = ty.clone();
                        ty = parser.segment(name, ty, first)?;
                        // Structural parts may lead there; what is expanded are entities.
                        let last = !parser.rest().starts_with('/');
                        if let (true, true, Some(model), Some(from)) = (expand, last, parser.model, &from)
                            && !name.contains('.')
                            && model.is_structured(&from.name)
                            && ty.is_some()
                            && !model.is_navigation(&from.name, name)
                        {
                            return Err(format!(
                                "Property '{}' on type '{}' is not a navigation property or complex property. Only navigation properties can be expanded.",
                                short(name),
                                from.name
                            ));
                        }
                    }
                }
                // `Ns.*`
                if parser.rest().starts_with(".*") {
                    parser.at += 2;
                }
            }
            first = false;
            if !parser.rest().starts_with('/') {
                break;
            }
            parser.at += 1;
        }
        if parser.rest().starts_with('(') {
            nested(parser, ty, depth)?;
        }
        if parser.eat(',') {
            continue;
        }
        return if parser.done() { Ok(()) } else { parser.syntax() };
    }
}

/// `($filter=…;$select=…)`
fn nested(parser: &mut Parser<'_>, ty: Option<TypeRef>, depth: usize) -> Result<(), String> {
    let rest = parser.rest();
    let Some(length) = closing(rest) else {
        return parser.syntax();
    };
    let inside = &rest[1..length];
    parser.at += length + 1;
    let subject = ty.map(|t| TypeRef { many: true, ..t });
    let mut computed = Vec::new();
    for part in parts(inside, ';') {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!("Syntax error at position 0 in '{}'.", short(part)));
        };
        let name = name.trim().to_ascii_lowercase();
        let name = if name.starts_with('$') {
            name
        } else {
            format!("${name}")
        };
        if name != "$levels" && !OPTIONS.contains(&name.as_str()) {
            return Err(format!(
                "The query parameter '{}' is not supported.",
                short(&name)
            ));
        }
        option(
            &name,
            value,
            parser.model,
            subject.as_ref(),
            &mut computed,
            depth + 1,
        )?;
    }
    Ok(())
}

/// Where the parenthesis that a text starts with ends.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0_usize, false);
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

/// Parts between separators that are not inside parentheses or quotes.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let (mut out, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, false);
    for (i, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            c if c == separator && !quoted && depth == 0 => {
                out.push(&text[from..i]);
                from = i + c.len_utf8();
            }
            _ => {}
        }
    }
    out.push(&text[from..]);
    out.retain(|p| !p.trim().is_empty());
    out
}

fn balanced(text: &str) -> Result<(), String> {
    let wrapped = format!("({text})");
    if closing(&wrapped) == Some(wrapped.len() - 1) && !text.is_empty() {
        Ok(())
    } else {
        Err(format!("Syntax error in '{}'.", short(text)))
    }
}

/// Words and phrases with `AND`, `OR`, `NOT` and parentheses.
fn search(parser: &mut Parser<'_>) -> Result<(), String> {
    let (mut open, mut wants) = (0_usize, true);
    loop {
        if parser.done() {
            return if open == 0 && !wants {
                Ok(())
            } else {
                parser.syntax()
            };
        }
        if parser.eat('(') {
            open += 1;
            wants = true;
            continue;
        }
        if parser.eat(')') {
            if open == 0 || wants {
                return parser.syntax();
            }
            open -= 1;
            continue;
        }
        let rest = parser.rest();
        if let Some(phrase) = rest.strip_prefix('"') {
            let Some(end) = phrase.find('"').filter(|end| *end > 0) else {
                return parser.syntax();
            };
            parser.at += end + 2;
            wants = false;
            continue;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        match word {
            "AND" | "OR" if wants => return parser.syntax(),
            "AND" | "OR" | "NOT" => wants = true,
            _ => wants = false,
        }
        parser.at += end;
    }
}

/// What a path leads to.
fn resource(model: Option<&ODataModel>, path: &str) -> Result<Option<TypeRef>, String> {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    if segments.len() > SEGMENTS_MAX {
        return Err("The URL has too many segments.".to_owned());
    }
    let mut ty: Option<TypeRef> = None;
    let mut known = model.is_some();
    for (i, segment) in segments.iter().enumerate() {
        let last = i + 1 == segments.len();
        let (name, predicate) = match segment.find('(') {
            Some(open) => (&segment[..open], Some(&segment[open..])),
            None => (*segment, None),
        };
        match name {
            "$metadata" | "$batch" | "$crossjoin" | "$all" | "$entity" if i == 0 => return Ok(None),
            "$count" | "$value" | "$ref" | "$query" if i > 0 && predicate.is_none() => {
                if !last && name != "$ref" {
                    return Err(format!(
                        "The request URI is not valid. The segment '{name}' must be the last segment."
                    ));
                }
                continue;
            }
            name if name.starts_with('$') => {
                return Err(format!("Resource not found for the segment '{}'.", short(name)));
            }
            _ => {}
        }
        if let Some(model) = model.filter(|_| known) {
            let next = step(model, name, i == 0, ty.as_ref())?;
            known = next.is_some();
            ty = next;
        }
        let called = model.is_some_and(|m| {
            let import = m.item(name).filter(|_| i == 0);
            matches!(import, Some(Item::Function(_) | Item::Action(_))) || m.operation(name).is_some()
        });
        match predicate {
            // Parameters, not keys.
            Some(predicate) if called => keys(None, predicate, None)?,
            Some(predicate) => {
                keys(model, predicate, ty.as_ref())?;
                ty = ty.map(|t| TypeRef { many: false, ..t });
            }
            None => {}
        }
    }
    Ok(ty)
}

/// Where one segment leads; `None`: nobody knows.
fn step(
    model: &ODataModel,
    name: &str,
    first: bool,
    ty: Option<&TypeRef>,
) -> Result<Option<TypeRef>, String> {
    let missing = || Err(format!("Resource not found for the segment '{}'.", short(name)));
    if first {
        return match model.item(name).or_else(|| model.operation(name)) {
            Some(Item::Entities(ty)) => Ok(Some(ty.clone())),
            Some(Item::Function(returns) | Item::Action(returns)) => Ok(returns.clone()),
            None => missing(),
        };
    }
    let Some(ty) = ty else {
        return Ok(None);
    };
    let parser = Parser::new("", Some(model), None);
    let found = parser.segment(name, Some(ty.clone()), false);
    match found {
        Ok(found) => Ok(found),
        // A key written as a segment.
        Err(_) if ty.many && !name.contains('.') => Ok(Some(TypeRef {
            many: false,
            ..ty.clone()
        })),
        Err(_) => missing(),
    }
}

/// `(1)`, `(a=1,b='x')`, `()`.
fn keys(model: Option<&ODataModel>, predicate: &str, ty: Option<&TypeRef>) -> Result<(), String> {
    let bad = || Err("Bad Request - Error in query syntax.".to_owned());
    if closing(predicate) != Some(predicate.len() - 1) {
        return bad();
    }
    let inside = &predicate[1..predicate.len() - 1];
    let known = match (model, ty) {
        (Some(model), Some(ty)) if ty.many => model.keys(&ty.name),
        _ => &[],
    };
    let list = parts(inside, ',');
    for part in &list {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) if !name.contains('\'') => (Some(name.trim()), value),
            _ => (None, *part),
        };
        match name {
            Some(name) if !known.is_empty() && !known.iter().any(|k| k == name) => return bad(),
            None if list.len() > 1 => return bad(),
            _ => {}
        }
        // Only values, no properties.
        if whole(Parser::new(value, None, None)).is_err() {
            return bad();
        }
    }
    if known.len() > 1 && list.len() != known.len() {
        return Err(format!(
            "The number of keys specified in the URI does not match number of key properties for the resource '{}'.",
            ty.map_or("", |t| &t.name)
        ));
    }
    Ok(())
}
