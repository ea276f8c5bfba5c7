//! `xml-to-json`: converts the body of the message its section edits.
//!
//! Source: "Convert XML to JSON" policy page; `policies.md` §7.10. `direct` maps as Json.NET does: `@name` for
//! attributes, `#text` beside them, `?xml` for a declaration, arrays for repeated elements. The shape of `javascript-friendly` is not
//! public: here attributes lose their mark and text beside them is called `$`.

use gateway_dotnet::xml::{Kind as XmlKind, LoadOptions, Node as XmlNode, parse_document};
use http::header;
use serde_json::{Map, Value as Json};

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
    json_to_xml::{Empty, names_type, put},
};
use crate::{
    compile::{Compiler, Node},
    context::Body,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Setting, keywords},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("xml-to-json", "Converts an XML body to JSON.").attributes(&[
        attr("kind", "How elements and attributes are written.")
            .required()
            .expression()
            .words(Kind::WORDS),
        attr("apply", "Convert always, or only what is declared as XML.")
            .required()
            .expression()
            .words(Apply::WORDS),
        attr(
            "consider-accept-header",
            "Convert only if the request's `Accept` header asks for JSON.",
        )
        .expression()
        .default("true"),
        attr("always-array-child-elements", "Every child element is an array.")
            .expression()
            .default("false"),
        attr(
            "preserve-whitespace-nodes",
            "Texts of nothing but white space between elements are kept.",
        )
        .expression()
        .default("false"),
        attr(
            "empty-values",
            "Elements without content are empty texts or null.",
        )
        .expression()
        .words(Empty::WORDS)
        .default("as-null"),
        attr(
            "trim-values",
            "White space around texts and values of attributes is taken off.",
        )
        .expression()
        .default("false"),
    ]),
    sections: Sections::I.and(Sections::O).and(Sections::E),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<xml-to-json kind="direct" apply="always" consider-accept-header="false" />"#,
    build,
};

keywords! {
    /// `kind`
    Kind { Friendly = "javascript-friendly", Direct = "direct" }
}

