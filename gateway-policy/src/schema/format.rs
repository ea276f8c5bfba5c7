//! `format`: which texts and numbers are what they are said to be. Unknown formats admit everything.
//!
//! Source: JSON Schema Validation 2020-12 §7.3, OpenAPI format registry. As .NET's validator does, `date-time`
//! takes a time without an offset.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::json::Number;

/// Whether a text is of the format; `None`: the format says nothing about texts.
pub(super) fn text(format: &str, value: &str) -> Option<bool> {
    Some(match format {
        "date" => date(value),
        "time" => time(value, true),
        "date-time" => value
            .split_once(['T', 't'])
            .is_some_and(|(d, t)| date(d) && time(t, false)),
        "email" => email(value),
        "hostname" => hostname(value),
        "ipv4" | "ip-address" => value.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => value.parse::<Ipv6Addr>().is_ok(),
        "uri" | "url" => uri(value) && scheme(value).is_some(),
        "uri-reference" => uri(value),
        "uuid" | "guid" => uuid(value),
        "byte" => STANDARD.decode(value).is_ok(),
        "json-pointer" => json_pointer(value),
        "relative-json-pointer" => {
            let digits = value.bytes().take_while(u8::is_ascii_digit).count();
            let rest = &value[digits..];
            digits > 0 && (digits == 1 || !value.starts_with('0')) && (rest == "#" || json_pointer(rest))
        }
        "duration" => duration(value),
        "regex" => pattern(value),
        _ => return None,
    })
}

/// Whether a number is of the format; `None`: the format says nothing about numbers.
pub(super) fn number(format: &str, value: &Number) -> Option<bool> {
    Some(match format {
        "int32" => value.fits(32),
        "int64" => value.fits(64),
        _ => return None,
    })
}

fn digits(text: &str, count: usize) -> Option<u32> {
    let good = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

fn date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let (Some(year), Some(month), Some(day), None) = (
        year.and_then(|y| digits(y, 4)),
        month.and_then(|m| digits(m, 2)),
        day.and_then(|d| digits(d, 2)),
        parts.next(),
    ) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=last).contains(&day)
}

fn time(text: &str, offset_needed: bool) -> bool {
    let zone = text.find(['Z', 'z', '+', '-']);
    let (clock, offset) = text.split_at(zone.unwrap_or(text.len()));
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = match offset {
        "" => (!offset_needed).then_some(0),
        "Z" | "z" => Some(0),
        other => other[1..].split_once(':').and_then(|(h, m)| {
            let (h, m) = (
                digits(h, 2).filter(|h| *h < 24)?,
                digits(m, 2).filter(|m| *m < 60)?,
            );
            Some(sign * (i64::from(h) * 60 + i64::from(m)))
        }),
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let fraction_good = fraction.is_none_or(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()));
    let parts: Vec<Option<u32>> = clock.split(':').map(|p| digits(p, 2)).collect();
    let clock_good = match parts[..] {
        [Some(h), Some(m), Some(s)] => {
            // A leap second is the last of a day in UTC.
            let utc = (i64::from(h) * 60 + i64::from(m) - offset.unwrap_or(0)).rem_euclid(24 * 60);
            h < 24 && m < 60 && (s < 60 || (s == 60 && utc == 24 * 60 - 1))
        }
        _ => false,
    };
    clock_good && fraction_good && offset.is_some()
}

fn email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    let atoms = !local.is_empty()
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local
            .chars()
            .all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    let literal = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
    let domain_good = match literal {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(six) => six.parse::<Ipv6Addr>().is_ok(),
            None => address.parse::<Ipv4Addr>().is_ok(),
        },
        None => !domain.is_ascii() || hostname(domain),
    };
    (quoted || atoms) && domain_good
}

fn hostname(text: &str) -> bool {
    text.len() <= 253
        && !text.is_empty()
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let good = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    good.then_some(scheme)
}

/// Nothing in it that no part of an address may hold.
fn uri(text: &str) -> bool {
    let bytes = text.as_bytes();
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(b);
    let escapes = bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'%')
        .all(|(i, _)| {
            bytes
                .get(i + 1..i + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        });
    let authority = text
        .find("//")
        .map(|i| text[i + 2..].split(['/', '?', '#']).next().unwrap_or(""));
    let ported = authority.is_none_or(|a| {
        let (user, host) = a.rsplit_once('@').unwrap_or(("", a));
        let end = host.rfind(']').map_or(0, |i| i + 1);
        let port = host[end..].split_once(':').map_or("", |(_, port)| port);
        !user.contains(['@', '[', ']']) && port.bytes().all(|b| b.is_ascii_digit())
    });
    let brackets = |part: &str| part.contains(['[', ']']);
    let bracketed = authority.is_none_or(|a| {
        let host = a.rsplit('@').next().unwrap_or(a);
        !brackets(host) || (host.starts_with('[') && host.contains(']'))
    });
    bytes.iter().all(allowed) && escapes && bracketed && ported && (authority.is_some() || !brackets(text))
}

