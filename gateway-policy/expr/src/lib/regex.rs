//! Regular expressions.

use std::{cell::RefCell, rc::Rc};

use gateway_dotnet::{
    Error, Str,
    regex::{self, Match, Options, Regex},
};

use super::{
    Call, Decl,
    Entry::{Denied, Get},
    Verdict, all, base,
    call::text,
    none, only, values,
};
use crate::{
    Value,
    object::{Data, Object},
    types::{Type, registry},
    vm::{Eval, Thrown},
};

/// Compiled patterns kept per worker: policies use a handful, and compiling costs microseconds.
const CACHED_PATTERNS: usize = 64;

thread_local! {
    static CACHE: RefCell<Vec<(Str, i32, Regex)>> = const { RefCell::new(Vec::new()) };
}

/// A compiled pattern, from the cache of this worker when it is there.
fn compiled(pattern: &Str, options: i32) -> Result<Regex, Error> {
    let known = CACHE.with_borrow(|c| {
        c.iter()
            .find(|(p, o, _)| *o == options && p == pattern)
            .map(|(_, _, r)| r.clone())
    });
    if let Some(regex) = known {
        return Ok(regex);
    }
    let regex = Regex::new(pattern, Options(options))?;
    CACHE.with_borrow_mut(|c| {
        if c.len() >= CACHED_PATTERNS {
            c.remove(0);
        }
        c.push((pattern.clone(), options, regex.clone()));
    });
    Ok(regex)
}

/// A `Match` object, successful or not.
struct MatchData {
    regex: Option<Regex>,
    input: Str,
    found: Option<Match>,
}

/// A `Group` or `Capture`.
struct GroupData {
    input: Str,
    name: Str,
    captures: Vec<(usize, usize)>,
    success: bool,
}

/// A `MatchCollection`, `GroupCollection` or `CaptureCollection`.
struct Collection {
    items: Vec<Value>,
    names: Vec<(Str, i32)>,
}

fn make<T: 'static>(name: &str, data: T) -> Value {
    let full = format!("System.Text.RegularExpressions.{name}");
    let ty = registry().type_named(&full).unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(data)))
}

fn match_value(regex: &Regex, input: &Str, found: Option<Match>) -> Value {
    make(
        "Match",
        MatchData {
            regex: Some(regex.clone()),
            input: input.clone(),
            found,
        },
    )
}

/// The pattern at argument 0 of an instance call.
fn this(c: &Call<'_, '_>) -> Result<Regex, Thrown> {
    let o = c.object(0)?;
    o.native::<Regex>()
        .cloned()
        .ok_or_else(|| Error::null_reference().into())
}

/// A `matchTimeout` among the arguments must be positive, or -1 ms for none, and at most 24 days.
///
/// What it allows is not measured: the engine counts steps, and ends what is catastrophic long before.
fn check_timeout(c: &Call<'_, '_>) -> Result<(), Thrown> {
    const NONE: i64 = -10_000;
    const LONGEST: i64 = 21_474_836_460_000;
    let bad = c.args.iter().skip(1).any(|v| match v {
        Value::TimeSpan(t) => t.ticks() != NONE && !(1..=LONGEST).contains(&t.ticks()),
        _ => false,
    });
    if bad {
        let message = "Specified argument was out of the range of valid values.";
        return Err(Error::out_of_range("matchTimeout", message).into());
    }
    Ok(())
}

/// Pattern and input of a static call `(input, pattern, …, options)`.
fn static_parts(c: &mut Call<'_, '_>) -> Result<(Regex, Str), Thrown> {
    let (input, pattern) = (c.text(0, "input")?, c.text(1, "pattern")?);
    check_timeout(c)?;
    let options = c.args.iter().skip(2).find_map(|v| {
        if let Value::Enum(_, o) = v {
            Some(*o as i32)
        } else {
            None
        }
    });
    c.vm.charge(input.len() * 2)?;
    Ok((compiled(&pattern, options.unwrap_or(0))?, input))
}

