//! What comes from a source of configuration: payloads of the management API, pages of a hub, tokens, copies on disk.

use std::{collections::BTreeSet, sync::Arc};

use gateway_agent::sync::token::Token;
use gateway_config::{
    FileTree, Input, Settings,
    arm::{self, Kind, Scope},
    events::{EventLog, Page, Progress, Replica, Revision, TreeBounds},
    load,
};

use crate::{Target, text};

/// A list of the management API in each role it can have; the shapes are recorded ones of the documented surface.
pub(crate) const ARM: Target = Target {
    name: "arm",
    run: payload,
    seeds: &[
        r#"{"value":[{"id":"/subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/svc/apis/echo","type":"Microsoft.ApiManagement/service/apis","name":"echo;rev=2","properties":{"displayName":"Echo","apiRevision":"2","isCurrent":true,"path":"echo","protocols":["https"],"serviceUrl":"https://b.example","subscriptionRequired":true,"apiVersionSetId":null}}],"count":1,"nextLink":"https://management.azure.com/x?$skip=1"}"#,
        r#"{"value":[{"name":"get","properties":{"displayName":"Get","method":"GET","urlTemplate":"/a/{id}?v={v}","templateParameters":[{"name":"id","type":"string","required":true}],"request":{"queryParameters":[{"name":"q","type":"integer","schemaId":"s","typeName":"T"}],"headers":[],"representations":[{"contentType":"application/json","schemaId":"s","typeName":"T","examples":{"default":{"value":{"a":1}}}}]},"responses":[{"statusCode":200,"representations":[]}]}}]}"#,
        r##"{"value":[{"name":"s","properties":{"contentType":"application/vnd.oai.openapi.components+json","document":{"components":{"schemas":{"T":{"$ref":"#/definitions/T"}}}},"scope":"/products/p","state":"active","referencePolicyId":"/apis/a;Rev=2/operations/o/policies/policy"}}]}"##,
        r#"{"value":[{"apiId":"/apis/echo;rev=2","apiRevision":"2","isOnline":true,"isCurrent":false}]}"#,
        r#"{"error":{"code":"ValidationError","message":"m","details":[{"code":"c","target":"t","message":"d"}]}}"#,
        r#"{"primaryKey":"p","secondaryKey":null,"value":"v","contentType":"application/x-pkcs12","id":"https://v.vault.azure.net/secrets/s/1"}"#,
    ],
    words: &[
        "\"value\":[",
        "\"name\":\"",
        "\"properties\":{",
        "\"nextLink\":\"",
        ";rev=",
        "..",
        "/",
        "\\u0000",
        "\"urlTemplate\":\"",
        "?{",
        "\"$ref\":\"#/",
        "null",
        "[",
        "{",
        "}",
    ],
};

/// Every reading of the bytes; what becomes of them is a tree that loads, inside its own folders.
fn payload(input: &[u8]) {
    let _ = (arm::value(input), arm::keys(input), arm::vault_secret(input));
    let fault = arm::fault(input);
    assert!(fault.message.chars().count() <= 500);
    let Ok(page) = arm::page(input) else { return };
    let mut tree = FileTree::new();
    let mut put = |(path, bytes): arm::File| {
        assert!(
            path.split('/').all(|part| !part.is_empty() && part != ".."),
            "{path:?}"
        );
        tree.insert(path, bytes);
    };
    for item in &page.items {
        for kind in [
            Kind::Api,
            Kind::Backend,
            Kind::Cache,
            Kind::Certificate,
            Kind::Fragment,
            Kind::Gateway,
            Kind::NamedValue,
            Kind::Product,
            Kind::Schema,
            Kind::Subscription,
            Kind::VersionSet,
        ] {
            put(arm::information(kind, item));
        }
        put(arm::hostname("g", item));
        put(arm::authority_link("g", item));
        put(arm::subscription_with_keys(item, Some("k"), None));
        let scope = Scope::Operation("a".to_owned(), item.name.clone());
        arm::policy_file(&scope, item).into_iter().for_each(&mut put);
        arm::fragment_file(item).into_iter().for_each(&mut put);
        let _ = arm::revision_of(item);
        put(arm::operations(&arm::api_folder(item), &page.items, &page.items));
    }
    arm::schema_text("apis/a", &page.items)
        .into_iter()
        .for_each(&mut put);
    let _ = arm::scopes_of(&page.items);
    arm::named_values_in(input, &mut BTreeSet::new());
    loads(&tree);
}

fn loads(tree: &FileTree) {
    let loaded = load(&Input {
        tree,
        overlay: None,
        settings: &Settings::default(),
        secrets: &|_| Err("there are no secrets".into()),
        previous: None,
    });
    if let Some(snapshot) = loaded.snapshot {
        assert!(!snapshot.content().is_empty());
    }
}

