//! `TimeZoneInfo`, `Environment`, `StringReader`, `StringWriter`: small families with state.

use std::cell::RefCell;

use gateway_dotnet::{
    Error, Str,
    time::{DateTime, TimeZone},
};

use super::{
    Call, Decl,
    Entry::Get,
    all, base,
    call::{string, text},
    none, string as strings,
};
use crate::{
    Value,
    object::{Data, Object},
    text as texts,
    types::{Type, registry},
    vm::{Eval, Thrown},
};

fn make<T: 'static>(name: &str, data: T) -> Value {
    let ty = registry().type_named(name).unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(data)))
}

fn zone_value(zone: TimeZone) -> Eval {
    Ok(make("System.TimeZoneInfo", zone))
}

fn zone(c: &Call<'_, '_>, i: usize, name: &str) -> Result<TimeZone, Thrown> {
    match c.arg(i) {
        Value::Object(o) => o
            .native::<TimeZone>()
            .cloned()
            .ok_or_else(|| Error::null_reference().into()),
        _ => Err(Error::null(name).into()),
    }
}

fn by_id(c: &Call<'_, '_>, i: usize) -> Result<TimeZone, Thrown> {
    Ok(TimeZone::find(&c.text(i, "id")?.to_lossy())?)
}

fn date(d: DateTime) -> Eval {
    Ok(Value::DateTime(d))
}

fn convert(c: &mut Call<'_, '_>) -> Eval {
    match c.arg(0).clone() {
        Value::Offset(o) => Ok(Value::Offset(TimeZone::convert_offset(
            o,
            &zone(c, 1, "destinationTimeZone")?,
        )?)),
        _ if c.args.len() > 2 => {
            let (from, to) = (zone(c, 1, "sourceTimeZone")?, zone(c, 2, "destinationTimeZone")?);
            date(TimeZone::convert(c.date(0)?, &from, &to)?)
        }
        _ => date(TimeZone::convert_from_kind(
            c.date(0)?,
            &zone(c, 1, "destinationTimeZone")?,
        )?),
    }
}

fn convert_by_id(c: &mut Call<'_, '_>) -> Eval {
    match c.arg(0).clone() {
        Value::Offset(o) => Ok(Value::Offset(TimeZone::convert_offset(o, &by_id(c, 1)?)?)),
        _ if c.args.len() > 2 => date(TimeZone::convert(c.date(0)?, &by_id(c, 1)?, &by_id(c, 2)?)?),
        _ => date(TimeZone::convert_from_kind(c.date(0)?, &by_id(c, 1)?)?),
    }
}

fn to_utc(c: &mut Call<'_, '_>) -> Eval {
    if c.args.len() > 1 {
        return date(TimeZone::convert(
            c.date(0)?,
            &zone(c, 1, "sourceTimeZone")?,
            &TimeZone::utc(),
        )?);
    }
    date(TimeZone::convert_from_kind(c.date(0)?, &TimeZone::utc())?)
}

fn from_utc(c: &mut Call<'_, '_>) -> Eval {
    date(TimeZone::convert(
        c.date(0)?,
        &TimeZone::utc(),
        &zone(c, 1, "destinationTimeZone")?,
    )?)
}

fn on_date(c: &mut Call<'_, '_>, f: fn(&TimeZone, DateTime) -> bool) -> Eval {
    let z = zone(c, 0, "timeZone")?;
    let d = match c.arg(1) {
        Value::Offset(o) => o.clock(),
        _ => c.date(1)?,
    };
    Ok(Value::Bool(f(&z, d)))
}

// ---- readers and writers

/// A `StringReader`: the text and how far it has been read.
struct Reader(RefCell<(Str, usize)>);

fn reader<R>(c: &Call<'_, '_>, f: impl FnOnce(&Str, &mut usize) -> R) -> Result<R, Thrown> {
    let o = c.object(0)?;
    match o.native::<Reader>() {
        Some(r) => {
            let mut state = r.0.borrow_mut();
            let (text, at) = &mut *state;
            Ok(f(text, at))
        }
        None => Err(Error::null_reference().into()),
    }
}

/// What a `StringReader` has still to read, all of it; `None` for other objects.
pub(super) fn take_rest(o: &Object) -> Option<Str> {
    let mut state = o.native::<Reader>()?.0.borrow_mut();
    let rest = state.0.slice(state.1, usize::MAX);
    state.1 = state.0.len();
    Some(rest)
}

