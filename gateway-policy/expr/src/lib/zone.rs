//! `TimeZoneInfo`, `TimeZone`, `Environment`.

use gateway_dotnet::{
    Error, Str,
    time::{DateTime, DateTimeKind, TimeZone},
};

use super::{Call, Decl, Entry::Get, all, base, call::string, none};
use crate::{
    Value,
    object::{Data, Object},
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

/// `ToString()` of the objects kept here.
pub(super) fn native_text(o: &Object) -> Option<Str> {
    o.native::<TimeZone>().map(|z| Str::new(&z.display_name()))
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
    Get("string DaylightName", |c| {
        string(zone(c, 0, "timeZone")?.daylight_name())
    }),
    Get("bool HasSameRules(TimeZoneInfo other)", |c| {
        let (this, other) = (zone(c, 0, "timeZone")?, zone(c, 1, "other")?);
        let fixed = !this.has_daylight() && !other.has_daylight();
        Ok(Value::Bool(
            this.same(&other) || (fixed && this.base_offset() == other.base_offset()),
        ))
    }),
    Get("bool Equals(TimeZoneInfo other)", |c| {
        let this = zone(c, 0, "timeZone")?;
        Ok(Value::Bool(
            zone(c, 1, "other").is_ok_and(|other| this.same(&other)),
        ))
    }),
    Get("bool Equals(object obj)", |c| {
        let this = zone(c, 0, "timeZone")?;
        Ok(Value::Bool(
            zone(c, 1, "other").is_ok_and(|other| this.same(&other)),
        ))
    }),
    Get("int GetHashCode()", base::hash_code),
    Get("bool IsDaylightSavingTime(DateTimeOffset dateTimeOffset)", |c| {
        let instant = c.offset(1)?.utc_datetime();
        Ok(Value::Bool(zone(c, 0, "timeZone")?.is_daylight(instant)))
    }),
    Get("bool IsAmbiguousTime(DateTimeOffset dateTimeOffset)", |c| {
        let this = zone(c, 0, "timeZone")?;
        let clock = this.clock_of(c.offset(1)?)?;
        Ok(Value::Bool(this.is_ambiguous(clock)))
    }),
    Get("TimeSpan[] GetAmbiguousTimeOffsets(DateTime dateTime)", |c| {
        let (this, date) = (zone(c, 0, "timeZone")?, c.date(1)?);
        let clock = match date.kind() {
            DateTimeKind::Unspecified => date,
            _ => this.clock_of(gateway_dotnet::time::DateTimeOffset::from_datetime(date))?,
        };
        spans(this.ambiguous_offsets(clock)?)
    }),
    Get(
        "TimeSpan[] GetAmbiguousTimeOffsets(DateTimeOffset dateTimeOffset)",
        |c| {
            let this = zone(c, 0, "timeZone")?;
            let clock = this.clock_of(c.offset(1)?)?;
            spans(this.ambiguous_offsets(clock)?)
        },
    ),
    Get("static void ClearCachedData()", |_| Ok(Value::Null)),
    Get(
        "static TimeZoneInfo CreateCustomTimeZone(string id, TimeSpan baseUtcOffset, string displayName, string standardDisplayName)",
        |c| {
            let id = c.text(0, "id")?;
            let (display, standard) = (c.str_or_empty(2), c.str_or_empty(3));
            zone_value(TimeZone::custom(
                &id.to_lossy(),
                c.span(1)?,
                &display.to_lossy(),
                &standard.to_lossy(),
            )?)
        },
    ),
    Get("string ToString()", base::to_string),
];

fn spans(all: [gateway_dotnet::time::TimeSpan; 2]) -> Eval {
    let items = all.map(Value::TimeSpan).to_vec();
    Ok(Value::array(Type::Def(crate::types::TIME_SPAN), items))
}

/// `TimeZone`: the old class, of which there is only the local one, a container's UTC.
struct CurrentZone;

const OLD_ZONE: &[super::Entry] = &[
    Get("static TimeZone CurrentTimeZone", |_| {
        Ok(make("System.CurrentSystemTimeZone", CurrentZone))
    }),
    Get("string StandardName", |_| {
        string(TimeZone::local().standard_name())
    }),
    Get("string DaylightName", |_| {
        string(TimeZone::local().standard_name())
    }),
    Get("TimeSpan GetUtcOffset(DateTime time)", |c| {
        Ok(Value::TimeSpan(TimeZone::local().utc_offset(c.date(1)?)))
    }),
    Get("bool IsDaylightSavingTime(DateTime time)", |c| {
        Ok(Value::Bool(TimeZone::local().is_daylight(c.date(1)?)))
    }),
    Get("DateTime ToUniversalTime(DateTime time)", |c| {
        date(DateTime::from_ticks_clamped(
            c.date(1)?.ticks(),
            DateTimeKind::Utc,
        ))
    }),
    Get("DateTime ToLocalTime(DateTime time)", |c| {
        date(DateTime::from_ticks_clamped(
            c.date(1)?.ticks(),
            DateTimeKind::Local,
        ))
    }),
];

pub(super) const TYPES: &[Decl] = &[
    all("class System.TimeZoneInfo", ZONE),
    all("abstract class System.TimeZone", OLD_ZONE),
    all("class System.CurrentSystemTimeZone : TimeZone", &[]),
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
    super::values(
        "enum System.Xml.Formatting",
        super::Verdict::All,
        &[("None", 0), ("Indented", 1)],
    ),
];
