//! Members of LINQ to JSON beyond the common ones; the registry adds them to the types.

use super::*;
use crate::lib::Entry;

/// `source.Ancestors()` and its like: the tokens that `pick` finds from each, with or without itself.
fn flat(c: &mut Call<'_, '_>, with_self: bool, pick: fn(&Token) -> Vec<Token>) -> Eval {
    let mut list = Vec::new();
    for item in c.sequence(0, "source")? {
        c.vm.step()?;
        let Value::Json(t) = item else {
            return Err(Error::null_reference().into());
        };
        if with_self {
            list.push(t.clone());
        }
        let found = pick(&t);
        c.vm.charge(found.len() * size_of::<Value>())?;
        list.extend(found);
    }
    tokens(list)
}

/// Members of `Newtonsoft.Json.Linq.Extensions`.
pub(crate) const EXTENSIONS: &[Entry] = &[
    Get(
        "static IEnumerable<JToken> Ancestors<T>(this IEnumerable<T> source) where T : JToken",
        |c| flat(c, false, Token::ancestors),
    ),
    Get(
        "static IEnumerable<JToken> AncestorsAndSelf<T>(this IEnumerable<T> source) where T : JToken",
        |c| flat(c, true, Token::ancestors),
    ),
    Get(
        "static IEnumerable<JToken> DescendantsAndSelf<T>(this IEnumerable<T> source) where T : JContainer",
        |c| flat(c, true, Token::descendants),
    ),
];

/// Members of `JArray`.
pub(crate) const ARRAY: &[Entry] = &[Get("void CopyTo(JToken[] array, int arrayIndex)", |c| {
    let items: Vec<Value> = c.json(0)?.children().into_iter().map(Value::Json).collect();
    if c.arg(1).is_null() {
        return Err(Error::null("array").into());
    }
    let room = c.array_len(1).unwrap_or(0);
    let at = c.int(2)?;
    let start = usize::try_from(at).map_err(|_| {
        let message = "arrayIndex is less than 0.";
        Error::out_of_range("arrayIndex", message)
    })?;
    if start >= room && start != 0 || items.len() > room.saturating_sub(start) {
        let message = "The number of elements in the source JObject is greater than the available space from arrayIndex to the end of the destination array.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    for (i, item) in items.into_iter().enumerate() {
        crate::array::set(c.arg(1), &[Value::Int((start + i) as i32)], item)?;
    }
    Ok(Value::Null)
})];

/// Members of `JConstructor`.
pub(crate) const CONSTRUCTOR: &[Entry] = &[Get("ctor(JConstructor other)", copy)];

/// Members of `JRaw`.
pub(crate) const RAW: &[Entry] = &[Get("ctor(JRaw other)", |c| match c.arg(0) {
    Value::Null => Err(Error::null_reference().into()),
    _ => copy(c),
})];

/// Members of `JValue`.
pub(crate) const VALUE: &[Entry] = &[Get("ctor(Uri value)", |c| match c.arg(0) {
    Value::Null => Ok(Value::Json(Token::null())),
    _ => new_value(c),
})];
