//! Gateway tokens: `GatewayKey <gateway>&<yyyyMMddHHmm>&<signature>`.
//!
//! A token names a gateway and the minute it expires, and is signed with one of the gateway's two keys: HMAC-SHA512 over
//! the name, a line feed and the expiry, in base64. The service documents this for the sibling token of its direct
//! management API and not for this one (`gateway-behaviour.md` §6), so a signature over the expiry in the sibling's long
//! form is accepted as well. The key is used as its text, as in the service's samples, not decoded first.

use std::{fmt, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::telemetry::clock::Timestamp;

/// The scheme of the authorization header, and the word in front of a token in manifests.
pub const SCHEME: &str = "GatewayKey";

/// Longest life of a token, as the service allows.
pub const LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Longest text that is looked at: a name has at most 80 characters, a signature 88.
const TEXT_BYTES_MAX: usize = 512;

/// A gateway token. Its `Debug` form hides the signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    gateway: String,
    expiry: Timestamp,
    signature: Vec<u8>,
}

/// Why a token does not let anybody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not a token.
    Malformed(&'static str),
    /// It was made for another gateway.
    OtherGateway(String),
    /// Its time is over.
    Expired(Timestamp),
    /// None of the keys made it: a wrong key, or a regenerated one.
    Signature,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "not a gateway token: {why}"),
            Self::OtherGateway(name) => write!(f, "the token is for the gateway `{name}`"),
            Self::Expired(at) => write!(f, "the token expired at {at}: make a new one"),
            Self::Signature => f.write_str("no key of the gateway made this token: was the key regenerated?"),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("gateway", &self.gateway)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Makes a token. `expiry` counts in whole minutes.
    pub fn sign(gateway: &str, expiry: Timestamp, key: &str) -> Self {
        let expiry = whole_minute(expiry);
        Self {
            gateway: gateway.to_owned(),
            expiry,
            signature: mac(key, &message(gateway, &compact(expiry))),
        }
    }

    /// Reads a token, with or without the word `GatewayKey` before it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], naming the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let malformed = |why| Err(Refusal::Malformed(why));
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return malformed("it is too long");
        }
        let text = match text.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest.trim_start(),
            Some(_) => return malformed("a scheme other than `GatewayKey`"),
            None => text,
        };
        let mut parts = text.splitn(3, '&');
        let (Some(gateway), Some(expiry), Some(signature)) = (parts.next(), parts.next(), parts.next())
        else {
            return malformed("expected <gateway>&<yyyyMMddHHmm>&<signature>");
        };
        if gateway.is_empty() {
            return malformed("the gateway's name is empty");
        }
        let Some(expiry) = minute_of(expiry) else {
            return malformed("the expiry is not a minute such as 202612312359");
        };
        match STANDARD.decode(signature) {
            Ok(signature) if signature.len() == hmac::HMAC_SHA512.digest_algorithm().output_len() => {
                Ok(Self {
                    gateway: gateway.to_owned(),
                    expiry,
                    signature,
                })
            }
            _ => malformed("the signature is not 64 bytes in base64"),
        }
    }

    /// The gateway it was made for.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// When it stops working.
    pub fn expiry(&self) -> Timestamp {
        self.expiry
    }

    /// Whether one of `keys` made it, compared in constant time.
    pub fn is_signed_by<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> bool {
        let messages =
            [compact(self.expiry), long(self.expiry)].map(|expiry| message(&self.gateway, &expiry));
        keys.into_iter().any(|key| {
            let key = hmac::Key::new(hmac::HMAC_SHA512, key.as_bytes());
            messages
                .iter()
                .any(|message| hmac::verify(&key, message.as_bytes(), &self.signature).is_ok())
        })
    }

    /// Lets the bearer in as `gateway` at `now`, or says why not.
    ///
    /// # Errors
    /// The first reason; the signature is checked before the expiry, so that a stranger learns nothing.
    pub fn admit<'k>(
        &self,
        gateway: &str,
        keys: impl IntoIterator<Item = &'k str>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if !self.gateway.eq_ignore_ascii_case(gateway) {
            return Err(Refusal::OtherGateway(self.gateway.clone()));
        }
        if !self.is_signed_by(keys) {
            return Err(Refusal::Signature);
        }
        if self.expiry <= now {
            return Err(Refusal::Expired(self.expiry));
        }
        Ok(())
    }

    /// `<gateway>&<yyyyMMddHHmm>&<signature>`
    pub fn text(&self) -> String {
        format!(
            "{}&{}&{}",
            self.gateway,
            compact(self.expiry),
            STANDARD.encode(&self.signature)
        )
    }
}

fn whole_minute(time: Timestamp) -> Timestamp {
    let (year, month, day, hour, minute) = time.minute();
    Timestamp::from_minute(year, month, day, hour, minute).unwrap_or(time)
}

