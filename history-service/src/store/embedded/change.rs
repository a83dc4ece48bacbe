//! A change of the archive: everything in it becomes durable together, or nothing of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use fjall::{OwnedWriteBatch, PersistMode, Snapshot};
use prost::Message;
use tidegate_backbone::{Channel, Epoch};
use tidegate_proto::archive::{StoredChannel, StoredCount};

use super::archive::{Archive, broken};
use super::keys;
use crate::store::stored::{StreamState, decode};
use crate::store::{Count, StoreError, StreamId};

/// Stretches of a stream that are remembered as seen. Of more the oldest are forgotten, and prove nothing any more.
const SPAN_LIMIT: usize = 512;

/// A change under way. Only the writer makes any, so what it found does not change meanwhile.
pub(super) struct Change<'a> {
    pub(super) archive: &'a Archive,
    pub(super) snapshot: Snapshot,
    pub(super) writes: OwnedWriteBatch,
    streams: HashMap<StreamId, StreamState>,
    channels: HashMap<Channel, StoredChannel>,
}

impl<'a> Change<'a> {
    pub(super) fn of(archive: &'a Archive) -> Self {
        Self {
            archive,
            snapshot: archive.database.snapshot(),
            writes: archive
                .database
                .batch()
                .durability(Some(PersistMode::SyncAll)),
            streams: HashMap::new(),
            channels: HashMap::new(),
        }
    }

    /// What is known of a stream; a new one is the newest of its namespace.
    pub(super) fn stream(&mut self, stream: &StreamId) -> Result<&mut StreamState, StoreError> {
        if !self.streams.contains_key(stream) {
            let known = self.archive.stream(&self.snapshot, stream)?;
            let state = match known {
                Some(state) => state,
                None => self.new_stream(stream)?,
            };
            self.streams.insert(stream.clone(), state);
        }
        let found = self.streams.get_mut(stream);
        Ok(found.expect("it was put there if it was not"))
    }

    fn new_stream(&self, stream: &StreamId) -> Result<StreamState, StoreError> {
        let namespace = &stream.namespace;
        let stored = self
            .archive
            .streams_of(&self.snapshot, namespace.as_deref())?;
        let made = self
            .streams
            .iter()
            .filter(|(it, _)| it.namespace == *namespace);
        let numbers = made
            .map(|(_, state)| state.number)
            .chain(stored.iter().map(|(_, state)| state.number));
        Ok(StreamState {
            number: numbers.max().unwrap_or(0) + 1,
            ..StreamState::default()
        })
    }

    /// Counts what changes of a channel.
    pub(super) fn count(
        &mut self,
        channel: &Channel,
        epoch: &Epoch,
        change: impl Fn(&mut Count),
    ) -> Result<(), StoreError> {
        change(&mut self.stream(&StreamId::of(channel, epoch))?.count);
        let stored = match self.channels.entry(channel.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let found = self.archive.channels.get(channel.as_str());
                let found = found.map_err(broken)?.map(decode).transpose()?;
                unknown.insert(found.unwrap_or_default())
            }
        };
        let of_epoch = stored.epochs.entry(epoch.to_string()).or_default();
        let mut count = Count {
            publications: of_epoch.publications,
            bytes: of_epoch.bytes,
        };
        change(&mut count);
        *of_epoch = StoredCount {
            publications: count.publications,
            bytes: count.bytes,
        };
        Ok(())
    }

    /// Writes it all; returns when it is durable.
    pub(super) fn commit(mut self) -> Result<(), StoreError> {
        for (stream, mut state) in self.streams {
            state.coverage.seen.keep_last(SPAN_LIMIT);
            let key = keys::of_stream(&stream);
            self.writes
                .insert(&self.archive.streams, key, state.encode());
        }
        for (channel, mut stored) in self.channels {
            stored.epochs.retain(|_, count| count.publications > 0);
            let channels = &self.archive.channels;
            match stored.epochs.is_empty() {
                true => self.writes.remove(channels, channel.as_str()),
                false => self
                    .writes
                    .insert(channels, channel.as_str(), stored.encode_to_vec()),
            }
        }
        self.writes.commit().map_err(broken)
    }
}
