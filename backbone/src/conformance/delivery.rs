//! Promises 1, 2, 4 and 6: everything arrives, once, in order, at everyone.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Cluster, channel, publication, publish};
use crate::{Backbone, Channel};

/// It can be reached as soon as it is there.
pub async fn a_new_backbone_is_ready(cluster: Cluster) {
    assert!(cluster.near.is_ready() && cluster.far.is_ready());
}

/// From either node, a publication reaches listeners on both.
pub async fn a_publication_reaches_every_node(cluster: Cluster) {
    let channel = channel("chat:room");
    let ears = [
        cluster.listen(&cluster.near, &channel).await,
        cluster.listen(&cluster.far, &channel).await,
    ];
    for (round, node) in cluster.nodes().into_iter().enumerate() {
        publish(node, &channel, format!("round {round}")).await;
        for ear in &ears {
            assert_eq!(
                ear.hear_texts(round + 1).await[round],
                format!("round {round}")
            );
        }
    }
}

/// A channel without listeners takes publications, and keeps none of them.
pub async fn a_publication_that_nobody_hears_is_accepted(cluster: Cluster) {
    let channel = channel("chat:room");
    publish(&cluster.near, &channel, "before").await;
    let ear = cluster.listen(&cluster.near, &channel).await;
    publish(&cluster.near, &channel, "after").await;
    assert_eq!(ear.hear_texts(1).await, ["after"]);
}

/// Two nodes publish at the same time, with several publications under way each; none is lost, none comes twice.
pub async fn each_publication_is_heard_exactly_once(cluster: Cluster) {
    const EACH: usize = 200;
    let channel = channel("chat:room");
    let ears = [
        cluster.listen(&cluster.near, &channel).await,
        cluster.listen(&cluster.far, &channel).await,
    ];
    let texts = |name: &'static str| (0..EACH).map(move |number| format!("{name} {number:03}"));
    let near = texts("near").map(|text| publish(&cluster.near, &channel, text));
    let far = texts("far").map(|text| publish(&cluster.far, &channel, text));
    tokio::join!(join_all(near), join_all(far));

    let mut expected: Vec<_> = texts("far").chain(texts("near")).collect();
    for ear in &ears {
        let mut heard = ear.hear_texts(2 * EACH).await;
        heard.sort_unstable();
        assert_eq!(heard, expected);
    }
    // A publication that comes twice would come before these.
    for node in cluster.nodes() {
        publish(node, &channel, "the last").await;
        expected.push("the last".to_owned());
    }
    for ear in &ears {
        assert_eq!(ear.hear(expected.len()).await.len(), expected.len());
    }
}

/// Publications that are sent before earlier ones are confirmed arrive in order all the same.
pub async fn publications_sent_ahead_of_confirmation_arrive_in_order(cluster: Cluster) {
    const COUNT: usize = 1000;
    let channel = channel("chat:room");
    let ear = cluster.listen(&cluster.far, &channel).await;
    let mut confirmations = Vec::new();
    for number in 0..COUNT {
        let sent = cluster.near.send(&channel, publication(number.to_string()));
        confirmations.push(sent.await.expect("the carrier takes it"));
    }
    for confirmation in join_all(confirmations).await {
        assert_eq!(confirmation, Ok(None));
    }
    let expected: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(ear.hear_texts(COUNT).await, expected);
}

/// One publisher's publications arrive in the order in which it made them.
pub async fn a_thousand_publications_arrive_in_order(cluster: Cluster) {
    const COUNT: usize = 1000;
    let channel = channel("chat:room");
    let ears = [
        cluster.listen(&cluster.near, &channel).await,
        cluster.listen(&cluster.far, &channel).await,
    ];
    publish_numbers(&cluster.near, &channel, "", COUNT).await;
    let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
    for ear in &ears {
        assert_eq!(ear.hear_texts(COUNT).await, expected);
    }
}

/// However the publications of two publishers mix, each one's own stay in order.
pub async fn every_publisher_keeps_its_own_order(cluster: Cluster) {
    const EACH: usize = 200;
    let channel = channel("chat:room");
    let ear = cluster.listen(&cluster.near, &channel).await;
    tokio::join!(
        publish_numbers(&cluster.near, &channel, "near ", EACH),
        publish_numbers(&cluster.far, &channel, "far ", EACH),
    );
    let heard = ear.hear_texts(2 * EACH).await;
    for name in ["near ", "far "] {
        let own: Vec<_> = heard
            .iter()
            .filter_map(|text| text.strip_prefix(name))
            .collect();
        let expected: Vec<_> = (0..EACH).map(|number| number.to_string()).collect();
        assert_eq!(own, expected, "of the {name}publisher");
    }
}

/// Listeners of one channel on one node do not share what they hear.
pub async fn several_listeners_each_hear_everything(cluster: Cluster) {
    let channel = channel("chat:room");
    let mut ears = Vec::new();
    for node in [
        &cluster.near,
        &cluster.near,
        &cluster.near,
        &cluster.far,
        &cluster.far,
    ] {
        ears.push(cluster.listen(node, &channel).await);
    }
    publish_numbers(&cluster.far, &channel, "", 3).await;
    for ear in &ears {
        assert_eq!(ear.hear_texts(3).await, ["0", "1", "2"]);
    }
}

async fn publish_numbers(node: &Arc<dyn Backbone>, channel: &Channel, name: &str, count: usize) {
    for number in 0..count {
        publish(node, channel, format!("{name}{number}")).await;
    }
}
