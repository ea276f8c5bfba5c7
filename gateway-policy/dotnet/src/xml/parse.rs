//! Text to tree: a well-formedness checking reader with .NET's errors.

use std::collections::HashMap;

use crate::Error;

use super::{
    Attribute, Content, Declaration, Kind, MAX_ENTITY_UNITS, MAX_NODES, Name, Node, XML_NAMESPACE,
    XMLNS_NAMESPACE,
    name::{is_name_char, is_xml_char},
    xml_error,
};

mod doctype;

/// `LoadOptions`, with .NET's bit values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions(pub i32);

impl LoadOptions {
    /// White space between tags is dropped.
    pub const NONE: LoadOptions = LoadOptions(0);
    /// `PreserveWhitespace`
    pub const PRESERVE_WHITESPACE: LoadOptions = LoadOptions(1);
}

/// `XDocument.Parse(text, options)`
///
/// # Errors
/// `XmlException` with line and position; a spent budget for a tree beyond the limits.
pub fn parse_document(text: &str, options: LoadOptions) -> Result<Node, Error> {
    let text = normalized(text);
    Reader::new(&text, options).document()
}

/// `XElement.Parse(text, options)`: the root, without its document.
///
/// # Errors
/// As [`parse_document`].
pub fn parse_element(text: &str, options: LoadOptions) -> Result<Node, Error> {
    let document = parse_document(text, options)?;
    let root = document
        .root()
        .ok_or_else(|| xml_error("Root element is missing."))?;
    root.remove()?;
    Ok(root)
}

/// Line ends as XML 1.0 §2.11 wants them.
fn normalized(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        text.into()
    }
}

const NAME_CUT: &str = "Unexpected end of file while parsing Name has occurred.";

/// Units of the shortest element, `<a/>`: the original looks at no fewer on the top level.
const SHORTEST: usize = 4;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    preserve: bool,
    nodes: usize,
    entities: HashMap<String, String>,
    /// Units that entities may still add.
    entity_units: usize,
    /// Prefix and namespace, innermost last.
    scopes: Vec<(String, String)>,
}

/// An element whose end tag has not come yet.
struct Open {
    node: Node,
    qualified: String,
    start: usize,
    scopes: usize,
    preserve: bool,
}

