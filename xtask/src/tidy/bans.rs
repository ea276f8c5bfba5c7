//! Words that do not belong in this code, each with what to do instead.

use anyhow::Result;

use super::{
    Finding, finding,
    source::{Line, lines},
    tree::Tree,
};

/// Crates in which a reviewed `unsafe` block may stand: raw memory shared with the kernel.
const UNSAFE_CRATES: &[&str] = &["gateway-ebpf/", "gateway-loader/", "gateway-common/"];
/// `unwrap` and `expect` in a thousand lines outside tests, over the whole workspace.
const UNWRAPS_PER_KLOC_MAX: f64 = 2.0;
/// Where waiting by asking again is implemented, and where time itself is the subject.
const WAIT: &str = "tests/src/wait.rs";

pub(super) fn find(tree: &Tree) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let mut unwraps = 0_usize;
    let mut code_lines = 0_usize;
    for (path, text) in tree.texts(&["rs"]) {
        let paused_clock = text.contains("start_paused") || text.contains("time::pause");
        for line in lines(path, text) {
            if !line.test {
                code_lines += usize::from(!line.code.trim().is_empty());
                // `.expect(b'x')` of a parser is another method; the standard one takes a text.
                unwraps += line.code.matches(".unwrap()").count() + line.code.matches(".expect(\"").count();
            }
            for what in [
                unsafe_code(path, &line),
                attribute(&line),
                unfinished(&line),
                sleep(path, &line, paused_clock),
                port(&line),
            ]
            .into_iter()
            .flatten()
            {
                found.push(finding(path, line.number, what));
            }
        }
    }
    let rate = unwraps as f64 * 1000.0 / code_lines.max(1) as f64;
    if rate > UNWRAPS_PER_KLOC_MAX {
        found.push(finding(
            "workspace",
            0,
            format!("{unwraps} unwrap and expect in {code_lines} lines outside tests ({rate:.1} per thousand): at most {UNWRAPS_PER_KLOC_MAX}"),
        ));
    }
    for (path, text) in tree.texts(&["rs", "toml", "md", "yaml", "yml", "json", "xml", "sh", "service"]) {
        found.extend(machine_paths(path, text));
    }
    Ok(found)
}

fn unsafe_code(path: &str, line: &Line<'_>) -> Option<String> {
    let code = line.code.as_str();
    let used = [
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "unsafe extern",
        "(unsafe_code",
    ]
    .iter()
    .any(|form| code.contains(form));
    (used && !UNSAFE_CRATES.iter().any(|allowed| path.starts_with(allowed))).then(|| {
        format!(
            "`unsafe` outside {}: use the safe call of nix, socket2 or std",
            UNSAFE_CRATES.join(", ")
        )
    })
}

fn attribute(line: &Line<'_>) -> Option<String> {
    let code = line.code.trim_start();
    // A module shared by test binaries is used by some of them only: there an `expect` cannot hold.
    let shared_by_tests = line.test && line.raw.contains("reason =");
    ((code.starts_with("#[allow(") || code.starts_with("#![allow(")) && !shared_by_tests)
        .then(|| "`allow` outlives its cause: write `#[expect(lint, reason = \"…\")]`".to_owned())
}

fn unfinished(line: &Line<'_>) -> Option<String> {
    // Split so that this file does not find itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    if line.code.contains("todo!(") || line.code.contains("unimplemented!(") {
        return Some("unfinished code does not land: return a named error, or leave it out".to_owned());
    }
    let comment = line
        .raw
        .find("//")
        .and_then(|at| line.raw.get(at..))
        .unwrap_or_default();
    words
        .iter()
        .any(|word| comment.contains(word))
        .then(|| "a wish without owner: file an issue or do it".to_owned())
}

fn sleep(path: &str, line: &Line<'_>, paused_clock: bool) -> Option<String> {
    let sleeps = line.code.contains("thread::sleep(") || line.code.contains("time::sleep(");
    (line.test && sleeps && !paused_clock && path != WAIT).then(|| {
        "a sleep is a guess: wait for an event, ask again with `gateway_tests::wait::until`, or pause tokio's clock".to_owned()
    })
}

