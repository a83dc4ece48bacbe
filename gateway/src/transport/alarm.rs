//! When a conversation's task has to look at the time.

use std::time::Instant;

use super::conversation::Conversation;
use crate::wheel::Tick;

/// The first of the entries in the timer wheel that have not come up.
pub(super) struct Alarm(Tick);

impl Alarm {
    pub(super) fn new() -> Self {
        Self(Tick::NEVER)
    }

    /// Does what is due, if the time has to be looked at; tells whether it had.
    pub(super) fn ring(&mut self, conversation: &mut impl Conversation) -> bool {
        let is_due = conversation.outbox().signal().take_due();
        if is_due {
            self.0 = Tick::NEVER;
            let deadline = conversation.deadline();
            if deadline.is_some_and(|at| at <= now()) {
                conversation.tick();
            }
        }
        is_due
    }

    /// Makes sure to be woken when the conversation has something to do.
    pub(super) fn set(&mut self, conversation: &impl Conversation) {
        let wheel = &conversation.worker().wheel;
        if let Some(at) = conversation.deadline().map(|at| wheel.tick(at))
            && at < self.0
        {
            self.0 = at;
            wheel.set(at, conversation.outbox());
        }
    }
}

/// The time, which tests may stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
