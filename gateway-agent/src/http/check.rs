//! Is a request one that has exactly one meaning? What it is about: scheme, host, port, path and query.
//!
//! The byte-level half of the hardening is in [`super::guard`]; this half works on the parsed head.

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header, request::Parts};

/// Where a request is addressed to, borrowed from its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addressed<'a> {
    /// Host without port, brackets of IPv6 literals kept off.
    pub(crate) host: &'a str,
    /// Port named by the client.
    pub(crate) port: Option<u16>,
    pub(crate) path: &'a str,
    /// Without the question mark.
    pub(crate) query: &'a str,
}

/// Checks the head and finds the target.
///
/// # Errors
/// What rule the request breaks, for the client.
pub(crate) fn addressed(parts: &Parts) -> Result<Addressed<'_>, &'static str> {
    if parts.method == Method::CONNECT {
        return Err("CONNECT is not supported");
    }
    check_framing(&parts.headers, parts.version)?;
    let authority = authority(parts)?;
    let (host, port) = split_authority(authority).ok_or("the Host header is invalid")?;
    let path = match parts.uri.path() {
        "" => "/",
        path => path,
    };
    Ok(Addressed {
        host,
        port,
        path,
        query: parts.uri.query().unwrap_or_default(),
    })
}

/// The target's own authority wins over `Host` (RFC 9112 §3.2.2).
fn authority(parts: &Parts) -> Result<&str, &'static str> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts
        .next()
        .map(HeaderValue::to_str)
        .transpose()
        .map_err(|_| "the Host header is invalid")?;
    if hosts.next().is_some() {
        return Err("more than one Host header");
    }
    let target = parts.uri.authority().map(|authority| authority.as_str());
    match (target, host, parts.version) {
        // HTTP/2 and 3: a Host that says something else than :authority is malformed (RFC 9113 §8.3.1).
        (Some(target), Some(host), Version::HTTP_2 | Version::HTTP_3)
            if !target.eq_ignore_ascii_case(host) =>
        {
            Err("Host and :authority differ")
        }
        (_, None, Version::HTTP_11) => Err("no Host header"),
        (Some(target), _, _) => Ok(target),
        (None, Some(host), _) => Ok(host),
        // HTTP/1.0 knows no Host; HTTP/2 without either is malformed.
        (None, None, Version::HTTP_10 | Version::HTTP_09) => Ok(""),
        (None, None, _) => Err("no host"),
    }
}

/// `Transfer-Encoding` may only be `chunked`, and only in HTTP/1.1.
fn check_framing(headers: &HeaderMap, version: Version) -> Result<(), &'static str> {
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(first) = encodings.next() else {
        return Ok(());
    };
    let plain = first.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !plain || encodings.next().is_some() || version != Version::HTTP_11 {
        return Err("Transfer-Encoding other than chunked");
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err("Content-Length beside Transfer-Encoding");
    }
    Ok(())
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority
        .bytes()
        .any(|b| matches!(b, b'@' | b'/' | b'?' | b'#' | b'\\' | b' ' | b',') || b < 0x21)
    {
        return None;
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, parse_port(port)?)),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, parse_port(port)?)),
        None => Some((authority, None)),
    }
}

/// An empty port is the default one (RFC 3986 §3.2.3).
fn parse_port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok().map(Some))?
}

/// It asks to become a WebSocket (RFC 6455 §4.1).
pub(crate) fn wants_websocket(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11
        && *method == Method::GET
        && headers
            .get(header::UPGRADE)
            .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && names_token(headers, header::CONNECTION, "upgrade")
}

