//! The gateways' keys, as files: mounted secrets change without a restart.

use std::{io::Read as _, path::PathBuf};

use crate::{
    sync::token::{Refusal, Token},
    telemetry::clock::Timestamp,
};

/// Longest key; the service's own have 88 characters.
const KEY_BYTES_MAX: u64 = 1024;
/// Longest list of applications: a thousand identifiers.
const APPLICATIONS_BYTES_MAX: u64 = 64 * 1024;

/// A folder with files `<gateway>.primary` and `<gateway>.secondary`.
#[derive(Debug)]
pub(crate) struct Keys {
    folder: PathBuf,
}

impl Keys {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Lets the bearer of `authorization` in as `gateway`.
    ///
    /// # Errors
    /// Why not, for the log. A gateway without keys is told from a wrong token here, and not to the stranger.
    pub(crate) fn admit(
        &self,
        gateway: &str,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> Result<Token, Refusal> {
        let text = authorization.ok_or(Refusal::Malformed("no authorization header"))?;
        let token = Token::parse(text)?;
        let keys = self.of(gateway);
        token.admit(gateway, keys.iter().map(String::as_str), now)?;
        Ok(token)
    }

    /// Whether one of `names` may be `gateway`: `<gateway>.applications` has one identifier a line, `#` before remarks.
    pub(super) fn lets_in(&self, gateway: &str, names: &[String]) -> bool {
        let Some(text) = self.read(gateway, "applications", APPLICATIONS_BYTES_MAX) else {
            return false;
        };
        text.lines()
            .filter_map(|line| line.split('#').next())
            .map(str::trim)
            .any(|known| !known.is_empty() && names.iter().any(|name| name.eq_ignore_ascii_case(known)))
    }

    /// Read at each request: the files are small, a node asks every ten seconds, and a key that was taken away works
    /// no longer than this.
    fn of(&self, gateway: &str) -> Vec<String> {
        ["primary", "secondary"]
            .iter()
            .filter_map(|which| {
                let text = self.read(gateway, which, KEY_BYTES_MAX)?;
                let key = text.trim();
                (!key.is_empty()).then(|| key.to_owned())
            })
            .collect()
    }

    fn read(&self, gateway: &str, which: &str, limit: u64) -> Option<String> {
        // The name comes from the address asked for: nothing that could leave the folder.
        if gateway.is_empty() || !gateway.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return None;
        }
        let file = std::fs::File::open(self.folder.join(format!("{gateway}.{which}"))).ok()?;
        let mut text = String::new();
        file.take(limit).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;

    #[test]
    fn keys_are_read_when_they_are_needed() {
        let scratch = Scratch::new();
        let keys = Keys::new(scratch.path().to_owned());
        let now = Timestamp::from_minute(2026, 12, 1, 0, 0).unwrap();
        let expiry = Timestamp::from_minute(2026, 12, 31, 0, 0).unwrap();
        let header = format!("GatewayKey {}", Token::sign("edge", expiry, "two").text());
        let admit = |name: &str| {
            keys.admit(name, Some(&header), now)
                .map(|t| t.gateway().to_owned())
        };
        assert_eq!(admit("edge"), Err(Refusal::Signature), "no keys yet");
        scratch.write("edge.primary", "one\n");
        assert_eq!(admit("edge"), Err(Refusal::Signature));
        scratch.write("edge.secondary", "two\n");
        assert_eq!(admit("edge"), Ok("edge".to_owned()));
        scratch.write("edge.secondary", "");
        assert_eq!(admit("edge"), Err(Refusal::Signature), "taken away");
        let none = keys.admit("edge", None, now).map(|_| ());
        assert_eq!(none, Err(Refusal::Malformed("no authorization header")));
    }

    #[test]
    fn applications_are_listed_by_line() {
        let scratch = Scratch::new();
        let keys = Keys::new(scratch.path().to_owned());
        let may = |name: &str| keys.lets_in("edge", &[String::new(), name.to_owned()]);
        assert!(!may("a"), "no list");
        scratch.write("edge.applications", "# ours\nAAAA-1  # the pod\n\n  b\n");
        for (name, expected) in [
            ("aaaa-1", true),
            ("b", true),
            ("c", false),
            ("", false),
            ("# ours", false),
        ] {
            assert_eq!(may(name), expected, "{name}");
        }
        assert!(!keys.lets_in("../edge", &["b".to_owned()]));
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let scratch = Scratch::new();
        scratch.write("outside.primary", "key");
        scratch.write("keys/inside.primary", "key");
        let keys = Keys::new(scratch.path().join("keys"));
        assert_eq!(keys.of("inside"), ["key"]);
        for name in ["../outside", "", "..", "a/b", "a.primary"] {
            assert!(keys.of(name).is_empty(), "{name}");
        }
    }
}
