//! `eval`: type and value of policy expressions, one at a time or a file of cases.
//!
//! The context and the rows have the form that docs/eval.md describes. The clock stands at
//! 2024-01-02T03:04:05Z, so that the same expression gives the same value every time.

use std::{io::Write as _, path::PathBuf};

use clap::Args;
use gateway_expr::{Diagnostic, cases};
use serde_json::{Value, json};

use super::{
    Format,
    check::read_text,
    output::{Exit, colour, complain, note, print, styled},
};

/// Options of `eval`.
#[derive(Args, Debug)]
pub(super) struct EvalArgs {
    /// `@(…)`, `@{…}` or a bare expression; `-` reads it from standard input
    #[arg(required_unless_present = "cases")]
    expression: Option<String>,
    /// JSON file that describes the context; without it a GET request without entities
    #[arg(long, short = 'c', value_name = "FILE")]
    context: Option<PathBuf>,
    /// File of rows `{"expr", "context", "result"}`, one a line; each is written with what came out as "got"
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["expression", "context"])]
    cases: Option<PathBuf>,
    /// How to print it
    #[arg(long, short = 'o', value_enum, default_value_t)]
    format: Format,
}

pub(super) fn main(args: &EvalArgs) -> Exit {
    let done = match (&args.cases, &args.expression) {
        (Some(file), _) => read_text(file).map(|text| all(&text)),
        (None, Some(expression)) => one(args, expression),
        (None, None) => Err("give an expression, or --cases".to_owned()),
    };
    done.unwrap_or_else(|message| {
        complain(&message);
        Exit::Usage
    })
}

fn one(args: &EvalArgs, expression: &str) -> Result<Exit, String> {
    let source = if expression == "-" {
        read_text("-".as_ref())?.trim_end().to_owned()
    } else {
        expression.to_owned()
    };
    let description = match &args.context {
        None => Value::Null,
        Some(path) => serde_json::from_str(&read_text(path)?)
            .map_err(|error| format!("{}: the context is not JSON: {error}", path.display()))?,
    };
    let mut context = cases::context_from_json(&description)?;
    let (expression, warnings) = match gateway_expr::compile(&source) {
        Ok(compiled) => compiled,
        Err(diagnostics) => {
            refuse(args.format, &source, &diagnostics);
            return Ok(Exit::Problem);
        }
    };
    for warning in &warnings {
        note(&rendered(&source, warning, false));
    }
    let world = cases::FixedWorld::default();
    let outcome = match expression.evaluate(&mut context, &world) {
        Ok(value) => cases::describe(&value, &mut context, &world),
        Err(exception) => json!({ "throws": exception.type_name, "message": exception.message }),
    };
    let thrown = outcome.get("throws").is_some();
    match args.format {
        Format::Json => print(&format!("{outcome}\n")),
        Format::Text if thrown => complain(&sentence(&outcome)),
        Format::Text => print(&format!("{}\n", sentence(&outcome))),
    }
    Ok(if thrown { Exit::Problem } else { Exit::Ok })
}

/// Value and type, or the exception.
fn sentence(outcome: &Value) -> String {
    let text = |name: &str| outcome[name].as_str().unwrap_or_default();
    if outcome["null"] == true {
        "null".to_owned()
    } else if outcome.get("throws").is_some() {
        format!("throws {}: {}", text("throws"), text("message"))
    } else {
        format!("{}    {}", text("text"), text("type"))
    }
}

fn refuse(format: Format, source: &str, diagnostics: &[Diagnostic]) {
    match format {
        Format::Json => {
            let list: Vec<Value> = diagnostics.iter().map(|d| to_json(source, d)).collect();
            print(&format!("{}\n", json!({ "ok": false, "diagnostics": list })));
        }
        Format::Text => {
            for diagnostic in diagnostics {
                note(&rendered(source, diagnostic, colour()));
            }
        }
    }
}

fn to_json(source: &str, diagnostic: &Diagnostic) -> Value {
    let (line, column, _) = place(source, diagnostic.span.start);
    json!({
        "severity": severity(diagnostic),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "line": line,
        "column": column,
        "element": null,
        "help": diagnostic.help,
    })
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    if diagnostic.warning { "warning" } else { "error" }
}

/// Heading, source line, caret, advice.
fn rendered(source: &str, diagnostic: &Diagnostic, paint: bool) -> String {
    let (line, column, text) = place(source, diagnostic.span.start);
    let style = if diagnostic.warning { "1;33" } else { "1;31" };
    let heading = format!("{}[{}]", severity(diagnostic), diagnostic.code);
    let room = text.chars().count().saturating_sub(column - 1).max(1);
    let span = source
        .get(diagnostic.span.start..diagnostic.span.end)
        .unwrap_or("");
    let caret = "^".repeat(span.chars().count().clamp(1, room));
    let margin = line.to_string().len();
    let mut out = format!("{}: {}\n", styled(paint, style, &heading), diagnostic.message);
    out += &format!("{:margin$} |\n{line} | {text}\n{:margin$} | ", "", "");
    out += &format!("{}{}\n", " ".repeat(column - 1), styled(paint, style, &caret));
    if let Some(help) = &diagnostic.help {
        out += &format!("  = help: {help}\n");
    }
    out
}

