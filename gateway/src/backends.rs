//! What a node offers to backends and to other nodes besides HTTP, on a thread of its own: signs of life, answers to other
//! nodes, and what [`api`](crate::api) has faces for.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidegate_backbone::Error;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::api::{Api, grpc, micro};

/// Between two attempts to reach the bus.
const RETRY: Duration = Duration::from_secs(1);

/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Starts the thread, which ends when `stop` says so. gRPC is served on `grpc`, if there is one.
pub(crate) fn start(
    api: Api,
    grpc: Option<TcpListener>,
    stop: watch::Receiver<bool>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let run = move || {
        runtime.block_on(async {
            let cluster = Arc::clone(api.cluster());
            tokio::select! {
                never = serve(&api) => match never {},
                never = keep_out(&api) => match never {},
                () = serve_grpc(api.clone(), grpc, stop) => {}
            }
            let _said = timeout(LAST_WORD, cluster.leave()).await;
        });
        Ok(())
    };
    thread::Builder::new()
        .name("backends".to_owned())
        .spawn(run)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A server that is gone has stopped, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve(api: &Api) -> Infallible {
    let cluster = Arc::clone(api.cluster());
    let _others = persist("other nodes cannot be heard yet", || cluster.join()).await;
    let _itself = persist("the node cannot hear itself yet", || {
        cluster
            .node
            .health
            .listen(&*cluster.node.backbone, cluster.uid())
    })
    .await;
    let _service = match cluster.node.config.nats_api.enabled {
        true => Some(persist("the NATS API is not offered yet", || micro::start(api)).await),
        false => None,
    };
    let (node, id) = (&cluster.node, cluster.uid());
    tokio::select! {
        never = Arc::clone(&cluster).live() => never,
        never = node.health.keep(node, id) => never,
    }
}

/// Keeps the list of blocked users and revoked tokens, if there is one; otherwise never ends either.
async fn keep_out(api: &Api) -> Infallible {
    let node = &api.cluster().node;
    match &node.revocations {
        Some(revocations) => revocations.keep(&node.local).await,
        None => std::future::pending().await,
    }
}

/// Serves gRPC until `stop` says so, if there is a socket for it.
async fn serve_grpc(api: Api, listener: Option<TcpListener>, stop: watch::Receiver<bool>) {
    if let Some(listener) = listener
        && let Err(error) = grpc::serve(api, listener, stop.clone()).await
    {
        tracing::error!(%error, "gRPC is not served any more");
    }
    stopped(stop).await;
}

/// Tries until it succeeds: the bus may be away.
async fn persist<T, F: Future<Output = Result<T, Error>>>(
    lack: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => tracing::warn!(%error, "{lack}"),
        }
        sleep(RETRY).await;
    }
}
