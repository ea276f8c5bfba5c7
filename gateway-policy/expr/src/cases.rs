//! The oracle's rows: a context described in JSON, and the outcome of an expression in the same terms.
//!
//! The format is that of `eval --context` and `eval --cases`; the fixed model `contoso` and the defaults
//! are those of the oracle's README.

use std::{cell::Cell, net::IpAddr, sync::Arc};

use bytes::Bytes;
use gateway_dotnet::{Str, json::Formatting, json::JsonWriter, json::Scalar};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use crate::{
    Context, Evaluation, HeaderNames, Value, World,
    context::{
        Api, Body, Deployment, Group, LastError, Operation, Product, Request, Response, Subscription, Url,
        User, Variables,
    },
    object::Data,
    types::{Type, registry},
    vm::Vm,
};

/// .NET ticks of 2024-01-02T03:04:05Z, the instant every case happens at.
const TIMESTAMP: i64 = 638_397_614_450_000_000;
/// `context.Elapsed` of every case: 5 ms.
const ELAPSED: i64 = 50_000;
/// `context.RequestId` of every case.
const REQUEST_ID: [u8; 16] = [
    0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0x00, 0xcf, 0x4f, 0xc9, 0x64, 0xff,
];

/// The clock and random numbers of cases: a fixed instant, a counter.
#[derive(Debug, Default)]
pub struct FixedWorld(Cell<u64>);

impl World for FixedWorld {
    fn utc_now_ticks(&self) -> i64 {
        TIMESTAMP + ELAPSED
    }

    fn random(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(1));
        self.0.get().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// Builds a context from the JSON form of the oracle's README.
///
/// # Errors
/// What is wrong with the description.
pub fn context_from_json(description: &Json) -> Result<Context, String> {
    let empty = Map::new();
    let top = match description {
        Json::Null => &empty,
        Json::Object(map) => map,
        other => return Err(format!("context: expected an object, found {other}")),
    };
    known(
        "context",
        description,
        &["model", "request", "response", "variables"],
    )?;
    let request = top.get("request").unwrap_or(&Json::Null);
    known("request", request, REQUEST)?;
    let url = text_of(request, "url")?.unwrap_or("https://api.contoso.com/a/b?x=1&y=2&x=3");
    let url = self::url(url).map_err(|e| format!("request.url: {e}"))?;
    let original = match text_of(request, "originalUrl")? {
        Some(text) => self::url(text).map_err(|e| format!("request.originalUrl: {e}"))?,
        None => url.clone(),
    };
    let method = text_of(request, "method")?.unwrap_or("GET");
    let method: Method = method
        .parse()
        .map_err(|_| format!("request.method: {method:?} is no method"))?;
    let mut names = HeaderNames::default();
    let mut context = Context {
        api: None,
        operation: None,
        product: None,
        subscription: None,
        subscription_key: None,
        user: None,
        backend: None,
        deployment: Arc::default(),
        request: Request {
            original_method: method.clone(),
            method,
            url,
            original_url: original,
            headers: headers(request.get("headers"), Some((&mut names, false)))?,
            matched_parameters: matched(request.get("matchedParameters"))?,
            body: body(request.get("body"), Body::None)?,
            ip_address: Some(IpAddr::from([203, 0, 113, 7])),
            certificate: None,
        },
        response: match top.get("response") {
            None | Some(Json::Null) => None,
            Some(r) => Some(response(r, Body::None, Some((&mut names, true)))?),
        },
        last_error: None,
        variables: Variables::default(),
        request_id: REQUEST_ID,
        timestamp_ticks: TIMESTAMP,
        tracing: false,
        evaluation: Evaluation::default(),
    };
    context.evaluation.names = names;
    match top.get("model").and_then(Json::as_str) {
        None => {}
        Some("contoso") => contoso(&mut context),
        Some(other) => return Err(format!("model: unknown model {other:?}, known is \"contoso\"")),
    }
    if let Some(Json::Object(variables)) = top.get("variables") {
        for (name, value) in variables {
            let value = variable(value, &mut context.evaluation.names)
                .map_err(|e| format!("variables.{name}: {e}"))?;
            context.variables.set(&Arc::from(name.as_str()), value);
        }
    }
    Ok(context)
}

/// Members of a described request.
const REQUEST: &[&str] = &[
    "method",
    "url",
    "originalUrl",
    "headers",
    "matchedParameters",
    "body",
];

/// Members of a described response.
const RESPONSE: &[&str] = &["status", "reason", "headers", "body"];

/// A misspelt member would describe another exchange than was meant.
fn known(place: &str, object: &Json, members: &[&str]) -> Result<(), String> {
    let mut names = object.as_object().into_iter().flat_map(Map::keys);
    match names.find(|name| !members.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{place}: unknown member {name:?}, known are {}",
            members.join(", ")
        )),
    }
}

