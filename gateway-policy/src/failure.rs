//! The one table from cause to answer: every way a request can fail, with its status, its body and its
//! `LastError` fields.
//!
//! Source: "Error handling in API Management policies" and published captures (`gateway-behaviour.md`
//! §11). Whoever adds a failure adds a variant here and nowhere else.

use std::{fmt::Write as _, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::context::{Body, Context, LastError, Response};

/// Why a request could not be served.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No API or operation matches.
    NoOperation,
    /// The API needs a key and none was sent.
    KeyMissing,
    /// The key is unknown, inactive, or of another scope.
    KeyInvalid,
    /// A policy refused: status, message for the client, `LastError` fields.
    Refused(Box<Refusal>),
    /// A GraphQL request is not allowed: answered with an `errors` block, as GraphQL clients expect.
    GraphQl {
        /// Policy element name.
        source: &'static str,
        /// At least one message.
        errors: Vec<String>,
    },
    /// An expression threw.
    Expression {
        /// Policy whose expression it was.
        source: Arc<str>,
        /// The exception's message.
        message: String,
    },
    /// A policy could not do its work with the values it was given.
    Policy {
        /// Policy element name.
        source: &'static str,
        /// What was wrong.
        message: String,
    },
    /// The scope's policy did not load; it refuses everything (fail closed).
    PolicyNotLoaded {
        /// Which document.
        scope: Arc<str>,
    },
    /// No connection to the backend, or it was aborted.
    BackendConnection(String),
    /// No response headers in time.
    BackendTimeout,
    /// The backend, or every member of its pool, failed too often and is left alone for so many seconds.
    BackendUnavailable {
        /// `Retry-After`, whole seconds.
        retry_after: u64,
    },
    /// The backend answered 400 or above and `fail-on-error-status-code` was set; the answer stands.
    BackendStatus(StatusCode),
    /// The client went away.
    ClientConnection(String),
    /// A body that had to be buffered passed the limit.
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The request is not valid HTTP or violates a protocol rule.
    BadRequest(String),
    /// The gateway itself is overloaded, draining or has no configuration.
    Unavailable(String),
}

/// A policy's own refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Policy element name, `LastError.Source`.
    pub source: &'static str,
    /// `LastError.Reason`
    pub reason: &'static str,
    /// `LastError.Message`
    pub message: String,
    /// Status for the client.
    pub status: StatusCode,
    /// `message` member of the default JSON body.
    pub public: String,
    /// Extra response headers, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the documentation does not fix about backend failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendStatuses {
    /// For [`Failure::BackendConnection`]; 500 as published captures show, 502 by setting.
    pub connection: StatusCode,
    /// For [`Failure::BackendTimeout`]; 500, or 504 by setting.
    pub timeout: StatusCode,
}

