//! XML texts as flat trees with places: what XML schemas are read from, and the bodies they check.
//!
//! One arena a text, names resolved, nothing of the text copied that has no references in it. Entities other than
//! XML's own do not exist here, so nothing expands; a document type is refused in bodies as .NET's reader does.
//! Source: XML 1.0 fifth edition, Namespaces in XML 1.0. Messages follow .NET's `XmlReader`.

use std::{borrow::Cow, ops::Range};

/// Levels of elements: the validator recurses once a level.
const DEPTH_MAX: usize = 256;
/// Elements and texts of one document, about 80 bytes each: 4 MB of ordinary messages have a tenth.
const NODES_MAX: usize = 500_000;
/// Attributes of one element: looking for doubles compares each with each.
const ATTRIBUTES_MAX: usize = 256;
/// Namespace declarations in scope at one place: each prefix is looked for among them.
const SCOPE_MAX: usize = 256;

/// The namespace of `xml:lang` and its siblings.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of declarations.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// "No node".
pub(crate) const NONE: usize = usize::MAX;

/// A text that is not XML, and the byte where that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotXml {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// An element or a piece of text.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    pub(crate) parent: usize,
    /// The next one with the same parent, or [`NONE`].
    pub(crate) next: usize,
    pub(crate) first: usize,
    /// Where its name, or the text, starts.
    pub(crate) at: usize,
    pub(crate) kind: Kind<'t>,
}

#[derive(Debug)]
pub(crate) enum Kind<'t> {
    Element {
        uri: u32,
        local: &'t str,
        attributes: Range<usize>,
        declarations: Range<usize>,
        /// Where the name in its end tag starts; its own name without one.
        end: usize,
    },
    Text(Cow<'t, str>),
}

#[derive(Debug)]
pub(crate) struct Attribute<'t> {
    uri: u32,
    pub(crate) local: &'t str,
    pub(crate) value: Cow<'t, str>,
    pub(crate) at: usize,
}

/// A document.
#[derive(Debug)]
pub(crate) struct Tree<'t> {
    pub(crate) nodes: Vec<Node<'t>>,
    attributes: Vec<Attribute<'t>>,
    /// Prefix and index of the address.
    declarations: Vec<(&'t str, u32)>,
    uris: Vec<Cow<'t, str>>,
}

impl<'t> Tree<'t> {
    /// Reads a text; `doctype` steps over a document type declaration.
    pub(crate) fn read(text: &'t str, doctype: bool) -> Result<Self, NotXml> {
        let mut reader = Reader {
            text,
            at: 0,
            tree: Tree {
                nodes: Vec::new(),
                attributes: Vec::new(),
                declarations: Vec::new(),
                uris: vec!["".into(), XML.into(), XMLNS.into()],
            },
            scope: vec![("", 0), ("xml", 1)],
            open: Vec::new(),
            doctype,
        };
        reader.document()?;
        Ok(reader.tree)
    }

    /// The document element.
    pub(crate) fn root(&self) -> usize {
        0
    }

    /// Namespace and local name; of a text both are empty.
    pub(crate) fn name(&self, node: usize) -> (&str, &'t str) {
        match &self.nodes[node].kind {
            Kind::Element { uri, local, .. } => (&self.uris[*uri as usize], local),
            Kind::Text(_) => ("", ""),
        }
    }

    pub(crate) fn is_element(&self, node: usize) -> bool {
        matches!(self.nodes[node].kind, Kind::Element { .. })
    }

    /// Where the end tag's name starts.
    pub(crate) fn end(&self, node: usize) -> usize {
        match &self.nodes[node].kind {
            Kind::Element { end, .. } => *end,
            Kind::Text(_) => self.nodes[node].at,
        }
    }

    pub(crate) fn children(&self, node: usize) -> impl Iterator<Item = usize> + use<'_, 't> {
        let mut next = self.nodes[node].first;
        std::iter::from_fn(move || {
            let here = next;
            next = self.nodes.get(here)?.next;
            Some(here)
        })
    }

    pub(crate) fn elements(&self, node: usize) -> impl Iterator<Item = usize> + use<'_, 't> {
        self.children(node).filter(|n| self.is_element(*n))
    }

    /// Attributes that are not namespace declarations.
    pub(crate) fn attributes(&self, node: usize) -> &[Attribute<'t>] {
        match &self.nodes[node].kind {
            Kind::Element { attributes, .. } => &self.attributes[attributes.clone()],
            Kind::Text(_) => &[],
        }
    }

