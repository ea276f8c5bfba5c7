//! The command line as a process: exit statuses, streams, what each command prints.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is the report")]

mod support;

use support::{Scratch, free_port, run};

/// Status, and what standard output and standard error must contain.
fn check(arguments: &[&str], status: i32, out: &str, err: &str) {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!(code, status, "{arguments:?}\n{stdout}\n{stderr}");
    assert!(stdout.contains(out), "{arguments:?}: no {out:?} in\n{stdout}");
    assert!(stderr.contains(err), "{arguments:?}: no {err:?} in\n{stderr}");
}

#[test]
fn statuses_and_streams() {
    let version = concat!("gateway-agent ", env!("CARGO_PKG_VERSION"), "\n");
    check(&["version"], 0, version, "");
    check(&["--version"], 0, version, "");
    check(&["version", "--format", "json"], 0, "{\"version\":\"", "");
    check(&["--help"], 0, "Usage: gateway-agent", "");
    check(&["run", "--help"], 0, "Signals: TERM and INT drain", "");
    check(&[], 2, "", "Usage: gateway-agent");
    check(&["nonsense"], 2, "", "unrecognized subcommand");
    check(&["status", "--format", "xml"], 2, "", "invalid value");
}

#[test]
fn nobody_answers_is_status_3() {
    let admin = format!("127.0.0.1:{}", free_port());
    check(&["status", "--admin", &admin], 3, "", "no agent answers at");
    check(
        &["status", "--admin", "/nonexistent/admin.sock"],
        3,
        "",
        "--admin",
    );
}

fn policy(scratch: &Scratch, name: &str, inbound: &str) -> String {
    let text = format!(
        "<policies>\n<inbound>\n{inbound}\n</inbound>\n<backend><forward-request/></backend>\n<outbound/>\n<on-error/>\n</policies>\n"
    );
    scratch.write(name, text).display().to_string()
}

#[test]
fn a_check_finds_mistakes_with_their_place() {
    let scratch = Scratch::new();
    let good = policy(&scratch, "good.xml", "<set-method>GET</set-method>");
    let bad = policy(&scratch, "bad.xml", "<set-methot>GET</set-methot>");
    let named = policy(&scratch, "named.xml", "<set-method>{{m}}</set-method>");
    let fragment = policy(&scratch, "fragment.xml", "<include-fragment fragment-id=\"f\" />");
    check(&["check", &good], 0, "1 documents checked: 1 ok, 0 refused", "");
    check(&["check", &bad], 1, "bad.xml:3:1", "");
    check(&["check", &bad], 1, "did you mean `<set-method>`?", "");
    check(
        &["check", &good, &bad],
        1,
        "2 documents checked: 1 ok, 1 refused",
        "",
    );
    check(&["check", &named], 1, "unknown-named-value", "");
    check(&["check", &named, "--named-value", "m=GET"], 0, "1 ok", "");
    check(&["check", &named, "--named-values-default", "X"], 0, "1 ok", "");
    check(&["check", &fragment], 1, "error[", "");
    check(
        &["check", &fragment, "--missing-fragments", "empty"],
        0,
        "1 ok",
        "",
    );
    check(&["check", "/nonexistent.xml"], 1, "unreadable", "");
    check(&["check"], 2, "", "PATH");
    check(
        &["check", &good, "--named-value", "nonsense"],
        2,
        "",
        "NAME=VALUE",
    );
}

#[test]
fn a_check_speaks_json_one_object_a_document() {
    let scratch = Scratch::new();
    let bad = policy(&scratch, "bad.xml", "<set-methot>GET</set-methot>");
    let (code, out, err) = run(&["check", &bad, "--format", "json"]);
    assert_eq!(
        (code, err.as_str()),
        (1, "1 documents checked: 0 ok, 1 refused; 1 errors, 0 warnings\n")
    );
    let report: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(
        (report["path"].as_str(), report["ok"].as_bool()),
        (Some(bad.as_str()), Some(false))
    );
    let diagnostic = report["diagnostics"][0].as_object().unwrap();
    for member in ["severity", "code", "message", "line", "column", "element"] {
        assert!(diagnostic.contains_key(member), "{member}");
    }
}

#[test]
fn a_folder_is_checked_whole() {
    let folder = support::examples();
    let folder = folder.to_str().unwrap();
    let overlay = format!("{folder}/../overlay.yaml");
    check(
        &["check", folder],
        0,
        " 0 refused; 0 errors",
        "secret named values have no value here",
    );
    check(
        &["check", folder, "--overlay", &overlay],
        0,
        " 0 refused; 0 errors",
        "",
    );
    let scratch = Scratch::new();
    scratch.write(
        "apis/a/policy.xml",
        "<policies><inbound><no-such/></inbound></policies>",
    );
    scratch.write("apis/a/apiInformation.json", "{ broken");
    let (code, out, _) = run(&["check", scratch.path("").to_str().unwrap(), "-o", "json"]);
    assert_eq!(code, 1);
    let refused: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|report: &serde_json::Value| report["ok"] == false)
        .collect();
    assert!(!refused.is_empty(), "{out}");
    check(
        &[
            "check",
            scratch.path("").to_str().unwrap(),
            "--overlay",
            "/nonexistent.yaml",
        ],
        1,
        "unreadable",
        "",
    );
}

