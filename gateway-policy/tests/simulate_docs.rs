//! The examples of docs/simulate.md are run: a page nobody runs is a page nobody can trust.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use gateway_policy::simulate::simulate;
use serde_json::Value as Json;

/// The fenced blocks of the page, as their label and text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```json ") {
        let (label, after) = after.split_once('\n').unwrap();
        let (text, after) = after.split_once("\n```").unwrap();
        blocks.push((label, text));
        rest = after;
    }
    blocks
}

/// Every member of `expected` is in `actual` with that value; arrays compare element by element.
fn assert_contains(actual: &Json, expected: &Json, place: &str) {
    match (actual, expected) {
        (Json::Object(actual), Json::Object(expected)) => {
            for (name, value) in expected {
                assert_contains(
                    actual.get(name).unwrap_or(&Json::Null),
                    value,
                    &format!("{place}.{name}"),
                );
            }
        }
        (Json::Array(actual), Json::Array(expected)) => {
            assert_eq!(actual.len(), expected.len(), "{place}");
            for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                assert_contains(actual, expected, &format!("{place}[{i}]"));
            }
        }
        _ => assert_eq!(actual, expected, "{place}"),
    }
}

#[test]
fn the_examples_of_the_page_give_what_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/simulate.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 6, "the page lost its examples");
    for pair in blocks.chunks(2) {
        let [("scenario", scenario), ("result", expected)] = pair else {
            panic!("{pair:?} is not a pair")
        };
        let result = simulate(&[], &serde_json::from_str(scenario).unwrap()).unwrap();
        assert_contains(&result, &serde_json::from_str(expected).unwrap(), "result");
    }
}
