//! Version sets: where requests of their APIs carry the version.

use std::sync::Arc;

use super::{Entity, fields::Fields};
use crate::{
    problem::{Problem, Severity},
    snapshot::VersionPlace,
};

/// Reads a version set; `None` when it is unusable (reported): its APIs refuse.
pub(crate) fn read(entity: &Entity, problems: &mut Vec<Problem>) -> Option<VersionPlace> {
    let properties = entity.properties.as_ref()?;
    let mut f = Fields::new(entity, properties, problems);
    let scheme = f.required_text("versioningScheme", "it is Segment, Query or Header")?;
    if scheme.eq_ignore_ascii_case("segment") {
        return Some(VersionPlace::Segment);
    }
    if scheme.eq_ignore_ascii_case("query") {
        let name = f.required_text(
            "versionQueryName",
            "name the query parameter that carries the version",
        )?;
        return Some(VersionPlace::Query(Arc::from(name)));
    }
    if scheme.eq_ignore_ascii_case("header") {
        let name = f.required_text("versionHeaderName", "name the header that carries the version")?;
        return match http::HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Some(VersionPlace::Header(name)),
            Err(_) => {
                let at = properties.get("versionHeaderName");
                let message = format!("`{name}` is no header name");
                f.report(
                    Severity::Scope,
                    "bad-header-name",
                    "versionHeaderName",
                    at,
                    message,
                );
                None
            }
        };
    }
    let at = properties.get("versioningScheme");
    let message = format!("`{scheme}` is no versioning scheme; write Segment, Query or Header");
    f.report(Severity::Scope, "unknown-value", "versioningScheme", at, message);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        let header = http::HeaderName::from_static("x-v");
        for (json, expected, code) in [
            (
                r#"{"versioningScheme": "Segment"}"#,
                Some(VersionPlace::Segment),
                None,
            ),
            (
                r#"{"versioningScheme": "query", "versionQueryName": "v"}"#,
                Some(VersionPlace::Query("v".into())),
                None,
            ),
            (
                r#"{"versioningScheme": "HEADER", "versionHeaderName": "X-V"}"#,
                Some(VersionPlace::Header(header)),
                None,
            ),
            (r#"{"versioningScheme": "Query"}"#, None, Some("missing-property")),
            (
                r#"{"versioningScheme": "Header"}"#,
                None,
                Some("missing-property"),
            ),
            (
                r#"{"versioningScheme": "Header", "versionHeaderName": "x v"}"#,
                None,
                Some("bad-header-name"),
            ),
            (r#"{"versioningScheme": "Path"}"#, None, Some("unknown-value")),
            ("{}", None, Some("missing-property")),
        ] {
            let mut problems = Vec::new();
            let node = crate::doc::read("v.json", json.as_bytes(), &mut problems).unwrap();
            let entity = Entity {
                name: "v".into(),
                path: "v.json".into(),
                properties: Some(node),
                overlay: None,
            };
            assert_eq!(read(&entity, &mut problems), expected, "{json}");
            assert_eq!(problems.first().map(|p| p.code), code, "{json}");
        }
    }
}
