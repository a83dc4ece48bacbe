//! Runs the Autobahn test suite against any server that echoes:
//! `cargo run -p tidegate-testkit --example autobahn -- ws://127.0.0.1:9001 [PATTERN...]`
//!
//! Without a pattern all 517 cases are run. Fails unless each of them is as strict as can be.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use tidegate_testkit::autobahn::{COMPRESSION, CORE, run_cases};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .context("usage: autobahn URL [PATTERN...]")?;
    let given: Vec<String> = arguments.collect();
    let mut patterns: Vec<&str> = given.iter().map(String::as_str).collect();
    if patterns.is_empty() {
        patterns = [CORE, COMPRESSION].concat();
    }
    let report = run_cases(&url, &patterns)?;
    let faults = report.faults();
    let mut out = std::io::stdout();
    for fault in &faults {
        writeln!(out, "{fault}")?;
    }
    writeln!(out, "{} cases, {} faults", report.count(), faults.len())?;
    ensure!(faults.is_empty(), "not every case was as it should be");
    Ok(())
}
