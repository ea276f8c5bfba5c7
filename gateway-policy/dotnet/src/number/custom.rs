//! Custom numeric format strings (`#,##0.00;(0)`): sections, placeholders, scaling, exponents.

use super::{Number, format::exponent_text};
use crate::Error;

/// Zeros of an exponent placeholder beyond this many are ignored, as in .NET.
const MAX_EXPONENT_ZEROS: usize = 10;

/// What one section of a format asks for.
#[derive(Default)]
struct Section {
    start: usize,
    /// Placeholders in all.
    digits: i32,
    /// Placeholders before the decimal point.
    point: i32,
    /// Index of the first and one past the last `0`.
    first_zero: Option<i32>,
    last_zero: i32,
    scientific: bool,
    grouped: bool,
    scale: i32,
}

/// Whether an exponent placeholder begins at `at`, just after its letter.
fn exponent_at(format: &[char], at: usize) -> bool {
    match format.get(at) {
        Some('0') => true,
        Some('+' | '-') => format.get(at + 1) == Some(&'0'),
        _ => false,
    }
}

/// Start of section `wanted` (0 positive, 1 negative, 2 zero); 0 if it is absent or empty.
fn find_section(format: &[char], mut wanted: usize) -> usize {
    let mut at = 0;
    if wanted == 0 {
        return 0;
    }
    while let Some(c) = format.get(at) {
        at += 1;
        match c {
            '\'' | '"' => at = after_quote(format, at, *c),
            '\\' => at += 1,
            ';' => {
                wanted -= 1;
                if wanted == 0 {
                    return if format.get(at).is_some_and(|c| *c != ';') {
                        at
                    } else {
                        0
                    };
                }
            }
            _ => {}
        }
    }
    0
}

/// One past the quote that closes a literal beginning at `at`.
fn after_quote(format: &[char], at: usize, quote: char) -> usize {
    format[at..]
        .iter()
        .position(|c| *c == quote)
        .map_or(format.len(), |i| at + i + 1)
}

fn scan_section(format: &[char], start: usize) -> Section {
    let mut s = Section {
        start,
        point: -1,
        ..Section::default()
    };
    let (mut thousands, mut thousands_count) = (-1, 0);
    let mut at = start;
    while let Some(c) = format.get(at).filter(|c| **c != ';') {
        at += 1;
        match c {
            '#' => s.digits += 1,
            '0' => {
                s.first_zero.get_or_insert(s.digits);
                s.digits += 1;
                s.last_zero = s.digits;
            }
            '.' if s.point < 0 => s.point = s.digits,
            ',' if s.digits > 0 && s.point < 0 => {
                if thousands == s.digits {
                    thousands_count += 1;
                    continue;
                }
                s.grouped |= thousands >= 0;
                thousands = s.digits;
                thousands_count = 1;
            }
            '%' => s.scale += 2,
            '‰' => s.scale += 3,
            '\'' | '"' => at = after_quote(format, at, *c),
            '\\' => at += 1,
            'E' | 'e' if exponent_at(format, at) => {
                at += 1;
                at += format
                    .get(at..)
                    .map_or(0, |rest| rest.iter().take_while(|c| **c == '0').count());
                s.scientific = true;
            }
            _ => {}
        }
    }
    if s.point < 0 {
        s.point = s.digits;
    }
    if thousands >= 0 {
        if thousands == s.point {
            s.scale -= thousands_count * 3;
        } else {
            s.grouped = true;
        }
    }
    s
}

/// Formats `number` by a custom format.
pub(super) fn format(mut number: Number, format: &str) -> Result<String, Error> {
    let format: Vec<char> = format.chars().take_while(|c| *c != '\0').collect();
    let which = if number.digits.is_empty() {
        2
    } else {
        usize::from(number.negative)
    };
    let mut section = scan_section(&format, find_section(&format, which));
    if number.digits.is_empty() {
        number.negative &= number.float;
        number.scale = 0;
    } else {
        let unscaled = number.clone();
        round_to(&mut number, &section);
        let zero = find_section(&format, 2);
        if number.digits.is_empty() && zero != section.start {
            section = scan_section(&format, zero);
            number = Number {
                digits: Vec::new(),
                scale: 0,
                ..unscaled
            };
            number.negative &= number.float;
        }
    }
    let negative = number.negative && section.start == 0;
    let mut out = Writer::new(&number, &section).run(&format);
    if negative && (number.scale != 0 || !out.is_empty()) {
        out.insert(0, '-');
    }
    Ok(out)
}

