//! Timestamps as text: ISO 8601, UTC, seven fraction digits (the original's log format since 2.11).

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A point in time that prints as `2026-02-03T04:05:06.1234567Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub SystemTime);

impl Timestamp {
    /// The machine's clock, now.
    pub fn now() -> Self {
        Self(SystemTime::now())
    }

    /// Seconds since 1970-01-01T00:00:00Z; zero before that.
    pub fn unix_seconds(self) -> f64 {
        self.since_epoch().as_secs_f64()
    }

    /// How long ago this was; zero when it lies in the future.
    pub fn age(self) -> Duration {
        self.0.elapsed().unwrap_or_default()
    }

    /// A minute of the calendar, UTC; `None` when there is no such minute, or before 1970.
    pub fn from_minute(year: u64, month: u64, day: u64, hour: u64, minute: u64) -> Option<Self> {
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || year > 9999 {
            return None;
        }
        let days = day_number(year, month, day)?;
        // 31 April becomes 1 May in the arithmetic: not a day anybody meant.
        if civil(days) != (year, month, day) {
            return None;
        }
        Some(Self(
            UNIX_EPOCH + Duration::from_secs(days * DAY + hour * 3600 + minute * 60),
        ))
    }

    /// Year, month, day, hour and minute, UTC.
    pub fn minute(self) -> (u64, u64, u64, u64, u64) {
        let seconds = self.since_epoch().as_secs();
        let (year, month, day) = civil(seconds / DAY);
        (year, month, day, seconds % DAY / 3600, seconds / 60 % 60)
    }

    fn since_epoch(self) -> Duration {
        self.0.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since_epoch();
        let (year, month, day) = civil(since.as_secs() / DAY);
        let second = since.as_secs() % DAY;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:07}Z",
            second / 3600,
            second / 60 % 60,
            second % 60,
            since.subsec_nanos() / 100,
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of a day number counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Works in 400-year eras that begin on 1 March, so that the leap day is the last of a year
/// (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // 0000-03-01 to 1970-01-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The inverse of [`civil`]; `None` before 1970.
fn day_number(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: u64, nanos: u32, expected: &str) {
        let time = Timestamp(UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(time.to_string(), expected, "{seconds}.{nanos:09}");
    }

    #[test]
    fn prints_iso_8601_with_seven_digits() {
        check(0, 0, "1970-01-01T00:00:00.0000000Z");
        check(951_782_400, 0, "2000-02-29T00:00:00.0000000Z"); // leap year of the 400 rule
        check(1_709_164_800, 1, "2024-02-29T00:00:00.0000000Z"); // below the resolution
        check(1_735_689_599, 999_999_999, "2024-12-31T23:59:59.9999999Z");
        check(4_107_542_400, 500_000_000, "2100-03-01T00:00:00.5000000Z"); // no leap day in 2100
    }

    #[test]
    fn minutes_of_the_calendar_come_back() {
        for (text, seconds) in [
            ((1970, 1, 1, 0, 0), Some(0)),
            ((2000, 2, 29, 23, 59), Some(951_868_740)),
            ((2100, 3, 1, 0, 0), Some(4_107_542_400)),
            ((2100, 2, 29, 0, 0), None),
            ((2026, 4, 31, 0, 0), None),
            ((2026, 13, 1, 0, 0), None),
            ((2026, 1, 1, 24, 0), None),
            ((1969, 12, 31, 23, 59), None),
        ] {
            let (year, month, day, hour, minute) = text;
            let time = Timestamp::from_minute(year, month, day, hour, minute);
            assert_eq!(time.map(|t| t.unix_seconds() as i64), seconds, "{text:?}");
            if let Some(time) = time {
                assert_eq!(time.minute(), text);
            }
        }
    }

    #[test]
    fn a_time_in_the_future_has_no_age() {
        let later = Timestamp(SystemTime::now() + Duration::from_secs(3600));
        assert_eq!(later.age(), Duration::ZERO);
    }
}