fn instance_parts(c: &mut Call<'_, '_>) -> Result<(Regex, Str), Thrown> {
    let (regex, input) = (this(c)?, c.text(1, "input")?);
    c.vm.charge(input.len() * 2)?;
    Ok((regex, input))
}

/// What a match costs beside the text it stands in.
const MATCH_BYTES: usize = 128;

/// All matches from a place on, no more of them than the memory left can hold.
fn matches_from(
    c: &mut Call<'_, '_>,
    regex: &Regex,
    input: &Str,
    start: Option<i32>,
    count: usize,
) -> Result<Vec<Match>, Thrown> {
    let limit = count.min(c.vm.room_for(MATCH_BYTES).saturating_add(1));
    let list = match start {
        Some(start) => regex.find_all_at(input, start, limit)?,
        None => regex.find_all(input, limit)?,
    };
    c.vm.charge(list.len().saturating_mul(MATCH_BYTES))?;
    Ok(list)
}

type Parts = fn(&mut Call<'_, '_>) -> Result<(Regex, Str), Thrown>;

fn is_match(c: &mut Call<'_, '_>, parts: Parts) -> Eval {
    let (regex, input) = parts(c)?;
    Ok(Value::Bool(regex.is_match(&input)?))
}

fn find(c: &mut Call<'_, '_>, parts: Parts) -> Eval {
    let (regex, input) = parts(c)?;
    let found = regex.find(&input)?;
    Ok(match_value(&regex, &input, found))
}

/// `Match(input, startat)`
fn find_from(c: &mut Call<'_, '_>) -> Eval {
    let (regex, input) = instance_parts(c)?;
    let found = regex.find_at(&input, c.int(2)?)?;
    Ok(match_value(&regex, &input, found))
}

fn find_all(c: &mut Call<'_, '_>, parts: Parts) -> Eval {
    let (regex, input) = parts(c)?;
    let list = matches_from(c, &regex, &input, None, usize::MAX)?;
    let items = list
        .into_iter()
        .map(|m| match_value(&regex, &input, Some(m)))
        .collect();
    Ok(make(
        "MatchCollection",
        Collection {
            items,
            names: Vec::new(),
        },
    ))
}

fn bad_count() -> Thrown {
    Error::out_of_range("count", "Count cannot be less than -1.").into()
}

/// `Replace(input, replacement or evaluator, count, startat)`
fn replace_from(c: &mut Call<'_, '_>) -> Eval {
    let (regex, input) = instance_parts(c)?;
    let count = match c.int(3)? {
        n if n < -1 => return Err(bad_count()),
        n => usize::try_from(n).unwrap_or(usize::MAX),
    };
    let by = c.arg(2).clone();
    if by.is_null() {
        return Err(Error::null("replacement").into());
    }
    let start = c.int(4)?;
    let matches = matches_from(c, &regex, &input, Some(start), count)?;
    replace_matches(c, &regex, &input, matches, &by)
}

fn replace_matches(
    c: &mut Call<'_, '_>,
    regex: &Regex,
    input: &Str,
    matches: Vec<Match>,
    by: &Value,
) -> Eval {
    let pattern = match by {
        Value::Str(pattern) => Some(regex.replacement(pattern)),
        _ => None,
    };
    let vm = &mut *c.vm;
    let result = regex.replace_matches::<Thrown>(input, matches, |m| {
        vm.step()?;
        let part = match &pattern {
            Some(pattern) => Str::from_utf16(&pattern.expand(input, m)),
            None => match vm.invoke(by, &[match_value(regex, input, Some(m.clone()))])? {
                Value::Str(s) => s,
                _ => Str::EMPTY,
            },
        };
        vm.charge(part.len())?;
        Ok(part)
    })?;
    c.vm.charge(result.len())?;
    text(result)
}

/// `Matches(input, startat)`
fn find_all_from(c: &mut Call<'_, '_>) -> Eval {
    let (regex, input) = instance_parts(c)?;
    let start = c.int(2)?;
    let list = matches_from(c, &regex, &input, Some(start), usize::MAX)?;
    let items = list
        .into_iter()
        .map(|m| match_value(&regex, &input, Some(m)))
        .collect();
    let names = Vec::new();
    Ok(make("MatchCollection", Collection { items, names }))
}

