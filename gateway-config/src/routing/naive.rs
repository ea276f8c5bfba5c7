//! The matcher the property test compares with: no tree, no hashes, every template tried on every path.

use std::cmp::Reverse;

use http::Method;

/// What makes one operation better than another, segment by segment; the first difference decides.
type Rank = (Vec<(u8, usize)>, bool, Reverse<usize>);

/// Index of the best operation, or none.
pub(super) fn find(operations: &[(Method, &str)], method: &Method, path: &str) -> Option<usize> {
    operations
        .iter()
        .enumerate()
        .filter(|(_, (m, _))| m == method)
        .filter_map(|(index, (_, template))| rank(template, path, index).map(|rank| (rank, index)))
        .max()
        .map(|(_, index)| index)
}

/// `None`: the template does not match.
fn rank(template: &str, path: &str, index: usize) -> Option<Rank> {
    let mut steps: Vec<&str> = template
        .strip_prefix('/')
        .unwrap_or(template)
        .split('/')
        .collect();
    let mut segments: Vec<&str> = path
        .strip_prefix('/')
        .map_or(Vec::new(), |p| p.split('/').collect());
    let mut ranks = Vec::new();
    if steps == [""] {
        steps.clear();
    }
    let wildcard = steps.last().is_some_and(|s| *s == "*" || s.starts_with("{*"));
    if wildcard {
        steps.pop();
    }
    let slash = !wildcard && steps.last() == Some(&"") && steps.pop().is_some();
    let sent_slash = !wildcard && segments.last() == Some(&"") && segments.len() == steps.len() + 1;
    if sent_slash {
        segments.pop();
    }
    if wildcard && segments.len() < steps.len() || !wildcard && segments.len() != steps.len() {
        return None;
    }
    for (step, segment) in steps.iter().zip(&segments) {
        ranks.push(segment_rank(step, segment)?);
    }
    // An end beats a wildcard at the same place: it is one rank longer.
    if !wildcard {
        ranks.push((4, 0));
    }
    Some((ranks, slash == sent_slash, Reverse(index)))
}

/// Literal 3, mixed 2 (more text is better), parameter 1.
fn segment_rank(step: &str, segment: &str) -> Option<(u8, usize)> {
    if !step.contains('{') {
        return step.eq_ignore_ascii_case(segment).then_some((3, 0));
    }
    let pattern: Vec<char> = step.to_lowercase().chars().collect();
    let text: Vec<char> = segment.to_lowercase().chars().collect();
    if !glob(&pattern, &text) {
        return None;
    }
    let parameter = step.starts_with('{') && step.find('}') == Some(step.len() - 1);
    let braces: usize = step
        .split('{')
        .skip(1)
        .map(|p| p.find('}').map_or(0, |end| end + 2))
        .sum();
    Some(if parameter {
        (1, 0)
    } else {
        (2, step.len() - braces)
    })
}

/// `{…}` stands for one or more characters.
fn glob(pattern: &[char], text: &[char]) -> bool {
    match pattern.first() {
        None => text.is_empty(),
        Some('{') => {
            let end = pattern
                .iter()
                .position(|c| *c == '}')
                .unwrap_or(pattern.len() - 1);
            (1..=text.len()).any(|taken| glob(&pattern[end + 1..], &text[taken..]))
        }
        Some(c) => text.first() == Some(c) && glob(&pattern[1..], &text[1..]),
    }
}