/// Writes to a `StringWriter`; false for other objects.
pub(super) fn write_to(c: &mut Call<'_, '_>, o: &Object, text: &str) -> Result<bool, Thrown> {
    let Some(w) = o.native::<Writer>() else {
        return Ok(false);
    };
    c.vm.charge(text.len())?;
    w.0.borrow_mut().push(Str::new(text));
    Ok(true)
}

fn read_line(c: &mut Call<'_, '_>) -> Eval {
    let line = reader(c, |s, at| {
        if *at >= s.len() {
            return None;
        }
        let rest: Vec<u16> = s.units().skip(*at).collect();
        let end = rest
            .iter()
            .position(|u| *u == 10 || *u == 13)
            .unwrap_or(rest.len());
        let crlf = rest.get(end) == Some(&13) && rest.get(end + 1) == Some(&10);
        *at += end + 1 + usize::from(crlf);
        Some(Str::from_utf16(&rest[..end]))
    })?;
    c.vm.step()?;
    Ok(line.map_or(Value::Null, Value::Str))
}

fn read_one(c: &mut Call<'_, '_>, advance: bool) -> Eval {
    let unit = reader(c, |s, at| {
        let unit = s.get(*at);
        *at += usize::from(advance && unit.is_some());
        unit
    })?;
    Ok(Value::Int(unit.map_or(-1, i32::from)))
}

/// A `StringWriter`: what has been written.
struct Writer(RefCell<Vec<Str>>);

fn write(c: &mut Call<'_, '_>, piece: Str) -> Eval {
    c.vm.charge(piece.len())?;
    let o = c.object(0)?;
    match o.native::<Writer>() {
        Some(w) => w.0.borrow_mut().push(piece),
        None => return Err(Error::null_reference().into()),
    }
    Ok(Value::Null)
}

fn written(w: &Writer) -> Result<Str, Error> {
    let pieces = w.0.borrow();
    let refs: Vec<&Str> = pieces.iter().collect();
    Str::concat(&refs)
}

fn write_value(c: &mut Call<'_, '_>, line: bool) -> Eval {
    let value = c.args.get(1).cloned().unwrap_or(Value::Null);
    let piece = match &value {
        Value::Object(_) if c.array_len(1).is_some() => Str::from_utf16(&c.chars(1)),
        v => texts::to_text(v),
    };
    write(c, piece)?;
    if line {
        write(c, Str::from_static("\n"))
    } else {
        Ok(Value::Null)
    }
}

fn write_format(c: &mut Call<'_, '_>, line: bool) -> Eval {
    let Value::Str(piece) = strings::format(c, 1)? else {
        return Ok(Value::Null);
    };
    write(c, piece)?;
    if line {
        write(c, Str::from_static("\n"))
    } else {
        Ok(Value::Null)
    }
}

