//! `XNode`, `XContainer`, `XDocument` and the leaves.

use gateway_dotnet::xml::{Declaration, Kind, LoadOptions, Node};

use super::super::Entry::{Denied, Get, Set};
use super::{
    Call, Decl, Error, Eval, Thrown, Value, all, as_attribute, as_node, base, content::content, name, named,
    node, node_value, opt_node, opt_string, order_of, parse, parse_document, string, to_string_with, types,
};

/// `XNode.EqualityComparer`: compares trees.
fn comparer() -> Value {
    let ty = crate::types::registry()
        .type_named("System.Xml.Linq.XNodeEqualityComparer")
        .unwrap_or(crate::types::Type::OBJECT);
    let how = crate::equality::Comparer::Xml;
    Value::object(ty, crate::object::Data::Native(Box::new(how)))
}

fn both(c: &Call<'_, '_>) -> Eval {
    Ok(Value::Bool(match (as_node(c.arg(1)), as_node(c.arg(2))) {
        (Some(a), Some(b)) => a.deep_equals(&b),
        (a, b) => a.is_none() && b.is_none(),
    }))
}

pub(super) const EQUALITY_COMPARER: Decl = all(
    "class System.Xml.Linq.XNodeEqualityComparer : IEqualityComparer<XNode>",
    &[
        Get("ctor()", |_| Ok(comparer())),
        Get("bool Equals(XNode x, XNode y)", |c| both(c)),
    ],
);

pub(super) const ORDER_COMPARER: Decl = all(
    "class System.Xml.Linq.XNodeDocumentOrderComparer",
    &[
        Get("ctor()", |_| {
            let ty = crate::types::registry()
                .type_named("System.Xml.Linq.XNodeDocumentOrderComparer")
                .unwrap_or(crate::types::Type::OBJECT);
            Ok(Value::object(ty, crate::object::Data::Plain))
        }),
        Get("int Compare(XNode x, XNode y)", |c| {
            match (as_node(c.arg(1)), as_node(c.arg(2))) {
                (Some(a), Some(b)) => Ok(Value::Int(super::place_of(&a, &b)? as i32)),
                (a, b) => Ok(Value::Int(i32::from(a.is_some()) - i32::from(b.is_some()))),
            }
        }),
    ],
);

fn done(result: Result<(), Error>) -> Eval {
    result?;
    Ok(Value::Null)
}

/// A method that changes the receiver by content.
fn change(c: &mut Call<'_, '_>, f: fn(&Node, &[gateway_dotnet::xml::Content]) -> Result<(), Error>) -> Eval {
    let content = content(c, 1)?;
    done(f(&node(c, 0)?, &content))
}

fn ancestors(c: &Call<'_, '_>, with_self: bool) -> Result<Vec<Node>, Thrown> {
    let of = node(c, 0)?;
    let mut list = of.ancestors();
    if with_self {
        list.insert(0, of);
    }
    Ok(named(c, 1, list))
}

fn siblings(c: &mut Call<'_, '_>, name: &'static str, pick: fn(&Node) -> Vec<Node>) -> Eval {
    let mut list = pick(&node(c, 0)?);
    list.retain(Node::is_element);
    c.elements_of(name, named(c, 1, list))
}

