//! Text to dates: `DateTime.Parse` and `DateTimeOffset.Parse` in the invariant culture.
//!
//! The text is cut into numbers, words and signs; what the numbers mean follows from how many there are,
//! which has four digits, and whether a month is named.

use super::{
    DateTime, DateTimeKind, DateTimeOffset, MAX_TICKS, TICKS_PER_DAY, TICKS_PER_HOUR, TICKS_PER_MINUTE,
    TICKS_PER_SECOND, TimeSpan, calendar,
    format::{ABBREVIATION, DAYS, MONTHS},
};
use crate::{Error, ExceptionKind};

/// Longest text looked at; no date comes near it.
const MAX_TEXT: usize = 256;

/// What was understood of a text.
#[derive(Default)]
struct Parsed {
    numbers: Vec<(i32, usize)>,
    month: Option<i32>,
    /// The month's name stood after a number.
    month_last: bool,
    /// The time came after a `T`.
    iso: bool,
    weekday: Option<i32>,
    time: Option<[i32; 3]>,
    /// Numbers seen when the time was: none may follow unless there were none.
    before_time: usize,
    fraction_ticks: i64,
    afternoon: Option<bool>,
    /// Minutes east of UTC.
    zone: Option<i64>,
}

enum Fault {
    /// Not understood.
    Unknown,
    /// A word nobody knows, at this index.
    Word(usize),
    /// A time that no day has.
    Unsupported,
    /// Named and computed day of the week differ.
    Weekday,
    /// Beyond the first or last year.
    Range,
    /// A zone further than 14 hours from UTC.
    Offset,
}

impl Fault {
    fn into_error(self, text: &str) -> Error {
        Error::new(
            ExceptionKind::FormatException,
            match self {
                Fault::Unknown => format!("String '{text}' was not recognized as a valid DateTime."),
                Fault::Word(at) => format!(
                    "The string '{text}' was not recognized as a valid DateTime. There is an unknown word starting at index '{at}'."
                ),
                Fault::Unsupported => format!(
                    "The DateTime represented by the string '{text}' is not supported in calendar 'System.Globalization.GregorianCalendar'."
                ),
                Fault::Weekday => format!(
                    "String '{text}' was not recognized as a valid DateTime because the day of week was incorrect."
                ),
                Fault::Offset => {
                    format!("The time zone offset of string '{text}' must be within plus or minus 14 hours.")
                }
                Fault::Range => format!("The DateTime represented by the string '{text}' is out of range."),
            },
        )
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    out: Parsed,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, b: u8) -> bool {
        let hit = self.peek() == Some(b);
        self.at += usize::from(hit);
        hit
    }

