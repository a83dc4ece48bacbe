//! What the scenarios consist of: connecting, holding, publishing, waiting, dropping.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::crew::Member;
use super::state::State;
use super::watch::Sample;
use super::{Conductor, Findings, Window, whole_second_after};
use crate::clock::{self, SECOND};
use crate::latency::Metric;
use crate::order::Order;
use crate::plan::Scenario;
use crate::procfs::{self, Memory};
use crate::worker::is_slow;

/// How long no delivery may come until the rest is given up.
const SILENCE: Duration = Duration::from_secs(5);

/// Time for workers to take an order before its moment.
const LEAD: u64 = SECOND / 4;

/// How long memory is let settle before it is read.
const SETTLE: Duration = Duration::from_millis(500);

/// Leads through the plan's scenario.
pub(super) fn perform(conductor: &mut Conductor<'_>) -> Result<Findings> {
    let mut findings = Findings::default();
    findings.memories.before = Memory::of_all(&conductor.plan.server);
    findings.memories.kernel_before = procfs::kernel_objects();
    match conductor.plan.scenario {
        Scenario::Idle { hold } => idle(conductor, hold, &mut findings)?,
        Scenario::Traffic {
            warm_up,
            duration,
            drain,
        } => {
            connect(conductor, &mut findings)?;
            traffic(conductor, [warm_up, duration, drain], &mut findings)?;
        }
        Scenario::Rounds { rounds, drain } => {
            connect(conductor, &mut findings)?;
            turns(conductor, rounds, drain, &mut findings)?;
        }
        Scenario::Storm { rounds, settle } => storm(conductor, rounds, settle, &mut findings)?,
    }
    findings.memories.after = Memory::of_all(&conductor.plan.server);
    findings.memories.peak = conductor.watch.peak();
    Ok(findings)
}

/// Connects everybody, and measures what that takes.
fn connect(conductor: &mut Conductor<'_>, findings: &mut Findings) -> Result<()> {
    conductor.phase = "connect";
    let before = conductor.watch.sample();
    let connects = conductor.state.counters().connects;
    conductor.crew.tell(Member::Every, &Order::Connect)?;
    let limit = conductor.plan.connect_timeout;
    let all = conductor.wait(limit, State::all_connected)?;
    let after = conductor.watch.sample();
    findings.connecting += (after.at - before.at) as f64 / SECOND as f64;
    findings.connect_cpu += after.server.cpu - before.server.cpu;
    conductor.wait(SETTLE, |_| false)?;
    conductor.count()?;
    let counters = conductor.state.counters();
    findings.connects += counters.connects - connects;
    findings.memories.connected = Memory::of_all(&conductor.plan.server);
    findings.memories.kernel_connected = procfs::kernel_objects();
    findings.memories.connections = counters.live;
    let publishers = conductor.plan.publishers.as_ref();
    let publishers = publishers.map_or(0, |publishers| u64::from(publishers.connections));
    let wanted = u64::from(conductor.plan.roster.clients()) + publishers;
    if !all {
        findings
            .problems
            .push(format!("not all were connected within {limit:?}"));
    }
    if counters.live < wanted {
        let live = counters.live;
        findings
            .problems
            .push(format!("{live} of {wanted} connections are up"));
        if live == 0 {
            bail!("nobody could connect: {:?}", counters.faults);
        }
    }
    Ok(())
}

fn idle(conductor: &mut Conductor<'_>, hold: Duration, findings: &mut Findings) -> Result<()> {
    connect(conductor, findings)?;
    conductor.phase = "hold";
    let (before, live) = (conductor.watch.sample(), conductor.state.counters().live);
    conductor.wait(hold, |_| false)?;
    let after = conductor.watch.sample();
    conductor.count()?;
    let left = conductor.state.counters().live;
    if left < live {
        let lost = live - left;
        findings
            .problems
            .push(format!("{lost} connections were lost while they were held"));
    }
    findings.window = Some(window(&before, &after, 0));
    Ok(())
}

fn traffic(
    conductor: &mut Conductor<'_>,
    [warm_up, duration, drain]: [Duration; 3],
    findings: &mut Findings,
) -> Result<()> {
    let start = whole_second_after(LEAD);
    let measure = start + (warm_up.as_nanos() as u64).div_ceil(SECOND) * SECOND;
    let end = measure + duration.as_nanos() as u64;
    let order = Order::Start {
        start,
        measure,
        end,
    };
    conductor.crew.tell(Member::Every, &order)?;
    conductor.phase = "warm-up";
    conductor.wait_until(measure + LEAD)?;
    conductor.phase = "measure";
    conductor.wait_until(end)?;
    conductor.phase = "drain";
    if !conductor.wait(drain + SILENCE, State::is_published)? {
        bail!("the publisher could not send all that it was to send");
    }
    drained(conductor, drain)?;
    let after = conductor.watch.sample();
    conductor.count()?;
    let (before, earlier) =
        beginning(conductor, measure).context("the beginning of measuring was missed")?;
    let deliveries = conductor.state.counters().deliveries - earlier;
    findings.window = Some(window(&before, &after, deliveries));
    Ok(())
}

