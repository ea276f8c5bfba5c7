//! The record of one request: the access log line and what `/requests` shows.
//!
//! Names and order follow the original's record of category `GatewayLogs`; what is ours comes after.
//! Absent values are left out. A key sent in the query never reaches a record: see [`masked`].

use std::{borrow::Cow, fmt::Write as _, net::IpAddr, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};

use super::{clock::Timestamp, told::LocalTold};

/// Most errors one record carries; a request that fails more often repeats itself.
pub const ERRORS_MAX: usize = 16;

/// Everything known about one finished request.
///
/// Source: API Management, "ApiManagementGatewayLogs" table; times are whole milliseconds there.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRecord {
    /// Status 2xx or 3xx.
    pub is_request_success: bool,
    /// First byte in to last byte out.
    #[serde(serialize_with = "millis")]
    pub total_time: Duration,
    /// `GatewayLogs`.
    pub category: Category,
    /// The immediate peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_ip_address: Option<IpAddr>,
    /// When the request arrived.
    pub time_generated: Timestamp,
    /// The gateway entity's location name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Arc<str>>,
    /// `context.RequestId`.
    pub correlation_id: String,
    /// Request method.
    pub method: String,
    /// Whole URL, keys masked.
    pub url: String,
    /// What the client was answered.
    pub response_code: u16,
    /// Bytes of the response: head and body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_size: Option<u64>,
    /// What the cache did.
    pub cache: Cache,
    /// Connect, send and receive, all backend calls.
    #[serde(serialize_with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub backend_time: Option<Duration>,
    /// Matched API, its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_id: Option<Arc<str>>,
    /// Matched operation, its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<Arc<str>>,
    /// Product in whose context the call was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<Arc<str>>,
    /// Subscription, its id (never its key).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apim_subscription_id: Option<Arc<str>>,
    /// `HTTP/1.1`, `HTTP/2`, `HTTP/3`.
    pub client_protocol: &'static str,
    /// Reading from and writing to the client.
    #[serde(serialize_with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub client_time: Option<Duration>,
    /// Time spent in the cache.
    #[serde(serialize_with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub cache_time: Option<Duration>,
    /// Revision of the matched API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_revision: Option<Arc<str>>,
    /// `1.2` or `1.3`; absent without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_tls_version: Option<&'static str>,
    /// Method sent to the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_method: Option<String>,
    /// URL asked of the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_url: Option<String>,
    /// What the backend answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_response_code: Option<u16>,
    /// Protocol spoken with the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_protocol: Option<&'static str>,
    /// Backend entity chosen by policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_id: Option<Arc<str>>,
    /// Bytes of the request: head and body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_size: Option<u64>,
    /// Owner of the subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Arc<str>>,
    /// The error that ended the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Box<ErrorRecord>>,
    /// All errors, at most [`ERRORS_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorRecord>,
    /// What a `local` diagnostic asks for beside these; its presence means that one wants this request.
    #[serde(flatten)]
    pub told: Option<Box<LocalTold>>,
    /// Ours: policies that ran, in order, by element name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Cow<'static, str>>,
    /// Ours: address of the upstream connection used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_address: Option<std::net::SocketAddr>,
    /// Ours: worker that served it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<usize>,
    /// Ours: revision of the configuration it was served under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_revision: Option<Arc<str>>,
    /// Ours: total time in microseconds, for those to whom a millisecond is long.
    pub total_time_us: u64,
}

/// The record's category; there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Category {
    /// A request.
    #[default]
    GatewayLogs,
}

/// What the response cache did for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    /// Not asked.
    #[default]
    None,
    /// Answered from it.
    Hit,
    /// Asked in vain.
    Miss,
}

impl Cache {
    /// As metrics and Application Insights write it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Hit => "Hit",
            Self::Miss => "Miss",
        }
    }
}

/// One error of a request; the members of `context.LastError` and when it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorRecord {
    /// Since the request came.
    #[serde(serialize_with = "millis")]
    pub elapsed: Duration,
    /// Policy or component.
    pub source: Arc<str>,
    /// `global`, `product`, `api`, `operation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Arc<str>>,
    /// Place in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Arc<str>>,
    /// `inbound`, `backend`, `outbound`, `on-error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<Arc<str>>,
    /// Machine-readable cause.
    pub reason: Arc<str>,
    /// For people.
    pub message: String,
}

fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_millis() as u64)
}

fn optional_millis<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => millis(time, serializer),
        None => serializer.serialize_none(),
    }
}

impl RequestRecord {
    /// The line of the JSON log, newline included.
    pub fn json_line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(768);
        // Writing plain data into memory cannot fail; should it ever, an empty line is no record at all.
        if serde_json::to_writer(&mut line, self).is_err() {
            line.clear();
        }
        line.push(b'\n');
        line
    }

    /// The line of the text log, newline included: what a person reads first comes first.
    pub fn text_line(&self) -> Vec<u8> {
        let mut out = String::with_capacity(256);
        let write = self.write_text(&mut out);
        debug_assert!(write.is_ok(), "writing to a String does not fail");
        out.push('\n');
        out.into_bytes()
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let level = if self.response_code >= 500 {
            "Error"
        } else {
            "Info"
        };
        write!(out, "[{level}] {} [Request], ", self.time_generated)?;
        write!(
            out,
            "{} {} {} {}",
            self.method,
            clean(&self.url),
            self.client_protocol,
            self.response_code
        )?;
        write!(out, " {:.3} ms", self.total_time.as_secs_f64() * 1e3)?;
        if let Some(ip) = self.caller_ip_address {
            write!(out, ", caller: {ip}")?;
        }
        if let Some(tls) = self.client_tls_version {
            write!(out, ", tls: {tls}")?;
        }
        for (name, value) in [
            ("api", &self.api_id),
            ("operation", &self.operation_id),
            ("product", &self.product_id),
            ("subscription", &self.apim_subscription_id),
            ("backend", &self.backend_id),
        ] {
            if let Some(value) = value {
                write!(out, ", {name}: {}", clean(value))?;
            }
        }
        if let Some(url) = &self.backend_url {
            write!(out, ", backend url: {}", clean(url))?;
        }
        if let Some(code) = self.backend_response_code {
            write!(out, ", backend status: {code}")?;
        }
        if let Some(time) = self.backend_time {
            write!(out, ", backend: {:.3} ms", time.as_secs_f64() * 1e3)?;
        }
        if !self.policies.is_empty() {
            write!(out, ", policies: {}", self.policies.join(" "))?;
        }
        if let Some(error) = &self.last_error {
            write!(
                out,
                ", cause: {} {}: {}",
                error.source,
                error.reason,
                clean(&error.message)
            )?;
        }
        write!(out, ", id: {}", self.correlation_id)
    }
}

