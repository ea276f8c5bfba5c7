//! Loggers: where telemetry goes. Credentials are text, a named value, or a reference of the overlay.
//!
//! Source: "Logger" of the management API; `config-plane.md` §7.9. A logger that cannot be used never refuses a
//! request: telemetry is the lesser good. It is reported once, at load.

use std::sync::Arc;

use super::{
    Entity,
    fields::{Fields, parse_url},
    named_value::{resolve, substitute},
};
use crate::{
    doc::Node,
    problem::Severity,
    secret::{Secret, SecretLookup},
    telemetry::{EventHub, HubAccess, Insights, Logger, LoggerKind, ManagedIdentity},
};

/// Finds the text of a named value.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<Arc<str>>;

/// Path of the ingestion service behind an `IngestionEndpoint`.
const TRACK: &str = "/v2.1/track";
/// Where telemetry of a bare instrumentation key goes unless the settings say otherwise is the caller's knowledge.
const AMQPS: u16 = 5671;

/// Reads a logger; `fallback` is the ingestion address for bare instrumentation keys.
pub(crate) fn read(
    entity: &Entity,
    names: Lookup<'_>,
    secrets: SecretLookup<'_>,
    fallback: &str,
    problems: &mut Vec<crate::Problem>,
) -> Logger {
    let id: Arc<str> = entity.name.as_str().into();
    let unusable = |why: String| Logger {
        id: Arc::clone(&id),
        buffered: true,
        kind: LoggerKind::Unusable(why.into()),
    };
    let Some(properties) = &entity.properties else {
        return unusable(format!("{} could not be read", entity.path));
    };
    let mut f = Fields::new(entity, properties, problems);
    let buffered = f.bool("isBuffered", true);
    let kind = f.required_text(
        "loggerType",
        "use applicationInsights, azureEventHub or azureMonitor",
    );
    let credentials = Credentials {
        node: f.object("credentials"),
        names,
        secrets,
    };
    let read = match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("azuremonitor") => Ok(LoggerKind::Monitor),
        Some("applicationinsights") => insights(&credentials, fallback).map(LoggerKind::Insights),
        Some("azureeventhub") => event_hub(&credentials).map(LoggerKind::EventHub),
        Some(other) => Err(Mistake::bad(format!(
            "`loggerType` is `{other}`; known are applicationInsights, azureEventHub and azureMonitor"
        ))),
        None => Err(Mistake::bad("`loggerType` is missing".to_owned())),
    };
    let kind = match read {
        Ok(kind) => kind,
        Err(Mistake { severity, why }) => {
            let at = properties.get("credentials");
            let message = format!("nothing is sent to logger `{id}`: {why}");
            let code = if severity == Severity::Warning {
                "no-credential"
            } else {
                "bad-logger"
            };
            f.report(severity, code, "credentials", at, message);
            LoggerKind::Unusable(why.into())
        }
    };
    Logger { id, buffered, kind }
}

/// Why a logger cannot be used.
struct Mistake {
    severity: Severity,
    why: String,
}

impl Mistake {
    /// Somebody has to correct it.
    fn bad(why: String) -> Self {
        Self {
            severity: Severity::Scope,
            why,
        }
    }

    /// A folder does not hold secrets, so this is what a fresh extract looks like.
    fn absent(why: String) -> Self {
        Self {
            severity: Severity::Warning,
            why,
        }
    }
}

struct Credentials<'a> {
    node: Option<&'a Node>,
    names: Lookup<'a>,
    secrets: SecretLookup<'a>,
}

impl Credentials<'_> {
    /// The text of a member, references resolved; `None` when it is absent or empty.
    fn get(&self, key: &str) -> Result<Option<String>, Mistake> {
        let Some(node) = self.node.and_then(|c| c.get(key)) else {
            return Ok(None);
        };
        let text = resolve(node, key, self.secrets).map_err(Mistake::absent)?;
        let text = substitute(&text, self.names).map_err(|why| {
            Mistake::absent(format!(
                "`credentials.{key}`: {why}; give it in the overlay (namedValues or loggers)"
            ))
        })?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn identity(&self) -> Result<Option<ManagedIdentity>, Mistake> {
        Ok(self.get("identityClientId")?.map(|id| {
            if id.eq_ignore_ascii_case("SystemAssigned") {
                ManagedIdentity { client_id: None }
            } else {
                ManagedIdentity {
                    client_id: Some(id.into()),
                }
            }
        }))
    }
}

