//! `DateTime`, `DateTimeOffset`, `TimeSpan`.

mod exact;

use gateway_dotnet::time::{DateTime, DateTimeKind, DateTimeOffset, TimeSpan};

use super::{Call, Decl, Entry::Get, Verdict, all, base, call::string, only, values};
use crate::{
    Value,
    types::{DATE_TIME_KIND, DAY_OF_WEEK},
    vm::{Eval, Thrown},
};

pub(super) use exact::{OFFSET as OFFSET_EXACT, SPAN as SPAN_EXACT};

pub(crate) const MIN_DATE: DateTime = DateTime::MIN;

const TICKS_MS: i64 = 10_000;
const TICKS_SECOND: i64 = 10_000_000;
const TICKS_MINUTE: i64 = 60 * TICKS_SECOND;
const TICKS_HOUR: i64 = 60 * TICKS_MINUTE;
const TICKS_DAY: i64 = 24 * TICKS_HOUR;

fn kind_of(v: &Value) -> DateTimeKind {
    match v {
        Value::Enum(_, 1) => DateTimeKind::Utc,
        Value::Enum(_, 2) => DateTimeKind::Local,
        _ => DateTimeKind::Unspecified,
    }
}

/// Now in UTC; the gateway's local time zone is UTC.
pub(crate) fn utc_now(c: &Call<'_, '_>) -> DateTime {
    DateTime::from_ticks_clamped(c.vm.world.utc_now_ticks(), DateTimeKind::Utc)
}

fn local_now(c: &Call<'_, '_>) -> DateTime {
    utc_now(c).with_kind(DateTimeKind::Local)
}

/// Today, which completes dates given without year.
pub(crate) fn today(c: &Call<'_, '_>) -> DateTime {
    local_now(c).date()
}

fn date(d: DateTime) -> Eval {
    Ok(Value::DateTime(d))
}

fn span(t: TimeSpan) -> Eval {
    Ok(Value::TimeSpan(t))
}

fn offset(d: DateTimeOffset) -> Eval {
    Ok(Value::Offset(d))
}

fn int(v: i32) -> Eval {
    Ok(Value::Int(v))
}

fn new_date(c: &mut Call<'_, '_>) -> Eval {
    let mut ints = [0i32; 7];
    let mut n = 0;
    for (i, (slot, given)) in ints.iter_mut().zip(c.args.iter()).enumerate() {
        if let Value::Int(v) = given {
            *slot = *v;
            n = i + 1;
        }
    }
    let kind = c.args.last().map_or(DateTimeKind::Unspecified, kind_of);
    if n == 3 {
        return date(DateTime::from_date(ints[0], ints[1], ints[2])?.with_kind(kind));
    }
    date(DateTime::new(
        ints[0], ints[1], ints[2], ints[3], ints[4], ints[5], ints[6], kind,
    )?)
}

fn parse_date(c: &mut Call<'_, '_>) -> Eval {
    let text = c.text(0, "s")?;
    let text = text.to_lossy();
    let parsed = DateTime::parse(&text, today(c))?;
    date(adjust(parsed, styles_of(c), &text))
}

/// The `DateTimeStyles` among the arguments; none of them without.
fn styles_of(c: &Call<'_, '_>) -> i64 {
    let style = |v: &Value| if let Value::Enum(_, s) = v { Some(*s) } else { None };
    c.args.iter().skip(1).find_map(style).unwrap_or(0)
}

/// What `DateTimeStyles` does to a parsed date.
fn adjust(d: DateTime, styles: i64, text: &str) -> DateTime {
    let unspecified = d.kind() == DateTimeKind::Unspecified;
    if styles & 128 != 0 && !unspecified {
        // An offset gives local time; only the letter and the name stand for UTC itself.
        return if text.trim_end().ends_with(['Z', 'z']) || text.trim_end().ends_with("GMT") {
            d.to_universal()
        } else {
            d
        };
    }
    if unspecified && styles & 64 != 0 {
        return if styles & 16 != 0 {
            d.with_kind(DateTimeKind::Utc)
        } else {
            d.with_kind(DateTimeKind::Local)
        };
    }
    if unspecified && styles & 32 != 0 {
        return d.with_kind(if styles & 16 != 0 {
            DateTimeKind::Utc
        } else {
            DateTimeKind::Local
        });
    }
    if styles & 16 != 0 && !unspecified {
        d.to_universal()
    } else {
        d
    }
}

