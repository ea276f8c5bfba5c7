//! The information file of an API.

use std::sync::Arc;

use gateway_policy::context;
use http::HeaderName;

use super::{Entity, fields::Fields, id_in};
use crate::{
    problem::{Problem, Severity},
    snapshot::{ApiKind, Protocols},
};

/// Default header of the subscription key.
pub(crate) const KEY_HEADER: &str = "Ocp-Apim-Subscription-Key";
/// Default query parameter of the subscription key.
pub(crate) const KEY_QUERY: &str = "subscription-key";
/// APIM: `path` has at most 400 characters.
const MAX_PATH: usize = 400;

/// What the information file of an API says.
#[derive(Debug)]
pub(crate) struct ApiInfo {
    pub(crate) display_name: Arc<str>,
    /// Without slashes at the ends.
    pub(crate) path: Arc<str>,
    pub(crate) revision: Arc<str>,
    pub(crate) version: Option<Arc<str>>,
    pub(crate) version_set: Option<String>,
    pub(crate) service_url: Option<context::Url>,
    pub(crate) protocols: Protocols,
    pub(crate) protocol_names: Vec<Arc<str>>,
    pub(crate) kind: ApiKind,
    pub(crate) subscription_required: bool,
    pub(crate) key_header: HeaderName,
    pub(crate) key_header_text: Arc<str>,
    pub(crate) key_query: Arc<str>,
    /// Not reachable, even by its revision.
    pub(crate) offline: bool,
    /// Why its requests are refused.
    pub(crate) refused: Option<Arc<str>>,
}

/// Reads an API; `None` when not even its path is known (reported).
pub(crate) fn read(entity: &Entity, revision: Option<&str>, problems: &mut Vec<Problem>) -> Option<ApiInfo> {
    let properties = entity.properties.as_ref()?;
    let mut f = Fields::new(entity, properties, problems);
    let path = read_path(&mut f)?;
    let kind = read_kind(&mut f);
    let (protocols, protocol_names) = read_protocols(&mut f, kind);
    let keys = f.object("subscriptionKeyParameterNames");
    let key_name = |name: &str, default: &'static str| {
        keys.and_then(|k| k.get(name))
            .and_then(|n| n.as_text())
            .filter(|t| !t.is_empty())
            .unwrap_or(default)
    };
    let key_header_text = key_name("header", KEY_HEADER);
    let key_header = match HeaderName::from_bytes(key_header_text.as_bytes()) {
        Ok(name) => name,
        Err(_) => {
            let message = format!("`{key_header_text}` is no header name");
            f.report(
                Severity::Scope,
                "bad-header-name",
                "subscriptionKeyParameterNames.header",
                keys,
                message,
            );
            HeaderName::from_static("ocp-apim-subscription-key")
        }
    };
    let stated = f.text("apiRevision").unwrap_or("1");
    let service_url = f.url("serviceUrl");
    let info = ApiInfo {
        display_name: f.text("displayName").unwrap_or(&entity.name).into(),
        path,
        revision: revision.unwrap_or(stated).into(),
        version: f.text("apiVersion").filter(|v| !v.is_empty()).map(Arc::from),
        version_set: f
            .text("apiVersionSetId")
            .map(|id| id_in(id, "apiVersionSets").unwrap_or(id).to_owned()),
        service_url,
        protocols,
        protocol_names,
        kind,
        // Absent means needed: fail closed, and the service's default.
        subscription_required: f.bool("subscriptionRequired", true),
        key_header,
        key_header_text: key_header_text.into(),
        key_query: key_name("query", KEY_QUERY).into(),
        offline: !f.bool("isOnline", true),
        refused: None,
    };
    let refused = f.refusal();
    Some(ApiInfo { refused, ..info })
}

