//! Relative URIs: combining with a base, and back.

use super::{
    Uri, UriKind,
    uri::{canonical, without_dots},
};
use crate::{Error, Str};

impl Uri {
    /// `new Uri(base, relative)`.
    ///
    /// # Errors
    /// `UriFormatException`; `ArgumentOutOfRangeException` if the base is relative.
    pub fn combine(&self, relative: &Str) -> Result<Uri, Error> {
        if !self.is_absolute() {
            return Err(Error::out_of_range(
                "baseUri",
                "Specified argument was out of the range of valid values.",
            ));
        }
        let text = relative.to_lossy();
        if text.is_empty() {
            return Ok(self.clone());
        }
        let drive =
            text.as_bytes().get(1) == Some(&b':') && text.starts_with(|c: char| c.is_ascii_alphabetic());
        if !text.starts_with('/') {
            match Uri::new(relative, UriKind::Absolute) {
                Ok(uri) => return Ok(uri),
                Err(e) if drive => return Err(e),
                Err(_) => {}
            }
        }
        let mut parts = self.parts()?.clone();
        if let Some(rest) = text.strip_prefix("//") {
            return Uri::new(
                &Str::from(format!("{}://{rest}", parts.scheme)),
                UriKind::Absolute,
            );
        }
        let (rest, fragment) = text.find('#').map_or((&*text, ""), |i| text.split_at(i));
        let (path, query) = rest.find('?').map_or((rest, ""), |i| rest.split_at(i));
        parts.fragment = canonical(fragment, false);
        if !path.is_empty() || !query.is_empty() {
            parts.query = canonical(query, false);
        }
        let path = canonical(path, true);
        if path.starts_with('/') {
            parts.path = without_dots(&path);
        } else if !path.is_empty() {
            let folder = parts.path.rfind('/').map_or("/", |i| &parts.path[..=i]);
            parts.path = without_dots(&format!("{folder}{path}"));
        }
        let mut uri = Uri {
            original: Str::EMPTY,
            parts: Some(parts),
        };
        uri.original = Str::from(uri.absolute_uri()?);
        Ok(uri)
    }

    /// `MakeRelativeUri`: how to get from here to `target`.
    ///
    /// # Errors
    /// `InvalidOperationException` if either is relative.
    pub fn make_relative(&self, target: &Uri) -> Result<Uri, Error> {
        let (from, to) = (self.parts()?, target.parts()?);
        if (&from.scheme, &from.host, from.port) != (&to.scheme, &to.host, to.port) {
            return Ok(target.clone());
        }
        let shared = from
            .path
            .bytes()
            .zip(to.path.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let folder = from.path[..shared].rfind('/').map_or(0, |i| i + 1);
        let ups = from.path[folder..].matches('/').count();
        let mut text = format!("{}{}", "../".repeat(ups), &to.path[folder..]);
        if from.path == to.path {
            text.clear();
        }
        text.push_str(&to.query);
        text.push_str(&to.fragment);
        Uri::new(&Str::from(text), UriKind::Relative)
    }

    /// `IsBaseOf`.
    ///
    /// # Errors
    /// `InvalidOperationException` if this is relative.
    pub fn is_base_of(&self, other: &Uri) -> Result<bool, Error> {
        let base = self.parts()?;
        let Some(other) = &other.parts else {
            return Ok(true);
        };
        let folder = base.path.rfind('/').map_or("", |i| &base.path[..=i]);
        Ok(
            (&base.scheme, &base.host, base.port) == (&other.scheme, &other.host, other.port)
                && other.path.starts_with(folder),
        )
    }
}
