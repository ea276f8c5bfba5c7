//! System.Xml.Linq.

mod content;
mod convert;
mod dom;
pub(super) mod json;
mod node;
mod reader;
mod typed;
mod xpath;

pub(super) use dom::{TYPES as DOM, native_items};
pub(super) use reader::TYPES as READER;
pub(super) use typed::{
    DOCUMENT as DOCUMENT_MORE, DOCUMENT_TYPE as DOCUMENT_TYPE_MORE, ELEMENT as ELEMENT_MORE,
    EXTENSIONS as EXTENSIONS_MORE, INSTRUCTION as INSTRUCTION_MORE, NODE as NODE_MORE, READER as READER_MORE,
    TYPES as TYPED,
};
pub(super) use xpath::TYPES as XPATH;

use std::{cmp::Ordering, rc::Rc};

use gateway_dotnet::{
    Error, ExceptionKind, Str,
    xml::{
        Attribute, Declaration, Kind, LoadOptions, Name, Node, SaveOptions, XML_NAMESPACE, XMLNS_NAMESPACE,
        attribute_to_string, declaration_to_string, node_to_string, parse_document, parse_element,
    },
};

use super::{
    Call, Decl,
    Entry::{Get, Set},
    Verdict, all, base, values,
};
use crate::{
    Value,
    object::{Data, Object},
    types::{self, DefId, Type},
    vm::{Eval, Thrown},
};

/// A node as an object: parents are weak in the tree, so whoever holds a node holds its root too.
struct Held {
    node: Node,
    _root: Node,
}

/// An attribute, likewise.
struct HeldAttribute {
    attribute: Attribute,
    _root: Option<Node>,
}

fn root_of(node: &Node) -> Node {
    let mut at = node.clone();
    while let Some(up) = at.container() {
        at = up;
    }
    at
}

/// A namespace as an object of its own.
struct Namespace(Rc<str>);

fn native(def: DefId, of: impl std::any::Any) -> Value {
    Value::object(Type::Def(def), Data::Native(Box::new(of)))
}

/// A node as an object of its class.
fn node_value(node: Node) -> Value {
    let def = match node.kind() {
        Kind::Document { .. } => types::XDOCUMENT,
        Kind::Element { .. } => types::XELEMENT,
        Kind::Text(_) => types::XTEXT,
        Kind::CData(_) => types::XCDATA,
        Kind::Comment(_) => types::XCOMMENT,
        Kind::ProcessingInstruction { .. } => types::XPROCESSING_INSTRUCTION,
        Kind::DocumentType { .. } => types::XDOCUMENT_TYPE,
    };
    let root = root_of(&node);
    native(def, Held { node, _root: root })
}

fn attribute_value(attribute: Attribute) -> Value {
    let root = attribute.parent().map(|node| root_of(&node));
    native(
        types::XATTRIBUTE,
        HeldAttribute {
            attribute,
            _root: root,
        },
    )
}

fn name_value(name: Name) -> Value {
    native(types::XNAME, name)
}

fn namespace_value(namespace: &str) -> Value {
    native(types::XNAMESPACE, Namespace(namespace.into()))
}

fn opt_node(node: Option<Node>) -> Eval {
    Ok(node.map_or(Value::Null, node_value))
}

fn opt_attribute(attribute: Option<Attribute>) -> Eval {
    Ok(attribute.map_or(Value::Null, attribute_value))
}

fn string(text: &str) -> Eval {
    Ok(Value::Str(Str::new(text)))
}

fn opt_string(text: Option<String>) -> Eval {
    Ok(text.map_or(Value::Null, |text| Value::Str(Str::new(&text))))
}

/// Nodes as they stood when they were asked for, under the name of the original's iterator.
struct Found {
    items: Vec<Value>,
    name: &'static str,
}

impl crate::iter::Sequence for Found {
    fn iter(&self, _vm: &mut crate::vm::Vm<'_>) -> Result<Box<dyn crate::iter::Iter>, Thrown> {
        Ok(Box::new(crate::iter::Ready(self.items.clone().into_iter())))
    }

    fn type_name(&self) -> Option<String> {
        Some(format!("System.Xml.Linq.{}", self.name))
    }
}

impl Call<'_, '_> {
    fn found(&mut self, def: DefId, name: &'static str, items: Vec<Value>) -> Eval {
        self.vm.charge(items.len() * 64)?;
        Ok(Value::object(
            Type::enumerable(Type::Def(def)),
            Data::Sequence(Box::new(Found { items, name })),
        ))
    }

    fn nodes_of(&mut self, name: &'static str, nodes: Vec<Node>) -> Eval {
        self.found(types::XNODE, name, nodes.into_iter().map(node_value).collect())
    }

