//! Rust source seen line by line: what is code, and which part of a file is tests.
//!
//! Not a parser: comments and the insides of string literals are blanked out so that a banned word in prose
//! or in a test's data is not taken for code.

/// One line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// 1-based.
    pub(super) number: usize,
    /// The line without comments and with empty string literals.
    pub(super) code: String,
    /// The line as it stands.
    pub(super) raw: &'a str,
    /// Inside `#[cfg(test)] mod …`, or in a file that is all tests.
    pub(super) test: bool,
}

/// Cuts a Rust file into lines.
pub(super) fn lines<'a>(path: &str, text: &'a str) -> Vec<Line<'a>> {
    let whole_file = path.starts_with("tests/")
        || path.contains("/tests/")
        || ["/tests.rs", "_tests.rs", "/test_support.rs", "/fixtures.rs"]
            .iter()
            .any(|end| path.ends_with(end));
    let mut scanner = Scanner::default();
    let mut test = whole_file;
    let mut out = Vec::new();
    let mut after_cfg_test = false;
    for (at, raw) in text.lines().enumerate() {
        let code = scanner.strip(raw);
        if code.trim() == "#[cfg(test)]" {
            after_cfg_test = true;
        } else if after_cfg_test && code.trim_start().starts_with("mod ") && code.contains('{') {
            // By the house's order tests come last: from here on everything is test code.
            test = true;
        } else if !code.trim().is_empty() && !code.trim_start().starts_with('#') {
            after_cfg_test = false;
        }
        out.push(Line {
            number: at + 1,
            code,
            raw,
            test,
        });
    }
    out
}

#[derive(Default)]
struct Scanner {
    block_comment: bool,
    // `Some(n)`: inside a raw string that ends with a quote and n hashes; `None`: not inside any string.
    raw_string: Option<usize>,
    string: bool,
}

impl Scanner {
    fn strip(&mut self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let taken = if self.block_comment {
                self.in_comment(rest)
            } else if let Some(hashes) = self.raw_string {
                self.in_raw(rest, hashes, &mut out)
            } else if self.string {
                self.in_string(rest, &mut out)
            } else if rest.starts_with("//") {
                break;
            } else {
                self.in_code(rest, first, &mut out)
            };
            rest = rest.get(taken.max(first.len_utf8())..).unwrap_or_default();
        }
        out
    }

    fn in_comment(&mut self, rest: &str) -> usize {
        match rest.find("*/") {
            Some(at) => {
                self.block_comment = false;
                at + 2
            }
            None => rest.len(),
        }
    }

    fn in_raw(&mut self, rest: &str, hashes: usize, out: &mut String) -> usize {
        let end = format!("\"{}", "#".repeat(hashes));
        match rest.find(&end) {
            Some(at) => {
                self.raw_string = None;
                out.push_str(&end);
                at + end.len()
            }
            None => rest.len(),
        }
    }

    fn in_string(&mut self, rest: &str, out: &mut String) -> usize {
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.string = false;
                    out.push('"');
                    return at + 1;
                }
                _ => {}
            }
        }
        rest.len()
    }

    fn in_code(&mut self, rest: &str, first: char, out: &mut String) -> usize {
        if rest.starts_with("/*") {
            self.block_comment = true;
            return 2;
        }
        if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            let length = if rest.starts_with("'\"'") { 3 } else { 4 };
            out.push_str("' '");
            return length;
        }
        if first == 'r' && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            let hashes = rest
                .get(1..)
                .unwrap_or_default()
                .chars()
                .take_while(|c| *c == '#')
                .count();
            if rest.get(1 + hashes..).is_some_and(|after| after.starts_with('"')) {
                self.raw_string = Some(hashes);
                out.push('"');
                return 2 + hashes;
            }
        }
        self.string = first == '"';
        out.push(first);
        first.len_utf8()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked() {
        let cases = [
            ("let a = 1; // unsafe", "let a = 1; "),
            (r#"let a = "unsafe \" x"; b"#, r#"let a = ""; b"#),
            ("let a = /* unsafe */ 2;", "let a =  2;"),
            ("let a = r#\"x\"y\"#; b", "let a = \"\"#; b"),
            ("let a = '\"'; b", "let a = ' '; b"),
            ("for r in list {}", "for r in list {}"),
        ];
        for (raw, code) in cases {
            assert_eq!(lines("src/a.rs", raw)[0].code, code, "{raw}");
        }
    }

    #[test]
    fn a_string_over_lines_stays_a_string() {
        let seen = lines("src/a.rs", "let a = \"one\nunsafe two\"; three");
        assert_eq!(seen[1].code, "\"; three");
    }

    #[test]
    fn tests_begin_at_their_module() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}";
        let seen: Vec<bool> = lines("src/a.rs", text).iter().map(|line| line.test).collect();
        assert_eq!(seen, [false, false, true, true, true]);
        assert!(lines("crate/tests/it.rs", "fn a() {}")[0].test);
    }
}
