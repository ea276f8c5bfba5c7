//! The shortest decimal digits of a binary floating-point number, as .NET Core 3.0 and later choose them.

use num_bigint::BigUint;

use super::Number;

/// Fewer digits than these cannot be equally near to two neighbours: half a unit of the last digit is more
/// than half a unit of the last binary place.
const DOUBLE_TIE: usize = 16;
const SINGLE_TIE: usize = 7;

/// Of a finite double that is not negative, in the form of `{:e}`.
pub(super) fn double(abs: f64) -> String {
    let bits = abs.to_bits();
    let binary = (bits & ((1 << 52) - 1) | (1 << 52), (bits >> 52) as i32 - 1075);
    let text = |places: Option<usize>| places.map_or_else(|| format!("{abs:e}"), |p| format!("{abs:.p$e}"));
    shortest(binary, text, |t: &str| t.parse() == Ok(abs), DOUBLE_TIE)
}

/// Of a finite single that is not negative, in the form of `{:e}`.
pub(super) fn single(abs: f32) -> String {
    let bits = abs.to_bits();
    let binary = (
        u64::from(bits & ((1 << 23) - 1) | (1 << 23)),
        (bits >> 23) as i32 - 150,
    );
    let text = |places: Option<usize>| places.map_or_else(|| format!("{abs:e}"), |p| format!("{abs:.p$e}"));
    shortest(binary, text, |t: &str| t.parse() == Ok(abs), SINGLE_TIE)
}

/// The shortest digits that read back, as .NET chooses them. It differs from Rust in two points: a text
/// exactly half-way to a neighbour does not count, and of two equally near texts the even one is taken.
fn shortest(
    (mantissa, exponent): (u64, i32),
    text: impl Fn(Option<usize>) -> String,
    reads_back: impl Fn(&str) -> bool,
    tie_digits: usize,
) -> String {
    /// No double needs more digits.
    const ENOUGH: usize = 17;
    let mut best = text(None);
    let mut places = Number::from_scientific(&best, false).digits.len();
    while half_way(&best, mantissa, exponent) && places < ENOUGH {
        best = text(Some(places));
        places += 1;
        while !reads_back(&best) && places < ENOUGH {
            best = text(Some(places));
            places += 1;
        }
    }
    if places < tie_digits {
        best
    } else {
        even_of_two(best, &text, reads_back)
    }
}

/// Whether `text` is the exact midpoint between the value and one of its neighbours. Only integers
/// beyond the mantissa's width have short texts like that.
fn half_way(text: &str, mantissa: u64, exponent: i32) -> bool {
    /// 5^k must divide twice the mantissa plus one, which has at most 54 bits.
    const MAX_POWER: i32 = 23;
    if exponent < 1 || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let number = Number::from_scientific(text, false);
    let power = number.scale - number.digits.len() as i32;
    if !(0..=MAX_POWER).contains(&power) {
        return false;
    }
    let twice = BigUint::from_radix_be(&number.digits, 10).unwrap_or_default()
        * BigUint::from(10u8).pow(power.unsigned_abs())
        * 2u8;
    let at = |m: u64| (BigUint::from(m) << exponent.unsigned_abs()) == twice;
    at(2 * mantissa + 1) || at(2 * mantissa - 1)
}

/// Where the value lies exactly between two texts of that length, the one with the even last digit.
fn even_of_two(
    best: String,
    text: &impl Fn(Option<usize>) -> String,
    reads_back: impl Fn(&str) -> bool,
) -> String {
    let number = Number::from_scientific(&best, false);
    let count = number.digits.len();
    // An exact decimal expansion this long ends the question: such values have no short texts.
    const EXACT: usize = 24;
    if number.digits.last().is_none_or(|d| d % 2 == 0) {
        return best;
    }
    let exact = Number::from_scientific(&text(Some(EXACT)), false);
    let tie = exact.digits.get(count) == Some(&5) && exact.digits[count + 1..].iter().all(|d| *d == 0);
    if !tie {
        return best;
    }
    let mut down = exact;
    down.digits.truncate(count);
    let digits: String = down.digits.iter().map(|d| char::from(b'0' + d)).collect();
    let (head, tail) = digits.split_at(1);
    let candidate = format!("{head}.{tail}e{}", down.scale - 1);
    if reads_back(&candidate) { candidate } else { best }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_points() {
        for (value, expected) in [
            (30_000_000_000.0, "3.0000001e10"),
            (1_234_567_890.0, "1.2345679e9"),
            (2_190_654.2, "2.1906542e6"),
            (0.1, "1e-1"),
            (0.0, "0e0"),
        ] {
            assert_eq!(single(value), expected);
        }
        for (value, expected) in [
            (9_007_199_254_740_993.0, "9.007199254740992e15"),
            (5e-324, "5e-324"),
            (0.3, "3e-1"),
        ] {
            assert_eq!(double(value), expected);
        }
    }
}
