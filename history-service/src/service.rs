//! The service as a whole: feeds into the archive, retention, and the server, from start to end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::{Backbone, Feed, Position};
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::grpc::{ApiKey, ServeError, serve};
use crate::history::History;
use crate::ingest::ingest;
use crate::lag::Lags;
use crate::retention::{self, Retention};
use crate::store::{Store, StoreError};

/// Time for calls that are under way at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// A namespace to archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The namespace; `None` for channels without one.
    pub namespace: Option<String>,
    /// How long; `None` for good.
    pub ttl: Option<Duration>,
}

/// What a service consists of.
pub struct Service {
    /// The archive.
    pub store: Arc<dyn Store>,
    /// Where what is archived is published.
    pub backbone: Arc<dyn Backbone>,
    /// What is archived.
    pub namespaces: Vec<Archived>,
    /// What callers must show; `None` for nothing.
    pub key: Option<ApiKey>,
}

/// Why a service did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A namespace is to be archived that is not kept.
    #[error("namespace {0:?} has no history, so there is nothing to archive")]
    NotKept(String),
    /// The archive.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A task.
    #[error(transparent)]
    Task(#[from] JoinError),
}

impl Service {
    /// Archives, and answers on this socket, until `stop`.
    ///
    /// # Errors
    /// [`ServiceError`] when it cannot start, or go on.
    pub async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServiceError> {
        let lags = Lags::default();
        let mut tasks = self.start(&lags).await?;
        let history = History::new(self.store, self.backbone, lags);
        let (stopper, server) = serve(listener, history, self.key);
        let mut server = tokio::spawn(server);
        let ended = tokio::select! {
            ended = &mut server => return Ok(ended??),
            () = stop => Ok(()),
            Some(error) = tasks.join_next() => Err(error?),
        };
        stopper.stop();
        match timeout(DRAIN, &mut server).await {
            Ok(served) => served??,
            Err(_) => {
                tracing::warn!("calls are still under way, and are ended");
                server.abort();
            }
        }
        tasks.shutdown().await;
        Ok(ended?)
    }

    /// Takes in each namespace, and trims those that are not archived for good.
    async fn start(&self, lags: &Lags) -> Result<JoinSet<StoreError>, ServiceError> {
        let mut tasks = JoinSet::new();
        for archived in &self.namespaces {
            let mut feed = self.feed(archived.namespace.as_deref()).await?;
            let (store, lags) = (Arc::clone(&self.store), lags.clone());
            tasks.spawn(async move { ingest(&mut *feed, &store, &lags).await });
        }
        let retentions = self.namespaces.iter().filter_map(Archived::retention);
        let (retentions, store): (Vec<_>, _) = (retentions.collect(), Arc::clone(&self.store));
        tasks.spawn(async move { retention::keep(&store, &retentions).await });
        Ok(tasks)
    }

    /// A stream from where the archive is.
    async fn feed(&self, namespace: Option<&str>) -> Result<Box<dyn Feed>, ServiceError> {
        let streams = self.store.streams().await?;
        let newest = streams
            .into_iter()
            .rfind(|it| it.stream.namespace.as_deref() == namespace);
        let position = newest.map(|it| Position {
            epoch: it.stream.epoch,
            offset: it.watermark,
        });
        let not_kept = || ServiceError::NotKept(namespace.unwrap_or_default().to_owned());
        self.backbone.feed(namespace, position).ok_or_else(not_kept)
    }
}

impl Archived {
    fn retention(&self) -> Option<Retention> {
        Some(Retention {
            namespace: self.namespace.clone(),
            ttl: self.ttl?,
        })
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}
