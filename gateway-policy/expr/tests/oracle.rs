//! Agreement with the real compiler: the shared oracle's rows, read in place.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it saw"
)]

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value as Json;

/// Rows that differ on purpose or by nature: a piece of the expression, and why.
const MEANT: &[(&str, &str)] = &[
    (
        "certificate.VerifyNoRevocation()",
        "the oracle calls every certificate verified, an empty one too; here its members fail",
    ),
    (
        "new Random().Next(0, availableBackends.Count)",
        "an unseeded random number: the recorded one was drawn once",
    ),
];

fn rows(name: &str) -> Option<Vec<Json>> {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "..",
        "..",
        "..",
        "shared",
        "oracle",
        name,
    ]
    .iter()
    .collect();
    let alternative: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "..",
        "..",
        "shared",
        "oracle",
        name,
    ]
    .iter()
    .collect();
    let text = std::fs::read_to_string(&alternative).or_else(|_| std::fs::read_to_string(&path));
    match text {
        Ok(text) => Some(
            text.lines()
                .map(|l| serde_json::from_str(l).expect("a JSON row"))
                .collect(),
        ),
        Err(e) => {
            println!("SKIP: {name}: {}: {e}", alternative.display());
            None
        }
    }
}

/// Outcome kind, type and text agree; exceptions by type, compile errors by code.
fn agrees(got: &Json, want: &Json) -> bool {
    ["type", "text", "null", "throws", "compile"]
        .iter()
        .all(|k| got.get(k) == want.get(k))
}

fn check(name: &str) {
    let Some(rows) = rows(name) else { return };
    let (mut agreed, mut meant) = (0, 0);
    let mut causes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let only = std::env::var("ONLY").ok();
    for row in &rows {
        let source = row["expr"].as_str().unwrap_or_default();
        let got = gateway_expr::cases::outcome(source, row.get("context").unwrap_or(&Json::Null));
        let want = &row["result"];
        if agrees(&got, want) {
            agreed += 1;
            continue;
        }
        if MEANT.iter().any(|(piece, _)| source.contains(piece)) {
            meant += 1;
            continue;
        }
        let cause = match got.get("message").and_then(Json::as_str) {
            Some(m) => m.split(';').next().unwrap_or(m).chars().take(150).collect(),
            None => format!(
                "{} instead of {}",
                got.to_string().chars().take(120).collect::<String>(),
                want.to_string().chars().take(120).collect::<String>()
            ),
        };
        if only.as_ref().is_none_or(|o| cause.contains(o.as_str())) {
            causes
                .entry(cause)
                .or_default()
                .push(format!("{source}\n      got  {got}\n      want {want}"));
        }
    }
    let mut list: Vec<_> = causes.into_iter().collect();
    list.sort_by_key(|(_, v)| std::cmp::Reverse(v.len()));
    for (cause, examples) in list.iter().take(60) {
        println!(
            "{:4}  {cause}\n      {}",
            examples.len(),
            examples[0].chars().take(700).collect::<String>()
        );
    }
    println!(
        "{name}: {agreed} of {} agree, {meant} differ on purpose",
        rows.len()
    );
    assert_eq!(
        agreed + meant,
        rows.len(),
        "{name}: rows differ that did not before"
    );
}

#[test]
fn probes_agree_with_the_real_compiler() {
    check("probes.jsonl");
}

#[test]
fn corpus_agrees_with_the_real_compiler() {
    check("corpus.jsonl");
}
