//! Distinguished names as .NET prints them.

use x509_cert::{
    attr::AttributeTypeAndValue,
    der::{Tag, Tagged},
    name::Name,
};

/// .NET's short names of attribute types; others print as `OID.…`.
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "S"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "T"),
    ("2.5.4.13", "Description"),
    ("2.5.4.17", "PostalCode"),
    ("2.5.4.20", "Phone"),
    ("2.5.4.42", "G"),
    ("2.5.4.43", "I"),
    ("2.5.4.46", "dnQualifier"),
    ("1.2.840.113549.1.9.1", "E"),
    ("0.9.2342.19200300.100.1.1", "userId"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// The name, last component first (`reverse`), as `X500DistinguishedName.Name` has it.
pub(super) fn print(name: &Name, reverse: bool) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let values: Vec<String> = rdn.iter().map(attribute).collect();
            values.join(" + ")
        })
        .collect();
    if reverse {
        parts.reverse();
    }
    parts.join(", ")
}

/// The text of the first attribute of this type, counted from the most specific component.
pub(super) fn find(name: &Name, oid: &str) -> Option<String> {
    let all: Vec<&AttributeTypeAndValue> = name.iter().collect();
    all.into_iter()
        .rev()
        .find(|attribute| attribute.oid.to_string() == oid)
        .map(text)
}

fn attribute(attribute: &AttributeTypeAndValue) -> String {
    let oid = attribute.oid.to_string();
    let label = SHORT
        .iter()
        .find(|(known, _)| *known == oid)
        .map_or_else(|| format!("OID.{oid}"), |(_, short)| (*short).to_owned());
    let text = text(attribute);
    let special = text.is_empty()
        || text.starts_with(char::is_whitespace)
        || text.ends_with(char::is_whitespace)
        || text.contains([',', '+', '=', '"', '\n', '<', '>', '#', ';']);
    if special {
        format!("{label}=\"{}\"", text.replace('"', "\"\""))
    } else {
        format!("{label}={text}")
    }
}

fn text(attribute: &AttributeTypeAndValue) -> String {
    let bytes = attribute.value.value();
    match attribute.value.tag() {
        Tag::BmpString => {
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        Tag::TeletexString => bytes.iter().map(|b| char::from(*b)).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}
