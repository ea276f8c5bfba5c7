//! The `context` model: `IExpressionContext` and everything reached from it.

use gateway_dotnet::{
    Str,
    guid::Guid,
    time::{DateTime, DateTimeKind, TimeSpan},
};

use super::{
    Call, Decl,
    Entry::{self, Get},
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

fn header_text(v: &http::HeaderValue) -> String {
    match std::str::from_utf8(v.as_bytes()) {
        Ok(s) => s.to_owned(),
        Err(_) => v.as_bytes().iter().map(|b| char::from(*b)).collect(),
    }
}

/// The values of a header; `None` if there is none of that name.
fn header(map: &http::HeaderMap, name: &str) -> Option<Vec<String>> {
    let list: Vec<String> = map.get_all(name).iter().map(header_text).collect();
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
        return Ok(header(map, &name).map(|l| string_list(&l)));
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
        return map
            .keys()
            .map(|n| {
                pair(
                    &ty,
                    n.as_str(),
                    string_list(&header(map, n.as_str()).unwrap_or_default()),
                )
            })
            .collect();
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
        let mut all = map.get_all(name.as_str().unwrap_or_default()).iter();
        return match (all.next(), all.next()) {
            (None, _) => Ok(c.take(2)),
            (Some(one), None) => string(header_text(one)),
            (Some(a), Some(b)) => {
                let mut out = format!("{},{}", header_text(a), header_text(b));
                for more in all {
                    out.push(',');
                    out.push_str(&header_text(more));
                }
                string(out)
            }
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

fn charset(c: &Call<'_, '_>) -> super::convert::Encoding {
    use super::convert::Encoding;
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
        "utf-16" | "utf-16le" => Encoding::Utf16,
        "utf-16be" => Encoding::Utf16Big,
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
    let s = super::convert::decode(encoding, bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes));
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
                    Value::string(n.as_str()),
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
    !(d.gateway_id.is_empty() && d.service_id.is_empty() && d.service_name.is_empty())
}

const CONTEXT: &[Entry] = &[
    Get("IApi Api", |c| when(c.vm.context.api.is_some(), Part::Api)),
    Get("IBackend Backend", |c| {
        when(c.vm.context.backend.is_some(), Part::Backend)
    }),
    Get("IDeployment Deployment", |c| {
        when(has_deployment(c.vm), Part::Deployment)
    }),
    Get("TimeSpan Elapsed", |c| {
        let elapsed = c.vm.world.utc_now_ticks() - c.vm.context.timestamp_ticks;
        Ok(Value::TimeSpan(TimeSpan::from_ticks(elapsed)))
    }),
    Get("IGraphQL GraphQL", |_| Ok(Value::Null)),
    Get("ILastError LastError", |c| {
        when(c.vm.context.last_error.is_some(), Part::LastError)
    }),
    Get("IOperation Operation", |c| {
        when(c.vm.context.operation.is_some(), Part::Operation)
    }),
    Get("IProduct Product", |c| {
        when(c.vm.context.product.is_some(), Part::Product)
    }),
    Get("IRequest Request", |_| Ok(Value::Context(Part::Request))),
    Get("Guid RequestId", |c| {
        // The bytes are in text order; the constructor takes .NET's mixed order.
        let b = c.vm.context.request_id;
        let mixed = [
            b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
            b[15],
        ];
        Ok(Value::Guid(Guid::from_bytes(&mixed)?))
    }),
    Get("IResponse Response", |c| {
        when(c.vm.context.response.is_some(), Part::Response)
    }),
    Get("ISubscription Subscription", |c| {
        when(c.vm.context.subscription.is_some(), Part::Subscription)
    }),
    Get("DateTime Timestamp", |c| Ok(utc(c.vm.context.timestamp_ticks))),
    Get("bool Tracing", |c| Ok(Value::Bool(c.vm.context.tracing))),
    Get("IUser User", |c| when(c.vm.context.user.is_some(), Part::User)),
    Get("IReadOnlyDictionary<string, object> Variables", |_| {
        Ok(Value::Context(Part::Variables))
    }),
    Get("IWorkspace Workspace", |_| Ok(Value::Null)),
    Get("void Trace(string message)", |c| {
        let s = c.str_or_empty(1).to_lossy().into_owned();
        c.vm.charge(s.len())?;
        c.vm.messages.push(s);
        Ok(Value::Null)
    }),
];

const REQUEST: &[Entry] = &[
    Get("IMessageBody Body", |c| {
        when(c.vm.context.request.body != Body::None, Part::RequestBody)
    }),
    Get(
        "System.Security.Cryptography.X509Certificates.X509Certificate2 Certificate",
        |c| match c.vm.context.request.certificate.clone() {
            Some(der) => super::make_certificate(&der),
            None => Ok(Value::Null),
        },
    ),
    Get("IReadOnlyDictionary<string, string[]> Headers", |_| {
        Ok(Value::Context(Part::RequestHeaders))
    }),
    Get("string IpAddress", |c| {
        Ok(c.vm
            .context
            .request
            .ip_address
            .map_or(Value::Null, |ip| Value::string(&ip.to_string())))
    }),
    Get("IReadOnlyDictionary<string, string> MatchedParameters", |_| {
        Ok(Value::Context(Part::MatchedParameters))
    }),
    Get("string Method", |c| string(c.vm.context.request.method.as_str())),
    Get("string OriginalMethod", |c| {
        string(c.vm.context.request.original_method.as_str())
    }),
    Get("bool HasBody", |c| {
        Ok(Value::Bool(c.vm.context.request.body != Body::None))
    }),
    Get("IUrl OriginalUrl", |_| Ok(Value::Context(Part::OriginalUrl))),
    Get("IUrl Url", |_| Ok(Value::Context(Part::RequestUrl))),
    Get("IPrivateEndpointConnection PrivateEndpointConnection", |_| {
        Ok(Value::Null)
    }),
    Get("IFoundry Foundry", |_| Ok(Value::Null)),
];

const RESPONSE: &[Entry] = &[
    Get("IMessageBody Body", response_body),
    Get("IReadOnlyDictionary<string, string[]> Headers", response_headers),
    Get("int StatusCode", |c| {
        Ok(response(c, |r| i32::from(r.status.as_u16())).map_or(Value::Null, Value::Int))
    }),
    Get("string StatusReason", reason),
];

const EXTENSIONS: &[Entry] = &[
    Get(
        "static string GetValueOrDefault(this IReadOnlyDictionary<string, string[]> dictionary, string key, string defaultValue = null)",
        joined,
    ),
    Get(
        "static string GetValueOrDefault(this IReadOnlyDictionary<string, string> dictionary, string key, string defaultValue = null)",
        value_or_default,
    ),
    Get(
        "static object GetValueOrDefault(this IReadOnlyDictionary<string, object> dictionary, string key)",
        variable_object,
    ),
    Get(
        "static T GetValueOrDefault<T>(this IReadOnlyDictionary<string, object> dictionary, string key, T defaultValue = default)",
        variable_typed,
    ),
    Get(
        "static string ToQueryString(this IDictionary<string, IList<string>> dictionary)",
        form_text,
    ),
    Get(
        "static string ToFormUrlEncodedContent(this IDictionary<string, IList<string>> dictionary)",
        form_text,
    ),
    Get("static BasicAuthCredentials AsBasic(this string value)", |c| {
        Ok(super::jwt::basic(&c.str_or_empty(0)).unwrap_or(Value::Null))
    }),
    Get(
        "static bool TryParseBasic(this string value, out BasicAuthCredentials result)",
        |c| {
            let found = super::jwt::basic(&c.str_or_empty(0));
            let ok = found.is_some();
            c.out(1, found.unwrap_or(Value::Null));
            Ok(Value::Bool(ok))
        },
    ),
    Get("static Jwt AsJwt(this string value)", |c| {
        Ok(super::jwt::parse(&c.str_or_empty(0).to_lossy()).unwrap_or(Value::Null))
    }),
    Get(
        "static bool TryParseJwt(this string value, out Jwt result)",
        |c| {
            let found = super::jwt::parse(&c.str_or_empty(0).to_lossy());
            let ok = found.is_some();
            c.out(1, found.unwrap_or(Value::Null));
            Ok(Value::Bool(ok))
        },
    ),
];

pub(super) const TYPES: &[Decl] = &[
    all("interface IExpressionContext", CONTEXT),
    all("interface IRequest", REQUEST),
    all("interface IResponse", RESPONSE),
    all(
        "interface IMessageBody",
        &[
            Get("T As<T>(bool preserveContent = false)", body_as),
            Get(
                "IDictionary<string, IList<string>> AsFormUrlEncodedContent(bool preserveContent = false)",
                form,
            ),
        ],
    ),
    all(
        "interface IUrl",
        &[
            Get("string Host", |c| url_prop(c, |u| Value::string(&u.host))),
            Get("string Path", |c| url_prop(c, |u| Value::string(&u.path))),
            Get("int Port", |c| url_prop(c, |u| Value::Int(i32::from(u.port)))),
            Get("string Scheme", |c| url_prop(c, |u| Value::string(&u.scheme))),
            Get("string QueryString", |c| {
                url_prop(c, |u| {
                    Value::string(&if u.query.is_empty() {
                        String::new()
                    } else {
                        format!("?{}", u.query)
                    })
                })
            }),
            Get("IReadOnlyDictionary<string, string[]> Query", |c| {
                Ok(Value::Context(match part(c) {
                    Some(Part::RequestUrl) => Part::RequestUrlQuery,
                    Some(Part::ApiServiceUrl) => Part::ServiceUrlQuery,
                    _ => Part::OriginalUrlQuery,
                }))
            }),
            Get("Uri ToUri()", |c| {
                let whole = part(c)
                    .and_then(|p| url(c.vm, p))
                    .map(url_text)
                    .unwrap_or_default();
                Ok(super::make_uri(&Str::new(&whole)))
            }),
            Get("string ToString()", super::base::to_string),
        ],
    ),
    all(
        "interface IApi",
        &[
            Get("string Id", |c| entity!(c, api, e => string(&e.id))),
            Get("string Name", |c| entity!(c, api, e => string(&e.name))),
            Get("string Path", |c| entity!(c, api, e => string(&e.path))),
            Get("string Revision", |c| entity!(c, api, e => string(&e.revision))),
            Get(
                "bool IsCurrentRevision",
                |c| entity!(c, api, e => Ok(Value::Bool(e.is_current_revision))),
            ),
            Get(
                "string Version",
                |c| entity!(c, api, e => opt(e.version.as_deref())),
            ),
            Get(
                "IUrl ServiceUrl",
                |c| entity!(c, api, e => when(e.service_url.is_some(), Part::ApiServiceUrl)),
            ),
            Get(
                "IEnumerable<string> Protocols",
                |c| entity!(c, api, e => Ok(Value::strings(e.protocols.iter().map(|p| &**p)))),
            ),
            Get(
                "ISubscriptionKeyParameterNames SubscriptionKeyParameterNames",
                |c| when(c.vm.context.api.is_some(), Part::ApiKeyNames),
            ),
        ],
    ),
    all(
        "interface ISubscriptionKeyParameterNames",
        &[
            Get("string Header", |c| entity!(c, api, e => string(&e.key_header))),
            Get("string Query", |c| entity!(c, api, e => string(&e.key_query))),
        ],
    ),
    all(
        "interface IBackend",
        &[
            Get("string Id", |c| entity!(c, backend, e => string(&e.id))),
            Get(
                "string AzureRegion",
                |c| entity!(c, backend, e => opt(e.azure_region.as_deref())),
            ),
            Get("BackendType Type", |c| {
                entity!(c, backend, e => Ok(Value::Enum(
                    registry().by_full_name("BackendType").unwrap_or(types::OBJECT),
                    i64::from(e.is_pool),
                )))
            }),
        ],
    ),
    values("enum BackendType", Verdict::All, &[("Single", 0), ("Pool", 1)]),
    all(
        "interface IDeployment",
        &[
            Get("IGateway Gateway", |_| Ok(Value::Context(Part::Gateway))),
            Get("string GatewayId", |c| {
                string(&c.vm.context.deployment.gateway_id)
            }),
            Get("string Region", |c| string(&c.vm.context.deployment.region)),
            Get("string ServiceId", |c| {
                string(&c.vm.context.deployment.service_id)
            }),
            Get("string ServiceName", |c| {
                string(&c.vm.context.deployment.service_name)
            }),
            Get(
                "IReadOnlyDictionary<string, System.Security.Cryptography.X509Certificates.X509Certificate2> Certificates",
                |_| Ok(Value::Context(Part::Certificates)),
            ),
            Get("ISustainabilityInfo SustainabilityInfo", |_| Ok(Value::Null)),
        ],
    ),
    all(
        "interface ISustainabilityInfo",
        &[Get("CarbonIntensityCategory CurrentCarbonIntensity", |_| {
            Ok(Value::Null)
        })],
    ),
    values(
        "enum CarbonIntensityCategory",
        Verdict::All,
        &[
            ("NotAvailable", 0),
            ("VeryLow", 1),
            ("Low", 2),
            ("Medium", 3),
            ("High", 4),
            ("VeryHigh", 5),
        ],
    ),
    all(
        "interface IFoundry",
        &[Get("string Deployment", |_| Ok(Value::Null))],
    ),
    all(
        "interface IGateway",
        &[
            Get("string Id", |c| string(&c.vm.context.deployment.gateway_id)),
            Get("string InstanceId", |c| {
                string(&c.vm.context.deployment.instance_id)
            }),
            Get("bool IsManaged", |c| {
                Ok(Value::Bool(c.vm.context.deployment.is_managed))
            }),
        ],
    ),
    all(
        "interface IGraphQLDataObject",
        &[Get("object this[string k]", |_| Ok(Value::Null))],
    ),
    all(
        "interface IGraphQL",
        &[
            Get("Newtonsoft.Json.Linq.JObject Arguments", |_| Ok(Value::Null)),
            Get("Newtonsoft.Json.Linq.JObject Parent", |_| Ok(Value::Null)),
        ],
    ),
    all(
        "interface ILastError",
        &[
            Get(
                "string Source",
                |c| entity!(c, last_error, e => string(&e.source)),
            ),
            Get(
                "string Reason",
                |c| entity!(c, last_error, e => string(&e.reason)),
            ),
            Get(
                "string Message",
                |c| entity!(c, last_error, e => string(&e.message)),
            ),
            Get(
                "string Scope",
                |c| entity!(c, last_error, e => opt(e.scope.as_deref())),
            ),
            Get(
                "string Section",
                |c| entity!(c, last_error, e => opt(e.section.as_deref())),
            ),
            Get(
                "string Path",
                |c| entity!(c, last_error, e => opt(e.path.as_deref())),
            ),
            Get(
                "string PolicyId",
                |c| entity!(c, last_error, e => opt(e.policy_id.as_deref())),
            ),
            Get("int HttpErrorCode", |_| Ok(Value::Int(401))),
        ],
    ),
    all(
        "interface IOperation",
        &[
            Get("string Id", |c| entity!(c, operation, e => string(&e.id))),
            Get("string Method", |c| entity!(c, operation, e => string(&e.method))),
            Get("string Name", |c| entity!(c, operation, e => string(&e.name))),
            Get(
                "string UrlTemplate",
                |c| entity!(c, operation, e => string(&e.url_template)),
            ),
        ],
    ),
    all(
        "interface IGroup",
        &[
            Get("string Id", |c| group(c, |g| &g.id)),
            Get("string Name", |c| group(c, |g| &g.name)),
        ],
    ),
    values(
        "enum ProductState",
        Verdict::All,
        &[("NotPublished", 0), ("Published", 1)],
    ),
    all(
        "interface IProduct",
        &[
            Get("IEnumerable<IApi> Apis", |c| {
                parts_list("IApi", usize::from(c.vm.context.api.is_some()), |_| Part::Api)
            }),
            Get(
                "bool ApprovalRequired",
                |c| entity!(c, product, e => Ok(Value::Bool(e.approval_required))),
            ),
            Get("IEnumerable<IGroup> Groups", |c| {
                let count = c.vm.context.product.as_ref().map_or(0, |p| p.groups.len());
                parts_list("IGroup", count, Part::ProductGroup)
            }),
            Get("string Id", |c| entity!(c, product, e => string(&e.id))),
            Get("string Name", |c| entity!(c, product, e => string(&e.name))),
            Get("ProductState State", |c| {
                entity!(c, product, e => Ok(Value::Enum(
                    registry().by_full_name("ProductState").unwrap_or(types::OBJECT),
                    i64::from(e.published),
                )))
            }),
            Get(
                "int? SubscriptionsLimit",
                |c| entity!(c, product, e => Ok(e.subscriptions_limit.map_or(Value::Null, Value::Int))),
            ),
            Get(
                "int? SubscriptionLimit",
                |c| entity!(c, product, e => Ok(e.subscriptions_limit.map_or(Value::Null, Value::Int))),
            ),
            Get(
                "bool SubscriptionRequired",
                |c| entity!(c, product, e => Ok(Value::Bool(e.subscription_required))),
            ),
        ],
    ),
    all(
        "interface IPrivateEndpointConnection",
        &[
            Get("string Name", |_| Ok(Value::Null)),
            Get("string GroupId", |_| Ok(Value::Null)),
            Get("string MemberName", |_| Ok(Value::Null)),
        ],
    ),
    all(
        "interface ISubscription",
        &[
            Get(
                "DateTime CreatedDate",
                |c| entity!(c, subscription, e => Ok(utc(e.created_ticks))),
            ),
            Get(
                "DateTime? EndDate",
                |c| entity!(c, subscription, e => Ok(e.end_ticks.map_or(Value::Null, utc))),
            ),
            Get("string Id", |c| entity!(c, subscription, e => string(&e.id))),
            Get("string Key", |c| {
                let key = c.vm.context.subscription_key.clone();
                match key {
                    Some(k) => string(&k),
                    None => entity!(c, subscription, e => opt(e.primary_key.as_deref())),
                }
            }),
            Get("string Name", |c| entity!(c, subscription, e => string(&e.name))),
            Get(
                "string PrimaryKey",
                |c| entity!(c, subscription, e => opt(e.primary_key.as_deref())),
            ),
            Get(
                "string SecondaryKey",
                |c| entity!(c, subscription, e => opt(e.secondary_key.as_deref())),
            ),
            Get(
                "DateTime? StartDate",
                |c| entity!(c, subscription, e => Ok(e.start_ticks.map_or(Value::Null, utc))),
            ),
        ],
    ),
    all(
        "interface IUserIdentity",
        &[
            Get("string Id", |c| identity(c, true)),
            Get("string Provider", |c| identity(c, false)),
        ],
    ),
    all(
        "interface IUser",
        &[
            Get("string Email", |c| entity!(c, user, e => string(&e.email))),
            Get(
                "string FirstName",
                |c| entity!(c, user, e => string(&e.first_name)),
            ),
            Get("IEnumerable<IGroup> Groups", |c| {
                let count = c.vm.context.user.as_ref().map_or(0, |u| u.groups.len());
                parts_list("IGroup", count, Part::UserGroup)
            }),
            Get("string Id", |c| entity!(c, user, e => string(&e.id))),
            Get("IEnumerable<IUserIdentity> Identities", |c| {
                let count = c.vm.context.user.as_ref().map_or(0, |u| u.identities.len());
                parts_list("IUserIdentity", count, Part::UserIdentity)
            }),
            Get("string LastName", |c| entity!(c, user, e => string(&e.last_name))),
            Get("string Note", |c| entity!(c, user, e => string(&e.note))),
            Get(
                "DateTime RegistrationDate",
                |c| entity!(c, user, e => Ok(utc(e.registration_ticks))),
            ),
        ],
    ),
    all(
        "interface IWorkspace",
        &[
            Get("string Id", |_| Ok(Value::Null)),
            Get("string Name", |_| Ok(Value::Null)),
        ],
    ),
    all("static ExpressionExtensions", EXTENSIONS),
    all(
        "static System.Collections.Generic.CollectionExtensions",
        &[
            Get(
                "static TValue GetValueOrDefault<TKey, TValue>(this IReadOnlyDictionary<TKey, TValue> dictionary, TKey key)",
                value_or_default,
            ),
            Get(
                "static TValue GetValueOrDefault<TKey, TValue>(this IReadOnlyDictionary<TKey, TValue> dictionary, TKey key, TValue defaultValue)",
                value_or_default,
            ),
        ],
    ),
];
