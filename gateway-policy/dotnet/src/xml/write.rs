//! Text of nodes: indentation, escapes and namespace declarations as `XmlWriter` decides them.

use super::{Attribute, Declaration, Kind, Name, Node, XML_NAMESPACE, XMLNS_NAMESPACE};

/// `SaveOptions`, with .NET's bit values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaveOptions(pub i32);

impl SaveOptions {
    /// Indented.
    pub const NONE: SaveOptions = SaveOptions(0);
    /// `DisableFormatting`
    pub const DISABLE_FORMATTING: SaveOptions = SaveOptions(1);
    /// `OmitDuplicateNamespaces`
    pub const OMIT_DUPLICATE_NAMESPACES: SaveOptions = SaveOptions(2);
}

/// `XNode.ToString(options)`
pub fn node_to_string(node: &Node, options: SaveOptions) -> String {
    let mut writer = Writer {
        out: String::new(),
        indent: options.0 & SaveOptions::DISABLE_FORMATTING.0 == 0,
        omit_duplicates: options.0 & SaveOptions::OMIT_DUPLICATE_NAMESPACES.0 != 0,
        known: Vec::new(),
        written: Vec::new(),
        mixed: false,
        stack: Vec::new(),
    };
    for ancestor in node.ancestors().into_iter().rev() {
        writer.learn(&ancestor.attributes());
    }
    match node.kind() {
        Kind::Document { .. } => writer.top_level(&node.nodes()),
        Kind::Text(text) => writer.text(&text.borrow()),
        _ => writer.node(node, 0),
    }
    writer.out
}

/// `XAttribute.ToString()`
pub fn attribute_to_string(attribute: &Attribute) -> String {
    let name = attribute.name();
    let prefix = if &*name.namespace == XMLNS_NAMESPACE {
        Some("xmlns".to_owned())
    } else if name.namespace.is_empty() {
        None
    } else {
        Some(
            attribute
                .parent()
                .and_then(|element| element.prefix_of_namespace(&name.namespace))
                .unwrap_or_else(|| "p1".to_owned()),
        )
    };
    let mut out = match prefix {
        Some(prefix) => format!("{prefix}:{}=\"", name.local),
        None => format!("{}=\"", name.local),
    };
    escape_attribute(&attribute.value(), &mut out);
    out.push('"');
    out
}

/// `XDeclaration.ToString()`
pub fn declaration_to_string(declaration: &Declaration) -> String {
    let mut out = "<?xml".to_owned();
    for (key, value) in [
        ("version", &declaration.version),
        ("encoding", &declaration.encoding),
        ("standalone", &declaration.standalone),
    ] {
        if let Some(value) = value {
            out.push_str(&format!(" {key}=\"{value}\""));
        }
    }
    out + "?>"
}

/// A prefix and what it means.
type Binding = (String, String);

struct Writer {
    out: String,
    indent: bool,
    omit_duplicates: bool,
    /// What the tree declares around the node being written.
    known: Vec<Binding>,
    /// What the text written so far declares.
    written: Vec<Binding>,
    /// Text has been written in this element or around it: from then on nothing is indented.
    mixed: bool,
    /// Prefixes the original's writer has on its stack, with the element that put them there: it names
    /// new prefixes by their number.
    stack: Vec<(usize, String)>,
}

impl Writer {
    fn top_level(&mut self, nodes: &[Node]) {
        for (i, node) in nodes.iter().enumerate() {
            if i > 0 && self.indent {
                self.out.push('\n');
            }
            self.mixed = false;
            self.node(node, 0);
        }
    }

