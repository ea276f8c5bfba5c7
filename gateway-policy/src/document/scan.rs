//! Finds the end of a C# expression without compiling it: knows tokens, not grammar.
//!
//! Brackets inside strings, characters and comments do not count; inside the holes of interpolated strings
//! they do. Only brackets of the kind that opened the expression are counted, so that a slip inside is left
//! for the compiler to explain.

/// Deepest nesting of interpolated strings in holes: a bound for hostile documents.
const NESTING_MAX: usize = 32;

/// Why no end was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclosed {
    /// Byte offset of what was never closed.
    pub at: usize,
    /// What it is: a bracket, a string, a comment.
    pub what: &'static str,
}

/// Where an expression ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// One past the closing bracket.
    pub(super) end: usize,
    /// An XML entity stands in code, where C# could not mean it: the expression is entity-escaped.
    pub(super) escaped: bool,
}

/// True when an expression starts here: `@(` or `@{`.
pub(crate) fn starts_expression(text: &str) -> bool {
    text.starts_with("@(") || text.starts_with("@{")
}

/// One past the bracket that closes the expression starting with `@(` or `@{` at `start`.
///
/// # Errors
/// What was never closed.
pub fn expression_end(text: &str, start: usize) -> Result<usize, Unclosed> {
    extent(text, start).map(|e| e.end)
}

