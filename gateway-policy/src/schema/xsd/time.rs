//! Dates, times and durations of XML Schema, with their partial orders.
//!
//! Source: XML Schema 1.0 part 2, §3.2.6 to §3.2.14, appendices D and E. A date without a zone lies somewhere within
//! fourteen hours of the same date in UTC, so it has no order with dates closer than that.

use std::cmp::Ordering;

use super::value::Decimal;

/// Digits of a year: seconds of any of them fit 64 bits.
const YEAR_DIGITS_MAX: usize = 9;
/// Digits of one number in a duration.
const DURATION_DIGITS_MAX: usize = 15;
/// A date without a zone is at most this far from the same one in UTC.
const ZONE_SECONDS_MAX: i64 = 14 * 3600;

/// A point on the time line, or a recurring one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds since 0001-01-01T00:00:00, the zone taken off.
    seconds: i64,
    fraction: Decimal,
    zoned: bool,
}

impl Moment {
    pub(super) fn compare(&self, other: &Moment) -> Option<Ordering> {
        if self.zoned == other.zoned {
            let order = self.seconds.cmp(&other.seconds);
            return Some(order.then_with(|| self.fraction.cmp(&other.fraction)));
        }
        let (floating, fixed, sign) = if self.zoned {
            (other, self, true)
        } else {
            (self, other, false)
        };
        let order = if floating.seconds.saturating_add(ZONE_SECONDS_MAX) < fixed.seconds {
            Ordering::Less
        } else if floating.seconds.saturating_sub(ZONE_SECONDS_MAX) > fixed.seconds {
            Ordering::Greater
        } else {
            return None;
        };
        Some(if sign { order.reverse() } else { order })
    }
}

/// Which parts a type has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calendar {
    DateTime,
    Date,
    Time,
    YearMonth,
    Year,
    MonthDay,
    Month,
    Day,
}

impl Calendar {
    /// Reads a text of the type; `None`: it is none.
    pub(super) fn read(self, text: &str) -> Option<Moment> {
        let (text, zone) = zone(text)?;
        // A leap year and a month of 31 days stand for what is not said.
        let (mut year, mut month, mut day) = (4, 1, 1);
        let mut clock = (0, Decimal::default());
        match self {
            Calendar::DateTime => {
                let (date, time) = text.split_once('T')?;
                (year, month, day) = ymd(date)?;
                clock = hms(time)?;
            }
            Calendar::Date => (year, month, day) = ymd(text)?,
            Calendar::Time => {
                clock = hms(text)?;
                // 24:00:00 is midnight; which day's does not matter here.
                clock.0 %= 86_400;
            }
            Calendar::YearMonth => {
                let (y, m) = text.rsplit_once('-')?;
                (year, month) = (self::year(y)?, two(m)?);
            }
            Calendar::Year => year = self::year(text)?,
            Calendar::MonthDay => {
                let (m, d) = text.strip_prefix("--")?.split_once('-')?;
                (month, day) = (two(m)?, two(d)?);
            }
            // `--12--` was an error of the first edition and is in use.
            Calendar::Month => month = two(text.strip_prefix("--")?.trim_end_matches("--"))?,
            Calendar::Day => day = two(text.strip_prefix("---")?)?,
        }
        if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
            return None;
        }
        let seconds = days(year, month, day)
            .checked_mul(86_400)?
            .checked_add(clock.0)?
            .checked_sub(zone.unwrap_or(0) * 60)?;
        Some(Moment {
            seconds,
            fraction: clock.1,
            zoned: zone.is_some(),
        })
    }
}

fn two(text: &str) -> Option<i64> {
    let good = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

/// The text without its zone, and the zone in minutes.
fn zone(text: &str) -> Option<(&str, Option<i64>)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest, Some(0)));
    }
    let from = text.len().checked_sub(6);
    let tail = from.and_then(|from| text.get(from..));
    let Some((tail, from)) = tail
        .zip(from)
        .filter(|(t, _)| t.starts_with(['+', '-']) && t.contains(':'))
    else {
        return Some((text, None));
    };
    let (hours, minutes) = tail[1..].split_once(':')?;
    let total = two(hours)? * 60 + two(minutes)?;
    if total > 14 * 60 || two(minutes)? > 59 {
        return None;
    }
    let sign = if tail.starts_with('-') { -1 } else { 1 };
    Some((&text[..from], Some(sign * total)))
}

