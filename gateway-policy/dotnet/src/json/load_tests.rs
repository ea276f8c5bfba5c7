//! Recorded answers of Newtonsoft.Json 11 for reading and writing.

use super::*;
use crate::json::{Formatting, MAX_DEPTH};

fn show(result: Result<Token, Error>) -> String {
    result
        .and_then(|t| t.to_json(Formatting::None))
        .map_or_else(|e| format!("!{}", e.message), |s| s.to_string())
}

#[test]
fn objects() {
    for (json, expected) in [
        ("{a:1}", "{\"a\":1}"),
        ("{'a':'b'}", "{\"a\":\"b\"}"),
        ("{1:1}", "{\"1\":1}"),
        ("{\"a\":1,}", "{\"a\":1}"),
        ("{\"a\":1,\"b\":0,\"a\":2}", "{\"a\":2,\"b\":0}"),
        ("{\"a\":\"line\nbreak\"}", "{\"a\":\"line\\nbreak\"}"),
        (
            "x",
            "!Unexpected character encountered while parsing value: x. Path '', line 0, position 0.",
        ),
        (
            "",
            "!Error reading JObject from JsonReader. Path '', line 0, position 0.",
        ),
        (
            "{",
            "!Error reading JObject from JsonReader. Path '', line 1, position 1.",
        ),
        (
            "{\"a\"",
            "!Invalid character after parsing property name. Expected ':' but got: \0. Path '', line 1, position 4.",
        ),
        (
            "{\"a\":",
            "!Unexpected end of content while loading JObject. Path 'a', line 1, position 5.",
        ),
        (
            "{\"a\":1",
            "!Unexpected end of content while loading JObject. Path 'a', line 1, position 6.",
        ),
        (
            "{\"a\":1,",
            "!Unexpected end of content while loading JObject. Path 'a', line 1, position 7.",
        ),
        (
            "{\"a\":1 \"b\":2}",
            "!After parsing a value an unexpected character was encountered: \". Path 'a', line 1, position 7.",
        ),
        (
            "{\"a\":1]",
            "!JsonToken EndArray is not valid for closing JsonType Object. Path '', line 1, position 7.",
        ),
        (
            "{\"a\":}",
            "!Unexpected character encountered while parsing value: }. Path 'a', line 1, position 5.",
        ),
        (
            "{a b:1}",
            "!Invalid character after parsing property name. Expected ':' but got: b. Path '', line 1, position 3.",
        ),
        (
            "{a",
            "!Unexpected end while parsing unquoted property name. Path '', line 1, position 2.",
        ),
        (
            "{,}",
            "!Invalid property identifier character: ,. Path '', line 1, position 1.",
        ),
        (
            "{\"a\":{\"b\":[1,{\"c\":x}]}}",
            "!Unexpected character encountered while parsing value: x. Path 'a.b[1].c', line 1, position 18.",
        ),
        (
            "{\"a\":{\"b\":[1,{\"c\":tru}]}}",
            "!Error parsing boolean value. Path 'a.b[1].c', line 1, position 21.",
        ),
        (
            "{\"a b\":{\"c.d\":[x]}}",
            "!Unexpected character encountered while parsing value: x. Path '['a b']['c.d']', line 1, position 15.",
        ),
        (
            "{\r\n \"a\": 1,\r\n \"b\": x\r\n}",
            "!Unexpected character encountered while parsing value: x. Path 'b', line 3, position 6.",
        ),
        (
            "{\"a\":\"unterminated\n}",
            "!Unterminated string. Expected delimiter: \". Path 'a', line 2, position 1.",
        ),
        (
            "{\"a\":1}}",
            "!Additional text encountered after finished reading JSON content: }. Path '', line 1, position 7.",
        ),
        (
            "null",
            "!Error reading JObject from JsonReader. Current JsonReader item is not an object: Null. Path '', line 1, position 4.",
        ),
        (
            "[1]",
            "!Error reading JObject from JsonReader. Current JsonReader item is not an object: StartArray. Path '', line 1, position 1.",
        ),
    ] {
        assert_eq!(show(parse_object(&Str::new(json))), expected, "{json}");
    }
}