pub(super) const NODE: Decl = all(
    "abstract class System.Xml.Linq.XNode : XObject",
    &[
        Get("XNode NextNode", |c| opt_node(node(c, 0)?.next_node())),
        Get("XNode PreviousNode", |c| opt_node(node(c, 0)?.previous_node())),
        Get("void Remove()", |c| done(node(c, 0)?.remove())),
        Get("void AddAfterSelf(object content)", |c| {
            change(c, Node::add_after_self)
        }),
        Get("void AddAfterSelf(params object[] content)", |c| {
            change(c, Node::add_after_self)
        }),
        Get("void AddBeforeSelf(object content)", |c| {
            change(c, Node::add_before_self)
        }),
        Get("void AddBeforeSelf(params object[] content)", |c| {
            change(c, Node::add_before_self)
        }),
        Get("void ReplaceWith(object content)", |c| {
            change(c, Node::replace_with)
        }),
        Get("void ReplaceWith(params object[] content)", |c| {
            change(c, Node::replace_with)
        }),
        Get("IEnumerable<XElement> Ancestors()", |c| {
            c.elements_of("XNode+<GetAncestors>d__43", ancestors(c, false)?)
        }),
        Get("IEnumerable<XElement> Ancestors(XName name)", |c| {
            c.elements_of("XNode+<GetAncestors>d__43", ancestors(c, false)?)
        }),
        Get("IEnumerable<XNode> NodesAfterSelf()", |c| {
            c.nodes_of("XNode+<NodesAfterSelf>d__21", node(c, 0)?.nodes_after_self())
        }),
        Get("IEnumerable<XNode> NodesBeforeSelf()", |c| {
            c.nodes_of("XNode+<NodesBeforeSelf>d__22", node(c, 0)?.nodes_before_self())
        }),
        Get("IEnumerable<XElement> ElementsAfterSelf()", |c| {
            siblings(c, "XNode+<GetElementsAfterSelf>d__44", Node::nodes_after_self)
        }),
        Get("IEnumerable<XElement> ElementsAfterSelf(XName name)", |c| {
            siblings(c, "XNode+<GetElementsAfterSelf>d__44", Node::nodes_after_self)
        }),
        Get("IEnumerable<XElement> ElementsBeforeSelf()", |c| {
            siblings(c, "XNode+<GetElementsBeforeSelf>d__45", Node::nodes_before_self)
        }),
        Get("IEnumerable<XElement> ElementsBeforeSelf(XName name)", |c| {
            siblings(c, "XNode+<GetElementsBeforeSelf>d__45", Node::nodes_before_self)
        }),
        Get("bool IsAfter(XNode node)", |c| {
            Ok(Value::Bool(order_of(c)?.is_gt()))
        }),
        Get("bool IsBefore(XNode node)", |c| {
            Ok(Value::Bool(order_of(c)?.is_lt()))
        }),
        Get("static bool DeepEquals(XNode n1, XNode n2)", |c| {
            Ok(Value::Bool(match (as_node(c.arg(0)), as_node(c.arg(1))) {
                (Some(a), Some(b)) => a.deep_equals(&b),
                (None, None) => true,
                _ => false,
            }))
        }),
        Get(
            "static XNode ReadFrom(System.Xml.XmlReader reader)",
            super::reader::read_from,
        ),
        Get(
            "static XNodeEqualityComparer EqualityComparer",
            |_| Ok(comparer()),
        ),
        Get("static int CompareDocumentOrder(XNode n1, XNode n2)", |c| {
            Ok(Value::Int(order_of(c)? as i32))
        }),
        Get("System.Xml.XmlReader CreateReader()", |c| {
            super::reader::of_node(&node(c, 0)?, false)
        }),
        Get("string ToString()", base::to_string),
        Get("string ToString(SaveOptions options)", to_string_with),
    ],
);

/// `Save(writer)`: the declaration, then the tree.
pub(super) fn save(c: &mut Call<'_, '_>) -> Eval {
    let Value::Object(to) = c.arg(1).clone() else {
        return Err(Error::null("textWriter").into());
    };
    let of = node(c, 0)?;
    let options = match c.arg(2) {
        Value::Enum(_, v) => gateway_dotnet::xml::SaveOptions(*v as i32),
        _ => gateway_dotnet::xml::SaveOptions::NONE,
    };
    let standalone = match of.kind() {
        Kind::Document { declaration, .. } => declaration
            .borrow()
            .as_ref()
            .and_then(|d| d.standalone.clone())
            .map(|s| format!(" standalone=\"{s}\""))
            .unwrap_or_default(),
        _ => String::new(),
    };
    let line = if options.0 & 1 == 0 { "\n" } else { "" };
    // A StringWriter's encoding is UTF-16 whatever the declaration says.
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-16\"{standalone}?>{line}{}",
        gateway_dotnet::xml::node_to_string(&of, options)
    );
    if super::super::io::write_to(c, &to, &text)? {
        return Ok(Value::Null);
    }
    Err(Error::new(super::ExceptionKind::NotSupportedException, to.type_name()).into())
}

