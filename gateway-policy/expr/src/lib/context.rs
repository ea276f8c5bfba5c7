//! The `context` model: `IExpressionContext` and everything reached from it.

use std::borrow::Cow;

use gateway_dotnet::{
    Str,
    guid::Guid,
    time::{DateTime, DateTimeKind, TimeSpan},
};

use super::{
    Call, Decl,
    Entry::Get,
    Verdict, all,
    call::{string, text},
    values,
};
use crate::{
    Value,
    context::{Body, Url},
    object::Data,
    types::{self, Type, registry},
    value::Part,
    vm::{Eval, Thrown, Vm},
};

impl Part {
    /// Name of the interface.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Part::Context => "IExpressionContext",
            Part::Api => "IApi",
            Part::ApiServiceUrl | Part::RequestUrl | Part::OriginalUrl => "IUrl",
            Part::ApiKeyNames => "ISubscriptionKeyParameterNames",
            Part::Backend => "IBackend",
            Part::Deployment => "IDeployment",
            Part::Gateway => "IGateway",
            Part::LastError => "ILastError",
            Part::Operation => "IOperation",
            Part::Product => "IProduct",
            Part::Request => "IRequest",
            Part::RequestBody | Part::ResponseBody => "IMessageBody",
            Part::Response => "IResponse",
            Part::Subscription => "ISubscription",
            Part::User => "IUser",
            Part::ProductGroup(_) | Part::UserGroup(_) => "IGroup",
            Part::UserIdentity(_) => "IUserIdentity",
            Part::Certificates
            | Part::RequestHeaders
            | Part::RequestUrlQuery
            | Part::OriginalUrlQuery
            | Part::ServiceUrlQuery
            | Part::MatchedParameters
            | Part::ResponseHeaders
            | Part::Variables => "System.Collections.Generic.Dictionary",
        }
    }

    pub(crate) fn ty(self) -> Type {
        let value = match self {
            Part::RequestHeaders
            | Part::ResponseHeaders
            | Part::RequestUrlQuery
            | Part::OriginalUrlQuery
            | Part::ServiceUrlQuery => Type::array(Type::STRING),
            Part::MatchedParameters => Type::STRING,
            Part::Variables => Type::OBJECT,
            Part::Certificates => registry()
                .type_named("System.Security.Cryptography.X509Certificates.X509Certificate2")
                .unwrap_or(Type::OBJECT),
            _ => return registry().type_named(self.type_name()).unwrap_or(Type::OBJECT),
        };
        Type::generic(types::DICTIONARY, [Type::STRING, value])
    }
}

/// `part.name` when it is a part that is never null.
pub(crate) fn fold_part(part: Part, name: &str) -> Option<Part> {
    Some(match (part, name) {
        (Part::Context, "Request") => Part::Request,
        (Part::Context, "Variables") => Part::Variables,
        (Part::Request, "Headers") => Part::RequestHeaders,
        (Part::Request, "Url") => Part::RequestUrl,
        (Part::Request, "OriginalUrl") => Part::OriginalUrl,
        (Part::Request, "MatchedParameters") => Part::MatchedParameters,
        (Part::RequestUrl, "Query") => Part::RequestUrlQuery,
        (Part::OriginalUrl, "Query") => Part::OriginalUrlQuery,
        _ => return None,
    })
}

fn part(c: &Call<'_, '_>) -> Option<Part> {
    match c.arg(0) {
        Value::Context(p) => Some(*p),
        _ => None,
    }
}

fn opt(s: Option<&str>) -> Eval {
    Ok(s.map_or(Value::Null, Value::string))
}

fn when(present: bool, p: Part) -> Eval {
    Ok(if present { Value::Context(p) } else { Value::Null })
}

fn utc(ticks: i64) -> Value {
    Value::DateTime(DateTime::from_ticks_clamped(ticks, DateTimeKind::Utc))
}

/// A string property of an entity that is there when its part was handed out.
macro_rules! entity {
    ($c:ident, $field:ident, $e:ident => $value:expr) => {
        match &$c.vm.context.$field {
            Some($e) => $value,
            None => Ok(Value::Null),
        }
    };
}