    /// A run of digits: value and count.
    fn number(&mut self) -> Option<(i32, usize)> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.text[start..self.at]).ok()?;
        digits.parse().ok().map(|v| (v, digits.len()))
    }

    fn run(mut self) -> Result<Parsed, Fault> {
        while let Some(b) = self.peek() {
            match b {
                b' ' | b'\t'..=b'\r' | b',' => self.at += 1,
                b'0'..=b'9' => self.digits()?,
                b'+' | b'-' if self.zone_may_come() => self.zone()?,
                b'-' | b'/' | b'.' if !self.out.numbers.is_empty() || self.out.month.is_some() => {
                    self.separator()?;
                }
                _ if b.is_ascii_alphabetic() => self.word()?,
                _ if !b.is_ascii() => self.foreign()?,
                _ => return Err(Fault::Unknown),
            }
        }
        Ok(self.out)
    }

    /// A sign after the time starts a zone, unless a date that follows the time has begun; so does one
    /// after a complete date.
    fn zone_may_come(&self) -> bool {
        match self.out.time {
            Some(_) => self.out.numbers.len() == self.out.before_time,
            None => self.out.numbers.len() == 3,
        }
    }

    /// One separator, with another part of the date behind it.
    fn separator(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let rest = &self.text[self.at..];
        let blanks = rest.iter().take_while(|b| **b == b' ').count();
        if rest.is_empty() && self.text.ends_with(b".") && self.out.numbers.len() == 3 {
            // A full stop may end the text.
            return Ok(());
        }
        if rest.get(blanks).is_some_and(u8::is_ascii_alphanumeric) {
            Ok(())
        } else {
            Err(Fault::Unknown)
        }
    }

    /// Beyond ASCII only white space is known.
    fn foreign(&mut self) -> Result<(), Fault> {
        let rest = std::str::from_utf8(&self.text[self.at..]).unwrap_or_default();
        match rest.chars().next() {
            Some(c) if c.is_whitespace() => {
                self.at += c.len_utf8();
                Ok(())
            }
            Some(c) if c.is_alphabetic() => Err(Fault::Word(self.at)),
            _ => Err(Fault::Unknown),
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let (value, len) = self.number().ok_or(Fault::Unknown)?;
        if self.peek() == Some(b':') && self.out.time.is_none() {
            return self.time(value, len);
        }
        let rest = &self.text[self.at..];
        let blanks = rest.iter().take_while(|b| **b == b' ').count();
        let after = rest.get(blanks..).unwrap_or_default();
        let has_mark = after.len() >= 2
            && (after[..2].eq_ignore_ascii_case(b"am") || after[..2].eq_ignore_ascii_case(b"pm"));
        let named = self.out.numbers.len() + usize::from(self.out.month.is_some());
        if has_mark && self.out.time.is_none() && (named == 0 || named == 3) {
            self.out.time = Some([value, 0, 0]);
            self.out.before_time = self.out.numbers.len();
            return Ok(());
        }
        // Three numbers make a date; a fourth outside the time, or a very long one, makes nothing.
        let late = self.out.time.is_some() && self.out.before_time > 0;
        if self.out.numbers.len() >= 3 || len > 4 || late {
            return Err(Fault::Unknown);
        }
        self.out.numbers.push((value, len));
        Ok(())
    }

    fn time(&mut self, hour: i32, hour_len: usize) -> Result<(), Fault> {
        let mut time = [hour, 0, 0];
        for field in &mut time[1..] {
            if !self.eat(b':') {
                break;
            }
            let (value, len) = self.number().ok_or(Fault::Unknown)?;
            if len > 2 || (self.out.iso && len != 2) {
                return Err(Fault::Unknown);
            }
            *field = value;
        }
        if hour_len > 2 || (self.out.iso && hour_len != 2) {
            return Err(Fault::Unknown);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            let start = self.at;
            while self.peek().is_some_and(|b| b.is_ascii_digit()) {
                self.at += 1;
            }
            let digits = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
            if digits.is_empty() {
                return Err(Fault::Unknown);
            }
            let fraction: f64 = format!("0.{digits}").parse().unwrap_or(0.0);
            self.out.fraction_ticks = (fraction * TICKS_PER_SECOND as f64).round_ties_even() as i64;
        }
        self.out.time = Some(time);
        self.out.before_time = self.out.numbers.len();
        Ok(())
    }

    fn zone(&mut self) -> Result<(), Fault> {
        let negative = self.peek() == Some(b'-');
        self.at += 1;
        let (value, len) = self.number().ok_or(Fault::Unknown)?;
        let (hours, minutes) = match len {
            1 | 2 if self.eat(b':') => {
                let (m, m_len) = self.number().ok_or(Fault::Unknown)?;
                (value, if m_len <= 2 { m } else { 60 })
            }
            1 | 2 => (value, 0),
            3 | 4 => (value / 100, value % 100),
            _ => return Err(Fault::Unknown),
        };
        if minutes > 59 || self.out.zone.is_some() {
            return Err(Fault::Unknown);
        }

        let total = i64::from(hours * 60 + minutes);
        self.out.zone = Some(if negative { -total } else { total });
        Ok(())
    }

    fn rest_is(&self, wanted: &[u8]) -> bool {
        self.text
            .get(self.at..self.at + wanted.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(wanted))
    }

    fn word(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_alphabetic()) {
            self.at += 1;
        }
        let word = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        let is = |w: &str| word.eq_ignore_ascii_case(w);
        // The ISO form only: year first, no named month.
        let iso = self.out.month.is_none() && self.out.numbers.len() == 3 && self.out.numbers[0].1 == 4;
        if is("t") && iso && self.out.time.is_none() {
            // Must lead on to a time.
            self.out.iso = true;
            let (value, len) = self.number().ok_or(Fault::Unknown)?;
            return if self.peek() == Some(b':') {
                self.time(value, len)
            } else {
                Err(Fault::Unknown)
            };
        }
        if is("z") || is("gmt") {
            if (self.out.time.is_none() && is("z")) || (self.out.iso && is("gmt")) {
                return Err(Fault::Unknown);
            }
            self.out.zone = Some(0);
            return Ok(());
        }
        // The era is the only one there is.
        if is("ad") || (is("a") && self.rest_is(b".d.")) {
            self.at += if is("a") { 3 } else { 0 };
            return Ok(());
        }
        if is("am") || is("pm") {
            let dated = self.out.numbers.len() + usize::from(self.out.month.is_some()) == 3;
            if self.out.time.is_none() && !dated {
                return Err(Fault::Word(start));
            }
            if self.out.afternoon.is_some() {
                return Err(Fault::Unknown);
            }
            self.out.afternoon = Some(is("pm"));
            return Ok(());
        }
        if let Some(month) = named(&MONTHS, word) {
            if self.out.month.is_some() {
                return Err(Fault::Unknown);
            }
            self.out.month = Some(month + 1);
            self.out.month_last = !self.out.numbers.is_empty();
            return Ok(());
        }
        if let Some(day) = named(&DAYS, word) {
            self.out.weekday = Some(day);
            return Ok(());
        }
        Err(Fault::Word(start))
    }
}

