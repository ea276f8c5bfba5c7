//! Real documents: every one is read, a ratchet counts those that compile whole, and mutations of them
//! never make reader or scanner panic.
//!
//! The corpus is read in place and is not part of the project; without it the tests say so and do nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and shows why it skips"
)]

mod support;

use gateway_policy::{CheckOptions, Options, check_document, document};
use support::{Lcg, corpus, mutate};

/// Documents that do not load, with the error and why the original would refuse them too.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "ghcp-byok-foundry__entra-policy.xml",
        "CS0103",
        "a deployment step fills `{group-id}` into an interpolated string, where it is C#",
    ),
    (
        "hedged-request.xml",
        "expression-not-allowed",
        "`response-variable-name` takes a name; its page allows no expression",
    ),
    (
        "operation-chat-policy.xml",
        "missing-attribute",
        "only the documented default dimensions go without a value, and `ApiId` is none",
    ),
    (
        "GetEcho.operation.cshtml",
        "bad-value",
        "input of another tool: `@expression:` is no policy expression",
    ),
    (
        "PostEcho.operation.cshtml",
        "bad-value",
        "input of another tool: `@expression:` is no policy expression",
    ),
    (
        "aca-backend-pool-load-balancing-with-retry-tracked.xml",
        "CS1012",
        "texts in single quotes, which are characters in C#",
    ),
    (
        "apim-educational/policies__transform.xml",
        "not-allowed-here",
        "`cors` in the outbound section",
    ),
];

/// Documents of the corpus that no reader accepts, each with its reason.
const UNREADABLE: &[(&str, &str)] = &[];

#[test]
fn every_document_is_read() {
    let Some(documents) = corpus() else { return };
    assert!(documents.len() > 300, "the corpus shrank to {}", documents.len());
    for document in &documents {
        let known = UNREADABLE.iter().any(|(path, _)| document.path.ends_with(path));
        let result = document::read(&document.text);
        assert_eq!(result.is_err(), known, "{}: {:?}", document.path, result.err());
    }
}

#[test]
fn every_document_loads_or_is_listed() {
    let Some(documents) = corpus() else { return };
    let options = CheckOptions {
        options: Options {
            named_value_default: Some("value".into()),
            missing_fragments_empty: true,
            templates: true,
            ..Options::default()
        },
        ..CheckOptions::default()
    };
    let mut refused = Vec::new();
    for document in &documents {
        let report = check_document(&document.path, &document.text, &options);
        let listed = REFUSED.iter().find(|(path, ..)| document.path.ends_with(path));
        let errors: Vec<&str> = report
            .diagnostics
            .iter()
            .filter(|d| d.is_error())
            .map(|d| d.code)
            .collect();
        match listed {
            None => assert!(report.ok, "{}: {}", document.path, report.render()),
            Some((path, code, _)) => {
                assert!(
                    errors.contains(code),
                    "{}: {errors:?} has no {code}",
                    document.path
                );
                refused.push(*path);
            }
        }
    }
    println!(
        "{} of {} documents load",
        documents.len() - refused.len(),
        documents.len()
    );
    assert_eq!(
        refused.len(),
        REFUSED.len(),
        "an exception that is none any more: {refused:?}"
    );
}

/// Mutations of each document: enough to reach odd corners, few enough for every run. More by
/// `POLICY_MUTATIONS=1000 cargo test -p gateway-policy --test corpus mutated`.
const MUTATIONS: usize = 12;

#[test]
fn mutated_documents_never_panic() {
    let Some(documents) = corpus() else { return };
    let mutations = std::env::var("POLICY_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(MUTATIONS);
    let mut random = Lcg(42);
    let options = CheckOptions::default();
    let mut read = 0;
    for document in &documents {
        for _ in 0..mutations {
            let text = mutate(&document.text, &mut random);
            read += usize::from(document::read(&text).is_ok());
            let report = check_document("mutated", &text, &options);
            for diagnostic in &report.diagnostics {
                assert!(!diagnostic.render().is_empty());
            }
            if let Some(at) = text.find("@(") {
                let _ = document::expression_end(&text, at);
            }
        }
    }
    println!(
        "{read} of {} mutated documents were readable",
        documents.len() * mutations
    );
    assert!(
        read > 0,
        "the mutations are too rough to test anything but the first error"
    );
}
