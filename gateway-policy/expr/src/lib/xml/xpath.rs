//! `System.Xml.XPath.Extensions`, `XmlNamespaceManager`, and expressions for `SelectNodes`.

use std::cell::RefCell;

use gateway_dotnet::xml::xpath::{Environment, Item, Value as Found, XPath};

use super::super::Entry::{Get, Set};
use super::{
    Call, Data, Decl, Error, Eval, Thrown, Type, Value, all, attribute_value, node, node_value, opt_node,
    opt_string, string,
};
use crate::types::registry;

/// `XmlNamespaceManager`: prefixes and namespaces, later ones first in force.
#[derive(Clone, Default)]
pub(super) struct Manager(Vec<(String, String)>);

impl Environment for Manager {
    fn namespace(&self, prefix: &str) -> Option<String> {
        let found = self.0.iter().rev().find(|(p, _)| p == prefix);
        found.map(|(_, namespace)| namespace.clone())
    }
}

/// The original's iterator behind `XPathSelectElements`.
const XPATH_ITERATOR: &str = "XContainer+<GetElements>d__39";

/// The manager given as argument `i`, or an empty one.
pub(super) fn manager(c: &Call<'_, '_>, i: usize) -> Manager {
    match c.arg(i) {
        Value::Object(o) => o
            .native::<RefCell<Manager>>()
            .map(|m| m.borrow().clone())
            .unwrap_or_default(),
        _ => Manager::default(),
    }
}

/// Nodes that the expression of argument 1 selects.
pub(super) fn select(c: &mut Call<'_, '_>, from: &Item) -> Result<Vec<Item>, Thrown> {
    match evaluate(c, from)? {
        Found::Nodes(nodes) => Ok(nodes),
        _ => Err(Error::new(
            gateway_dotnet::ExceptionKind::XPathException,
            "Expression must evaluate to a node-set.",
        )
        .into()),
    }
}

fn evaluate(c: &mut Call<'_, '_>, from: &Item) -> Result<Found, Thrown> {
    let path = c.str_or_empty(1);
    let names = manager(c, 2);
    c.vm.charge(path.len().saturating_mul(16))?;
    let mut spent = 0;
    let found = XPath::compile(&path.to_lossy())?.evaluate_counted(from, &names, &mut spent);
    c.vm.spend(spent)?;
    Ok(found?)
}

fn unexpected(what: &str) -> Thrown {
    Error::invalid_operation(format!(
        "The XPath expression evaluated to unexpected type {what}."
    ))
    .into()
}

/// The elements an expression selects; anything else is refused.
fn select_elements(c: &mut Call<'_, '_>) -> Result<Vec<gateway_dotnet::xml::Node>, Thrown> {
    let from = Item::Node(node(c, 0)?);
    let nodes = match evaluate(c, &from)? {
        Found::Nodes(nodes) => nodes,
        Found::Bool(_) => return Err(unexpected("System.Boolean")),
        Found::Number(_) => return Err(unexpected("System.Double")),
        Found::Text(_) => return Err(unexpected("System.String")),
    };
    let mut out = Vec::with_capacity(nodes.len());
    for item in nodes {
        match item {
            Item::Node(n) if n.is_element() => out.push(n),
            Item::Node(n) => return Err(unexpected(&node_value(n).type_name().unwrap_or_default())),
            _ => return Err(unexpected("System.Xml.Linq.XAttribute")),
        }
    }
    Ok(out)
}

/// `XPathEvaluate`: a scalar, or the nodes as objects.
fn evaluate_any(c: &mut Call<'_, '_>) -> Eval {
    let from = Item::Node(node(c, 0)?);
    Ok(match evaluate(c, &from)? {
        Found::Bool(value) => Value::Bool(value),
        Found::Number(value) => Value::Double(value),
        Found::Text(text) => return string(&text),
        Found::Nodes(nodes) => {
            let items = nodes.into_iter().map(linq).collect();
            Value::sequence(Type::OBJECT, items)
        }
    })
}