fn insights(credentials: &Credentials<'_>, fallback: &str) -> Result<Insights, Mistake> {
    let identity = credentials.identity()?;
    let (key, endpoint, application_id) = match credentials.get("connectionString")? {
        Some(text) => {
            let parts = Parts::read(&text);
            let key = parts.get("InstrumentationKey").ok_or_else(|| {
                Mistake::bad("the connection string has no `InstrumentationKey`".to_owned())
            })?;
            let endpoint = match (parts.get("IngestionEndpoint"), parts.get("EndpointSuffix")) {
                (Some(endpoint), _) => format!("{}{TRACK}", endpoint.trim_end_matches('/')),
                (None, Some(suffix)) => format!("https://dc.{}{TRACK}", suffix.trim_matches('.')),
                (None, None) => fallback.to_owned(),
            };
            (
                key.to_owned(),
                endpoint,
                parts.get("ApplicationId").map(Into::into),
            )
        }
        None => {
            let key = credentials.get("instrumentationKey")?.ok_or_else(|| {
                Mistake::absent(
                    "it has neither `credentials.connectionString` nor `credentials.instrumentationKey`"
                        .to_owned(),
                )
            })?;
            (key, fallback.to_owned(), None)
        }
    };
    let track = parse_url(&endpoint)
        .map_err(|why| Mistake::bad(format!("the ingestion endpoint is no usable address: {why}")))?;
    Ok(Insights {
        instrumentation_key: Secret::new(key),
        track,
        application_id,
        identity,
    })
}

fn event_hub(credentials: &Credentials<'_>) -> Result<EventHub, Mistake> {
    let name = credentials.get("name")?;
    if let Some(text) = credentials.get("connectionString")? {
        let parts = Parts::read(&text);
        let endpoint = parts
            .get("Endpoint")
            .ok_or_else(|| Mistake::bad("the connection string has no `Endpoint`".to_owned()))?;
        let (Some(key_name), Some(key)) = (parts.get("SharedAccessKeyName"), parts.get("SharedAccessKey"))
        else {
            return Err(Mistake::bad(
                "the connection string has no `SharedAccessKeyName` or no `SharedAccessKey`".to_owned(),
            ));
        };
        let plain = parts
            .get("UseDevelopmentEmulator")
            .is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let hub = parts
            .get("EntityPath")
            .map(str::to_owned)
            .or(name)
            .ok_or_else(|| {
                Mistake::bad("neither `EntityPath` nor `credentials.name` names the hub".to_owned())
            })?;
        let (host, port) = authority(endpoint, if plain { 5672 } else { AMQPS })?;
        return Ok(EventHub {
            host,
            port,
            hub: hub.into(),
            tls: !plain,
            access: HubAccess::Key {
                name: key_name.into(),
                key: Secret::new(key),
            },
        });
    }
    let (Some(endpoint), Some(identity)) = (credentials.get("endpointAddress")?, credentials.identity()?)
    else {
        return Err(Mistake::absent(
            "it has neither `credentials.connectionString` nor `endpointAddress` with `identityClientId`"
                .to_owned(),
        ));
    };
    let hub = name.ok_or_else(|| Mistake::bad("`credentials.name` does not name the hub".to_owned()))?;
    let (host, port) = authority(&endpoint, AMQPS)?;
    Ok(EventHub {
        host,
        port,
        hub: hub.into(),
        tls: true,
        access: HubAccess::Identity(identity),
    })
}

/// Host and port of `sb://host/`, `host`, or either with a port.
fn authority(text: &str, default_port: u16) -> Result<(Arc<str>, u16), Mistake> {
    let bad = || Mistake::bad("the endpoint is not written as sb://host/".to_owned());
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let parsed: http::uri::Authority = authority.parse().map_err(|_| bad())?;
    if parsed.host().is_empty() || authority.contains('@') {
        return Err(bad());
    }
    let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
    Ok((host.into(), parsed.port_u16().unwrap_or(default_port)))
}

