//! No input panics: every parser and formatter is fed noise from alphabets that its syntax is made of.

use gateway_dotnet::{
    Str,
    encoding::Encoding,
    guid::Guid,
    json::{self, Formatting},
    net::{self, Uri, UriKind, web},
    number::{self, IntType, NumberStyles, convert},
    text::{self, Separators, StringComparison},
    time::{DateTime, DateTimeKind, DateTimeOffset, TimeSpan, TimeZone},
};

/// Rounds per test: a second or two in a debug build.
const ROUNDS: usize = 20_000;

/// A small generator with a fixed seed: a failure repeats.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn text(&mut self, pieces: &[&str]) -> String {
        (0..self.below(12))
            .map(|_| pieces[self.below(pieces.len())])
            .collect()
    }
}

#[test]
fn numbers() {
    let mut noise = Noise(1);
    let pieces = [
        "0", "#", ".", ",", "%", "‰", ";", "E+0", "e00", "'", "\"", "\\", "é", "X", "D9", "99", "-", "1",
        "\0",
    ];
    let figures = [
        "1", "0", "9", ".", ",", "-", "+", "e", "E9999", "(", ")", " ", "¤", "NaN", "∞", "\0", "5",
    ];
    for _ in 0..ROUNDS {
        let format = noise.text(&pieces);
        let value = f64::from_bits(noise.next());
        let _ = number::format_double(value, &format);
        let _ = number::format_single(value as f32, &format);
        let _ = number::format_integer(i128::from(noise.next() as i64), IntType::Int64, &format);
        let digits = noise.text(&figures);
        let styles = NumberStyles(noise.below(1024) as i32);
        let _ = number::parse_integer(&digits, styles, IntType::Int32);
        let _ = number::parse_double(&digits, styles);
        let _ = convert::parse_base(&digits, 16, IntType::Int64);
        if let (Ok(a), Ok(b)) = (
            number::Decimal::from_f64(value),
            number::parse_decimal(&digits, styles),
        ) {
            let _ = number::format_decimal(a, &format);
            let _ = (
                a.add(b),
                a.subtract(b),
                a.multiply(b),
                a.divide(b),
                a.remainder(b),
                a.compare(b),
            );
        }
        let _ = convert::double_cast(value, IntType::UInt64);
        let _ = convert::double_to_integer(value, IntType::UInt64);
    }
}

#[test]
fn times() {
    let mut noise = Noise(2);
    let today = DateTime::MIN;
    let formats = [
        "y", "M", "d", "H", "h", "m", "s", "f", "F", "t", "z", "K", "%", "'", "\"", "\\", "é", ":", "/", ".",
        "g",
    ];
    let clocks = [
        "2024", "01", "9", ":", "-", "/", ".", "T", "Z", "+", " ", "Jan", "Tue", "PM", "am", ",", "é",
        "99999",
    ];
    let zone = TimeZone::find("Europe/Berlin").unwrap();
    for _ in 0..ROUNDS {
        let format = noise.text(&formats);
        let date = DateTime::from_ticks_clamped(noise.next() as i64, DateTimeKind::Local);
        let _ = date.format(&format);
        let _ = DateTimeOffset::from_datetime(date).format(&format);
        let span = TimeSpan::from_ticks(noise.next() as i64);
        let _ = span.format(&format);
        let clock = noise.text(&clocks);
        let _ = DateTime::parse(&clock, today);
        let _ = DateTimeOffset::parse(&clock, today);
        let _ = TimeSpan::parse(&clock);
        let _ = date.add_months(noise.next() as i32);
        let _ = date.add_units(f64::from_bits(noise.next()), 10_000_000);
        let _ = TimeSpan::from_units(f64::from_bits(noise.next()), 10_000);
        let plain = date.with_kind(DateTimeKind::Unspecified);
        let _ = TimeZone::convert(plain, &zone, &TimeZone::utc());
        let _ = TimeZone::convert(plain, &TimeZone::utc(), &zone);
        let _ = TimeZone::convert_offset(DateTimeOffset::from_datetime(date), &zone);
        let _ = DateTimeOffset::from_datetime(date).to_offset(span);
    }
    for edge in [DateTime::MIN, DateTime::MAX] {
        let _ = TimeZone::convert(edge, &zone, &TimeZone::utc());
        let _ = TimeZone::convert(edge, &TimeZone::utc(), &zone);
        let _ = (
            zone.is_invalid(edge),
            zone.is_ambiguous(edge),
            edge.ymd(),
            edge.format("D"),
        );
    }
}