/// `Load(reader)`
pub(super) fn load(c: &mut Call<'_, '_>, f: fn(&str, LoadOptions) -> Result<Node, Error>) -> Eval {
    let (text, space) = super::reader::rest_and_space(c, 0)?;
    c.vm.charge(text.len().saturating_mul(8))?;
    let options = match (space, c.args.get(1)) {
        (Some(true), _) => LoadOptions::PRESERVE_WHITESPACE,
        (None, Some(_)) => LoadOptions(c.enumeration(1)?),
        _ => LoadOptions::NONE,
    };
    Ok(node_value(f(&text, options)?))
}

pub(super) const CONTAINER: Decl = all(
    "abstract class System.Xml.Linq.XContainer : XNode",
    &[
        Get("XNode FirstNode", |c| {
            opt_node(node(c, 0)?.nodes().into_iter().next())
        }),
        Get("XNode LastNode", |c| opt_node(node(c, 0)?.nodes().pop())),
        Get("void Add(object content)", |c| change(c, Node::add)),
        Get("void Add(params object[] content)", |c| change(c, Node::add)),
        Get("void AddFirst(object content)", |c| change(c, Node::add_first)),
        Get("void AddFirst(params object[] content)", |c| {
            change(c, Node::add_first)
        }),
        Get("XElement Element(XName name)", |c| {
            let wanted = super::as_name(c.arg(1));
            let of = node(c, 0)?;
            opt_node(wanted.and_then(|wanted| of.child(&wanted)))
        }),
        Get("IEnumerable<XElement> Elements()", |c| {
            c.elements_of("XContainer+<GetElements>d__39", node(c, 0)?.elements())
        }),
        Get("IEnumerable<XElement> Elements(XName name)", |c| {
            c.elements_of(
                "XContainer+<GetElements>d__39",
                named(c, 1, node(c, 0)?.elements()),
            )
        }),
        Get("IEnumerable<XElement> Descendants()", |c| {
            c.elements_of("XContainer+<GetDescendants>d__38", node(c, 0)?.descendants())
        }),
        Get("IEnumerable<XElement> Descendants(XName name)", |c| {
            c.elements_of(
                "XContainer+<GetDescendants>d__38",
                named(c, 1, node(c, 0)?.descendants()),
            )
        }),
        Get("IEnumerable<XNode> DescendantNodes()", |c| {
            c.nodes_of(
                "XContainer+<GetDescendantNodes>d__37",
                node(c, 0)?.descendant_nodes(),
            )
        }),
        Get("IEnumerable<XNode> Nodes()", |c| {
            c.nodes_of("XContainer+<Nodes>d__18", node(c, 0)?.nodes())
        }),
        Get("void RemoveNodes()", |c| {
            node(c, 0)?.remove_nodes();
            Ok(Value::Null)
        }),
        Get("void ReplaceNodes(object content)", replace_nodes),
        Get("void ReplaceNodes(params object[] content)", replace_nodes),
    ],
);

fn replace_nodes(c: &mut Call<'_, '_>) -> Eval {
    let content = content(c, 1)?;
    let of = node(c, 0)?;
    of.remove_nodes();
    done(of.add(&content))
}

