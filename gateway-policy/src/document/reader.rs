//! Strict XML first, raw rules second; one tree out of both.
//!
//! The two differ in three places only: where an attribute value ends, where element text ends, and
//! whether entities inside an expression are decoded. Everything else (names, nesting, comments, CDATA) is
//! one code path. No recursion: documents come from outside.

use super::{
    Attribute, DEPTH_MAX, DOCUMENT_BYTES_MAX, Document, Element, TextBuilder,
    scan::{self, starts_expression},
};

/// Why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Byte offset in the document.
    pub at: usize,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

/// Reads a document, strictly if it is well-formed XML, else by the raw rules.
///
/// # Errors
/// The first thing that fits neither form.
pub fn read(text: &str) -> Result<Document, ReadError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(ReadError {
            at: 0,
            message: format!(
                "the document has {} bytes; the limit is {DOCUMENT_BYTES_MAX}",
                text.len()
            ),
            help: "move parts of it into policy fragments",
        });
    }
    match Reader::new(text, true).document() {
        Ok(root) => Ok(Document { root, is_xml: true }),
        Err(_) => Reader::new(text, false)
            .document()
            .map(|root| Document { root, is_xml: false }),
    }
}

/// The entity at the start of `bytes` (which starts with `&`): its character and its length.
pub(super) fn entity(bytes: &[u8]) -> Option<(char, usize)> {
    // The longest is `&#x10FFFF;`; leading zeros are allowed a little room.
    const ENTITY_MAX: usize = 14;
    let end = bytes.iter().take(ENTITY_MAX).position(|b| *b == b';')?;
    let name = std::str::from_utf8(bytes.get(1..end)?).ok()?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((c, end + 1))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    strict: bool,
    open: Vec<(Element, TextBuilder)>,
    root: Option<Element>,
}

type Read<T> = Result<T, ReadError>;

impl<'a> Reader<'a> {
    fn new(text: &'a str, strict: bool) -> Self {
        let at = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        Self {
            text,
            at,
            strict,
            open: Vec::new(),
            root: None,
        }
    }

    fn document(mut self) -> Read<Element> {
        while self.at < self.text.len() {
            self.piece()?;
        }
        if let Some((element, _)) = self.open.last() {
            let message = format!("`<{}>` is never closed", element.name);
            return fail(element.at, message, "add the closing tag");
        }
        match self.root {
            Some(root) => Ok(root),
            None => fail(
                0,
                "there is no element",
                "a policy document has one root, `<policies>` or `<fragment>`",
            ),
        }
    }

    /// One piece of content: markup or a run of text.
    fn piece(&mut self) -> Read<()> {
        let rest = self.rest();
        if rest.starts_with("<!--") {
            if self.strict && self.in_expression() {
                // `<!--` inside `@{ }` is C# text, which only the raw rules know.
                return fail(self.at, "a comment inside an expression", "");
            }
            self.skip_past("<!--", "-->", "comment")
        } else if rest.starts_with("<![CDATA[") {
            self.cdata()
        } else if rest.starts_with("<?") {
            self.skip_past("<?", "?>", "processing instruction")
        } else if rest.starts_with("<!") {
            fail(
                self.at,
                "document type declarations are not allowed",
                "remove the `<!…>` declaration",
            )
        } else if rest.starts_with("</") {
            self.close_tag()
        } else if rest.starts_with('<') {
            self.open_tag()
        } else {
            self.text_run()
        }
    }