pub(super) fn extent(text: &str, start: usize) -> Result<Extent, Unclosed> {
    let bytes = text.as_bytes();
    let open = bytes.get(start + 1).copied().unwrap_or(b'(');
    let mut scan = Scan {
        bytes,
        at: start + 2,
        modes: vec![Mode::code(open, start + 1)],
        escaped: false,
    };
    loop {
        let Some(mode) = scan.modes.last().copied() else {
            return Ok(Extent {
                end: scan.at,
                escaped: scan.escaped,
            });
        };
        if scan.at >= bytes.len() {
            let (at, what) = match mode {
                Mode::Code { at, open: b'(', .. } => (at, "bracket `(`"),
                Mode::Code { at, .. } => (at, "brace `{`"),
                Mode::Interpolated { at, .. } => (at, "string"),
            };
            return Err(Unclosed { at, what });
        }
        match mode {
            Mode::Code { .. } => scan.code()?,
            Mode::Interpolated { verbatim, .. } => scan.interpolated(verbatim)?,
        }
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Code { open: u8, depth: u32, at: usize },
    Interpolated { verbatim: bool, at: usize },
}

impl Mode {
    fn code(open: u8, at: usize) -> Self {
        Mode::Code { open, depth: 0, at }
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    modes: Vec<Mode>,
    escaped: bool,
}

impl Scan<'_> {
    /// One token of code.
    fn code(&mut self) -> Result<(), Unclosed> {
        let rest = &self.bytes[self.at..];
        match rest {
            [b'/', b'/', ..] => self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => self.block_comment()?,
            [b'"', ..] => self.regular_string()?,
            [b'@', b'"', ..] => self.verbatim_string()?,
            [b'$', b'"', ..] => self.enter(
                Mode::Interpolated {
                    verbatim: false,
                    at: self.at,
                },
                2,
            )?,
            [b'$', b'@', b'"', ..] | [b'@', b'$', b'"', ..] => {
                self.enter(
                    Mode::Interpolated {
                        verbatim: true,
                        at: self.at,
                    },
                    3,
                )?;
            }
            [b'\'', ..] => self.at += character(rest),
            [b'&', ..] => {
                self.escaped |= super::reader::entity(rest).is_some();
                self.at += 1;
            }
            [byte, ..] => self.bracket(*byte),
            [] => {}
        }
        Ok(())
    }

    fn bracket(&mut self, byte: u8) {
        self.at += 1;
        let Some(Mode::Code { open, depth, .. }) = self.modes.last_mut() else {
            return;
        };
        let close = if *open == b'(' { b')' } else { b'}' };
        if byte == *open {
            *depth += 1;
        } else if byte == close {
            if *depth == 0 {
                self.modes.pop();
            } else {
                *depth -= 1;
            }
        }
    }

    /// One piece of an interpolated string.
    fn interpolated(&mut self, verbatim: bool) -> Result<(), Unclosed> {
        let rest = &self.bytes[self.at..];
        match rest {
            [b'{', b'{', ..] | [b'}', b'}', ..] => self.at += 2,
            [b'{', ..] => self.enter(Mode::code(b'{', self.at), 1)?,
            [b'"', b'"', ..] if verbatim => self.at += 2,
            [b'"', ..] => {
                self.at += 1;
                self.modes.pop();
            }
            [b'\\', _, ..] if !verbatim => self.at += 2,
            _ => self.at += 1,
        }
        Ok(())
    }

    fn enter(&mut self, mode: Mode, skip: usize) -> Result<(), Unclosed> {
        if self.modes.len() >= NESTING_MAX {
            return Err(Unclosed {
                at: self.at,
                what: "string nested too deeply",
            });
        }
        self.modes.push(mode);
        self.at += skip;
        Ok(())
    }

    fn block_comment(&mut self) -> Result<(), Unclosed> {
        let body = &self.bytes[self.at + 2..];
        let end = body.windows(2).position(|w| w == b"*/");
        let end = end.ok_or(Unclosed {
            at: self.at,
            what: "comment `/*`",
        })?;
        self.at += 2 + end + 2;
        Ok(())
    }

    /// `"…"`: ends on its line.
    fn regular_string(&mut self) -> Result<(), Unclosed> {
        let mut i = self.at + 1;
        while let Some(byte) = self.bytes.get(i) {
            match byte {
                b'"' => {
                    self.at = i + 1;
                    return Ok(());
                }
                b'\n' => break,
                b'\\' => i += 2,
                _ => i += 1,
            }
        }
        Err(Unclosed {
            at: self.at,
            what: "string",
        })
    }

    /// `@"…"`: spans lines, `""` is a quote.
    fn verbatim_string(&mut self) -> Result<(), Unclosed> {
        let mut i = self.at + 2;
        while let Some(byte) = self.bytes.get(i) {
            match (byte, self.bytes.get(i + 1)) {
                (b'"', Some(b'"')) => i += 2,
                (b'"', _) => {
                    self.at = i + 1;
                    return Ok(());
                }
                _ => i += 1,
            }
        }
        Err(Unclosed {
            at: self.at,
            what: "string",
        })
    }
}

/// Length of the character literal at the start of `rest`; 1 when it is none (left to the compiler).
fn character(rest: &[u8]) -> usize {
    // The longest is `'\U00000000'`.
    const LITERAL_MAX: usize = 12;
    let escaped = rest.get(1) == Some(&b'\\');
    let from = if escaped { 3 } else { 2 };
    let window = &rest[..rest.len().min(LITERAL_MAX)];
    let close = window
        .iter()
        .skip(from)
        .position(|b| *b == b'\'')
        .map(|i| from + i);
    match close {
        Some(close) if escaped => close + 1,
        Some(close) if std::str::from_utf8(&rest[1..close]).is_ok_and(|c| c.chars().count() == 1) => {
            close + 1
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` marks the expected end.
    #[track_caller]
    fn check(marked: &str) {
        let end = marked.rfind('|').unwrap();
        let text = format!("{}{}", &marked[..end], &marked[end + 1..]);
        assert_eq!(expression_end(&text, 0), Ok(end), "{text}");
    }

    #[test]
    fn brackets_in_tokens_do_not_count() {
        for marked in [
            r#"@(a)|" b=")""#,
            r#"@(f(")") + (1))|""#,
            r#"@("\")")|)"#,
            r#"@(@"c:\" + x)|)"#,
            r#"@(@"a""b)")|)"#,
            r#"@(')' + '\'' + '"' + '\u0029')|)"#,
            "@(a // )\n + b)|)",
            "@(a /* ) */ + b)|)",
            r#"@{ if (a) { return "}"; } return '}'; }| }"#,
            r#"@(d["x)"].As<JObject>()["y"] != null && a < b)|" >"#,
            "@( ']' )|",
            "@(x ? 'ä' : 'b')|)",
        ] {
            check(marked);
        }
    }

    #[test]
    fn holes_of_interpolated_strings_are_code_again() {
        for marked in [
            r#"@($"{a})")|)"#,
            r#"@($"{{)}}")|)"#,
            r#"@($"{d["k)"]}:{(x)}")|)"#,
            r#"@($@"a""{b})" + c)|)"#,
            r#"@(@$"\{b})")|)"#,
            r#"@($"{(a ? $"{b})" : "}")}")|)"#,
            r#"@{ return $"{x:HH:mm}}}"; }| }"#,
        ] {
            check(marked);
        }
    }

    #[test]
    fn what_is_never_closed_is_named() {
        for (text, at, what) in [
            ("@(a", 1, "bracket `(`"),
            ("@{ if (a) {", 1, "brace `{`"),
            ("@(\"a)\n", 2, "string"),
            ("@(@\"a)", 2, "string"),
            ("@($\"a)", 2, "string"),
            ("@(a /* )", 4, "comment `/*`"),
        ] {
            assert_eq!(expression_end(text, 0), Err(Unclosed { at, what }), "{text}");
        }
    }

    #[test]
    fn entities_in_code_are_noticed_and_those_in_strings_are_not() {
        for (text, escaped) in [
            ("@(a &amp;&amp; b)", true),
            ("@(a &lt; b)", true),
            ("@(a && b)", false),
            ("@(a & b)", false),
            (r#"@("&amp;")"#, false),
            ("@(&quot;x&quot;)", true),
        ] {
            assert_eq!(extent(text, 0).map(|e| e.escaped), Ok(escaped), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let text = format!("@({}", "$\"{".repeat(1000));
        assert_eq!(
            expression_end(&text, 0).map_err(|e| e.what),
            Err("string nested too deeply")
        );
    }
}
