//! APIs without an OpenAPI document: WebSocket, GraphQL, gRPC, SOAP.

use std::sync::Arc;

use http::Method;

use super::{SpecOperation, Specification, folder_path, naming::normalised, refuse};
use crate::{
    artifacts::{ApiFolder, File},
    doc::text_of,
    problem::{Place, Problem},
};

/// A WebSocket API has one operation of its own, for the handshake.
pub(super) fn on_handshake() -> SpecOperation {
    SpecOperation {
        display_name: "onHandshake".into(),
        ..SpecOperation::new("onHandshake", Method::GET, "/*")
    }
}

/// GraphQL over HTTP: queries by POST or GET on the API's own path.
pub(super) fn graphql() -> [SpecOperation; 2] {
    [
        SpecOperation::new("graphql-post", Method::POST, "/"),
        SpecOperation::new("graphql-get", Method::GET, "/"),
    ]
}

/// A gRPC API whose methods are not in the folder (the extractor writes none): every method.
pub(super) fn any_grpc(folder: &ApiFolder, problems: &mut Vec<Problem>) -> SpecOperation {
    let message = "the folder holds no .proto of this gRPC API, so every method is passed on as one operation `grpc`; \
                   add specification.proto to have one operation a method";
    problems.push(Problem::warning(
        "no-specification",
        &folder_path(folder),
        message,
    ));
    SpecOperation::new("grpc", Method::POST, "/*")
}

/// `package.Service/Method` of every `rpc` in a `.proto` text.
pub(super) fn proto(file: &File, out: &mut Specification) {
    let text = match text_of(&file.path, &file.bytes) {
        Ok(text) => text,
        Err(problem) => {
            return refuse(
                out,
                &file.path,
                Place::new(problem.line, 0),
                problem.code,
                problem.message,
            );
        }
    };
    let text = without_comments(text);
    let mut package = String::new();
    let mut service = String::new();
    let mut words = text
        .split(|c: char| c.is_whitespace() || "{}();".contains(c))
        .filter(|w| !w.is_empty());
    while let Some(word) = words.next() {
        match word {
            "package" => package = words.next().unwrap_or("").to_owned() + ".",
            "service" => service = words.next().unwrap_or("").to_owned(),
            "rpc" if !service.is_empty() => {
                let Some(method) = words.next() else { break };
                let name = format!("{service}-{method}");
                let template = format!("/{package}{service}/{method}");
                out.operations.push(SpecOperation {
                    display_name: method.to_owned(),
                    ..SpecOperation::new(&name, Method::POST, &template)
                });
            }
            _ => {}
        }
    }
    if out.operations.is_empty() {
        refuse(
            out,
            &file.path,
            Place::default(),
            "empty-specification",
            "no `service` with an `rpc` in this .proto file",
        );
    }
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let end = if tail.starts_with("//") {
            tail.find('\n').unwrap_or(tail.len())
        } else if tail.starts_with("/*") {
            tail.find("*/").map_or(tail.len(), |e| e + 2)
        } else {
            out.push('/');
            1
        };
        rest = &tail[end..];
    }
    out + rest
}

/// The operations of the first SOAP binding. WSDL does not carry APIM's operation names.
pub(super) fn wsdl(file: &File, out: &mut Specification) {
    let text = match text_of(&file.path, &file.bytes) {
        Ok(text) => text,
        Err(problem) => {
            return refuse(
                out,
                &file.path,
                Place::new(problem.line, 0),
                problem.code,
                problem.message,
            );
        }
    };
    out.names_unknown = true;
    let mut in_binding = false;
    let mut pending: Option<String> = None;
    for tag in tags(text) {
        match (tag.local, tag.closing) {
            ("binding", false) if !tag.prefix_is_soap() && tag.attribute("type").is_some() => {
                in_binding = true
            }
            ("binding", true) => in_binding = false,
            ("operation", false) if in_binding => {
                match (tag.attribute("soapAction"), tag.attribute("name")) {
                    (Some(action), _) => {
                        if let Some(name) = pending.take() {
                            push_soap(out, &name, action);
                        }
                    }
                    (None, Some(name)) => {
                        // SOAP 1.2 may leave the action out: the operation's own name stands for it.
                        if let Some(name) = pending.replace(name.to_owned()) {
                            push_soap(out, &name, "");
                        }
                    }
                    (None, None) => {}
                }
            }
            _ => {}
        }
    }
    if let Some(name) = pending {
        push_soap(out, &name, "");
    }
    if out.operations.is_empty() {
        let message = "no SOAP binding with operations in this WSDL; only document/literal bindings are read";
        refuse(out, &file.path, Place::default(), "empty-specification", message);
    }
}

fn push_soap(out: &mut Specification, name: &str, action: &str) {
    let id = normalised(name);
    if out.operations.iter().any(|o| o.name.eq_ignore_ascii_case(&id)) {
        return;
    }
    out.operations.push(SpecOperation {
        display_name: name.to_owned(),
        match_template: Some("/".to_owned()),
        soap_action: Some(Arc::from(if action.is_empty() { name } else { action })),
        ..SpecOperation::new(&id, Method::POST, &format!("/?soapAction={action}"))
    });
}

/// A tag of an XML text, names as written.
struct Tag<'t> {
    prefix: &'t str,
    local: &'t str,
    closing: bool,
    attributes: &'t str,
}

impl<'t> Tag<'t> {
    /// An attribute by local name; entities of SOAP actions do not occur in practice and are left alone.
    fn attribute(&self, name: &str) -> Option<&'t str> {
        let mut rest = self.attributes;
        loop {
            let equals = rest.find('=')?;
            let key = rest[..equals]
                .trim()
                .rsplit([' ', '\t', '\r', '\n', ':'])
                .next()
                .unwrap_or("");
            let tail = rest[equals + 1..].trim_start();
            let quote = tail.chars().next().filter(|c| *c == '"' || *c == '\'')?;
            let end = tail[1..].find(quote)?;
            if key == name {
                return Some(&tail[1..1 + end]);
            }
            rest = &tail[end + 2..];
        }
    }

    /// `<soap:binding …/>` inside `<wsdl:binding …>` is not a binding of its own.
    fn prefix_is_soap(&self) -> bool {
        self.prefix.to_ascii_lowercase().contains("soap") || self.attribute("transport").is_some()
    }
}

/// All tags in order; comments, processing instructions and CDATA are stepped over.
fn tags(text: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('<')?..];
            let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")]
                .iter()
                .find(|(open, _)| rest.starts_with(open));
            if let Some((open, close)) = skipped {
                let end = rest[open.len()..].find(close)?;
                rest = &rest[open.len() + end + close.len()..];
                continue;
            }
            let end = tag_end(rest)?;
            let inner = rest[1..end].trim_end_matches('/');
            rest = &rest[end + 1..];
            let closing = inner.starts_with('/');
            let inner = inner.trim_start_matches('/');
            let name_end = inner.find(char::is_whitespace).unwrap_or(inner.len());
            let (name, attributes) = inner.split_at(name_end);
            let (prefix, local) = name.split_once(':').unwrap_or(("", name));
            return Some(Tag {
                prefix,
                local,
                closing,
                attributes,
            });
        }
    })
}

/// Position of the `>` that ends a tag; one inside quotes does not.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, b) in text.bytes().enumerate() {
        match (quote, b) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    None
}
