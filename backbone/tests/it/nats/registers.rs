//! Registers: the promises on one server and on three, a server that dies, and what other tools put and delete.

use std::sync::Arc;

use tidegate_backbone::conformance::{Cluster, Spread};
use tidegate_backbone::nats::Nats;
use tidegate_backbone::{Backbone, News, Register, RegisterOptions, Storage, Watch};
use tidegate_testkit::deadline::{PATIENCE, until, until_some};
use tidegate_testkit::nats::{NatsCluster, NatsServer};
use tokio::time::timeout;

use super::node;
use super::streams::JETSTREAM;

mod one_server {
    use super::*;

    async fn two_nodes() -> Cluster {
        let server = NatsServer::start_with(JETSTREAM).await.unwrap();
        let (near, far) = (node::at(&server).await, node::at(&server).await);
        Cluster::new(Arc::new(near), Arc::new(far), Spread::AtOnce, server)
    }

    tidegate_backbone::conformance_tests!(registers two_nodes);
}

mod three_servers {
    use super::*;

    async fn two_nodes() -> Cluster {
        let servers = NatsCluster::start_with(JETSTREAM).await.unwrap();
        let (near, far) = (
            node::at(&servers.servers[1]).await,
            node::at(&servers.servers[2]).await,
        );
        Cluster::new(Arc::new(near), Arc::new(far), Spread::Eventually, servers)
    }

    tidegate_backbone::conformance_tests!(registers two_nodes);
}

fn register(node: &Nats) -> Arc<dyn Register> {
    let options = RegisterOptions {
        name: "blocks",
        description: "of a test",
        replicas: 1,
        storage: Storage::File,
        max_keys: 10,
    };
    node.register(options).unwrap()
}

/// The next news, whatever fails before.
async fn next(watch: &mut dyn Watch) -> News {
    let news = async {
        loop {
            if let Ok(news) = watch.next().await {
                return news;
            }
        }
    };
    timeout(PATIENCE, news).await.expect("there is news")
}

/// The next news, as keys and values.
async fn changes(watch: &mut dyn Watch) -> Vec<(String, Option<String>)> {
    let text = |value: bytes::Bytes| String::from_utf8(value.to_vec()).unwrap();
    let changes = next(watch).await.changes.into_iter();
    changes.map(|it| (it.key, it.value.map(text))).collect()
}

fn one(key: &str, value: Option<&str>) -> Vec<(String, Option<String>)> {
    vec![(key.to_owned(), value.map(str::to_owned))]
}

#[tokio::test]
async fn what_is_put_survives_the_server_and_is_told_again_after_an_outage() {
    let mut server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let (near, far) = (node::at(&server).await, node::at(&server).await);
    let mut watch = register(&far).watch();
    assert_eq!(
        next(&mut *watch).await,
        News {
            changes: vec![],
            is_whole: true
        }
    );
    register(&near).put("a", "1".into(), None).await.unwrap();
    assert_eq!(changes(&mut *watch).await, one("a", Some("1")));
    server.kill().unwrap();
    until("the nodes notice", || !near.is_ready() && !far.is_ready())
        .await
        .unwrap();
    assert!(register(&near).put("b", "2".into(), None).await.is_err());
    server.restart().await.unwrap();
    let deleted = async || register(&near).delete("a").await.ok();
    until_some("a key is deleted", deleted).await.unwrap();
    register(&near).put("c", "3".into(), None).await.unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(key, _)| key != "c") {
        let news = next(&mut *watch).await;
        if news.is_whole {
            seen.clear();
        }
        seen.extend(
            news.changes
                .into_iter()
                .map(|it| (it.key, it.value.is_some())),
        );
    }
    let left = ("a".to_owned(), true);
    assert!(!seen.contains(&left), "a is gone: {seen:?}");
}

#[tokio::test]
async fn other_tools_put_and_delete() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node::at(&server).await;
    let mut watch = register(&node).watch();
    next(&mut *watch).await;
    let stranger = node::stranger(&server).await;
    let subject = "$KV.tide-blocks.user=2E1";
    stranger.publish(subject, "{}".into()).await.unwrap();
    assert_eq!(changes(&mut *watch).await, one("user=2E1", Some("{}")));
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("KV-Operation", "DEL");
    let deleted = stranger.publish_with_headers(subject, headers, "".into());
    deleted.await.unwrap();
    assert_eq!(changes(&mut *watch).await, one("user=2E1", None));
}

#[tokio::test]
async fn a_bucket_that_is_removed_and_made_again_is_told_whole() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node::at(&server).await;
    let mut watch = register(&node).watch();
    next(&mut *watch).await;
    for key in ["a", "b"] {
        register(&node).put(key, "1".into(), None).await.unwrap();
        next(&mut *watch).await;
    }
    let stranger = node::stranger(&server).await;
    let removal = stranger.request("$JS.API.STREAM.DELETE.KV_tide-blocks", "".into());
    removal.await.unwrap();
    let news = next(&mut *watch).await;
    assert_eq!(
        news,
        News {
            changes: vec![],
            is_whole: true
        }
    );
    let put = async || register(&node).put("c", "1".into(), None).await.ok();
    until_some("a key is put", put).await.unwrap();
    assert_eq!(changes(&mut *watch).await, one("c", Some("1")));
}

#[tokio::test]
async fn more_keys_than_a_watch_takes_are_an_error() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node::at(&server).await;
    for number in 0..21 {
        let key = format!("key.{number}");
        register(&node).put(&key, "1".into(), None).await.unwrap();
    }
    let error = register(&node).watch().next().await.unwrap_err();
    assert!(error.to_string().contains("more than 10 keys"), "{error}");
}
