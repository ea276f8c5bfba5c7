//! `TimeSpan` to text and back.

use super::{TICKS_PER_DAY, TICKS_PER_HOUR, TICKS_PER_MINUTE, TICKS_PER_SECOND, TimeSpan};
use crate::{Error, ExceptionKind};

/// Where the original's scanner of numbers gives up.
const SCANNER_LIMIT: u32 = 1 << 28;

fn bad_format() -> Error {
    Error::format("Input string was not in a correct format.")
}

impl TimeSpan {
    /// Absolute days, hours, minutes, seconds and fraction ticks.
    fn fields(self) -> [u64; 5] {
        let ticks = self.ticks().unsigned_abs();
        let second = TICKS_PER_SECOND as u64;
        [
            ticks / (second * 86_400),
            ticks / (second * 3600) % 24,
            ticks / (second * 60) % 60,
            ticks / second % 60,
            ticks % second,
        ]
    }

    /// `ToString()`: format `c`.
    pub fn to_text(self) -> String {
        let [d, h, m, s, f] = self.fields();
        let sign = if self.ticks() < 0 { "-" } else { "" };
        let days = if d > 0 { format!("{d}.") } else { String::new() };
        let fraction = if f > 0 { format!(".{f:07}") } else { String::new() };
        format!("{sign}{days}{h:02}:{m:02}:{s:02}{fraction}")
    }

