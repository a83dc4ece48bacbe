//! What the service hears on the bus: nodes and replicas always, and what belongs to the partitions that it follows.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use tidegate_backbone::{Bus, Ear, Error, Heard as FromBus, Subscription, Topic};
use tokio::time::sleep;

use crate::desk::{Desk, Heard};

/// Before another try at what the bus refused.
const PAUSE: Duration = Duration::from_millis(500);

/// What a message of some topic is.
type AsHeard = fn(Bytes) -> Heard;

/// Puts messages of one kind on the desk.
struct Listening {
    desk: Desk,
    as_heard: AsHeard,
    /// Of all ears one is enough to say that messages may have been lost.
    is_first: bool,
}

impl Ear for Listening {
    fn hear(&self, heard: FromBus) {
        self.desk.hear((self.as_heard)(heard.message.data));
    }

    fn interrupted(&self) {
        if self.is_first {
            self.desk.hear(Heard::Interrupted);
        }
    }
}

/// Hears beats of nodes and replicas until the subscriptions are dropped.
///
/// # Errors
/// When the bus refuses.
pub(crate) async fn hear_beats(
    bus: &Arc<dyn Bus>,
    desk: &Desk,
) -> Result<[Subscription; 2], Error> {
    let ear = |as_heard, is_first| {
        Arc::new(Listening {
            desk: desk.clone(),
            as_heard,
            is_first,
        })
    };
    let (beats, replicas) = (Topic::presence_beats(), Topic::presence_replicas());
    Ok([
        bus.hear(&beats, None, ear(Heard::Beat, true)).await?,
        bus.hear(&replicas, None, ear(Heard::Replica, false))
            .await?,
    ])
}

/// Hears what belongs to the partitions that are followed, as they change.
pub(crate) async fn hear_partitions(bus: Arc<dyn Bus>, desk: Desk) -> Infallible {
    let mut progress = desk.progress();
    let mut heard: BTreeMap<u32, Vec<Subscription>> = BTreeMap::new();
    loop {
        let held = progress.borrow_and_update().held.clone();
        heard.retain(|partition, _| held.contains(partition));
        let new = held.into_iter().filter(|it| !heard.contains_key(it));
        let hears = new.map(|partition| hear_partition(&bus, &desk, partition));
        match try_join_all(hears).await {
            Ok(new) => heard.extend(new),
            Err(error) => {
                tracing::warn!(%error, "cannot hear what nodes tell, trying again");
                sleep(PAUSE).await;
                continue;
            }
        }
        if progress.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn hear_partition(
    bus: &Arc<dyn Bus>,
    desk: &Desk,
    partition: u32,
) -> Result<(u32, Vec<Subscription>), Error> {
    let kinds: [(Topic, AsHeard); 3] = [
        (
            Topic::presence_channel_changes(Some(partition)),
            Heard::Report,
        ),
        (Topic::presence_user_changes(Some(partition)), Heard::Report),
        (Topic::presence_gone(Some(partition)), Heard::Gone),
    ];
    let hears = kinds.map(|(topic, as_heard)| async move {
        let ear = Arc::new(Listening {
            desk: desk.clone(),
            as_heard,
            is_first: false,
        });
        bus.hear(&topic, None, ear).await
    });
    Ok((partition, try_join_all(hears).await?))
}
