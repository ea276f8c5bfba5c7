//! `XmlReader`: reading content as a value of a type, and what a reader says of itself.

use gateway_dotnet::xml::is_name;

use super::{
    convert::{self, Target},
    reader::*,
    *,
};
use crate::lib::Entry;

/// The text of the element at hand, which must have the name at the arguments 1 and 2 where they are.
fn element(c: &mut Call<'_, '_>) -> Result<String, Thrown> {
    if c.args.len() > 2 {
        c.text(1, "localName")?;
        c.text(2, "namespaceURI")?;
        if !is_start(c)? {
            return Err(unexpected("The element has another name.").into());
        }
    }
    element_text(c)
}

pub(super) fn as_element(c: &mut Call<'_, '_>, target: Target) -> Eval {
    let bare = is_bare(c)?;
    let text = element(c)?;
    if bare {
        return convert::typed(c, &text, target);
    }
    typed(c, &text, target)
}

fn as_content(c: &mut Call<'_, '_>, target: Target) -> Eval {
    let text = content_text(c)?;
    typed(c, &text, target)
}

/// A value of the text; what is none breaks the document, not the expression's format.
fn typed(c: &Call<'_, '_>, text: &str, target: Target) -> Eval {
    convert::typed(c, text, target).map_err(|e| match e {
        Thrown::Error(e) if e.kind == ExceptionKind::FormatException => {
            Error::new(ExceptionKind::XmlException, e.message.clone()).into()
        }
        e => e,
    })
}

/// `XmlReader.IsName` and `IsNameToken`.
fn name_like(c: &Call<'_, '_>, token: bool) -> Eval {
    let Some(text) = c.opt_str(0) else {
        return Err(Error::null_reference().into());
    };
    Ok(Value::Bool(is_name(&text.to_lossy(), token)))
}

fn known(c: &Call<'_, '_>, value: Value) -> Eval {
    cursor(c, |_| Ok(value))
}

macro_rules! reads {
    ($ret:literal, $name:literal, $target:expr) => {
        [
            Get(concat!($ret, " ReadContentAs", $name, "()"), |c| {
                as_content(c, $target)
            }),
            Get(
                concat!(
                    $ret,
                    " ReadElementContentAs",
                    $name,
                    "(string localName, string namespaceURI)"
                ),
                |c| as_element(c, $target),
            ),
        ]
    };
}

const INT: [Entry; 2] = reads!("int", "Int", convert::INT);
const LONG: [Entry; 2] = reads!("long", "Long", convert::LONG);
const DOUBLE: [Entry; 2] = reads!("double", "Double", convert::DOUBLE);
const DECIMAL: [Entry; 2] = reads!("decimal", "Decimal", convert::DECIMAL);
const BOOL: [Entry; 2] = reads!("bool", "Boolean", convert::BOOL);
const FLOAT: [Entry; 2] = reads!("float", "Float", Target::Float);
const DATE: [Entry; 2] = reads!("DateTime", "DateTime", Target::Date);
const OBJECT: [Entry; 2] = reads!("object", "Object", Target::String);

const MORE: &[Entry] = &[
    Get("DateTimeOffset ReadContentAsDateTimeOffset()", |c| {
        as_content(c, Target::Offset)
    }),
    Get("float ReadElementContentAsFloat()", |c| {
        as_element(c, Target::Float)
    }),
    Get("DateTime ReadElementContentAsDateTime()", |c| {
        as_element(c, Target::Date)
    }),
    Get("object ReadElementContentAsObject()", |c| {
        as_element(c, Target::String)
    }),
    Get(
        "string ReadElementContentAsString(string localName, string namespaceURI)",
        |c| string(&element(c)?),
    ),
    Get("string ReadElementString(string localname, string ns)", |c| {
        string(&element(c)?)
    }),
    Get(
        "bool ReadToDescendant(string localName, string namespaceURI)",
        |c| seek(c, Seek::Descendant),
    ),
    Get(
        "bool ReadToNextSibling(string localName, string namespaceURI)",
        |c| seek(c, Seek::Sibling),
    ),
    Get("static bool IsName(string str)", |c| name_like(c, false)),
    Get("static bool IsNameToken(string str)", |c| name_like(c, true)),
    Get("string BaseURI", |c| known(c, Value::string(""))),
    Get("bool IsDefault", |c| known(c, Value::Bool(false))),
    Get("char QuoteChar", |c| known(c, Value::Char(u16::from(b'"')))),
    Get("bool CanReadBinaryContent", |c| Ok(Value::Bool(!is_tree(c)?))),
    Get("bool CanReadValueChunk", |c| Ok(Value::Bool(!is_tree(c)?))),
    Get("bool CanResolveEntity", |c| Ok(Value::Bool(!is_tree(c)?))),
];

