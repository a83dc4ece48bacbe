//! The seam between gateway nodes and whatever carries publications from one to the other.
//!
//! In: a [`Publication`] for a [`Channel`]. Out: the same publication at each [`Listener`] of that channel, on every
//! node. A [`Bus`] carries what the programs have to tell each other. [`embedded`] does it inside one process, [`nats`] through NATS subjects. Only this crate names NATS, and only
//! `subject` and `topic` spell a subject. Nothing here knows client sessions, permissions or wire formats.
//!
//! [`conformance`] states each promise of [`Backbone`] once; both implementations are held to it.

#![warn(missing_docs)]

pub mod archive;
mod bus;
mod channel;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod embedded;
mod feed;
pub mod nats;
mod publication;
pub mod register;
mod removal;
pub mod service;
mod stream;
mod subject;
mod topic;
mod trace;
mod version;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use bus::{AskError, Asker, Bus, Ear, Heard, MAX_HEADER_BYTES, Message};
pub use channel::{Channel, ChannelError, MAX_CHANNEL_BYTES, is_namespace_name};
pub use feed::{Delivery, Feed};
pub use publication::{ClientInfo, Publication};
pub use register::{Change, News, Register, RegisterOptions, Watch};
pub use removal::{Removal, Removed, hear_removed, remove};
pub use stream::{
    Durability, DurabilityReport, Epoch, From, Page, Partition, Place, Position, RETENTION_SLACK,
    Range, Storage, StreamOptions, Streams, Top,
};
pub use subject::{DEFAULT_PREFIX, PrefixError, Subjects};
pub use topic::Topic;
pub use trace::{TRACE_HEADER, TraceContext};
pub use version::{MAX_VERSION_EPOCH_BYTES, VERSION_SEARCH, Version};

/// Carries publications between nodes.
///
/// # Promises
/// 1. After `subscribe` has returned, every publication accepted for that channel reaches the listener exactly once.
/// 2. Publications sent one after another by one publisher arrive in that order, whenever they are confirmed.
/// 3. Data, info and tags arrive as they were given.
/// 4. A listener hears its own channel only; several listeners of a channel each hear everything.
/// 5. After a [`Subscription`] is dropped its listener hears nothing more, once deliveries under way have ended.
/// 6. A publication is confirmed once the carrier has it; `send`, its confirmation and `subscribe` each answer within
///    the configured time-out.
/// 7. While the carrier cannot be reached, `send` and `subscribe` answer [`Error::Unavailable`]; subscriptions
///    that exist come back by themselves, and [`Backbone::is_ready`] tells.
pub trait Backbone: Streams + Bus {
    /// Hands `publication` to the carrier, for every listener of `channel` on every node. The returned [`Confirmation`]
    /// tells whether the carrier has it; it need not be awaited before the next `send`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the carrier did not take it: it is delivered to nobody. [`Error::TooLarge`] when the
    /// carrier will never take it.
    fn send<'a>(
        &'a self,
        channel: &'a Channel,
        publication: Publication,
    ) -> BoxFuture<'a, Result<Confirmation, Error>>;

    /// Sends `publication` and waits for its confirmation.
    ///
    /// # Errors
    /// Those of [`Backbone::send`] and of its [`Confirmation`].
    fn publish<'a>(
        &'a self,
        channel: &'a Channel,
        publication: Publication,
    ) -> BoxFuture<'a, Result<Option<Position>, Error>> {
        Box::pin(async move { self.send(channel, publication).await?.await })
    }

    /// Starts delivery of `channel` to `listener`, until the returned [`Subscription`] is dropped.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the carrier did not confirm in time; nothing is then subscribed.
    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
        listener: Arc<dyn Listener>,
    ) -> BoxFuture<'a, Result<Subscription, Error>>;

    /// A register; everybody who names it the same has the same.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when what was kept cannot be read, or this carrier has no registers.
    fn register(&self, options: RegisterOptions) -> Result<Arc<dyn Register>, Error> {
        let reason = format!("there is no register {}", options.name);
        Err(Error::Unavailable(reason))
    }

    /// Whether the carrier can be reached now, and every stream has the durability that it must have.
    fn is_ready(&self) -> bool;

    /// What went wrong on the way so far, for the node's metrics.
    fn counts(&self) -> Vec<Count> {
        Vec::new()
    }

    /// Sends what is still buffered, then lets go of the carrier. Answers within the configured time-out.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// A number that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Lower case, with underscores.
    pub name: &'static str,
    /// What is counted.
    pub help: &'static str,
    /// Since the start.
    pub value: u64,
}

/// Receives one channel's publications. Called from the backbone's own task, one publication after the other, so it
/// must not block: it would hold back those of every other channel. A listener with no room drops the publication and
/// accounts for it.
pub trait Listener: Send + Sync {
    /// Takes one publication.
    fn deliver(&self, publication: Publication);

    /// Publications may have been lost on the way: what was heard has to be compared with the stream.
    fn interrupted(&self) {}
}

/// Resolves once the carrier has the publication, to its position where there is a stream; or to [`Error::Unavailable`] when it did not say so within the
/// configured time-out: the publication may or may not have been delivered.
pub type Confirmation = BoxFuture<'static, Result<Option<Position>, Error>>;

/// A running delivery; dropping it ends the delivery.
pub struct Subscription {
    cancel: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Subscription {
    /// A subscription that calls `cancel` when it is dropped. `cancel` must not block.
    #[must_use]
    pub fn new(cancel: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self {
            cancel: Some(Box::new(cancel)),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// Why the carrier did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not reachable, or no answer in time. Trying again later may succeed.
    #[error("backbone is not available: {0}")]
    Unavailable(String),
    /// The publication is larger than the carrier's limit.
    #[error("publication of {size} bytes is over the backbone's limit of {limit}")]
    TooLarge {
        /// Payload and headers, in bytes.
        size: usize,
        /// The carrier's limit, in bytes.
        limit: usize,
    },
    /// The channel's namespace has no stream.
    #[error("channel {0} is not kept")]
    NotKept(Channel),
}
