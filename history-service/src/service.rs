//! The service as a whole: feeds into the archive, retention, and the server, from start to end.

mod taking;

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::Backbone;
use tidegate_backbone::service::Served;
use tidegate_service::serve_probes;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

use crate::bus;
use crate::grpc::{Access, ServeError, serve};
use crate::history::History;
use crate::lag::Lags;
use crate::retention::{self, Retention};
use crate::store::{Store, StoreError};
use taking::Taking;

/// Between two attempts at what cannot be reached.
const AGAIN: Duration = Duration::from_secs(1);

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
    /// Who may call over gRPC.
    pub access: Access,
    /// Where orchestrators and Prometheus ask; `None` for nowhere.
    pub probes: Option<TcpListener>,
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
        let backbone = Arc::clone(&self.backbone);
        let history = History::new(self.store, self.backbone, lags);
        let names = self.namespaces.into_iter().map(|it| it.namespace);
        tasks.spawn(offer(backbone, history.clone(), names.collect()));
        if let Some(probes) = self.probes {
            let vitals = Arc::new(history.clone());
            tasks.spawn(async move { match serve_probes(probes, vitals).await {} });
        }
        let (stopper, server) = serve(listener, history, self.access);
        let mut server = tokio::spawn(server);
        let ended = tokio::select! {
            ended = &mut server => return Ok(ended??),
            () = stop => Ok(()),
            Some(error) = tasks.join_next() => Err(error?),
        };
        stopper.stop();
        server.await??;
        tasks.shutdown().await;
        Ok(ended?)
    }

    /// Takes in each namespace, and trims those that are not archived for good.
    async fn start(&self, lags: &Lags) -> Result<JoinSet<StoreError>, ServiceError> {
        let mut tasks = JoinSet::new();
        let id = id();
        for archived in &self.namespaces {
            let taking = Taking {
                store: Arc::clone(&self.store),
                backbone: Arc::clone(&self.backbone),
                namespace: archived.namespace.clone(),
                lags: lags.clone(),
            };
            taking.check().await?;
            match self.store.shared_name() {
                None => tasks.spawn(taking.always()),
                Some(name) => tasks.spawn(taking.in_turn(name, id)),
            };
        }
        let retentions = self.namespaces.iter().filter_map(Archived::retention);
        let (retentions, store): (Vec<_>, _) = (retentions.collect(), Arc::clone(&self.store));
        tasks.spawn(async move { retention::keep(&store, &retentions).await });
        Ok(tasks)
    }
}

/// What tells this replica from others.
fn id() -> u64 {
    // The order of ids is of no meaning, so any that differ will do.
    RandomState::new().hash_one(std::process::id())
}

/// Answers on the bus, as soon as that can be reached, until it is dropped.
async fn offer(
    backbone: Arc<dyn Backbone>,
    history: History,
    namespaces: Vec<Option<String>>,
) -> StoreError {
    let _served: Served = loop {
        match bus::serve(&backbone, &history, &namespaces).await {
            Ok(served) => break served,
            Err(error) => tracing::debug!(%error, "cannot answer on the bus yet, trying again"),
        }
        sleep(AGAIN).await;
    };
    std::future::pending().await
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