    /// `ToString(format)`.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn format(self, format: &str) -> Result<String, Error> {
        let [d, h, m, s, f] = self.fields();
        let sign = if self.ticks() < 0 { "-" } else { "" };
        match format {
            "" | "c" | "t" | "T" => Ok(self.to_text()),
            "g" => {
                let days = if d > 0 { format!("{d}:") } else { String::new() };
                let fraction = if f > 0 {
                    format!(".{f:07}").trim_end_matches('0').to_owned()
                } else {
                    String::new()
                };
                Ok(format!("{sign}{days}{h}:{m:02}:{s:02}{fraction}"))
            }
            "G" => Ok(format!("{sign}{d}:{h:02}:{m:02}:{s:02}.{f:07}")),
            _ if format.chars().count() == 1 => Err(bad_format()),
            _ => self.custom(format),
        }
    }

    fn custom(self, format: &str) -> Result<String, Error> {
        let [d, h, m, s, f] = self.fields();
        let chars: Vec<char> = format.chars().collect();
        let mut out = String::new();
        let mut at = 0;
        while let Some(c) = chars.get(at).copied() {
            let run = chars[at..].iter().take_while(|x| **x == c).count();
            let (value, max) = match c {
                'd' => (d, 8),
                'h' => (h, 2),
                'm' => (m, 2),
                's' => (s, 2),
                'f' | 'F' => (f, 7),
                '%' => {
                    let next = chars.get(at + 1).filter(|c| **c != '%').ok_or_else(bad_format)?;
                    out.push_str(&self.custom(&next.to_string())?);
                    at += 2;
                    continue;
                }
                '\\' => {
                    out.push(*chars.get(at + 1).ok_or_else(bad_format)?);
                    at += 2;
                    continue;
                }
                '\'' | '"' => {
                    at = super::format::quoted(&chars, at, &mut out)?;
                    continue;
                }
                _ => return Err(bad_format()),
            };
            if run > max {
                return Err(bad_format());
            }
            match c {
                'f' => out.push_str(&format!("{value:07}")[..run]),
                'F' => out.push_str(format!("{value:07}")[..run].trim_end_matches('0')),
                _ => out.push_str(&format!("{value:0>run$}")),
            }
            at += run;
        }
        Ok(out)
    }

    /// `TimeSpan.Parse`.
    ///
    /// # Errors
    /// `FormatException`, `OverflowException`.
    pub fn parse(text: &str) -> Result<TimeSpan, Error> {
        let unknown = || Error::format(format!("String '{text}' was not recognized as a valid TimeSpan."));
        let too_large = || {
            Error::new(
                ExceptionKind::OverflowException,
                format!(
                    "The TimeSpan string '{text}' could not be parsed because at least one of the numeric components is out of range or contains too many digits."
                ),
            )
        };
        let trimmed = text.trim();
        let (negative, body) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let seps: String = body.chars().filter(|c| !c.is_ascii_digit()).collect();
        let parts: Vec<&str> = body.split(|c: char| !c.is_ascii_digit()).collect();
        // A number too large for the scanner is reported before anything else.
        if parts
            .iter()
            .any(|p| !p.is_empty() && p.parse::<u32>().map_or(true, |v| v >= SCANNER_LIMIT))
        {
            return Err(too_large());
        }
        if parts.iter().any(|p| p.is_empty()) {
            return Err(unknown());
        }
        // Which of days, hours, minutes, seconds and fraction each part is.
        let roles: &[usize] = match seps.as_str() {
            "" => &[0],
            ":" => &[1, 2],
            // More than 23 hours can only be days, the parts behind them hours and minutes.
            "::" if parts[0].parse::<u32>().is_ok_and(|v| v > 23) => &[0, 1, 2],
            "::" => &[1, 2, 3],
            ".:" => &[0, 1, 2],
            ".::" | ":::" => &[0, 1, 2, 3],
            "::." => &[1, 2, 3, 4],
            ".::." | ":::." => &[0, 1, 2, 3, 4],
            _ => return Err(unknown()),
        };
        const LIMITS: [i64; 4] = [10_675_199, 23, 59, 59];
        const UNITS: [i64; 4] = [TICKS_PER_DAY, TICKS_PER_HOUR, TICKS_PER_MINUTE, TICKS_PER_SECOND];
        let mut ticks: i128 = 0;
        for (role, part) in roles.iter().zip(parts) {
            if *role == 4 {
                if part.len() > 7 {
                    return Err(too_large());
                }
                ticks += format!("{part:0<7}").parse::<i128>().unwrap_or(0);
                continue;
            }
            let value = part
                .parse::<i64>()
                .ok()
                .filter(|v| *v <= LIMITS[*role])
                .ok_or_else(too_large)?;
            ticks += i128::from(value) * i128::from(UNITS[*role]);
        }
        i64::try_from(if negative { -ticks } else { ticks })
            .map(TimeSpan::from_ticks)
            .map_err(|_| too_large())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(result: Result<String, Error>) -> String {
        result.unwrap_or_else(|e| format!("!{}", e.message))
    }

    #[test]
    fn formats() {
        let span = TimeSpan::from_units(90_061.5, TICKS_PER_SECOND).unwrap();
        const BAD: &str = "!Input string was not in a correct format.";
        for (format, expected) in [
            ("g", "1:1:01:01.5"),
            ("G", "1:01:01:01.5000000"),
            ("c", "1.01:01:01.5000000"),
            (r"d\.hh\:mm\:ss\.fff", "1.01:01:01.500"),
            ("%h", "1"),
            ("hh:mm", BAD),
            ("dd'd'", "01d"),
            ("ddd hh", BAD),
            ("h", BAD),
            ("x", BAD),
            ("hhh", BAD),
            (
                "'a",
                "!Cannot find a matching quote character for the character '''.",
            ),
        ] {
            assert_eq!(show(span.format(format)), expected, "{format}");
        }
        assert_eq!(show(span.negate().unwrap().format("g")), "-1:1:01:01.5");
    }

    #[test]
    fn parsing() {
        let too_large = |t: &str| {
            format!(
                "!The TimeSpan string '{t}' could not be parsed because at least one of the numeric components is out of range or contains too many digits."
            )
        };
        let unknown = |t: &str| format!("!String '{t}' was not recognized as a valid TimeSpan.");
        for (text, expected) in [
            ("1.02:03:04.5", "1.02:03:04.5000000".to_owned()),
            ("5", "5.00:00:00".to_owned()),
            (" 5:6 ", "05:06:00".to_owned()),
            ("24:00", too_large("24:00")),
            ("1:60", too_large("1:60")),
            ("-1:00:00", "-01:00:00".to_owned()),
            ("1:2:3:4", "1.02:03:04".to_owned()),
            ("1.2:3", "1.02:03:00".to_owned()),
            ("x", unknown("x")),
            ("", unknown("")),
            ("00:00:00.12345678", too_large("00:00:00.12345678")),
            ("99999999", too_large("99999999")),
        ] {
            assert_eq!(
                show(TimeSpan::parse(text).map(TimeSpan::to_text)),
                expected,
                "{text}"
            );
        }
    }
}
