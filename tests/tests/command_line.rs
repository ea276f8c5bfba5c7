//! The command line as people and scripts use it: exit status, output, messages with place and remedy.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{path::PathBuf, process::Command};

use gateway_tests::{agent::binary, scene::workspace};
use serde_json::Value;

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(binary().unwrap())
        .args(arguments)
        .current_dir(workspace())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn scratch(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("gateway-cli-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_examples_are_valid() {
    let (code, out, err) = run(&["check", "examples/artifacts", "--format", "json"]);
    assert_eq!(code, 0, "{out}{err}");
    let documents: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!documents.is_empty());
    for document in documents {
        assert_eq!(document["ok"], true, "{document}");
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let path = scratch(
        "bad.xml",
        "<policies>\n  <inbound>\n    <set-heder name=\"a\" />\n  </inbound>\n</policies>\n",
    );
    let (code, out, err) = run(&["check", path.to_str().unwrap(), "--format", "json"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(code, 1, "{out}{err}");
    let document: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(document["ok"], false);
    let diagnostic = &document["diagnostics"][0];
    assert_eq!(
        (diagnostic["line"].as_u64(), diagnostic["severity"].as_str()),
        (Some(3), Some("error")),
        "{document}"
    );
    assert!(
        diagnostic["message"].as_str().unwrap().contains("set-heder"),
        "{document}"
    );
}

#[test]
fn expressions_can_be_tried_without_azure() {
    let (code, out, err) = run(&["eval", "1 + 2 * 3"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains('7'), "{out}");
}

#[test]
fn wrong_use_is_status_2_and_says_so() {
    let (code, _, err) = run(&["no-such-command"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no-such-command"), "{err}");
}

#[test]
fn status_without_an_agent_is_status_3() {
    let socket = std::env::temp_dir().join(format!("gateway-none-{}", std::process::id()));
    let (code, _, err) = run(&["status", "--admin", &socket.display().to_string()]);
    assert_eq!(code, 3, "{err}");
}
