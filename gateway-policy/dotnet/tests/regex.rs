//! The regex engine against answers recorded from .NET Core 3.1 (`tests/recorded/regex*.jsonl`).

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use gateway_dotnet::{
    Str,
    regex::{Match, Options, Regex, escape, unescape},
};
use serde_json::Value;

fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a recorded row is JSON"))
        .collect()
}

/// A JSON string as .NET sees it: lone surrogates cannot occur in these rows.
fn text(row: &Value, key: &str) -> Str {
    Str::new(row[key].as_str().unwrap_or_default())
}

fn describe(one: &Match) -> String {
    let groups: Vec<String> = one.groups[1..]
        .iter()
        .map(|captures| {
            let captures: Vec<String> = captures.iter().map(|(s, e)| format!("{s}+{}", e - s)).collect();
            captures.join("~")
        })
        .collect();
    format!(
        "{}+{}[{}]",
        one.index(),
        one.end() - one.index(),
        groups.join("|")
    )
}

fn matches(row: &Value) -> String {
    let options = Options(row["options"].as_i64().unwrap_or(0) as i32);
    let found = Regex::new(&text(row, "pattern"), options)
        .and_then(|regex| regex.find_all(&text(row, "input"), usize::MAX));
    match found {
        Ok(found) => found.iter().map(describe).collect::<Vec<_>>().join(";"),
        Err(error) => format!("throws {error}"),
    }
}

fn more(row: &Value) -> String {
    let input = text(row, "input");
    let outcome = Regex::new(&text(row, "pattern"), Options::NONE).and_then(|regex| {
        if row["split"].as_bool() == Some(true) {
            let pieces = regex.split(&input, 0, None)?;
            let pieces: Vec<_> = pieces.iter().map(Str::to_lossy).collect();
            return Ok(pieces.join("\u{b6}"));
        }
        if row["replace"].is_string() {
            let replacement = regex.replacement(&text(row, "replace"));
            return Ok(regex
                .replace(&input, &replacement, usize::MAX)?
                .to_lossy()
                .into_owned());
        }
        Ok(regex.pattern().to_lossy().into_owned())
    });
    outcome.unwrap_or_else(|error| format!("throws {error}"))
}

#[track_caller]
fn check(rows: &[Value], expected_key: &str, got: impl Fn(&Value) -> String) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let (got, wanted) = (got(row), row[expected_key].as_str().unwrap_or_default());
            (got != wanted).then(|| format!("{row}\n  got {got}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

#[test]
fn matches_and_captures_are_dotnets() {
    check(&rows(include_str!("recorded/regex.jsonl")), "matches", matches);
}

#[test]
fn replacements_splits_and_errors_are_dotnets() {
    check(&rows(include_str!("recorded/regex_more.jsonl")), "expected", more);
}

#[test]
fn catastrophic_patterns_end_in_a_timeout() {
    let text = Str::new(&("a".repeat(40) + "!"));
    for pattern in [
        "(a+)+$",
        "(a|aa)+$",
        "(.*)*x",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        r"(\w*)*\1\1x",
    ] {
        let regex = Regex::new(&Str::new(pattern), Options::NONE).expect("the pattern is valid");
        match regex.is_match(&text) {
            Ok(found) => assert!(!found, "{pattern} cannot match"),
            Err(error) => assert_eq!(error.kind.name(), "RegexMatchTimeoutException", "{pattern}"),
        }
    }
}

#[test]
fn deep_and_long_patterns_are_refused_or_served_without_overflow() {
    for (pattern, fits) in [
        ("(".repeat(100) + &")".repeat(100), true),
        ("(".repeat(5000) + &")".repeat(5000), false),
        ("[a-[".repeat(5000), false),
        ("a?".repeat(5000), true),
        ("(?(a)".repeat(3000), false),
    ] {
        assert_eq!(
            Regex::new(&Str::new(&pattern), Options::NONE).is_ok(),
            fits,
            "{}…",
            &pattern[..8]
        );
    }
    let long = Str::new(&"ab".repeat(200_000));
    let regex = Regex::new(&Str::new("^(?:a|b|ab)*$"), Options::NONE).expect("the pattern is valid");
    assert_eq!(regex.is_match(&long), Ok(true));
}

#[test]
fn escapes_round_trip() {
    for (plain, escaped) in [
        ("a.b*c", r"a\.b\*c"),
        ("1 + 1", r"1\ \+\ 1"),
        ("x\n\t{}", r"x\n\t\{}"),
        ("é]", "é]"),
    ] {
        assert_eq!(escape(&Str::new(plain)), Str::new(escaped));
        assert_eq!(unescape(&Str::new(escaped)), Ok(Str::new(plain)));
    }
    assert!(unescape(&Str::new(r"\y")).is_err());
}

/// Patterns and texts made at random (fixed seed): no panic, captures inside the text, starts in order.
#[test]
fn random_patterns_keep_the_rules() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % bound as u64) as usize
    };
    let atoms = [
        "a", "b", "(", ")", "(?:", "[ab]", "[^a]", "*", "+", "?", "|", ".", "{1,2}", "\\b", "^", "$", "\\1",
        "(?=", "(?<!", "(?<n>", "(?<-n>", "(?>", "\\w", "(?(n)", "{2}", "??",
    ];
    let mut valid = 0;
    for _ in 0..4000 {
        let pattern: String = (0..=random(9)).map(|_| atoms[random(atoms.len())]).collect();
        let input: String = (0..random(8)).map(|_| ['a', 'b', ' ', 'é'][random(4)]).collect();
        let options = Options([0, 1, 2, 16, 64][random(5)]);
        let Ok(regex) = Regex::new(&Str::new(&pattern), options) else {
            continue;
        };
        valid += 1;
        let Ok(found) = regex.find_all(&Str::new(&input), 50) else {
            continue;
        };
        let len = Str::new(&input).len();
        for one in &found {
            assert!(
                one.groups.iter().flatten().all(|(s, e)| s <= e && *e <= len),
                "{pattern} on {input}"
            );
        }
    }
    assert!(valid > 300, "only {valid} patterns were valid");
}
