//! The recent publications of a kept channel, without a hole. Pure.
//!
//! A ring knows everything of its channel behind one offset, its *floor*, up to another, its *top*. Offsets grow, but not
//! by one, so each publication tells the offset before it: a hole is a `previous` above the top.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tidegate_backbone::{Epoch, Place, Top};

use crate::broadcast::Broadcast;

/// What a ring may hold.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Publications.
    pub(crate) count: usize,
    /// Bytes of their payloads.
    pub(crate) bytes: usize,
    /// Bytes of payloads in all rings of the node together.
    pub(crate) shared: Arc<Shared>,
}

/// What the rings of a node hold together.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limit: usize,
    held: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let held = AtomicUsize::new(0);
        Arc::new(Self { limit, held })
    }
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
    entries: VecDeque<Broadcast>,
    bytes: usize,
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
        }
    }

    pub(super) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    pub(super) fn top(&self) -> u64 {
        self.top
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// The newest publication, if it is here.
    pub(super) fn newest(&self) -> Option<&Broadcast> {
        self.entries.back()
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
    pub(super) fn push(&mut self, broadcast: Broadcast) {
        self.top = broadcast.offset();
        self.is_bare = false;
        self.charge(broadcast.size());
        self.entries.push_back(broadcast);
        self.trim();
    }

    /// Adds the publications between an offset and the floor, of which nothing is missing.
    pub(super) fn lower(&mut self, floor: u64, broadcasts: Vec<Broadcast>) {
        self.floor = floor;
        for broadcast in broadcasts.into_iter().rev() {
            self.charge(broadcast.size());
            self.entries.push_front(broadcast);
        }
        self.trim();
    }

    /// Lets go of all publications, and goes on at the same top.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.floor = self.top;
        let bytes = std::mem::take(&mut self.bytes);
        self.limits.shared.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The payload that the next publication may be a patch of: that of the one at the top, which subscribers had last.
    pub(super) fn base(&self) -> Option<Bytes> {
        let newest = self.newest().filter(|it| it.offset() == self.top);
        newest.map(Broadcast::data)
    }

    /// Everything behind one offset up to another; `None` if the ring does not reach so far back.
    pub(super) fn between(&self, after: u64, to: u64) -> Option<Vec<Broadcast>> {
        if after < self.floor {
            return None;
        }
        let start = self.entries.partition_point(|it| it.offset() <= after);
        let end = self.entries.partition_point(|it| it.offset() <= to);
        Some(self.entries.range(start..end.max(start)).cloned().collect())
    }

    fn trim(&mut self) {
        while self.entries.len() > 1 && self.is_over() {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.floor = oldest.offset();
            self.bytes -= oldest.size();
            let shared = &self.limits.shared.held;
            shared.fetch_sub(oldest.size(), Ordering::Relaxed);
        }
    }

    fn is_over(&self) -> bool {
        let shared = &self.limits.shared;
        self.entries.len() > self.limits.count
            || self.bytes > self.limits.bytes
            || shared.held.load(Ordering::Relaxed) > shared.limit
    }

    fn charge(&mut self, bytes: usize) {
        self.bytes += bytes;
        let shared = &self.limits.shared.held;
        shared.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let shared = &self.limits.shared.held;
        shared.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
