//! What a run found, as it is written down: every figure, with the plan and the machine.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::latency::{Metric, Summary};
use crate::machine::Machine;
use crate::order::Counters;
use crate::plan::Plan;
use crate::procfs::Memory;

/// Everything about a run that was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    pub name: String,
    pub versions: Versions,
    pub machine: Machine,
    pub plan: Plan,
    /// Processors that others used just before.
    pub foreign_cpu_before: f64,
    /// Processors that others used meanwhile, on average.
    pub foreign_cpu: f64,
    pub figures: Figures,
    pub latencies: BTreeMap<Metric, Summary>,
    pub server: Server,
    pub tool: Tool,
    pub counters: Counters,
    pub timeline: Vec<Row>,
    /// Whether everything came as it should.
    pub passed: bool,
    /// What did not.
    pub problems: Vec<String>,
}

/// This program, and when it ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub loadtest: String,
    /// Seconds since 1970.
    pub finished: u64,
}

impl Versions {
    #[must_use]
    pub fn this() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            loadtest: env!("CARGO_PKG_VERSION").into(),
            finished: now.unwrap_or_default().as_secs(),
        }
    }
}

/// Whether every message came, once and in order, to every client that reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    pub clients: u64,
    pub expected: u64,
    pub received: u64,
    pub missing: u64,
    pub duplicates: u64,
    pub out_of_order: u64,
}

impl Figures {
    /// What is wrong with them.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (count, what) in [
            (self.missing, "missing"),
            (self.duplicates, "duplicate"),
            (self.out_of_order, "out of order"),
        ] {
            if count > 0 {
                problems.push(format!("{count} deliveries are {what}"));
            }
        }
        let (sum, expected) = (self.received + self.missing, self.expected);
        if sum != expected {
            problems.push(format!(
                "received and missing deliveries are {sum} together, not the {expected} expected"
            ));
        }
        problems
    }
}

/// The server's memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memories {
    /// Before anybody connected.
    pub before: Memory,
    /// When everybody was connected.
    pub connected: Memory,
    /// At the end.
    pub after: Memory,
    /// The most that was resident.
    pub peak: u64,
    /// Connections at the time of `connected`.
    pub connections: u64,
    /// The kernel's objects, for both ends of each connection.
    pub kernel_before: u64,
    pub kernel_connected: u64,
}

impl Memories {
    /// Resident bytes of the server for each connection.
    #[must_use]
    pub fn per_connection(&self) -> Option<f64> {
        let grown = self.connected.resident.saturating_sub(self.before.resident);
        (self.connections > 0 && self.connected.resident > 0)
            .then(|| grown as f64 / self.connections as f64)
    }
}

/// What the server used. Nothing is known without `--server-pid`, and per delivery without deliveries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    pub memories: Memories,
    pub cpu_us_per_delivery: Option<f64>,
    /// Processors in use while it was measured.
    pub cpu_cores: Option<f64>,
    pub cpu_us_per_connect: Option<f64>,
    pub connects_per_second: Option<f64>,
    pub deliveries_per_second: Option<f64>,
}

/// What this program used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tool {
    pub cpu_us_per_delivery: Option<f64>,
    pub cpu_cores: Option<f64>,
}

/// One second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Since the beginning.
    pub second: f64,
    pub live: u64,
    pub connects_per_second: f64,
    pub deliveries_per_second: f64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub server_cores: f64,
    pub server_bytes: u64,
    pub tool_cores: f64,
    pub foreign_cores: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:>6.1}s  {:>7} up  {:>9.0} deliveries/s",
            self.second, self.live, self.deliveries_per_second
        )?;
        if self.connects_per_second > 0.0 {
            write!(formatter, "  {:.0} connects/s", self.connects_per_second)?;
        }
        if let (Some(p50), Some(p99)) = (self.p50_ms, self.p99_ms) {
            write!(formatter, "  p50 {p50:.2} ms  p99 {p99:.2} ms")?;
        }
        let percent =
            [self.server_cores, self.tool_cores, self.foreign_cores].map(|cores| cores * 100.0);
        let [server, tool, foreign] = percent;
        let megabytes = self.server_bytes as f64 / 1e6;
        write!(
            formatter,
            "  cpu {server:.0}% server {tool:.0}% tool {foreign:.0}% others  {megabytes:.1} MB"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_do_not_add_up_are_problems() {
        let good = Figures {
            clients: 2,
            expected: 10,
            received: 10,
            ..Figures::default()
        };
        assert_eq!(good.problems(), Vec::<String>::new());
        for (bad, count) in [
            (
                Figures {
                    received: 9,
                    missing: 1,
                    ..good
                },
                1,
            ),
            (
                Figures {
                    received: 9,
                    ..good
                },
                1,
            ),
            (
                Figures {
                    duplicates: 1,
                    ..good
                },
                1,
            ),
            (
                Figures {
                    out_of_order: 3,
                    ..good
                },
                1,
            ),
            (
                Figures {
                    received: 8,
                    missing: 2,
                    duplicates: 1,
                    ..good
                },
                2,
            ),
        ] {
            assert_eq!(bad.problems().len(), count, "{bad:?}");
        }
    }
}
