//! `ParseExact`: text to dates by a standard or custom format, invariant culture.

use super::{
    DateTime, DateTimeKind, DateTimeOffset, MAX_TICKS, TICKS_PER_HOUR, TICKS_PER_MINUTE, TICKS_PER_SECOND,
    TimeSpan,
    format::{ABBREVIATION, DAYS, MONTHS, standard_pattern},
};
use crate::Error;

/// What has been read so far.
#[derive(Default)]
struct Fields {
    year: Option<i32>,
    month: Option<i32>,
    day: Option<i32>,
    weekday: Option<i32>,
    hour: Option<i32>,
    /// Of a twelve-hour clock.
    half_hour: Option<i32>,
    minute: Option<i32>,
    second: Option<i32>,
    fraction: i64,
    afternoon: Option<bool>,
    /// Minutes east of UTC, and whether the text said `Z`.
    zone: Option<(i64, bool)>,
}

struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    /// A number of `min` to `max` digits.
    fn number(&mut self, min: usize, max: usize) -> Option<(i32, usize)> {
        let count = self.rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
        if count < min {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        digits.parse().ok().map(|v| (v, count))
    }

    fn literal(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    fn sign(&mut self) -> Option<i64> {
        match self.rest.chars().next()? {
            '+' => self.literal('+').map(|()| 1),
            '-' => self.literal('-').map(|()| -1),
            _ => None,
        }
    }

    fn name(&mut self, names: &[&str], abbreviated: bool) -> Option<i32> {
        let of = |n: &str| {
            if abbreviated {
                n[..ABBREVIATION].to_owned()
            } else {
                n.to_owned()
            }
        };
        let found = names.iter().position(|n| {
            let n = of(n);
            self.rest
                .get(..n.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(&n))
        })?;
        self.rest = &self.rest[of(names[found]).len()..];
        i32::try_from(found).ok()
    }
}

fn set(slot: &mut Option<i32>, value: i32) -> Option<()> {
    // A field given twice must say the same.
    if slot.is_some_and(|old| old != value) {
        return None;
    }
    *slot = Some(value);
    Some(())
}

fn zone(cursor: &mut Cursor<'_>, run: usize, fields: &mut Fields) -> Option<()> {
    let sign = cursor.sign()?;
    let (hours, _) = cursor.number(if run == 1 { 1 } else { 2 }, 2)?;
    let minutes = if run > 2 {
        cursor.literal(':')?;
        cursor.number(2, 2)?.0
    } else {
        0
    };
    if minutes > 59 {
        return None;
    }
    fields.zone = Some((sign * i64::from(hours * 60 + minutes), false));
    Some(())
}

/// Reads one format letter repeated `run` times.
fn field(c: char, run: usize, cursor: &mut Cursor<'_>, fields: &mut Fields) -> Option<()> {
    let short = |cursor: &mut Cursor<'_>| cursor.number(run.min(2), 2).map(|(v, _)| v);
    match c {
        'y' if run <= 2 => {
            let value = short(cursor)?;
            set(
                &mut fields.year,
                if value < 30 { 2000 + value } else { 1900 + value },
            )
        }
        'y' => set(&mut fields.year, cursor.number(run.min(4), run.max(4))?.0),
        'M' if run <= 2 => set(&mut fields.month, short(cursor)?),
        'M' => set(&mut fields.month, cursor.name(&MONTHS, run == ABBREVIATION)? + 1),
        'd' if run <= 2 => set(&mut fields.day, short(cursor)?),
        'd' => set(&mut fields.weekday, cursor.name(&DAYS, run == ABBREVIATION)?),
        'H' => set(&mut fields.hour, short(cursor)?),
        'h' => set(&mut fields.half_hour, short(cursor)?),
        'm' => set(&mut fields.minute, short(cursor)?),
        's' => set(&mut fields.second, short(cursor)?),
        'f' | 'F' => {
            let (value, count) = if c == 'f' {
                cursor.number(run, run)?
            } else {
                cursor.number(0, run).unwrap_or((0, 0))
            };
            fields.fraction = i64::from(value) * 10i64.checked_pow(7u32.checked_sub(count as u32)?)?;
            Some(())
        }
        't' => {
            let mark = cursor.rest.get(..run.min(2))?.to_ascii_uppercase();
            fields.afternoon = Some(match mark.as_str() {
                "A" | "AM" => false,
                "P" | "PM" => true,
                _ => return None,
            });
            cursor.rest = &cursor.rest[run.min(2)..];
            Some(())
        }
        'z' => zone(cursor, run, fields),
        'K' => match cursor.rest.chars().next() {
            Some('Z' | 'z') => {
                fields.zone = Some((0, true));
                cursor.rest = &cursor.rest[1..];
                Some(())
            }
            Some('+' | '-') => zone(cursor, 3, fields),
            _ => Some(()),
        },
        _ => None,
    }
}

fn scan(text: &str, format: &str) -> Option<Fields> {
    let pattern = standard_pattern(format).unwrap_or(format);
    let chars: Vec<char> = pattern.chars().collect();
    let mut cursor = Cursor { rest: text };
    let mut fields = Fields::default();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let run = chars[at..].iter().take_while(|x| **x == c).count();
        match c {
            '\'' | '"' => {
                let mut literal = String::new();
                at = super::format::quoted(&chars, at, &mut literal).ok()?;
                cursor.rest = cursor.rest.strip_prefix(literal.as_str())?;
                continue;
            }
            '\\' => {
                cursor.literal(*chars.get(at + 1)?)?;
                at += 2;
                continue;
            }
            '%' => {
                field(*chars.get(at + 1)?, 1, &mut cursor, &mut fields)?;
                at += 2;
                continue;
            }
            '.' if matches!(chars.get(at + 1), Some('F')) && !cursor.rest.starts_with('.') => {
                // A point before an optional fraction is optional too.
                at += 1;
                continue;
            }
            'y' | 'M' | 'd' | 'H' | 'h' | 'm' | 's' | 'f' | 'F' | 't' | 'z' => {
                field(c, run, &mut cursor, &mut fields)?;
                at += run;
                continue;
            }
            'K' => field(c, 1, &mut cursor, &mut fields)?,
            _ => cursor.literal(c)?,
        }
        at += 1;
    }
    cursor.rest.is_empty().then_some(fields)
}

