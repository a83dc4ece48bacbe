//! Promise 4: what was removed or trimmed is gone.

use tidegate_backbone::From;

use super::{Place, append, batch, channel, epoch, offsets, read};
use crate::store::StreamId;

/// What was removed is not given, does not come back, and is no hole.
pub async fn what_was_removed_stays_away(place: impl Place) {
    let (room, other) = (channel("kept:room"), channel("kept:other"));
    let store = place.open();
    append(&store, batch(&room, 1..=9)).await;
    append(&store, batch(&other, [10])).await;
    assert_eq!(store.remove(&room, &epoch(), 3..=3).await, Ok(1));
    assert_eq!(store.remove(&room, &epoch(), 3..=3).await, Ok(0));
    assert_eq!(store.remove(&room, &epoch(), 5..=6).await, Ok(2));
    assert_eq!(store.remove(&room, &"other".into(), 1..=9).await, Ok(0));
    #[expect(clippy::reversed_empty_ranges, reason = "callers may ask for one")]
    let reversed = store.remove(&room, &epoch(), 9..=1).await;
    assert_eq!(reversed, Ok(0));
    drop(store);
    let store = place.open();
    append(&store, batch(&room, 1..=9)).await;
    assert_eq!(offsets(&store, &room).await, [1, 2, 4, 7, 8, 9]);
    assert_eq!(store.get(&room, &epoch(), 3).await, Ok(None));
    let page = read(&store, &room, From::After(0), 10).await;
    assert!(page.coverage.proves(0, 9), "what was removed was seen");
    let streams = store.streams().await.expect("streams");
    assert_eq!(streams[0].count.publications, 7);
    assert_eq!(offsets(&store, &other).await, [10]);
}

/// Stretches that touch or overlap are one, and are told within the bounds of the question.
pub async fn removed_stretches_become_one(place: impl Place) {
    let room = channel("kept:room");
    let store = place.open();
    append(&store, batch(&room, 1..=99)).await;
    let removals = [50..=59, 55..=57, 40..=49, 60..=60, 45..=70, 90..=95, 1..=1];
    for stretch in removals {
        assert!(store.remove(&room, &epoch(), stretch).await.is_ok());
    }
    for (asked, expected) in [
        (0..=u64::MAX, &[1..=1, 40..=70, 90..=95][..]),
        (42..=42, &[42..=42]),
        (65..=92, &[65..=70, 90..=92]),
        (71..=89, &[]),
        (2..=39, &[]),
    ] {
        let removed = store.removed(&room, &epoch(), asked).await;
        let removed: Vec<_> = removed.expect("stretches").iter().collect();
        assert_eq!(removed, expected);
    }
    append(&store, batch(&room, 1..=99)).await;
    let left = offsets(&store, &room).await;
    assert_eq!(left, Vec::from_iter((2..=39).chain(71..=89).chain(96..=99)));
}

/// A channel of many records is removed whole, and is listed no more.
pub async fn a_large_channel_is_removed_whole(place: impl Place) {
    let (room, other) = (channel("kept:room"), channel("kept:other"));
    let store = place.open();
    append(&store, batch(&room, 1..=10_000)).await;
    append(&store, batch(&other, [10_001])).await;
    let removed = store.remove(&room, &epoch(), 0..=10_000).await;
    assert_eq!(removed, Ok(10_000));
    assert_eq!(offsets(&store, &room).await, Vec::<u64>::new());
    let channels = store.channels("", "", 10).await.expect("channels");
    assert_eq!(channels.len(), 1);
    append(&store, batch(&room, 9_000..=10_000)).await;
    append(&store, batch(&room, [10_002])).await;
    assert_eq!(offsets(&store, &room).await, [10_002]);
}

/// What is removed before it was appended never comes.
pub async fn what_is_removed_ahead_never_comes(place: impl Place) {
    let room = channel("kept:room");
    let store = place.open();
    assert_eq!(store.remove(&room, &epoch(), 0..=5).await, Ok(0));
    append(&store, batch(&room, 1..=6)).await;
    assert_eq!(offsets(&store, &room).await, [6]);
}

/// What is too old goes, the oldest first, some at a time; nothing before it is proved any more, and nothing comes back.
pub async fn what_is_too_old_is_trimmed(place: impl Place) {
    let (room, other) = (channel("kept:room"), channel("kept:other"));
    let foreign = channel("keptt:room");
    let store = place.open();
    append(&store, batch(&room, 1..=9)).await;
    append(&store, batch(&other, 10..=12)).await;
    append(&store, batch(&foreign, 1..=9)).await;
    assert!(store.remove(&room, &epoch(), 2..=2).await.is_ok());
    assert!(store.remove(&room, &epoch(), 7..=7).await.is_ok());
    for (time, limit, expected) in [(10, 9, 0), (61, 3, 3), (61, 9, 2), (61, 9, 0), (61, 0, 0)] {
        assert_eq!(store.trim(Some("kept"), time, limit).await, Ok(expected));
    }
    append(&store, batch(&room, 1..=9)).await;
    assert_eq!(offsets(&store, &room).await, [8, 9]);
    let page = read(&store, &room, From::After(0), 10).await;
    for (after, expected) in [(0, false), (5, false), (6, true), (7, true), (9, true)] {
        assert_eq!(page.coverage.proves(after, 9), expected, "{after}");
    }
    let removed = store.removed(&room, &epoch(), 0..=u64::MAX).await;
    let removed: Vec<_> = removed.expect("stretches").iter().collect();
    assert_eq!(removed, [7..=7], "marks below what was trimmed go too");
    assert_eq!(store.trim(Some("kept"), u64::MAX, 1_000).await, Ok(5));
    assert_eq!(store.channels("kept:", "", 9).await, Ok(Vec::new()));
    let stream = StreamId::of(&room, &epoch());
    assert_eq!(store.find(&stream, u64::MAX).await, Ok(0));
    let streams = store.streams().await.expect("streams");
    assert_eq!(streams[0].count, crate::store::Count::default());
    assert_eq!(offsets(&store, &foreign).await.len(), 9);
}
