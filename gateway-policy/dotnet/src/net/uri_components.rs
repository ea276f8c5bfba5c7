//! `Uri.GetComponents`, `Uri.Compare`, `Uri.CheckHostName` and the old `MakeRelative`.

use super::{
    escape::{is_reserved, unescape},
    host,
    ip::parse_ipv4,
    uri::{Uri, default_port},
};
use crate::{Error, Str, text::StringComparison};

const USER: u32 = 2;
const HOST: u32 = 4;
const PORT: u32 = 8;
const PATH: u32 = 0x10;
const QUERY: u32 = 0x20;
const FRAGMENT: u32 = 0x40;
const STRONG_PORT: u32 = 0x80;
const NORMALIZED_HOST: u32 = 0x100;
const SCHEME: u32 = 1;
/// `UriComponents.AbsoluteUri`
const ABSOLUTE: u32 = 0x7F;
/// `UriComponents.SerializationInfoString`
const SERIALIZATION: u32 = 0x8000_0000;

/// How escapes are shown: `UriFormat`.
#[derive(Clone, Copy)]
enum Format {
    Escaped,
    Unescaped,
    SafeUnescaped,
}

impl Format {
    fn of(value: i32) -> Result<Format, Error> {
        match value {
            1 => Ok(Format::Escaped),
            2 => Ok(Format::Unescaped),
            3 => Ok(Format::SafeUnescaped),
            _ => Err(outside("format")),
        }
    }

    fn show(self, text: &str) -> String {
        match self {
            Format::Escaped => text.to_owned(),
            Format::Unescaped => unescape(text, |_| true),
            Format::SafeUnescaped => {
                unescape(text, |b| !(is_reserved(b) || b == b'%' || b.is_ascii_control()))
            }
        }
    }
}

fn outside(name: &str) -> Error {
    Error::out_of_range(name, "Specified argument was out of the range of valid values.")
}

impl Uri {
    /// `GetComponents(components, format)` with the numbers of both enums.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`, `InvalidOperationException` for a relative URI.
    pub fn components(&self, components: u32, format: i32) -> Result<String, Error> {
        if components & SERIALIZATION != 0 && components != SERIALIZATION {
            return Err(outside("components"));
        }
        if format & !3 != 0 {
            return Err(outside("format"));
        }
        let Some(parts) = &self.parts else {
            if components == SERIALIZATION {
                let text = self.original.to_lossy();
                return Ok(Format::of(format)?.show(&text));
            }
            self.parts()?;
            return Ok(String::new());
        };
        if components == SCHEME {
            return Ok(parts.scheme.clone());
        }
        let mut wanted = components;
        if wanted & SERIALIZATION != 0 {
            wanted |= ABSOLUTE;
        }
        if wanted & NORMALIZED_HOST != 0 {
            wanted |= HOST;
        }
        let usual = default_port(&parts.scheme);
        if wanted == PORT || wanted == STRONG_PORT {
            let shown = parts.port != usual || (wanted == STRONG_PORT && usual >= 0);
            return Ok(if shown {
                parts.port.to_string()
            } else {
                String::new()
            });
        }
        if wanted & STRONG_PORT != 0 {
            wanted |= PORT;
        }
        self.assembled(components, wanted, Format::of(format)?)
    }

    fn assembled(&self, asked: u32, wanted: u32, format: Format) -> Result<String, Error> {
        let parts = self.parts()?;
        let mut out = String::new();
        if wanted & SCHEME != 0 {
            out += &parts.scheme;
            out += if parts.authority { "://" } else { ":" };
        }
        if wanted & USER != 0 && !parts.user.is_empty() {
            out += &format.show(&parts.user);
            if asked != USER {
                out.push('@');
            }
        }
        if wanted & HOST != 0 {
            out += &parts.host;
        }
        if wanted & PORT != 0 {
            let usual = default_port(&parts.scheme);
            let strong = wanted & STRONG_PORT != 0 && usual >= 0;
            if parts.port != usual || strong {
                out.push(':');
                out += &parts.port.to_string();
            }
        }
        if wanted & PATH != 0 {
            let path = match (asked, parts.path.strip_prefix('/')) {
                (PATH, Some(rest)) if parts.authority => rest,
                _ => &parts.path,
            };
            out += &format.show(path);
        }
        for (flag, text, mark) in [(QUERY, &parts.query, '?'), (FRAGMENT, &parts.fragment, '#')] {
            if wanted & flag != 0 && !text.is_empty() {
                let body = text.strip_prefix(mark).unwrap_or(text);
                if asked != flag {
                    out.push(mark);
                }
                out += &format.show(body);
            }
        }
        Ok(out)
    }

