//! `string`, `StringBuilder`, `StringComparer` and the enums around them.

use std::cell::RefCell;

use gateway_dotnet::{
    Error, Str,
    text::{Separators, StringBuilder, StringComparison, compare_nullable},
};

use super::{
    Call, Decl,
    Entry::{Get, Set},
    Verdict, all,
    base::{self, comparison},
    call::text,
    none, values,
};
use crate::{
    Value,
    equality::Comparer,
    object::Data,
    text as texts,
    types::{Type, registry},
    vm::{Eval, Thrown},
};

const ORDINAL: StringComparison = StringComparison::Ordinal;

/// Strings of an array argument, nulls kept.
fn strings(c: &Call<'_, '_>, i: usize) -> Vec<Option<Str>> {
    c.items(i)
        .into_iter()
        .map(|v| if let Value::Str(s) = v { Some(s) } else { None })
        .collect()
}

fn texts_of(values: Vec<Value>) -> Vec<Option<Str>> {
    values
        .into_iter()
        .map(|v| {
            if v.is_null() {
                None
            } else {
                Some(texts::to_text(&v))
            }
        })
        .collect()
}

fn join_values(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(1).is_null() {
        let name = if c.types.is_empty() { "value" } else { "values" };
        return Err(Error::null(name).into());
    }
    let separator = c.str_or_empty(0);
    let separator = match c.arg(0) {
        Value::Char(u) => Str::from_unit(*u),
        _ => separator,
    };
    let values = c.sequence(1, "values")?;
    let parts = texts_of(values);
    let total: usize = parts.iter().flatten().map(Str::len).sum();
    c.vm.charge(total + separator.len() * parts.len())?;
    text(Str::join(&separator, &parts)?)
}

fn join_range(c: &mut Call<'_, '_>) -> Eval {
    let parts = strings(c, 1);
    if c.arg(1).is_null() {
        return Err(Error::null("value").into());
    }
    let separator = texts::to_text(c.arg(0));
    text(Str::join_range(&separator, &parts, c.int(2)?, c.int(3)?)?)
}

fn concat(c: &mut Call<'_, '_>) -> Eval {
    let values = if c.args.len() == 1
        && (c.array_len(0).is_some()
            || !matches!(c.arg(0), Value::Str(_) | Value::Null) && !c.types.is_empty())
    {
        c.sequence(0, "values")?
    } else {
        c.args.to_vec()
    };
    let parts: Vec<Str> = values.iter().map(texts::to_text).collect();
    c.vm.charge(parts.iter().map(Str::len).sum())?;
    let refs: Vec<&Str> = parts.iter().collect();
    text(Str::concat(&refs)?)
}

/// `Format(format, …)`: arguments from `from` on, or one array.
pub(crate) fn format(c: &mut Call<'_, '_>, at: usize) -> Eval {
    let pattern = c.text(at, "format")?;
    let rest = &c.args[at + 1..];
    let args: Vec<Value> = match rest {
        [one]
            if c.array_len(at + 1).is_some()
                && matches!(one, Value::Object(o) if matches!(&o.ty, Type::Array(e, _) if e.is_reference())) =>
        {
            c.items(at + 1)
        }
        _ => rest.to_vec(),
    };
    let holders: Vec<Holder> = args.into_iter().map(Holder).collect();
    let refs: Vec<&dyn gateway_dotnet::text::FormatArg> = holders.iter().map(|h| h as _).collect();
    let result = gateway_dotnet::text::format(&pattern, &refs)?;
    c.vm.charge(result.len())?;
    text(result)
}

/// A value as an argument of a composite format.
pub(crate) struct Holder(pub Value);

impl gateway_dotnet::text::FormatArg for Holder {
    fn format_arg(&self, format: Option<&Str>) -> Result<Str, Error> {
        texts::format_value(&self.0, format)
    }
}

fn format_here(c: &mut Call<'_, '_>) -> Eval {
    format(c, 0)
}

fn format_provider(c: &mut Call<'_, '_>) -> Eval {
    format(c, 1)
}

// ---- split, trim