keywords! {
    /// `apply`
    Apply { Always = "always", ContentTypeXml = "content-type-xml" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let kind = compiler.attribute(node, "kind");
    let apply = compiler.attribute(node, "apply");
    let consider_accept = compiler.attribute(node, "consider-accept-header");
    let always_array = compiler.attribute(node, "always-array-child-elements");
    let white_space = compiler.attribute(node, "preserve-whitespace-nodes");
    let empty = compiler.attribute(node, "empty-values");
    let trim = compiler.attribute(node, "trim-values");
    compiler.need_current_body();
    compiler.policy(XmlToJson {
        white_space: white_space?,
        empty: empty?,
        trim: trim?,
        kind: kind?,
        apply: apply?,
        consider_accept: consider_accept?,
        always_array: always_array?,
    });
    Some(())
}

#[derive(Debug)]
struct XmlToJson {
    kind: Setting<Kind>,
    apply: Setting<Apply>,
    consider_accept: Setting<bool>,
    always_array: Setting<bool>,
    white_space: Setting<bool>,
    empty: Setting<Empty>,
    trim: Setting<bool>,
}

impl Policy for XmlToJson {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        if *self.apply.get(run)? == Apply::ContentTypeXml
            && !names_type(run.headers(), &header::CONTENT_TYPE, "xml")
        {
            return Ok(Flow::Next);
        }
        if *self.consider_accept.get(run)?
            && !names_type(&run.context.request.headers, &header::ACCEPT, "json")
        {
            return Ok(Flow::Next);
        }
        let Body::Buffered(bytes) = run.body() else {
            return Ok(Flow::Next);
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let white_space = *self.white_space.get(run)?;
        let options = if white_space {
            LoadOptions::PRESERVE_WHITESPACE
        } else {
            LoadOptions::NONE
        };
        let document = parse_document(text.trim_start_matches('\u{feff}'), options);
        let document = document.map_err(|e| run.failure(format!("The body is not XML: {}", e.message)))?;
        let shape = Shape {
            kind: *self.kind.get(run)?,
            always_array: *self.always_array.get(run)?,
            white_space,
            empty_as_null: *self.empty.get(run)? == Empty::AsNull,
            trim: *self.trim.get(run)?,
        };
        let object = shape.document(&document);
        put(run, Json::Object(object).to_string(), "application/json");
        Ok(Flow::Next)
    }
}

/// An element's name with its prefix, as written.
fn name_of(element: &XmlNode) -> String {
    let Some(name) = element.name() else {
        return String::new();
    };
    match element
        .prefix_of_namespace(&name.namespace)
        .filter(|p| !p.is_empty())
    {
        Some(prefix) => format!("{prefix}:{}", name.local),
        None => name.local.to_string(),
    }
}

#[derive(Clone, Copy)]
struct Shape {
    kind: Kind,
    always_array: bool,
    white_space: bool,
    empty_as_null: bool,
    trim: bool,
}

impl Shape {
    fn document(self, document: &XmlNode) -> Map<String, Json> {
        let mut object = Map::new();
        if let XmlKind::Document { declaration, .. } = document.kind()
            && let Some(declaration) = &*declaration.borrow()
            && self.kind == Kind::Direct
        {
            let parts = [
                ("@version", &declaration.version),
                ("@encoding", &declaration.encoding),
                ("@standalone", &declaration.standalone),
            ];
            let parts = parts.into_iter().filter_map(|(name, part)| {
                let part = part.as_deref()?;
                Some((name.to_owned(), part.into()))
            });
            object.insert("?xml".to_owned(), Json::Object(parts.collect()));
        }
        if let Some(root) = document.root() {
            object.insert(name_of(&root), self.element(&root));
        }
        object
    }

    fn text(self, text: String) -> String {
        if self.trim { text.trim().to_owned() } else { text }
    }

    /// The XML reader bounds how deep elements nest, so this may recurse.
    fn element(self, element: &XmlNode) -> Json {
        let mark = if self.kind == Kind::Direct { "@" } else { "" };
        let mut members = Map::new();
        for attribute in element.attributes() {
            let name = attribute.name();
            let name = if name.is_declaration() {
                if &*name.local == "xmlns" {
                    "xmlns".to_owned()
                } else {
                    format!("xmlns:{}", name.local)
                }
            } else {
                match element
                    .prefix_of_namespace(&name.namespace)
                    .filter(|p| !p.is_empty())
                {
                    Some(prefix) => format!("{prefix}:{}", name.local),
                    None => name.local.to_string(),
                }
            };
            members.insert(format!("{mark}{name}"), self.text(attribute.value()).into());
        }
        let text_name = if self.kind == Kind::Direct { "#text" } else { "$" };
        if element.elements().is_empty() {
            let text = self.text(element.value());
            return match (members.is_empty(), text.is_empty()) {
                (true, true) if self.empty_as_null => Json::Null,
                (true, true) => "".into(),
                (true, false) => text.into(),
                (false, true) => Json::Object(members),
                (false, false) => {
                    members.insert(text_name.into(), text.into());
                    Json::Object(members)
                }
            };
        }
        for child in element.nodes() {
            let (name, value, is_text) = match child.kind() {
                XmlKind::Element { .. } => (name_of(&child), self.element(&child), false),
                XmlKind::Text(_) | XmlKind::CData(_) => {
                    let text = child.value();
                    if text.trim().is_empty() && !self.white_space {
                        continue;
                    }
                    let text = self.text(text);
                    (text_name.to_owned(), text.into(), true)
                }
                // Comments and instructions have no place in JSON.
                _ => continue,
            };
            match members.get_mut(&name) {
                Some(Json::Array(items)) => items.push(value),
                Some(one) => *one = Json::Array(vec![one.take(), value]),
                None if self.always_array && !is_text => {
                    members.insert(name, Json::Array(vec![value]));
                }
                None => {
                    members.insert(name, value);
                }
            }
        }
        Json::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::check;

    #[track_caller]
    fn convert(xml: &str, attributes: &str, expected: &str) {
        let text = format!("<xml-to-json apply='always' consider-accept-header='false' {attributes}/>");
        let story = format!(
            "forward; 200 content-length: {} content-type: application/json '{expected}'",
            expected.len()
        );
        check("outbound", &text, &[&format!("200 {xml}")], &story);
    }

    #[test]
    fn direct_is_json_nets_mapping() {
        for (xml, expected) in [
            ("<a><b>1</b><c/></a>", r#"{"a":{"b":"1","c":null}}"#),
            (r#"<a x="1">t</a>"#, r##"{"a":{"@x":"1","#text":"t"}}"##),
            ("<a><b>1</b><b>2</b></a>", r#"{"a":{"b":["1","2"]}}"#),
            (
                "<a>t<b>1</b><!-- c --><![CDATA[u]]></a>",
                r##"{"a":{"#text":["t","u"],"b":"1"}}"##,
            ),
            (
                r#"<?xml version="1.0" encoding="utf-8"?><a/>"#,
                r#"{"?xml":{"@version":"1.0","@encoding":"utf-8"},"a":null}"#,
            ),
            (
                r#"<s:a xmlns:s="u"><s:b>1</s:b></s:a>"#,
                r#"{"s:a":{"@xmlns:s":"u","s:b":"1"}}"#,
            ),
        ] {
            convert(xml, "kind='direct'", expected);
        }
    }

    #[test]
    fn friendly_has_no_marks_and_arrays_can_be_forced() {
        convert(
            r#"<a x="1">t</a>"#,
            "kind='javascript-friendly'",
            r#"{"a":{"x":"1","$":"t"}}"#,
        );
        convert(
            "<a><b>1</b></a>",
            "kind='direct' always-array-child-elements='true'",
            r#"{"a":{"b":["1"]}}"#,
        );
    }

    #[test]
    fn what_only_the_vendors_schema_names() {
        for (xml, attributes, expected) in [
            ("<a><b/><c></c></a>", "", r#"{"a":{"b":null,"c":null}}"#),
            (
                "<a><b/><c></c></a>",
                "empty-values='preserve'",
                r#"{"a":{"b":"","c":""}}"#,
            ),
            ("<a x=' 1 '> y </a>", "", r##"{"a":{"@x":" 1 ","#text":" y "}}"##),
            (
                "<a x=' 1 '> y </a>",
                "trim-values='true'",
                r##"{"a":{"@x":"1","#text":"y"}}"##,
            ),
            ("<a> <b>1</b></a>", "", r#"{"a":{"b":"1"}}"#),
            (
                "<a> <b>1</b></a>",
                "preserve-whitespace-nodes='true'",
                r##"{"a":{"#text":" ","b":"1"}}"##,
            ),
        ] {
            convert(xml, &format!("kind='direct' {attributes}"), expected);
        }
    }

    #[test]
    fn it_applies_only_where_it_should() {
        check(
            "outbound",
            "<xml-to-json kind='direct' apply='content-type-xml'/>",
            &["200 <a/>"],
            "forward; 200 '<a/>'",
        );
        let always = "<xml-to-json kind='direct' apply='always' consider-accept-header='false'/>";
        check(
            "outbound",
            always,
            &["200 <a>"],
            "forward; 500 xml-to-json/PolicyFailure",
        );
        check("outbound", always, &["200"], "forward; 200");
    }
}