fn try_parse_date(c: &mut Call<'_, '_>) -> Eval {
    let today = today(c);
    let parsed = c
        .opt_str(0)
        .and_then(|s| DateTime::parse(&s.to_lossy(), today).ok());
    let last = c.args.len() - 1;
    let styles = styles_of(c);
    let text = c
        .opt_str(0)
        .map(|s| s.to_lossy().into_owned())
        .unwrap_or_default();
    c.out(
        last,
        Value::DateTime(parsed.map_or(MIN_DATE, |d| adjust(d, styles, &text))),
    );
    Ok(Value::Bool(parsed.is_some()))
}

fn units(c: &mut Call<'_, '_>, ticks: i64) -> Eval {
    let by = c.double(1)?;
    match c.arg(0) {
        Value::Offset(o) => offset(o.map_clock(|d| d.add_units(by, ticks))?),
        _ => date(c.date(0)?.add_units(by, ticks)?),
    }
}

fn clock(c: &Call<'_, '_>) -> Result<DateTime, Thrown> {
    match c.arg(0) {
        Value::Offset(o) => Ok(o.clock()),
        _ => c.date(0),
    }
}

fn day_of_week(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Enum(DAY_OF_WEEK, i64::from(clock(c)?.day_of_week())))
}

fn kind(c: &mut Call<'_, '_>) -> Eval {
    let kind = match c.date(0)?.kind() {
        DateTimeKind::Unspecified => 0,
        DateTimeKind::Utc => 1,
        DateTimeKind::Local => 2,
    };
    Ok(Value::Enum(DATE_TIME_KIND, kind))
}

fn add_span(c: &mut Call<'_, '_>, negative: bool, parameter: &str) -> Eval {
    let ticks = c.span(1)?.ticks();
    let ticks = if negative { ticks.wrapping_neg() } else { ticks };
    match c.arg(0) {
        Value::Offset(o) => offset(o.map_clock(|d| d.shifted(ticks, parameter))?),
        _ => date(c.date(0)?.shifted(ticks, parameter)?),
    }
}

fn difference(c: &mut Call<'_, '_>) -> Eval {
    match (c.arg(0), c.arg(1)) {
        (Value::Offset(a), Value::Offset(b)) => span(a.minus(*b)),
        _ => span(c.date(0)?.minus(c.date(1)?)),
    }
}

fn negate(v: Value) -> Eval {
    Ok(Value::Bool(matches!(v, Value::Bool(false))))
}

fn ordered(c: &Call<'_, '_>, test: fn(std::cmp::Ordering) -> bool) -> Eval {
    Ok(Value::Bool(test(crate::equality::compare(c.arg(0), c.arg(1))?)))
}

fn compare_static(c: &mut Call<'_, '_>) -> Eval {
    int(crate::equality::compare(c.arg(0), c.arg(1))? as i32)
}

fn new_offset(c: &mut Call<'_, '_>) -> Eval {
    match (c.arg(0), c.arg(1)) {
        (Value::DateTime(d), Value::TimeSpan(o)) => offset(DateTimeOffset::new(*d, *o)?),
        (Value::DateTime(d), _) => offset(DateTimeOffset::from_datetime(*d)),
        (Value::Long(t), Value::TimeSpan(o)) => offset(DateTimeOffset::new(
            DateTime::from_ticks(*t, DateTimeKind::Unspecified)?,
            *o,
        )?),
        _ => {
            let zone = c.span(c.args.len() - 1)?;
            let millis = if c.args.len() == 8 { c.int(6)? } else { 0 };
            let d = DateTime::new(
                c.int(0)?,
                c.int(1)?,
                c.int(2)?,
                c.int(3)?,
                c.int(4)?,
                c.int(5)?,
                millis,
                DateTimeKind::Unspecified,
            )?;
            offset(DateTimeOffset::new(d, zone)?)
        }
    }
}

fn parse_offset(c: &mut Call<'_, '_>) -> Eval {
    let text = c.text(0, "input")?;
    let styles = offset_styles(c)?;
    let parsed = DateTimeOffset::parse(&text.to_lossy(), today(c))?;
    offset(if styles & ADJUST_TO_UNIVERSAL != 0 {
        parsed.to_universal()
    } else {
        parsed
    })
}

/// `DateTimeStyles.AdjustToUniversal`
const ADJUST_TO_UNIVERSAL: i64 = 16;
/// `DateTimeStyles.NoCurrentDateDefault`
const NO_CURRENT_DATE_DEFAULT: i64 = 8;

