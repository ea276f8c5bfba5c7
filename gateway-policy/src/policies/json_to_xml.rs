//! `json-to-xml`: converts the body of the message its section edits.
//!
//! Source: "Convert JSON to XML" policy page; `policies.md` §7.9. A property is an element, an array repeats
//! its element, several roots are wrapped in `<Document>`. Names that XML does not allow are encoded as .NET's
//! `XmlConvert` does. A published run of the service shows what the page does not say: `True` for true, an empty
//! element for an empty array, `xsi:nil` for null. What the attributes do that only the vendor's schema names
//! (`attribute-prefix`, `namespace-block-name`, `invalid-character-replacement`, `null-values`, `trim-values`,
//! `empty-values`) follows from their names.

use std::{fmt::Write as _, sync::Arc};

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value as Json};

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
    set_body,
};
use crate::{
    compile::{Compiler, Node},
    context::Body,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Setting, keywords, optional},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("json-to-xml", "Converts a JSON body to XML.").attributes(&[
        attr("apply", "Convert always, or only what is declared as JSON.")
            .required()
            .expression()
            .words(Apply::WORDS),
        attr(
            "consider-accept-header",
            "Convert only if the request's `Accept` header asks for XML.",
        )
        .expression()
        .default("true"),
        attr(
            "parse-date",
            "Whether texts that are dates are read as dates; both give the same text.",
        )
        .default("true"),
        attr("namespace-separator", "Stands between prefix and name.")
            .expression()
            .default("_"),
        attr(
            "namespace-prefix",
            "Start of the properties that declare namespaces.",
        )
        .expression(),
        attr("attribute-block-name", "Property whose members are attributes.").expression(),
        attr(
            "attribute-prefix",
            "Start of the properties that are attributes; it is taken off. Objects and arrays stay elements.",
        )
        .expression(),
        attr(
            "namespace-block-name",
            "Property whose members declare namespaces: prefix and address; an empty prefix or `$default` is the default.",
        )
        .expression(),
        attr(
            "invalid-character-replacement",
            "Text for each character that names cannot have; absent: it is encoded, as in `a_x0020_b`.",
        )
        .expression(),
        attr(
            "null-values",
            "Text that null is written as; absent: an empty element with `xsi:nil`.",
        )
        .expression(),
        attr("trim-values", "White space around texts is taken off.").default("false"),
        attr(
            "empty-values",
            "Empty texts are empty elements, or written as null is.",
        )
        .expression()
        .words(Empty::WORDS)
        .default("preserve"),
    ]),
    sections: Sections::I.and(Sections::O).and(Sections::E),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r##"<json-to-xml apply="always" consider-accept-header="false" namespace-separator=":" namespace-prefix="xmlns" attribute-block-name="#attrs" />"##,
    build,
};

keywords! {
    /// `apply`
    Apply { Always = "always", ContentTypeJson = "content-type-json" }
}

keywords! {
    /// `empty-values`, of both conversions.
    Empty { Preserve = "preserve", AsNull = "as-null" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let apply = compiler.attribute(node, "apply");
    let consider_accept = compiler.attribute(node, "consider-accept-header");
    let _: Option<bool> = compiler.literal(node, "parse-date");
    let separator = compiler.attribute(node, "namespace-separator");
    let prefix = compiler.attribute(node, "namespace-prefix");
    let attributes = compiler.attribute(node, "attribute-block-name");
    let attribute_prefix = compiler.attribute(node, "attribute-prefix");
    let namespaces = compiler.attribute(node, "namespace-block-name");
    let replacement = compiler.attribute(node, "invalid-character-replacement");
    let null = compiler.attribute(node, "null-values");
    let trim = compiler.literal(node, "trim-values");
    let empty = compiler.attribute(node, "empty-values");
    compiler.need_current_body();
    compiler.policy(JsonToXml {
        attribute_prefix,
        namespaces,
        replacement,
        null,
        trim: trim?,
        empty: empty?,
        apply: apply?,
        consider_accept: consider_accept?,
        separator: separator?,
        prefix,
        attributes,
    });
    Some(())
}

#[derive(Debug)]
struct JsonToXml {
    apply: Setting<Apply>,
    consider_accept: Setting<bool>,
    separator: Setting<Arc<str>>,
    prefix: Option<Setting<Arc<str>>>,
    attributes: Option<Setting<Arc<str>>>,
    attribute_prefix: Option<Setting<Arc<str>>>,
    namespaces: Option<Setting<Arc<str>>>,
    replacement: Option<Setting<Arc<str>>>,
    null: Option<Setting<Arc<str>>>,
    trim: bool,
    empty: Setting<Empty>,
}

/// True when a header names a media type of this kind: the plain names or the suffix.
pub(super) fn names_type(headers: &HeaderMap, header: &header::HeaderName, kind: &str) -> bool {
    headers
        .get_all(header)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|range| {
            let name = range
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            name == format!("application/{kind}")
                || name == format!("text/{kind}")
                || name.ends_with(&format!("+{kind}"))
        })
}