/// The first second, from this moment on, of which both the use of the processors and the deliveries are known.
fn beginning(conductor: &Conductor<'_>, moment: u64) -> Option<(Sample, u64)> {
    let mut told = conductor.state.deliveries_from(moment / SECOND);
    told.find_map(|(second, deliveries)| {
        let sample = conductor.watch.sample_at(second)?;
        Some((sample, deliveries))
    })
}

/// Waits until all has come that is expected, or nothing comes any more.
fn drained(conductor: &mut Conductor<'_>, limit: Duration) -> Result<()> {
    let published = conductor.state.published().to_vec();
    let workers = conductor.plan.processes;
    for index in 0..workers {
        let expected = deliveries_of(conductor, index, |channel| {
            published.get(channel as usize).copied().unwrap_or_default()
        });
        conductor
            .crew
            .tell_one(index as usize, &Order::Await(expected))?;
    }
    let (mut last, mut since) = (0, clock::now());
    let holds = move |state: &State| {
        let deliveries = state.counters().deliveries;
        if deliveries > last {
            (last, since) = (deliveries, clock::now());
        }
        let silent = clock::now() - since > SILENCE.as_nanos() as u64;
        silent || state.reached(workers as usize).is_some()
    };
    conductor.wait(limit, holds).map(drop)
}

/// One message to each channel, again and again, each time when all have it.
fn turns(
    conductor: &mut Conductor<'_>,
    rounds: u32,
    drain: Duration,
    findings: &mut Findings,
) -> Result<()> {
    conductor.phase = "rounds";
    let subscribers: Vec<u64> = (0..conductor.plan.processes)
        .map(|index| deliveries_of(conductor, index, |_| 1))
        .collect();
    let before = conductor.watch.sample();
    for round in 1..=u64::from(rounds) {
        conductor.state.expect_again();
        for (index, count) in subscribers.iter().enumerate() {
            conductor
                .crew
                .tell_one(index, &Order::Await(count * round))?;
        }
        conductor.crew.tell(Member::Publishers, &Order::Burst)?;
        let workers = subscribers.len();
        let all = |state: &State| state.is_published() && state.reached(workers).is_some();
        if !conductor.wait(drain, all)? {
            findings.problems.push(format!(
                "round {round} had not come to all within {drain:?}"
            ));
            break;
        }
        let reached = conductor.state.reached(workers).unwrap_or_default();
        let length = reached.saturating_sub(conductor.state.began());
        conductor.state.record(Metric::Round, length);
    }
    let after = conductor.watch.sample();
    conductor.count()?;
    let deliveries = conductor.state.counters().deliveries;
    findings.window = Some(window(&before, &after, deliveries));
    Ok(())
}

/// Messages that the reading clients of a worker get, given how many there are of each channel.
fn deliveries_of(conductor: &Conductor<'_>, index: u32, messages: impl Fn(u32) -> u32) -> u64 {
    let (roster, slow) = (&conductor.plan.roster, conductor.plan.slow);
    let clients = (index..roster.clients()).step_by(conductor.plan.processes as usize);
    let reading = clients.filter(|client| !slow.is_some_and(|nth| is_slow(*client, nth)));
    let channels = reading.flat_map(|client| {
        let subscriptions = 0..roster.subscriptions(client);
        subscriptions.filter_map(move |index| roster.channel(client, index))
    });
    channels.map(|channel| u64::from(messages(channel))).sum()
}

fn storm(
    conductor: &mut Conductor<'_>,
    rounds: u32,
    settle: Duration,
    findings: &mut Findings,
) -> Result<()> {
    for _ in 0..rounds {
        conductor.state.expect_again();
        connect(conductor, findings)?;
        conductor.phase = "drop";
        conductor.crew.tell(Member::Every, &Order::Drop)?;
        if !conductor.wait(settle + SILENCE, State::all_dropped)? {
            bail!("a worker does not let go of its connections");
        }
        conductor.phase = "settle";
        conductor.wait(settle, |_| false)?;
    }
    Ok(())
}

fn window(before: &Sample, after: &Sample, deliveries: u64) -> Window {
    Window {
        seconds: (after.at - before.at) as f64 / SECOND as f64,
        deliveries,
        server: after.server.cpu.saturating_sub(before.server.cpu),
        tool: after.tool.saturating_sub(before.tool),
    }
}