/// A comma-separated header contains `token`, case ignored.
pub(crate) fn names_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// The request target as the record shows it.
pub(crate) fn target_text(uri: &Uri) -> String {
    uri.path_and_query()
        .map_or_else(|| uri.path().to_owned(), |target| target.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(version: Version, method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut builder = http::Request::builder().version(version).method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[track_caller]
    fn check(
        version: Version,
        uri: &str,
        headers: &[(&str, &str)],
        expected: Result<(&str, Option<u16>), &str>,
    ) {
        let parts = parts(version, "GET", uri, headers);
        let found = addressed(&parts).map(|a| (a.host, a.port));
        assert_eq!(found, expected, "{uri} {headers:?}");
    }

    #[test]
    fn a_request_has_exactly_one_host() {
        let v11 = Version::HTTP_11;
        check(v11, "/", &[("host", "a.test")], Ok(("a.test", None)));
        check(v11, "/", &[("host", "a.test:81")], Ok(("a.test", Some(81))));
        check(v11, "/", &[("host", "a.test:")], Ok(("a.test", None)));
        check(v11, "/", &[("host", "[::1]:81")], Ok(("::1", Some(81))));
        check(v11, "/", &[("host", "")], Ok(("", None)));
        check(v11, "/", &[], Err("no Host header"));
        check(
            v11,
            "/",
            &[("host", "a"), ("host", "a")],
            Err("more than one Host header"),
        );
        for bad in ["a@b", "a/b", "a b", "a:x", "a:99999", "[::1", "a,b"] {
            check(v11, "/", &[("host", bad)], Err("the Host header is invalid"));
        }
        check(Version::HTTP_10, "/", &[], Ok(("", None)));
    }

    #[test]
    fn the_target_of_the_request_line_wins() {
        check(
            Version::HTTP_11,
            "http://t.test/x",
            &[("host", "h.test")],
            Ok(("t.test", None)),
        );
        check(Version::HTTP_2, "https://t.test/x", &[], Ok(("t.test", None)));
        check(
            Version::HTTP_2,
            "https://t.test/x",
            &[("host", "T.test")],
            Ok(("t.test", None)),
        );
        check(
            Version::HTTP_2,
            "https://t.test/x",
            &[("host", "h.test")],
            Err("Host and :authority differ"),
        );
        check(Version::HTTP_2, "/", &[], Err("no host"));
    }

    #[test]
    fn one_framing_only() {
        let te = |value| [("host", "a"), ("transfer-encoding", value)];
        check(Version::HTTP_11, "/", &te("chunked"), Ok(("a", None)));
        check(
            Version::HTTP_11,
            "/",
            &te("identity, chunked"),
            Err("Transfer-Encoding other than chunked"),
        );
        check(
            Version::HTTP_11,
            "/",
            &te("gzip"),
            Err("Transfer-Encoding other than chunked"),
        );
        check(
            Version::HTTP_10,
            "/",
            &te("chunked"),
            Err("Transfer-Encoding other than chunked"),
        );
        let both = [
            ("host", "a"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
        ];
        check(
            Version::HTTP_11,
            "/",
            &both,
            Err("Content-Length beside Transfer-Encoding"),
        );
    }

    #[test]
    fn connect_is_refused() {
        let parts = parts(
            Version::HTTP_11,
            "CONNECT",
            "a.test:443",
            &[("host", "a.test:443")],
        );
        assert_eq!(addressed(&parts), Err("CONNECT is not supported"));
    }

    #[test]
    fn path_and_query_are_taken_apart() {
        let parts = parts(
            Version::HTTP_11,
            "GET",
            "http://t.test?a=b",
            &[("host", "t.test")],
        );
        let found = addressed(&parts).unwrap();
        assert_eq!((found.path, found.query), ("/", "a=b"));
    }

    #[test]
    fn websocket_handshakes_are_recognised() {
        for (connection, upgrade, expected) in [
            ("Upgrade", "websocket", true),
            ("keep-alive, Upgrade", "WebSocket", true),
            ("keep-alive", "websocket", false),
            ("Upgrade", "h2c", false),
        ] {
            let parts = parts(
                Version::HTTP_11,
                "GET",
                "/",
                &[("connection", connection), ("upgrade", upgrade)],
            );
            assert_eq!(
                wants_websocket(&parts.method, parts.version, &parts.headers),
                expected,
                "{connection}"
            );
        }
    }
}
