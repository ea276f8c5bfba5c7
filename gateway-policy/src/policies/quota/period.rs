//! The times a quota is written with: length and start of its periods, and the wait as the client reads it.

use std::time::Duration;

use crate::setting::FromValue;

/// Seconds, or an ISO 8601 duration as some documents write it (`P30D`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period(pub(super) Duration);

/// Length of a period that is never renewed: a century, which clocks can still add to now.
pub(super) const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

impl FromValue for Period {
    fn literal(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let seconds = match text.parse::<u64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => iso_duration_seconds(text),
        };
        match seconds {
            Some(0) => Ok(Self(NEVER)),
            Some(seconds) if seconds >= 300 => Ok(Self(Duration::from_secs(seconds))),
            _ => Err("0, or at least 300 seconds".into()),
        }
    }
}

/// `P[n]D[T[n]H[n]M[n]S]`; months and years have no fixed length and are not taken.
fn iso_duration_seconds(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = 0u64;
    let mut number = String::new();
    let parts = days
        .chars()
        .map(|c| (c, false))
        .chain(time.chars().map(|c| (c, true)));
    for (c, in_time) in parts {
        let unit = match (c, in_time) {
            ('0'..='9', _) => {
                number.push(c);
                continue;
            }
            ('W', false) => 604_800,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    (number.is_empty() && rest.len() > 1).then_some(seconds)
}

/// A point in time as Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant(pub(super) i64);

/// 0001-01-01T00:00:00Z, the default start.
pub(super) const YEAR_ONE: i64 = -62_135_596_800;

impl FromValue for Instant {
    fn literal(text: &str) -> Result<Self, String> {
        parse_instant(text.trim())
            .map(Self)
            .ok_or_else(|| "a UTC time such as `2024-01-31T00:00:00Z`".into())
    }
}

pub(super) fn parse_instant(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let mut parts = date.split('-').map(|p| p.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let time = time.trim_end_matches('Z').split('.').next()?;
    let mut parts = time.split(':').map(|p| p.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let valid = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let valid = valid && (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    // Days from the civil date: years start in March so that leap days come last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    valid.then_some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Seconds as a .NET `TimeSpan`: `hh:mm:ss`, with days in front from one day on.
pub(super) struct TimeSpan(pub(super) u64);

impl std::fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        if days > 0 {
            write!(f, "{days}.")?;
        }
        write!(f, "{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
    }
}
