//! What tests of kept channels begin with.

use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::embedded::{Embedded, EmbeddedOptions};
use tidegate_backbone::{Durability, Storage, StreamOptions};

/// A backbone in memory that keeps the namespace `kept`: 100 publications of a channel, for ten minutes.
pub(crate) fn kept() -> Arc<Embedded> {
    let stream = StreamOptions {
        namespace: Some("kept".to_owned()),
        size: 100,
        ttl: Duration::from_secs(600),
        storage: Storage::Memory,
        replicas: 1,
        partitions: 1,
        compression: false,
        duplicate_window: Duration::from_secs(120),
        required: Durability::Accepted,
    };
    let options = EmbeddedOptions {
        streams: vec![stream],
        ..EmbeddedOptions::default()
    };
    Arc::new(Embedded::open(options).unwrap())
}
