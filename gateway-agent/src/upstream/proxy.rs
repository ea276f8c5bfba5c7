//! The way to a backend through an HTTP proxy: a tunnel for TLS (`CONNECT`, RFC 9110 §9.3.6), the absolute form
//! for the rest.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gateway_policy::effect::Proxy;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Target, UpstreamError};

/// Longest answer of a proxy to `CONNECT`.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// A proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Via {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// Value of `Proxy-Authorization`.
    pub(crate) authorization: Option<Arc<str>>,
}

impl std::fmt::Debug for Via {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the credentials: this ends in logs.
        write!(f, "Via({}:{})", self.host, self.port)
    }
}

impl From<&Proxy> for Via {
    fn from(proxy: &Proxy) -> Self {
        let basic = |(user, password): &(Arc<str>, Arc<str>)| {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))).into()
        };
        Self {
            host: Arc::clone(&proxy.url.host),
            port: proxy.url.port,
            authorization: proxy.credentials.as_ref().map(basic),
        }
    }
}

/// Asks the proxy for a tunnel to the target.
pub(super) async fn tunnel<S>(stream: &mut S, via: &Via, target: &Target) -> Result<(), UpstreamError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |reason: String| UpstreamError::Connect {
        address: format!(
            "{}:{} through proxy {}:{}",
            target.host, target.port, via.host, via.port
        ),
        reason,
    };
    let host = if target.host.contains(':') {
        format!("[{}]:{}", target.host, target.port)
    } else {
        format!("{}:{}", target.host, target.port)
    };
    let authorization = match &via.authorization {
        Some(value) => format!("Proxy-Authorization: {value}\r\n"),
        None => String::new(),
    };
    let request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{authorization}\r\n");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.map_err(|error| broken(error.to_string()))?;
    let mut answer = Vec::new();
    // The proxy is silent after its answer until the handshake begins, so nothing is read too far.
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        let read = stream.read_buf(&mut answer).await;
        match read.map_err(|error| broken(error.to_string()))? {
            0 => return Err(broken("the proxy closed the connection".to_owned())),
            _ if answer.len() > ANSWER_BYTES_MAX => {
                return Err(broken("the proxy's answer has no end".to_owned()));
            }
            _ => {}
        }
    }
    let line = answer.split(|b| *b == b'\r').next().unwrap_or_default();
    let status = line.split(|b| *b == b' ').nth(1).unwrap_or_default();
    if status.first() == Some(&b'2') && status.len() == 3 {
        return Ok(());
    }
    let line = String::from_utf8_lossy(line).into_owned();
    Err(broken(format!("the proxy answered `{line}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Version;

    #[tokio::test]
    async fn a_tunnel_is_asked_for_and_refusals_are_told() {
        let url = gateway_policy::url::parse("http://p.test:3128").unwrap();
        let proxy = Proxy {
            url,
            credentials: Some(("u".into(), "p".into())),
        };
        let via = Via::from(&proxy);
        let target = Target {
            secure: true,
            host: "b.test".into(),
            port: 443,
            version: Version::Http1,
            validate_chain: true,
            validate_name: true,
            identity: None,
            via: None,
        };
        for (answer, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", None),
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\nA: b\r\n\r\n",
                Some("answered `HTTP/1.1 407 Proxy Authentication Required`"),
            ),
            ("HTTP/1.1 200 OK\r\n", Some("closed the connection")),
        ] {
            let (mut near, mut far) = tokio::io::duplex(1024);
            let peer = async move {
                let mut asked = vec![0; 1024];
                let length = far.read(&mut asked).await.unwrap();
                far.write_all(answer.as_bytes()).await.unwrap();
                String::from_utf8_lossy(&asked[..length]).into_owned()
            };
            let (result, asked) = tokio::join!(tunnel(&mut near, &via, &target), peer);
            assert_eq!(
                asked,
                "CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
            );
            match (result, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (result, expected) => panic!("{result:?} for {expected:?}"),
            }
        }
    }
}
