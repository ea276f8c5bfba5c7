//! What the ingestion service's answer means for the items of a batch.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::telemetry::export::pump::Delivery;

use super::Item;

/// Whole answers with these statuses, and items with them in a partial answer, may be sent again.
fn passes(status: u16) -> bool {
    matches!(status, 401 | 403 | 408 | 429 | 439 | 500 | 502 | 503 | 504)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    errors: Vec<Fault>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fault {
    index: usize,
    status_code: u16,
    message: String,
}

/// Sorts the lines of a batch by the answer.
pub(super) fn sort(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    lines: Vec<Bytes>,
) -> Delivery<Item> {
    let count = lines.len();
    let after = retry_after(headers);
    let again = |lines: Vec<Bytes>| lines.into_iter().map(Item::Line).collect();
    let faults = || serde_json::from_slice::<Body>(body).unwrap_or_default().errors;
    match status.as_u16() {
        200 | 204 => Delivery::done(count),
        206 | 400 => {
            let faults = faults();
            if faults.is_empty() && status == StatusCode::BAD_REQUEST {
                return Delivery::refused(
                    count,
                    "the ingestion service calls the batch malformed".to_owned(),
                );
            }
            partial(faults, lines, after)
        }
        status if passes(status) => {
            let why = match status {
                401 | 403 => format!("status {status}: the credentials are not accepted"),
                439 => "status 439: the daily quota is used up".to_owned(),
                status => format!("status {status}"),
            };
            Delivery::later(again(lines), after, why)
        }
        status => Delivery::refused(count, format!("status {status}")),
    }
}

fn partial(faults: Vec<Fault>, lines: Vec<Bytes>, after: Option<Duration>) -> Delivery<Item> {
    let mut delivery = Delivery::done(0);
    let mut lines: Vec<Option<Bytes>> = lines.into_iter().map(Some).collect();
    for fault in faults {
        // An index that is repeated or out of range is the service's mistake.
        let Some(line) = lines.get_mut(fault.index).and_then(Option::take) else {
            continue;
        };
        if passes(fault.status_code) {
            delivery.again.push(Item::Line(line));
        } else {
            delivery.refused += 1;
        }
        delivery
            .why
            .get_or_insert_with(|| format!("an item: status {}: {}", fault.status_code, fault.message));
    }
    delivery.sent = lines.iter().flatten().count();
    delivery.after = after;
    delivery
}

/// `Retry-After` in seconds; a date is left to the usual pauses.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sent, refused, again
    #[track_caller]
    fn check(status: u16, body: &str, expected: (usize, usize, &[&str])) {
        let lines = ["a", "b", "c"]
            .map(|text| Bytes::from_static(text.as_bytes()))
            .to_vec();
        let delivery = sort(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
            lines,
        );
        let again: Vec<String> = delivery
            .again
            .iter()
            .map(|item| match item {
                Item::Line(line) => String::from_utf8_lossy(line).into_owned(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            (
                delivery.sent,
                delivery.refused,
                again.iter().map(String::as_str).collect()
            ),
            (expected.0, expected.1, expected.2.to_vec()),
            "{status} {body}"
        );
    }

    #[test]
    fn answers_sort_the_items() {
        check(200, "", (3, 0, &[]));
        check(
            206,
            r#"{"itemsReceived":3,"itemsAccepted":1,"errors":[{"index":1,"statusCode":429,"message":"m"},{"index":2,"statusCode":400,"message":"bad"}]}"#,
            (1, 1, &["b"]),
        );
        check(206, r#"{"errors":[{"index":9,"statusCode":500}]}"#, (3, 0, &[]));
        check(206, "garbage", (3, 0, &[]));
        check(400, "", (0, 3, &[]));
        check(400, r#"{"errors":[{"index":0,"statusCode":400}]}"#, (2, 1, &[]));
        check(429, "", (0, 0, &["a", "b", "c"]));
        check(503, "", (0, 0, &["a", "b", "c"]));
        check(404, "", (0, 3, &[]));
    }

    #[test]
    fn the_service_says_when() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
        let lines = vec![Bytes::new()];
        let delivery = sort(StatusCode::TOO_MANY_REQUESTS, &headers, b"", lines);
        assert_eq!(delivery.after, Some(Duration::from_secs(7)));
    }
}
