//! Two replicas as programs over a real NATS server, and what kills do to them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use prost::Message as _;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Bus, Message, Topic};
use tidegate_presence_service::message::Change;
use tidegate_presence_service::simulator::{connection, membership};
use tidegate_proto::node;
use tidegate_proto::node::partition;
use tidegate_proto::presence as proto;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;

use crate::node::{Collector, Node, PARTITIONS};
use crate::replica::Replica;

const MEMBERS: u64 = 500;

/// A server, two replicas, and a node whose clients are in `room` and elsewhere.
struct World {
    server: NatsServer,
    bus: Arc<dyn Bus>,
    replicas: Vec<Replica>,
    node: Option<Node>,
}

impl World {
    async fn new() -> Result<Self> {
        let server = NatsServer::start().await?;
        let bus: Arc<dyn Bus> = Arc::new(Nats::connect(NatsOptions::new([server.url()])).await?);
        let replicas = vec![
            Replica::start(&server, "a").await?,
            Replica::start(&server, "b").await?,
        ];
        let node = Node::start(&bus, "gw-1", 1).await?;
        for number in 0..MEMBERS {
            let channel = format!("room-{}", number % 50);
            node.change(Change::Join(membership(&channel, number, number % 9)))
                .await;
        }
        for number in 0..9 {
            node.change(Change::Connect(connection(number, number)))
                .await;
        }
        let world = Self {
            server,
            bus,
            replicas,
            node: Some(node),
        };
        for replica in &world.replicas {
            replica.is_ready_with(MEMBERS, 1).await?;
        }
        Ok(world)
    }

    /// Waits until a metric of both replicas has this value.
    async fn shows(&self, name: &str, expected: u64) -> Result<()> {
        for replica in &self.replicas {
            let is_so = async || {
                let value = replica.metric(&format!("tidegate_presence_{name}")).await;
                (value.ok()? == expected).then_some(())
            };
            until_some(name, is_so).await?;
        }
        Ok(())
    }

