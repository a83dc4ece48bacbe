//! Kept namespaces: the promises on one server and on three, settings that are kept in step, and a leader that is killed.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tidegate_backbone::conformance::{Cluster, Spread};
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{
    Backbone, Channel, Durability, From, Page, Range, Storage, StreamOptions, Streams,
};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use super::hostile::publish_block;
use super::node::{Ear, options, publication, stranger};

pub(super) const JETSTREAM: &str = "jetstream: enabled\n";

pub(super) fn kept(namespace: &str, size: u64, replicas: u8) -> StreamOptions {
    StreamOptions {
        namespace: Some(namespace.to_owned()),
        size,
        ttl: Duration::from_secs(600),
        storage: Storage::File,
        replicas,
        compression: false,
        duplicate_window: Duration::from_secs(120),
        partitions: 1,
        required: Durability::Accepted,
    }
}

pub(super) fn keeping(server: &NatsServer, streams: Vec<StreamOptions>) -> NatsOptions {
    NatsOptions {
        streams,
        ..options(server)
    }
}

/// A node that keeps `kept` and `short`, once it is ready.
pub(super) async fn node(server: &NatsServer, replicas: u8) -> Nats {
    let streams = vec![kept("kept", 100, replicas), kept("short", 3, replicas)];
    let node = Nats::connect(keeping(server, streams)).await.unwrap();
    ready(&node).await;
    node
}

pub(super) async fn ready(node: &Nats) {
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
    let page = everything(&node, &room, From::After(0)).await;
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

/// Everything of a channel, as it is read.
async fn everything(node: &Nats, channel: &Channel, from: From) -> Page {
    let range = Range {
        from,
        limit: 10_000,
        max_bytes: 1_000_000,
    };
    node.read(channel, range).await.unwrap()
}

#[tokio::test]
async fn a_channel_that_let_go_under_a_smaller_size_is_not_called_whole() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let small = Nats::connect(keeping(&server, vec![kept("kept", 2, 1)]))
        .await
        .unwrap();
    ready(&small).await;
    let [quiet, room] = ["kept:quiet", "kept:room"].map(|name| Channel::parse(name).unwrap());
    // Of another channel, so that the stream's first message stays.
    let first = small
        .publish(&quiet, publication("x"))
        .await
        .unwrap()
        .unwrap();
    for number in 0..10 {
        let published = small.publish(&room, publication(number.to_string())).await;
        assert!(published.is_ok(), "{published:?}");
    }
    small.shutdown().await;
    let large = Nats::connect(keeping(&server, vec![kept("kept", 100, 1)]))
        .await
        .unwrap();
    ready(&large).await;
    let page = everything(&large, &room, From::After(first.offset)).await;
    assert!(page.publications.len() < 10);
    assert!(!page.is_gapless);
    let page = everything(&large, &quiet, From::After(0)).await;
    assert!(page.is_gapless);
}

#[tokio::test]
async fn a_stream_of_somebody_else_is_not_touched() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let client = stranger(&server).await;
    let ask = async |subject: &str, body: String| {
        let answer = client
            .request(subject.to_owned(), body.into())
            .await
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&answer.payload).unwrap()
    };
    let theirs = serde_json::json!({
        "name": "tide_kept", "subjects": ["tide.pub.kept.>"], "storage": "file", "retention": "limits",
    });
    let made = ask("$JS.API.STREAM.CREATE.tide_kept", theirs.to_string()).await;
    let node = Nats::connect(keeping(&server, vec![kept("kept", 1, 1)]))
        .await
        .unwrap();
    let is_refused = async || {
        let report = node.durability().remove(0);
        report.reason.contains("not made by Tidegate").then_some(())
    };
    until_some("the stream is refused", is_refused)
        .await
        .unwrap();
    assert!(!node.is_ready());
    let now = ask("$JS.API.STREAM.INFO.tide_kept", String::new()).await;
    assert_eq!(now["config"], made["config"]);
}

