//! The `context` object: everything a policy can see of one exchange.
//!
//! Plain data. The agent fills it, policies and expressions read and change it, the agent takes the
//! messages back out. Entities are shared (`Arc`) with the snapshot they come from.
//! Source: "API Management policy expressions", context variable; `expressions.md` §3.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::Value;

/// One exchange as policies see it. Lives on one worker; never shared between threads.
#[derive(Debug)]
pub struct Context {
    /// The matched API; `None` when nothing matched.
    pub api: Option<Arc<Api>>,
    /// The matched operation.
    pub operation: Option<Arc<Operation>>,
    /// The product whose context the call is made in.
    pub product: Option<Arc<Product>>,
    /// The subscription whose key was used.
    pub subscription: Option<Arc<Subscription>>,
    /// Which of the subscription's keys was sent (`context.Subscription.Key`).
    pub subscription_key: Option<Arc<str>>,
    /// The owner of the subscription.
    pub user: Option<Arc<User>>,
    /// The backend entity chosen by policy.
    pub backend: Option<Arc<Backend>>,
    /// This gateway.
    pub deployment: Arc<Deployment>,
    /// The request: what the client sent, as changed so far.
    pub request: Request,
    /// The response under construction; `None` before there is one.
    pub response: Option<Response>,
    /// Why processing failed; `None` outside errors.
    pub last_error: Option<Box<LastError>>,
    /// `context.Variables`.
    pub variables: Variables,
    /// `context.RequestId`, the sixteen bytes in text order.
    pub request_id: [u8; 16],
    /// `context.Timestamp`: when the request arrived, .NET ticks in UTC.
    pub timestamp_ticks: i64,
    /// `context.Tracing`
    pub tracing: bool,
    /// Rules of evaluation, spellings of header names, messages of `context.Trace`.
    pub evaluation: crate::Evaluation,
}

/// A body, from where policies stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// The message has none: `context.Request.Body` is null.
    #[default]
    None,
    /// Still on the wire, held by the agent. Must be buffered before an expression can read it.
    Streaming,
    /// Read whole, or set by a policy.
    Buffered(Bytes),
    /// Was read without `preserveContent`: reads see an empty body, nothing is forwarded.
    Consumed,
}

/// `context.Request`
#[derive(Debug)]
pub struct Request {
    /// Current method.
    pub method: Method,
    /// Method as received (`OriginalMethod`).
    pub original_method: Method,
    /// Current URL, towards the backend.
    pub url: Url,
    /// URL as the client sent it.
    pub original_url: Url,
    /// Header fields.
    pub headers: HeaderMap,
    /// Values of the operation template's parameters, names as in the template.
    pub matched_parameters: Vec<(Arc<str>, String)>,
    /// Body.
    pub body: Body,
    /// Address of the immediate peer.
    pub ip_address: Option<IpAddr>,
    /// Client certificate of the TLS handshake, DER.
    pub certificate: Option<Arc<[u8]>>,
}

/// `context.Response`, and every `IResponse` in a variable.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Reason phrase; `None` stands for the code's standard one.
    pub reason: Option<Arc<str>>,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
}

/// `IUrl`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// `http` or `https`.
    pub scheme: Arc<str>,
    /// Host without port.
    pub host: Arc<str>,
    /// Port, the scheme's default included.
    pub port: u16,
    /// Path, percent-encoded as received, with leading slash.
    pub path: String,
    /// Query without the question mark; empty when there is none.
    pub query: String,
}

/// `context.Api`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the members of IApi under their own names"
)]
pub struct Api {
    pub id: Arc<str>,
    pub name: Arc<str>,
    pub path: Arc<str>,
    pub revision: Arc<str>,
    pub is_current_revision: bool,
    pub version: Option<Arc<str>>,
    pub service_url: Option<Url>,
    pub protocols: Vec<Arc<str>>,
    pub key_header: Arc<str>,
    pub key_query: Arc<str>,
}

/// `context.Operation`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the members of IOperation under their own names"
)]
pub struct Operation {
    pub id: Arc<str>,
    pub method: Arc<str>,
    pub name: Arc<str>,
    pub url_template: Arc<str>,
}

/// `context.Product`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the members of IProduct under their own names"
)]
pub struct Product {
    pub id: Arc<str>,
    pub name: Arc<str>,
    pub published: bool,
    pub approval_required: bool,
    pub subscription_required: bool,
    pub subscriptions_limit: Option<i32>,
    pub groups: Vec<Group>,
}

/// `IGroup`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the members of IGroup under their own names"
)]
pub struct Group {
    pub id: Arc<str>,
    pub name: Arc<str>,
}

/// `context.Subscription`; dates are .NET ticks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the members of ISubscription under their own names"
)]
pub struct Subscription {
    pub id: Arc<str>,
    pub name: Arc<str>,
    pub primary_key: Option<Arc<str>>,
    pub secondary_key: Option<Arc<str>>,
    pub created_ticks: i64,
    pub start_ticks: Option<i64>,
    pub end_ticks: Option<i64>,
}

/// `context.User`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the members of IUser under their own names"
)]
pub struct User {
    pub id: Arc<str>,
    pub first_name: Arc<str>,
    pub last_name: Arc<str>,
    pub email: Arc<str>,
    pub note: Arc<str>,
    pub registration_ticks: i64,
    pub groups: Vec<Group>,
    /// Provider and id of each identity.
    pub identities: Vec<(Arc<str>, Arc<str>)>,
}

/// `context.Backend`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the members of IBackend under their own names"
)]
pub struct Backend {
    pub id: Arc<str>,
    pub azure_region: Option<Arc<str>>,
    pub is_pool: bool,
}

/// `context.Deployment`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// `Gateway.Id` and `GatewayId`: the gateway entity's name.
    pub gateway_id: Arc<str>,
    /// `Gateway.InstanceId`: this node.
    pub instance_id: Arc<str>,
    /// `Gateway.IsManaged`: false here; true only in simulations of the managed gateway.
    pub is_managed: bool,
    /// `Region`: the gateway entity's location name.
    pub region: Arc<str>,
    /// `ServiceId`
    pub service_id: Arc<str>,
    /// `ServiceName`
    pub service_name: Arc<str>,
    /// `Certificates`: certificate id and DER (or PFX) bytes.
    pub certificates: Vec<(Arc<str>, Arc<[u8]>)>,
    /// Port of the Dapr sidecar on this host; `None`: 3500. Expressions do not see it.
    pub dapr_port: Option<u16>,
}

/// `context.LastError`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the members of ILastError under their own names"
)]
pub struct LastError {
    pub source: Arc<str>,
    pub reason: Arc<str>,
    pub message: String,
    pub scope: Option<Arc<str>>,
    pub section: Option<Arc<str>>,
    pub path: Option<Arc<str>>,
    pub policy_id: Option<Arc<str>>,
    /// Status that the failure leads to; `HttpErrorCode`, a member the documentation does not list.
    pub http_error_code: u16,
}

/// `context.Variables`: few, so a list beats a map.
#[derive(Debug, Default)]
pub struct Variables(Vec<(Arc<str>, Value)>);

impl Variables {
    /// The value of `name` (case-sensitive).
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| &**n == name).map(|(_, v)| v)
    }

    /// Sets or replaces `name`.
    pub fn set(&mut self, name: &Arc<str>, value: Value) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((Arc::clone(name), value)),
        }
    }

    /// Takes `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(n, _)| &**n == name)?;
        Some(self.0.remove(at).1)
    }

    /// All, in order of first setting.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.0.iter().map(|(n, v)| (n, v))
    }
}
