//! What a node offers to backends and to other nodes besides HTTP, on a thread of its own: signs of life, answers to other
//! nodes, and what [`api`](crate::api) has faces for.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::api::Api;
use crate::cluster::{Cluster, Presence};

/// Between two attempts to reach the bus.
const RETRY: Duration = Duration::from_secs(1);

/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Starts the thread, which ends when `stop` says so.
pub(crate) fn start(
    api: Api,
    mut stop: watch::Receiver<bool>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let run = move || {
        runtime.block_on(async {
            let cluster = Arc::clone(api.cluster());
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                never = serve(api) => match never {},
            }
            let _said = timeout(LAST_WORD, cluster.leave()).await;
        });
        Ok(())
    };
    thread::Builder::new()
        .name("backends".to_owned())
        .spawn(run)
}

async fn serve(api: Api) -> std::convert::Infallible {
    let cluster = Arc::clone(api.cluster());
    let _presence = join(&cluster).await;
    tokio::join!(cluster.live());
    unreachable!("a node lives until it is stopped")
}

/// Joins the other nodes, as soon as that is possible.
async fn join(cluster: &Arc<Cluster>) -> Presence {
    loop {
        match cluster.join().await {
            Ok(presence) => return presence,
            Err(error) => tracing::warn!(%error, "other nodes cannot be heard yet"),
        }
        sleep(RETRY).await;
    }
}
