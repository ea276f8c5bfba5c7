//! `TimeSpan.ParseExact`: the standard formats and the custom ones.

use super::{TICKS_PER_DAY, TICKS_PER_HOUR, TICKS_PER_MINUTE, TICKS_PER_SECOND, TimeSpan};
use crate::{Error, ExceptionKind};

/// Digits of a fraction of a second: ticks.
const FRACTION_DIGITS: usize = 7;

fn unknown(text: &str) -> Error {
    Error::format(format!("String '{text}' was not recognized as a valid TimeSpan."))
}

fn bad_format() -> Error {
    Error::format("Input string was not in a correct format.")
}

fn too_large() -> Error {
    let message = "The TimeSpan could not be parsed because at least one of the numeric components is out of range or contains too many digits.";
    Error::new(ExceptionKind::OverflowException, message)
}

impl TimeSpan {
    /// `TimeSpan.ParseExact(input, format, provider, styles)`; `negative` is `TimeSpanStyles.AssumeNegative`,
    /// which only custom formats heed.
    ///
    /// # Errors
    /// `FormatException`, `OverflowException`.
    pub fn parse_exact(text: &str, format: &str, negative: bool) -> Result<TimeSpan, Error> {
        match format {
            "" => Err(bad_format()),
            "c" | "t" | "T" => Constant::read(text),
            "g" => localized(text, false),
            "G" => localized(text, true),
            _ if format.chars().count() == 1 => Err(bad_format()),
            _ => custom(text, format, negative),
        }
    }
}

/// The forms of `g` and `G`, whose days stand before a colon; `G` has every part.
fn localized(text: &str, full: bool) -> Result<TimeSpan, Error> {
    let body = text.trim().trim_start_matches('-');
    let separators: String = body.chars().filter(|c| !c.is_ascii_digit()).collect();
    let fits = match separators.as_str() {
        ":::." => true,
        "" | ":" | "::" | ":::" | "::." => !full,
        _ => false,
    };
    if fits {
        TimeSpan::parse(text)
    } else {
        Err(unknown(text))
    }
}

/// The scanner of the constant format, which is stricter about signs and more lenient about digits than `Parse`.
struct Constant<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl Constant<'_> {
    fn read(text: &str) -> Result<TimeSpan, Error> {
        let mut scan = Constant {
            text,
            bytes: text.as_bytes(),
            at: 0,
        };
        scan.blanks();
        let negative = scan.take(b'-');
        let ticks = if scan.next_other() == Some(b':') {
            scan.time()?
        } else {
            let days = scan.number((i64::MAX / TICKS_PER_DAY) as u32)?;
            let mut ticks = i128::from(days) * i128::from(TICKS_PER_DAY);
            if scan.take(b'.') {
                ticks += scan.time()?;
            }
            ticks
        };
        let ticks = i64::try_from(if negative { -ticks } else { ticks }).map_err(|_| too_large())?;
        scan.blanks();
        if scan.at < scan.bytes.len() {
            return Err(unknown(text));
        }
        Ok(TimeSpan::from_ticks(ticks))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// What follows the digits ahead.
    fn next_other(&self) -> Option<u8> {
        let rest = self.bytes.get(self.at..)?;
        rest.iter().copied().find(|b| !b.is_ascii_digit())
    }

    fn number(&mut self, max: u32) -> Result<u32, Error> {
        let start = self.at;
        let mut value: u32 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if value & 0xF000_0000 != 0 {
                return Err(too_large());
            }
            value = value * 10 + u32::from(digit - b'0');
            if value > i32::MAX as u32 {
                return Err(too_large());
            }
            self.at += 1;
        }
        match () {
            () if self.at == start => Err(unknown(self.text)),
            () if value > max => Err(too_large()),
            () => Ok(value),
        }
    }

    fn time(&mut self) -> Result<i128, Error> {
        let mut ticks = i128::from(self.number(23)?) * i128::from(TICKS_PER_HOUR);
        if !self.take(b':') {
            return Err(unknown(self.text));
        }
        ticks += i128::from(self.number(59)?) * i128::from(TICKS_PER_MINUTE);
        if self.take(b':') {
            if self.peek() != Some(b'.') {
                ticks += i128::from(self.number(59)?) * i128::from(TICKS_PER_SECOND);
            }
            if self.take(b'.') {
                let mut unit = TICKS_PER_SECOND;
                while let Some(digit @ b'0'..=b'9') = self.peek() {
                    if unit <= 1 {
                        break;
                    }
                    unit /= 10;
                    ticks += i128::from(digit - b'0') * i128::from(unit);
                    self.at += 1;
                }
            }
        }
        Ok(ticks)
    }
}

/// What a custom format has found so far.
#[derive(Default)]
struct Found {
    days: Option<u64>,
    hours: Option<u64>,
    minutes: Option<u64>,
    seconds: Option<u64>,
    /// The digits of the fraction.
    fraction: Option<String>,
}

