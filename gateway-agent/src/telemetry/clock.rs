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
    fn a_time_in_the_future_has_no_age() {
        let later = Timestamp(SystemTime::now() + Duration::from_secs(3600));
        assert_eq!(later.age(), Duration::ZERO);
    }
}
