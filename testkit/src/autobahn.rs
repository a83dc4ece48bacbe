//! The Autobahn test suite: 517 conversations that show whether a server keeps to RFC 6455 and RFC 7692.
//!
//! The server under test echoes each message with its type, and takes messages of 16 MiB in as many fragments as they
//! come. The suite is fetched by package name and ported (`autobahn/port.py`); our own client drives its cases.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::tools::{check_python, fetch, pip_into, run};

/// Everything but compression: 301 cases in 20 seconds.
pub const CORE: [&str; 2] = ["[1-9].*", "10.*"];

/// What shows most of what can be wrong with compression: 48 cases in 6 seconds.
pub const SHORT_COMPRESSION: [&str; 2] = ["12.*.[1-4]", "13.*.[1-4]"];

/// All of compression: 216 cases in a few minutes.
pub const COMPRESSION: [&str; 2] = ["12.*", "13.*"];

const SUITE: &str = "autobahntestsuite==25.10.1";

/// The client, and what reads Python 2.
const PACKAGES: [&str; 2] = ["autobahn==26.10.2", "fissix==24.4.24"];

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/autobahn");

const PORT: &str = include_str!("../autobahn/port.py");

/// How the cases went, in the suite's words: by number what a server did, and how the connection was closed.
#[derive(Debug)]
pub struct Report {
    verdicts: BTreeMap<String, Verdict>,
}

#[derive(Debug)]
struct Verdict {
    behavior: String,
    closing: String,
    result: String,
}

impl Report {
    /// Cases that were run.
    pub fn count(&self) -> usize {
        self.verdicts.len()
    }

    /// Cases in which something was not as it should be, and what. That the specification leaves a case open is none;
    /// that a violation was answered later than it could be, is one.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.verdicts.iter().filter(|(_, verdict)| {
            [&verdict.behavior, &verdict.closing]
                .iter()
                .any(|word| !matches!(word.as_str(), "OK" | "INFORMATIONAL"))
        });
        let line = |(number, verdict): (&String, &Verdict)| {
            let Verdict {
                behavior,
                closing,
                result,
            } = verdict;
            format!("{number}: {behavior}, closing {closing}: {result}")
        };
        faults.map(line).collect()
    }

    fn read(path: &Path) -> Result<Self> {
        let read: BTreeMap<String, Value> = serde_json::from_slice(&std::fs::read(path)?)?;
        let mut verdicts = BTreeMap::new();
        for (number, verdict) in read {
            let text = |name: &str| {
                let text = verdict[name].as_str().map(str::to_owned);
                text.with_context(|| format!("case {number} has no {name}"))
            };
            let verdict = Verdict {
                behavior: text("behavior")?,
                closing: text("closing")?,
                result: text("result")?,
            };
            verdicts.insert(number, verdict);
        }
        Ok(Self { verdicts })
    }
}

/// Runs the cases that are like one of `patterns`, such as `6.*` or `12.*.[1-4]`, against the server at a `ws` URL. Blocks
/// until all have a verdict.
///
/// # Errors
/// When the suite cannot be fetched, no case is like the patterns, or the server cannot be reached for one of them.
pub fn run_cases(url: &str, patterns: &[&str]) -> Result<Report> {
    let folder = install()?;
    let report = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("python3");
    command
        .arg(Path::new(SCRIPTS).join("run.py"))
        .arg(url)
        .arg(report.path())
        .args(patterns)
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run(&mut command)?;
    Report::read(report.path())
}

fn install() -> Result<PathBuf> {
    let mut port = DefaultHasher::new();
    PORT.hash(&mut port);
    let contents = format!("{SUITE}\n{}\nport {}", PACKAGES.join("\n"), port.finish());
    fetch("autobahn", &contents, |target| {
        pip_into(target, &PACKAGES)?;
        let source = tempfile::tempdir()?;
        download(source.path())?;
        let archive = std::fs::read_dir(source.path())?;
        let archive = archive.last().context("pip downloaded nothing")??.path();
        let mut port = Command::new("python3");
        port.arg(Path::new(SCRIPTS).join("port.py"))
            .arg(archive)
            .arg(target.join("autobahntestsuite"))
            .env("PYTHONPATH", target)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        run(&mut port)
    })
}

/// The suite's source package: Python 3 cannot install it.
fn download(folder: &Path) -> Result<()> {
    check_python()?;
    let options = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-deps",
        "--dest",
    ];
    run(Command::new("python3").args(options).arg(folder).arg(SUITE))
}
