//! What a namespace stored, in its order, read from where whoever archives it is.

use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, ready};
use tokio::pin;

use super::group::{Head, NOWHERE};
use super::{Log, record};
use crate::embedded::tables::{Failure, Table, View};
use crate::{Channel, Delivery, Epoch, Error, Feed, Partition, Place, Position, Publication};

/// Publications of one delivery.
const BATCH: usize = 512;

/// Bytes after which one delivery ends.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Delivers what a namespace stores.
pub(in crate::embedded) struct LogFeed {
    log: Arc<Log>,
    namespace: Option<String>,
    /// Everything up to this offset of this epoch has been acknowledged.
    acknowledged: u64,
}

impl LogFeed {
    /// A feed of what is behind a position, or of everything if that is `None` or of another epoch.
    pub(in crate::embedded) fn new(
        log: &Arc<Log>,
        namespace: Option<&str>,
        after: Option<Position>,
    ) -> Self {
        let after = after.filter(|it| it.epoch == log.epoch);
        Self {
            log: Arc::clone(log),
            namespace: namespace.map(str::to_owned),
            acknowledged: after.map_or(0, |it| it.offset),
        }
    }

    async fn deliver(&self) -> Result<Delivery, Error> {
        loop {
            let stored = self.log.stored.notified();
            pin!(stored);
            // Before the look, so that what is stored after it is noticed.
            stored.as_mut().enable();
            if let Some(delivery) = self.look().await? {
                return Ok(delivery);
            }
            stored.await;
        }
    }

    async fn look(&self) -> Result<Option<Delivery>, Error> {
        let (namespace, after) = (self.namespace.clone(), self.acknowledged);
        let epoch = Epoch::clone(&self.log.epoch);
        self.log
            .look(move |view| delivery(view, namespace, epoch, after))
            .await
    }
}

/// What is behind an offset; `None` if nothing is.
fn delivery(
    view: &dyn View,
    namespace: Option<String>,
    epoch: Epoch,
    after: u64,
) -> Result<Option<Delivery>, Failure> {
    let name = namespace.as_deref().unwrap_or_default();
    let head = Head::read(view, name)?;
    let from = record::namespace_key(name, after.saturating_add(1));
    let to = record::namespace_key(name, u64::MAX);
    let (mut publications, mut passed_over, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut watermark = after;
    for row in view.rows(Table::Order, &from, &to) {
        if publications.len() + passed_over.len() == BATCH || bytes > BATCH_BYTES {
            break;
        }
        let (key, value) = row?;
        watermark = record::offset_of(&key)?;
        match read(view, &epoch, watermark, &value)? {
            Some(found) => {
                bytes += found.1.data.len();
                publications.push(found);
            }
            None => passed_over.push(watermark),
        }
    }
    if watermark == after {
        return Ok(None);
    }
    Ok(Some(Delivery {
        namespace,
        partition: Partition::WHOLE,
        epoch,
        publications,
        passed_over,
        watermark,
        lag: head.last.saturating_sub(watermark),
    }))
}

/// The publication at an offset; `None` if it was removed.
fn read(
    view: &dyn View,
    epoch: &Epoch,
    offset: u64,
    order: &[u8],
) -> Result<Option<(Channel, Publication)>, Failure> {
    let (_, name) = record::parse_timed(order)?;
    if name == NOWHERE {
        return Ok(None);
    }
    let channel = Channel::parse(&name).map_err(|it| Failure(it.to_string()))?;
    let row = view.get(
        Table::Publications,
        &record::publication_key(&channel, offset),
    )?;
    let row = row.ok_or_else(|| Failure(format!("{name} has nothing at {offset}")))?;
    let (time, publication) = record::decode(row)?;
    let place = Place {
        epoch: Epoch::clone(epoch),
        offset,
        previous: None,
        time,
    };
    let publication = Publication {
        place: Some(place),
        ..publication
    };
    Ok(Some((channel, publication)))
}

impl Feed for LogFeed {
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, Error>> {
        Box::pin(self.deliver())
    }

    fn acknowledge<'a>(&'a mut self, delivery: &'a Delivery) -> BoxFuture<'a, Result<(), Error>> {
        self.acknowledged = delivery.watermark;
        Box::pin(ready(Ok(())))
    }
}

impl fmt::Debug for LogFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFeed")
            .field("namespace", &self.namespace)
            .field("acknowledged", &self.acknowledged)
            .finish_non_exhaustive()
    }
}
