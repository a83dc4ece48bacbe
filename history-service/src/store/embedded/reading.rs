//! What is asked of the archive.

use std::ops::{Bound, RangeInclusive};

use fjall::{Guard, Readable};
use tidegate_backbone::{Channel, Epoch, From, Range};
use tidegate_proto::archive::{StoredChannel, StoredEntry};

use super::archive::{Archive, broken};
use super::keys;
use crate::store::stored::{StreamState, decode, record};
use crate::store::{
    ArchivedChannel, ArchivedStream, Count, Page, Record, Spans, StoreError, StreamId,
};

impl Archive {
    pub(super) fn read(
        &self,
        channel: &Channel,
        epoch: &Epoch,
        range: Range,
    ) -> Result<Page, StoreError> {
        let snapshot = self.database.snapshot();
        let state = self.stream(&snapshot, &StreamId::of(channel, epoch))?;
        let offsets = match range.from {
            From::After(offset) => offset.checked_add(1).map(|first| first..=u64::MAX),
            From::Before(offset) => offset.checked_sub(1).map(|last| 0..=last),
        };
        let (records, has_more) = match offsets {
            None => (Vec::new(), false),
            Some(offsets) => {
                let found = keys::between(channel, epoch, &offsets);
                let found = snapshot.range(&self.records, found);
                match range.from {
                    From::After(_) => take(found, range)?,
                    From::Before(_) => take(found.rev(), range)?,
                }
            }
        };
        Ok(Page {
            records,
            has_more,
            coverage: state.unwrap_or_default().coverage,
        })
    }

    pub(super) fn get(
        &self,
        channel: &Channel,
        epoch: &Epoch,
        offset: u64,
    ) -> Result<Option<Record>, StoreError> {
        let key = keys::of_channel(channel, epoch, offset);
        let found = self.records.get(key).map_err(broken)?;
        found.map(|value| record(offset, value)).transpose()
    }

    /// Searches by halves: sequences of a stream grow with time.
    pub(super) fn find(&self, stream: &StreamId, time: u64) -> Result<u64, StoreError> {
        let snapshot = self.database.snapshot();
        let entries = |from, to| {
            let keys = keys::in_stream(stream, from)..keys::in_stream(stream, to);
            snapshot.range(&self.log, keys)
        };
        let Some(last) = entries(0, u64::MAX).next_back() else {
            return Ok(0);
        };
        // What is up to `older` is older than `time`, what is from `newer` on is not.
        let (mut older, mut newer) = (0, keys::number(&last.key().map_err(broken)?)? + 1);
        while newer - older > 1 {
            let middle = older + (newer - older) / 2;
            match entries(middle, newer).next().map(entry).transpose()? {
                Some((sequence, it)) if it.time < time => older = sequence,
                Some(_) | None => newer = middle,
            }
        }
        Ok(older)
    }

    pub(super) fn channels(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ArchivedChannel>, StoreError> {
        let from = match after < prefix {
            true => Bound::Included(prefix.as_bytes()),
            false => Bound::Excluded(after.as_bytes()),
        };
        let found = self.channels.range::<&[u8], _>((from, Bound::Unbounded));
        let mut channels = Vec::new();
        for found in found.take(limit) {
            let (key, value) = found.into_inner().map_err(broken)?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            channels.push(archived_channel(&key, decode(value)?)?);
        }
        Ok(channels)
    }

    pub(super) fn removed(
        &self,
        channel: &Channel,
        epoch: &Epoch,
        offsets: &RangeInclusive<u64>,
    ) -> Result<Spans, StoreError> {
        let snapshot = self.database.snapshot();
        let (first, last) = (*offsets.start(), *offsets.end());
        let stretches = self.tombstones(&snapshot, channel, epoch, (first, last))?;
        let cut = |(from, to): (u64, u64)| from.max(first)..=to.min(last);
        Ok(stretches.into_iter().map(cut).collect())
    }

    pub(super) fn archived_streams(&self) -> Result<Vec<ArchivedStream>, StoreError> {
        let mut streams = Vec::new();
        for found in self.streams.iter() {
            let (key, value) = found.into_inner().map_err(broken)?;
            streams.push((keys::stream(&key)?, StreamState::decode(value)?));
        }
        streams.sort_by(|(one, its), (other, others)| {
            (&one.namespace, its.number).cmp(&(&other.namespace, others.number))
        });
        let archived = |(stream, state): (StreamId, StreamState)| ArchivedStream {
            stream,
            partition: state.partition,
            count: state.count,
            watermark: state.coverage.watermark,
        };
        Ok(streams.into_iter().map(archived).collect())
    }

    pub(super) fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.database.disk_space().map_err(broken)
    }
}

/// Records within the bounds of a read, and whether there are more.
fn take(
    found: impl Iterator<Item = Guard>,
    range: Range,
) -> Result<(Vec<Record>, bool), StoreError> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    for found in found {
        let (key, value) = found.into_inner().map_err(broken)?;
        if records.len() == range.limit {
            return Ok((records, true));
        }
        let record = record(keys::number(&key)?, value)?;
        bytes += record.publication.data.len();
        if bytes > range.max_bytes && !records.is_empty() {
            return Ok((records, true));
        }
        records.push(record);
    }
    Ok((records, false))
}

/// What stands at a sequence of a stream.
pub(super) fn entry(found: Guard) -> Result<(u64, StoredEntry), StoreError> {
    let (key, value) = found.into_inner().map_err(broken)?;
    Ok((keys::number(&key)?, decode(value)?))
}

fn archived_channel(key: &[u8], stored: StoredChannel) -> Result<ArchivedChannel, StoreError> {
    let name = std::str::from_utf8(key).ok();
    let channel = name.and_then(|name| Channel::parse(name).ok());
    let count = |(epoch, count): (String, tidegate_proto::archive::StoredCount)| {
        let (publications, bytes) = (count.publications, count.bytes);
        let count = Count {
            publications,
            bytes,
        };
        (Epoch::from(epoch), count)
    };
    Ok(ArchivedChannel {
        channel: channel
            .ok_or_else(|| StoreError::Broken("a key is not the name of a channel".to_owned()))?,
        epochs: stored.epochs.into_iter().map(count).collect(),
    })
}
