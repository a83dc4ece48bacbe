//! One replica at scale, beside nodes without sockets: 1,000,000 memberships of 200,000 connections on 20 nodes.
//!
//! Prints how long a cold replica takes until it has everything, the memory that takes, how many changes a second it
//! takes in, and how long a question waits meanwhile. Messages are encoded as for the bus and decoded; there is no bus.
//!
//!     cargo bench -p tidegate-presence-service --features simulator --bench scale [-- CONNECTIONS]

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod load;
mod population;

use std::time::{Duration, Instant};

use tidegate_presence_service::desk::{Desk, Heard};
use tidegate_presence_service::message::encode;
use tidegate_presence_service::roster::{Effect, Options};
use tokio::sync::mpsc;

use population::{PARTITIONS, Population, wall};

/// Channels of a connection.
const CHANNELS_EACH: u64 = 5;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let asked = std::env::args().filter_map(|it| it.parse().ok()).next();
    let connections: u64 = asked.unwrap_or(200_000);
    let mut population = Population::new(connections, CHANNELS_EACH);
    println!(
        "{} nodes, {connections} connections, {} memberships of {} channels",
        population.nodes.len(),
        connections * CHANNELS_EACH,
        population.channels
    );
    let before = resident();
    let (desk, effects, owner) = Desk::new(options());
    tokio::spawn(owner);
    let start = Instant::now();
    become_ready(&desk, effects, &mut population).await;
    let entries = desk
        .look(|roster| roster.entries())
        .await
        .expect("the desk runs");
    let everything = (connections * CHANNELS_EACH, connections);
    assert_eq!((entries.0 as u64, entries.1 as u64), everything);
    println!("cold replica has everything after {:.2?}", start.elapsed());
    let grown = resident().saturating_sub(before);
    let each = grown / (connections * CHANNELS_EACH);
    println!(
        "memory {} MiB, {each} bytes a membership, its share of connections included",
        grown >> 20
    );
    load::run(&desk, &mut population).await;
}

fn options() -> Options {
    Options {
        replica: "bench".to_owned(),
        partitions: PARTITIONS,
        settle: Duration::from_millis(100),
        patience: Duration::from_secs(600),
        max_entries: 10_000_000,
        last_seen_ttl: Duration::from_secs(3_600),
        last_seen_max: 1_000_000,
    }
}

/// Lets the nodes beat, and answers for them until everything is there.
async fn become_ready(
    desk: &Desk,
    mut effects: mpsc::Receiver<Effect>,
    population: &mut Population,
) {
    let mut beats = tokio::time::interval(Duration::from_secs(2));
    let mut progress = desk.progress();
    loop {
        tokio::select! {
            _ = beats.tick() => {
                for node in &mut population.nodes {
                    let bytes = encode::beat(node.beat(), PARTITIONS, wall());
                    desk.hear(Heard::Beat(bytes));
                }
            }
            Some(effect) = effects.recv() => answer(desk, effect, population).await,
            ended = progress.wait_for(|it| it.ready.len() == PARTITIONS as usize) => {
                ended.expect("the desk runs");
                if desk.look(|roster| roster.is_everything_whole()).await == Ok(true) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

async fn answer(desk: &Desk, effect: Effect, population: &Population) {
    let Effect::Ask { node, request } = effect else {
        return;
    };
    let named = |it: &&_| population::is_named(it, &node);
    let node = population
        .nodes
        .iter()
        .find(named)
        .expect("only nodes are asked");
    for partition in request.partitions {
        for report in node.snapshot(request.kind, partition, wall()) {
            let bytes = encode::report(report, PARTITIONS);
            desk.hear_in_time(Heard::Report(bytes))
                .await
                .expect("the desk runs");
        }
    }
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|it| it.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    number.unwrap_or_default() * 1_024
}
