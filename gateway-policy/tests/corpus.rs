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

use std::collections::BTreeMap;

use gateway_policy::{CheckOptions, Options, check_document, document};
use support::{Lcg, corpus, mutate};

/// Documents that compiled when this was last raised. It only goes up.
const COMPILED_MIN: usize = 367;

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
fn most_documents_compile_and_the_rest_say_why_not() {
    let Some(documents) = corpus() else { return };
    let options = CheckOptions {
        options: Options {
            named_value_default: Some("value".into()),
            missing_fragments_empty: true,
            ..Options::default()
        },
        ..CheckOptions::default()
    };
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut compiled = 0;
    for document in &documents {
        let report = check_document(&document.path, &document.text, &options);
        compiled += usize::from(report.ok);
        let mut own: Vec<String> = report
            .diagnostics
            .iter()
            .filter(|d| d.is_error())
            .map(|d| format!("{}: {}", d.code, d.message.chars().take(100).collect::<String>()))
            .collect();
        if std::env::var_os("CORPUS_VERBOSE").is_some() {
            for d in report
                .diagnostics
                .iter()
                .filter(|d| d.is_error() && !d.code.starts_with("unsupported"))
            {
                println!("{}", d.render());
            }
        }
        own.sort();
        own.dedup();
        for reason in own {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.iter().take(60) {
        println!("{count:4} {reason}");
    }
    println!("{compiled} of {} documents compile", documents.len());
    assert!(
        compiled >= COMPILED_MIN,
        "{compiled} documents compile, {COMPILED_MIN} did before"
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
