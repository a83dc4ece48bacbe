//! Promises 5 and 7: subscriptions end when they should, come in any number, and shutting down is final.

use futures_util::future::join_all;

use super::ear::Ear;
use super::{Cluster, Spread, channel, publication, publish};
use crate::{Error, Listener, Publication};

/// What is published after the drop is not heard; the other listener of the channel is not disturbed.
pub async fn a_dropped_subscription_hears_nothing_more(cluster: Cluster) {
    let channel = channel("chat:room");
    let (dropped, kept) = (
        cluster.listen(&cluster.far, &channel).await,
        cluster.listen(&cluster.far, &channel).await,
    );
    publish(&cluster.near, &channel, "before").await;
    dropped.hear(1).await;

    let heard = dropped.unsubscribe();
    for number in 0..10 {
        publish(&cluster.near, &channel, format!("after {number}")).await;
    }
    assert_eq!(kept.hear(11).await.len(), 11);
    assert_eq!(heard(), [publication("before")]);
}

/// Neither an old subscription nor its end harms a new one of the same channel.
pub async fn a_listener_may_come_and_go_two_hundred_times(cluster: Cluster) {
    let channel = channel("chat:room");
    for round in 0..200 {
        let ear = Ear::open(&cluster.far, &channel).await;
        let text = format!("round {round}");
        match cluster.spread {
            Spread::AtOnce => {
                publish(&cluster.near, &channel, text.clone()).await;
                assert_eq!(ear.hear_texts(1).await, [text]);
            }
            // A probe may come by what the servers still know of the ear before, and what follows it be lost.
            Spread::Eventually => ear.hear_probe(&cluster.near, &channel, &text).await,
        }
        drop(ear.unsubscribe());
    }
}

/// Subscriptions that start together, some to the same channel, all work.
pub async fn many_may_subscribe_at_once(cluster: Cluster) {
    const CHANNELS: usize = 25;
    let channels: Vec<_> = (0..4 * CHANNELS)
        .map(|at| channel(&format!("chat:room.{}", at % CHANNELS)))
        .collect();
    let ears: Vec<Ear> = join_all(
        channels
            .iter()
            .map(|channel| cluster.listen(&cluster.far, channel)),
    )
    .await;
    join_all(
        channels[..CHANNELS]
            .iter()
            .map(|channel| publish(&cluster.near, channel, channel.as_str().to_owned())),
    )
    .await;
    for (channel, ear) in channels.iter().zip(&ears) {
        assert_eq!(ear.hear_texts(1).await, [channel.as_str()]);
    }
}

/// A node that was shut down says so, also the second time.
pub async fn after_shutdown_nothing_is_available(cluster: Cluster) {
    struct Deaf;
    impl Listener for Deaf {
        fn deliver(&self, _: Publication) {}
    }
    let (node, channel) = (&cluster.near, channel("chat:room"));
    let ear = cluster.listen(node, &channel).await;
    node.shutdown().await;
    node.shutdown().await;
    assert!(!node.is_ready());
    let published = node.publish(&channel, publication("late")).await;
    assert!(
        matches!(published, Err(Error::Unavailable(_))),
        "{published:?}"
    );
    let subscribed = node.subscribe(&channel, std::sync::Arc::new(Deaf)).await;
    assert!(
        matches!(subscribed, Err(Error::Unavailable(_))),
        "{subscribed:?}"
    );
    assert_eq!(ear.heard(), []);
}
