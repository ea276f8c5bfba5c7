//! Source text to tokens, with the compiler's lexical errors.

use super::directive::{self, Directive};
use super::parser::MAX_NESTING;
use super::token::{KEYWORDS, NumKind, OPERATORS, Piece, Tok, Token};
use crate::{Diagnostic, Span};

/// Cuts `range` of `source` into tokens; the last one is always [`Tok::End`].
pub(crate) fn lex(source: &str, range: Span, errors: &mut Vec<Diagnostic>) -> Vec<Token> {
    let mut lexer = Lexer {
        text: source,
        first: range.start,
        conditions: 0,
        regions: 0,
        at: range.start,
        end: range.end,
        holes: 0,
        errors,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_trivia();
        let start = lexer.at;
        let Some(c) = lexer.peek() else {
            lexer.unfinished();
            if lexer.errors.iter().any(|e| e.code == "CS8078") {
                // Reading stopped there: what seems to be missing behind it may be there.
                lexer.errors.retain(|e| e.code == "CS8078");
            }
            tokens.push(Token {
                kind: Tok::End,
                span: Span { start, end: start },
            });
            return tokens;
        };
        if let Some(kind) = lexer.token(c) {
            tokens.push(Token {
                kind,
                span: Span { start, end: lexer.at },
            });
        }
    }
}

struct Lexer<'l, 'e> {
    text: &'l str,
    first: usize,
    at: usize,
    end: usize,
    /// Conditions of `#if` around the cursor.
    conditions: usize,
    /// Regions around the cursor.
    regions: usize,
    /// Holes of interpolated strings around the cursor.
    holes: usize,
    errors: &'e mut Vec<Diagnostic>,
}

