//! What templates see: the body of the message, and the exchange.

use std::{collections::BTreeMap, sync::Arc};

use gateway_dotnet::{
    Str,
    json::{Scalar, Token, TokenType, parse_token},
    xml::{self, LoadOptions},
};
use http::{HeaderMap, header};

use super::{Value, value::Object};
use crate::{
    context::{Body, Context, Url},
    url,
};

/// The root objects of one rendering.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) body: Value,
    pub(crate) context: Value,
    /// For `now`.
    pub(crate) now_ticks: i64,
}

/// How a body becomes a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyOptions {
    /// Texts that are dates become dates.
    pub(crate) parse_date: bool,
    /// Elements with `xsi:nil` are nil, not empty text.
    pub(crate) nil_is_null: bool,
}

/// The body by its media type; nil when it is neither JSON nor XML, or empty.
pub(crate) fn body(headers: &HeaderMap, body: &Body, options: BodyOptions) -> Result<Value, String> {
    let Body::Buffered(bytes) = body else {
        return Ok(Value::Nil);
    };
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(Value::Nil);
    }
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let media_type = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is =
        |names: [&str; 2], suffix: &str| names.contains(&media_type.as_str()) || media_type.ends_with(suffix);
    if is(["application/json", "text/json"], "+json") {
        json(text, options)
    } else if is(["application/xml", "text/xml"], "+xml") {
        xml(text, options)
    } else {
        Ok(Value::Nil)
    }
}

fn json(text: &str, options: BodyOptions) -> Result<Value, String> {
    if options.parse_date {
        let token = parse_token(&Str::from(text)).map_err(|e| e.message.into_owned())?;
        return Ok(from_token(&token));
    }
    let json: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(from_json(&json))
}

// Both readers bound the depth of what they read, so these may recurse.
fn from_token(token: &Token) -> Value {
    match token.token_type() {
        TokenType::Object => {
            let member = |p: Token| {
                let name = p.property_name()?.to_lossy().into_owned();
                Some((
                    name.into(),
                    p.property_value().map_or(Value::Nil, |v| from_token(&v)),
                ))
            };
            let members = token.children().into_iter().filter_map(member).collect();
            Value::Object(Arc::new(Object {
                members,
                ignore_case: false,
            }))
        }
        TokenType::Array => Value::Array(Arc::new(token.children().iter().map(from_token).collect())),
        _ => match token.scalar() {
            None | Some(Scalar::Null | Scalar::Undefined) => Value::Nil,
            Some(Scalar::Bool(flag)) => Value::Bool(flag),
            Some(Scalar::Integer(number)) => Value::Int(number),
            Some(Scalar::Float(number)) => Value::Float(number),
            Some(Scalar::Date(date)) => Value::Date(date),
            Some(other) => Value::text(&other.to_text().to_lossy()),
        },
    }
}

fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Value::Int(integer),
            None => Value::Float(number.as_f64().unwrap_or(0.0)),
        },
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(items) => Value::Array(Arc::new(items.iter().map(from_json).collect())),
        serde_json::Value::Object(object) => {
            let members = object
                .iter()
                .map(|(n, v)| (n.as_str().into(), from_json(v)))
                .collect();
            Value::Object(Arc::new(Object {
                members,
                ignore_case: false,
            }))
        }
    }
}

fn xml(text: &str, options: BodyOptions) -> Result<Value, String> {
    let root = xml::parse_element(text, LoadOptions::NONE).map_err(|e| e.message.into_owned())?;
    let name = root.name().map(|n| n.local.to_string()).unwrap_or_default();
    let members = vec![(name.as_str().into(), from_element(&root, options))];
    Ok(Value::Object(Arc::new(Object {
        members,
        ignore_case: true,
    })))
}

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// An element without children is its text; repeated children are an array. Namespaces are dropped.
fn from_element(element: &xml::Node, options: BodyOptions) -> Value {
    let children = element.elements();
    if children.is_empty() {
        let nil = xml::Name::new(XSI, "nil")
            .ok()
            .and_then(|n| element.attribute(&n));
        if nil.is_some_and(|a| matches!(a.value().as_str(), "true" | "1")) {
            return if options.nil_is_null {
                Value::Nil
            } else {
                Value::text("")
            };
        }
        return Value::text(&element.value());
    }
    let mut members: Vec<(Arc<str>, Vec<Value>)> = Vec::new();
    for child in children {
        let name = child.name().map(|n| n.local.to_string()).unwrap_or_default();
        let value = from_element(&child, options);
        match members.iter_mut().find(|(n, _)| **n == *name) {
            Some((_, values)) => values.push(value),
            None => members.push((name.as_str().into(), vec![value])),
        }
    }
    let one = |mut values: Vec<Value>| {
        if values.len() == 1 {
            values.swap_remove(0)
        } else {
            Value::Array(Arc::new(values))
        }
    };
    let members = members.into_iter().map(|(n, v)| (n, one(v))).collect();
    Value::Object(Arc::new(Object {
        members,
        ignore_case: true,
    }))
}

