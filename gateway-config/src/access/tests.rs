//! The decision table of the page "Subscriptions", row by row, and where keys are looked for.

use gateway_policy::context;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::routing::tests::api;

fn product(index: usize, id: &str, open: bool, apis: &[&str]) -> Arc<ProductEntry> {
    let inner = context::Product {
        id: id.into(),
        subscription_required: !open,
        ..context::Product::default()
    };
    Arc::new(ProductEntry {
        index,
        product: Arc::new(inner),
        apis: apis.iter().map(|a| Arc::from(*a)).collect(),
    })
}

fn subscription(id: &str, scope: SubscriptionScope, state: SubscriptionState) -> Arc<SubscriptionEntry> {
    let inner = context::Subscription {
        id: id.into(),
        primary_key: Some(format!("{id}-1").into()),
        secondary_key: Some(format!("{id}-2").into()),
        ..context::Subscription::default()
    };
    let owner = context::User {
        id: format!("{id}-owner").into(),
        ..context::User::default()
    };
    Arc::new(SubscriptionEntry {
        subscription: Arc::new(inner),
        scope,
        state,
        owner: Some(Arc::new(owner)),
        allow_tracing: false,
    })
}

/// Products: `closed` (needs a key) and `open`. Keys: one of each scope, one of a product that does not hold the API.
fn table() -> AccessTable {
    use SubscriptionScope::{AllApis, Api, Product};
    use SubscriptionState::{Active, Cancelled, Expired, Rejected, Submitted, Suspended};
    let products = [
        product(0, "closed", false, &["Both", "closed-api"]),
        product(1, "open", true, &["both", "open-api"]),
        product(2, "other", false, &["elsewhere"]),
    ];
    let mut subscriptions = vec![
        subscription("api", Api("Closed-Api".into()), Active),
        subscription("oapi", Api("open-api".into()), Active),
        subscription("product", Product("CLOSED".into()), Active),
        subscription("other", Product("other".into()), Active),
        subscription("gone", Product("deleted".into()), Active),
        subscription("all", AllApis, Active),
    ];
    for (id, state) in [
        ("suspended", Suspended),
        ("submitted", Submitted),
        ("rejected", Rejected),
        ("cancelled", Cancelled),
        ("expired", Expired),
    ] {
        subscriptions.push(subscription(id, AllApis, state));
    }
    let (table, clashes) = AccessTable::build(&products, &subscriptions);
    assert_eq!(clashes, []);
    table
}

/// `product / subscription / user` of a grant, or the refusal.
fn decide(table: &AccessTable, name: &str, required: bool, key: Option<&str>) -> String {
    let mut entry = api(name, "p", &[]).entry;
    entry.subscription_required = required;
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        headers.insert("ocp-apim-subscription-key", HeaderValue::from_str(key).unwrap());
    }
    shown(table.authorize(&entry, &request(&headers, "")))
}

fn request<'a>(headers: &'a HeaderMap, query: &'a str) -> RequestKey<'a> {
    RequestKey {
        scheme: "https",
        host: "h",
        method: &Method::GET,
        path: "/p",
        query,
        headers,
        websocket: false,
    }
}

fn shown(access: Access) -> String {
    match access {
        Access::KeyMissing(_) => "missing".into(),
        Access::KeyInvalid(_) => "invalid".into(),
        Access::Granted(g) => {
            let product = g.product.map_or("-".into(), |p| p.product.id.to_string());
            let subscription = g
                .subscription
                .map_or("-".into(), |s| s.subscription.id.to_string());
            let user = g.user.map_or("-".into(), |u| u.id.to_string());
            assert_eq!(g.key.is_some(), subscription != "-");
            format!("{product}/{subscription}/{user}")
        }
    }
}

