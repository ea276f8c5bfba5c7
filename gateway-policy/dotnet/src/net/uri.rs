//! `System.Uri`: parsing, canonical form and components.

use super::{
    MAX_URI_UNITS,
    escape::{hex_at, is_reserved, is_unreserved, push_escaped, too_long, unescape, uri_error},
    host::{self, HostKind},
};
use crate::{Error, ExceptionKind, Str};

/// `System.UriKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the .NET enum under their own names")]
pub enum UriKind {
    RelativeOrAbsolute,
    Absolute,
    Relative,
}

/// `System.UriPartial`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the .NET enum under their own names")]
pub enum UriPartial {
    Scheme,
    Authority,
    Path,
    Query,
}

/// A `System.Uri`.
#[derive(Clone, Debug)]
pub struct Uri {
    pub(super) original: Str,
    pub(super) parts: Option<Parts>,
}

/// The components of an absolute URI, escaped.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) scheme: String,
    /// Whether `//` follows the scheme.
    pub(super) authority: bool,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) kind: HostKind,
    /// -1 where neither text nor scheme gives one.
    pub(super) port: i32,
    pub(super) path: String,
    /// With its question mark, or empty.
    pub(super) query: String,
    /// With its number sign, or empty.
    pub(super) fragment: String,
}

/// Schemes with a default port; all of them need an authority.
const PORTS: &[(&str, i32)] = &[
    ("http", 80),
    ("https", 443),
    ("ftp", 21),
    ("ws", 80),
    ("wss", 443),
    ("gopher", 70),
    ("telnet", 23),
    ("ldap", 389),
    ("net.tcp", 808),
];

pub(super) fn default_port(scheme: &str) -> i32 {
    PORTS
        .iter()
        .find(|(s, _)| *s == scheme)
        .map_or(if scheme == "mailto" { 25 } else { -1 }, |(_, p)| *p)
}

fn undetermined() -> Error {
    uri_error("Invalid URI: The format of the URI could not be determined.")
}

fn bad_host() -> Error {
    uri_error("Invalid URI: The hostname could not be parsed.")
}

pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

impl Uri {
    /// `new Uri(text, kind)`.
    ///
    /// # Errors
    /// `UriFormatException`.
    pub fn new(text: &Str, kind: UriKind) -> Result<Uri, Error> {
        let lossy = text.to_lossy();
        let original = text.clone();
        if text.len() > MAX_URI_UNITS {
            return Err(too_long());
        }
        let parsed = parse(&lossy);
        match (kind, parsed) {
            (UriKind::Relative, Ok(_)) if !lossy.trim_start().starts_with('/') => Err(uri_error(
                "A relative URI cannot be created because the 'uriString' parameter represents an absolute URI.",
            )),
            (UriKind::Absolute, Ok(parts)) => Ok(Uri {
                original,
                parts: Some(parts),
            }),
            (UriKind::RelativeOrAbsolute, Ok(parts)) if !lossy.starts_with('/') => Ok(Uri {
                original,
                parts: Some(parts),
            }),
            (UriKind::Absolute, Err(e)) => Err(e),
            // Text without a usable scheme is a relative URI; a scheme with something broken behind it is not.
            (UriKind::RelativeOrAbsolute, Err(e))
                if e.message != undetermined().message && !lossy.is_empty() =>
            {
                Err(e)
            }
            _ => Ok(Uri {
                original,
                parts: None,
            }),
        }
    }

    pub(super) fn parts(&self) -> Result<&Parts, Error> {
        self.parts.as_ref().ok_or_else(|| {
            Error::new(
                ExceptionKind::InvalidOperationException,
                "This operation is not supported for a relative URI.",
            )
        })
    }

    /// `IsAbsoluteUri`
    pub fn is_absolute(&self) -> bool {
        self.parts.is_some()
    }

    /// `OriginalString`
    pub fn original(&self) -> &Str {
        &self.original
    }