    fn elements_of(&mut self, name: &'static str, nodes: Vec<Node>) -> Eval {
        self.found(types::XELEMENT, name, nodes.into_iter().map(node_value).collect())
    }

    fn attributes_of(&mut self, name: &'static str, attributes: Vec<Attribute>) -> Eval {
        let items = attributes.into_iter().map(attribute_value).collect();
        self.found(types::XATTRIBUTE, name, items)
    }
}

fn as_node(value: &Value) -> Option<Node> {
    match value {
        Value::Object(o) => o.native::<Held>().map(|held| held.node.clone()),
        _ => None,
    }
}

fn as_attribute(value: &Value) -> Option<Attribute> {
    match value {
        Value::Object(o) => o.native::<HeldAttribute>().map(|held| held.attribute.clone()),
        _ => None,
    }
}

fn as_name(value: &Value) -> Option<Name> {
    match value {
        Value::Object(o) => o.native::<Name>().cloned(),
        _ => None,
    }
}

fn node(c: &Call<'_, '_>, i: usize) -> Result<Node, Thrown> {
    as_node(c.arg(i)).ok_or_else(|| Error::null_reference().into())
}

fn attribute(c: &Call<'_, '_>) -> Result<Attribute, Thrown> {
    as_attribute(c.arg(0)).ok_or_else(|| Error::null_reference().into())
}

/// A name that must be there.
fn name(c: &Call<'_, '_>, i: usize) -> Result<Name, Thrown> {
    as_name(c.arg(i)).ok_or_else(|| Error::null("name").into())
}

fn namespace(c: &Call<'_, '_>, i: usize) -> Result<Rc<str>, Thrown> {
    match c.arg(i) {
        Value::Object(o) => o.native::<Namespace>().map(|n| Rc::clone(&n.0)),
        _ => None,
    }
    .ok_or_else(|| Error::null("ns").into())
}

/// Which of `nodes` have the name of argument `i`; all when there is no such argument, none when it is null.
fn named(c: &Call<'_, '_>, i: usize, mut nodes: Vec<Node>) -> Vec<Node> {
    if i < c.args.len() {
        let wanted = as_name(c.arg(i));
        nodes.retain(|node| wanted.is_some() && node.name() == wanted);
    }
    nodes
}

/// The body of a message as `XElement`, `XDocument` or `XNode`.
pub(crate) fn parse_xml_body(ty: &Type, text: &Str) -> Eval {
    let text = text.to_lossy();
    match ty.def() {
        Some(types::XDOCUMENT) => Ok(node_value(parse_document(&text, LoadOptions::NONE)?)),
        Some(types::XELEMENT | types::XNODE) => Ok(node_value(parse_element(&text, LoadOptions::NONE)?)),
        _ => Err(Error::new(ExceptionKind::NotSupportedException, ty.net_name()).into()),
    }
}

/// Whether two wrappers stand for one node, attribute, name or namespace; `None` for other objects.
pub(crate) fn same(a: &Object, b: &Object) -> Option<bool> {
    if let (Some(a), Some(b)) = (a.native::<Held>(), b.native::<Held>()) {
        return Some(a.node.same(&b.node));
    }
    if let (Some(a), Some(b)) = (a.native::<HeldAttribute>(), b.native::<HeldAttribute>()) {
        return Some(a.attribute.same(&b.attribute));
    }
    if let (Some(a), Some(b)) = (a.native::<Name>(), b.native::<Name>()) {
        return Some(a == b);
    }
    if let Some(same) = dom::same(a, b) {
        return Some(same);
    }
    if let (Some(a), Some(b)) = (a.native::<Namespace>(), b.native::<Namespace>()) {
        return Some(a.0 == b.0);
    }
    None
}

/// `XNode.DeepEquals` of two wrappers.
pub(crate) fn deep_equal(a: &Object, b: &Object) -> bool {
    match (a.native::<Held>(), b.native::<Held>()) {
        (Some(a), Some(b)) => a.node.deep_equals(&b.node),
        _ => false,
    }
}

/// `ToString()` of these types.
pub(crate) fn text(o: &Object) -> Option<Str> {
    let text = if let Some(held) = o.native::<Held>() {
        node_to_string(&held.node, SaveOptions::NONE)
    } else if let Some(held) = o.native::<HeldAttribute>() {
        attribute_to_string(&held.attribute)
    } else if let Some(name) = o.native::<Name>() {
        name.to_string()
    } else if let Some(namespace) = o.native::<Namespace>() {
        namespace.0.to_string()
    } else {
        declaration_to_string(&o.native::<std::cell::RefCell<Declaration>>()?.borrow())
    };
    Some(Str::new(&text))
}

