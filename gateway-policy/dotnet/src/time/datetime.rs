//! `System.DateTime`.

use super::{
    MAX_TICKS, TICKS_PER_DAY, TICKS_PER_HOUR, TICKS_PER_MILLISECOND, TICKS_PER_MINUTE, TICKS_PER_SECOND,
    TimeSpan, calendar,
};
use crate::Error;

/// `System.DateTimeKind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the members of the .NET enum under their own names")]
pub enum DateTimeKind {
    #[default]
    Unspecified,
    Utc,
    Local,
}

/// A `System.DateTime`. Equality and order see the ticks only.
#[derive(Clone, Copy, Debug, Default)]
pub struct DateTime {
    ticks: i64,
    kind: DateTimeKind,
}

const UNREPRESENTABLE: &str = "The added or subtracted value results in an un-representable DateTime.";

/// `DateTime.DaysInMonth`.
///
/// # Errors
/// `ArgumentOutOfRangeException`.
pub fn days_in_month(year: i32, month: i32) -> Result<i32, Error> {
    if !(1..=12).contains(&month) {
        return Err(Error::out_of_range(
            "month",
            "Month must be between one and twelve.",
        ));
    }
    is_leap_year_checked(year)?;
    Ok(calendar::month_days(year, month))
}

/// `DateTime.IsLeapYear`.
///
/// # Errors
/// `ArgumentOutOfRangeException`.
pub fn is_leap_year_checked(year: i32) -> Result<bool, Error> {
    if !(1..=9999).contains(&year) {
        return Err(Error::out_of_range("year", "Year must be between 1 and 9999."));
    }
    Ok(calendar::is_leap_year(year))
}

impl DateTime {
    /// `DateTime.MinValue`.
    pub const MIN: DateTime = DateTime {
        ticks: 0,
        kind: DateTimeKind::Unspecified,
    };
    /// `DateTime.MaxValue`.
    pub const MAX: DateTime = DateTime {
        ticks: MAX_TICKS,
        kind: DateTimeKind::Unspecified,
    };

