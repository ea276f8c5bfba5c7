//! `System.Xml.XmlReader`: a cursor over the events of a text.
//!
//! The text is read whole at the first move, so an error anywhere in it shows there rather than at its place.

use std::cell::RefCell;

use gateway_dotnet::xml::{
    Kind, LoadOptions, Node, SaveOptions, node_to_string, parse_document, xpath::Item,
};

use super::super::Entry::{Get, Set};
use super::{
    Attribute, Call, Data, Decl, Error, Eval, ExceptionKind, Name, Thrown, Type, Value, XMLNS_NAMESPACE, all,
    node_value, opt_string, string, types,
};
use crate::types::registry;

/// `XmlReaderSettings`, as far as they change what is seen.
#[derive(Clone, Copy)]
struct Settings {
    ignore_space: bool,
    ignore_comments: bool,
    ignore_instructions: bool,
    /// `DtdProcessing`: 0 prohibit, 1 ignore, 2 parse.
    dtd: i64,
    /// `ConformanceLevel`; kept, and changes nothing.
    conformance: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            ignore_space: false,
            ignore_comments: false,
            ignore_instructions: false,
            dtd: 0,
            conformance: 2,
        }
    }
}

/// A start, an end, or a leaf.
#[derive(Clone)]
struct Event {
    node: Node,
    /// `XmlNodeType`
    kind: i64,
    depth: usize,
    /// Where the element ends; the event itself for leaves.
    close: usize,
}

/// A reader: its text until the first move, then the events and where it stands.
pub(super) struct Cursor {
    text: Option<String>,
    settings: Settings,
    events: Vec<Event>,
    /// The current event; `None` before the first move.
    at: Option<usize>,
    /// The attribute it stands on.
    attribute: Option<usize>,
    closed: bool,
    /// Whether it reads nodes rather than text.
    tree: bool,
}

const ELEMENT: i64 = 1;
const ATTRIBUTE: i64 = 2;
const TEXT: i64 = 3;
const CDATA: i64 = 4;
const INSTRUCTION: i64 = 7;
const COMMENT: i64 = 8;
const SPACE: i64 = 13;
const END_ELEMENT: i64 = 15;
const DECLARATION: i64 = 17;

/// Elements below which a reader does not look: the tree it reads has a limit of its own.
fn events(document: &Node, settings: Settings) -> Result<Vec<Event>, Error> {
    let mut out = Vec::new();
    let leaf = |out: &mut Vec<Event>, node: &Node, kind, depth| {
        let close = out.len();
        out.push(Event {
            node: node.clone(),
            kind,
            depth,
            close,
        });
    };
    if let Kind::Document { declaration, .. } = document.kind()
        && declaration.borrow().is_some()
    {
        leaf(&mut out, document, DECLARATION, 0);
    }
    // Nodes still to come, deepest last; `None` closes the element whose start is at the index.
    let mut pending: Vec<(Option<Node>, usize, usize)> = Vec::new();
    pending.extend(document.nodes().into_iter().rev().map(|n| (Some(n), 0, 0)));
    while let Some((next, depth, start)) = pending.pop() {
        let Some(node) = next else {
            let close = out.len();
            let begun: Option<&mut Event> = out.get_mut(start);
            if let Some(event) = begun {
                event.close = close;
                let node = event.node.clone();
                leaf(&mut out, &node, END_ELEMENT, depth);
            }
            continue;
        };
        let kind = match node.kind() {
            Kind::Element { .. } => {
                let start = out.len();
                leaf(&mut out, &node, ELEMENT, depth);
                if !node.is_empty() {
                    pending.push((None, depth, start));
                    let below = node.nodes().into_iter().rev();
                    pending.extend(below.map(|n| (Some(n), depth + 1, 0)));
                }
                continue;
            }
            Kind::Text(text) if text.borrow().trim_matches([' ', '\t', '\n', '\r']).is_empty() => {
                if settings.ignore_space {
                    continue;
                }
                SPACE
            }
            Kind::Text(_) => TEXT,
            Kind::CData(_) => CDATA,
            Kind::Comment(_) if settings.ignore_comments => continue,
            Kind::ProcessingInstruction { .. } if settings.ignore_instructions => continue,
            Kind::DocumentType { .. } => match settings.dtd {
                0 => {
                    return Err(Error::new(
                        ExceptionKind::XmlException,
                        "For security reasons DTD is prohibited in this XML document. To enable DTD processing set the DtdProcessing property on XmlReaderSettings to Parse and pass the settings into XmlReader.Create method.",
                    ));
                }
                1 => continue,
                _ => 10,
            },
            _ => node.node_type() as i64,
        };
        leaf(&mut out, &node, kind, depth);
    }
    Ok(out)
}

