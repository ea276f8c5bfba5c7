//! `System.Xml.XmlDocument` and its nodes, over the same tree as `System.Xml.Linq`.
//!
//! Prefixes are those that the declarations in scope give, the tree keeping names and not spellings.

use std::cell::Cell;

use gateway_dotnet::xml::{
    Content, LoadOptions, Node, SaveOptions, node_to_string, parse_document, xpath::Item,
};

use super::super::Entry::{Get, Set};
use super::{
    Attribute, Call, Data, Decl, Error, Eval, Kind, Name, Thrown, Type, Value, all,
    reader::{attribute_name, declaration_text, inner_xml},
    string, types, xpath,
};
use crate::{lib::Entry, object::Object, types::registry};

/// A node of a document. The flag is `PreserveWhitespace` of a document.
struct Dom(Node, Cell<bool>);

struct DomAttribute(Attribute);

/// The XML declaration of a document.
struct DomDeclaration(Node);

/// `Attributes` of an element, read when they are asked for.
struct DomAttributes(Node);

fn make(name: &str, data: impl std::any::Any) -> Value {
    let ty = registry()
        .type_named(&format!("System.Xml.{name}"))
        .unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(data)))
}

fn wrap(node: Node) -> Value {
    let name = match node.kind() {
        Kind::Document { .. } => "XmlDocument",
        Kind::Element { .. } => "XmlElement",
        Kind::Text(_) => "XmlText",
        Kind::CData(_) => "XmlCDataSection",
        Kind::Comment(_) => "XmlComment",
        Kind::ProcessingInstruction { .. } => "XmlProcessingInstruction",
        Kind::DocumentType { .. } => "XmlDocumentType",
    };
    make(name, Dom(node, Cell::new(false)))
}

fn wrap_opt(node: Option<Node>) -> Eval {
    Ok(node.map_or(Value::Null, wrap))
}

fn wrap_attribute(attribute: Attribute) -> Value {
    make("XmlAttribute", DomAttribute(attribute))
}

fn wrap_item(item: Item) -> Value {
    match item {
        Item::Node(node) => wrap(node),
        Item::Attribute(attribute) => wrap_attribute(attribute),
        Item::Namespace(..) => Value::Null,
    }
}

/// Whether two wrappers stand for one node.
pub(super) fn same(a: &Object, b: &Object) -> Option<bool> {
    if let (Some(a), Some(b)) = (a.native::<Dom>(), b.native::<Dom>()) {
        return Some(a.0.same(&b.0));
    }
    if let (Some(a), Some(b)) = (a.native::<DomAttribute>(), b.native::<DomAttribute>()) {
        return Some(a.0.same(&b.0));
    }
    None
}

/// The node of a wrapper; `None` for other objects.
pub(super) fn node_of(o: &Object) -> Option<Node> {
    o.native::<Dom>().map(|dom| dom.0.clone())
}

/// What argument `i` stands for.
enum Subject {
    Node(Node),
    Attribute(Attribute),
    Declaration(Node),
}

fn subject(c: &Call<'_, '_>, i: usize) -> Result<Subject, Thrown> {
    if let Value::Object(o) = c.arg(i) {
        if let Some(dom) = o.native::<Dom>() {
            return Ok(Subject::Node(dom.0.clone()));
        }
        if let Some(attribute) = o.native::<DomAttribute>() {
            return Ok(Subject::Attribute(attribute.0.clone()));
        }
        if let Some(declaration) = o.native::<DomDeclaration>() {
            return Ok(Subject::Declaration(declaration.0.clone()));
        }
    }
    Err(Error::null_reference().into())
}

fn node(c: &Call<'_, '_>, i: usize) -> Result<Node, Thrown> {
    match subject(c, i)? {
        Subject::Node(node) => Ok(node),
        _ => Err(Error::invalid_operation("The node has no children.").into()),
    }
}

fn lossy(c: &Call<'_, '_>, i: usize) -> String {
    c.opt_str(i)
        .map(|s| s.to_lossy().into_owned())
        .unwrap_or_default()
}

// ---- names and values

fn name(c: &mut Call<'_, '_>) -> Eval {
    string(&match subject(c, 0)? {
        Subject::Attribute(attribute) => attribute_name(&attribute),
        Subject::Declaration(_) => "xml".to_owned(),
        Subject::Node(node) => node_name(&node),
    })
}