fn linq(item: Item) -> Value {
    match item {
        Item::Node(node) => node_value(node),
        Item::Attribute(attribute) => attribute_value(attribute),
        Item::Namespace(_, prefix, uri) => {
            let name = super::Name::new(super::XMLNS_NAMESPACE, &prefix);
            name.map_or(Value::Null, |n| {
                attribute_value(super::Attribute::new(n, uri.into()))
            })
        }
    }
}

fn managed<R>(c: &Call<'_, '_>, f: impl FnOnce(&mut Manager) -> R) -> Result<R, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match o.native::<RefCell<Manager>>() {
            Some(m) => Ok(f(&mut m.borrow_mut())),
            None => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn lossy(c: &Call<'_, '_>, i: usize, name: &str) -> Result<String, Thrown> {
    Ok(c.text(i, name)?.to_lossy().into_owned())
}

fn make(name: &str, data: impl std::any::Any) -> Value {
    let ty = registry().type_named(name).unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(data)))
}

// ---- navigators

fn at(c: &Call<'_, '_>) -> Result<Item, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match o.native::<RefCell<Item>>() {
            Some(item) => Ok(item.borrow().clone()),
            None => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn navigator(item: Item) -> Value {
    make("System.Xml.XPath.XPathNavigator", RefCell::new(item))
}

/// A navigator on a tree, for `CreateNavigator()`.
pub(super) fn navigate(item: Item) -> Eval {
    Ok(navigator(item))
}

/// Nodes still to come, and the current one.
struct Selected(Vec<Item>, usize);

fn selected<R>(c: &Call<'_, '_>, f: impl FnOnce(&mut Selected) -> R) -> Result<R, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match o.native::<RefCell<Selected>>() {
            Some(s) => Ok(f(&mut s.borrow_mut())),
            None => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn iterator(nodes: Vec<Item>) -> Value {
    make(
        "System.Xml.XPath.XPathNodeIterator",
        RefCell::new(Selected(nodes, 0)),
    )
}

/// Moves the navigator to where `f` leads; whether it leads anywhere.
fn go(c: &Call<'_, '_>, f: impl FnOnce(&Item) -> Option<Item>) -> Eval {
    let to = f(&at(c)?);
    let ok = to.is_some();
    if let (Value::Object(o), Some(to)) = (c.arg(0), to)
        && let Some(item) = o.native::<RefCell<Item>>()
    {
        *item.borrow_mut() = to;
    }
    Ok(Value::Bool(ok))
}

const NAVIGATOR: &[super::super::Entry] = &[
    Get("string Value", |c| string(&at(c)?.text())),
    Get("string Name", |c| string(&at(c)?.qualified_name())),
    Get("string LocalName", |c| {
        opt_string(at(c)?.name().map(|n| n.local.to_string()).or(Some(String::new())))
    }),
    Get("string NamespaceURI", |c| {
        opt_string(
            at(c)?
                .name()
                .map(|n| n.namespace.to_string())
                .or(Some(String::new())),
        )
    }),
    Get("string InnerXml", |c| match at(c)?.node() {
        Some(node) => string(&super::reader::inner_xml(node)),
        None => string(""),
    }),
    Get("string OuterXml", |c| match at(c)?.node() {
        Some(node) => string(&super::node_to_string(node, super::SaveOptions::NONE)),
        None => string(""),
    }),
    Get("System.Xml.XmlNameTable NameTable", |_| {
        Ok(make("System.Xml.NameTable", ()))
    }),
    Get("System.Xml.XPath.XPathNodeIterator Select(string xpath)", |c| {
        let from = at(c)?;
        Ok(iterator(select(c, &from)?))
    }),
    Get(
        "System.Xml.XPath.XPathNodeIterator Select(string xpath, System.Xml.IXmlNamespaceResolver resolver)",
        |c| {
            let from = at(c)?;
            Ok(iterator(select(c, &from)?))
        },
    ),
    Get(
        "System.Xml.XPath.XPathNavigator SelectSingleNode(string xpath)",
        single,
    ),
    Get(
        "System.Xml.XPath.XPathNavigator SelectSingleNode(string xpath, System.Xml.IXmlNamespaceResolver resolver)",
        single,
    ),
    Get("object Evaluate(string xpath)", navigator_evaluate),
    Get(
        "object Evaluate(string xpath, System.Xml.IXmlNamespaceResolver resolver)",
        navigator_evaluate,
    ),
    Get(
        "string GetAttribute(string localName, string namespaceURI)",
        |c| {
            let (local, namespace) = (lossy(c, 1, "localName")?, lossy(c, 2, "namespaceURI")?);
            let item = at(c)?;
            let all = item.node().map(|n| n.attributes()).unwrap_or_default();
            let found = all
                .iter()
                .find(|a| *a.name().local == *local && *a.name().namespace == *namespace);
            string(&found.map(|a| a.value()).unwrap_or_default())
        },
    ),
    Get("bool MoveToParent()", |c| go(c, Item::parent)),
    Get("bool MoveToFirstChild()", |c| {
        go(c, |i| i.node()?.nodes().into_iter().next().map(Item::Node))
    }),
    Get("bool MoveToNext()", |c| {
        go(c, |i| i.node()?.next_node().map(Item::Node))
    }),
    Get("void MoveToRoot()", |c| {
        go(c, |i| Some(i.root()))?;
        Ok(Value::Null)
    }),
    Get("System.Xml.XPath.XPathNavigator Clone()", |c| {
        Ok(navigator(at(c)?))
    }),
    Get("string ToString()", |c| string(&at(c)?.text())),
];

fn single(c: &mut Call<'_, '_>) -> Eval {
    let from = at(c)?;
    Ok(select(c, &from)?
        .into_iter()
        .next()
        .map_or(Value::Null, navigator))
}

fn navigator_evaluate(c: &mut Call<'_, '_>) -> Eval {
    let from = at(c)?;
    Ok(match evaluate(c, &from)? {
        Found::Bool(value) => Value::Bool(value),
        Found::Number(value) => Value::Double(value),
        Found::Text(text) => return string(&text),
        Found::Nodes(nodes) => iterator(nodes),
    })
}

const MANAGER: &[super::super::Entry] = &[
    Get("ctor(System.Xml.XmlNameTable nameTable)", |_| {
        Ok(make(
            "System.Xml.XmlNamespaceManager",
            RefCell::new(Manager::default()),
        ))
    }),
    Get("void AddNamespace(string prefix, string uri)", |c| {
        let pair = (lossy(c, 1, "prefix")?, lossy(c, 2, "uri")?);
        c.vm.charge(pair.0.len() + pair.1.len() + 64)?;
        managed(c, |m| m.0.push(pair))?;
        Ok(Value::Null)
    }),
    Get("void RemoveNamespace(string prefix, string uri)", |c| {
        let (prefix, uri) = (lossy(c, 1, "prefix")?, lossy(c, 2, "uri")?);
        managed(c, |m| m.0.retain(|(p, u)| *p != prefix || *u != uri))?;
        Ok(Value::Null)
    }),
    Get("string LookupNamespace(string prefix)", |c| {
        let prefix = lossy(c, 1, "prefix")?;
        let found = managed(c, |m| m.namespace(&prefix))?;
        opt_string(found.or_else(|| builtin(&prefix).map(str::to_owned)))
    }),
    Get("string LookupPrefix(string uri)", |c| {
        let uri = lossy(c, 1, "uri")?;
        opt_string(managed(c, |m| {
            m.0.iter().rev().find(|(_, u)| *u == uri).map(|(p, _)| p.clone())
        })?)
    }),
    Get("bool HasNamespace(string prefix)", |c| {
        let prefix = lossy(c, 1, "prefix")?;
        Ok(Value::Bool(managed(c, |m| m.namespace(&prefix).is_some())?))
    }),
    Get("string DefaultNamespace", |c| {
        string(&managed(c, |m| m.namespace(""))?.unwrap_or_default())
    }),
    Get("void PushScope()", |_| Ok(Value::Null)),
    Get("bool PopScope()", |_| Ok(Value::Bool(true))),
    Set(
        "System.Xml.XmlNameTable NameTable",
        |_| Ok(make("System.Xml.NameTable", ())),
        |_| Ok(Value::Null),
    ),
];

fn builtin(prefix: &str) -> Option<&'static str> {
    match prefix {
        "xml" => Some(super::XML_NAMESPACE),
        "xmlns" => Some(super::XMLNS_NAMESPACE),
        "" => Some(""),
        _ => None,
    }
}

pub(crate) const TYPES: &[Decl] = &[
    all("abstract class System.Xml.XmlNameTable", &[]),
    all(
        "class System.Xml.NameTable : System.Xml.XmlNameTable",
        &[Get("ctor()", |_| Ok(make("System.Xml.NameTable", ())))],
    ),
    all("interface System.Xml.IXmlNamespaceResolver", &[]),
    all(
        "class System.Xml.XmlNamespaceManager : System.Xml.IXmlNamespaceResolver",
        MANAGER,
    ),
    all("class System.Xml.XPath.XPathNavigator", NAVIGATOR),
    all(
        "class System.Xml.XPath.XPathNodeIterator",
        &[
            Get("bool MoveNext()", |c| {
                c.vm.step()?;
                Ok(Value::Bool(selected(c, |s| {
                    s.1 = (s.1 + 1).min(s.0.len() + 1);
                    s.1 <= s.0.len()
                })?))
            }),
            Get("System.Xml.XPath.XPathNavigator Current", |c| {
                let item = selected(c, |s| s.1.checked_sub(1).and_then(|i| s.0.get(i).cloned()))?;
                Ok(item.map_or(Value::Null, navigator))
            }),
            Get("int Count", |c| {
                Ok(Value::Int(selected(c, |s| s.0.len())? as i32))
            }),
            Get("int CurrentPosition", |c| {
                Ok(Value::Int(selected(c, |s| s.1)? as i32))
            }),
        ],
    ),
    all(
        "static System.Xml.XPath.Extensions",
        &[
            Get(
                "static XElement XPathSelectElement(XNode node, string expression)",
                |c| opt_node(select_elements(c)?.into_iter().next()),
            ),
            Get(
                "static XElement XPathSelectElement(XNode node, string expression, System.Xml.IXmlNamespaceResolver resolver)",
                |c| opt_node(select_elements(c)?.into_iter().next()),
            ),
            Get(
                "static IEnumerable<XElement> XPathSelectElements(XNode node, string expression)",
                |c| {
                    let found = select_elements(c)?;
                    c.elements_of(XPATH_ITERATOR, found)
                },
            ),
            Get(
                "static IEnumerable<XElement> XPathSelectElements(XNode node, string expression, System.Xml.IXmlNamespaceResolver resolver)",
                |c| {
                    let found = select_elements(c)?;
                    c.elements_of(XPATH_ITERATOR, found)
                },
            ),
            Get(
                "static object XPathEvaluate(XNode node, string expression)",
                evaluate_any,
            ),
            Get(
                "static object XPathEvaluate(XNode node, string expression, System.Xml.IXmlNamespaceResolver resolver)",
                evaluate_any,
            ),
            Get(
                "static System.Xml.XPath.XPathNavigator CreateNavigator(XNode node)",
                |c| navigate(Item::Node(node(c, 0)?)),
            ),
        ],
    ),
];