// ---- URLs and dictionaries

pub(crate) fn url<'c>(vm: &'c Vm<'_>, part: Part) -> Option<&'c Url> {
    match part {
        Part::RequestUrl | Part::RequestUrlQuery => Some(&vm.context.request.url),
        Part::OriginalUrl | Part::OriginalUrlQuery => Some(&vm.context.request.original_url),
        Part::ApiServiceUrl | Part::ServiceUrlQuery => vm.context.api.as_ref()?.service_url.as_ref(),
        _ => None,
    }
}

/// The whole URL as text; the default port is left out.
pub(crate) fn url_text(u: &Url) -> String {
    let default = matches!((&*u.scheme, u.port), ("http", 80) | ("https", 443));
    let port = if default {
        String::new()
    } else {
        format!(":{}", u.port)
    };
    let query = if u.query.is_empty() {
        String::new()
    } else {
        format!("?{}", u.query)
    };
    format!("{}://{}{port}{}{query}", u.scheme, u.host, u.path)
}

/// The text of a URL part.
pub(crate) fn context_url(vm: &Vm<'_>, part: Part) -> Option<Str> {
    let u = match part {
        Part::RequestUrl | Part::OriginalUrl | Part::ApiServiceUrl => url(vm, part)?,
        _ => return None,
    };
    Some(crate::text::to_text(&super::make_uri(&Str::new(&url_text(u)))))
}

fn url_prop(c: &mut Call<'_, '_>, f: fn(&Url) -> Value) -> Eval {
    Ok(part(c).and_then(|p| url(c.vm, p)).map_or(Value::Null, f))
}

/// `name=value` pairs of a query, decoded.
fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (percent_decode(name, false), percent_decode(value, true))
        })
        .collect()
}

