//! Several processes on one cluster and one NATS server, killed at random while numbers are published, and started again:
//! whoever is left finds all that was acknowledged, and in the end all is there, each once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tidegate_backbone::{Backbone, Channel, Publication};
use tidegate_proto::history::history_client::HistoryClient;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::program::Program;
use tokio::time::sleep;
use tonic::transport::Channel as Connection;

use super::program::arguments;
use super::{keyspace, node};
use crate::program::{World, archived, everything, has_all};

/// Times that some are killed.
const KILLS: usize = 4;

/// Between two publications.
const PACE: Duration = Duration::from_millis(2);

type Replica = (Program, HistoryClient<Connection>);

/// Publishes numbers one after the other until it is told to stop.
#[derive(Debug, Default)]
struct Load {
    acknowledged: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    async fn run(&self, publisher: &dyn Backbone, rooms: &[Channel]) {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.acknowledged.load(Ordering::Relaxed);
            let publication = Publication {
                data: number.to_string().into(),
                id: format!("id-{number}"),
                ..Publication::default()
            };
            let published = publisher.publish(&rooms[0], publication).await;
            if published.is_ok() {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            sleep(PACE).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_is_killed_again_and_again() -> Result<()> {
    survive(2, rand::random()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_or_two_of_three_are_killed_again_and_again() -> Result<()> {
    survive(3, rand::random()).await
}

/// Where it fails the seed is told; it draws who is killed and when, not what the machine does meanwhile.
async fn survive(count: usize, seed: u64) -> Result<()> {
    let survived = kill_some(count, StdRng::seed_from_u64(seed)).await;
    survived.with_context(|| format!("seed {seed}"))
}

async fn kill_some(count: usize, mut random: StdRng) -> Result<()> {
    let options = keyspace(&node().await.node()).await?;
    let arguments = arguments(&options);
    let world = World::new().await?;
    let mut replicas = Vec::new();
    for _ in 0..count {
        // One after the other: the first makes the tables.
        replicas.push(ready(&world, &arguments).await?);
    }
    let load = Arc::<Load>::default();
    let publishing = {
        let (load, rooms) = (Arc::clone(&load), world.rooms.clone());
        let publisher = Arc::clone(&world.publisher);
        tokio::spawn(async move { load.run(&*publisher, &rooms).await })
    };
    for _ in 0..KILLS {
        sleep(Duration::from_millis(random.random_range(50..600))).await;
        replicas.shuffle(&mut random);
        let killed = random.random_range(1..count);
        for (program, _) in &mut replicas[..killed] {
            program.kill()?;
        }
        let (_, survivor) = &mut replicas[killed];
        finds_what_was_acknowledged(survivor, &world, &load).await?;
        for replica in &mut replicas[..killed] {
            *replica = ready(&world, &arguments).await?;
        }
    }
    load.is_over.store(true, Ordering::Relaxed);
    publishing.await?;
    all_find_everything(
        &mut replicas,
        &world,
        load.acknowledged.load(Ordering::Relaxed),
    )
    .await
}

/// Starts one; it has found the stream, so from now on it must answer.
async fn ready(world: &World, arguments: &[&str]) -> Result<Replica> {
    let (program, client) = world.start_with(arguments).await?;
    let is_there = async || everything(&mut client.clone(), &world.rooms[0]).await.ok();
    until_some("the stream is found", is_there).await?;
    Ok((program, client))
}

/// What was acknowledged before the read began is in it, in order, each once, and proved to be whole.
async fn finds_what_was_acknowledged(
    survivor: &mut HistoryClient<Connection>,
    world: &World,
    load: &Load,
) -> Result<()> {
    let acknowledged = load.acknowledged.load(Ordering::Relaxed);
    let found = everything(survivor, &world.rooms[0]).await?;
    let expected: Vec<_> = (0..found.len()).collect();
    anyhow::ensure!(found == expected, "not all once and in order: {found:?}");
    anyhow::ensure!(
        found.len() >= acknowledged,
        "{} of {acknowledged}",
        found.len()
    );
    Ok(())
}

async fn all_find_everything(replicas: &mut [Replica], world: &World, count: usize) -> Result<()> {
    anyhow::ensure!(count > KILLS * 10, "{count} publications are no load");
    for (program, client) in replicas {
        assert_eq!(archived(client, count).await?, count as u64, "each once");
        has_all(client, &world.rooms, count).await?;
        program.terminate()?;
        program.succeeded().await?;
    }
    Ok(())
}
