//! It is held to the promises, with partitions of the usual size and with the smallest ones.

use std::sync::Arc;

use tidegate_history_service::store::Store;
use tidegate_history_service::store::cassandra::Options;
use tidegate_history_service::store::conformance::Place;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{keyspace, node, open};

struct Keyspace(Options);

impl Place for Keyspace {
    fn open(&self) -> Arc<dyn Store> {
        block_in_place(|| Handle::current().block_on(open(&self.0)))
    }
}

fn place(bucket: Option<u64>) -> Keyspace {
    let made = async { keyspace(&node().await.node()).await };
    let mut options = block_in_place(|| Handle::current().block_on(made)).expect("a keyspace");
    options.bucket = bucket.unwrap_or(options.bucket);
    Keyspace(options)
}

mod usual {
    fn usual() -> super::Keyspace {
        super::place(None)
    }

    tidegate_history_service::store_tests!(usual);
}

mod smallest {
    fn smallest() -> super::Keyspace {
        super::place(Some(3))
    }

    tidegate_history_service::store_tests!(@each smallest;
        batches_come_in_any_order,
        pages_go_in_both_directions_within_their_bounds,
        extreme_offsets_are_offsets,
        a_place_is_found_by_time,
        what_was_removed_stays_away,
        removed_stretches_become_one,
        what_is_too_old_is_trimmed,
    );
}