/// `Replace`: the replacement is text or an evaluator, a count may follow.
fn replace(c: &mut Call<'_, '_>, parts: Parts) -> Eval {
    let (regex, input) = parts(c)?;
    let by = c.arg(2).clone();
    let count = match c.arg(3) {
        Value::Int(n) if *n >= 0 => *n as usize,
        Value::Int(n) if *n < -1 => return Err(bad_count()),
        _ => usize::MAX,
    };
    if by.is_null() {
        return Err(Error::null("replacement").into());
    }
    let matches = matches_from(c, &regex, &input, None, count)?;
    replace_matches(c, &regex, &input, matches, &by)
}

fn split(c: &mut Call<'_, '_>, parts: Parts) -> Eval {
    let (regex, input) = parts(c)?;
    let count = match c.args.get(2) {
        Some(Value::Int(n)) if *n > 0 => *n as usize,
        Some(Value::Int(n)) if *n < 0 => return Err(bad_count()),
        _ => 0,
    };
    let start = match c.args.get(3) {
        Some(Value::Int(start)) => Some(*start),
        _ => None,
    };
    let list = regex.split(&input, count, start)?;
    c.vm.charge(list.len() * size_of::<Value>())?;
    Ok(Value::array(
        Type::STRING,
        list.into_iter().map(Value::Str).collect(),
    ))
}

// ---- matches, groups, captures

/// Input and captures of a match, group or capture.
fn captured<R>(o: &Object, f: impl FnOnce(&Str, Option<(usize, usize)>, bool) -> R) -> Option<R> {
    if let Some(m) = o.native::<MatchData>() {
        return Some(f(
            &m.input,
            m.found.as_ref().map(|m| (m.index(), m.end())),
            m.found.is_some(),
        ));
    }
    o.native::<GroupData>()
        .map(|g| f(&g.input, g.captures.last().copied(), g.success))
}

fn capture(c: &Call<'_, '_>) -> Result<(Str, usize, bool), Thrown> {
    let o = c.object(0)?;
    captured(&o, |input, span, success| match span {
        Some((start, end)) => (input.slice(start, end - start), start, success),
        None => (Str::EMPTY, 0, success),
    })
    .ok_or_else(|| Error::null_reference().into())
}

fn group_value(m: &MatchData, slot: usize) -> Value {
    let captures = m
        .found
        .as_ref()
        .and_then(|f| f.groups.get(slot))
        .cloned()
        .unwrap_or_default();
    let name = m
        .regex
        .as_ref()
        .and_then(|r| r.group_name(slot))
        .unwrap_or_default();
    let success = !captures.is_empty();
    make(
        "Group",
        GroupData {
            input: m.input.clone(),
            name: Str::new(name),
            captures,
            success,
        },
    )
}

fn groups(c: &mut Call<'_, '_>) -> Eval {
    let o = c.object(0)?;
    let Some(m) = o.native::<MatchData>() else {
        return Err(Error::null_reference().into());
    };
    // A failed match has the empty group alone.
    let count = match (&m.regex, &m.found) {
        (Some(r), Some(_)) => r.group_count(),
        _ => 1,
    };
    let mut items = Vec::new();
    let mut names = Vec::new();
    for slot in 0..count {
        let whole = slot == 0;
        items.push(if whole {
            Value::Object(Rc::clone(&o))
        } else {
            group_value(m, slot)
        });
        let name = m.regex.as_ref().and_then(|r| r.group_name(slot)).unwrap_or("0");
        names.push((Str::new(name), name.parse().unwrap_or(slot as i32)));
    }
    Ok(make("GroupCollection", Collection { items, names }))
}

fn empty_group() -> Value {
    make(
        "Group",
        GroupData {
            input: Str::EMPTY,
            name: Str::EMPTY,
            captures: Vec::new(),
            success: false,
        },
    )
}