/// The styles of a parsed offset, one of which makes no sense for it.
fn offset_styles(c: &Call<'_, '_>) -> Result<i64, Thrown> {
    let styles = styles_of(c);
    if styles & NO_CURRENT_DATE_DEFAULT != 0 {
        let message =
            "The DateTimeStyles value 'NoCurrentDateDefault' is not allowed when parsing DateTimeOffset.";
        return Err(gateway_dotnet::Error::argument("styles", message).into());
    }
    Ok(styles)
}

fn try_parse_offset(c: &mut Call<'_, '_>) -> Eval {
    let (today, styles) = (today(c), offset_styles(c)?);
    let parsed = c
        .opt_str(0)
        .and_then(|s| DateTimeOffset::parse(&s.to_lossy(), today).ok())
        .map(|p| {
            if styles & ADJUST_TO_UNIVERSAL != 0 {
                p.to_universal()
            } else {
                p
            }
        });
    let last = c.args.len() - 1;
    c.out(
        last,
        Value::Offset(parsed.unwrap_or_else(|| DateTimeOffset::from_datetime(MIN_DATE))),
    );
    Ok(Value::Bool(parsed.is_some()))
}

fn months(c: &mut Call<'_, '_>, years: bool) -> Eval {
    let n = c.int(1)?;
    let f = |d: DateTime| if years { d.add_years(n) } else { d.add_months(n) };
    match c.arg(0) {
        Value::Offset(o) => offset(o.map_clock(f)?),
        _ => date(f(c.date(0)?)?),
    }
}

fn total(c: &Call<'_, '_>, ticks: i64) -> Eval {
    Ok(Value::Double(c.span(0)?.total(ticks)))
}

fn from_units(c: &Call<'_, '_>, ticks: i64) -> Eval {
    span(TimeSpan::from_units(c.double(0)?, ticks)?)
}

fn new_span(c: &mut Call<'_, '_>) -> Eval {
    if let Value::Long(t) = c.arg(0) {
        return span(TimeSpan::from_ticks(*t));
    }
    let at = |i: usize| c.int(i);
    span(match c.args.len() {
        3 => TimeSpan::new(0, at(0)?, at(1)?, at(2)?, 0)?,
        4 => TimeSpan::new(at(0)?, at(1)?, at(2)?, at(3)?, 0)?,
        _ => TimeSpan::new(at(0)?, at(1)?, at(2)?, at(3)?, at(4)?)?,
    })
}

fn parse_span(c: &mut Call<'_, '_>) -> Eval {
    span(TimeSpan::parse(&c.text(0, "s")?.to_lossy())?)
}

fn try_parse_span(c: &mut Call<'_, '_>) -> Eval {
    let parsed = c.opt_str(0).and_then(|s| TimeSpan::parse(&s.to_lossy()).ok());
    let last = c.args.len() - 1;
    c.out(last, Value::TimeSpan(parsed.unwrap_or_default()));
    Ok(Value::Bool(parsed.is_some()))
}

fn zero_ticks(c: &Call<'_, '_>, f: fn(DateTime) -> i32) -> Eval {
    int(f(clock(c)?))
}

const PARTS_DATE: &[&str] = &[
    ".ctor",
    "Add",
    "AddDays",
    "AddHours",
    "AddMilliseconds",
    "AddMinutes",
    "AddMonths",
    "AddSeconds",
    "AddTicks",
    "AddYears",
    "Date",
    "Day",
    "DayOfWeek",
    "DayOfYear",
    "DaysInMonth",
    "Hour",
    "IsDaylightSavingTime",
    "IsLeapYear",
    "MaxValue",
    "Millisecond",
    "Minute",
    "MinValue",
    "Month",
    "Now",
    "Parse",
    "Second",
    "Subtract",
    "Ticks",
    "TimeOfDay",
    "Today",
    "ToString",
    "UtcNow",
    "Year",
    "+",
    "-",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "op_Conversion",
];

