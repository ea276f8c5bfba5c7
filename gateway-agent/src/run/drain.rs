//! The end: signals, the drain, and what happens when the deadline is not kept.

use std::{sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::handover::Again;
use crate::{node::Node, sync, worker::Workers};

/// Past the deadline, for connections to be torn down and threads to end.
const SLACK: Duration = Duration::from_secs(5);

/// Waits until a signal, the admin endpoint or a successor asks for the end; HUP reads the configuration again, USR2 starts a
/// successor.
///
/// The drain has begun when this returns.
pub(super) async fn until_asked(node: &Arc<Node>, sync: &sync::Handle, grace: Duration, again: &Again) {
    let mut begun = node.drain.watch();
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    let mut hang_up = listen(SignalKind::hangup());
    let mut upgrade = listen(SignalKind::user_defined2());
    loop {
        let name = tokio::select! {
            () = received(&mut terminate) => "TERM",
            () = received(&mut interrupt) => "INT",
            () = received(&mut hang_up) => {
                tracing::info!(event = "ReloadAsked", signal = "HUP", "reading the configuration again");
                sync.reload();
                continue;
            }
            () = received(&mut upgrade) => {
                again.start();
                continue;
            }
            _ = begun.begun() => return,
        };
        tracing::info!(
            event = "DrainStarted",
            signal = name,
            seconds = grace.as_secs(),
            "draining"
        );
        node.drain.begin(grace);
        return;
    }
}

/// Waits for the drain and the workers; a second TERM or INT cuts what is left.
/// Returns how many workers had panicked.
pub(super) async fn finish(node: Arc<Node>, workers: Workers, grace: Duration) -> usize {
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    let joined = tokio::task::spawn_blocking(move || workers.join());
    tokio::pin!(joined);
    let limit = tokio::time::sleep(grace + SLACK);
    tokio::pin!(limit);
    loop {
        tokio::select! {
            result = &mut joined => {
                let panicked = result.unwrap_or(1);
                tracing::info!(event = "GatewayStopped", panicked_workers = panicked, "all traffic has ended");
                return panicked;
            }
            () = &mut limit => {
                tracing::error!(event = "DrainDeadlineMissed", "workers did not end in time; ending without them");
                return 1;
            }
            () = received(&mut terminate) => cut(&node),
            () = received(&mut interrupt) => cut(&node),
        }
    }
}

fn cut(node: &Node) {
    tracing::warn!(event = "DrainCut", "asked twice: cutting what is left");
    node.drain.begin(Duration::ZERO);
}

/// A signal that cannot be listened for never arrives; the others still work.
fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| {
            tracing::error!(
                event = "SignalFailed",
                ?kind,
                "cannot listen for a signal: {error}"
            )
        })
        .ok()
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        // `None` means that the runtime's signal driver is gone: the process is ending anyway.
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
