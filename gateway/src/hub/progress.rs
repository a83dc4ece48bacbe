//! How far the subscribers of one worker are in a kept channel.

use std::cell::Cell;
use std::sync::Arc;

use super::{Broadcast, Epoch, Position};

/// Offsets of one incarnation of a stream.
#[derive(Debug)]
pub(super) struct Progress {
    epoch: Epoch,
    /// Up to here publications were taken for them.
    collected: Cell<u64>,
    /// Up to here publications stand in their logs.
    reached: Cell<u64>,
}

/// How a publication continues what was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Next,
    /// It was there before, or it is of another incarnation.
    Known,
    /// Something is missing behind this offset.
    Gap(u64),
}

impl Progress {
    pub(super) fn new(start: Position) -> Self {
        Self {
            epoch: start.epoch,
            collected: Cell::new(start.offset),
            reached: Cell::new(start.offset),
        }
    }

    /// Takes a publication if it is next.
    pub(super) fn step(&self, broadcast: &Broadcast) -> Step {
        let collected = self.collected.get();
        let recent = broadcast.recent();
        let Some(recent) = recent.filter(|it| it.epoch() == Some(&self.epoch)) else {
            return Step::Known;
        };
        if recent.offset() <= collected {
            return Step::Known;
        }
        if recent.after() > collected {
            return Step::Gap(collected);
        }
        self.collected.set(recent.offset());
        Step::Next
    }

    /// Everything that was collected stands in the logs.
    pub(super) fn delivered(&self) {
        self.reached.set(self.collected.get());
    }

    pub(super) fn reached(&self) -> u64 {
        self.reached.get()
    }

    pub(super) fn position(&self) -> Position {
        Position {
            epoch: Arc::clone(&self.epoch),
            offset: self.reached.get(),
        }
    }
}