/// Members of `XmlReader`.
pub(crate) const READER: &[&[Entry]] = &[
    &INT, &LONG, &DOUBLE, &DECIMAL, &BOOL, &FLOAT, &DATE, &OBJECT, MORE,
];

// ---- XLinq

/// Members of `XDocument`.
pub(crate) const DOCUMENT: &[Entry] = &[
    Get(
        "static XDocument Load(System.Xml.XmlReader reader, LoadOptions options)",
        |c| super::node::load(c, parse_document),
    ),
    Get(
        "static XDocument Load(System.IO.TextReader textReader, LoadOptions options)",
        |c| super::node::load(c, parse_document),
    ),
];

/// Members of `XElement`.
pub(crate) const ELEMENT: &[Entry] = &[
    Get(
        "static XElement Load(System.Xml.XmlReader reader, LoadOptions options)",
        |c| super::node::load(c, parse_element),
    ),
    Get(
        "static XElement Load(System.IO.TextReader textReader, LoadOptions options)",
        |c| super::node::load(c, parse_element),
    ),
];

fn copied(c: &mut Call<'_, '_>) -> Eval {
    match as_node(c.arg(0)) {
        Some(other) => {
            c.vm.charge(256)?;
            Ok(node_value(other.deep_clone()))
        }
        None => Err(Error::null("other").into()),
    }
}

/// Members of `XProcessingInstruction`.
pub(crate) const INSTRUCTION: &[Entry] = &[Get("ctor(XProcessingInstruction other)", copied)];

/// Members of `XDocumentType`.
pub(crate) const DOCUMENT_TYPE: &[Entry] = &[Get("ctor(XDocumentType other)", copied)];

/// Members of `XNode`.
pub(crate) const NODE: &[Entry] = &[
    Get("static XNodeDocumentOrderComparer DocumentOrderComparer", |_| {
        let ty = types::registry()
            .type_named("System.Xml.Linq.XNodeDocumentOrderComparer")
            .unwrap_or(crate::types::Type::OBJECT);
        Ok(Value::object(ty, crate::object::Data::Plain))
    }),
    Get(
        "System.Xml.XmlReader CreateReader(ReaderOptions readerOptions)",
        |c| of_node(&node(c, 0)?, c.enumeration(1)? & 1 != 0),
    ),
];

fn ancestors_and_self(c: &mut Call<'_, '_>) -> Eval {
    let all = super::node::flat(c, |n| super::node::with_self(n, n.ancestors()))?;
    let name = "Extensions+<GetAncestors>d__21`1[System.Xml.Linq.XElement]";
    c.elements_of(name, named(c, 1, all))
}

/// Members of `System.Xml.Linq.Extensions`.
pub(crate) const EXTENSIONS: &[Entry] = &[
    Get(
        "static IEnumerable<XElement> AncestorsAndSelf(this IEnumerable<XElement> source)",
        ancestors_and_self,
    ),
    Get(
        "static IEnumerable<XElement> AncestorsAndSelf(this IEnumerable<XElement> source, XName name)",
        ancestors_and_self,
    ),
    Get(
        "static IEnumerable<XNode> DescendantNodesAndSelf(this IEnumerable<XElement> source)",
        |c| {
            let all = super::node::flat(c, |n| super::node::with_self(n, n.descendant_nodes()))?;
            c.nodes_of(
                "Extensions+<GetDescendantNodes>d__22`1[System.Xml.Linq.XElement]",
                all,
            )
        },
    ),
];

pub(crate) const TYPES: &[Decl] = &[values(
    "flags enum System.Xml.Linq.ReaderOptions",
    Verdict::All,
    &[("None", 0), ("OmitDuplicateNamespaces", 1)],
)];
