//! What can be wrong with a message. Such a message has no effect, is counted by name, and does nothing to others.

/// Why a message, or a part of it, has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("malformed")]
    Malformed,
    #[error("other_version")]
    OtherVersion,
    #[error("other_partition_count")]
    OtherPartitionCount,
    #[error("unknown_partition")]
    UnknownPartition,
    #[error("strange_name")]
    StrangeName,
    #[error("strange_client")]
    StrangeClient,
    #[error("strange_numbers")]
    StrangeNumbers,
    #[error("strange_lease")]
    StrangeLease,
    #[error("wrong_kind")]
    WrongKind,
    #[error("wrong_partition")]
    WrongPartition,
    #[error("too_large")]
    TooLarge,
    #[error("unknown_node")]
    UnknownNode,
    #[error("stale_incarnation")]
    StaleIncarnation,
    #[error("clock_off")]
    ClockOff,
    #[error("other_user")]
    OtherUser,
    #[error("full")]
    Full,
    #[error("missed")]
    Missed,
    #[error("queue_full")]
    QueueFull,
    #[error("incomplete")]
    Incomplete,
    #[error("untold")]
    Untold,
    #[error("slow_watch")]
    SlowWatch,
}

/// Each fault, with what it says to who operates the service.
pub const FAULTS: [(Fault, &str); 21] = [
    (Fault::Malformed, "messages that are not of the schema"),
    (Fault::OtherVersion, "messages of another version"),
    (
        Fault::OtherPartitionCount,
        "messages that assume another number of partitions: it must be the same everywhere",
    ),
    (
        Fault::UnknownPartition,
        "messages of a partition that is not there",
    ),
    (Fault::StrangeName, "names that are empty or too long"),
    (Fault::StrangeClient, "ids of clients that are not 16 bytes"),
    (Fault::StrangeNumbers, "numbers that cannot be"),
    (Fault::StrangeLease, "leases that are too short or too long"),
    (Fault::WrongKind, "changes in a stream of the other kind"),
    (
        Fault::WrongPartition,
        "names in a stream that is not theirs",
    ),
    (Fault::TooLarge, "messages with too many parts"),
    (
        Fault::UnknownNode,
        "reports of nodes before their first beat, or after their end",
    ),
    (
        Fault::StaleIncarnation,
        "messages of a run of a node that is over",
    ),
    (
        Fault::ClockOff,
        "reports of nodes whose clock is more than a minute off; times are clamped",
    ),
    (
        Fault::OtherUser,
        "clients that were said to be of two users; the first holds",
    ),
    (Fault::Full, "memberships and connections above the maximum"),
    (
        Fault::Missed,
        "snapshots asked for, because something of a stream was not here",
    ),
    (Fault::QueueFull, "messages dropped because too many wait"),
    (
        Fault::Incomplete,
        "partitions that became ready although a node had not told everything",
    ),
    (
        Fault::Untold,
        "messages of ours dropped because too many wait",
    ),
    (
        Fault::SlowWatch,
        "watches ended because the caller was too slow",
    ),
];

/// How often each happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults([u64; FAULTS.len()]);

impl Faults {
    /// Counts one.
    pub fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often it happened.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Those that happened, by name.
    pub fn all(&self) -> impl Iterator<Item = (Fault, &'static str, u64)> {
        FAULTS
            .iter()
            .map(|(fault, help)| (*fault, *help, self.of(*fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_faults() {
        for (at, (fault, _)) in FAULTS.iter().enumerate() {
            assert_eq!(*fault as usize, at, "{fault}");
        }
    }
}