fn parse(c: &mut Call<'_, '_>, f: fn(&str, LoadOptions) -> Result<Node, Error>) -> Eval {
    let text = c.text(0, "s")?;
    c.vm.charge(text.len().saturating_mul(8))?;
    let options = if c.args.len() > 1 {
        LoadOptions(c.enumeration(1)?)
    } else {
        LoadOptions::NONE
    };
    Ok(node_value(f(&text.to_lossy(), options)?))
}

fn to_string_with(c: &mut Call<'_, '_>) -> Eval {
    let options = SaveOptions(c.enumeration(1)?);
    string(&node_to_string(&node(c, 0)?, options))
}

fn order_of(c: &Call<'_, '_>) -> Result<Ordering, Thrown> {
    place_of(&node(c, 0)?, &node(c, 1)?)
}

/// Which of two nodes of one tree comes first.
fn place_of(a: &Node, b: &Node) -> Result<Ordering, Thrown> {
    let path = |node: &Node| {
        let mut steps = Vec::new();
        let mut at = node.clone();
        while let Some(up) = at.container() {
            steps.push(at.nodes_before_self().len());
            at = up;
        }
        steps.reverse();
        (at, steps)
    };
    let ((root_a, path_a), (root_b, path_b)) = (path(a), path(b));
    if !root_a.same(&root_b) {
        return Err(Error::invalid_operation("A common ancestor is missing.").into());
    }
    Ok(path_a.cmp(&path_b))
}

fn new_declaration(c: &mut Call<'_, '_>) -> Eval {
    let part = |c: &Call<'_, '_>, i| c.opt_str(i).map(|s| s.to_lossy().into_owned());
    let declaration = Declaration {
        version: part(c, 0),
        encoding: part(c, 1),
        standalone: part(c, 2),
    };
    Ok(native(types::XDECLARATION, std::cell::RefCell::new(declaration)))
}

fn declaration_part(c: &Call<'_, '_>, pick: fn(&Declaration) -> Option<String>) -> Eval {
    let object = c.object(0)?;
    let declaration = object.native::<std::cell::RefCell<Declaration>>();
    opt_string(declaration.and_then(|d| pick(&d.borrow())))
}

fn set_part(c: &mut Call<'_, '_>, pick: fn(&mut Declaration) -> &mut Option<String>) -> Eval {
    let object = c.object(0)?;
    if let Some(own) = object.native::<std::cell::RefCell<Declaration>>() {
        let text = c.opt_str(1).map(|s| s.to_lossy().into_owned());
        *pick(&mut own.borrow_mut()) = text;
    }
    Ok(Value::Null)
}

const NAME: Decl = all(
    "class System.Xml.Linq.XName : IEquatable<XName>",
    &[
        Get("string LocalName", |c| string(&name(c, 0)?.local)),
        Get("string NamespaceName", |c| string(&name(c, 0)?.namespace)),
        Get("XNamespace Namespace", |c| {
            Ok(namespace_value(&name(c, 0)?.namespace))
        }),
        Get("static XName Get(string expandedName)", |c| {
            Ok(name_value(Name::expanded(
                &c.text(0, "expandedName")?.to_lossy(),
            )?))
        }),
        Get("static XName Get(string localName, string namespaceName)", |c| {
            let local = c.text(0, "localName")?;
            let namespace = c.text(1, "namespaceName")?;
            Ok(name_value(Name::new(&namespace.to_lossy(), &local.to_lossy())?))
        }),
        Get(
            "static implicit operator XName(string expandedName)",
            |c| match c.opt_str(0) {
                Some(text) => Ok(name_value(Name::expanded(&text.to_lossy())?)),
                None => Ok(Value::Null),
            },
        ),
        Get("static bool operator ==(XName left, XName right)", base::equals),
        Get("static bool operator !=(XName left, XName right)", |c| {
            Ok(Value::Bool(!matches!(base::equals(c)?, Value::Bool(true))))
        }),
        Get("string ToString()", base::to_string),
        Get("bool Equals(object obj)", base::equals),
    ],
);

