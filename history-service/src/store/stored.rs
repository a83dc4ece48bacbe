//! What stands in an archive, and the values that the program works with.

use bytes::Bytes;
use prost::Message;
use tidegate_backbone::{ClientInfo, Partition, Publication};
use tidegate_proto::archive::{StoredInfo, StoredPublication, StoredSpan, StoredStream};

use super::{Count, Coverage, Record, StoreError};

/// What is known of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct StreamState {
    /// Among the namespace's streams.
    pub(in crate::store) number: u64,
    /// Which of the namespace's streams it is, once something was appended.
    pub(in crate::store) partition: Option<Partition>,
    pub(in crate::store) coverage: Coverage,
    pub(in crate::store) count: Count,
}

impl StreamState {
    /// Remembers which of the namespace's streams it is. Two of them cannot share an epoch: they would share their sequences.
    pub(in crate::store) fn place(&mut self, partition: Partition) -> Result<(), StoreError> {
        match self.partition.replace(partition) {
            Some(before) if before != partition => Err(StoreError::Broken(format!(
                "partitions {} and {} have the same epoch",
                before.number, partition.number
            ))),
            Some(_) | None => Ok(()),
        }
    }

    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        self.to_stored().encode_to_vec()
    }

    pub(in crate::store) fn decode(value: impl Into<Bytes>) -> Result<Self, StoreError> {
        Ok(Self::from_stored(decode(value)?))
    }

    pub(in crate::store) fn to_stored(&self) -> StoredStream {
        let span = |it: std::ops::RangeInclusive<u64>| StoredSpan {
            first: *it.start(),
            last: *it.end(),
        };
        StoredStream {
            number: self.number,
            watermark: self.coverage.watermark,
            floor: self.coverage.floor,
            publications: self.count.publications,
            bytes: self.count.bytes,
            seen: self.coverage.seen.iter().map(span).collect(),
            partition: self.partition.map_or(0, |it| it.number),
            partitions: self.partition.map_or(0, |it| it.of),
        }
    }

    pub(in crate::store) fn from_stored(stored: StoredStream) -> Self {
        Self {
            number: stored.number,
            partition: (stored.partitions > 0).then_some(Partition {
                number: stored.partition,
                of: stored.partitions,
            }),
            coverage: Coverage {
                watermark: stored.watermark,
                floor: stored.floor,
                seen: stored.seen.iter().map(|it| it.first..=it.last).collect(),
            },
            count: Count {
                publications: stored.publications,
                bytes: stored.bytes,
            },
        }
    }
}

/// Reads a value.
pub(in crate::store) fn decode<M: Message + Default>(
    value: impl Into<Bytes>,
) -> Result<M, StoreError> {
    let read = M::decode(value.into());
    read.map_err(|error| StoreError::Broken(format!("a value cannot be read: {error}")))
}

/// Spells a publication.
pub(in crate::store) fn publication(record: Record) -> Vec<u8> {
    let info = |it: ClientInfo| StoredInfo {
        user: it.user,
        client: it.client,
        conn_info: it.conn_info,
        chan_info: it.chan_info,
    };
    let stored = StoredPublication {
        time: record.time,
        data: record.publication.data,
        info: record.publication.info.map(info),
        tags: record.publication.tags,
        id: record.publication.id,
    };
    stored.encode_to_vec()
}

/// Reads a publication.
pub(in crate::store) fn record(offset: u64, value: impl Into<Bytes>) -> Result<Record, StoreError> {
    let stored: StoredPublication = decode(value)?;
    let info = |it: StoredInfo| ClientInfo {
        user: it.user,
        client: it.client,
        conn_info: it.conn_info,
        chan_info: it.chan_info,
    };
    Ok(Record {
        offset,
        time: stored.time,
        publication: Publication {
            data: stored.data,
            info: stored.info.map(info),
            tags: stored.tags,
            id: stored.id,
            place: None,
            version: None,
            skips_history: false,
            trace: None,
        },
    })
}

impl Count {
    pub(in crate::store) fn add(&mut self, bytes: u64) {
        self.publications += 1;
        self.bytes += bytes;
    }

    pub(in crate::store) fn take(&mut self, bytes: u64) {
        self.publications = self.publications.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