#[test]
fn documents_run_against_a_described_request() {
    let scratch = Scratch::new();
    let document = policy(
        &scratch,
        "p.xml",
        "<set-header name=\"X-Tenant\" exists-action=\"override\"><value>{{tenant}}</value></set-header>",
    );
    let scenario = scratch.write(
        "s.json",
        r#"{"namedValues": {"tenant": "contoso"}, "backend": [{"status": 201, "body": {"id": 42}}]}"#,
    );
    let scenario = scenario.to_str().unwrap();
    let arguments = [
        "simulate",
        &document,
        "--scenario",
        scenario,
        "--url",
        "https://h/items/42",
        "--header",
        "A: b",
    ];
    check(&arguments, 0, "201 Created", "");
    check(&arguments, 0, "x-tenant: contoso", "");
    let (code, out, _) = run(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(code, 0);
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["response"]["status"], 201);
    assert_eq!(result["backendRequest"]["url"], "https://h/items/42");
    assert_eq!(result["backendRequest"]["headers"]["a"], "b");
    check(&["simulate", &document], 1, "", "unknown-named-value");
    check(&["simulate", "/nonexistent.xml"], 2, "", "/nonexistent.xml");
    let broken = scratch.write("broken.json", "{");
    check(
        &["simulate", "--scenario", broken.to_str().unwrap()],
        2,
        "",
        "not JSON",
    );
    let wrong = scratch.write("wrong.json", r#"{"documents": {"planet": "x"}}"#);
    check(
        &["simulate", "--scenario", wrong.to_str().unwrap()],
        2,
        "",
        "scenario",
    );
    check(
        &[
            "simulate",
            &document,
            "--scenario",
            wrong.to_str().unwrap(),
            "--header",
            "x",
        ],
        2,
        "",
        "NAME: VALUE",
    );
}

#[test]
fn expressions_are_evaluated_or_refused_with_their_place() {
    check(&["eval", "1 + 2 * 3"], 0, "7    System.Int32\n", "");
    check(
        &["eval", "@(context.Request.Method)"],
        0,
        "\"GET\"    System.String",
        "",
    );
    check(&["eval", "null"], 0, "null\n", "");
    check(
        &["eval", "1 + 2", "--format", "json"],
        0,
        "{\"type\":\"System.Int32\",\"text\":\"3\"}\n",
        "",
    );
    check(&["eval", "1 + nope"], 1, "", "error[CS0103]");
    check(&["eval", "1 + nope"], 1, "", "1 | 1 + nope\n  |     ^^^^\n");
    check(&["eval", "1 + nope", "-o", "json"], 1, "\"code\":\"CS0103\"", "");
    check(
        &["eval", "int.Parse(\"x\")"],
        1,
        "",
        "throws System.FormatException",
    );
    check(&["eval"], 2, "", "EXPRESSION");
    check(
        &["eval", "1", "--context", "/nonexistent.json"],
        2,
        "",
        "/nonexistent.json",
    );
    let scratch = Scratch::new();
    let context = scratch.write(
        "c.json",
        r#"{"request": {"method": "PUT"}, "variables": {"n": 7}}"#,
    );
    let context = context.to_str().unwrap();
    check(
        &["eval", "context.Request.Method", "-c", context],
        0,
        "\"PUT\"",
        "",
    );
    let wrong = scratch.write("w.json", r#"{"model": "fabrikam"}"#);
    check(&["eval", "1", "-c", wrong.to_str().unwrap()], 2, "", "contoso");
}

#[test]
fn cases_are_written_with_what_came_out() {
    let scratch = Scratch::new();
    let rows = scratch.write(
        "cases.jsonl",
        "{\"expr\": \"1 + 2\", \"result\": {\"type\": \"System.Int32\", \"text\": \"3\"}}\n\n\
         {\"expr\": \"1 + nope\", \"result\": {\"compile\": [\"CS0103\"]}}\n",
    );
    let rows = rows.to_str().unwrap();
    let (code, out, err) = run(&["eval", "--cases", rows]);
    assert_eq!(
        (code, err.as_str()),
        (
            0,
            "2 cases: 2 equal, 0 different, 0 without a result, 0 malformed\n"
        )
    );
    for line in out.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(row["got"].is_object() && row["result"].is_object(), "{row}");
    }
    let differing = scratch.write("d.jsonl", r#"{"expr": "1", "result": {"null": true}}"#);
    check(
        &["eval", "--cases", differing.to_str().unwrap()],
        1,
        "\"got\"",
        "1 different",
    );
    check(&["eval", "--cases", rows, "1 + 2"], 2, "", "cannot be used with");
}

#[test]
fn completions_are_for_every_shell() {
    for (shell, part) in [
        ("bash", "-F _gateway__agent"),
        ("zsh", "#compdef gateway-agent"),
        ("fish", "complete -c gateway-agent"),
    ] {
        check(&["completion", shell], 0, part, "");
    }
}

#[test]
fn manual_pages_are_for_every_command() {
    check(&["man"], 0, ".TH gateway-agent 1", "");
    let scratch = Scratch::new();
    let folder = scratch.path("man1");
    check(&["man", folder.to_str().unwrap()], 0, "pages in", "");
    for page in ["gateway-agent.1", "gateway-agent-run.1", "gateway-agent-status.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
}

#[test]
fn a_closed_pipe_is_no_panic() {
    use std::process::Stdio;
    let mut child = support::command(&["completion", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
