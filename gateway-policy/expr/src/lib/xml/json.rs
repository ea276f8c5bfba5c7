//! XML as JSON, as `XmlNodeConverter` of Newtonsoft.Json writes it.

use gateway_dotnet::{
    Error, Str,
    json::{Scalar, Token},
    xml::{Kind, Node, xpath::Item},
};

use super::{Held, HeldAttribute, XMLNS_NAMESPACE};
use crate::{object::Object, vm::Thrown};

/// The JSON of an XML object; `None` for other objects.
pub(crate) fn of_object(o: &Object) -> Result<Option<Token>, Thrown> {
    if let Some(held) = o.native::<Held>() {
        return Ok(Some(of_node(&held.node)?));
    }
    if let Some(held) = o.native::<HeldAttribute>() {
        let object = Token::object();
        let name = format!("@{}", super::reader::attribute_name(&held.attribute));
        object.set(&Str::new(&name), Some(&text(&held.attribute.value())))?;
        return Ok(Some(object));
    }
    match super::dom::node_of(o) {
        Some(node) => Ok(Some(of_node(&node)?)),
        None => Ok(None),
    }
}

fn text(value: &str) -> Token {
    Token::value(Scalar::String(Str::new(value)))
}

fn of_node(node: &Node) -> Result<Token, Error> {
    let object = Token::object();
    match node.kind() {
        Kind::Document { declaration, .. } => {
            if let Some(declaration) = &*declaration.borrow() {
                let parts = Token::object();
                for (name, part) in [
                    ("@version", &declaration.version),
                    ("@encoding", &declaration.encoding),
                    ("@standalone", &declaration.standalone),
                ] {
                    if let Some(part) = part {
                        parts.set(&Str::from_static(name), Some(&text(part)))?;
                    }
                }
                object.set(&Str::from_static("?xml"), Some(&parts))?;
            }
            members(&node.nodes(), &object)?;
        }
        _ => members(std::slice::from_ref(node), &object)?,
    }
    Ok(object)
}

/// The property name of a node.
fn name_of(node: &Node) -> String {
    match node.kind() {
        Kind::Text(_) => "#text".to_owned(),
        Kind::CData(_) => "#cdata-section".to_owned(),
        Kind::ProcessingInstruction { target, .. } => format!("?{}", target.borrow()),
        Kind::DocumentType { .. } => "!DOCTYPE".to_owned(),
        _ => Item::Node(node.clone()).qualified_name(),
    }
}

/// Adds the nodes to `object`: nodes of one name together, several as an array.
fn members(nodes: &[Node], object: &Token) -> Result<(), Error> {
    let mut grouped: Vec<(String, Vec<&Node>)> = Vec::new();
    for node in nodes {
        // The original writes comments as JSON comments, which a tree has no place for.
        if matches!(node.kind(), Kind::Comment(_)) {
            continue;
        }
        let name = name_of(node);
        match grouped.iter_mut().find(|(n, _)| *n == name) {
            Some((_, list)) => list.push(node),
            None => grouped.push((name, vec![node])),
        }
    }
    for (name, list) in grouped {
        let value = match list.as_slice() {
            [only] if !is_forced_array(only) => value_of(only)?,
            many => {
                let array = Token::array();
                for node in many {
                    array.add(Some(&value_of(node)?))?;
                }
                array
            }
        };
        object.set(&Str::new(&name), Some(&value))?;
    }
    Ok(())
}

/// `json:Array="true"` in Newtonsoft's own namespace makes an array of one.
fn is_forced_array(node: &Node) -> bool {
    node.attributes().iter().any(|a| {
        let name = a.name();
        &*name.namespace == JSON_NAMESPACE && &*name.local == "Array" && a.value() == "true"
    })
}

/// Newtonsoft's own namespace: its attributes steer the conversion and are not written.
const JSON_NAMESPACE: &str = "http://james.newtonking.com/projects/json";

fn value_of(node: &Node) -> Result<Token, Error> {
    let Kind::Element { .. } = node.kind() else {
        return Ok(text(&node.value()));
    };
    let mut attributes = node.attributes();
    attributes.retain(|a| &*a.name().namespace != JSON_NAMESPACE && a.value() != JSON_NAMESPACE);
    let children = node.nodes();
    if attributes.is_empty() {
        match children.as_slice() {
            [] => {
                return Ok(if node.is_empty() { Token::null() } else { text("") });
            }
            [only] if matches!(only.kind(), Kind::Text(_)) => return Ok(text(&only.value())),
            _ => {}
        }
    }
    let object = Token::object();
    for attribute in &attributes {
        let name = attribute.name();
        let shown = if &*name.namespace == XMLNS_NAMESPACE {
            format!("@xmlns:{}", name.local)
        } else {
            format!("@{}", super::reader::attribute_name(attribute))
        };
        object.set(&Str::new(&shown), Some(&text(&attribute.value())))?;
    }
    members(&children, &object)?;
    Ok(object)
}
