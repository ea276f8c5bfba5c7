//! Dates to text: standard and custom formats of `DateTime` and `DateTimeOffset`, invariant culture.

use super::{DateTime, DateTimeKind, DateTimeOffset, TICKS_PER_MINUTE, TICKS_PER_SECOND};
use crate::Error;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
/// Abbreviated names are the first three letters.
pub(super) const ABBREVIATION: usize = 3;

fn bad_format() -> Error {
    Error::format("Input string was not in a correct format.")
}

/// What is being formatted.
struct Source {
    clock: DateTime,
    /// Set for a `DateTimeOffset`, in minutes.
    offset: Option<i64>,
}

impl DateTime {
    /// `ToString()`: `MM/dd/yyyy HH:mm:ss`.
    pub fn to_text(self) -> String {
        let (y, m, d) = self.ymd();
        format!(
            "{m:02}/{d:02}/{y:04} {:02}:{:02}:{:02}",
            self.hour(),
            self.minute(),
            self.second()
        )
    }

    /// `ToString(format)`.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn format(self, format: &str) -> Result<String, Error> {
        format_source(
            &Source {
                clock: self,
                offset: None,
            },
            format,
        )
    }
}

impl DateTimeOffset {
    /// `ToString()`: `MM/dd/yyyy HH:mm:ss zzz`.
    pub fn to_text(self) -> String {
        let minutes = self.offset().ticks() / TICKS_PER_MINUTE;
        format!("{} {}", self.clock().to_text(), zone(minutes, 3))
    }

    /// `ToString(format)`.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn format(self, format: &str) -> Result<String, Error> {
        let source = Source {
            clock: self.clock(),
            offset: Some(self.offset().ticks() / TICKS_PER_MINUTE),
        };
        format_source(&source, format)
    }
}

fn format_source(source: &Source, format: &str) -> Result<String, Error> {
    let utc = || Source {
        clock: DateTime::from_ticks_clamped(
            source.clock.ticks() - source.offset.unwrap_or(0) * TICKS_PER_MINUTE,
            source.clock.kind(),
        ),
        offset: source.offset,
    };
    let mut chars = format.chars();
    let (Some(letter), None) = (chars.next(), chars.next()) else {
        return if format.is_empty() {
            let pattern = if source.offset.is_some() {
                "MM/dd/yyyy HH:mm:ss zzz"
            } else {
                "MM/dd/yyyy HH:mm:ss"
            };
            custom(source, pattern)
        } else {
            custom(source, format)
        };
    };
    match (letter, standard_pattern(format)) {
        ('r' | 'R' | 'u', Some(pattern)) => custom(&utc(), pattern),
        ('U', _) if source.offset.is_some() => Err(bad_format()),
        (_, Some(pattern)) => custom(source, pattern),
        (_, None) => Err(bad_format()),
    }
}

/// The custom format that a standard one stands for.
pub(super) fn standard_pattern(format: &str) -> Option<&'static str> {
    Some(match format {
        "d" => "MM/dd/yyyy",
        "D" => "dddd, dd MMMM yyyy",
        "f" => "dddd, dd MMMM yyyy HH:mm",
        "F" | "U" => "dddd, dd MMMM yyyy HH:mm:ss",
        "g" => "MM/dd/yyyy HH:mm",
        "G" => "MM/dd/yyyy HH:mm:ss",
        "m" | "M" => "MMMM dd",
        "y" | "Y" => "yyyy MMMM",
        "t" => "HH:mm",
        "T" => "HH:mm:ss",
        "s" => "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
        "o" | "O" => "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
        "r" | "R" => "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
        "u" => "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
        _ => return None,
    })
}

/// `+h`, `+hh` or `+hh:mm`.
fn zone(minutes: i64, width: usize) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let (h, m) = (minutes.abs() / 60, minutes.abs() % 60);
    match width {
        1 => format!("{sign}{h}"),
        2 => format!("{sign}{h:02}"),
        _ => format!("{sign}{h:02}:{m:02}"),
    }
}

