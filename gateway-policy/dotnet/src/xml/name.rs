//! `XName` and the rules for names.

use std::{fmt, sync::Arc};

use crate::Error;

use super::{name_chars, xml_error};

/// The namespace of the prefix `xml`.
pub const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of namespace declarations.
pub const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// `XName`: a namespace (empty is none) and a local name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// `NamespaceName`
    pub namespace: Arc<str>,
    /// `LocalName`
    pub local: Arc<str>,
}

impl Name {
    /// `XName.Get(local, namespace)`
    ///
    /// # Errors
    /// `XmlException` for a local name that is none.
    pub fn new(namespace: &str, local: &str) -> Result<Self, Error> {
        check_ncname(local)?;
        Ok(Self::unchecked(namespace, local))
    }

    /// `XName.Get("{namespace}local")`, and the conversion from string.
    ///
    /// # Errors
    /// `ArgumentException` for braces without content, `XmlException` for a bad local name.
    pub fn expanded(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::new(
                crate::ExceptionKind::ArgumentException,
                format!("'{text}' is an invalid expanded name."),
            )
        };
        if text.is_empty() {
            return Err(invalid());
        }
        let Some(rest) = text.strip_prefix('{') else {
            return Self::new("", text);
        };
        match rest.rsplit_once('}') {
            Some((namespace, local)) if !namespace.is_empty() && !local.is_empty() => {
                Self::new(namespace, local)
            }
            _ => Err(invalid()),
        }
    }

    pub(super) fn unchecked(namespace: &str, local: &str) -> Self {
        Name {
            namespace: namespace.into(),
            local: local.into(),
        }
    }

    /// Whether an attribute of this name declares a namespace.
    pub fn is_declaration(&self) -> bool {
        &*self.namespace == XMLNS_NAMESPACE || (self.namespace.is_empty() && &*self.local == "xmlns")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.local)
        } else {
            write!(f, "{{{}}}{}", self.namespace, self.local)
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `XmlConvert.VerifyNCName`
pub(super) fn check_ncname(name: &str) -> Result<(), Error> {
    match name.chars().enumerate().find(|(i, c)| !is_name_char(*c, *i == 0)) {
        None if name.is_empty() => Err(Error::argument(
            "localName",
            "The empty string '' is not a valid local name.",
        )),
        None => Ok(()),
        Some((0, c)) => Err(xml_error(format!(
            "Name cannot begin with the '{c}' character, hexadecimal value 0x{:02X}.",
            c as u32
        ))),
        Some((_, c)) => Err(xml_error(format!(
            "The '{c}' character, hexadecimal value 0x{:02X}, cannot be included in a name.",
            c as u32
        ))),
    }
}

/// Characters of a name without colons: XML 1.0, fourth edition.
pub(super) fn is_name_char(c: char, first: bool) -> bool {
    match c {
        '_' => true,
        '-' | '.' => !first,
        c if c.is_ascii() => c.is_ascii_alphabetic() || (!first && c.is_ascii_digit()),
        c => {
            let table = if first {
                name_chars::START
            } else {
                name_chars::PART
            };
            u16::try_from(u32::from(c)).is_ok_and(|c| table.partition_point(|edge| *edge <= c) % 2 == 1)
        }
    }
}

/// `XmlReader.IsName`, or `IsNameToken`, whose first character is as any other.
pub fn is_name(text: &str, token: bool) -> bool {
    let fits = |(i, c)| c == ':' || is_name_char(c, i == 0 && !token);
    !text.is_empty() && text.chars().enumerate().all(fits)
}

/// Characters an XML 1.0 document may hold.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
