//! Three replicas as programs over one NATS server: what each holds, and what becomes of questions and watches while they are
//! killed and replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt;
use prost::Message as _;
use serde_json::Value;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::service::BUSY;
use tidegate_backbone::{AskError, Bus, Message, Topic};
use tidegate_presence_service::message::Change;
use tidegate_presence_service::simulator::membership;
use tidegate_proto::node;
use tidegate_proto::node::partition;
use tidegate_proto::presence as proto;
use tidegate_proto::presence::presence_client::PresenceClient;
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tidegate_testkit::nats::NatsServer;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::node::{Node, PARTITIONS};
use crate::replica::Replica;

const NAMES: [&str; 3] = ["a", "b", "c"];
const CHANNELS: u64 = 60;
/// In each channel.
const MEMBERS: u32 = 10;

/// How long a gateway waits for one replica before it asks again.
const TURN: Duration = Duration::from_secs(3);

/// Three replicas, and two nodes with clients in `room-0` to `room-59`.
struct World {
    server: NatsServer,
    bus: Arc<dyn Bus>,
    replicas: BTreeMap<&'static str, Replica>,
    nodes: Vec<Node>,
}

impl World {
    async fn new() -> Result<Self> {
        let server = NatsServer::start().await?;
        let bus: Arc<dyn Bus> = Arc::new(Nats::connect(NatsOptions::new([server.url()])).await?);
        let mut world = Self {
            nodes: vec![
                Node::start(&bus, "gw-1", 1).await?,
                Node::start(&bus, "gw-2", 1).await?,
            ],
            server,
            bus,
            replicas: BTreeMap::new(),
        };
        for number in 0..CHANNELS * u64::from(MEMBERS) {
            let channel = room(number % CHANNELS);
            let join = Change::Join(membership(&channel, number, number % 7));
            world.nodes[usize::from(number % 2 == 0)].change(join).await;
        }
        for name in NAMES {
            world.start(name).await?;
        }
        world.settled().await?;
        Ok(world)
    }

    async fn start(&mut self, name: &'static str) -> Result<()> {
        let replica = Replica::start(&self.server, name).await?;
        self.replicas.insert(name, replica);
        Ok(())
    }

    /// Waits until each knows the others, and holds what is its own and nothing else.
    async fn settled(&self) -> Result<()> {
        for replica in self.replicas.values() {
            replica.serves().await?;
        }
        let copies = self.replicas.len().min(2);
        let is_settled = async || {
            let mut held = BTreeMap::<u32, usize>::new();
            for replica in self.replicas.values() {
                let nodes = replica.nodes().await.ok()?;
                let is_whole = nodes.ready == nodes.held;
                let knows_all = nodes.other_replicas.len() + 1 == self.replicas.len();
                (is_whole && knows_all).then_some(())?;
                nodes
                    .held
                    .iter()
                    .for_each(|it| *held.entry(*it).or_default() += 1);
            }
            let is_divided = (0..PARTITIONS).all(|it| held.get(&it) == Some(&copies));
            is_divided.then_some(())
        };
        until_some("the partitions are divided", is_settled).await
    }

    /// Begins to ask on and on: over the bus as gateways do, and these replicas as backends do.
    fn ask(&self, names: &[&str]) -> Asking {
        let clients: Vec<_> = names
            .iter()
            .map(|name| self.replicas[name].client.clone())
            .collect();
        let (bus, is_over) = (Arc::clone(&self.bus), Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&is_over);
        let task = tokio::spawn(async move {
            let mut rounds = 0;
            // On a busy machine it may be over before each channel had its turn.
            while rounds < CHANNELS || !over.load(Ordering::Relaxed) {
                let channel = room(rounds % CHANNELS);
                ask_as_gateway(&*bus, &channel).await?;
                for client in &clients {
                    ask_as_backend(client.clone(), &channel).await?;
                }
                rounds += 1;
            }
            Ok(())
        });
        Asking { is_over, task }
    }
}

/// Somebody who asks, and sees that every answer comes and is right.
struct Asking {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<Result<()>>,
}

