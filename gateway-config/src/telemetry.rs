//! What a configuration says about telemetry: loggers, and the diagnostics of the service and of APIs.
//!
//! Source: "Logger" and "Diagnostic" of the management API; `gateway-behaviour.md` §13.3.

use std::{collections::BTreeMap, fmt, sync::Arc};

use gateway_policy::{context::Url, trace::TraceSeverity};
use http::HeaderName;

use crate::secret::Secret;

/// Largest part of a body that a diagnostic may ask for.
pub const BODY_BYTES_MAX: usize = 8192;

/// A logger: where telemetry goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logger {
    /// Entity name; what `logger-id` and `loggerId` refer to.
    pub id: Arc<str>,
    /// `isBuffered`: events may wait for others before they are sent.
    pub buffered: bool,
    /// What it is.
    pub kind: LoggerKind,
}

/// `loggerType` with its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggerKind {
    /// `applicationInsights`
    Insights(Insights),
    /// `azureEventHub`
    EventHub(EventHub),
    /// `azureMonitor`: a self-hosted gateway sends nothing there, the original neither.
    Monitor,
    /// It cannot be used, for this reason (reported at load).
    Unusable(Arc<str>),
}

/// An Application Insights resource.
#[derive(Clone, PartialEq, Eq)]
pub struct Insights {
    /// Names the resource. Not quite a secret, but who has it can write to it.
    pub instrumentation_key: Secret,
    /// Where telemetry is posted.
    pub track: Url,
    /// Names the resource to others (`Request-Context`), when the connection string has it.
    pub application_id: Option<Arc<str>>,
    /// Sends with tokens of this identity.
    pub identity: Option<ManagedIdentity>,
}

impl fmt::Debug for Insights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Insights")
            .field("host", &self.track.host)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// An event hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHub {
    /// Host of the namespace.
    pub host: Arc<str>,
    /// AMQP port.
    pub port: u16,
    /// Name of the hub.
    pub hub: Arc<str>,
    /// AMQP over TLS. Only the vendor's emulator does without.
    pub tls: bool,
    /// How the gateway signs in.
    pub access: HubAccess,
}

/// How a gateway signs in to an event hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubAccess {
    /// A shared access policy.
    Key {
        /// Its name.
        name: Arc<str>,
        /// Its key.
        key: Secret,
    },
    /// Tokens of the node's identity.
    Identity(ManagedIdentity),
}

/// `identityClientId`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// A user-assigned identity; `None`: `SystemAssigned`.
    pub client_id: Option<Arc<str>>,
}

/// What the diagnostics in effect for one API say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnostics {
    /// `applicationinsights`
    pub insights: Option<Arc<Diagnostic>>,
    /// `local`: standard output and the local sinks.
    pub local: Option<Arc<Diagnostic>>,
}

impl Diagnostics {
    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.insights.is_none() && self.local.is_none()
    }
}

/// A diagnostic: what is told about requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Where to; `None` for `local`, and when the logger cannot be used.
    pub logger: Option<Arc<Logger>>,
    /// `alwaysLog = allErrors`: failed requests are told whatever the sampling says.
    pub always_log_errors: bool,
    /// Share of requests told, percent.
    pub percentage: f64,
    /// What is told of the exchange with the client.
    pub frontend: Exchange,
    /// What is told of the exchange with the backend.
    pub backend: Exchange,
    /// Tell the client's address.
    pub log_client_ip: bool,
    /// How traces are tied together over processes.
    pub correlation: Correlation,
    /// Least severity of `trace` policies that is told.
    pub verbosity: TraceSeverity,
    /// How operations are named.
    pub operation_name: OperationName,
    /// `emit-metric` may send here.
    pub metrics: bool,
}

impl Diagnostic {
    /// Whether a part of any body is told.
    pub fn wants_bodies(&self) -> bool {
        [&self.frontend, &self.backend]
            .into_iter()
            .flat_map(|e| [&e.request, &e.response])
            .any(|m| m.body_bytes > 0)
    }
}

/// Both directions of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the management API")]
pub struct Exchange {
    pub request: Message,
    pub response: Message,
}

/// What is told of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Header fields told.
    pub headers: Vec<HeaderName>,
    /// First bytes of the body told, at most [`BODY_BYTES_MAX`].
    pub body_bytes: usize,
    /// Query parameters that are hidden or masked.
    pub query_masks: Vec<Mask>,
    /// Header fields that are hidden or masked.
    pub header_masks: Vec<Mask>,
}

/// One rule of `dataMasking`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Name, or `*` for all.
    pub name: Arc<str>,
    /// What is done with it.
    pub mode: MaskMode,
}

/// `mode` of a masking rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskMode {
    /// The value becomes the word `hidden`.
    Mask,
    /// Name and value are left out.
    Hide,
}

/// What the rules say of a name; the first that fits counts.
pub fn mask_of(masks: &[Mask], name: &str) -> Option<MaskMode> {
    masks
        .iter()
        .find(|mask| &*mask.name == "*" || mask.name.eq_ignore_ascii_case(name))
        .map(|mask| mask.mode)
}

/// `httpCorrelationProtocol`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Correlation {
    /// Nothing is added.
    #[default]
    None,
    /// `Request-Id`
    Legacy,
    /// `traceparent`, and `Request-Id` for older backends.
    W3c,
}

/// `operationNameFormat`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperationName {
    /// API, revision and operation.
    #[default]
    Name,
    /// Method and path.
    Url,
}

/// Loggers and diagnostics of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telemetry {
    /// By lower-case id.
    pub(crate) loggers: BTreeMap<Arc<str>, Arc<Logger>>,
    /// Of requests that match no API.
    pub(crate) service: Arc<Diagnostics>,
    /// By position of the API.
    pub(crate) apis: Vec<Arc<Diagnostics>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rule = |name: &str, mode| Mask {
            name: name.into(),
            mode,
        };
        let rules = [rule("code", MaskMode::Mask), rule("*", MaskMode::Hide)];
        for (name, expected) in [("CODE", Some(MaskMode::Mask)), ("other", Some(MaskMode::Hide))] {
            assert_eq!(mask_of(&rules, name), expected, "{name}");
        }
        assert_eq!(mask_of(&rules[..1], "other"), None);
    }
}
