//! Batches become a change.

use std::collections::HashSet;

use prost::Message;
use tidegate_backbone::Channel;
use tidegate_proto::archive::StoredEntry;

use super::archive::{Archive, broken};
use super::change::Change;
use super::keys;
use crate::store::{Batch, Record, StoreError, StreamId, stored};
use fjall::Readable;

/// Appends batches, durably, all of them or none.
pub(super) fn append(
    archive: &Archive,
    batches: impl IntoIterator<Item = Batch>,
) -> Result<(), StoreError> {
    let mut appending = Appending {
        change: Change::of(archive),
        added: HashSet::new(),
    };
    for batch in batches {
        appending.add(batch)?;
    }
    appending.change.commit()
}

struct Appending<'a> {
    change: Change<'a>,
    /// Keys of records that this change adds.
    added: HashSet<Vec<u8>>,
}

impl Appending<'_> {
    fn add(&mut self, batch: Batch) -> Result<(), StoreError> {
        let state = self.change.stream(&batch.stream)?;
        state.place(batch.partition)?;
        let coverage = &mut state.coverage;
        let floor = coverage.floor;
        coverage.watermark = coverage.watermark.max(batch.watermark);
        let published = batch.records.iter().map(|(_, record)| record.offset);
        for sequence in published.chain(batch.passed_over.iter().copied()) {
            coverage.seen.insert(sequence, sequence);
        }
        coverage.seen.forget_to(floor);
        // What was trimmed does not come back.
        for (channel, record) in batch.records {
            if record.offset > floor {
                self.add_record(&batch.stream, &channel, record)?;
            }
        }
        Ok(())
    }

    fn add_record(
        &mut self,
        stream: &StreamId,
        channel: &Channel,
        record: Record,
    ) -> Result<(), StoreError> {
        let (offset, time) = (record.offset, record.time);
        let key = keys::of_channel(channel, &stream.epoch, offset);
        if self.is_known(stream, channel, offset, &key)? {
            return Ok(());
        }
        let value = stored::publication(record);
        let bytes = value.len() as u64;
        let entry = StoredEntry {
            channel: channel.as_str().to_owned(),
            time,
            bytes,
        };
        let archive = self.change.archive;
        let writes = &mut self.change.writes;
        writes.insert(&archive.records, key.clone(), value);
        let sequence = keys::in_stream(stream, offset);
        writes.insert(&archive.log, sequence, entry.encode_to_vec());
        self.added.insert(key);
        self.change
            .count(channel, &stream.epoch, |count| count.add(bytes))
    }

    /// Whether it was appended before, or removed.
    fn is_known(
        &self,
        stream: &StreamId,
        channel: &Channel,
        offset: u64,
        key: &Vec<u8>,
    ) -> Result<bool, StoreError> {
        let Change {
            archive, snapshot, ..
        } = &self.change;
        if self.added.contains(key) {
            return Ok(true);
        }
        let is_there = snapshot.contains_key(&archive.records, key);
        if is_there.map_err(broken)? {
            return Ok(true);
        }
        let here = (offset, offset);
        let removed = archive.tombstones(snapshot, channel, &stream.epoch, here)?;
        Ok(!removed.is_empty())
    }
}
