//! Strangers on the bus: those who publish raw payloads are heard, those who publish rubbish do no harm.

use std::sync::{Arc, Mutex, mpsc};

use async_nats::HeaderMap;
use bytes::Bytes;
use futures_util::StreamExt;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Backbone, Channel, Error, Listener, Publication};
use tidegate_testkit::deadline::{until, until_some};
use tidegate_testkit::nats::NatsServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::node::{self, Ear, ROOM_SUBJECT, publication, room};

#[tokio::test]
async fn a_raw_payload_of_a_stranger_is_heard() {
    let server = NatsServer::start().await.unwrap();
    let node = node::at(&server).await;
    let mut ear = Ear::open(&node, &room()).await;
    let stranger = node::stranger(&server).await;
    stranger.publish(ROOM_SUBJECT, "raw".into()).await.unwrap();
    assert_eq!(ear.next().await, publication("raw"));

    let mut headers = HeaderMap::new();
    headers.insert("Tide-Tags", "{\"kind\":\"note\"}");
    headers.insert("Something-Else", "is ignored");
    stranger
        .publish_with_headers(ROOM_SUBJECT, headers, "tagged".into())
        .await
        .unwrap();
    let tags = [("kind".to_owned(), "note".to_owned())].into();
    assert_eq!(
        ear.next().await,
        Publication {
            tags,
            ..publication("tagged")
        }
    );
}

