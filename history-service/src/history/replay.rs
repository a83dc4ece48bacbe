//! Replays a channel: page after page, and then page by page as publications are heard.
//!
//! What is heard only says that there is something to read, so nothing has to be joined, and whoever reads slowly is no
//! burden: he reads more at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::try_unfold;
use tidegate_backbone::{Epoch, Listener, Publication, Subscription};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{History, HistoryError, Query, Start};
use crate::store::Record;

/// After this the log is looked at although nothing was heard.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A page of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The epoch that is replayed.
    pub epoch: Epoch,
    /// The oldest first.
    pub records: Vec<Record>,
    /// Whether nothing is missing since the page before.
    pub is_gapless: bool,
    /// Whether there was no more when it was read.
    pub is_live: bool,
}

struct Replay {
    history: History,
    query: Query,
    bell: Arc<Bell>,
    subscription: Option<Subscription>,
    has_begun: bool,
    was_live: bool,
    /// Gaps in pages that were not given, for they had nothing.
    has_gap: bool,
}

/// Rings when something was published.
#[derive(Default)]
struct Bell(Notify);

impl Listener for Bell {
    fn deliver(&self, _publication: Publication) {
        self.0.notify_one();
    }

    fn interrupted(&self) {
        self.0.notify_one();
    }
}

pub(super) fn replay(
    history: History,
    query: Query,
) -> impl Stream<Item = Result<Replayed, HistoryError>> + Send {
    let replay = Replay {
        history,
        query,
        bell: Arc::default(),
        subscription: None,
        has_begun: false,
        was_live: false,
        has_gap: false,
    };
    try_unfold(replay, |mut replay| async move {
        let page = replay.next().await?;
        Ok(Some((page, replay)))
    })
}

impl Replay {
    /// The next page that has something to tell.
    async fn next(&mut self) -> Result<Replayed, HistoryError> {
        loop {
            if self.was_live {
                // Nothing was heard for long: look all the same.
                let _ = timeout(LOOK_AGAIN, self.bell.0.notified()).await;
            }
            let page = self.read().await?;
            self.has_gap |= !page.is_gapless;
            let tells = !page.records.is_empty() || page.is_live != self.was_live;
            self.was_live = page.is_live;
            if tells {
                let has_gap = std::mem::take(&mut self.has_gap);
                return Ok(Replayed {
                    is_gapless: !has_gap,
                    ..page
                });
            }
        }
    }

    async fn read(&mut self) -> Result<Replayed, HistoryError> {
        if self.subscription.is_none() {
            self.subscribe().await?;
        }
        let reading = match self.history.read(&self.query).await {
            // It was known before.
            Err(HistoryError::UnknownEpoch) if self.has_begun => Err(HistoryError::NewEpoch),
            reading => reading,
        }?;
        let is_last = reading.next.is_none();
        // Nothing is ever added to an old epoch: who waits there for more waits for good.
        if is_last && !reading.is_current && reading.records.is_empty() {
            return Err(HistoryError::NewEpoch);
        }
        self.has_begun = true;
        self.query.epoch = Some(Epoch::clone(&reading.epoch));
        self.query.start = Start::After(reading.end);
        Ok(Replayed {
            epoch: reading.epoch,
            records: reading.records,
            is_gapless: reading.is_gapless,
            is_live: is_last && reading.is_current,
        })
    }

    /// What is published from now on rings the bell.
    async fn subscribe(&mut self) -> Result<(), HistoryError> {
        let bell: Arc<dyn Listener> = Arc::<Bell>::clone(&self.bell);
        let backbone = &self.history.backbone;
        let subscription = backbone.subscribe(&self.query.channel, bell).await?;
        self.subscription = Some(subscription);
        Ok(())
    }
}
