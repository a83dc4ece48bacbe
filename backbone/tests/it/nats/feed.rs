//! Who archives a namespace gets all of its stream, in order, and changes nothing of it.

use tidegate_backbone::nats::Nats;
use tidegate_backbone::{Backbone, Channel, Delivery, Feed, Partition, Position, Streams};
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tidegate_testkit::nats::NatsServer;
use tokio::time::timeout;

use super::node::{options, publication, stranger};
use super::streams::{JETSTREAM, node};

async fn observer(server: &NatsServer, namespace: &str) -> Nats {
    let namespaces = [Some(namespace.to_owned())];
    Nats::observe(options(server), namespaces).await.unwrap()
}

async fn next(feed: &mut dyn Feed) -> Delivery {
    let next = async {
        loop {
            // The stream may not be there yet.
            if let Ok(delivery) = feed.next().await {
                break delivery;
            }
        }
    };
    timeout(PATIENCE, next).await.unwrap()
}

/// Takes and acknowledges deliveries until there are so many publications.
async fn take(feed: &mut dyn Feed, count: usize) -> Vec<(String, u64)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let delivery = next(feed).await;
        for (channel, publication) in &delivery.publications {
            let place = publication.place.as_ref().unwrap();
            assert_eq!(place.epoch, delivery.epoch);
            assert!(place.offset <= delivery.watermark);
            taken.push((channel.to_string(), place.offset));
        }
        feed.acknowledge(&delivery).await.unwrap();
    }
    taken
}

async fn publish(node: &Nats, names: &[&str]) -> Vec<(String, u64)> {
    let mut published = Vec::new();
    for name in names {
        let channel = Channel::parse(name).unwrap();
        let position = node.publish(&channel, publication("x")).await.unwrap();
        published.push(((*name).to_owned(), position.unwrap().offset));
    }
    published
}

#[tokio::test]
async fn a_stream_is_delivered_in_order_until_it_is_acknowledged() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let keeper = node(&server, 1).await;
    let observer = observer(&server, "kept").await;
    let names: Vec<_> = ["kept:a", "kept:b", "kept:a"].repeat(300);
    let published = publish(&keeper, &names).await;
    // The stream keeps one more than 100 of each channel.
    let kept = |name: &str| {
        let all = published.iter().filter(|(it, _)| it == name).cloned();
        let all: Vec<_> = all.collect();
        all[all.len() - 101..].to_vec()
    };
    let mut expected = [kept("kept:a"), kept("kept:b")].concat();
    expected.sort_by_key(|(_, offset)| *offset);
    let mut feed = observer.feed(Some("kept"), Partition::WHOLE, None).unwrap();
    let first = next(&mut *feed).await;
    assert_eq!(next(&mut *feed).await.publications, first.publications);
    assert_eq!(take(&mut *feed, 202).await, expected);
    let after = Position {
        epoch: first.epoch,
        offset: expected[99].1,
    };
    let mut resumed = observer
        .feed(Some("kept"), Partition::WHOLE, Some(after))
        .unwrap();
    assert_eq!(take(&mut *resumed, 102).await, expected[100..]);
    assert!(
        observer
            .feed(Some("other"), Partition::WHOLE, None)
            .is_none()
    );
}

#[tokio::test]
async fn what_is_no_publication_is_passed_over() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let keeper = node(&server, 1).await;
    let observer = observer(&server, "kept").await;
    publish(&keeper, &["kept:a"]).await;
    let client = stranger(&server).await;
    let strange = "tide.pub.kept.%zz";
    client.publish(strange, "x".into()).await.unwrap();
    client.flush().await.unwrap();
    let mut feed = observer.feed(Some("kept"), Partition::WHOLE, None).unwrap();
    let passed_over = async || {
        let delivery = next(&mut *feed).await;
        (delivery.watermark == 2).then_some(delivery.passed_over)
    };
    let passed_over = until_some("the strange message", passed_over).await;
    assert_eq!(passed_over.unwrap(), [2]);
}

/// A stream that is made anew is delivered from its beginning, under another epoch.
#[tokio::test]
async fn a_new_stream_begins_anew() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let keeper = node(&server, 1).await;
    let observer = observer(&server, "kept").await;
    publish(&keeper, &["kept:a", "kept:a"]).await;
    let mut feed = observer.feed(Some("kept"), Partition::WHOLE, None).unwrap();
    let old = next(&mut *feed).await;
    feed.acknowledge(&old).await.unwrap();
    keeper.shutdown().await;
    let client = stranger(&server).await;
    let delete = "$JS.API.STREAM.DELETE.tide_kept";
    client.request(delete, "".into()).await.unwrap();
    let keeper = node(&server, 1).await;
    publish(&keeper, &["kept:a"]).await;
    let new = next(&mut *feed).await;
    assert_ne!(new.epoch, old.epoch);
    assert_eq!((new.publications.len(), new.watermark), (1, 1));
}

/// Who observes makes no stream, and changes none.
#[tokio::test]
async fn an_observer_changes_nothing() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let observer = observer(&server, "kept").await;
    let room = Channel::parse("kept:a").unwrap();
    let tops = observer.tops(std::slice::from_ref(&room)).await;
    assert!(tops.is_err() && !observer.is_ready());
    let client = stranger(&server).await;
    let info = async || {
        let info = client.request("$JS.API.STREAM.INFO.tide_kept", "".into());
        let info: serde_json::Value = serde_json::from_slice(&info.await.unwrap().payload).unwrap();
        info["config"].clone()
    };
    assert!(info().await.is_null(), "it made the stream");
    let _keeper = node(&server, 1).await;
    let before = info().await;
    let is_ready = async || observer.is_ready().then_some(());
    until_some("the observer has found the stream", is_ready)
        .await
        .unwrap();
    assert!(observer.tops(std::slice::from_ref(&room)).await.is_ok());
    assert_eq!(info().await, before);
}
