//! `String.Format`: the composite format language, which C# interpolation also compiles to.

use super::{MAX_STRING_UNITS, Str};
use crate::{Error, ExceptionKind};

/// Widths and indexes in a format item stop growing here, as in .NET.
const NUMBER_LIMIT: usize = 1_000_000;

/// What can fill a format item.
pub trait FormatArg {
    /// Its text under the format after the colon, if it takes one; null gives the empty text.
    ///
    /// # Errors
    /// What the value's own `ToString(format)` throws.
    fn format_arg(&self, format: Option<&Str>) -> Result<Str, Error>;
}

impl FormatArg for Str {
    fn format_arg(&self, _format: Option<&Str>) -> Result<Str, Error> {
        Ok(self.clone())
    }
}

struct Cursor<'a> {
    units: &'a [u16],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u16> {
        self.units.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(u16::from(b' ')) {
            self.at += 1;
        }
    }

    fn is(&self, c: u8) -> bool {
        self.peek() == Some(u16::from(c))
    }

    /// A run of digits, at least one, something following.
    fn number(&mut self) -> Result<usize, Error> {
        let mut value = 0;
        let mut any = false;
        while let Some(digit) = self.peek().and_then(digit) {
            if value >= NUMBER_LIMIT {
                break;
            }
            value = value * 10 + digit;
            self.at += 1;
            any = true;
        }
        if !any || self.peek().is_none() {
            Err(bad())
        } else {
            Ok(value)
        }
    }

    /// The text after a colon up to the closing brace; no brace can be part of it.
    fn item_format(&mut self) -> Result<Str, Error> {
        let start = self.at;
        loop {
            match self.peek() {
                Some(u) if u == u16::from(b'}') => return Ok(Str::from_utf16(&self.units[start..self.at])),
                Some(u) if u != u16::from(b'{') => self.at += 1,
                _ => return Err(bad()),
            }
        }
    }
}

fn digit(unit: u16) -> Option<usize> {
    unit.checked_sub(48).filter(|d| *d < 10).map(usize::from)
}

fn bad() -> Error {
    Error::format("Input string was not in a correct format.")
}

/// `String.Format(format, args)`.
///
/// # Errors
/// `FormatException` for a malformed format or an index without argument; what an argument throws.
pub fn format(format: &Str, args: &[&dyn FormatArg]) -> Result<Str, Error> {
    let units = format.to_utf16();
    let mut cursor = Cursor { units: &units, at: 0 };
    let mut out: Vec<u16> = Vec::with_capacity(units.len());
    while let Some(unit) = cursor.peek() {
        cursor.at += 1;
        if unit == u16::from(b'}') {
            if !cursor.is(b'}') {
                return Err(bad());
            }
            cursor.at += 1;
        } else if unit == u16::from(b'{') {
            if !cursor.is(b'{') {
                item(&mut cursor, args, &mut out)?;
                continue;
            }
            cursor.at += 1;
        }
        out.push(unit);
    }
    Ok(Str::from_utf16(&out))
}

fn item(cursor: &mut Cursor<'_>, args: &[&dyn FormatArg], out: &mut Vec<u16>) -> Result<(), Error> {
    let index = cursor.number()?;
    let arg = args.get(index).ok_or_else(|| {
        Error::new(
            ExceptionKind::FormatException,
            "Index (zero based) must be greater than or equal to zero and less than the size of the argument list.",
        )
    })?;
    cursor.skip_blanks();
    let mut width = 0;
    let mut left = false;
    if cursor.is(b',') {
        cursor.at += 1;
        cursor.skip_blanks();
        if cursor.is(b'-') {
            left = true;
            cursor.at += 1;
        }
        width = cursor.number()?;
    }
    cursor.skip_blanks();
    let spec = if cursor.is(b':') {
        cursor.at += 1;
        Some(cursor.item_format()?)
    } else {
        None
    };
    if !cursor.is(b'}') {
        return Err(bad());
    }
    cursor.at += 1;
    let text = arg.format_arg(spec.as_ref().filter(|s| !s.is_empty()))?;
    let pad = width.saturating_sub(text.len());
    if out.len() + text.len() + pad > MAX_STRING_UNITS {
        return Err(Error::budget("length of a string"));
    }
    let blanks = std::iter::repeat_n(u16::from(b' '), pad);
    if left {
        out.extend(text.units().chain(blanks));
    } else {
        out.extend(blanks.chain(text.units()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo(&'static str);

    impl FormatArg for Echo {
        fn format_arg(&self, format: Option<&Str>) -> Result<Str, Error> {
            Ok(Str::from(format!(
                "{}{}",
                self.0,
                format.map_or(String::new(), |f| format!("<{f}>"))
            )))
        }
    }

    #[test]
    fn table() {
        for (text, expected) in [
            ("{0}|{1,5}|{1,-5}|", "a|    b|b    |"),
            ("{{{0}}}", "{a}"),
            ("{0:X2}", "a<X2>"),
            ("{0,6:yyyy}", "a<yyyy>"),
            ("{0 , 3 }", "  a"),
            ("{0:a}}b}", "!Input string was not in a correct format."),
            ("{0:}", "a"),
            ("", ""),
            ("{", "!Input string was not in a correct format."),
            ("}", "!Input string was not in a correct format."),
            ("{0", "!Input string was not in a correct format."),
            ("{x}", "!Input string was not in a correct format."),
            ("{0,}", "!Input string was not in a correct format."),
            ("{-1}", "!Input string was not in a correct format."),
            ("{0:{x}", "!Input string was not in a correct format."),
            (
                "{2}",
                "!Index (zero based) must be greater than or equal to zero and less than the size of the argument list.",
            ),
        ] {
            let got = format(&Str::new(text), &[&Echo("a"), &Echo("b")]);
            let got = got.map_or_else(|e| format!("!{}", e.message), |s| s.to_string());
            assert_eq!(got, expected, "{text}");
        }
        let wide = format(&Str::new("{0,999999}{0,999999}"), &[&Echo("a")]).unwrap();
        assert_eq!(wide.len(), 1_999_998);
    }
}