    /// `Scheme`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn scheme(&self) -> Result<&str, Error> {
        Ok(&self.parts()?.scheme)
    }

    /// `Host`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn host(&self) -> Result<&str, Error> {
        Ok(&self.parts()?.host)
    }

    /// `HostNameType`, by name.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn host_kind(&self) -> Result<&'static str, Error> {
        Ok(self.parts()?.kind.name())
    }

    /// `Port`: -1 where the scheme has none.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn port(&self) -> Result<i32, Error> {
        Ok(self.parts()?.port)
    }

    /// `IsDefaultPort`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn is_default_port(&self) -> Result<bool, Error> {
        let p = self.parts()?;
        Ok(p.port == default_port(&p.scheme))
    }

    /// `UserInfo`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn user_info(&self) -> Result<&str, Error> {
        Ok(&self.parts()?.user)
    }

    /// `Authority`: host, and the port unless it is the scheme's own.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn authority(&self) -> Result<String, Error> {
        Ok(self.parts()?.authority_text())
    }

    /// `AbsolutePath`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn absolute_path(&self) -> Result<&str, Error> {
        Ok(&self.parts()?.path)
    }

    /// `LocalPath`: unescaped.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn local_path(&self) -> Result<String, Error> {
        Ok(unescape(&self.parts()?.path, |_| true))
    }

    /// `Query`, with its question mark.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn query(&self) -> Result<&str, Error> {
        Ok(&self.parts()?.query)
    }

    /// `Fragment`, with its number sign.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn fragment(&self) -> Result<&str, Error> {
        Ok(&self.parts()?.fragment)
    }

    /// `PathAndQuery`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn path_and_query(&self) -> Result<String, Error> {
        let p = self.parts()?;
        Ok(format!("{}{}", p.path, p.query))
    }

    /// `Segments`: the path cut after each slash.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn segments(&self) -> Result<Vec<String>, Error> {
        Ok(self
            .parts()?
            .path
            .split_inclusive('/')
            .map(str::to_owned)
            .collect())
    }

    /// `AbsoluteUri`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn absolute_uri(&self) -> Result<String, Error> {
        let p = self.parts()?;
        Ok(format!("{}{}{}{}", p.left(), p.path, p.query, p.fragment))
    }

    /// `GetLeftPart`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn left_part(&self, part: UriPartial) -> Result<String, Error> {
        let p = self.parts()?;
        Ok(match part {
            UriPartial::Scheme => format!("{}{}", p.scheme, if p.authority { "://" } else { ":" }),
            UriPartial::Authority if p.authority => p.left(),
            UriPartial::Authority => String::new(),
            UriPartial::Path => format!("{}{}", p.left(), p.path),
            UriPartial::Query => format!("{}{}{}", p.left(), p.path, p.query),
        })
    }

    /// `ToString()`: what can be read is unescaped.
    pub fn to_text(&self) -> Str {
        match &self.parts {
            None => self.original.clone(),
            Some(p) => {
                let rest = format!("{}{}{}", p.path, p.query, p.fragment);
                Str::from(p.left() + &unescape(&rest, readable))
            }
        }
    }

    /// `IsLoopback`
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn is_loopback(&self) -> Result<bool, Error> {
        let p = self.parts()?;
        let v6 = p.host.trim_matches(['[', ']']);
        let address = super::parse_ip(&Str::new(v6)).is_ok_and(super::is_loopback);
        Ok(p.host == "localhost" || p.host == "loopback" || address || p.scheme == "file")
    }

    /// `Uri.IsWellFormedUriString`.
    pub fn is_well_formed(text: &Str, kind: UriKind) -> bool {
        let Ok(uri) = Uri::new(text, kind) else {
            return false;
        };
        let lossy = text.to_lossy();
        // A rooted path is a file only by grace, and no colon may stand before a relative path's first slash.
        let colon = lossy
            .split(['/', '?', '#', '\\'])
            .next()
            .is_some_and(|s| s.contains(':'));
        if uri.is_absolute() && lossy.starts_with('/') || !uri.is_absolute() && (colon || lossy.contains('#'))
        {
            return false;
        }
        let bytes = lossy.as_bytes();
        let clean = (0..bytes.len()).all(|i| match bytes[i] {
            b'%' => hex_at(bytes, i).is_some(),
            b if b < 0x80 => is_unreserved(b) || is_reserved(b),
            _ => true,
        });
        clean && (kind != UriKind::Absolute || uri.is_absolute())
    }

    /// What equality and the hash code see: all but user information and fragment.
    pub(super) fn key(&self) -> (bool, String) {
        match &self.parts {
            None => (false, self.original.to_string()),
            Some(p) => {
                let rest = unescape(&format!("{}{}", p.path, p.query), readable);
                (true, format!("{}://{}{}{rest}", p.scheme, p.host, p.port))
            }
        }
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Uri) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Uri {}