fn nothing(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

/// `ToString()` of the objects kept here.
pub(super) fn native_text(o: &Object) -> Option<Str> {
    if let Some(z) = o.native::<TimeZone>() {
        return Some(Str::new(&z.display_name()));
    }
    o.native::<Writer>().and_then(|w| written(w).ok())
}

const ZONE: &[super::Entry] = &[
    Get("static TimeZoneInfo Utc", |_| zone_value(TimeZone::utc())),
    Get("static TimeZoneInfo Local", |_| zone_value(TimeZone::local())),
    Get("static TimeZoneInfo FindSystemTimeZoneById(string id)", |c| {
        zone_value(by_id(c, 0)?)
    }),
    Get(
        "static DateTime ConvertTime(DateTime dateTime, TimeZoneInfo destinationTimeZone)",
        convert,
    ),
    Get(
        "static DateTime ConvertTime(DateTime dateTime, TimeZoneInfo sourceTimeZone, TimeZoneInfo destinationTimeZone)",
        convert,
    ),
    Get(
        "static DateTimeOffset ConvertTime(DateTimeOffset dateTimeOffset, TimeZoneInfo destinationTimeZone)",
        convert,
    ),
    Get(
        "static DateTime ConvertTimeBySystemTimeZoneId(DateTime dateTime, string destinationTimeZoneId)",
        convert_by_id,
    ),
    Get(
        "static DateTime ConvertTimeBySystemTimeZoneId(DateTime dateTime, string sourceTimeZoneId, string destinationTimeZoneId)",
        convert_by_id,
    ),
    Get(
        "static DateTimeOffset ConvertTimeBySystemTimeZoneId(DateTimeOffset dateTimeOffset, string destinationTimeZoneId)",
        convert_by_id,
    ),
    Get("static DateTime ConvertTimeToUtc(DateTime dateTime)", to_utc),
    Get(
        "static DateTime ConvertTimeToUtc(DateTime dateTime, TimeZoneInfo sourceTimeZone)",
        to_utc,
    ),
    Get(
        "static DateTime ConvertTimeFromUtc(DateTime dateTime, TimeZoneInfo destinationTimeZone)",
        from_utc,
    ),
    Get("string Id", |c| string(zone(c, 0, "timeZone")?.id())),
    Get("string DisplayName", |c| {
        string(zone(c, 0, "timeZone")?.display_name())
    }),
    Get("string StandardName", |c| {
        string(zone(c, 0, "timeZone")?.standard_name())
    }),
    Get("TimeSpan BaseUtcOffset", |c| {
        Ok(Value::TimeSpan(zone(c, 0, "timeZone")?.base_offset()))
    }),
    Get("bool SupportsDaylightSavingTime", |c| {
        Ok(Value::Bool(zone(c, 0, "timeZone")?.has_daylight()))
    }),
    Get("TimeSpan GetUtcOffset(DateTime dateTime)", |c| {
        Ok(Value::TimeSpan(zone(c, 0, "timeZone")?.utc_offset(c.date(1)?)))
    }),
    Get("TimeSpan GetUtcOffset(DateTimeOffset dateTimeOffset)", |c| {
        Ok(Value::TimeSpan(
            zone(c, 0, "timeZone")?.utc_offset_at(c.offset(1)?),
        ))
    }),
    Get("bool IsDaylightSavingTime(DateTime dateTime)", |c| {
        on_date(c, TimeZone::is_daylight)
    }),
    Get("bool IsInvalidTime(DateTime dateTime)", |c| {
        on_date(c, TimeZone::is_invalid)
    }),
    Get("bool IsAmbiguousTime(DateTime dateTime)", |c| {
        on_date(c, TimeZone::is_ambiguous)
    }),
    Get("string ToString()", base::to_string),
];

pub(super) const TYPES: &[Decl] = &[
    all("class System.TimeZoneInfo", ZONE),
    none(
        "static System.Environment",
        &[Get("static string NewLine", |_| string("\n"))],
    ),
    all(
        "static System.Nullable",
        &[
            Get("static bool Equals<T>(T? n1, T? n2)", base::equals),
            Get("static int Compare<T>(T? n1, T? n2)", |c| {
                Ok(Value::Int(crate::equality::compare(c.arg(0), c.arg(1))? as i32))
            }),
        ],
    ),
    none(
        "abstract class System.IO.TextReader : IDisposable",
        &[Get("void Dispose()", nothing)],
    ),
    none(
        "abstract class System.IO.TextWriter : IDisposable",
        &[Get("void Dispose()", nothing)],
    ),
    all(
        "class System.IO.StringReader : System.IO.TextReader",
        &[
            Get("ctor(string s)", |c| {
                Ok(make(
                    "System.IO.StringReader",
                    Reader(RefCell::new((c.text(0, "s")?, 0))),
                ))
            }),
            Get("string ReadLine()", read_line),
            Get("string ReadToEnd()", |c| {
                let rest = reader(c, |s, at| {
                    let rest = s.slice(*at, usize::MAX);
                    *at = s.len();
                    rest
                })?;
                text(rest)
            }),
            Get("int Read()", |c| read_one(c, true)),
            Get("int Peek()", |c| read_one(c, false)),
            Get("void Close()", nothing),
            Get("void Dispose()", nothing),
        ],
    ),
    all(
        "class System.IO.StringWriter : System.IO.TextWriter",
        &[
            Get("ctor()", |_| {
                Ok(make("System.IO.StringWriter", Writer(RefCell::default())))
            }),
            Get("void Write(string value)", |c| write_value(c, false)),
            Get("void Write(char value)", |c| write_value(c, false)),
            Get("void Write(char[] buffer)", |c| write_value(c, false)),
            Get("void Write(object value)", |c| write_value(c, false)),
            Get("void Write(string format, params object[] arg)", |c| {
                write_format(c, false)
            }),
            Get("void WriteLine()", |c| write_value(c, true)),
            Get("void WriteLine(string value)", |c| write_value(c, true)),
            Get("void WriteLine(object value)", |c| write_value(c, true)),
            Get("void WriteLine(string format, params object[] arg)", |c| {
                write_format(c, true)
            }),
            Get("void Flush()", nothing),
            Get("void Close()", nothing),
            Get("void Dispose()", nothing),
            Get("string ToString()", base::to_string),
        ],
    ),
    super::values(
        "enum System.Xml.Formatting",
        super::Verdict::All,
        &[("None", 0), ("Indented", 1)],
    ),
];
