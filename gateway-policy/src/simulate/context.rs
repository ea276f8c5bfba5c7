//! The scenario's `context` member: the exchange before the first policy.
//!
//! The format is that of the expression cases (`gateway_expr::cases`), so that one description serves `eval`
//! and `simulate`; entities and the caller's address can be given on top.

use std::sync::Arc;

use gateway_expr::cases::context_from_json;
use http::{HeaderMap, HeaderName, HeaderValue};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::Value as Json;

use crate::{
    context::{Api, Context, Deployment, Operation, Product, Subscription, Url, User},
    url,
};

pub(super) fn from_json(json: &Json) -> Result<Context, String> {
    let mut context = context_from_json(&with_text_bodies(json)).map_err(|e| format!("context: {e}"))?;
    // The model shows an error to expressions; an exchange starts without one.
    context.last_error = None;
    if let Some(given) = entity(json, "api") {
        context.api = Some(api(given)?);
    }
    if let Some(o) = entity(json, "operation") {
        context.operation = Some(Arc::new(Operation {
            id: text(o, "id"),
            method: text(o, "method"),
            name: text(o, "name"),
            url_template: text(o, "urlTemplate"),
        }));
    }
    if let Some(p) = entity(json, "product") {
        context.product = Some(Arc::new(Product {
            id: text(p, "id"),
            name: text(p, "name"),
            ..Product::default()
        }));
    }
    if let Some(s) = entity(json, "subscription") {
        let primary_key = optional(s, "key");
        context.subscription_key = primary_key.clone();
        context.subscription = Some(Arc::new(Subscription {
            id: text(s, "id"),
            name: text(s, "name"),
            primary_key,
            ..Subscription::default()
        }));
    }
    if let Some(u) = entity(json, "user") {
        context.user = Some(Arc::new(User {
            id: text(u, "id"),
            email: text(u, "email"),
            first_name: text(u, "firstName"),
            last_name: text(u, "lastName"),
            ..User::default()
        }));
    }
    if let Some(given) = entity(json, "deployment") {
        context.deployment = Arc::new(deployment(given)?);
    } else if json.get("model").is_none() {
        context.deployment = Arc::new(deployment(&Json::Null)?);
    }
    if let Some(address) = json.pointer("/request/ipAddress").and_then(Json::as_str) {
        let parsed = address
            .parse()
            .map_err(|_| "context.request.ipAddress is not an address")?;
        context.request.ip_address = Some(parsed);
    }
    if let Some(pem) = json.pointer("/request/certificate") {
        context.request.certificate = Some(certificate(pem, "context.request.certificate")?);
    }
    Ok(context)
}

/// The listener would have verified the client's certificate; one that is given is trusted unless it says otherwise.
pub(super) fn certificate_trusted(json: &Json) -> Result<bool, String> {
    match json.pointer("/request/certificateTrusted") {
        None => Ok(json.pointer("/request/certificate").is_some()),
        Some(flag) => flag
            .as_bool()
            .ok_or_else(|| "context.request.certificateTrusted must be true or false".into()),
    }
}

/// A certificate in PEM.
fn certificate(pem: &Json, place: &str) -> Result<Arc<[u8]>, String> {
    let text = pem.as_str().unwrap_or_default();
    let der = CertificateDer::from_pem_slice(text.as_bytes());
    der.map(|der| Arc::from(der.as_ref()))
        .map_err(|_| format!("{place} must be a certificate in PEM"))
}

/// Members on top of the format of cases, which knows no others than its own.
const ENTITIES: [&str; 6] = [
    "api",
    "operation",
    "product",
    "subscription",
    "user",
    "deployment",
];
const OF_REQUEST: [&str; 3] = ["ipAddress", "certificate", "certificateTrusted"];

/// The part that cases know. Bodies that are JSON become its text, as everywhere in a scenario.
fn with_text_bodies(json: &Json) -> Json {
    let mut json = json.clone();
    if let Some(members) = json.as_object_mut() {
        members.retain(|name, _| !ENTITIES.contains(&name.as_str()));
    }
    if let Some(request) = json.get_mut("request").and_then(Json::as_object_mut) {
        request.retain(|name, _| !OF_REQUEST.contains(&name.as_str()));
    }
    for message in ["request", "response"] {
        if let Some(body) = json.get_mut(message).and_then(|m| m.get_mut("body"))
            && !body.is_string()
            && !body.is_null()
        {
            *body = body.to_string().into();
        }
    }
    json
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

fn deployment(json: &Json) -> Result<Deployment, String> {
    let mut certificates = Vec::new();
    for (id, pem) in json
        .get("certificates")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
    {
        let place = format!("context.deployment.certificates.{id}");
        certificates.push((id.as_str().into(), certificate(pem, &place)?));
    }
    let or = |name: &str, default: &str| optional(json, name).unwrap_or_else(|| default.into());
    Ok(Deployment {
        gateway_id: or("gatewayId", "gw1"),
        instance_id: or("instanceId", "gw1-0"),
        is_managed: json.get("isManaged").and_then(Json::as_bool).unwrap_or(false),
        region: or("region", "on-premises"),
        service_id: or("serviceId", "contoso"),
        service_name: or("serviceName", "contoso"),
        certificates,
        dapr_port: None,
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