    /// Asks as a gateway does.
    async fn ask(&self, channel: &str) -> Result<node::Counts> {
        let question = node::Question {
            version: node::VERSION,
            partitions: PARTITIONS,
            what: Some(node::question::What::Counts(node::CountsQuestion {
                channels: vec![channel.to_owned()],
            })),
        };
        let topic = Topic::presence_ask_channel(partition(channel, PARTITIONS));
        let message = Message::new(question.encode_to_vec());
        let mut answer = self
            .bus
            .ask(&topic, message.clone(), Duration::from_millis(500))
            .await;
        if answer.is_err() {
            // The one that was killed had heard it.
            answer = self.bus.ask(&topic, message, Duration::from_secs(2)).await;
        }
        match node::Answer::decode(answer?.data)?.what {
            Some(node::answer::What::Counts(counts)) => Ok(counts),
            other => anyhow::bail!("another answer: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_a_replica_loses_no_answer() -> Result<()> {
    let mut world = World::new().await?;
    for round in 0..4 {
        let killed = round % 2;
        for at in 0..200_usize {
            if at == 100 {
                world.replicas[killed].program.kill()?;
            }
            let channel = format!("room-{}", at % 50);
            let counts = world.ask(&channel).await?;
            ensure!(
                counts.counts[0].clients == 10,
                "{channel} in round {round}: {counts:?}"
            );
        }
        let stats = proto::StatsRequest {
            channel: "room-7".to_owned(),
        };
        let left = &world.replicas[1 - killed];
        let count = left.client.clone().stats(stats).await?.into_inner().count;
        assert_eq!(count.map(|it| it.clients), Some(10));
        let name = ["a", "b"][killed];
        world.replicas[killed] = Replica::start(&world.server, name).await?;
        world.replicas[killed].is_ready_with(MEMBERS, 1).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_leaves_once() -> Result<()> {
    let mut world = World::new().await?;
    let (gone, online) = (Collector::default(), Collector::default());
    let topics = [Topic::presence_gone(None), Topic::presence_online(None)];
    let _hears = [
        world
            .bus
            .hear(&topics[0], None, Arc::new(gone.clone()))
            .await?,
        world
            .bus
            .hear(&topics[1], None, Arc::new(online.clone()))
            .await?,
    ];
    world.node = None;
    for replica in &world.replicas {
        replica.is_ready_with(0, 1).await?;
        let ended = replica.metric("tidegate_presence_leases_ended_total").await;
        assert_eq!(ended?, 1);
    }
    world.shows("nodes{state=\"gone\"}", 1).await?;
    world.shows("nodes{state=\"alive\"}", 0).await?;
    let left = async || {
        let told = gone.all();
        let left = told
            .iter()
            .map(|it| node::NodeGone::decode(it.1.clone()).unwrap().left.len());
        (left.sum::<usize>() >= MEMBERS as usize).then_some(())
    };
    until_some("every leave is told", left).await?;
    // What a replica that did not speak would tell comes a second after its lease.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let messages: Vec<_> = gone
        .all()
        .into_iter()
        .map(|it| node::NodeGone::decode(it.1))
        .collect::<Result<_, _>>()?;
    let mut clients: Vec<_> = messages
        .iter()
        .flat_map(|it| &it.left)
        .map(|it| &it.client)
        .collect();
    clients.sort();
    clients.dedup();
    let told: usize = messages.iter().map(|it| it.left.len()).sum();
    assert_eq!((clients.len() as u64, told as u64), (MEMBERS, MEMBERS));
    assert_eq!(online.all().len(), 9);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_say_what_is_held_and_what_has_happened() -> Result<()> {
    let world = World::new().await?;
    let node = world.node.as_ref().context("a node")?;
    for (name, expected) in [
        ("memberships", MEMBERS),
        ("connections", 9),
        ("other_replicas", 1),
        ("waiting_bytes", 0),
        ("nodes{state=\"alive\"}", 1),
        ("nodes{state=\"gone\"}", 0),
        ("nodes{state=\"ended\"}", 0),
        ("partitions{state=\"held\"}", u64::from(PARTITIONS)),
        ("leases_ended_total", 0),
    ] {
        world.shows(name, expected).await?;
    }
    let [first, second] = &world.replicas[..] else {
        anyhow::bail!("two replicas");
    };
    let both = async |name: &str| {
        let name = format!("tidegate_presence_{name}_total");
        anyhow::Ok(first.metric(&name).await? + second.metric(&name).await?)
    };
    let (answers, changes, snapshots, gaps) = (
        both("answers").await?,
        both("changes").await?,
        both("snapshots").await?,
        both("gaps").await?,
    );
    world.ask("room-7").await?;
    assert!(both("answers").await? > answers);
    node.change(Change::Join(membership("room-7", MEMBERS, 1)))
        .await;
    for replica in &world.replicas {
        replica.is_ready_with(MEMBERS + 1, 1).await?;
    }
    assert_eq!(both("changes").await?, changes + 2);
    // Nobody hears the first, which shows by the next beat.
    node.change_unheard(Change::Join(membership("room-7", MEMBERS + 1, 1)));
    for replica in &world.replicas {
        replica.is_ready_with(MEMBERS + 2, 1).await?;
    }
    assert!(both("gaps").await? > gaps);
    assert!(both("snapshots").await? > snapshots);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_nodes_that_said_that_they_end_from_those_that_are_silent() -> Result<()> {
    let mut world = World::new().await?;
    world.node.take().context("a node")?.end().await;
    for (name, expected) in [
        ("nodes{state=\"ended\"}", 1),
        ("nodes{state=\"gone\"}", 0),
        ("nodes{state=\"alive\"}", 0),
        ("leases_ended_total", 0),
        ("memberships", 0),
    ] {
        world.shows(name, expected).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_say_why_messages_had_no_effect() -> Result<()> {
    let world = World::new().await?;
    let beats = Topic::presence_beats();
    let of_another = node::Beat {
        version: node::VERSION + 1,
        ..node::Beat::default()
    };
    for bytes in [vec![0xff; 9], of_another.encode_to_vec()] {
        world.bus.tell(&beats, Message::new(bytes)).await?;
    }
    for (reason, expected) in [("malformed", 1), ("other_version", 1), ("full", 0)] {
        let name = format!("refused_total{{reason=\"{reason}\"}}");
        world.shows(&name, expected).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_say_that_there_is_no_room_for_more_entries() -> Result<()> {
    let server = NatsServer::start().await?;
    let bus: Arc<dyn Bus> = Arc::new(Nats::connect(NatsOptions::new([server.url()])).await?);
    let replica = Replica::start_with(&server, "a", &["--max-entries", "3"]).await?;
    let node = Node::start(&bus, "gw-1", 1).await?;
    for number in 0..5 {
        node.change(Change::Join(membership("room", number, 1)))
            .await;
    }
    let refused = async || {
        let refused = replica.metric("tidegate_presence_refused_total{reason=\"full\"}");
        (refused.await.ok()? >= 2).then_some(())
    };
    until_some("two are refused", refused).await?;
    assert_eq!(replica.metric("tidegate_presence_memberships").await?, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_away_ends_nobody() -> Result<()> {
    let mut world = World::new().await?;
    let gone = Collector::default();
    let topic = Topic::presence_gone(None);
    let _hears = world.bus.hear(&topic, None, Arc::new(gone.clone())).await?;
    world.server.kill()?;
    // Longer than the lease of the node, and of the replicas.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    for replica in &world.replicas {
        replica
            .says("everybody is there still", |it| it.memberships == MEMBERS)
            .await?;
    }
    world.server.restart().await?;
    for replica in &world.replicas {
        replica.is_ready_with(MEMBERS, 1).await?;
    }
    let node = world.node.as_ref().context("the node lives")?;
    node.change(Change::Join(membership("room-0", MEMBERS, 1)))
        .await;
    for replica in &world.replicas {
        replica.is_ready_with(MEMBERS + 1, 1).await?;
    }
    assert!(gone.all().is_empty());
    Ok(())
}
