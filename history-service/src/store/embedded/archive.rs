//! What stands where in the archive, and how it is found.

use fjall::{Database, Keyspace, Readable, Snapshot};
use tidegate_backbone::{Channel, Epoch};

use super::keys;
use crate::store::stored::StreamState;
use crate::store::{StoreError, StreamId};

/// The open archive.
pub(super) struct Archive {
    pub(super) database: Database,
    /// The format.
    pub(super) meta: Keyspace,
    /// Publications, by channel, epoch and offset.
    pub(super) records: Keyspace,
    /// The same by their sequence in the stream: which channel, and when.
    pub(super) log: Keyspace,
    /// How much is archived of each channel.
    pub(super) channels: Keyspace,
    /// What is known of each stream.
    pub(super) streams: Keyspace,
    /// Stretches that were removed, by channel, epoch and first offset; the value is the last.
    pub(super) removed: Keyspace,
    /// The same by stream and last offset, to be found when everything before that has been trimmed.
    pub(super) removed_by_end: Keyspace,
}

pub(super) fn broken(error: fjall::Error) -> StoreError {
    StoreError::Broken(error.to_string())
}

impl Archive {
    pub(super) fn stream(
        &self,
        snapshot: &Snapshot,
        stream: &StreamId,
    ) -> Result<Option<StreamState>, StoreError> {
        let found = snapshot.get(&self.streams, keys::of_stream(stream));
        found.map_err(broken)?.map(StreamState::decode).transpose()
    }

    /// The streams of a namespace, the oldest first.
    pub(super) fn streams_of(
        &self,
        snapshot: &Snapshot,
        namespace: Option<&str>,
    ) -> Result<Vec<(StreamId, StreamState)>, StoreError> {
        let of_namespace = snapshot.prefix(&self.streams, keys::of_namespace(namespace));
        let mut streams = Vec::new();
        for found in of_namespace {
            let (key, value) = found.into_inner().map_err(broken)?;
            streams.push((keys::stream(&key)?, StreamState::decode(value)?));
        }
        streams.sort_by_key(|(_, state)| state.number);
        Ok(streams)
    }

    /// The removed stretches of a channel that have something of `first..=last`, in order.
    pub(super) fn tombstones(
        &self,
        snapshot: &Snapshot,
        channel: &Channel,
        epoch: &Epoch,
        (first, last): (u64, u64),
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let mut found = Vec::new();
        // No two touch, so of those that begin before `first` only the last one can reach it.
        let before = keys::between(channel, epoch, &(0..=first));
        let before = snapshot.range(&self.removed, before).next_back();
        let inside = first
            .checked_add(1)
            .filter(|next| *next <= last)
            .map(|next| {
                let inside = keys::between(channel, epoch, &(next..=last));
                snapshot.range(&self.removed, inside)
            });
        for stretch in before.into_iter().chain(inside.into_iter().flatten()) {
            let (key, value) = stretch.into_inner().map_err(broken)?;
            let stretch = (keys::number(&key)?, keys::number(&value)?);
            if stretch.1 >= first {
                found.push(stretch);
            }
        }
        Ok(found)
    }
}
