//! The binary's life: arguments in, a run or a report, an exit status out.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::{Action, Cli, Output, Report};
use crate::compare;
use crate::conductor;
use crate::floor;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::report;
use crate::summary::summary;
use crate::worker;

/// Not everything came as it should.
const FAILED: u8 = 1;

/// The run could not be made.
const BROKEN: u8 = 2;

/// Does what the arguments say.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = Cli::parse_from(arguments);
    match act(&cli.action) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(BROKEN)
        }
    }
}

/// Whether everything was as it should be.
fn act(action: &Action) -> Result<bool> {
    let (plan, output) = match action {
        Action::Idle(idle) => (Plan::idle(idle)?, &idle.common.output),
        Action::Fanout(fanout) => (Plan::fanout(fanout)?, &fanout.common.output),
        Action::Rooms(rooms) => (Plan::rooms(rooms)?, &rooms.common.output),
        Action::Storm(storm) => (Plan::storm(storm)?, &storm.common.output),
        Action::Recover(recover) => (Plan::recover(recover)?, &recover.common.output),
        Action::Mixed(mixed) => (Plan::mixed(mixed)?, &mixed.common.output),
        Action::Compare(arguments) => return compare::compare(arguments).map(|()| true),
        Action::Report(report) => return show(report).map(|()| true),
        Action::Worker => return worker::run().map(|()| true),
        Action::Floor => return floor::serve().map(|()| true),
        Action::Spin => {
            conductor::spin();
            return Ok(true);
        }
    };
    let outcome = conductor::run(&plan)?;
    write(&outcome, output)?;
    Ok(outcome.passed)
}

fn write(outcome: &Outcome, output: &Output) -> Result<()> {
    if let Some(file) = &output.json {
        let text = serde_json::to_vec_pretty(outcome)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &output.report {
        let page = report::run(outcome);
        fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(summary(outcome).as_bytes())?)
}

fn show(report: &Report) -> Result<()> {
    let outcomes = report.files.iter().map(|file| {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is not what --json writes", file.display()))
    });
    let outcomes = outcomes.collect::<Result<Vec<Outcome>>>()?;
    let file = &report.output;
    fs::write(file, report::compare(&outcomes))
        .with_context(|| format!("cannot write {}", file.display()))
}