fn new_document(c: &mut Call<'_, '_>) -> Eval {
    let declaration = match c.arg(0) {
        Value::Object(o) => o
            .native::<std::cell::RefCell<Declaration>>()
            .map(|d| d.borrow().clone()),
        _ => None,
    };
    let from = usize::from(declaration.is_some());
    let document = Node::document(declaration);
    let mut given = content(c, from)?;
    if let [gateway_dotnet::xml::Content::Node(only)] = &given[..]
        && matches!(only.kind(), Kind::Document { .. })
    {
        return Ok(node_value(only.deep_clone()));
    }
    document.add(&std::mem::take(&mut given))?;
    Ok(node_value(document))
}

fn declaration(c: &mut Call<'_, '_>) -> Eval {
    let of = node(c, 0)?;
    let Kind::Document { declaration, .. } = of.kind() else {
        return Ok(Value::Null);
    };
    Ok(declaration.borrow().clone().map_or(Value::Null, |declaration| {
        super::native(types::XDECLARATION, std::cell::RefCell::new(declaration))
    }))
}

fn set_declaration(c: &mut Call<'_, '_>) -> Eval {
    let new = match c.arg(1) {
        Value::Object(o) => o
            .native::<std::cell::RefCell<Declaration>>()
            .map(|d| d.borrow().clone()),
        _ => None,
    };
    if let Kind::Document { declaration, .. } = node(c, 0)?.kind() {
        *declaration.borrow_mut() = new;
    }
    Ok(Value::Null)
}

pub(super) const DOCUMENT: Decl = all(
    "class System.Xml.Linq.XDocument : XContainer",
    &[
        Get("ctor()", new_document),
        Get("ctor(params object[] content)", new_document),
        Get(
            "ctor(XDeclaration declaration, params object[] content)",
            new_document,
        ),
        Get("ctor(XDocument other)", new_document),
        Set("XDeclaration Declaration", declaration, set_declaration),
        Get("XElement Root", |c| opt_node(node(c, 0)?.root())),
        Get("XDocumentType DocumentType", |c| {
            let mut nodes = node(c, 0)?.nodes();
            nodes.retain(|n| matches!(n.kind(), Kind::DocumentType { .. }));
            opt_node(nodes.pop())
        }),
        Get("static XDocument Parse(string text)", |c| {
            parse(c, parse_document)
        }),
        Get("static XDocument Parse(string text, LoadOptions options)", |c| {
            parse(c, parse_document)
        }),
        Denied("static XDocument Load(System.Xml.XmlReader reader)", |c| {
            load(c, parse_document)
        }),
        Denied("static XDocument Load(System.IO.TextReader textReader)", |c| {
            load(c, parse_document)
        }),
        Get("void Save(System.IO.TextWriter textWriter)", save),
        Get(
            "void Save(System.IO.TextWriter textWriter, SaveOptions options)",
            save,
        ),
    ],
);

fn leaf_text(c: &mut Call<'_, '_>) -> Eval {
    string(&node(c, 0)?.value())
}

fn set_leaf_text(c: &mut Call<'_, '_>) -> Eval {
    let text = c.text(1, "value")?.to_lossy().into_owned();
    done(node(c, 0)?.set_value(text))
}

fn new_leaf(c: &mut Call<'_, '_>, make: fn(String) -> Node) -> Eval {
    if let Some(other) = as_node(c.arg(0)) {
        return Ok(node_value(other.deep_clone()));
    }
    Ok(node_value(make(c.text(0, "value")?.to_lossy().into_owned())))
}

pub(super) const TEXT: Decl = all(
    "class System.Xml.Linq.XText : XNode",
    &[
        Get("ctor(string value)", |c| new_leaf(c, Node::text)),
        Get("ctor(XText other)", |c| new_leaf(c, Node::text)),
        Set("string Value", leaf_text, set_leaf_text),
    ],
);

pub(super) const CDATA: Decl = all(
    "class System.Xml.Linq.XCData : XText",
    &[
        Get("ctor(string value)", |c| new_leaf(c, Node::cdata)),
        Get("ctor(XCData other)", |c| new_leaf(c, Node::cdata)),
    ],
);

