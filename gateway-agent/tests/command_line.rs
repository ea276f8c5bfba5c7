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