fn round_to(number: &mut Number, section: &Section) {
    number.scale += section.scale;
    let keep = if section.scientific {
        section.digits
    } else {
        number.scale + section.digits - section.point
    };
    number.round(keep, false);
}

struct Writer<'a> {
    number: &'a Number,
    section: &'a Section,
    out: String,
    next: usize,
    /// Digit positions left before the decimal point; negative after it.
    position: i32,
    /// Digits of the number beyond the placeholders (positive) or placeholders without digit (negative).
    adjust: i32,
    first: i32,
    last: i32,
    /// Digits that a group separator can stand before.
    grouped_digits: i32,
    point_written: bool,
    scientific: bool,
}

impl<'a> Writer<'a> {
    fn new(number: &'a Number, section: &'a Section) -> Self {
        let point = section.point;
        let first = section.first_zero.filter(|f| *f < point).map_or(0, |f| point - f);
        let last = (point - section.last_zero).min(0);
        let (position, adjust) = if section.scientific {
            (point, 0)
        } else {
            (number.scale.max(point), number.scale - point)
        };
        let grouped_digits = if section.grouped {
            first.max(position + adjust.min(0))
        } else {
            0
        };
        Writer {
            number,
            section,
            out: String::new(),
            next: 0,
            position,
            adjust,
            first,
            last,
            grouped_digits,
            point_written: false,
            scientific: section.scientific,
        }
    }

    fn take(&mut self) -> Option<char> {
        let digit = self.number.digits.get(self.next)?;
        self.next += 1;
        Some(char::from(b'0' + digit))
    }

    fn push_digit(&mut self, c: char) {
        self.out.push(c);
        let left = self.position - 1;
        if left > 0 && left % 3 == 0 && left < self.grouped_digits {
            self.out.push(',');
        }
    }

    fn placeholder(&mut self) {
        let digit = if self.adjust < 0 {
            self.adjust += 1;
            (self.position <= self.first).then_some('0')
        } else {
            self.take().or((self.position > self.last).then_some('0'))
        };
        if let Some(c) = digit {
            self.push_digit(c);
        }
        self.position -= 1;
    }

    fn run(mut self, format: &[char]) -> String {
        let mut at = self.section.start;
        while let Some(c) = format.get(at).copied().filter(|c| *c != ';') {
            at += 1;
            if matches!(c, '#' | '0' | '.') {
                while self.adjust > 0 {
                    let digit = self.take().unwrap_or('0');
                    self.push_digit(digit);
                    self.position -= 1;
                    self.adjust -= 1;
                }
            }
            match c {
                '#' | '0' => self.placeholder(),
                '.' => self.point(),
                ',' => {}
                '\'' | '"' => {
                    let end = after_quote(format, at, c);
                    let closed = format.get(end - 1) == Some(&c) && end > at;
                    self.out.extend(&format[at..if closed { end - 1 } else { end }]);
                    at = end;
                }
                '\\' => {
                    self.out.extend(format.get(at));
                    at += 1;
                }
                'E' | 'e' => at = self.exponent(format, at, c),
                _ => self.out.push(c),
            }
        }
        self.out
    }

    fn point(&mut self) {
        let more = self.section.point < self.section.digits && self.next < self.number.digits.len();
        if self.position == 0 && !self.point_written && (self.last < 0 || more) {
            self.out.push('.');
            self.point_written = true;
        }
    }

    fn exponent(&mut self, format: &[char], mut at: usize, letter: char) -> usize {
        let zeros = |from: usize| {
            format
                .get(from..)
                .map_or(0, |r| r.iter().take_while(|c| **c == '0').count())
        };
        if self.scientific && exponent_at(format, at) {
            let plus = format.get(at) == Some(&'+');
            at += usize::from(format.get(at) != Some(&'0'));
            let width = zeros(at);
            let value = if self.number.digits.is_empty() {
                0
            } else {
                self.number.scale - self.section.point
            };
            self.out
                .push_str(&exponent_text(value, letter, width.min(MAX_EXPONENT_ZEROS), plus));
            self.scientific = false;
            return at + width;
        }
        self.out.push(letter);
        if !self.scientific {
            if let Some(sign @ ('+' | '-')) = format.get(at) {
                self.out.push(*sign);
                at += 1;
            }
            let width = zeros(at);
            self.out.extend(std::iter::repeat_n('0', width));
            at += width;
        }
        at
    }
}
