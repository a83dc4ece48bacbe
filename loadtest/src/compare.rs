//! Servers side by side: starts each in turn, runs the same scenarios on it, and makes one page of all results.
//!
//! Every run has a fresh server. The order of the servers rotates from repeat to repeat, so that none always runs first.

mod preset;
mod server;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cli::Compare;
use crate::outcome::Outcome;
use crate::report;
use preset::Preset;
pub use server::Kind;
use server::Server;

/// Processors that others may use on average without a warning.
const FOREIGN: f64 = 0.05;

/// Runs everything, and writes the page.
///
/// # Errors
/// When a server does not start, a run cannot be made, or a file cannot be written. What servers do wrong is on the page.
pub fn compare(compare: &Compare) -> Result<()> {
    let presets = presets(compare)?;
    fs::create_dir_all(&compare.output)
        .with_context(|| format!("cannot make {}", compare.output.display()))?;
    let mut files = Vec::new();
    for preset in &presets {
        for repeat in 0..compare.repeats as usize {
            let mut servers = compare.server.clone();
            let turn = repeat % servers.len();
            servers.rotate_left(turn);
            for kind in servers {
                files.push(run(compare, preset, kind, repeat)?);
            }
        }
    }
    let outcomes = files.iter().map(read);
    let page = report::compare(&in_order(outcomes.collect::<Result<_>>()?, &compare.server));
    let file = compare.output.join("index.html");
    fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("{}", file.display());
    Ok(())
}

fn presets(compare: &Compare) -> Result<Vec<Preset>> {
    let names = compare.scenario.iter().map(|text| preset::find(text));
    names.collect()
}

/// Runs one scenario on one fresh server, and says where the result is.
fn run(compare: &Compare, preset: &Preset, kind: Kind, repeat: usize) -> Result<PathBuf> {
    let name = format!("{}/{}", preset.name, kind.name());
    eprintln!("== {name}, {} of {}", repeat + 1, compare.repeats);
    let server = Server::start(kind, compare)?;
    let file = format!("{}-{}-{}.json", preset.name, kind.name(), repeat + 1);
    let file = compare.output.join(file);
    let mut command = pinned(compare.tool_cpus.as_deref(), &env::current_exe()?);
    command
        .args(preset.arguments.split_whitespace())
        .args(["--target", &server.url, "--dialect", kind.dialect()])
        .args(["--name", &name, "--json"])
        .arg(&file);
    for process in server.processes() {
        command.args(["--server-pid", &process.to_string()]);
    }
    if let Some(url) = server.publish.as_ref().filter(|_| preset.publishes()) {
        command.args(["--publish", url]);
    }
    if !compare.allow_foreign_cpu {
        command.arg("--refuse-foreign-cpu");
    }
    let status = command.status().context("a run cannot be started")?;
    // A run in which something was lost has a result, too.
    let made = matches!(status.code(), Some(0 | 1));
    ensure!(made, "{name}: {status}");
    let outcome = read(&file)?;
    if outcome.foreign_cpu > FOREIGN {
        let percent = outcome.foreign_cpu * 100.0;
        eprintln!("warning: other programs used {percent:.0} % of a processor meanwhile");
    }
    Ok(file)
}

/// A command that runs only on these processors.
fn pinned(processors: Option<&str>, program: &std::path::Path) -> Command {
    let Some(processors) = processors else {
        return Command::new(program);
    };
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processors]).arg(program);
    command
}

fn read(file: &PathBuf) -> Result<Outcome> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a result", file.display()))
}

/// Results with the servers in the order in which they were named.
fn in_order(mut outcomes: Vec<Outcome>, servers: &[Kind]) -> Vec<Outcome> {
    outcomes.sort_by_key(|outcome| {
        let its = |kind: &Kind| outcome.name.ends_with(&format!("/{}", kind.name()));
        servers.iter().position(its)
    });
    outcomes
}
