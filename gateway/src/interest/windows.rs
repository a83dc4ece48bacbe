//! How much of what was published a node has at hand, by namespace.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::Channel;

use super::ring::Limits;
use crate::broadcast::Budget;

/// How much of its channels a node has at hand for clients that come back.
#[derive(Debug, Clone)]
pub struct Windows {
    pub(super) budget: Arc<Budget>,
    /// Publications and bytes of a channel, by namespace.
    namespaces: HashMap<Option<String>, (usize, usize)>,
    /// How long a channel without subscribers is listened to.
    pub(crate) linger: Duration,
    /// Those of which a history service may have more.
    pub(super) archived: HashSet<Option<String>>,
}

impl Windows {
    /// `bytes` for the publications of all channels together, which are let go of with their last subscriber.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            budget: Budget::new(bytes),
            namespaces: HashMap::new(),
            linger: Duration::ZERO,
            archived: HashSet::new(),
        }
    }

    /// Sets how many publications, and bytes of them, the channels of a namespace have at most.
    pub fn set(&mut self, namespace: Option<&str>, count: usize, bytes: usize) {
        self.namespaces
            .insert(namespace.map(str::to_owned), (count, bytes));
    }

    /// Says that a history service may have what the streams of a namespace do not have any more.
    pub fn set_archived(&mut self, namespace: Option<&str>) {
        self.archived.insert(namespace.map(str::to_owned));
    }

    pub(super) fn limits(&self, channel: &Channel) -> Limits {
        let namespace = channel.namespace().map(str::to_owned);
        let default = (10_000, 4 * 1024 * 1024);
        let (count, bytes) = self.namespaces.get(&namespace).copied().unwrap_or(default);
        let budget = Arc::clone(&self.budget);
        Limits {
            count,
            bytes,
            budget,
        }
    }
}
