//! Preprocessor directives: conditional text, regions, and the ones a compiler takes note of and policies ignore.
//!
//! No symbol is defined, and none can be: the compiler sees an expression in the middle of its own source.

/// What a line with a directive asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Directive<'t> {
    /// `#pragma`, `#line`, `#warning`: nothing to do.
    Nothing,
    Region,
    EndRegion,
    /// `#if` with the value of its condition.
    If(bool),
    /// `#elif` with the value of its condition.
    Elif(bool),
    Else,
    Endif,
    /// `#error text`
    Error(&'t str),
    /// `#define`, `#undef`
    Define,
    Unknown,
}

/// Reads the line behind the `#`.
pub(super) fn read(line: &str) -> Directive<'_> {
    let line = line.split("//").next().unwrap_or(line).trim();
    let end = line.find(|c: char| !c.is_alphabetic()).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    match word {
        "region" => Directive::Region,
        "endregion" => Directive::EndRegion,
        "pragma" | "line" | "warning" => Directive::Nothing,
        "if" => Directive::If(condition(rest)),
        "elif" => Directive::Elif(condition(rest)),
        "else" => Directive::Else,
        "endif" => Directive::Endif,
        "error" => Directive::Error(rest.trim()),
        "define" | "undef" => Directive::Define,
        _ => Directive::Unknown,
    }
}

/// The value of a condition: symbols are undefined, so only `true`, `!` and the operators matter.
fn condition(text: &str) -> bool {
    let mut rest = text;
    or(&mut rest, 0)
}

/// Deepest nesting of parentheses and negations in a condition; more counts as false.
const MAX_DEPTH: usize = 32;

fn eat(rest: &mut &str, token: &str) -> bool {
    let trimmed = rest.trim_start();
    match trimmed.strip_prefix(token) {
        Some(tail) => {
            *rest = tail;
            true
        }
        None => false,
    }
}

fn or(rest: &mut &str, depth: usize) -> bool {
    let mut value = and(rest, depth);
    while eat(rest, "||") {
        value |= and(rest, depth);
    }
    value
}

fn and(rest: &mut &str, depth: usize) -> bool {
    let mut value = equality(rest, depth);
    while eat(rest, "&&") {
        value &= equality(rest, depth);
    }
    value
}

fn equality(rest: &mut &str, depth: usize) -> bool {
    let mut value = primary(rest, depth);
    loop {
        if eat(rest, "==") {
            value = value == primary(rest, depth);
        } else if eat(rest, "!=") {
            value = value != primary(rest, depth);
        } else {
            return value;
        }
    }
}

fn primary(rest: &mut &str, depth: usize) -> bool {
    if depth >= MAX_DEPTH {
        return false;
    }
    if eat(rest, "!") {
        return !primary(rest, depth + 1);
    }
    if eat(rest, "(") {
        let value = or(rest, depth + 1);
        eat(rest, ")");
        return value;
    }
    let trimmed = rest.trim_start();
    let end = trimmed
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(trimmed.len());
    let (word, tail) = trimmed.split_at(end);
    *rest = tail;
    word == "true"
}

#[cfg(test)]
mod tests {
    use super::{Directive, read};

    #[test]
    fn directives_are_read() {
        let table = [
            ("if true", Directive::If(true)),
            ("if DEBUG", Directive::If(false)),
            ("if !DEBUG && (true || X)", Directive::If(true)),
            ("if false == X // why", Directive::If(true)),
            (" elif true != true", Directive::Elif(false)),
            ("else", Directive::Else),
            ("endif", Directive::Endif),
            ("region a b", Directive::Region),
            ("error no", Directive::Error("no")),
            ("define X", Directive::Define),
            ("foo", Directive::Unknown),
        ];
        for (line, want) in table {
            assert_eq!(read(line), want, "{line}");
        }
    }
}