    /// `Uri.Compare` of two that are there.
    ///
    /// # Errors
    /// As [`Uri::components`].
    pub fn compare(
        &self,
        other: &Uri,
        components: u32,
        format: i32,
        how: StringComparison,
    ) -> Result<i32, Error> {
        let ignore = how.ignores_case();
        match (self.is_absolute(), other.is_absolute()) {
            (true, true) => {
                let (a, b) = (
                    self.components(components, format)?,
                    other.components(components, format)?,
                );
                Ok(Str::new(&a).compare(&Str::new(&b), ignore))
            }
            (true, false) => Ok(1),
            (false, true) => Ok(-1),
            (false, false) => Ok(self.original().compare(other.original(), ignore)),
        }
    }

    /// `IsUnc`: a file on a host.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn is_unc(&self) -> Result<bool, Error> {
        let parts = self.parts()?;
        Ok(parts.scheme == "file" && !parts.host.is_empty())
    }

    /// `MakeRelative(toUri)`: from path to path, or the whole of another server's URI.
    ///
    /// # Errors
    /// `InvalidOperationException` for a relative URI.
    pub fn old_relative(&self, to: &Uri) -> Result<String, Error> {
        let (a, b) = (self.parts()?, to.parts()?);
        if (&a.scheme, &a.host, a.port) != (&b.scheme, &b.host, b.port) {
            return Ok(to.to_text().to_lossy().into_owned());
        }
        Ok(path_difference(&a.path, &b.path))
    }
}

fn path_difference(from: &str, to: &str) -> String {
    let (a, b) = (from.as_bytes(), to.as_bytes());
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let slash = a[..same].iter().rposition(|c| *c == b'/');
    if same == 0 {
        return to.to_owned();
    }
    if same == a.len() && same == b.len() {
        return String::new();
    }
    let ups = a[same..].iter().filter(|c| **c == b'/').count();
    let behind = slash.map_or(0, |s| s + 1);
    if ups == 0 && behind == b.len() {
        return "./".to_owned();
    }
    "../".repeat(ups) + to.get(behind..).unwrap_or_default()
}

/// `Uri.CheckHostName`: the name of the `UriHostNameType`.
pub fn check_host_name(name: &Str) -> &'static str {
    const MAX: usize = i16::MAX as usize;
    let text = name.to_lossy();
    if text.is_empty() || name.len() > MAX {
        return "Unknown";
    }
    if parse_ipv4(&text).is_some() {
        return "IPv4";
    }
    let bracketed = text.starts_with('[');
    // More is refused here than in a URI.
    if !bracketed && text.split('.').any(|label| label.starts_with(['-', '_'])) {
        return "Unknown";
    }
    match host::canonical(&text) {
        Some((_, kind)) => kind.name(),
        None if !bracketed && host::canonical(&format!("[{text}]")).is_some() => "IPv6",
        None => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::UriKind;

    #[test]
    fn components() {
        let uri = Uri::new(&Str::new("http://u:p@h:8080/a%20b/c?q=%2F#f"), UriKind::Absolute).unwrap();
        for (wanted, format, expected) in [
            (1, 1, "http"),
            (USER, 1, "u:p"),
            (PORT, 1, "8080"),
            (PATH, 1, "a%20b/c"),
            (PATH, 2, "a b/c"),
            (PATH | QUERY, 3, "/a b/c?q=%2F"),
            (QUERY, 1, "q=%2F"),
            (FRAGMENT | 0x4000_0000, 1, "#f"),
            (0xD, 1, "http://h:8080"),
        ] {
            assert_eq!(uri.components(wanted, format).unwrap(), expected, "{wanted:x}");
        }
        assert!(uri.components(SERIALIZATION | 1, 1).is_err());
    }

    #[test]
    fn differences() {
        assert_eq!(path_difference("/a/b", "/a/c/d"), "c/d");
        assert_eq!(path_difference("/a/b/c", "/x"), "../../x");
        assert_eq!(path_difference("/a/b", "/a/"), "./");
        assert_eq!(path_difference("/a", "/a"), "");
    }
}