fn collection(c: &Call<'_, '_>) -> Result<Rc<Object>, Thrown> {
    c.object(0)
}

fn item(c: &mut Call<'_, '_>) -> Eval {
    let o = collection(c)?;
    let Some(list) = o.native::<Collection>() else {
        return Err(Error::null_reference().into());
    };
    let is_groups = !list.names.is_empty();
    let found = match c.arg(1) {
        Value::Str(name) => list.names.iter().position(|(n, _)| n == name),
        Value::Int(n) if is_groups => list.names.iter().position(|(_, m)| m == n),
        Value::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    };
    match found.and_then(|i| list.items.get(i)) {
        Some(v) => Ok(v.clone()),
        None if is_groups => Ok(empty_group()),
        None => {
            Err(Error::out_of_range("i", "Specified argument was out of the range of valid values.").into())
        }
    }
}

fn count(c: &mut Call<'_, '_>) -> Eval {
    let o = collection(c)?;
    Ok(Value::Int(
        o.native::<Collection>().map_or(0, |l| l.items.len()) as i32
    ))
}

fn captures(c: &mut Call<'_, '_>) -> Eval {
    let o = c.object(0)?;
    let (input, list) = if let Some(m) = o.native::<MatchData>() {
        (
            m.input.clone(),
            m.found.iter().map(|m| (m.index(), m.end())).collect(),
        )
    } else if let Some(g) = o.native::<GroupData>() {
        (g.input.clone(), g.captures.clone())
    } else {
        return Err(Error::null_reference().into());
    };
    let one = |span: (usize, usize)| {
        let data = GroupData {
            input: input.clone(),
            name: Str::EMPTY,
            captures: vec![span],
            success: true,
        };
        make("Capture", data)
    };
    let items = list.into_iter().map(one).collect();
    Ok(make(
        "CaptureCollection",
        Collection {
            items,
            names: Vec::new(),
        },
    ))
}

fn next_match(c: &mut Call<'_, '_>) -> Eval {
    let o = c.object(0)?;
    let Some(m) = o.native::<MatchData>() else {
        return Err(Error::null_reference().into());
    };
    match (&m.regex, &m.found) {
        (Some(regex), Some(found)) => {
            let next = regex.find_next(&m.input, found)?;
            Ok(match_value(regex, &m.input, next))
        }
        _ => Ok(c.take(0)),
    }
}

fn result(c: &mut Call<'_, '_>) -> Eval {
    let o = c.object(0)?;
    let pattern = c.text(1, "replacement")?;
    match o.native::<MatchData>() {
        Some(MatchData {
            regex: Some(regex),
            input,
            found: Some(found),
        }) => text(Str::from_utf16(&regex.replacement(&pattern).expand(input, found))),
        _ => Err(Error::new(
            gateway_dotnet::ExceptionKind::NotSupportedException,
            "Result cannot be called on a failed Match.",
        )
        .into()),
    }
}

fn new_regex(c: &mut Call<'_, '_>) -> Eval {
    let pattern = c.text(0, "pattern")?;
    check_timeout(c)?;
    let options = match c.arg(1) {
        Value::Enum(_, o) => *o as i32,
        _ => 0,
    };
    Ok(make("Regex", compiled(&pattern, options)?))
}

/// `ToString()` of the objects kept here.
pub(super) fn native_text(o: &Object) -> Option<Str> {
    if let Some(r) = o.native::<Regex>() {
        return Some(r.pattern().clone());
    }
    captured(o, |input, span, _| {
        span.map_or(Str::EMPTY, |(s, e)| input.slice(s, e - s))
    })
}

/// Items of a collection.
pub(super) fn native_items(o: &Object) -> Option<Vec<Value>> {
    o.native::<Collection>().map(|c| c.items.clone())
}

