//! `StringBuilder`.

use super::*;
use crate::lib::Entry;

fn builder<R>(c: &Call<'_, '_>, f: impl FnOnce(&mut StringBuilder) -> Result<R, Error>) -> Result<R, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match &o.data {
            Data::Builder(b) => Ok(f(&mut b.borrow_mut())?),
            _ => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn append_text(c: &mut Call<'_, '_>, value: &Str) -> Eval {
    c.vm.charge(value.len() * 2)?;
    builder(c, |b| b.append(value))?;
    Ok(c.take(0))
}

fn append(c: &mut Call<'_, '_>) -> Eval {
    let value = match c.arg(1) {
        Value::Object(_) if c.array_len(1).is_some() => Str::from_utf16(&c.chars(1)),
        other => texts::to_text(other),
    };
    append_text(c, &value)
}

fn append_line(c: &mut Call<'_, '_>) -> Eval {
    let value = c.str_or_empty(1);
    builder(c, |b| b.append(&value))?;
    append_text(c, &Str::from_static("\n"))
}

fn append_format(c: &mut Call<'_, '_>) -> Eval {
    let Value::Str(value) = format(c, 1)? else {
        return Ok(Value::Null);
    };
    append_text(c, &value)
}

fn append_format_provider(c: &mut Call<'_, '_>) -> Eval {
    let Value::Str(value) = format(c, 2)? else {
        return Ok(Value::Null);
    };
    append_text(c, &value)
}

/// `Replace(old, new, startIndex, count)`: within a part of the text.
fn replace_part(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(1).is_null() {
        return Err(Error::null("oldValue").into());
    }
    let (old, new) = (texts::to_text(c.arg(1)), texts::to_text(c.arg(2)));
    let (start, count) = (c.int(3)?, c.int(4)?);
    let before = builder(c, |b| Ok(b.len()))?;
    c.vm.charge(before * 2)?;
    builder(c, |b| b.replace_in(&old, &new, start, count))?;
    let after = builder(c, |b| Ok(b.len()))?;
    c.vm.charge(after.saturating_sub(before) * 2)?;
    Ok(c.take(0))
}

fn append_join(c: &mut Call<'_, '_>) -> Eval {
    let separator = texts::to_text(c.arg(1));
    let values = c.sequence(2, "values")?;
    let parts = texts_of(values);
    let total: usize = parts.iter().flatten().map(Str::len).sum();
    c.vm.charge(total + separator.len() * parts.len())?;
    let joined = Str::join(&separator, &parts)?;
    append_text(c, &joined)
}

/// Characters may be missing where none are asked for.
fn chars_given(c: &Call<'_, '_>, i: usize, bounds: usize) -> Result<(), Thrown> {
    if c.arg(i).is_null() && (c.int(bounds)?, c.int(bounds + 1)?) != (0, 0) {
        return Err(Error::null("value").into());
    }
    Ok(())
}

fn built(b: StringBuilder) -> Eval {
    let ty = Type::Def(crate::types::STRING_BUILDER);
    Ok(Value::object(ty, Data::Builder(RefCell::new(b))))
}

fn new_builder(c: &mut Call<'_, '_>) -> Eval {
    let start = match c.arg(0) {
        Value::Int(_) => Str::EMPTY,
        _ => c.str_or_empty(0),
    };
    let capacity = match c.args.last() {
        Some(Value::Int(n)) => *n,
        _ => 0,
    };
    built(StringBuilder::with_capacity(&start, capacity)?)
}

/// `new StringBuilder(value, startIndex, length, capacity)`: null is empty.
fn new_of_part(c: &mut Call<'_, '_>) -> Eval {
    let part = c.str_or_empty(0).substring_len(c.int(1)?, c.int(2)?)?;
    built(StringBuilder::with_capacity(&part, c.int(3)?)?)
}

/// `Insert(index, value)` of any value by its text; null adds nothing.
fn insert_value(c: &mut Call<'_, '_>) -> Eval {
    let (i, s) = (c.int(1)?, texts::to_text(c.arg(2)));
    c.vm.charge(s.len() * 2)?;
    builder(c, |b| b.insert(i, &s))?;
    Ok(c.take(0))
}

const BUILDER: &[Entry] = &[
    Get("ctor()", new_builder),
    Get("ctor(int capacity)", new_builder),
    Get("ctor(int capacity, int maxCapacity)", |c| {
        built(StringBuilder::with_maximum(c.int(0)?, c.int(1)?)?)
    }),
    Get("ctor(string value)", new_builder),
    Get("ctor(string value, int capacity)", new_builder),
    Get(
        "ctor(string value, int startIndex, int length, int capacity)",
        new_of_part,
    ),
    Set(
        "int Length",
        |c| Ok(Value::Int(builder(c, |b| Ok(b.len()))? as i32)),
        |c| {
            let n = c.int(1)?;
            c.vm.charge(usize::try_from(n).unwrap_or(0))?;
            builder(c, |b| b.set_len(n))?;
            Ok(Value::Null)
        },
    ),
    Set(
        "char this[int index]",
        |c| {
            let i = c.int(1)?;
            Ok(Value::Char(builder(c, |b| b.get(i))?))
        },
        |c| {
            let (i, u) = (c.int(1)?, c.char(2)?);
            builder(c, |b| b.set(i, u))?;
            Ok(Value::Null)
        },
    ),
    Get("StringBuilder Append(string value)", append),
    Get("StringBuilder Append(char value)", append),
    Get("StringBuilder Append(char[] value)", append),
    Get("StringBuilder Append(object value)", append),
    Get("StringBuilder Append(bool value)", append),
    Get("StringBuilder Append(byte value)", append),
    Get("StringBuilder Append(int value)", append),
    Get("StringBuilder Append(long value)", append),
    Get("StringBuilder Append(float value)", append),
    Get("StringBuilder Append(double value)", append),
    Get("StringBuilder Append(decimal value)", append),
    Get("StringBuilder Append(char value, int repeatCount)", |c| {
        let (u, n) = (c.char(1)?, c.int(2)?);
        c.vm.charge(usize::try_from(n).unwrap_or(0) * 2)?;
        builder(c, |b| b.append_char(u, n))?;
        Ok(c.take(0))
    }),
    Get(
        "StringBuilder Append(string value, int startIndex, int count)",
        |c| {
            let part = c.text(1, "value")?.substring_len(c.int(2)?, c.int(3)?)?;
            append_text(c, &part)
        },
    ),
    Get("StringBuilder Append(sbyte value)", append),
    Get("StringBuilder Append(short value)", append),
    Get("StringBuilder Append(ushort value)", append),
    Get("StringBuilder Append(uint value)", append),
    Get("StringBuilder Append(ulong value)", append),
    Get("StringBuilder Append(StringBuilder value)", append),
    Get(
        "StringBuilder Append(char[] value, int startIndex, int charCount)",
        |c| {
            chars_given(c, 1, 2)?;
            let part = Str::from_utf16(&c.chars(1)).substring_len(c.int(2)?, c.int(3)?)?;
            append_text(c, &part)
        },
    ),
    Get(
        "StringBuilder Append(StringBuilder value, int startIndex, int count)",
        |c| {
            let part = texts::to_text(c.arg(1)).substring_len(c.int(2)?, c.int(3)?)?;
            append_text(c, &part)
        },
    ),
    Get("StringBuilder AppendLine()", append_line),
    Get(
        "StringBuilder AppendFormat(IFormatProvider provider, string format, object arg0)",
        append_format_provider,
    ),
    Get(
        "StringBuilder AppendFormat(IFormatProvider provider, string format, object arg0, object arg1)",
        append_format_provider,
    ),
    Get(
        "StringBuilder AppendFormat(IFormatProvider provider, string format, object arg0, object arg1, object arg2)",
        append_format_provider,
    ),
    Get(
        "StringBuilder AppendFormat(IFormatProvider provider, string format, params object[] args)",
        append_format_provider,
    ),
    Get(
        "StringBuilder AppendJoin(string separator, params string[] values)",
        append_join,
    ),
    Get(
        "StringBuilder AppendJoin(char separator, params object[] values)",
        append_join,
    ),
    Get(
        "StringBuilder AppendJoin(char separator, params string[] values)",
        append_join,
    ),
    Get(
        "StringBuilder AppendJoin<T>(char separator, IEnumerable<T> values)",
        append_join,
    ),
    Get("StringBuilder Insert(int index, string value, int count)", |c| {
        let (i, s, n) = (c.int(1)?, c.str_or_empty(2), c.int(3)?);
        let n =
            usize::try_from(n).map_err(|_| Error::out_of_range("count", "Non-negative number required."))?;
        // Two bytes a unit, and a pointer a piece while they are joined.
        c.vm.charge(
            s.len()
                .saturating_mul(2)
                .saturating_add(size_of::<&Str>())
                .saturating_mul(n),
        )?;
        let repeated = Str::concat(&vec![&s; if s.is_empty() { 0 } else { n }])?;
        builder(c, |b| b.insert(i, &repeated))?;
        Ok(c.take(0))
    }),
    Get("StringBuilder Insert(int index, char[] value)", |c| {
        let (i, s) = (c.int(1)?, Str::from_utf16(&c.chars(2)));
        c.vm.charge(s.len() * 2)?;
        builder(c, |b| b.insert(i, &s))?;
        Ok(c.take(0))
    }),
    Get(
        "StringBuilder Insert(int index, char[] value, int startIndex, int charCount)",
        |c| {
            let i = c.int(1)?;
            chars_given(c, 2, 3)?;
            let s = Str::from_utf16(&c.chars(2)).substring_len(c.int(3)?, c.int(4)?)?;
            c.vm.charge(s.len() * 2)?;
            builder(c, |b| b.insert(i, &s))?;
            Ok(c.take(0))
        },
    ),
    Get(
        "StringBuilder Replace(string oldValue, string newValue, int startIndex, int count)",
        replace_part,
    ),
    Get(
        "StringBuilder Replace(char oldChar, char newChar, int startIndex, int count)",
        replace_part,
    ),
    Get(
        "void CopyTo(int sourceIndex, char[] destination, int destinationIndex, int count)",
        |c| {
            let units = builder(c, |b| Ok(b.to_str()))?.to_utf16();
            let (from, to, count) = (c.int(1)?, c.int(3)?, c.int(4)?);
            let room = c.array_len(2).unwrap_or(0) as i64;
            let beyond = |at: i32, len: i64| i64::from(at) + i64::from(count) > len;
            let sound = !c.arg(2).is_null() && from >= 0 && to >= 0 && count >= 0;
            if sound && from as usize <= units.len() && (beyond(to, room) || beyond(from, units.len() as i64))
            {
                let message = "Either offset did not refer to a position in the string, or there is an insufficient length of destination character array.";
                return Err(Error::new(gateway_dotnet::ExceptionKind::ArgumentException, message).into());
            }
            copy_units(c, &units, from, to, count)
        },
    ),
    Get("bool Equals(StringBuilder sb)", |c| {
        let other = match c.arg(1) {
            Value::Null => return Ok(Value::Bool(false)),
            v => texts::to_text(v),
        };
        Ok(Value::Bool(builder(c, |b| Ok(b.to_str() == other))?))
    }),
    Get("int MaxCapacity", |c| {
        Ok(Value::Int(builder(c, |b| Ok(b.max_capacity()))? as i32))
    }),
    Set(
        "int Capacity",
        |c| Ok(Value::Int(builder(c, |b| Ok(b.capacity()))? as i32)),
        |c| {
            let n = c.int(1)?;
            builder(c, |b| b.set_capacity(n))?;
            Ok(Value::Null)
        },
    ),
    Get("int EnsureCapacity(int capacity)", |c| {
        let n = c.int(1)?;
        Ok(Value::Int(builder(c, |b| b.ensure_capacity(n))? as i32))
    }),
    Get("StringBuilder AppendLine(string value)", append_line),
    Get(
        "StringBuilder AppendFormat(string format, object arg0)",
        append_format,
    ),
    Get(
        "StringBuilder AppendFormat(string format, object arg0, object arg1)",
        append_format,
    ),
    Get(
        "StringBuilder AppendFormat(string format, object arg0, object arg1, object arg2)",
        append_format,
    ),
    Get(
        "StringBuilder AppendFormat(string format, params object[] args)",
        append_format,
    ),
    Get(
        "StringBuilder AppendJoin(string separator, params object[] values)",
        append_join,
    ),
    Get(
        "StringBuilder AppendJoin<T>(string separator, IEnumerable<T> values)",
        append_join,
    ),
    Get("StringBuilder Insert(int index, string value)", |c| {
        let (i, s) = (c.int(1)?, c.str_or_empty(2));
        c.vm.charge(s.len())?;
        builder(c, |b| b.insert(i, &s))?;
        Ok(c.take(0))
    }),
    Get("StringBuilder Insert(int index, object value)", |c| {
        let (i, s) = (c.int(1)?, texts::to_text(c.arg(2)));
        builder(c, |b| b.insert(i, &s))?;
        Ok(c.take(0))
    }),
    Get("StringBuilder Insert(int index, bool value)", insert_value),
    Get("StringBuilder Insert(int index, sbyte value)", insert_value),
    Get("StringBuilder Insert(int index, byte value)", insert_value),
    Get("StringBuilder Insert(int index, short value)", insert_value),
    Get("StringBuilder Insert(int index, char value)", insert_value),
    Get("StringBuilder Insert(int index, int value)", insert_value),
    Get("StringBuilder Insert(int index, long value)", insert_value),
    Get("StringBuilder Insert(int index, float value)", insert_value),
    Get("StringBuilder Insert(int index, double value)", insert_value),
    Get("StringBuilder Insert(int index, decimal value)", insert_value),
    Get("StringBuilder Insert(int index, ushort value)", insert_value),
    Get("StringBuilder Insert(int index, uint value)", insert_value),
    Get("StringBuilder Insert(int index, ulong value)", insert_value),
    Get("StringBuilder Remove(int startIndex, int length)", |c| {
        let (i, n) = (c.int(1)?, c.int(2)?);
        builder(c, |b| b.remove(i, n))?;
        Ok(c.take(0))
    }),
    Get("StringBuilder Replace(string oldValue, string newValue)", |c| {
        let (old, new) = (c.text(1, "oldValue")?, c.str_or_empty(2));
        builder(c, |b| b.replace(&old, &new))?;
        Ok(c.take(0))
    }),
    Get("StringBuilder Replace(char oldChar, char newChar)", |c| {
        let (old, new) = (Str::from_unit(c.char(1)?), Str::from_unit(c.char(2)?));
        builder(c, |b| b.replace(&old, &new))?;
        Ok(c.take(0))
    }),
    Get("StringBuilder Clear()", |c| {
        builder(c, |b| {
            b.clear();
            Ok(())
        })?;
        Ok(c.take(0))
    }),
    Get("string ToString()", |c| text(builder(c, |b| Ok(b.to_str()))?)),
    Get("string ToString(int startIndex, int length)", |c| {
        let (i, n) = (c.int(1)?, c.int(2)?);
        text(builder(c, |b| b.to_str().substring_len(i, n))?)
    }),
];

pub(crate) const TYPES: &[Decl] = &[all("class System.Text.StringBuilder", BUILDER)];