fn split_with(c: &mut Call<'_, '_>, at: &Separators<'_>, count: i32, remove_empty: bool) -> Eval {
    let parts = c.this_str()?.split(at, count, remove_empty)?;
    c.vm.charge(parts.len() * size_of::<Value>())?;
    Ok(Value::array(
        Type::STRING,
        parts.into_iter().map(Value::Str).collect(),
    ))
}

/// `CopyTo(sourceIndex, destination, destinationIndex, count)`
fn copy_to(c: &mut Call<'_, '_>) -> Eval {
    let units = c.this_str()?.to_utf16();
    let (from, to, count) = (c.int(1)?, c.int(3)?, c.int(4)?);
    copy_units(c, &units, from, to, count)
}

/// Writes `count` units into the `char[]` at argument 2.
fn copy_units(c: &Call<'_, '_>, units: &[u16], from: i32, to: i32, count: i32) -> Eval {
    if c.arg(2).is_null() {
        return Err(Error::null("destination").into());
    }
    let place = c.object(2)?;
    let Data::Array(items) = &place.data else {
        return Err(Error::null_reference().into());
    };
    let mut items = items.borrow_mut();
    let part = |len: usize, start: i32| {
        let (start, count) = (usize::try_from(start).ok()?, usize::try_from(count).ok()?);
        let end = start.checked_add(count).filter(|end| *end <= len)?;
        Some(start..end)
    };
    let spans = part(units.len(), from).zip(part(items.len(), to));
    let Some((source, target)) = spans else {
        let message = "Index and count must refer to a location within the string.";
        return Err(Error::out_of_range("sourceIndex", message).into());
    };
    for (slot, unit) in items[target].iter_mut().zip(&units[source]) {
        *slot = Value::Char(*unit);
    }
    Ok(Value::Null)
}

/// Count and options after the separator, in either order of presence.
fn split_options(c: &Call<'_, '_>, from: usize) -> Result<(i32, bool), Thrown> {
    let (mut count, mut remove) = (i32::MAX, false);
    for arg in &c.args[from.min(c.args.len())..] {
        match arg {
            Value::Int(n) => count = *n,
            Value::Enum(_, v @ 0..=1) => remove = *v == 1,
            Value::Enum(_, v) => {
                let message = format!("Illegal enum value: {v}.");
                return Err(Error::argument("options", &message).into());
            }
            _ => {}
        }
    }
    Ok((count, remove))
}

fn split_chars(c: &mut Call<'_, '_>) -> Eval {
    let units = match c.arg(1) {
        Value::Char(u) => vec![*u],
        _ => c.chars(1),
    };
    let (count, remove) = split_options(c, 2)?;
    split_with(c, &Separators::Chars(&units), count, remove)
}

fn split_text(c: &mut Call<'_, '_>) -> Eval {
    let separator = c.opt_str(1);
    let (count, remove) = split_options(c, 2)?;
    split_with(c, &Separators::Text(separator.as_ref()), count, remove)
}

fn split_texts(c: &mut Call<'_, '_>) -> Eval {
    let separators = strings(c, 1);
    let (count, remove) = split_options(c, 2)?;
    split_with(c, &Separators::Texts(&separators), count, remove)
}

fn trim(c: &mut Call<'_, '_>, start: bool, end: bool) -> Eval {
    let set = match c.arg(1) {
        Value::Char(u) => vec![*u],
        _ => c.chars(1),
    };
    text(c.this_str()?.trim(&set, start, end))
}

// ---- search

/// The comparison of the last argument, if it is one.
fn last_comparison(c: &Call<'_, '_>) -> Result<StringComparison, Thrown> {
    match c.args.last() {
        Some(Value::Enum(..)) => comparison(c, c.args.len() - 1),
        _ => Ok(ORDINAL),
    }
}

fn needle(c: &Call<'_, '_>) -> Result<Str, Thrown> {
    match c.arg(1) {
        Value::Char(u) => Ok(Str::from_unit(*u)),
        _ => c.text(1, "value"),
    }
}

fn tested(c: &mut Call<'_, '_>, f: fn(&Str, &Str, StringComparison) -> bool) -> Eval {
    let (this, value, how) = (c.this_str()?, needle(c)?, last_comparison(c)?);
    Ok(Value::Bool(f(&this, &value, how)))
}

