//! The signals that ask a process to end.

use futures_util::future::select_all;
use tokio::signal::unix::{SignalKind, signal};

/// Returns when SIGTERM or SIGINT comes.
pub async fn asked_to_end() {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| {
        Box::pin(async move {
            match signal(kind) {
                Ok(mut signal) => drop(signal.recv().await),
                // Without a handler the signal ends the process.
                Err(_) => std::future::pending().await,
            }
        })
    });
    let _which = select_all(signals).await;
}
