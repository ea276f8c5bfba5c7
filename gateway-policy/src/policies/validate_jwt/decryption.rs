//! `decryption-keys`: opens encrypted tokens for both policies that check tokens.

use std::{borrow::Cow, sync::Arc};

use super::{CertificateKey, Secret};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    jose::jwe::{self, DecryptionKey},
    policies::{
        def::{Child, Content, ElementDef, attr},
        token_checks::Rejection,
    },
    setting::Setting,
};

static KEY: ElementDef = ElementDef::new(
    "key",
    "A base64 secret (for `dir`, `A128KW`, `A256KW`), or the private RSA key of a certificate.",
)
.attributes(&[
    attr("id", "`kid` of the tokens it is for."),
    attr(
        "certificate-id",
        "Name of a certificate entity with a private RSA key (for `RSA-OAEP`, `RSA-OAEP-256`, `RSA1_5`).",
    ),
])
.content(Content::Text);
pub(in crate::policies) static KEYS: ElementDef = ElementDef::new(
    "decryption-keys",
    "Keys that decrypt tokens: AES-CBC with HMAC and AES-GCM of 128, 192 and 256 bits.",
)
.children(&[Child::any(&KEY)]);

/// The keys of a document.
#[derive(Debug)]
pub(in crate::policies) struct Keys(Vec<DocumentKey>);

#[derive(Debug)]
enum DocumentKey {
    Ready(DecryptionKey),
    Secret(Option<Arc<str>>, Setting<Secret>),
    Certificate(CertificateKey<DecryptionKey>),
}

impl Keys {
    pub(in crate::policies) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let listed = node.child("decryption-keys").into_iter();
        let keys: Vec<_> = listed
            .flat_map(|keys| keys.children("key"))
            .map(|key| {
                if key.has("certificate-id") {
                    return CertificateKey::build(compiler, key).map(DocumentKey::Certificate);
                }
                let id: Option<Arc<str>> = compiler.literal(key, "id");
                Some(match compiler.text(key)? {
                    Setting::Literal(Secret(bytes)) => {
                        DocumentKey::Ready(DecryptionKey::secret(id.as_deref(), &bytes))
                    }
                    secret => DocumentKey::Secret(id, secret),
                })
            })
            .collect();
        keys.into_iter().collect::<Option<_>>().map(Self)
    }

    /// The token as it is, or what an encrypted one holds, or why it cannot be opened.
    pub(in crate::policies) fn open<'t>(
        &self,
        run: &mut Run<'_>,
        token: &'t str,
    ) -> Result<Result<Cow<'t, str>, Rejection>, Failure> {
        if self.0.is_empty() || !jwe::is_encrypted(token) {
            return Ok(Ok(Cow::Borrowed(token)));
        }
        let keys: Result<Vec<DecryptionKey>, Failure> = self.0.iter().map(|k| k.key(run)).collect();
        let opened = jwe::decrypt(token, &keys?).map(Cow::Owned);
        Ok(opened.map_err(|why| Rejection::new("JwtInvalid", why)))
    }
}

impl DocumentKey {
    fn key(&self, run: &mut Run<'_>) -> Result<DecryptionKey, Failure> {
        match self {
            DocumentKey::Ready(key) => Ok(key.clone()),
            DocumentKey::Secret(id, secret) => Ok(DecryptionKey::secret(id.as_deref(), &secret.get(run)?.0)),
            DocumentKey::Certificate(certificate) => {
                certificate.key(run, DecryptionKey::certificate).ok_or_else(|| {
                    let name = &certificate.certificate;
                    run.failure(format!(
                        "There is no certificate `{name}` with a private RSA key."
                    ))
                })
            }
        }
    }
}
