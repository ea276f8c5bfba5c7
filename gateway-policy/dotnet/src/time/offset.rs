//! `System.DateTimeOffset`.

use super::{
    DateTime, DateTimeKind, MAX_TICKS, TICKS_PER_HOUR, TICKS_PER_MILLISECOND, TICKS_PER_MINUTE,
    TICKS_PER_SECOND, TimeSpan, UNIX_EPOCH_TICKS,
};
use crate::Error;

/// A `System.DateTimeOffset`. Equality and order see the instant only.
#[derive(Clone, Copy, Debug, Default)]
pub struct DateTimeOffset {
    utc_ticks: i64,
    offset_minutes: i16,
}

impl DateTimeOffset {
    /// `DateTimeOffset.MinValue`.
    pub const MIN: DateTimeOffset = DateTimeOffset {
        utc_ticks: 0,
        offset_minutes: 0,
    };
    /// `DateTimeOffset.MaxValue`.
    pub const MAX: DateTimeOffset = DateTimeOffset {
        utc_ticks: MAX_TICKS,
        offset_minutes: 0,
    };

    /// `new DateTimeOffset(dateTime, offset)`.
    ///
    /// # Errors
    /// `ArgumentException`, `ArgumentOutOfRangeException`.
    pub fn new(clock: DateTime, offset: TimeSpan) -> Result<DateTimeOffset, Error> {
        if offset.ticks() != 0 {
            let message = match clock.kind() {
                DateTimeKind::Utc => Some("The UTC Offset for Utc DateTime instances must be 0."),
                DateTimeKind::Local => {
                    Some("The UTC Offset of the local dateTime parameter does not match the offset argument.")
                }
                DateTimeKind::Unspecified => None,
            };
            if let Some(message) = message {
                return Err(Error::argument("offset", message));
            }
        }
        let offset_minutes = check_offset(offset)?;
        DateTimeOffset::from_parts(clock.ticks() - offset.ticks(), offset_minutes)
    }

    /// `new DateTimeOffset(dateTime)`: the local zone is UTC.
    pub fn from_datetime(clock: DateTime) -> DateTimeOffset {
        DateTimeOffset {
            utc_ticks: clock.ticks(),
            offset_minutes: 0,
        }
    }

    fn from_parts(utc_ticks: i64, offset_minutes: i16) -> Result<DateTimeOffset, Error> {
        if !(0..=MAX_TICKS).contains(&utc_ticks) {
            return Err(Error::out_of_range(
                "offset",
                "The UTC time represented when the offset is applied must be between year 0 and 10,000.",
            ));
        }
        Ok(DateTimeOffset {
            utc_ticks,
            offset_minutes,
        })
    }

    /// `FromUnixTimeSeconds`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn from_unix_seconds(seconds: i64) -> Result<DateTimeOffset, Error> {
        const MIN: i64 = -62_135_596_800;
        const MAX: i64 = 253_402_300_799;
        if !(MIN..=MAX).contains(&seconds) {
            return Err(Error::out_of_range(
                "seconds",
                &format!("Valid values are between {MIN} and {MAX}, inclusive."),
            ));
        }
        Ok(DateTimeOffset {
            utc_ticks: seconds * TICKS_PER_SECOND + UNIX_EPOCH_TICKS,
            offset_minutes: 0,
        })
    }

    /// `FromUnixTimeMilliseconds`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn from_unix_milliseconds(millis: i64) -> Result<DateTimeOffset, Error> {
        const MIN: i64 = -62_135_596_800_000;
        const MAX: i64 = 253_402_300_799_999;
        if !(MIN..=MAX).contains(&millis) {
            return Err(Error::out_of_range(
                "milliseconds",
                &format!("Valid values are between {MIN} and {MAX}, inclusive."),
            ));
        }
        Ok(DateTimeOffset {
            utc_ticks: millis * TICKS_PER_MILLISECOND + UNIX_EPOCH_TICKS,
            offset_minutes: 0,
        })
    }

    /// `ToUnixTimeSeconds`: towards the past.
    pub fn to_unix_seconds(self) -> i64 {
        self.utc_ticks / TICKS_PER_SECOND - UNIX_EPOCH_TICKS / TICKS_PER_SECOND
    }

    /// `ToUnixTimeMilliseconds`: towards the past.
    pub fn to_unix_milliseconds(self) -> i64 {
        self.utc_ticks / TICKS_PER_MILLISECOND - UNIX_EPOCH_TICKS / TICKS_PER_MILLISECOND
    }

    /// `UtcTicks`.
    pub fn utc_ticks(self) -> i64 {
        self.utc_ticks
    }

    /// `Offset`.
    pub fn offset(self) -> TimeSpan {
        TimeSpan::from_ticks(i64::from(self.offset_minutes) * TICKS_PER_MINUTE)
    }

    /// `DateTime`: the clock time, of unspecified kind. Every member that `DateTime` also has (`Year`,
    /// `DayOfWeek` …) reads this.
    pub fn clock(self) -> DateTime {
        let ticks = self.utc_ticks + self.offset().ticks();
        DateTime::from_ticks_clamped(ticks, DateTimeKind::Unspecified)
    }

    /// `UtcDateTime`.
    pub fn utc_datetime(self) -> DateTime {
        DateTime::from_ticks_clamped(self.utc_ticks, DateTimeKind::Utc)
    }

    /// `LocalDateTime`; the local zone is UTC.
    pub fn local_datetime(self) -> DateTime {
        DateTime::from_ticks_clamped(self.utc_ticks, DateTimeKind::Local)
    }

    /// `ToOffset`.
    ///
    /// # Errors
    /// `ArgumentException`, `ArgumentOutOfRangeException`.
    pub fn to_offset(self, offset: TimeSpan) -> Result<DateTimeOffset, Error> {
        let offset_minutes = check_offset(offset)?;
        DateTime::from_ticks(
            self.utc_ticks.saturating_add(offset.ticks()),
            DateTimeKind::Unspecified,
        )
        .map_err(|_| DateTimeOffset::from_parts(-1, 0).map_or_else(|e| e, |_| Error::null_reference()))?;
        DateTimeOffset::from_parts(self.utc_ticks, offset_minutes)
    }

    /// `ToUniversalTime()` and `ToLocalTime()`; the local zone is UTC.
    #[must_use]
    pub fn to_universal(self) -> DateTimeOffset {
        DateTimeOffset {
            offset_minutes: 0,
            ..self
        }
    }

    /// Applies a `DateTime` operation (`AddDays` …) to the clock time and keeps the offset.
    ///
    /// # Errors
    /// What the operation throws.
    pub fn map_clock(
        self,
        change: impl FnOnce(DateTime) -> Result<DateTime, Error>,
    ) -> Result<DateTimeOffset, Error> {
        DateTimeOffset::new(change(self.clock())?, self.offset())
    }

    /// `self - other`.
    pub fn minus(self, other: DateTimeOffset) -> TimeSpan {
        TimeSpan::from_ticks(self.utc_ticks - other.utc_ticks)
    }
}