#[test]
fn arrays() {
    for (json, expected) in [
        ("[1,,2,]", "[1,undefined,2]"),
        (
            "[1,2",
            "!Unexpected end of content while loading JArray. Path '[1]', line 1, position 4.",
        ),
        (
            "[1 2]",
            "!After parsing a value an unexpected character was encountered: 2. Path '[0]', line 1, position 3.",
        ),
        (
            "[",
            "!Error reading JArray from JsonReader. Path '', line 1, position 1.",
        ),
        (
            "{}",
            "!Error reading JArray from JsonReader. Current JsonReader item is not an array: StartObject. Path '', line 1, position 1.",
        ),
    ] {
        assert_eq!(show(parse_array(&Str::new(json))), expected, "{json}");
    }
}

#[test]
fn tokens() {
    for (json, expected) in [
        (
            "{\"a\":1.0,\"b\":1e3,\"c\":0.10}",
            "{\"a\":1.0,\"b\":1000.0,\"c\":0.1}",
        ),
        ("{\"a\":12345678901234567890}", "{\"a\":12345678901234567890}"),
        (
            " ",
            "!Error reading JToken from JsonReader. Path '', line 1, position 1.",
        ),
        (
            "1 2",
            "!Additional text encountered after finished reading JSON content: 2. Path '', line 1, position 2.",
        ),
        ("{} // c\n", "{}"),
        ("/* c */ {\"a\": /* d */ 1}", "/* c */"),
        (
            "/x",
            "!Unexpected end while parsing comment. Path '', line 1, position 1.",
        ),
        (
            "/* unterminated",
            "!Unexpected end while parsing comment. Path '', line 1, position 15.",
        ),
        (
            "\"abc",
            "!Unterminated string. Expected delimiter: \". Path '', line 1, position 4.",
        ),
        (
            "\"a\\x\"",
            "!Bad JSON escape sequence: \\x. Path '', line 1, position 4.",
        ),
        (
            "\"a\\u12\"",
            "!Unexpected end while parsing Unicode escape sequence. Path '', line 1, position 4.",
        ),
        (
            "\"a\\u12zz\"",
            "!Invalid Unicode escape sequence: \\u12zz. Path '', line 1, position 4.",
        ),
        ("\"\\ud83d\"", "\"\u{FFFD}\""),
        ("\"\\ud83d\\ude00\"", "\"😀\""),
        (
            "tru",
            "!Unexpected end when reading JSON. Path '', line 1, position 3.",
        ),
        (
            "trux",
            "!Error parsing boolean value. Path '', line 1, position 3.",
        ),
        (
            "truex",
            "!Error parsing boolean value. Path '', line 1, position 4.",
        ),
        ("nulx", "!Error parsing null value. Path '', line 1, position 3."),
        (
            "nope",
            "!Unexpected character encountered while parsing value: n. Path '', line 0, position 0.",
        ),
        (
            "n",
            "!Unexpected end when reading JSON. Path '', line 1, position 1.",
        ),
        ("-Infinity", "\"-Infinity\""),
        ("undefined", "undefined"),
        ("010", "8"),
        (
            "09",
            "!Input string '09' is not a valid number. Path '', line 1, position 2.",
        ),
        ("0x1F", "31"),
        ("1.", "1.0"),
        (".5", "0.5"),
        (
            "-",
            "!Input string '-' is not a valid number. Path '', line 1, position 1.",
        ),
        (
            "+1",
            "!Unexpected character encountered while parsing value: +. Path '', line 0, position 0.",
        ),
        ("1e400", "\"Infinity\""),
        (
            "1a",
            "!Input string '1a' is not a valid number. Path '', line 1, position 2.",
        ),
        (
            "1g",
            "!Unexpected character encountered while parsing number: g. Path '', line 1, position 1.",
        ),
        (
            "1..2",
            "!Input string '1..2' is not a valid number. Path '', line 1, position 4.",
        ),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("0.1234567890123456789", "0.12345678901234568"),
        (
            "]",
            "!JsonToken EndArray is not valid for closing JsonType None. Path '', line 1, position 1.",
        ),
        (
            "}",
            "!Unexpected character encountered while parsing value: }. Path '', line 0, position 0.",
        ),
        (
            ",",
            "!Additional text encountered after finished reading JSON content: ,. Path '', line 1, position 0.",
        ),
        ("new Date(1,2)", "new Date(1,2)"),
        (
            "\"2024-01-02T03:04:05.1234567+02:00\"",
            "\"2024-01-02T01:04:05.1234567+00:00\"",
        ),
        (
            "\"\\u0001\\u001f\\u007f\\u0085\\b\\f\\/'<>&\"",
            "\"\\u0001\\u001f\u{7f}\\u0085\\b\\f/'<>&\"",
        ),
    ] {
        assert_eq!(show(parse_token(&Str::new(json))), expected, "{json}");
    }
    let long = format!("1{}", "0".repeat(400));
    assert!(
        show(parse_token(&Str::from(long)))
            .ends_with("is too large to parse. Path '', line 1, position 401.")
    );
}

