//! Entities that belong together: links, keys, names of operations, programs.

use super::*;

#[test]
fn custom_methods_come_from_the_overlay() {
    let mut world = World::new();
    world.overlay = format!(
        "{OVERLAY}apis:\n- name: echo\n  operations:\n  - name: purge\n    properties: {{method: GET, urlTemplate: /purge/*}}\n    \
         policies: [{{name: policy, properties: {{value: '<policies><inbound/></policies>'}}}}]\n  \
         - name: put-item\n    properties: {{urlTemplate: /renamed}}\n  - name: nothing\n    properties: {{method: GET}}\n  \
         - name: odd\n    properties: {{method: 'a b', urlTemplate: /}}\n"
    );
    let loaded = world.load(None);
    let got: Vec<(&str, u32)> = loaded.problems.iter().map(|p| (p.code, p.line)).collect();
    assert_eq!(got, [("missing-key", 12), ("bad-method", 14)]);
    let snapshot = loaded.snapshot.unwrap();
    assert_eq!(get(&snapshot, "/echo/purge/all/of/it"), "echo/purge");
    assert_eq!(get(&snapshot, "/echo/renamed"), "none in echo");
    assert_eq!(
        &*snapshot.apis()[0].operations[1].operation.url_template,
        "/renamed"
    );
}

#[test]
fn keys_that_cannot_be_read_open_nothing() {
    let mut world = World::new();
    for (overlay, code, line) in [
        (
            "subscriptions: [{name: one, properties: {primaryKey: {env: NONE}}}]\n",
            "bad-secret",
            1,
        ),
        (
            "subscriptions: [{name: one, properties: {primaryKey: {vault: x}}}]\n",
            "bad-secret",
            1,
        ),
        (
            "subscriptions: [{name: one, properties: {primaryKey: '{#token#}'}}]\n",
            "bad-secret",
            1,
        ),
        (
            "subscriptions:\n- {name: one, properties: {state: sleeping}}\n",
            "unknown-value",
            2,
        ),
        (
            "subscriptions:\n- {name: one, properties: {scope: /users/1}}\n",
            "bad-scope",
            2,
        ),
    ] {
        world.overlay = overlay.into();
        let loaded = world.load(None);
        let found = loaded
            .problems
            .iter()
            .find(|p| p.code == code)
            .unwrap_or_else(|| panic!("{overlay}: {:?}", loaded.problems));
        assert_eq!(
            (found.path.as_str(), found.line),
            ("overlay.yaml", line),
            "{overlay}"
        );
        assert_eq!(loaded.summary.subscriptions, 0);
    }
}

/// Program pointers by operation and product, to see which ones are shared.
fn programs(snapshot: &Snapshot, api: usize, product: Option<&str>) -> Vec<usize> {
    let api = &snapshot.apis()[api];
    let product = product.map(|id| snapshot.products().iter().find(|p| &*p.product.id == id).unwrap());
    let of = |operation| Arc::as_ptr(snapshot.program(Some(api), operation, product.map(|p| &**p))) as usize;
    let mut out = vec![of(None)];
    out.extend(api.operations.iter().map(|o| of(Some(&**o))));
    out
}

