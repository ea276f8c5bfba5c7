//! `System.TimeSpan`: arithmetic. Text is in `span_text`.

use super::{TICKS_PER_DAY, TICKS_PER_HOUR, TICKS_PER_MILLISECOND, TICKS_PER_MINUTE, TICKS_PER_SECOND};
use crate::{Error, ExceptionKind};

/// A `System.TimeSpan`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(i64);

const TOO_LONG: &str = "TimeSpan overflowed because the duration is too long.";

fn overflow() -> Error {
    Error::new(ExceptionKind::OverflowException, TOO_LONG)
}

impl TimeSpan {
    /// `TimeSpan.Zero`.
    pub const ZERO: TimeSpan = TimeSpan(0);
    /// `TimeSpan.MaxValue`.
    pub const MAX: TimeSpan = TimeSpan(i64::MAX);
    /// `TimeSpan.MinValue`.
    pub const MIN: TimeSpan = TimeSpan(i64::MIN);

    /// `new TimeSpan(ticks)`.
    pub const fn from_ticks(ticks: i64) -> TimeSpan {
        TimeSpan(ticks)
    }

    /// `new TimeSpan(days, hours, minutes, seconds, milliseconds)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn new(days: i32, hours: i32, minutes: i32, seconds: i32, millis: i32) -> Result<TimeSpan, Error> {
        let seconds =
            i64::from(days) * 86_400 + i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
        let ticks = i128::from(seconds * 1000 + i64::from(millis)) * i128::from(TICKS_PER_MILLISECOND);
        i64::try_from(ticks)
            .map(TimeSpan)
            .map_err(|_| Error::new(ExceptionKind::ArgumentOutOfRangeException, TOO_LONG))
    }

    /// `FromDays`, `FromHours` …: `value` units of `unit_ticks`.
    ///
    /// # Errors
    /// `ArgumentException` for NaN, `OverflowException`.
    pub fn from_units(value: f64, unit_ticks: i64) -> Result<TimeSpan, Error> {
        if value.is_nan() {
            return Err(Error::new(
                ExceptionKind::ArgumentException,
                "TimeSpan does not accept floating point Not-a-Number values.",
            ));
        }
        from_double_ticks(value * unit_ticks as f64)
    }

    /// `Ticks`.
    pub fn ticks(self) -> i64 {
        self.0
    }

    /// The whole units, beyond those of the next larger unit: `Hours` is `part(TICKS_PER_HOUR, 24)`.
    pub fn part(self, unit_ticks: i64, modulus: i64) -> i32 {
        (self.0 / unit_ticks % modulus) as i32
    }

    /// `Days`.
    pub fn days(self) -> i32 {
        (self.0 / TICKS_PER_DAY) as i32
    }

    /// `Hours`.
    pub fn hours(self) -> i32 {
        self.part(TICKS_PER_HOUR, 24)
    }

    /// `Minutes`.
    pub fn minutes(self) -> i32 {
        self.part(TICKS_PER_MINUTE, 60)
    }

    /// `Seconds`.
    pub fn seconds(self) -> i32 {
        self.part(TICKS_PER_SECOND, 60)
    }

    /// `Milliseconds`.
    pub fn milliseconds(self) -> i32 {
        self.part(TICKS_PER_MILLISECOND, 1000)
    }

    /// `TotalDays`, `TotalHours` …: the whole span in units of `unit_ticks`.
    pub fn total(self, unit_ticks: i64) -> f64 {
        if unit_ticks == TICKS_PER_MILLISECOND {
            const MAX: f64 = (i64::MAX / TICKS_PER_MILLISECOND) as f64;
            const MIN: f64 = (i64::MIN / TICKS_PER_MILLISECOND) as f64;
            return (self.0 as f64 / unit_ticks as f64).clamp(MIN, MAX);
        }
        self.0 as f64 / unit_ticks as f64
    }

    /// `self + other`.
    ///
    /// # Errors
    /// `OverflowException`.
    pub fn plus(self, other: TimeSpan) -> Result<TimeSpan, Error> {
        self.0.checked_add(other.0).map(TimeSpan).ok_or_else(overflow)
    }

    /// `self - other`.
    ///
    /// # Errors
    /// `OverflowException`.
    pub fn minus(self, other: TimeSpan) -> Result<TimeSpan, Error> {
        self.0.checked_sub(other.0).map(TimeSpan).ok_or_else(overflow)
    }

    /// `Negate()`.
    ///
    /// # Errors
    /// `OverflowException` for `MinValue`.
    pub fn negate(self) -> Result<TimeSpan, Error> {
        self.0.checked_neg().map(TimeSpan).ok_or_else(|| {
            Error::new(
                ExceptionKind::OverflowException,
                "Negating the minimum value of a twos complement number is invalid.",
            )
        })
    }

    /// `Duration()`.
    ///
    /// # Errors
    /// `OverflowException` for `MinValue`.
    pub fn duration(self) -> Result<TimeSpan, Error> {
        self.0.checked_abs().map(TimeSpan).ok_or_else(|| {
            Error::new(
                ExceptionKind::OverflowException,
                "The duration cannot be returned for TimeSpan.MinValue because the absolute value of TimeSpan.MinValue exceeds the value of TimeSpan.MaxValue.",
            )
        })
    }

    /// `self * factor`.
    ///
    /// # Errors
    /// `ArgumentException` for NaN, `OverflowException`.
    pub fn multiply(self, factor: f64) -> Result<TimeSpan, Error> {
        if factor.is_nan() {
            return Err(Error::argument(
                "factor",
                "TimeSpan does not accept floating point Not-a-Number values.",
            ));
        }
        from_double_ticks((self.0 as f64 * factor).round_ties_even())
    }

    /// `self / divisor`.
    ///
    /// # Errors
    /// `ArgumentException` for NaN, `OverflowException`.
    pub fn divide(self, divisor: f64) -> Result<TimeSpan, Error> {
        if divisor.is_nan() {
            return Err(Error::argument(
                "divisor",
                "TimeSpan does not accept floating point Not-a-Number values.",
            ));
        }
        from_double_ticks((self.0 as f64 / divisor).round_ties_even())
    }

    /// `self / other`.
    pub fn ratio(self, other: TimeSpan) -> f64 {
        self.0 as f64 / other.0 as f64
    }
}