#[tokio::test]
async fn a_stranger_hears_what_we_publish() {
    let server = NatsServer::start().await.unwrap();
    let options = NatsOptions {
        prefix: "acme.tide".to_owned(),
        ..node::options(&server)
    };
    let node = Nats::connect(options).await.unwrap();
    let stranger = node::stranger(&server).await;
    let mut messages = stranger.subscribe("acme.tide.pub.>").await.unwrap();
    stranger.flush().await.unwrap();
    until_some("the stranger hears", async || {
        node.publish(
            &Channel::parse("$chat:a b").unwrap(),
            publication("private"),
        )
        .await
        .unwrap();
        let message = timeout(node::TIMEOUT, messages.next()).await;
        let message = message.ok()??;
        assert_eq!(
            (message.subject.as_str(), &message.payload[..]),
            ("acme.tide.pub.chat.$a%20b", &b"private"[..])
        );
        assert!(message.headers.is_none());
        Some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn malformed_metadata_is_dropped_and_counted() {
    let server = NatsServer::start().await.unwrap();
    let node = node::at(&server).await;
    let mut ear = Ear::open(&node, &room()).await;
    let stranger = node::stranger(&server).await;
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(64 * 1024));
    let rubbish = [
        ("Tide-Info", "{"),
        ("Tide-Info", "{\"conn_info\":\"?\"}"),
        ("Tide-Tags", "[]"),
        ("Tide-Tags", &long),
    ];
    for (name, value) in rubbish {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        stranger
            .publish_with_headers(ROOM_SUBJECT, headers, "rubbish".into())
            .await
            .unwrap();
    }
    stranger.publish(ROOM_SUBJECT, "good".into()).await.unwrap();
    assert_eq!(ear.next().await, publication("good"));
    assert_eq!(node.counters().malformed(), 4);
}

/// Blocks that are no headers cost their own message at most.
#[tokio::test]
async fn ill_formed_header_blocks_harm_no_other_message() {
    let server = NatsServer::start().await.unwrap();
    let node = node::at(&server).await;
    let mut ear = Ear::open(&node, &room()).await;
    let blocks: [(&[u8], u64); 4] = [
        (b"NATS/1.0\r\nTide-Info: a\rb\r\n\r\n", 1),
        (b"NATS/1.0\r\nBad Name: x\r\n\r\n", 1),
        (b"NATS/1.0\r\n\xff\xfe: x\r\n\r\n", 1),
        (b"HTTP/1.1\r\n\r\n", 2),
    ];
    for (number, (block, malformed)) in blocks.into_iter().enumerate() {
        publish_block(&server, ROOM_SUBJECT, block).await;
        let data = format!("good {number}");
        assert_eq!(
            node.publish(&room(), publication(data.clone())).await,
            Ok(None)
        );
        ear.hear(&data).await;
        assert_eq!(node.counters().malformed(), malformed);
    }
    assert_eq!(node.counters().lost(), 0);
}

#[tokio::test]
async fn a_publication_over_the_servers_limit_is_too_large() {
    let server = NatsServer::start_with("max_payload: 1000").await.unwrap();
    let node = node::at(&server).await;
    let mut ear = Ear::open(&node, &room()).await;
    let of_size = |size| Publication {
        data: vec![b'x'; size].into(),
        ..Publication::default()
    };
    assert_eq!(node.publish(&room(), of_size(1000)).await, Ok(None));
    assert_eq!(ear.next().await, of_size(1000));
    assert_eq!(
        node.publish(&room(), of_size(1001)).await,
        Err(Error::TooLarge {
            size: 1001,
            limit: 1000
        })
    );

    // `NATS/1.0` and `Tide-Tags: {"a":"b"}` with their line ends, and the empty line, take 34 bytes.
    let tagged = |size| Publication {
        tags: [("a".to_owned(), "b".to_owned())].into(),
        ..of_size(size)
    };
    assert_eq!(node.publish(&room(), tagged(966)).await, Ok(None));
    assert_eq!(ear.next().await, tagged(966));
    assert_eq!(
        node.publish(&room(), tagged(967)).await,
        Err(Error::TooLarge {
            size: 1001,
            limit: 1000
        })
    );
}

#[tokio::test]
async fn a_listener_that_panics_harms_no_other() {
    struct Broken;
    impl Listener for Broken {
        fn deliver(&self, _: Publication) {
            panic!("as this test wants it");
        }
    }
    let server = NatsServer::start().await.unwrap();
    let node = node::at(&server).await;
    let _broken = node.subscribe(&room(), Arc::new(Broken)).await.unwrap();
    let mut ear = Ear::open(&node, &room()).await;
    for data in ["one", "two"] {
        assert_eq!(node.publish(&room(), publication(data)).await, Ok(None));
        assert_eq!(ear.next().await, publication(data));
    }
    assert_eq!(node.counters().lost(), 0);
}

/// A listener that does not come back holds the server back, which in the end lets go of this node. Then it comes back.
#[tokio::test]
async fn a_flood_costs_publications_and_not_memory() {
    let server = NatsServer::start_with("max_pending: 1MB\nmax_payload: 64KB")
        .await
        .unwrap();
    // A thread of its own, for the listener to stop.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let options = node::options(&server);
    let node = runtime
        .spawn(Nats::connect(options))
        .await
        .unwrap()
        .unwrap();
    let (release, gate) = mpsc::channel::<()>();
    let listener = Arc::new(Stuck {
        gate: Mutex::new(gate),
        heard: Mutex::default(),
    });
    let _subscription = node.subscribe(&room(), listener.clone()).await.unwrap();
    let stranger = node::stranger(&server).await;
    let payload = Bytes::from(vec![0; FLOOD_PAYLOAD]);
    for _ in 0..FLOOD {
        let published = stranger.publish(ROOM_SUBJECT, payload.clone()).await;
        published.unwrap();
    }
    stranger.flush().await.unwrap();
    drop(release);
    until("the server has let go", || node.counters().lost() == 1)
        .await
        .unwrap();
    assert!(*listener.heard.lock().unwrap() < FLOOD);

    until("the node is back", || node.is_ready()).await.unwrap();
    let mut ear = Ear::open(&node, &room()).await;
    let published = node.publish(&room(), publication("good")).await;
    assert_eq!(published, Ok(None));
    ear.hear("good").await;
    runtime.shutdown_background();
}

/// More than the sockets between, the server and the node hold.
const FLOOD: usize = 640;
const FLOOD_PAYLOAD: usize = 60 * 1024;

/// Takes nothing before its gate is dropped.
struct Stuck {
    gate: Mutex<mpsc::Receiver<()>>,
    heard: Mutex<usize>,
}

impl Listener for Stuck {
    fn deliver(&self, _: Publication) {
        assert!(self.gate.lock().unwrap().recv().is_err());
        *self.heard.lock().unwrap() += 1;
    }
}

/// Publishes a message with this header block, as no client library would let us.
pub(crate) async fn publish_block(server: &NatsServer, subject: &str, block: &[u8]) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let mut bytes = b"CONNECT {\"headers\":true,\"verbose\":false}\r\n".to_vec();
    bytes.extend(format!("HPUB {subject} {} {}\r\n", block.len(), block.len() + 1).bytes());
    bytes.extend([block, b"x\r\nPING\r\n"].concat());
    stream.write_all(&bytes).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"PONG\r\n") {
        assert_ne!(
            stream.read_buf(&mut said).await.unwrap(),
            0,
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
}