fn uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// ISO 8601 as RFC 3339, appendix A, has it.
fn duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else {
        return false;
    };
    // Numbers with these letters, in order and without a gap between the first and the last.
    let run = |text: &str, letters: &str| {
        let mut at = None;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letter = rest[digits..].chars().next();
            let next = letter.and_then(|l| letters.find(l));
            let follows = match (at, next) {
                (None, Some(_)) => true,
                (Some(at), Some(next)) => next == at + 1,
                (_, None) => false,
            };
            if digits == 0 || !follows {
                return false;
            }
            at = next;
            rest = &rest[digits + 1..];
        }
        true
    };
    if let Some(weeks) = text.strip_suffix('W') {
        return !weeks.is_empty() && weeks.bytes().all(|b| b.is_ascii_digit());
    }
    match text.split_once('T') {
        Some((date, time)) => run(date, "YMD") && !time.is_empty() && run(time, "HMS"),
        None => !text.is_empty() && run(text, "YMD"),
    }
}

/// Longest text that is tried as a pattern.
const PATTERN_MAX: usize = 1_000;

fn pattern(text: &str) -> bool {
    let built = fancy_regex::RegexBuilder::new(text)
        .delegate_size_limit(1 << 20)
        .delegate_dfa_size_limit(1 << 20)
        .build();
    text.len() <= PATTERN_MAX && !text.contains("\\Z") && !text.contains("\\a") && built.is_ok()
}

fn json_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/'))
        && text
            .match_indices('~')
            .all(|(i, _)| matches!(text.as_bytes().get(i + 1), Some(b'0' | b'1')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (format, good, bad) in [
            (
                "date",
                &["2024-02-29"][..],
                &["2023-02-29", "2024-13-01", "24-01-01", "2024-01-01T"][..],
            ),
            (
                "time",
                &["23:59:60Z", "08:30:06.28+02:00", "01:29:60+01:30"],
                &["24:00:00Z", "08:30:06", "8:30:06Z", "08:30:06.Z", "22:59:60Z"],
            ),
            (
                "date-time",
                &["1963-06-19T08:30:06.283185Z", "1985-04-12T23:20:50"],
                &["1963-06-19 08:30:06Z", "x"],
            ),
            (
                "email",
                &["joe.bloggs@example.com", "\"a b\"@x.test", "a@[127.0.0.1]"],
                &["2962", ".a@x.test", "a..b@x.test", "a@-x"],
            ),
            (
                "hostname",
                &["www.example.com", "a"],
                &["-a.test", "a_b", "", "a..b"],
            ),
            (
                "ipv4",
                &["192.168.0.1"],
                &["127.0.0.0.1", "256.1.1.1", "0x7f.1.1.1"],
            ),
            ("ipv6", &["::1", "::ffff:1.2.3.4"], &["12345::", "1::2::3"]),
            (
                "uri",
                &["http://foo.bar/?baz=qux#quux", "urn:x:y", "http://[::1]/"],
                &[
                    "//foo",
                    "a b",
                    "http:// x",
                    "%zz:x",
                    "\\\\x",
                    "http://a:b/",
                    "http://[@a/",
                ],
            ),
            ("uri-reference", &["/abc", "//foo", "#a"], &["\\\\WIN", "a b"]),
            (
                "uuid",
                &["2EB8AA08-aa98-11ea-b4aa-73b441d16380"],
                &["2eb8aa08-aa98-11ea-b4aa-73b441d1638", "x"],
            ),
            ("byte", &["aGk="], &["a!"]),
            ("json-pointer", &["/a~1b", ""], &["a", "/~2"]),
            (
                "relative-json-pointer",
                &["0", "1/a", "2#"],
                &["", "01/a", "/a", "1a"],
            ),
            (
                "duration",
                &["P4DT12H30M5S", "P1W", "PT0S", "P1Y2M"],
                &["", "P", "PT", "P1YT", "P1D2H", "P1Y2D", "PT1D", "4DT1H"],
            ),
            ("regex", &["a+", "(?=a)b"], &["(", "[a"]),
        ] {
            for value in good {
                assert_eq!(text(format, value), Some(true), "{format} {value}");
            }
            for value in bad {
                assert_eq!(text(format, value), Some(false), "{format} {value}");
            }
        }
        assert_eq!(text("unheard-of", "x"), None);
    }

    #[test]
    fn number_formats() {
        for (format, value, expected) in [
            ("int32", "2147483648", Some(false)),
            ("int64", "2147483648", Some(true)),
            ("double", "1.5", None),
        ] {
            assert_eq!(
                number(format, &Number::new(value).unwrap()),
                expected,
                "{format} {value}"
            );
        }
    }
}