/// Copies a quoted literal that starts at `at`; gives the index after it.
pub(super) fn quoted(chars: &[char], at: usize, out: &mut String) -> Result<usize, Error> {
    let quote = chars[at];
    let mut i = at + 1;
    loop {
        match chars.get(i) {
            None => {
                return Err(Error::format(format!(
                    "Cannot find a matching quote character for the character '{quote}'."
                )));
            }
            Some(c) if *c == quote => return Ok(i + 1),
            Some('\\') => {
                out.push(*chars.get(i + 1).ok_or_else(bad_format)?);
                i += 2;
            }
            Some(c) => {
                out.push(*c);
                i += 1;
            }
        }
    }
}

fn custom(source: &Source, format: &str) -> Result<String, Error> {
    let chars: Vec<char> = format.chars().collect();
    let mut out = String::with_capacity(format.len() + 8);
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let run = chars[at..].iter().take_while(|x| **x == c).count();
        match c {
            '\'' | '"' => {
                at = quoted(&chars, at, &mut out)?;
                continue;
            }
            '\\' => {
                out.push(*chars.get(at + 1).ok_or_else(bad_format)?);
                at += 2;
                continue;
            }
            '%' => {
                match chars.get(at + 1) {
                    None | Some('%') => return Err(bad_format()),
                    Some(next) => out.push_str(&custom_one(source, *next)?),
                }
                at += 2;
                continue;
            }
            'f' | 'F' => fraction(source, c, run, &mut out)?,
            'g' => out.push_str("A.D."),
            'K' => {
                // Each K counts by itself.
                out.push_str(&kind_suffix(source));
                at += 1;
                continue;
            }
            _ => match field(source.clock, c, run) {
                Some(text) => out.push_str(&text),
                None if c == 'z' => out.push_str(&zone(source.offset.unwrap_or(0), run)),
                None => {
                    out.push(c);
                    at += 1;
                    continue;
                }
            },
        }
        at += run;
    }
    Ok(out)
}

fn custom_one(source: &Source, c: char) -> Result<String, Error> {
    custom(source, &c.to_string())
}

fn field(clock: DateTime, c: char, run: usize) -> Option<String> {
    let number = |value: i32| Some(format!("{value:0>w$}", w = run.min(2)));
    match c {
        'h' => number((clock.hour() + 11) % 12 + 1),
        'H' => number(clock.hour()),
        'm' => number(clock.minute()),
        's' => number(clock.second()),
        't' => {
            let text = if clock.hour() < 12 { "AM" } else { "PM" };
            Some(text[..run.min(2)].to_owned())
        }
        'd' => match run {
            1 | 2 => number(clock.day()),
            _ => name(&DAYS, clock.day_of_week(), run),
        },
        'M' => match run {
            1 | 2 => number(clock.month()),
            _ => name(&MONTHS, clock.month() - 1, run),
        },
        'y' => match run {
            1 | 2 => number(clock.year() % 100),
            // A run can be longer than what `format!` takes for a width.
            _ => {
                let year = clock.year().to_string();
                Some("0".repeat(run.saturating_sub(year.len())) + &year)
            }
        },
        _ => None,
    }
}

fn name(names: &[&str], index: i32, run: usize) -> Option<String> {
    let name = names.get(usize::try_from(index).ok()?)?;
    Some(
        if run == ABBREVIATION {
            &name[..ABBREVIATION]
        } else {
            name
        }
        .to_owned(),
    )
}

fn fraction(source: &Source, c: char, run: usize, out: &mut String) -> Result<(), Error> {
    if run > 7 {
        return Err(bad_format());
    }
    let digits = format!("{:07}", source.clock.ticks() % TICKS_PER_SECOND);
    let digits = &digits[..run];
    if c == 'f' {
        out.push_str(digits);
        return Ok(());
    }
    let trimmed = digits.trim_end_matches('0');
    if trimmed.is_empty() && out.ends_with('.') {
        out.pop();
    }
    out.push_str(trimmed);
    Ok(())
}

