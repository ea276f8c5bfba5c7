//! `simulate`: runs policy documents against a described request with scripted answers.

use std::path::PathBuf;

use clap::Args;
use gateway_policy::{
    Scope,
    simulate::{Document, SimulateError, simulate},
};
use serde_json::{Map, Value, json};

use super::{
    Format,
    check::read_text,
    output::{Exit, complain, note, print, table},
};

/// Options of `simulate`.
#[derive(Args, Debug)]
pub(super) struct SimulateArgs {
    /// Policy document of the API scope
    #[arg(value_name = "DOCUMENT", conflicts_with = "api")]
    document: Option<PathBuf>,
    /// Scenario: request, answers, named values, … as docs/simulate.md says; `-` reads standard input
    #[arg(long, short = 's', value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Document of the global scope
    #[arg(long, value_name = "FILE")]
    global: Option<PathBuf>,
    /// Document of the product scope
    #[arg(long, value_name = "FILE")]
    product: Option<PathBuf>,
    /// Document of the API scope
    #[arg(long, value_name = "FILE")]
    api: Option<PathBuf>,
    /// Document of the operation scope
    #[arg(long, value_name = "FILE")]
    operation: Option<PathBuf>,
    /// Method of the request; wins over the scenario's
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// URL of the request; wins over the scenario's
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A header field of the request
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(String, String)>,
    /// Body of the request
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// How to print it
    #[arg(long, short = 'o', value_enum, default_value_t)]
    format: Format,
}

fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write NAME: VALUE".to_owned()),
    }
}

pub(super) fn main(args: &SimulateArgs) -> Exit {
    let (scenario, texts) = match inputs(args) {
        Ok(inputs) => inputs,
        Err(message) => {
            complain(&message);
            return Exit::Usage;
        }
    };
    let documents: Vec<Document<'_>> = texts
        .iter()
        .map(|(scope, path, text)| Document {
            scope: *scope,
            path,
            text,
        })
        .collect();
    match simulate(&documents, &scenario) {
        Ok(result) => {
            match args.format {
                Format::Json => print(&format!("{result:#}\n")),
                Format::Text => print(&account(&result)),
            }
            Exit::Ok
        }
        Err(SimulateError::Document(diagnostics)) => {
            for diagnostic in diagnostics {
                note(&diagnostic.render());
            }
            Exit::Problem
        }
        Err(error) => {
            complain(&error.to_string());
            Exit::Usage
        }
    }
}

/// Scope, path and text of a document.
type Text = (Scope, String, String);

fn inputs(args: &SimulateArgs) -> Result<(Value, Vec<Text>), String> {
    let mut scenario = match &args.scenario {
        None => json!({}),
        Some(path) => serde_json::from_str(&read_text(path)?)
            .map_err(|error| format!("{}: the scenario is not JSON: {error}", path.display()))?,
    };
    describe(&mut scenario, args)?;
    let mut texts = Vec::new();
    for (scope, path) in [
        (Scope::Global, &args.global),
        (Scope::Product, &args.product),
        (Scope::Api, &args.document),
        (Scope::Api, &args.api),
        (Scope::Operation, &args.operation),
    ] {
        if let Some(path) = path {
            texts.push((scope, path.display().to_string(), read_text(path)?));
        }
    }
    Ok((scenario, texts))
}

/// Puts the request of the command line into the scenario.
fn describe(scenario: &mut Value, args: &SimulateArgs) -> Result<(), String> {
    let given = [("method", &args.method), ("url", &args.url), ("body", &args.body)];
    if args.headers.is_empty() && given.iter().all(|(_, value)| value.is_none()) {
        return Ok(());
    }
    let mut at = scenario;
    for name in ["context", "request"] {
        at = object(at)?.entry(name).or_insert_with(|| json!({}));
    }
    let request = object(at)?;
    for (name, value) in given {
        if let Some(value) = value {
            request.insert(name.to_owned(), json!(value));
        }
    }
    if !args.headers.is_empty() {
        let headers = request.entry("headers").or_insert_with(|| json!({}));
        let headers = object(headers)?;
        for (name, value) in &args.headers {
            headers.insert(name.clone(), json!(value));
        }
    }
    Ok(())
}