/// `context` as templates see it.
pub(crate) fn context(context: &Context) -> Value {
    let request = &context.request;
    let matched = request
        .matched_parameters
        .iter()
        .map(|(n, v)| (&**n).into_pair(v));
    let request = Value::object(vec![
        ("Method", Value::text(request.method.as_str())),
        ("OriginalMethod", Value::text(request.original_method.as_str())),
        ("Url", url_value(&request.url)),
        ("OriginalUrl", url_value(&request.original_url)),
        (
            "IpAddress",
            request
                .ip_address
                .map_or(Value::Nil, |ip| Value::text(&ip.to_string())),
        ),
        ("HasBody", Value::Bool(request.body != Body::None)),
        ("Headers", header_values(&request.headers)),
        ("MatchedParameters", loose(matched.collect())),
    ]);
    let response = context.response.as_ref().map_or(Value::Nil, |response| {
        Value::object(vec![
            ("StatusCode", Value::Int(i64::from(response.status.as_u16()))),
            (
                "StatusReason",
                response.reason.as_deref().map_or(Value::Nil, Value::text),
            ),
            ("Headers", header_values(&response.headers)),
        ])
    });
    let variables = context
        .variables
        .iter()
        .map(|(n, v)| (Arc::from(&**n), variable(v)));
    let variables = Value::Object(Arc::new(Object {
        members: variables.collect(),
        ignore_case: false,
    }));
    Value::object(vec![
        ("Request", request),
        ("Response", response),
        ("Variables", variables),
    ])
}

/// A context variable: JSON with its structure, numbers and booleans as such, anything else as text.
fn variable(value: &gateway_expr::Value) -> Value {
    use gateway_expr::Value as Variable;
    match value {
        Variable::Null => Value::Nil,
        Variable::Bool(flag) => Value::Bool(*flag),
        Variable::Int(number) => Value::Int(i64::from(*number)),
        Variable::Long(number) => Value::Int(*number),
        Variable::Double(number) => Value::Float(*number),
        Variable::DateTime(date) => Value::Date(*date),
        Variable::Json(token) => from_token(token),
        other => other.to_text().map_or(Value::Nil, |t| Value::text(&t)),
    }
}

/// A name and a text as a member.
trait IntoPair {
    fn into_pair(self, value: &str) -> (Arc<str>, Value);
}

impl IntoPair for &str {
    fn into_pair(self, value: &str) -> (Arc<str>, Value) {
        (self.into(), Value::text(value))
    }
}

fn loose(members: Vec<(Arc<str>, Value)>) -> Value {
    Value::Object(Arc::new(Object {
        members,
        ignore_case: true,
    }))
}

/// Several lines of a header are one text, joined by commas.
fn header_values(headers: &HeaderMap) -> Value {
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str())
            .and_modify(|v| *v = format!("{v},{text}"))
            .or_insert_with(|| text.into());
    }
    loose(joined.into_iter().map(|(n, v)| n.into_pair(&v)).collect())
}

fn url_value(address: &Url) -> Value {
    let mut query: Vec<(Arc<str>, Value)> = Vec::new();
    for (name, value) in url::query_pairs(&address.query) {
        query.push(
            url::decode_query_part(name)
                .as_str()
                .into_pair(&url::decode_query_part(value)),
        );
    }
    let query_string = if address.query.is_empty() {
        String::new()
    } else {
        format!("?{}", address.query)
    };
    Value::object(vec![
        ("Scheme", Value::text(&address.scheme)),
        ("Host", Value::text(&address.host)),
        ("Port", Value::Int(i64::from(address.port))),
        ("Path", Value::text(&address.path)),
        ("Query", loose(query)),
        ("QueryString", Value::text(&query_string)),
        ("ToString", Value::text(&url::to_text(address))),
        ("ToUri", Value::text(&url::to_text(address))),
    ])
}
