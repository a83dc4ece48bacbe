//! A namespace's streams into the archive, always or in turn with others that share it.

use std::sync::Arc;

use futures_util::future::select_all;
use tidegate_backbone::{Backbone, Feed, Partition, Position};
use tokio::time::sleep;

use super::{AGAIN, ServiceError};
use crate::ingest::ingest;
use crate::lag::Lags;
use crate::store::{ArchivedStream, Store, StoreError};
use crate::turn::Turns;

/// Takes one namespace in.
pub(super) struct Taking {
    pub(super) store: Arc<dyn Store>,
    pub(super) backbone: Arc<dyn Backbone>,
    pub(super) namespace: Option<String>,
    pub(super) lags: Lags,
}

impl Taking {
    /// Tells what cannot be taken in, before anything begins.
    pub(super) async fn check(&self) -> Result<(), ServiceError> {
        let _known = self.store.streams().await?;
        let is_kept = self
            .backbone
            .partitions(self.namespace.as_deref())
            .is_some();
        is_kept.then_some(()).ok_or_else(|| self.not_kept())
    }

    pub(super) async fn always(self) -> StoreError {
        self.take().await
    }

    /// While it is this replica's turn, each time from where the archive is then.
    pub(super) async fn in_turn(self, archive: String, id: u64) -> StoreError {
        let namespace = self.namespace.as_deref();
        let turns = Turns::new(&self.backbone, &archive, namespace, id);
        loop {
            let turn = turns.next().await;
            tracing::info!(namespace, "it is this replica's turn to archive");
            tokio::select! {
                error = self.take() => return error,
                () = turn.lost() => tracing::info!(namespace, "another replica archives"),
            }
        }
    }

    /// All streams at the same time, from where the archive is now, once that can be asked.
    async fn take(&self) -> StoreError {
        loop {
            match self.feeds().await {
                Ok(feeds) => {
                    let takings = feeds.into_iter().map(|feed| Box::pin(self.follow(feed)));
                    let (error, ..) = select_all(takings).await;
                    return error;
                }
                Err(ServiceError::Store(StoreError::Unavailable(reason))) => {
                    tracing::warn!(reason, "the archive is not reached, trying again");
                    sleep(AGAIN).await;
                }
                Err(ServiceError::Store(error)) => return error,
                Err(error) => return StoreError::Broken(error.to_string()),
            }
        }
    }

    async fn follow(&self, mut feed: Box<dyn Feed>) -> StoreError {
        ingest(&mut *feed, &self.store, &self.lags).await
    }

    /// The streams from where the archive is, once it is known how many there are.
    async fn feeds(&self) -> Result<Vec<Box<dyn Feed>>, ServiceError> {
        let namespace = self.namespace.as_deref();
        let partitions = self.backbone.partitions(namespace);
        let of = partitions.ok_or_else(|| self.not_kept())?.await;
        let known = self.store.streams().await?;
        let feed = |number| {
            let partition = Partition { number, of };
            let position = position(&known, namespace, partition);
            let feed = self.backbone.feed(namespace, partition, position);
            feed.ok_or_else(|| self.not_kept())
        };
        (0..of).map(feed).collect()
    }

    fn not_kept(&self) -> ServiceError {
        ServiceError::NotKept(self.namespace.clone().unwrap_or_default())
    }
}

/// How far a stream is archived, in its newest incarnation.
fn position(
    known: &[ArchivedStream],
    namespace: Option<&str>,
    partition: Partition,
) -> Option<Position> {
    let newest = known.iter().rfind(|it| {
        // An archive that does not know was begun when there was one stream a namespace.
        let is_partition = it.partition.unwrap_or(Partition::WHOLE) == partition;
        is_partition && it.stream.namespace.as_deref() == namespace
    });
    newest.map(|it| Position {
        epoch: it.stream.epoch.clone(),
        offset: it.watermark,
    })
}
