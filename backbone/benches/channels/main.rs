//! What channels cost through NATS: many held, some coming and going, and what is published on them meanwhile.
//!
//! A whole process against a real nats-server, so each phase runs once: `far` holds the channels on a thread of its own,
//! as a gateway does, and what is published comes from `near` or from a plain socket. Lines for people go to standard
//! error, one JSON object to standard output.
//!
//!     cargo bench -p tidegate-backbone --bench channels -- --channels 100000 --churn 1000 --seconds 30

mod churn;
mod ear;
mod hold;
mod latency;
mod outage;
mod process;
mod samples;
mod stage;
mod throughput;

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use serde_json::{Map, Value, json};

use hold::Held;
use stage::Stage;

/// Measures what channels cost through NATS.
#[derive(Debug, Parser)]
struct Arguments {
    /// Channels that are held all the time.
    #[arg(long, default_value_t = 100_000)]
    channels: usize,
    /// Channels that come and go each second.
    #[arg(long, default_value_t = 1_000)]
    churn: u32,
    /// How long they come and go.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Publications a second meanwhile, each to one of the channels that are held.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Publications of each throughput phase.
    #[arg(long, default_value_t = 1_000_000)]
    messages: usize,
    /// Only these phases, of churn, latency, throughput, restart and release; all when none is named.
    #[arg(long)]
    only: Vec<String>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn runs(&self, phase: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == phase)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(measure(&arguments))?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

async fn measure(arguments: &Arguments) -> Result<Value> {
    let mut report = Report::default();
    let mut stage = Stage::set().await?;
    let (held, figures) = Held::subscribe(&stage, arguments.channels).await?;
    report.add("hold", figures);
    if arguments.runs("churn") {
        let time = Duration::from_secs(arguments.seconds);
        let figures = churn::measure(&stage, &held, arguments.churn, arguments.rate, time).await?;
        report.add("churn", figures);
    }
    if arguments.runs("latency") {
        report.add("latency", latency::measure(&stage, &held).await?);
    }
    if arguments.runs("throughput") {
        for channels in [1, 1_000] {
            let channels = channels.min(arguments.channels);
            let figures = throughput::measure(&stage, &held, channels, arguments.messages).await?;
            report.add(&format!("throughput_{channels}"), figures);
        }
        let figures = throughput::measure_sending(&stage, &held, arguments.messages).await?;
        report.add("throughput_sending", figures);
    }
    if arguments.runs("restart") {
        report.add("restart", outage::measure(&mut stage, &held).await?);
    }
    if arguments.runs("release") {
        report.add("release", held.release(&stage).await?);
    }
    Ok(report.finish(arguments))
}

#[derive(Default)]
struct Report(Map<String, Value>);

impl Report {
    fn add(&mut self, phase: &str, figures: Value) {
        let _ = writeln!(std::io::stderr(), "{phase:>16}: {figures}");
        self.0.insert(phase.to_owned(), figures);
    }

    fn finish(mut self, arguments: &Arguments) -> Value {
        let arguments = json!({
            "channels": arguments.channels,
            "churn_per_second": arguments.churn,
            "seconds": arguments.seconds,
            "publications_per_second": arguments.rate,
        });
        self.0.insert("arguments".to_owned(), arguments);
        Value::Object(self.0)
    }
}
