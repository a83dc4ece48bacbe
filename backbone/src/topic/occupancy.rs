//! Which channels have subscribers on which nodes: the records of it, and what `JetStream` is asked about them.

use super::{JETSTREAM, Topic, is_plain};

impl Topic {
    /// The record of a channel that this token stands for.
    ///
    /// # Panics
    /// If it is no plain name.
    #[must_use]
    pub fn occupancy(channel: &str) -> Self {
        Self::of(&["occupancy", channel])
    }

    /// The records of all channels.
    #[must_use]
    pub fn occupancies() -> Self {
        Self("occupancy.*".into())
    }

    /// That a node is believed to be gone; the message is its id.
    #[must_use]
    pub fn node_given_up() -> Self {
        Self::of(&["node", "given_up"])
    }

    /// Where one node reads all records.
    ///
    /// # Panics
    /// If its id is no plain name.
    #[must_use]
    pub fn node_records(node: &str) -> Self {
        Self::of(&["node", node, "records"])
    }

    /// What `JetStream` is asked to remove messages of a stream.
    ///
    /// # Panics
    /// If it has no plain name.
    #[must_use]
    pub fn stream_purge(stream: &str) -> Self {
        Self::of_stream("STREAM.PURGE", stream)
    }

    /// What `JetStream` is asked for a consumer without a name that stays.
    ///
    /// # Panics
    /// If the stream has no plain name.
    #[must_use]
    pub fn consumer_for_a_while(stream: &str) -> Self {
        Self::of_stream("CONSUMER.CREATE", stream)
    }

    fn of_stream(verb: &str, stream: &str) -> Self {
        assert!(is_plain(stream), "{stream:?} is no name for a stream");
        Self(format!("{JETSTREAM}{verb}.{stream}").into())
    }
}
