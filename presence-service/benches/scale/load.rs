//! Changes, as fast as the replica takes them and then at a steady rate, with questions meanwhile.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_presence_service::desk::{Desk, Heard};
use tidegate_presence_service::message::{Change, Kind, encode};
use tidegate_presence_service::simulator::{client, membership};

use crate::population::{PARTITIONS, Population, room, wall};

/// Changes of one report, which a node collects in a few milliseconds.
const BATCH: usize = 100;

/// Reports that are made ready and then taken in.
const REPORTS: usize = 10_000;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) async fn run(desk: &Desk, population: &mut Population) {
    let reports = make(population, REPORTS);
    let start = Instant::now();
    for report in reports {
        take(desk, report).await;
    }
    until_taken(desk).await;
    println!(
        "changes {:.0} a second, at full speed",
        rate(REPORTS, start)
    );
    for per_second in [50_000, 200_000] {
        let reports = make(population, per_second * 5 / BATCH);
        let asking = tokio::spawn(ask(desk.clone()));
        let (count, start) = (reports.len(), Instant::now());
        for (at, report) in reports.into_iter().enumerate() {
            let due = start + Duration::from_secs_f64((at * BATCH) as f64 / per_second as f64);
            // The timer counts in milliseconds; what is due sooner goes together.
            if due > Instant::now() + PAUSE {
                tokio::time::sleep_until(due.into()).await;
            }
            take(desk, report).await;
        }
        until_taken(desk).await;
        let reached = rate(count, start);
        asking.abort();
        let latencies = LATENCIES.lock().map(|mut it| std::mem::take(&mut *it));
        print(per_second, reached, latencies.unwrap_or_default());
    }
    let faults = desk
        .look(|roster| roster.faults().clone())
        .await
        .expect("the desk runs");
    for (fault, help, count) in faults.all().filter(|it| it.2 > 0) {
        println!("{fault}: {count} ({help})");
    }
}

/// What the questions took; locked to add one.
static LATENCIES: std::sync::Mutex<Vec<Duration>> = std::sync::Mutex::new(Vec::new());

/// Half of the changes are joins of new clients, and the other half their leaves.
fn make(population: &mut Population, count: usize) -> Vec<Bytes> {
    let small = population.channels;
    let mut reports = Vec::with_capacity(count);
    let mut next = population.connections;
    for at in 0..count {
        let nodes = population.nodes.len();
        let node = &mut population.nodes[at % nodes];
        let channel = room(small, next);
        let partition = tidegate_proto::node::partition(&channel, PARTITIONS);
        let mut changes = Vec::with_capacity(BATCH);
        for _ in 0..BATCH / 2 {
            next += 1;
            changes.push(Change::Join(membership(&channel, next, next)));
            let client = client(next);
            let channel = channel.clone();
            changes.push(Change::Leave { channel, client });
        }
        let report = node.changes(Kind::Channel, partition, changes, wall());
        reports.push(encode::report(report, PARTITIONS));
    }
    reports
}

async fn take(desk: &Desk, report: Bytes) {
    desk.hear_in_time(Heard::Report(report))
        .await
        .expect("the desk runs");
}

/// Messages are taken in order, so everything is taken when nothing is missing after one last beat.
async fn until_taken(desk: &Desk) {
    while desk.waiting() > 0 {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks for the counts of a large channel over and over.
async fn ask(desk: Desk) {
    loop {
        let start = Instant::now();
        let counts = desk.look(|roster| roster.counts("hall:3")).await;
        assert!(counts.is_ok_and(|it| it.is_ok_and(|it| it.clients > 0)));
        if let Ok(mut latencies) = LATENCIES.lock() {
            latencies.push(start.elapsed());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn rate(reports: usize, start: Instant) -> f64 {
    (reports * BATCH) as f64 / start.elapsed().as_secs_f64()
}

fn print(per_second: usize, reached: f64, mut latencies: Vec<Duration>) {
    latencies.sort();
    let at = |share: f64| {
        let place = (latencies.len() as f64 * share) as usize;
        latencies
            .get(place.min(latencies.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    println!(
        "stats at {per_second} changes a second ({reached:.0} reached): p50 {:.2?}, p99 {:.2?}, highest {:.2?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
