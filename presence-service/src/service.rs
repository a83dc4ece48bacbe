//! The service as a whole: the desk, what it hears and tells, and the server, from start to end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::{Backbone, Bus};
use tidegate_service::serve_probes;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::answering::answer_questions;
use crate::desk::Desk;
use crate::grpc::{Access, ServeError, serve};
use crate::hearing::{hear_beats, hear_partitions};
use crate::presence::Presence;
use crate::roster;
use crate::telling::Teller;

/// How long the bus may take to carry anything at the start.
const START: Duration = Duration::from_secs(30);

/// How long nodes and replicas are listened for, before partitions are followed.
pub const SETTLE: Duration = Duration::from_secs(1);

/// How long living nodes may take to tell everything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a service consists of.
#[derive(Debug)]
pub struct Service {
    /// Carries what nodes and replicas say.
    pub backbone: Arc<dyn Backbone>,
    /// What its roster is told.
    pub options: roster::Options,
    /// Who may call over gRPC.
    pub access: Access,
    /// Where orchestrators and Prometheus ask; `None` for nowhere.
    pub probes: Option<TcpListener>,
}

/// Why a service did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The bus.
    #[error("cannot hear nodes")]
    Bus(#[from] tidegate_backbone::Error),
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A task.
    #[error(transparent)]
    Task(#[from] JoinError),
    /// A task that never ends has ended.
    #[error("a part of the service has ended")]
    Ended,
}

impl Service {
    /// Follows nodes, and answers on the bus and on this socket if there is one, until `stop`.
    ///
    /// # Errors
    /// [`ServiceError`] when it cannot start, or go on.
    pub async fn run(
        self,
        listener: Option<TcpListener>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServiceError> {
        let partitions = self.options.partitions;
        let bus: Arc<dyn Bus> = self.backbone;
        let teller = Teller {
            bus: Arc::clone(&bus),
            replica: self.options.replica.clone(),
            partitions,
        };
        let replica = self.options.replica.clone();
        let (desk, effects, owner) = Desk::new(self.options);
        let mut tasks = JoinSet::new();
        tasks.spawn(owner);
        let beats = hear_beats_in_time(&bus, &desk).await?;
        tasks.spawn(never(hear_partitions(Arc::clone(&bus), desk.clone())));
        tasks.spawn(teller.clone().tell_effects(effects));
        tasks.spawn(never(teller.clone().beat(desk.clone())));
        tasks.spawn(never(answer_questions(
            Arc::clone(&bus),
            desk.clone(),
            partitions,
        )));
        tasks.spawn(say_when_ready(desk.clone()));
        let presence = Presence::new(desk, bus, partitions);
        if let Some(probes) = self.probes {
            tasks.spawn(never(serve_probes(probes, Arc::new(presence.clone()))));
        }
        let ended = face(listener, presence, replica, self.access, stop, &mut tasks).await;
        tasks.shutdown().await;
        teller.end().await;
        drop(beats);
        ended
    }
}

async fn hear_beats_in_time(
    bus: &Arc<dyn Bus>,
    desk: &Desk,
) -> Result<[tidegate_backbone::Subscription; 2], ServiceError> {
    let tries = async {
        loop {
            match hear_beats(bus, desk).await {
                Ok(beats) => return Ok(beats),
                Err(error) => {
                    tracing::warn!(%error, "cannot hear nodes yet");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    };
    let unavailable = || tidegate_backbone::Error::Unavailable(format!("not within {START:?}"));
    timeout(START, tries).await.map_err(|_| unavailable())?
}

/// Serves until the end, whoever causes it.
async fn face(
    listener: Option<TcpListener>,
    presence: Presence,
    replica: String,
    access: Access,
    stop: impl Future<Output = ()>,
    tasks: &mut JoinSet<()>,
) -> Result<(), ServiceError> {
    let Some(listener) = listener else {
        drop(presence);
        return tokio::select! {
            () = stop => Ok(()),
            Some(ended) = next(tasks) => ended.map_err(Into::into).and(Err(ServiceError::Ended)),
        };
    };
    let (stopper, server) = serve(listener, presence, replica, access);
    let mut server = tokio::spawn(server);
    let ended = tokio::select! {
        ended = &mut server => return Ok(ended??),
        () = stop => Ok(()),
        Some(ended) = next(tasks) => ended.map_err(Into::into).and(Err(ServiceError::Ended)),
    };
    stopper.stop();
    server.await??;
    ended
}

/// The end of a task that should not end.
async fn next(tasks: &mut JoinSet<()>) -> Option<Result<(), JoinError>> {
    tasks.join_next().await
}

async fn never(work: impl Future<Output = std::convert::Infallible>) {
    match work.await {}
}

/// Says in the log how the start came out, and then stays, as the other parts do.
async fn say_when_ready(desk: Desk) {
    let mut progress = desk.progress();
    if progress.wait_for(|it| it.is_ready).await.is_ok() {
        let seen = desk.look(|roster| {
            let (memberships, connections) = roster.entries();
            let missing: u32 = roster.nodes().map(|node| node.missing).sum();
            (roster.nodes().count(), memberships, connections, missing)
        });
        if let Ok((nodes, memberships, connections, missing)) = seen.await {
            let outcome = match (nodes, missing) {
                (0, _) => "no node lives",
                (_, 0) => "every node that lives has told everything",
                _ => "a node has not told everything, and is waited for no longer",
            };
            tracing::info!(nodes, memberships, connections, outcome, "ready");
        }
    }
    std::future::pending().await
}