fn read_path(f: &mut Fields<'_, '_>) -> Option<Arc<str>> {
    let Some(node) = f.node.get("path") else {
        // An absent `path` would be the root API, which answers everything: that has to be said.
        let message = "`path` is missing; write `\"path\": \"\"` for the root API";
        f.report(Severity::Scope, "missing-property", "path", None, message);
        return None;
    };
    let path = f.text("path")?.trim_matches('/');
    let bad = if path.chars().count() > MAX_PATH {
        Some(format!("`path` has more than {MAX_PATH} characters"))
    } else if path
        .split('/')
        .any(|s| s == "." || s == ".." || s.is_empty() && !path.is_empty())
    {
        Some(format!("`{path}` has an empty or dot segment"))
    } else if path.contains(['?', '#', '\\', ';', '*', '{']) {
        Some(format!(
            "`{path}` has a character that a path cannot have (? # \\ ; * {{)"
        ))
    } else {
        None
    };
    if let Some(message) = bad {
        f.report(Severity::Scope, "bad-path", "path", Some(node), message);
        return None;
    }
    Some(path.into())
}

fn read_kind(f: &mut Fields<'_, '_>) -> ApiKind {
    use ApiKind::{GraphQl, Grpc, Http, OData, Soap, WebSocket};
    let known = [
        ("http", Http),
        ("soap", Soap),
        ("websocket", WebSocket),
        ("graphql", GraphQl),
        ("odata", OData),
        ("grpc", Grpc),
    ];
    let Some(text) = f.text("type").or_else(|| f.text("apiType")) else {
        return Http;
    };
    if let Some((_, kind)) = known.iter().find(|(n, _)| n.eq_ignore_ascii_case(text)) {
        return *kind;
    }
    let names: Vec<&str> = known.iter().map(|(n, _)| *n).collect();
    let message = format!(
        "API type `{text}` is not known here; {}",
        crate::problem::suggestion(text, &names)
    );
    f.report(
        Severity::Scope,
        "unknown-value",
        "type",
        f.node.get("type"),
        message,
    );
    Http
}