/// `Name=value;Name=value`; names without regard to case, values may contain `=`.
struct Parts<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Parts<'t> {
    fn read(text: &'t str) -> Self {
        Parts(
            text.split(';')
                .filter_map(|part| part.split_once('='))
                .map(|(name, value)| (name.trim(), value.trim()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&'t str> {
        self.0
            .iter()
            .find(|(n, value)| n.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Problem, SecretRef};

    const FALLBACK: &str = "https://dc.services.visualstudio.com/v2/track";

    fn logger(json: &str) -> (Logger, Vec<Problem>) {
        let mut problems = Vec::new();
        let node = crate::doc::read("l.json", json.as_bytes(), &mut problems).unwrap();
        let entity = Entity {
            name: "l".into(),
            path: "l.json".into(),
            properties: Some(node),
            overlay: None,
        };
        let names = |name: &str| (name == "key").then(|| Arc::from("from-named-value"));
        let secrets = |r: &SecretRef| match r {
            SecretRef::Env(name) => Ok(Secret::new(format!("${name}"))),
            _ => Err("no such file".to_owned()),
        };
        let logger = read(&entity, &names, &secrets, FALLBACK, &mut problems);
        (logger, problems)
    }

    #[track_caller]
    fn check_insights(credentials: &str, key: &str, url: &str) {
        let (logger, problems) = logger(&format!(
            r#"{{"loggerType": "applicationInsights", "credentials": {credentials}}}"#
        ));
        assert_eq!(problems, [], "{credentials}");
        let LoggerKind::Insights(insights) = &logger.kind else {
            panic!("{logger:?}");
        };
        assert_eq!(&**insights.instrumentation_key.expose(), key);
        assert_eq!(gateway_policy::url::to_text(&insights.track), url);
    }

    #[test]
    fn insights_by_key_or_connection_string() {
        check_insights(
            r#"{"instrumentationKey": "{{key}}"}"#,
            "from-named-value",
            FALLBACK,
        );
        check_insights(r#"{"instrumentationKey": {"env": "K"}}"#, "$K", FALLBACK);
        check_insights(
            r#"{"connectionString": "InstrumentationKey=k1;IngestionEndpoint=https://eu.in.example/;ApplicationId=a"}"#,
            "k1",
            "https://eu.in.example/v2.1/track",
        );
        check_insights(
            r#"{"connectionString": "instrumentationkey=k2;EndpointSuffix=ai.example"}"#,
            "k2",
            "https://dc.ai.example/v2.1/track",
        );
        check_insights(r#"{"connectionString": "InstrumentationKey=k3"}"#, "k3", FALLBACK);
    }

    #[track_caller]
    fn check_hub(credentials: &str, expected: (&str, u16, &str, bool, &str)) {
        let (logger, problems) = logger(&format!(
            r#"{{"loggerType": "AzureEventHub", "credentials": {credentials}}}"#
        ));
        assert_eq!(problems, [], "{credentials}");
        let LoggerKind::EventHub(hub) = &logger.kind else {
            panic!("{logger:?}");
        };
        let access = match &hub.access {
            HubAccess::Key { name, key } => format!("{name}:{}", key.expose()),
            HubAccess::Identity(identity) => format!("{:?}", identity.client_id.as_deref()),
        };
        assert_eq!(
            (&*hub.host, hub.port, &*hub.hub, hub.tls, access.as_str()),
            expected
        );
        assert!(!format!("{logger:?}").contains("k=="), "secrets do not show");
    }

    #[test]
    fn hubs_by_connection_string_or_identity() {
        check_hub(
            r#"{"name": "h", "connectionString": "Endpoint=sb://ns.example/;SharedAccessKeyName=send;SharedAccessKey=k=="}"#,
            ("ns.example", 5671, "h", true, "send:k=="),
        );
        check_hub(
            r#"{"name": "h", "connectionString": "Endpoint=sb://127.0.0.1:9;SharedAccessKeyName=n;SharedAccessKey=k==;EntityPath=own;UseDevelopmentEmulator=true"}"#,
            ("127.0.0.1", 9, "own", false, "n:k=="),
        );
        check_hub(
            r#"{"name": "h", "endpointAddress": "ns.example", "identityClientId": "SystemAssigned"}"#,
            ("ns.example", 5671, "h", true, "None"),
        );
        check_hub(
            r#"{"name": "h", "endpointAddress": "sb://ns.example/", "identityClientId": "guid"}"#,
            ("ns.example", 5671, "h", true, "Some(\"guid\")"),
        );
    }

    #[track_caller]
    fn check_mistake(json: &str, code: &str, part: &str) {
        let (logger, problems) = logger(json);
        let found = problems.iter().find(|p| p.code == code);
        assert!(
            found.is_some_and(|p| p.message.contains(part)),
            "{json}: {problems:?}"
        );
        assert!(matches!(logger.kind, LoggerKind::Unusable(_)), "{json}");
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_remedy() {
        let ai = |credentials: &str| {
            format!(r#"{{"loggerType": "applicationInsights", "credentials": {credentials}}}"#)
        };
        let hub =
            |credentials: &str| format!(r#"{{"loggerType": "azureEventHub", "credentials": {credentials}}}"#);
        check_mistake(&ai("{}"), "no-credential", "neither");
        check_mistake(
            &ai(r#"{"instrumentationKey": "{{gone}}"}"#),
            "no-credential",
            "named value `gone`",
        );
        check_mistake(
            &ai(r#"{"instrumentationKey": {"file": "f"}}"#),
            "no-credential",
            "gave no value",
        );
        check_mistake(
            &ai(r#"{"connectionString": "IngestionEndpoint=https://x/"}"#),
            "bad-logger",
            "InstrumentationKey",
        );
        check_mistake(
            &ai(r#"{"connectionString": "InstrumentationKey=k;IngestionEndpoint=ftp://x/"}"#),
            "bad-logger",
            "no usable address",
        );
        check_mistake(&hub(r#"{"name": "h"}"#), "no-credential", "neither");
        check_mistake(
            &hub(r#"{"name": "h", "connectionString": "Endpoint=sb://x/"}"#),
            "bad-logger",
            "SharedAccessKey",
        );
        check_mistake(
            &hub(r#"{"connectionString": "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=k"}"#),
            "bad-logger",
            "names the hub",
        );
        check_mistake(r#"{"loggerType": "splunk"}"#, "bad-logger", "`splunk`");
        check_mistake("{}", "missing-property", "`loggerType` is missing");
    }
}
