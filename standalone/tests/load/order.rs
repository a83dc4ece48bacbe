//! What clients are told to do while they run.

/// Told to all of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go back to the gateway that they turned to first, as a balancer would have them do.
    GoHome,
    /// Publish no more.
    Stop,
}