fn kind_suffix(source: &Source) -> String {
    match (source.offset, source.clock.kind()) {
        (Some(minutes), _) => zone(minutes, 3),
        (None, DateTimeKind::Utc) => "Z".to_owned(),
        (None, DateTimeKind::Local) => zone(0, 3),
        (None, DateTimeKind::Unspecified) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TimeSpan;

    fn show(result: Result<String, Error>) -> String {
        result.unwrap_or_else(|e| format!("!{}", e.message))
    }

    #[test]
    fn datetime_formats() {
        const BAD: &str = "!Input string was not in a correct format.";
        let d = DateTime::new(2024, 1, 2, 3, 4, 5, 678, DateTimeKind::Unspecified).unwrap();
        for (format, expected) in [
            ("", "01/02/2024 03:04:05"),
            ("d", "01/02/2024"),
            ("D", "Tuesday, 02 January 2024"),
            ("F", "Tuesday, 02 January 2024 03:04:05"),
            ("g", "01/02/2024 03:04"),
            ("m", "January 02"),
            ("y", "2024 January"),
            ("t", "03:04"),
            ("o", "2024-01-02T03:04:05.6780000"),
            ("s", "2024-01-02T03:04:05"),
            ("u", "2024-01-02 03:04:05Z"),
            ("r", "Tue, 02 Jan 2024 03:04:05 GMT"),
            ("x", BAD),
            ("%", BAD),
            ("%d", "2"),
            ("d ", "2 "),
            ("dd\\d 'x''y' \"q\"", "02d xy q"),
            (
                "'abc",
                "!Cannot find a matching quote character for the character '''.",
            ),
            (
                "f ff fff ffff fffffff F FF FFF FFFF FFFFFFF",
                "6 67 678 6780 6780000 6 67 678 678 678",
            ),
            ("ffffffff", BAD),
            (
                "y yy yyy yyyy yyyyy M MM MMM MMMM d dd ddd dddd h hh H HH m mm s ss t tt",
                "24 24 2024 2024 02024 1 01 Jan January 2 02 Tue Tuesday 3 03 3 03 4 04 5 05 A AM",
            ),
            ("gg K z zz zzz", "A.D.  +0 +00 +00:00"),
            ("abcEd", "abcE2"),
            ("yyyyMMddTHHmmssZ", "20240102T030405Z"),
            ("yyyy-MM-ddTHH:mm:ss.fffZ", "2024-01-02T03:04:05.678Z"),
        ] {
            assert_eq!(show(d.format(format)), expected, "{format}");
        }
        let whole = DateTime::new(2024, 1, 2, 13, 4, 5, 0, DateTimeKind::Utc).unwrap();
        assert_eq!(show(whole.format("ss.FFF|hh:mm tt K")), "05|01:04 PM Z");
        let local = whole.with_kind(DateTimeKind::Local);
        assert_eq!(show(local.format("O")), "2024-01-02T13:04:05.0000000+00:00");
    }

    #[test]
    fn offset_formats() {
        let clock = DateTime::new(2024, 1, 2, 3, 4, 5, 0, DateTimeKind::Unspecified).unwrap();
        let at = |minutes: i64| {
            DateTimeOffset::new(clock, TimeSpan::from_ticks(minutes * TICKS_PER_MINUTE)).unwrap()
        };
        for (minutes, format, expected) in [
            (120, "r", "Tue, 02 Jan 2024 01:04:05 GMT"),
            (120, "u", "2024-01-02 01:04:05Z"),
            (120, "o", "2024-01-02T03:04:05.0000000+02:00"),
            (120, "s", "2024-01-02T03:04:05"),
            (-330, "K z zz zzz", "-05:30 -5 -05 -05:30"),
            (120, "U", "!Input string was not in a correct format."),
            (120, "", "01/02/2024 03:04:05 +02:00"),
        ] {
            assert_eq!(show(at(minutes).format(format)), expected, "{format}");
        }
    }
}
