//! Which TLS suites are offered: the settings' lists against what the TLS library has.
//!
//! Of the thirty suites that the original offers by default the library has nine; a name it does not have is
//! left out with a warning, and a list that leaves nothing stops the start.

use std::sync::Arc;

use gateway_config::{Settings, settings::ClientSettings};
use rustls::{SupportedCipherSuite, crypto::CryptoProvider};

use super::StartError;
use crate::tls;

const SERVER: &str = "net.server.tls.ciphers.allowed-suites";
const CLIENT: &str = "net.client.tls.ciphers.allowed-suites";

/// The provider for connections from clients.
///
/// # Errors
/// When the list leaves no TLS 1.3 suite, which HTTP/3 and every current client want.
pub(super) fn server(settings: &Settings) -> Result<Arc<CryptoProvider>, StartError> {
    let provider = select(SERVER, &settings.server.ciphers, |_| true)?;
    if !provider.cipher_suites.iter().any(|suite| suite.tls13().is_some()) {
        return Err(StartError::Suites {
            setting: SERVER,
            what: "TLS 1.3",
        });
    }
    Ok(provider)
}

/// The provider for connections to backends, without the versions that are turned off.
///
/// # Errors
/// When nothing is left.
pub(super) fn client(settings: &ClientSettings) -> Result<Arc<CryptoProvider>, StartError> {
    select(CLIENT, &settings.ciphers, |suite| match suite {
        SupportedCipherSuite::Tls12(_) => settings.tls12,
        SupportedCipherSuite::Tls13(_) => settings.tls13,
    })
}

fn select(
    setting: &'static str,
    names: &[Arc<str>],
    wanted: impl Fn(&SupportedCipherSuite) -> bool,
) -> Result<Arc<CryptoProvider>, StartError> {
    let mut provider = (*tls::provider()).clone();
    for name in names {
        if !provider.cipher_suites.iter().any(|suite| is_named(suite, name)) {
            tracing::warn!(event = "TlsSuiteUnknown", setting, suite = %name, "this suite is not supported and left out");
        }
    }
    provider.cipher_suites.retain(|suite| {
        wanted(suite) && (names.is_empty() || names.iter().any(|name| is_named(suite, name)))
    });
    if provider.cipher_suites.is_empty() {
        return Err(StartError::Suites {
            setting,
            what: "supported",
        });
    }
    provider.cipher_suites.sort_by_key(|suite| rank(suite, names));
    Ok(Arc::new(provider))
}

/// How early a suite is preferred: as the setting lists it. Without a list AES-128 comes first: its
/// handshake hashes with SHA-256, which processors do in hardware, where SHA-384 took a sixth of the CPU of
/// a handshake.
fn rank(suite: &SupportedCipherSuite, names: &[Arc<str>]) -> usize {
    if let Some(at) = names.iter().position(|name| is_named(suite, name)) {
        return at;
    }
    let name = suite.suite().as_str().unwrap_or_default();
    usize::from(!name.contains("AES_128"))
}

/// The registry's name (IANA); the library writes `TLS13_…` for those of TLS 1.3.
fn is_named(suite: &SupportedCipherSuite, name: &str) -> bool {
    let Some(own) = suite.suite().as_str() else {
        return false;
    };
    let own = own
        .strip_prefix("TLS13_")
        .or_else(|| own.strip_prefix("TLS_"))
        .unwrap_or(own);
    name.trim()
        .strip_prefix("TLS_")
        .is_some_and(|rest| rest.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<Arc<str>> {
        list.iter().map(|name| Arc::from(*name)).collect()
    }

    fn check(tls12: bool, tls13: bool, list: &[&str], expected: Option<usize>) {
        let settings = ClientSettings {
            ciphers: names(list),
            tls12,
            tls13,
            ..ClientSettings::default()
        };
        let found = client(&settings)
            .ok()
            .map(|provider| provider.cipher_suites.len());
        assert_eq!(found, expected, "{tls12} {tls13} {list:?}");
    }

    #[test]
    fn lists_and_versions_choose_suites() {
        check(true, true, &[], Some(9));
        check(false, true, &[], Some(3));
        check(true, false, &[], Some(6));
        check(
            true,
            true,
            &["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
            Some(2),
        );
        check(
            true,
            true,
            &["TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA"],
            Some(1),
        );
        check(true, true, &["TLS_RSA_WITH_AES_128_CBC_SHA"], None);
        check(true, false, &["TLS_AES_128_GCM_SHA256"], None);
    }

    #[test]
    fn the_list_is_the_preference() {
        let mut settings = Settings::default();
        let first = |settings: &Settings| server(settings).unwrap().cipher_suites[0];
        assert!(is_named(&first(&settings), "TLS_AES_128_GCM_SHA256"));
        for order in [
            ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"],
            ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"],
        ] {
            settings.server.ciphers = names(&order);
            assert!(is_named(&first(&settings), order[0]), "{order:?}");
        }
    }

    #[test]
    fn a_server_keeps_tls_1_3() {
        let mut settings = Settings::default();
        assert_eq!(server(&settings).unwrap().cipher_suites.len(), 9);
        settings.server.ciphers = names(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        let error = server(&settings).unwrap_err().to_string();
        assert!(error.contains(SERVER), "{error}");
    }
}