    pub(crate) fn uri(&self, attribute: &Attribute<'t>) -> &str {
        &self.uris[attribute.uri as usize]
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, node: usize, uri: &str, local: &str) -> Option<&Attribute<'t>> {
        self.attributes(node)
            .iter()
            .find(|a| a.local == local && self.uri(a) == uri)
    }

    /// All text directly inside an element.
    pub(crate) fn text(&self, node: usize) -> Cow<'_, str> {
        let mut out = Cow::Borrowed("");
        for child in self.children(node) {
            if let Kind::Text(text) = &self.nodes[child].kind {
                if out.is_empty() {
                    out = Cow::Borrowed(text);
                } else {
                    out.to_mut().push_str(text);
                }
            }
        }
        out
    }

    /// The namespace that a prefix stands for at a node; the empty prefix always stands for one.
    pub(crate) fn lookup(&self, node: usize, prefix: &str) -> Option<&str> {
        let mut at = node;
        while let Some(here) = self.nodes.get(at) {
            if let Kind::Element { declarations, .. } = &here.kind {
                let own = &self.declarations[declarations.clone()];
                if let Some((_, uri)) = own.iter().rev().find(|(p, _)| *p == prefix) {
                    return Some(&self.uris[*uri as usize]);
                }
            }
            at = here.parent;
        }
        match prefix {
            "" => Some(""),
            "xml" => Some(XML),
            _ => None,
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    tree: Tree<'t>,
    /// Declarations in scope, innermost last.
    scope: Vec<(&'t str, u32)>,
    open: Vec<Open<'t>>,
    doctype: bool,
}

struct Open<'t> {
    node: usize,
    /// As written, for its end tag.
    name: &'t str,
    last: usize,
    scope: usize,
}

type Read<T> = Result<T, NotXml>;

/// An attribute as written: where, name and value.
type Raw<'t> = (usize, &'t str, Cow<'t, str>);

impl<'t> Reader<'t> {
    fn error<T>(&self, at: usize, message: impl Into<String>) -> Read<T> {
        Err(NotXml {
            at,
            message: message.into(),
        })
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn blank(&mut self) -> bool {
        let rest = self.rest();
        let stop = rest
            .bytes()
            .position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
        let count = stop.unwrap_or(rest.len());
        self.at += count;
        count > 0
    }

    /// Steps to just behind `token`.
    fn past(&mut self, token: &str, what: &str) -> Read<&'t str> {
        match self.rest().find(token) {
            Some(end) => {
                let inside = &self.rest()[..end];
                self.at += end + token.len();
                Ok(inside)
            }
            None => self.error(
                self.text.len(),
                format!("Unexpected end of file while parsing {what} has occurred."),
            ),
        }
    }

    fn document(&mut self) -> Read<()> {
        self.eat("\u{feff}");
        if self.rest().starts_with("<?xml") && !self.rest()[5..].starts_with(is_name_char) {
            self.past("?>", "PI")?;
        }
        loop {
            if self.open.is_empty() {
                self.blank();
                if self.at == self.text.len() {
                    break;
                }
            }
            let start = self.at;
            if self.eat("<!--") {
                let inside = self.past("-->", "Comment")?;
                if inside.contains("--") || inside.ends_with('-') {
                    return self.error(
                        start,
                        "An XML comment cannot contain '--', and '-' cannot be the last character.",
                    );
                }
                allowed(inside, start)?;
            } else if self.eat("<![CDATA[") {
                if self.open.is_empty() {
                    return self.error(start + 1, "Data at the root level is invalid.");
                }
                let inside = self.past("]]>", "CDATA")?;
                allowed(inside, start)?;
                self.push_text(start, newlines(inside))?;
            } else if self.eat("<?") {
                let name = self.name()?;
                if name.eq_ignore_ascii_case("xml") {
                    return self.error(
                        start,
                        "Unexpected XML declaration. The XML declaration must be the first node in the document, and no white space characters are allowed to appear before it.",
                    );
                }
                let inside = self.past("?>", "PI")?;
                allowed(inside, start)?;
            } else if self.rest().starts_with("<!DOCTYPE") {
                self.doctype()?;
            } else if self.eat("</") {
                self.close()?;
            } else if self.eat("<") {
                if self.open.is_empty() && !self.tree.nodes.is_empty() {
                    return self.error(start + 1, "There are multiple root elements.");
                }
                self.element()?;
            } else if self.at == self.text.len() {
                let open = self.open.last().map_or("", |o| o.name);
                return self.error(
                    start,
                    format!(
                        "Unexpected end of file has occurred. The following elements are not closed: {open}."
                    ),
                );
            } else if self.open.is_empty() {
                return self.error(start, "Data at the root level is invalid.");
            } else {
                self.characters()?;
            }
        }
        if self.tree.nodes.is_empty() {
            return self.error(self.at, "Root element is missing.");
        }
        Ok(())
    }

    /// The declaration of a document type has no say here; what it declares does not exist.
    fn doctype(&mut self) -> Read<()> {
        let start = self.at;
        if !self.doctype || !self.tree.nodes.is_empty() {
            return self.error(
                start + 2,
                "For security reasons DTD is prohibited in this XML document.",
            );
        }
        let (mut quote, mut inside) = (None, false);
        let mut skip_to = 0;
        for (i, b) in self.rest().bytes().enumerate() {
            if i < skip_to {
                continue;
            }
            match (quote, b) {
                (None, b'>') if !inside => {
                    self.at += i + 1;
                    return Ok(());
                }
                (None, b'<') if self.rest()[i..].starts_with("<!--") => {
                    skip_to = self.rest()[i..].find("-->").map_or(usize::MAX, |e| i + e + 3);
                }
                (None, b'<') if self.rest()[i..].starts_with("<?") => {
                    skip_to = self.rest()[i..].find("?>").map_or(usize::MAX, |e| i + e + 2);
                }
                (None, b'[') => inside = true,
                (None, b']') => inside = false,
                (None, b'"' | b'\'') => quote = Some(b),
                (Some(q), b) if q == b => quote = None,
                _ => {}
            }
        }
        self.error(
            self.text.len(),
            "Unexpected end of file while parsing DOCTYPE has occurred.",
        )
    }

    fn name(&mut self) -> Read<&'t str> {
        let rest = self.rest();
        let end = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        if !name.starts_with(is_name_start) {
            let found = rest
                .chars()
                .next()
                .map_or("end of file".to_owned(), |c| format!("'{c}'"));
            return self.error(self.at, format!("Name cannot begin with the {found} character."));
        }
        self.at += end;
        Ok(name)
    }

    /// Prefix and local part.
    fn split(&self, name: &'t str, at: usize) -> Read<(&'t str, &'t str)> {
        match name.split_once(':') {
            None => Ok(("", name)),
            Some((prefix, local))
                if !prefix.is_empty() && local.starts_with(is_name_start) && !local.contains(':') =>
            {
                Ok((prefix, local))
            }
            Some(_) => self.error(
                at,
                "The ':' character, hexadecimal value 0x3A, cannot be included in a name.",
            ),
        }
    }

    fn element(&mut self) -> Read<()> {
        let at = self.at;
        let name = self.name()?;
        let (raw, empty) = self.start_tag(name)?;
        let scope = self.scope.len();
        let declarations = self.declare(&raw)?;
        let (prefix, local) = self.split(name, at)?;
        let uri = self.resolve(prefix, at)?;
        let attributes = self.attributes_of(raw)?;
        if self.tree.nodes.len() >= NODES_MAX {
            return self.error(at, format!("The document has more than {NODES_MAX} nodes."));
        }
        if self.open.len() >= DEPTH_MAX {
            return self.error(at, format!("Elements are nested deeper than {DEPTH_MAX} levels."));
        }
        let kind = Kind::Element {
            uri,
            local,
            attributes,
            declarations,
            end: at,
        };
        let node = self.push(at, kind);
        if empty {
            self.scope.truncate(scope);
        } else {
            self.open.push(Open {
                node,
                name,
                last: NONE,
                scope,
            });
        }
        Ok(())
    }

    fn push(&mut self, at: usize, kind: Kind<'t>) -> usize {
        let node = self.tree.nodes.len();
        let mut parent = NONE;
        if let Some(open) = self.open.last_mut() {
            parent = open.node;
            match open.last {
                NONE => self.tree.nodes[parent].first = node,
                last => self.tree.nodes[last].next = node,
            }
            open.last = node;
        }
        self.tree.nodes.push(Node {
            parent,
            next: NONE,
            first: NONE,
            at,
            kind,
        });
        node
    }

    /// Attributes as written, and whether the element ends with its tag.
    fn start_tag(&mut self, name: &str) -> Read<(Vec<Raw<'t>>, bool)> {
        let mut raw: Vec<Raw<'t>> = Vec::new();
        loop {
            let spaced = self.blank();
            if self.eat(">") {
                return Ok((raw, false));
            }
            if self.eat("/>") {
                return Ok((raw, true));
            }
            let at = self.at;
            if at == self.text.len() {
                return self.error(
                    at,
                    format!(
                        "Unexpected end of file has occurred. The following elements are not closed: {name}."
                    ),
                );
            }
            if !spaced {
                return self.error(at, "White space is missing before an attribute.");
            }
            let key = self.name()?;
            self.blank();
            if !self.eat("=") {
                return self.error(self.at, "'=' is expected after the name of an attribute.");
            }
            self.blank();
            let quote = match self.rest().as_bytes().first() {
                Some(b'"') => "\"",
                Some(b'\'') => "'",
                _ => {
                    return self.error(self.at, "The expected token is '\"' or '''.");
                }
            };
            self.at += 1;
            let from = self.at;
            let inside = self.past(quote, "an attribute value")?;
            if let Some(found) = inside.find('<') {
                return self.error(
                    from + found,
                    "'<', hexadecimal value 0x3C, is an invalid attribute character.",
                );
            }
            if raw.iter().any(|(_, k, _)| *k == key) {
                return self.error(at, format!("'{key}' is a duplicate attribute name."));
            }
            if raw.len() >= ATTRIBUTES_MAX {
                return self.error(
                    at,
                    format!("An element has more than {ATTRIBUTES_MAX} attributes."),
                );
            }
            raw.push((at, key, self.expanded(inside, from, true)?));
        }
    }

    /// Takes over the namespace declarations.
    fn declare(&mut self, raw: &[Raw<'t>]) -> Read<Range<usize>> {
        let from = self.tree.declarations.len();
        for (at, key, value) in raw {
            let prefix = match *key {
                "xmlns" => "",
                other => match other.strip_prefix("xmlns:") {
                    Some(prefix) => prefix,
                    None => continue,
                },
            };
            let reserved = (prefix == "xml") != (value == XML) || prefix == "xmlns" || value == XMLNS;
            if reserved || (value.is_empty() && !prefix.is_empty()) {
                return self.error(
                    *at,
                    format!("Prefix '{prefix}' cannot be mapped to namespace name '{value}'."),
                );
            }
            let known = self
                .tree
                .uris
                .iter()
                .rev()
                .take(SCOPE_MAX)
                .position(|u| u == value);
            let uri = match known {
                Some(back) => self.tree.uris.len() - 1 - back,
                None => {
                    self.tree.uris.push(value.clone());
                    self.tree.uris.len() - 1
                }
            };
            let uri = u32::try_from(uri).unwrap_or(0);
            self.tree.declarations.push((prefix, uri));
            self.scope.push((prefix, uri));
            if self.scope.len() > SCOPE_MAX {
                return self.error(
                    *at,
                    format!("More than {SCOPE_MAX} namespace declarations are in scope."),
                );
            }
        }
        Ok(from..self.tree.declarations.len())
    }

    fn resolve(&self, prefix: &str, at: usize) -> Read<u32> {
        match self.scope.iter().rev().find(|(p, _)| *p == prefix) {
            Some((_, uri)) => Ok(*uri),
            None => self.error(at, format!("'{prefix}' is an undeclared prefix.")),
        }
    }

    fn attributes_of(&mut self, raw: Vec<Raw<'t>>) -> Read<Range<usize>> {
        let from = self.tree.attributes.len();
        for (at, key, value) in raw {
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            let (prefix, local) = self.split(key, at)?;
            let uri = if prefix.is_empty() {
                0
            } else {
                self.resolve(prefix, at)?
            };
            let own = &self.tree.attributes[from..];
            let same = |a: &Attribute<'_>| {
                a.local == local && self.tree.uris[a.uri as usize] == self.tree.uris[uri as usize]
            };
            if own.iter().any(same) {
                return self.error(at, format!("'{local}' is a duplicate attribute name."));
            }
            self.tree.attributes.push(Attribute {
                uri,
                local,
                value,
                at,
            });
        }
        Ok(from..self.tree.attributes.len())
    }

    fn close(&mut self) -> Read<()> {
        let at = self.at;
        let name = self.name()?;
        self.blank();
        if !self.eat(">") {
            return self.error(self.at, "The expected token is '>'.");
        }
        let Some(open) = self.open.pop() else {
            return self.error(at, "Unexpected end tag.");
        };
        if open.name != name {
            return self.error(
                at,
                format!(
                    "The '{}' start tag does not match the end tag of '{name}'.",
                    open.name
                ),
            );
        }
        self.scope.truncate(open.scope);
        if let Kind::Element { end, .. } = &mut self.tree.nodes[open.node].kind {
            *end = at;
        }
        Ok(())
    }

    fn characters(&mut self) -> Read<()> {
        let start = self.at;
        let rest = self.rest();
        let inside = &rest[..rest.find('<').unwrap_or(rest.len())];
        if let Some(found) = inside.find("]]>") {
            return self.error(start + found, "']]>' is not allowed in character data.");
        }
        self.at += inside.len();
        let text = self.expanded(inside, start, false)?;
        self.push_text(start, text)
    }

    fn push_text(&mut self, at: usize, text: Cow<'t, str>) -> Read<()> {
        if self.tree.nodes.len() >= NODES_MAX {
            return self.error(at, format!("The document has more than {NODES_MAX} nodes."));
        }
        self.push(at, Kind::Text(text));
        Ok(())
    }

    /// References replaced, line ends normalised; in attributes white space is blanks.
    fn expanded(&self, inside: &'t str, from: usize, attribute: bool) -> Read<Cow<'t, str>> {
        allowed(inside, from)?;
        let special = |b: u8| matches!(b, b'&' | b'\r') || (attribute && matches!(b, b'\t' | b'\n'));
        if !inside.bytes().any(special) {
            return Ok(inside.into());
        }
        let mut out = String::with_capacity(inside.len());
        let mut rest = inside;
        while let Some(stop) = rest.find(['&', '\r', '\t', '\n']) {
            out.push_str(&rest[..stop]);
            let at = from + inside.len() - rest.len() + stop;
            rest = &rest[stop..];
            let taken = match rest.as_bytes()[0] {
                b'&' => {
                    let Some(end) = rest.find(';') else {
                        return self.error(at, "An error occurred while parsing EntityName.");
                    };
                    match reference(&rest[1..end]) {
                        Some(c) => out.push(c),
                        None => {
                            return self.error(
                                at + 1,
                                format!(
                                    "Reference to undeclared entity '{}'.",
                                    super::short(&rest[1..end])
                                ),
                            );
                        }
                    }
                    end + 1
                }
                b'\r' => {
                    out.push(if attribute { ' ' } else { '\n' });
                    1 + usize::from(rest[1..].starts_with('\n'))
                }
                other => {
                    out.push(if attribute { ' ' } else { char::from(other) });
                    1
                }
            };
            rest = &rest[taken..];
        }
        out.push_str(rest);
        Ok(out.into())
    }
}

/// `amp`, `#38`, `#x26`…
fn reference(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        other => other.strip_prefix('#')?,
    };
    let (digits, radix) = match code.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (code, 10),
    };
    // A sign is a digit to Rust's reader of numbers.
    let good = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let c = char::from_u32(good.then(|| u32::from_str_radix(digits, radix).ok()).flatten()?)?;
    is_char(c).then_some(c)
}

