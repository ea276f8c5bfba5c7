//! Recorded shapes of the management API become the tree of a folder.

use serde_json::json;

use super::*;
use crate::{FileTree, Input, Secret, SecretRef, Settings, load};

fn entity(value: &serde_json::Value) -> Item {
    item(value.to_string().as_bytes()).unwrap()
}

#[test]
fn lists_have_pages() {
    for (body, items, next) in [
        (r#"{"value":[],"count":0}"#, 0, None),
        (r#"{"value":[],"nextLink":""}"#, 0, None),
        (
            r#"{"value":[{"name":"a"},{"id":"/x/apis/b","properties":null}],"nextLink":"https://n"}"#,
            2,
            Some("https://n"),
        ),
    ] {
        let page = page(body.as_bytes()).unwrap();
        assert_eq!((page.items.len(), page.next.as_deref()), (items, next), "{body}");
    }
}

#[test]
fn what_is_no_payload_is_refused_whole() {
    for (body, expected) in [
        ("", "not JSON"),
        ("<html>", "not JSON"),
        ("[]", "no list `value`"),
        (r#"{"value":{}}"#, "no list `value`"),
        (r#"{"value":[{}]}"#, "`name`"),
        (r#"{"value":[{"name":"../../etc"}]}"#, "no name of an entity"),
        (r#"{"value":[{"name":".."}]}"#, "no name of an entity"),
        (r#"{"value":[{"name":"a\\b"}]}"#, "no name of an entity"),
        (r#"{"value":[{"name":"a\u0000"}]}"#, "no name of an entity"),
        (r#"{"value":[{"name":""}]}"#, "no name of an entity"),
        (r#"{"value":[{"name":"a","properties":[]}]}"#, "`properties`"),
    ] {
        let error = page(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{body}: {error}");
    }
}

#[test]
fn errors_of_the_service_are_read() {
    for (body, code, message) in [
        (
            r#"{"error":{"code":"ValidationError","message":"One or more","details":[{"code":"x","target":"t","message":"bad t"}]}}"#,
            "ValidationError",
            "One or more; bad t",
        ),
        (r#"{"code":"NotFound","message":"m"}"#, "NotFound", "m"),
        ("<html>gateway</html>", "", ""),
        ("[]", "", ""),
    ] {
        let fault = fault(body.as_bytes());
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            (code, message),
            "{body}"
        );
    }
}

#[test]
fn actions_answer_with_values() {
    assert_eq!(value(br#"{"value":"v"}"#).unwrap(), "v");
    assert!(value(b"{}").is_err());
    assert_eq!(
        keys(br#"{"primaryKey":"p","secondaryKey":""}"#).unwrap(),
        (Some("p".to_owned()), None)
    );
    assert!(keys(b"[]").is_err());
    let secret = vault_secret(br#"{"value":"x","id":"https://v/secrets/s/1"}"#).unwrap();
    assert_eq!((secret.value.as_str(), secret.content_type.as_str()), ("x", ""));
    assert!(!format!("{secret:?}").contains("\"x\""));
}

#[test]
fn scopes_come_from_ids() {
    let service = "/subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/svc";
    for (id, expected) in [
        (format!("{service}/policies/policy"), Some(Scope::Global)),
        (
            format!("{service}/products/p/policies/policy"),
            Some(Scope::Product("p".into())),
        ),
        (
            format!("{service}/apis/a;Rev=2/policies/policy"),
            Some(Scope::Api("a;rev=2".into())),
        ),
        (
            "/apis/a/operations/o/policies/policy".into(),
            Some(Scope::Operation("a".into(), "o".into())),
        ),
        (format!("{service}/apis/a/resolvers/r/policies/policy"), None),
        (format!("{service}/workspaces/w/policies/policy"), None),
        (String::new(), None),
    ] {
        assert_eq!(scope_of(&id), expected, "{id}");
    }
    let item = entity(
        &json!({"name": "x", "properties": {"referencePolicyId": "/policies/policy", "complianceState": "Compliant"}}),
    );
    assert_eq!(scopes_of(&[item]), [Scope::Global]);
    assert_eq!(
        Scope::Operation("a".into(), "o".into()).path().join("/"),
        "apis/a/operations/o/policies/policy"
    );
}

#[test]
fn revisions_have_their_folders() {
    for (name, properties, folder) in [
        ("echo", json!({}), "apis/echo"),
        (
            "echo",
            json!({"isCurrent": true, "apiRevision": "7"}),
            "apis/echo",
        ),
        ("echo;rev=7", json!({"isCurrent": true}), "apis/echo"),
        ("echo;rev=2", json!({}), "apis/echo;rev=2"),
        (
            "echo",
            json!({"isCurrent": false, "apiRevision": "3"}),
            "apis/echo;rev=3",
        ),
    ] {
        let item = entity(&json!({"name": name, "properties": properties}));
        assert_eq!(api_folder(&item), folder, "{name} {properties}");
    }
    for (properties, expected) in [
        (
            json!({"apiId": "/apis/echo;rev=2", "apiRevision": "2", "isOnline": true, "isCurrent": false}),
            Some("echo;rev=2"),
        ),
        (json!({"apiId": "/apis/echo;rev=2", "isOnline": false}), None),
        (json!({"apiId": "/apis/echo;rev=1", "isCurrent": true}), None),
        (json!({}), None),
    ] {
        let item = entity(&json!({"name": "x", "properties": properties}));
        assert_eq!(revision_of(&item).as_deref(), expected, "{properties}");
    }
}

#[test]
fn the_same_entity_is_the_same_bytes() {
    let one = entity(
        &json!({"name": "k", "properties": {"a": 1, "keyVault": {"secretIdentifier": "s", "lastStatus": {"timeStampUtc": "1"}}, "provisioningState": "x", "n": null}}),
    );
    let two = entity(
        &json!({"name": "k", "properties": {"keyVault": {"lastStatus": {"timeStampUtc": "2"}, "secretIdentifier": "s"}, "a": 1}}),
    );
    let file = information(Kind::NamedValue, &one);
    assert_eq!(file, information(Kind::NamedValue, &two));
    assert_eq!(file.0, "named values/k/namedValueInformation.json");
    let text = String::from_utf8(file.1.to_vec()).unwrap();
    assert_eq!(
        text,
        r#"{"properties":{"a":1,"keyVault":{"secretIdentifier":"s"}}}"#
    );
}

#[test]
fn references_of_policies_are_found() {
    let mut names = std::collections::BTreeSet::new();
    named_values_in(b"<a x=\"{{ one }}\">{{two}}</a> {{", &mut names);
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["one", "two"]);
}

/// A service as its payloads, loaded.
fn service() -> FileTree {
    let mut tree = FileTree::new();
    let mut put = |file: (String, std::sync::Arc<[u8]>)| tree.insert(file.0, file.1);
    let api = entity(
        &json!({"name": "echo", "properties": {"path": "echo", "displayName": "Echo", "protocols": ["https"],
        "apiRevision": "1", "isCurrent": true, "subscriptionRequired": true, "serviceUrl": "https://b.example"}}),
    );
    put(information(Kind::Api, &api));
    let operations_ = [
        entity(
            &json!({"name": "Get_Item", "properties": {"displayName": "Item", "method": "get", "urlTemplate": "/items/{id}?v={v}",
            "templateParameters": [{"name": "id", "type": "string", "required": true}, {"name": "v", "type": "string", "required": true}],
            "request": {"queryParameters": [{"name": "page", "type": "integer"}], "headers": []},
            "responses": [{"statusCode": 200, "representations": [{"contentType": "application/json", "schemaId": "s", "typeName": "Item",
                "examples": {"default": {"value": {"a": 1}}}}], "headers": []}]}}),
        ),
        entity(&json!({"name": "purge", "properties": {"method": "PURGE", "urlTemplate": "/*"}})),
    ];
    let schemas = [entity(
        &json!({"name": "s", "properties": {"contentType": "application/vnd.ms-azure-apim.swagger.definitions+json",
        "document": {"definitions": {"Item": {"type": "object", "properties": {"o": {"$ref": "#/definitions/Other"}}}, "Other": {"type": "string"}}}}}),
    )];
    put(operations("apis/echo", &operations_, &schemas));
    let scope = Scope::Operation("echo".into(), "Get_Item".into());
    let policy = entity(&json!({"name": "policy", "properties": {"format": "rawxml",
        "value": "<policies><inbound><validate-content unspecified-content-type-action=\"ignore\" max-size=\"1000\" size-exceeded-action=\"ignore\" errors-variable-name=\"e\"/></inbound></policies>"}}));
    put(policy_file(&scope, &policy).unwrap());
    let subscription = entity(
        &json!({"name": "team", "properties": {"scope": "/subscriptions/x/service/s/apis/echo", "state": "active", "displayName": "t"}}),
    );
    put(subscription_with_keys(
        &subscription,
        Some("key-of-the-team"),
        None,
    ));
    let gateway = entity(&json!({"name": "edge", "properties": {"locationData": {"name": "here"}}}));
    put(information(Kind::Gateway, &gateway));
    put(gateway_api_link("edge", "echo"));
    let host = entity(
        &json!({"name": "h", "properties": {"hostname": "api.example.com", "certificateId": "/x/certificates/c", "http2Enabled": true}}),
    );
    put(hostname("edge", &host));
    put(information(
        Kind::Certificate,
        &entity(&json!({"name": "c", "properties": {"subject": "CN=x"}})),
    ));
    tree
}

fn settings() -> Settings {
    Settings {
        gateway_name: Some("edge".into()),
        ..Settings::default()
    }
}

fn loaded(tree: &FileTree) -> crate::Loaded {
    let secrets = |_: &SecretRef| Err::<Secret, _>("none".to_owned());
    load(&Input {
        tree,
        overlay: None,
        settings: &settings(),
        secrets: &secrets,
        previous: None,
    })
}

#[test]
fn a_service_serves_as_a_folder_does() {
    let tree = service();
    assert_eq!(crate::unread(&tree), Vec::<String>::new());
    let result = loaded(&tree);
    let codes: Vec<_> = result
        .problems
        .iter()
        .map(|p| (p.code, p.path.as_str()))
        .collect();
    assert_eq!(
        codes,
        [(
            "no-certificate",
            "gateways/edge/hostnameConfigurations/h/hostnameConfigurationInformation.json"
        )]
    );
    let snapshot = result.snapshot.unwrap();
    let api = &snapshot.apis()[0];
    let shown: Vec<_> = api
        .operations
        .iter()
        .map(|o| (&*o.operation.id, &*o.operation.method, &*o.operation.url_template))
        .collect();
    assert_eq!(
        shown,
        [("Get_Item", "GET", "/items/{id}?v={v}"), ("purge", "PURGE", "/*")],
        "names and methods are taken as they are"
    );
    let query: Vec<&str> = api.operations[0].query_parameters.iter().map(|q| &**q).collect();
    assert_eq!(query, ["v", "page"]);
    assert_eq!(
        api.operations[0].responses[0].representations[0]
            .example
            .as_deref(),
        Some(r#"{"a":1}"#)
    );
    assert!(api.operations[0].definition.is_some(), "a policy validates");
    assert_eq!(
        (result.summary.subscriptions, result.summary.refused_policies),
        (1, 0)
    );
    assert!(
        !snapshot.content().contains("key-of-the-team"),
        "no key stands in the text"
    );
}

#[test]
fn certificates_that_came_along_make_host_names() {
    let mut tree = service();
    tree.insert(
        format!("certificates/c/{CERTIFICATE_FILE}"),
        std::sync::Arc::from(&b"-----BEGIN CERTIFICATE-----"[..]),
    );
    let result = loaded(&tree);
    assert_eq!(result.problems, []);
    let snapshot = result.snapshot.unwrap();
    assert_eq!(&*snapshot.hostnames()[0].name, "api.example.com");
    assert!(snapshot.hostnames()[0].content.is_some());
    assert!(!format!("{:?}", snapshot.hostnames()).contains("BEGIN"));
}
