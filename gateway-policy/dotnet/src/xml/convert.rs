//! `System.Xml.XmlConvert`, as the casts of `XElement` and `XAttribute` and the text of their content use it.

use crate::{
    Error, ExceptionKind,
    number::{self, Decimal, IntType, NumberStyles, double_to_text, single_to_text},
    time::{
        DateTime, DateTimeKind, DateTimeOffset, TICKS_PER_DAY, TICKS_PER_HOUR, TICKS_PER_MINUTE,
        TICKS_PER_SECOND, TimeSpan,
    },
};

/// White space, a sign where the type has one, digits.
const SIGNED: NumberStyles = NumberStyles(7);
const UNSIGNED: NumberStyles = NumberStyles(3);
/// The same with a decimal point, and for binary types an exponent.
const DECIMAL: NumberStyles = NumberStyles(39);
const FLOAT: NumberStyles = NumberStyles(167);

/// `XmlConvert.ToString(bool)`
pub fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// `XmlConvert.ToString(double)`
pub fn double_text(value: f64) -> String {
    infinity(value).map_or_else(|| double_to_text(value), str::to_owned)
}

/// `XmlConvert.ToString(float)`
pub fn single_text(value: f32) -> String {
    infinity(f64::from(value)).map_or_else(|| single_to_text(value), str::to_owned)
}

fn infinity(value: f64) -> Option<&'static str> {
    value
        .is_infinite()
        .then_some(if value > 0.0 { "INF" } else { "-INF" })
}

/// `XmlConvert.ToString(DateTime, RoundtripKind)`
pub fn date_text(value: DateTime) -> String {
    crate::json::date_text(value)
}

/// `XmlConvert.ToString(DateTimeOffset)`; a zero offset is `Z`.
pub fn offset_text(value: DateTimeOffset) -> String {
    let text = crate::json::offset_date_text(value);
    match text.strip_suffix("+00:00") {
        Some(clock) => format!("{clock}Z"),
        None => text,
    }
}

