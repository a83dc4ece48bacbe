//! Kept namespaces: the promises on one server and on three, settings that are kept in step, and a leader that is killed.

use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::conformance::{Cluster, Spread};
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{
    Backbone, Channel, Durability, From, Range, Storage, StreamOptions, Streams,
};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use super::node::{options, publication, stranger};

const JETSTREAM: &str = "jetstream: enabled\n";

fn kept(namespace: &str, size: u64, replicas: u8) -> StreamOptions {
    StreamOptions {
        namespace: Some(namespace.to_owned()),
        size,
        ttl: Duration::from_secs(600),
        storage: Storage::File,
        replicas,
        compression: false,
        duplicate_window: Duration::from_secs(120),
        required: Durability::Accepted,
    }
}

fn keeping(server: &NatsServer, streams: Vec<StreamOptions>) -> NatsOptions {
    NatsOptions {
        streams,
        ..options(server)
    }
}

/// A node that keeps `kept` and `short`, once it is ready.
async fn node(server: &NatsServer, replicas: u8) -> Nats {
    let streams = vec![kept("kept", 100, replicas), kept("short", 3, replicas)];
    let node = Nats::connect(keeping(server, streams)).await.unwrap();
    ready(&node).await;
    node
}

async fn ready(node: &Nats) {
    let is_ready = async || node.is_ready().then_some(());
    until_some("the node is ready", is_ready).await.unwrap();
}

mod one_server {
    use super::*;

    async fn two_nodes() -> Cluster {
        let server = NatsServer::start_with(JETSTREAM).await.unwrap();
        let (near, far) = (node(&server, 1).await, node(&server, 1).await);
        Cluster::new(Arc::new(near), Arc::new(far), Spread::AtOnce, server)
    }

    tidegate_backbone::conformance_tests!(streams two_nodes);
}

mod three_servers {
    use super::*;

    async fn two_nodes() -> Cluster {
        let servers = NatsCluster::start_with(JETSTREAM).await.unwrap();
        let (near, far) = (
            node(&servers.servers[1], 3).await,
            node(&servers.servers[2], 3).await,
        );
        Cluster::new(Arc::new(near), Arc::new(far), Spread::Eventually, servers)
    }

    tidegate_backbone::conformance_tests!(streams two_nodes);
}

/// Through the death of the stream's leader: what was confirmed is there, once, in order, and publishing goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_killed_takes_nothing_with_it() {
    let mut servers = NatsCluster::start_with(JETSTREAM).await.unwrap();
    let urls: Vec<_> = servers.servers.iter().map(NatsServer::url).collect();
    let mut options = NatsOptions::new(urls);
    options.streams = vec![kept("kept", 10_000, 3)];
    let node = Nats::connect(options).await.unwrap();
    ready(&node).await;
    let room = Channel::parse("kept:room").unwrap();
    let mut confirmed = Vec::new();
    for number in 0..300_u32 {
        if number == 100 {
            kill_leader(&mut servers).await;
        }
        // One whose fate is unknown is sent again by the publisher, under its own id.
        let mut given = publication(number.to_string());
        given.id = format!("id-{number}");
        let send = async || node.publish(&room, given.clone()).await.ok().flatten();
        let position = until_some("it is stored", send).await.unwrap();
        confirmed.push((position.offset, number.to_string()));
    }
    let range = Range {
        from: From::After(0),
        limit: 10_000,
        max_bytes: 1_000_000,
    };
    let page = node.read(&room, range).await.unwrap();
    let found = page.publications.iter().map(|it| {
        let text = String::from_utf8(it.data.to_vec()).unwrap();
        (it.place.as_ref().unwrap().offset, text)
    });
    assert_eq!(found.collect::<Vec<_>>(), confirmed);
}

/// Kills the server that leads the stream.
async fn kill_leader(servers: &mut NatsCluster) {
    let client = stranger(&servers.servers[0]).await;
    let answer = client
        .request("$JS.API.STREAM.INFO.tide_kept", "".into())
        .await
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
    let leader = info["cluster"]["leader"].as_str().unwrap().to_owned();
    for server in &mut servers.servers {
        if server.greeting().await.unwrap().server_name() == leader {
            return server.kill().unwrap();
        }
    }
    panic!("no server is {leader}");
}

#[tokio::test]
async fn settings_are_kept_in_step_and_nothing_is_deleted_for_them() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let client = stranger(&server).await;
    let config = async || {
        let answer = client
            .request("$JS.API.STREAM.INFO.tide_kept", "".into())
            .await
            .unwrap();
        let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        info["config"].clone()
    };
    let first = Nats::connect(keeping(&server, vec![kept("kept", 10, 1)]))
        .await
        .unwrap();
    ready(&first).await;
    assert_eq!(config().await["max_msgs_per_subject"], 11);
    let room = Channel::parse("kept:room").unwrap();
    let position = first
        .publish(&room, publication("x"))
        .await
        .unwrap()
        .unwrap();

    // What can be changed is.
    let second = Nats::connect(keeping(&server, vec![kept("kept", 20, 1)]))
        .await
        .unwrap();
    let is_changed = async || (config().await["max_msgs_per_subject"] == 21).then_some(());
    until_some("the stream is changed", is_changed)
        .await
        .unwrap();
    ready(&second).await;
    let tops = second.tops(std::slice::from_ref(&room)).await.unwrap();
    assert_eq!(tops[0].position, position);

    // What cannot be makes the node not ready, and changes nothing.
    let before = config().await;
    let mut other = kept("kept", 30, 1);
    other.storage = Storage::Memory;
    let third = Nats::connect(keeping(&server, vec![other])).await.unwrap();
    let published = third.publish(&room, publication("y")).await;
    assert!(published.is_err(), "{published:?}");
    assert!(!third.is_ready());
    assert_eq!(config().await, before);
}

#[tokio::test]
async fn a_durability_that_is_not_there_makes_a_node_not_ready() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let mut demanding = kept("kept", 10, 1);
    demanding.required = Durability::Synced;
    let node = Nats::connect(keeping(&server, vec![demanding]))
        .await
        .unwrap();
    let told = async || {
        let report = node.durability().remove(0);
        report.reason.contains("replicas 1").then_some(report)
    };
    let report = until_some("the durability is told", told).await.unwrap();
    assert_eq!(
        (report.level, report.required),
        (Durability::Accepted, Durability::Synced)
    );
    assert!(!node.is_ready());
}