fn node_name(node: &Node) -> String {
    match node.kind() {
        Kind::Document { .. } => "#document".to_owned(),
        Kind::Text(text) if text.borrow().trim().is_empty() => "#whitespace".to_owned(),
        Kind::Text(_) => "#text".to_owned(),
        Kind::CData(_) => "#cdata-section".to_owned(),
        Kind::Comment(_) => "#comment".to_owned(),
        Kind::DocumentType { name, .. } => name.clone(),
        _ => Item::Node(node.clone()).qualified_name(),
    }
}

fn qualified(c: &Call<'_, '_>) -> Result<Option<(String, Name)>, Thrown> {
    Ok(match subject(c, 0)? {
        Subject::Attribute(attribute) => Some((attribute_name(&attribute), attribute.name().clone())),
        Subject::Node(node) => node.name().map(|n| (node_name(&node), n)),
        Subject::Declaration(_) => None,
    })
}

fn local_name(c: &mut Call<'_, '_>) -> Eval {
    match qualified(c)? {
        Some((_, name)) => string(&name.local),
        None => name(c),
    }
}

fn prefix(c: &mut Call<'_, '_>) -> Eval {
    let text = qualified(c)?.map(|(text, _)| text).unwrap_or_default();
    string(text.split_once(':').map_or("", |(prefix, _)| prefix))
}

fn namespace_uri(c: &mut Call<'_, '_>) -> Eval {
    string(
        &qualified(c)?
            .map(|(_, n)| n.namespace.to_string())
            .unwrap_or_default(),
    )
}

fn value(c: &mut Call<'_, '_>) -> Eval {
    match subject(c, 0)? {
        Subject::Attribute(attribute) => string(&attribute.value()),
        Subject::Node(node) if !has_children(&node) => string(&node.value()),
        Subject::Declaration(node) => {
            let text = declaration_text(&node);
            string(text.trim_start_matches("<?xml").trim_end_matches("?>").trim())
        }
        Subject::Node(_) => Ok(Value::Null),
    }
}

fn has_children(node: &Node) -> bool {
    matches!(node.kind(), Kind::Document { .. } | Kind::Element { .. })
}

fn set_text(c: &mut Call<'_, '_>) -> Eval {
    let text = lossy(c, 1);
    c.vm.charge(text.len())?;
    match subject(c, 0)? {
        Subject::Attribute(attribute) => attribute.set_value(text),
        Subject::Node(node) => node.set_value(text)?,
        Subject::Declaration(_) => {}
    }
    Ok(Value::Null)
}

fn set_node_value(c: &mut Call<'_, '_>) -> Eval {
    if let Subject::Node(node) = subject(c, 0)?
        && has_children(&node)
    {
        let message = format!("Cannot set a value on node type '{:?}'.", node.node_type());
        return Err(Error::invalid_operation(message).into());
    }
    set_text(c)
}

fn inner_text(c: &mut Call<'_, '_>) -> Eval {
    match subject(c, 0)? {
        Subject::Node(node) => string(&node.value()),
        _ => value(c),
    }
}

fn node_type(c: &mut Call<'_, '_>) -> Eval {
    let kind = match subject(c, 0)? {
        Subject::Attribute(_) => 2,
        Subject::Declaration(_) => 17,
        Subject::Node(node) => match node.kind() {
            Kind::Text(text) if text.borrow().trim().is_empty() => 13,
            _ => node.node_type() as i64,
        },
    };
    Ok(Value::Enum(types::XML_NODE_TYPE, kind))
}

// ---- markup

fn outer(node: &Node) -> String {
    match node.kind() {
        Kind::Document { .. } => declaration_text(node) + &inner_xml(node),
        _ => node_to_string(node, SaveOptions::DISABLE_FORMATTING),
    }
}

fn outer_xml(c: &mut Call<'_, '_>) -> Eval {
    let text = match subject(c, 0)? {
        Subject::Node(node) => outer(&node),
        Subject::Attribute(attribute) => super::attribute_to_string(&attribute),
        Subject::Declaration(node) => declaration_text(&node),
    };
    c.vm.charge(text.len())?;
    string(&text)
}

fn inner_markup(c: &mut Call<'_, '_>) -> Eval {
    let text = match subject(c, 0)? {
        Subject::Node(node) if matches!(node.kind(), Kind::Document { .. }) => outer(&node),
        Subject::Node(node) => inner_xml(&node),
        Subject::Attribute(attribute) => attribute.value(),
        Subject::Declaration(_) => String::new(),
    };
    c.vm.charge(text.len())?;
    string(&text)
}