fn object(value: &mut Value) -> Result<&mut Map<String, Value>, String> {
    value
        .as_object_mut()
        .ok_or_else(|| "the scenario, its context, request and headers are objects".to_owned())
}

/// The result for people.
fn account(result: &Value) -> String {
    let mut out = String::new();
    section(&mut out, "Response", &message(&result["response"]));
    if result["preflight"] == true {
        section(&mut out, "Preflight", "answered by a cors policy\n");
    }
    let backend = &result["backendRequest"];
    section(
        &mut out,
        "Backend request",
        &if backend.is_null() {
            "none\n".to_owned()
        } else {
            message(backend)
        },
    );
    if let Some(variables) = result["variables"].as_object().filter(|v| !v.is_empty()) {
        let rows: Vec<_> = variables
            .iter()
            .map(|(name, value)| vec![name.clone(), plain(value)])
            .collect();
        section(&mut out, "Variables", &table(&rows));
    }
    for (title, member) in [("Calls", "calls"), ("Notes", "notes"), ("Warnings", "warnings")] {
        let lines: String = items(&result[member]).map(|item| format!("{item}\n")).collect();
        section(&mut out, title, &lines);
    }
    let rows: Vec<_> = items(&result["trace"]).map(step).collect();
    section(&mut out, "Trace", &table(&rows));
    if !result["lastError"].is_null() {
        section(&mut out, "Last error", &format!("{}\n", result["lastError"]));
    }
    out
}

fn section(out: &mut String, title: &str, text: &str) {
    if !text.is_empty() {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(title);
        out.push('\n');
        for line in text.lines() {
            out.push_str("  ");
            out.push_str(line);
            out.push('\n');
        }
    }
}

/// A request or response as it would look on the wire.
fn message(value: &Value) -> String {
    let mut out = match value["status"].as_u64() {
        Some(status) => format!("{status} {}", plain(&value["reason"])),
        None => format!("{} {}", plain(&value["method"]), plain(&value["url"])),
    };
    out = out.trim_end().to_owned() + "\n";
    for (name, values) in value["headers"].as_object().into_iter().flatten() {
        let all = values
            .as_array()
            .map_or_else(|| vec![values], |all| all.iter().collect());
        for value in all {
            out.push_str(&format!("{name}: {}\n", plain(value)));
        }
    }
    if let Some(body) = value["body"].as_str().filter(|body| !body.is_empty()) {
        out.push_str(&format!("\n{body}\n"));
    }
    out
}

/// Columns of the trace: where, what, what came of it.
fn step(entry: &Value) -> Vec<String> {
    let at = entry["atMs"]
        .as_f64()
        .map_or_else(String::new, |ms| format!("{ms} ms"));
    let place = format!("{}/{}", plain(&entry["scope"]), plain(&entry["section"]));
    vec![
        at,
        place,
        plain(&entry["path"]),
        plain(&entry["inputs"]),
        plain(&entry["outcome"]),
    ]
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_have_a_name() {
        assert_eq!(field("X-A:  b:c "), Ok(("X-A".to_owned(), "b:c".to_owned())));
        assert!(field("nonsense").is_err());
        assert!(field(": x").is_err());
    }

    #[test]
    fn messages_read_like_http() {
        let response =
            json!({"status": 200, "reason": "OK", "headers": {"a": "1", "b": ["2", "3"]}, "body": "text"});
        assert_eq!(message(&response), "200 OK\na: 1\nb: 2\nb: 3\n\ntext\n");
        let request = json!({"method": "GET", "url": "https://h/", "headers": {}});
        assert_eq!(message(&request), "GET https://h/\n");
    }
}
