//! StatsD over UDP: one counter and three timers a request, tags in the format of the settings.
//!
//! Names as seen behind the original (`gateway-behaviour.md` §12.1): `requests_total`, `request_duration_seconds`,
//! `request_backend_duration_seconds`, `request_client_duration_seconds`. Timers are milliseconds, as the protocol
//! says; a StatsD exporter makes seconds of them.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use gateway_config::settings::TagFormat;
use tokio::{
    net::{UdpSocket, lookup_host},
    time::Instant,
};

use super::{
    measure::{Measured, SharedPlace},
    pump::{Delivery, Sink},
};

/// Bytes of a datagram: what passes an Ethernet without fragments, tunnels included.
const DATAGRAM: usize = 1_400;
/// The server's name is looked up again this often: a pod that moved has another address.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(60);

/// What of the settings matters.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) endpoint: Arc<str>,
    pub(super) tags: TagFormat,
    /// Share of requests sent, 0 to 1; chosen before the queue.
    pub(super) sampling: f64,
}

/// The sink.
#[derive(Debug)]
pub(super) struct StatsD {
    config: Config,
    place: SharedPlace,
    socket: Option<(UdpSocket, Instant)>,
}

impl StatsD {
    pub(super) fn new(config: Config, place: SharedPlace) -> Self {
        Self {
            config,
            place,
            socket: None,
        }
    }

    async fn socket(&mut self) -> std::io::Result<&UdpSocket> {
        let stale = self
            .socket
            .as_ref()
            .is_none_or(|(_, made)| made.elapsed() >= LOOK_UP_AGAIN);
        if stale {
            self.socket = Some((connected(&self.config.endpoint).await?, Instant::now()));
        }
        match &self.socket {
            Some((socket, _)) => Ok(socket),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }
}

/// A socket that sends to `endpoint` (`host:port`) and to nobody else.
pub(super) async fn connected(endpoint: &str) -> std::io::Result<UdpSocket> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(endpoint).await? {
        let any: SocketAddr = if address.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            ([0_u16; 8], 0).into()
        };
        let made = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(address).await?;
            Ok(socket)
        };
        match made.await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Sink for StatsD {
    type Item = Measured;

    async fn deliver(&mut self, items: Vec<Measured>) -> Delivery<Measured> {
        let count = items.len();
        let packets = packets(&items, &self.config, &self.place.load().location);
        let sent = async {
            let socket = self.socket().await?;
            for packet in &packets {
                socket.send(packet.as_bytes()).await?;
            }
            Ok::<(), std::io::Error>(())
        };
        match sent.await {
            Ok(()) => Delivery::done(count),
            Err(error) => {
                self.socket = None;
                // Counts of a minute ago would be counted now: they are worth less than their confusion.
                Delivery::lost(count, format!("{}: {error}", self.config.endpoint))
            }
        }
    }
}

/// The lines of `items`, packed into datagrams.
fn packets(items: &[Measured], config: &Config, location: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    for item in items {
        let mut pairs: Vec<(&str, String)> = item.dimensions.pairs().into();
        pairs.push(("Location", location.to_owned()));
        let timer = |time: Duration| format!("{:.3}|ms", time.as_secs_f64() * 1e3);
        let values = [
            ("requests_total", Some("1|c".to_owned())),
            ("request_duration_seconds", Some(timer(item.total))),
            ("request_backend_duration_seconds", item.backend.map(timer)),
            ("request_client_duration_seconds", Some(timer(item.client))),
        ];
        for (name, value) in values {
            let Some(value) = value else { continue };
            line.clear();
            write_line(&mut line, name, &value, &pairs, config);
            match out.last_mut() {
                Some(packet) if packet.len() + 1 + line.len() <= DATAGRAM => {
                    packet.push('\n');
                    packet.push_str(&line);
                }
                _ => out.push(line.clone()),
            }
        }
    }
    out
}

fn write_line(out: &mut String, name: &str, value: &str, pairs: &[(&str, String)], config: &Config) {
    out.push_str(name);
    let tags = |out: &mut String, first: &str, assign: char| {
        for (n, (name, value)) in pairs.iter().enumerate() {
            out.push_str(if n == 0 { first } else { "," });
            out.push_str(name);
            out.push(assign);
            out.extend(clean(value));
        }
    };
    match config.tags {
        TagFormat::Librato => tags(out, "#", '='),
        TagFormat::InfluxDb => tags(out, ",", '='),
        TagFormat::None | TagFormat::DogStatsD => {}
    }
    out.push(':');
    out.push_str(value);
    if config.sampling < 1.0 {
        // Writing to a String cannot fail.
        let _ = write!(out, "|@{}", config.sampling);
    }
    if config.tags == TagFormat::DogStatsD {
        tags(out, "|#", ':');
    }
}

/// Values that would end a tag, a line or a number are changed; an absent one still needs a word.
fn clean(value: &str) -> impl Iterator<Item = char> {
    let value = if value.is_empty() { "None" } else { value };
    value.chars().map(|c| match c {
        ':' | '|' | '#' | ',' | '@' | '=' => '_',
        c if c.is_control() || c.is_whitespace() => '_',
        c => c,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{export::measure::Dimensions, record::Cache};

    fn item() -> Measured {
        Measured {
            dimensions: Dimensions {
                hostname: "a:b".into(),
                code: 200,
                backend_code: None,
                cache: Cache::Hit,
                reason: None,
            },
            total: Duration::from_micros(1_500),
            backend: None,
            client: Duration::ZERO,
        }
    }

    fn config(tags: TagFormat, sampling: f64) -> Config {
        Config {
            endpoint: "x:1".into(),
            tags,
            sampling,
        }
    }

    #[track_caller]
    fn check(tags: TagFormat, sampling: f64, first: &str) {
        let packets = packets(&[item()], &config(tags, sampling), "");
        assert_eq!(packets.len(), 1);
        let lines: Vec<&str> = packets[0].lines().collect();
        assert_eq!(lines[0], first);
        assert_eq!(lines.len(), 3, "no backend, no timer for it");
    }

    #[test]
    fn tags_are_written_in_each_format() {
        let all = "BackendResponseCode:None,BackendResponseCodeCategory:None,Cache:Hit,Hostname:a_b,LastErrorReason:None,ResponseCode:200,ResponseCodeCategory:2xx,Status:Successful,Location:None";
        let equal = all.replace(':', "=");
        check(TagFormat::None, 1.0, "requests_total:1|c");
        check(TagFormat::None, 0.5, "requests_total:1|c|@0.5");
        check(TagFormat::DogStatsD, 1.0, &format!("requests_total:1|c|#{all}"));
        check(
            TagFormat::DogStatsD,
            0.25,
            &format!("requests_total:1|c|@0.25|#{all}"),
        );
        check(TagFormat::Librato, 1.0, &format!("requests_total#{equal}:1|c"));
        check(TagFormat::InfluxDb, 1.0, &format!("requests_total,{equal}:1|c"));
    }

    #[test]
    fn datagrams_stay_small() {
        let items: Vec<Measured> = (0..50).map(|_| item()).collect();
        let packets = packets(&items, &config(TagFormat::DogStatsD, 1.0), "");
        assert!(packets.len() > 1 && packets.iter().all(|p| p.len() <= DATAGRAM));
        let lines: usize = packets.iter().map(|p| p.lines().count()).sum();
        assert_eq!(lines, 150);
    }
}