fn compact(expiry: Timestamp) -> String {
    let (year, month, day, hour, minute) = expiry.minute();
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}")
}

/// .NET's round-trip form, which the sibling token signs.
fn long(expiry: Timestamp) -> String {
    expiry.to_string()
}

fn minute_of(text: &str) -> Option<Timestamp> {
    if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
    Timestamp::from_minute(
        number(0..4)?,
        number(4..6)?,
        number(6..8)?,
        number(8..10)?,
        number(10..12)?,
    )
}

fn message(gateway: &str, expiry: &str) -> String {
    format!("{gateway}\n{expiry}")
}

fn mac(key: &str, message: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA512, key.as_bytes());
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "cHJpbWFyeSBrZXkgb2YgdGhlIGdhdGV3YXk=";
    const SECONDARY: &str = "c2Vjb25kYXJ5IGtleSBvZiB0aGUgZ2F0ZXdheQ==";

    fn at(year: u64, month: u64, day: u64) -> Timestamp {
        Timestamp::from_minute(year, month, day, 12, 30).unwrap()
    }

    #[test]
    fn the_signature_is_the_one_openssl_makes() {
        // printf 'edge-1\n202612311230' | openssl dgst -sha512 -hmac "$PRIMARY" -binary | base64 -w0
        let token = Token::sign("edge-1", at(2026, 12, 31), PRIMARY);
        assert_eq!(
            token.text(),
            "edge-1&202612311230&jzSFGTQLukilcdPLB7byIvC3/3rE8MgMwM5lkGOcZcZh/eScxYvTr8IXEN4MG0Mpm6HRVNU5V5i36WrZm8vzdQ=="
        );
        assert!(!format!("{token:?}").contains("jzSFGTQL"));
    }

    #[test]
    fn a_token_reads_back_with_or_without_its_scheme() {
        let token = Token::sign("edge-1", at(2026, 12, 31), PRIMARY);
        for text in [
            token.text(),
            format!("GatewayKey {}", token.text()),
            format!(" gatewaykey  {}\n", token.text()),
        ] {
            assert_eq!(Token::parse(&text), Ok(token.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_named() {
        let signature = STANDARD.encode([0; 64]);
        for (text, why) in [
            (String::new(), "expected <gateway>"),
            ("Bearer abc".to_owned(), "a scheme other than"),
            (format!("edge&202612311230{signature}"), "expected <gateway>"),
            (format!("&202612311230&{signature}"), "name is empty"),
            (format!("edge&202613311230&{signature}"), "not a minute"),
            (format!("edge&20261231&{signature}"), "not a minute"),
            (format!("edge&20261231123٠&{signature}"), "not a minute"),
            ("edge&202612311230&AAAA".to_owned(), "not 64 bytes"),
            (format!("edge&202612311230&{}", "x".repeat(600)), "too long"),
        ] {
            let found = Token::parse(&text).unwrap_err().to_string();
            assert!(found.contains(why), "{text}: {found}");
        }
    }

    #[test]
    fn either_key_admits_until_the_expiry() {
        let now = at(2026, 12, 1);
        let admit =
            |token: &Token, name: &str, keys: &[&str], now| token.admit(name, keys.iter().copied(), now);
        let token = Token::sign("edge-1", at(2026, 12, 31), SECONDARY);
        assert_eq!(admit(&token, "edge-1", &[PRIMARY, SECONDARY], now), Ok(()));
        assert_eq!(
            admit(&token, "Edge-1", &[SECONDARY], now),
            Ok(()),
            "names have no case"
        );
        assert_eq!(admit(&token, "edge-1", &[PRIMARY], now), Err(Refusal::Signature));
        assert_eq!(admit(&token, "edge-1", &[], now), Err(Refusal::Signature));
        let other = Err(Refusal::OtherGateway("edge-1".to_owned()));
        assert_eq!(admit(&token, "edge-2", &[SECONDARY], now), other);
        let over = Err(Refusal::Expired(at(2026, 12, 31)));
        assert_eq!(admit(&token, "edge-1", &[SECONDARY], at(2026, 12, 31)), over);
        assert_eq!(
            admit(&token, "edge-1", &[PRIMARY], at(2027, 1, 1)),
            Err(Refusal::Signature)
        );
    }

    #[test]
    fn the_long_form_of_the_expiry_is_signed_by_others() {
        let mut token = Token::sign("edge-1", at(2026, 12, 31), PRIMARY);
        token.signature = mac(PRIMARY, "edge-1\n2026-12-31T12:30:00.0000000Z");
        assert!(token.is_signed_by([PRIMARY]));
        token.signature = mac(PRIMARY, "edge-1\n2026-12-31");
        assert!(!token.is_signed_by([PRIMARY]));
    }
}
