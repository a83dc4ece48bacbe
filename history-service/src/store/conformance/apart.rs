//! Promise 5: what is apart stays apart, and is listed.

use tidegate_backbone::From;

use super::{Place, append, batch, channel, offsets, read};
use crate::store::Count;

/// Names that begin or end like others, and epochs, are told apart.
pub async fn channels_epochs_and_namespaces_stay_apart(place: impl Place) {
    let store = place.open();
    let names = [
        "a", "aa", "$a", "kept:a", "kept:aa", "$kept:a", "kept:", "a#1", "a\0", "é", "keptt:a",
    ];
    for (index, name) in names.iter().enumerate() {
        append(&store, batch(&channel(name), [index as u64 + 1])).await;
    }
    for (index, name) in names.iter().enumerate() {
        assert_eq!(
            offsets(&store, &channel(name)).await,
            [index as u64 + 1],
            "{name:?}"
        );
    }
    let room = channel("kept:a");
    let mut second = batch(&room, [1]);
    second.stream.epoch = "second".into();
    append(&store, second).await;
    assert_eq!(offsets(&store, &room).await, [4]);
    let page = read(&store, &room, From::After(0), 10).await;
    assert!(!page.coverage.proves(0, 1), "seen in another epoch");
    assert_eq!(store.get(&room, &"secon".into(), 1).await, Ok(None));
}

/// Channels are listed by prefix, in pages, each once.
pub async fn channels_are_listed_by_prefix_in_pages(place: impl Place) {
    let store = place.open();
    let names = ["b", "kept:10", "kept:2", "kept:20", "kept:3", "kepu"];
    for name in names {
        append(&store, batch(&channel(name), [1, 2])).await;
    }
    for (prefix, after, limit, expected) in [
        ("", "", 100, &names[..]),
        ("kept:", "", 100, &names[1..5]),
        ("kept:2", "", 100, &names[2..4]),
        ("kept:", "", 2, &names[1..3]),
        ("kept:", "kept:2", 2, &names[3..5]),
        ("kept:", "kept:3", 2, &[]),
        ("x", "", 2, &[]),
        ("kept:", "kept:", 0, &[]),
    ] {
        let found = store.channels(prefix, after, limit).await.expect("a page");
        let found: Vec<_> = found.iter().map(|it| it.channel.as_str()).collect();
        assert_eq!(found, expected, "{prefix:?} after {after:?}");
    }
    let all = store.channels("kept:2", "", 1).await.expect("a page");
    assert_eq!(all[0].epochs.len(), 1);
    assert_eq!(all[0].epochs[0].1.publications, 2);
}

/// Streams tell how much is archived, and how far; the newest epoch comes last.
pub async fn streams_tell_how_much_and_how_far(place: impl Place) {
    let store = place.open();
    assert_eq!(store.streams().await, Ok(Vec::new()));
    for (name, epoch, offsets) in [
        ("kept:a", "z", [1, 2]),
        ("kept:b", "z", [3, 4]),
        ("kept:a", "a", [1, 2]),
        ("a", "m", [1, 2]),
    ] {
        let mut some = batch(&channel(name), offsets);
        some.stream.epoch = epoch.into();
        append(&store, some).await;
    }
    let streams = store.streams().await.expect("streams");
    let seen: Vec<_> = streams
        .iter()
        .map(|it| {
            let namespace = it.stream.namespace.as_deref();
            (
                namespace,
                &*it.stream.epoch,
                it.count.publications,
                it.watermark,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (None, "m", 2, 2),
            (Some("kept"), "z", 4, 4),
            (Some("kept"), "a", 2, 2)
        ]
    );
    assert!(streams.iter().all(|it| it.count != Count::default()));
    assert!(store.disk_bytes().await.expect("a size") > 0);
}
