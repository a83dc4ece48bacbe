//! Promises of the durable half: channels of the namespace `kept`, which keeps 100 publications, and of `short`, which
//! keeps 3.

use std::sync::Arc;

use super::{Cluster, Spread, channel, publication};
use crate::{Backbone, Channel, Error, From, Page, Position, Publication, Range, Version};

const WIDE: usize = 1_000_000;

pub(super) async fn stored(node: &Arc<dyn Backbone>, channel: &Channel, data: &str) -> Position {
    let published = node.publish(channel, publication(data.to_owned())).await;
    published.expect("it is stored").expect("it has a position")
}

pub(super) async fn read(
    node: &Arc<dyn Backbone>,
    channel: &Channel,
    from: From,
    limit: usize,
) -> Page {
    let range = Range {
        from,
        limit,
        max_bytes: WIDE,
    };
    node.read(channel, range).await.expect("a page")
}

pub(super) fn texts(page: &Page) -> Vec<String> {
    let text = |it: &Publication| String::from_utf8_lossy(&it.data).into_owned();
    page.publications.iter().map(text).collect()
}

/// Promise 1: a confirmation has the position of the listeners' copy, which names the one before it.
pub async fn a_kept_publication_is_heard_with_its_place(cluster: Cluster) {
    let room = channel("kept:places");
    let ear = cluster.listen(&cluster.far, &room).await;
    let mut positions = Vec::new();
    for number in 0..5 {
        positions.push(stored(&cluster.near, &room, &number.to_string()).await);
    }
    let heard = ear.hear(5).await;
    for (index, it) in heard.iter().enumerate() {
        let place = it.place.as_ref().expect("a place");
        assert_eq!(place.offset, positions[index].offset);
        assert_eq!(place.epoch, positions[index].epoch);
        assert!(place.time > 0);
        if index > 0 {
            assert_eq!(place.previous, Some(positions[index - 1].offset));
        }
    }
}

/// Promise 3: publications that are sent ahead of their confirmations keep their order.
pub async fn kept_publications_keep_the_order_of_sending(cluster: Cluster) {
    let room = channel("kept:order");
    let ear = cluster.listen(&cluster.far, &room).await;
    let mut confirmations = Vec::new();
    for number in 0..90 {
        let sent = cluster
            .near
            .send(&room, publication(number.to_string()))
            .await;
        confirmations.push(sent.expect("it is sent"));
    }
    let mut before = 0;
    for confirmation in confirmations {
        let position = confirmation
            .await
            .expect("it is stored")
            .expect("a position");
        assert!(
            position.offset > before,
            "{} after {before}",
            position.offset
        );
        before = position.offset;
    }
    let expected: Vec<_> = (0..90).map(|number| number.to_string()).collect();
    assert_eq!(ear.hear_texts(90).await, expected);
}

/// Promise 3: an id is stored once.
pub async fn an_id_is_stored_once(cluster: Cluster) {
    let room = channel("kept:ids");
    let with_id = |data: &str| Publication {
        id: "order-7".to_owned(),
        ..publication(data.to_owned())
    };
    let first = cluster.near.publish(&room, with_id("a")).await;
    let again = cluster.far.publish(&room, with_id("b")).await;
    assert_eq!(first, again);
    assert!(first.is_ok_and(|it| it.is_some()));
    assert_eq!(
        texts(&read(&cluster.near, &room, From::After(0), 10).await),
        ["a"]
    );
}

/// Promise 4: a read sees what was confirmed, through whichever node, with its data and metadata.
pub async fn a_read_sees_what_was_confirmed(cluster: Cluster) {
    let room = channel("kept:$a b.%>é");
    let given = Publication {
        data: b"\0\xff\r\n".as_slice().into(),
        tags: [("k".to_owned(), "v".to_owned())].into(),
        ..Publication::default()
    };
    for count in 1..=20 {
        let published = cluster.near.publish(&room, given.clone()).await;
        assert!(published.is_ok(), "{published:?}");
        for node in cluster.nodes() {
            let page = read(node, &room, From::After(0), 100).await;
            assert_eq!(page.publications.len(), count);
            let found = page.publications.last().expect("one");
            assert_eq!((&found.data, &found.tags), (&given.data, &given.tags));
        }
    }
    let other = read(&cluster.near, &channel("kept:a"), From::After(0), 100).await;
    assert_eq!(texts(&other), Vec::<String>::new());
}

/// Pages go forward and backward, within their bounds.
pub async fn a_channel_is_read_in_pages(cluster: Cluster) {
    let room = channel("kept:pages");
    let mut offsets = Vec::new();
    for number in 0..10 {
        offsets.push(
            stored(&cluster.near, &room, &number.to_string())
                .await
                .offset,
        );
    }
    let node = &cluster.far;
    for (from, limit, expected, has_more) in [
        (From::After(0), 3, &["0", "1", "2"][..], true),
        (From::After(offsets[6]), 3, &["7", "8", "9"], false),
        (From::After(offsets[9]), 3, &[], false),
        (From::Before(u64::MAX), 3, &["9", "8", "7"], true),
        (From::Before(offsets[2]), 3, &["1", "0"], false),
    ] {
        let page = read(node, &room, from, limit).await;
        assert_eq!(texts(&page), expected, "{from:?}");
        assert_eq!(page.has_more, has_more, "{from:?}");
        assert_eq!(page.top.position.offset, offsets[9]);
    }
    let two_bytes = Range {
        from: From::After(0),
        limit: 10,
        max_bytes: 2,
    };
    let page = node.read(&room, two_bytes).await.expect("a page");
    assert_eq!((texts(&page).len(), page.has_more), (2, true));
}