#[test]
fn documents() {
    let mut noise = Noise(3);
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "'",
        "\\",
        "\\u",
        "d83d",
        "/",
        "*",
        "//",
        "\n",
        "\r",
        "a",
        "é",
        "1",
        "-",
        ".",
        "e",
        "x",
        "true",
        "null",
        "new ",
        "(",
        ")",
        "NaN",
        "0x",
        "\"2024-01-02T03:04:05",
        "Z\"",
        " ",
        "\0",
        "😀",
    ];
    let paths = [
        "$", ".", "..", "a", "[", "]", "'", "*", ":", "-1", "0", "?(", "@", "==", ")", "&&", "||", "<", "=~",
        "/x/i", " ", ",", "\\", "é", "1e5", "null",
    ];
    let sample = json::parse_token(&Str::new("{\"a\":[1,{\"a\":\"x\",\"b\":[2]}],\"b\":null}")).unwrap();
    for _ in 0..ROUNDS {
        let text = Str::from(noise.text(&pieces));
        if let Ok(token) = json::parse_token(&text) {
            let _ = token.to_json(Formatting::Indented);
            let _ = token.deep_clone();
            token.descendants().iter().for_each(|t| drop(t.path()));
        }
        let _ = json::parse_object(&text);
        let _ = json::deserialize(&text);
        let path = Str::from(noise.text(&paths));
        let _ = json::select_tokens(&sample, &path, noise.below(2) == 0);
    }
}

#[test]
fn texts() {
    let mut noise = Noise(4);
    let pieces = [
        "{", "}", "0", "1", ",", ":", "-", " ", "a", "é", "😀", "X", "999999",
    ];
    let net_pieces = [
        "http", ":", "/", "//", "h", "@", "[", "]", "::1", "?", "#", "%", "%20", "%c3", "é", "..", ".", "\\",
        " ", "80", "&", "amp;", "#x41;", "+", ";", "mailto:", "c:", "\u{1}", "0x1", "256",
    ];
    for _ in 0..ROUNDS {
        let a = noise.text(&pieces);
        let b = Str::from(noise.text(&pieces));
        let _ = Guid::parse(&a);
        let a = Str::from(a);
        let (i, n) = (noise.below(10) as i32 - 2, noise.below(10) as i32 - 2);
        let args: [&dyn text::FormatArg; 2] = [&a, &b];
        let _ = text::format(&b, &args);
        let _ = (
            a.substring(i),
            a.substring_len(i, n),
            a.remove_len(i, n),
            a.insert(i, &b),
            a.to_char_array(i, n),
        );
        for how in [StringComparison::Ordinal, StringComparison::OrdinalIgnoreCase] {
            let _ = a.index_of_in(&b, i, Some(n), how);
            let _ = a.last_index_of(&b, Some(i), Some(n), how);
            let _ = (
                a.replace(&b, &a, how),
                a.starts_with(&b, how),
                a.ends_with(&b, how),
                a.equals(&b, how),
            );
        }
        let _ = a.last_index_of_any(&[65, 0xE9], Some(i), Some(n));
        let _ = a.split(&Separators::Text(Some(&b)), n, true);
        let _ = a.split(&Separators::Chars(&b.to_utf16()), n, false);
        // Cutting anywhere, inside a pair too.
        let cut = a.slice(noise.below(6), noise.below(6));
        let _ = (
            cut.to_upper(),
            cut.trim(&[], true, true),
            cut.to_lossy().len(),
            cut.compare(&b, true),
        );
        let _ = Str::concat(&[&cut, &b, &cut]);
        let text = Str::from(noise.text(&net_pieces));
        for kind in [UriKind::Absolute, UriKind::RelativeOrAbsolute, UriKind::Relative] {
            if let Ok(uri) = Uri::new(&text, kind) {
                let _ = (
                    uri.to_text(),
                    uri.absolute_uri(),
                    uri.combine(&b),
                    uri.segments(),
                    uri.make_relative(&uri),
                );
            }
        }
        let _ = (
            web::html_decode(&text),
            web::html_encode(&text),
            web::url_decode(&text),
            web::url_encode(&cut),
        );
        let _ = (
            net::parse_ip(&text),
            net::unescape_data_string(&text),
            net::escape_data_string(&cut),
        );
        let bytes: Vec<u8> = (0..noise.below(9)).map(|_| noise.next() as u8).collect();
        for encoding in [
            Encoding::Utf8,
            Encoding::Unicode,
            Encoding::Utf32,
            Encoding::Ascii,
        ] {
            let _ = encoding.bytes(&encoding.string(&bytes));
        }
        let _ = convert::from_base64(&text.to_lossy());
    }
}
