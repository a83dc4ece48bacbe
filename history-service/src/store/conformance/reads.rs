//! Promise 3: reads, and what they prove.

use tidegate_backbone::{ClientInfo, From, Publication, Range};

use super::{Place, append, batch, channel, epoch, offsets, offsets_of, read, record};
use crate::store::{Record, StreamId};

/// A record comes back with all it was given.
pub async fn a_record_comes_back_as_it_was_given(place: impl Place) {
    let room = channel("kept:$a b.%>é");
    let given = Record {
        offset: 7,
        time: 1_700_000_000_123,
        publication: Publication {
            data: b"\0\xff\r\n".as_slice().into(),
            info: Some(ClientInfo {
                user: "u".to_owned(),
                client: "c".to_owned(),
                conn_info: b"{}".as_slice().into(),
                chan_info: b"\xff".as_slice().into(),
            }),
            tags: [("k".to_owned(), "v".to_owned())].into(),
            id: "order-7".to_owned(),
            place: None,
            version: None,
            skips_history: false,
            trace: None,
        },
    };
    let mut one = batch(&room, []);
    one.records.push((room.clone(), given.clone()));
    let store = place.open();
    append(&store, one).await;
    assert_eq!(
        read(&store, &room, From::After(0), 10).await.records,
        [given]
    );
}

/// Pages go forward and backward, within their bounds.
pub async fn pages_go_in_both_directions_within_their_bounds(place: impl Place) {
    let room = channel("kept:room");
    let store = place.open();
    append(&store, batch(&room, (1..=10).map(|it| it * 10))).await;
    for (from, limit, expected, has_more) in [
        (From::After(0), 3, &[10, 20, 30][..], true),
        (From::After(10), 2, &[20, 30], true),
        (From::After(75), 3, &[80, 90, 100], false),
        (From::After(100), 3, &[], false),
        (From::Before(u64::MAX), 3, &[100, 90, 80], true),
        (From::Before(30), 3, &[20, 10], false),
        (From::Before(31), 1, &[30], true),
        (From::Before(10), 1, &[], false),
        (From::After(0), 0, &[], true),
    ] {
        let page = read(&store, &room, from, limit).await;
        assert_eq!(offsets_of(&page), expected, "{from:?}");
        assert_eq!(page.has_more, has_more, "{from:?}");
    }
    for (max_bytes, expected) in [(5, 2), (0, 1), (6, 3)] {
        let range = Range {
            from: From::After(0),
            limit: 100,
            max_bytes,
        };
        let page = store.read(&room, &epoch(), range).await.expect("a page");
        assert_eq!((page.records.len(), page.has_more), (expected, true));
    }
}

/// The largest and the smallest offset are offsets as any other.
pub async fn extreme_offsets_are_offsets(place: impl Place) {
    let room = channel("kept:room");
    let store = place.open();
    let mut both = batch(&room, []);
    for offset in [1, u64::MAX] {
        let it = record(1);
        both.records.push((room.clone(), Record { offset, ..it }));
    }
    append(&store, both).await;
    assert_eq!(offsets(&store, &room).await, [1, u64::MAX]);
    for (from, expected) in [
        (From::After(u64::MAX), &[][..]),
        (From::Before(0), &[]),
        (From::Before(1), &[]),
        (From::Before(u64::MAX), &[1]),
    ] {
        let page = read(&store, &room, from, 10).await;
        assert_eq!(offsets_of(&page), expected, "{from:?}");
    }
}

/// One record is found by its offset, and nothing where there is none.
pub async fn a_single_record_is_found_by_its_offset(place: impl Place) {
    let room = channel("kept:room");
    let store = place.open();
    append(&store, batch(&room, [3, 5])).await;
    for (offset, expected) in [(3, Some(record(3))), (4, None), (0, None), (6, None)] {
        assert_eq!(store.get(&room, &epoch(), offset).await, Ok(expected));
    }
    assert_eq!(store.get(&room, &"other".into(), 3).await, Ok(None));
}

/// What another channel or no channel has in between is proved to be none of this one; what was not seen is not.
pub async fn what_was_not_seen_is_not_proved(place: impl Place) {
    let (room, other) = (channel("kept:room"), channel("kept:other"));
    let store = place.open();
    append(&store, batch(&room, [1, 4])).await;
    append(&store, batch(&other, [2])).await;
    let proves = async |after, last| {
        let page = read(&store, &room, From::After(0), 10).await;
        page.coverage.proves(after, last)
    };
    assert!(proves(0, 2).await);
    assert!(!proves(1, 3).await, "3 was not seen");
    let mut unread = batch(&room, []);
    unread.passed_over.push(3);
    append(&store, unread).await;
    assert!(proves(1, 3).await && proves(0, 4).await);
    assert!(!proves(4, 5).await);
}

/// A place is found by time.
pub async fn a_place_is_found_by_time(place: impl Place) {
    let (room, other) = (channel("kept:room"), channel("kept:other"));
    let store = place.open();
    let stream = StreamId::of(&room, &epoch());
    assert_eq!(store.find(&stream, 5).await, Ok(0));
    append(&store, batch(&room, [5, 6, 100])).await;
    append(&store, batch(&other, [50])).await;
    for (time, expected) in [
        (0, 0),
        (50, 0),
        (51, 5),
        (61, 6),
        (500, 6),
        (501, 50),
        (1_000, 50),
        (1_001, 100),
        (u64::MAX, 100),
    ] {
        assert_eq!(store.find(&stream, time).await, Ok(expected), "{time}");
    }
}