    fn node(&mut self, node: &Node, level: usize) {
        match node.kind() {
            Kind::Document { .. } => {}
            Kind::Element { .. } => self.element(node, level),
            Kind::Text(text) => self.text(&text.borrow()),
            Kind::CData(text) => {
                let text = new_lines(&text.borrow()).replace("]]>", "]]]]><![CDATA[>");
                self.out.push_str(&format!("<![CDATA[{text}]]>"));
            }
            Kind::Comment(text) => {
                let text = apart(&new_lines(&text.borrow()), '-', '-');
                let gap = if text.ends_with('-') { " " } else { "" };
                self.out.push_str(&format!("<!--{text}{gap}-->"));
            }
            Kind::ProcessingInstruction { target, data } => {
                let (target, data) = (target.borrow(), data.borrow());
                let gap = if data.is_empty() { "" } else { " " };
                let data = apart(&data, '?', '>');
                self.out.push_str(&format!("<?{target}{gap}{data}?>"));
            }
            Kind::DocumentType {
                name,
                public_id,
                system_id,
                internal_subset,
            } => {
                self.out.push_str(&format!("<!DOCTYPE {name}"));
                match (public_id, system_id) {
                    (Some(public), system) => self.out.push_str(&format!(
                        " PUBLIC \"{public}\" \"{}\"",
                        system.as_deref().unwrap_or_default()
                    )),
                    (None, Some(system)) => self.out.push_str(&format!(" SYSTEM \"{system}\"")),
                    (None, None) => self.out.push(' '),
                }
                if let Some(subset) = internal_subset {
                    self.out.push_str(&format!("[{subset}]"));
                }
                self.out.push('>');
            }
        }
    }

    fn element(&mut self, node: &Node, level: usize) {
        let Some(name) = node.name() else { return };
        let attributes = node.attributes();
        let (known, written) = (self.known.len(), self.written.len());
        self.learn(&attributes);
        let own: Vec<Binding> = attributes.iter().filter_map(binding).collect();
        let mut implied: Vec<Binding> = Vec::new();
        let prefix = self.element_prefix(&name, &own, &mut implied);
        self.out.push('<');
        let tag = if prefix.is_empty() {
            name.local.to_string()
        } else {
            format!("{prefix}:{}", name.local)
        };
        self.out.push_str(&tag);
        let outer = self.stack.len();
        self.stack.push((level, prefix));
        for attribute in &attributes {
            self.attribute(attribute, &own, &mut implied, level);
        }
        // The writer puts the declarations that nobody wrote last, newest first.
        for (prefix, namespace) in implied.iter().rev() {
            self.declaration(prefix, namespace);
        }
        self.written.extend(own);
        self.written.extend(implied);
        self.content(node, &tag, level);
        self.known.truncate(known);
        self.written.truncate(written);
        self.stack.truncate(outer);
    }

    /// Puts a prefix on the stack unless this element has it there already.
    fn stack_prefix(&mut self, level: usize, prefix: &str) {
        if !self.stack.iter().any(|(l, p)| *l == level && p == prefix) {
            self.stack.push((level, prefix.to_owned()));
        }
    }

    fn content(&mut self, node: &Node, tag: &str, level: usize) {
        if node.is_empty() {
            self.out.push_str(" />");
            return;
        }
        self.out.push('>');
        let children = node.nodes();
        let outer = self.mixed;
        for child in &children {
            self.mixed |= matches!(child.kind(), Kind::Text(_) | Kind::CData(_));
            if !self.mixed {
                self.new_line(level + 1);
            }
            self.node(child, level + 1);
        }
        if !self.mixed && !children.is_empty() {
            self.new_line(level);
        }
        self.mixed = outer;
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    fn new_line(&mut self, level: usize) {
        if self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", level));
        }
    }

    fn learn(&mut self, attributes: &[Attribute]) {
        self.known.extend(attributes.iter().filter_map(binding));
    }

