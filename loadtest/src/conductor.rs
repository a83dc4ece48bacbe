//! A run from its beginning to its end: starts the workers, leads them through the scenario, watches the server.

mod crew;
mod foreign;
mod scenario;
mod spinners;
mod state;
mod watch;

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clock::{self, SECOND};
use crate::machine::Machine;
use crate::order::{Counters, Order};
use crate::outcome::{Figures, Memories, Outcome, Server, Tool, Versions};
use crate::plan::Plan;
use crate::procfs::Usage;
use crate::worker::is_slow;
use crew::{Crew, Member};
use spinners::Spinners;
use state::State;
use watch::Watch;

pub use spinners::spin;

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run under way.
#[derive(Debug)]
struct Conductor<'a> {
    plan: &'a Plan,
    crew: Crew,
    state: State,
    watch: Watch,
    spinners: Spinners,
    /// What it says it is doing.
    phase: &'static str,
}

/// What a scenario found, beyond what is counted anyway.
#[derive(Debug, Default)]
struct Findings {
    /// The stretch for which costs are reckoned.
    window: Option<Window>,
    memories: Memories,
    /// Seconds that connecting took.
    connecting: f64,
    /// Clients that connected, in all rounds.
    connects: u64,
    /// The server's CPU time while clients connected.
    connect_cpu: Duration,
    problems: Vec<String>,
}

/// A stretch of time, and what happened in it.
#[derive(Debug, Clone, Copy)]
struct Window {
    seconds: f64,
    deliveries: u64,
    server: Duration,
    tool: Duration,
}

/// Makes a run.
///
/// # Errors
/// When it cannot be made, or a worker fails. What the server does wrong is no error but in the outcome.
pub fn run(plan: &Plan) -> Result<Outcome> {
    for process in &plan.server {
        Usage::of(*process).with_context(|| format!("--server-pid {process}: no such process"))?;
    }
    let foreign = match plan.refuse_foreign_cpu {
        true => foreign::wait_until_idle(&plan.server),
        false => foreign::measure(&plan.server),
    };
    if foreign > foreign::TOO_MUCH {
        let percent = foreign * 100.0;
        let text = format!("other programs use {percent:.0} % of a processor");
        match plan.refuse_foreign_cpu {
            true => bail!("{text}, which falsifies the measurement"),
            false => eprintln!("warning: {text}"),
        }
    }
    let spinners = Spinners::start(plan.keep_cpus_awake)?;
    let crew = Crew::start(plan)?;
    let watch = Watch::new(
        plan.server.clone(),
        crew.processes(),
        spinners.processes().collect(),
    );
    let mut conductor = Conductor {
        state: State::new(crew.len()),
        plan,
        crew,
        watch,
        spinners,
        phase: "starting",
    };
    let findings = scenario::perform(&mut conductor)?;
    conductor.finish(findings, foreign)
}

impl Conductor<'_> {
    /// Waits until `holds`, showing progress each second. False when the time is over.
    fn wait(&mut self, limit: Duration, mut holds: impl FnMut(&State) -> bool) -> Result<bool> {
        let end = clock::now() + limit.as_nanos() as u64;
        loop {
            if holds(&self.state) {
                return Ok(true);
            }
            let now = clock::now();
            if now >= end {
                return Ok(false);
            }
            let until = self.watch.next_second().min(end);
            let wait = Duration::from_nanos(until.saturating_sub(now));
            if let Some((member, notice)) = self.crew.next(wait)? {
                self.state.take(member, notice)?;
            }
            if clock::now() >= self.watch.next_second() {
                self.second();
            }
        }
    }

    /// Waits for a moment of the clock.
    fn wait_until(&mut self, moment: u64) -> Result<()> {
        let length = Duration::from_nanos(moment.saturating_sub(clock::now()));
        self.wait(length, |_| false).map(drop)
    }

    /// Brings the counts up to date.
    fn count(&mut self) -> Result<()> {
        self.state.count_again();
        self.crew.tell(Member::Every, &Order::Count)?;
        match self.wait(PATIENCE, State::all_counted)? {
            true => Ok(()),
            false => bail!("a worker does not answer"),
        }
    }

    fn second(&mut self) {
        let row = self.watch.second(&mut self.state);
        eprintln!("{:>8} {}", self.phase, row);
    }

    /// How many messages should have come to clients that read, of what was published.
    fn expected(&self) -> u64 {
        let counts = |client| !self.plan.slow.is_some_and(|nth| is_slow(client, nth));
        let subscribers = self.plan.roster.subscribers(counts);
        let published = self.state.published();
        let products = published
            .iter()
            .zip(&subscribers)
            .map(|(count, subscribers)| u64::from(*count) * u64::from(*subscribers));
        products.sum()
    }

    fn finish(mut self, findings: Findings, foreign: f64) -> Result<Outcome> {
        self.phase = "ending";
        let expected = self.expected();
        let published = self.state.published().to_vec();
        self.crew
            .tell(Member::Every, &Order::Finish { published })?;
        let all = self.wait(PATIENCE, State::all_done)?;
        if !all {
            bail!("a worker does not end");
        }
        let counters = self.state.counters();
        let figures = Figures {
            clients: self.plan.roster.clients().into(),
            expected,
            received: counters.deliveries,
            missing: self.state.missing(),
            duplicates: counters.duplicates,
            out_of_order: counters.late,
        };
        let mut problems = findings.problems.clone();
        problems.extend(figures.problems());
        problems.extend(refusals(&counters));
        drop(self.spinners);
        Ok(Outcome {
            name: self.plan.name.clone(),
            versions: Versions::this(),
            machine: Machine::this(),
            plan: self.plan.clone(),
            foreign_cpu_before: foreign,
            foreign_cpu: self.watch.foreign(),
            figures,
            latencies: self.state.summaries(),
            server: server(&findings),
            tool: tool(&findings),
            counters,
            timeline: self.watch.timeline(),
            passed: problems.is_empty(),
            problems,
        })
    }
}

/// What clients were refused, if that alone makes a run a failure.
fn refusals(counters: &Counters) -> Vec<String> {
    let mut problems = Vec::new();
    if counters.unrecovered > 0 {
        problems.push(format!(
            "{} recoveries were not granted",
            counters.unrecovered
        ));
    }
    problems
}

fn server(findings: &Findings) -> Server {
    let memories = findings.memories;
    let microseconds =
        |time: Duration, count: u64| (count > 0).then(|| time.as_secs_f64() * 1e6 / count as f64);
    let window = findings.window;
    Server {
        memories,
        cpu_us_per_delivery: window
            .and_then(|window| microseconds(window.server, window.deliveries)),
        cpu_cores: window.map(|window| window.server.as_secs_f64() / window.seconds),
        cpu_us_per_connect: microseconds(findings.connect_cpu, findings.connects),
        connects_per_second: (findings.connecting > 0.0)
            .then(|| findings.connects as f64 / findings.connecting),
        deliveries_per_second: window.map(|window| window.deliveries as f64 / window.seconds),
    }
}

fn tool(findings: &Findings) -> Tool {
    let window = findings.window;
    Tool {
        cpu_us_per_delivery: window
            .filter(|window| window.deliveries > 0)
            .map(|window| window.tool.as_secs_f64() * 1e6 / window.deliveries as f64),
        cpu_cores: window.map(|window| window.tool.as_secs_f64() / window.seconds),
    }
}

/// The next whole second of the clock that is at least this far away.
fn whole_second_after(nanoseconds: u64) -> u64 {
    (clock::now() + nanoseconds).div_ceil(SECOND) * SECOND
}
