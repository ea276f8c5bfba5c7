//! `XElement` and `XAttribute`, with their conversions from text.

use gateway_dotnet::{
    guid::Guid,
    number::IntType,
    time::DateTime,
    xml::{Name, Node, convert as xsd},
};

use super::super::Entry::{Get, Set};
use super::{
    Call, Decl, Error, Eval, Str, Value, all, as_attribute, as_name, as_node, attribute, base,
    content::{content, new_attribute, text},
    name, name_value, named, namespace, namespace_value, node, node_value, opt_attribute, opt_string, parse,
    parse_element, string, types,
};

/// What a value is converted to.
#[derive(Clone, Copy)]
pub(super) enum Target {
    String,
    Bool,
    Integer(IntType),
    Float,
    Double,
    Decimal,
    Date,
    Offset,
    Span,
    Guid,
}

fn explicit(c: &mut Call<'_, '_>, target: Target, nullable: bool) -> Eval {
    let today = super::super::time::today(c);
    let (given, parameter) = match (as_node(c.arg(0)), as_attribute(c.arg(0))) {
        (Some(node), _) => (Some(node.value()), "element"),
        (_, Some(attribute)) => (Some(attribute.value()), "attribute"),
        _ => (None, "element"),
    };
    match given {
        Some(text) => Ok(converted(&text, target, today)?),
        None if nullable => Ok(Value::Null),
        None => Err(Error::null(parameter).into()),
    }
}

fn converted(given: &str, target: Target, today: DateTime) -> Result<Value, Error> {
    Ok(match target {
        Target::String => Value::Str(Str::new(given)),
        Target::Bool => Value::Bool(xsd::parse_bool(given)?),
        Target::Integer(kind) => integer(xsd::parse_integer(given, kind)?, kind),
        Target::Float => Value::Float(xsd::parse_single(given)?),
        Target::Double => Value::Double(xsd::parse_double(given)?),
        Target::Decimal => Value::Decimal(xsd::parse_decimal(given)?),
        Target::Date => Value::DateTime(xsd::parse_date(given, today)?),
        Target::Offset => Value::Offset(xsd::parse_offset(given)?),
        Target::Span => Value::TimeSpan(xsd::parse_duration(given)?),
        Target::Guid => Value::Guid(Guid::parse(given.trim_matches([' ', '\t', '\n', '\r']))?),
    })
}

pub(super) const INT: Target = Target::Integer(IntType::Int32);
pub(super) const LONG: Target = Target::Integer(IntType::Int64);
pub(super) const DOUBLE: Target = Target::Double;
pub(super) const DECIMAL: Target = Target::Decimal;
pub(super) const BOOL: Target = Target::Bool;

/// Text converted as a cast of an element converts it.
pub(super) fn typed(c: &Call<'_, '_>, text: &str, target: Target) -> Eval {
    let today = super::super::time::today(c);
    Ok(converted(text, target, today)?)
}

fn integer(value: i128, kind: IntType) -> Value {
    match kind {
        IntType::UInt32 => Value::UInt(value as u32),
        IntType::Int64 => Value::Long(value as i64),
        IntType::UInt64 => Value::ULong(value as u64),
        _ => Value::Int(value as i32),
    }
}

fn new_element(c: &mut Call<'_, '_>) -> Eval {
    if let Some(other) = as_node(c.arg(0)) {
        super::content::charge_tree(c, &other)?;
        return Ok(node_value(other.deep_clone()));
    }
    let element = Node::element(name(c, 0)?);
    let content = content(c, 1)?;
    element.add(&content)?;
    Ok(node_value(element))
}

fn set_value(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(1).is_null() {
        return Err(Error::null("value").into());
    }
    let new = text(c.arg(1));
    match as_attribute(c.arg(0)) {
        Some(attribute) => attribute.set_value(new),
        None => node(c, 0)?.set_value(new)?,
    }
    Ok(Value::Null)
}

fn optional_text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| text(value))
}

fn replace_all(c: &mut Call<'_, '_>) -> Eval {
    let content = content(c, 1)?;
    let of = node(c, 0)?;
    of.remove_nodes();
    of.remove_attributes();
    of.add(&content)?;
    Ok(Value::Null)
}

fn replace_attributes(c: &mut Call<'_, '_>) -> Eval {
    let content = content(c, 1)?;
    let of = node(c, 0)?;
    of.remove_attributes();
    of.add(&content)?;
    Ok(Value::Null)
}

fn attributes(c: &mut Call<'_, '_>) -> Eval {
    let mut list = node(c, 0)?.attributes();
    if c.args.len() > 1 {
        let wanted: Option<Name> = as_name(c.arg(1));
        list.retain(|attribute| Some(attribute.name()) == wanted.as_ref());
    }
    c.attributes_of("XElement+<GetAttributes>d__115", list)
}

fn with_self(c: &Call<'_, '_>, pick: fn(&Node) -> Vec<Node>) -> Result<Vec<Node>, super::Thrown> {
    let of = node(c, 0)?;
    let mut list = pick(&of);
    list.insert(0, of);
    Ok(named(c, 1, list))
}