/// Line and column from 1, in characters, and the line's text.
fn place(source: &str, byte: usize) -> (usize, usize, &str) {
    let before = source.get(..byte).unwrap_or(source);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    let text = source.get(start..).unwrap_or("").lines().next().unwrap_or("");
    (line, before.get(start..).unwrap_or("").chars().count() + 1, text)
}

/// Counts of a file of cases.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    equal: usize,
    different: usize,
    without: usize,
    malformed: usize,
}

/// Every row with what came out, and a summary on standard error.
fn all(text: &str) -> Exit {
    let mut tally = Tally::default();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let row = case(line, &mut tally);
        // A reader that went away needs no more rows; the summary still counts them.
        let _ = writeln!(out, "{row}");
    }
    let _ = out.flush();
    let Tally {
        equal,
        different,
        without,
        malformed,
    } = tally;
    let total = equal + different + without + malformed;
    note(&format!(
        "{total} cases: {equal} equal, {different} different, {without} without a result, {malformed} malformed\n"
    ));
    if different + malformed == 0 {
        Exit::Ok
    } else {
        Exit::Problem
    }
}

fn case(line: &str, tally: &mut Tally) -> Value {
    let mut row: Value = match serde_json::from_str(line) {
        Ok(row) => row,
        Err(error) => {
            tally.malformed += 1;
            return json!({ "error": format!("not JSON: {error}"), "row": line });
        }
    };
    let Some(expression) = row["expr"].as_str() else {
        tally.malformed += 1;
        return json!({ "error": "a row needs \"expr\"", "row": row });
    };
    let got = cases::outcome(expression, &row["context"]);
    match row.get("result") {
        _ if got.get("error").is_some() => tally.malformed += 1,
        None => tally.without += 1,
        Some(result) if same(result, &got) => tally.equal += 1,
        Some(_) => tally.different += 1,
    }
    row["got"] = got;
    row
}

/// Values compare by type and text, exceptions by type, refusals by the compiler's codes: messages differ
/// between versions.
fn same(result: &Value, got: &Value) -> bool {
    for decisive in ["throws", "compile", "null"] {
        if result.get(decisive).is_some() || got.get(decisive).is_some() {
            return result.get(decisive) == got.get(decisive);
        }
    }
    result.get("type") == got.get("type") && result.get("text") == got.get("text")
}

#[cfg(test)]
mod tests {
    use gateway_expr::Span;

    use super::*;

    fn diagnostic(start: usize, end: usize) -> Diagnostic {
        Diagnostic {
            code: "CS0019",
            message: "wrong".to_owned(),
            span: Span { start, end },
            help: Some("do this".to_owned()),
            warning: false,
        }
    }

    #[test]
    fn findings_show_their_place() {
        let text = rendered("1 + true", &diagnostic(4, 8), false);
        assert_eq!(
            text,
            "error[CS0019]: wrong\n  |\n1 | 1 + true\n  |     ^^^^\n  = help: do this\n"
        );
        let text = rendered("@{\n  return é + x;\n}", &diagnostic(17, 18), false);
        assert!(
            text.contains("2 |   return é + x;\n  |              ^\n"),
            "{text}"
        );
        // A place that is none does not panic.
        assert!(rendered("x", &diagnostic(9, 99), false).contains("error[CS0019]"));
    }

    fn check(result: Value, got: Value, expected: bool) {
        assert_eq!(same(&result, &got), expected, "{result} {got}");
    }

    #[test]
    fn outcomes_compare_by_what_decides() {
        let int = |text: &str| json!({"type": "System.Int32", "text": text});
        check(int("7"), int("7"), true);
        check(int("7"), int("8"), false);
        check(int("7"), json!({"type": "System.Int64", "text": "7"}), false);
        check(
            json!({"throws": "E", "message": "a"}),
            json!({"throws": "E", "message": "b"}),
            true,
        );
        check(json!({"throws": "E"}), json!({"throws": "F"}), false);
        check(json!({"throws": "E"}), int("7"), false);
        check(
            json!({"compile": ["CS1"], "message": "a"}),
            json!({"compile": ["CS1"], "message": "b"}),
            true,
        );
        check(json!({"compile": ["CS1"]}), json!({"compile": ["CS2"]}), false);
        check(json!({"null": true}), json!({"null": true}), true);
        check(json!({"null": true}), int("7"), false);
    }

    #[test]
    fn rows_are_counted() {
        let mut tally = Tally::default();
        for (row, got) in [
            (
                r#"{"expr": "1 + 2", "result": {"type": "System.Int32", "text": "3"}}"#,
                Some("3"),
            ),
            (
                r#"{"expr": "1 + 2", "result": {"type": "System.Int32", "text": "4"}}"#,
                Some("3"),
            ),
            (r#"{"expr": "1 + 2"}"#, Some("3")),
            ("{", None),
            (r#"{"result": 1}"#, None),
        ] {
            let row = case(row, &mut tally);
            assert_eq!(row["got"]["text"].as_str(), got, "{row}");
        }
        assert_eq!(
            tally,
            Tally {
                equal: 1,
                different: 1,
                without: 1,
                malformed: 2
            }
        );
    }
}
