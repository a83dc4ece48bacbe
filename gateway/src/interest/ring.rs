//! The recent publications of a kept channel, without a hole. Pure.
//!
//! A ring knows everything of its channel behind one offset, its *floor*, up to another, its *top*. Offsets grow, but not
//! by one, so each publication tells the offset before it: a hole is a `previous` above the top.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_backbone::{Epoch, Place, Top};

use crate::broadcast::{Budget, Recent};

/// Publications that one push lets go of at most while the rings of the node take too much together: rings are to get smaller by
/// and by, and not the next one empty.
const AT_ONCE: usize = 2;

/// What a ring may hold.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Publications.
    pub(crate) count: usize,
    /// Bytes of their payloads.
    pub(crate) bytes: usize,
    /// What all rings of the node take together.
    pub(crate) budget: Arc<Budget>,
}

/// How a publication continues a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is between it and the top.
    Next,
    /// It is there already.
    Known,
    /// Something is missing before it.
    Gap,
    /// It is of another incarnation of the stream.
    Stranger,
}

#[derive(Debug)]
pub(super) struct Ring {
    limits: Limits,
    epoch: Epoch,
    floor: u64,
    top: u64,
    /// The top is no publication of this channel: none was kept when the ring began.
    is_bare: bool,
    entries: VecDeque<Arc<Recent>>,
    /// Of payloads.
    bytes: usize,
    /// Of everything, which is charged to the node.
    weight: usize,
}

impl Ring {
    pub(super) fn new(top: &Top, limits: Limits) -> Self {
        Self {
            limits,
            epoch: Arc::clone(&top.position.epoch),
            floor: top.position.offset,
            top: top.position.offset,
            is_bare: top.is_empty,
            entries: VecDeque::new(),
            bytes: 0,
            weight: 0,
        }
    }

    pub(super) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// What it is charged to.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.limits.budget
    }

    pub(super) fn top(&self) -> u64 {
        self.top
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    pub(super) fn judge(&self, place: &Place) -> Step {
        let previous = place.previous.unwrap_or(self.top);
        let appeared = self.is_bare && previous != 0 && previous != self.top;
        if place.epoch != self.epoch {
            Step::Stranger
        } else if place.offset <= self.top {
            Step::Known
        } else if previous > self.top || appeared {
            Step::Gap
        } else {
            Step::Next
        }
    }

    /// Adds what is next. The oldest make room for it.
    pub(super) fn push(&mut self, recent: Arc<Recent>) {
        self.top = recent.offset();
        self.is_bare = false;
        self.charge(&recent);
        self.entries.push_back(recent);
        self.trim();
        for _ in 0..AT_ONCE {
            if self.entries.len() > 1 && self.limits.budget.is_over() {
                self.let_go();
            }
        }
    }

    /// Adds the publications between an offset and the floor, of which nothing is missing. Somebody waits for them: for now they
    /// stay, whatever the node has otherwise.
    pub(super) fn lower(&mut self, floor: u64, recents: Vec<Arc<Recent>>) {
        self.floor = floor;
        for recent in recents.into_iter().rev() {
            self.charge(&recent);
            self.entries.push_front(recent);
        }
        self.trim();
    }

    /// Lets go of all publications, and goes on at the same top.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.floor = self.top;
        self.bytes = 0;
        self.give_back();
    }

    /// The payload that the next publication may be a patch of: that of the one at the top, which subscribers had last.
    pub(super) fn base(&self) -> Option<Bytes> {
        let newest = self.entries.back().filter(|it| it.offset() == self.top);
        newest.map(|it| it.data().clone())
    }

    /// Everything behind one offset up to another; `None` if the ring does not reach so far back.
    pub(super) fn between(&self, after: u64, to: u64) -> Option<Vec<Arc<Recent>>> {
        if after < self.floor {
            return None;
        }
        let start = self.entries.partition_point(|it| it.offset() <= after);
        let end = self.entries.partition_point(|it| it.offset() <= to);
        Some(self.entries.range(start..end.max(start)).cloned().collect())
    }

    fn trim(&mut self) {
        let is_over = |it: &Self| it.entries.len() > it.limits.count || it.bytes > it.limits.bytes;
        while self.entries.len() > 1 && is_over(self) {
            self.let_go();
        }
    }

    /// Lets go of the oldest.
    fn let_go(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.floor = oldest.offset();
            self.bytes -= oldest.data().len();
            self.weight -= oldest.weight();
            self.limits.budget.give_back(oldest.weight());
        }
    }

    fn charge(&mut self, recent: &Recent) {
        self.bytes += recent.data().len();
        self.weight += recent.weight();
        self.limits.budget.take(recent.weight());
    }

    fn give_back(&mut self) {
        let weight = std::mem::take(&mut self.weight);
        self.limits.budget.give_back(weight);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests;