const REGEX: &[super::Entry] = &[
    Get("ctor(string pattern)", new_regex),
    Get("ctor(string pattern, RegexOptions options)", new_regex),
    Get(
        "ctor(string pattern, RegexOptions options, TimeSpan matchTimeout)",
        new_regex,
    ),
    Get("static bool IsMatch(string input, string pattern)", |c| {
        is_match(c, static_parts)
    }),
    Get(
        "static bool IsMatch(string input, string pattern, RegexOptions options)",
        |c| is_match(c, static_parts),
    ),
    Get(
        "static bool IsMatch(string input, string pattern, RegexOptions options, TimeSpan matchTimeout)",
        |c| is_match(c, static_parts),
    ),
    Get("bool IsMatch(string input)", |c| is_match(c, instance_parts)),
    Get("bool IsMatch(string input, int startat)", |c| {
        let (regex, input) = instance_parts(c)?;
        Ok(Value::Bool(regex.find_at(&input, c.int(2)?)?.is_some()))
    }),
    Get("static Match Match(string input, string pattern)", |c| {
        find(c, static_parts)
    }),
    Get(
        "static Match Match(string input, string pattern, RegexOptions options)",
        |c| find(c, static_parts),
    ),
    Get(
        "static Match Match(string input, string pattern, RegexOptions options, TimeSpan matchTimeout)",
        |c| find(c, static_parts),
    ),
    Get("Match Match(string input)", |c| find(c, instance_parts)),
    Get("Match Match(string input, int startat)", find_from),
    Get(
        "static MatchCollection Matches(string input, string pattern)",
        |c| find_all(c, static_parts),
    ),
    Get(
        "static MatchCollection Matches(string input, string pattern, RegexOptions options)",
        |c| find_all(c, static_parts),
    ),
    Get(
        "static MatchCollection Matches(string input, string pattern, RegexOptions options, TimeSpan matchTimeout)",
        |c| find_all(c, static_parts),
    ),
    Get(
        "MatchCollection Matches(string input, int startat)",
        find_all_from,
    ),
    Get("MatchCollection Matches(string input)", |c| {
        find_all(c, instance_parts)
    }),
    Get(
        "static string Replace(string input, string pattern, string replacement)",
        |c| replace(c, static_parts),
    ),
    Get(
        "static string Replace(string input, string pattern, string replacement, RegexOptions options)",
        |c| replace(c, static_parts),
    ),
    Get(
        "static string Replace(string input, string pattern, string replacement, RegexOptions options, TimeSpan matchTimeout)",
        |c| replace(c, static_parts),
    ),
    Get(
        "static string Replace(string input, string pattern, MatchEvaluator evaluator)",
        |c| replace(c, static_parts),
    ),
    Get(
        "static string Replace(string input, string pattern, MatchEvaluator evaluator, RegexOptions options)",
        |c| replace(c, static_parts),
    ),
    Get(
        "static string Replace(string input, string pattern, MatchEvaluator evaluator, RegexOptions options, TimeSpan matchTimeout)",
        |c| replace(c, static_parts),
    ),
    Get("string Replace(string input, string replacement)", |c| {
        replace(c, instance_parts)
    }),
    Get(
        "string Replace(string input, string replacement, int count)",
        |c| replace(c, instance_parts),
    ),
    Get(
        "string Replace(string input, string replacement, int count, int startat)",
        replace_from,
    ),
    Get(
        "string Replace(string input, MatchEvaluator evaluator, int count, int startat)",
        replace_from,
    ),
    Get("string[] Split(string input, int count, int startat)", |c| {
        split(c, instance_parts)
    }),
    Get("string Replace(string input, MatchEvaluator evaluator)", |c| {
        replace(c, instance_parts)
    }),
    Get(
        "string Replace(string input, MatchEvaluator evaluator, int count)",
        |c| replace(c, instance_parts),
    ),
    Get("static string[] Split(string input, string pattern)", |c| {
        split(c, static_parts)
    }),
    Get(
        "static string[] Split(string input, string pattern, RegexOptions options)",
        |c| split(c, static_parts),
    ),
    Get(
        "static string[] Split(string input, string pattern, RegexOptions options, TimeSpan matchTimeout)",
        |c| split(c, static_parts),
    ),
    Get("string[] Split(string input)", |c| split(c, instance_parts)),
    Get("string[] Split(string input, int count)", |c| {
        split(c, instance_parts)
    }),
    Get("static string Escape(string str)", |c| {
        text(regex::escape(&c.text(0, "str")?))
    }),
    Get("static string Unescape(string str)", |c| {
        text(regex::unescape(&c.text(0, "str")?)?)
    }),
    Get("string ToString()", base::to_string),
    Get("string[] GetGroupNames()", |c| {
        let r = this(c)?;
        let names: Vec<&str> = (0..r.group_count()).filter_map(|s| r.group_name(s)).collect();
        Ok(Value::strings(names))
    }),
];

