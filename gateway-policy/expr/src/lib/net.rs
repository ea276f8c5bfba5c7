//! `Uri`, `WebUtility`, `IPAddress`.

mod more;

use std::{net::IpAddr, rc::Rc};

use gateway_dotnet::{
    Error, Str,
    net::{self, Uri, UriKind, UriPartial},
};

use super::{
    Call, Decl,
    Entry::Get,
    Verdict, all, base,
    call::{string, text},
    only, values,
};
use crate::{
    Value,
    object::{Data, Object},
    types::{self, Type, registry},
    vm::{Eval, Thrown},
};

pub(super) use more::{TYPES as MORE, URI};

fn wrap(uri: Uri) -> Value {
    Value::object(Type::Def(types::URI), Data::Native(Box::new(uri)))
}

/// A `System.Uri` of a text that has been parsed before; the text itself when it cannot be.
pub(crate) fn make_uri(s: &Str) -> Value {
    match Uri::new(s, UriKind::RelativeOrAbsolute) {
        Ok(uri) => wrap(uri),
        Err(_) => Value::Str(s.clone()),
    }
}

/// The original text of a `Uri` object.
pub(crate) fn uri_text(o: &Rc<Object>) -> Option<Str> {
    o.native::<Uri>().map(|u| u.original().clone())
}

fn with<R>(c: &Call<'_, '_>, i: usize, f: impl FnOnce(&Uri) -> Result<R, Error>) -> Result<R, Thrown> {
    let o = c.object(i)?;
    match o.native::<Uri>() {
        Some(uri) => Ok(f(uri)?),
        None => Err(Error::null_reference().into()),
    }
}

fn kind(c: &Call<'_, '_>, i: usize) -> UriKind {
    match c.arg(i) {
        Value::Enum(_, 0) => UriKind::RelativeOrAbsolute,
        Value::Enum(_, 2) => UriKind::Relative,
        _ => UriKind::Absolute,
    }
}

fn new_uri(c: &mut Call<'_, '_>) -> Eval {
    let s = c.text(0, "uriString")?;
    Ok(wrap(Uri::new(&s, kind(c, 1))?))
}

fn combined(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(0).is_null() {
        return Err(Error::null("baseUri").into());
    }
    let relative = match c.arg(1) {
        Value::Object(_) => with(c, 1, |u| Ok(u.original().clone()))?,
        _ => c.text(1, "relativeUri")?,
    };
    Ok(wrap(with(c, 0, |u| u.combine(&relative))?))
}

fn try_create(c: &mut Call<'_, '_>) -> Eval {
    let last = c.args.len() - 1;
    let made = match (c.arg(0).clone(), c.arg(1).clone()) {
        (Value::Str(s), Value::Enum(..)) => Uri::new(&s, kind(c, 1)).ok(),
        (Value::Object(_), Value::Str(s)) => with(c, 0, |u| u.combine(&s)).ok(),
        (Value::Object(_), Value::Object(_)) => {
            let s = with(c, 1, |u| Ok(u.original().clone()))?;
            with(c, 0, |u| u.combine(&s)).ok()
        }
        _ => None,
    };
    let ok = made.is_some();
    c.out(last, made.map_or(Value::Null, wrap));
    Ok(Value::Bool(ok))
}

fn is_equal(c: &Call<'_, '_>) -> bool {
    match (c.arg(0), c.arg(1)) {
        (Value::Object(a), Value::Object(b)) => match (a.native::<Uri>(), b.native::<Uri>()) {
            (Some(a), Some(b)) => same(a, b),
            _ => false,
        },
        (a, b) => a.is_null() && b.is_null(),
    }
}

/// Absolute URIs are equal without their fragments, relative ones by text.
pub(crate) fn same(a: &Uri, b: &Uri) -> bool {
    let key = |u: &Uri| match u.absolute_uri() {
        Ok(text) => text.split('#').next().unwrap_or("").to_owned(),
        Err(_) => u.original().to_lossy().into_owned(),
    };
    key(a) == key(b)
}

fn part(c: &Call<'_, '_>) -> UriPartial {
    match c.arg(1) {
        Value::Enum(_, 0) => UriPartial::Scheme,
        Value::Enum(_, 1) => UriPartial::Authority,
        Value::Enum(_, 2) => UriPartial::Path,
        _ => UriPartial::Query,
    }
}

