//! The promises of [`Store`], each stated once as a test case.
//!
//! In: a [`Place`], where one store after the other can be opened on the same data. A case panics when the promise is broken.
//! A store's tests call [`store_tests!`](crate::store_tests) with a function that makes a fresh place.

mod apart;
mod appends;
mod ends;
mod reads;

use std::sync::Arc;

use tidegate_backbone::{Channel, Epoch, From, Partition, Publication, Range};

pub use apart::*;
pub use appends::*;
pub use ends::*;
pub use reads::*;

use super::{Batch, Page, Record, Store, StreamId};

/// Where a store keeps what it is given.
pub trait Place: Send {
    /// Opens the store; the one before has been dropped.
    fn open(&self) -> Arc<dyn Store>;
}

const WIDE: usize = 1_000_000;

fn channel(name: &str) -> Channel {
    Channel::parse(name).expect("the name of a channel")
}

fn epoch() -> Epoch {
    "first".into()
}

fn record(offset: u64) -> Record {
    let publication = Publication {
        data: offset.to_string().into(),
        ..Publication::default()
    };
    Record {
        offset,
        time: offset * 10,
        publication,
    }
}

/// A batch of one channel's records.
fn batch(channel: &Channel, offsets: impl IntoIterator<Item = u64>) -> Batch {
    let records: Vec<_> = offsets
        .into_iter()
        .map(|offset| (channel.clone(), record(offset)))
        .collect();
    Batch {
        stream: StreamId::of(channel, &epoch()),
        watermark: records.iter().map(|(_, it)| it.offset).max().unwrap_or(0),
        records,
        passed_over: Vec::new(),
        partition: Partition::WHOLE,
    }
}

async fn append(store: &Arc<dyn Store>, batch: Batch) {
    let appended = store.append(batch).await;
    assert_eq!(appended, Ok(()));
}

async fn read(store: &Arc<dyn Store>, channel: &Channel, from: From, limit: usize) -> Page {
    let range = Range {
        from,
        limit,
        max_bytes: WIDE,
    };
    let page = store.read(channel, &epoch(), range).await;
    page.expect("a page")
}

async fn offsets(store: &Arc<dyn Store>, channel: &Channel) -> Vec<u64> {
    offsets_of(&read(store, channel, From::After(0), WIDE).await)
}

fn offsets_of(page: &Page) -> Vec<u64> {
    page.records.iter().map(|it| it.offset).collect()
}

/// One test for each promise, over the places that `$place` makes: a `fn() -> impl Place`.
#[macro_export]
macro_rules! store_tests {
    ($place:path) => {
        $crate::store_tests! { @each $place;
            what_was_appended_is_there_after_a_restart,
            an_append_that_is_repeated_changes_nothing,
            batches_come_in_any_order,
            appends_at_the_same_time_are_all_kept,
            a_record_comes_back_as_it_was_given,
            pages_go_in_both_directions_within_their_bounds,
            extreme_offsets_are_offsets,
            a_single_record_is_found_by_its_offset,
            what_was_not_seen_is_not_proved,
            a_place_is_found_by_time,
            channels_epochs_and_namespaces_stay_apart,
            channels_are_listed_by_prefix_in_pages,
            streams_tell_how_much_and_how_far,
            what_was_removed_stays_away,
            removed_stretches_become_one,
            a_large_channel_is_removed_whole,
            what_is_removed_ahead_never_comes,
            what_is_too_old_is_trimmed,
            an_epoch_that_is_too_long_is_refused,
        }
    };
    (@each $place:path; $($case:ident),* $(,)?) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::store::conformance::$case($place()).await;
        }
    )* };
}