const CAPTURE: &[super::Entry] = &[
    Get("int Index", |c| Ok(Value::Int(capture(c)?.1 as i32))),
    Get("int Length", |c| Ok(Value::Int(capture(c)?.0.len() as i32))),
    Get("string Value", |c| text(capture(c)?.0)),
    Get("string ToString()", |c| text(capture(c)?.0)),
];

pub(super) const TYPES: &[Decl] = &[
    only(
        "class System.Text.RegularExpressions.Regex",
        &[
            ".ctor", "IsMatch", "Match", "Matches", "Replace", "Unescape", "Split",
        ],
        REGEX,
    ),
    only(
        "class System.Text.RegularExpressions.Capture",
        &["Index", "Length", "Value"],
        CAPTURE,
    ),
    only(
        "class System.Text.RegularExpressions.Group : Capture",
        &["Captures", "Success"],
        &[
            Get("bool Success", |c| Ok(Value::Bool(capture(c)?.2))),
            Get("CaptureCollection Captures", captures),
            Get("string Name", |c| {
                let o = c.object(0)?;
                text(
                    o.native::<GroupData>()
                        .map_or(Str::from_static("0"), |g| g.name.clone()),
                )
            }),
        ],
    ),
    only(
        "class System.Text.RegularExpressions.Match : Group",
        &["Empty", "Groups", "Result"],
        &[
            Get("static Match Empty", |_| {
                Ok(make(
                    "Match",
                    MatchData {
                        regex: None,
                        input: Str::EMPTY,
                        found: None,
                    },
                ))
            }),
            Get("GroupCollection Groups", groups),
            Get("string Result(string replacement)", result),
            Get("Match NextMatch()", next_match),
        ],
    ),
    only(
        "class System.Text.RegularExpressions.GroupCollection : IList<Group>, IReadOnlyList<Group>",
        &["Count", "Item"],
        &[
            Get("int Count", count),
            Get("Group this[int groupnum]", item),
            Get("Group this[string groupname]", item),
            Denied("bool ContainsKey(string key)", |c| {
                let o = collection(c)?;
                let name = c.str_or_empty(1);
                Ok(Value::Bool(
                    o.native::<Collection>()
                        .is_some_and(|l| l.names.iter().any(|(n, _)| *n == name)),
                ))
            }),
        ],
    ),
    only(
        "class System.Text.RegularExpressions.CaptureCollection : IList<Capture>, IReadOnlyList<Capture>",
        &["Count", "Item"],
        &[Get("int Count", count), Get("Capture this[int i]", item)],
    ),
    none(
        "class System.Text.RegularExpressions.MatchCollection : IList<Match>, IReadOnlyList<Match>",
        &[Get("int Count", count), Get("Match this[int i]", item)],
    ),
    all(
        "delegate System.Text.RegularExpressions.MatchEvaluator",
        &[Get("string Invoke(Match match)", super::delegates::invoke)],
    ),
    values(
        "flags enum System.Text.RegularExpressions.RegexOptions",
        Verdict::All,
        &[
            ("None", 0),
            ("IgnoreCase", 1),
            ("Multiline", 2),
            ("ExplicitCapture", 4),
            ("Compiled", 8),
            ("Singleline", 16),
            ("IgnorePatternWhitespace", 32),
            ("RightToLeft", 64),
            ("ECMAScript", 256),
            ("CultureInvariant", 512),
        ],
    ),
];
