//! Questions of our own with the answers of the real compiler: `tests/cases/*.jsonl`, one file a family.
//!
//! A row has the oracle's form. Exceptions are compared by type, compile errors by code. A row with `"meant"`
//! differs on purpose and says why.

use std::{fs, path::Path};

use serde_json::Value as Json;

/// Rows that differ on purpose, with the reason.
const MEANT: &[(&str, &str)] = &[
    (
        "@{object o=new[]{1}; return o is uint[];}",
        "arrays of signed and unsigned numbers are told apart; the runtime takes one for the other behind object",
    ),
    (
        "@{int x=1; ref int r=ref x; r=5; return x;}",
        "variables by reference are refused with APIM0101: nothing in policies needs them",
    ),
    (
        "@{FormattableString f=$\"a{1}\"; return f.Format;}",
        "System.FormattableString is not on the allow-list",
    ),
    (
        "@{Func<int> f=()=>1; f+=()=>2; return f();}",
        "delegates are not combined: System.Delegate is not on the allow-list",
    ),
    (
        "@{Func<int> f=()=>1; return f.Method.Name;}",
        "reflection is not on the allow-list",
    ),
    (
        "@{Span<int> s=new int[2]; return s.Length;}",
        "System.Span is not on the allow-list",
    ),
    (
        "@{ async Task F() { } return 1; }",
        "asynchronous functions are refused with APIM0101: an evaluation never waits",
    ),
    (
        "@{ (int, int) t; t.Item1 = 1; return t.Item1; }",
        "a tuple is assigned as a whole before its elements are",
    ),
];

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