/// Our own list of operations.
pub(crate) const OPERATIONS: Target = Target {
    name: "operations",
    run: operations,
    seeds: &[
        r##"{"operations":[{"name":"get","properties":{"method":"GET","urlTemplate":"/a/{b}?c={c}","templateParameters":[{"name":"b"}],"responses":[{"statusCode":200,"representations":[{"contentType":"a/b","typeName":"T","schemaId":"s"}]}]}}],"schemas":[{"name":"s","properties":{"document":{"definitions":{"T":{"type":"object","properties":{"x":{"$ref":"#/definitions/T"}}}}}}}]}"##,
        r#"{"operations":[{"name":"soap","properties":{"method":"POST","urlTemplate":"/?soapAction=urn:a"}}]}"#,
    ],
    words: ARM.words,
};

fn operations(input: &[u8]) {
    let information: &[u8] = br#"{"properties":{"path":"a","protocols":["https"]}}"#;
    let policy: &[u8] = b"<policies><inbound><validate-parameters specified-parameter-action=\"prevent\" unspecified-parameter-action=\"ignore\"/></inbound></policies>";
    let tree: FileTree = [
        ("apis/a/apiInformation.json".to_owned(), Arc::from(information)),
        ("apis/a/operations.json".to_owned(), Arc::from(input)),
        ("policy.xml".to_owned(), Arc::from(policy)),
    ]
    .into();
    loads(&tree);
}

/// A hub's page of events.
pub(crate) const EVENTS: Target = Target {
    name: "events",
    run: events,
    seeds: &[
        r#"{"datasetId":"ou32zolgxrgslmq","after":"00000000","revision":"00000002","events":[{"revision":"00000001","path":"a","text":"1"},{"revision":"00000002","path":"b/c","bytes":"ff00"}],"more":false}"#,
        r#"{"datasetId":"ou32zolgxrgslmq","after":"00000002","revision":"00000003","events":[{"revision":"00000003","path":"a","removed":true}],"more":true}"#,
    ],
    words: &[
        "\"removed\":true",
        "\"more\":true",
        "00000000",
        "ffffffff",
        "\"path\":\"",
        "../",
        "\"bytes\":\"0",
        "\"text\":\"",
        "},{",
    ],
};

const BOUNDS: TreeBounds = TreeBounds {
    files: 8,
    bytes: 1 << 12,
};

/// A page is taken whole or not at all, never twice, and never past its bounds.
fn events(input: &[u8]) {
    let Ok(page) = serde_json::from_slice::<Page>(input) else {
        return;
    };
    let written = serde_json::to_vec(&page).unwrap_or_default();
    assert_eq!(
        serde_json::from_slice::<Page>(&written).ok().as_ref(),
        Some(&page)
    );
    let mut log = EventLog::new(b"seed");
    log.update(&FileTree::from([("a".to_owned(), Arc::from(&b"0"[..]))]));
    let mut known = Replica::new(BOUNDS);
    let first = log.page(Revision(0), 100);
    assert!(known.apply(&first).is_ok());
    for replica in [&mut Replica::new(BOUNDS), &mut known] {
        let before = (replica.position(), replica.files().clone());
        match replica.apply(&page) {
            Err(_) => assert_eq!(before, (replica.position(), replica.files().clone())),
            Ok(Progress::StartOver) => assert_eq!(replica.position(), Revision(0)),
            Ok(_) => {
                let after = (replica.position(), replica.files().clone());
                let bytes: usize = after.1.values().map(|b| b.len()).sum();
                assert!(after.1.len() <= BOUNDS.files && bytes as u64 <= BOUNDS.bytes);
                // A page that comes again changes nothing.
                if replica.apply(&page).is_ok() {
                    assert_eq!(after, (replica.position(), replica.files().clone()));
                }
            }
        }
    }
}

/// A gateway token.
pub(crate) const GATEWAY_TOKEN: Target = Target {
    name: "gateway-token",
    run: gateway_token,
    seeds: &[
        "GatewayKey edge-1&202612311230&jzSFGTQLukilcdPLB7byIvC3/3rE8MgMwM5lkGOcZcZh/eScxYvTr8IXEN4MG0Mpm6HRVNU5V5i36WrZm8vzdQ==",
        "edge&202602290000&AAAA",
    ],
    words: &["GatewayKey ", "&", "202613010000", "==", " "],
};

fn gateway_token(input: &[u8]) {
    let text = text(input);
    if let Ok(token) = Token::parse(&text) {
        assert_eq!(Token::parse(&token.text()).as_ref(), Ok(&token));
        assert!(!token.is_signed_by(["not the key"]));
    }
}

/// What is inside the seal of a copy on disk.
pub(crate) const BACKUP: Target = Target {
    name: "backup",
    run: backup,
    seeds: &[
        "\x3c\0\0\0{\"source\":\"s\",\"dataset\":\"d\",\"revision\":\"00000007\",\"saved\":1}\x01\0\0\0a\x02\0\0\0bc",
    ],
    words: &[
        "\0\0\0\0",
        "\x01\0\0\0",
        "\u{ff}\u{ff}",
        "{\"source\":\"s\"",
        "\"history\":[[\"a\",\"00000001\"]]",
    ],
};

fn backup(input: &[u8]) {
    if let Some(again) = gateway_agent::fuzzing::read_backup(input) {
        assert_eq!(gateway_agent::fuzzing::read_backup(&again), Some(again));
    }
}