/// Puts a converted body in.
pub(super) fn put(run: &mut Run<'_>, text: String, media_type: &'static str) {
    set_body::frame(run.headers(), text.len());
    run.headers()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    *run.body() = Body::Buffered(text.into());
}

impl Policy for JsonToXml {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        if *self.apply.get(run)? == Apply::ContentTypeJson
            && !names_type(run.headers(), &header::CONTENT_TYPE, "json")
        {
            return Ok(Flow::Next);
        }
        if *self.consider_accept.get(run)?
            && !names_type(&run.context.request.headers, &header::ACCEPT, "xml")
        {
            return Ok(Flow::Next);
        }
        let Body::Buffered(bytes) = run.body() else {
            return Ok(Flow::Next);
        };
        let json: Result<Json, _> = serde_json::from_slice(bytes);
        let json = json.map_err(|e| run.failure(format!("The body is not JSON: {e}")))?;
        let separator = self.separator.get(run)?.into_owned();
        let mut text = |setting: &Option<Setting<Arc<str>>>| -> Result<Option<Arc<str>>, Failure> {
            Ok(optional(setting.as_ref(), run)?.map(|text| text.into_owned()))
        };
        let named = |text: Option<Arc<str>>| text.filter(|t| !t.is_empty());
        let mut writer = Writer {
            separator: &separator,
            prefix: named(text(&self.prefix)?),
            attributes: named(text(&self.attributes)?),
            attribute_prefix: named(text(&self.attribute_prefix)?),
            namespaces: named(text(&self.namespaces)?),
            replacement: text(&self.replacement)?,
            null: text(&self.null)?,
            trim: self.trim,
            empty_as_null: *self.empty.get(run)? == Empty::AsNull,
            out: String::new(),
        };
        writer.document(&json);
        let xml = writer.out;
        put(run, xml, "application/xml");
        Ok(Flow::Next)
    }
}

struct Writer<'a> {
    separator: &'a str,
    prefix: Option<Arc<str>>,
    attributes: Option<Arc<str>>,
    attribute_prefix: Option<Arc<str>>,
    namespaces: Option<Arc<str>>,
    replacement: Option<Arc<str>>,
    null: Option<Arc<str>>,
    trim: bool,
    empty_as_null: bool,
    out: String,
}

/// What null is written as when nobody says otherwise.
const NIL: &str = " xsi:nil=\"true\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" />";

