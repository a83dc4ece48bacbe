//! Promises 1, 2 and 6: what is appended is there, once.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Place, append, batch, channel, epoch, offsets, read};
use crate::store::{Batch, StoreError};
use tidegate_backbone::From;

/// Promises 1 and 6: what was appended is there after a restart, its watermark too, and it goes on.
pub async fn what_was_appended_is_there_after_a_restart(place: impl Place) {
    let room = channel("kept:room");
    for start in 0..3 {
        let store = place.open();
        let expected: Vec<_> = (1..=start * 5).collect();
        assert_eq!(offsets(&store, &room).await, expected);
        append(&store, batch(&room, start * 5 + 1..=start * 5 + 5)).await;
        let streams = store.streams().await.expect("streams");
        assert_eq!(streams[0].watermark, start * 5 + 5);
    }
    let page = read(&place.open(), &room, From::After(0), 100).await;
    assert!(page.coverage.proves(0, 15));
    assert_eq!(page.coverage.watermark, 15);
}

/// Promise 2: what is appended again, in the same batch, the same moment or later, changes nothing.
pub async fn an_append_that_is_repeated_changes_nothing(place: impl Place) {
    let room = channel("kept:room");
    let store = place.open();
    append(&store, batch(&room, [1, 2, 2, 3, 1])).await;
    let before = store.streams().await;
    let again = join_all((0..20).map(|_| store.append(batch(&room, 1..=3)))).await;
    assert!(again.iter().all(Result::is_ok), "{again:?}");
    assert_eq!(offsets(&store, &room).await, [1, 2, 3]);
    assert_eq!(store.streams().await, before);
    assert_eq!(before.expect("streams")[0].count.publications, 3);
}

/// Promise 2: batches come in any order; the watermark never goes back.
pub async fn batches_come_in_any_order(place: impl Place) {
    let room = channel("kept:room");
    let store = place.open();
    for some in [7..=9, 1..=3, 4..=6] {
        append(&store, batch(&room, some)).await;
    }
    let page = read(&store, &room, From::After(0), 100).await;
    assert_eq!(offsets(&store, &room).await, (1..=9).collect::<Vec<_>>());
    assert!(page.coverage.proves(0, 9));
    assert_eq!(page.coverage.watermark, 9);
}

/// Promise 1: appends that wait for each other all last.
pub async fn appends_at_the_same_time_are_all_kept(place: impl Place) {
    let rooms: Vec<_> = (0..8).map(|it| channel(&format!("kept:{it}"))).collect();
    let store = place.open();
    let appended = (0..200_u64).map(|number| {
        let (store, room) = (Arc::clone(&store), &rooms[(number % 8) as usize]);
        async move { store.append(batch(room, [number + 1])).await }
    });
    assert!(join_all(appended).await.iter().all(Result::is_ok));
    drop(store);
    let store = place.open();
    for (index, room) in rooms.iter().enumerate() {
        let expected: Vec<_> = (1..=200)
            .filter(|it| (it - 1) % 8 == index as u64)
            .collect();
        assert_eq!(offsets(&store, room).await, expected);
    }
    let streams = store.streams().await.expect("streams");
    assert_eq!(streams[0].count.publications, 200);
}

/// An epoch that is too long is refused, not cut.
pub async fn an_epoch_that_is_too_long_is_refused(place: impl Place) {
    let room = channel("kept:room");
    let store = place.open();
    let mut long: Batch = batch(&room, [1]);
    long.stream.epoch = "e".repeat(300).into();
    assert_eq!(
        store.get(&room, &long.stream.epoch, 1).await,
        Err(StoreError::EpochTooLong)
    );
    assert_eq!(store.append(long).await, Err(StoreError::EpochTooLong));
    assert_eq!(store.get(&room, &epoch(), 1).await, Ok(None));
}
