//! `json-to-xml`: converts the body of the message its section edits.
//!
//! Source: "Convert JSON to XML" policy page; `policies.md` §7.9. A property is an element, an array repeats
//! its element, several roots are wrapped in `<Document>`. Names that XML does not allow are encoded as .NET's
//! `XmlConvert` does.

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

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let apply = compiler.attribute(node, "apply");
    let consider_accept = compiler.attribute(node, "consider-accept-header");
    let _: Option<bool> = compiler.literal(node, "parse-date");
    let separator = compiler.attribute(node, "namespace-separator");
    let prefix = compiler.attribute(node, "namespace-prefix");
    let attributes = compiler.attribute(node, "attribute-block-name");
    compiler.need_current_body();
    compiler.policy(JsonToXml {
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
        let prefix = optional(self.prefix.as_ref(), run)?.map(|p| p.into_owned());
        let attributes = optional(self.attributes.as_ref(), run)?.map(|a| a.into_owned());
        let mut writer = Writer {
            separator: &separator,
            prefix: prefix.as_deref().filter(|p| !p.is_empty()),
            attributes: attributes.as_deref().filter(|a| !a.is_empty()),
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
    prefix: Option<&'a str>,
    attributes: Option<&'a str>,
    out: String,
}

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
            return;
        }
        let name = self.name(name);
        let _ = write!(self.out, "<{name}");
        let before = self.out.len();
        match value {
            Json::Object(object) => {
                self.attributes_of(object);
                self.out.push('>');
                let open = self.out.len();
                for (child, value) in object {
                    if !self.is_attribute(child) {
                        self.element(child, value);
                    }
                }
                if self.out.len() == open {
                    self.out.truncate(open - 1);
                    self.out.push_str(" />");
                    return;
                }
            }
            Json::Null => {
                self.out.truncate(before);
                self.out.push_str(" />");
                return;
            }
            Json::String(text) => {
                self.out.push('>');
                escape(&mut self.out, text, false);
            }
            other => {
                let _ = write!(self.out, ">{other}");
            }
        }
        let _ = write!(self.out, "</{name}>");
    }

    fn is_attribute(&self, name: &str) -> bool {
        self.attributes == Some(name) || self.declaration(name).is_some()
    }

    /// The prefix that a property declares: `xmlns:soap` declares `soap`, `xmlns` the default namespace.
    fn declaration<'n>(&self, name: &'n str) -> Option<&'n str> {
        let rest = name.strip_prefix(self.prefix?)?;
        if rest.is_empty() {
            Some("")
        } else {
            rest.strip_prefix(self.separator)
        }
    }

    fn attributes_of(&mut self, object: &Map<String, Json>) {
        for (name, value) in object {
            if let Some(declared) = self.declaration(name) {
                let colon = if declared.is_empty() { "" } else { ":" };
                let _ = write!(self.out, " xmlns{colon}{declared}=\"");
                escape(&mut self.out, &text_of(value), true);
                self.out.push('"');
            } else if self.attributes == Some(name.as_str()) {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let name = self.name(name);
                    let _ = write!(self.out, " {name}=\"");
                    escape(&mut self.out, &text_of(value), true);
                    self.out.push('"');
                }
            }
        }
    }

    /// `prefix` + separator + `local` with a colon between; what XML does not allow is encoded.
    fn name(&self, name: &str) -> String {
        // Only with declared namespaces is the separator more than a character of the name.
        if self.prefix.is_some()
            && let Some((prefix, local)) = name.split_once(self.separator)
            && !prefix.is_empty()
            && !local.is_empty()
        {
            return format!("{}:{}", encode_name(prefix), encode_name(local));
        }
        encode_name(name)
    }
}

fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// `XmlConvert.EncodeLocalName`: `a b` becomes `a_x0020_b`.
fn encode_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (i, c) in name.chars().enumerate() {
        let allowed = c.is_alphabetic() || c == '_' || (i > 0 && (c.is_numeric() || matches!(c, '-' | '.')));
        if allowed {
            out.push(c);
        } else {
            let _ = write!(out, "_x{:04X}_", u32::from(c));
        }
    }
    if out.is_empty() { "_".into() } else { out }
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
                "<a><b>1</b><c>true</c><d /><e>x&lt;y</e></a>",
            ),
            (
                r#"{"a":[1,2],"b":{}}"#,
                "<Document><a>1</a><a>2</a><b /></Document>",
            ),
            (r#"{"a":[1,2]}"#, "<Document><a>1</a><a>2</a></Document>"),
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