pub(super) const COMMENT: Decl = all(
    "class System.Xml.Linq.XComment : XNode",
    &[
        Get("ctor(string value)", |c| new_leaf(c, Node::comment)),
        Get("ctor(XComment other)", |c| new_leaf(c, Node::comment)),
        Set("string Value", leaf_text, set_leaf_text),
    ],
);

pub(super) const PROCESSING_INSTRUCTION: Decl = all(
    "class System.Xml.Linq.XProcessingInstruction : XNode",
    &[
        Get("ctor(string target, string data)", |c| {
            let target = c.text(0, "target")?.to_lossy().into_owned();
            let data = c.text(1, "data")?.to_lossy().into_owned();
            Ok(node_value(Node::processing_instruction(target, data)))
        }),
        Set("string Data", leaf_text, set_leaf_text),
        Get("string Target", |c| match node(c, 0)?.kind() {
            Kind::ProcessingInstruction { target, .. } => string(&target.borrow()),
            _ => Ok(Value::Null),
        }),
    ],
);

fn document_type_part(c: &Call<'_, '_>, pick: fn(&Kind) -> Option<String>) -> Eval {
    opt_string(pick(node(c, 0)?.kind()))
}

pub(super) const DOCUMENT_TYPE: Decl = all(
    "class System.Xml.Linq.XDocumentType : XNode",
    &[
        Get(
            "ctor(string name, string publicId, string systemId, string internalSubset)",
            |c| {
                let part = |c: &Call<'_, '_>, i| c.opt_str(i).map(|s| s.to_lossy().into_owned());
                let name = c.text(0, "name")?.to_lossy().into_owned();
                Ok(node_value(Node::document_type(
                    name,
                    part(c, 1),
                    part(c, 2),
                    part(c, 3),
                )))
            },
        ),
        Get("string Name", |c| {
            document_type_part(c, |kind| match kind {
                Kind::DocumentType { name, .. } => Some(name.clone()),
                _ => None,
            })
        }),
        Get("string PublicId", |c| {
            document_type_part(c, |kind| match kind {
                Kind::DocumentType { public_id, .. } => public_id.clone(),
                _ => None,
            })
        }),
        Get("string SystemId", |c| {
            document_type_part(c, |kind| match kind {
                Kind::DocumentType { system_id, .. } => system_id.clone(),
                _ => None,
            })
        }),
        Get("string InternalSubset", |c| {
            document_type_part(c, |kind| match kind {
                Kind::DocumentType { internal_subset, .. } => internal_subset.clone(),
                _ => None,
            })
        }),
    ],
);

/// Every node of a sequence, and what `pick` finds from each.
pub(super) fn flat(c: &mut Call<'_, '_>, pick: fn(&Node) -> Vec<Node>) -> Result<Vec<Node>, Thrown> {
    let items = c.sequence(0, "source")?;
    Ok(items.iter().filter_map(as_node).flat_map(|n| pick(&n)).collect())
}

pub(super) fn flat_elements(c: &mut Call<'_, '_>, pick: fn(&Node) -> Vec<Node>) -> Eval {
    let all = flat(c, pick)?;
    c.elements_of("Extensions+<GetElements>d__18", named(c, 1, all))
}

pub(super) fn with_self(node: &Node, rest: Vec<Node>) -> Vec<Node> {
    std::iter::once(node.clone()).chain(rest).collect()
}

fn flat_attributes(c: &mut Call<'_, '_>) -> Eval {
    let items = c.sequence(0, "source")?;
    let mut all: Vec<_> = items
        .iter()
        .filter_map(as_node)
        .flat_map(|n| n.attributes())
        .collect();
    if c.args.len() > 1 {
        let wanted = name(c, 1)?;
        all.retain(|attribute| *attribute.name() == wanted);
    }
    c.attributes_of("Extensions+<GetAttributes>d__15", all)
}

