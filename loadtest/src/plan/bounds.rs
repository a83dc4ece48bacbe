//! Bounds of a run: a slip of the hand must not take a machine down.

use std::time::Duration;

use super::{Plan, Scenario};
use crate::dialect::Name;
use crate::target::TargetError;
use crate::token::Credentials;

/// Clients in all.
const CLIENTS: u32 = 1_200_000;
/// Clients of one process, which may have 20,000 open files.
const CLIENTS_PER_PROCESS: u32 = 19_000;
/// Processes.
const PROCESSES: u32 = 128;
/// Messages published per second.
const PUBLISHES: f64 = 200_000.0;
/// Deliveries per second that are asked for.
const DELIVERIES: f64 = 20_000_000.0;
/// Messages, in all: their numbers have 32 bits.
const SUBSCRIPTIONS: u64 = 20_000_000;
/// Bytes of a payload.
const SIZE: usize = 1 << 20;
/// Longest time of a run's parts together.
const TIME: Duration = Duration::from_secs(4 * 3_600);

/// Why a run is not made.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("{what} is {value}, more than {bound} is out of bounds")]
    TooMuch {
        what: &'static str,
        value: f64,
        bound: f64,
    },
    #[error("{0} must be more than zero")]
    Zero(&'static str),
    #[error("a client has {subscriptions} subscriptions, but there are only {channels} channels")]
    TooFewChannels { subscriptions: u32, channels: u32 },
    #[error("this dialect has no tokens: --token and --hmac-secret are for centrifuge and nats")]
    NoTokens,
}

pub(super) fn check(plan: &Plan) -> Result<(), PlanError> {
    let roster = &plan.roster;
    let clients = roster.clients();
    at_most("--clients", clients.into(), CLIENTS.into())?;
    at_most("--processes", plan.processes.into(), PROCESSES.into())?;
    for (what, value) in [
        ("--clients", clients),
        ("--processes", plan.processes),
        ("--concurrency", plan.pace.concurrency),
    ] {
        more_than_zero(what, value.into())?;
    }
    let share = clients.div_ceil(plan.processes);
    let bound = f64::from(CLIENTS_PER_PROCESS);
    at_most("clients of one process", share.into(), bound)?;
    let (mut publishes, mut deliveries, mut subscriptions) = (0.0, 0.0, 0);
    for group in roster.groups() {
        more_than_zero("--channels", group.channels.into())?;
        if group.subscriptions > group.channels {
            let (subscriptions, channels) = (group.subscriptions, group.channels);
            return Err(PlanError::TooFewChannels {
                subscriptions,
                channels,
            });
        }
        at_most("--size", group.size as f64, SIZE as f64)?;
        let tracks = u64::from(group.clients) * u64::from(group.subscriptions);
        subscriptions += tracks;
        publishes += group.rate * f64::from(group.channels);
        deliveries += group.rate * tracks as f64;
    }
    at_most("subscriptions", subscriptions as f64, SUBSCRIPTIONS as f64)?;
    at_most("messages per second", publishes, PUBLISHES)?;
    at_most("deliveries per second", deliveries, DELIVERIES)?;
    let inputs = plan.inputs * f64::from(clients);
    at_most("inputs per second", inputs, PUBLISHES)?;
    at_most("--churn", plan.churn, PUBLISHES)?;
    if let Some(publishers) = &plan.publishers {
        more_than_zero("--publishers", publishers.connections.into())?;
        at_most("--publishers", publishers.connections.into(), bound)?;
    }
    check_dialect(plan)?;
    check_time(plan)
}

fn check_dialect(plan: &Plan) -> Result<(), PlanError> {
    let tokens = match plan.dialect {
        Name::CentrifugeJson | Name::CentrifugeProtobuf | Name::Nats => true,
        Name::SocketIo | Name::Raw => false,
    };
    match tokens || matches!(plan.credentials, Credentials::None) {
        true => Ok(()),
        false => Err(PlanError::NoTokens),
    }
}

fn check_time(plan: &Plan) -> Result<(), PlanError> {
    let times = match plan.scenario {
        Scenario::Idle { hold } => [hold, Duration::ZERO, Duration::ZERO],
        Scenario::Traffic {
            warm_up,
            duration,
            drain,
        } => {
            more_than_zero("--duration", duration.as_secs_f64())?;
            [warm_up, duration, drain]
        }
        Scenario::Rounds { rounds, drain } => {
            more_than_zero("--rounds", rounds.into())?;
            at_most("--rounds", rounds.into(), 100_000.0)?;
            [drain, Duration::ZERO, Duration::ZERO]
        }
        Scenario::Storm { rounds, settle } => {
            more_than_zero("--rounds", rounds.into())?;
            at_most("--rounds", rounds.into(), 1_000.0)?;
            [settle, Duration::ZERO, Duration::ZERO]
        }
    };
    let total: f64 = times.iter().map(Duration::as_secs_f64).sum();
    let total = total + plan.connect_timeout.as_secs_f64();
    at_most("seconds of the run", total, TIME.as_secs_f64())
}

fn at_most(what: &'static str, value: f64, bound: f64) -> Result<(), PlanError> {
    match value <= bound {
        true => Ok(()),
        false => Err(PlanError::TooMuch { what, value, bound }),
    }
}

fn more_than_zero(what: &'static str, value: f64) -> Result<(), PlanError> {
    match value > 0.0 {
        true => Ok(()),
        false => Err(PlanError::Zero(what)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Action, Cli};

    fn plan(arguments: &str) -> Result<Plan, PlanError> {
        let fixed = [
            "tidegate-loadtest",
            "fanout",
            "--target",
            "ws://127.0.0.1:1",
        ];
        let cli = Cli::parse_from(fixed.into_iter().chain(arguments.split_whitespace()));
        let Action::Fanout(fanout) = cli.action else {
            panic!("not fanout");
        };
        Plan::fanout(&fanout)
    }

    #[test]
    fn what_is_within_bounds_is_planned() {
        let small = plan("").unwrap();
        assert_eq!((small.processes, small.roster.clients()), (1, 500));
        let many = plan("--clients 40000 --rate 1").unwrap();
        assert_eq!(many.processes, 3);
    }

    #[test]
    fn every_bound_has_its_error() {
        for (arguments, expected) in [
            ("--clients 1300000", "--clients is 1300000"),
            ("--clients 0", "--clients must be"),
            ("--clients 20000 --processes 1", "clients of one process"),
            ("--processes 129", "--processes is 129"),
            ("--rate 200001", "messages per second"),
            ("--rate 190000", "deliveries per second"),
            ("--size 2000000", "--size"),
            ("--duration 5h", "seconds of the run"),
            ("--duration 0s", "--duration must be"),
            ("--subscriptions 2", "only 1 channels"),
            ("--rounds 0", "--rounds must be"),
            ("--inputs-per-second 1000", "inputs per second"),
            ("--concurrency 0", "--concurrency must be"),
            ("--publishers 0", "--publishers must be"),
            ("--dialect raw --token x", "no tokens"),
        ] {
            let error = plan(arguments).unwrap_err().to_string();
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }
}
