//! URL templates of operations: `/users/{id}/files/{*rest}?kind={kind}&mode=fast`.

use std::sync::Arc;

use super::path::decode;

/// Most captures of one template; bounds the match state, which lives on the stack.
pub(crate) const MAX_CAPTURES: usize = 32;
/// APIM: a template has 1 to 1,000 characters; imports of long query lists come close.
const MAX_TEMPLATE: usize = 1000;

/// One step of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole segment of text.
    Literal(String),
    /// Text and parameters mixed: `indexes('{name}')`.
    Mixed(Vec<Part>),
    /// A whole segment as parameter.
    Parameter,
}

/// A piece of a mixed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text, compared without regard to ASCII case.
    Text(String),
    /// A parameter of at least one character.
    Parameter,
}

/// One member of the query part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryPart {
    /// Parameter name, compared without regard to case.
    pub(crate) name: Arc<str>,
    /// The value it must have; `None`: any, captured.
    pub(crate) literal: Option<String>,
}

/// A parsed template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    /// Path steps.
    pub(crate) steps: Vec<Step>,
    /// It ends in `/`.
    pub(crate) slash: bool,
    /// It ends in a wildcard that takes the rest of the path.
    pub(crate) wildcard: bool,
    /// Query part.
    pub(crate) query: Vec<QueryPart>,
    /// Names of path captures, in order; the wildcard's own name last (`*` when it has none).
    pub(crate) names: Vec<Arc<str>>,
}

/// Parses a template.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub(crate) fn parse(text: &str) -> Result<Template, String> {
    if text.chars().count() > MAX_TEMPLATE {
        return Err(format!(
            "the URL template has more than {MAX_TEMPLATE} characters"
        ));
    }
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let mut out = Template::default();
    parse_path(path, &mut out)?;
    if let Some(query) = query {
        parse_query(query, &mut out)?;
    }
    if out.names.len() + out.query.len() > MAX_CAPTURES {
        return Err(format!("more than {MAX_CAPTURES} parameters in one URL template"));
    }
    let mut seen: Vec<&str> = Vec::new();
    let in_query = out.query.iter().filter(|q| q.literal.is_none()).map(|q| &*q.name);
    for name in out.names.iter().map(|n| &**n).chain(in_query) {
        if seen.contains(&name) {
            return Err(format!(
                "parameter `{name}` stands twice; names must be unique over path and query"
            ));
        }
        seen.push(name);
    }
    Ok(out)
}

fn parse_path(path: &str, out: &mut Template) -> Result<(), String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(());
    }
    let count = path.split('/').count();
    for (index, segment) in path.split('/').enumerate() {
        let last = index + 1 == count;
        if last && segment.is_empty() {
            out.slash = true;
        } else if let Some(name) = wildcard_name(segment) {
            if !last {
                return Err(format!(
                    "`{segment}` takes the rest of the path, so it can only stand last"
                ));
            }
            out.wildcard = true;
            out.names.push(name.into());
        } else {
            let step = parse_segment(segment, &mut out.names)?;
            out.steps.push(step);
        }
    }
    Ok(())
}

/// `*` and `{*name}`.
fn wildcard_name(segment: &str) -> Option<&str> {
    if segment == "*" {
        return Some("*");
    }
    segment
        .strip_prefix("{*")
        .and_then(|s| s.strip_suffix('}'))
        .filter(|n| !n.contains(['{', '}']))
}

fn parse_segment(segment: &str, names: &mut Vec<Arc<str>>) -> Result<Step, String> {
    let mut parts = Vec::new();
    let mut rest = segment;
    while !rest.is_empty() {
        let open = rest.find('{').unwrap_or(rest.len());
        let (text, tail) = rest.split_at(open);
        if text.contains('}') {
            return Err(format!("`{segment}` has `}}` without `{{`"));
        }
        if !text.is_empty() {
            let text = decode(text).ok_or_else(|| format!("`{segment}` has a broken percent escape"))?;
            parts.push(Part::Text(text.into_owned()));
        }
        if tail.is_empty() {
            break;
        }
        let close = tail
            .find('}')
            .ok_or_else(|| format!("`{segment}` has `{{` without `}}`"))?;
        let name = &tail[1..close];
        if name.is_empty() || name.contains('{') {
            return Err(format!("`{segment}` has a parameter without a proper name"));
        }
        if name.starts_with('*') {
            return Err(format!(
                "`{{{name}}}` takes the rest of the path, so it must be a segment of its own"
            ));
        }
        if parts.last() == Some(&Part::Parameter) {
            return Err(format!(
                "`{segment}` has two parameters with nothing between them"
            ));
        }
        names.push(name.into());
        parts.push(Part::Parameter);
        rest = &tail[close + 1..];
    }
    Ok(match parts.as_slice() {
        [] => Step::Literal(String::new()),
        [Part::Text(text)] => Step::Literal(text.clone()),
        [Part::Parameter] => Step::Parameter,
        _ => Step::Mixed(parts),
    })
}

fn parse_query(query: &str, out: &mut Template) -> Result<(), String> {
    for member in query.split('&').filter(|m| !m.is_empty()) {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        let name = decode(name).ok_or_else(|| format!("`{member}` has a broken percent escape"))?;
        let parameter = value.strip_prefix('{').and_then(|v| v.strip_suffix('}'));
        let (name, literal) = match parameter {
            // `?a={b}`: the query names it `a`, policies see `b`; APIM writes both alike.
            Some(inner) if inner == &*name => (name.as_ref(), None),
            Some(inner) => {
                return Err(format!(
                    "`{member}`: write the parameter as `{name}={{{name}}}`, not `{{{inner}}}`"
                ));
            }
            None => {
                let value = decode(value).ok_or_else(|| format!("`{member}` has a broken percent escape"))?;
                (name.as_ref(), Some(value.into_owned()))
            }
        };
        out.query.push(QueryPart {
            name: name.into(),
            literal,
        });
    }
    // Required values first: cheap to refuse.
    out.query.sort_by_key(|q| q.literal.is_none());
    Ok(())
}