fn host_kind(c: &mut Call<'_, '_>) -> Eval {
    let name = with(c, 0, |u| u.host_kind())?;
    let def = registry()
        .by_full_name("System.UriHostNameType")
        .unwrap_or(crate::types::OBJECT);
    let value = registry()
        .def(def)
        .values
        .iter()
        .find(|(n, _)| *n == name)
        .map_or(0, |(_, v)| *v);
    Ok(Value::Enum(def, value))
}

fn escape(c: &mut Call<'_, '_>, f: fn(&Str) -> Result<Str, Error>) -> Eval {
    let s = c.text(0, "stringToEscape")?;
    c.vm.charge(s.len() * 3)?;
    text(f(&s)?)
}

/// A `WebUtility` function: null stays null.
fn web(c: &mut Call<'_, '_>, f: fn(&Str) -> Str) -> Eval {
    match c.opt_str(0) {
        Some(s) => {
            c.vm.charge(s.len() * 3)?;
            text(f(&s))
        }
        None => Ok(Value::Null),
    }
}

/// A `WebUtility` function of a part of some bytes: null with nothing to do stays null.
fn web_bytes(c: &mut Call<'_, '_>, name: &str, f: fn(&[u8]) -> Vec<u8>) -> Eval {
    let (offset, count) = (c.int(1)?, c.int(2)?);
    if c.arg(0).is_null() && count == 0 {
        return Ok(Value::Null);
    }
    let bytes = c.bytes(0, name)?;
    let message = "Specified argument was out of the range of valid values.";
    let start = usize::try_from(offset).ok().filter(|o| *o <= bytes.len());
    let start = start.ok_or_else(|| Error::out_of_range("offset", message))?;
    let part = usize::try_from(count)
        .ok()
        .and_then(|n| bytes.get(start..start.checked_add(n)?));
    let part = part.ok_or_else(|| Error::out_of_range("count", message))?;
    c.vm.charge(part.len() * 3)?;
    Ok(Value::bytes(f(part)))
}

// ---- IP addresses

fn address(ip: IpAddr) -> Value {
    let ty = registry()
        .type_named("System.Net.IPAddress")
        .unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(ip)))
}

fn ip(c: &Call<'_, '_>, i: usize) -> Result<IpAddr, Thrown> {
    let o = c.object(i)?;
    o.native::<IpAddr>()
        .copied()
        .ok_or_else(|| Error::null_reference().into())
}

fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn family(c: &mut Call<'_, '_>) -> Eval {
    let def = registry()
        .by_full_name("System.Net.Sockets.AddressFamily")
        .unwrap_or(crate::types::OBJECT);
    Ok(Value::Enum(def, if ip(c, 0)?.is_ipv4() { 2 } else { 23 }))
}

/// `ToString()` of the objects kept here.
pub(super) fn native_text(o: &Object) -> Option<Str> {
    if let Some(uri) = o.native::<Uri>() {
        return Some(uri.to_text());
    }
    o.native::<IpAddr>().map(|ip| Str::new(&net::ip_to_text(*ip)))
}