#[test]
fn every_row_of_the_decision_table() {
    let table = table();
    for (api, required, key, expected) in [
        // All products need a subscription, the API needs one.
        ("closed-api", true, Some("api-1"), "-/api/api-owner"),
        ("closed-api", true, Some("api-2"), "-/api/api-owner"),
        (
            "closed-api",
            true,
            Some("product-1"),
            "closed/product/product-owner",
        ),
        ("closed-api", true, Some("all-2"), "-/all/all-owner"),
        ("closed-api", true, Some("other-1"), "invalid"),
        ("closed-api", true, Some("gone-1"), "invalid"),
        ("closed-api", true, Some("oapi-1"), "invalid"),
        ("closed-api", true, Some("nobody"), "invalid"),
        ("closed-api", true, None, "missing"),
        // All products need a subscription, the API needs none.
        (
            "closed-api",
            false,
            Some("product-1"),
            "closed/product/product-owner",
        ),
        ("closed-api", false, Some("api-1"), "-/api/api-owner"),
        ("closed-api", false, Some("other-1"), "-/-/-"),
        ("closed-api", false, Some("nobody"), "-/-/-"),
        ("closed-api", false, None, "-/-/-"),
        // An open product, the API needs a subscription.
        ("open-api", true, Some("oapi-1"), "-/oapi/oapi-owner"),
        ("open-api", true, Some("all-1"), "-/all/all-owner"),
        ("open-api", true, Some("other-1"), "open/-/-"),
        ("open-api", true, None, "open/-/-"),
        // An open product, the API needs none.
        ("open-api", false, Some("all-1"), "-/all/all-owner"),
        ("open-api", false, Some("nobody"), "open/-/-"),
        ("open-api", false, None, "open/-/-"),
        // In an open and a closed product: the key chooses.
        ("both", true, Some("product-2"), "closed/product/product-owner"),
        ("both", true, Some("nobody"), "open/-/-"),
        ("BOTH", true, None, "open/-/-"),
        // In no product.
        ("alone", true, Some("all-1"), "-/all/all-owner"),
        ("alone", true, Some("product-1"), "invalid"),
        ("alone", true, None, "missing"),
        ("alone", false, None, "-/-/-"),
    ] {
        assert_eq!(
            decide(&table, api, required, key),
            expected,
            "{api} required={required} key={key:?}"
        );
    }
}

#[test]
fn only_active_subscriptions_open_anything() {
    let table = table();
    for id in ["suspended", "submitted", "rejected", "cancelled", "expired"] {
        assert_eq!(
            decide(&table, "alone", true, Some(&format!("{id}-1"))),
            "invalid",
            "{id}"
        );
    }
}

#[test]
fn the_header_comes_before_the_query() {
    let table = table();
    let mut entry = api("alone", "p", &[]).entry;
    let mut renamed = context::Api::clone(&entry.api);
    renamed.key_query = "code".into();
    entry.api = Arc::new(renamed);
    entry.key_header = HeaderName::from_static("api-key");
    for (header, query, expected) in [
        (Some(("api-key", "all-1")), "", "-/all/all-owner"),
        (None, "code=all-1", "-/all/all-owner"),
        (None, "CODE=all%2D1&x=y", "-/all/all-owner"),
        (Some(("api-key", "nobody")), "code=all-1", "invalid"),
        (Some(("api-key", "")), "code=all-1", "invalid"),
        (Some(("ocp-apim-subscription-key", "all-1")), "", "missing"),
        (None, "subscription-key=all-1", "missing"),
        (None, "code=", "missing"),
    ] {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(
            shown(table.authorize(&entry, &request(&headers, query))),
            expected,
            "{header:?} {query}"
        );
    }
}

#[test]
fn a_challenge_names_header_and_path() {
    let table = table();
    let entry = api("alone", "team/svc", &[]).entry;
    let headers = HeaderMap::new();
    let Access::KeyMissing(challenge) = table.authorize(&entry, &request(&headers, "")) else {
        panic!("a key is needed")
    };
    assert_eq!(
        (&*challenge.key_header, &*challenge.api_path),
        ("Ocp-Apim-Subscription-Key", "team/svc")
    );
}

#[test]
fn one_key_in_two_subscriptions_is_reported() {
    let first = subscription("a", SubscriptionScope::AllApis, SubscriptionState::Active);
    let mut inner = context::Subscription::clone(&first.subscription);
    inner.id = "b".into();
    let second = Arc::new(SubscriptionEntry {
        subscription: Arc::new(inner),
        scope: SubscriptionScope::AllApis,
        state: SubscriptionState::Active,
        owner: None,
        allow_tracing: false,
    });
    let (_, clashes) = AccessTable::build(&[], &[first, second]);
    assert_eq!(clashes.len(), 2);
    assert_eq!((&*clashes[0].first, &*clashes[0].second), ("a", "b"));
}
