//! Publications of one channel that gather until they are delivered.

use super::newest::KEY_LIMIT;
use super::{Delivery, Turn};
use crate::broadcast::Broadcast;

/// Publications that gather.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) broadcasts: Vec<Broadcast>,
    pub(super) bytes: usize,
    /// When they are delivered, if that is later.
    pub(super) turn: Option<Turn>,
}

impl Batch {
    /// Adds a publication. Where only the newest count, an older one of its key is dropped.
    pub(super) fn push(&mut self, broadcast: Broadcast, delivery: &Delivery) {
        if let Some(tag) = &delivery.newest_by {
            let same = |other: &Broadcast| other.key(tag) == broadcast.key(tag);
            let index = self.broadcasts.iter().position(same);
            let index = index.or_else(|| (self.broadcasts.len() == KEY_LIMIT).then_some(0));
            if let Some(index) = index {
                self.bytes -= self.broadcasts.remove(index).size();
            }
        }
        self.bytes += broadcast.size();
        self.broadcasts.push(broadcast);
    }
}