fn check_offset(offset: TimeSpan) -> Result<i16, Error> {
    let ticks = offset.ticks();
    if ticks % TICKS_PER_MINUTE != 0 {
        return Err(Error::argument(
            "offset",
            "Offset must be specified in whole minutes.",
        ));
    }
    if ticks.abs() > 14 * TICKS_PER_HOUR {
        return Err(Error::out_of_range(
            "offset",
            "Offset must be within plus or minus 14 hours.",
        ));
    }
    Ok((ticks / TICKS_PER_MINUTE) as i16)
}

impl PartialEq for DateTimeOffset {
    fn eq(&self, other: &DateTimeOffset) -> bool {
        self.utc_ticks == other.utc_ticks
    }
}

impl Eq for DateTimeOffset {}

impl std::hash::Hash for DateTimeOffset {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.utc_ticks.hash(state);
    }
}

impl PartialOrd for DateTimeOffset {
    fn partial_cmp(&self, other: &DateTimeOffset) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DateTimeOffset {
    fn cmp(&self, other: &DateTimeOffset) -> std::cmp::Ordering {
        self.utc_ticks.cmp(&other.utc_ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(result: Result<DateTimeOffset, Error>) -> String {
        result.map_or_else(|e| format!("!{}", e.message), |d| d.to_text())
    }

    #[test]
    fn table() {
        let at = |kind| DateTime::new(2024, 1, 2, 3, 4, 5, 0, kind).unwrap();
        let hours = |h: i64| TimeSpan::from_ticks(h * TICKS_PER_HOUR);
        let plain = DateTimeKind::Unspecified;
        let two = DateTimeOffset::new(at(plain), hours(2)).unwrap();
        for (got, expected) in [
            (Ok(two), "01/02/2024 03:04:05 +02:00"),
            (two.to_offset(hours(5)), "01/02/2024 06:04:05 +05:00"),
            (
                DateTimeOffset::new(at(plain), hours(15)),
                "!Offset must be within plus or minus 14 hours. (Parameter 'offset')",
            ),
            (
                DateTimeOffset::new(at(plain), TimeSpan::from_ticks(1)),
                "!Offset must be specified in whole minutes. (Parameter 'offset')",
            ),
            (
                DateTimeOffset::new(at(DateTimeKind::Utc), hours(1)),
                "!The UTC Offset for Utc DateTime instances must be 0. (Parameter 'offset')",
            ),
            (
                DateTimeOffset::new(at(DateTimeKind::Local), hours(1)),
                "!The UTC Offset of the local dateTime parameter does not match the offset argument. (Parameter 'offset')",
            ),
            (
                DateTimeOffset::new(DateTime::MIN, hours(1)),
                "!The UTC time represented when the offset is applied must be between year 0 and 10,000. (Parameter 'offset')",
            ),
            (
                DateTimeOffset::from_unix_seconds(-1),
                "12/31/1969 23:59:59 +00:00",
            ),
            (
                DateTimeOffset::from_unix_seconds(253_402_300_800),
                "!Valid values are between -62135596800 and 253402300799, inclusive. (Parameter 'seconds')",
            ),
            (two.map_clock(|c| c.add_months(1)), "02/02/2024 03:04:05 +02:00"),
        ] {
            assert_eq!(show(got), expected);
        }
        let past = DateTimeOffset::from_unix_milliseconds(-500).unwrap();
        assert_eq!(past.to_unix_seconds(), -1);
        assert_eq!(past.to_unix_milliseconds(), -500);
        assert_eq!(
            two,
            DateTimeOffset::new(at(plain).add_units(-2.0, TICKS_PER_HOUR).unwrap(), hours(0)).unwrap()
        );
    }
}
