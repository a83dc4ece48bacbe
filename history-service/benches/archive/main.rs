//! What the history service takes in and gives in a second: the real program, against a real nats-server, with an archive in
//! a folder or in a Cassandra cluster of one node.
//!
//! Publications wait in the stream before the program starts, so it takes them in as fast as it can. Lines for people go to
//! standard error, one JSON object to standard output.
//!
//!     cargo bench -p tidegate-history-service --bench archive -- --store embedded --messages 200000

mod filling;
mod reading;
mod stage;

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value, json};

use stage::Stage;

/// Measures what the history service takes in and gives.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the archive is.
    #[arg(long, value_enum, default_value_t = Place::Embedded)]
    store: Place,
    /// Publications that are taken in.
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// Bytes of each.
    #[arg(long, default_value_t = 256)]
    bytes: usize,
    /// Channels that they are in, in turn.
    #[arg(long, default_value_t = 100)]
    channels: u64,
    /// Streams over which these are spread.
    #[arg(long, default_value_t = 1)]
    partitions: u32,
    /// How long reads are asked for.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Callers at the same time, each on a connection of its own; each number is a phase.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    callers: Vec<usize>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Where an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// In a folder of this machine.
    Embedded,
    /// In a cluster of one node.
    Cassandra,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let stage = Stage::set(arguments.store, arguments.partitions).await?;
    filling::publish(&stage, &arguments).await?;
    let mut figures = Map::new();
    let (mut program, address) = stage.start().await?;
    let taken = filling::taken_in(&address, arguments.messages).await?;
    tell(&mut figures, "taken in", taken)?;
    for callers in &arguments.callers {
        let read = reading::read(&address, &arguments, *callers).await?;
        tell(&mut figures, &format!("read by {callers}"), read)?;
    }
    program.terminate()?;
    program.succeeded().await?;
    let all = json!({
        "store": format!("{:?}", arguments.store).to_lowercase(),
        "messages": arguments.messages,
        "bytes": arguments.bytes,
        "channels": arguments.channels,
        "partitions": arguments.partitions,
        "figures": figures,
    });
    writeln!(std::io::stdout(), "{all}")?;
    Ok(())
}

fn tell(figures: &mut Map<String, Value>, phase: &str, figure: Value) -> Result<()> {
    writeln!(std::io::stderr(), "{phase}: {figure}")?;
    figures.insert(phase.to_owned(), figure);
    Ok(())
}

/// So many a second.
fn rate(count: u64, time: Duration) -> Result<f64> {
    let count = u32::try_from(count)?;
    Ok((f64::from(count) / time.as_secs_f64()).round())
}
