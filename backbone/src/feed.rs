//! Everything that a namespace's stream stores, in its order, for who keeps it longer than the stream does.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::{Channel, Epoch, Error, Partition, Publication};

/// Some messages of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The namespace; `None` for channels without one.
    pub namespace: Option<String>,
    /// Which of the namespace's streams it is.
    pub partition: Partition,
    /// The stream's incarnation.
    pub epoch: Epoch,
    /// In the order of the stream; each has a place.
    pub publications: Vec<(Channel, Publication)>,
    /// Sequences of messages between them that are no publications of a channel.
    pub passed_over: Vec<u64>,
    /// With these, everything of the stream up to this sequence has been delivered, as far as the stream still had it.
    pub watermark: u64,
    /// Messages that the stream has behind these.
    pub lag: u64,
}

/// Delivers a stream.
///
/// # Promises
/// 1. A message that is still in the stream when its turn comes is delivered, and again until it is acknowledged.
/// 2. What an acknowledged delivery had comes again only when the acknowledgement was lost.
/// 3. When the stream is made anew, the new one is delivered from its beginning, under its own epoch.
pub trait Feed: Send + fmt::Debug {
    /// The next messages, at least one. Waits until there are some.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the stream does not answer in time; it can be asked again.
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, Error>>;

    /// Says that a delivery, the last one, is where it has to be and need not come again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when that could not be said: it comes again.
    fn acknowledge<'a>(&'a mut self, delivery: &'a Delivery) -> BoxFuture<'a, Result<(), Error>>;
}
