//! A token's parts and claims.

use std::{borrow::Cow, fmt, ops::Range};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value as Json, value::RawValue};

use super::KeySet;

/// Longest token read; header limits of the listener are below it.
pub(super) const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Claims that most tokens have at most; room for more is made.
const CLAIMS: usize = 16;

/// A compact JWS, read but not checked.
#[derive(Debug)]
pub(crate) struct Jws<'t> {
    /// What is signed: header and payload as they came.
    signed: &'t str,
    signature: Vec<u8>,
    algorithm: String,
    key_id: Option<String>,
    claims: Claims,
}

/// What of the header is looked at.
#[derive(Deserialize)]
struct Header<'h> {
    #[serde(borrow)]
    alg: Option<Cow<'h, str>>,
    #[serde(borrow)]
    kid: Option<Cow<'h, str>>,
    #[serde(default)]
    crit: Present,
}

/// Whether a member is there, whatever its value.
#[derive(Default)]
pub(super) struct Present(pub(super) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Present(true))
    }
}

/// The payload: its text, and where names and values are in it. Few claims are looked at, so values stay text until
/// then; few are there, so a list beats a map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    text: String,
    list: Vec<(Name, Range<usize>)>,
}

/// Name of a claim.
#[derive(Clone, Debug)]
enum Name {
    Plain(Range<usize>),
    /// With escapes in the text.
    Escaped(String),
}

/// One member as it stands in the text.
struct Member<'j>(Cow<'j, str>, &'j RawValue);

/// All members in order, repeated ones too.
struct Members<'j>(Vec<Member<'j>>);

impl<'de: 'j, 'j> Deserialize<'de> for Members<'j> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(CLAIMS);
                while let Some(Text(name)) = map.next_key()? {
                    members.push(Member(name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A text that is borrowed when it has no escapes.
#[derive(Deserialize)]
struct Text<'j>(#[serde(borrow)] Cow<'j, str>);

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureError {
    /// No key has the token's id, or can do its algorithm.
    NoKey,
    /// A key was there and says no.
    Invalid,
    /// There is none, and one is required.
    Unsigned,
}

impl<'t> Jws<'t> {
    /// Reads a token.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub(crate) fn read(token: &'t str) -> Result<Self, String> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(format!("The token is longer than {TOKEN_BYTES_MAX} bytes."));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("The token has no parts.")?;
        let (header, payload) = signed
            .split_once('.')
            .ok_or("The token has fewer than three parts.")?;
        if payload.contains('.') {
            return Err("The token is encrypted, and there are no keys that decrypt it.".into());
        }
        let decode = |part: &str, what: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| format!("The {what} of the token is not base64url."))
        };
        let not_json = |what: &str| format!("The {what} of the token is not a JSON object.");
        let header = decode(header, "header")?;
        if header.trim_ascii_start().first() != Some(&b'{') {
            return Err(not_json("header"));
        }
        let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| not_json("header"))?;
        // RFC 7515 §4.1.11: an extension that must be understood and is not.
        if header.crit.0 {
            return Err("The token requires an unknown extension.".into());
        }
        let claims = decode(payload, "payload")?;
        Ok(Self {
            signed,
            signature: decode(signature, "signature")?,
            algorithm: header.alg.ok_or("The token names no algorithm.")?.into_owned(),
            key_id: header.kid.map(Cow::into_owned),
            claims: Claims::read(claims).ok_or_else(|| not_json("payload"))?,
        })
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// True when a key of the set has the token's key id, or the token has none.
    pub(crate) fn names_key_of(&self, keys: &[&KeySet]) -> bool {
        let Some(id) = self.key_id.as_deref() else {
            return true;
        };
        keys.iter().flat_map(|k| k.iter()).any(|k| k.id() == Some(id))
    }

    /// Checks the signature. Keys with the token's key id are tried alone when there are any; else all.
    pub(crate) fn verify(&self, keys: &[&KeySet], required: bool) -> Result<(), SignatureError> {
        if self.algorithm == "none" {
            return if required || !self.signature.is_empty() {
                Err(SignatureError::Unsigned)
            } else {
                Ok(())
            };
        }
        let named = self.key_id.is_some() && self.names_key_of(keys);
        let mut tried = false;
        for key in keys.iter().flat_map(|k| k.iter()) {
            if named && key.id() != self.key_id.as_deref() {
                continue;
            }
            match key.verify(&self.algorithm, self.signed.as_bytes(), &self.signature) {
                Some(true) => return Ok(()),
                Some(false) => tried = true,
                None => {}
            }
        }
        // With an id that no key has, the keys that were tried were guesses.
        let guessed = self.key_id.is_some() && !named;
        Err(if tried && !guessed {
            SignatureError::Invalid
        } else {
            SignatureError::NoKey
        })
    }
}

impl Claims {
    /// `None`: it is no JSON object.
    fn read(payload: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8(payload).ok()?;
        let Members(members) = serde_json::from_str(&text).ok()?;
        // Borrowed parts are parts of the text, so their places in it follow from their addresses.
        let place = |part: &str| {
            let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
            (start + part.len() <= text.len()).then_some(start..start + part.len())
        };
        let mut list = Vec::with_capacity(members.len());
        for Member(name, value) in members {
            let name = match name {
                Cow::Borrowed(name) => Name::Plain(place(name)?),
                Cow::Owned(name) => Name::Escaped(name),
            };
            list.push((name, place(value.get())?));
        }
        Some(Self { text, list })
    }

    /// JSON of the last claim of the name: what readers of duplicate members agree on.
    fn raw(&self, name: &str) -> Option<&str> {
        let is = |known: &Name| match known {
            Name::Plain(range) => self.text.get(range.clone()) == Some(name),
            Name::Escaped(known) => known == name,
        };
        let (_, range) = self.list.iter().rev().find(|(known, _)| is(known))?;
        self.text.get(range.clone())
    }

    /// True when one of the claim's values is this.
    pub(crate) fn any(&self, name: &str, wanted: &str) -> bool {
        match self.raw(name) {
            None => false,
            Some(raw) => match plain_text(raw) {
                Some(text) => text == wanted,
                None => texts(raw).iter().any(|text| text == wanted),
            },
        }
    }

    /// The claim's values joined by commas; empty when it is not there.
    pub(crate) fn joined(&self, name: &str) -> Cow<'_, str> {
        match self.raw(name) {
            None => Cow::Borrowed(""),
            Some(raw) => match plain_text(raw) {
                Some(text) => Cow::Borrowed(text),
                None => Cow::Owned(texts(raw).join(",")),
            },
        }
    }

    /// A claim's values as text: strings as they are, numbers and booleans as JSON, arrays as several.
    pub(crate) fn values(&self, name: &str) -> Option<Vec<String>> {
        self.raw(name).map(texts)
    }

    /// A claim that is a number of seconds since 1970.
    pub(crate) fn instant(&self, name: &str) -> Option<f64> {
        serde_json::from_str::<Json>(self.raw(name)?).ok()?.as_f64()
    }

    /// True when the claim is there, whatever it is.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }
}

/// The content of a JSON string without escapes.
fn plain_text(raw: &str) -> Option<&str> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

fn texts(raw: &str) -> Vec<String> {
    let text = |json: &Json| match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match serde_json::from_str::<Json>(raw) {
        Ok(Json::Array(items)) => items.iter().map(text).collect(),
        Ok(one) => vec![text(&one)],
        // Nested too deep to be read: nobody compares with that.
        Err(_) => vec![raw.to_owned()],
    }
}
