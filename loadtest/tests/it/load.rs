//! Runs of the load tester.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_testkit::program::Program;

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    /// What it wrote, to show when a test is disappointed.
    pub(crate) output: String,
    /// What `--json` wrote.
    pub(crate) result: Value,
    folder: TempDir,
}

impl Run {
    /// The page of the run.
    pub(crate) fn page(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("run.html")).unwrap()
    }

    pub(crate) fn json(&self) -> PathBuf {
        self.folder.path().join("run.json")
    }

    pub(crate) fn figure(&self, name: &str) -> u64 {
        let figure = &self.result["figures"][name];
        figure
            .as_u64()
            .unwrap_or_else(|| panic!("no {name}\n{}", self.output))
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.result["counters"][name].as_u64().unwrap()
    }

    /// Asserts that so many deliveries were expected, and came once and in order.
    pub(crate) fn assert_complete(&self, deliveries: u64) {
        assert_eq!(self.status, 0, "{}", self.output);
        let names = [
            "expected",
            "received",
            "missing",
            "duplicates",
            "out_of_order",
        ];
        let found = names.map(|name| self.figure(name));
        assert_eq!(found, [deliveries, deliveries, 0, 0, 0], "{}", self.output);
        let samples = &self.result["latencies"]["delivery"]["count"];
        assert_eq!(
            samples.as_u64().unwrap_or_default(),
            deliveries,
            "{}",
            self.output
        );
    }
}

/// Runs a scenario, given as on the command line, on the server at this URL.
pub(crate) async fn run(arguments: &str, target: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(arguments.split_whitespace());
    command.args(["--target", target]);
    command.arg("--json").arg(folder.path().join("run.json"));
    command.arg("--report").arg(folder.path().join("run.html"));
    let (status, output) = end(command).await;
    let result = std::fs::read(folder.path().join("run.json")).unwrap_or_default();
    Run {
        status,
        output,
        result: serde_json::from_slice(&result).unwrap_or_default(),
        folder,
    }
}

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tidegate-loadtest"))
}

/// Runs a command to its end: its exit status, and what it wrote.
pub(crate) async fn end(command: Command) -> (i32, String) {
    let mut program = Program::start(command).unwrap();
    let status = program.ended().await.unwrap();
    (status.code().unwrap_or(-1), program.output())
}