fn port(line: &Line<'_>) -> Option<String> {
    let binds = line.code.contains("bind(") || line.code.contains("listen(");
    (line.test && binds && literal_port(line.raw)).then(|| {
        "a fixed port meets another run: bind port 0, or use a namespace of the laboratory".to_owned()
    })
}

// `"127.0.0.1:8080"`, `"[::1]:443"`, `(Ipv4Addr::LOCALHOST, 8080)`; port 0 is free.
fn literal_port(raw: &str) -> bool {
    let bind = raw.find("bind(").or_else(|| raw.find("listen(")).unwrap_or(0);
    let after = raw.get(bind..).unwrap_or_default();
    [":", ", "].iter().any(|mark| {
        after.match_indices(mark).any(|(at, _)| {
            let rest = after.get(at + mark.len()..).unwrap_or_default();
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let end = rest.get(digits.len()..).unwrap_or_default();
            digits.len() > 1 && digits.len() < 6 && (end.starts_with('"') || end.starts_with(')'))
        })
    })
}

fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let places = [
        concat!("/wo", "rk/wt"),
        concat!("/wo", "rk/main"),
        concat!("/ro", "ot/."),
    ];
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if places.iter().any(|place| line.contains(place)) {
            found.push(finding(
                path,
                at + 1,
                "a path of one machine: make it relative to the workspace",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, words: &[&str]) {
        let found = find(&Tree::of(&[(path, text)])).unwrap();
        assert_eq!(found.len(), words.len(), "{path}: {text}: {found:?}");
        for (finding, word) in found.iter().zip(words) {
            assert!(finding.what.contains(word), "{finding:?}");
        }
    }

    #[test]
    fn unsafe_has_its_places() {
        check("gateway-agent/src/a.rs", "unsafe { x() }", &["unsafe"]);
        check("gateway-loader/src/a.rs", "unsafe { x() }", &[]);
        check("gateway-agent/src/a.rs", "// unsafe { x() }", &[]);
        check(
            "gateway-agent/src/a.rs",
            "#[expect(unsafe_code, reason = \"no\")]",
            &["unsafe"],
        );
    }

    #[test]
    fn exceptions_expire() {
        check("a/src/a.rs", "    #[allow(dead_code)]", &["expect"]);
        check("a/src/a.rs", "    #[expect(dead_code, reason = \"yes\")]", &[]);
    }

    #[test]
    fn nothing_unfinished() {
        check("a/src/a.rs", concat!("// TO", "DO: later"), &["owner"]);
        check("a/src/a.rs", "fn a() { todo!() }", &["unfinished"]);
        check("a/src/a.rs", "let a = \"todo!()\";", &[]);
    }

    #[test]
    fn tests_do_not_sleep() {
        check("tests/tests/a.rs", "std::thread::sleep(d);", &["sleep"]);
        check("a/src/a.rs", "tokio::time::sleep(d).await;", &[]);
        check(
            "a/src/a.rs",
            "#[cfg(test)]\nmod tests {\n  fn a() { tokio::time::sleep(d); }\n}",
            &["sleep"],
        );
        check(
            "tests/tests/a.rs",
            "#[tokio::test(start_paused = true)]\ntokio::time::sleep(d).await;",
            &[],
        );
    }

    #[test]
    fn tests_take_free_ports() {
        check(
            "tests/tests/a.rs",
            "TcpListener::bind(\"127.0.0.1:8080\")",
            &["port"],
        );
        check(
            "tests/tests/a.rs",
            "TcpListener::bind((Ipv4Addr::LOCALHOST, 8080))",
            &["port"],
        );
        check("tests/tests/a.rs", "TcpListener::bind(\"127.0.0.1:0\")", &[]);
        check("tests/tests/a.rs", "get(\"http://localhost:8080/\")", &[]);
    }

    #[test]
    fn unwraps_are_counted_outside_tests() {
        let many = "a.unwrap();\n".repeat(3);
        check("a/src/a.rs", &many, &["per thousand"]);
        check("tests/tests/a.rs", &many, &[]);
    }

    #[test]
    fn no_path_of_this_machine() {
        check("a/README.md", concat!("see /wo", "rk/wt/x"), &["machine"]);
    }
}
