//! The pages about expressions, made from the library's tables and the recorded rows:
//! `UPDATE_DOCS=1 cargo test -p gateway-expr --test documentation` writes them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and tells what it saw"
)]

mod chapter;
mod examples;
mod pages;

use std::{fs, path::Path};

use gateway_expr::{cases, catalogue};

const ADVICE: &str = "UPDATE_DOCS=1 cargo test -p gateway-expr --test documentation";

#[test]
fn every_member_has_an_example() {
    let rows = examples::rows();
    let shown = examples::by_member(&rows);
    let members = catalogue::types().flat_map(|t| t.members);
    let without: Vec<String> = members
        .filter(|m| m.allowed && !shown.contains_key(m))
        .map(|m| format!("{}: {}", m.owner, m.signature))
        .collect();
    assert!(
        without.is_empty(),
        "{} members without an example. Ask the real compiler (ask.py) about a row that uses each and put it into \
         tests/cases/members_rest.jsonl; what it cannot answer goes with the reason into tests/documentation/own.jsonl:\n{}",
        without.len(),
        without.join("\n")
    );
}

/// What the real compiler's harness cannot answer is held against an answer of our own, with the reason.
#[test]
fn own_examples_give_what_they_say() {
    for row in examples::rows().iter().filter(|r| r.own.is_some()) {
        let mut got = cases::outcome(&row.source, &row.context);
        let mut want = row.result.clone();
        for answer in [&mut got, &mut want] {
            answer.as_object_mut().expect("an object").remove("message");
        }
        assert_eq!(got, want, "{}", row.source);
    }
}

#[test]
fn the_pages_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let rows = examples::rows();
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let pages = pages::all(&rows);
    if update {
        fs::create_dir_all(folder.join("expressions")).expect("the folder of pages");
    }
    for (name, text) in &pages {
        let path = folder.join(name);
        if update {
            fs::write(&path, text).expect("a page");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == *text, "docs/{name} is stale: {ADVICE}");
    }
    // A namespace that went must take its page along.
    let listed = fs::read_dir(folder.join("expressions")).expect("the folder of pages");
    for entry in listed.filter_map(Result::ok) {
        let name = format!("expressions/{}", entry.file_name().to_string_lossy());
        assert!(
            pages.iter().any(|(n, _)| *n == name),
            "docs/{name} is made by nothing"
        );
    }
}