impl Cursor {
    fn load(&mut self) -> Result<(), Error> {
        if let Some(text) = self.text.take() {
            let document = parse_document(&text, LoadOptions::PRESERVE_WHITESPACE)?;
            self.events = events(&document, self.settings)?;
        }
        Ok(())
    }

    fn event(&self) -> Option<&Event> {
        self.events.get(self.at?)
    }

    fn is_over(&self) -> bool {
        self.at.is_some_and(|at| at >= self.events.len())
    }

    fn read(&mut self) -> Result<bool, Error> {
        if self.closed {
            return Ok(false);
        }
        self.load()?;
        self.attribute = None;
        let next = self.at.map_or(0, |at| at + 1).min(self.events.len());
        self.at = Some(next);
        Ok(next < self.events.len())
    }

    fn go_to(&mut self, at: usize) {
        self.attribute = None;
        self.at = Some(at.min(self.events.len()));
    }

    fn attributes(&self) -> Vec<Attribute> {
        match self.event() {
            Some(event) if event.kind == ELEMENT => event.node.attributes(),
            _ => Vec::new(),
        }
    }

    fn kind(&self) -> i64 {
        match (self.attribute, self.event()) {
            (Some(_), _) => ATTRIBUTE,
            (None, Some(event)) => event.kind,
            (None, None) => 0,
        }
    }

    /// What the name and value are read from.
    fn subject(&self) -> Option<Item> {
        if let Some(i) = self.attribute {
            return self.attributes().into_iter().nth(i).map(Item::Attribute);
        }
        Some(Item::Node(self.event()?.node.clone()))
    }

    fn qualified(&self) -> String {
        match (self.kind(), self.subject()) {
            (DECLARATION, _) => "xml".to_owned(),
            (_, Some(Item::Attribute(attribute))) => attribute_name(&attribute),
            (10, Some(Item::Node(node))) => match node.kind() {
                Kind::DocumentType { name, .. } => name.clone(),
                _ => String::new(),
            },
            (_, Some(item)) => item.qualified_name(),
            _ => String::new(),
        }
    }

    fn value(&self) -> String {
        match (self.kind(), self.subject()) {
            (ELEMENT | END_ELEMENT | 0, _) => String::new(),
            (DECLARATION, Some(Item::Node(node))) => {
                let text = declaration_text(&node);
                text.trim_start_matches("<?xml")
                    .trim_end_matches("?>")
                    .trim()
                    .to_owned()
            }
            (_, Some(item)) => item.text(),
            _ => String::new(),
        }
    }

    /// Moves to content: past everything that is neither element, end nor text.
    fn content(&mut self) -> Result<i64, Error> {
        if self.attribute.take().is_some() {
            return Ok(self.kind());
        }
        if self.at.is_none() {
            self.read()?;
        }
        while !self.is_over() && !matches!(self.kind(), ELEMENT | TEXT | CDATA | END_ELEMENT) {
            self.read()?;
        }
        Ok(self.kind())
    }
}

