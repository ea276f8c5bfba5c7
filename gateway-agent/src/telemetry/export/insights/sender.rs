//! Posts batches to the ingestion service: compressed, with a token when the logger has an identity.

use std::{io::Write as _, sync::Arc};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use gateway_config::telemetry::Insights;
use http::{HeaderValue, Request, StatusCode, Uri, header};

use super::{Item, answer, envelope, envelope::Facts};
use crate::{
    sync::http::Client,
    telemetry::export::{
        identity::Signer,
        metrics::Counters,
        pump::{Delivery, Sink},
    },
};

/// Largest answer: one message for each item of the largest batch.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Redirects followed for one batch; the last one is remembered, as the service asks.
const REDIRECTS_MAX: usize = 5;
/// The service that tokens are for.
const RESOURCE: &str = "https://monitor.azure.com/";

/// The sink of one Application Insights resource.
pub(in crate::telemetry::export) struct Sender {
    client: Client,
    track: Uri,
    facts: Facts,
    signer: Option<Signer>,
    counters: Counters,
}

impl Sender {
    /// # Errors
    /// The address cannot be asked.
    pub(in crate::telemetry::export) fn new(
        insights: &Insights,
        client: Client,
        instance: Arc<str>,
        signer: Option<Signer>,
        counters: Counters,
    ) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self {
            client,
            track: gateway_policy::url::to_text(&insights.track).parse()?,
            facts: Facts {
                instrumentation_key: Arc::clone(insights.instrumentation_key.expose()),
                instance,
            },
            signer,
            counters,
        })
    }

    async fn post(&mut self, lines: Vec<Bytes>) -> Delivery<Item> {
        let again = |lines: Vec<Bytes>| lines.into_iter().map(Item::Line).collect();
        let body = match compressed(&lines) {
            Ok(body) => body,
            Err(error) => return Delivery::refused(lines.len(), error.to_string()),
        };
        let authorization = match &self.signer {
            None => None,
            Some(signer) => match signer.bearer(RESOURCE).await {
                Ok(value) => Some(value),
                Err(why) => return Delivery::later(again(lines), None, why),
            },
        };
        for _ in 0..=REDIRECTS_MAX {
            let request = match self.request(body.clone(), authorization.as_ref()) {
                Ok(request) => request,
                Err(error) => return Delivery::refused(lines.len(), error.to_string()),
            };
            let answer = match self.client.send(request, ANSWER_BYTES_MAX).await {
                Ok(answer) => answer,
                Err(error) => return Delivery::later(again(lines), None, error.to_string()),
            };
            let moved = matches!(
                answer.status,
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            );
            match moved.then(|| self.moved(answer.headers.get(header::LOCATION))) {
                Some(Some(target)) => self.track = target,
                Some(None) => return Delivery::refused(lines.len(), "redirected to nowhere".to_owned()),
                None => return answer::sort(answer.status, &answer.headers, &answer.body, lines),
            }
        }
        Delivery::later(again(lines), None, "redirected in circles".to_owned())
    }

    /// Where a redirect leads; never from TLS to none, for the batch and the token would be readable.
    fn moved(&self, location: Option<&HeaderValue>) -> Option<Uri> {
        let target: Uri = location?.to_str().ok()?.parse().ok()?;
        let downgraded = self.track.scheme_str() == Some("https") && target.scheme_str() != Some("https");
        (target.authority().is_some() && !downgraded).then_some(target)
    }

    fn request(&self, body: Bytes, authorization: Option<&HeaderValue>) -> http::Result<Request<Bytes>> {
        let mut request = Request::post(self.track.clone())
            .header(header::CONTENT_TYPE, "application/x-json-stream")
            .header(header::CONTENT_ENCODING, "gzip")
            .body(body)?;
        if let Some(value) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        Ok(request)
    }
}

fn compressed(lines: &[Bytes]) -> std::io::Result<Bytes> {
    let mut out = GzEncoder::new(Vec::with_capacity(16 * 1024), Compression::fast());
    for line in lines {
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    out.finish().map(Bytes::from)
}

impl Sink for Sender {
    type Item = Item;

    async fn deliver(&mut self, items: Vec<Item>) -> Delivery<Item> {
        let (lines, dropped) = envelope::lines(items, &self.facts);
        self.counters.limit.inc_by(dropped as u64);
        if lines.is_empty() {
            return Delivery::done(0);
        }
        self.post(lines).await
    }
}