fn text_of<'j>(object: &'j Json, name: &str) -> Result<Option<&'j str>, String> {
    match object.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(s)) => Ok(Some(s)),
        Some(other) => Err(format!("{name}: expected text, found {other}")),
    }
}

fn url(text: &str) -> Result<Url, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or_else(|| format!("{text:?} is no absolute URL"))?;
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(at);
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| format!("{text:?}: bad port"))?),
        None => (authority, if scheme == "http" { 80 } else { 443 }),
    };
    let path = if path.is_empty() {
        "/".to_owned()
    } else {
        path.to_owned()
    };
    let query = query.split('#').next().unwrap_or("").to_owned();
    Ok(Url {
        scheme: scheme.into(),
        host: host.into(),
        port,
        path,
        query,
    })
}

/// Where spellings go, and whether they are the response's.
type Names<'n> = Option<(&'n mut HeaderNames, bool)>;

fn headers(list: Option<&Json>, mut names: Names<'_>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    let Some(Json::Object(list)) = list else {
        return Ok(map);
    };
    for (name, value) in list {
        let values = match value {
            Json::Array(items) => items.iter().collect(),
            one => vec![one],
        };
        let key: HeaderName = match (name.parse::<HeaderName>(), &mut names) {
            (Ok(key), Some((names, _))) => {
                names.spell(&key, name);
                key
            }
            (Ok(key), None) => key,
            (Err(_), Some((names, response))) => {
                let texts = values
                    .iter()
                    .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
                names.add_foreign(*response, map.keys_len(), name, texts.collect());
                continue;
            }
            (Err(_), None) => return Err(format!("headers: {name:?} is no header name")),
        };
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value =
                HeaderValue::from_bytes(text.as_bytes()).map_err(|_| format!("headers.{name}: bad value"))?;
            map.append(key.clone(), value);
        }
    }
    Ok(map)
}

fn matched(list: Option<&Json>) -> Result<Vec<(Arc<str>, String)>, String> {
    let Some(Json::Object(list)) = list else {
        return Ok(Vec::new());
    };
    Ok(list
        .iter()
        .map(|(n, v)| {
            (
                Arc::from(n.as_str()),
                v.as_str().map_or_else(|| v.to_string(), str::to_owned),
            )
        })
        .collect())
}

fn body(value: Option<&Json>, absent: Body) -> Result<Body, String> {
    match value {
        None | Some(Json::Null) => Ok(absent),
        Some(Json::String(s)) => Ok(Body::Buffered(Bytes::from(s.clone()))),
        Some(other) => Err(format!("body: expected text, found {other}")),
    }
}

fn response(r: &Json, absent: Body, names: Names<'_>) -> Result<Response, String> {
    known("response", r, RESPONSE)?;
    let status = r.get("status").and_then(Json::as_u64).unwrap_or(200);
    let status = u16::try_from(status)
        .ok()
        .and_then(|s| StatusCode::from_u16(s).ok())
        .ok_or_else(|| format!("status: {status} is no status code"))?;
    Ok(Response {
        status,
        reason: Some(text_of(r, "reason")?.unwrap_or("OK").into()),
        headers: headers(r.get("headers"), names)?,
        body: body(r.get("body"), absent)?,
    })
}

