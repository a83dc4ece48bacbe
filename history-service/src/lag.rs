//! How far the archive is behind each stream, as the last that came told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_backbone::Partition;

use crate::store::StreamId;

/// Messages that are not archived yet, by stream. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Lags {
    /// Locked for a look-up or a change. One entry a partition of a namespace.
    lags: Arc<Mutex<HashMap<StreamId, (Partition, u64)>>>,
}

impl Lags {
    /// Takes what was told of a stream.
    pub fn set(&self, stream: &StreamId, partition: Partition, lag: u64) {
        let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        lags.retain(|it, (of, _)| it.namespace != stream.namespace || *of != partition);
        lags.insert(stream.clone(), (partition, lag));
    }

    /// What was told last of a stream.
    #[must_use]
    pub fn of(&self, stream: &StreamId) -> Option<u64> {
        let lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        lags.get(stream).map(|(_, lag)| *lag)
    }
}
