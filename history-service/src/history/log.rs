//! One channel's log: what the archive has, and behind it what only the stream has.

use tidegate_backbone::{Channel, Epoch, From, Page, Publication, Top};

use super::merge::{Merged, Order, Part, merge};
use super::{History, HistoryError, MAX_PAGE_BYTES, Reading, range};
use crate::store::{self, Coverage, Record, StreamId};

/// Records that are looked at together in the search for a time.
const LOOK_AT: usize = 64;

/// A channel's log in an epoch.
pub(super) struct Log<'a> {
    pub(super) history: &'a History,
    pub(super) channel: &'a Channel,
    pub(super) epoch: Epoch,
    /// The newest place, from before anything else is read; `None` when the stream is another one by now.
    pub(super) top: Option<Top>,
}

/// What the stream has behind a place.
#[derive(Default)]
struct Tail {
    part: Part,
    /// Whether nothing is missing behind that place.
    is_gapless: bool,
}

impl Log<'_> {
    /// The records behind an offset.
    pub(super) async fn forward(&self, after: u64, limit: usize) -> Result<Reading, HistoryError> {
        let archived = self.archived(From::After(after), limit).await?;
        let coverage = archived.coverage;
        let newest = self.newest(&coverage);
        if after > newest {
            return Err(HistoryError::Ahead { newest });
        }
        let part = part(archived.records, archived.has_more);
        let behind = after.max(coverage.watermark);
        let is_needed = part.end.is_none_or(|end| end > coverage.watermark);
        let tail = match is_needed && self.has_behind(behind) {
            true => Some(self.tail(behind, limit).await?),
            false => None,
        };
        let is_proved_behind = tail.as_ref().is_some_and(|tail| tail.is_gapless);
        let tail = tail.unwrap_or_default().part;
        let Merged { records, end: next } =
            merge(Order::OldestFirst, (part, tail), limit, MAX_PAGE_BYTES);
        // The stream may have got more since its newest place was asked for.
        let last = records.last().map_or(0, |it| it.offset);
        let end = next.unwrap_or(newest.max(last));
        Ok(Reading {
            epoch: Epoch::clone(&self.epoch),
            is_current: self.top.is_some(),
            records,
            next,
            end,
            is_gapless: coverage.proves(after, end)
                || (is_proved_behind && coverage.proves(after, behind)),
        })
    }

    /// The records before an offset.
    pub(super) async fn backward(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<Reading, HistoryError> {
        let archived = self.archived(From::Before(before), limit).await?;
        let coverage = archived.coverage;
        let newest = self.newest(&coverage);
        let archived = part(archived.records, archived.has_more);
        let is_needed = before > coverage.watermark.saturating_add(1);
        let tail = match is_needed && self.has_behind(coverage.watermark) {
            true => self.tail_before(before, coverage.watermark, limit).await?,
            false => Part::default(),
        };
        let Merged { records, end: next } =
            merge(Order::NewestFirst, (archived, tail), limit, MAX_PAGE_BYTES);
        let last = records.last().map_or(0, |it| it.offset);
        Ok(Reading {
            epoch: Epoch::clone(&self.epoch),
            is_current: self.top.is_some(),
            is_gapless: coverage.proves(last, newest.min(before.saturating_sub(1))),
            records,
            next,
            end: next.unwrap_or(0),
        })
    }

    /// The record at an offset.
    pub(super) async fn get(&self, offset: u64) -> Result<Option<Record>, HistoryError> {
        let store = &self.history.store;
        if let Some(found) = store.get(self.channel, &self.epoch, offset).await? {
            return Ok(Some(found));
        }
        let page = match self.forward(offset.saturating_sub(1), 1).await {
            Err(HistoryError::Ahead { .. }) => return Ok(None),
            page => page?,
        };
        Ok(page.records.into_iter().find(|it| it.offset == offset))
    }

    /// The offset behind which everything was stored at a time or later.
    pub(super) async fn before_time(&self, time: u64) -> Result<u64, HistoryError> {
        let stream = StreamId::of(self.channel, &self.epoch);
        let before = self.history.store.find(&stream, time).await?;
        let coverage = self.archived(From::After(u64::MAX), 0).await?.coverage;
        let mut before = before.min(self.newest(&coverage));
        // What the archive does not have may be older still; only looking at it tells.
        loop {
            let page = self.forward(before, LOOK_AT).await?;
            for record in &page.records {
                if record.time >= time {
                    return Ok(before);
                }
                before = record.offset;
            }
            match page.next {
                Some(next) => before = next,
                None => return Ok(before),
            }
        }
    }

    /// The newest offset that anything can have.
    pub(super) fn newest(&self, coverage: &Coverage) -> u64 {
        let of_stream = self.top.as_ref().map_or(0, |top| top.position.offset);
        of_stream.max(coverage.watermark)
    }

    async fn archived(&self, from: From, limit: usize) -> Result<store::Page, HistoryError> {
        let store = &self.history.store;
        let page = store.read(self.channel, &self.epoch, range(from, limit));
        Ok(page.await?)
    }

    /// Whether the stream has something of the channel behind an offset.
    fn has_behind(&self, offset: u64) -> bool {
        let top = self.top.as_ref();
        top.is_some_and(|top| !top.is_empty && top.position.offset > offset)
    }

    /// What the stream has behind an offset.
    async fn tail(&self, after: u64, limit: usize) -> Result<Tail, HistoryError> {
        let page = self.stream(From::After(after), limit).await?;
        let is_gapless = page.is_gapless;
        let records: Vec<_> = page.publications.into_iter().filter_map(record).collect();
        Ok(Tail {
            part: self.without_removed(part(records, page.has_more)).await?,
            is_gapless,
        })
    }

    /// What the stream has before an offset and behind the archive's watermark.
    async fn tail_before(
        &self,
        before: u64,
        watermark: u64,
        limit: usize,
    ) -> Result<Part, HistoryError> {
        let page = self.stream(From::Before(before), limit).await?;
        let mut records: Vec<_> = page.publications.into_iter().filter_map(record).collect();
        let count = records.len();
        records.retain(|it| it.offset > watermark);
        let has_more = page.has_more && records.len() == count;
        self.without_removed(part(records, has_more)).await
    }

    async fn stream(&self, from: From, limit: usize) -> Result<Page, HistoryError> {
        let backbone = &self.history.backbone;
        let page = backbone.read(self.channel, range(from, limit)).await?;
        match page.top.position.epoch == self.epoch {
            true => Ok(page),
            false => Err(HistoryError::NewEpoch),
        }
    }

    /// Takes out what was removed from the archive, and is still in the stream.
    async fn without_removed(&self, mut part: Part) -> Result<Part, HistoryError> {
        let offsets = part.records.iter().map(|it| it.offset);
        if let (Some(first), Some(last)) = (offsets.clone().min(), offsets.max()) {
            let store = &self.history.store;
            let removed = store.removed(self.channel, &self.epoch, first..=last);
            let removed = removed.await?;
            part.records.retain(|it| !removed.contains(it.offset));
        }
        Ok(part)
    }
}

fn part(records: Vec<Record>, has_more: bool) -> Part {
    let end = records.last().map(|it| it.offset);
    Part {
        end: end.filter(|_| has_more),
        records,
    }
}

/// A publication that was read from the stream; such a one has a place.
fn record(mut publication: Publication) -> Option<Record> {
    let place = publication.place.take()?;
    Some(Record {
        offset: place.offset,
        time: place.time,
        publication,
    })
}
