//! What goes with a context beside the model: the rules of evaluation, spellings of header names, messages.

use std::sync::Arc;

use http::HeaderName;

use crate::Limits;

/// Most messages of `context.Trace` kept for one exchange; later ones are dropped.
pub const MESSAGES_MAX: usize = 64;

/// How expressions are evaluated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// How much one evaluation may use.
    pub limits: Limits,
    /// `context.Variables["missing"]` is null rather than a `KeyNotFoundException`.
    pub missing_variable_is_null: bool,
}

/// Rules, names and messages of one exchange.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// How expressions are evaluated.
    pub rules: Rules,
    /// Header names as they were written.
    pub names: HeaderNames,
    /// What `context.Trace` said, for whoever writes traces; at most [`MESSAGES_MAX`].
    pub messages: Vec<String>,
}

/// Spellings of header names, and headers that no HTTP message could hold.
///
/// A header map knows names in lower case only. Whoever knows how a name was written puts it here, and
/// expressions that enumerate headers see it. Names of no known spelling are shown as the standards write
/// them, others in lower case.
#[derive(Clone, Debug, Default)]
pub struct HeaderNames {
    spelled: Vec<(HeaderName, Arc<str>)>,
    foreign: Vec<Foreign>,
}

/// A header that no HTTP message could hold.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    response: bool,
    /// How many names of the header map stand before it.
    pub before: usize,
    pub name: Arc<str>,
    pub values: Vec<String>,
}

impl HeaderNames {
    /// Remembers how a name is written; the first spelling stays.
    pub fn spell(&mut self, name: &HeaderName, spelling: &str) {
        if self.spelled.iter().all(|(n, _)| n != name) {
            self.spelled.push((name.clone(), spelling.into()));
        }
    }

    /// Adds a header whose name is no token of HTTP, as described contexts may have, behind the first
    /// `before` names of the header map.
    pub fn add_foreign(&mut self, response: bool, before: usize, name: &str, values: Vec<String>) {
        self.foreign.push(Foreign {
            response,
            before,
            name: name.into(),
            values,
        });
    }

    /// The name as it was written, or as the standards write it.
    pub fn shown<'n>(&'n self, name: &'n HeaderName) -> &'n str {
        match self.spelled.iter().find(|(n, _)| n == name) {
            Some((_, spelling)) => spelling,
            None => standard(name.as_str()),
        }
    }

    /// Values of a foreign header.
    pub(crate) fn foreign(&self, response: bool, name: &str) -> Option<&[String]> {
        let found = self
            .foreign
            .iter()
            .find(|f| f.response == response && f.name.eq_ignore_ascii_case(name));
        found.map(|f| f.values.as_slice())
    }

    /// All foreign headers of a message.
    pub(crate) fn all_foreign(&self, response: bool) -> impl Iterator<Item = &Foreign> {
        self.foreign.iter().filter(move |f| f.response == response)
    }
}

/// Headers of RFC 9110 and its neighbours, and the customary ones of proxies, in their usual spelling.
const STANDARD: &[&str] = &[
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Accept-Ranges",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Age",
    "Allow",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-Range",
    "Content-Security-Policy",
    "Content-Type",
    "Cookie",
    "Date",
    "ETag",
    "Expect",
    "Expires",
    "Forwarded",
    "From",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Last-Modified",
    "Link",
    "Location",
    "Max-Forwards",
    "Ocp-Apim-Subscription-Key",
    "Origin",
    "Pragma",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Range",
    "Referer",
    "Retry-After",
    "Server",
    "Set-Cookie",
    "Strict-Transport-Security",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "Vary",
    "Via",
    "WWW-Authenticate",
    "Warning",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
];

fn standard(name: &str) -> &str {
    // Few enough to look through: only enumerating all headers asks.
    STANDARD
        .iter()
        .find(|s| s.eq_ignore_ascii_case(name))
        .unwrap_or(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_spelling() {
        let mut names = HeaderNames::default();
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).expect("a header name");
        names.spell(&name("x-my-id"), "X-My-ID");
        names.spell(&name("x-my-id"), "x-MY-id");
        for (given, shown) in [
            ("X-MY-ID", "X-My-ID"),
            ("etag", "ETag"),
            ("www-authenticate", "WWW-Authenticate"),
            ("x-unknown", "x-unknown"),
        ] {
            assert_eq!(names.shown(&name(given)), shown);
        }
    }

    #[test]
    fn foreign_headers_belong_to_their_message() {
        let mut names = HeaderNames::default();
        names.add_foreign(false, 0, "x-{Name}", vec!["v".to_owned()]);
        assert_eq!(names.foreign(false, "X-{name}"), Some(&["v".to_owned()][..]));
        assert_eq!(names.foreign(true, "x-{Name}"), None);
        assert_eq!(names.all_foreign(true).count(), 0);
    }
}
