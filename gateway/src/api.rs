//! The server API: what backends may do, whatever they come by.
//!
//! In: an [`Operation`]. Out: its [`Outcome`], or a [`Failure`] with one of the protocol's codes. HTTP, gRPC and NATS are faces
//! of it and decide nothing. Backends are trusted with every channel and user; permissions of clients do not concern them.

mod control;
pub(crate) mod grpc;
mod history;
mod http;
mod json;
pub(crate) mod micro;
mod operation;
mod pattern;
mod presence;
mod publish;
mod recent;
mod revocation;
mod swagger;

use std::sync::Arc;

use actix_web::web;
use futures_util::{StreamExt, stream};
use tidegate_backbone::TraceContext;
use tidegate_codec::{ErrorCode, Failure};

use crate::cluster::{Answer, Cluster, Question};
use crate::node::Node;
use crate::telemetry;
pub(crate) use operation::{
    Batch, Broadcast, Connections, HistoryQuery, Operation, Outcome, Publish, Publishing, Target,
};
pub(crate) use pattern::Pattern;
use recent::Recent;

/// Operations of a parallel batch under way at a time.
const PARALLEL: usize = 32;

/// Operations of one batch, and channels of one broadcast.
pub(crate) const MAX_OPERATIONS: usize = 10_000;

/// Adds the routes of what is served over HTTP.
pub(crate) fn configure(app: &mut web::ServiceConfig, node: &Node) {
    http::configure(app, node);
    swagger::configure(app, node);
}

/// One node's server API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    cluster: Arc<Cluster>,
    recent: Arc<Recent>,
}

impl Api {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        let recent = Arc::default();
        Self { cluster, recent }
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Does one thing for a backend, which may have said to which trace that belongs.
    pub(crate) async fn serve(
        &self,
        cause: Option<TraceContext>,
        operation: Operation,
    ) -> Result<Outcome, Failure> {
        let span = telemetry::request(&self.cluster.node, cause, operation.name());
        let outcome = span.around(self.perform(operation)).await;
        if let Err(failure) = &outcome {
            span.set("error.type", i64::from(failure.code));
            span.fail(&failure.message);
        }
        outcome
    }

    /// The same with many things.
    pub(crate) async fn serve_batch(
        &self,
        cause: Option<TraceContext>,
        batch: Batch,
    ) -> Vec<Result<Outcome, Failure>> {
        let span = telemetry::request(&self.cluster.node, cause, "batch");
        span.around(self.batch(batch)).await
    }

    /// Does one thing.
    async fn perform(&self, operation: Operation) -> Result<Outcome, Failure> {
        match operation {
            Operation::Publish(it) => self.publish(it).await.map(Outcome::Published),
            Operation::Broadcast(it) => self.broadcast(it).await.map(Outcome::Broadcast),
            Operation::Control(target, order) => {
                self.control(target, order).await.map(Outcome::Reached)
            }
            Operation::Connections(it) => self.connections(it).await,
            Operation::Presence { channel } => self.presence(&channel).await,
            Operation::PresenceStats { channel } => self.presence_stats(&channel).await,
            Operation::History(it) => self.history(it).await,
            Operation::HistoryRemove { channel } => self.remove_history(&channel).await,
            Operation::Channels { pattern } => self.channels(pattern).await,
            Operation::Info => self.info().await,
            Operation::Revoke(it) => self.revoke(it).await,
            Operation::Unblock { user } => self.unblock(user).await,
            Operation::Revocations { after, limit } => self.list_revocations(&after, limit),
            // The application's backend is who asks here: there is nobody to pass the call on to.
            Operation::Rpc { .. } => Err(ErrorCode::MethodNotFound.into()),
        }
    }

    async fn perform_if(&self, operation: Result<Operation, Failure>) -> Result<Outcome, Failure> {
        self.perform(operation?).await
    }

    /// Does many things, one after the other or side by side; the answers are in their order.
    async fn batch(&self, batch: Batch) -> Vec<Result<Outcome, Failure>> {
        let width = if batch.is_parallel { PARALLEL } else { 1 };
        let operations = stream::iter(batch.operations);
        let outcomes = operations.map(|operation| self.perform_if(operation));
        outcomes.buffered(width).collect().await
    }

    async fn channels(&self, pattern: String) -> Result<Outcome, Failure> {
        let gathered = self.cluster.gather(Question::Channels { pattern }).await;
        let mut channels = std::collections::BTreeMap::new();
        for answer in gathered.answers {
            let Answer::Channels(some) = answer else {
                return Err(match answer {
                    Answer::TooMany => ErrorCode::LimitExceeded.into(),
                    _ => ErrorCode::Internal.into(),
                });
            };
            for (channel, count) in some {
                *channels.entry(channel).or_default() += count;
            }
        }
        match gathered.is_complete {
            true => Ok(Outcome::Channels(channels)),
            false => Err(ErrorCode::Internal.into()),
        }
    }

    /// The nodes that answer; one that does not is not worth hiding the others for.
    async fn info(&self) -> Result<Outcome, Failure> {
        let gathered = self.cluster.gather(Question::Info).await;
        let nodes = gathered
            .answers
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Info(node) => Some(node),
                _ => None,
            });
        Ok(Outcome::Info(nodes.collect()))
    }

    fn rules(&self) -> &crate::rules::Rules {
        &self.cluster.node.rules
    }
}
