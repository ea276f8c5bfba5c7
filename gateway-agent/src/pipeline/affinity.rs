//! Session affinity of backend pools: a cookie brings a client back to the member that served it first.
//!
//! Source: `pool.sessionAffinity` of backends (`gateway-behaviour.md` §15.3); what the cookie holds is not documented.
//! Here it holds a digest of the member's name: it tells nothing about the backends, needs no state, and works on every
//! node.

use gateway_config::snapshot::BackendEntry;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};

/// Characters of the digest: enough to tell the thirty members of the largest pool apart.
const LENGTH: usize = 16;

/// The member that the request's cookie names, if it is still one.
pub(super) fn wanted<'p>(pool: &'p BackendEntry, name: &str, headers: &HeaderMap) -> Option<&'p str> {
    let value = cookie_of(headers, name)?;
    let mut members = pool.pool.iter().map(|member| &*member.id);
    members.find(|id| token(id) == value)
}

/// `Set-Cookie` that names a member.
pub(super) fn cookie(name: &str, member: &str, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    // A name that no header can hold was let in by nobody's checks but the folder's author's: then there is no cookie.
    HeaderValue::from_str(&format!("{name}={}; Path=/; HttpOnly{secure}", token(member))).ok()
}

fn token(member: &str) -> String {
    let digest = Sha256::digest(member.as_bytes());
    let mut text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(LENGTH);
    text
}

/// A cookie of the request (RFC 6265 §5.4).
fn cookie_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies
            .iter()
            .map(|c| (header::COOKIE, c.parse().unwrap()))
            .collect()
    }

    #[test]
    fn cookies_are_found_among_others() {
        for (cookies, expected) in [
            (&["sid=1"][..], Some("1")),
            (&["a=0; sid=1; b=2"], Some("1")),
            (&["a=0", "sid=1"], Some("1")),
            (&["xsid=1", "sid"], None),
            (&[], None),
        ] {
            assert_eq!(cookie_of(&headers(cookies), "sid"), expected, "{cookies:?}");
        }
    }

    #[test]
    fn a_cookie_names_its_member_and_hides_it() {
        let value = cookie("sid", "backend-1", true).unwrap();
        let value = value.to_str().unwrap();
        assert!(value.ends_with("; Path=/; HttpOnly; Secure"), "{value}");
        assert!(!value.contains("backend"));
        assert_eq!(
            value.split(';').next(),
            Some(&*format!("sid={}", token("backend-1")))
        );
        assert!(
            !cookie("sid", "b", false)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Secure")
        );
        assert_eq!(cookie("a\nb", "b", false), None);
    }
}
