//! The ids that publishers gave of late, so that what they send again is stored once.

use std::collections::{HashMap, VecDeque};

use super::record;
use crate::StreamOptions;
use crate::embedded::tables::{Failure, Table, View};

/// Ids of a namespace that are remembered; of more, the oldest are forgotten before their time.
const MOST: usize = 1_000_000;

/// The ids of one namespace.
#[derive(Debug, Default)]
pub(super) struct Ids {
    offsets: HashMap<String, u64>,
    /// When each was given, the oldest first.
    given: VecDeque<(u64, String)>,
    /// In milliseconds.
    window: u64,
}

impl Ids {
    /// Those that are stored.
    pub(super) fn read(view: &dyn View, options: &StreamOptions) -> Result<Self, Failure> {
        let namespace = options.namespace.as_deref().unwrap_or_default();
        let mut ids = Self {
            window: u64::try_from(options.duplicate_window.as_millis()).unwrap_or(u64::MAX),
            ..Self::default()
        };
        let from = record::namespace_key(namespace, 0);
        let to = record::namespace_key(namespace, u64::MAX);
        for row in view.rows(Table::Ids, &from, &to) {
            let (key, value) = row?;
            let (time, id) = record::parse_timed(&value)?;
            ids.insert(time, id, record::offset_of(&key)?);
        }
        Ok(ids)
    }

    /// Where the publication with this id is.
    pub(super) fn offset(&self, id: &str) -> Option<u64> {
        self.offsets.get(id).copied()
    }

    pub(super) fn insert(&mut self, time: u64, id: String, offset: u64) {
        self.given.push_back((time, id.clone()));
        self.offsets.insert(id, offset);
    }

    /// Forgets what is too old, at most `limit`; gives the offsets.
    pub(super) fn expire(&mut self, now: u64, limit: usize) -> Vec<u64> {
        let mut gone = Vec::new();
        while let Some((time, _)) = self.given.front() {
            let is_due = self.given.len() > MOST || time.saturating_add(self.window) <= now;
            if !is_due || gone.len() == limit {
                break;
            }
            let (_, id) = self.given.pop_front().expect("there is a first");
            gone.extend(self.offsets.remove(&id));
        }
        gone
    }
}
