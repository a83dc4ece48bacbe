//! Trims what is too old, and the marks of what was removed before it.

use fjall::Readable;
use tidegate_backbone::Channel;

use super::archive::{Archive, broken};
use super::change::Change;
use super::writer::Trimming;
use super::{keys, reading, removing};
use crate::store::{StoreError, StreamId};

/// Trims; returns how many records went.
pub(super) fn trim(archive: &Archive, trimming: &Trimming) -> Result<usize, StoreError> {
    let snapshot = archive.database.snapshot();
    let streams = archive.streams_of(&snapshot, trimming.namespace.as_deref())?;
    let mut change = Change::of(archive);
    let mut trimmed = 0;
    for (stream, _) in streams {
        let limit = trimming.limit - trimmed;
        trimmed += trim_stream(&mut change, &stream, trimming.time, limit)?;
    }
    if trimmed > 0 {
        change.commit()?;
    }
    Ok(trimmed)
}

fn trim_stream(
    change: &mut Change<'_>,
    stream: &StreamId,
    time: u64,
    limit: usize,
) -> Result<usize, StoreError> {
    let archive = change.archive;
    let all = keys::in_stream(stream, 0)..=keys::in_stream(stream, u64::MAX);
    let mut entries = change.snapshot.range(&archive.log, all);
    let (mut trimmed, mut floor) = (0, None);
    while trimmed < limit {
        let Some((sequence, entry)) = entries.next().map(reading::entry).transpose()? else {
            break;
        };
        if entry.time >= time {
            break;
        }
        let channel = channel(&entry.channel)?;
        let key = keys::of_channel(&channel, &stream.epoch, sequence);
        change.writes.remove(&archive.records, key);
        let key = keys::in_stream(stream, sequence);
        change.writes.remove(&archive.log, key);
        change.count(&channel, &stream.epoch, |count| count.take(entry.bytes))?;
        floor = Some(sequence);
        trimmed += 1;
    }
    if let Some(floor) = floor {
        let coverage = &mut change.stream(stream)?.coverage;
        coverage.floor = floor.max(coverage.floor);
        coverage.seen.forget_to(coverage.floor);
        forget_removed(change, stream, floor)?;
    }
    Ok(trimmed)
}

/// Below what was trimmed nothing comes back, with or without a mark.
fn forget_removed(
    change: &mut Change<'_>,
    stream: &StreamId,
    floor: u64,
) -> Result<(), StoreError> {
    let archive = change.archive;
    let ends = keys::in_stream(stream, 0)..keys::in_stream(stream, floor.saturating_add(1));
    for found in change.snapshot.range(&archive.removed_by_end, ends) {
        let (key, value) = found.into_inner().map_err(broken)?;
        let name = std::str::from_utf8(&value).unwrap_or_default();
        let first = keys::number(&key)?;
        let prefix = keys::in_stream(stream, 0).len();
        let last = keys::number(&key[..prefix])?;
        removing::forget(change, &channel(name)?, &stream.epoch, (first, last));
    }
    Ok(())
}

fn channel(name: &str) -> Result<Channel, StoreError> {
    Channel::parse(name)
        .map_err(|_| StoreError::Broken("a value has no name of a channel".to_owned()))
}