fn named(names: &[&str], word: &str) -> Option<i32> {
    let found = names
        .iter()
        .position(|n| word.eq_ignore_ascii_case(n) || word.eq_ignore_ascii_case(&n[..ABBREVIATION]))?;
    i32::try_from(found).ok()
}

/// Two-digit years up to 29 are of this century.
fn full_year(value: i32, len: usize) -> i32 {
    if len > 2 {
        value
    } else if value < 30 {
        2000 + value
    } else {
        1900 + value
    }
}

impl Parsed {
    fn date(&self, today: DateTime) -> Result<(i32, i32, i32), Fault> {
        let n = &self.numbers;
        // Months and days have two digits at most; the year is the number that has more.
        if n.iter().filter(|p| p.1 > 2).count() > 1 {
            return Err(Fault::Unknown);
        }
        Ok(match (self.month, n.as_slice()) {
            (Some(month), [one]) if one.1 > 2 => (one.0, month, 1),
            // "5 May" is read as "yyyy MMMM", "May 5" as "MMMM dd".
            (Some(month), [one]) if self.month_last => (full_year(one.0, one.1), month, 1),
            (Some(month), [one]) => (today.year(), month, one.0),
            (Some(month), [a, b]) if a.1 > 2 => (a.0, month, b.0),
            (Some(month), [a, b]) => (full_year(b.0, b.1), month, a.0),
            (None, [a, b, c]) if a.1 > 2 => (a.0, b.0, c.0),
            (None, [a, b, c]) => (full_year(c.0, c.1), a.0, b.0),
            (None, [a, b]) if a.1 > 2 => (a.0, b.0, 1),
            (None, [a, b]) if b.1 > 2 => (b.0, a.0, 1),
            (None, [a, b]) => (today.year(), a.0, b.0),
            (None, []) if self.time.is_some() => today.ymd(),
            _ => return Err(Fault::Unknown),
        })
    }