/// `XmlConvert.ToString(TimeSpan)`: an xsd:duration.
pub fn duration_text(value: TimeSpan) -> String {
    let ticks = value.ticks().unsigned_abs();
    let unit = |ticks_per: i64| ticks / ticks_per as u64;
    let (days, hours) = (unit(TICKS_PER_DAY), unit(TICKS_PER_HOUR) % 24);
    let (minutes, seconds) = (unit(TICKS_PER_MINUTE) % 60, unit(TICKS_PER_SECOND) % 60);
    let fraction = ticks % TICKS_PER_SECOND as u64;
    let mut out = String::from(if value.ticks() < 0 { "-P" } else { "P" });
    if days > 0 {
        out.push_str(&format!("{days}D"));
    }
    let clock = hours > 0 || minutes > 0 || seconds > 0 || fraction > 0;
    if clock || days == 0 {
        out.push('T');
    }
    if hours > 0 {
        out.push_str(&format!("{hours}H"));
    }
    if minutes > 0 {
        out.push_str(&format!("{minutes}M"));
    }
    if fraction > 0 {
        out.push_str(&format!(
            "{seconds}.{}S",
            format!("{fraction:07}").trim_end_matches('0')
        ));
    } else if seconds > 0 || (!clock && days == 0) {
        out.push_str(&format!("{seconds}S"));
    }
    out
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

fn invalid(text: &str, what: &str) -> Error {
    Error::format(format!("The string '{text}' is not a valid {what} value."))
}

/// `(bool)element`
///
/// # Errors
/// `FormatException`.
pub fn parse_bool(text: &str) -> Result<bool, Error> {
    let lower = text.to_ascii_lowercase();
    match trimmed(&lower) {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(invalid(&lower, "Boolean")),
    }
}

/// `(int)element` and its siblings.
///
/// # Errors
/// `FormatException`, `OverflowException`.
pub fn parse_integer(text: &str, kind: IntType) -> Result<i128, Error> {
    number::parse_integer(text, if kind.signed() { SIGNED } else { UNSIGNED }, kind)
}

/// `(double)element`
///
/// # Errors
/// `FormatException`.
pub fn parse_double(text: &str) -> Result<f64, Error> {
    match trimmed(text) {
        "INF" => Ok(f64::INFINITY),
        "-INF" => Ok(f64::NEG_INFINITY),
        plain => number::parse_double(plain, FLOAT),
    }
}

/// `(float)element`
///
/// # Errors
/// `FormatException`.
pub fn parse_single(text: &str) -> Result<f32, Error> {
    match trimmed(text) {
        "INF" => Ok(f32::INFINITY),
        "-INF" => Ok(f32::NEG_INFINITY),
        plain => number::parse_single(plain, FLOAT),
    }
}

/// `(decimal)element`
///
/// # Errors
/// `FormatException`, `OverflowException`.
pub fn parse_decimal(text: &str) -> Result<Decimal, Error> {
    number::parse_decimal(text, DECIMAL)
}

/// `(DateTime)element`: any form `DateTime.Parse` reads, but `Z` keeps UTC.
///
/// # Errors
/// `FormatException`.
pub fn parse_date(text: &str, today: DateTime) -> Result<DateTime, Error> {
    let date = DateTime::parse(text, today)?;
    let utc = date.kind() == DateTimeKind::Local && trimmed(text).ends_with(['Z', 'z', 'T', 't']);
    Ok(if utc {
        date.with_kind(DateTimeKind::Utc)
    } else {
        date
    })
}

/// `(DateTimeOffset)element`: an xsd:dateTime or xsd:date.
///
/// # Errors
/// `FormatException`.
pub fn parse_offset(text: &str) -> Result<DateTimeOffset, Error> {
    const FORMATS: [&str; 2] = ["yyyy-MM-ddTHH:mm:ss.FFFFFFFK", "yyyy-MM-ddK"];
    let plain = trimmed(text);
    FORMATS
        .iter()
        .find_map(|format| DateTimeOffset::parse_exact(plain, format, DateTime::MIN).ok())
        .ok_or_else(|| invalid(text, "AllXsd"))
}

/// `(TimeSpan)element`: an xsd:duration; a year has 365 days, a month 30.
///
/// # Errors
/// `FormatException`, `OverflowException`.
pub fn parse_duration(text: &str) -> Result<TimeSpan, Error> {
    let ticks = duration(trimmed(text)).ok_or_else(|| invalid(text, "TimeSpan"))?;
    i64::try_from(ticks).map(TimeSpan::from_ticks).map_err(|_| {
        Error::new(
            ExceptionKind::OverflowException,
            "Value 'Duration' was either too large or too small for TimeSpan.",
        )
    })
}

fn duration(text: &str) -> Option<i128> {
    let (sign, body) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let body = body.strip_prefix('P')?;
    let (date, time) = match body.split_once('T') {
        Some((date, time)) => (date, Some(time).filter(|t| !t.is_empty())?),
        None => (body, ""),
    };
    let day = i128::from(TICKS_PER_DAY);
    let clock = [
        ('H', i128::from(TICKS_PER_HOUR)),
        ('M', i128::from(TICKS_PER_MINUTE)),
    ];
    let (rest, days) = parts(date, &[('Y', 365 * day), ('M', 30 * day), ('D', day)])?;
    if !rest.is_empty() || (date.is_empty() && time.is_empty()) {
        return None;
    }
    let (rest, hours) = parts(time, &clock)?;
    let seconds = if rest.is_empty() {
        0
    } else {
        seconds(rest.strip_suffix('S')?)?
    };
    Some(sign * (days + hours + seconds))
}

/// Numbers with their unit letters, in order, each at most once; what is left and the sum.
fn parts<'a>(mut text: &'a str, units: &[(char, i128)]) -> Option<(&'a str, i128)> {
    let mut total: i128 = 0;
    for (letter, ticks) in units {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && text[digits..].starts_with(*letter) {
            total = total.checked_add(text[..digits].parse::<i128>().ok()?.checked_mul(*ticks)?)?;
            text = &text[digits + 1..];
        }
    }
    Some((text, total))
}

