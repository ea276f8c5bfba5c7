//! Who the client is and which scheme it used, when proxies stand in front.
//!
//! The original knows the immediate peer only and believes the scheme of anybody when told to
//! (`net.server.http.forwarded.proto.enabled`). A listener with `trustedProxies` believes its proxies, and nobody else.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::{
    http::{conn::Conn, headers::FORWARDED_FOR},
    listen,
};

const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// Addresses of `X-Forwarded-For` that are looked at, from the last: longer chains are made up.
const HOPS: usize = 32;

/// The client's address: the last one in `X-Forwarded-For` that is none of the trusted proxies', as each of them appended whom it
/// saw; the peer when it is no proxy.
pub(super) fn address(conn: &Conn, headers: &HeaderMap) -> IpAddr {
    let peer = conn.peer().ip().to_canonical();
    let trusted = &conn.rules.trusted_proxies;
    if trusted.is_empty() || !listen::contains(trusted, peer) {
        return peer;
    }
    let mut last = peer;
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = values.flat_map(|value| value.as_bytes().rsplit(|octet| *octet == b','));
    for hop in hops.take(HOPS) {
        let Some(hop) = std::str::from_utf8(hop).ok().and_then(parse) else {
            // What stands further in front may be anybody's invention.
            return last;
        };
        last = hop;
        if !listen::contains(trusted, hop) {
            return last;
        }
    }
    last
}

/// An address, with or without brackets and port.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address: IpAddr| address.to_canonical())
}

/// Whether the API is asked for over https: by the connection, or by what a proxy says that is believed. `anybody`: the setting is
/// on.
pub(super) fn is_secure(anybody: bool, conn: &Conn, headers: &HeaderMap) -> bool {
    let trusted = &conn.rules.trusted_proxies;
    let believed = if trusted.is_empty() {
        anybody
    } else {
        listen::contains(trusted, conn.peer().ip())
    };
    if !believed {
        return conn.secure;
    }
    match headers.get(FORWARDED_PROTO).map(|value| value.as_bytes()) {
        Some(value) if value.eq_ignore_ascii_case(b"https") => true,
        Some(value) if value.eq_ignore_ascii_case(b"http") => false,
        _ => conn.secure,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;
    use crate::{
        http::conn::Connections,
        listen::{Listener, Rules},
    };

    /// A plain connection of `peer` to a listener that trusts 10.0.0.0/8 and 2001:db8::/32, or nobody.
    fn with<T>(
        peer: &str,
        trusting: bool,
        headers: &[(&'static str, &str)],
        ask: impl Fn(&Conn, &HeaderMap) -> T,
    ) -> T {
        let trusted_proxies = if trusting {
            vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]
        } else {
            Vec::new()
        };
        let listener = Listener {
            rules: Arc::new(Rules {
                trusted_proxies,
                ..Rules::default()
            }),
            ..Listener::new("127.0.0.1:1".parse().unwrap(), false)
        };
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        let held = Connections::new().register(peer, peer, &listener, None);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        ask(&held.conn, &map)
    }

    #[tokio::test]
    async fn the_client_is_the_last_address_that_is_no_proxy() {
        const NAME: &str = "x-forwarded-for";
        let rows: &[(&str, bool, &[&str], &str)] = &[
            // peer, trusted proxies?, X-Forwarded-For, client
            ("192.0.2.1", false, &["198.51.100.1"], "192.0.2.1"),
            ("192.0.2.1", true, &["198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", false, &["198.51.100.1"], "10.0.0.1"),
            ("10.0.0.1", true, &[], "10.0.0.1"),
            ("10.0.0.1", true, &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", true, &["198.51.100.1"], "198.51.100.1"),
            // What a client wrote itself stands in front of what the proxy appended.
            ("10.0.0.1", true, &["203.0.113.66, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                true,
                &["203.0.113.66", "198.51.100.1"],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                true,
                &["198.51.100.1, 10.1.1.1 , 10.2.2.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", true, &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            ("10.0.0.1", true, &["198.51.100.1:4711"], "198.51.100.1"),
            ("2001:db8::7", true, &["[2001:db9::1]:4711"], "2001:db9::1"),
            ("2001:db8::7", true, &["[2001:db9::1]"], "2001:db9::1"),
            ("10.0.0.1", true, &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", true, &["198.51.100.1, unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", true, &[""], "10.0.0.1"),
        ];
        for (peer, trusting, values, expected) in rows {
            let headers: Vec<_> = values.iter().map(|value| (NAME, *value)).collect();
            let found = with(peer, *trusting, &headers, address);
            assert_eq!(
                found,
                expected.parse::<IpAddr>().unwrap(),
                "{peer} {trusting} {values:?}"
            );
        }
    }

    #[tokio::test]
    async fn the_scheme_is_believed_of_proxies() {
        let rows = [
            // setting, peer, trusted proxies?, X-Forwarded-Proto, secure
            (false, "192.0.2.1", false, "https", false),
            (true, "192.0.2.1", false, "https", true),
            (true, "192.0.2.1", false, "HTTPS", true),
            (true, "192.0.2.1", false, "http", false),
            (true, "192.0.2.1", false, "gopher", false),
            (true, "192.0.2.1", true, "https", false),
            (false, "10.0.0.1", true, "https", true),
        ];
        for (anybody, peer, trusting, value, expected) in rows {
            let found = with(peer, trusting, &[(FORWARDED_PROTO, value)], |conn, headers| {
                is_secure(anybody, conn, headers)
            });
            assert_eq!(found, expected, "{anybody} {peer} {trusting} {value}");
        }
    }
}
