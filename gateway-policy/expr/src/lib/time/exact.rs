//! `ParseExact` of offsets and spans, and the file times of offsets; the registry adds these to the types.

use gateway_dotnet::{Error, Str};

use super::*;
use crate::lib::Entry;

/// The formats at argument 1: one, or those of an array.
fn formats(c: &Call<'_, '_>) -> Result<Vec<Str>, Error> {
    match c.arg(1) {
        Value::Str(one) => Ok(vec![one.clone()]),
        Value::Null => Err(Error::null("format")),
        _ => {
            // One that is missing is as wrong as an empty one, once it is looked at.
            let one = |v: Value| if let Value::Str(s) = v { s } else { Str::EMPTY };
            let all: Vec<Str> = c.items(1).into_iter().map(one).collect();
            if all.is_empty() {
                return Err(Error::format("No format specifiers were provided."));
            }
            Ok(all)
        }
    }
}

/// Text without the blanks that `DateTimeStyles` permits around it.
fn stripped(text: &str, styles: i64) -> &str {
    const LEADING: i64 = 1;
    const TRAILING: i64 = 2;
    let text = if styles & LEADING == 0 {
        text
    } else {
        text.trim_start()
    };
    if styles & TRAILING == 0 {
        text
    } else {
        text.trim_end()
    }
}

/// `DateTimeOffset.ParseExact`: one format, or the first of several that fits.
fn read_offset(c: &mut Call<'_, '_>, styles: i64) -> Result<DateTimeOffset, Thrown> {
    let text = c.text(0, "input")?;
    let text = text.to_lossy();
    let mut failed = Error::null("format");
    for format in formats(c)? {
        c.vm.step()?;
        if format.is_empty() {
            return Err(Error::format("Format specifier was invalid.").into());
        }
        // A single letter that names no standard format is wrong whatever else is offered.
        if format.len() == 1 && !"dDfFgGmMoOrRsStTuUyY".contains(&*format.to_lossy()) {
            return Err(Error::format("Input string was not in a correct format.").into());
        }
        match DateTimeOffset::parse_exact(stripped(&text, styles), &format.to_lossy(), today(c)) {
            Ok(found) if styles & ADJUST_TO_UNIVERSAL != 0 => return Ok(found.to_universal()),
            Ok(found) => return Ok(found),
            Err(e) => failed = e,
        }
    }
    Err(failed.into())
}

fn parse_offset(c: &mut Call<'_, '_>) -> Eval {
    let styles = offset_styles(c)?;
    offset(read_offset(c, styles)?)
}

/// What a `Try…` method makes of an outcome: a failure to parse is no exception, being cut off is one.
fn attempt<T>(outcome: Result<T, Thrown>) -> Result<Option<T>, Thrown> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(e @ Thrown::Budget(_)) => Err(e),
        Err(_) => Ok(None),
    }
}

fn try_parse_offset(c: &mut Call<'_, '_>) -> Eval {
    let styles = offset_styles(c)?;
    let parsed = attempt(read_offset(c, styles))?;
    let last = c.args.len() - 1;
    c.out(
        last,
        Value::Offset(parsed.unwrap_or_else(|| DateTimeOffset::from_datetime(MIN_DATE))),
    );
    Ok(Value::Bool(parsed.is_some()))
}

/// Ticks from year 1 to 1601, where file times begin.
const FILE_TIME_START: i64 = 504_911_232_000_000_000;

fn to_file_time(c: &mut Call<'_, '_>) -> Eval {
    match c.offset(0)?.utc_ticks() - FILE_TIME_START {
        ticks @ 0.. => Ok(Value::Long(ticks)),
        _ => Err(Error::out_of_range("", "Not a valid Win32 FileTime.").into()),
    }
}

fn from_file_time(c: &mut Call<'_, '_>) -> Eval {
    let ticks = c
        .long(0)?
        .checked_add(FILE_TIME_START)
        .filter(|t| *t >= FILE_TIME_START);
    let clock = ticks.and_then(|t| DateTime::from_ticks(t, DateTimeKind::Utc).ok());
    match clock {
        Some(clock) => offset(DateTimeOffset::from_datetime(clock)),
        None => Err(Error::out_of_range("fileTime", "Not a valid Win32 FileTime.").into()),
    }
}

