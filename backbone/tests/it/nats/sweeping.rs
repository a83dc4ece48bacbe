//! Many channels of one stream that are read at the same time, as when the clients of a lost node come to another one.

use futures_util::StreamExt;
use futures_util::future::join_all;
use tidegate_backbone::{Channel, From, Page, Position, Publication, Range, Streams};
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use super::node::{publication, stranger};
use super::streams::{JETSTREAM, node};

const CHANNELS: usize = 200;
const ROUNDS: usize = 10;

/// What each channel has is between what all others have.
async fn publish_rounds(node: &impl tidegate_backbone::Backbone) -> Vec<(Channel, Vec<Position>)> {
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
    let mut gets = client.subscribe("$JS.API.DIRECT.GET.>").await.unwrap();
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
    let last = "$JS.API.DIRECT.GET.none";
    client.publish(last, "".into()).await.unwrap();
    let mut count = 0;
    while let Some(get) = gets.next().await
        && get.subject.as_str() != last
    {
        count += 1;
    }
    assert!((1..CHANNELS / 2).contains(&count), "{count} gets");
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