#[tokio::test]
async fn what_a_stranger_says_of_a_message_is_not_taken_for_the_streams_word() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node(&server, 1).await;
    let room = Channel::parse("kept:room").unwrap();
    let mut ear = Ear::open(&node, &room).await;
    let first = node
        .publish(&room, publication("first"))
        .await
        .unwrap()
        .unwrap();
    let headers = b"NATS/1.0 204 EOB\r\nNats-Sequence: 9999\r\nNats-Last-Sequence: 9998\r\n\
        Nats-Time-Stamp: 1999-01-01T00:00:00Z\r\nTide-Tags: \xff\xfe\r\n\r\n";
    publish_block(&server, "tide.pub.kept.room", headers).await;
    let last = node
        .publish(&room, publication("last"))
        .await
        .unwrap()
        .unwrap();
    let read = everything(&node, &room, From::After(0)).await.publications;
    for (index, (text, offset)) in [
        ("first", first.offset),
        ("x", first.offset + 1),
        ("last", last.offset),
    ]
    .into_iter()
    .enumerate()
    {
        for publication in [&ear.next().await, &read[index]] {
            let place = publication.place.as_ref().unwrap();
            assert_eq!(
                (&publication.data[..], place.offset),
                (text.as_bytes(), offset)
            );
            assert!(place.time > 1_700_000_000_000, "{place:?}");
            assert!(
                place.previous.is_none_or(|previous| previous < offset),
                "{place:?}"
            );
        }
    }
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

/// A node on a server that syncs in this way, and says so on its monitoring port, finds a reason with this text.
async fn found_by_monitoring(sync_interval: &str, reason: &str) -> (Durability, bool) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let config =
        format!("http: 127.0.0.1:{port}\njetstream: {{ sync_interval: {sync_interval} }}\n");
    let server = NatsServer::start_with(&config).await.unwrap();
    let mut demanding = kept("kept", 10, 1);
    demanding.required = Durability::Synced;
    let node = Nats::connect(NatsOptions {
        monitoring_urls: vec![format!("http://127.0.0.1:{port}")],
        ..keeping(&server, vec![demanding])
    });
    let node = node.await.unwrap();
    // The port may answer a moment after the server takes connections.
    let told = async || {
        let report = node.durability().remove(0);
        report.reason.contains(reason).then_some(report.level)
    };
    let level = until_some("the durability is told", told).await.unwrap();
    (level, node.is_ready())
}

#[tokio::test]
async fn servers_that_sync_are_known_by_their_monitoring() {
    let found = found_by_monitoring("always", "its servers sync").await;
    assert_eq!(found, (Durability::Synced, true));
    let found = found_by_monitoring("10s", "does not sync").await;
    assert_eq!(found, (Durability::Accepted, false));
}

/// However many channels are asked for at the same time, the server is asked a few times, whether they have something or not.
#[tokio::test]
async fn places_that_are_asked_for_at_the_same_time_are_asked_for_together() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node(&server, 1).await;
    let nothing = vec![(0, true); CHANNELS];
    assert_eq!(asked_together(&server, &node).await, nothing);
    let other = Channel::parse("kept:other").unwrap();
    node.publish(&other, publication("1")).await.unwrap();
    let nothing = vec![(1, true); CHANNELS];
    assert_eq!(asked_together(&server, &node).await, nothing);
    let mut published = Vec::new();
    for number in 0..CHANNELS {
        let position = node.publish(&numbered(number), publication("1")).await;
        published.push((position.unwrap().unwrap().offset, false));
    }
    assert_eq!(asked_together(&server, &node).await, published);
}

const CHANNELS: usize = 400;

fn numbered(number: usize) -> Channel {
    Channel::parse(&format!("kept:{number}")).unwrap()
}

/// Asks for each channel at the same time; the offsets, and whether there is nothing.
async fn asked_together(server: &NatsServer, node: &Nats) -> Vec<(u64, bool)> {
    let client = async_nats::connect(server.url()).await.unwrap();
    let mut questions = client.subscribe("$JS.API.>").await.unwrap();
    client.flush().await.unwrap();
    let tops = (0..CHANNELS).map(async |number| {
        let top = node.tops(&[numbered(number)]).await.unwrap().remove(0);
        (top.position.offset, top.is_empty)
    });
    let tops = join_all(tops).await;
    // What is asked last is heard last.
    let last = "$JS.API.STREAM.NAMES";
    client.publish(last, "".into()).await.unwrap();
    let mut count = 0;
    while let Some(question) = questions.next().await {
        if question.subject.as_str() == last {
            break;
        }
        count += 1;
    }
    assert!((1..CHANNELS / 10).contains(&count), "{count} questions");
    tops
}