fn seconds(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || text.ends_with('.') {
        return None;
    }
    let digits: String = fraction.chars().take(7).collect();
    let part = format!("{digits:0<7}").parse::<i128>().ok()?;
    whole
        .parse::<i128>()
        .ok()?
        .checked_mul(i128::from(TICKS_PER_SECOND))?
        .checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show<T: ToString>(result: Result<T, Error>) -> String {
        result.map_or_else(|e| format!("!{}", e.message), |v| v.to_string())
    }

    #[test]
    fn durations() {
        for (ticks, expected) in [
            (900_615_000_000, "P1DT1H1M1.5S"),
            (-10_000_000, "-PT1S"),
            (0, "PT0S"),
            (40 * TICKS_PER_DAY, "P40D"),
            (i64::MAX, "P10675199DT2H48M5.4775807S"),
            (i64::MIN, "-P10675199DT2H48M5.4775808S"),
            (1, "PT0.0000001S"),
        ] {
            assert_eq!(duration_text(TimeSpan::from_ticks(ticks)), expected);
            assert_eq!(parse_duration(expected).unwrap().ticks(), ticks, "{expected}");
        }
        for (text, expected) in [
            ("P1DT2H", "1.02:00:00"),
            ("-P1Y2M3DT4H5M6.789S", "-428.04:05:06.7890000"),
            (" PT1S ", "00:00:01"),
            ("PT1.12345678S", "00:00:01.1234567"),
            ("P", "!The string 'P' is not a valid TimeSpan value."),
            ("PT", "!The string 'PT' is not a valid TimeSpan value."),
            ("P1H", "!The string 'P1H' is not a valid TimeSpan value."),
            ("PT1.5M", "!The string 'PT1.5M' is not a valid TimeSpan value."),
            (
                "00:01:00",
                "!The string '00:01:00' is not a valid TimeSpan value.",
            ),
            (
                "P99999999D",
                "!Value 'Duration' was either too large or too small for TimeSpan.",
            ),
        ] {
            assert_eq!(show(parse_duration(text).map(TimeSpan::to_text)), expected);
        }
    }

    #[test]
    fn numbers_and_booleans() {
        const BAD: &str = "!Input string was not in a correct format.";
        for (text, kind, expected) in [
            (" 5 ", IntType::Int32, "5"),
            ("+5", IntType::Int32, "5"),
            ("1,000", IntType::Int32, BAD),
            ("", IntType::Int32, BAD),
            ("-1", IntType::UInt32, BAD),
            (
                "5000000000",
                IntType::Int32,
                "!Value was either too large or too small for an Int32.",
            ),
        ] {
            assert_eq!(show(parse_integer(text, kind)), expected, "{text}");
        }
        for (text, expected) in [
            ("INF", "inf"),
            ("-INF", "-inf"),
            (" 1e3 ", "1000"),
            ("1,000.5", BAD),
            ("-0", "-0"),
        ] {
            assert_eq!(show(parse_double(text)), expected, "{text}");
        }
        for (text, expected) in [("1.50", "1.50"), ("1e3", BAD), ("5-", BAD)] {
            assert_eq!(
                show(parse_decimal(text).map(number::decimal_to_text)),
                expected,
                "{text}"
            );
        }
        for (text, expected) in [
            (" 0 ", "false"),
            ("True", "true"),
            ("YES", "!The string 'yes' is not a valid Boolean value."),
        ] {
            assert_eq!(show(parse_bool(text)), expected, "{text}");
        }
        assert_eq!(
            (double_text(1.0), double_text(f64::NEG_INFINITY)),
            ("1".to_owned(), "-INF".to_owned())
        );
        assert_eq!(single_text(f32::MAX), "3.4028235E+38");
    }

    #[test]
    fn dates() {
        let date = |t: &str| parse_date(t, DateTime::MIN).unwrap();
        assert_eq!(date_text(date("2024-01-02T03:04:05Z")), "2024-01-02T03:04:05Z");
        assert_eq!(
            date_text(date("2024-01-02T03:04:05+02:00")),
            "2024-01-02T01:04:05+00:00"
        );
        assert_eq!(date_text(date("01/02/2024")), "2024-01-02T00:00:00");
        for (text, expected) in [
            ("2024-01-02T03:04:05+02:00", "2024-01-02T03:04:05+02:00"),
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02", "2024-01-02T00:00:00Z"),
            (
                "01/02/2024",
                "!The string '01/02/2024' is not a valid AllXsd value.",
            ),
        ] {
            assert_eq!(show(parse_offset(text).map(offset_text)), expected, "{text}");
        }
    }
}