    /// The text of the open element so far starts an expression.
    fn in_expression(&self) -> bool {
        self.open
            .last()
            .is_some_and(|(_, out)| starts_expression(out_str(out)))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Past the next `end` behind `start`, which stands here: `<!-->` begins a comment and does not end it.
    fn skip_past(&mut self, start: &str, end: &str, what: &str) -> Read<()> {
        match self.rest().get(start.len()..).and_then(|inner| inner.find(end)) {
            Some(i) => {
                self.at += start.len() + i + end.len();
                Ok(())
            }
            None => fail(self.at, format!("this {what} is never closed"), "close it"),
        }
    }

    fn cdata(&mut self) -> Read<()> {
        let start = self.at + "<![CDATA[".len();
        let at = self.at;
        self.skip_past("<![CDATA[", "]]>", "CDATA section")?;
        let end = self.at - "]]>".len();
        match self.open.last_mut() {
            Some((_, out)) => {
                copy(self.text, start..end, out, false);
                Ok(())
            }
            None => fail(at, "text outside the root element", "remove it"),
        }
    }

    fn open_tag(&mut self) -> Read<()> {
        let at = self.at;
        if self.root.is_some() && self.open.is_empty() {
            return fail(
                at,
                "more than one root element",
                "keep one `<policies>` or `<fragment>` per document",
            );
        }
        if self.open.len() >= DEPTH_MAX {
            return fail(
                at,
                format!("elements nest deeper than {DEPTH_MAX}"),
                "flatten the document",
            );
        }
        if self.strict && self.in_expression() {
            // `@{ return "<a>"; }` in text: well-formed by accident, not XML in meaning.
            return fail(at, "markup inside an expression", "");
        }
        self.at += 1;
        let name = self.name("an element")?;
        let mut element = Element {
            name,
            at,
            ..Element::default()
        };
        loop {
            let spaced = self.skip_space();
            if self.eat("/>") {
                element.inner = self.at..self.at;
                self.finish(element);
                return Ok(());
            }
            if self.eat(">") {
                element.inner = self.at..self.at;
                self.open.push((element, TextBuilder::at(self.at)));
                return Ok(());
            }
            if self.rest().is_empty() {
                return fail(
                    at,
                    format!("the tag `<{}` is never closed", element.name),
                    "add `>`",
                );
            }
            if !spaced {
                return fail(
                    self.at,
                    format!("unexpected {} in the tag `<{}`", shown(self.rest()), element.name),
                    "an attribute value ends at its quote; inside values write `\"` as `&quot;` unless the whole value is an expression `@(…)` or `@{…}`",
                );
            }
            let attribute = self.attribute(&element)?;
            element.attributes.push(attribute);
        }
    }

    fn close_tag(&mut self) -> Read<()> {
        let at = self.at;
        self.at += 2;
        let name = self.name("a closing tag")?;
        self.skip_space();
        if !self.eat(">") {
            return fail(
                self.at,
                format!("the closing tag `</{name}` does not end with `>`"),
                "add `>`",
            );
        }
        let Some((mut element, out)) = self.open.pop() else {
            return fail(
                at,
                format!("`</{name}>` closes nothing"),
                "remove it or add the opening tag",
            );
        };
        if element.name != name {
            let message = format!("`</{name}>` does not match the open `<{}>`", element.name);
            return fail(
                at,
                message,
                "close elements in the order in which they were opened",
            );
        }
        element.inner.end = at;
        element.text = out.finish();
        if self.strict
            && let trimmed = element.text.as_str().trim_start()
            && starts_expression(trimmed)
            && scan::expression_end(trimmed, 0).is_err()
        {
            return fail(element.inner.start, "an expression that is not closed", "");
        }
        self.finish(element);
        Ok(())
    }

    fn finish(&mut self, element: Element) {
        match self.open.last_mut() {
            Some((parent, _)) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn attribute(&mut self, element: &Element) -> Read<Attribute> {
        let at = self.at;
        let name = self.name("an attribute")?;
        if element.attribute(&name).is_some() {
            let message = format!("`<{}>` has the attribute `{name}` twice", element.name);
            return fail(at, message, "remove one of them");
        }
        self.skip_space();
        if !self.eat("=") {
            let message = format!("the attribute `{name}` of `<{}>` has no value", element.name);
            return fail(at, message, "write `name=\"value\"`");
        }
        self.skip_space();
        let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            let message = format!("the value of `{name}` does not start with a quote");
            return fail(self.at, message, "write the value in double quotes");
        };
        self.at += 1;
        let value = self.value(quote, &name)?;
        Ok(Attribute { name, at, value })
    }

    /// An attribute value from just after its opening quote to just after its closing one.
    fn value(&mut self, quote: char, name: &str) -> Read<super::Text> {
        let start = self.at;
        let body = self.rest();
        let lead = body.len() - body.trim_start().len();
        let is_expression = starts_expression(&body[lead..]);
        let mut unclosed: Option<Raw> = None;
        if is_expression && !self.strict {
            match self.raw_expression(start + lead, quote) {
                Ok((end, out)) => {
                    self.at = end + 1;
                    return Ok(out.finish());
                }
                Err(why) => unclosed = Some(why),
            }
        }
        let Some(end) = body.find(quote).map(|i| start + i) else {
            return fail(
                start - 1,
                format!("the value of `{name}` is never closed"),
                "add the closing quote",
            );
        };
        if let Some(i) = self.text[start..end]
            .find('<')
            .filter(|_| !self.is_one_value(start..end))
        {
            return match unclosed {
                Some(unclosed) => expression_error(unclosed, name),
                None => fail(
                    start + i,
                    format!("`<` in the value of `{name}`"),
                    "write `&lt;`, or check that the quote before it closes the value",
                ),
            };
        }
        let mut out = TextBuilder::at(start);
        self.decode(start..end, &mut out)?;
        if is_expression {
            let decoded = out_str(&out);
            match scan::expression_end(decoded, 0) {
                Err(_) => {
                    return expression_error(unclosed.unwrap_or(Raw::Unclosed(start + lead)), name);
                }
                // More after the closing bracket: by the raw rules that is literal text. In strict
                // reading it is a sign that a bare quote ended the value too early.
                Ok(end) if self.strict && !decoded[end..].trim().is_empty() => {
                    return fail(start, "text after an expression", "");
                }
                Ok(_) => {}
            }
        }
        self.at = end + 1;
        Ok(out.finish())
    }

    /// Raw rule: a literal value may hold `<` (`value="--> here <--"`) when it stands on one line and what
    /// follows its quote fits; else the quote before it is the likelier mistake.
    fn is_one_value(&self, value: std::ops::Range<usize>) -> bool {
        let after = self.text[value.end..].chars().nth(1);
        !self.strict
            && !self.text[value].contains('\n')
            && after.is_some_and(|c| c.is_whitespace() || matches!(c, '/' | '>' | '?'))
    }

    /// Raw rule: the expression ends at its bracket, then white space and `terminator` must follow.
    /// Gives the terminator's place.
    fn raw_expression(&self, start: usize, terminator: char) -> Result<(usize, TextBuilder), Raw> {
        let extent = scan::extent(self.text, start).map_err(|_| Raw::Unclosed(start))?;
        let after = &self.text[extent.end..];
        let end = extent.end + (after.len() - after.trim_start().len());
        if !self.text[end..].starts_with(terminator) {
            return Err(Raw::Trailing(end));
        }
        let mut out = TextBuilder::default();
        copy(self.text, start..extent.end, &mut out, extent.escaped);
        Ok((end, out))
    }

    fn text_run(&mut self) -> Read<()> {
        let start = self.at;
        let body = self.rest();
        let lead = body.len() - body.trim_start().len();
        let in_element = self
            .open
            .last()
            .is_some_and(|(e, out)| e.children.is_empty() && out.is_blank());
        let mut unclosed: Option<Raw> = None;
        if !self.strict && in_element && starts_expression(&body[lead..]) {
            match self.raw_expression(start + lead, '<') {
                Ok((end, text)) => {
                    self.at = end;
                    if let Some((_, out)) = self.open.last_mut() {
                        *out = text;
                    }
                    return Ok(());
                }
                Err(why) => unclosed = Some(why),
            }
        }
        let end = body.find('<').map_or(self.text.len(), |i| start + i);
        self.at = end;
        if self.open.is_empty() {
            return if body[..end - start].trim().is_empty() {
                Ok(())
            } else {
                fail(
                    start + lead,
                    "text outside the root element",
                    "remove it, or put it into a comment",
                )
            };
        }
        let mut out = self.open.pop();
        if let Some((_, out)) = &mut out {
            self.decode(start..end, out)?;
            if let Some(unclosed) = unclosed
                && scan::expression_end(out_str(out), 0).is_err()
            {
                return expression_error(unclosed, "text");
            }
        }
        self.open.extend(out);
        Ok(())
    }

    /// Text with entities decoded. Strictly every `&` starts one; by the raw rules a bare `&` is itself.
    fn decode(&self, range: std::ops::Range<usize>, out: &mut TextBuilder) -> Read<()> {
        if self.strict {
            let bad = self.text[range.clone()].match_indices('&');
            let bad = bad
                .map(|(i, _)| range.start + i)
                .find(|i| entity(&self.text.as_bytes()[*i..]).is_none());
            if let Some(at) = bad {
                return fail(at, "`&` does not start an entity", "write `&amp;`");
            }
        }
        copy(self.text, range, out, true);
        Ok(())
    }

    fn name(&mut self, of: &str) -> Read<String> {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')) {
            return fail(
                self.at,
                format!("{} cannot start the name of {of}", shown(rest)),
                "outside expressions write `<` as `&lt;` and `&` as `&amp;`",
            );
        }
        self.at += end;
        Ok(name.to_owned())
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn skip_space(&mut self) -> bool {
        let rest = self.rest();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed.len() != rest.len()
    }
}

/// Copies a range of the file: `\r\n` becomes `\n` as XML says, entities are decoded when asked.
fn copy(text: &str, range: std::ops::Range<usize>, out: &mut TextBuilder, entities: bool) {
    let mut from = range.start;
    let mut i = range.start;
    let bytes = &text.as_bytes()[..range.end];
    while let Some(special) = bytes[i..].iter().position(|b| matches!(b, b'\r' | b'&')) {
        i += special;
        let mut buffer = [0; 4];
        let decoded = if bytes[i] == b'\r' {
            (bytes.get(i + 1) == Some(&b'\n')).then_some(("", 1))
        } else if entities {
            entity(&bytes[i..]).map(|(c, len)| (&*c.encode_utf8(&mut buffer), len))
        } else {
            None
        };
        match decoded {
            Some((piece, len)) => {
                out.push_verbatim(&text[from..i], from);
                out.push_for(piece, i);
                i += len;
                from = i;
            }
            None => i += 1,
        }
    }
    out.push_verbatim(&text[from..range.end], from);
}

fn out_str(out: &TextBuilder) -> &str {
    out.as_str().trim_start()
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')
}

fn shown(rest: &str) -> String {
    match rest.chars().next() {
        Some(c) if c.is_whitespace() => "white space".into(),
        Some(c) => format!("`{c}`"),
        None => "the end of the document".into(),
    }
}

/// Why a raw expression could not be taken as one.
#[derive(Clone, Copy)]
enum Raw {
    /// The expression that starts here has no end.
    Unclosed(usize),
    /// Something other than the terminator follows the closing bracket.
    Trailing(usize),
}

fn expression_error<T>(why: Raw, place: &str) -> Read<T> {
    match why {
        Raw::Unclosed(at) => fail(
            at,
            format!("the expression in `{place}` is not closed"),
            "an expression ends at the bracket that matches its first one; brackets in strings and comments do not count",
        ),
        Raw::Trailing(at) => fail(
            at,
            format!("text follows the expression in `{place}`"),
            "a value is either all literal or all expression: join the parts inside one `@(…)`",
        ),
    }
}

fn fail<T>(at: usize, message: impl Into<String>, help: &'static str) -> Read<T> {
    Err(ReadError {
        at,
        message: message.into(),
        help,
    })
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
