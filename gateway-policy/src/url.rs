//! URLs as policies move them: base of the backend, path of the operation, query.
//!
//! The path stays percent-encoded as received; what policies add is encoded when it is put in.

use std::fmt::Write as _;

use crate::context::Url;

/// `base` with `path` after it. No slash is added of its own when there is one on either side, and none
/// at all for an empty path: what the client sent reaches the backend.
pub fn join_path(base: &str, path: &str) -> String {
    match (base.strip_suffix('/'), path) {
        (_, "") => base.to_owned(),
        (Some(base), path) if path.starts_with('/') => format!("{base}{path}"),
        (None, path) if !path.starts_with('/') => format!("{base}/{path}"),
        _ => format!("{base}{path}"),
    }
}

/// The whole URL; the scheme's default port is left out.
pub fn to_text(url: &Url) -> String {
    let default = matches!(
        (&*url.scheme, url.port),
        ("http" | "ws", 80) | ("https" | "wss", 443) | (_, 0)
    );
    let port = if default {
        String::new()
    } else {
        format!(":{}", url.port)
    };
    let mark = if url.query.is_empty() { "" } else { "?" };
    format!(
        "{}://{}{port}{}{mark}{}",
        url.scheme, url.host, url.path, url.query
    )
}

/// The part of `path` after `base`: what an operation adds to the backend's own path.
pub(crate) fn path_after<'p>(base: &str, path: &'p str) -> &'p str {
    let base = base.trim_end_matches('/');
    match path.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Parses an absolute `http` or `https` URL, as attributes of policies hold it.
///
/// # Errors
/// What is wrong with it, as a sentence part.
pub fn parse(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("an absolute URL such as `https://host/path`")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        _ => return Err(format!("a URL of scheme http or https, not `{scheme}`")),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let tail = tail.split('#').next().unwrap_or_default();
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    if authority.contains('@') {
        return Err("a URL without user name and password".into());
    }
    let (host, port) = split_port(authority)?;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | '\\')) {
        return Err("a URL with a host name".into());
    }
    Ok(Url {
        scheme: scheme.into(),
        host: host.to_ascii_lowercase().into(),
        port: port.unwrap_or(default_port),
        path: encode(path, PATH),
        query: encode(query, QUERY),
    })
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let after_host = authority.rfind(']').map_or(0, |i| i + 1);
    match authority[after_host..].rfind(':') {
        Some(i) => {
            let colon = after_host + i;
            let port = &authority[colon + 1..];
            if port.is_empty() {
                return Ok((&authority[..colon], None));
            }
            let number = port
                .parse()
                .map_err(|_| format!("a URL with a port number, not `{port}`"))?;
            Ok((&authority[..colon], Some(number)))
        }
        None => Ok((authority, None)),
    }
}

/// What must be escaped besides controls, space and non-ASCII.
const PATH: &str = "\"<>`{}?#";
const QUERY: &str = "\"<>#";
/// In a single name or value of a query the separators too.
const QUERY_PART: &str = "\"<>#&+=";

/// A name or value of a query, percent-encoded.
pub(crate) fn encode_query_part(text: &str) -> String {
    // A `%` here is data: the value was never encoded.
    encode(&text.replace('%', "%25"), QUERY_PART)
}

/// A path and a query as an expression or a template gave them, with what a URL cannot hold percent-encoded; what is
/// encoded already stays.
pub(crate) fn encode_rewritten(path: &str, query: &str) -> (String, String) {
    (encode(path, PATH), encode(query, QUERY))
}

fn encode(text: &str, escaped: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !escaped.contains(char::from(byte)) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The name of a query parameter, decoded for comparison.
pub(crate) fn decode_query_part(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (byte, hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                i += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                i += 1;
            }
            _ => {
                out.push(*byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The parameters of a query, still encoded, in order.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| p.split_once('=').unwrap_or((p, "")))
}

/// True when an encoded parameter name means `name`; names compare without case.
pub(crate) fn is_parameter(encoded: &str, name: &str) -> bool {
    encoded.eq_ignore_ascii_case(name)
        || (encoded.contains(['%', '+']) && decode_query_part(encoded).eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_without_doubling_or_losing_a_slash() {
        for (base, path, expected) in [
            ("", "/a", "/a"),
            ("/base", "/a", "/base/a"),
            ("/base/", "/a", "/base/a"),
            ("/base", "a", "/base/a"),
            ("/base/", "a", "/base/a"),
            ("/base", "", "/base"),
            ("/base", "/", "/base/"),
        ] {
            assert_eq!(join_path(base, path), expected, "{base} {path}");
        }
        for (base, path, expected) in [
            ("/base", "/base/a", "/a"),
            ("/base/", "/base/a", "/a"),
            ("/base", "/based", "/based"),
            ("", "/a", "/a"),
        ] {
            assert_eq!(path_after(base, path), expected, "{base} {path}");
        }
    }

    #[test]
    fn urls_parse_or_say_what_they_should_be() {
        for (text, expected) in [
            ("https://Host/a?b=c#d", Ok("https://host/a?b=c")),
            ("http://host", Ok("http://host")),
            ("http://host:8080/", Ok("http://host:8080/")),
            ("http://[::1]:81/x", Ok("http://[::1]:81/x")),
            (" https://host/a b ", Ok("https://host/a%20b")),
            ("/relative", Err("an absolute URL such as `https://host/path`")),
            ("ftp://host", Err("a URL of scheme http or https, not `ftp`")),
            ("https://", Err("a URL with a host name")),
            ("https://host:x/", Err("a URL with a port number, not `x`")),
            ("https://a@b/", Err("a URL without user name and password")),
        ] {
            let result = parse(text).map(|u| to_text(&u));
            assert_eq!(result.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }

    #[test]
    fn query_parts_round_trip() {
        for (text, encoded) in [
            ("a b", "a%20b"),
            ("1+1=2&3", "1%2B1%3D2%263"),
            ("50%", "50%25"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(encode_query_part(text), encoded);
            assert_eq!(decode_query_part(encoded), text);
        }
    }
}
