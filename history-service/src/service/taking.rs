//! A namespace's stream into the archive, always or in turn with others that share it.

use std::sync::Arc;

use tidegate_backbone::{Backbone, Feed, Position};
use tokio::time::sleep;

use super::{AGAIN, ServiceError};
use crate::ingest::ingest;
use crate::lag::Lags;
use crate::store::{Store, StoreError};
use crate::turn::Turns;

/// Takes one namespace in.
pub(super) struct Taking {
    pub(super) store: Arc<dyn Store>,
    pub(super) backbone: Arc<dyn Backbone>,
    pub(super) namespace: Option<String>,
    pub(super) lags: Lags,
}

impl Taking {
    /// The stream from where the archive is.
    pub(super) async fn feed(&self) -> Result<Box<dyn Feed>, ServiceError> {
        let namespace = self.namespace.as_deref();
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

    pub(super) async fn from(self, mut feed: Box<dyn Feed>) -> StoreError {
        ingest(&mut *feed, &self.store, &self.lags).await
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

    /// From where the archive is now, once that can be asked.
    async fn take(&self) -> StoreError {
        loop {
            match self.feed().await {
                Ok(mut feed) => return ingest(&mut *feed, &self.store, &self.lags).await,
                Err(ServiceError::Store(StoreError::Unavailable(reason))) => {
                    tracing::warn!(reason, "the archive is not reached, trying again");
                    sleep(AGAIN).await;
                }
                Err(ServiceError::Store(error)) => return error,
                Err(error) => return StoreError::Broken(error.to_string()),
            }
        }
    }
}
