//! Many channels of one stream that are read at the same time, as when the clients of a lost node come to another one.

use std::future::ready;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tidegate_backbone::nats::Nats;
use tidegate_backbone::{
    Backbone, Channel, From, Page, Position, Publication, Range, Removal, Streams, remove,
};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use super::node::{publication, stranger};
use super::streams::{JETSTREAM, node};

const CHANNELS: usize = 200;
const ROUNDS: usize = 10;

/// What each channel has is between what all others have.
async fn publish_rounds(node: &impl Backbone) -> Vec<(Channel, Vec<Position>)> {
    let room = |number| Channel::parse(&format!("kept:{number}")).unwrap();
    let mut rooms: Vec<_> = (0..CHANNELS).map(|it| (room(it), Vec::new())).collect();
    for round in 0..ROUNDS {
        let published = rooms.iter_mut().map(async |(room, positions)| {
            let position = node.publish(room, publication(round.to_string())).await;
            positions.push(position.unwrap().unwrap());
        });
        join_all(published).await;
    }
    rooms
}

fn range(after: u64, limit: usize, max_bytes: usize) -> Range {
    Range {
        from: From::After(after),
        limit,
        max_bytes,
    }
}

fn rounds(publications: &[Publication]) -> Vec<String> {
    let texts = publications.iter().map(|it| it.data.to_vec());
    texts.map(|it| String::from_utf8(it).unwrap()).collect()
}

/// Everybody gets what is theirs, as they would alone.
fn check(number: usize, positions: &[Position], page: &Page) {
    let expected: Vec<_> = match number % 4 {
        0 => 3..6,
        1 => 3..5,
        _ => 3..ROUNDS,
    }
    .collect();
    let texts: Vec<_> = expected.iter().map(usize::to_string).collect();
    assert_eq!(rounds(&page.publications), texts, "{number}");
    let places = page
        .publications
        .iter()
        .map(|it| it.place.as_ref().unwrap().offset);
    let offsets = expected.iter().map(|round| positions[*round].offset);
    assert!(places.eq(offsets), "{number}");
    assert_eq!(page.has_more, expected.len() < ROUNDS - 3, "{number}");
    assert_eq!(page.top.position, positions[ROUNDS - 1], "{number}");
    assert!(page.is_gapless, "{number}");
}

async fn are_read_together(server: &NatsServer, replicas: u8) {
    let node = node(server, replicas).await;
    let rooms = publish_rounds(&node).await;
    let client = stranger(server).await;
    let mut asked = client.subscribe("$JS.API.>").await.unwrap();
    client.flush().await.unwrap();
    let pages = rooms
        .iter()
        .enumerate()
        .map(async |(number, (room, positions))| {
            let after = positions[2].offset;
            let range = match number % 4 {
                0 => range(after, 3, 1_000),
                1 => range(after, 100, 2),
                _ => range(after, 100, 1_000),
            };
            node.read(room, range).await.unwrap()
        });
    let pages = join_all(pages).await;
    for (number, (page, (_, positions))) in pages.iter().zip(&rooms).enumerate() {
        check(number, positions, page);
    }
    // What is asked last is heard last.
    let last = "$JS.API.NONE";
    client.publish(last, "".into()).await.unwrap();
    let (mut gets, mut others) = (0, 0);
    while let Some(request) = asked.next().await
        && request.subject.as_str() != last
    {
        match request.subject.starts_with("$JS.API.DIRECT.GET.") {
            true => gets += 1,
            false => others += 1,
        }
    }
    assert!((1..CHANNELS / 2).contains(&gets), "{gets} gets");
    assert!((1..CHANNELS / 2).contains(&others), "{others} others");
}

#[tokio::test]
async fn channels_are_read_together() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    are_read_together(&server, 1).await;
}

#[tokio::test]
async fn channels_are_read_together_in_a_cluster() {
    let cluster = NatsCluster::start_with(JETSTREAM).await.unwrap();
    are_read_together(&cluster.servers[1], 3).await;
}

