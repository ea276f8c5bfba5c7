//! Regular expressions: any pattern against any text within limits, and the common subset against another engine.

use gateway_dotnet::{
    ExceptionKind, Str,
    regex::{self, Options, Regex},
};

use crate::{Choices, Target, text};

/// Pattern and text are the two lines of the input.
pub(crate) const REGEX: Target = Target {
    name: "regex",
    run,
    seeds: &[
        "^(a+)+$\naaaaaaaaaa!",
        "(?<year>\\d{4})-(?<m>\\d\\d)(?(m)x|y)\n2024-01x",
        "(?i:abc)|[^\\w\\s]+?(?=\\d)(?<!x)\\1{2,3}\\bend\\Z\nabc1",
        "[a-z-[aeiou]]+(?>b*)(?'n'c)\\k<n>\\p{Lu}\\u0041\nbcdcA",
    ],
    words: &[
        "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?<n>", "(?>", "(?i)", "\\b", "\\d", "\\w+", "\\1", "\\k<n>",
        "[a-z]", "[^", "-[", "]", "{2,}", "{0,1000}", "*?", "+?", "|", ")", "$", "^", ".", "\\p{L}", "\n",
    ],
};

fn run(input: &[u8]) {
    let input = text(input);
    let (pattern, subject) = input.split_once('\n').unwrap_or((&input, "aab"));
    let (pattern, subject) = (Str::new(pattern), Str::new(subject));
    for options in [0, 1, 2 | 16, 32, 64] {
        let Ok(regex) = Regex::new(&pattern, Options(options)) else {
            continue;
        };
        let found = match regex.find(&subject) {
            Ok(found) => found,
            Err(e) => {
                let limit = matches!(
                    e.kind,
                    ExceptionKind::BudgetExceeded | ExceptionKind::RegexMatchTimeoutException
                );
                assert!(limit, "{pattern}: {e:?}");
                continue;
            }
        };
        if let Some(m) = &found {
            assert!(
                m.index() <= m.end() && m.end() <= subject.len(),
                "{pattern}: a match outside the text"
            );
        }
        if let Ok(matches) = regex.is_match(&subject) {
            assert_eq!(matches, found.is_some(), "{pattern}");
        }
        let _ = regex.find_all(&subject, 100);
        let _ = regex.split(&subject, 5, None);
    }
    // What is escaped matches itself.
    let escaped = regex::escape(&subject);
    if let Ok(back) = regex::unescape(&escaped) {
        assert_eq!(back, subject);
    }
}

/// Patterns of what both engines mean the same by, against short texts.
pub(crate) const REGEX_AGREES: Target = Target {
    name: "regex-agrees",
    run: agrees,
    seeds: &[
        "abcdefghijklmnopqrstuvwxyz",
        "\u{1}\u{5}\u{9}\u{2}ABAB",
        "0123456789012345678901234567890123456789",
    ],
    words: &[],
};

fn agrees(input: &[u8]) {
    let mut choices = Choices::new(input);
    let pattern = alternation(&mut choices, 0);
    let Ok(other) = ::regex::Regex::new(&format!("(?-u){pattern}")) else {
        return;
    };
    let Ok(own) = Regex::new(&Str::new(&pattern), Options(0)) else {
        panic!("{pattern} is refused");
    };
    for _ in 0..4 {
        let subject: String = (0..choices.below(12))
            .map(|_| ['a', 'b', 'c', '1', '_'][choices.below(5)])
            .collect();
        let found = other.find(&subject).map(|m| (m.start(), m.end()));
        match own.find(&Str::new(&subject)) {
            Ok(m) => assert_eq!(m.map(|m| (m.index(), m.end())), found, "{pattern} in {subject:?}"),
            Err(e) => assert_eq!(e.kind, ExceptionKind::BudgetExceeded, "{pattern}: {e:?}"),
        }
    }
}

fn alternation(choices: &mut Choices<'_>, depth: usize) -> String {
    let mut text = sequence(choices, depth);
    for _ in 0..choices.below(3) {
        text.push('|');
        text += &sequence(choices, depth);
    }
    text
}

fn sequence(choices: &mut Choices<'_>, depth: usize) -> String {
    (0..1 + choices.below(4))
        .map(|_| repeated(choices, depth))
        .collect()
}

fn repeated(choices: &mut Choices<'_>, depth: usize) -> String {
    let (piece, repeatable) = piece(choices, depth);
    let suffix = match (repeatable, choices.below(10)) {
        (true, 0) => "*",
        (true, 1) => "+",
        (true, 2) => "?",
        (true, 3) => "{1,2}",
        (true, 4) => "*?",
        (true, 5) => "+?",
        (true, 6) => "{2}",
        _ => "",
    };
    piece + suffix
}

/// A piece, and whether a quantifier may follow. What can match nothing is not repeated: engines differ there.
fn piece(choices: &mut Choices<'_>, depth: usize) -> (String, bool) {
    match choices.below(if depth < 3 { 12 } else { 9 }) {
        0..3 => (["a", "b", "c"][choices.below(3)].to_owned(), true),
        3 => ("[ab]".to_owned(), true),
        4 => ("[^b]".to_owned(), true),
        5 => (".".to_owned(), true),
        6 => (["\\w", "\\d", "\\W", "\\D"][choices.below(4)].to_owned(), true),
        7 => ("^".to_owned(), false),
        8 => (["\\b", "\\B"][choices.below(2)].to_owned(), false),
        9 => (format!("({})", alternation(choices, depth + 1)), false),
        _ => (format!("(?:{})", alternation(choices, depth + 1)), false),
    }
}