const NAMESPACE: Decl = all(
    "class System.Xml.Linq.XNamespace",
    &[
        Get("string NamespaceName", |c| string(&namespace(c, 0)?)),
        Get("static XNamespace None", |_| Ok(namespace_value(""))),
        Get("static XNamespace Xml", |_| Ok(namespace_value(XML_NAMESPACE))),
        Get("static XNamespace Xmlns", |_| {
            Ok(namespace_value(XMLNS_NAMESPACE))
        }),
        Get("static XNamespace Get(string namespaceName)", |c| {
            Ok(namespace_value(&c.text(0, "namespaceName")?.to_lossy()))
        }),
        Get("XName GetName(string localName)", |c| {
            let local = c.text(1, "localName")?;
            Ok(name_value(Name::new(&namespace(c, 0)?, &local.to_lossy())?))
        }),
        Get("static implicit operator XNamespace(string namespaceName)", |c| {
            Ok(c.opt_str(0)
                .map_or(Value::Null, |text| namespace_value(&text.to_lossy())))
        }),
        Get("static XName operator +(XNamespace ns, string localName)", |c| {
            let local = c.text(1, "localName")?;
            Ok(name_value(Name::new(&namespace(c, 0)?, &local.to_lossy())?))
        }),
        Get(
            "static bool operator ==(XNamespace left, XNamespace right)",
            base::equals,
        ),
        Get(
            "static bool operator !=(XNamespace left, XNamespace right)",
            |c| Ok(Value::Bool(!matches!(base::equals(c)?, Value::Bool(true)))),
        ),
        Get("string ToString()", base::to_string),
        Get("bool Equals(object obj)", base::equals),
    ],
);

const OBJECT: Decl = all(
    "abstract class System.Xml.Linq.XObject",
    &[
        Get("XElement Parent", |c| match as_attribute(c.arg(0)) {
            Some(attribute) => opt_node(attribute.parent()),
            None => opt_node(node(c, 0)?.parent()),
        }),
        Get("XDocument Document", |c| match as_attribute(c.arg(0)) {
            Some(attribute) => opt_node(attribute.parent().and_then(|n| n.owner_document())),
            None => opt_node(node(c, 0)?.owner_document()),
        }),
        Get("string BaseUri", |_| string("")),
        Get("System.Xml.XmlNodeType NodeType", |c| {
            let value = match as_node(c.arg(0)) {
                Some(node) => node.node_type() as i64,
                None => 2,
            };
            Ok(Value::Enum(types::XML_NODE_TYPE, value))
        }),
    ],
);

fn copy_declaration(c: &mut Call<'_, '_>) -> Eval {
    let own = c.object(0)?;
    let own = own
        .native::<std::cell::RefCell<Declaration>>()
        .ok_or_else(Error::null_reference)?;
    let copy = std::cell::RefCell::new(own.borrow().clone());
    Ok(native(types::XDECLARATION, copy))
}

const DECLARATION: Decl = all(
    "class System.Xml.Linq.XDeclaration",
    &[
        Get(
            "ctor(string version, string encoding, string standalone)",
            new_declaration,
        ),
        Get("ctor(XDeclaration other)", |c| match c.arg(0) {
            Value::Null => Err(Error::null("other").into()),
            _ => copy_declaration(c),
        }),
        Set(
            "string Version",
            |c| declaration_part(c, |d| d.version.clone()),
            |c| set_part(c, |d| &mut d.version),
        ),
        Set(
            "string Encoding",
            |c| declaration_part(c, |d| d.encoding.clone()),
            |c| set_part(c, |d| &mut d.encoding),
        ),
        Set(
            "string Standalone",
            |c| declaration_part(c, |d| d.standalone.clone()),
            |c| set_part(c, |d| &mut d.standalone),
        ),
        Get("string ToString()", base::to_string),
    ],
);

pub(super) const TYPES: &[Decl] = &[
    OBJECT,
    NAME,
    NAMESPACE,
    node::NODE,
    node::CONTAINER,
    node::DOCUMENT,
    node::EQUALITY_COMPARER,
    node::ORDER_COMPARER,
    convert::ELEMENT,
    convert::ATTRIBUTE,
    node::TEXT,
    node::CDATA,
    node::COMMENT,
    node::PROCESSING_INSTRUCTION,
    node::DOCUMENT_TYPE,
    DECLARATION,
    node::EXTENSIONS,
    values(
        "enum System.Xml.XmlNodeType",
        Verdict::All,
        &[
            ("None", 0),
            ("Element", 1),
            ("Attribute", 2),
            ("Text", 3),
            ("CDATA", 4),
            ("EntityReference", 5),
            ("Entity", 6),
            ("ProcessingInstruction", 7),
            ("Comment", 8),
            ("Document", 9),
            ("DocumentType", 10),
            ("DocumentFragment", 11),
            ("Notation", 12),
            ("Whitespace", 13),
            ("SignificantWhitespace", 14),
            ("EndElement", 15),
            ("EndEntity", 16),
            ("XmlDeclaration", 17),
        ],
    ),
    values(
        "flags enum System.Xml.Linq.SaveOptions",
        Verdict::All,
        &[
            ("None", 0),
            ("DisableFormatting", 1),
            ("OmitDuplicateNamespaces", 2),
        ],
    ),
    values(
        "flags enum System.Xml.Linq.LoadOptions",
        Verdict::All,
        &[
            ("None", 0),
            ("PreserveWhitespace", 1),
            ("SetBaseUri", 2),
            ("SetLineInfo", 4),
        ],
    ),
];