fn set_inner_xml(c: &mut Call<'_, '_>) -> Eval {
    let markup = lossy(c, 1);
    c.vm.charge(markup.len().saturating_mul(8))?;
    let to = node(c, 0)?;
    if matches!(to.kind(), Kind::Document { .. }) {
        return fill(&to, &markup, false);
    }
    let holder = parse_document(&format!("<x>{markup}</x>"), LoadOptions::NONE)?;
    to.remove_nodes();
    if let Some(root) = holder.root() {
        for child in root.nodes() {
            child.remove()?;
            to.add(&[Content::Node(child)])?;
        }
    }
    Ok(Value::Null)
}

/// Makes a document hold what `text` says.
fn fill(document: &Node, text: &str, preserve: bool) -> Eval {
    let options = if preserve {
        LoadOptions::PRESERVE_WHITESPACE
    } else {
        LoadOptions::NONE
    };
    let parsed = parse_document(text, options)?;
    document.remove_nodes();
    if let (
        Kind::Document {
            declaration: from, ..
        },
        Kind::Document { declaration: to, .. },
    ) = (parsed.kind(), document.kind())
    {
        *to.borrow_mut() = from.borrow_mut().take();
    }
    for child in parsed.nodes() {
        child.remove()?;
        document.add(&[Content::Node(child)])?;
    }
    Ok(Value::Null)
}

fn load_xml(c: &mut Call<'_, '_>) -> Eval {
    let text = c.text(1, "xml")?;
    c.vm.charge(text.len().saturating_mul(8))?;
    let preserve = matches!(c.arg(0), Value::Object(o) if o.native::<Dom>().is_some_and(|d| d.1.get()));
    fill(&node(c, 0)?, &text.to_lossy(), preserve)
}

fn load(c: &mut Call<'_, '_>) -> Eval {
    let text = super::reader::rest(c, 1)?;
    c.vm.charge(text.len().saturating_mul(8))?;
    fill(&node(c, 0)?, &text, false)
}

fn save(c: &mut Call<'_, '_>) -> Eval {
    let Value::Object(to) = c.arg(1).clone() else {
        return Err(Error::null("writer").into());
    };
    let of = node(c, 0)?;
    let declaration = match declaration_text(&of) {
        text if text.is_empty() => "<?xml version=\"1.0\" encoding=\"utf-16\"?>".to_owned(),
        text => text,
    };
    let text = format!("{declaration}\n{}", node_to_string(&of, SaveOptions::NONE));
    super::super::io::write_to(c, &to, &text)?;
    Ok(Value::Null)
}

// ---- lists

fn list(name: &str, items: Vec<Value>) -> Value {
    let ty = registry()
        .type_named(&format!("System.Xml.{name}"))
        .unwrap_or(Type::OBJECT);
    Value::object(ty, Data::List(std::cell::RefCell::new(items.into())))
}

fn children(of: &Node) -> Vec<Value> {
    let declaration = match of.kind() {
        Kind::Document { declaration, .. } if declaration.borrow().is_some() => {
            Some(make("XmlDeclaration", DomDeclaration(of.clone())))
        }
        _ => None,
    };
    declaration
        .into_iter()
        .chain(of.nodes().into_iter().map(wrap))
        .collect()
}

fn subject_children(c: &Call<'_, '_>) -> Result<Vec<Value>, Thrown> {
    Ok(match subject(c, 0)? {
        Subject::Node(node) => children(&node),
        Subject::Attribute(attribute) => vec![wrap(Node::text(attribute.value()))],
        Subject::Declaration(_) => Vec::new(),
    })
}

fn attributes(c: &mut Call<'_, '_>) -> Eval {
    Ok(match subject(c, 0)? {
        Subject::Node(node) if node.is_element() => make("XmlAttributeCollection", DomAttributes(node)),
        _ => Value::Null,
    })
}

