//! Dates in JSON: which strings the reader takes for dates, and how dates are written.

use crate::time::{
    DateTime, DateTimeKind, DateTimeOffset, TICKS_PER_DAY, TICKS_PER_HOUR, TICKS_PER_MILLISECOND,
    TICKS_PER_MINUTE, TICKS_PER_SECOND, UNIX_EPOCH_TICKS, days_in_month,
};

/// The date a JSON string stands for, if the reader would take it for one.
pub(super) fn detect(text: &str) -> Option<DateTime> {
    let b = text.as_bytes();
    if b.first() == Some(&b'/') {
        return microsoft(text);
    }
    let shape = (19..=40).contains(&b.len()) && b[0].is_ascii_digit() && b[10] == b'T';
    if shape { iso(b) } else { None }
}

fn digits(b: &[u8], at: usize, count: usize) -> Option<i64> {
    let run = b.get(at..at + count)?;
    run.iter()
        .try_fold(0, |v, d| d.is_ascii_digit().then(|| v * 10 + i64::from(d - b'0')))
}

fn iso(b: &[u8]) -> Option<DateTime> {
    let sign = |at: usize, c: u8| (b.get(at) == Some(&c)).then_some(());
    let year = digits(b, 0, 4).filter(|y| *y > 0)?;
    sign(4, b'-')?;
    let month = digits(b, 5, 2)?;
    sign(7, b'-')?;
    let day = digits(b, 8, 2)?;
    let last = days_in_month(year as i32, month as i32).ok()?;
    if day < 1 || day > i64::from(last) {
        return None;
    }
    let (hour, minute, second) = (digits(b, 11, 2)?, digits(b, 14, 2)?, digits(b, 17, 2)?);
    sign(13, b':')?;
    sign(16, b':')?;
    if hour > 24 || minute > 59 || second > 59 || (hour == 24 && (minute, second) != (0, 0)) {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0;
    if b.get(at) == Some(&b'.') {
        at += 1;
        let count = b[at..].iter().take(7).take_while(|d| d.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        fraction = digits(b, at, count)? * 10i64.pow(7 - count as u32);
        at += count;
        if hour == 24 && fraction != 0 {
            return None;
        }
    }
    let date = DateTime::from_date(year as i32, month as i32, day as i32).ok()?;
    let time = hour * TICKS_PER_HOUR + minute * TICKS_PER_MINUTE + second * TICKS_PER_SECOND + fraction;
    let ticks = date.ticks() + time;
    let (kind, offset) = zone(b, at)?;
    Some(DateTime::from_ticks_clamped(ticks - offset, kind))
}

/// Kind and offset ticks of what follows the time.
fn zone(b: &[u8], mut at: usize) -> Option<(DateTimeKind, i64)> {
    match b.get(at) {
        None => return Some((DateTimeKind::Unspecified, 0)),
        Some(b'Z' | b'z') => return (at + 1 == b.len()).then_some((DateTimeKind::Utc, 0)),
        Some(_) => {}
    }
    let negative = b[at] == b'-';
    if !negative && b[at] != b'+' {
        return None;
    }
    let hours = digits(b, at + 1, 2)?;
    at += 3;
    let mut minutes = 0;
    if at < b.len() {
        at += usize::from(b[at] == b':');
        minutes = digits(b, at, 2)?;
        at += 2;
    }
    let offset = hours * TICKS_PER_HOUR + minutes * TICKS_PER_MINUTE;
    (at == b.len()).then_some((DateTimeKind::Local, if negative { -offset } else { offset }))
}

/// `/Date(1234567890123+0100)/`
fn microsoft(text: &str) -> Option<DateTime> {
    let body = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let sign = body.get(1..)?.find(['+', '-']).map(|i| i + 1);
    let (millis, kind) = match sign {
        Some(at) => (&body[..at], DateTimeKind::Local),
        None => (body, DateTimeKind::Utc),
    };
    let millis: i64 = millis.parse().ok()?;
    let ticks = millis
        .checked_mul(TICKS_PER_MILLISECOND)?
        .checked_add(UNIX_EPOCH_TICKS)?;
    DateTime::from_ticks(ticks, kind).ok()
}

fn clock(date: DateTime, out: &mut String) {
    let (y, m, d) = date.ymd();
    out.push_str(&format!(
        "{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}",
        date.hour(),
        date.minute(),
        date.second()
    ));
    let fraction = date.ticks() % TICKS_PER_DAY % TICKS_PER_SECOND;
    if fraction != 0 {
        out.push('.');
        out.push_str(format!("{fraction:07}").trim_end_matches('0'));
    }
}

fn offset_text(ticks: i64, out: &mut String) {
    let minutes = ticks.abs() / TICKS_PER_MINUTE;
    out.push(if ticks < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}:{:02}", minutes / 60, minutes % 60));
}

/// ISO text of a `DateTime`, with the zone its kind has.
pub(crate) fn date_text(date: DateTime) -> String {
    let mut out = String::with_capacity(33);
    clock(date, &mut out);
    match date.kind() {
        DateTimeKind::Utc => out.push('Z'),
        DateTimeKind::Local => out.push_str("+00:00"),
        DateTimeKind::Unspecified => {}
    }
    out
}

/// ISO text of a `DateTimeOffset`.
pub(crate) fn offset_date_text(date: DateTimeOffset) -> String {
    let mut out = String::with_capacity(33);
    clock(date.clock(), &mut out);
    offset_text(date.offset().ticks(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detection() {
        for (text, expected) in [
            ("2024-01-02T03:04:05", Some("2024-01-02T03:04:05")),
            ("2024-01-02T03:04:05Z", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05.1Z", Some("2024-01-02T03:04:05.1Z")),
            (
                "2024-01-02T03:04:05.1234567+02:00",
                Some("2024-01-02T01:04:05.1234567+00:00"),
            ),
            ("2024-01-02T03:04:05+0230", Some("2024-01-02T00:34:05+00:00")),
            ("2024-01-02T03:04:05+02", Some("2024-01-02T01:04:05+00:00")),
            ("2024-01-02T24:00:00Z", Some("2024-01-03T00:00:00Z")),
            ("0001-01-01T00:00:00+05:00", Some("0001-01-01T00:00:00+00:00")),
            ("/Date(1704164645000)/", Some("2024-01-02T03:04:05Z")),
            ("/Date(1704164645000+0200)/", Some("2024-01-02T03:04:05+00:00")),
            ("2024-01-02", None),
            ("2024-01-02T03:04Z", None),
            ("2024-02-30T03:04:05Z", None),
            ("2024-01-02T03:04:05.12345678Z", None),
            ("2024-01-02T03:04:05.", None),
            ("2024-01-02T03:04:05x", None),
            ("2024-01-02T25:04:05Z", None),
            ("/Date(x)/", None),
            ("", None),
        ] {
            assert_eq!(detect(text).map(date_text).as_deref(), expected, "{text}");
        }
    }
}