fn variable(v: &Json, names: &mut HeaderNames) -> Result<Value, String> {
    match v {
        Json::Null => Ok(Value::Null),
        Json::Bool(b) => Ok(Value::Bool(*b)),
        Json::String(s) => Ok(Value::string(s)),
        Json::Number(n) => match n.as_i64().map(i32::try_from) {
            Some(Ok(i)) => Ok(Value::Int(i)),
            Some(Err(_)) => Err(format!(
                "{n} does not fit Int32; give {{\"$type\": \"Int64\", …}}"
            )),
            None => Err(format!("{n} is no integer; give {{\"$type\": \"Double\", …}}")),
        },
        Json::Object(map) => {
            let kind = map
                .get("$type")
                .and_then(Json::as_str)
                .ok_or("an object needs \"$type\" and \"value\"")?;
            typed(kind, map.get("value").unwrap_or(&Json::Null), names)
        }
        Json::Array(_) => Err("an array needs {\"$type\": \"JArray\", \"value\": […]}".to_owned()),
    }
}

fn typed(kind: &str, v: &Json, names: &mut HeaderNames) -> Result<Value, String> {
    let text = || v.as_str().ok_or_else(|| format!("{kind} needs text"));
    match kind {
        "JObject" | "JArray" | "JToken" => {
            let json = Str::new(&v.to_string());
            gateway_dotnet::json::parse_token(&json)
                .map(Value::Json)
                .map_err(|e| e.message.into_owned())
        }
        "Jwt" => Value::jwt(text()?).ok_or_else(|| "no compact token".to_owned()),
        "Bytes" => gateway_dotnet::number::convert::from_base64(text()?)
            .map(Value::bytes)
            .map_err(|e| e.message.into_owned()),
        "Response" => {
            let body = Body::Buffered(Bytes::new());
            Ok(Value::response(response(v, body, Some((names, true)))?))
        }
        _ => plain(kind, v),
    }
}

/// Other types are read as Newtonsoft converts a JSON value to `System.<kind>`.
fn plain(kind: &str, v: &Json) -> Result<Value, String> {
    let ty = registry()
        .type_named(&format!("System.{kind}"))
        .ok_or_else(|| format!("unknown type {kind:?}, known are JObject, JArray, JToken, Jwt, Bytes, Response, Int64, Double, DateTime and the like"))?;
    let (target, _) = crate::lib::json_target(&ty).ok_or_else(|| format!("type {kind:?} cannot be given"))?;
    let json = Str::new(&v.to_string());
    let token = gateway_dotnet::json::parse_token(&json).map_err(|e| e.message.into_owned())?;
    let scalar = token.scalar().unwrap_or(Scalar::Null);
    let today = gateway_dotnet::time::DateTime::from_ticks_clamped(TIMESTAMP, Default::default()).date();
    gateway_dotnet::json::change_type(&scalar, target, today)
        .or_else(|_| gateway_dotnet::json::cast(&token, target, today))
        .map(|s| crate::lib::typed_value(&s, target))
        .map_err(|e| e.message.into_owned())
}

const DAY_2023_05_06: i64 = 638_189_280_000_000_000;

fn contoso(context: &mut Context) {
    let text = |s: &str| -> Arc<str> { s.into() };
    context.api = Some(Arc::new(Api {
        id: text("echo-api"),
        name: text("Echo API"),
        path: text("echo"),
        revision: text("1"),
        is_current_revision: true,
        version: Some(text("v1")),
        service_url: url("https://backend.example.com/base").ok(),
        protocols: vec![text("https")],
        key_header: text("Ocp-Apim-Subscription-Key"),
        key_query: text("subscription-key"),
    }));
    context.operation = Some(Arc::new(Operation {
        id: text("get-item"),
        method: text("GET"),
        name: text("Get item"),
        url_template: text("/items/{id}"),
    }));
    let developers = || Group {
        id: text("developers"),
        name: text("Developers"),
    };
    context.product = Some(Arc::new(Product {
        id: text("starter"),
        name: text("Starter"),
        published: true,
        approval_required: false,
        subscription_required: true,
        subscriptions_limit: Some(1),
        groups: vec![developers()],
    }));
    context.subscription = Some(Arc::new(Subscription {
        id: text("sub-1"),
        name: text("My subscription"),
        primary_key: Some(text("0123456789abcdef0123456789abcdef")),
        secondary_key: Some(text("fedcba9876543210fedcba9876543210")),
        created_ticks: DAY_2023_05_06 + (7 * 3600 + 8 * 60 + 9) * 10_000_000,
        start_ticks: Some(DAY_2023_05_06),
        end_ticks: None,
    }));
    context.user = Some(Arc::new(User {
        id: text("user-1"),
        first_name: text("Ursula"),
        last_name: text("One"),
        email: text("u1@example.com"),
        note: text(""),
        registration_ticks: 637_766_894_450_000_000,
        groups: vec![
            developers(),
            Group {
                id: text("g2"),
                name: text("Gold"),
            },
        ],
        identities: vec![(text("Basic"), text("u1@example.com"))],
    }));
    context.deployment = Arc::new(Deployment {
        gateway_id: text("gw1"),
        instance_id: text("gw1-0"),
        is_managed: false,
        region: text("West Europe"),
        service_id: text("contoso"),
        service_name: text("contoso"),
        certificates: Vec::new(),
        dapr_port: None,
    });
    context.last_error = Some(Box::new(LastError {
        source: text("validate-jwt"),
        reason: text("TokenNotPresent"),
        message: "JWT not present.".to_owned(),
        scope: Some(text("api")),
        section: Some(text("inbound")),
        path: Some(text("choose[3]/when[2]")),
        policy_id: Some(text("p1")),
        http_error_code: 401,
    }));
}