/// The element whose attributes the receiver is.
fn owner(c: &Call<'_, '_>) -> Result<Node, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match o.native::<DomAttributes>() {
            Some(attributes) => Ok(attributes.0.clone()),
            None => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn attribute_at(c: &mut Call<'_, '_>) -> Eval {
    let i = usize::try_from(c.int(1)?).ok();
    match i.and_then(|i| owner(c).ok()?.attributes().into_iter().nth(i)) {
        Some(attribute) => Ok(wrap_attribute(attribute)),
        None => Err(Error::of(gateway_dotnet::ExceptionKind::IndexOutOfRangeException).into()),
    }
}

fn item_at(c: &mut Call<'_, '_>) -> Eval {
    let i = c.int(1)?;
    let Value::Object(o) = c.arg(0) else {
        return Err(Error::null_reference().into());
    };
    let Data::List(items) = &o.data else {
        return Err(Error::null_reference().into());
    };
    let found = usize::try_from(i)
        .ok()
        .and_then(|i| items.borrow().items.get(i).cloned());
    Ok(found.unwrap_or(Value::Null))
}

/// An attribute of a collection by its name as written.
fn attribute_named(c: &mut Call<'_, '_>) -> Eval {
    let wanted = lossy(c, 1);
    let all = owner(c)?.attributes();
    let found = all.into_iter().find(|a| attribute_name(a) == wanted);
    Ok(found.map_or(Value::Null, wrap_attribute))
}

fn append_attribute(c: &mut Call<'_, '_>) -> Eval {
    c.vm.charge(128)?;
    let to = owner(c)?;
    if let Subject::Attribute(attribute) = subject(c, 1)? {
        to.set_attribute_value(attribute.name(), None);
        to.add(&[Content::Attribute(attribute)])?;
    }
    Ok(c.arg(1).clone())
}

fn by_tag(c: &mut Call<'_, '_>) -> Eval {
    let wanted = lossy(c, 1);
    let namespace = c.opt_str(2).map(|s| s.to_lossy().into_owned());
    let all = node(c, 0)?.descendants();
    c.vm.charge(all.len() * 64)?;
    let fits = |n: &Node| match &namespace {
        Some(namespace) => n.name().is_some_and(|name| {
            (wanted == "*" || *name.local == *wanted) && (namespace == "*" || *name.namespace == **namespace)
        }),
        None => wanted == "*" || node_name(n) == wanted,
    };
    let found = all.into_iter().filter(fits).map(wrap).collect();
    Ok(list("XmlElementList", found))
}

fn child_named(c: &mut Call<'_, '_>) -> Eval {
    let wanted = lossy(c, 1);
    let found = node(c, 0)?
        .elements()
        .into_iter()
        .find(|n| node_name(n) == wanted);
    wrap_opt(found)
}

fn item_of(c: &Call<'_, '_>) -> Result<Item, Thrown> {
    Ok(match subject(c, 0)? {
        Subject::Node(node) | Subject::Declaration(node) => Item::Node(node),
        Subject::Attribute(attribute) => Item::Attribute(attribute),
    })
}

fn select_nodes(c: &mut Call<'_, '_>) -> Eval {
    let from = item_of(c)?;
    let found = xpath::select(c, &from)?;
    Ok(list("XPathNodeList", found.into_iter().map(wrap_item).collect()))
}

fn select_single(c: &mut Call<'_, '_>) -> Eval {
    let from = item_of(c)?;
    let found = xpath::select(c, &from)?;
    Ok(found.into_iter().next().map_or(Value::Null, wrap_item))
}

// ---- changes

/// Takes the node of argument `i` out of where it stands, ready to be put elsewhere.
fn free(c: &Call<'_, '_>, i: usize) -> Result<Content, Thrown> {
    match subject(c, i)? {
        Subject::Node(node) => {
            if node.container().is_some() {
                node.remove()?;
            }
            Ok(Content::Node(node))
        }
        Subject::Attribute(attribute) => Ok(Content::Attribute(attribute)),
        Subject::Declaration(_) => Ok(Content::Text(String::new())),
    }
}

fn append(c: &mut Call<'_, '_>, first: bool) -> Eval {
    c.vm.charge(64)?;
    let child = c.arg(1).clone();
    if matches!(subject(c, 1)?, Subject::Declaration(_)) {
        return Ok(child);
    }
    let content = free(c, 1)?;
    let to = node(c, 0)?;
    if first {
        to.add_first(&[content])?
    } else {
        to.add(&[content])?
    }
    Ok(child)
}

fn insert(c: &mut Call<'_, '_>, after: bool) -> Eval {
    c.vm.charge(64)?;
    let child = c.arg(1).clone();
    if c.arg(2).is_null() {
        return append(c, after);
    }
    let reference = node(c, 2)?;
    let content = free(c, 1)?;
    if after {
        reference.add_after_self(&[content])?;
    } else {
        reference.add_before_self(&[content])?;
    }
    Ok(child)
}

fn is_child(c: &Call<'_, '_>, i: usize) -> Result<Node, Thrown> {
    let (of, child) = (node(c, 0)?, node(c, i)?);
    if child.container().is_some_and(|p| p.same(&of)) {
        return Ok(child);
    }
    Err(Error::argument("oldChild", "The node to be removed is not a child of this node.").into())
}

fn replace_child(c: &mut Call<'_, '_>) -> Eval {
    let old = is_child(c, 2)?;
    let content = free(c, 1)?;
    old.add_after_self(&[content])?;
    old.remove()?;
    Ok(c.arg(2).clone())
}

/// The expanded name of `prefix:local`, the prefix as the document's own declarations have it.
fn expanded(given: &str, namespace: Option<String>) -> Result<Name, Error> {
    let local = given.rsplit(':').next().unwrap_or(given);
    Name::new(namespace.as_deref().unwrap_or_default(), local)
}

fn create_element(c: &mut Call<'_, '_>) -> Eval {
    c.vm.charge(256)?;
    let three = c.args.len() == 4;
    let (given, namespace) = if three {
        (lossy(c, 2), Some(lossy(c, 3)))
    } else {
        (lossy(c, 1), c.opt_str(2).map(|s| s.to_lossy().into_owned()))
    };
    let prefix = if three {
        lossy(c, 1)
    } else {
        given.split_once(':').map_or("", |(p, _)| p).to_owned()
    };
    let element = Node::element(expanded(&given, namespace.clone())?);
    if let (false, Some(namespace)) = (prefix.is_empty(), namespace) {
        element.set_attribute_value(&Name::new(super::XMLNS_NAMESPACE, &prefix)?, Some(namespace));
    }
    Ok(wrap(element))
}

fn set_attribute(c: &mut Call<'_, '_>) -> Eval {
    c.vm.charge(128)?;
    let of = node(c, 0)?;
    let given = lossy(c, 1);
    let (namespace, value) = match c.args.len() {
        4 => (Some(lossy(c, 2)), lossy(c, 3)),
        _ => (None, lossy(c, 2)),
    };
    let name = match given.split_once(':') {
        Some(("xmlns", prefix)) => Name::new(super::XMLNS_NAMESPACE, prefix)?,
        Some((prefix, _)) if namespace.is_none() => expanded(&given, of.namespace_of_prefix(prefix))?,
        _ => expanded(&given, namespace)?,
    };
    of.set_attribute_value(&name, Some(value));
    Ok(Value::Null)
}

fn find_attribute(c: &Call<'_, '_>) -> Result<Option<Attribute>, Thrown> {
    let given = lossy(c, 1);
    let namespace = c.opt_str(2).map(|s| s.to_lossy().into_owned());
    let all = node(c, 0)?.attributes();
    Ok(all.into_iter().find(|a| match &namespace {
        Some(namespace) => *a.name().local == *given && *a.name().namespace == **namespace,
        None => attribute_name(a) == given,
    }))
}

fn clone_node(c: &mut Call<'_, '_>) -> Eval {
    c.vm.charge(256)?;
    let deep = matches!(c.args.last(), Some(Value::Bool(true)));
    let at = usize::from(c.args.len() > 2);
    match subject(c, at)? {
        Subject::Node(node) => {
            super::content::charge_tree(c, &node)?;
            let copy = node.deep_clone();
            if !deep {
                copy.remove_nodes();
            }
            Ok(wrap(copy))
        }
        Subject::Attribute(a) => Ok(wrap_attribute(Attribute::new(a.name().clone(), a.value()))),
        Subject::Declaration(node) => Ok(make("XmlDeclaration", DomDeclaration(node))),
    }
}

fn sibling(c: &Call<'_, '_>, pick: fn(&Node) -> Option<Node>) -> Eval {
    match subject(c, 0)? {
        Subject::Node(node) => wrap_opt(pick(&node)),
        Subject::Declaration(node) => wrap_opt(node.nodes().into_iter().next()),
        Subject::Attribute(_) => Ok(Value::Null),
    }
}

fn nothing(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

const NODE: &[Entry] = &[
    Get("string Name", name),
    Get("string LocalName", local_name),
    Get("string Prefix", prefix),
    Get("string NamespaceURI", namespace_uri),
    Set("string Value", value, set_node_value),
    Set("string InnerText", inner_text, set_text),
    Set("string InnerXml", inner_markup, set_inner_xml),
    Get("string OuterXml", outer_xml),
    Get("XmlNodeType NodeType", node_type),
    Get("XmlNode ParentNode", |c| match subject(c, 0)? {
        Subject::Node(node) => wrap_opt(node.container()),
        Subject::Declaration(node) => Ok(wrap(node)),
        Subject::Attribute(_) => Ok(Value::Null),
    }),
    Get("XmlNodeList ChildNodes", |c| {
        Ok(list("XmlChildNodes", subject_children(c)?))
    }),
    Get("XmlNode FirstChild", |c| {
        Ok(subject_children(c)?.into_iter().next().unwrap_or(Value::Null))
    }),
    Get("XmlNode LastChild", |c| {
        Ok(subject_children(c)?.pop().unwrap_or(Value::Null))
    }),
    Get("XmlNode NextSibling", |c| sibling(c, Node::next_node)),
    Get("XmlNode PreviousSibling", |c| sibling(c, Node::previous_node)),
    Get("bool HasChildNodes", |c| {
        Ok(Value::Bool(!subject_children(c)?.is_empty()))
    }),
    Get("XmlAttributeCollection Attributes", attributes),
    Get("XmlDocument OwnerDocument", |c| match subject(c, 0)? {
        Subject::Node(node) if matches!(node.kind(), Kind::Document { .. }) => Ok(Value::Null),
        Subject::Node(node) => wrap_opt(node.owner_document()),
        Subject::Declaration(node) => Ok(wrap(node)),
        Subject::Attribute(a) => wrap_opt(a.parent().and_then(|n| n.owner_document())),
    }),
    Get("XmlElement this[string name]", child_named),
    Get("XmlNode SelectSingleNode(string xpath)", select_single),
    Get(
        "XmlNode SelectSingleNode(string xpath, System.Xml.XmlNamespaceManager nsmgr)",
        select_single,
    ),
    Get("XmlNodeList SelectNodes(string xpath)", select_nodes),
    Get(
        "XmlNodeList SelectNodes(string xpath, System.Xml.XmlNamespaceManager nsmgr)",
        select_nodes,
    ),
    Get("XmlNode AppendChild(XmlNode newChild)", |c| append(c, false)),
    Get("XmlNode PrependChild(XmlNode newChild)", |c| append(c, true)),
    Get("XmlNode InsertBefore(XmlNode newChild, XmlNode refChild)", |c| {
        insert(c, false)
    }),
    Get("XmlNode InsertAfter(XmlNode newChild, XmlNode refChild)", |c| {
        insert(c, true)
    }),
    Get("XmlNode RemoveChild(XmlNode oldChild)", |c| {
        is_child(c, 1)?.remove()?;
        Ok(c.arg(1).clone())
    }),
    Get(
        "XmlNode ReplaceChild(XmlNode newChild, XmlNode oldChild)",
        replace_child,
    ),
    Get("void RemoveAll()", |c| {
        let of = node(c, 0)?;
        of.remove_nodes();
        of.remove_attributes();
        Ok(Value::Null)
    }),
    Get("XmlNode CloneNode(bool deep)", clone_node),
    Get("XmlNode Clone()", |c| match subject(c, 0)? {
        Subject::Node(node) => {
            super::content::charge_tree(c, &node)?;
            Ok(wrap(node.deep_clone()))
        }
        _ => Ok(c.arg(0).clone()),
    }),
    Get("string GetNamespaceOfPrefix(string prefix)", |c| {
        let prefix = lossy(c, 1);
        let of = node(c, 0)?;
        string(&match &*prefix {
            "" => of.default_namespace(),
            prefix => of.namespace_of_prefix(prefix).unwrap_or_default(),
        })
    }),
    Get("string GetPrefixOfNamespace(string namespaceURI)", |c| {
        let uri = lossy(c, 1);
        string(&node(c, 0)?.prefix_of_namespace(&uri).unwrap_or_default())
    }),
    Get("System.Xml.XPath.XPathNavigator CreateNavigator()", |c| {
        xpath::navigate(item_of(c)?)
    }),
    Get("System.Collections.IEnumerator GetEnumerator()", |c| {
        let items = subject_children(c)?;
        let iter = crate::iter::Ready(items.into_iter());
        let ty = Type::generic(types::IENUMERATOR_T, [Type::OBJECT]);
        let state = (Box::new(iter) as Box<dyn crate::iter::Iter>, Value::Null);
        Ok(Value::object(
            ty,
            Data::Enumerator(std::cell::RefCell::new(state)),
        ))
    }),
];

/// What enumerating a node gives: its children, or the attributes of a collection; `None` for other objects.
pub(in super::super) fn native_items(o: &Object) -> Option<Vec<Value>> {
    if let Some(attributes) = o.native::<DomAttributes>() {
        let all = attributes.0.attributes();
        return Some(all.into_iter().map(wrap_attribute).collect());
    }
    o.native::<Dom>().map(|dom| children(&dom.0))
}

const DOCUMENT: &[Entry] = &[
    Get("ctor()", |_| {
        Ok(make("XmlDocument", Dom(Node::document(None), Cell::new(false))))
    }),
    Get("void LoadXml(string xml)", load_xml),
    Get("void Load(System.Xml.XmlReader reader)", load),
    Get("void Load(System.IO.TextReader txtReader)", load),
    Get("void Save(System.IO.TextWriter writer)", save),
    Get("XmlElement DocumentElement", |c| wrap_opt(node(c, 0)?.root())),
    Set(
        "bool PreserveWhitespace",
        |c| {
            let on = matches!(c.arg(0), Value::Object(o) if o.native::<Dom>().is_some_and(|d| d.1.get()));
            Ok(Value::Bool(on))
        },
        |c| {
            if let (Value::Object(o), Value::Bool(on)) = (c.arg(0), c.arg(1))
                && let Some(dom) = o.native::<Dom>()
            {
                dom.1.set(*on);
            }
            Ok(Value::Null)
        },
    ),
    Set("System.Xml.XmlResolver XmlResolver", nothing, nothing),
    Get("System.Xml.XmlNameTable NameTable", |_| Ok(make("NameTable", ()))),
    Get("XmlElement CreateElement(string name)", create_element),
    Get(
        "XmlElement CreateElement(string qualifiedName, string namespaceURI)",
        create_element,
    ),
    Get(
        "XmlElement CreateElement(string prefix, string localName, string namespaceURI)",
        create_element,
    ),
    Get("XmlAttribute CreateAttribute(string name)", |c| {
        Ok(wrap_attribute(Attribute::new(
            expanded(&lossy(c, 1), None)?,
            String::new(),
        )))
    }),
    Get(
        "XmlAttribute CreateAttribute(string qualifiedName, string namespaceURI)",
        |c| {
            let name = expanded(&lossy(c, 1), Some(lossy(c, 2)))?;
            Ok(wrap_attribute(Attribute::new(name, String::new())))
        },
    ),
    Get("XmlText CreateTextNode(string text)", |c| {
        Ok(wrap(Node::text(lossy(c, 1))))
    }),
    Get("XmlCDataSection CreateCDataSection(string data)", |c| {
        Ok(wrap(Node::cdata(lossy(c, 1))))
    }),
    Get("XmlComment CreateComment(string data)", |c| {
        Ok(wrap(Node::comment(lossy(c, 1))))
    }),
    Get(
        "XmlDeclaration CreateXmlDeclaration(string version, string encoding, string standalone)",
        |c| {
            let part = |i| {
                c.opt_str(i)
                    .map(|s| s.to_lossy().into_owned())
                    .filter(|s| !s.is_empty())
            };
            let declaration = gateway_dotnet::xml::Declaration {
                version: part(1),
                encoding: part(2),
                standalone: part(3),
            };
            let document = node(c, 0)?;
            if let Kind::Document { declaration: to, .. } = document.kind() {
                *to.borrow_mut() = Some(declaration);
            }
            Ok(make("XmlDeclaration", DomDeclaration(document)))
        },
    ),
    Get("XmlNode ImportNode(XmlNode node, bool deep)", clone_node),
    Get("XmlNodeList GetElementsByTagName(string name)", by_tag),
    Get(
        "XmlNodeList GetElementsByTagName(string localName, string namespaceURI)",
        by_tag,
    ),
];

const ELEMENT: &[Entry] = &[
    Get("string GetAttribute(string name)", |c| {
        string(&find_attribute(c)?.map(|a| a.value()).unwrap_or_default())
    }),
    Get(
        "string GetAttribute(string localName, string namespaceURI)",
        |c| string(&find_attribute(c)?.map(|a| a.value()).unwrap_or_default()),
    ),
    Get("void SetAttribute(string name, string value)", set_attribute),
    Get(
        "string SetAttribute(string localName, string namespaceURI, string value)",
        |c| {
            set_attribute(c)?;
            Ok(c.arg(3).clone())
        },
    ),
    Get("bool HasAttribute(string name)", |c| {
        Ok(Value::Bool(find_attribute(c)?.is_some()))
    }),
    Get("bool HasAttribute(string localName, string namespaceURI)", |c| {
        Ok(Value::Bool(find_attribute(c)?.is_some()))
    }),
    Get("void RemoveAttribute(string name)", |c| {
        if let Some(attribute) = find_attribute(c)? {
            attribute.remove();
        }
        Ok(Value::Null)
    }),
    Get("XmlAttribute GetAttributeNode(string name)", |c| {
        Ok(find_attribute(c)?.map_or(Value::Null, wrap_attribute))
    }),
    Get("bool HasAttributes", |c| {
        Ok(Value::Bool(!node(c, 0)?.attributes().is_empty()))
    }),
    Get("bool IsEmpty", |c| Ok(Value::Bool(node(c, 0)?.is_empty()))),
    Get("void RemoveAllAttributes()", |c| {
        node(c, 0)?.remove_attributes();
        Ok(Value::Null)
    }),
    Get("XmlNodeList GetElementsByTagName(string name)", by_tag),
    Get(
        "XmlNodeList GetElementsByTagName(string localName, string namespaceURI)",
        by_tag,
    ),
];

const LIST: &[Entry] = &[
    Get("int Count", crate::lib::collections::count),
    Get("XmlNode Item(int index)", item_at),
    Get("XmlNode this[int i]", item_at),
];

pub(crate) const TYPES: &[Decl] = &[
    all(
        "abstract class System.Xml.XmlNode : System.Collections.IEnumerable",
        NODE,
    ),
    all("class System.Xml.XmlDocument : System.Xml.XmlNode", DOCUMENT),
    all("class System.Xml.XmlElement : System.Xml.XmlNode", ELEMENT),
    all(
        "class System.Xml.XmlAttribute : System.Xml.XmlNode",
        &[Get("XmlElement OwnerElement", |c| match subject(c, 0)? {
            Subject::Attribute(a) => wrap_opt(a.parent()),
            _ => Ok(Value::Null),
        })],
    ),
    all(
        "abstract class System.Xml.XmlCharacterData : System.Xml.XmlNode",
        &[Set("string Data", value, set_text)],
    ),
    all("class System.Xml.XmlText : System.Xml.XmlCharacterData", &[]),
    all(
        "class System.Xml.XmlCDataSection : System.Xml.XmlCharacterData",
        &[],
    ),
    all("class System.Xml.XmlComment : System.Xml.XmlCharacterData", &[]),
    all(
        "class System.Xml.XmlProcessingInstruction : System.Xml.XmlNode",
        &[],
    ),
    all("class System.Xml.XmlDocumentType : System.Xml.XmlNode", &[]),
    all("class System.Xml.XmlDeclaration : System.Xml.XmlNode", &[]),
    all("abstract class System.Xml.XmlResolver", &[]),
    all(
        "abstract class System.Xml.XmlNodeList : System.Collections.IEnumerable",
        LIST,
    ),
    all("class System.Xml.XPathNodeList : System.Xml.XmlNodeList", &[]),
    all("class System.Xml.XmlChildNodes : System.Xml.XmlNodeList", &[]),
    all("class System.Xml.XmlElementList : System.Xml.XmlNodeList", &[]),
    all(
        "class System.Xml.XmlAttributeCollection : System.Collections.IEnumerable",
        &[
            Get("int Count", |c| {
                Ok(Value::Int(owner(c)?.attributes().len() as i32))
            }),
            Get("XmlAttribute this[int i]", attribute_at),
            Get("XmlAttribute this[string name]", attribute_named),
            Get("XmlNode GetNamedItem(string name)", attribute_named),
            Get("XmlAttribute Append(XmlAttribute node)", append_attribute),
        ],
    ),
];