impl Writer<'_> {
    fn document(&mut self, json: &Json) {
        match json {
            Json::Object(object) if object.len() == 1 => match object.iter().next() {
                Some((name, value)) if !value.is_array() => self.element(name, value),
                _ => self.element("Document", json),
            },
            Json::Array(items) => {
                let wrapped = Map::from_iter([("Item".to_owned(), Json::Array(items.clone()))]);
                self.element("Document", &Json::Object(wrapped));
            }
            other => self.element("Document", other),
        }
    }

    /// The reader bounds how deep JSON nests, so this may recurse.
    fn element(&mut self, name: &str, value: &Json) {
        if let Json::Array(items) = value {
            for item in items {
                self.element(name, item);
            }
            if items.is_empty() {
                let name = self.name(name);
                let _ = write!(self.out, "<{name} />");
            }
            return;
        }
        let name = self.name(name);
        let _ = write!(self.out, "<{name}");
        match value {
            Json::Object(object) => {
                self.attributes_of(object);
                self.out.push('>');
                let open = self.out.len();
                for (child, value) in object {
                    if !self.is_attribute(child, value) {
                        self.element(child, value);
                    }
                }
                if self.out.len() == open {
                    self.out.truncate(open - 1);
                    self.out.push_str(" />");
                    return;
                }
            }
            scalar => match self.text(scalar) {
                Some(text) => {
                    self.out.push('>');
                    escape(&mut self.out, &text, false);
                }
                None => {
                    self.out.push_str(NIL);
                    return;
                }
            },
        }
        let _ = write!(self.out, "</{name}>");
    }

    /// A value as text; `None`: null, without a text for it.
    fn text(&self, value: &Json) -> Option<String> {
        let text = match value {
            Json::Null => return self.null.as_deref().map(str::to_owned),
            // As .NET writes them.
            Json::Bool(true) => "True".to_owned(),
            Json::Bool(false) => "False".to_owned(),
            Json::String(text) if self.trim => text.trim().to_owned(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        if text.is_empty() && self.empty_as_null {
            return self.null.as_deref().map(str::to_owned);
        }
        Some(text)
    }

    fn is_attribute(&self, name: &str, value: &Json) -> bool {
        let block = |known: &Option<Arc<str>>| known.as_deref() == Some(name) && value.is_object();
        block(&self.attributes)
            || block(&self.namespaces)
            || self.declaration(name).is_some()
            || self.prefixed(name, value).is_some()
    }

    /// The attribute that a property is by its prefix.
    fn prefixed<'n>(&self, name: &'n str, value: &Json) -> Option<&'n str> {
        let rest = name.strip_prefix(self.attribute_prefix.as_deref()?)?;
        (!rest.is_empty() && !value.is_object() && !value.is_array()).then_some(rest)
    }

    /// The prefix that a property declares: `xmlns:soap` declares `soap`, `xmlns` the default namespace.
    fn declaration<'n>(&self, name: &'n str) -> Option<&'n str> {
        let rest = name.strip_prefix(self.prefix.as_deref()?)?;
        if rest.is_empty() {
            Some("")
        } else {
            rest.strip_prefix(self.separator)
        }
    }

    fn attributes_of(&mut self, object: &Map<String, Json>) {
        for (name, value) in object {
            if let Some(declared) = self.declaration(name) {
                self.declare(declared, value);
            } else if let Some(name) = self.prefixed(name, value) {
                self.attribute(name, value);
            } else if self.namespaces.as_deref() == Some(name.as_str()) {
                for (prefix, address) in value.as_object().into_iter().flatten() {
                    let prefix = if prefix == "$default" { "" } else { prefix };
                    self.declare(prefix, address);
                }
            } else if self.attributes.as_deref() == Some(name.as_str()) {
                for (name, value) in value.as_object().into_iter().flatten() {
                    self.attribute(name, value);
                }
            }
        }
    }

    fn declare(&mut self, prefix: &str, address: &Json) {
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            self.encoded(prefix)
        };
        let colon = if prefix.is_empty() { "" } else { ":" };
        let _ = write!(self.out, " xmlns{colon}{prefix}=\"");
        let text = self.text(address).unwrap_or_default();
        escape(&mut self.out, &text, true);
        self.out.push('"');
    }

    fn attribute(&mut self, name: &str, value: &Json) {
        let name = self.name(name);
        let _ = write!(self.out, " {name}=\"");
        let text = self.text(value).unwrap_or_default();
        escape(&mut self.out, &text, true);
        self.out.push('"');
    }

    /// `prefix` + separator + `local` with a colon between; what XML does not allow is encoded.
    fn name(&self, name: &str) -> String {
        // Only with declared namespaces is the separator more than a character of the name.
        if (self.prefix.is_some() || self.namespaces.is_some())
            && let Some((prefix, local)) = name.split_once(self.separator)
            && !prefix.is_empty()
            && !local.is_empty()
        {
            return format!("{}:{}", self.encoded(prefix), self.encoded(local));
        }
        self.encoded(name)
    }

    /// `XmlConvert.EncodeLocalName`: `a b` becomes `a_x0020_b`; or each such character the given text.
    fn encoded(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len());
        for (i, c) in name.chars().enumerate() {
            if is_name(c, i == 0) {
                out.push(c);
                continue;
            }
            match self.replacement.as_deref() {
                Some(text) => out.extend(
                    text.chars()
                        .enumerate()
                        .filter(|(j, c)| is_name(*c, i + j == 0))
                        .map(|(_, c)| c),
                ),
                None => {
                    let _ = write!(out, "_x{:04X}_", u32::from(c));
                }
            }
        }
        // What is left of a name may start with what a name cannot start with.
        match out.chars().next() {
            None => "_".into(),
            Some(first) if !is_name(first, true) => format!("_{out}"),
            Some(_) => out,
        }
    }
}

fn is_name(c: char, first: bool) -> bool {
    c.is_alphabetic() || c == '_' || (!first && (c.is_numeric() || matches!(c, '-' | '.')))
}