    /// `new DateTime(ticks, kind)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn from_ticks(ticks: i64, kind: DateTimeKind) -> Result<DateTime, Error> {
        if !(0..=MAX_TICKS).contains(&ticks) {
            return Err(Error::out_of_range(
                "ticks",
                "Ticks must be between DateTime.MinValue.Ticks and DateTime.MaxValue.Ticks.",
            ));
        }
        Ok(DateTime { ticks, kind })
    }

    /// The same, with ticks out of range cut to the nearest representable instant.
    pub fn from_ticks_clamped(ticks: i64, kind: DateTimeKind) -> DateTime {
        DateTime {
            ticks: ticks.clamp(0, MAX_TICKS),
            kind,
        }
    }

    /// `new DateTime(year, month, day)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn from_date(year: i32, month: i32, day: i32) -> Result<DateTime, Error> {
        match calendar::days_of(year, month, day) {
            Some(days) => Ok(DateTime {
                ticks: days * TICKS_PER_DAY,
                kind: DateTimeKind::Unspecified,
            }),
            None => Err(bare(
                "Year, Month, and Day parameters describe an un-representable DateTime.",
            )),
        }
    }

    /// `new DateTime(year, month, day, hour, minute, second, millisecond, kind)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    #[expect(clippy::too_many_arguments, reason = "the .NET constructor")]
    pub fn new(
        year: i32,
        month: i32,
        day: i32,
        hour: i32,
        minute: i32,
        second: i32,
        millisecond: i32,
        kind: DateTimeKind,
    ) -> Result<DateTime, Error> {
        if !(0..1000).contains(&millisecond) {
            return Err(Error::out_of_range(
                "millisecond",
                "Valid values are between 0 and 999, inclusive.",
            ));
        }
        let date = DateTime::from_date(year, month, day)?;
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
            return Err(bare(
                "Hour, Minute, and Second parameters describe an un-representable DateTime.",
            ));
        }
        let time = i64::from(hour) * TICKS_PER_HOUR
            + i64::from(minute) * TICKS_PER_MINUTE
            + i64::from(second) * TICKS_PER_SECOND
            + i64::from(millisecond) * TICKS_PER_MILLISECOND;
        Ok(DateTime {
            ticks: date.ticks + time,
            kind,
        })
    }

    /// `Ticks`.
    pub fn ticks(self) -> i64 {
        self.ticks
    }

    /// `Kind`.
    pub fn kind(self) -> DateTimeKind {
        self.kind
    }

    /// `DateTime.SpecifyKind`.
    #[must_use]
    pub fn with_kind(self, kind: DateTimeKind) -> DateTime {
        DateTime { kind, ..self }
    }

    /// Year, month and day.
    pub fn ymd(self) -> (i32, i32, i32) {
        calendar::date_of(self.ticks / TICKS_PER_DAY)
    }

    /// `Year`.
    pub fn year(self) -> i32 {
        self.ymd().0
    }

    /// `Month`.
    pub fn month(self) -> i32 {
        self.ymd().1
    }

    /// `Day`.
    pub fn day(self) -> i32 {
        self.ymd().2
    }

    /// `Hour`.
    pub fn hour(self) -> i32 {
        (self.ticks / TICKS_PER_HOUR % 24) as i32
    }

    /// `Minute`.
    pub fn minute(self) -> i32 {
        (self.ticks / TICKS_PER_MINUTE % 60) as i32
    }

    /// `Second`.
    pub fn second(self) -> i32 {
        (self.ticks / TICKS_PER_SECOND % 60) as i32
    }

    /// `Millisecond`.
    pub fn millisecond(self) -> i32 {
        (self.ticks / TICKS_PER_MILLISECOND % 1000) as i32
    }

    /// `DayOfWeek`: 0 is Sunday.
    pub fn day_of_week(self) -> i32 {
        ((self.ticks / TICKS_PER_DAY + 1) % 7) as i32
    }

    /// `DayOfYear`.
    pub fn day_of_year(self) -> i32 {
        (self.ticks / TICKS_PER_DAY - calendar::days_before_year(self.year())) as i32 + 1
    }

    /// `Date`.
    #[must_use]
    pub fn date(self) -> DateTime {
        DateTime {
            ticks: self.ticks - self.ticks % TICKS_PER_DAY,
            ..self
        }
    }

    /// `TimeOfDay`.
    pub fn time_of_day(self) -> TimeSpan {
        TimeSpan::from_ticks(self.ticks % TICKS_PER_DAY)
    }

    /// `AddTicks`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn add_ticks(self, ticks: i64) -> Result<DateTime, Error> {
        self.shifted(ticks, "value")
    }

    /// `+ TimeSpan` (parameter `t`), `Add` (parameter `value`) and the negated forms.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` naming `parameter`.
    pub fn shifted(self, ticks: i64, parameter: &str) -> Result<DateTime, Error> {
        match self
            .ticks
            .checked_add(ticks)
            .filter(|t| (0..=MAX_TICKS).contains(t))
        {
            Some(ticks) => Ok(DateTime { ticks, ..self }),
            None => Err(Error::out_of_range(parameter, UNREPRESENTABLE)),
        }
    }

    /// `AddDays`, `AddHours` …: `value` units of `unit_ticks`, rounded to milliseconds.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn add_units(self, value: f64, unit_ticks: i64) -> Result<DateTime, Error> {
        const MAX_MILLIS: f64 = (MAX_TICKS / TICKS_PER_MILLISECOND) as f64;
        let scale = (unit_ticks / TICKS_PER_MILLISECOND) as f64;
        let millis = value * scale + if value >= 0.0 { 0.5 } else { -0.5 };
        if millis <= -MAX_MILLIS || millis >= MAX_MILLIS {
            return Err(Error::out_of_range("value", "Value to add was out of range."));
        }
        self.add_ticks(millis as i64 * TICKS_PER_MILLISECOND)
    }

    /// `AddMonths`: the day is cut to the month's last.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn add_months(self, months: i32) -> Result<DateTime, Error> {
        if !(-120_000..=120_000).contains(&months) {
            return Err(Error::out_of_range(
                "months",
                "Months value must be between +/-120000.",
            ));
        }
        let (year, month, day) = self.ymd();
        let index = year * 12 + month - 1 + months;
        let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
        if !(1..=9999).contains(&year) {
            return Err(Error::out_of_range("months", UNREPRESENTABLE));
        }
        let date = DateTime::from_date(year, month, day.min(calendar::month_days(year, month)))?;
        Ok(DateTime {
            ticks: date.ticks + self.ticks % TICKS_PER_DAY,
            ..self
        })
    }

    /// `AddYears`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn add_years(self, years: i32) -> Result<DateTime, Error> {
        if !(-10_000..=10_000).contains(&years) {
            return Err(Error::out_of_range(
                "years",
                "Years value must be between +/-10000.",
            ));
        }
        self.add_months(years * 12)
    }

    /// `self - other`.
    pub fn minus(self, other: DateTime) -> TimeSpan {
        TimeSpan::from_ticks(self.ticks - other.ticks)
    }

    /// `ToUniversalTime()`; the local zone is UTC.
    #[must_use]
    pub fn to_universal(self) -> DateTime {
        self.with_kind(DateTimeKind::Utc)
    }

    /// `ToLocalTime()`; the local zone is UTC.
    #[must_use]
    pub fn to_local(self) -> DateTime {
        self.with_kind(DateTimeKind::Local)
    }

    /// `GetHashCode()`.
    pub fn hash_code(self) -> i32 {
        self.ticks as i32 ^ (self.ticks >> 32) as i32
    }
}

