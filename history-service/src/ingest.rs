//! Takes a stream into the archive.
//!
//! In: a [`Feed`]. Out: appends, each acknowledged once it is durable. What is delivered again is appended again, which
//! changes nothing, so wherever this ends it can begin again.

use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::{Channel, Delivery, Feed, Publication};
use tokio::time::sleep;

use crate::lag::Lags;
use crate::store::{Batch, Record, Store, StoreError, StreamId};

/// Pause after the stream did not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// Takes in a stream for as long as the archive takes it.
///
/// # Errors
/// What the archive said: nothing more can be taken in.
pub async fn ingest(feed: &mut dyn Feed, store: &Arc<dyn Store>, lags: &Lags) -> StoreError {
    loop {
        let delivery = match feed.next().await {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::warn!(%error, "the stream is not reached, trying again");
                sleep(PAUSE).await;
                continue;
            }
        };
        let batch = batch(&delivery);
        let (stream, partition) = (batch.stream.clone(), batch.partition);
        if let Err(error) = store.append(batch).await {
            return error;
        }
        lags.set(&stream, partition, delivery.lag);
        if let Err(error) = feed.acknowledge(&delivery).await {
            tracing::warn!(%error, "what was archived will be delivered again");
        }
    }
}

fn batch(delivery: &Delivery) -> Batch {
    let records = delivery.publications.iter().filter_map(record).collect();
    Batch {
        stream: StreamId {
            namespace: delivery.namespace.clone(),
            epoch: Arc::clone(&delivery.epoch),
        },
        partition: delivery.partition,
        records,
        passed_over: delivery.passed_over.clone(),
        watermark: delivery.watermark,
    }
}

/// A delivered publication, which has a place.
fn record((channel, publication): &(Channel, Publication)) -> Option<(Channel, Record)> {
    let mut publication = publication.clone();
    let place = publication.place.take()?;
    let record = Record {
        offset: place.offset,
        time: place.time,
        publication,
    };
    Some((channel.clone(), record))
}