/// Members of `DateTimeOffset`.
pub(crate) const OFFSET: &[Entry] = &[
    Get(
        "static DateTimeOffset ParseExact(string input, string format, IFormatProvider formatProvider)",
        parse_offset,
    ),
    Get(
        "static DateTimeOffset ParseExact(string input, string format, IFormatProvider formatProvider, System.Globalization.DateTimeStyles styles)",
        parse_offset,
    ),
    Get(
        "static DateTimeOffset ParseExact(string input, string[] formats, IFormatProvider formatProvider, System.Globalization.DateTimeStyles styles)",
        parse_offset,
    ),
    Get(
        "static bool TryParseExact(string input, string format, IFormatProvider formatProvider, System.Globalization.DateTimeStyles styles, out DateTimeOffset result)",
        try_parse_offset,
    ),
    Get(
        "static bool TryParseExact(string input, string[] formats, IFormatProvider formatProvider, System.Globalization.DateTimeStyles styles, out DateTimeOffset result)",
        try_parse_offset,
    ),
    Get("long ToFileTime()", to_file_time),
    Get(
        "static DateTimeOffset FromFileTime(long fileTime)",
        from_file_time,
    ),
    Get("bool EqualsExact(DateTimeOffset other)", |c| {
        let (a, b) = (c.offset(0)?, c.offset(1)?);
        Ok(Value::Bool(
            a.utc_ticks() == b.utc_ticks() && a.offset() == b.offset(),
        ))
    }),
];

/// `TimeSpanStyles.AssumeNegative`
const ASSUME_NEGATIVE: i64 = 1;

/// Whether the styles ask for negative spans; anything else in them is an error even of `TryParseExact`.
fn negative(c: &Call<'_, '_>) -> Result<bool, Thrown> {
    match styles_of(c) {
        0 => Ok(false),
        ASSUME_NEGATIVE => Ok(true),
        _ => {
            let message = "An undefined TimeSpanStyles value is being used.";
            Err(Error::argument("styles", message).into())
        }
    }
}

fn read_span(c: &mut Call<'_, '_>, negative: bool) -> Result<TimeSpan, Thrown> {
    let text = c.text(0, "input")?;
    let single = matches!(c.arg(1), Value::Str(_) | Value::Null);
    let mut failed = Error::format("String was not recognized as a valid TimeSpan.");
    for format in formats(c)? {
        c.vm.step()?;
        if format.is_empty() && !single {
            return Err(Error::format("Format specifier was invalid.").into());
        }
        match TimeSpan::parse_exact(&text.to_lossy(), &format.to_lossy(), negative) {
            Ok(found) => return Ok(found),
            Err(e) if single => failed = e,
            Err(_) => {}
        }
    }
    Err(failed.into())
}

fn parse_span(c: &mut Call<'_, '_>) -> Eval {
    let negative = negative(c)?;
    span(read_span(c, negative)?)
}

fn try_parse_span(c: &mut Call<'_, '_>) -> Eval {
    let negative = negative(c)?;
    let parsed = attempt(read_span(c, negative))?;
    let last = c.args.len() - 1;
    c.out(last, Value::TimeSpan(parsed.unwrap_or_default()));
    Ok(Value::Bool(parsed.is_some()))
}

/// Members of `TimeSpan`.
pub(crate) const SPAN: &[Entry] = &[
    Get(
        "static TimeSpan ParseExact(string input, string format, IFormatProvider formatProvider)",
        parse_span,
    ),
    Get(
        "static TimeSpan ParseExact(string input, string[] formats, IFormatProvider formatProvider)",
        parse_span,
    ),
    Get(
        "static TimeSpan ParseExact(string input, string format, IFormatProvider formatProvider, System.Globalization.TimeSpanStyles styles)",
        parse_span,
    ),
    Get(
        "static TimeSpan ParseExact(string input, string[] formats, IFormatProvider formatProvider, System.Globalization.TimeSpanStyles styles)",
        parse_span,
    ),
    Get(
        "static bool TryParseExact(string input, string format, IFormatProvider formatProvider, out TimeSpan result)",
        try_parse_span,
    ),
    Get(
        "static bool TryParseExact(string input, string[] formats, IFormatProvider formatProvider, out TimeSpan result)",
        try_parse_span,
    ),
    Get(
        "static bool TryParseExact(string input, string format, IFormatProvider formatProvider, System.Globalization.TimeSpanStyles styles, out TimeSpan result)",
        try_parse_span,
    ),
    Get(
        "static bool TryParseExact(string input, string[] formats, IFormatProvider formatProvider, System.Globalization.TimeSpanStyles styles, out TimeSpan result)",
        try_parse_span,
    ),
];