fn read_protocols(f: &mut Fields<'_, '_>, kind: ApiKind) -> (Protocols, Vec<Arc<str>>) {
    let mut protocols = Protocols::default();
    let mut names = Vec::new();
    for node in f.list("protocols") {
        let text = node.as_text().unwrap_or("").to_ascii_lowercase();
        match text.as_str() {
            "http" => protocols.http = true,
            "https" => protocols.https = true,
            "ws" => protocols.ws = true,
            "wss" => protocols.wss = true,
            other => {
                let message = format!("`{other}` is no protocol; write http, https, ws or wss");
                f.report(Severity::Scope, "unknown-value", "protocols", Some(node), message);
                continue;
            }
        }
        names.push(text.into());
    }
    if names.is_empty() {
        // The service's default, which extractors leave out.
        if kind == ApiKind::WebSocket {
            protocols.wss = true;
            names.push("wss".into());
        } else {
            protocols.https = true;
            names.push("https".into());
        }
    }
    (protocols, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(json: &str, revision: Option<&str>) -> (Option<ApiInfo>, Vec<Problem>) {
        let mut problems = Vec::new();
        let node = crate::doc::read("a.json", json.as_bytes(), &mut problems).unwrap();
        let entity = Entity {
            name: "echo".into(),
            path: "a.json".into(),
            properties: Some(node),
            overlay: None,
        };
        let info = read(&entity, revision, &mut problems);
        (info, problems)
    }

    #[test]
    fn absent_properties_take_the_safe_value() {
        let (info, problems) = api(r#"{"path": ""}"#, None);
        let info = info.unwrap();
        assert_eq!(problems, []);
        assert_eq!(
            (&*info.display_name, &*info.path, &*info.revision),
            ("echo", "", "1")
        );
        assert!(
            info.subscription_required,
            "a key is needed unless the API says otherwise"
        );
        assert_eq!(
            info.protocols,
            Protocols {
                https: true,
                ..Protocols::default()
            }
        );
        assert_eq!(
            (&*info.key_header_text, &*info.key_query),
            (KEY_HEADER, KEY_QUERY)
        );
        assert_eq!(info.kind, ApiKind::Http);
        assert!(!info.offline && info.refused.is_none() && info.version.is_none());
    }

    #[test]
    fn everything_is_read() {
        let (info, problems) = api(
            r#"{"path": "/team/echo/", "displayName": "Echo", "apiRevision": "4", "apiVersion": "v2",
                "apiVersionSetId": "/subscriptions/s/apiVersionSets/set", "protocols": ["HTTP", "wss"], "type": "WebSocket",
                "serviceUrl": "wss://b.example/x", "subscriptionRequired": false, "isOnline": false,
                "subscriptionKeyParameterNames": {"header": "Api-Key", "query": "code"}}"#,
            None,
        );
        let info = info.unwrap();
        assert_eq!(problems, []);
        assert_eq!(
            (&*info.path, &*info.revision, info.version.as_deref()),
            ("team/echo", "4", Some("v2"))
        );
        assert_eq!(info.version_set.as_deref(), Some("set"));
        assert_eq!(
            info.protocols,
            Protocols {
                http: true,
                wss: true,
                ..Protocols::default()
            }
        );
        assert_eq!(info.kind, ApiKind::WebSocket);
        assert_eq!(
            (info.key_header.as_str(), &*info.key_header_text, &*info.key_query),
            ("api-key", "Api-Key", "code")
        );
        assert!(info.offline && !info.subscription_required);
        assert_eq!(info.service_url.map(|u| u.port), Some(443));
    }

    #[test]
    fn the_folder_says_which_revision_it_is() {
        let (info, _) = api(
            r#"{"path": "e", "apiRevision": "1", "isCurrent": true}"#,
            Some("7"),
        );
        assert_eq!(&*info.unwrap().revision, "7");
    }

    #[test]
    fn without_a_path_there_is_no_api() {
        for (json, code) in [
            ("{}", "missing-property"),
            (r#"{"path": ["a"]}"#, "wrong-type"),
            (r#"{"path": "a/../b"}"#, "bad-path"),
            (r#"{"path": "a//b"}"#, "bad-path"),
            (r#"{"path": "a?b"}"#, "bad-path"),
            (r#"{"path": "a;rev=2"}"#, "bad-path"),
            (r#"{"path": "a/{id}"}"#, "bad-path"),
            (r#"{"path": "a/*"}"#, "bad-path"),
        ] {
            let (info, problems) = api(json, None);
            assert!(info.is_none(), "{json}");
            assert_eq!(problems[0].code, code, "{json}");
        }
        let long = format!(r#"{{"path": "{}"}}"#, "x".repeat(401));
        assert!(api(&long, None).0.is_none());
    }

    #[test]
    fn with_a_path_a_mistake_refuses_it() {
        for (json, code, part) in [
            (r#"{"path": "a", "type": "rest"}"#, "unknown-value", "known here"),
            (
                r#"{"path": "a", "type": "graphq"}"#,
                "unknown-value",
                "did you mean `graphql`?",
            ),
            (r#"{"path": "a", "protocols": "https"}"#, "wrong-type", "a list"),
            (
                r#"{"path": "a", "protocols": ["ftp"]}"#,
                "unknown-value",
                "no protocol",
            ),
            (r#"{"path": "a", "serviceUrl": "x"}"#, "bad-url", "scheme"),
            (
                r#"{"path": "a", "subscriptionRequired": "perhaps"}"#,
                "wrong-type",
                "true or false",
            ),
            (
                r#"{"path": "a", "subscriptionKeyParameterNames": {"header": "a b"}}"#,
                "bad-header-name",
                "no header name",
            ),
            (
                r#"{"path": "a", "subscriptionKeyParameterNames": 7}"#,
                "wrong-type",
                "an object",
            ),
        ] {
            let (info, problems) = api(json, None);
            assert!(info.unwrap().refused.is_some(), "{json}");
            assert_eq!(problems[0].code, code, "{json}");
            assert!(
                problems[0].message.contains(part),
                "{json}: {}",
                problems[0].message
            );
            assert_eq!(problems[0].line, 1);
        }
    }
}
