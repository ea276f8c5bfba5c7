//! What is taken over from the snapshot before, and what keeps its last value.

use super::*;
use crate::load::diff;

#[test]
fn the_last_path_is_kept_when_an_information_file_breaks() {
    let root = r#"{"properties": {"path": "", "protocols": ["http"]}}"#;
    let world = World::new().with("apis/root/apiInformation.json", root).with(
        "apis/root/specification.yaml",
        "openapi: 3.0.1\npaths: {'/*': {get: {operationId: all}}}\n",
    );
    let good = world.snapshot();
    let broken = world.with("apis/echo/apiInformation.json", "{");
    assert_eq!(
        get(&broken.snapshot(), "/echo/items/1"),
        "root/all",
        "without a past nothing is known of the path"
    );
    let after = broken.load(Some(&good)).snapshot.unwrap();
    assert!(get(&after, "/echo/items/1").starts_with("refused"));
    assert_eq!(get(&after, "/else"), "root/all");
}

#[test]
fn a_secret_that_cannot_be_fetched_keeps_its_last_value() {
    let mut world = World::new();
    let first = world.snapshot();
    world.no_secrets = true;
    let loaded = world.load(Some(&first));
    assert_eq!(codes(&loaded), [("overlay.yaml", "secret-kept")]);
    assert_eq!(loaded.summary.subscriptions, 1);
    let again = world.load(loaded.snapshot.as_ref());
    assert_eq!(again.summary.subscriptions, 1, "kept over several loads");
    assert_eq!(
        world.load(None).summary.subscriptions,
        0,
        "without a past there is no value"
    );
}

#[test]
fn what_did_not_change_is_taken_over() {
    let world = World::new();
    let first = world.snapshot();
    let again = world.load(Some(&first)).snapshot.unwrap();
    assert_eq!(first.revision, again.revision);
    assert!(Arc::ptr_eq(
        &first.apis()[0].operations[0],
        &again.apis()[0].operations[0]
    ));
    assert!(diff(&first, &again).is_empty());
    let changed = world
        .with(
            "apis/echo/operations/put-item/policy.xml",
            "<policies><inbound><base/></inbound></policies>",
        )
        .with(
            "backends/c/backendInformation.json",
            r#"{"properties": {"url": "https://c.example"}}"#,
        );
    let third = changed.load(Some(&again)).snapshot.unwrap();
    assert_ne!(again.revision, third.revision);
    let d = diff(&again, &third);
    assert_eq!(d.to_string(), "1 added: backends/c; 1 changed: apis/echo");
    assert_eq!(
        diff(&third, &again).to_string(),
        "1 changed: apis/echo; 1 removed: backends/c"
    );
    let kept = third
        .cache
        .documents
        .values()
        .filter(|d| again.cache.documents.values().any(|o| Arc::ptr_eq(o, d)));
    assert_eq!(kept.count(), 3, "three documents stayed, one is new");
    assert_eq!(third.cache.documents.len(), 4);
}

#[test]
fn a_named_value_reaches_the_documents_that_use_it_and_no_others() {
    let world = World::new();
    let first = world.snapshot();
    let changed = world.with(
        "named values/65e2/namedValueInformation.json",
        r#"{"properties": {"displayName": "who", "value": "you"}}"#,
    );
    let second = changed.load(Some(&first)).snapshot.unwrap();
    let kept = second
        .cache
        .documents
        .values()
        .filter(|d| first.cache.documents.values().any(|o| Arc::ptr_eq(o, d)));
    assert_eq!(kept.count(), 2, "global and product document do not use it");
}

#[test]
fn a_fragment_reaches_the_documents_that_include_it() {
    let including = "<policies><inbound><base/><include-fragment fragment-id=\"f\"/></inbound></policies>";
    let world = World::new()
        .with("apis/echo/policy.xml", including)
        .with(
            "policy fragments/f/policyFragmentInformation.json",
            r#"{"properties": {}}"#,
        )
        .with(
            "policy fragments/f/policy.xml",
            "<fragment><set-variable name=\"a\" value=\"1\"/></fragment>",
        );
    let first = world.snapshot();
    let changed = world.with(
        "policy fragments/f/policy.xml",
        "<fragment><set-variable name=\"a\" value=\"2\"/></fragment>",
    );
    let second = changed.load(Some(&first)).snapshot.unwrap();
    let kept = second
        .cache
        .documents
        .values()
        .filter(|d| first.cache.documents.values().any(|o| Arc::ptr_eq(o, d)));
    assert_eq!((kept.count(), second.cache.documents.len()), (3, 4));
}
