//! The admin endpoint's sockets: loopback TCP, a Unix socket, and the port that Prometheus scrapes.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};

use super::{
    routes::{self, Reply},
    state::State,
};

/// Connections served at once by one endpoint. Operators and one or two scrapers need a handful; a leak in
/// one of them must not cost the node memory, and strangers on the scraper's port must not shut the operator
/// out.
const CONNECTIONS_MAX: usize = 64;
/// A request's head has to arrive in this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection ends after this time, whatever it does: scrapers open a new one.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);
/// Largest request head.
const HEAD_BYTES: usize = 16 * 1024;
/// After a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who may ask what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everything: the operator, on loopback or a Unix socket.
    Operator,
    /// `/metrics` only: the scraper, on any address.
    Scraper,
}

/// A bound endpoint, not served yet.
#[derive(Debug)]
pub enum Endpoint {
    /// TCP.
    Tcp(std::net::TcpListener, Audience),
    /// A Unix socket; the file is removed when the endpoint is dropped.
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

/// Removes the socket's file, unless another process serves it by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    owned: Arc<AtomicBool>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            owned: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this process removes it; to be set false when it is another's.
    pub fn owned(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.owned)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.owned.load(Ordering::Relaxed) {
            // The folder may be gone or read-only by now; the next start replaces the file.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Endpoint {
    /// Binds a TCP address.
    ///
    /// # Errors
    /// The system's reason, or that an operator's endpoint must be on loopback.
    pub fn tcp(address: SocketAddr, audience: Audience) -> io::Result<Self> {
        if audience == Audience::Operator && !address.ip().is_loopback() {
            let text = format!(
                "the admin endpoint must be on a loopback address, not {address}: it can stop the node; \
                 metrics have their own port"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Self::inherited_tcp(std::net::TcpListener::bind(address)?, audience)
    }

    /// A bound TCP socket that another process has handed over.
    ///
    /// # Errors
    /// The system's reason.
    pub fn inherited_tcp(listener: std::net::TcpListener, audience: Audience) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Endpoint::Tcp(listener, audience))
    }

    /// A Unix socket that another process has handed over, with the duty to remove its file.
    ///
    /// # Errors
    /// The system's reason.
    pub fn inherited_unix(listener: std::os::unix::net::UnixListener, path: &Path) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Endpoint::Unix(listener, SocketFile::new(path)))
    }

    /// Binds a Unix socket for the owner alone. A socket left behind by a process that is gone is replaced.
    ///
    /// # Errors
    /// The system's reason, or that something else stands at the path.
    pub fn unix(path: &Path) -> io::Result<Self> {
        if let Ok(meta) = std::fs::symlink_metadata(path) {
            let text =
                |what: &str| io::Error::new(io::ErrorKind::AddrInUse, format!("{}: {what}", path.display()));
            if !meta.file_type().is_socket() {
                return Err(text("is not a socket; choose another path"));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(text("another process listens there"));
            }
            std::fs::remove_file(path)?;
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        let file = SocketFile::new(path);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Endpoint::Unix(listener, file))
    }

    /// The address that was given, for people.
    pub fn describe(&self) -> String {
        match self {
            Endpoint::Tcp(listener, _) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
            Endpoint::Unix(_, file) => file.path.display().to_string(),
        }
    }
}

/// Serves every endpoint until `stop` completes.
pub async fn serve(endpoints: Vec<Endpoint>, state: Arc<State>, stop: impl Future<Output = ()>) {
    let mut tasks = tokio::task::JoinSet::new();
    for endpoint in endpoints {
        let (state, permits) = (Arc::clone(&state), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        tasks.spawn(async move {
            let name = endpoint.describe();
            if let Err(error) = accept(endpoint, state, permits).await {
                tracing::error!(
                    event = "AdminEndpointFailed",
                    endpoint = name,
                    "admin endpoint ended: {error}"
                );
            }
        });
    }
    stop.await;
    // Dropping the set aborts the loops; connections in flight end with the runtime.
}

async fn accept(endpoint: Endpoint, state: Arc<State>, permits: Arc<Semaphore>) -> io::Result<()> {
    match endpoint {
        Endpoint::Tcp(listener, audience) => {
            let listener = TcpListener::from_std(listener)?;
            loop {
                // The semaphore is never closed.
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                    return Ok(());
                };
                match listener.accept().await {
                    Ok((stream, _)) => spawn(stream, audience, &state, permit),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        }
        Endpoint::Unix(listener, _file) => {
            let listener = UnixListener::from_std(listener)?;
            loop {
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                    return Ok(());
                };
                match listener.accept().await {
                    Ok((stream, _)) => spawn(stream, Audience::Operator, &state, permit),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        }
    }
}

fn spawn<S>(stream: S, audience: Audience, state: &Arc<State>, permit: tokio::sync::OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let service = service_fn(move |request: Request<Incoming>| {
            let reply = answer(&state, &request, audience);
            async move { Ok::<_, Infallible>(into_http(reply)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES)
            // A scraper comes back in seconds; a connection kept for it is one that a stranger can hold.
            .keep_alive(audience == Audience::Operator)
            .serve_connection(TokioIo::new(stream), service);
        // A broken client is its own problem; there is nothing to do about it here.
        let _ = tokio::time::timeout(CONNECTION_LIFE, connection).await;
        drop(permit);
    });
}

fn answer(state: &State, request: &Request<Incoming>, audience: Audience) -> Reply {
    let metrics_only = audience == Audience::Scraper;
    if !metrics_only && let Some(refusal) = routes::refuse_browser(request.headers()) {
        return refusal;
    }
    let uri = request.uri();
    routes::respond(
        state,
        request.method(),
        uri.path(),
        uri.query().unwrap_or(""),
        metrics_only,
    )
}

fn into_http(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(reply.content_type),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    if let Some(allow) = reply.allow {
        headers.insert(header::ALLOW, header::HeaderValue::from_static(allow));
    }
    response
}
