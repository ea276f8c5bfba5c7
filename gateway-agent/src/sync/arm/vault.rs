//! Key Vault: where a secret is, and its certificate as PEM.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gateway_config::arm::VaultSecret;
use http::Uri;

use crate::tls::ClientIdentity;

/// The version of the vaults' contract that is spoken.
const VERSION: &str = "7.4";

/// The address of a secret. Whoever may edit the service chooses the identifier, and must not choose who gets this
/// node's token: only hosts of the cloud's vaults are asked.
pub(super) fn address(id: &str, suffix: &str) -> Result<String, String> {
    let uri: Uri = id
        .parse()
        .map_err(|_| format!("`{id}` is no address of a secret"))?;
    let authority = uri.authority().map_or("", |a| a.as_str()).to_ascii_lowercase();
    let inside = authority == suffix || authority.ends_with(&format!(".{suffix}"));
    if uri.scheme_str() != Some("https") || !inside || authority.contains('@') {
        return Err(format!(
            "`{id}` is no address in a Key Vault of this cloud (https://….{suffix}/secrets/…)"
        ));
    }
    if !uri.path().starts_with("/secrets/") {
        return Err(format!("`{id}` is no address of a secret (…/secrets/{{name}})"));
    }
    Ok(format!("https://{authority}{}?api-version={VERSION}", uri.path()))
}

/// Chain and key as PEM. Certificates come as PEM, or as a PFX without password in base64.
pub(super) fn pem(secret: &VaultSecret) -> Result<String, String> {
    let bytes = if secret.value.contains("-----BEGIN") {
        secret.value.clone().into_bytes()
    } else {
        STANDARD
            .decode(secret.value.trim())
            .map_err(|_| format!("{} is neither PEM nor a PFX in base64", secret.id))?
    };
    ClientIdentity::read(&bytes, "").map(|identity| identity.to_pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_to_vaults_only() {
        let at = |id: &str| address(id, "vault.azure.net");
        assert_eq!(
            at("https://Mine.vault.azure.net/secrets/s/1").unwrap(),
            "https://mine.vault.azure.net/secrets/s/1?api-version=7.4"
        );
        for id in [
            "http://mine.vault.azure.net/secrets/s",
            "https://evil.example/secrets/s",
            "https://evilvault.azure.net/secrets/s",
            "https://vault.azure.net.evil.example/secrets/s",
            "https://mine.vault.azure.net@evil.example/secrets/s",
            "https://mine.vault.azure.net:443@evil.example/secrets/s",
            "https://mine.vault.azure.net/keys/k",
            "secrets/s",
            "",
        ] {
            assert!(at(id).is_err(), "{id}");
        }
    }

    #[test]
    fn certificates_are_read_in_both_forms() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let text = made.cert.pem() + &made.signing_key.serialize_pem();
        let secret = |value: String| VaultSecret {
            value,
            content_type: String::new(),
            id: "https://v/secrets/c/1".to_owned(),
        };
        let from_pem = pem(&secret(text.clone())).unwrap();
        let identity = ClientIdentity::read(text.as_bytes(), "").unwrap();
        let from_pfx = pem(&secret(STANDARD.encode(identity.to_pfx().unwrap()))).unwrap();
        assert_eq!(from_pem, from_pfx);
        assert!(ClientIdentity::read(from_pem.as_bytes(), "").is_ok());
        for bad in ["", "%%", "AAAA", "-----BEGIN CERTIFICATE-----"] {
            assert!(pem(&secret(bad.to_owned())).is_err(), "{bad}");
        }
    }
}
