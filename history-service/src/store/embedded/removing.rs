//! Removes a stretch of a channel, and leaves a mark that keeps it from coming back.

use fjall::Readable;
use tidegate_backbone::{Channel, Epoch};

use super::archive::{Archive, broken};
use super::change::Change;
use super::keys;
use super::writer::Removal;
use crate::store::{Spans, StoreError, StreamId};

/// Records that are removed together.
const AT_ONCE: usize = 4_096;

/// Removes; returns how many records there were.
pub(super) fn remove(archive: &Archive, removal: &Removal) -> Result<u64, StoreError> {
    if removal.offsets.is_empty() {
        return Ok(0);
    }
    let mut change = Change::of(archive);
    mark(&mut change, removal)?;
    let mut removed = 0;
    loop {
        let count = remove_some(&mut change, removal)?;
        change.commit()?;
        removed += count as u64;
        if count < AT_ONCE {
            return Ok(removed);
        }
        change = Change::of(archive);
    }
}

/// Marks the stretch as removed, as one with those that it touches.
fn mark(change: &mut Change<'_>, removal: &Removal) -> Result<(), StoreError> {
    let Removal {
        channel,
        epoch,
        offsets,
    } = removal;
    let (first, last) = (*offsets.start(), *offsets.end());
    let around = (first.saturating_sub(1), last.saturating_add(1));
    let archive = change.archive;
    let touched = archive.tombstones(&change.snapshot, channel, epoch, around)?;
    let mut whole: Spans = [offsets.clone()].into_iter().collect();
    for (first, last) in touched {
        forget(change, channel, epoch, (first, last));
        whole.insert(first, last);
    }
    for stretch in whole.iter() {
        let (first, last) = (*stretch.start(), *stretch.end());
        let by_end = keys::by_end(&StreamId::of(channel, epoch), last, channel, first);
        let key = keys::of_channel(channel, epoch, first);
        change
            .writes
            .insert(&archive.removed, key, last.to_be_bytes());
        change
            .writes
            .insert(&archive.removed_by_end, by_end, channel.as_str());
    }
    Ok(())
}

/// Takes the mark of a removed stretch away.
pub(super) fn forget(
    change: &mut Change<'_>,
    channel: &Channel,
    epoch: &Epoch,
    (first, last): (u64, u64),
) {
    let archive = change.archive;
    let by_end = keys::by_end(&StreamId::of(channel, epoch), last, channel, first);
    let key = keys::of_channel(channel, epoch, first);
    change.writes.remove(&archive.removed, key);
    change.writes.remove(&archive.removed_by_end, by_end);
}

fn remove_some(change: &mut Change<'_>, removal: &Removal) -> Result<usize, StoreError> {
    let Removal {
        channel,
        epoch,
        offsets,
    } = removal;
    let archive = change.archive;
    let found = keys::between(channel, epoch, offsets);
    let found = change.snapshot.range(&archive.records, found);
    let mut count = 0;
    for found in found.take(AT_ONCE) {
        let (key, value) = found.into_inner().map_err(broken)?;
        let sequence = keys::in_stream(&StreamId::of(channel, epoch), keys::number(&key)?);
        change.writes.remove(&archive.records, key);
        change.writes.remove(&archive.log, sequence);
        let bytes = value.len() as u64;
        change.count(channel, epoch, |count| count.take(bytes))?;
        count += 1;
    }
    Ok(count)
}