/// Undoes percent-encoding; what does not decode stays as it is.
fn percent_decode(text: &str, plus: bool) -> String {
    let coded = text.contains('%') || plus && text.contains('+');
    if !coded {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let raw = text.as_bytes();
    let mut i = 0;
    while let Some(b) = raw.get(i) {
        let hex = raw
            .get(i + 1..i + 3)
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match (b, hex) {
            (b'%', Some(v)) => {
                bytes.push(v);
                i += 3;
                continue;
            }
            (b'+', _) if plus => bytes.push(b' '),
            _ => bytes.push(*b),
        }
        i += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn header_text(v: &http::HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(v.as_bytes()) {
        Ok(s) => Cow::Borrowed(s),
        Err(_) => v.as_bytes().iter().map(|b| char::from(*b)).collect(),
    }
}

/// A method as a string; the known ones are program text.
fn method_text(method: &http::Method) -> Value {
    use http::Method;
    const KNOWN: &[(Method, &str)] = &[
        (Method::GET, "GET"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::DELETE, "DELETE"),
        (Method::PATCH, "PATCH"),
        (Method::HEAD, "HEAD"),
        (Method::OPTIONS, "OPTIONS"),
    ];
    match KNOWN.iter().find(|(known, _)| known == method) {
        Some((_, text)) => Value::Str(Str::from_static(text)),
        None => Value::string(method.as_str()),
    }
}

/// One header as a string.
pub(crate) fn header_value(v: &http::HeaderValue) -> Value {
    Value::string(&header_text(v))
}

/// Headers of one name, joined by commas.
pub(crate) fn joined_headers(all: http::header::GetAll<'_, http::HeaderValue>) -> Value {
    let texts: Vec<Cow<'_, str>> = all.iter().map(header_text).collect();
    Value::string(&texts.join(","))
}

/// The values of a header; `None` if there is none of that name.
fn header(map: &http::HeaderMap, name: &str) -> Option<Vec<String>> {
    let list: Vec<String> = map
        .get_all(name)
        .iter()
        .map(|v| header_text(v).into_owned())
        .collect();
    (!list.is_empty()).then_some(list)
}

fn headers_of<'c>(vm: &'c Vm<'_>, part: Part) -> Option<&'c http::HeaderMap> {
    match part {
        Part::RequestHeaders => Some(&vm.context.request.headers),
        Part::ResponseHeaders => vm.context.response.as_ref().map(|r| &r.headers),
        _ => None,
    }
}

fn string_list(list: &[String]) -> Value {
    Value::strings(list.iter().map(String::as_str))
}

/// A dictionary part's value for a key.
pub(crate) fn look_up(vm: &mut Vm<'_>, part: Part, key: &Value) -> Result<Option<Value>, Thrown> {
    let Value::Str(name) = key else { return Ok(None) };
    let name = name.to_lossy();
    if part == Part::Variables {
        return Ok(vm.context.variables.get(&name).cloned());
    }
    if let Some(map) = headers_of(vm, part) {
        let response = part == Part::ResponseHeaders;
        let foreign = || {
            vm.context
                .evaluation
                .names
                .foreign(response, &name)
                .map(string_list)
        };
        return Ok(header(map, &name).map(|l| string_list(&l)).or_else(foreign));
    }
    if let Some(u) = url(vm, part) {
        let list: Vec<String> = query_pairs(&u.query)
            .into_iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(&name))
            .map(|(_, v)| v)
            .collect();
        return Ok((!list.is_empty()).then(|| string_list(&list)));
    }
    match part {
        Part::MatchedParameters => {
            let found = vm
                .context
                .request
                .matched_parameters
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(&name));
            Ok(found.map(|(_, v)| Value::string(v)))
        }
        Part::Certificates => {
            let found = vm
                .context
                .deployment
                .certificates
                .iter()
                .find(|(n, _)| **n == *name)
                .map(|(_, der)| der.clone());
            found.map(|der| super::make_certificate(&der)).transpose()
        }
        _ => Ok(None),
    }
}

/// Entries of a dictionary part, or members of a list part.
pub(crate) fn context_items(vm: &mut Vm<'_>, part: Part) -> Vec<Value> {
    let pair = |ty: &Type, k: &str, v: Value| {
        let ty = Type::generic(types::KEY_VALUE_PAIR, ty.args().to_vec());
        Value::object(ty, Data::Pair(Value::string(k), v))
    };
    let ty = part.ty();
    if part == Part::Variables {
        return vm
            .context
            .variables
            .iter()
            .map(|(n, v)| pair(&ty, n, v.clone()))
            .collect();
    }
    if let Some(map) = headers_of(vm, part) {
        let names = &vm.context.evaluation.names;
        let known = map.keys().map(|n| {
            let values = header(map, n.as_str()).unwrap_or_default();
            pair(&ty, names.shown(n), string_list(&values))
        });
        let mut all: Vec<Value> = known.collect();
        for (i, f) in names.all_foreign(part == Part::ResponseHeaders).enumerate() {
            all.insert(
                (f.before + i).min(all.len()),
                pair(&ty, &f.name, string_list(&f.values)),
            );
        }
        return all;
    }
    if let Some(u) = url(vm, part) {
        let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
        for (n, v) in query_pairs(&u.query) {
            match grouped.iter_mut().find(|(g, _)| g.eq_ignore_ascii_case(&n)) {
                Some((_, list)) => list.push(v),
                None => grouped.push((n, vec![v])),
            }
        }
        return grouped
            .iter()
            .map(|(n, list)| pair(&ty, n, string_list(list)))
            .collect();
    }
    match part {
        Part::MatchedParameters => vm
            .context
            .request
            .matched_parameters
            .iter()
            .map(|(n, v)| pair(&ty, n, Value::string(v)))
            .collect(),
        Part::Certificates => {
            let list = vm.context.deployment.certificates.clone();
            list.iter()
                .filter_map(|(n, der)| super::make_certificate(der).ok().map(|v| pair(&ty, n, v)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// `GetValueOrDefault` on headers, queries and claims: values joined by commas.
fn joined(c: &mut Call<'_, '_>) -> Eval {
    let Value::Str(name) = c.arg(1).clone() else {
        return Err(gateway_dotnet::Error::null("key").into());
    };
    if let Value::Context(p) = c.arg(0)
        && let Some(map) = headers_of(c.vm, *p)
    {
        let all = map.get_all(name.as_str().unwrap_or_default());
        return match (all.iter().next(), all.iter().nth(1)) {
            (None, _) => {
                let response = *p == Part::ResponseHeaders;
                let name = name.to_lossy();
                match c.vm.context.evaluation.names.foreign(response, &name) {
                    Some(values) => string(values.join(",")),
                    None => Ok(c.take(2)),
                }
            }
            (Some(one), None) => Ok(header_value(one)),
            _ => Ok(joined_headers(all)),
        };
    }
    match super::collections::look_up(c, &Value::Str(name))? {
        Some(Value::Object(o)) => match &o.data {
            Data::Array(items) => {
                let parts: Vec<String> = items
                    .borrow()
                    .iter()
                    .map(|v| v.to_text().unwrap_or_default())
                    .collect();
                string(parts.join(","))
            }
            _ => Ok(Value::Object(o)),
        },
        Some(v) => Ok(v),
        None => Ok(c.take(2)),
    }
}

fn value_or_default(c: &mut Call<'_, '_>) -> Eval {
    let key = c.arg(1).clone();
    if key.is_null() {
        return Err(gateway_dotnet::Error::null("key").into());
    }
    Ok(match super::collections::look_up(c, &key)? {
        Some(v) => v,
        None if c.args.len() > 2 => c.take(2),
        None => c.types.last().map_or(Value::Null, crate::cast::default_value),
    })
}

fn variable_object(c: &mut Call<'_, '_>) -> Eval {
    let key = c.arg(1).clone();
    if key.is_null() {
        return Err(gateway_dotnet::Error::null("key").into());
    }
    Ok(super::collections::look_up(c, &key)?.unwrap_or(Value::Null))
}

/// `Variables.GetValueOrDefault<T>`: a present value is cast.
fn variable_typed(c: &mut Call<'_, '_>) -> Eval {
    let key = c.arg(1).clone();
    if key.is_null() {
        return Err(gateway_dotnet::Error::null("key").into());
    }
    let ty = c.ty(0);
    match super::collections::look_up(c, &key)? {
        Some(v) => crate::cast::cast(v, &ty),
        None if c.args.len() > 2 => Ok(c.take(2)),
        None => Ok(crate::cast::default_value(&ty)),
    }
}

// ---- bodies

/// Where the bytes of a message body are.
pub(crate) struct BodyOf(pub Value);

fn body_bytes(c: &mut Call<'_, '_>, keep: bool) -> Result<bytes::Bytes, Thrown> {
    let take = |body: &mut Body| match body {
        Body::Buffered(b) => {
            let bytes = b.clone();
            if !keep {
                *body = Body::Consumed;
            }
            bytes
        }
        _ => bytes::Bytes::new(),
    };
    match c.arg(0) {
        Value::Context(Part::RequestBody) => Ok(take(&mut c.vm.context.request.body)),
        Value::Context(Part::ResponseBody) => match &mut c.vm.context.response {
            Some(r) => Ok(take(&mut r.body)),
            None => Ok(bytes::Bytes::new()),
        },
        Value::Object(o) => {
            let Some(BodyOf(Value::Object(response))) = o.native::<BodyOf>() else {
                return Ok(bytes::Bytes::new());
            };
            let Data::Response(r, consumed) = &response.data else {
                return Ok(bytes::Bytes::new());
            };
            if consumed.get() {
                return Ok(bytes::Bytes::new());
            }
            consumed.set(!keep);
            Ok(match &r.body {
                Body::Buffered(b) => b.clone(),
                _ => bytes::Bytes::new(),
            })
        }
        _ => Err(gateway_dotnet::Error::null_reference().into()),
    }
}

fn charset(c: &Call<'_, '_>) -> gateway_dotnet::encoding::Encoding {
    use gateway_dotnet::encoding::Encoding;
    let content_type = match c.arg(0) {
        Value::Context(Part::RequestBody) => c.vm.context.request.headers.get("content-type"),
        Value::Context(Part::ResponseBody) => {
            c.vm.context
                .response
                .as_ref()
                .and_then(|r| r.headers.get("content-type"))
        }
        Value::Object(o) => match o.native::<BodyOf>() {
            Some(BodyOf(Value::Object(r))) => match &r.data {
                Data::Response(r, _) => r.headers.get("content-type"),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let text = content_type
        .map(header_text)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = text
        .split("charset=")
        .nth(1)
        .unwrap_or("")
        .trim_start_matches('"');
    match name.split(['"', ';', ' ']).next().unwrap_or("") {
        "iso-8859-1" | "latin1" => Encoding::Latin1,
        "us-ascii" => Encoding::Ascii,
        "utf-16" | "utf-16le" => Encoding::Unicode,
        "utf-16be" => Encoding::BigEndianUnicode,
        _ => Encoding::Utf8,
    }
}

fn body_as(c: &mut Call<'_, '_>) -> Eval {
    let keep = matches!(c.arg(1), Value::Bool(true));
    let encoding = charset(c);
    let consumed = is_consumed(c);
    let bytes = body_bytes(c, keep)?;
    c.vm.charge(bytes.len().saturating_mul(2))?;
    let ty = c.ty(0);
    if matches!(&ty, Type::Array(of, 1) if of.is_def(types::BYTE)) {
        return Ok(Value::bytes(bytes.to_vec()));
    }
    let s = encoding.string(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes));
    if ty.is_string() {
        return text(s);
    }
    c.vm.charge(bytes.len().saturating_mul(4))?;
    // A body that was read away gives no tree (decisions: a second read sees an empty body).
    if consumed && bytes.is_empty() {
        return Ok(Value::Null);
    }
    match ty.def() {
        Some(types::JOBJECT) => Ok(Value::Json(gateway_dotnet::json::parse_object(&s)?)),
        Some(types::JARRAY) => Ok(Value::Json(gateway_dotnet::json::parse_array(&s)?)),
        Some(types::JTOKEN) => Ok(Value::Json(gateway_dotnet::json::parse_token(&s)?)),
        _ => super::parse_xml_body(&ty, &s),
    }
}

fn is_consumed(c: &Call<'_, '_>) -> bool {
    match c.arg(0) {
        Value::Context(Part::RequestBody) => c.vm.context.request.body == Body::Consumed,
        Value::Context(Part::ResponseBody) => {
            c.vm.context
                .response
                .as_ref()
                .is_some_and(|r| r.body == Body::Consumed)
        }
        Value::Object(o) => match o.native::<BodyOf>() {
            Some(BodyOf(Value::Object(r))) => matches!(&r.data, Data::Response(_, used) if used.get()),
            _ => false,
        },
        _ => false,
    }
}

fn form(c: &mut Call<'_, '_>) -> Eval {
    let keep = matches!(c.arg(1), Value::Bool(true));
    let bytes = body_bytes(c, keep)?;
    let mut entries: Vec<(Value, Value)> = Vec::new();
    let decode = |s: &str| percent_decode(&s.replace('+', " "), false);
    for pair in String::from_utf8_lossy(&bytes)
        .split('&')
        .filter(|p| !p.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (Value::string(&decode(name)), Value::string(&decode(value)));
        c.vm.charge(4 * size_of::<Value>())?;
        match entries
            .iter()
            .find(|(n, _)| crate::equality::object_equals(n, &name))
        {
            Some((_, Value::Object(list))) => {
                if let Data::List(l) = &list.data {
                    l.borrow_mut().items.push_back(value);
                }
            }
            _ => entries.push((name, Value::list(Type::STRING, vec![value]))),
        }
    }
    let ty = Type::generic(
        types::DICTIONARY,
        [Type::STRING, Type::generic(types::ILIST_T, [Type::STRING])],
    );
    Ok(super::make_table(ty, crate::equality::Comparer::Default, entries))
}

/// `name=value&…` of a form.
fn form_text(c: &mut Call<'_, '_>) -> Eval {
    let mut parts = Vec::new();
    for item in c.sequence(0, "dictionary")? {
        let Some((name, list)) = super::pair(&item) else {
            continue;
        };
        let encode = |v: &Value| form_encode(&v.to_text().unwrap_or_default());
        for value in c.vm.collect(&list)? {
            parts.push(format!("{}={}", encode(&name), encode(&value)));
        }
    }
    string(parts.join("&"))
}

fn form_encode(s: &str) -> String {
    let mut out = String::new();
    for b in s.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

// ---- responses

fn response<R>(c: &Call<'_, '_>, f: impl FnOnce(&crate::context::Response) -> R) -> Option<R> {
    match c.arg(0) {
        Value::Context(Part::Response) => c.vm.context.response.as_ref().map(f),
        Value::Object(o) => match &o.data {
            Data::Response(r, _) => Some(f(r)),
            _ => None,
        },
        _ => None,
    }
}

fn response_body(c: &mut Call<'_, '_>) -> Eval {
    let none = response(c, |r| r.body == Body::None).unwrap_or(true);
    if none {
        return Ok(Value::Null);
    }
    Ok(match c.arg(0) {
        Value::Context(_) => Value::Context(Part::ResponseBody),
        v => Value::object(
            registry().type_named("IMessageBody").unwrap_or(Type::OBJECT),
            Data::Native(Box::new(BodyOf(v.clone()))),
        ),
    })
}

fn response_headers(c: &mut Call<'_, '_>) -> Eval {
    if let Value::Context(_) = c.arg(0) {
        return Ok(Value::Context(Part::ResponseHeaders));
    }
    let entries = response(c, |r| {
        r.headers
            .keys()
            .map(|n| {
                (
                    Value::string(c.vm.context.evaluation.names.shown(n)),
                    string_list(&header(&r.headers, n.as_str()).unwrap_or_default()),
                )
            })
            .collect::<Vec<_>>()
    });
    let how = crate::equality::Comparer::Text(gateway_dotnet::text::StringComparison::OrdinalIgnoreCase);
    Ok(super::make_table(
        Part::RequestHeaders.ty(),
        how,
        entries.unwrap_or_default(),
    ))
}

fn reason(c: &mut Call<'_, '_>) -> Eval {
    let reason = response(c, |r| match &r.reason {
        Some(text) => text.to_string(),
        None => r.status.canonical_reason().unwrap_or("").to_owned(),
    });
    opt(reason.as_deref())
}

fn group(c: &Call<'_, '_>, f: fn(&crate::context::Group) -> &str) -> Eval {
    let ctx = &c.vm.context;
    let found = match part(c) {
        Some(Part::ProductGroup(i)) => ctx.product.as_ref().and_then(|p| p.groups.get(usize::from(i))),
        Some(Part::UserGroup(i)) => ctx.user.as_ref().and_then(|u| u.groups.get(usize::from(i))),
        _ => None,
    };
    opt(found.map(f))
}

fn identity(c: &Call<'_, '_>, id: bool) -> Eval {
    let found = match part(c) {
        Some(Part::UserIdentity(i)) => {
            c.vm.context
                .user
                .as_ref()
                .and_then(|u| u.identities.get(usize::from(i)))
        }
        _ => None,
    };
    opt(found.map(|(provider, name)| if id { &**name } else { &**provider }))
}

fn parts_list(name: &str, count: usize, make: fn(u16) -> Part) -> Eval {
    let ty = registry().type_named(name).unwrap_or(Type::OBJECT);
    Ok(Value::array(
        ty,
        (0..count as u16).map(|i| Value::Context(make(i))).collect(),
    ))
}

fn has_deployment(vm: &Vm<'_>) -> bool {
    let d = &vm.context.deployment;
    let named = [&d.gateway_id, &d.instance_id, &d.service_id, &d.service_name];
    // A node always has an instance; a node without a name for its gateway still is a deployment.
    named.iter().any(|name| !name.is_empty()) || !d.certificates.is_empty()
}

mod table;

pub(super) use table::TYPES;