/// The conversions of a type, plain and nullable.
macro_rules! conversions {
    ($source:literal; $($own:expr),* $(,)?) => {
        &[
            $($own,)*
            Get(concat!("static explicit operator string(", $source, ")"), |c| explicit(c, Target::String, true)),
            Get(concat!("static explicit operator bool(", $source, ")"), |c| explicit(c, Target::Bool, false)),
            Get(concat!("static explicit operator bool?(", $source, ")"), |c| explicit(c, Target::Bool, true)),
            Get(concat!("static explicit operator int(", $source, ")"), |c| explicit(c, Target::Integer(IntType::Int32), false)),
            Get(concat!("static explicit operator int?(", $source, ")"), |c| explicit(c, Target::Integer(IntType::Int32), true)),
            Get(concat!("static explicit operator uint(", $source, ")"), |c| explicit(c, Target::Integer(IntType::UInt32), false)),
            Get(concat!("static explicit operator uint?(", $source, ")"), |c| explicit(c, Target::Integer(IntType::UInt32), true)),
            Get(concat!("static explicit operator long(", $source, ")"), |c| explicit(c, Target::Integer(IntType::Int64), false)),
            Get(concat!("static explicit operator long?(", $source, ")"), |c| explicit(c, Target::Integer(IntType::Int64), true)),
            Get(concat!("static explicit operator ulong(", $source, ")"), |c| explicit(c, Target::Integer(IntType::UInt64), false)),
            Get(concat!("static explicit operator ulong?(", $source, ")"), |c| explicit(c, Target::Integer(IntType::UInt64), true)),
            Get(concat!("static explicit operator float(", $source, ")"), |c| explicit(c, Target::Float, false)),
            Get(concat!("static explicit operator float?(", $source, ")"), |c| explicit(c, Target::Float, true)),
            Get(concat!("static explicit operator double(", $source, ")"), |c| explicit(c, Target::Double, false)),
            Get(concat!("static explicit operator double?(", $source, ")"), |c| explicit(c, Target::Double, true)),
            Get(concat!("static explicit operator decimal(", $source, ")"), |c| explicit(c, Target::Decimal, false)),
            Get(concat!("static explicit operator decimal?(", $source, ")"), |c| explicit(c, Target::Decimal, true)),
            Get(concat!("static explicit operator DateTime(", $source, ")"), |c| explicit(c, Target::Date, false)),
            Get(concat!("static explicit operator DateTime?(", $source, ")"), |c| explicit(c, Target::Date, true)),
            Get(concat!("static explicit operator DateTimeOffset(", $source, ")"), |c| explicit(c, Target::Offset, false)),
            Get(concat!("static explicit operator DateTimeOffset?(", $source, ")"), |c| explicit(c, Target::Offset, true)),
            Get(concat!("static explicit operator TimeSpan(", $source, ")"), |c| explicit(c, Target::Span, false)),
            Get(concat!("static explicit operator TimeSpan?(", $source, ")"), |c| explicit(c, Target::Span, true)),
            Get(concat!("static explicit operator Guid(", $source, ")"), |c| explicit(c, Target::Guid, false)),
            Get(concat!("static explicit operator Guid?(", $source, ")"), |c| explicit(c, Target::Guid, true)),
        ]
    };
}

