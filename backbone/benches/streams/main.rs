//! What it costs to have publications kept: how long until one is confirmed, and how many are in a second.
//!
//! Each carrier in turn, round after round, so that what else the machine does falls on all of them. One JSON object a
//! measurement on standard output; the medians of the rounds, as a table, at the end on standard error.
//!
//!     cargo bench -p tidegate-backbone --bench streams -- --rounds 3 --seconds 3

mod batches;
mod carrier;
mod positions;
mod straight;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;
use tidegate_backbone::{Backbone, Channel, Publication};

use carrier::Carrier;

/// Measures what it costs to have publications kept.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often each carrier is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Publications under way at the same time.
    #[arg(long, value_delimiter = ',', default_value = "1,64,1024")]
    under_way: Vec<usize>,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// What is measured.
    #[arg(long, value_enum, default_value = "publications")]
    measure: Measure,
    /// Only carriers whose name has this in it.
    #[arg(long)]
    only: Option<String>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Measure {
    /// What it costs to have them kept, through the backbone.
    Publications,
    /// One by one or in batches, straight to a stream.
    Batches,
    /// Of 256 channels, one by one or all at once, straight from a stream.
    Positions,
}

/// What came of one measurement.
#[derive(Debug, Clone, Copy)]
struct Figures {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.measure {
        Measure::Publications => publications(&arguments).await,
        Measure::Batches => straight::batches(&arguments).await,
        Measure::Positions => straight::positions(&arguments).await,
    }
}

async fn publications(arguments: &Arguments) -> Result<()> {
    let mut found: BTreeMap<(usize, usize), Vec<Figures>> = BTreeMap::new();
    for round in 0..arguments.rounds {
        for (index, carrier) in Carrier::ALL.into_iter().enumerate() {
            let name = carrier.name();
            if arguments.only.as_ref().is_some_and(|it| !name.contains(it)) {
                continue;
            }
            let (backbone, kept) = carrier.start().await?;
            for &under_way in &arguments.under_way {
                let figures = measure(&backbone, under_way, arguments).await?;
                let Figures {
                    per_second,
                    p50_ms,
                    p99_ms,
                } = figures;
                let line = json!({
                    "round": round, "carrier": name, "under_way": under_way,
                    "per_second": per_second.round(), "p50_ms": p50_ms, "p99_ms": p99_ms,
                });
                writeln!(std::io::stdout(), "{line}")?;
                found.entry((index, under_way)).or_default().push(figures);
            }
            backbone.shutdown().await;
            drop(kept);
        }
    }
    report(&found)
}

async fn measure(
    backbone: &Arc<dyn Backbone>,
    under_way: usize,
    arguments: &Arguments,
) -> Result<Figures> {
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let begin = Instant::now();
    let publishers = (0..under_way).map(|number| {
        let backbone = Arc::clone(backbone);
        let data = vec![b'x'; arguments.size];
        tokio::spawn(publish(backbone, number, data, end))
    });
    let publishers: Vec<_> = publishers.collect();
    let mut times = Vec::new();
    for publisher in publishers {
        times.extend(publisher.await??);
    }
    let elapsed = begin.elapsed();
    times.sort_unstable();
    let at = |percent: usize| {
        let time = times.get((times.len() - 1) * percent / 100);
        time.map_or(0.0, |it| it.as_secs_f64() * 1_000.0)
    };
    Ok(Figures {
        per_second: times.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
    })
}

/// One publication after the other in a channel of its own; how long each took to be confirmed.
async fn publish(
    backbone: Arc<dyn Backbone>,
    number: usize,
    data: Vec<u8>,
    end: Instant,
) -> Result<Vec<Duration>> {
    let channel = Channel::parse(&format!("kept:{number}"))?;
    let publication = Publication {
        data: data.into(),
        ..Publication::default()
    };
    let mut times = Vec::new();
    while Instant::now() < end || times.is_empty() {
        let begin = Instant::now();
        let position = backbone.publish(&channel, publication.clone()).await?;
        position.context("it is not kept")?;
        times.push(begin.elapsed());
    }
    Ok(times)
}

fn report(found: &BTreeMap<(usize, usize), Vec<Figures>>) -> Result<()> {
    let mut out = std::io::stderr();
    writeln!(
        out,
        "| carrier | under way | a second (spread) | p50 | p99 |\n| --- | --- | --- | --- | --- |"
    )?;
    for ((index, under_way), rounds) in found {
        let median = |of: fn(&Figures) -> f64| {
            let mut values: Vec<_> = rounds.iter().map(of).collect();
            values.sort_unstable_by(f64::total_cmp);
            (
                values[values.len() / 2],
                values[0],
                values[values.len() - 1],
            )
        };
        let (rate, least, most) = median(|it| it.per_second);
        let (p50, p99) = (median(|it| it.p50_ms).0, median(|it| it.p99_ms).0);
        let name = Carrier::ALL[*index].name();
        writeln!(
            out,
            "| {name} | {under_way} | {rate:.0} ({least:.0} to {most:.0}) | {p50:.2} ms | {p99:.2} ms |"
        )?;
    }
    Ok(())
}