    fn lookup<'a>(bindings: &'a [Binding], prefix: &str) -> Option<&'a str> {
        bindings
            .iter()
            .rev()
            .find(|(p, _)| p == prefix)
            .map(|(_, n)| n.as_str())
    }

    /// A prefix that the tree gives this namespace, not hidden by a nearer declaration.
    fn tree_prefix(&self, namespace: &str, allow_default: bool) -> Option<String> {
        self.known
            .iter()
            .rev()
            .find(|(prefix, bound)| {
                bound == namespace
                    && (allow_default || !prefix.is_empty())
                    && Self::lookup(&self.known, prefix) == Some(namespace)
            })
            .map(|(prefix, _)| prefix.clone())
    }

    fn element_prefix(&self, name: &Name, own: &[Binding], implied: &mut Vec<Binding>) -> String {
        let namespace = &*name.namespace;
        if namespace == XML_NAMESPACE {
            return "xml".to_owned();
        }
        let prefix = if namespace.is_empty() {
            String::new()
        } else {
            self.tree_prefix(namespace, true).unwrap_or_default()
        };
        let now = Self::lookup(own, &prefix).or_else(|| Self::lookup(&self.written, &prefix));
        if now.unwrap_or_default() != namespace {
            implied.push((prefix.clone(), namespace.to_owned()));
        }
        prefix
    }

    fn attribute(
        &mut self,
        attribute: &Attribute,
        own: &[Binding],
        implied: &mut Vec<Binding>,
        level: usize,
    ) {
        if let Some((prefix, namespace)) = binding(attribute) {
            self.stack_prefix(level, &prefix);
            let duplicate = self.omit_duplicates && Self::lookup(&self.written, &prefix) == Some(&*namespace);
            if !duplicate {
                self.declaration(&prefix, &namespace);
            }
            return;
        }
        let name = attribute.name();
        let namespace = &*name.namespace;
        self.out.push(' ');
        if namespace == XML_NAMESPACE {
            self.out.push_str("xml:");
        } else if !namespace.is_empty() {
            let prefix = self.attribute_prefix(namespace, own, implied);
            self.stack_prefix(level, &prefix);
            self.out.push_str(&prefix);
            self.out.push(':');
        }
        self.out.push_str(&name.local);
        self.out.push_str("=\"");
        escape_attribute(&attribute.value(), &mut self.out);
        self.out.push('"');
    }

    fn attribute_prefix(&self, namespace: &str, own: &[Binding], implied: &mut Vec<Binding>) -> String {
        let written = implied
            .iter()
            .chain(own)
            .chain(self.written.iter().rev())
            .find(|(prefix, bound)| bound == namespace && !prefix.is_empty());
        if let Some((prefix, _)) = written {
            return prefix.clone();
        }
        let prefix = self
            .tree_prefix(namespace, false)
            .unwrap_or_else(|| format!("p{}", self.stack.len()));
        implied.push((prefix.clone(), namespace.to_owned()));
        prefix
    }

    fn declaration(&mut self, prefix: &str, namespace: &str) {
        if prefix.is_empty() {
            self.out.push_str(" xmlns=\"");
        } else {
            self.out.push_str(&format!(" xmlns:{prefix}=\""));
        }
        escape_attribute(namespace, &mut self.out);
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        for c in new_lines(text).chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                c => self.out.push(c),
            }
        }
    }
}

/// Parts with a blank two characters that together would end the node.
fn apart(text: &str, first: char, second: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == second && out.ends_with(first) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// Carriage returns become line ends, as the writer's `NewLineHandling.Replace` has it.
fn new_lines(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        text.into()
    }
}

/// The namespace declaration an attribute is; `None` for an ordinary one.
fn binding(attribute: &Attribute) -> Option<Binding> {
    let name = attribute.name();
    if !name.is_declaration() {
        return None;
    }
    let prefix = if name.namespace.is_empty() {
        ""
    } else {
        &*name.local
    };
    Some((prefix.to_owned(), attribute.value()))
}

fn escape_attribute(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_node_is_parted() {
        for (node, expected) in [
            (Node::comment("c--".into()), "<!--c- - -->"),
            (Node::comment("-".into()), "<!--- -->"),
            (Node::comment("a--b".into()), "<!--a- -b-->"),
            (
                Node::processing_instruction("x".into(), "a?>b".into()),
                "<?x a? >b?>",
            ),
            (Node::processing_instruction("x".into(), String::new()), "<?x?>"),
            (Node::cdata("]]>".into()), "<![CDATA[]]]]><![CDATA[>]]>"),
        ] {
            assert_eq!(node_to_string(&node, SaveOptions::NONE), expected);
        }
    }
}