fn custom(text: &str, format: &str, negative: bool) -> Result<TimeSpan, Error> {
    let format: Vec<char> = format.chars().collect();
    let input: Vec<char> = text.chars().collect();
    let mut rest: &[char] = &input;
    let mut found = Found::default();
    let mut at = 0;
    while let Some(letter) = format.get(at) {
        let run = format[at..].iter().take_while(|c| *c == letter).count();
        let fits = match letter {
            'h' => run <= 2 && number(&mut rest, run, &mut found.hours),
            'm' => run <= 2 && number(&mut rest, run, &mut found.minutes),
            's' => run <= 2 && number(&mut rest, run, &mut found.seconds),
            'd' => run <= 8 && number_of_days(&mut rest, run, &mut found.days),
            'f' | 'F' => {
                let digits = take_digits(&mut rest, run);
                let enough = *letter == 'F' || digits.len() == run;
                let fresh = found.fraction.replace(digits).is_none();
                run <= FRACTION_DIGITS && enough && fresh
            }
            '\'' | '"' => {
                let (literal, length) = quoted(&format[at..])?;
                if !literal.iter().all(|c| take(&mut rest, *c)) {
                    return Err(bad_format());
                }
                at += length;
                continue;
            }
            '%' => match format.get(at + 1) {
                Some(next) if *next != '%' => {
                    at += 1;
                    continue;
                }
                _ => false,
            },
            '\\' => match format.get(at + 1) {
                Some(next) if take(&mut rest, *next) => {
                    at += 2;
                    continue;
                }
                _ => false,
            },
            _ => false,
        };
        if !fits {
            return Err(bad_format());
        }
        at += run;
    }
    if !rest.is_empty() {
        return Err(unknown(text));
    }
    found.ticks(negative)
}

fn take(rest: &mut &[char], wanted: char) -> bool {
    match rest.split_first() {
        Some((first, behind)) if *first == wanted => {
            *rest = behind;
            true
        }
        _ => false,
    }
}

fn take_digits(rest: &mut &[char], most: usize) -> String {
    let count = rest.iter().take(most).take_while(|c| c.is_ascii_digit()).count();
    let (digits, behind) = rest.split_at(count);
    *rest = behind;
    digits.iter().collect()
}

/// One letter takes one or two digits, two take two.
fn number(rest: &mut &[char], run: usize, slot: &mut Option<u64>) -> bool {
    let digits = take_digits(rest, 2);
    slot.replace(digits.parse().unwrap_or(0)).is_none() && digits.len() >= run
}

/// One letter takes up to eight digits, more take as many as there are letters.
fn number_of_days(rest: &mut &[char], run: usize, slot: &mut Option<u64>) -> bool {
    let digits = take_digits(rest, if run < 2 { 8 } else { run });
    slot.replace(digits.parse().unwrap_or(0)).is_none() && digits.len() >= run
}

/// The text between quotes and the length with them.
fn quoted(format: &[char]) -> Result<(Vec<char>, usize), Error> {
    let quote = format.first().copied().unwrap_or('\'');
    let mut literal = Vec::new();
    let mut at = 1;
    while let Some(c) = format.get(at) {
        at += 1;
        match c {
            c if *c == quote => return Ok((literal, at)),
            '\\' => {
                literal.push(*format.get(at).ok_or_else(bad_format)?);
                at += 1;
            }
            c => literal.push(*c),
        }
    }
    Err(bad_format())
}

impl Found {
    fn ticks(self, negative: bool) -> Result<TimeSpan, Error> {
        let part = |value: Option<u64>, max: u64, unit: i64| match value.unwrap_or(0) {
            v if v <= max => Ok(i128::from(v) * i128::from(unit)),
            _ => Err(too_large()),
        };
        let mut ticks = part(self.days, 10_675_199, TICKS_PER_DAY)?
            + part(self.hours, 23, TICKS_PER_HOUR)?
            + part(self.minutes, 59, TICKS_PER_MINUTE)?
            + part(self.seconds, 59, TICKS_PER_SECOND)?;
        if let Some(digits) = self.fraction {
            ticks += format!("{digits:0<FRACTION_DIGITS$}")
                .parse::<i128>()
                .unwrap_or(0);
        }
        i64::try_from(if negative { -ticks } else { ticks })
            .map(TimeSpan::from_ticks)
            .map_err(|_| too_large())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, format: &str, expected: Option<&str>) {
        let got = TimeSpan::parse_exact(text, format, false).map(TimeSpan::to_text);
        assert_eq!(got.ok().as_deref(), expected, "{text} as {format}");
    }

    #[test]
    fn table() {
        check("1.02:03:04", "c", Some("1.02:03:04"));
        check("1:02:03:04", "c", None);
        check("1:02:03:04", "g", Some("1.02:03:04"));
        check("1.02:03:04", "g", None);
        check("1:02:03:04.5", "G", Some("1.02:03:04.5000000"));
        check("02:03", "G", None);
        check("1:2", r"h\:m", Some("01:02:00"));
        check("12.5", r"s\.f", Some("00:00:12.5000000"));
        check("12h", "hh'h'", Some("12:00:00"));
        check("1", "%h", Some("01:00:00"));
        check("1", "h", None);
        check("99", "hh", None);
        check("007", "ddd", Some("7.00:00:00"));
    }
}