fn from_double_ticks(ticks: f64) -> Result<TimeSpan, Error> {
    const TOP: f64 = i64::MAX as f64;
    if ticks.is_nan() || !(-TOP..=TOP).contains(&ticks) {
        return Err(overflow());
    }
    Ok(TimeSpan(ticks as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(result: Result<TimeSpan, Error>) -> String {
        result.map_or_else(|e| format!("!{}", e.message), |t| t.to_text())
    }

    #[test]
    fn table() {
        let hour = TimeSpan::from_ticks(TICKS_PER_HOUR);
        for (got, expected) in [
            (TimeSpan::from_units(90.5, TICKS_PER_SECOND), "00:01:30.5000000"),
            (
                TimeSpan::from_units(1.2345678, TICKS_PER_SECOND),
                "00:00:01.2345678",
            ),
            (TimeSpan::from_units(1.5, TICKS_PER_DAY), "1.12:00:00"),
            (
                TimeSpan::from_units(1e9, TICKS_PER_DAY),
                "!TimeSpan overflowed because the duration is too long.",
            ),
            (
                TimeSpan::from_units(f64::NAN, 1),
                "!TimeSpan does not accept floating point Not-a-Number values.",
            ),
            (hour.divide(2.0), "00:30:00"),
            (hour.multiply(1.5), "01:30:00"),
            (TimeSpan::new(1, 2, 3, 4, 5), "1.02:03:04.0050000"),
            (
                TimeSpan::new(i32::MAX, 0, 0, 0, 0),
                "!TimeSpan overflowed because the duration is too long.",
            ),
            (Ok(TimeSpan::MAX), "10675199.02:48:05.4775807"),
            (Ok(TimeSpan::MIN), "-10675199.02:48:05.4775808"),
            (
                TimeSpan::MIN.negate(),
                "!Negating the minimum value of a twos complement number is invalid.",
            ),
            (
                TimeSpan::MAX.plus(TimeSpan(1)),
                "!TimeSpan overflowed because the duration is too long.",
            ),
        ] {
            assert_eq!(show(got), expected);
        }
        assert!(TimeSpan::MIN.duration().is_err());
        let day = TimeSpan::from_units(25.0, TICKS_PER_HOUR).unwrap();
        assert_eq!((day.hours(), day.days(), day.total(TICKS_PER_HOUR)), (1, 1, 25.0));
        assert_eq!(
            TimeSpan::from_units(1234.5, TICKS_PER_MILLISECOND)
                .unwrap()
                .total(TICKS_PER_SECOND),
            1.2345
        );
    }
}