pub(super) const ELEMENT: Decl = all(
    "class System.Xml.Linq.XElement : XContainer",
    conversions! { "XElement element";
        Get("ctor(XName name)", new_element),
        Get("ctor(XName name, object content)", new_element),
        Get("ctor(XName name, params object[] content)", new_element),
        Get("ctor(XElement other)", new_element),
        Set("XName Name", |c| Ok(node(c, 0)?.name().map_or(Value::Null, name_value)), |c| {
            let new = name(c, 1)?;
            node(c, 0)?.set_name(new);
            Ok(Value::Null)
        }),
        Set("string Value", |c| string(&node(c, 0)?.value()), set_value),
        Get("bool HasElements", |c| Ok(Value::Bool(!node(c, 0)?.elements().is_empty()))),
        Get("bool HasAttributes", |c| Ok(Value::Bool(!node(c, 0)?.attributes().is_empty()))),
        Get("bool IsEmpty", |c| Ok(Value::Bool(node(c, 0)?.is_empty()))),
        Get("XAttribute FirstAttribute", |c| opt_attribute(node(c, 0)?.attributes().into_iter().next())),
        Get("XAttribute LastAttribute", |c| opt_attribute(node(c, 0)?.attributes().pop())),
        Get("XAttribute Attribute(XName name)", |c| {
            let wanted = as_name(c.arg(1));
            let of = node(c, 0)?;
            opt_attribute(wanted.and_then(|wanted| of.attribute(&wanted)))
        }),
        Get("IEnumerable<XAttribute> Attributes()", attributes),
        Get("IEnumerable<XAttribute> Attributes(XName name)", attributes),
        Get("IEnumerable<XElement> AncestorsAndSelf()", |c| c.elements_of("XNode+<GetAncestors>d__43", with_self(c, Node::ancestors)?)),
        Get("IEnumerable<XElement> AncestorsAndSelf(XName name)", |c| c.elements_of("XNode+<GetAncestors>d__43", with_self(c, Node::ancestors)?)),
        Get("IEnumerable<XElement> DescendantsAndSelf()", |c| c.elements_of("XContainer+<GetDescendants>d__38", with_self(c, Node::descendants)?)),
        Get("IEnumerable<XElement> DescendantsAndSelf(XName name)", |c| c.elements_of("XContainer+<GetDescendants>d__38", with_self(c, Node::descendants)?)),
        Get("IEnumerable<XNode> DescendantNodesAndSelf()", |c| {
            let all = with_self(c, Node::descendant_nodes)?;
            c.nodes_of("XContainer+<GetDescendantNodes>d__37", all)
        }),
        Get("XNamespace GetDefaultNamespace()", |c| Ok(namespace_value(&node(c, 0)?.default_namespace()))),
        Get("XNamespace GetNamespaceOfPrefix(string prefix)", |c| {
            let prefix = c.text(1, "prefix")?;
            let found = node(c, 0)?.namespace_of_prefix(&prefix.to_lossy());
            Ok(found.map_or(Value::Null, |ns| namespace_value(&ns)))
        }),
        Get("string GetPrefixOfNamespace(XNamespace ns)", |c| {
            let ns = namespace(c, 1)?;
            opt_string(node(c, 0)?.prefix_of_namespace(&ns))
        }),
        Get("void RemoveAll()", |c| {
            let of = node(c, 0)?;
            of.remove_nodes();
            of.remove_attributes();
            Ok(Value::Null)
        }),
        Get("void ReplaceAttributes(object content)", replace_attributes),
        Get("void ReplaceAttributes(params object[] content)", replace_attributes),
        Get("static IEnumerable<XElement> EmptySequence", |_| {
            Ok(Value::array(super::Type::Def(types::XELEMENT), Vec::new()))
        }),
        Get("void RemoveAttributes()", |c| {
            node(c, 0)?.remove_attributes();
            Ok(Value::Null)
        }),
        Get("void ReplaceAll(object content)", replace_all),
        Get("void ReplaceAll(params object[] content)", replace_all),
        Get("void SetAttributeValue(XName name, object value)", |c| {
            let new = optional_text(c.arg(2));
            node(c, 0)?.set_attribute_value(&name(c, 1)?, new);
            Ok(Value::Null)
        }),
        Get("void SetElementValue(XName name, object value)", |c| {
            let new = optional_text(c.arg(2));
            node(c, 0)?.set_element_value(&name(c, 1)?, new)?;
            Ok(Value::Null)
        }),
        Get("void SetValue(object value)", set_value),
        Get("static XElement Parse(string text)", |c| parse(c, parse_element)),
        Get("static XElement Parse(string text, LoadOptions options)", |c| parse(c, parse_element)),
        Get("static XElement Load(System.Xml.XmlReader reader)", |c| super::node::load(c, parse_element)),
        Get("static XElement Load(System.IO.TextReader textReader)", |c| super::node::load(c, parse_element)),
        Get("void Save(System.IO.TextWriter textWriter)", super::node::save),
        Get("void Save(System.IO.TextWriter textWriter, SaveOptions options)", super::node::save),
    },
);

fn neighbour(c: &Call<'_, '_>, by: isize) -> Eval {
    let own = attribute(c)?;
    let all = own.parent().map(|node| node.attributes()).unwrap_or_default();
    let at = all.iter().position(|other| other.same(&own));
    let at = at.and_then(|at| at.checked_add_signed(by));
    opt_attribute(at.and_then(|at| all.get(at).cloned()))
}

pub(super) const ATTRIBUTE: Decl = all(
    "class System.Xml.Linq.XAttribute : XObject",
    conversions! { "XAttribute attribute";
        Get("ctor(XName name, object value)", new_attribute),
        Get("ctor(XAttribute other)", |c| {
            let other = attribute(c)?;
            Ok(super::attribute_value(super::Attribute::new(other.name().clone(), other.value())))
        }),
        Get("XName Name", |c| Ok(name_value(attribute(c)?.name().clone()))),
        Set("string Value", |c| string(&attribute(c)?.value()), set_value),
        Get("static IEnumerable<XAttribute> EmptySequence", |_| {
            Ok(Value::array(super::Type::Def(types::XATTRIBUTE), Vec::new()))
        }),
        Get("bool IsNamespaceDeclaration", |c| Ok(Value::Bool(attribute(c)?.name().is_declaration()))),
        Get("XAttribute NextAttribute", |c| neighbour(c, 1)),
        Get("XAttribute PreviousAttribute", |c| neighbour(c, -1)),
        Get("void Remove()", |c| {
            let own = attribute(c)?;
            if own.parent().is_none() {
                return Err(Error::invalid_operation("The parent is missing.").into());
            }
            own.remove();
            Ok(Value::Null)
        }),
        Get("void SetValue(object value)", set_value),
        Get("string ToString()", base::to_string),
    },
);