    /// Clock ticks of the date and time, and whether there was a date.
    fn ticks(&self, today: DateTime) -> Result<i64, Fault> {
        let (year, month, day) = self.date(today)?;
        let days = calendar::days_of(year, month, day).ok_or(Fault::Unknown)?;
        let named = self.numbers.len() + usize::from(self.month.is_some());
        if self.time.is_some() && named == 2 {
            // A date without year or day takes no time.
            return Err(Fault::Unknown);
        }
        let [mut hour, minute, second] = self.time.unwrap_or_default();
        match self.afternoon {
            Some(false) if hour > 12 => return Err(Fault::Unknown),
            Some(false) if hour == 12 => hour = 0,
            Some(true) if hour < 12 => hour += 12,
            _ => {}
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(Fault::Unsupported);
        }
        if self.zone.is_some_and(|z| z.abs() > 14 * 60) {
            return Err(Fault::Offset);
        }
        if self.weekday.is_some_and(|w| i64::from(w) != (days + 1) % 7) {
            return Err(Fault::Weekday);
        }
        Ok(days * TICKS_PER_DAY
            + i64::from(hour) * TICKS_PER_HOUR
            + i64::from(minute) * TICKS_PER_MINUTE
            + i64::from(second) * TICKS_PER_SECOND
            + self.fraction_ticks)
    }
}

fn scan(text: &str) -> Result<Parsed, Fault> {
    if text.len() > MAX_TEXT || text.trim().is_empty() {
        return Err(Fault::Unknown);
    }
    Scanner {
        text: text.as_bytes(),
        at: 0,
        out: Parsed::default(),
    }
    .run()
}

impl DateTime {
    /// `DateTime.Parse(text)`. A zone in the text gives local time (which is UTC here); what the text
    /// leaves out comes from `today`.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn parse(text: &str, today: DateTime) -> Result<DateTime, Error> {
        let parse = || {
            let parsed = scan(text)?;
            let ticks = parsed.ticks(today)?;
            let Some(minutes) = parsed.zone else {
                return Ok(DateTime::from_ticks_clamped(ticks, DateTimeKind::Unspecified));
            };
            let mut utc = ticks - minutes * TICKS_PER_MINUTE;
            if utc < 0 {
                // .NET moves an instant before the first day into that day.
                utc += TICKS_PER_DAY;
            }
            if utc > MAX_TICKS {
                return Err(Fault::Range);
            }
            Ok(DateTime::from_ticks_clamped(utc, DateTimeKind::Local))
        };
        parse().map_err(|fault: Fault| fault.into_error(text))
    }
}