/// Matches a mixed segment; captures are offsets into `segment`.
pub(crate) fn match_mixed(parts: &[Part], segment: &str, captures: &mut MixedCaptures) -> bool {
    captures.len = 0;
    let mut at = 0;
    let mut open: Option<usize> = None;
    for (index, part) in parts.iter().enumerate() {
        let Part::Text(text) = part else {
            open = Some(at);
            continue;
        };
        let found = match open {
            None => starts_with(&segment[at..], text).then_some(at),
            // A parameter has at least one character, so the text is searched one character later; the last
            // text must end the segment.
            Some(from) => {
                let first = segment[from..].chars().next().map_or(1, char::len_utf8);
                if index + 1 == parts.len() {
                    segment
                        .len()
                        .checked_sub(text.len())
                        .filter(|p| *p >= from + first && segment.is_char_boundary(*p))
                        .filter(|p| starts_with(&segment[*p..], text))
                } else {
                    find_from(segment, from + first, text)
                }
            }
        };
        let Some(position) = found else { return false };
        if let Some(from) = open.take()
            && !captures.push((from as u32, position as u32))
        {
            return false;
        }
        at = position + text.len();
    }
    match open {
        Some(from) => from < segment.len() && captures.push((from as u32, segment.len() as u32)),
        None => at == segment.len(),
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

fn find_from(text: &str, from: usize, needle: &str) -> Option<usize> {
    (from..=text.len()).find(|p| text.is_char_boundary(*p) && starts_with(&text[*p..], needle))
}

/// Captures of one mixed segment; more than eight parameters in one segment match nothing.
#[derive(Default)]
pub(crate) struct MixedCaptures {
    items: [(u32, u32); 8],
    len: usize,
}

impl MixedCaptures {
    fn push(&mut self, range: (u32, u32)) -> bool {
        if self.len == self.items.len() {
            return false;
        }
        self.items[self.len] = range;
        self.len += 1;
        true
    }

    /// What was captured, in order.
    pub(crate) fn as_slice(&self) -> &[(u32, u32)] {
        &self.items[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        for (text, steps, wildcard, slash, names) in [
            ("/", 0, false, false, vec![]),
            ("", 0, false, false, vec![]),
            ("/users/{id}", 2, false, false, vec!["id"]),
            ("/films/", 1, false, true, vec![]),
            ("/*", 0, true, false, vec!["*"]),
            ("/sdk/{*rest}", 1, true, false, vec!["rest"]),
            ("/indexes('{n}')/docs('{k}')", 2, false, false, vec!["n", "k"]),
            ("/m/{id}:build", 2, false, false, vec!["id"]),
        ] {
            let t = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let got: Vec<&str> = t.names.iter().map(|n| &**n).collect();
            assert_eq!(
                (t.steps.len(), t.wildcard, t.slash, got),
                (steps, wildcard, slash, names),
                "{text}"
            );
        }
        let t = parse("/r?mode=fast&p={p}").unwrap();
        assert_eq!(t.query[0].literal.as_deref(), Some("fast"));
        assert_eq!((&*t.query[1].name, &t.query[1].literal), ("p", &None));
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            ("/a/*/b", "only stand last"),
            ("/{*r}/b", "only stand last"),
            ("/a{*r}", "segment of its own"),
            ("/{a}{b}", "nothing between"),
            ("/{a", "without `}`"),
            ("/a}", "without `{`"),
            ("/{}", "proper name"),
            ("/{a}/{a}", "stands twice"),
            ("/{a}?a={a}", "stands twice"),
            ("/a%z", "percent escape"),
            ("/a?x={y}", "write the parameter as"),
        ] {
            let e = parse(text).unwrap_err();
            assert!(e.contains(part), "{text}: {e}");
        }
        assert!(parse(&"/x".repeat(600)).is_err());
    }

    #[test]
    fn mixed_segments() {
        let check = |template: &str, segment: &str, expected: Option<&[&str]>| {
            let Step::Mixed(parts) = parse_segment(template, &mut Vec::new()).unwrap() else {
                panic!("{template} is not mixed")
            };
            let mut captures = MixedCaptures::default();
            let got = match_mixed(&parts, segment, &mut captures);
            let texts: Vec<&str> = captures
                .as_slice()
                .iter()
                .map(|(a, b)| &segment[*a as usize..*b as usize])
                .collect();
            assert_eq!(
                got.then_some(texts.as_slice()),
                expected,
                "{template} on {segment}"
            );
        };
        check("docs('{key}')", "Docs('a b')", Some(&["a b"]));
        check("docs('{key}')", "docs('')", None);
        check("{id}:build", "m1:build", Some(&["m1"]));
        check("{id}:build", "m1:build:build", Some(&["m1:build"]));
        check("{id}:build", ":build", None);
        check("{a}-{b}", "1-2-3", Some(&["1", "2-3"]));
        check("{a}.{b}.json", "x.y.json", Some(&["x", "y"]));
        check("{a}.{b}.json", "x.json", None);
        check("v{n}", "v", None);
        check("v{n}", "vé", Some(&["é"]));
    }
}
