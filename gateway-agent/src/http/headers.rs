//! Header fields on their way through: hop-by-hop fields stay behind, the client's address is added.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};

/// The list of addresses a request came through.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Fields that belong to one connection, not to the message (RFC 9110 §7.6.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::UPGRADE
        || *name == header::TE
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
        || *name == header::PROXY_AUTHENTICATE
        || *name == header::PROXY_AUTHORIZATION
}

/// Fields that `Connection` may not remove: the message would mean something else to the next reader.
fn is_essential(name: &str) -> bool {
    [
        "content-length",
        "host",
        "content-type",
        "content-encoding",
        "authorization",
    ]
    .iter()
    .any(|essential| essential.eq_ignore_ascii_case(name))
}

/// True when `Connection` names `name`.
fn is_named_by_connection(connection: &[&str], name: &HeaderName) -> bool {
    connection.iter().any(|list| {
        list.split(',')
            .map(str::trim)
            .any(|item| item.eq_ignore_ascii_case(name.as_str()) && !is_essential(item))
    })
}

/// The request fields that go on to the backend. Host, framing and `Expect` are left out: they are made anew.
pub(crate) fn copy_request(from: &HeaderMap, extra: usize) -> HeaderMap {
    let connection: Vec<&str> = from
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let mut to = HeaderMap::with_capacity(from.len() + extra);
    for (name, value) in from {
        let stays = is_hop_by_hop(name)
            || *name == header::HOST
            || *name == header::CONTENT_LENGTH
            || *name == header::EXPECT
            || (!connection.is_empty() && is_named_by_connection(&connection, name));
        if !stays {
            to.append(name.clone(), value.clone());
        }
    }
    to
}

/// Takes the connection's own fields out of a response.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    // Looking at the names costs less than one look-up, and most responses have nothing to lose.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    if let Some(connection) = headers.get(header::CONNECTION)
        && connection.as_bytes() != b"keep-alive"
        && connection.as_bytes() != b"close"
    {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|item| !is_essential(item))
            .filter_map(|item| HeaderName::try_from(item).ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
    ] {
        headers.remove(name);
    }
}

/// An address as a field value.
pub(crate) fn address(peer: IpAddr) -> HeaderValue {
    // Digits, dots, colons and letters are always a valid value.
    HeaderValue::try_from(peer.to_canonical().to_string())
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Appends the immediate peer to `X-Forwarded-For`.
pub(crate) fn append_forwarded_for(headers: &mut HeaderMap, peer: &HeaderValue) {
    match headers.entry(FORWARDED_FOR) {
        Entry::Vacant(slot) => {
            slot.insert(peer.clone());
        }
        Entry::Occupied(mut slot) => {
            let mut list = Vec::new();
            for value in slot.iter() {
                list.extend_from_slice(value.as_bytes());
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(peer.as_bytes());
            if let Ok(value) = HeaderValue::from_bytes(&list) {
                slot.insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[track_caller]
    fn check_request(from: &[(&'static str, &'static str)], expected: &[(&'static str, &'static str)]) {
        assert_eq!(copy_request(&map(from), 0), map(expected));
    }

    #[test]
    fn what_belongs_to_the_connection_stays_behind() {
        check_request(
            &[("host", "a"), ("accept", "x"), ("accept", "y")],
            &[("accept", "x"), ("accept", "y")],
        );
        check_request(
            &[
                ("connection", "close, X-Mine"),
                ("x-mine", "1"),
                ("keep-alive", "5"),
                ("te", "trailers"),
                ("x", "2"),
            ],
            &[("x", "2")],
        );
        check_request(
            &[
                ("transfer-encoding", "chunked"),
                ("expect", "100-continue"),
                ("upgrade", "x"),
            ],
            &[],
        );
    }

    #[test]
    fn connection_cannot_remove_what_gives_a_message_its_meaning() {
        check_request(
            &[
                ("connection", "authorization, content-type"),
                ("authorization", "k"),
                ("content-type", "t"),
            ],
            &[("authorization", "k"), ("content-type", "t")],
        );
    }

    #[test]
    fn responses_lose_the_connection_fields() {
        let mut headers = map(&[
            ("connection", "x-a"),
            ("x-a", "1"),
            ("transfer-encoding", "chunked"),
            ("etag", "e"),
        ]);
        strip_response(&mut headers);
        assert_eq!(headers, map(&[("etag", "e")]));
    }

    #[test]
    fn the_peer_is_appended() {
        let peer = address("::ffff:203.0.113.7".parse().unwrap());
        for (before, after) in [
            (&[][..], "203.0.113.7"),
            (&[("x-forwarded-for", "10.0.0.1")], "10.0.0.1, 203.0.113.7"),
            (
                &[("x-forwarded-for", "a"), ("x-forwarded-for", "b")],
                "a, b, 203.0.113.7",
            ),
        ] {
            let mut headers = map(before);
            append_forwarded_for(&mut headers, &peer);
            assert_eq!(headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>(), [after]);
        }
    }
}
