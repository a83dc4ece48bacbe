//! How long who has gone still counts as there: over real gateways, replicas of the presence service and NATS.
//!
//! Clients of one gateway unsubscribe, disconnect, or lose their gateway by `kill -9`; a client of the other gateway asks for
//! `presence_stats`, one question after the other, until nobody but itself is there, and takes down the leaves. Every round
//! fails that sees a wrong number, or other leaves than one of each client.
//!
//!     cargo build -p tidegate-presence-service
//!     cargo bench --profile dev -p tidegate --bench vanishing [-- ROUNDS]

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod client;
mod figures;
mod site;

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use client::Client;
use figures::Figures;
use site::Site;

/// Clients of a gateway that is killed.
const CROWD: usize = 50;

/// Longer than a second replica waits before it tells the same leaves.
const AFTERWARDS: Duration = Duration::from_millis(1_500);

/// Rounds of a kill, by the lease.
const KILLS: [(Duration, usize); 2] = [(Duration::from_secs(1), 12), (Duration::from_secs(10), 3)];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let asked = std::env::args().filter_map(|it| it.parse().ok()).next();
    let rounds: usize = asked.unwrap_or(200);
    let mut site = Site::start(KILLS[0].0).await?;
    println!("{}", Figures::HEAD);
    let unsubscribed = leave(&site, rounds, Way::Unsubscribe).await?;
    println!("{}", unsubscribed.row("unsubscribe until zero"));
    let disconnected = leave(&site, rounds, Way::Disconnect).await?;
    println!("{}", disconnected.row("disconnect until zero"));
    for (lease, kills) in KILLS {
        if lease != KILLS[0].0 {
            site = Site::start(lease).await?;
        }
        let (mut zero, mut left) = (Figures::default(), Figures::default());
        for round in 0..kills {
            let (counted, told) = kill(&mut site, round).await?;
            zero.add(counted);
            left.add(told);
        }
        println!(
            "{}",
            zero.row(&format!("kill -9 until zero, lease {lease:?}"))
        );
        println!(
            "{}",
            left.row(&format!("kill -9 until the last leave, lease {lease:?}"))
        );
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Way {
    Unsubscribe,
    Disconnect,
}

/// One client comes and goes; each time another one, so that nothing of the one before can help.
async fn leave(site: &Site, rounds: usize, way: Way) -> Result<Figures> {
    let (mut figures, channel) = (Figures::default(), "seen:leave");
    let mut watcher = Client::connect(site.near()).await?;
    watcher.subscribe(channel).await?;
    for _ in 0..rounds {
        let mut goes = Client::connect(site.far()).await?;
        goes.subscribe(channel).await?;
        watcher.until(channel, 2).await?;
        let start = Instant::now();
        match way {
            Way::Unsubscribe => goes.unsubscribe(channel).await?,
            Way::Disconnect => goes.disconnect().await?,
        }
        watcher.until(channel, 1).await?;
        figures.add(start.elapsed());
    }
    Ok(figures)
}

/// A gateway is killed under its clients. How long they count as there, and when the last was told as left.
async fn kill(site: &mut Site, round: usize) -> Result<(Duration, Duration)> {
    let channel = format!("seen:kill-{round}");
    let mut watcher = Client::connect(site.near()).await?;
    watcher.subscribe(&channel).await?;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut client = Client::connect(site.far()).await?;
        client.subscribe(&channel).await?;
        crowd.push(client);
    }
    watcher.until(&channel, 1 + CROWD).await?;
    site.gateways[1].kill()?;
    let start = Instant::now();
    watcher.until(&channel, 1).await?;
    let counted = start.elapsed();
    let told = watcher.listen_until(CROWD, AFTERWARDS).await? - start;
    let mut left = watcher.left.clone();
    left.sort();
    left.dedup();
    let is_each_once = left.len() == CROWD && watcher.left.len() == CROWD;
    ensure!(
        is_each_once,
        "{} leaves of {}",
        watcher.left.len(),
        left.len()
    );
    let expected: Vec<_> = crowd.iter().map(|it| &it.id).collect();
    ensure!(
        left.iter().all(|it| expected.contains(&it)),
        "leaves of others"
    );
    site.gateways[1].restart().await?;
    Ok((counted, told))
}
