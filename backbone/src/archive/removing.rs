//! What a history service is asked to remove, as JSON.
//!
//! In: `{"channel": "chat:room"}` on [`Topic::archive_removal`] of the channel's namespace. Out: `{"removed": 12}`, publications
//! that the archive had. Everything that is in the channel goes: of its stream, of gateways, and of the archive. It can be repeated.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ArchiveError, ask};
use crate::Channel;
use crate::bus::Bus;
use crate::topic::Topic;

/// What is to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// The channel's whole name.
    pub channel: String,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Publications that the archive had.
    pub removed: u64,
}

/// Asks whoever archives the channel's namespace to remove everything that is in the channel; how many publications the archive
/// had.
///
/// # Errors
/// [`ArchiveError`]; [`ArchiveError::Absent`] at once. After [`ArchiveError::Silent`] it may be done all the same.
pub async fn remove_from_archive(
    bus: &dyn Bus,
    channel: &Channel,
    within: Duration,
) -> Result<u64, ArchiveError> {
    let topic = Topic::archive_removal(channel.namespace());
    let question = Removal {
        channel: channel.as_str().to_owned(),
    };
    let answer = ask(bus, &topic, &question, within).await?;
    let read = serde_json::from_slice::<Removed>(&answer);
    read.map(|it| it.removed)
        .map_err(|error| ArchiveError::Silent(error.to_string()))
}