impl<'l> Lexer<'l, '_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..self.end).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn peek_at(&self, n: usize) -> Option<char> {
        self.rest().chars().nth(n)
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let hit = self.peek() == Some(c);
        if hit {
            self.at += c.len_utf8();
        }
        hit
    }

    fn error(&mut self, code: &'static str, message: impl Into<String>, start: usize) {
        self.errors.push(Diagnostic::error(
            code,
            message,
            Span {
                start,
                end: self.at.max(start + 1),
            },
        ));
    }

    fn skip_trivia(&mut self) {
        loop {
            let rest = self.rest();
            if let Some(c) = rest
                .chars()
                .next()
                .filter(|c| c.is_whitespace() || *c == '\u{feff}')
            {
                self.at += c.len_utf8();
            } else if rest.starts_with("//") {
                self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let start = self.at;
                match rest.find("*/") {
                    Some(i) => self.at += i + 2,
                    None => {
                        self.at = self.end;
                        self.error("CS1035", "End-of-file found, '*/' expected", start);
                    }
                }
            } else if rest.starts_with('#') {
                self.directive();
            } else {
                return;
            }
        }
    }

    /// A preprocessor line; text that its condition leaves out is skipped.
    fn directive(&mut self) {
        let start = self.at;
        let before = self.text.get(self.first..start).unwrap_or("");
        let alone = before
            .rsplit_once('\n')
            .is_some_and(|(_, line)| line.chars().all(char::is_whitespace));
        let line = self.line();
        self.at += line.len();
        if !alone {
            let message =
                "Preprocessor directives must appear as the first non-whitespace character on a line";
            self.error("CS1040", message, start);
            match directive::read(line.get(1..).unwrap_or("")) {
                Directive::Region => self.regions += 1,
                Directive::EndRegion => self.regions = self.regions.saturating_sub(1),
                _ => {}
            }
            return;
        }
        match directive::read(line.get(1..).unwrap_or("")) {
            Directive::Nothing => {}
            Directive::Region => self.regions += 1,
            Directive::EndRegion if self.regions > 0 => self.regions -= 1,
            Directive::EndRegion => {
                self.error("CS1028", "Unexpected preprocessor directive", start);
            }
            Directive::If(true) => self.conditions += 1,
            Directive::If(false) => {
                self.conditions += 1;
                self.skip_inactive(true);
            }
            Directive::Elif(_) | Directive::Else if self.conditions > 0 => self.skip_inactive(false),
            Directive::Endif if self.conditions > 0 => self.conditions -= 1,
            Directive::Error(text) => {
                let message = format!("#error: '{text}'");
                self.error("CS1029", message, start);
            }
            Directive::Define => {
                let message = "Cannot define/undefine preprocessor symbols after first token in file";
                self.error("CS1032", message, start);
            }
            Directive::Elif(_) | Directive::Else | Directive::Endif => {
                self.error("CS1028", "Unexpected preprocessor directive", start);
            }
            Directive::Unknown => self.error("CS1024", "Preprocessor directive expected", start),
        }
    }

    /// At the end: directives that are still open.
    fn unfinished(&mut self) {
        let end = self.end;
        if self.conditions > 0 && !self.errors.iter().any(|e| e.code == "CS1027") {
            self.error("CS1027", "#endif directive expected", end);
        }
        if self.regions > 0 {
            self.error("CS1038", "#endregion directive expected", end);
        }
    }

    fn line(&self) -> &'l str {
        let rest = self.text.get(self.at..self.end).unwrap_or("");
        rest.get(..rest.find(['\n', '\r']).unwrap_or(rest.len()))
            .unwrap_or("")
    }

    /// Skips lines to the branch that counts; `open`: none of the condition's branches has been taken yet.
    fn skip_inactive(&mut self, open: bool) {
        let mut depth = 0usize;
        while self.at < self.end {
            let line = self.line();
            self.at += line.len();
            if let Some(text) = line.trim_start().strip_prefix('#') {
                match directive::read(text) {
                    Directive::If(_) => depth += 1,
                    Directive::Endif if depth == 0 => {
                        self.conditions = self.conditions.saturating_sub(1);
                        return;
                    }
                    Directive::Endif => depth -= 1,
                    Directive::Else | Directive::Elif(true) if depth == 0 && open => return,
                    _ => {}
                }
            }
            self.bump();
        }
        let start = self.end;
        self.error("CS1027", "#endif directive expected", start);
    }

    fn token(&mut self, c: char) -> Option<Tok> {
        let next = self.peek_at(1);
        match c {
            '"' => Some(self.literal(Self::string)),
            '\'' => Some(self.literal(Self::character)),
            '@' if next == Some('"') => {
                self.at += 1;
                Some(self.literal(Self::verbatim))
            }
            '$' if next == Some('"') => {
                self.at += 1;
                Some(self.interpolated(false))
            }
            '$' if next == Some('@') && self.peek_at(2) == Some('"') => {
                self.at += 2;
                Some(self.interpolated(true))
            }
            '0'..='9' => Some(self.number()),
            '.' if next.is_some_and(|d| d.is_ascii_digit()) => Some(self.number()),
            '@' if next.is_some_and(is_ident_start) => {
                self.at += 1;
                let name = self.word();
                Some(Tok::Ident { name, verbatim: true })
            }
            c if is_ident_start(c) || (c == '\\' && matches!(next, Some('u' | 'U'))) => {
                let name = self.word();
                Some(match KEYWORDS.iter().find(|k| **k == &*name) {
                    Some(k) => Tok::Keyword(k),
                    None => Tok::Ident {
                        name,
                        verbatim: false,
                    },
                })
            }
            _ => self.operator(c),
        }
    }

    fn operator(&mut self, c: char) -> Option<Tok> {
        let rest = self.rest();
        // `?.5` in `a?.5:1` is a conditional with a number.
        let number_follows = rest.starts_with("?.") && rest[2..].starts_with(|d: char| d.is_ascii_digit());
        if let Some(op) = OPERATORS
            .iter()
            .find(|o| rest.starts_with(**o) && !(number_follows && **o == "?."))
        {
            self.at += op.len();
            return Some(Tok::Op(op));
        }
        let start = self.at;
        self.bump();
        if c == '@' {
            let message = "Keyword, identifier, or string expected after verbatim specifier: @";
            self.error("CS1646", message, start);
            return Some(Tok::Op("@"));
        }
        self.error("CS1056", format!("Unexpected character '{c}'"), start);
        None
    }

    /// A literal; one with a mistake in it has no value to reason about.
    fn literal(&mut self, read: impl FnOnce(&mut Self) -> Tok) -> Tok {
        let errors = self.errors.len();
        let token = read(self);
        if self.errors.len() > errors {
            Tok::Bad
        } else {
            token
        }
    }

    fn word(&mut self) -> Box<str> {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' && matches!(self.peek_at(1), Some('u' | 'U')) {
                self.at += 1;
                let start = self.at;
                let units = self.unicode_escape(start);
                word.push_str(&String::from_utf16_lossy(&units));
            } else if is_ident_part(c) {
                word.push(c);
                self.at += c.len_utf8();
            } else {
                break;
            }
        }
        word.into()
    }

    // ---- numbers

    fn digits(&mut self, radix: u32) -> String {
        let mut digits = String::new();
        while let Some(c) = self.peek() {
            if c.is_digit(radix) {
                digits.push(c);
            } else if c != '_' {
                break;
            }
            self.at += 1;
        }
        if self.text.get(..self.at).is_some_and(|t| t.ends_with('_')) {
            let start = self.at.saturating_sub(1);
            self.error("CS1013", "Invalid number", start);
        }
        digits
    }

    fn number(&mut self) -> Tok {
        let start = self.at;
        let radix = match (self.peek(), self.peek_at(1)) {
            (Some('0'), Some('x' | 'X')) => 16,
            (Some('0'), Some('b' | 'B')) => 2,
            _ => 10,
        };
        if radix != 10 {
            self.at += 2;
            let digits = self.digits(radix);
            if digits.is_empty() {
                self.error("CS1013", "Invalid number", start);
                return Tok::Int(0, NumKind::Natural);
            }
            return self.integer(&digits, radix, start);
        }
        let mut text = self.digits(10);
        let mut real = false;
        if self.peek() == Some('.') && self.peek_at(1).is_some_and(|d| d.is_ascii_digit()) {
            real = true;
            self.at += 1;
            text.push('.');
            text.push_str(&self.digits(10));
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek_at(1), Some('+' | '-')));
            if self.peek_at(1 + sign).is_some_and(|d| d.is_ascii_digit()) {
                real = true;
                text.push('e');
                self.at += 1;
                if sign == 1 {
                    text.extend(self.bump());
                }
                text.push_str(&self.digits(10));
            } else {
                self.at += 1 + sign;
                self.error("CS0595", "Invalid real literal.", start);
                return Tok::Double(0.0);
            }
        }
        match self.peek() {
            Some('f' | 'F') => {
                self.at += 1;
                let value: f32 = text.parse().unwrap_or(f32::INFINITY);
                if value.is_infinite() {
                    self.error(
                        "CS0594",
                        "Floating-point constant is outside the range of type 'float'",
                        start,
                    );
                }
                Tok::Float(value)
            }
            Some('m' | 'M') => {
                self.at += 1;
                Tok::Decimal(text.into())
            }
            Some('d' | 'D') => {
                self.at += 1;
                self.double(&text, start)
            }
            _ if real => self.double(&text, start),
            _ => self.integer(&text, 10, start),
        }
    }

    fn double(&mut self, text: &str, start: usize) -> Tok {
        let value: f64 = text.parse().unwrap_or(f64::INFINITY);
        if value.is_infinite() {
            self.error(
                "CS0594",
                "Floating-point constant is outside the range of type 'double'",
                start,
            );
        }
        Tok::Double(value)
    }

    fn integer(&mut self, digits: &str, radix: u32, start: usize) -> Tok {
        let (mut unsigned, mut long) = (false, false);
        loop {
            match self.peek() {
                Some('u' | 'U') if !unsigned => unsigned = true,
                Some('l' | 'L') if !long => long = true,
                _ => break,
            }
            self.at += 1;
        }
        let value = u64::from_str_radix(digits, radix).unwrap_or_else(|_| {
            self.error("CS1021", "Integral constant is too large", start);
            0
        });
        Tok::Int(
            value,
            match (unsigned, long) {
                (false, false) => NumKind::Natural,
                (true, false) => NumKind::Unsigned,
                (false, true) => NumKind::Long,
                (true, true) => NumKind::UnsignedLong,
            },
        )
    }

    // ---- text

    fn character(&mut self) -> Tok {
        let start = self.at;
        self.at += 1;
        let mut units = Vec::new();
        loop {
            match self.peek() {
                None | Some('\n' | '\r') => {
                    self.error("CS1010", "Newline in constant", start);
                    if units.is_empty() {
                        self.error("CS1011", "Empty character literal", start);
                    }
                    break;
                }
                Some('\'') => {
                    self.at += 1;
                    if units.is_empty() {
                        self.error("CS1011", "Empty character literal", start);
                    } else if units.len() > 1 {
                        self.error("CS1012", "Too many characters in character literal", start);
                        if let Some(last) = self.errors.last_mut() {
                            last.help = Some("write text in double quotes".into());
                        }
                    }
                    break;
                }
                Some('\\') => self.escape(&mut units),
                Some(c) => {
                    push_char(&mut units, c);
                    self.at += c.len_utf8();
                }
            }
        }
        Tok::Char(units.first().copied().unwrap_or(0))
    }

    fn string(&mut self) -> Tok {
        let start = self.at;
        self.at += 1;
        let mut units = Vec::new();
        loop {
            match self.peek() {
                None | Some('\n' | '\r') => {
                    self.error("CS1010", "Newline in constant", start);
                    break;
                }
                Some('"') => {
                    self.at += 1;
                    break;
                }
                Some('\\') => self.escape(&mut units),
                Some(c) => {
                    push_char(&mut units, c);
                    self.at += c.len_utf8();
                }
            }
        }
        Tok::Str(units)
    }

    fn verbatim(&mut self) -> Tok {
        let start = self.at;
        self.at += 1;
        let mut units = Vec::new();
        loop {
            match self.bump() {
                None => {
                    self.error("CS1039", "Unterminated string literal", start);
                    break;
                }
                Some('"') => {
                    if !self.eat('"') {
                        break;
                    }
                    units.push(u16::from(b'"'));
                }
                Some(c) => push_char(&mut units, c),
            }
        }
        Tok::Str(units)
    }

    /// Resolves the escape at the cursor (a backslash) into UTF-16 units.
    fn escape(&mut self, units: &mut Vec<u16>) {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.bump() else { return };
        let simple = match c {
            '\'' | '"' | '\\' => c as u16,
            '0' => 0,
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            'x' => {
                let mut value = 0u16;
                let mut count = 0;
                while let Some(d) = self.peek().and_then(|c| c.to_digit(16)).filter(|_| count < 4) {
                    value = value.wrapping_mul(16).wrapping_add(d as u16);
                    self.at += 1;
                    count += 1;
                }
                if count == 0 {
                    self.error("CS1009", "Unrecognized escape sequence", start);
                }
                value
            }
            'u' | 'U' => {
                self.at -= 1;
                let more = self.unicode_escape(start);
                units.extend(more);
                return;
            }
            _ => {
                self.error("CS1009", "Unrecognized escape sequence", start);
                if let Some(last) = self.errors.last_mut() {
                    last.help = Some("write the backslash twice, or use a verbatim string @\"…\"".into());
                }
                push_char(units, c);
                return;
            }
        };
        units.push(simple);
    }

    /// `uXXXX` or `UXXXXXXXX` at the cursor.
    fn unicode_escape(&mut self, start: usize) -> Vec<u16> {
        let want = if self.bump() == Some('U') { 8 } else { 4 };
        let mut value = 0u32;
        for _ in 0..want {
            let Some(d) = self.peek().and_then(|c| c.to_digit(16)) else {
                self.error("CS1009", "Unrecognized escape sequence", start);
                return Vec::new();
            };
            value = value.wrapping_mul(16).wrapping_add(d);
            self.at += 1;
        }
        if want == 4 {
            return vec![value as u16];
        }
        match char::from_u32(value) {
            Some(c) => {
                let mut units = Vec::new();
                push_char(&mut units, c);
                units
            }
            None => {
                self.error("CS1009", "Unrecognized escape sequence", start);
                Vec::new()
            }
        }
    }

    fn interpolated(&mut self, verbatim: bool) -> Tok {
        let start = self.at;
        self.at += 1;
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        loop {
            match self.peek() {
                None if verbatim => {
                    self.error("CS1039", "Unterminated string literal", start);
                    break;
                }
                None => {
                    self.error("CS1010", "Newline in constant", start);
                    break;
                }
                Some('\n' | '\r') if !verbatim => {
                    self.error("CS1010", "Newline in constant", start);
                    break;
                }
                Some('"') => {
                    self.at += 1;
                    if !(verbatim && self.eat('"')) {
                        break;
                    }
                    text.push(u16::from(b'"'));
                }
                Some('\\') if !verbatim => self.escape(&mut text),
                Some('{') => {
                    self.at += 1;
                    if self.eat('{') {
                        text.push(u16::from(b'{'));
                    } else {
                        if !text.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut text)));
                        }
                        let errors = self.errors.len();
                        if self.holes >= MAX_NESTING {
                            self.error("CS8078", "An expression is too long or complex to compile", start);
                            self.at = self.end;
                            break;
                        }
                        self.holes += 1;
                        let hole = self.hole(verbatim);
                        self.holes -= 1;
                        pieces.push(hole);
                        if self.errors[errors..].iter().any(|e| e.code == "CS8076") {
                            // The quotation mark that is next, if any, ends the text.
                            self.eat('"');
                            break;
                        }
                    }
                }
                Some('}') => {
                    let at = self.at;
                    self.at += 1;
                    if !self.eat('}') {
                        let message =
                            "A '}' character must be escaped (by doubling) in an interpolated string.";
                        self.error("CS8086", message, at);
                    }
                    text.push(u16::from(b'}'));
                }
                Some(c) => {
                    push_char(&mut text, c);
                    self.at += c.len_utf8();
                }
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Tok::Interp(pieces)
    }

    /// A hole after its `{`: finds where expression and format end, leaves the expression to the parser.
    fn hole(&mut self, verbatim: bool) -> Piece {
        let start = self.at;
        let end = self.hole_expression();
        let expr = Span { start, end };
        let mut format = None;
        if self.eat(':') {
            let mut units = Vec::new();
            loop {
                match self.peek() {
                    None | Some('"') => break,
                    Some('{') if self.peek_at(1) == Some('{') => {
                        self.at += 2;
                        units.push(u16::from(b'{'));
                    }
                    Some('}') if self.peek_at(1) == Some('}') => {
                        self.at += 2;
                        units.push(u16::from(b'}'));
                    }
                    Some('}') => break,
                    Some('\\') if !verbatim => self.escape(&mut units),
                    Some(c) => {
                        push_char(&mut units, c);
                        self.at += c.len_utf8();
                    }
                }
            }
            if units.is_empty() {
                self.error("CS8089", "Empty format specifier.", start);
            }
            format = Some(units);
        }
        if !self.eat('}') {
            self.error(
                "CS8076",
                "Missing close delimiter '}' for interpolated expression started with '{'.",
                start,
            );
        }
        Piece::Hole { expr, format }
    }

    /// Moves to the `:` or `}` that ends the expression of a hole and returns that place.
    fn hole_expression(&mut self) -> usize {
        let mut depth = 0usize;
        while let Some(c) = self.peek() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ':' if depth == 0 && self.peek_at(1) != Some(':') => break,
                ':' if depth == 0 => self.at += 1,
                '"' | '\'' => {
                    if c == '"' {
                        self.string()
                    } else {
                        self.character()
                    };
                    continue;
                }
                '@' if self.peek_at(1) == Some('"') => {
                    self.at += 1;
                    self.verbatim();
                    continue;
                }
                '$' if matches!(self.peek_at(1), Some('"')) => {
                    self.at += 1;
                    self.interpolated(false);
                    continue;
                }
                '/' if self.peek_at(1) == Some('/') => {
                    let message = "A single-line comment may not be used in an interpolated string.";
                    self.error("CS8077", message, self.at);
                    self.at += 1;
                }
                '/' if self.peek_at(1) == Some('*') => {
                    self.skip_trivia();
                    continue;
                }
                _ => {}
            }
            self.at += c.len_utf8();
        }
        self.at
    }
}

fn push_char(units: &mut Vec<u16>, c: char) {
    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
}

fn is_ident_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_ident_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