/// The proof that nothing is missing holds where nothing is, and not where something was.
pub async fn what_is_missing_is_not_proved_to_be_there(cluster: Cluster) {
    let (kept, short) = (channel("kept:proof"), channel("short:proof"));
    let tops = cluster
        .near
        .tops(std::slice::from_ref(&kept))
        .await
        .expect("tops");
    assert!(tops[0].is_empty);
    let before = tops[0].position.offset;
    let (mut of_kept, mut of_short) = (Vec::new(), Vec::new());
    for number in 0..10 {
        of_kept.push(
            stored(&cluster.near, &kept, &number.to_string())
                .await
                .offset,
        );
        of_short.push(
            stored(&cluster.near, &short, &number.to_string())
                .await
                .offset,
        );
    }
    for (room, after, expected) in [
        (&kept, before, true),
        (&kept, of_kept[0], true),
        (&kept, of_kept[9], true),
        (&kept, of_kept[9] + 1_000, false),
        (&short, of_short[9], true),
        (&short, of_short[7], true),
        (&short, of_short[2], false),
        (&short, 0, false),
    ] {
        let page = read(&cluster.far, room, From::After(after), 100).await;
        assert_eq!(page.is_gapless, expected, "{room} after {after}");
    }
    let page = read(&cluster.near, &short, From::Before(u64::MAX), 100).await;
    assert!(page.publications.len() >= 3, "{:?}", texts(&page));
}

/// A channel without a stream is not kept, and says so.
pub async fn a_channel_without_a_stream_is_not_kept(cluster: Cluster) {
    let room = channel("other:room");
    let published = cluster.near.publish(&room, publication("x")).await;
    assert_eq!(published, Ok(None));
    let versioned = Publication {
        version: Version::given(1, String::new()),
        ..publication("x")
    };
    let refused = cluster.near.publish(&room, versioned).await;
    assert_eq!(refused, Err(Error::NotKept(room.clone())));
    let unstored = cluster.near.publish(&room, unstored("x")).await;
    assert_eq!(unstored, Ok(None));
    assert!(cluster.near.stream(&room).is_none());
    assert_eq!(
        cluster.near.tops(std::slice::from_ref(&room)).await,
        Err(Error::NotKept(room))
    );
}

fn unstored(data: &str) -> Publication {
    Publication {
        skips_history: true,
        ..publication(data.to_owned())
    }
}

/// Promise 8: it has no place, no read finds it, and the places of others are what they were.
pub async fn what_skips_history_is_heard_and_not_stored(cluster: Cluster) {
    let room = channel("kept:skipping");
    let ear = cluster.listen(&cluster.far, &room).await;
    let first = stored(&cluster.near, &room, "1").await;
    let given = Publication {
        tags: [("k".to_owned(), "v".to_owned())].into(),
        id: "id".to_owned(),
        ..unstored("2")
    };
    for _ in 0..2 {
        let published = cluster.near.publish(&room, given.clone()).await;
        assert_eq!(published, Ok(None));
    }
    let last = stored(&cluster.near, &room, "3").await;
    let heard = ear.hear(4).await;
    let texts_heard: Vec<_> = heard.iter().map(|it| it.data.clone()).collect();
    assert_eq!(texts_heard, ["1", "2", "2", "3"]);
    for it in &heard[1..3] {
        assert_eq!((&it.place, &it.tags), (&None, &given.tags));
    }
    let place = heard[3].place.as_ref().expect("a place");
    assert_eq!(
        (place.offset, place.previous),
        (last.offset, Some(first.offset))
    );
    let page = read(&cluster.near, &room, From::After(first.offset - 1), 10).await;
    assert_eq!(texts(&page), ["1", "3"]);
    let versioned = Publication {
        version: Version::given(1, String::new()),
        ..unstored("x")
    };
    let refused = cluster.near.publish(&room, versioned).await;
    assert_eq!(refused, Err(Error::NotKept(room)));
}

/// Promise 8: it does not overtake what was sent before it, though nobody has asked what became of that.
pub async fn what_skips_history_comes_in_the_order_of_sending(cluster: Cluster) {
    let room = channel("kept:mixture");
    let ear = cluster.listen(&cluster.far, &room).await;
    let is_unstored = |number: u32| number % 3 == 1;
    let mut confirmations = Vec::new();
    for number in 0..60 {
        let text = number.to_string();
        let publication = match is_unstored(number) {
            true => unstored(&text),
            false => publication(text),
        };
        confirmations.push(cluster.near.send(&room, publication).await.expect("sent"));
    }
    for confirmation in confirmations {
        assert!(confirmation.await.is_ok());
    }
    let heard = ear.hear_texts(60).await;
    let heard: Vec<u32> = heard
        .iter()
        .map(|it| it.parse().expect("a number"))
        .collect();
    match cluster.spread {
        Spread::AtOnce => assert!(heard.is_sorted(), "{heard:?}"),
        Spread::Eventually => {
            let (unstored, stored): (Vec<u32>, Vec<u32>) =
                heard.iter().partition(|number| is_unstored(**number));
            assert!(unstored.is_sorted() && stored.is_sorted(), "{heard:?}");
        }
    }
}
