//! Taking publications out of everything that is kept: stream, gateways and archive.

use std::ops::RangeInclusive;

use tidegate_backbone::{Channel, Epoch, From, remove as remove_of_stream};

use super::{History, HistoryError, range};

/// What is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// What stands at these offsets of an epoch; `None` for the newest.
    Offsets(Option<Epoch>, RangeInclusive<u64>),
    /// Everything that is there now.
    Everything,
}

pub(super) async fn remove(
    history: &History,
    channel: &Channel,
    removal: &Removal,
) -> Result<u64, HistoryError> {
    match removal {
        Removal::Offsets(epoch, offsets) => {
            remove_offsets(history, channel, epoch.as_ref(), offsets).await
        }
        Removal::Everything => remove_everything(history, channel).await,
    }
}

/// Takes it out of the stream, and lets every gateway forget it, before it goes from the archive: where one of these fails the
/// others can be repeated, for what the archive still has is still found. Nothing above the newest offset is marked as
/// removed, for that would take what is yet to be published.
async fn remove_offsets(
    history: &History,
    channel: &Channel,
    epoch: Option<&Epoch>,
    offsets: &RangeInclusive<u64>,
) -> Result<u64, HistoryError> {
    let log = history.log(channel, epoch).await?;
    let nothing = range(From::After(u64::MAX), 0);
    let page = history.store.read(channel, &log.epoch, nothing).await?;
    let newest = log.newest(&page.coverage);
    let offsets = *offsets.start()..=newest.min(*offsets.end());
    if log.top.is_some() {
        let of_stream =
            tidegate_backbone::Removal::Offsets(Epoch::clone(&log.epoch), offsets.clone());
        remove_of_stream(&*history.backbone, channel, &of_stream).await?;
    }
    Ok(history.store.remove(channel, &log.epoch, offsets).await?)
}

async fn remove_everything(history: &History, channel: &Channel) -> Result<u64, HistoryError> {
    let newest = history.newest(channel).await?;
    let all = 0..=u64::MAX;
    let current = Some(&newest.position.epoch);
    let mut removed = remove_offsets(history, channel, current, &all).await?;
    for epoch in &newest.epochs {
        if Some(epoch) != current {
            removed += remove_offsets(history, channel, Some(epoch), &all).await?;
        }
    }
    Ok(removed)
}