fn escape(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' if attribute => out.push_str("&quot;"),
            // XML 1.0 has no way to write other control characters.
            c if c < ' ' && !matches!(c, '\t' | '\n' | '\r') => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load, check_with};

    #[track_caller]
    fn convert(json: &str, attributes: &str, expected: &str) {
        let text = format!("<json-to-xml apply='always' consider-accept-header='false' {attributes}/>");
        let story = format!(
            "forward; 200 content-length: {} content-type: application/xml '{expected}'",
            expected.len()
        );
        check("outbound", &text, &[&format!("200 {json}")], &story);
    }

    #[test]
    fn properties_are_elements_and_arrays_repeat_them() {
        for (json, expected) in [
            (
                r#"{"a":{"b":1,"c":true,"d":null,"e":"x<y"}}"#,
                r#"<a><b>1</b><c>True</c><d xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" /><e>x&lt;y</e></a>"#,
            ),
            (
                r#"{"a":[1,2],"b":{}}"#,
                "<Document><a>1</a><a>2</a><b /></Document>",
            ),
            (r#"{"a":[1,2]}"#, "<Document><a>1</a><a>2</a></Document>"),
            (r#"{"a":{"b":[]}}"#, "<a><b /></a>"),
            (
                r#"[1,{"b":2}]"#,
                "<Document><Item>1</Item><Item><b>2</b></Item></Document>",
            ),
            (
                r#"{"a b":"1","2":"x"}"#,
                "<Document><a_x0020_b>1</a_x0020_b><_x0032_>x</_x0032_></Document>",
            ),
        ] {
            convert(json, "", expected);
        }
    }

    #[test]
    fn the_pages_example_with_namespaces_and_attributes() {
        convert(
            r##"{"soapenv:Envelope":{"xmlns:soapenv":"u1","xmlns:v1":"u2","soapenv:Header":{},"soapenv:Body":{"v1:QueryList":{"#attrs":{"queryName":"test"},"v1:QueryItem":{"name":"dummy text"}}}}}"##,
            "namespace-separator=':' namespace-prefix='xmlns' attribute-block-name='#attrs'",
            r#"<soapenv:Envelope xmlns:soapenv="u1" xmlns:v1="u2"><soapenv:Header /><soapenv:Body><v1:QueryList queryName="test"><v1:QueryItem><name>dummy text</name></v1:QueryItem></v1:QueryList></soapenv:Body></soapenv:Envelope>"#,
        );
    }

    #[test]
    fn what_only_the_vendors_schema_names() {
        for (json, attributes, expected) in [
            (
                r#"{"a":{"@b":1,"c":"2"}}"#,
                "attribute-prefix='@'",
                r#"<a b="1"><c>2</c></a>"#,
            ),
            (
                r##"{"a":{"#b":1,"c":"2","#d":{"e":3}}}"##,
                "attribute-prefix='#'",
                r#"<a b="1"><c>2</c><_x0023_d><e>3</e></_x0023_d></a>"#,
            ),
            (
                r#"{"s:a":{"ns":{"s":"u","$default":"v"},"s:b":1}}"#,
                "namespace-block-name='ns' namespace-separator=':'",
                r#"<s:a xmlns:s="u" xmlns="v"><s:b>1</s:b></s:a>"#,
            ),
            (
                r#"{"a b!":{"1c":2}}"#,
                "invalid-character-replacement='-'",
                "<a-b-><c>2</c></a-b->",
            ),
            (r#"{"a b":1}"#, "invalid-character-replacement=''", "<ab>1</ab>"),
            (
                r#"{"a b":1}"#,
                "invalid-character-replacement='&lt;&gt;'",
                "<ab>1</ab>",
            ),
            (
                r#"{"a":{"b":null,"c":""}}"#,
                "null-values='NULL'",
                "<a><b>NULL</b><c></c></a>",
            ),
            (
                r#"{"a":{"b":null,"c":""}}"#,
                "null-values='' empty-values='as-null'",
                "<a><b></b><c></c></a>",
            ),
            (
                r#"{"a":{"c":""}}"#,
                "empty-values='as-null'",
                r#"<a><c xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" /></a>"#,
            ),
            (
                r#"{"a":{"b":" x ","c":" "}}"#,
                "trim-values='true' empty-values='as-null' null-values='-'",
                "<a><b>x</b><c>-</c></a>",
            ),
        ] {
            convert(json, attributes, expected);
        }
    }

    #[test]
    fn it_applies_only_where_it_should() {
        let text = "<json-to-xml apply='content-type-json'/>";
        check("outbound", text, &["200 {}"], "forward; 200 '{}'");
        check_with(
            "inbound",
            text,
            |c| {
                c.request
                    .headers
                    .insert("accept", "text/html, application/xml;q=0.9".parse().unwrap());
                c.request
                    .headers
                    .insert("content-type", "application/json".parse().unwrap());
                c.request.body = crate::context::Body::Buffered(r#"{"a":1}"#.into());
            },
            &[],
            "forward accept: text/html, application/xml;q=0.9 content-type: application/xml content-length: 8 '<a>1</a>'; 200",
        );
        let always = "<json-to-xml apply='always' consider-accept-header='false'/>";
        check(
            "outbound",
            always,
            &["200 {"],
            "forward; 500 json-to-xml/PolicyFailure",
        );
        check_load(
            "outbound",
            "<json-to-xml apply='never'/>",
            "bad-value: `apply` of `json-to-xml` must be one of `always`, `content-type-json`",
        );
    }
}
