//! The workers: one thread, one current-thread runtime and one set of sockets each. Nothing is shared
//! between workers but the [`Node`].

use std::{io, num::NonZeroUsize, sync::Arc, thread};

use tokio::{runtime, task::LocalSet};

use crate::{listen::Bound, node::Node};

/// One worker per CPU this process may run on.
pub fn default_count() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<thread::JoinHandle<()>>,
}

impl Workers {
    /// Waits for the workers' threads to end. They end when the drain is over, so begin it first
    /// ([`crate::drain::Drain::begin`]); blocking: call it from a plain thread or `spawn_blocking`.
    ///
    /// Returns how many workers had panicked (0 in a healthy process).
    pub fn join(self) -> usize {
        self.threads
            .into_iter()
            .map(thread::JoinHandle::join)
            .filter(Result::is_err)
            .count()
    }
}

/// Starts as many workers as every `Bound` has sockets.
///
/// # Errors
/// A thread or a runtime could not be made (limits of processes or open files).
pub fn start(node: &Arc<Node>, bound: Vec<Bound>) -> io::Result<Workers> {
    let count = bound.iter().map(|one| one.tcp.len()).max().unwrap_or(0);
    let mut sockets: Vec<Vec<Socket>> = (0..count).map(|_| Vec::new()).collect();
    for one in bound {
        let mut udp = one.udp.into_iter();
        for (worker, tcp) in one.tcp.into_iter().enumerate() {
            sockets[worker].push(Socket {
                listener: one.listener,
                tcp,
                udp: udp.next(),
            });
        }
    }
    let mut threads = Vec::with_capacity(count);
    for (id, sockets) in sockets.into_iter().enumerate() {
        let node = Arc::clone(node);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        threads.push(
            thread::Builder::new()
                .name(format!("worker-{id}"))
                .spawn(move || {
                    let local = LocalSet::new();
                    local.block_on(&runtime, run(id, node, sockets));
                })?,
        );
    }
    Ok(Workers { threads })
}

/// One listener's sockets on one worker.
#[derive(Debug)]
struct Socket {
    listener: crate::listen::Listener,
    tcp: std::net::TcpListener,
    udp: Option<std::net::UdpSocket>,
}

async fn run(_id: usize, node: Arc<Node>, _sockets: Vec<Socket>) {
    let mut watch = node.drain.watch();
    watch.begun().await;
}