fn remove_each(c: &mut Call<'_, '_>) -> Eval {
    for item in c.sequence(0, "source")? {
        if let Some(attribute) = as_attribute(&item) {
            attribute.remove();
        } else if let Some(node) = as_node(&item) {
            node.remove()?;
        }
    }
    Ok(Value::Null)
}

/// `InDocumentOrder`: the nodes of one tree, sorted.
fn in_document_order(c: &mut Call<'_, '_>) -> Eval {
    let items = c.sequence(0, "source")?;
    let sorted =
        crate::lib::collections::merge_sort(c.vm, items, &mut |_, a, b| match (as_node(a), as_node(b)) {
            (Some(a), Some(b)) => super::place_of(&a, &b),
            _ => Ok(std::cmp::Ordering::Equal),
        })?;
    let nodes = sorted.iter().filter_map(as_node).collect();
    c.nodes_of(
        "Extensions+<InDocumentOrder>d__21`1[System.Xml.Linq.XNode]",
        nodes,
    )
}

pub(super) const EXTENSIONS: Decl = all(
    "static System.Xml.Linq.Extensions",
    &[
        Get(
            "static IEnumerable<XElement> Elements<T>(this IEnumerable<T> source) where T : XContainer",
            |c| flat_elements(c, Node::elements),
        ),
        Get(
            "static IEnumerable<XElement> Elements<T>(this IEnumerable<T> source, XName name) where T : XContainer",
            |c| flat_elements(c, Node::elements),
        ),
        Get(
            "static IEnumerable<XElement> Descendants<T>(this IEnumerable<T> source) where T : XContainer",
            |c| flat_elements(c, Node::descendants),
        ),
        Get(
            "static IEnumerable<XElement> Descendants<T>(this IEnumerable<T> source, XName name) where T : XContainer",
            |c| flat_elements(c, Node::descendants),
        ),
        Get(
            "static IEnumerable<XElement> DescendantsAndSelf(this IEnumerable<XElement> source)",
            |c| flat_elements(c, |n| with_self(n, n.descendants())),
        ),
        Get(
            "static IEnumerable<XElement> DescendantsAndSelf(this IEnumerable<XElement> source, XName name)",
            |c| flat_elements(c, |n| with_self(n, n.descendants())),
        ),
        Get(
            "static IEnumerable<XElement> Ancestors<T>(this IEnumerable<T> source) where T : XNode",
            |c| flat_elements(c, Node::ancestors),
        ),
        Get(
            "static IEnumerable<XElement> Ancestors<T>(this IEnumerable<T> source, XName name) where T : XNode",
            |c| flat_elements(c, Node::ancestors),
        ),
        Get(
            "static IEnumerable<XNode> Nodes<T>(this IEnumerable<T> source) where T : XContainer",
            |c| {
                let all = flat(c, Node::nodes)?;
                c.nodes_of("Extensions+<Nodes>d__12", all)
            },
        ),
        Get(
            "static IEnumerable<XNode> DescendantNodes<T>(this IEnumerable<T> source) where T : XContainer",
            |c| {
                let all = flat(c, Node::descendant_nodes)?;
                c.nodes_of("Extensions+<Nodes>d__12", all)
            },
        ),
        Get(
            "static IEnumerable<XAttribute> Attributes(this IEnumerable<XElement> source)",
            flat_attributes,
        ),
        Get(
            "static IEnumerable<XAttribute> Attributes(this IEnumerable<XElement> source, XName name)",
            flat_attributes,
        ),
        Get(
            "static IEnumerable<T> InDocumentOrder<T>(this IEnumerable<T> source) where T : XNode",
            in_document_order,
        ),
        Get(
            "static void Remove(this IEnumerable<XAttribute> source)",
            remove_each,
        ),
        Get(
            "static void Remove<T>(this IEnumerable<T> source) where T : XNode",
            remove_each,
        ),
    ],
);
