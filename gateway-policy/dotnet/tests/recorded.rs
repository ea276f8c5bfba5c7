//! Rows recorded from .NET Core 3.1 and Newtonsoft.Json 11: one call, its arguments, its answer.
//!
//! `"is"` is the text of the result in invariant culture (elements of a sequence joined by U+0002);
//! `"throws"` and `"message"` are the exception's. `calls` says what each call means here.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "recorded/calls.rs"]
mod calls;

use gateway_dotnet::Error;

/// What a call gave, in the form of the rows.
fn shown(result: Result<String, Error>) -> String {
    match result {
        Ok(text) => format!("={text}"),
        Err(e) => format!("!{}|{}", e.kind.full_name(), e.message),
    }
}

/// A recorded row.
struct Row {
    call: String,
    args: Vec<String>,
    expected: String,
}

fn rows(file: &str) -> Vec<Row> {
    let path = format!("{}/tests/recorded/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the recorded rows are part of the crate");
    text.lines().map(row).collect()
}

fn row(line: &str) -> Row {
    let row: serde_json::Value = serde_json::from_str(line).expect("a recorded row is JSON");
    let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let args = row["args"].as_array().map_or(Vec::new(), |a| {
        a.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect()
    });
    let expected = if row["throws"].is_string() {
        format!("!{}|{}", field("throws"), field("message"))
    } else {
        format!("={}", field("is"))
    };
    Row {
        call: field("call"),
        args,
        expected,
    }
}

impl Row {
    fn got(&self) -> String {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        shown(calls::call(&self.call, &args))
    }
}

fn check(file: &str) {
    let rows = rows(file);
    assert!(!rows.is_empty(), "no rows in {file}");
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let got = row.got();
            let Row { call, args, expected } = row;
            (got != *expected).then(|| format!("{call}{args:?}\n      is {got:?}\n  should {expected:?}"))
        })
        .collect();
    let shown = wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        wrong.is_empty(),
        "{} of {} rows of {file} differ:\n{shown}",
        wrong.len(),
        rows.len()
    );
}

#[test]
fn numbers() {
    check("numbers.jsonl");
}

#[test]
fn documents() {
    check("json.jsonl");
    check("programs.jsonl");
}

#[test]
fn texts() {
    check("texts.jsonl");
}

#[test]
fn patterns() {
    check("patterns.jsonl");
}

#[test]
fn elements() {
    check("elements.jsonl");
    check("xml_programs.jsonl");
}

#[test]
fn more() {
    check("more.jsonl");
}

#[test]
fn times() {
    check("times.jsonl");
    check("exact.jsonl");
}

/// Rows that are known to differ, each with its reason: one that no longer differs leaves the list.
#[test]
fn known_differences() {
    for row in rows("differences.jsonl") {
        assert_ne!(row.got(), row.expected, "{}{:?}", row.call, row.args);
    }
}