fn newlines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        text.into()
    }
}

fn is_char(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn allowed(text: &str, from: usize) -> Read<()> {
    match text.char_indices().find(|(_, c)| !is_char(*c)) {
        None => Ok(()),
        Some((i, c)) => Err(NotXml {
            at: from + i,
            message: format!(
                "'{}', hexadecimal value 0x{:02X}, is an invalid character.",
                c.escape_default(),
                u32::from(c)
            ),
        }),
    }
}

/// `NameStartChar`, with the colon.
pub(crate) fn is_name_start(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '_' | ':' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}'
        | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// `NameChar`, with the colon.
pub(crate) fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in braces with their namespace, texts in quotes.
    fn shown(tree: &Tree<'_>, node: usize) -> String {
        if let Kind::Text(text) = &tree.nodes[node].kind {
            return format!("{text:?}");
        }
        let (uri, local) = tree.name(node);
        let mut out = format!("{uri}|{local}");
        for a in tree.attributes(node) {
            out += &format!(" {}|{}={}", tree.uri(a), a.local, a.value);
        }
        let inside: Vec<String> = tree.children(node).map(|c| shown(tree, c)).collect();
        format!(
            "({out}{})",
            inside.iter().map(|i| format!(" {i}")).collect::<String>()
        )
    }

    #[test]
    fn texts_become_trees_or_are_refused_with_their_place() {
        for (text, expected) in [
            ("<a/>", "(|a)"),
            (
                "\u{feff}<?xml version='1.0'?>\n<!-- c --><a b='1'>x<b/>y</a><?pi?>",
                "(|a |b=1 \"x\" (|b) \"y\")",
            ),
            (
                "<a xmlns='u' xmlns:p='v' p:x='1' y='2'><p:b xmlns=''><c/></p:b></a>",
                "(u|a v|x=1 |y=2 (v|b (|c)))",
            ),
            (
                "<a x='&lt;&#65;&#x42;\r\n\t'>&amp;<![CDATA[<&]]>\r\n</a>",
                "(|a |x=<AB   \"&\" \"<&\" \"\\n\")",
            ),
            ("", "0: Root element is missing."),
            ("x", "0: Data at the root level is invalid."),
            ("<a/><b/>", "5: There are multiple root elements."),
            (
                "<a><b></a>",
                "8: The 'b' start tag does not match the end tag of 'a'.",
            ),
            (
                "<a>",
                "3: Unexpected end of file has occurred. The following elements are not closed: a.",
            ),
            (
                "<!DOCTYPE a><a/>",
                "2: For security reasons DTD is prohibited in this XML document.",
            ),
            ("<p:a/>", "1: 'p' is an undeclared prefix."),
            ("<a b='1' b='2'/>", "9: 'b' is a duplicate attribute name."),
            (
                "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
                "35: 'b' is a duplicate attribute name.",
            ),
            ("<a>&x;</a>", "4: Reference to undeclared entity 'x'."),
            ("<a>&#0;</a>", "4: Reference to undeclared entity '#0'."),
            ("<a>&#+65;</a>", "4: Reference to undeclared entity '#+65'."),
            ("<1/>", "1: Name cannot begin with the '1' character."),
            ("<a b=1/>", "5: The expected token is '\"' or '''."),
            ("<a>]]></a>", "3: ']]>' is not allowed in character data."),
            (
                "<a>\u{1}</a>",
                "3: '\\u{1}', hexadecimal value 0x01, is an invalid character.",
            ),
            (
                "<a xmlns:p=''/>",
                "3: Prefix 'p' cannot be mapped to namespace name ''.",
            ),
        ] {
            let got = match Tree::read(text, false) {
                Ok(tree) => shown(&tree, tree.root()),
                Err(error) => format!("{}: {}", error.at, error.message),
            };
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn schemas_may_have_a_document_type_and_everything_is_bounded() {
        let with = "<!DOCTYPE a [<!ENTITY x 'y>'> <!-- > ] --> ]><a/>";
        assert!(Tree::read(with, true).is_ok());
        let many = "<a>".repeat(300);
        let attributes: String = (0..300).map(|i| format!(" a{i}='1'")).collect();
        let scope: String = (0..200)
            .map(|i| format!("<a xmlns:p{i}='u' xmlns:q{i}='v'>"))
            .collect();
        for (text, expected) in [
            (many, "Elements are nested deeper"),
            (
                format!("<a{attributes}/>"),
                "An element has more than 256 attributes.",
            ),
            (scope, "More than 256 namespace declarations"),
            (
                format!("<a>{}</a>", "<b/>".repeat(NODES_MAX)),
                "The document has more than 500000 nodes.",
            ),
        ] {
            let message = Tree::read(&text, false).unwrap_err().message;
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn prefixes_are_looked_up_where_they_stand() {
        let tree = Tree::read("<a xmlns:p='u'><b xmlns:p='v'><c/></b></a>", false).unwrap();
        let c = tree.nodes.len() - 1;
        assert_eq!(tree.lookup(c, "p"), Some("v"));
        assert_eq!(tree.lookup(0, "p"), Some("u"));
        assert_eq!((tree.lookup(0, ""), tree.lookup(0, "q")), (Some(""), None));
    }
}
