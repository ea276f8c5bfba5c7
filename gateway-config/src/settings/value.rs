//! Forms of setting values: durations, truth values, sizes, lists.

use std::{sync::Arc, time::Duration};

/// `hh:mm:ss[.fff]`, `d.hh:mm:ss` (the .NET form), or a number with `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// A sentence with both forms.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let parsed = if text.contains(':') {
        timespan(text)
    } else {
        with_unit(text)
    };
    parsed
        .ok_or_else(|| format!("`{text}` is no time span; write `00:01:40` or `100s` (units ms, s, m, h, d)"))
}

fn timespan(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let (first, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    if parts.next().is_some() {
        return None;
    }
    let (days, hours) = match first.split_once('.') {
        Some((d, h)) => (d.parse::<u64>().ok()?, h),
        None => (0, first),
    };
    let hours: u64 = hours.parse().ok().filter(|h| *h < 24 || days == 0)?;
    let minutes: u64 = minutes.parse().ok().filter(|m| *m < 60)?;
    let seconds: f64 = seconds.parse().ok().filter(|s| (0.0..60.0).contains(s))?;
    let whole = days
        .checked_mul(86_400)?
        .checked_add(hours.checked_mul(3600)?)?
        .checked_add(minutes * 60)?;
    Duration::from_secs(whole).checked_add(Duration::from_secs_f64(seconds))
}

fn with_unit(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let factor = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * factor).ok()
}

/// ISO 8601 duration without years and months, as in circuit breaker rules: `PT1M`, `P1DT2H`, `PT0.5S`.
pub fn iso8601(text: &str) -> Option<Duration> {
    let rest = text.trim().strip_prefix('P')?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    for (part, units) in [
        (date, [('W', 604_800.0), ('D', 86_400.0), ('_', 0.0)]),
        (time, [('H', 3600.0), ('M', 60.0), ('S', 1.0)]),
    ] {
        let mut number = String::new();
        for c in part.chars() {
            if c.is_ascii_digit() || c == '.' {
                number.push(c);
                continue;
            }
            let (_, factor) = units.iter().find(|(u, _)| *u == c)?;
            seconds += number.parse::<f64>().ok()? * factor;
            number.clear();
        }
        if !number.is_empty() {
            return None;
        }
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// `true` or `false` in any case.
///
/// # Errors
/// A sentence with both words.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither `true` nor `false`")),
    }
}

/// An integer between two bounds, included.
///
/// # Errors
/// A sentence with the bounds.
pub fn integer(text: &str, least: u64, most: u64) -> Result<u64, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("`{text}` is no whole number from {least} to {most}"))
}

/// A number of bytes with an optional `KiB`, `MiB` or `GiB`.
///
/// # Errors
/// A sentence with the form.
pub fn bytes(text: &str) -> Result<u64, String> {
    let t = text.trim();
    let split = t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len());
    let (number, unit) = t.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("`{text}` is no size; write a number of bytes, or `64KiB`, `1MiB`, `2GiB`"))
}

/// A comma-separated list, blanks around items dropped.
pub fn list(text: &str) -> Vec<Arc<str>> {
    text.split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .map(Arc::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("00:01:40", Some(100_000)),
            ("00:00:30", Some(30_000)),
            ("1.02:00:00", Some(93_600_000)),
            ("00:00:00.250", Some(250)),
            ("30s", Some(30_000)),
            ("500ms", Some(500)),
            ("5m", Some(300_000)),
            ("1.5h", Some(5_400_000)),
            ("30", None),
            ("", None),
            ("00:61:00", None),
            ("a:b:c", None),
            ("-5s", None),
            ("10 parsecs", None),
        ] {
            assert_eq!(duration(text).ok().map(|d| d.as_millis()), ms, "{text}");
        }
    }

    #[test]
    fn iso_durations() {
        for (text, s) in [
            ("PT1M", Some(60.0)),
            ("PT1H", Some(3600.0)),
            ("P1DT2H", Some(93_600.0)),
            ("PT0.5S", Some(0.5)),
            ("P1W", Some(604_800.0)),
            ("P", None),
            ("PT", None),
            ("1M", None),
            ("P1M", None),
            ("PT5", None),
        ] {
            assert_eq!(iso8601(text).map(|d| d.as_secs_f64()), s, "{text}");
        }
    }

    #[test]
    fn sizes_and_numbers() {
        for (text, n) in [
            ("64KiB", Some(65_536)),
            ("1 MiB", Some(1 << 20)),
            ("10", Some(10)),
            ("0", None),
            ("x", None),
            ("1TB", None),
        ] {
            assert_eq!(bytes(text).ok(), n, "{text}");
        }
        assert_eq!(integer("8080", 1, 65_535), Ok(8080));
        assert!(integer("70000", 1, 65_535).unwrap_err().contains("65535"));
        assert!(boolean("TRUE").unwrap());
        assert!(boolean("yes").is_err());
    }
}