/// Control characters would let a client forge log lines or steer a terminal; they print escaped.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().flat_map(escape).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn escape(c: char) -> impl Iterator<Item = char> {
    let (plain, escaped) = if c.is_control() {
        (None, Some(c.escape_default()))
    } else {
        (Some(c), None)
    };
    plain.into_iter().chain(escaped.into_iter().flatten())
}

/// `url` with the values of the query parameters in `names` (the API's key parameter) replaced by `hidden`,
/// the word the original writes. Names compare without case, as the gateway reads them.
pub fn masked<'a>(url: &'a str, names: &[&str]) -> Cow<'a, str> {
    let Some((path, query)) = url.split_once('?') else {
        return Cow::Borrowed(url);
    };
    let secret = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        names.iter().any(|n| n.eq_ignore_ascii_case(name))
    };
    if !query.split('&').any(secret) {
        return Cow::Borrowed(url);
    }
    let mut out = format!("{path}?");
    for (n, pair) in query.split('&').enumerate() {
        if n > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if secret(pair) => {
                out.push_str(name);
                out.push_str("=hidden");
            }
            _ => out.push_str(pair),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> RequestRecord {
        RequestRecord {
            is_request_success: true,
            total_time: Duration::from_micros(2_345),
            caller_ip_address: Some([203, 0, 113, 7].into()),
            region: Some("Lab".into()),
            correlation_id: "6f9619ff-8b86-d011-b42d-00cf4fc964ff".to_owned(),
            method: "GET".to_owned(),
            url: "https://api.contoso.com/echo/items/42".to_owned(),
            response_code: 200,
            response_size: Some(310),
            backend_time: Some(Duration::from_micros(1_900)),
            api_id: Some("echo-api".into()),
            operation_id: Some("get-item".into()),
            client_protocol: "HTTP/2",
            client_tls_version: Some("1.3"),
            backend_id: Some("on-prem-api".into()),
            policies: vec!["choose".into(), "set-backend-service".into()],
            total_time_us: 2_345,
            ..RequestRecord::default()
        }
    }

    #[test]
    fn json_keeps_the_original_order_and_leaves_absent_values_out() {
        let line = String::from_utf8(sample().json_line()).unwrap();
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "isRequestSuccess",
                "totalTime",
                "category",
                "callerIpAddress",
                "timeGenerated",
                "region",
                "correlationId",
                "method",
                "url",
                "responseCode",
                "responseSize",
                "cache",
                "backendTime",
                "apiId",
                "operationId",
                "clientProtocol",
                "clientTlsVersion",
                "backendId",
                "policies",
                "totalTimeUs",
            ]
        );
        assert_eq!(object["totalTime"], 2);
        assert_eq!(object["category"], "GatewayLogs");
        assert_eq!(object["cache"], "none");
        assert!(line.ends_with("}\n"));
    }

    #[test]
    fn text_cannot_be_forged() {
        let mut record = sample();
        record.url = "https://h/a\n[Error] forged\x1b[2J".to_owned();
        let line = String::from_utf8(record.text_line()).unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(!line.contains('\x1b'), "{line}");
        assert!(line.contains("api: echo-api, operation: get-item"), "{line}");
        assert!(line.contains("2.345 ms"), "{line}");
    }

    #[test]
    fn the_cause_is_in_the_line() {
        let error = ErrorRecord {
            source: "rate-limit".into(),
            reason: "RateLimitExceeded".into(),
            message: "Rate limit is exceeded".to_owned(),
            ..ErrorRecord::default()
        };
        let record = RequestRecord {
            response_code: 429,
            last_error: Some(Box::new(error)),
            ..RequestRecord::default()
        };
        let line = String::from_utf8(record.text_line()).unwrap();
        assert!(
            line.contains("cause: rate-limit RateLimitExceeded: Rate limit is exceeded"),
            "{line}"
        );
    }

    fn check_mask(url: &str, expected: &str) {
        assert_eq!(masked(url, &["subscription-key"]), expected, "{url}");
    }

    #[test]
    fn keys_in_the_query_are_hidden() {
        check_mask("/a", "/a");
        check_mask("/a?x=1", "/a?x=1");
        check_mask("/a?subscription-key=s3cret", "/a?subscription-key=hidden");
        check_mask(
            "/a?x=1&Subscription-Key=s3cret&y",
            "/a?x=1&Subscription-Key=hidden&y",
        );
        check_mask(
            "/a?subscription-key=a&subscription-key=b",
            "/a?subscription-key=hidden&subscription-key=hidden",
        );
        check_mask("/a?subscription-key", "/a?subscription-key");
        check_mask("/a?subscription-keys=1", "/a?subscription-keys=1");
    }
}
