//! What the tests of this crate share: one exchange and one world that does not move.

use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::{
    World,
    context::{Api, Body, Context, Deployment, Operation, Request, Subscription, Url, Variables},
};

/// A clock that stands still and random numbers that are always the same.
pub(crate) struct FixedWorld;

impl World for FixedWorld {
    fn utc_now_ticks(&self) -> i64 {
        638_396_822_450_000_000
    }

    fn random(&self) -> u64 {
        7
    }
}

/// `GET https://api.contoso.com/echo/items/42?x=1`, API `echo-api` at `https://backend.example.com/base`.
pub(crate) fn context() -> Context {
    let url = |host: &str, path: &str| Url {
        scheme: "https".into(),
        host: host.into(),
        port: 443,
        path: path.into(),
        query: "x=1".into(),
    };
    let service_url = Url {
        query: String::new(),
        ..url("backend.example.com", "/base")
    };
    Context {
        api: Some(Arc::new(Api {
            id: "echo-api".into(),
            name: "Echo API".into(),
            path: "echo".into(),
            service_url: Some(service_url),
            key_header: "Ocp-Apim-Subscription-Key".into(),
            ..Api::default()
        })),
        operation: Some(Arc::new(Operation {
            id: "get-item".into(),
            method: "GET".into(),
            name: "Get item".into(),
            url_template: "/items/{id}".into(),
        })),
        product: None,
        subscription: Some(Arc::new(Subscription {
            id: "sub-1".into(),
            ..Subscription::default()
        })),
        subscription_key: None,
        user: None,
        backend: None,
        deployment: Arc::new(Deployment::default()),
        request: Request {
            method: Method::GET,
            original_method: Method::GET,
            url: url("backend.example.com", "/base/items/42"),
            original_url: url("api.contoso.com", "/echo/items/42"),
            headers: HeaderMap::new(),
            matched_parameters: vec![("id".into(), "42".into())],
            body: Body::None,
            ip_address: Some("203.0.113.7".parse().unwrap()),
            certificate: None,
        },
        response: None,
        last_error: None,
        variables: Variables::default(),
        request_id: [7; 16],
        timestamp_ticks: FixedWorld.utc_now_ticks(),
        tracing: false,
    }
}
