//! A run's outcome for people who read it in a terminal.

use std::fmt::{self, Write};

use crate::latency::{Metric, Summary};
use crate::outcome::Outcome;

/// Everything that matters, in a dozen lines.
#[must_use]
pub fn summary(outcome: &Outcome) -> String {
    let mut text = String::new();
    write_all(outcome, &mut text).expect("a string takes all");
    text
}

fn write_all(outcome: &Outcome, text: &mut String) -> fmt::Result {
    let figures = &outcome.figures;
    writeln!(text, "\n{}: {} clients", outcome.name, figures.clients)?;
    writeln!(
        text,
        "deliveries    expected {}, received {}, missing {}, duplicate {}, out of order {}",
        figures.expected,
        figures.received,
        figures.missing,
        figures.duplicates,
        figures.out_of_order
    )?;
    for (metric, summary) in &outcome.latencies {
        writeln!(text, "{:<13} {}", name(*metric), line(summary))?;
    }
    write_server(outcome, text)?;
    write_tool(outcome, text)?;
    for (reason, count) in &outcome.counters.faults {
        writeln!(text, "fault         {count} times: {reason}")?;
    }
    if outcome.counters.busy > 0 {
        let busy = outcome.counters.busy;
        writeln!(text, "busy          {busy} answers that there is no room")?;
    }
    for problem in &outcome.problems {
        writeln!(text, "FAILED        {problem}")?;
    }
    if outcome.passed {
        writeln!(text, "passed")?;
    }
    Ok(())
}

fn write_server(outcome: &Outcome, text: &mut String) -> fmt::Result {
    let server = &outcome.server;
    if let Some(rate) = server.deliveries_per_second.filter(|rate| *rate > 0.0) {
        writeln!(text, "rate          {rate:.0} deliveries/s")?;
    }
    if let Some(rate) = server.connects_per_second {
        writeln!(text, "connecting    {rate:.0} connects/s")?;
    }
    if outcome.plan.server.is_empty() {
        return writeln!(text, "server        not watched: no --server-pid");
    }
    let memories = &server.memories;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let mut costs = Vec::new();
    if let Some(cost) = server.cpu_us_per_delivery {
        costs.push(format!("{cost:.3} us CPU per delivery"));
    }
    if let Some(cost) = server.cpu_us_per_connect {
        costs.push(format!("{cost:.1} us CPU per connect"));
    }
    if let Some(cores) = server.cpu_cores {
        costs.push(format!("{:.1} % of a processor", cores * 100.0));
        if memories.connections > 0 && server.cpu_us_per_delivery.is_none() {
            let each = cores * 1e6 / memories.connections as f64;
            costs.push(format!("{each:.2} us/s per connection"));
        }
    }
    writeln!(text, "server        {}", costs.join(", "))?;
    write!(
        text,
        "memory        {:.1} MB before, {:.1} MB with {} connections, {:.1} MB at most, {:.1} MB at the end",
        megabytes(memories.before.resident),
        megabytes(memories.connected.resident),
        memories.connections,
        megabytes(memories.peak),
        megabytes(memories.after.resident)
    )?;
    // A server that had as many before has grown by nothing.
    if let Some(bytes) = memories.per_connection().filter(|bytes| *bytes > 0.0) {
        write!(text, "; {bytes:.0} bytes per connection")?;
    }
    writeln!(text)
}

fn write_tool(outcome: &Outcome, text: &mut String) -> fmt::Result {
    let tool = &outcome.tool;
    let mut costs = Vec::new();
    if let Some(cost) = tool.cpu_us_per_delivery {
        costs.push(format!("{cost:.3} us CPU per delivery"));
    }
    if let Some(cores) = tool.cpu_cores {
        costs.push(format!("{:.1} % of a processor", cores * 100.0));
    }
    costs.push(format!("others {:.1} %", outcome.foreign_cpu * 100.0));
    writeln!(text, "this program  {}", costs.join(", "))
}

fn line(summary: &Summary) -> String {
    let at = |name| summary.percentile(name);
    format!(
        "p50 {:.3} ms, p90 {:.3}, p99 {:.3}, p99.9 {:.3}, max {:.3} ({})",
        at("p50"),
        at("p90"),
        at("p99"),
        at("p99.9"),
        summary.max_ms,
        summary.count
    )
}

/// What a latency is called.
#[must_use]
pub(crate) fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Delivery => "delivery",
        Metric::Connect => "connect",
        Metric::Publish => "publish",
        Metric::Subscribe => "subscribe",
        Metric::Unsubscribe => "unsubscribe",
        Metric::Replay => "replay",
        Metric::Recovery => "recovery",
        Metric::Round => "round",
        Metric::Lag => "publisher lag",
    }
}
