//! Streams that somebody deletes under a node.

use std::sync::Arc;

use tidegate_backbone::{Backbone, Channel, From, Listener, Publication, Range, Streams};
use tidegate_testkit::deadline::PATIENCE;
use tidegate_testkit::nats::{NatsCluster, NatsServer};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::node::{publication, stranger};
use super::streams::{JETSTREAM, node};

#[derive(Default)]
struct Doorbell(Notify);

impl Listener for Doorbell {
    fn deliver(&self, _: Publication) {}

    fn interrupted(&self) {
        self.0.notify_one();
    }
}

/// Nobody publishes or asks. A node that only looks every 30 seconds takes two minutes for what has to be done within one.
async fn who_listens_is_told(server: &NatsServer, replicas: u8) {
    const TIMES: usize = 4;
    let node = node(server, replicas).await;
    let doorbell = Arc::new(Doorbell::default());
    let room = Channel::parse("kept:room").unwrap();
    let _subscription = node.subscribe(&room, doorbell.clone()).await.unwrap();
    let client = stranger(server).await;
    let told = async {
        for _ in 0..TIMES {
            let request = client.request("$JS.API.STREAM.DELETE.tide_kept", "".into());
            let answer = request.await.unwrap();
            assert!(answer.payload.ends_with(b"\"success\":true}"), "{answer:?}");
            doorbell.0.notified().await;
        }
    };
    timeout(PATIENCE, told).await.expect("told at once");
}

#[tokio::test]
async fn who_listens_is_told_at_once() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    who_listens_is_told(&server, 1).await;
}

#[tokio::test]
async fn who_listens_is_told_at_once_in_a_cluster() {
    let cluster = NatsCluster::start_with(JETSTREAM).await.unwrap();
    who_listens_is_told(&cluster.servers[0], 3).await;
}

#[tokio::test]
async fn a_stream_that_is_made_anew_has_another_epoch_at_once() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node(&server, 1).await;
    let room = Channel::parse("kept:room").unwrap();
    let first = node
        .publish(&room, publication("1"))
        .await
        .unwrap()
        .unwrap();

    let client = stranger(&server).await;
    let ask = async |verb: &str, body: String| -> serde_json::Value {
        let subject = format!("$JS.API.STREAM.{verb}.tide_kept");
        let answer = client.request(subject, body.into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    };
    let info = ask("INFO", String::new()).await;
    ask("DELETE", String::new()).await;
    let made = ask("CREATE", info["config"].to_string()).await;
    assert!(made["error"].is_null(), "{made}");
    client
        .request("tide.pub.kept.room", "2".into())
        .await
        .unwrap();

    let tops = node.tops(std::slice::from_ref(&room)).await.unwrap();
    assert_ne!(tops[0].position.epoch, first.epoch);
    let range = Range {
        from: From::After(0),
        limit: 10,
        max_bytes: 1_000,
    };
    let page = node.read(&room, range).await.unwrap();
    let place = page.publications[0].place.as_ref().unwrap();
    assert_eq!(place.epoch, tops[0].position.epoch);
}