/// The XML declaration of a document.
pub(super) fn declaration_text(document: &Node) -> String {
    match document.kind() {
        Kind::Document { declaration, .. } => declaration
            .borrow()
            .as_ref()
            .map(gateway_dotnet::xml::declaration_to_string)
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// An attribute's name as written.
pub(super) fn attribute_name(attribute: &Attribute) -> String {
    let name = attribute.name();
    if &*name.namespace == XMLNS_NAMESPACE {
        return format!("xmlns:{}", name.local);
    }
    Item::Attribute(attribute.clone()).qualified_name()
}

pub(super) fn cursor<R>(
    c: &Call<'_, '_>,
    f: impl FnOnce(&mut Cursor) -> Result<R, Error>,
) -> Result<R, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match o.native::<RefCell<Cursor>>() {
            Some(cell) => Ok(f(&mut cell.borrow_mut())?),
            None => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn make(name: &str, data: impl std::any::Any) -> Value {
    let ty = registry().type_named(name).unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(data)))
}

fn create(c: &mut Call<'_, '_>, mut settings: Settings) -> Eval {
    if let Value::Object(o) = c.arg(1)
        && let Some(given) = o.native::<RefCell<Settings>>()
    {
        settings = *given.borrow();
    }
    let text = match c.arg(0) {
        Value::Object(o) => super::super::io::take_rest(o),
        _ => None,
    };
    let Some(text) = text else {
        return Err(Error::null("input").into());
    };
    c.vm.charge(text.len().saturating_mul(8))?;
    let cursor = Cursor {
        text: Some(text.to_lossy().into_owned()),
        settings,
        events: Vec::new(),
        at: None,
        attribute: None,
        closed: false,
        tree: false,
    };
    Ok(make("System.Xml.XmlTextReaderImpl", RefCell::new(cursor)))
}

/// `node.CreateReader()`
pub(super) fn of_node(node: &Node, once: bool) -> Eval {
    let settings = Settings {
        dtd: 2,
        ..Settings::default()
    };
    let holder = match node.kind() {
        Kind::Document { .. } => node.clone(),
        _ => {
            let holder = Node::document(None);
            holder.add(&[gateway_dotnet::xml::Content::Node(node.deep_clone())])?;
            holder
        }
    };
    if once {
        omit_repeated(&holder);
    }
    let cursor = Cursor {
        text: None,
        settings,
        events: events(&holder, settings)?,
        at: None,
        attribute: None,
        closed: false,
        tree: true,
    };
    Ok(make("System.Xml.XmlTextReaderImpl", RefCell::new(cursor)))
}

/// Takes away declarations of namespaces that hold already.
fn omit_repeated(holder: &Node) {
    for element in holder.descendants() {
        let Some(parent) = element.parent() else { continue };
        for attribute in element.attributes() {
            let name = attribute.name();
            let in_force = match (name.is_declaration(), &*name.namespace) {
                (false, _) => None,
                (true, "") => Some(parent.default_namespace().to_string()),
                (true, _) => parent.namespace_of_prefix(&name.local),
            };
            if in_force == Some(attribute.value()) {
                attribute.remove();
            }
        }
    }
}

fn flag(c: &Call<'_, '_>, f: impl FnOnce(&mut Cursor) -> bool) -> Eval {
    Ok(Value::Bool(cursor(c, |r| Ok(f(r)))?))
}

fn shown(c: &Call<'_, '_>, f: impl FnOnce(&Cursor) -> String) -> Eval {
    string(&cursor(c, |r| Ok(f(r)))?)
}

fn node_type(c: &Call<'_, '_>, f: impl FnOnce(&mut Cursor) -> Result<i64, Error>) -> Eval {
    Ok(Value::Enum(types::XML_NODE_TYPE, cursor(c, f)?))
}

/// Whether an attribute has the name of the arguments: as written, or local name and namespace.
fn wanted(c: &Call<'_, '_>) -> Result<impl Fn(&Attribute) -> bool, Thrown> {
    let name = c.text(1, "name")?.to_lossy().into_owned();
    let namespace = c.opt_str(2).map(|s| s.to_lossy().into_owned());
    Ok(move |attribute: &Attribute| match &namespace {
        Some(namespace) => *attribute.name().local == *name && *attribute.name().namespace == **namespace,
        None => attribute_name(attribute) == name,
    })
}

fn get_attribute(c: &mut Call<'_, '_>) -> Eval {
    if let Value::Int(i) = c.arg(1) {
        let i = usize::try_from(*i).unwrap_or(usize::MAX);
        let found = cursor(c, |r| Ok(r.attributes().into_iter().nth(i)))?;
        return match found {
            Some(attribute) => string(&attribute.value()),
            None => Err(
                Error::out_of_range("i", "Specified argument was out of the range of valid values.").into(),
            ),
        };
    }
    let fits = wanted(c)?;
    let found = cursor(c, |r| Ok(r.attributes().into_iter().find(fits)))?;
    opt_string(found.map(|a| a.value()))
}

fn move_to_attribute(c: &mut Call<'_, '_>) -> Eval {
    let fits = wanted(c)?;
    flag(c, |r| {
        let found = r.attributes().iter().position(fits);
        r.attribute = found.or(r.attribute);
        found.is_some()
    })
}

fn step_attribute(c: &Call<'_, '_>, first: bool) -> Eval {
    flag(c, |r| {
        let next = match r.attribute {
            Some(at) if !first => at + 1,
            _ => 0,
        };
        let ok = next < r.attributes().len();
        if ok {
            r.attribute = Some(next);
        }
        ok
    })
}

/// The markup of the current element, or of what is in it; the reader moves behind it.
fn markup(c: &Call<'_, '_>, outer: bool) -> Eval {
    let text = cursor(c, |r| {
        let Some(event) = r.event().filter(|e| e.kind == ELEMENT).cloned() else {
            return Ok(String::new());
        };
        let text = if outer {
            node_to_string(&event.node, SaveOptions::DISABLE_FORMATTING)
        } else {
            inner_xml(&event.node)
        };
        r.go_to(event.close + 1);
        Ok(text)
    })?;
    string(&text)
}

/// The markup of all children.
pub(super) fn inner_xml(node: &Node) -> String {
    node.nodes()
        .iter()
        .map(|child| node_to_string(child, SaveOptions::DISABLE_FORMATTING))
        .collect()
}

/// The text of an element without child elements; the reader moves behind it.
pub(super) fn element_text(c: &Call<'_, '_>) -> Result<String, Thrown> {
    cursor(c, |r| {
        r.content()?;
        let Some(event) = r.event().filter(|e| e.kind == ELEMENT).cloned() else {
            return Err(Error::invalid_operation(
                "The ReadElementContentAsString method is not supported on this node type.",
            ));
        };
        if !event.node.elements().is_empty() {
            return Err(Error::new(
                ExceptionKind::XmlException,
                "ReadElementContentAs() methods cannot be called on an element that has child elements.",
            ));
        }
        let text = event.node.value();
        r.go_to(event.close + 1);
        Ok(text)
    })
}

/// Whether it reads nodes rather than text.
pub(super) fn is_tree(c: &Call<'_, '_>) -> Result<bool, Thrown> {
    cursor(c, |r| Ok(r.tree))
}

/// Whether the element at hand has no content at all.
pub(super) fn is_bare(c: &Call<'_, '_>) -> Result<bool, Thrown> {
    cursor(c, |r| {
        r.content()?;
        let event = r.event().filter(|e| e.kind == ELEMENT);
        Ok(event.is_some_and(|e| e.node.nodes().is_empty()))
    })
}

/// The text from here to the next markup.
fn text_here(c: &Call<'_, '_>) -> Eval {
    let text = cursor(c, |r| {
        if r.attribute.is_some() {
            return Ok(r.value());
        }
        let mut all = String::new();
        while matches!(r.kind(), TEXT | CDATA | SPACE) {
            all.push_str(&r.value());
            r.read()?;
        }
        Ok(all)
    })?;
    string(&text)
}

/// The text from here to the next element or end, past comments and instructions.
pub(super) fn content_text(c: &Call<'_, '_>) -> Result<String, Thrown> {
    cursor(c, |r| {
        if r.attribute.is_some() {
            return Ok(r.value());
        }
        if !matches!(
            r.kind(),
            TEXT | CDATA | SPACE | INSTRUCTION | COMMENT | END_ELEMENT
        ) {
            let message = "The ReadContentAs method is not supported on this node type.";
            return Err(Error::invalid_operation(message));
        }
        let mut all = String::new();
        loop {
            match r.kind() {
                TEXT | CDATA | SPACE => all.push_str(&r.value()),
                INSTRUCTION | COMMENT => {}
                _ => return Ok(all),
            }
            r.read()?;
        }
    })
}

/// Whether the arguments from 1 name the current element; no arguments name every one.
fn names_it(c: &Call<'_, '_>, r: &Cursor) -> bool {
    let Some(name) = c.opt_str(1) else {
        return c.args.len() < 2;
    };
    let name = name.to_lossy();
    match c.opt_str(2) {
        None if c.args.len() > 2 => false,
        Some(namespace) => r
            .subject()
            .and_then(|i| i.name())
            .is_some_and(|n: Name| *n.local == *name && *n.namespace == *namespace.to_lossy()),
        None => r.qualified() == name,
    }
}

pub(super) fn is_start(c: &Call<'_, '_>) -> Result<bool, Thrown> {
    cursor(c, |r| Ok(r.content()? == ELEMENT && names_it(c, r)))
}

pub(super) fn unexpected(what: &str) -> Error {
    Error::new(ExceptionKind::XmlException, what.to_owned())
}

fn read_start(c: &mut Call<'_, '_>) -> Eval {
    if !is_start(c)? {
        let name = c
            .opt_str(1)
            .map(|s| s.to_lossy().into_owned())
            .unwrap_or_default();
        return Err(unexpected(&format!("Element '{name}' was not found.")).into());
    }
    cursor(c, Cursor::read)?;
    Ok(Value::Null)
}

fn read_end(c: &mut Call<'_, '_>) -> Eval {
    cursor(c, |r| {
        if r.content()? != END_ELEMENT {
            return Err(unexpected("'EndElement' is an invalid XmlNodeType."));
        }
        r.read()
    })?;
    Ok(Value::Null)
}

/// Where an element of the wanted name starts.
#[derive(Clone, Copy)]
pub(super) enum Seek {
    Following,
    Descendant,
    Sibling,
}

pub(super) fn seek(c: &mut Call<'_, '_>, how: Seek) -> Eval {
    let tree = cursor(c, |r| Ok(r.tree))?;
    if !tree || c.args.len() < 3 {
        if c.text(1, "name")?.is_empty() {
            let message = "The empty string '' is not a valid name.";
            return Err(Error::argument("name", message).into());
        }
        if c.args.len() > 2 {
            c.text(2, "namespaceURI")?;
        }
    }
    let found = cursor(c, |r| {
        r.load()?;
        let (from, until, depth) = match (how, r.event()) {
            (Seek::Following, _) | (_, None) => (r.at.map_or(0, |at| at + 1), r.events.len(), None),
            (Seek::Descendant, Some(e)) => (r.at.unwrap_or(0) + 1, e.close, None),
            (Seek::Sibling, Some(e)) => (e.close + 1, r.events.len(), Some(e.depth)),
        };
        for at in from..until {
            let event = r.events[at].clone();
            if depth.is_some_and(|d| event.depth < d) {
                r.go_to(at);
                return Ok(false);
            }
            if event.kind != ELEMENT || depth.is_some_and(|d| event.depth != d) {
                continue;
            }
            r.go_to(at);
            if names_it(c, r) {
                return Ok(true);
            }
        }
        r.go_to(until);
        Ok(false)
    })?;
    c.vm.step()?;
    Ok(Value::Bool(found))
}

/// `XNode.ReadFrom(reader)`: a copy of the current node; the reader moves behind it.
pub(super) fn read_from(c: &mut Call<'_, '_>) -> Eval {
    let node = cursor(c, |r| {
        let Some(event) = r.event().cloned() else {
            return Err(Error::invalid_operation(
                "The XmlReader must be on a node of type Element.",
            ));
        };
        let copy = event.node.deep_clone();
        r.go_to(event.close + 1);
        Ok(copy)
    })?;
    Ok(node_value(node))
}

/// The document that a reader, or a text reader, has still to read.
pub(super) fn rest(c: &mut Call<'_, '_>, i: usize) -> Result<String, Thrown> {
    Ok(rest_and_space(c, i)?.0)
}

/// The same, and of an `XmlReader` whether it tells of white space, which is then read too.
pub(super) fn rest_and_space(c: &mut Call<'_, '_>, i: usize) -> Result<(String, Option<bool>), Thrown> {
    let Value::Object(o) = c.arg(i) else {
        return Err(Error::null("reader").into());
    };
    if let Some(text) = super::super::io::take_rest(o) {
        return Ok((text.to_lossy().into_owned(), None));
    }
    let Some(cell) = o.native::<RefCell<Cursor>>() else {
        return Err(Error::null("reader").into());
    };
    let mut r = cell.borrow_mut();
    if let Some(text) = r.text.take() {
        r.closed = true;
        return Ok((text, Some(!r.settings.ignore_space)));
    }
    let from = r.at.unwrap_or(0);
    let start = r.events.iter().skip(from).find(|e| e.kind == ELEMENT).cloned();
    match start {
        Some(event) => {
            r.go_to(event.close + 1);
            let text = node_to_string(&event.node, SaveOptions::DISABLE_FORMATTING);
            Ok((text, Some(!r.settings.ignore_space)))
        }
        None => Err(Error::new(ExceptionKind::XmlException, "Root element is missing.").into()),
    }
}

fn settings(c: &Call<'_, '_>, f: impl FnOnce(&mut Settings)) -> Eval {
    if let Value::Object(o) = c.arg(0)
        && let Some(s) = o.native::<RefCell<Settings>>()
    {
        f(&mut s.borrow_mut());
    }
    Ok(Value::Null)
}

fn setting(c: &Call<'_, '_>, f: impl FnOnce(&Settings) -> bool) -> Eval {
    Ok(Value::Bool(match c.arg(0) {
        Value::Object(o) => o.native::<RefCell<Settings>>().is_some_and(|s| f(&s.borrow())),
        _ => false,
    }))
}

/// A setting that is a value of the enum of this name.
fn mode(c: &Call<'_, '_>, name: &str, f: impl FnOnce(&Settings) -> i64) -> Eval {
    let value = match c.arg(0) {
        Value::Object(o) => o.native::<RefCell<Settings>>().map_or(0, |s| f(&s.borrow())),
        _ => 0,
    };
    Ok(match registry().by_full_name(name) {
        Some(def) => Value::Enum(def, value),
        None => Value::Null,
    })
}

const ON: Value = Value::Bool(true);

fn is_on(v: &Value) -> bool {
    matches!((v, ON), (Value::Bool(a), Value::Bool(b)) if *a == b)
}

fn done(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

const SETTINGS: Decl = all(
    "class System.Xml.XmlReaderSettings",
    &[
        Get("ctor()", |_| {
            Ok(make(
                "System.Xml.XmlReaderSettings",
                RefCell::new(Settings::default()),
            ))
        }),
        Set(
            "bool IgnoreWhitespace",
            |c| setting(c, |s| s.ignore_space),
            |c| {
                let on = is_on(c.arg(1));
                settings(c, |s| s.ignore_space = on)
            },
        ),
        Set(
            "bool IgnoreComments",
            |c| setting(c, |s| s.ignore_comments),
            |c| {
                let on = is_on(c.arg(1));
                settings(c, |s| s.ignore_comments = on)
            },
        ),
        Set(
            "bool IgnoreProcessingInstructions",
            |c| setting(c, |s| s.ignore_instructions),
            |c| {
                let on = is_on(c.arg(1));
                settings(c, |s| s.ignore_instructions = on)
            },
        ),
        Set(
            "System.Xml.DtdProcessing DtdProcessing",
            |c| mode(c, "System.Xml.DtdProcessing", |s| s.dtd),
            |c| {
                let mode = c.enumeration(1)?;
                settings(c, |s| s.dtd = mode.into())
            },
        ),
        Set(
            "System.Xml.ConformanceLevel ConformanceLevel",
            |c| mode(c, "System.Xml.ConformanceLevel", |s| s.conformance),
            |c| {
                let mode = c.enumeration(1)?;
                settings(c, |s| s.conformance = mode.into())
            },
        ),
        Set("bool CloseInput", |_| Ok(Value::Bool(false)), done),
        Set("bool CheckCharacters", |_| Ok(ON), done),
    ],
);

const READER: &[super::super::Entry] = &[
    Get(
        "static System.Xml.XmlReader Create(System.IO.TextReader input)",
        |c| create(c, Settings::default()),
    ),
    Get(
        "static System.Xml.XmlReader Create(System.IO.TextReader input, System.Xml.XmlReaderSettings settings)",
        |c| create(c, Settings::default()),
    ),
    Get("bool Read()", |c| {
        c.vm.step()?;
        Ok(Value::Bool(cursor(c, Cursor::read)?))
    }),
    Get("XmlNodeType NodeType", |c| node_type(c, |r| Ok(r.kind()))),
    Get("XmlNodeType MoveToContent()", |c| node_type(c, Cursor::content)),
    Get("string Name", |c| shown(c, Cursor::qualified)),
    Get("string LocalName", |c| {
        shown(c, |r| {
            let name = r.qualified();
            name.rsplit(':').next().unwrap_or_default().to_owned()
        })
    }),
    Get("string Prefix", |c| {
        shown(c, |r| {
            let name = r.qualified();
            name.split_once(':').map_or("", |(prefix, _)| prefix).to_owned()
        })
    }),
    Get("string NamespaceURI", |c| {
        shown(c, |r| {
            let name = r.subject().and_then(|i| i.name());
            let declares = name
                .as_ref()
                .is_some_and(|n| r.attribute.is_some() && n.is_declaration());
            if declares {
                return XMLNS_NAMESPACE.to_owned();
            }
            name.map(|n| n.namespace.to_string()).unwrap_or_default()
        })
    }),
    Get("string Value", |c| shown(c, Cursor::value)),
    Get("bool HasValue", |c| {
        flag(c, |r| !matches!(r.kind(), 0 | ELEMENT | END_ELEMENT))
    }),
    Get("bool IsEmptyElement", |c| {
        flag(c, |r| {
            r.kind() == ELEMENT && r.event().is_some_and(|e| e.node.is_empty())
        })
    }),
    Get("bool HasAttributes", |c| flag(c, |r| !r.attributes().is_empty())),
    Get("int AttributeCount", |c| {
        Ok(Value::Int(cursor(c, |r| Ok(r.attributes().len()))? as i32))
    }),
    Get("int Depth", |c| {
        let depth = cursor(c, |r| {
            Ok(r.event().map_or(0, |e| e.depth) + usize::from(r.attribute.is_some()))
        })?;
        Ok(Value::Int(depth as i32))
    }),
    Get("bool EOF", |c| flag(c, |r| r.is_over())),
    Get("System.Xml.ReadState ReadState", |c| {
        let state = cursor(c, |r| {
            Ok(match (r.closed, r.at) {
                (true, _) => 4,
                (_, None) => 0,
                _ if r.is_over() => 3,
                _ => 1,
            })
        })?;
        let def = registry()
            .by_full_name("System.Xml.ReadState")
            .unwrap_or(types::OBJECT);
        Ok(Value::Enum(def, state))
    }),
    Get("string GetAttribute(string name)", get_attribute),
    Get(
        "string GetAttribute(string name, string namespaceURI)",
        get_attribute,
    ),
    Get("string GetAttribute(int i)", get_attribute),
    Get("string this[string name]", get_attribute),
    Get("string this[int i]", get_attribute),
    Get("string this[string name, string namespaceURI]", get_attribute),
    Get("bool MoveToAttribute(string name)", move_to_attribute),
    Get("bool MoveToAttribute(string name, string ns)", move_to_attribute),
    Get("void MoveToAttribute(int i)", |c| {
        let i = usize::try_from(c.int(1)?).unwrap_or(usize::MAX);
        let ok = cursor(c, |r| {
            let ok = i < r.attributes().len();
            r.attribute = if ok { Some(i) } else { r.attribute };
            Ok(ok)
        })?;
        if ok {
            return Ok(Value::Null);
        }
        let message = "Specified argument was out of the range of valid values.";
        Err(Error::out_of_range("i", message).into())
    }),
    Get("bool MoveToFirstAttribute()", |c| step_attribute(c, true)),
    Get("bool MoveToNextAttribute()", |c| step_attribute(c, false)),
    Get("bool MoveToElement()", |c| {
        flag(c, |r| r.attribute.take().is_some())
    }),
    Get("string ReadInnerXml()", |c| markup(c, false)),
    Get("string ReadOuterXml()", |c| markup(c, true)),
    Get("string ReadElementContentAsString()", |c| {
        string(&element_text(c)?)
    }),
    Get("string ReadElementString()", |c| string(&element_text(c)?)),
    Get("string ReadElementString(string name)", |c| {
        if !is_start(c)? {
            return Err(unexpected("Element was not found.").into());
        }
        string(&element_text(c)?)
    }),
    Get("int ReadElementContentAsInt()", |c| {
        super::typed::as_element(c, super::convert::INT)
    }),
    Get("long ReadElementContentAsLong()", |c| {
        super::typed::as_element(c, super::convert::LONG)
    }),
    Get("double ReadElementContentAsDouble()", |c| {
        super::typed::as_element(c, super::convert::DOUBLE)
    }),
    Get("decimal ReadElementContentAsDecimal()", |c| {
        super::typed::as_element(c, super::convert::DECIMAL)
    }),
    Get("bool ReadElementContentAsBoolean()", |c| {
        super::typed::as_element(c, super::convert::BOOL)
    }),
    Get("string ReadContentAsString()", |c| string(&content_text(c)?)),
    Get("string ReadString()", |c| {
        let on_element = cursor(c, |r| {
            let on = r.kind() == ELEMENT;
            let empty = on && r.event().is_some_and(|e| e.node.is_empty());
            if on && !empty {
                r.read()?;
            }
            Ok(empty)
        })?;
        if on_element { string("") } else { text_here(c) }
    }),
    Get("bool IsStartElement()", |c| Ok(Value::Bool(is_start(c)?))),
    Get("bool IsStartElement(string name)", |c| {
        Ok(Value::Bool(is_start(c)?))
    }),
    Get("bool IsStartElement(string localname, string ns)", |c| {
        Ok(Value::Bool(is_start(c)?))
    }),
    Get("void ReadStartElement()", read_start),
    Get("void ReadStartElement(string name)", read_start),
    Get("void ReadStartElement(string localname, string ns)", read_start),
    Get("void ReadEndElement()", read_end),
    Get("bool ReadToFollowing(string name)", |c| seek(c, Seek::Following)),
    Get(
        "bool ReadToFollowing(string localName, string namespaceURI)",
        |c| seek(c, Seek::Following),
    ),
    Get("bool ReadToDescendant(string name)", |c| {
        seek(c, Seek::Descendant)
    }),
    Get("bool ReadToNextSibling(string name)", |c| seek(c, Seek::Sibling)),
    Get("void Skip()", |c| {
        cursor(c, |r| {
            match r.event().filter(|e| e.kind == ELEMENT).map(|e| e.close) {
                Some(close) => r.go_to(close + 1),
                None => {
                    r.read()?;
                }
            }
            Ok(())
        })?;
        Ok(Value::Null)
    }),
    Get("string LookupNamespace(string prefix)", |c| {
        let prefix = c.text(1, "prefix")?.to_lossy().into_owned();
        let found = cursor(c, |r| {
            Ok(r.event().and_then(|e| match &*prefix {
                "" => Some(e.node.default_namespace()),
                prefix => e.node.namespace_of_prefix(prefix),
            }))
        })?;
        opt_string(found)
    }),
    Get("void Close()", |c| {
        cursor(c, |r| {
            r.closed = true;
            r.at = Some(r.events.len());
            Ok(())
        })?;
        Ok(Value::Null)
    }),
    Get("void Dispose()", done),
];

pub(crate) const TYPES: &[Decl] = &[
    all("abstract class System.Xml.XmlReader : IDisposable", READER),
    all("class System.Xml.XmlTextReaderImpl : System.Xml.XmlReader", &[]),
    all(
        "class System.Xml.XmlTextReader : System.Xml.XmlReader",
        &[Get("ctor(System.IO.TextReader input)", |c| {
            let settings = Settings {
                dtd: 2,
                ..Settings::default()
            };
            create(c, settings)
        })],
    ),
    SETTINGS,
    super::values(
        "enum System.Xml.DtdProcessing",
        super::Verdict::All,
        &[("Prohibit", 0), ("Ignore", 1), ("Parse", 2)],
    ),
    super::values(
        "enum System.Xml.ConformanceLevel",
        super::Verdict::All,
        &[("Auto", 0), ("Fragment", 1), ("Document", 2)],
    ),
    super::values(
        "enum System.Xml.ReadState",
        super::Verdict::All,
        &[
            ("Initial", 0),
            ("Interactive", 1),
            ("Error", 2),
            ("EndOfFile", 3),
            ("Closed", 4),
        ],
    ),
];
