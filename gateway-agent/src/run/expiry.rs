//! When a certificate ends: the one field of X.509 that an operator has to be told about in time.
//!
//! Reads just the way to `validity` (RFC 5280 §4.1): everything else is rustls' business.

use std::time::Duration;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// `[0] EXPLICIT`: the version.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Seconds since 1970 at which the certificate's validity ends; `None` when it is not understood.
pub(super) fn not_after(certificate: &[u8]) -> Option<f64> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut rest, _) = expect(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    rest = expect(rest, INTEGER)?.1; // serialNumber
    rest = expect(rest, SEQUENCE)?.1; // signature
    rest = expect(rest, SEQUENCE)?.1; // issuer
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (_, _, rest) = element(validity)?; // notBefore
    let (tag, time, _) = element(rest)?;
    seconds(tag, std::str::from_utf8(time).ok()?)
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        // Four bytes of length are 4 GiB: more than any file that is read.
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn expect(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    (tag == wanted).then_some((content, rest))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ` (RFC 5280 §4.1.2.5 allows nothing else).
fn seconds(tag: u8, text: &str) -> Option<f64> {
    let digits = text
        .strip_suffix('Z')
        .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year: u64 = digits.get(..2)?.parse().ok()?;
            (
                if year < 50 { 2000 + year } else { 1900 + year },
                digits.get(2..)?,
            )
        }
        (GENERALIZED_TIME, 14) => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        _ => return None,
    };
    let field = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day) = (field(0)?, field(2)?);
    let (hour, minute, second) = (field(4)?, field(6)?, field(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let time = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Duration::from_secs(time).as_secs_f64())
}

/// Days from 1970-01-01, the inverse of the log's calendar (Howard Hinnant, "days_from_civil").
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tag: u8, text: &str, expected: Option<u64>) {
        assert_eq!(seconds(tag, text).map(|s| s as u64), expected, "{text}");
    }

    #[test]
    fn both_forms_of_time() {
        check(UTC_TIME, "700101000000Z", Some(0));
        check(UTC_TIME, "240229000000Z", Some(1_709_164_800));
        check(GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000));
        check(GENERALIZED_TIME, "20241231235959Z", Some(1_735_689_599));
        for bad in [
            "",
            "Z",
            "2402290000Z",
            "240229000000",
            "249929000000Z",
            "24022900000aZ",
            "2402290000é0Z",
        ] {
            check(UTC_TIME, bad, None);
        }
        check(GENERALIZED_TIME, "240229000000Z", None);
        check(INTEGER, "240229000000Z", None);
    }

    #[test]
    fn a_real_certificate_is_understood() {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        // The default of the library that made it: the year 4096.
        assert_eq!(
            not_after(made.cert.der()).map(|s| s as u64),
            Some(days(4096, 1, 1) * 86_400)
        );
    }

    #[test]
    fn damage_is_no_panic() {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let der = made.cert.der();
        for end in 0..der.len() {
            // Shorter than its own length says: never understood.
            assert_eq!(not_after(&der[..end]), None, "{end} bytes");
        }
        for at in 0..der.len() {
            let mut broken = der.to_vec();
            broken[at] ^= 0xff;
            let _ = not_after(&broken);
        }
    }
}