fn bare(message: &'static str) -> Error {
    Error::new(crate::ExceptionKind::ArgumentOutOfRangeException, message)
}

impl PartialEq for DateTime {
    fn eq(&self, other: &DateTime) -> bool {
        self.ticks == other.ticks
    }
}

impl Eq for DateTime {}

impl std::hash::Hash for DateTime {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.ticks.hash(state);
    }
}

impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &DateTime) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DateTime {
    fn cmp(&self, other: &DateTime) -> std::cmp::Ordering {
        self.ticks.cmp(&other.ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(result: Result<DateTime, Error>) -> String {
        result.map_or_else(|e| format!("!{}", e.message), |d| d.to_text())
    }

    #[test]
    fn construction_and_arithmetic() {
        let d = |y, m, day| DateTime::from_date(y, m, day).unwrap();
        let full = |h, ms| DateTime::new(2024, 1, 2, h, 4, 5, ms, DateTimeKind::Utc);
        for (got, expected) in [
            (
                DateTime::from_date(2024, 13, 1),
                "!Year, Month, and Day parameters describe an un-representable DateTime.",
            ),
            (
                full(25, 0),
                "!Hour, Minute, and Second parameters describe an un-representable DateTime.",
            ),
            (
                full(0, 1000),
                "!Valid values are between 0 and 999, inclusive. (Parameter 'millisecond')",
            ),
            (full(3, 0), "01/02/2024 03:04:05"),
            (d(2024, 1, 31).add_months(1), "02/29/2024 00:00:00"),
            (d(2024, 2, 29).add_years(1), "02/28/2025 00:00:00"),
            (
                DateTime::MAX.add_years(1),
                "!The added or subtracted value results in an un-representable DateTime. (Parameter 'months')",
            ),
            (
                DateTime::MIN.add_months(200_000),
                "!Months value must be between +/-120000. (Parameter 'months')",
            ),
            (DateTime::MIN.add_units(1.5, TICKS_PER_DAY), "01/02/0001 12:00:00"),
            (
                DateTime::MIN.add_units(f64::NAN, TICKS_PER_DAY),
                "01/01/0001 00:00:00",
            ),
            (
                DateTime::MIN.add_units(1e20, TICKS_PER_DAY),
                "!Value to add was out of range. (Parameter 'value')",
            ),
            (
                DateTime::MIN.add_units(-1.0, TICKS_PER_DAY),
                "!The added or subtracted value results in an un-representable DateTime. (Parameter 'value')",
            ),
            (
                DateTime::from_ticks(-1, DateTimeKind::Utc),
                "!Ticks must be between DateTime.MinValue.Ticks and DateTime.MaxValue.Ticks. (Parameter 'ticks')",
            ),
        ] {
            assert_eq!(show(got), expected);
        }
        assert_eq!(
            DateTime::MIN.add_units(0.0006, TICKS_PER_SECOND).unwrap().ticks(),
            10_000
        );
        assert_eq!(
            DateTime::MIN.add_units(0.0004, TICKS_PER_SECOND).unwrap().ticks(),
            0
        );
        assert_eq!(d(2024, 12, 31).day_of_year(), 366);
        assert_eq!(d(2024, 1, 2).day_of_week(), 2);
        assert_eq!(d(2024, 1, 2).hash_code(), -877_229_275);
        assert_eq!(d(2024, 1, 2).minus(d(2024, 1, 3)).to_text(), "-1.00:00:00");
        assert!(days_in_month(2024, 13).is_err() && is_leap_year_checked(0).is_err());
    }
}
