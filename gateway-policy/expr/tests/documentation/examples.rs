//! Recorded rows as examples: for each member of the library the shortest one that uses it.

use std::{collections::HashMap, fs, path::Path};

use gateway_expr::catalogue::LibraryMember;
use serde_json::Value as Json;

/// An expression with the real compiler's answer.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub source: String,
    pub context: Json,
    pub result: Json,
    /// Why the answer is not the real compiler's; absent in rows that are.
    pub own: Option<String>,
    /// Written to show a member.
    written: bool,
}

/// Every row of `tests/cases` and the own ones, in the order of file names and lines.
pub(crate) fn rows() -> Vec<Row> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files: Vec<_> = fs::read_dir(tests.join("cases"))
        .expect("the folder of cases")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    files.push(tests.join("documentation/own.jsonl"));
    let mut rows = Vec::new();
    for file in &files {
        let written = file
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with("members_"));
        let text = fs::read_to_string(file).expect("a file of cases");
        rows.extend(text.lines().map(|line| row(line, written)));
    }
    rows
}

fn row(line: &str, written: bool) -> Row {
    let mut row: Json = serde_json::from_str(line).expect("a row is JSON");
    Row {
        source: row["expr"].as_str().expect("a row has an expression").to_owned(),
        context: row["context"].take(),
        result: row["result"].take(),
        own: row["own"].as_str().map(str::to_owned),
        written,
    }
}

/// For each member the row to show. Rows that the allow-list refuses are no examples.
pub(crate) fn by_member(rows: &[Row]) -> HashMap<LibraryMember, &Row> {
    let mut best: HashMap<LibraryMember, &Row> = HashMap::new();
    for row in rows {
        let Ok((expression, _)) = gateway_expr::compile(&row.source) else {
            continue;
        };
        for member in expression.members() {
            let shown = best.entry(member).or_insert(row);
            if rank(row) < rank(shown) {
                *shown = row;
            }
        }
    }
    best
}

/// Recorded before own, values before exceptions, those written to be read before others, one line before
/// several, then the shorter.
fn rank(row: &Row) -> (bool, bool, bool, bool, usize, &str) {
    let context = match &row.context {
        Json::Null => 0,
        context => context.to_string().len(),
    };
    (
        row.own.is_some(),
        row.result.get("throws").is_some(),
        !row.written,
        row.source.contains('\n'),
        row.source.len() + context,
        &row.source,
    )
}