impl Fields {
    fn ticks(&self, today: DateTime) -> Option<i64> {
        let (year, month, day) = match (self.year, self.month, self.day) {
            (None, None, None) => today.ymd(),
            (y, m, d) => (y.unwrap_or_else(|| today.year()), m.unwrap_or(1), d.unwrap_or(1)),
        };
        let date = DateTime::from_date(year, month, day).ok()?;
        if self.weekday.is_some_and(|w| w != date.day_of_week()) {
            return None;
        }
        let hour = match (self.hour, self.half_hour) {
            (Some(h), _) => h,
            (None, Some(h)) if (1..=12).contains(&h) => match self.afternoon {
                Some(true) => h % 12 + 12,
                Some(false) => h % 12,
                None => h,
            },
            (None, Some(_)) => return None,
            (None, None) => {
                if self.afternoon == Some(true) {
                    12
                } else {
                    0
                }
            }
        };
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        Some(
            date.ticks()
                + i64::from(hour) * TICKS_PER_HOUR
                + i64::from(minute) * TICKS_PER_MINUTE
                + i64::from(second) * TICKS_PER_SECOND
                + self.fraction,
        )
    }
}

fn unknown(text: &str) -> Error {
    Error::format(format!("String '{text}' was not recognized as a valid DateTime."))
}

impl DateTime {
    /// `DateTime.ParseExact(text, format, null)`. A zone gives local time, which is UTC.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn parse_exact(text: &str, format: &str, today: DateTime) -> Result<DateTime, Error> {
        let read = || {
            let fields = scan(text, format)?;
            let ticks = fields.ticks(today)?;
            let Some((minutes, _)) = fields.zone else {
                return DateTime::from_ticks(ticks, DateTimeKind::Unspecified).ok();
            };
            let utc = ticks - minutes * TICKS_PER_MINUTE;
            (0..=MAX_TICKS)
                .contains(&utc)
                .then(|| DateTime::from_ticks_clamped(utc, DateTimeKind::Local))
        };
        read().ok_or_else(|| unknown(text))
    }
}

impl DateTimeOffset {
    /// `DateTimeOffset.ParseExact(text, format, null)`. Without a zone the offset is that of UTC.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn parse_exact(text: &str, format: &str, today: DateTime) -> Result<DateTimeOffset, Error> {
        let read = || {
            let fields = scan(text, format)?;
            let clock = DateTime::from_ticks(fields.ticks(today)?, DateTimeKind::Unspecified).ok()?;
            let minutes = fields.zone.map_or(0, |(m, _)| m);
            DateTimeOffset::new(clock, TimeSpan::from_ticks(minutes * TICKS_PER_MINUTE)).ok()
        };
        read().ok_or_else(|| unknown(text))
    }
}
