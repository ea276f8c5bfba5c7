//! `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`: the proxies of the environment, for every request to a backend that no
//! policy and no backend entity gave a proxy.
//!
//! As the official gateway: used for all outbound requests to backends ("Run in production" page). `NO_PROXY` is a
//! list of names (with all names below them), addresses, networks, each with a port if only that is meant, or `*`.
//! Loopback and link-local addresses are never behind a proxy: the Dapr sidecar and the metadata service of Azure are
//! there.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipnet::IpNet;

use super::proxy::Via;

/// The proxies of the environment.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Arc<Via>>,
    https: Option<Arc<Via>>,
    direct: Vec<Direct>,
}

/// What is reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Direct {
    place: Place,
    /// Only this port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Everything,
    /// A name and all below it.
    Name(String),
    Network(IpNet),
}

impl Proxies {
    /// From the texts of the three variables.
    ///
    /// # Errors
    /// The variable that holds no proxy, and why.
    pub fn new(http: Option<&str>, https: Option<&str>, direct: &[Arc<str>]) -> Result<Self, String> {
        let read = |name: &str, text: Option<&str>| match text.map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => via(text)
                .map(|via| Some(Arc::new(via)))
                .map_err(|expected| format!("{name} must be {expected}")),
        };
        Ok(Self {
            http: read("HTTP_PROXY", http)?,
            https: read("HTTPS_PROXY", https)?,
            direct: direct
                .iter()
                .filter_map(|text| Direct::new(text.trim()))
                .collect(),
        })
    }

    /// The proxy on the way to a backend.
    pub(crate) fn via(&self, secure: bool, host: &str, port: u16) -> Option<Arc<Via>> {
        let via = if secure { &self.https } else { &self.http };
        let via = via.as_ref()?;
        let address: Option<IpAddr> = host.parse().ok();
        let near = match address {
            Some(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_link_local(),
            Some(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unicast_link_local(),
            None => host.eq_ignore_ascii_case("localhost"),
        };
        let listed = || {
            self.direct
                .iter()
                .any(|direct| direct.covers(host, address, port))
        };
        (!near && !listed()).then(|| Arc::clone(via))
    }
}

fn via(text: &str) -> Result<Via, String> {
    // A bare `host:port` is common.
    let text = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, authority) = match authority.rsplit_once('@') {
        Some((user, authority)) => (Some(user), authority),
        None => (None, authority),
    };
    let url = gateway_policy::url::parse(&format!("{scheme}://{authority}{tail}"))?;
    if &*url.scheme != "http" {
        return Err("a URL of scheme http: proxies are spoken to in plain HTTP, and tunnel TLS".into());
    }
    let authorization = user.map(|user| {
        let user = percent_decoded(user);
        format!("Basic {}", STANDARD.encode(user)).into()
    });
    Ok(Via {
        host: Arc::clone(&url.host),
        port: url.port,
        authorization,
    })
}

/// User names and passwords of URLs are percent-encoded (RFC 3986 §3.2.1).
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

impl Direct {
    fn new(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let plain = |place| Some(Self { place, port: None });
        if text == "*" {
            return plain(Place::Everything);
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return plain(Place::Network(network));
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return plain(Place::Network(address.into()));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (text, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let place = match host.parse::<IpAddr>() {
            Ok(address) => Place::Network(address.into()),
            Err(_) => Place::Name(
                host.trim_start_matches("*.")
                    .trim_start_matches('.')
                    .to_ascii_lowercase(),
            ),
        };
        Some(Self { place, port })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        if self.port.is_some_and(|only| only != port) {
            return false;
        }
        match &self.place {
            Place::Everything => true,
            Place::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Place::Name(name) => {
                let host = host.to_ascii_lowercase();
                let below = host.strip_suffix(name.as_str());
                below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_proxy_and_some_hosts_have_none() {
        let list = ".corp.test, db.test:5432,10.0.0.0/8,192.0.2.7,[2001:db8::1]:8443,";
        let direct: Vec<Arc<str>> = list.split(',').map(Into::into).collect();
        let proxies = Proxies::new(Some("p.test:3128"), Some("http://u:p%40@q.test"), &direct).unwrap();
        for (secure, host, port, expected) in [
            (false, "a.test", 80, Some("p.test")),
            (true, "a.test", 443, Some("q.test")),
            (true, "corp.test", 443, None),
            (true, "a.Corp.test", 443, None),
            (true, "notcorp.test", 443, Some("q.test")),
            (false, "db.test", 5432, None),
            (false, "db.test", 80, Some("p.test")),
            (false, "10.1.2.3", 80, None),
            (false, "11.1.2.3", 80, Some("p.test")),
            (false, "192.0.2.7", 80, None),
            (true, "2001:db8::1", 8443, None),
            (true, "2001:db8::1", 443, Some("q.test")),
            (false, "localhost", 3500, None),
            (false, "127.0.0.1", 80, None),
            (false, "::1", 80, None),
            (false, "169.254.169.254", 80, None),
        ] {
            let via = proxies.via(secure, host, port);
            assert_eq!(via.as_ref().map(|via| &*via.host), expected, "{host}:{port}");
        }
        let via = proxies.via(true, "a.test", 443).unwrap();
        assert_eq!(
            (via.port, via.authorization.as_deref()),
            (80, Some("Basic dTpwQA=="))
        );
        let none = Proxies::new(Some("p.test:1"), None, &["*".into()]).unwrap();
        assert_eq!(none.via(false, "a.test", 80), None);
        assert_eq!(none.via(true, "a.test", 443), None);
    }

    #[test]
    fn what_is_no_proxy_says_which_variable_it_is() {
        for (http, https, expected) in [
            (Some("http://"), None, "HTTP_PROXY must be a URL with a host name"),
            (
                None,
                Some("https://p.test"),
                "HTTPS_PROXY must be a URL of scheme http: proxies are spoken to in plain HTTP, and tunnel TLS",
            ),
            (
                None,
                Some("p.test:x"),
                "HTTPS_PROXY must be a URL with a port number, not `x`",
            ),
        ] {
            assert_eq!(Proxies::new(http, https, &[]).unwrap_err(), expected);
        }
        assert!(Proxies::new(Some(" "), None, &[]).unwrap().http.is_none());
    }
}