pub(super) const TYPES: &[Decl] = &[
    only(
        "struct System.DateTime : IComparable, IFormattable, IComparable<DateTime>, IEquatable<DateTime>",
        PARTS_DATE,
        &[
            Get("ctor(long ticks)", |c| {
                date(DateTime::from_ticks(c.long(0)?, DateTimeKind::Unspecified)?)
            }),
            Get("ctor(long ticks, DateTimeKind kind)", |c| {
                date(DateTime::from_ticks(c.long(0)?, kind_of(c.arg(1)))?)
            }),
            Get("ctor(int year, int month, int day)", new_date),
            Get(
                "ctor(int year, int month, int day, int hour, int minute, int second)",
                new_date,
            ),
            Get(
                "ctor(int year, int month, int day, int hour, int minute, int second, DateTimeKind kind)",
                new_date,
            ),
            Get(
                "ctor(int year, int month, int day, int hour, int minute, int second, int millisecond)",
                new_date,
            ),
            Get(
                "ctor(int year, int month, int day, int hour, int minute, int second, int millisecond, DateTimeKind kind)",
                new_date,
            ),
            Get("static DateTime Now", |c| date(local_now(c))),
            Get("static DateTime UtcNow", |c| date(utc_now(c))),
            Get("static DateTime Today", |c| date(today(c))),
            Get("static DateTime MinValue", |_| date(DateTime::MIN)),
            Get("static DateTime MaxValue", |_| date(DateTime::MAX)),
            Get("static DateTime UnixEpoch", |_| {
                date(DateTime::from_ticks_clamped(
                    621_355_968_000_000_000,
                    DateTimeKind::Utc,
                ))
            }),
            Get("static DateTime Parse(string s)", parse_date),
            Get(
                "static DateTime Parse(string s, IFormatProvider provider)",
                parse_date,
            ),
            Get(
                "static DateTime Parse(string s, IFormatProvider provider, System.Globalization.DateTimeStyles styles)",
                parse_date,
            ),
            Get(
                "static bool TryParse(string s, out DateTime result)",
                try_parse_date,
            ),
            Get(
                "static bool TryParse(string s, IFormatProvider provider, System.Globalization.DateTimeStyles styles, out DateTime result)",
                try_parse_date,
            ),
            Get("static int DaysInMonth(int year, int month)", |c| {
                int(gateway_dotnet::time::days_in_month(c.int(0)?, c.int(1)?)?)
            }),
            Get("static bool IsLeapYear(int year)", |c| {
                Ok(Value::Bool(gateway_dotnet::time::is_leap_year_checked(
                    c.int(0)?,
                )?))
            }),
            Get(
                "static DateTime SpecifyKind(DateTime value, DateTimeKind kind)",
                |c| date(c.date(0)?.with_kind(kind_of(c.arg(1)))),
            ),
            Get("static int Compare(DateTime t1, DateTime t2)", compare_static),
            Get("static bool Equals(DateTime t1, DateTime t2)", base::equals),
            Get("DateTimeKind Kind", kind),
            Get("int Year", |c| zero_ticks(c, DateTime::year)),
            Get("int Month", |c| zero_ticks(c, DateTime::month)),
            Get("int Day", |c| zero_ticks(c, DateTime::day)),
            Get("int Hour", |c| zero_ticks(c, DateTime::hour)),
            Get("int Minute", |c| zero_ticks(c, DateTime::minute)),
            Get("int Second", |c| zero_ticks(c, DateTime::second)),
            Get("int Millisecond", |c| zero_ticks(c, DateTime::millisecond)),
            Get("int DayOfYear", |c| zero_ticks(c, DateTime::day_of_year)),
            Get("DayOfWeek DayOfWeek", day_of_week),
            Get("long Ticks", |c| Ok(Value::Long(c.date(0)?.ticks()))),
            Get("DateTime Date", |c| date(c.date(0)?.date())),
            Get("TimeSpan TimeOfDay", |c| span(c.date(0)?.time_of_day())),
            Get("DateTime Add(TimeSpan value)", |c| add_span(c, false, "value")),
            Get("DateTime AddDays(double value)", |c| units(c, TICKS_DAY)),
            Get("DateTime AddHours(double value)", |c| units(c, TICKS_HOUR)),
            Get("DateTime AddMinutes(double value)", |c| units(c, TICKS_MINUTE)),
            Get("DateTime AddSeconds(double value)", |c| units(c, TICKS_SECOND)),
            Get("DateTime AddMilliseconds(double value)", |c| units(c, TICKS_MS)),
            Get("DateTime AddTicks(long value)", |c| {
                date(c.date(0)?.add_ticks(c.long(1)?)?)
            }),
            Get("DateTime AddMonths(int months)", |c| months(c, false)),
            Get("DateTime AddYears(int value)", |c| months(c, true)),
            Get("TimeSpan Subtract(DateTime value)", difference),
            Get("DateTime Subtract(TimeSpan value)", |c| {
                add_span(c, true, "value")
            }),
            Get("bool IsDaylightSavingTime()", |_| Ok(Value::Bool(false))),
            Get("DateTime ToUniversalTime()", |c| date(c.date(0)?.to_universal())),
            Get("DateTime ToLocalTime()", |c| date(c.date(0)?.to_local())),
            Get("string ToString()", base::to_string),
            Get("string ToString(string format)", base::format),
            Get("string ToString(IFormatProvider provider)", base::to_string),
            Get(
                "string ToString(string format, IFormatProvider provider)",
                base::format,
            ),
            Get("string ToShortDateString()", |c| string(c.date(0)?.format("d")?)),
            Get("string ToLongDateString()", |c| string(c.date(0)?.format("D")?)),
            Get("string ToShortTimeString()", |c| string(c.date(0)?.format("t")?)),
            Get("string ToLongTimeString()", |c| string(c.date(0)?.format("T")?)),
            Get("bool Equals(object value)", base::equals),
            Get("bool Equals(DateTime value)", base::equals),
            Get("int CompareTo(object value)", base::compare_to),
            Get("int CompareTo(DateTime value)", base::compare_to),
            Get("int GetHashCode()", base::hash_code),
            Get("static DateTime operator +(DateTime d, TimeSpan t)", |c| {
                add_span(c, false, "t")
            }),
            Get("static DateTime operator -(DateTime d, TimeSpan t)", |c| {
                add_span(c, true, "t")
            }),
            Get("static TimeSpan operator -(DateTime d1, DateTime d2)", difference),
            Get("static bool operator ==(DateTime a, DateTime b)", base::equals),
            Get("static bool operator !=(DateTime a, DateTime b)", |c| {
                negate(base::equals(c)?)
            }),
            Get("static bool operator <(DateTime a, DateTime b)", |c| {
                ordered(c, |o| o.is_lt())
            }),
            Get("static bool operator <=(DateTime a, DateTime b)", |c| {
                ordered(c, |o| o.is_le())
            }),
            Get("static bool operator >(DateTime a, DateTime b)", |c| {
                ordered(c, |o| o.is_gt())
            }),
            Get("static bool operator >=(DateTime a, DateTime b)", |c| {
                ordered(c, |o| o.is_ge())
            }),
        ],
    ),
    all(
        "struct System.DateTimeOffset : IComparable, IFormattable, IComparable<DateTimeOffset>, IEquatable<DateTimeOffset>",
        &[
            Get("ctor(DateTime dateTime)", new_offset),
            Get("ctor(DateTime dateTime, TimeSpan offset)", new_offset),
            Get("ctor(long ticks, TimeSpan offset)", new_offset),
            Get(
                "ctor(int year, int month, int day, int hour, int minute, int second, TimeSpan offset)",
                new_offset,
            ),
            Get(
                "ctor(int year, int month, int day, int hour, int minute, int second, int millisecond, TimeSpan offset)",
                new_offset,
            ),
            Get("static DateTimeOffset Now", |c| {
                offset(DateTimeOffset::from_datetime(local_now(c)))
            }),
            Get("static DateTimeOffset UtcNow", |c| {
                offset(DateTimeOffset::from_datetime(utc_now(c)))
            }),
            Get("static DateTimeOffset MinValue", |_| {
                offset(DateTimeOffset::from_datetime(DateTime::MIN))
            }),
            Get("static DateTimeOffset MaxValue", |_| {
                offset(DateTimeOffset::from_datetime(
                    DateTime::MAX.with_kind(DateTimeKind::Utc),
                ))
            }),
            Get("static DateTimeOffset UnixEpoch", |_| {
                offset(DateTimeOffset::from_unix_seconds(0)?)
            }),
            Get("static DateTimeOffset Parse(string input)", parse_offset),
            Get(
                "static DateTimeOffset Parse(string input, IFormatProvider formatProvider)",
                parse_offset,
            ),
            Get(
                "static DateTimeOffset Parse(string input, IFormatProvider formatProvider, System.Globalization.DateTimeStyles styles)",
                parse_offset,
            ),
            Get(
                "static bool TryParse(string input, out DateTimeOffset result)",
                try_parse_offset,
            ),
            Get(
                "static bool TryParse(string input, IFormatProvider formatProvider, System.Globalization.DateTimeStyles styles, out DateTimeOffset result)",
                try_parse_offset,
            ),
            Get("static DateTimeOffset FromUnixTimeSeconds(long seconds)", |c| {
                offset(DateTimeOffset::from_unix_seconds(c.long(0)?)?)
            }),
            Get(
                "static DateTimeOffset FromUnixTimeMilliseconds(long milliseconds)",
                |c| offset(DateTimeOffset::from_unix_milliseconds(c.long(0)?)?),
            ),
            Get(
                "static int Compare(DateTimeOffset first, DateTimeOffset second)",
                compare_static,
            ),
            Get(
                "static bool Equals(DateTimeOffset first, DateTimeOffset second)",
                base::equals,
            ),
            Get("long ToUnixTimeSeconds()", |c| {
                Ok(Value::Long(c.offset(0)?.to_unix_seconds()))
            }),
            Get("long ToUnixTimeMilliseconds()", |c| {
                Ok(Value::Long(c.offset(0)?.to_unix_milliseconds()))
            }),
            Get("DateTime DateTime", |c| date(c.offset(0)?.clock())),
            Get("DateTime UtcDateTime", |c| date(c.offset(0)?.utc_datetime())),
            Get("DateTime LocalDateTime", |c| date(c.offset(0)?.local_datetime())),
            Get("DateTime Date", |c| date(c.offset(0)?.clock().date())),
            Get("TimeSpan Offset", |c| span(c.offset(0)?.offset())),
            Get("TimeSpan TimeOfDay", |c| span(c.offset(0)?.clock().time_of_day())),
            Get("int Year", |c| zero_ticks(c, DateTime::year)),
            Get("int Month", |c| zero_ticks(c, DateTime::month)),
            Get("int Day", |c| zero_ticks(c, DateTime::day)),
            Get("int Hour", |c| zero_ticks(c, DateTime::hour)),
            Get("int Minute", |c| zero_ticks(c, DateTime::minute)),
            Get("int Second", |c| zero_ticks(c, DateTime::second)),
            Get("int Millisecond", |c| zero_ticks(c, DateTime::millisecond)),
            Get("int DayOfYear", |c| zero_ticks(c, DateTime::day_of_year)),
            Get("DayOfWeek DayOfWeek", day_of_week),
            Get("long Ticks", |c| Ok(Value::Long(c.offset(0)?.clock().ticks()))),
            Get("long UtcTicks", |c| Ok(Value::Long(c.offset(0)?.utc_ticks()))),
            Get("DateTimeOffset Add(TimeSpan timeSpan)", |c| {
                add_span(c, false, "value")
            }),
            Get("DateTimeOffset AddDays(double days)", |c| units(c, TICKS_DAY)),
            Get("DateTimeOffset AddHours(double hours)", |c| units(c, TICKS_HOUR)),
            Get("DateTimeOffset AddMinutes(double minutes)", |c| {
                units(c, TICKS_MINUTE)
            }),
            Get("DateTimeOffset AddSeconds(double seconds)", |c| {
                units(c, TICKS_SECOND)
            }),
            Get("DateTimeOffset AddMilliseconds(double milliseconds)", |c| {
                units(c, TICKS_MS)
            }),
            Get("DateTimeOffset AddTicks(long ticks)", |c| {
                let t = c.long(1)?;
                offset(c.offset(0)?.map_clock(|d| d.add_ticks(t))?)
            }),
            Get("DateTimeOffset AddMonths(int months)", |c| months(c, false)),
            Get("DateTimeOffset AddYears(int years)", |c| months(c, true)),
            Get("TimeSpan Subtract(DateTimeOffset value)", difference),
            Get("DateTimeOffset Subtract(TimeSpan value)", |c| {
                add_span(c, true, "value")
            }),
            Get("DateTimeOffset ToOffset(TimeSpan offset)", |c| {
                offset(c.offset(0)?.to_offset(c.span(1)?)?)
            }),
            Get("DateTimeOffset ToUniversalTime()", |c| {
                offset(c.offset(0)?.to_universal())
            }),
            Get("DateTimeOffset ToLocalTime()", |c| {
                offset(c.offset(0)?.to_universal())
            }),
            Get("string ToString()", base::to_string),
            Get("string ToString(string format)", base::format),
            Get("string ToString(IFormatProvider formatProvider)", base::to_string),
            Get(
                "string ToString(string format, IFormatProvider formatProvider)",
                base::format,
            ),
            Get("bool Equals(object obj)", base::equals),
            Get("bool Equals(DateTimeOffset other)", base::equals),
            Get("int CompareTo(DateTimeOffset other)", base::compare_to),
            Get("int GetHashCode()", base::hash_code),
            Get(
                "static implicit operator DateTimeOffset(DateTime dateTime)",
                |c| offset(DateTimeOffset::from_datetime(c.date(0)?)),
            ),
            Get(
                "static DateTimeOffset operator +(DateTimeOffset d, TimeSpan t)",
                |c| add_span(c, false, "value"),
            ),
            Get(
                "static DateTimeOffset operator -(DateTimeOffset d, TimeSpan t)",
                |c| add_span(c, true, "value"),
            ),
            Get(
                "static TimeSpan operator -(DateTimeOffset d1, DateTimeOffset d2)",
                difference,
            ),
            Get(
                "static bool operator ==(DateTimeOffset a, DateTimeOffset b)",
                base::equals,
            ),
            Get(
                "static bool operator !=(DateTimeOffset a, DateTimeOffset b)",
                |c| negate(base::equals(c)?),
            ),
            Get(
                "static bool operator <(DateTimeOffset a, DateTimeOffset b)",
                |c| ordered(c, |o| o.is_lt()),
            ),
            Get(
                "static bool operator <=(DateTimeOffset a, DateTimeOffset b)",
                |c| ordered(c, |o| o.is_le()),
            ),
            Get(
                "static bool operator >(DateTimeOffset a, DateTimeOffset b)",
                |c| ordered(c, |o| o.is_gt()),
            ),
            Get(
                "static bool operator >=(DateTimeOffset a, DateTimeOffset b)",
                |c| ordered(c, |o| o.is_ge()),
            ),
        ],
    ),
    all(
        "struct System.TimeSpan : IComparable, IFormattable, IComparable<TimeSpan>, IEquatable<TimeSpan>",
        SPAN,
    ),
    values(
        "enum System.DayOfWeek",
        Verdict::All,
        &[
            ("Sunday", 0),
            ("Monday", 1),
            ("Tuesday", 2),
            ("Wednesday", 3),
            ("Thursday", 4),
            ("Friday", 5),
            ("Saturday", 6),
        ],
    ),
    values(
        "enum System.DateTimeKind",
        Verdict::Only(&["Utc"]),
        &[("Unspecified", 0), ("Utc", 1), ("Local", 2)],
    ),
    values(
        "flags enum System.Globalization.TimeSpanStyles",
        Verdict::None,
        &[("None", 0), ("AssumeNegative", 1)],
    ),
];