/// `startIndex` and `count` among the arguments.
fn window(c: &Call<'_, '_>) -> (Option<i32>, Option<i32>) {
    let mut ints = c
        .args
        .iter()
        .skip(2)
        .filter_map(|v| if let Value::Int(i) = v { Some(*i) } else { None });
    (ints.next(), ints.next())
}

fn index_of(c: &mut Call<'_, '_>) -> Eval {
    let this = c.this_str()?;
    let (start, count) = window(c);
    if let Value::Char(u) = c.arg(1)
        && !matches!(c.args.last(), Some(Value::Enum(..)))
    {
        return Ok(Value::Int(this.index_of_char(*u, start.unwrap_or(0), count)?));
    }
    let value = needle(c)?;
    Ok(Value::Int(this.index_of_in(
        &value,
        start.unwrap_or(0),
        count,
        last_comparison(c)?,
    )?))
}

fn last_index_of(c: &mut Call<'_, '_>) -> Eval {
    let this = c.this_str()?;
    let (start, count) = window(c);
    if let Value::Char(u) = c.arg(1) {
        return Ok(Value::Int(this.last_index_of_any(&[*u], start, count)?));
    }
    let value = needle(c)?;
    Ok(Value::Int(this.last_index_of(
        &value,
        start,
        count,
        last_comparison(c)?,
    )?))
}

fn index_of_any(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(1).is_null() {
        return Err(Error::null("anyOf").into());
    }
    let (start, count) = window(c);
    Ok(Value::Int(c.this_str()?.index_of_any(
        &c.chars(1),
        start.unwrap_or(0),
        count,
    )?))
}

fn last_index_of_any(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(1).is_null() {
        return Err(Error::null("anyOf").into());
    }
    let (start, count) = window(c);
    Ok(Value::Int(c.this_str()?.last_index_of_any(
        &c.chars(1),
        start,
        count,
    )?))
}

fn replace(c: &mut Call<'_, '_>) -> Eval {
    let this = c.this_str()?;
    if let (Value::Char(a), Value::Char(b)) = (c.arg(1), c.arg(2)) {
        return text(this.replace_char(*a, *b));
    }
    let (old, new) = (c.text(1, "oldValue")?, c.str_or_empty(2));
    let how = if c.args.len() > 3 {
        last_comparison(c)?
    } else {
        ORDINAL
    };
    text(this.replace(&old, &new, how)?)
}

fn substring(c: &mut Call<'_, '_>) -> Eval {
    let this = c.this_str()?;
    text(match c.args.len() {
        2 => this.substring(c.int(1)?)?,
        _ => this.substring_len(c.int(1)?, c.int(2)?)?,
    })
}

fn remove(c: &mut Call<'_, '_>) -> Eval {
    let this = c.this_str()?;
    text(match c.args.len() {
        2 => this.remove(c.int(1)?)?,
        _ => this.remove_len(c.int(1)?, c.int(2)?)?,
    })
}

fn pad(c: &mut Call<'_, '_>, left: bool) -> Eval {
    let (this, width) = (c.this_str()?, c.int(1)?);
    let unit = if c.args.len() > 2 { c.char(2)? } else { 32 };
    c.vm.charge(usize::try_from(width).unwrap_or(0))?;
    text(if left {
        this.pad_left(width, unit)?
    } else {
        this.pad_right(width, unit)?
    })
}

fn equals(c: &mut Call<'_, '_>) -> Eval {
    let how = if c.args.len() > 2 {
        last_comparison(c)?
    } else {
        ORDINAL
    };
    Ok(Value::Bool(match (c.arg(0), c.arg(1)) {
        (Value::Str(a), Value::Str(b)) => a.equals(b, how),
        (Value::Null, Value::Null) => true,
        _ => false,
    }))
}

fn compare(c: &mut Call<'_, '_>) -> Eval {
    let ignore = match c.arg(2) {
        Value::Bool(b) => *b,
        Value::Enum(..) => comparison(c, 2)?.ignores_case(),
        _ => false,
    };
    Ok(Value::Int(compare_nullable(
        c.opt_str(0).as_ref(),
        c.opt_str(1).as_ref(),
        ignore,
    )))
}