impl Asking {
    async fn end(self) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

fn room(number: u64) -> String {
    format!("room-{number}")
}

async fn ask_as_gateway(bus: &dyn Bus, channel: &str) -> Result<()> {
    let question = node::Question {
        version: node::VERSION,
        partitions: PARTITIONS,
        what: Some(node::question::What::Counts(node::CountsQuestion {
            channels: vec![channel.to_owned()],
        })),
    };
    let topic = Topic::presence_ask_channel(partition(channel, PARTITIONS));
    // As a gateway asks: another replica when one does not answer.
    for _ in 0..3 {
        let message = Message::new(question.encode_to_vec());
        let answer = match bus.ask(&topic, message, TURN).await {
            Err(AskError::Late(_)) => continue,
            answer => answer?,
        };
        if answer.refusal().is_some_and(|it| it.code == BUSY) {
            continue;
        }
        let answer = node::Answer::decode(answer.data)?;
        let Some(node::answer::What::Counts(counts)) = &answer.what else {
            continue;
        };
        let is_right = counts.counts[0].clients == MEMBERS && !answer.is_incomplete;
        ensure!(is_right, "{channel}: {answer:?}");
        return Ok(());
    }
    bail!("no answer for {channel}")
}

async fn ask_as_backend(mut client: PresenceClient<Channel>, channel: &str) -> Result<()> {
    let channel = channel.to_owned();
    let request = proto::StatsRequest { channel };
    let stats = client.stats(request).await?.into_inner();
    let is_right = stats.count.is_some_and(|it| it.clients == MEMBERS) && !stats.is_incomplete;
    ensure!(is_right, "{stats:?}");
    Ok(())
}

/// How many of the memberships are in these partitions.
fn members_in(held: &[u32]) -> u64 {
    let is_held = |number: &u64| held.contains(&partition(&room(*number), PARTITIONS));
    (0..CHANNELS).filter(is_held).count() as u64 * u64::from(MEMBERS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_share_the_load_and_show_themselves() -> Result<()> {
    let world = World::new().await?;
    for replica in world.replicas.values() {
        let nodes = replica.nodes().await?;
        let share = nodes.held.len();
        ensure!((22..=62).contains(&share), "{share} partitions");
        assert_eq!(nodes.memberships, members_in(&nodes.held));
    }
    // As `nats micro ls` and `nats micro info` ask.
    let nats = async_nats::connect(world.server.url()).await?;
    let infos = services(&nats, "INFO").await?;
    let mut offered = BTreeMap::<String, usize>::new();
    for info in &infos {
        let endpoints = info["endpoints"].as_array().context("no endpoints")?;
        for endpoint in endpoints {
            let subject = endpoint["subject"].as_str().context("no subject")?;
            *offered.entry(subject.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(offered.len() as u32, 2 * PARTITIONS);
    ensure!(offered.values().all(|it| *it == 2), "{offered:?}");
    assert_eq!(services(&nats, "PING").await?.len(), 3);
    Ok(())
}

/// What services of this name say of themselves: three, each once.
async fn services(nats: &async_nats::Client, verb: &str) -> Result<Vec<Value>> {
    let inbox = nats.new_inbox();
    let mut answers = nats.subscribe(inbox.clone()).await?;
    let subject = format!("$SRV.{verb}.tidegate-presence");
    nats.publish_with_reply(subject, inbox, Vec::new().into())
        .await?;
    let (mut told, mut ids) = (Vec::new(), BTreeSet::new());
    // One more than there should be has a moment to show itself.
    let patience = |count| {
        if count < NAMES.len() {
            PATIENCE
        } else {
            Duration::from_secs(1)
        }
    };
    while let Ok(Some(answer)) = timeout(patience(told.len()), answers.next()).await {
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        ids.insert(answer["id"].to_string());
        told.push(answer);
    }
    ensure!(ids.len() == told.len(), "one answered twice: {told:?}");
    Ok(told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_and_comes_back_costs_no_answer() -> Result<()> {
    let mut world = World::new().await?;
    let asking = world.ask(&["a", "b"]);
    world
        .replicas
        .remove("c")
        .context("it runs")?
        .program
        .kill()?;
    world.settled().await?;
    for replica in world.replicas.values() {
        ensure!(replica.is_serving().await?, "those that are left serve on");
        assert_eq!(
            replica.nodes().await?.memberships,
            CHANNELS * u64::from(MEMBERS)
        );
    }
    world.start("c").await?;
    let back = &world.replicas["c"];
    let nodes = back.serves().await?;
    ensure!(
        nodes.held.len() > 16 && nodes.ready == nodes.held,
        "{nodes:?}"
    );
    assert_eq!(nodes.memberships, members_in(&nodes.held));
    world.settled().await?;
    asking.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replacing_one_replica_after_the_other_costs_no_answer() -> Result<()> {
    let mut world = World::new().await?;
    for (name, others) in [("a", ["b", "c"]), ("b", ["a", "c"]), ("c", ["a", "b"])] {
        let asking = world.ask(&others);
        let mut replaced = world.replicas.remove(name).context("it runs")?;
        replaced.program.terminate()?;
        replaced.program.succeeded().await?;
        world.start(name).await?;
        world.settled().await?;
        asking.end().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_by_any_replica_outlives_those_that_hold_the_channel() -> Result<()> {
    let mut world = World::new().await?;
    let channel = room(7);
    let partition = partition(&channel, PARTITIONS);
    let (mut holders, mut guests) = (Vec::new(), Vec::new());
    for (name, replica) in &world.replicas {
        let is_held = replica.nodes().await?.held.contains(&partition);
        if is_held { &mut holders } else { &mut guests }.push(*name);
    }
    assert_eq!((holders.len(), guests.len()), (2, 1));
    let request = proto::WatchRequest {
        channel: channel.clone(),
    };
    let guest = world.replicas[guests[0]].client.clone();
    let mut watch = guest.clone().watch(request).await?.into_inner();
    let first = watch.message().await?.context("who is there")?;
    ensure!(
        first.is_live && first.joined.len() == MEMBERS as usize,
        "{first:?}"
    );
    for holder in holders {
        let mut holder = world.replicas.remove(holder).context("it runs")?;
        holder.program.kill()?;
    }
    let newcomer = membership(&channel, CHANNELS * u64::from(MEMBERS), 1);
    world.nodes[0].change(Change::Join(newcomer.clone())).await;
    let second = watch.message().await?.context("who came")?;
    let joined: Vec<_> = second.joined.iter().map(|it| &*it.client).collect();
    assert_eq!(joined, [newcomer.client.to_string()]);
    // Of the other partitions it has everything a moment after the leases of those that held them.
    world.settled().await?;
    for number in (0..CHANNELS).filter(|it| *it != 7) {
        ask_as_backend(guest.clone(), &room(number)).await?;
    }
    Ok(())
}
