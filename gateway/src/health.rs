//! Whether a node is of use, check by check: what `/ready` answers and metrics tell.
//!
//! In: the backbone's state, what the node [tells itself](echo), and whether services answer. Out: a [`Report`]. A check that
//! fails makes the node unready; one that is only degraded is told and changes nothing.

mod echo;
mod pulse;
mod services;

use std::convert::Infallible;
use std::sync::Arc;

use serde::Serialize;
use tidegate_backbone::{Bus, DurabilityReport, Error, Subscription};
use tidegate_telemetry::metrics::Family;

use crate::config::HealthConfig;
use crate::counters::Counters;
use crate::node::Node;
use echo::Echo;
use pulse::Beating;
use services::Services;

/// What a node knows of its own use.
#[derive(Debug)]
pub(crate) struct Health {
    echo: Arc<Echo>,
    services: Services,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    Degraded,
    Failed,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    name: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// All checks of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    ready: bool,
    checks: Vec<Check>,
}

impl Health {
    pub(crate) fn new(config: &HealthConfig, counters: Arc<Counters>) -> Self {
        Self {
            echo: Echo::new(config, counters),
            services: Services::default(),
        }
    }

    /// Hears the node itself, whose id this is, from here on.
    pub(crate) async fn listen(&self, bus: &dyn Bus, node: &str) -> Result<Subscription, Error> {
        self.echo.listen(bus, node).await
    }

    /// Looks again and again, at what was [listened](Self::listen) to and at services.
    pub(crate) async fn keep(&self, node: &Node, id: &str) -> Infallible {
        tokio::select! {
            never = self.echo.keep(&*node.backbone, id) => never,
            never = self.services.keep(node) => never,
        }
    }

    fn echo(&self) -> Check {
        let failed = |reason: String| Check::new("echo", State::Failed, Some(reason));
        match self.echo.beating() {
            Beating::Well | Beating::Unwatched => Check::new("echo", State::Ok, None),
            Beating::NotYet => {
                failed("what the node tells itself has not come back yet".to_owned())
            }
            Beating::Lost(age) => failed(format!(
                "nothing that the node told itself in the last {:.1} s came back",
                age.as_secs_f64()
            )),
        }
    }
}

impl Check {
    fn new(name: impl Into<String>, state: State, reason: Option<String>) -> Self {
        Self {
            name: name.into(),
            state,
            reason,
        }
    }

    /// One that has failed if there is a reason why.
    fn of(name: impl Into<String>, failure: Option<String>) -> Self {
        let state = failure.as_ref().map_or(State::Ok, |_| State::Failed);
        Self::new(name, state, failure)
    }
}

impl Report {
    /// How the node is now.
    pub(crate) fn of(node: &Node) -> Self {
        let backbone = &node.backbone;
        let draining = node.is_draining().then(|| "stopping".to_owned());
        let streams: Vec<_> = backbone.durability().iter().map(stream).collect();
        let is_all_of_it = streams.iter().any(|check| check.state == State::Failed);
        let unreachable = (!backbone.is_ready() && !is_all_of_it)
            .then(|| "not reachable, or its streams are not known yet".to_owned());
        let mut checks = vec![
            Check::of("drain", draining),
            Check::of("backbone", unreachable),
            node.health.echo(),
        ];
        let list = node.rules.revocations.as_ref();
        checks.extend(list.map(|list| {
            let unread = (!list.is_complete()).then(|| "not read yet".to_owned());
            Check::of("revocations", unread)
        }));
        checks.extend(streams);
        let services = node.health.services.known();
        checks.extend(services.into_iter().map(|(name, found)| match found {
            Ok(()) => Check::new(name, State::Ok, None),
            Err(reason) => Check::new(name, State::Degraded, Some(reason)),
        }));
        Self {
            ready: checks.iter().all(|check| check.state != State::Failed),
            checks,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// As metrics, with what the newest echo took.
    pub(crate) fn families(&self, health: &Health) -> [Family; 3] {
        let ready = Family::gauge(
            "tidegate_ready",
            "Whether the node is of use to new clients.",
        );
        let mut checks = Family::gauge("tidegate_check_ok", "Whether a check of /ready is passed.");
        for check in &self.checks {
            let is_ok = check.state == State::Ok;
            checks.add(&[("check", &check.name)], u64::from(is_ok));
        }
        let mut echo = Family::gauge(
            "tidegate_echo_seconds",
            "How long the newest message of the node to itself was on its way.",
        );
        if let Some(round_trip) = health.echo.round_trip() {
            echo.add_time(&[], round_trip);
        }
        [ready.of(u64::from(self.ready)), checks, echo]
    }
}

/// A stream that has to be more durable than it is makes a node unready.
fn stream(report: &DurabilityReport) -> Check {
    let namespace = report.namespace.as_deref().unwrap_or_default();
    let failure = (report.level < report.required).then(|| {
        let (level, required, reason) = (report.level, report.required, &report.reason);
        format!("it is {level}, and has to be {required}: {reason}")
    });
    Check::of(format!("stream {namespace}").trim_end(), failure)
}
