//! Members of `Uri` beyond the common ones; the registry adds them to the type.

use gateway_dotnet::net::check_host_name;

use super::*;
use crate::lib::Entry;

const OUTSIDE: &str = "Specified argument was out of the range of valid values.";

fn hex_digit(unit: u16) -> Option<u32> {
    char::from_u32(u32::from(unit))?.to_digit(16)
}

/// The byte of the escape at a place, if one is there.
fn escape_at(text: &Str, at: usize) -> Option<u16> {
    let digit = |i: usize| text.get(at.checked_add(i)?).and_then(hex_digit);
    if text.get(at) != Some(u16::from(b'%')) {
        return None;
    }
    Some((digit(1)? * 16 + digit(2)?) as u16)
}

fn hex_unescape(c: &mut Call<'_, '_>) -> Eval {
    let text = c.text(0, "pattern")?;
    let index = c.int(1)?;
    let at = usize::try_from(index).ok().filter(|at| *at < text.len());
    let at = at.ok_or_else(|| Error::out_of_range("index", OUTSIDE))?;
    let (unit, step) = match escape_at(&text, at) {
        Some(unit) => (unit, 3),
        None => (text.get(at).unwrap_or(0), 1),
    };
    c.out(1, Value::Int(index + step));
    Ok(Value::Char(unit))
}

fn components(c: &mut Call<'_, '_>) -> Eval {
    let (wanted, format) = (c.int(1)? as u32, c.int(2)?);
    string(with(c, 0, |u| u.components(wanted, format))?)
}

fn compare(c: &mut Call<'_, '_>) -> Eval {
    let (wanted, format) = (c.int(2)? as u32, c.int(3)?);
    let how = base::comparison(c, 4)?;
    Ok(Value::Int(match (c.arg(0), c.arg(1)) {
        (Value::Null, Value::Null) => 0,
        (Value::Null, _) => -1,
        (_, Value::Null) => 1,
        _ => {
            let other = with(c, 1, |u| Ok(u.clone()))?;
            with(c, 0, |u| u.compare(&other, wanted, format, how))?
        }
    }))
}

fn host_name_type(name: &str) -> Eval {
    let def = registry()
        .by_full_name("System.UriHostNameType")
        .unwrap_or(crate::types::OBJECT);
    let values = &registry().def(def).values;
    let value = values.iter().find(|(n, _)| *n == name).map_or(0, |(_, v)| *v);
    Ok(Value::Enum(def, value))
}

/// `WebUtility.HtmlEncode(value, output)` and its counterpart: null writes nothing.
pub(super) fn html_to(c: &mut Call<'_, '_>, f: fn(&Str) -> Str) -> Eval {
    if c.arg(1).is_null() {
        return Err(Error::null("output").into());
    }
    if let Some(value) = c.opt_str(0) {
        c.vm.charge(value.len() * 3)?;
        let made = f(&value);
        let writer = c.object(1)?;
        crate::lib::io::write_to(c, &writer, &made.to_lossy())?;
    }
    Ok(Value::Null)
}

/// Members of `Uri`.
pub(crate) const URI: &[Entry] = &[
    Get("ctor(string uriString, bool dontEscape)", new_uri),
    Get("ctor(Uri baseUri, string relativeUri, bool dontEscape)", combined),
    Get("static string UriSchemeFile", |_| string("file")),
    Get("static string UriSchemeFtp", |_| string("ftp")),
    Get("static string UriSchemeGopher", |_| string("gopher")),
    Get("static string UriSchemeMailto", |_| string("mailto")),
    Get("static string UriSchemeNews", |_| string("news")),
    Get("static string UriSchemeNntp", |_| string("nntp")),
    Get("static string UriSchemeNetTcp", |_| string("net.tcp")),
    Get("static string UriSchemeNetPipe", |_| string("net.pipe")),
    Get("static UriHostNameType CheckHostName(string name)", |c| {
        host_name_type(check_host_name(&c.str_or_empty(0)))
    }),
    Get("static string HexEscape(char character)", |c| {
        match c.char(0)? {
            unit @ 0..=0xFF => string(format!("%{unit:02X}")),
            _ => Err(Error::out_of_range("character", OUTSIDE).into()),
        }
    }),
    Get(
        "static char HexUnescape(string pattern, ref int index)",
        hex_unescape,
    ),
    Get("static bool IsHexDigit(char character)", |c| {
        Ok(Value::Bool(hex_digit(c.char(0)?).is_some()))
    }),
    Get("static int FromHex(char digit)", |c| {
        match hex_digit(c.char(0)?) {
            Some(value) => Ok(Value::Int(value as i32)),
            None => Err(Error::argument("digit", "Value does not fall within the expected range.").into()),
        }
    }),
    Get("static bool IsHexEncoding(string pattern, int index)", |c| {
        let text = c.text(0, "pattern")?;
        let (at, len) = (c.int(1)?, text.len() as i64);
        match usize::try_from(at) {
            Ok(at) => Ok(Value::Bool(escape_at(&text, at).is_some())),
            Err(_) if len - i64::from(at) < 3 => Ok(Value::Bool(false)),
            Err(_) => Err(Error::of(gateway_dotnet::ExceptionKind::IndexOutOfRangeException).into()),
        }
    }),
    Get("bool IsUnc", |c| Ok(Value::Bool(with(c, 0, Uri::is_unc)?))),
    Get("bool UserEscaped", |c| {
        with(c, 0, |_| Ok(()))?;
        Ok(Value::Bool(false))
    }),
    Get("bool IsWellFormedOriginalString()", |c| {
        Ok(Value::Bool(with(c, 0, |u| {
            Ok(Uri::is_well_formed(
                u.original(),
                if u.is_absolute() {
                    UriKind::Absolute
                } else {
                    UriKind::Relative
                },
            ))
        })?))
    }),
    Get(
        "string GetComponents(UriComponents components, UriFormat format)",
        components,
    ),
    Get(
        "static int Compare(Uri uri1, Uri uri2, UriComponents partsToCompare, UriFormat compareFormat, StringComparison comparisonType)",
        compare,
    ),
    Get("string MakeRelative(Uri toUri)", |c| {
        if c.arg(1).is_null() {
            return Err(Error::null("toUri").into());
        }
        let to = with(c, 1, |u| Ok(u.clone()))?;
        string(with(c, 0, |u| u.old_relative(&to))?)
    }),
];

pub(crate) const TYPES: &[Decl] = &[
    values(
        "flags enum System.UriComponents",
        Verdict::None,
        &[
            ("SerializationInfoString", i32::MIN as i64),
            ("Scheme", 1),
            ("UserInfo", 2),
            ("Host", 4),
            ("Port", 8),
            ("SchemeAndServer", 13),
            ("Path", 16),
            ("Query", 32),
            ("PathAndQuery", 48),
            ("HttpRequestUrl", 61),
            ("Fragment", 64),
            ("AbsoluteUri", 127),
            ("StrongPort", 128),
            ("HostAndPort", 132),
            ("StrongAuthority", 134),
            ("NormalizedHost", 256),
            ("KeepDelimiter", 0x4000_0000),
        ],
    ),
    values(
        "enum System.UriFormat",
        Verdict::None,
        &[("UriEscaped", 1), ("Unescaped", 2), ("SafeUnescaped", 3)],
    ),
];