/// Compiles and evaluates `source` in a described context; the result in the oracle's terms.
///
/// The allow-list is not applied: the oracle's compiler knows none. A context that cannot be built
/// gives `{"error": …}`.
pub fn outcome(source: &str, description: &Json) -> Json {
    let expression = match crate::compile_with(source, false) {
        Ok((expression, _)) => expression,
        Err(diagnostics) => {
            let errors: Vec<_> = diagnostics.iter().filter(|d| !d.warning).collect();
            let mut codes: Vec<&str> = errors.iter().map(|d| d.code).collect();
            codes.sort_unstable();
            codes.dedup();
            let message = errors
                .iter()
                .map(|d| format!("{} {}", d.code, d.message))
                .collect::<Vec<_>>()
                .join("; ");
            return json!({ "compile": codes, "message": message });
        }
    };
    let mut context = match context_from_json(description) {
        Ok(context) => context,
        Err(message) => return json!({ "error": message }),
    };
    let world = FixedWorld::default();
    match expression.evaluate(&mut context, &world) {
        Ok(value) => describe(&value, &mut context, &world),
        Err(e) => json!({ "throws": e.type_name, "message": e.message }),
    }
}

/// A value in the oracle's terms: `{"type": …, "text": …}` or `{"null": true}`.
pub fn describe(value: &Value, context: &mut Context, world: &dyn World) -> Json {
    let mut vm = Vm::new(context, world, crate::Limits::default());
    match value.type_name() {
        None => json!({ "null": true }),
        // The class behind the interface is the oracle's own.
        Some(name) if name == "IResponse" => json!({ "type": "Resp", "text": "Resp" }),
        Some(name) => match show(&mut vm, value) {
            Ok(text) => json!({ "type": name, "text": text }),
            Err(thrown) => {
                let e = crate::exception(thrown);
                json!({ "throws": e.type_name, "message": e.message })
            }
        },
    }
}

fn show(vm: &mut Vm<'_>, value: &Value) -> Result<String, crate::vm::Thrown> {
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Str(s) => {
            let mut writer = JsonWriter::new(Formatting::None);
            writer.scalar(&Scalar::String(s.clone()))?;
            writer.finish().to_lossy().into_owned()
        }
        Value::Object(o) => match &o.data {
            Data::Bytes(b) => {
                format!(
                    "0x{}",
                    b.borrow().iter().map(|b| format!("{b:02X}")).collect::<String>()
                )
            }
            _ if crate::types::enumerable_element(&o.ty).is_some() => list(vm, value)?,
            _ => vm.text_of(value)?.to_lossy().into_owned(),
        },
        Value::Context(part) if matches!(part.ty(), Type::Gen(..)) => list(vm, value)?,
        other => vm.text_of(other)?.to_lossy().into_owned(),
    })
}

fn list(vm: &mut Vm<'_>, value: &Value) -> Result<String, crate::vm::Thrown> {
    let mut parts = Vec::new();
    for item in vm.collect(value)? {
        parts.push(show(vm, &item)?);
    }
    Ok(format!("[{}]", parts.join(", ")))
}