#[test]
fn indented() {
    for (json, expected) in [
        (
            "{\"a\":{\"b\":[1,2]}}",
            "{\n  \"a\": {\n    \"b\": [\n      1,\n      2\n    ]\n  }\n}",
        ),
        ("[1,[],{},[[]]]", "[\n  1,\n  [],\n  {},\n  [\n    []\n  ]\n]"),
        ("new Date(1,2)", "new Date(\n  1,\n  2\n)"),
        ("\"x\"", "x"),
        ("\"2024-01-02T03:04:05Z\"", "01/02/2024 03:04:05"),
        ("null", ""),
    ] {
        assert_eq!(
            parse_token(&Str::new(json)).unwrap().to_text().unwrap(),
            expected,
            "{json}"
        );
    }
}

#[test]
fn deserializing() {
    let message = |t: &str| deserialize(&Str::new(t)).unwrap_err();
    assert!(deserialize(&Str::EMPTY).unwrap().is_none());
    for (json, expected) in [
        (
            "{",
            "Unexpected end when reading JSON. Path '', line 1, position 1.",
        ),
        (
            "{\"a\":1",
            "Unexpected end when deserializing object. Path 'a', line 1, position 6.",
        ),
        ("[1,", "Unexpected end when reading token. Path ''."),
        (
            "{} x",
            "Additional text encountered after finished reading JSON content: x. Path '', line 1, position 3.",
        ),
    ] {
        assert_eq!(message(json).message, expected, "{json}");
    }
    assert_eq!(message("{").kind, ExceptionKind::JsonSerializationException);
}

#[test]
fn depth_is_bounded() {
    let deep = "[".repeat(100_000);
    assert_eq!(
        parse_token(&Str::from(deep)).unwrap_err().kind,
        ExceptionKind::BudgetExceeded
    );
    let fits = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    let token = parse_token(&Str::from(fits)).unwrap();
    assert_eq!(token.to_json(Formatting::None).unwrap().len(), MAX_DEPTH * 2);
    assert!(token.deep_equals(&token.deep_clone().unwrap()).unwrap());
}

#[test]
fn lone_surrogates_survive_writing() {
    let text = Str::from_utf16(&[0x61, 0xD83D, 0xF8FF, 0x22]);
    let json = Token::value(Scalar::String(text))
        .to_json(Formatting::None)
        .unwrap();
    assert_eq!(json.to_utf16(), [0x22, 0x61, 0xD83D, 0xF8FF, 0x5C, 0x22, 0x22]);
}
