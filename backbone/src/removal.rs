//! Taking publications out of what is kept, on purpose.
//!
//! In: a channel, and what of it is to go. Out: the stream without it, and a [notice](Topic::removed) to every node, which
//! may have copies at hand. That something was removed is no gap: who had everything else has everything there is.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::bus::{Ear, Heard, Message};
use crate::topic::Topic;
use crate::{Backbone, Channel, Epoch, Error, Position, Subscription};

/// What is to be removed of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// What stands at these offsets of an epoch; nothing, if the stream has another one by now.
    Offsets(Epoch, RangeInclusive<u64>),
    /// Everything that is there now.
    All,
}

impl Removal {
    /// What stands at one position.
    #[must_use]
    pub fn one(position: &Position) -> Self {
        Self::Offsets(
            Epoch::clone(&position.epoch),
            position.offset..=position.offset,
        )
    }
}

/// Removes publications from the stream, then tells every node to let go of its copies. Returns how many the stream had.
///
/// # Errors
/// Those of [`Streams::remove`](crate::Streams::remove), and that nodes could not be told. Some may be gone then; it can be
/// repeated, and tells again.
pub async fn remove(
    backbone: &dyn Backbone,
    channel: &Channel,
    removal: &Removal,
) -> Result<u64, Error> {
    let removed = backbone.remove(channel, removal).await?;
    let notice = Message::new(channel.as_str().to_owned());
    backbone.tell(&Topic::removed(), notice).await?;
    Ok(removed)
}

/// Where publications were removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// In this channel.
    In(Channel),
    /// Notices may have been lost: it can have been anywhere.
    Anywhere,
}

/// Calls `tell` for each removal, until the subscription is dropped. It must not block.
///
/// # Errors
/// Those of [`Bus::hear`](crate::Bus::hear).
pub async fn hear_removed(
    backbone: &dyn Backbone,
    tell: impl Fn(Removed) + Send + Sync + 'static,
) -> Result<Subscription, Error> {
    let ear = Arc::new(Notices(tell));
    backbone.hear(&Topic::removed(), None, ear).await
}

struct Notices<T>(T);

impl<T: Fn(Removed) + Send + Sync> Ear for Notices<T> {
    fn hear(&self, heard: Heard) {
        let name = std::str::from_utf8(&heard.message.data).ok();
        let channel = name.and_then(|name| Channel::parse(name).ok());
        // A notice that cannot be read was one all the same.
        (self.0)(channel.map_or(Removed::Anywhere, Removed::In));
    }

    fn interrupted(&self) {
        (self.0)(Removed::Anywhere);
    }
}
