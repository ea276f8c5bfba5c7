//! Questions of our own with the answers of the real compiler: `tests/cases/*.jsonl`, one file a family.
//!
//! A row has the oracle's form. Exceptions are compared by type, compile errors by code. A row with `"meant"`
//! differs on purpose and says why.

use std::{fs, path::Path};

use serde_json::Value as Json;

/// Rows that differ on purpose, with the reason.
const MEANT: &[(&str, &str)] = &[];

fn agrees(got: &Json, want: &Json) -> bool {
    ["type", "text", "null", "throws", "compile"]
        .iter()
        .all(|key| got.get(key) == want.get(key))
}

#[test]
fn every_recorded_row_agrees() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of cases")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let (mut rows, mut wrong) = (0, Vec::new());
    for file in &files {
        for line in fs::read_to_string(file).expect("a file of cases").lines() {
            let row: Json = serde_json::from_str(line).expect("a row is JSON");
            let source = row["expr"].as_str().expect("a row has an expression");
            rows += 1;
            let got = gateway_expr::cases::outcome(source, row.get("context").unwrap_or(&Json::Null));
            let meant = row.get("meant").is_some() || MEANT.iter().any(|(expr, _)| *expr == source);
            if agrees(&got, &row["result"]) == meant {
                wrong.push(format!("{source}\n  want {}\n  got  {got}", row["result"]));
            }
        }
    }
    assert!(rows > 200, "only {rows} rows in {}", folder.display());
    assert!(
        wrong.is_empty(),
        "{} of {rows} rows differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