impl Default for BackendStatuses {
    fn default() -> Self {
        Self {
            connection: StatusCode::INTERNAL_SERVER_ERROR,
            timeout: StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

const KEY_MISSING: &str = "Access denied due to missing subscription key. Make sure to include subscription key when making requests to";
const KEY_INVALID: &str = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.";
const INTERNAL: &str = "Internal server error";

impl Failure {
    /// Status code for the client.
    pub fn status(&self, statuses: BackendStatuses) -> StatusCode {
        match self {
            Failure::NoOperation => StatusCode::NOT_FOUND,
            Failure::KeyMissing | Failure::KeyInvalid => StatusCode::UNAUTHORIZED,
            Failure::Refused(refusal) => refusal.status,
            Failure::Expression { .. } | Failure::Policy { .. } | Failure::PolicyNotLoaded { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Failure::BackendConnection(_) => statuses.connection,
            Failure::BackendTimeout => statuses.timeout,
            Failure::BackendStatus(status) => *status,
            Failure::BackendUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            // Nobody is there to read it; it is what logs show.
            Failure::ClientConnection(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Failure::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::BadRequest(_) | Failure::GraphQl { .. } => StatusCode::BAD_REQUEST,
            Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The reason phrase where the original does not use the standard one.
    pub fn reason_phrase(&self) -> Option<&'static str> {
        match self {
            Failure::NoOperation => Some("Resource Not Found"),
            Failure::KeyMissing | Failure::KeyInvalid => Some("Access Denied"),
            _ => None,
        }
    }

    /// Closed set: safe as a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Failure::NoOperation => "OperationNotFound",
            Failure::KeyMissing => "SubscriptionKeyNotFound",
            Failure::KeyInvalid => "SubscriptionKeyInvalid",
            Failure::Refused(refusal) => refusal.reason,
            Failure::GraphQl { .. } => "GraphQLError",
            Failure::Expression { .. } => "ExpressionValueEvaluationFailure",
            Failure::Policy { .. } => "PolicyFailure",
            Failure::PolicyNotLoaded { .. } => "PolicyNotLoaded",
            Failure::BackendConnection(_) => "BackendConnectionFailure",
            Failure::BackendTimeout => "Timeout",
            Failure::BackendStatus(_) => "BackendStatus",
            Failure::BackendUnavailable { .. } => "CircuitBreakerOpen",
            Failure::ClientConnection(_) => "ClientConnectionFailure",
            Failure::BodyTooLarge { .. } => "BodyTooLarge",
            Failure::BadRequest(_) => "BadRequest",
            Failure::Unavailable(_) => "Unavailable",
        }
    }

    /// `LastError.Source` when no policy statement was running.
    pub fn source(&self) -> Option<&str> {
        match self {
            Failure::NoOperation | Failure::PolicyNotLoaded { .. } => Some("configuration"),
            Failure::KeyMissing | Failure::KeyInvalid => Some("authorization"),
            Failure::Refused(refusal) => Some(refusal.source),
            Failure::Expression { source, .. } => Some(source),
            Failure::Policy { source, .. } | Failure::GraphQl { source, .. } => Some(source),
            Failure::BackendConnection(_)
            | Failure::BackendTimeout
            | Failure::BackendStatus(_)
            | Failure::BackendUnavailable { .. } => None,
            Failure::ClientConnection(_)
            | Failure::BodyTooLarge { .. }
            | Failure::BadRequest(_)
            | Failure::Unavailable(_) => None,
        }
    }

    /// `LastError.Message`
    pub fn message(&self) -> String {
        match self {
            Failure::NoOperation => "Unable to match incoming request to an operation.".into(),
            Failure::KeyMissing => format!("{KEY_MISSING} this API."),
            Failure::KeyInvalid => KEY_INVALID.into(),
            Failure::Refused(refusal) => refusal.message.clone(),
            Failure::Expression { message, .. } => format!("Expression evaluation failed. {message}"),
            Failure::Policy { message, .. } => message.clone(),
            Failure::GraphQl { errors, .. } => errors.join(" "),
            Failure::PolicyNotLoaded { scope } => {
                format!("The policy document {scope} could not be loaded; its scope refuses requests.")
            }
            Failure::BackendConnection(text) | Failure::ClientConnection(text) => text.clone(),
            Failure::BackendTimeout => "The backend did not send response headers in time.".into(),
            Failure::BackendUnavailable { retry_after } => {
                format!("The backend's circuit breaker is open for {retry_after} more seconds.")
            }
            Failure::BackendStatus(status) => format!("The backend answered {}.", status.as_u16()),
            Failure::BodyTooLarge { limit } => format!("The body is larger than the limit of {limit} bytes."),
            Failure::BadRequest(text) | Failure::Unavailable(text) => text.clone(),
        }
    }

    /// `message` member of the JSON body the client gets.
    fn public_message(&self) -> String {
        match self {
            Failure::NoOperation => "Resource not found".into(),
            Failure::KeyMissing => format!("{KEY_MISSING} an API."),
            Failure::KeyInvalid => KEY_INVALID.into(),
            Failure::Refused(refusal) => refusal.public.clone(),
            Failure::BodyTooLarge { .. } | Failure::BadRequest(_) => self.message(),
            // What is wrong inside the gateway is none of the client's business.
            Failure::Unavailable(_) | Failure::BackendUnavailable { .. } => "Service unavailable".into(),
            _ => INTERNAL.into(),
        }
    }

    /// True for the answers that carry the request id instead of a cause.
    fn has_activity_id(&self) -> bool {
        matches!(
            self,
            Failure::Expression { .. }
                | Failure::Policy { .. }
                | Failure::PolicyNotLoaded { .. }
                | Failure::BackendConnection(_)
                | Failure::BackendTimeout
                | Failure::ClientConnection(_)
        )
    }

    /// The default JSON body, in the original's spacing.
    pub fn body(&self, statuses: BackendStatuses, request_id: &[u8; 16]) -> Bytes {
        if let Failure::GraphQl { errors, .. } = self {
            let list: Vec<_> = errors
                .iter()
                .map(|e| serde_json::json!({ "message": e }))
                .collect();
            return serde_json::json!({ "errors": list }).to_string().into();
        }
        let message = serde_json::Value::from(self.public_message());
        let mut text = format!(
            "{{ \"statusCode\": {}, \"message\": {message}",
            self.status(statuses).as_u16()
        );
        if self.has_activity_id() {
            let _ = write!(text, ", \"activityId\": \"{}\"", Guid(request_id));
        }
        text.push_str(" }");
        text.into()
    }

    /// The whole default answer for the exchange in `context`.
    pub fn response(&self, statuses: BackendStatuses, context: &Context) -> Response {
        let body = self.body(statuses, &context.request_id);
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        match self {
            Failure::KeyMissing | Failure::KeyInvalid => {
                if let Ok(value) = HeaderValue::from_str(&key_challenge(context)) {
                    headers.insert(header::WWW_AUTHENTICATE, value);
                }
            }
            Failure::BackendUnavailable { retry_after } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
            }
            Failure::Refused(refusal) => {
                headers.extend(refusal.headers.iter().map(|(n, v)| (n.clone(), v.clone())));
            }
            _ => {}
        }
        Response {
            status: self.status(statuses),
            reason: self.reason_phrase().map(Arc::from),
            headers,
            body: Body::Buffered(body),
        }
    }

    /// `context.LastError` without the position, which the execution knows.
    pub(crate) fn last_error(&self) -> LastError {
        LastError {
            source: self.source().unwrap_or_default().into(),
            reason: self.label().into(),
            message: self.message(),
            ..LastError::default()
        }
    }
}

/// `WWW-Authenticate` of a refused subscription key: realm without operation, the API's own header name.
fn key_challenge(context: &Context) -> String {
    let url = &context.request.original_url;
    let default_port = if &*url.scheme == "https" { 443 } else { 80 };
    let (path, name) = match context.api.as_deref() {
        Some(api) => (&*api.path, &*api.key_header),
        None => ("", ""),
    };
    let name = if name.is_empty() {
        "Ocp-Apim-Subscription-Key"
    } else {
        name
    };
    let mut realm = format!("{}://{}", url.scheme, url.host);
    if url.port != default_port && url.port != 0 {
        let _ = write!(realm, ":{}", url.port);
    }
    let _ = write!(realm, "/{}", path.trim_matches('/'));
    format!("AzureApiManagementKey realm=\"{realm}\",name=\"{name}\",type=\"header\"")
}

/// A request id as .NET prints a Guid.
pub(crate) struct Guid<'a>(pub(crate) &'a [u8; 16]);

impl std::fmt::Display for Guid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::context;

    const ID: [u8; 16] = [
        0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0, 0xcf, 0x4f, 0xc9, 0x64, 0xff,
    ];

    #[track_caller]
    fn check(failure: Failure, status: u16, body: &str) {
        let statuses = BackendStatuses::default();
        assert_eq!(failure.status(statuses).as_u16(), status);
        let bytes = failure.body(statuses, &ID);
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), body);
    }

    #[test]
    fn default_bodies_are_the_originals_byte_for_byte() {
        check(
            Failure::NoOperation,
            404,
            r#"{ "statusCode": 404, "message": "Resource not found" }"#,
        );
        check(
            Failure::KeyMissing,
            401,
            r#"{ "statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API." }"#,
        );
        check(
            Failure::KeyInvalid,
            401,
            r#"{ "statusCode": 401, "message": "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription." }"#,
        );
        check(
            Failure::BackendTimeout,
            500,
            r#"{ "statusCode": 500, "message": "Internal server error", "activityId": "6f9619ff-8b86-d011-b42d-00cf4fc964ff" }"#,
        );
        check(
            Failure::BackendUnavailable { retry_after: 7 },
            503,
            r#"{ "statusCode": 503, "message": "Service unavailable" }"#,
        );
        check(
            Failure::BadRequest("a \"quoted\" word".into()),
            400,
            r#"{ "statusCode": 400, "message": "a \"quoted\" word" }"#,
        );
    }

    #[test]
    fn body_sizes_are_those_of_published_captures() {
        let statuses = BackendStatuses::default();
        for (failure, size) in [
            (Failure::NoOperation, 54),
            (Failure::KeyMissing, 152),
            (Failure::KeyInvalid, 143),
            (Failure::BackendConnection("x".into()), 111),
        ] {
            assert_eq!(failure.body(statuses, &ID).len(), size, "{failure:?}");
        }
    }

    #[test]
    fn a_refused_key_names_realm_and_header() {
        let response = Failure::KeyMissing.response(BackendStatuses::default(), &context());
        assert_eq!(
            response.headers["www-authenticate"],
            "AzureApiManagementKey realm=\"https://api.contoso.com/echo\",name=\"Ocp-Apim-Subscription-Key\",type=\"header\""
        );
        assert_eq!(response.reason.as_deref(), Some("Access Denied"));
        assert_eq!(response.headers["content-length"], "152");
    }

    #[test]
    fn statuses_of_backend_failures_are_settings() {
        let gateway = BackendStatuses {
            connection: StatusCode::BAD_GATEWAY,
            timeout: StatusCode::GATEWAY_TIMEOUT,
        };
        assert_eq!(Failure::BackendTimeout.status(gateway), 504);
        assert_eq!(Failure::BackendConnection(String::new()).status(gateway), 502);
    }
}