const URI_MEMBERS: &[super::Entry] = &[
    Get("ctor(string uriString)", new_uri),
    Get("ctor(string uriString, UriKind uriKind)", new_uri),
    Get("ctor(Uri baseUri, string relativeUri)", combined),
    Get("ctor(Uri baseUri, Uri relativeUri)", combined),
    Get("static string SchemeDelimiter", |_| string("://")),
    Get("static string UriSchemeHttp", |_| string("http")),
    Get("static string UriSchemeHttps", |_| string("https")),
    Get(
        "static bool TryCreate(string uriString, UriKind uriKind, out Uri result)",
        try_create,
    ),
    Get(
        "static bool TryCreate(Uri baseUri, string relativeUri, out Uri result)",
        try_create,
    ),
    Get(
        "static bool TryCreate(Uri baseUri, Uri relativeUri, out Uri result)",
        try_create,
    ),
    Get("static string EscapeDataString(string stringToEscape)", |c| {
        escape(c, net::escape_data_string)
    }),
    Get("static string EscapeUriString(string stringToEscape)", |c| {
        escape(c, net::escape_uri_string)
    }),
    Get("static string UnescapeDataString(string stringToUnescape)", |c| {
        text(net::unescape_data_string(&c.text(0, "stringToUnescape")?))
    }),
    Get(
        "static bool IsWellFormedUriString(string uriString, UriKind uriKind)",
        |c| {
            Ok(Value::Bool(
                c.opt_str(0).is_some_and(|s| Uri::is_well_formed(&s, kind(c, 1))),
            ))
        },
    ),
    Get("static bool CheckSchemeName(string schemeName)", |c| {
        let s = c.str_or_empty(0).to_lossy().into_owned();
        let ok = s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        Ok(Value::Bool(ok))
    }),
    Get("bool IsAbsoluteUri", |c| {
        Ok(Value::Bool(with(c, 0, |u| Ok(u.is_absolute()))?))
    }),
    Get("string OriginalString", |c| {
        text(with(c, 0, |u| Ok(u.original().clone()))?)
    }),
    Get("string AbsoluteUri", |c| string(with(c, 0, Uri::absolute_uri)?)),
    Get("string AbsolutePath", |c| {
        string(with(c, 0, |u| Ok(u.absolute_path()?.to_owned()))?)
    }),
    Get("string LocalPath", |c| string(with(c, 0, Uri::local_path)?)),
    Get("string PathAndQuery", |c| {
        string(with(c, 0, Uri::path_and_query)?)
    }),
    Get("string Query", |c| {
        string(with(c, 0, |u| Ok(u.query()?.to_owned()))?)
    }),
    Get("string Fragment", |c| {
        string(with(c, 0, |u| Ok(u.fragment()?.to_owned()))?)
    }),
    Get("string Scheme", |c| {
        string(with(c, 0, |u| Ok(u.scheme()?.to_owned()))?)
    }),
    Get("string Host", |c| {
        string(with(c, 0, |u| Ok(u.host()?.to_owned()))?)
    }),
    Get("string DnsSafeHost", |c| {
        string(with(c, 0, |u| Ok(u.host()?.trim_matches(['[', ']']).to_owned()))?)
    }),
    Get("string IdnHost", |c| {
        string(with(c, 0, |u| Ok(u.host()?.trim_matches(['[', ']']).to_owned()))?)
    }),
    Get("string Authority", |c| string(with(c, 0, Uri::authority)?)),
    Get("string UserInfo", |c| {
        string(with(c, 0, |u| Ok(u.user_info()?.to_owned()))?)
    }),
    Get("int Port", |c| Ok(Value::Int(with(c, 0, Uri::port)?))),
    Get("bool IsDefaultPort", |c| {
        Ok(Value::Bool(with(c, 0, Uri::is_default_port)?))
    }),
    Get("bool IsLoopback", |c| {
        Ok(Value::Bool(with(c, 0, Uri::is_loopback)?))
    }),
    Get("bool IsFile", |c| {
        Ok(Value::Bool(with(c, 0, |u| Ok(u.scheme()? == "file"))?))
    }),
    Get("UriHostNameType HostNameType", host_kind),
    Get("string[] Segments", |c| {
        let parts = with(c, 0, Uri::segments)?;
        Ok(Value::strings(parts.iter().map(String::as_str)))
    }),
    Get("string GetLeftPart(UriPartial part)", |c| {
        let p = part(c);
        string(with(c, 0, |u| u.left_part(p))?)
    }),
    Get("Uri MakeRelativeUri(Uri uri)", |c| {
        let target = c.object(1)?;
        let Some(target) = target.native::<Uri>() else {
            return Err(Error::null("uri").into());
        };
        Ok(wrap(with(c, 0, |u| u.make_relative(target))?))
    }),
    Get("bool IsBaseOf(Uri uri)", |c| {
        let target = c.object(1)?;
        let Some(target) = target.native::<Uri>() else {
            return Err(Error::null("uri").into());
        };
        Ok(Value::Bool(with(c, 0, |u| u.is_base_of(target))?))
    }),
    Get("string ToString()", base::to_string),
    Get("bool Equals(object comparand)", |c| Ok(Value::Bool(is_equal(c)))),
    Get("int GetHashCode()", base::hash_code),
    Get("static bool operator ==(Uri uri1, Uri uri2)", |c| {
        Ok(Value::Bool(is_equal(c)))
    }),
    Get("static bool operator !=(Uri uri1, Uri uri2)", |c| {
        Ok(Value::Bool(!is_equal(c)))
    }),
];

