//! The scenario's `context` member: the exchange before the first policy.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value as Json;

use super::script::{body_from_json, response_from_json};
use crate::{
    Value,
    context::{Api, Context, Deployment, Operation, Product, Request, Subscription, Url, User, Variables},
    url,
};

/// `2024-01-02T03:04:05Z`, when every simulated request arrives.
const TIMESTAMP_TICKS: i64 = 638_397_686_450_000_000;

/// The request id of every simulation, in text order.
const REQUEST_ID: [u8; 16] = [
    0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0x00, 0xcf, 0x4f, 0xc9, 0x64, 0xff,
];

pub(super) fn from_json(json: &Json) -> Result<Context, String> {
    let response = match json.get("response") {
        None | Some(Json::Null) => None,
        Some(response) => Some(response_from_json(response, "context.response")?),
    };
    let subscription = json.get("subscription").filter(|s| !s.is_null()).map(|s| {
        Arc::new(Subscription {
            id: text(s, "id"),
            name: text(s, "name"),
            primary_key: optional(s, "key"),
            ..Subscription::default()
        })
    });
    Ok(Context {
        api: entity(json, "api").map(api).transpose()?,
        operation: entity(json, "operation").map(|o| {
            Arc::new(Operation {
                id: text(o, "id"),
                method: text(o, "method"),
                name: text(o, "name"),
                url_template: text(o, "urlTemplate"),
            })
        }),
        product: entity(json, "product").map(|p| {
            Arc::new(Product {
                id: text(p, "id"),
                name: text(p, "name"),
                ..Product::default()
            })
        }),
        subscription_key: subscription.as_ref().and_then(|s| s.primary_key.clone()),
        subscription,
        user: entity(json, "user").map(|u| {
            Arc::new(User {
                id: text(u, "id"),
                email: text(u, "email"),
                first_name: text(u, "firstName"),
                last_name: text(u, "lastName"),
                ..User::default()
            })
        }),
        backend: None,
        deployment: Arc::new(deployment(json.get("deployment").unwrap_or(&Json::Null))),
        request: request(json.get("request").unwrap_or(&Json::Null))?,
        response,
        last_error: None,
        variables: variables(json.get("variables"))?,
        request_id: REQUEST_ID,
        timestamp_ticks: TIMESTAMP_TICKS,
        tracing: false,
    })
}

fn entity<'j>(json: &'j Json, name: &str) -> Option<&'j Json> {
    json.get(name).filter(|e| !e.is_null())
}

fn text(json: &Json, name: &str) -> Arc<str> {
    json.get(name).and_then(Json::as_str).unwrap_or_default().into()
}

fn optional(json: &Json, name: &str) -> Option<Arc<str>> {
    json.get(name).and_then(Json::as_str).map(Arc::from)
}

fn api(json: &Json) -> Result<Arc<Api>, String> {
    let service_url = optional(json, "serviceUrl")
        .map(|u| parse_url(&u, "context.api.serviceUrl"))
        .transpose()?;
    Ok(Arc::new(Api {
        id: text(json, "id"),
        name: text(json, "name"),
        path: text(json, "path"),
        revision: optional(json, "revision").unwrap_or_else(|| "1".into()),
        is_current_revision: true,
        version: optional(json, "version"),
        service_url,
        protocols: vec!["https".into()],
        key_header: "Ocp-Apim-Subscription-Key".into(),
        key_query: "subscription-key".into(),
    }))
}

fn deployment(json: &Json) -> Deployment {
    let or = |name: &str, default: &str| optional(json, name).unwrap_or_else(|| default.into());
    Deployment {
        gateway_id: or("gatewayId", "gw1"),
        instance_id: or("instanceId", "gw1-0"),
        is_managed: json.get("isManaged").and_then(Json::as_bool).unwrap_or(false),
        region: or("region", "on-premises"),
        service_id: or("serviceId", "contoso"),
        service_name: or("serviceName", "contoso"),
        certificates: Vec::new(),
    }
}

fn request(json: &Json) -> Result<Request, String> {
    let url = optional(json, "url").unwrap_or_else(|| "https://api.contoso.com/a/b?x=1&y=2&x=3".into());
    let url = parse_url(&url, "context.request.url")?;
    let original_url = match optional(json, "originalUrl") {
        Some(original) => parse_url(&original, "context.request.originalUrl")?,
        None => url.clone(),
    };
    let method = optional(json, "method").unwrap_or_else(|| "GET".into());
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| "context.request.method is not a method")?;
    let ip = optional(json, "ipAddress").unwrap_or_else(|| "203.0.113.7".into());
    let mut matched_parameters = Vec::new();
    for (name, value) in json
        .get("matchedParameters")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
    {
        let value = value
            .as_str()
            .ok_or("context.request.matchedParameters must hold strings")?;
        matched_parameters.push((name.as_str().into(), value.to_owned()));
    }
    Ok(Request {
        original_method: method.clone(),
        method,
        url,
        original_url,
        headers: headers(json.get("headers"), "context.request")?,
        matched_parameters,
        body: body_from_json(json.get("body")),
        ip_address: Some(
            ip.parse()
                .map_err(|_| "context.request.ipAddress is not an address")?,
        ),
        certificate: None,
    })
}

fn parse_url(text: &str, place: &str) -> Result<Url, String> {
    let mut url = url::parse(text).map_err(|expected| format!("{place} must be {expected}"))?;
    if url.path.is_empty() {
        url.path = "/".into();
    }
    Ok(url)
}

/// `{"A": "x", "B": ["y", "z"]}`
pub(super) fn headers(json: Option<&Json>, place: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in json.and_then(Json::as_object).into_iter().flatten() {
        let header = HeaderName::from_bytes(name.as_bytes());
        let header = header.map_err(|_| format!("{place}.headers: `{name}` is not a header name"))?;
        let values = match value {
            Json::Array(values) => values.iter().collect(),
            one => vec![one],
        };
        for value in values {
            let value = value
                .as_str()
                .and_then(|v| HeaderValue::from_bytes(v.as_bytes()).ok());
            let value =
                value.ok_or_else(|| format!("{place}.headers.{name} must be text without line breaks"))?;
            headers.append(header.clone(), value);
        }
    }
    Ok(headers)
}

fn variables(json: Option<&Json>) -> Result<Variables, String> {
    let mut variables = Variables::default();
    for (name, value) in json.and_then(Json::as_object).into_iter().flatten() {
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::String(text) => Value::string(text),
            other => match other.as_i64().and_then(|n| i32::try_from(n).ok()) {
                Some(number) => Value::int(number),
                None => {
                    return Err(format!(
                        "context.variables.{name} must be null, a boolean, an Int32 or text"
                    ));
                }
            },
        };
        variables.set(&name.as_str().into(), value);
    }
    Ok(variables)
}
