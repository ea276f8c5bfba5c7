//! Real expressions compile, or are refused as the real compiler refuses them: the shared corpus, read in place.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value as Json;

/// Expressions of the corpus that compile under the allow-list. Raise it as the number grows.
const COMPILE: usize = 789;

#[test]
fn corpus_expressions_compile() {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "..",
        "..",
        "shared",
        "corpus",
        "expressions.jsonl",
    ]
    .iter()
    .collect();
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIP: {} is not there", path.display());
        return;
    };
    let (mut all, mut good) = (0, 0);
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let row: Json = serde_json::from_str(line).expect("a row is JSON");
        let source = row.as_str().expect("a row is an expression");
        all += 1;
        match gateway_expr::compile(source) {
            Ok(_) => good += 1,
            Err(diagnostics) => {
                let first = diagnostics
                    .iter()
                    .find(|d| !d.warning)
                    .expect("a refusal has a reason");
                let shown = source.chars().take(160).collect();
                refused
                    .entry(format!("{} {}", first.code, first.message))
                    .or_default()
                    .push(shown);
            }
        }
    }
    for (why, list) in &refused {
        println!("{:3} {why}\n      {}", list.len(), list[0]);
    }
    println!("{good} of {all} compile");
    assert!(good >= COMPILE, "{good} compile, {COMPILE} did before");
}