pub(super) const TYPES: &[Decl] = &[
    all("class System.Uri", URI_MEMBERS),
    values(
        "enum System.UriPartial",
        Verdict::All,
        &[("Scheme", 0), ("Authority", 1), ("Path", 2), ("Query", 3)],
    ),
    values(
        "enum System.UriKind",
        Verdict::None,
        &[("RelativeOrAbsolute", 0), ("Absolute", 1), ("Relative", 2)],
    ),
    values(
        "enum System.UriHostNameType",
        Verdict::None,
        &[("Unknown", 0), ("Basic", 1), ("Dns", 2), ("IPv4", 3), ("IPv6", 4)],
    ),
    all(
        "static System.Net.WebUtility",
        &[
            Get("static string UrlEncode(string value)", |c| {
                web(c, net::web::url_encode)
            }),
            Get("static string UrlDecode(string encodedValue)", |c| {
                web(c, net::web::url_decode)
            }),
            Get("static string HtmlEncode(string value)", |c| {
                web(c, net::web::html_encode)
            }),
            Get(
                "static byte[] UrlEncodeToBytes(byte[] value, int offset, int count)",
                |c| web_bytes(c, "value", net::web::url_encode_bytes),
            ),
            Get(
                "static byte[] UrlDecodeToBytes(byte[] encodedValue, int offset, int count)",
                |c| web_bytes(c, "encodedValue", net::web::url_decode_bytes),
            ),
            Get(
                "static void HtmlEncode(string value, System.IO.TextWriter output)",
                |c| more::html_to(c, net::web::html_encode),
            ),
            Get(
                "static void HtmlDecode(string value, System.IO.TextWriter output)",
                |c| more::html_to(c, net::web::html_decode),
            ),
            Get("static string HtmlDecode(string value)", |c| {
                web(c, net::web::html_decode)
            }),
        ],
    ),
    only(
        "class System.Net.IPAddress",
        &[
            "AddressFamily",
            "Equals",
            "GetAddressBytes",
            "IsLoopback",
            "Parse",
            "TryParse",
            "ToString",
        ],
        &[
            Get("static IPAddress Parse(string ipString)", |c| {
                Ok(address(net::parse_ip(&c.text(0, "ipString")?)?))
            }),
            Get(
                "static bool TryParse(string ipString, out IPAddress address)",
                |c| {
                    let parsed = c.opt_str(0).and_then(|s| net::parse_ip(&s).ok());
                    c.out(1, parsed.map_or(Value::Null, address));
                    Ok(Value::Bool(parsed.is_some()))
                },
            ),
            Get("static bool IsLoopback(IPAddress address)", |c| {
                Ok(Value::Bool(net::is_loopback(ip(c, 0)?)))
            }),
            Get("static IPAddress Loopback", |_| {
                Ok(address(IpAddr::from([127, 0, 0, 1])))
            }),
            Get("static IPAddress Any", |_| {
                Ok(address(IpAddr::from([0, 0, 0, 0])))
            }),
            Get("ctor(byte[] address)", |c| {
                let bytes = c.bytes(0, "address")?;
                if let Ok(v4) = <[u8; 4]>::try_from(&bytes[..]) {
                    return Ok(address(IpAddr::from(v4)));
                }
                match <[u8; 16]>::try_from(&bytes[..]) {
                    Ok(v6) => Ok(address(IpAddr::from(v6))),
                    Err(_) => Err(Error::argument("address", "An invalid IP address was specified.").into()),
                }
            }),
            Get("System.Net.Sockets.AddressFamily AddressFamily", family),
            Get("byte[] GetAddressBytes()", |c| {
                Ok(Value::bytes(ip_bytes(ip(c, 0)?)))
            }),
            Get("bool Equals(object comparand)", |c| match (c.arg(0), c.arg(1)) {
                (Value::Object(a), Value::Object(b)) => Ok(Value::Bool(
                    a.native::<IpAddr>().is_some() && a.native::<IpAddr>() == b.native::<IpAddr>(),
                )),
                _ => Ok(Value::Bool(false)),
            }),
            Get("string ToString()", base::to_string),
            Get("int GetHashCode()", base::hash_code),
        ],
    ),
    values(
        "enum System.Net.Sockets.AddressFamily",
        Verdict::All,
        &[("Unspecified", 0), ("InterNetwork", 2), ("InterNetworkV6", 23)],
    ),
];