/// An attribute as written.
struct Written {
    prefix: String,
    local: String,
    value: String,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, options: LoadOptions) -> Self {
        Reader {
            text,
            at: 0,
            preserve: options.0 & LoadOptions::PRESERVE_WHITESPACE.0 != 0,
            nodes: 0,
            entities: HashMap::new(),
            entity_units: MAX_ENTITY_UNITS,
            scopes: Vec::new(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn skip_blank(&mut self) -> bool {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.at += rest.len() - trimmed.len();
        rest.len() != trimmed.len()
    }

    fn error(&self, message: &str) -> Error {
        self.error_at(self.at, message)
    }

    fn error_at(&self, at: usize, message: &str) -> Error {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let last = before.rfind('\n').map_or(0, |i| i + 1);
        let column = before[last..].encode_utf16().count() + 1;
        xml_error(format!("{message} Line {line}, position {column}."))
    }

    fn count(&mut self) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Error::budget("nodes of an XML text"));
        }
        Ok(())
    }

    fn document(&mut self) -> Result<Node, Error> {
        let declaration = if self.is_declaration() {
            Some(self.declaration()?)
        } else {
            None
        };
        let document = Node::document(declaration);
        loop {
            self.skip_blank();
            if self.rest().is_empty() {
                break;
            }
            let cut = self
                .rest()
                .chars()
                .take(SHORTEST)
                .map(char::len_utf16)
                .sum::<usize>()
                < SHORTEST;
            if !self.rest().starts_with('<') || cut {
                return Err(self.error("Data at the root level is invalid."));
            }
            let has_root = document.root().is_some();
            let node = if self.eat("<!DOCTYPE") {
                if has_root {
                    return Err(self.error("Unexpected DTD declaration."));
                }
                self.doctype()?
            } else if self.rest().starts_with("</") {
                self.at += 2;
                return Err(self.error("Unexpected end tag."));
            } else if self.rest().starts_with("<![") {
                return Err(self.error("Data at the root level is invalid."));
            } else if let Some(node) = self.misc()? {
                node
            } else if has_root {
                self.at += 1;
                return Err(self.error("There are multiple root elements."));
            } else {
                self.element()?
            };
            document.add(&[Content::Node(node)])?;
        }
        if document.root().is_none() {
            return Err(xml_error("Root element is missing."));
        }
        Ok(document)
    }

    fn is_declaration(&self) -> bool {
        let rest = self.rest();
        rest.starts_with("<?xml") && !rest[5..].starts_with(|c| is_name_char(c, false))
    }

    fn declaration(&mut self) -> Result<Declaration, Error> {
        self.at += 5;
        let mut declaration = Declaration::default();
        loop {
            self.skip_blank();
            if self.eat("?>") {
                break;
            }
            let at = self.at;
            let (_, key) = self.qualified_name()?;
            let value = self.quoted_value()?;
            let slot = match key.as_str() {
                "version" => &mut declaration.version,
                "encoding" => &mut declaration.encoding,
                "standalone" => &mut declaration.standalone,
                _ => return Err(self.error_at(at, "Syntax for an XML declaration is invalid.")),
            };
            *slot = Some(value);
        }
        match declaration.version.as_deref() {
            Some("1.0") => Ok(declaration),
            Some(other) => Err(self.error(&format!("Version number '{other}' is invalid."))),
            None => Err(self.error("Syntax for an XML declaration is invalid.")),
        }
    }

    /// A comment or processing instruction, if one stands here.
    fn misc(&mut self) -> Result<Option<Node>, Error> {
        if self.eat("<!--") {
            let start = self.at;
            let end = self.rest().find("--").ok_or_else(|| {
                self.error_at(
                    self.text.len(),
                    "Unexpected end of file while parsing Comment has occurred.",
                )
            })?;
            let text = self.checked(start, start + end)?.to_owned();
            self.at = start + end;
            if !self.eat("-->") {
                return Err(
                    self.error("An XML comment cannot contain '--', and '-' cannot be the last character.")
                );
            }
            self.count()?;
            return Ok(Some(Node::comment(text)));
        }
        if !self.rest().starts_with("<?") {
            return Ok(None);
        }
        self.at += 2;
        let at = self.at;
        let target = self.name()?;
        if target.eq_ignore_ascii_case("xml") {
            return Err(self.error_at(
                at,
                "Unexpected XML declaration. The XML declaration must be the first node in the document, and no \
                 whitespace characters are allowed to appear before it.",
            ));
        }
        if !self.skip_blank()
            && let Some(c) = self.peek().filter(|c| *c != '?')
        {
            return Err(self.bad_in_name(c));
        }
        let start = self.at;
        let end = self.rest().find("?>").ok_or_else(|| {
            self.error_at(
                self.text.len(),
                "Unexpected end of file while parsing PI has occurred.",
            )
        })?;
        let data = self.checked(start, start + end)?.to_owned();
        self.at = start + end + 2;
        self.count()?;
        Ok(Some(Node::processing_instruction(target, data)))
    }

    /// The text between two places, if all its characters may stand in XML.
    fn checked(&self, start: usize, end: usize) -> Result<&'a str, Error> {
        let text = &self.text[start..end];
        match text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
            None => Ok(text),
            Some((i, c)) => Err(self.error_at(start + i, &invalid_character(c))),
        }
    }

    /// An element with everything in it; stands on `<`.
    fn element(&mut self) -> Result<Node, Error> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            if let Some(node) = self.start_tag(&mut open)? {
                return Ok(node);
            }
            if let Some(node) = self.content(&mut open)? {
                return Ok(node);
            }
        }
    }

    /// A start tag. Gives the element when it is empty and the outermost.
    fn start_tag(&mut self, open: &mut Vec<Open>) -> Result<Option<Node>, Error> {
        self.at += 1;
        let start = self.at;
        let scopes = self.scopes.len();
        if self.rest().starts_with('!') {
            return Err(self.bad_markup(open));
        }
        let (prefix, local) = self.qualified_name()?;
        self.check_name_end()?;
        let (written, closed) = self.attributes(open)?;
        self.declare(&written)?;
        let namespace = self.namespace(&prefix, start)?;
        let node = Node::element(Name::unchecked(&namespace, &local));
        self.count()?;
        let mut preserve = open.last().map_or(self.preserve, |parent| parent.preserve);
        for one in written {
            let name = self.attribute_name(&one)?;
            if node.attribute(&name).is_some() {
                let message = format!(
                    "'{}' is a duplicate attribute name.",
                    qualified(&one.prefix, &one.local)
                );
                return Err(self.error_at(one.at, &message));
            }
            if &*name.namespace == XML_NAMESPACE && &*name.local == "space" {
                preserve = one.value == "preserve";
            }
            self.count()?;
            node.attach_attribute(Attribute::new(name, one.value));
        }
        if let Some(parent) = open.last() {
            let end = parent.node.child_count();
            parent.node.attach(end, node.clone())?;
        }
        if closed {
            self.scopes.truncate(scopes);
            return Ok(open.is_empty().then_some(node));
        }
        open.push(Open {
            node,
            qualified: qualified(&prefix, &local),
            start,
            scopes,
            preserve,
        });
        Ok(None)
    }

    /// `<!` with nothing known behind it.
    fn bad_markup(&mut self, open: &[Open]) -> Error {
        self.at += 1;
        let (expected, need) = match self.peek() {
            Some('-') => {
                self.at += 1;
                ("'-'", 1)
            }
            Some('[') => {
                self.at += 1;
                ("'CDATA['", 6)
            }
            _ if open.is_empty() => ("'DOCTYPE'", 7),
            _ if self.rest().starts_with("DOCTYPE") => return self.error("Unexpected DTD declaration."),
            _ => return self.unexpected("'<!--' or '<[CDATA['"),
        };
        if self.rest().len() < need && !open.is_empty() {
            self.at = self.text.len();
            return self.unclosed(open);
        }
        self.unexpected(expected)
    }

    /// A tag's name must end at white space or the tag's end.
    fn check_name_end(&self) -> Result<(), Error> {
        match self.peek() {
            Some(c) if !matches!(c, ' ' | '\t' | '\n' | '\r' | '/' | '>') => Err(self.bad_in_name(c)),
            _ => Ok(()),
        }
    }

    fn bad_in_name(&self, c: char) -> Error {
        self.error(&format!(
            "The '{c}' character, hexadecimal value 0x{:02X}, cannot be included in a name.",
            c as u32
        ))
    }

    /// Content up to the next start tag. Gives the outermost element when it ends.
    fn content(&mut self, open: &mut Vec<Open>) -> Result<Option<Node>, Error> {
        while let Some(current) = open.last() {
            let (node, preserve) = (current.node.clone(), current.preserve);
            let text = self.character_data()?;
            if !text.is_empty() && (preserve || !text.trim_matches([' ', '\t', '\n', '\r']).is_empty()) {
                self.append(&node, Node::text(text))?;
            }
            if self.eat("</") {
                if self.end_tag(open)? {
                    return Ok(Some(node));
                }
            } else if self.eat("<![CDATA[") {
                let start = self.at;
                let end = self.rest().find("]]>").ok_or_else(|| {
                    // Closing brackets at the end have not been taken for text yet.
                    let waiting = self.text.bytes().rev().take(2).take_while(|b| *b == b']').count();
                    let end = self.text.len() - waiting;
                    self.error_at(end, "Unexpected end of file while parsing CDATA has occurred.")
                })?;
                let text = self.checked(start, start + end)?.to_owned();
                self.at = start + end + 3;
                self.append(&node, Node::cdata(text))?;
            } else if let Some(misc) = self.misc()? {
                self.append(&node, misc)?;
            } else if self.rest().is_empty() || self.rest() == "<" {
                self.at = self.text.len();
                return Err(self.unclosed(open));
            } else {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn append(&mut self, parent: &Node, child: Node) -> Result<(), Error> {
        self.count()?;
        let end = parent.child_count();
        parent.attach(end, child)
    }

    /// An end tag; true when it closes the outermost element.
    fn end_tag(&mut self, open: &mut Vec<Open>) -> Result<bool, Error> {
        let at = self.at;
        let wanted = open.last().map_or("", |o| o.qualified.as_str());
        if self.rest() == wanted {
            self.at = self.text.len();
            return Err(self.unclosed(open));
        }
        let (prefix, local) = self.qualified_name()?;
        self.skip_blank();
        let Some(element) = open.pop() else {
            return Err(self.error_at(at, "Unexpected end tag."));
        };
        let found = qualified(&prefix, &local);
        if found != element.qualified {
            let (line, column) = self.line_and_column(element.start);
            return Err(self.error_at(
                at,
                &format!(
                    "The '{}' start tag on line {line} position {column} does not match the end tag of '{found}'.",
                    element.qualified
                ),
            ));
        }
        if !self.eat(">") {
            return Err(self.unexpected("'>'"));
        }
        self.scopes.truncate(element.scopes);
        if let Kind::Element {
            children, end_tag, ..
        } = element.node.kind()
        {
            end_tag.set(children.borrow().is_empty());
        }
        Ok(open.is_empty())
    }

    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at];
        let last = before.rfind('\n').map_or(0, |i| i + 1);
        (
            before.matches('\n').count() + 1,
            before[last..].encode_utf16().count() + 1,
        )
    }

    fn unclosed(&self, open: &[Open]) -> Error {
        let names: Vec<&str> = open.iter().rev().map(|one| one.qualified.as_str()).collect();
        let list = names.join(", ");
        let stop = if list.is_empty() { "" } else { "." };
        self.error(&format!(
            "Unexpected end of file has occurred. The following elements are not closed: {list}{stop}"
        ))
    }

    fn unexpected(&self, expected: &str) -> Error {
        match self.peek() {
            None => self.error("Unexpected end of file has occurred."),
            Some(_) => {
                let token = self.token();
                self.error(&format!(
                    "'{token}' is an unexpected token. The expected token is {expected}."
                ))
            }
        }
    }

    /// What stands here, for a complaint: a whole name or one character.
    fn token(&self) -> &'a str {
        let rest = self.rest();
        let name = rest.len() - rest.trim_start_matches(|c| is_name_char(c, false)).len();
        let one = rest.chars().next().map_or(0, char::len_utf8);
        &rest[..name.max(one)]
    }

    fn bad_start(&self, c: char) -> Error {
        self.error(&format!(
            "Name cannot begin with the '{c}' character, hexadecimal value 0x{:02X}.",
            c as u32
        ))
    }

    fn attributes(&mut self, open: &[Open]) -> Result<(Vec<Written>, bool), Error> {
        let mut all = Vec::new();
        loop {
            let spaced = self.skip_blank();
            if self.eat("/>") {
                return Ok((all, true));
            }
            if self.eat(">") {
                return Ok((all, false));
            }
            let Some(next) = self.peek() else {
                return Err(self.unclosed(open));
            };
            if next == '/' {
                self.at += 1;
                return Err(if self.rest().is_empty() {
                    self.unclosed(open)
                } else {
                    self.unexpected("'>'")
                });
            }
            if !is_name_char(next, true) {
                return Err(self.bad_start(next));
            }
            if !spaced {
                let token = self.token();
                return Err(self.error(&format!(
                    "'{token}' is an unexpected token. Expecting whitespace."
                )));
            }
            let at = self.at;
            let (prefix, local) = self.qualified_name()?;
            if self.peek() == Some(':') {
                self.check_name_end()?;
            }
            let value = self.quoted_value()?;
            if prefix == "xmlns" && value.is_empty() {
                return Err(self.error_at(at + 6 + local.len() + 1, "Invalid namespace declaration."));
            }
            all.push(Written {
                prefix,
                local,
                value,
                at,
            });
            if all.len() > MAX_NODES {
                return Err(Error::budget("attributes of an XML element"));
            }
        }
    }

    /// `= "…"`: the value with references resolved and white space normalized.
    fn quoted_value(&mut self) -> Result<String, Error> {
        self.skip_blank();
        if !self.eat("=") {
            return Err(self.unexpected("'='"));
        }
        self.skip_blank();
        let quote = match self.peek() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => return Err(self.unexpected("'\"' or '''")),
        };
        self.at += 1;
        let mut value = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error("There is an unclosed literal string."));
            };
            match c {
                c if c == quote => {
                    self.at += 1;
                    return Ok(value);
                }
                '<' => {
                    return Err(self.error("'<', hexadecimal value 0x3C, is an invalid attribute character."));
                }
                '&' => self.reference(&mut value)?,
                '\t' | '\n' | '\r' => {
                    value.push(' ');
                    self.at += 1;
                }
                c if !is_xml_char(c) => return Err(self.error(&invalid_character(c))),
                c => {
                    value.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn character_data(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                '<' => break,
                '&' => self.reference(&mut text)?,
                ']' if self.rest().starts_with("]]>") => {
                    return Err(self.error("']]>' is not allowed in character data."));
                }
                c if !is_xml_char(c) => return Err(self.error(&invalid_character(c))),
                c => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        Ok(text)
    }

    /// `&name;`, `&#10;`, `&#xA;`
    fn reference(&mut self, into: &mut String) -> Result<(), Error> {
        self.at += 1;
        let at = self.at;
        if self.eat("#") {
            return self.character_reference(into);
        }
        if self.rest().is_empty() {
            return Err(self.error_at(at - 1, "Unexpected end of file has occurred."));
        }
        let Ok(name) = self.name() else {
            return Err(self.error_at(at, "An error occurred while parsing EntityName."));
        };
        if !self.eat(";") {
            return Err(self.unexpected("';'"));
        }
        let text = match name.as_str() {
            "lt" => "<",
            "gt" => ">",
            "amp" => "&",
            "quot" => "\"",
            "apos" => "'",
            _ => {
                let Some(text) = self.entities.get(&name) else {
                    return Err(self.error_at(at, &format!("Reference to undeclared entity '{name}'.")));
                };
                self.entity_units = self
                    .entity_units
                    .checked_sub(text.len())
                    .ok_or_else(|| Error::budget("text of XML entities"))?;
                text
            }
        };
        into.push_str(text);
        Ok(())
    }

    fn character_reference(&mut self, into: &mut String) -> Result<(), Error> {
        let radix = if self.eat("x") { 16 } else { 10 };
        let digits = self.rest().len() - self.rest().trim_start_matches(|c: char| c.is_digit(radix)).len();
        let code = u32::from_str_radix(&self.rest()[..digits], radix);
        let at = self.at;
        self.at += digits;
        if self.rest().is_empty() {
            let start = self.text[..at].rfind('&').unwrap_or(at);
            return Err(self.error_at(start, "Unexpected end of file while parsing  has occurred."));
        }
        if digits == 0 || !self.eat(";") {
            let kind = if radix == 16 { "hexadecimal" } else { "decimal" };
            return Err(self.error(&format!("Invalid syntax for a {kind} numeric entity reference.")));
        }
        match code.ok().and_then(char::from_u32) {
            Some(c) if is_xml_char(c) => into.push(c),
            Some(c) => return Err(self.error_at(at, &invalid_character(c))),
            None => return Err(self.error_at(at, "Invalid value for a character reference.")),
        }
        Ok(())
    }

    fn name(&mut self) -> Result<String, Error> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Err(self.error(NAME_CUT));
        };
        if !is_name_char(first, true) {
            return Err(self.bad_start(first));
        }
        let len = rest.len() - rest.trim_start_matches(|c| is_name_char(c, false)).len();
        self.at += len;
        if self.rest().is_empty() {
            return Err(self.error(NAME_CUT));
        }
        Ok(rest[..len].to_owned())
    }

    fn qualified_name(&mut self) -> Result<(String, String), Error> {
        let first = self.name()?;
        if self.eat(":") {
            if matches!(self.rest(), "" | ">") {
                return Err(self.error(NAME_CUT));
            }
            Ok((first, self.name()?))
        } else {
            Ok((String::new(), first))
        }
    }

    fn declare(&mut self, written: &[Written]) -> Result<(), Error> {
        for one in written {
            if one.prefix == "xmlns" {
                self.scopes.push((one.local.clone(), one.value.clone()));
            } else if one.prefix.is_empty() && one.local == "xmlns" {
                self.scopes.push((String::new(), one.value.clone()));
            }
        }
        Ok(())
    }

    fn namespace(&self, prefix: &str, at: usize) -> Result<String, Error> {
        let bound = self.scopes.iter().rev().find(|(p, _)| p == prefix);
        match (bound, prefix) {
            (Some((_, namespace)), _) => Ok(namespace.clone()),
            (None, "") => Ok(String::new()),
            (None, "xml") => Ok(XML_NAMESPACE.to_owned()),
            (None, _) => Err(self.error_at(at, &format!("'{prefix}' is an undeclared prefix."))),
        }
    }

    fn attribute_name(&self, one: &Written) -> Result<Name, Error> {
        let namespace = match one.prefix.as_str() {
            "" => String::new(),
            "xmlns" => XMLNS_NAMESPACE.to_owned(),
            prefix => self.namespace(prefix, one.at)?,
        };
        Ok(Name::unchecked(&namespace, &one.local))
    }
}

fn qualified(prefix: &str, local: &str) -> String {
    if prefix.is_empty() {
        local.to_owned()
    } else {
        format!("{prefix}:{local}")
    }
}

fn invalid_character(c: char) -> String {
    let shown = if c == '\0' { '.' } else { c };
    format!(
        "'{shown}', hexadecimal value 0x{:02X}, is an invalid character.",
        c as u32
    )
}
