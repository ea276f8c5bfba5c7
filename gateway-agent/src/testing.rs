//! A node in memory for tests: real servers and real clients over pipes, scripted backends, paused time.

use std::{cell::RefCell, io, rc::Rc, sync::Arc, time::Duration};

use gateway_config::Snapshot;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::LocalSet,
};

use crate::{
    http::serve::transport_ready,
    listen::Listener,
    node::{Node, RequestSink, Settings},
    telemetry::{Metrics, RequestRecord},
    transport::Transport,
    upstream::Dial,
    worker::Worker,
};

/// Bytes a pipe holds before it pushes back: less than one buffer of either side, so that back-pressure shows.
const PIPE: usize = 4 * 1024;

/// Keeps every record.
#[derive(Debug, Default)]
pub(crate) struct Records(std::sync::Mutex<Vec<RequestRecord>>);

impl RequestSink for Records {
    fn wants_records(&self) -> bool {
        true
    }

    fn record(&self, record: RequestRecord) {
        self.0.lock().unwrap().push(record);
    }
}

impl Records {
    pub(crate) fn take(&self) -> Vec<RequestRecord> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A scripted backend: gets each new connection.
pub(crate) type Backend = Box<dyn Fn(DuplexStream)>;

/// A node with one worker in the current thread.
pub(crate) struct World {
    pub(crate) worker: Rc<Worker>,
    pub(crate) records: Arc<Records>,
    /// Connections the backend has seen.
    pub(crate) dialled: Rc<RefCell<u32>>,
    sweep: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.sweep.abort();
    }
}

impl World {
    /// `backend` is run for each connection to any target.
    pub(crate) fn new(settings: Settings, snapshot: Option<Snapshot>, backend: Backend) -> Self {
        let dialled = Rc::new(RefCell::new(0));
        let count = Rc::clone(&dialled);
        let dial = Dial::Memory(Box::new(move |_| {
            *count.borrow_mut() += 1;
            let (ours, theirs) = duplex(PIPE);
            backend(theirs);
            Ok(ours)
        }));
        Self::with_dial(settings, snapshot, dial, dialled)
    }

    /// A world whose backend cannot be reached.
    pub(crate) fn without_backend(settings: Settings, snapshot: Option<Snapshot>) -> Self {
        let dial = Dial::Memory(Box::new(|_| Err(io::ErrorKind::ConnectionRefused.into())));
        Self::with_dial(settings, snapshot, dial, Rc::default())
    }

    fn with_dial(
        settings: Settings,
        snapshot: Option<Snapshot>,
        dial: Dial,
        dialled: Rc<RefCell<u32>>,
    ) -> Self {
        let records = Arc::new(Records::default());
        let sink = Arc::clone(&records) as Arc<dyn RequestSink>;
        let node = Node::new(settings, Metrics::new().unwrap(), sink).unwrap();
        if let Some(snapshot) = snapshot {
            node.publish(Arc::new(snapshot));
        }
        let worker = Worker::new(0, node, dial);
        let sweep = tokio::task::spawn_local(Rc::clone(&worker).sweep());
        Self {
            worker,
            records,
            dialled,
            sweep,
        }
    }

    /// A client connection to the node.
    pub(crate) fn connect(&self) -> DuplexStream {
        let (client, server) = duplex(PIPE);
        let address = "203.0.113.7:40000".parse().unwrap();
        let held = self
            .worker
            .connections
            .register(address, address, &Listener::new(address, false), None);
        let worker = Rc::clone(&self.worker);
        tokio::task::spawn_local(async move {
            transport_ready(worker, Rc::clone(&held.conn), Transport::Pipe(server)).await;
            drop(held);
        });
        client
    }

    /// Sends `input` on a new connection and returns all that comes back until the node closes it, or until
    /// the client has waited for `patience`.
    pub(crate) async fn talk(&self, input: &[u8], patience: Duration) -> String {
        let mut client = self.connect();
        let (mut read, mut write) = tokio::io::split(&mut client);
        let mut output = Vec::new();
        let exchange = async {
            let send = async {
                // The node may have answered and closed before everything was sent.
                let _ = write.write_all(input).await;
            };
            let receive = async {
                let mut piece = [0; 1024];
                while let Ok(n @ 1..) = read.read(&mut piece).await {
                    output.extend_from_slice(&piece[..n]);
                }
            };
            tokio::join!(send, receive);
        };
        let _ = tokio::time::timeout(patience, exchange).await;
        String::from_utf8_lossy(&output).into_owned()
    }
}

/// Runs a test on a worker's kind of runtime.
pub(crate) async fn on_worker<F: Future>(test: F) -> F::Output {
    LocalSet::new().run_until(test).await
}

/// A backend that answers every request on a connection with `answer`, after reading a head.
pub(crate) fn answering(answer: &'static str) -> Backend {
    Box::new(move |mut pipe| {
        tokio::task::spawn_local(async move {
            while read_head(&mut pipe).await.is_some() {
                if pipe.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    })
}

/// Reads up to and including the empty line; `None` at the end of the stream.
pub(crate) async fn read_head(pipe: &mut DuplexStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match pipe.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