#[test]
fn programs_are_shared_where_documents_are() {
    let document = "<policies><inbound><base/></inbound></policies>";
    let other = r#"{"properties": {"path": "other", "protocols": ["http"]}}"#;
    let world = World::new()
        .with("apis/other/apiInformation.json", other)
        .with(
            "apis/other/specification.yaml",
            "openapi: 3.0.1\npaths: {/b: {get: {operationId: b}}}\n",
        )
        .with("products/plain/productInformation.json", r#"{"properties": {}}"#)
        .with("products/plain/apis/echo/productApiInformation.json", "{}");
    let snapshot = world.snapshot();
    let (alone, starter, plain) = (
        programs(&snapshot, 0, None),
        programs(&snapshot, 0, Some("starter")),
        programs(&snapshot, 0, Some("plain")),
    );
    assert_eq!(
        alone[0], alone[2],
        "an operation without a document uses the API's program"
    );
    assert_ne!(alone[0], alone[1], "the operation with a document has its own");
    assert!(
        starter.iter().zip(&alone).all(|(s, a)| s != a),
        "the product's document makes a difference everywhere"
    );
    assert_eq!(plain, alone, "a product without a document makes none");
    let global = Arc::as_ptr(snapshot.program(None, None, None)) as usize;
    assert_eq!(
        programs(&snapshot, 1, None),
        [global, global],
        "an API without documents runs the global one"
    );
    let with_api_document = world.with("apis/other/policy.xml", document).snapshot();
    assert_ne!(programs(&with_api_document, 1, None)[0], global);
}

#[test]
fn links_that_lead_nowhere_are_told() {
    let loaded = World::new()
        .with("products/starter/apis/gone/productApiInformation.json", "{}")
        .with("subscriptions/two/subscriptionInformation.json", r#"{"properties": {"scope": "/products/gone", "state": "active", "primaryKey": "a"}}"#)
        .with("subscriptions/three/subscriptionInformation.json", r#"{"properties": {"scope": "/apis/gone", "state": "active", "primaryKey": "b"}}"#)
        .with("backends/pool/backendInformation.json", r#"{"properties": {"type": "Pool", "pool": {"services": [{"id": "/backends/B"}, {"id": "/backends/gone"}]}}}"#)
        .with("products/open1/productInformation.json", r#"{"properties": {"subscriptionRequired": false}}"#)
        .with("products/open1/apis/echo/productApiInformation.json", "{}")
        .with("products/open2/productInformation.json", r#"{"properties": {"subscriptionRequired": false}}"#)
        .with("products/open2/apis/echo/productApiInformation.json", "{}")
        .load(None);
    assert_eq!(
        codes(&loaded),
        [
            ("backends/pool/backendInformation.json", "dangling-link"),
            ("products/open2", "two-open-products"),
            (
                "products/starter/apis/gone/productApiInformation.json",
                "dangling-link"
            ),
            (
                "subscriptions/three/subscriptionInformation.json",
                "dangling-link"
            ),
            ("subscriptions/two/subscriptionInformation.json", "dangling-link"),
        ]
    );
    let snapshot = loaded.snapshot.unwrap();
    let pool = snapshot.backend("pool").unwrap();
    assert_eq!(pool.pool.len(), 1, "a member that is not there gets no requests");
}

#[test]
fn one_key_for_two_subscriptions_is_told() {
    let mut world = World::new();
    world.overlay = "subscriptions:\n- {name: one, properties: {primaryKey: k-77}}\n\
                     - {name: two, properties: {scope: /apis, state: active, secondaryKey: k-77}}\n"
        .into();
    let loaded = world.load(None);
    assert_eq!(codes(&loaded), [("subscriptions/two", "same-key")]);
    assert!(
        !loaded.problems[0].message.contains("k-77"),
        "the key itself is not shown"
    );
}

#[test]
fn soap_operations_with_policies_need_names() {
    let wsdl = "<d><binding name=\"b\" type=\"t\"><operation name=\"Add\"><operation soapAction=\"urn:add\"/></operation></binding></d>";
    let info = r#"{"properties": {"path": "soap", "protocols": ["http"], "type": "soap"}}"#;
    let document = "<policies><inbound><base/></inbound></policies>";
    let mut world = World::new()
        .with("apis/soap/apiInformation.json", info)
        .with("apis/soap/specification.wsdl", wsdl);
    assert_eq!(
        world.load(None).summary.refused_apis,
        0,
        "without operation policies names do not matter"
    );
    world = world.with("apis/soap/operations/66f2/policy.xml", document);
    let loaded = world.load(None);
    assert_eq!(
        (loaded.summary.refused_apis, loaded.problems[0].code),
        (1, "unknown-operation")
    );
    world.overlay = format!(
        "{OVERLAY}apis:\n- name: soap\n  operations: [{{name: '66f2', properties: {{method: POST, urlTemplate: '/?soapAction=urn:add'}}}}]\n"
    );
    let loaded = world.load(None);
    assert_eq!((codes(&loaded), loaded.summary.refused_apis), (vec![], 0));
    let snapshot = loaded.snapshot.unwrap();
    let api = snapshot.apis().iter().find(|a| &*a.name == "soap").unwrap();
    assert_eq!(
        (&*api.operations[0].operation.id, api.operations.len()),
        ("66f2", 1)
    );
    assert_ne!(
        programs(&snapshot, 1, None)[0],
        programs(&snapshot, 1, None)[1],
        "its policy runs"
    );
}