/// What is read while the stream is deleted and made anew is of neither, or says that it may lack something.
#[tokio::test]
async fn a_stream_that_is_made_anew_meanwhile_proves_nothing() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node(&server, 1).await;
    let rooms = publish_rounds(&node).await;
    let client = stranger(&server).await;
    let asked = client.subscribe("$JS.API.DIRECT.GET.>").await.unwrap();
    client.flush().await.unwrap();
    let reads = rooms.iter().map(|(room, positions)| {
        let after = positions[2].offset;
        node.read(room, range(after, 100, 1_000))
    });
    let replace = async {
        // Four are read alone while the others wait, and then everybody's newest place is known.
        let text = |it: &async_nats::Message| String::from_utf8_lossy(&it.payload).into_owned();
        let is_read = |it: &async_nats::Message| text(it).contains("next_by_subj");
        let read = asked.filter(|it| ready(is_read(it))).take(4).count().await;
        assert_eq!(read, 4);
        let delete = "$JS.API.STREAM.DELETE.tide_kept";
        client.request(delete, "".into()).await.unwrap();
        let is_another = async || {
            let (room, positions) = &rooms[0];
            let published = node.publish(room, publication("x")).await.ok()??;
            (published.epoch != positions[0].epoch).then_some(())
        };
        until_some("the stream is made anew", is_another)
            .await
            .unwrap();
        publish_rounds(&node).await
    };
    let (pages, _again) = tokio::join!(join_all(reads), replace);
    for (page, (_, positions)) in pages.into_iter().zip(&rooms) {
        // Whoever asks compares epochs.
        let is_old = |it: &Page| it.is_gapless && it.top.position.epoch == positions[0].epoch;
        if let Some(page) = page.ok().filter(is_old) {
            check(2, positions, &page);
        }
    }
}

/// Channels of which nothing has gone, one was removed, some or all were purged, or some had to make room.
async fn all_kinds(node: &Nats) -> Vec<(Channel, Vec<Position>)> {
    let mut rooms = Vec::new();
    for name in [
        "kept:all",
        "kept:one",
        "kept:some",
        "kept:none",
        "short:room",
    ] {
        let room = Channel::parse(name).unwrap();
        let mut positions = Vec::new();
        for round in 0..ROUNDS {
            let position = node.publish(&room, publication(round.to_string())).await;
            positions.push(position.unwrap().unwrap());
        }
        rooms.push((room, positions));
    }
    let epoch = rooms[2].1[0].epoch.clone();
    for (room, removal) in [
        (1, Removal::one(&rooms[1].1[5])),
        (2, Removal::Offsets(epoch, 0..=rooms[2].1[4].offset)),
        (3, Removal::All),
    ] {
        remove(node, &rooms[room].0, &removal).await.unwrap();
    }
    rooms
}

/// Whoever reads beside whom, the same is proved.
#[tokio::test]
async fn what_is_proved_together_is_proved_alone() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node(&server, 1).await;
    let rooms = all_kinds(&node).await;
    let mut asked = Vec::new();
    for (room, positions) in &rooms {
        let offsets = positions.iter().map(|it| it.offset);
        let around = offsets.flat_map(|it| [it.saturating_sub(1), it, it + 1]);
        asked.extend(around.chain([0, 1_000_000]).map(|after| (room, after)));
    }
    let read = async |(room, after): (&Channel, u64)| {
        let page = node.read(room, range(after, 100, 1_000)).await.unwrap();
        (page.is_gapless, page.removed, rounds(&page.publications))
    };
    let mut alone = Vec::new();
    for it in &asked {
        alone.push(read(*it).await);
    }
    for _ in 0..5 {
        let together = join_all(asked.iter().map(|it| read(*it))).await;
        for (it, (together, alone)) in asked.iter().zip(together.iter().zip(&alone)) {
            assert_eq!(together, alone, "{it:?}");
        }
    }
    let proved = alone.iter().filter(|it| it.0).count();
    assert!((1..alone.len()).contains(&proved), "{proved}");
}
