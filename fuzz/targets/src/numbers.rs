//! Numbers and dates: what is written reads back as the same value.

use gateway_dotnet::{
    guid::Guid,
    number::{self, Decimal, IntType, NumberStyles},
    time::{DateTime, DateTimeKind, DateTimeOffset, TimeSpan},
};

use crate::{Choices, Target, text};

/// Any text is parsed as a number, any bits are written and read back.
pub(crate) const NUMBERS: Target = Target {
    name: "numbers",
    run: numbers,
    seeds: &[
        "1,234.50",
        "-7.9e-12",
        "0x7F",
        "(1.5)",
        "79228162514264337593543950335",
        "abcdefghijklmnopqrstuvwx#,##0.00;(0);-",
    ],
    words: &[
        "e",
        "E+0",
        "0.",
        "#",
        ",",
        "%",
        "-",
        "999999999",
        "NaN",
        "Infinity",
        "\u{221e}",
        "C2",
        "N30",
        "R",
        "X8",
    ],
};

fn numbers(input: &[u8]) {
    let given = text(input);
    for styles in [7, 111, 231, 515, 1023] {
        let styles = NumberStyles(styles);
        if let Ok(value) = number::parse_decimal(&given, styles) {
            decimal(value);
        }
        if let Ok(value) = number::parse_double(&given, styles) {
            double(value);
        }
        if let Ok(value) = number::parse_integer(&given, styles, IntType::Int64) {
            assert_eq!(
                number::parse_integer(&value.to_string(), NumberStyles::INTEGER, IntType::Int64),
                Ok(value)
            );
        }
    }
    let mut choices = Choices::new(input);
    let bits = choices.word();
    double(f64::from_bits(bits));
    let mantissa = u128::from(choices.word()) << 32 | u128::from(choices.word() as u32);
    if let Some(value) = Decimal::new(mantissa, choices.byte() % 29, bits & 1 == 1) {
        decimal(value);
        let one = value.divide(value).unwrap_or(Decimal::ONE);
        assert_eq!(one, Decimal::ONE, "{value:?} divided by itself");
        assert_eq!(
            value.add(value.negate()).ok(),
            Some(Decimal::ZERO),
            "{value:?} less itself"
        );
    }
    let format = text(choices.rest());
    let _ = number::format_double(f64::from_bits(bits), &format);
    let _ = number::format_integer(i128::from(bits as i64), IntType::Int64, &format);
}

fn decimal(value: Decimal) {
    let written = number::decimal_to_text(value);
    let read = number::parse_decimal(&written, NumberStyles::NUMBER);
    assert_eq!(read, Ok(value), "{written}");
    assert_eq!(read.map(Decimal::scale), Ok(value.scale()), "{written}");
}

fn double(value: f64) {
    let written = number::double_to_text(value);
    match number::parse_double(&written, NumberStyles::FLOAT_THOUSANDS) {
        Ok(read) => assert!(
            read == value || read.is_nan() && value.is_nan(),
            "{value} is written {written} and read {read}"
        ),
        Err(e) => panic!("{written} is not read: {e:?}"),
    }
}

/// Any text is parsed as a date, any ticks are written and read back.
pub(crate) const DATES: Target = Target {
    name: "dates",
    run: dates,
    seeds: &[
        "2024-02-29T23:59:59.9999999Z",
        "Tue, 02 Jan 2024 03:04:05 GMT",
        "1/2/2024 3:04 PM",
        "1.02:03:04.5",
        "yyyy-MM-dd HH:mm",
        "6F9619FF-8B86-D011-B42D-00CF4FC964FF",
    ],
    words: &[
        "T", "Z", "+01:00", ":", "-", "/", ".", "PM", "Jan", "0001", "9999", "24", "60", "ddd", "K", "zzz",
        "fffffff",
    ],
};

fn dates(input: &[u8]) {
    let given = text(input);
    if let Ok(date) = DateTime::parse(&given, DateTime::MIN) {
        written(date);
    }
    if let Ok(date) = DateTimeOffset::parse(&given, DateTime::MIN) {
        let text = date.format("o").unwrap_or_default();
        assert_eq!(DateTimeOffset::parse(&text, DateTime::MIN), Ok(date), "{text}");
    }
    if let Ok(span) = TimeSpan::parse(&given) {
        assert_eq!(TimeSpan::parse(&span.to_text()), Ok(span), "{}", span.to_text());
    }
    if let Ok(guid) = Guid::parse(&given) {
        assert_eq!(Guid::parse(&guid.to_text()), Ok(guid));
    }
    let mut choices = Choices::new(input);
    let ticks = choices.word() as i64;
    let span = TimeSpan::from_ticks(ticks);
    assert_eq!(TimeSpan::parse(&span.to_text()), Ok(span), "{}", span.to_text());
    let date = DateTime::from_ticks_clamped(ticks, DateTimeKind::Utc);
    written(date);
    let format = text(choices.rest());
    if let Ok(text) = date.format(&format) {
        let _ = DateTime::parse_exact(&text, &format, DateTime::MIN);
    }
    let _ = (
        span.format(&format),
        DateTime::parse_exact(&given, &format, DateTime::MIN),
    );
}

fn written(date: DateTime) {
    let plain = date.with_kind(DateTimeKind::Unspecified);
    let text = plain.format("o").unwrap_or_default();
    let read = DateTime::parse(&text, DateTime::MIN).map(DateTime::ticks);
    assert_eq!(read, Ok(date.ticks()), "{text}");
}
