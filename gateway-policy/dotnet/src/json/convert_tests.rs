//! Recorded answers of Newtonsoft.Json 11 for casts and `Value<T>`.

use super::*;
use crate::json::parse_token;

const TODAY: DateTime = DateTime::MIN;

fn show(result: Result<Scalar, Error>) -> String {
    result.map_or_else(|e| format!("!{}", e.message), |s| s.to_text().to_string())
}

#[test]
fn casts() {
    const INT: Target = Target::Integer(IntType::Int32);
    for (json, target, expected) in [
        ("1.7", INT, "2"),
        ("\"12\"", INT, "12"),
        ("null", INT, "!Can not convert Null to Int32."),
        ("\"x\"", INT, "!Input string was not in a correct format."),
        (
            "5000000000",
            INT,
            "!Value was either too large or too small for an Int32.",
        ),
        (
            "12345678901234567890",
            INT,
            "!Value was either too large or too small for an Int32.",
        ),
        (
            "1e10",
            INT,
            "!Value was either too large or too small for an Int32.",
        ),
        ("true", INT, "1"),
        ("[]", INT, "!Can not convert Array to Int32."),
        ("\"2024-01-02T03:04:05Z\"", INT, "!Can not convert Date to Int32."),
        ("2.5", Target::Integer(IntType::Int64), "2"),
        ("1", Target::Boolean, "True"),
        (
            "\"yes\"",
            Target::Boolean,
            "!String 'yes' was not recognized as a valid Boolean.",
        ),
        ("\"1.5\"", Target::Double, "1.5"),
        ("1.10", Target::Decimal, "1.1"),
        ("\"1.10\"", Target::Decimal, "1.10"),
        ("12345678901234567890", Target::String, "12345678901234567890"),
        ("1e100", Target::String, "1E+100"),
        ("1.50", Target::String, "1.5"),
        ("true", Target::String, "True"),
        ("[1]", Target::String, "!Can not convert Array to String."),
        ("{}", Target::String, "!Can not convert Object to String."),
        ("\"2024-01-02T03:04:05Z\"", Target::String, "01/02/2024 03:04:05"),
        (
            "\"2024-01-02T03:04:05Z\"",
            Target::DateTime,
            "01/02/2024 03:04:05",
        ),
        ("\"2024-01-02\"", Target::DateTime, "01/02/2024 00:00:00"),
        ("5", Target::DateTime, "!Can not convert Integer to DateTime."),
        (
            "\"2024-01-02T03:04:05Z\"",
            Target::DateTimeOffset,
            "01/02/2024 03:04:05 +00:00",
        ),
        (
            "\"6f9619ff-8b86-d011-b42d-00cf4fc964ff\"",
            Target::Guid,
            "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        ),
        ("\"00:00:01\"", Target::TimeSpan, "00:00:01"),
        ("\"a\"", Target::Integer(IntType::Char), "97"),
        ("65", Target::Integer(IntType::Char), "65"),
        (
            "300",
            Target::Integer(IntType::Byte),
            "!Value was either too large or too small for an unsigned byte.",
        ),
        (
            "-1",
            Target::Integer(IntType::UInt32),
            "!Value was either too large or too small for a UInt32.",
        ),
        ("0.1", Target::Single, "0.1"),
    ] {
        let token = parse_token(&Str::new(json)).unwrap();
        assert_eq!(show(cast(&token, target, TODAY)), expected, "{json} {target:?}");
    }
    assert!(cast_nullable(&Token::null(), INT, TODAY).unwrap().is_none());
    let property = Token::property(Str::new("a"), Some(&Token::value(Scalar::Integer(5))));
    assert_eq!(show(cast(&property, INT, TODAY)), "5");
}

#[test]
fn value_of_t() {
    const INT: Target = Target::Integer(IntType::Int32);
    for (json, target, expected) in [
        ("\"1\"", INT, "1"),
        ("1.5", INT, "2"),
        ("null", INT, "!Null object cannot be converted to a value type."),
        ("null", Target::String, ""),
        ("true", Target::String, "True"),
        ("1", Target::Boolean, "True"),
        (
            "\"x\"",
            Target::Boolean,
            "!String 'x' was not recognized as a valid Boolean.",
        ),
        ("\"2024-01-02T03:04:05Z\"", Target::String, "01/02/2024 03:04:05"),
        (
            "\"2024-01-02T03:04:05Z\"",
            INT,
            "!Invalid cast from 'DateTime' to 'Int32'.",
        ),
        (
            "\"x\"",
            Target::Guid,
            "!Invalid cast from 'System.String' to 'System.Guid'.",
        ),
        (
            "12345678901234567890",
            Target::Integer(IntType::Int64),
            "!Object must implement IConvertible.",
        ),
        ("1", Target::Double, "1"),
        (
            "5000000000",
            INT,
            "!Value was either too large or too small for an Int32.",
        ),
    ] {
        let value = parse_token(&Str::new(json)).unwrap().scalar().unwrap();
        assert_eq!(
            show(change_type(&value, target, TODAY)),
            expected,
            "{json} {target:?}"
        );
    }
}

#[test]
fn a_null_string_is_a_string() {
    let token = Token::value(Scalar::NullString);
    assert_eq!(token.token_type(), TokenType::String);
    assert_eq!(token.to_json(crate::json::Formatting::None).unwrap(), "null");
    assert_eq!(show(cast(&token, Target::Integer(IntType::Int32), TODAY)), "0");
    assert!(cast_nullable(&token, Target::String, TODAY).unwrap().is_none());
}