/// A year; there is none before 1 but -1.
fn year(text: &str) -> Option<i64> {
    let (digits, negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let good = (4..=YEAR_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits.len() == 4 || !digits.starts_with('0'));
    let year: i64 = good.then(|| digits.parse().ok()).flatten()?;
    match (year, negative) {
        (0, _) => None,
        (year, false) => Some(year),
        // The proleptic calendar has a year zero where the text has -0001.
        (year, true) => Some(1 - year),
    }
}

fn ymd(text: &str) -> Option<(i64, i64, i64)> {
    let (rest, day) = text.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    Some((self::year(year)?, two(month)?, two(day)?))
}

fn hms(text: &str) -> Option<(i64, Decimal)> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes, seconds) = (two(parts.next()?)?, two(parts.next()?)?, parts.next()?);
    let (whole, fraction) = match seconds.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (two(whole)?, Decimal::read(&format!("0.{fraction}"))?),
        None => (two(seconds)?, Decimal::default()),
    };
    let midnight = hours == 24 && minutes == 0 && whole == 0 && fraction == Decimal::default();
    ((hours < 24 || midnight) && minutes < 60 && whole < 60)
        .then_some((hours * 3600 + minutes * 60 + whole, fraction))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 0001-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years from March on, so that the leap day is the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 + day - 1
}

/// A duration: months and seconds, both of one sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Duration {
    months: i64,
    seconds: i64,
    /// With the sign of the duration.
    fraction: Decimal,
}

impl Duration {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (text, sign) = match text.strip_prefix('-') {
            Some(rest) => (rest, -1),
            None => (text, 1),
        };
        let text = text.strip_prefix('P')?;
        let (date, time) = match text.split_once('T') {
            Some((_, "")) => return None,
            Some((date, time)) => (date, time),
            None => (text, ""),
        };
        if date.is_empty() && time.is_empty() {
            return None;
        }
        let [years, months, days] = parts(date, ['Y', 'M', 'D'])?;
        let (time, fraction) = match time.split_once('.') {
            Some((whole, rest)) => {
                let digits = rest.strip_suffix('S').filter(|d| !d.is_empty())?;
                let started = whole.ends_with(|c: char| c.is_ascii_digit());
                let whole = started.then(|| format!("{whole}S"))?;
                let minus = if sign < 0 { "-" } else { "" };
                (whole, Decimal::read(&format!("{minus}0.{digits}"))?)
            }
            None => (time.to_owned(), Decimal::default()),
        };
        let [hours, minutes, seconds] = parts(&time, ['H', 'M', 'S'])?;
        let months = years.checked_mul(12)?.checked_add(months)?;
        let seconds = days
            .checked_mul(86_400)?
            .checked_add(hours.checked_mul(3600)?)?
            .checked_add(minutes.checked_mul(60)?)?
            .checked_add(seconds)?;
        Some(Self {
            months: sign * months,
            seconds: sign * seconds,
            fraction,
        })
    }

    /// Ordered when the same order comes out from each of four dates (§3.2.6.2).
    pub(super) fn compare(&self, other: &Duration) -> Option<Ordering> {
        let mut all = None;
        for (year, month) in [(1696, 9), (1697, 2), (1903, 3), (1903, 7)] {
            let (mine, theirs) = (self.after(year, month)?, other.after(year, month)?);
            let order = mine.cmp(&theirs).then_with(|| self.fraction.cmp(&other.fraction));
            if *all.get_or_insert(order) != order {
                return None;
            }
        }
        all
    }

    /// Seconds of the point that lies this much after the first of a month.
    fn after(&self, year: i64, month: i64) -> Option<i64> {
        let months = (year * 12 + month - 1).checked_add(self.months)?;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let year_days = year.checked_mul(366)?;
        // Far beyond any calendar: no order is better than a wrong one.
        year_days.checked_mul(86_400)?;
        days(year, month, 1)
            .checked_mul(86_400)?
            .checked_add(self.seconds)
    }
}

