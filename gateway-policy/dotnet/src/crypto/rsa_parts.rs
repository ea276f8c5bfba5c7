//! The numbers of an RSA key: `RSAParameters`, and the DER forms that hold them (RFC 8017, appendix A).

use rsa::{
    PrivateKey, PublicKey,
    pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, EncodeRsaPublicKey},
    pkcs8::EncodePublicKey,
};

use super::{
    Random, failed,
    rsa::{MAX_KEY_BITS, RsaKey, Source},
};
use crate::Error;

/// `RSAParameters`: big-endian numbers of the lengths .NET gives them. The private ones come together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of RSAParameters under their own names")]
pub struct RsaParameters {
    pub modulus: Option<Vec<u8>>,
    pub exponent: Option<Vec<u8>>,
    pub d: Option<Vec<u8>>,
    pub p: Option<Vec<u8>>,
    pub q: Option<Vec<u8>>,
    pub dp: Option<Vec<u8>>,
    pub dq: Option<Vec<u8>>,
    pub inverse_q: Option<Vec<u8>>,
}

/// One DER element: its tag, its content and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(*first & 0x7F);
        let (bytes, rest) = rest.split_at_checked(count)?;
        let len = bytes
            .iter()
            .try_fold(0usize, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)))?;
        (len, rest)
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((*tag, content, rest))
}

/// The unsigned numbers of a `SEQUENCE`, without leading zeros.
fn integers(der: &[u8]) -> Option<Vec<Vec<u8>>> {
    const INTEGER: u8 = 2;
    let (_, mut body, _) = element(der)?;
    let mut found = Vec::new();
    while let Some((tag, content, rest)) = element(body) {
        if tag != INTEGER {
            return None;
        }
        let zeros = content.iter().take_while(|b| **b == 0).count();
        found.push(content[zeros..].to_vec());
        body = rest;
    }
    Some(found)
}

fn push(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    match content.len() {
        len @ 0..=0x7F => out.push(len as u8),
        len @ 0x80..=0xFF => out.extend([0x81, len as u8]),
        len => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    out.extend_from_slice(content);
}

fn push_integer(out: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    let mut content = number[zeros..].to_vec();
    if content.first().is_none_or(|b| *b >= 0x80) {
        content.insert(0, 0);
    }
    push(out, 2, &content);
}

/// A number in exactly so many bytes.
fn sized(number: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len.saturating_sub(number.len())];
    out.extend_from_slice(number);
    out
}

impl RsaKey {
    /// A fresh key.
    ///
    /// # Errors
    /// `CryptographicException` for a size that is no key's, or beyond what is worked with.
    pub fn generate(bits: usize, random: Random<'_>) -> Result<RsaKey, Error> {
        if !(512..=MAX_KEY_BITS).contains(&bits) {
            return Err(failed("Specified key is not a valid size for this algorithm."));
        }
        let made = PrivateKey::new(&mut Source(random), bits).map_err(|e| failed(e.to_string()))?;
        let key = RsaKey::of_private(made);
        key.ok_or_else(|| failed("The key could not be made."))
    }

    /// `ExportParameters`
    ///
    /// # Errors
    /// `CryptographicException` for private numbers of a public key.
    pub fn parameters(&self, private: bool) -> Result<RsaParameters, Error> {
        let (modulus, exponent) = self.components();
        let mut all = RsaParameters {
            modulus: Some(modulus),
            exponent: Some(exponent),
            ..RsaParameters::default()
        };
        if private {
            let der = self.to_pkcs1()?;
            let numbers = integers(&der).unwrap_or_default();
            let [_, n, _, d, p, q, dp, dq, inverse, ..] = numbers.as_slice() else {
                return Err(failed("The key has more than two primes."));
            };
            let half = n.len().div_ceil(2);
            all.d = Some(sized(d, n.len()));
            for (slot, number) in [
                (&mut all.p, p),
                (&mut all.q, q),
                (&mut all.dp, dp),
                (&mut all.dq, dq),
                (&mut all.inverse_q, inverse),
            ] {
                *slot = Some(sized(number, half));
            }
        }
        Ok(all)
    }

    /// `ImportParameters`
    ///
    /// # Errors
    /// `CryptographicException` when numbers are missing or do not fit together.
    pub fn from_parameters(given: &RsaParameters) -> Result<RsaKey, Error> {
        let invalid = || {
            failed(
                "The specified RSA parameters are not valid; both Exponent and Modulus are required fields.",
            )
        };
        let (Some(modulus), Some(exponent)) = (&given.modulus, &given.exponent) else {
            return Err(invalid());
        };
        let Some(d) = &given.d else {
            let private = [&given.p, &given.q, &given.dp, &given.dq, &given.inverse_q];
            if private.iter().any(|n| n.is_some()) {
                return Err(invalid());
            }
            return RsaKey::from_components(modulus, exponent).ok_or_else(invalid);
        };
        let [Some(p), Some(q), Some(dp), Some(dq), Some(inverse)] =
            [&given.p, &given.q, &given.dp, &given.dq, &given.inverse_q]
        else {
            return Err(invalid());
        };
        let mut body = Vec::new();
        for number in [&Vec::new(), modulus, exponent, d, p, q, dp, dq, inverse] {
            push_integer(&mut body, number);
        }
        let mut der = Vec::new();
        push(&mut der, 0x30, &body);
        let key = PrivateKey::from_pkcs1_der(&der).map_err(|e| failed(e.to_string()))?;
        RsaKey::of_private(key).ok_or_else(invalid)
    }

    /// `ExportRSAPrivateKey`: PKCS#1.
    ///
    /// # Errors
    /// `CryptographicException` for a public key.
    pub fn to_pkcs1(&self) -> Result<Vec<u8>, Error> {
        let der = self
            .private_key()?
            .to_pkcs1_der()
            .map_err(|e| failed(e.to_string()))?;
        Ok(der.as_bytes().to_vec())
    }

    /// `ExportRSAPublicKey`: PKCS#1.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_pkcs1_public(&self) -> Result<Vec<u8>, Error> {
        let der = public(self).to_pkcs1_der().map_err(|e| failed(e.to_string()))?;
        Ok(der.as_bytes().to_vec())
    }

    /// `ExportSubjectPublicKeyInfo`
    ///
    /// # Errors
    /// None in practice.
    pub fn to_spki(&self) -> Result<Vec<u8>, Error> {
        let der = public(self)
            .to_public_key_der()
            .map_err(|e| failed(e.to_string()))?;
        Ok(der.as_bytes().to_vec())
    }
}

fn public(key: &RsaKey) -> &PublicKey {
    key.public_key()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.rotate_left(17)
        };
        let key = RsaKey::generate(1024, &mut random).unwrap();
        let all = key.parameters(true).unwrap();
        let again = RsaKey::from_parameters(&all).unwrap();
        assert_eq!(again.parameters(true).unwrap(), all);
        assert_eq!(all.d.as_ref().map(Vec::len), Some(128));
        let public = RsaKey::from_parameters(&key.parameters(false).unwrap()).unwrap();
        assert!(!public.is_private() && public.parameters(true).is_err());
        assert!(RsaKey::from_parameters(&RsaParameters::default()).is_err());
        assert!(RsaKey::generate(5, &mut random).is_err());
    }
}