impl std::hash::Hash for Uri {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// ASCII that `ToString` shows unescaped: nothing that could be taken for structure.
fn readable(b: u8) -> bool {
    let hidden = b < 0x20
        || b == 0x7F
        || ((b';'..=b'@').contains(&b) && b | 2 != b'>')
        || (b'#'..=b'&').contains(&b)
        || matches!(b, b'+' | b',' | b'/' | b'\\');
    !hidden
}

impl Parts {
    pub(super) fn authority_text(&self) -> String {
        if self.port == default_port(&self.scheme) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Scheme and authority.
    fn left(&self) -> String {
        let at = if self.user.is_empty() { "" } else { "@" };
        if !self.authority {
            // Only mail has a user and a host there.
            return format!("{}:{}{at}{}", self.scheme, self.user, self.authority_text());
        }
        format!("{}://{}{at}{}", self.scheme, self.user, self.authority_text())
    }
}

fn parse(text: &str) -> Result<Parts, Error> {
    if text.is_empty() {
        return Err(uri_error("Invalid URI: The URI is empty."));
    }
    let text = text.trim_matches([' ', '\t', '\r', '\n', '\u{c}']);
    if text.starts_with('/') {
        // On Unix a rooted path is a file.
        let path = canonical(text, true);
        let path = if text.starts_with("//") {
            path
        } else {
            without_dots(&path)
        };
        return Ok(Parts::bare("file", true, path));
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(undetermined());
    };
    if scheme.is_empty() || scheme.contains(['/', '?', '#']) {
        return Err(undetermined());
    }
    if scheme.len() == 1 && scheme.bytes().all(|b| b.is_ascii_alphabetic()) {
        if !rest.starts_with(['/', '\\']) {
            return Err(uri_error(
                "Invalid URI: A Dos path must be rooted, for example, 'c:\\\\'.",
            ));
        }
        let path = format!("/{scheme}:{}", canonical(rest, true));
        return Ok(Parts::bare("file", true, path));
    }
    if !is_scheme(scheme) {
        return Err(uri_error("Invalid URI: The URI scheme is not valid."));
    }
    let scheme = scheme.to_ascii_lowercase();
    let (rest, fragment) = cut(rest, '#');
    let (rest, query) = cut(rest, '?');
    let mut parts = match rest.strip_prefix("//") {
        Some(rest) => with_authority(&scheme, rest)?,
        None if default_port(&scheme) > 0 && scheme != "mailto" => {
            return Err(uri_error("Invalid URI: The Authority/Host could not be parsed."));
        }
        None if scheme == "mailto" => mail(rest)?,
        None => Parts::bare(&scheme, false, canonical(rest, false)),
    };
    parts.query = canonical(query, false);
    parts.fragment = canonical(fragment, false);
    Ok(parts)
}

impl Parts {
    fn bare(scheme: &str, authority: bool, path: String) -> Parts {
        Parts {
            scheme: scheme.to_owned(),
            authority,
            user: String::new(),
            host: String::new(),
            kind: HostKind::Basic,
            port: default_port(scheme),
            path,
            query: String::new(),
            fragment: String::new(),
        }
    }
}

/// `mailto:user@host`, which .NET takes for an authority without slashes.
fn mail(rest: &str) -> Result<Parts, Error> {
    let (authority, path) = cut(rest, '/');
    let mut parts = Parts::bare("mailto", false, canonical(path, false));
    if !authority.is_empty() {
        parts.read_authority(authority)?;
    }
    Ok(parts)
}

fn with_authority(scheme: &str, rest: &str) -> Result<Parts, Error> {
    let known = default_port(scheme) > 0;
    let end = rest.find('/').unwrap_or(rest.len());
    let end = if known {
        rest.find(['/', '\\'])
            .map_or(end, |i| if i > 0 { i } else { end })
    } else {
        end
    };
    let (authority, path) = rest.split_at(end);
    let path = canonical(path, known || scheme == "file");
    let path = if path.is_empty() {
        "/".to_owned()
    } else {
        without_dots(&path)
    };
    let mut parts = Parts::bare(scheme, true, path);
    if authority.is_empty() {
        return if known { Err(bad_host()) } else { Ok(parts) };
    }
    parts.read_authority(authority)?;
    Ok(parts)
}

impl Parts {
    /// User, host and port.
    fn read_authority(&mut self, authority: &str) -> Result<(), Error> {
        let (user, server) = authority.split_once('@').map_or(("", authority), |(u, s)| (u, s));
        self.user = canonical(user, false);
        let colon = server.rfind(':').filter(|i| !server[*i..].contains(']'));
        let (name, port) = colon.map_or((server, ""), |i| (&server[..i], &server[i + 1..]));
        if !port.is_empty() {
            let number = port
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| port.parse::<u16>().ok())
                .flatten();
            let number = number.ok_or_else(|| uri_error("Invalid URI: Invalid port specified."))?;
            self.port = i32::from(number);
        }
        (self.host, self.kind) = host::canonical(name).ok_or_else(bad_host)?;
        Ok(())
    }
}

fn cut(text: &str, at: char) -> (&str, &str) {
    text.find(at).map_or((text, ""), |i| text.split_at(i))
}

/// The escaped form: unneeded escapes undone, everything not allowed escaped.
pub(super) fn canonical(text: &str, slashes: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let b = bytes[at];
        match hex_at(bytes, at) {
            Some(value) if is_unreserved(value) => {
                out.push(char::from(value));
                at += 3;
            }
            Some(value) if value < 0x80 => {
                out.push_str(&text[at..at + 3]);
                at += 3;
            }
            Some(_) => {
                let run = (0..)
                    .take_while(|n| hex_at(bytes, at + n * 3).is_some_and(|v| v >= 0x80))
                    .count();
                let escaped = &text[at..at + run * 3];
                let valid = !unescape(escaped, |_| true).contains('%');
                out.push_str(&if valid {
                    escaped.to_ascii_uppercase()
                } else {
                    escaped.to_owned()
                });
                at += run * 3;
            }
            None => {
                if b == b'\\' && slashes {
                    out.push('/');
                } else if is_unreserved(b) || is_reserved(b) {
                    out.push(char::from(b));
                } else {
                    push_escaped(b, &mut out);
                }
                at += 1;
            }
        }
    }
    out
}

/// Resolves `.` and `..` segments.
pub(super) fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (i, segment) in segments.iter().enumerate() {
        let last = i + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    out.pop();
                }
                if last {
                    out.push("");
                }
            }
            _ => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