impl DateTimeOffset {
    /// `DateTimeOffset.Parse(text)`; without a zone in the text the offset is that of UTC.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn parse(text: &str, today: DateTime) -> Result<DateTimeOffset, Error> {
        let parsed = scan(text).map_err(|f| f.into_error(text))?;
        let ticks = parsed.ticks(today).map_err(|f| f.into_error(text))?;
        let offset = TimeSpan::from_ticks(parsed.zone.unwrap_or(0) * TICKS_PER_MINUTE);
        DateTimeOffset::new(
            DateTime::from_ticks_clamped(ticks, DateTimeKind::Unspecified),
            offset,
        )
        .map_err(|_| Fault::Range.into_error(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> DateTime {
        DateTime::from_date(2026, 11, 25).unwrap()
    }

    #[test]
    fn datetimes() {
        for (text, expected) in [
            ("2024-01-02", "2024-01-02T00:00:00.0000000"),
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.0000000+00:00"),
            ("2024-01-02T03:04:05z", "2024-01-02T03:04:05.0000000+00:00"),
            (
                "2024-01-02T03:04:05.1234567+02:00",
                "2024-01-02T01:04:05.1234567+00:00",
            ),
            (
                "2024-01-02T03:04:05.12345678Z",
                "2024-01-02T03:04:05.1234568+00:00",
            ),
            ("2024-01-02T03:04:05+0200", "2024-01-02T01:04:05.0000000+00:00"),
            ("2024-01-02T03:04:05 +02:00", "2024-01-02T01:04:05.0000000+00:00"),
            ("2024-01-02 03:04", "2024-01-02T03:04:00.0000000"),
            ("2024-01-02T03:04", "2024-01-02T03:04:00.0000000"),
            ("01/02/2024", "2024-01-02T00:00:00.0000000"),
            ("1/2/24", "2024-01-02T00:00:00.0000000"),
            ("1/2/30", "1930-01-02T00:00:00.0000000"),
            ("1/2/29", "2029-01-02T00:00:00.0000000"),
            (
                "Tue, 02 Jan 2024 03:04:05 GMT",
                "2024-01-02T03:04:05.0000000+00:00",
            ),
            ("2 January 2024", "2024-01-02T00:00:00.0000000"),
            ("Jan 2, 2024 3:04 PM", "2024-01-02T15:04:00.0000000"),
            ("January 2024", "2024-01-01T00:00:00.0000000"),
            ("2024-01", "2024-01-01T00:00:00.0000000"),
            ("2024/1/2", "2024-01-02T00:00:00.0000000"),
            ("2024.01.02", "2024-01-02T00:00:00.0000000"),
            (" 2024-01-02 ", "2024-01-02T00:00:00.0000000"),
            ("2024-01-02 3:04:05 AM", "2024-01-02T03:04:05.0000000"),
            ("2024-01-02 15:04:05 PM", "2024-01-02T15:04:05.0000000"),
            ("2024-1-2 3:4:5", "2024-01-02T03:04:05.0000000"),
            ("0001-01-01T00:00:00+01:00", "0001-01-01T23:00:00.0000000+00:00"),
            ("2-Jan-2024", "2024-01-02T00:00:00.0000000"),
            ("12.5", "2026-12-05T00:00:00.0000000"),
        ] {
            let got = DateTime::parse(text, today()).map(|d| d.format("o").unwrap());
            assert_eq!(got.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refusals() {
        for text in [
            "13/02/2024",
            "20240102",
            "20240102T030405Z",
            "",
            "2024-02-30",
            "2024-01-02T03",
            "2024-01-02T",
            "Sun Nov 6 08:49:37 1994",
            "1704164645",
        ] {
            let message = DateTime::parse(text, today()).unwrap_err().message;
            assert_eq!(
                message,
                format!("String '{text}' was not recognized as a valid DateTime.")
            );
        }
        for (text, expected) in [
            (
                "x",
                "The string 'x' was not recognized as a valid DateTime. There is an unknown word starting at index '0'.",
            ),
            (
                "2024-01-02T24:00:00",
                "The DateTime represented by the string '2024-01-02T24:00:00' is not supported in calendar 'System.Globalization.GregorianCalendar'.",
            ),
            (
                "Wed, 02 Jan 2024 03:04:05 GMT",
                "String 'Wed, 02 Jan 2024 03:04:05 GMT' was not recognized as a valid DateTime because the day of week was incorrect.",
            ),
            (
                "9999-12-31T23:59:59-01:00",
                "The DateTime represented by the string '9999-12-31T23:59:59-01:00' is out of range.",
            ),
        ] {
            assert_eq!(DateTime::parse(text, today()).unwrap_err().message, expected);
        }
    }

    #[test]
    fn offsets() {
        for (text, expected) in [
            ("2024-01-02T03:04:05+02:00", "2024-01-02T03:04:05.0000000+02:00"),
            ("2024-01-02T03:04:05", "2024-01-02T03:04:05.0000000+00:00"),
            ("2024-01-02", "2024-01-02T00:00:00.0000000+00:00"),
        ] {
            let got = DateTimeOffset::parse(text, today()).unwrap().format("o").unwrap();
            assert_eq!(got, expected, "{text}");
        }
    }
}
