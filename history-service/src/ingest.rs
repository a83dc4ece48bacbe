//! Takes a stream into the archive.
//!
//! In: a [`Feed`]. Out: appends, each acknowledged once it is durable. What is delivered again is appended again, which
//! changes nothing, so wherever this ends it can begin again.

use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::{Channel, Delivery, Feed, Publication};
use tidegate_telemetry::{Kind, Span, is_on};
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
        let span = span(&delivery);
        if let Err(error) = span.around(store.append(batch)).await {
            span.fail(&error);
            return error;
        }
        drop(span);
        lags.set(&stream, partition, delivery.lag);
        if let Err(error) = feed.acknowledge(&delivery).await {
            tracing::warn!(%error, "what was archived will be delivered again");
        }
    }
}

/// The span of a batch, which many may have given cause to; none if nobody wants it recorded.
fn span(delivery: &Delivery) -> Span {
    let publications = delivery.publications.iter();
    let mut causes = publications
        .filter_map(|(_, it)| it.trace)
        .filter(|it| it.is_sampled)
        .peekable();
    if !is_on() || causes.peek().is_none() {
        return Span::default();
    }
    let span = Span::gather(Kind::Consumer, causes, || {
        let namespace = delivery.namespace.as_deref();
        format!("ingest {}", namespace.unwrap_or("_")).into()
    });
    let count = delivery.publications.len();
    span.set(
        "messaging.batch.message_count",
        i64::try_from(count).unwrap_or(i64::MAX),
    );
    span
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
