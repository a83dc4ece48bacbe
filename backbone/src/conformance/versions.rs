//! Promise 3 of the durable half: of a channel's versions only newer ones are stored.

use std::sync::Arc;

use futures_util::future::join_all;

use super::streams::{read, stored, texts};
use super::{Cluster, channel, publication};
use crate::{
    Backbone, Channel, Error, From, MAX_VERSION_EPOCH_BYTES, Position, Publication, Removal,
    Version, remove,
};

/// Publishers at the same time, of as many versions.
const CROWD: u64 = 12;

async fn publish(
    node: &Arc<dyn Backbone>,
    channel: &Channel,
    number: u64,
    epoch: &str,
) -> Result<Option<Position>, Error> {
    let version = Version {
        number,
        epoch: epoch.to_owned(),
    };
    let versioned = Publication {
        version: Some(version),
        ..publication(format!("{number}{epoch}"))
    };
    node.publish(channel, versioned).await
}

/// What is older is confirmed with the newest position. Versions of another epoch are not compared, and one without a version
/// is stored whatever there is.
pub async fn only_newer_versions_are_stored_and_heard(cluster: Cluster) {
    let room = channel("kept:versions");
    let ear = cluster.listen(&cluster.far, &room).await;
    let (mut newest, mut all) = (None, Vec::new());
    for (number, epoch, is_newer) in [
        (5, "", true),
        (5, "", false),
        (4, "", false),
        (7, "", true),
        (1, "b", true),
        (1, "b", false),
        (6, "", true),
        (2, "b", true),
    ] {
        let node = cluster.nodes()[usize::from(number % 2 == 0)];
        let position = publish(node, &room, number, epoch)
            .await
            .expect("confirmed");
        assert!(position.is_some());
        assert_eq!(position != newest, is_newer, "{number}{epoch}");
        all.extend(position.clone());
        newest = position;
    }
    let long = "x".repeat(MAX_VERSION_EPOCH_BYTES + 1);
    let refused = publish(&cluster.near, &room, 9, &long).await;
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    stored(&cluster.near, &room, "without").await;
    let expected = ["5", "7", "1b", "6", "2b", "without"];
    assert_eq!(ear.hear_texts(6).await, expected);
    let before = From::After(all[0].offset - 1);
    assert_eq!(
        texts(&read(&cluster.far, &room, before, 10).await),
        expected
    );
}

/// Whoever publishes them, and whenever: each is stored behind all that are smaller, or not at all.
pub async fn versions_of_many_publishers_are_stored_in_their_order(cluster: Cluster) {
    let room = channel("kept:race");
    let nodes = cluster.nodes();
    // Coprime with their number, so that all come, and not in order.
    let numbers = (0..CROWD).map(|index| 1 + index * 5 % CROWD);
    let all = numbers.map(|number| publish(nodes[number as usize % 2], &room, number, ""));
    for published in join_all(all).await {
        assert!(published.is_ok_and(|it| it.is_some()));
    }
    let page = read(&cluster.near, &room, From::After(0), 100).await;
    let stored: Vec<u64> = texts(&page)
        .iter()
        .map(|it| it.parse().expect("a number"))
        .collect();
    assert!(stored.is_sorted(), "{stored:?}");
    assert_eq!(stored.last(), Some(&CROWD));
}

/// With the publications that had them versions go.
pub async fn a_version_is_forgotten_with_its_publication(cluster: Cluster) {
    let room = channel("kept:forgotten");
    let first = publish(&cluster.near, &room, 9, "").await.expect("stored");
    let removed = remove(&*cluster.far, &room, &Removal::All).await;
    assert!(removed.is_ok(), "{removed:?}");
    let again = publish(&cluster.far, &room, 1, "").await.expect("stored");
    assert!(again != first && again.is_some());
}

/// Publications without a version change nothing about which is the newest.
pub async fn a_version_is_found_behind_publications_without_one(cluster: Cluster) {
    let room = channel("kept:mixed");
    let first = publish(&cluster.near, &room, 9, "").await.expect("stored");
    let mut newest = None;
    for number in 0..80 {
        newest = Some(stored(&cluster.near, &room, &number.to_string()).await);
    }
    let older = publish(&cluster.far, &room, 8, "")
        .await
        .expect("confirmed");
    assert_eq!(older, newest);
    let newer = publish(&cluster.far, &room, 10, "").await.expect("stored");
    assert!(newer != newest && newer != first);
}
