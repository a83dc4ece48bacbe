//! Streams that lost their end, as with the power of servers that do not sync: they get another epoch, and others keep theirs.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use serde_json::json;
use tempfile::TempDir;
use tidegate_backbone::nats::Nats;
use tidegate_backbone::{Backbone, Channel, Epoch, Streams};
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::tools::run;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::node::{publication, stranger};
use super::streams::{JETSTREAM, keeping, kept, node};

/// A server whose files can be put back to what they were.
struct Ground {
    server: NatsServer,
    folder: TempDir,
    room: Channel,
}

impl Ground {
    async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        Self {
            server: NatsServer::start_on(config, &store).await.unwrap(),
            folder,
            room: Channel::parse("kept:room").unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Publishes so many, and gives the offset of the last.
    async fn publish(&self, node: &Nats, count: usize) -> u64 {
        let mut last = 0;
        for _ in 0..count {
            let published = node.publish(&self.room, publication("x")).await;
            last = published.unwrap().unwrap().offset;
        }
        last
    }

    async fn epoch(&self, node: &Nats) -> Epoch {
        let tops = node.tops(std::slice::from_ref(&self.room)).await.unwrap();
        tops[0].position.epoch.clone()
    }

    /// Takes the server away, and waits until all have noticed.
    async fn take_away(&mut self, nodes: &[&Nats]) {
        self.server.kill().unwrap();
        for node in nodes {
            let is_away = async || (!node.is_ready()).then_some(());
            until_some("the node has noticed", is_away).await.unwrap();
        }
    }

    /// Brings it back, and waits until all are ready.
    async fn bring_back(&mut self, nodes: &[&Nats]) {
        self.server.restart().await.unwrap();
        for node in nodes {
            let is_ready = async || node.is_ready().then_some(());
            until_some("the node is ready", is_ready).await.unwrap();
        }
    }

    /// Keeps the files as they are now; the server must be away.
    fn keep(&self) {
        let mut copy = Command::new("cp");
        run(copy.arg("-a").args([self.path("store"), self.path("kept")])).unwrap();
    }

    /// Puts the files back; the server must be away.
    fn put_back(&self) {
        std::fs::remove_dir_all(self.path("store")).unwrap();
        let mut copy = Command::new("cp");
        run(copy.arg("-a").args([self.path("kept"), self.path("store")])).unwrap();
    }

    /// Loses what is published while `publishes` does.
    async fn lose(&mut self, nodes: &[&Nats], publishes: &Nats, count: usize) {
        self.take_away(nodes).await;
        self.keep();
        self.bring_back(nodes).await;
        self.publish(publishes, count).await;
        self.take_away(nodes).await;
        self.put_back();
    }
}

#[tokio::test]
async fn a_server_that_is_started_again_with_all_it_had_keeps_the_epoch() {
    let mut ground = Ground::start(JETSTREAM).await;
    let (near, far) = (node(&ground.server, 1).await, node(&ground.server, 1).await);
    let before = ground.epoch(&near).await;
    let mut last = ground.publish(&near, 5).await;
    for _ in 0..3 {
        ground.take_away(&[&near, &far]).await;
        ground.bring_back(&[&near, &far]).await;
        for node in [&near, &far] {
            assert_eq!(ground.epoch(node).await, before);
            last += 1;
            assert_eq!(ground.publish(node, 1).await, last);
        }
    }
    // A node that is new, and one that leaves in order, change nothing either.
    let third = node(&ground.server, 1).await;
    assert_eq!(ground.epoch(&third).await, before);
    near.shutdown().await;
    ground.take_away(&[&far, &third]).await;
    ground.bring_back(&[&far, &third]).await;
    assert_eq!(ground.epoch(&far).await, before);
}

#[tokio::test]
async fn a_stream_that_lost_its_end_has_another_epoch_at_every_node() {
    let mut ground = Ground::start(JETSTREAM).await;
    let (near, far) = (node(&ground.server, 1).await, node(&ground.server, 1).await);
    let mut epochs = vec![ground.epoch(&near).await];
    let first = ground.publish(&near, 5).await;
    ground.lose(&[&near, &far], &near, 10).await;
    // The second time, what the first one brought is lost too.
    for _ in 0..2 {
        ground.bring_back(&[&near, &far]).await;
        let epoch = ground.epoch(&near).await;
        assert_eq!(ground.epoch(&far).await, epoch);
        assert!(!epochs.contains(&epoch), "{epochs:?}, then {epoch}");
        epochs.push(epoch);
        assert_eq!(ground.publish(&near, 1).await, first + 1);
        ground.take_away(&[&near, &far]).await;
        ground.put_back();
    }
}

/// A way to a server that can be closed.
struct Gate {
    url: String,
    is_open: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Gate {
    async fn before(server: &NatsServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let is_open = Arc::new(AtomicBool::new(true));
        let (may_pass, address) = (Arc::clone(&is_open), server.address());
        let task = tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let may_pass = may_pass.load(Ordering::Relaxed);
                let Some(Ok(mut server)) = (match may_pass {
                    true => Some(TcpStream::connect(&address).await),
                    false => None,
                }) else {
                    continue;
                };
                tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
            }
        });
        Self { url, is_open, task }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who has seen less does not go ahead of who has seen more and comes back later.
#[tokio::test]
async fn a_node_waits_for_those_that_were_there_before() {
    let mut ground = Ground::start(JETSTREAM).await;
    let gate = Gate::before(&ground.server).await;
    let mut through = keeping(&ground.server, vec![kept("kept", 100, 1)]);
    through.urls = vec![gate.url.clone()];
    let near = Nats::connect(through).await.unwrap();
    let far = node(&ground.server, 1).await;
    let before = ground.epoch(&near).await;
    ground.publish(&near, 5).await;
    ground.lose(&[&near, &far], &near, 3).await;
    gate.is_open.store(false, Ordering::Relaxed);
    ground.server.restart().await.unwrap();
    let mut words = stranger(&ground.server)
        .await
        .subscribe("tide.nodes")
        .await
        .unwrap();
    // It goes on calling, because it misses the other one.
    for _ in 0..5 {
        timeout(PATIENCE, words.next()).await.unwrap().unwrap();
        assert!(!far.is_ready());
    }
    gate.is_open.store(true, Ordering::Relaxed);
    let is_ready = async || far.is_ready().then_some(());
    until_some("the node is ready", is_ready).await.unwrap();
    assert_ne!(ground.epoch(&far).await, before);
}

/// What was lost has been given again, and more, before a node is back that could know.
#[tokio::test]
async fn a_stream_that_has_grown_over_its_loss_has_another_epoch() {
    let mut ground = Ground::start(JETSTREAM).await;
    let near = node(&ground.server, 1).await;
    let before = ground.epoch(&near).await;
    ground.publish(&near, 5).await;
    ground.lose(&[&near], &near, 3).await;
    let store = ground.path("store");
    let mut elsewhere = NatsServer::start_on(JETSTREAM, &store).await.unwrap();
    let client = stranger(&elsewhere).await;
    for _ in 0..10 {
        let published = client.request("tide.pub.kept.room", "y".into()).await;
        published.unwrap();
    }
    elsewhere.kill().unwrap();
    ground.bring_back(&[&near]).await;
    assert_ne!(ground.epoch(&near).await, before);
}

/// Whether a node that comes after a restart of the server, and before which all others went, finds the same epoch.
async fn is_kept_though_nobody_knows(ground: &mut Ground) -> bool {
    let near = node(&ground.server, 1).await;
    let before = ground.epoch(&near).await;
    ground.publish(&near, 5).await;
    drop(near);
    ground.take_away(&[]).await;
    ground.bring_back(&[]).await;
    let later = node(&ground.server, 1).await;
    let after = ground.epoch(&later).await;
    assert_eq!(ground.publish(&later, 1).await, 6);
    // It is decided once for each start of the server.
    drop(later);
    let last = node(&ground.server, 1).await;
    assert_eq!(ground.epoch(&last).await, after);
    after == before
}

#[tokio::test]
async fn a_loss_is_assumed_where_nobody_is_left_who_could_tell() {
    let mut ground = Ground::start(JETSTREAM).await;
    assert!(!is_kept_though_nobody_knows(&mut ground).await);
}

#[tokio::test]
async fn no_loss_is_assumed_of_servers_that_sync() {
    let config = "jetstream { sync_interval: always }\nserver_tags: [\"sync:always\"]\n";
    let mut ground = Ground::start(config).await;
    let placed = json!({
        "name": "tide_kept", "subjects": ["tide.pub.kept.>"], "placement": { "tags": ["sync:always"] },
        "metadata": { "tidegate": "channels", "tidegate-least-size": "100" }, "storage": "file", "retention": "limits",
    });
    let client = stranger(&ground.server).await;
    let made = client.request("$JS.API.STREAM.CREATE.tide_kept", placed.to_string().into());
    made.await.unwrap();
    assert!(is_kept_though_nobody_knows(&mut ground).await);
}