const SPAN: &[super::Entry] = &[
    super::Entry::Const("const long TicksPerDay", crate::ir::Const::Long(TICKS_DAY)),
    super::Entry::Const("const long TicksPerHour", crate::ir::Const::Long(TICKS_HOUR)),
    super::Entry::Const("const long TicksPerMinute", crate::ir::Const::Long(TICKS_MINUTE)),
    super::Entry::Const("const long TicksPerSecond", crate::ir::Const::Long(TICKS_SECOND)),
    super::Entry::Const("const long TicksPerMillisecond", crate::ir::Const::Long(TICKS_MS)),
    Get("static TimeSpan Zero", |_| span(TimeSpan::from_ticks(0))),
    Get("static TimeSpan MinValue", |_| {
        span(TimeSpan::from_ticks(i64::MIN))
    }),
    Get("static TimeSpan MaxValue", |_| {
        span(TimeSpan::from_ticks(i64::MAX))
    }),
    Get("ctor(long ticks)", new_span),
    Get("ctor(int hours, int minutes, int seconds)", new_span),
    Get("ctor(int days, int hours, int minutes, int seconds)", new_span),
    Get(
        "ctor(int days, int hours, int minutes, int seconds, int milliseconds)",
        new_span,
    ),
    Get("static TimeSpan FromDays(double value)", |c| {
        from_units(c, TICKS_DAY)
    }),
    Get("static TimeSpan FromHours(double value)", |c| {
        from_units(c, TICKS_HOUR)
    }),
    Get("static TimeSpan FromMinutes(double value)", |c| {
        from_units(c, TICKS_MINUTE)
    }),
    Get("static TimeSpan FromSeconds(double value)", |c| {
        from_units(c, TICKS_SECOND)
    }),
    Get("static TimeSpan FromMilliseconds(double value)", |c| {
        from_units(c, TICKS_MS)
    }),
    Get("static TimeSpan FromTicks(long value)", |c| {
        span(TimeSpan::from_ticks(c.long(0)?))
    }),
    Get("static TimeSpan Parse(string s)", parse_span),
    Get(
        "static TimeSpan Parse(string input, IFormatProvider formatProvider)",
        parse_span,
    ),
    Get(
        "static bool TryParse(string s, out TimeSpan result)",
        try_parse_span,
    ),
    Get(
        "static bool TryParse(string input, IFormatProvider formatProvider, out TimeSpan result)",
        try_parse_span,
    ),
    Get("static int Compare(TimeSpan t1, TimeSpan t2)", compare_static),
    Get("static bool Equals(TimeSpan t1, TimeSpan t2)", base::equals),
    Get("int Days", |c| int(c.span(0)?.days())),
    Get("int Hours", |c| int(c.span(0)?.hours())),
    Get("int Minutes", |c| int(c.span(0)?.minutes())),
    Get("int Seconds", |c| int(c.span(0)?.seconds())),
    Get("int Milliseconds", |c| int(c.span(0)?.milliseconds())),
    Get("long Ticks", |c| Ok(Value::Long(c.span(0)?.ticks()))),
    Get("double TotalDays", |c| total(c, TICKS_DAY)),
    Get("double TotalHours", |c| total(c, TICKS_HOUR)),
    Get("double TotalMinutes", |c| total(c, TICKS_MINUTE)),
    Get("double TotalSeconds", |c| total(c, TICKS_SECOND)),
    Get("double TotalMilliseconds", |c| total(c, TICKS_MS)),
    Get("TimeSpan Add(TimeSpan ts)", |c| {
        span(c.span(0)?.plus(c.span(1)?)?)
    }),
    Get("TimeSpan Subtract(TimeSpan ts)", |c| {
        span(c.span(0)?.minus(c.span(1)?)?)
    }),
    Get("TimeSpan Negate()", |c| span(c.span(0)?.negate()?)),
    Get("TimeSpan Duration()", |c| span(c.span(0)?.duration()?)),
    Get("TimeSpan Multiply(double factor)", |c| {
        span(c.span(0)?.multiply(c.double(1)?)?)
    }),
    Get("TimeSpan Divide(double divisor)", |c| {
        span(c.span(0)?.divide(c.double(1)?)?)
    }),
    Get("double Divide(TimeSpan ts)", |c| {
        Ok(Value::Double(c.span(0)?.ratio(c.span(1)?)))
    }),
    Get("string ToString()", base::to_string),
    Get("string ToString(string format)", base::format),
    Get(
        "string ToString(string format, IFormatProvider formatProvider)",
        base::format,
    ),
    Get("bool Equals(object value)", base::equals),
    Get("bool Equals(TimeSpan obj)", base::equals),
    Get("int CompareTo(object value)", base::compare_to),
    Get("int CompareTo(TimeSpan value)", base::compare_to),
    Get("int GetHashCode()", base::hash_code),
    Get("static TimeSpan operator +(TimeSpan t1, TimeSpan t2)", |c| {
        span(c.span(0)?.plus(c.span(1)?)?)
    }),
    Get("static TimeSpan operator -(TimeSpan t1, TimeSpan t2)", |c| {
        span(c.span(0)?.minus(c.span(1)?)?)
    }),
    Get("static TimeSpan operator -(TimeSpan t)", |c| {
        span(c.span(0)?.negate()?)
    }),
    Get("static TimeSpan operator +(TimeSpan t)", |c| span(c.span(0)?)),
    Get(
        "static TimeSpan operator *(TimeSpan timeSpan, double factor)",
        |c| span(c.span(0)?.multiply(c.double(1)?)?),
    ),
    Get(
        "static TimeSpan operator *(double factor, TimeSpan timeSpan)",
        |c| span(c.span(1)?.multiply(c.double(0)?)?),
    ),
    Get(
        "static TimeSpan operator /(TimeSpan timeSpan, double divisor)",
        |c| span(c.span(0)?.divide(c.double(1)?)?),
    ),
    Get("static double operator /(TimeSpan t1, TimeSpan t2)", |c| {
        Ok(Value::Double(c.span(0)?.ratio(c.span(1)?)))
    }),
    Get("static bool operator ==(TimeSpan a, TimeSpan b)", base::equals),
    Get("static bool operator !=(TimeSpan a, TimeSpan b)", |c| {
        negate(base::equals(c)?)
    }),
    Get("static bool operator <(TimeSpan a, TimeSpan b)", |c| {
        ordered(c, |o| o.is_lt())
    }),
    Get("static bool operator <=(TimeSpan a, TimeSpan b)", |c| {
        ordered(c, |o| o.is_le())
    }),
    Get("static bool operator >(TimeSpan a, TimeSpan b)", |c| {
        ordered(c, |o| o.is_gt())
    }),
    Get("static bool operator >=(TimeSpan a, TimeSpan b)", |c| {
        ordered(c, |o| o.is_ge())
    }),
];