/// Numbers before their letters, in order, each at most once.
fn parts(mut text: &str, letters: [char; 3]) -> Option<[i64; 3]> {
    let mut out = [0; 3];
    for (letter, slot) in letters.into_iter().zip(&mut out) {
        let end = text
            .bytes()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(text.len());
        if text[end..].starts_with(letter) {
            let good = (1..=DURATION_DIGITS_MAX).contains(&end);
            *slot = good.then(|| text[..end].parse().ok()).flatten()?;
            text = &text[end + 1..];
        }
    }
    text.is_empty().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_read_what_they_should() {
        use Calendar::*;
        for (calendar, good, bad) in [
            (
                DateTime,
                &[
                    "2002-10-10T12:00:00-05:00",
                    "-0044-03-15T24:00:00",
                    "12002-01-01T00:00:00.123Z",
                ][..],
                &[
                    "2002-10-10",
                    "2002-10-10T24:01:00",
                    "0000-01-01T00:00:00",
                    "2002-02-29T00:00:00",
                    "02002-01-01T00:00:00",
                    "2002-10-10T12:00:00+14:01",
                    "2002-10-10T12:00:00.",
                    "2002-10-10t12:00:00",
                ][..],
            ),
            (
                Date,
                &["2000-02-29", "2002-10-10+13:00"],
                &["1900-02-29", "2002-13-01", "2002-1-1"],
            ),
            (
                Time,
                &["13:20:00", "13:20:30.5555Z", "24:00:00"],
                &["25:00:00", "13:20", "13:60:00", "12:00:60"],
            ),
            (
                YearMonth,
                &["1999-05", "-1999-05Z"],
                &["1999", "1999-13", "99-05"],
            ),
            (Year, &["1999", "12345+01:00"], &["99", "0000", "+1999"]),
            (
                MonthDay,
                &["--02-29", "--12-31Z"],
                &["--02-30", "02-29", "--13-01"],
            ),
            (Month, &["--05", "--12--", "--05Z"], &["--13", "05"]),
            (Day, &["---31", "---01-05:00"], &["---32", "31", "---1"]),
        ] {
            for text in good {
                assert!(calendar.read(text).is_some(), "{calendar:?} {text}");
            }
            for text in bad {
                assert!(calendar.read(text).is_none(), "{calendar:?} {text}");
            }
        }
    }

    #[test]
    fn moments_have_a_partial_order() {
        use Ordering::*;
        for (a, b, expected) in [
            ("2000-01-15T00:00:00", "2000-02-15T00:00:00", Some(Less)),
            ("2000-01-15T12:00:00", "2000-01-16T12:00:00Z", Some(Less)),
            ("2000-01-01T12:00:00", "1999-12-31T23:00:00Z", None),
            ("2000-01-16T12:00:00", "2000-01-16T12:00:00Z", None),
            ("2000-01-16T00:00:00Z", "2000-01-16T01:00:00+01:00", Some(Equal)),
            ("2000-01-16T00:00:00.10Z", "2000-01-16T00:00:00.1Z", Some(Equal)),
            ("-0001-12-31T24:00:00Z", "0001-01-01T00:00:00Z", Some(Equal)),
        ] {
            let read = |t| Calendar::DateTime.read(t).unwrap();
            assert_eq!(read(a).compare(&read(b)), expected, "{a} {b}");
            assert_eq!(
                read(b).compare(&read(a)),
                expected.map(Ordering::reverse),
                "{b} {a}"
            );
        }
    }

    #[test]
    fn durations_have_one_too() {
        use Ordering::*;
        for (a, b, expected) in [
            ("P1Y", "P12M", Some(Equal)),
            ("P1Y", "P364D", Some(Greater)),
            ("P1Y", "P365D", None),
            ("P1M", "P30D", None),
            ("P1M", "P27D", Some(Greater)),
            ("-P1D", "PT0S", Some(Less)),
            ("PT1.5S", "PT1.25S", Some(Greater)),
            ("-PT1.5S", "-PT1.25S", Some(Less)),
        ] {
            let read = |t| Duration::read(t).unwrap();
            assert_eq!(read(a).compare(&read(b)), expected, "{a} {b}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "P1S",
            "P1YT",
            "1Y",
            "P1M1Y",
            "P-1Y",
            "PT1.S",
            "PT.5S",
            "P1.5D",
            "P9999999999999999Y",
        ] {
            assert!(Duration::read(bad).is_none(), "{bad}");
        }
    }
}