/// A comparison under a culture finds nothing to compare in null.
fn parts_of_null(c: &Call<'_, '_>, len: i32) -> Result<(), Thrown> {
    for (text, at) in [(0, 1), (2, 3)] {
        let at = c.int(at)?;
        if c.arg(text).is_null() && (at != 0 || len != 0) {
            return Err(Error::out_of_range("length", "Index was out of range.").into());
        }
    }
    Ok(())
}

/// `CompareOrdinal(a, indexA, b, indexB, length)`, where null is less than anything.
fn compare_parts_ordinal(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(0).is_null() || c.arg(2).is_null() {
        return Ok(Value::Int(
            i32::from(c.arg(2).is_null()) - i32::from(c.arg(0).is_null()),
        ));
    }
    compare_parts(c)
}

/// `Compare(a, indexA, b, indexB, length)`
fn compare_parts(c: &mut Call<'_, '_>) -> Eval {
    let part =
        |s: Option<Str>, at: i32, len: i32| s.map(|s| s.slice(at.max(0) as usize, len.max(0) as usize));
    let len = c.int(4)?;
    if !matches!(c.arg(5), Value::Enum(..)) {
        parts_of_null(c, len)?;
    }
    if let (Some(a), Some(b)) = (c.opt_str(0), c.opt_str(2)) {
        let outside = |name: &str, message: &str| Err(Error::out_of_range(name, message).into());
        if len < 0 {
            return outside("length", "Length cannot be less than zero.");
        }
        for (name, text, at) in [("indexA", &a, c.int(1)?), ("indexB", &b, c.int(3)?)] {
            if usize::try_from(at).map_or(true, |at| at > text.len()) {
                return outside(
                    name,
                    "Index was out of range. Must be non-negative and less than the size of the collection.",
                );
            }
        }
    }
    let ignore = match c.arg(5) {
        Value::Bool(b) => *b,
        Value::Enum(..) => comparison(c, 5)?.ignores_case(),
        _ => false,
    };
    let (a, b) = (
        part(c.opt_str(0), c.int(1)?, len),
        part(c.opt_str(2), c.int(3)?, len),
    );
    Ok(Value::Int(compare_nullable(a.as_ref(), b.as_ref(), ignore)))
}

fn compare_to(c: &mut Call<'_, '_>) -> Eval {
    if !matches!(c.arg(1), Value::Str(_) | Value::Null) {
        return Err(Error::new(
            gateway_dotnet::ExceptionKind::ArgumentException,
            "Object must be of type String.",
        )
        .into());
    }
    Ok(Value::Int(compare_nullable(
        c.opt_str(0).as_ref(),
        c.opt_str(1).as_ref(),
        false,
    )))
}

fn new_from_chars(c: &mut Call<'_, '_>) -> Eval {
    let units = c.chars(0);
    let units = match (c.arg(1), c.arg(2)) {
        (Value::Int(start), Value::Int(len)) => {
            let range = usize::try_from(*start).ok().zip(usize::try_from(*len).ok());
            match range.and_then(|(s, l)| units.get(s..s + l)) {
                Some(part) => part.to_vec(),
                None => {
                    return Err(Error::out_of_range(
                        "startIndex",
                        "Index and length must refer to a location within the string.",
                    )
                    .into());
                }
            }
        }
        _ => units,
    };
    text(Str::from_utf16(&units))
}

fn to_char_array(c: &mut Call<'_, '_>) -> Eval {
    let this = c.this_str()?;
    let units = match c.args.len() {
        1 => this.to_utf16(),
        _ => this.to_char_array(c.int(1)?, c.int(2)?)?,
    };
    c.vm.charge(units.len() * size_of::<Value>())?;
    Ok(Value::array(
        Type::CHAR,
        units.into_iter().map(Value::Char).collect(),
    ))
}

fn copy_str(c: &mut Call<'_, '_>) -> Eval {
    // A copy is another object.
    text(Str::from_utf16(&c.this_str()?.to_utf16()))
}

mod builder;
mod compare;
mod table;

pub(super) use builder::TYPES as BUILDER;
pub(super) use compare::{COMPARER, STRING as STRING_COMPARE, TYPES as COMPARE};
pub(super) use table::TYPES;
pub(crate) use table::comparer;
