//! What the service says of itself to orchestrators and Prometheus.

use futures_util::future::BoxFuture;
use tidegate_service::{Exposition, Type, Vitals};

use crate::message::Fault;
use crate::presence::Presence;
use crate::roster::{NodeState, Roster};

impl Vitals for Presence {
    fn readiness(&self) -> Result<(), String> {
        match self.is_ready() {
            true => Ok(()),
            false => Err("not every node has told everything yet".to_owned()),
        }
    }

    fn metrics(&self) -> BoxFuture<'_, String> {
        let desk = self.desk();
        let (is_ready, answers, waiting) = (self.is_ready(), desk.answers(), desk.waiting());
        let seen = desk.look(|roster| (sizes(roster), events(roster)));
        Box::pin(async move {
            // A service that ends has no metrics.
            let Ok((sizes, events)) = seen.await else {
                return String::new();
            };
            let own = Exposition::default()
                .metric(
                    Type::Gauge,
                    "tidegate_presence_ready",
                    "1 once the service has everything that is this replica's.",
                    is_ready.into(),
                )
                .metric(
                    Type::Gauge,
                    "tidegate_presence_waiting_bytes",
                    "Messages from the bus that were not taken yet.",
                    waiting as u64,
                )
                .metric(
                    Type::Counter,
                    "tidegate_presence_answers_total",
                    "Questions that were answered from here.",
                    answers,
                );
            own.text() + &sizes + &events
        })
    }
}

fn sizes(roster: &Roster) -> String {
    let (memberships, connections) = roster.entries();
    let of_state = |state| roster.nodes().filter(|it| it.state == state).count() as u64;
    Exposition::default()
        .metric(
            Type::Gauge,
            "tidegate_presence_memberships",
            "Clients in channels, each in each channel.",
            memberships as u64,
        )
        .metric(
            Type::Gauge,
            "tidegate_presence_connections",
            "Connections of users.",
            connections as u64,
        )
        .labelled(
            Type::Gauge,
            "tidegate_presence_nodes",
            "Gateway nodes that are remembered.",
            "state",
            [
                ("alive", of_state(NodeState::Alive)),
                ("gone", of_state(NodeState::Gone)),
                ("ended", of_state(NodeState::Ended)),
            ],
        )
        .metric(
            Type::Gauge,
            "tidegate_presence_other_replicas",
            "Other replicas that live.",
            roster.peers().count() as u64,
        )
        .labelled(
            Type::Gauge,
            "tidegate_presence_partitions",
            "Partitions that this replica follows, and those of which it has everything.",
            "state",
            [
                ("held", roster.held().len() as u64),
                ("ready", roster.ready().len() as u64),
            ],
        )
        .text()
}

fn events(roster: &Roster) -> String {
    let activity = roster.activity();
    let faults: Vec<_> = roster
        .faults()
        .all()
        .filter(|(fault, _, _)| *fault != Fault::Missed)
        .map(|(fault, _, count)| (fault.to_string(), count))
        .collect();
    Exposition::default()
        .metric(
            Type::Counter,
            "tidegate_presence_changes_total",
            "Changes of nodes that were taken in.",
            activity.changes,
        )
        .metric(
            Type::Counter,
            "tidegate_presence_snapshots_total",
            "Snapshots of streams that were taken in.",
            activity.snapshots,
        )
        .metric(
            Type::Counter,
            "tidegate_presence_gaps_total",
            "Streams that were asked for because something of them was missing.",
            roster.faults().of(Fault::Missed),
        )
        .metric(
            Type::Counter,
            "tidegate_presence_leases_ended_total",
            "Times that a node was silent for longer than its lease.",
            activity.leases_ended,
        )
        .labelled(
            Type::Counter,
            "tidegate_presence_refused_total",
            "What had no effect, and why.",
            "reason",
            faults.iter().map(|(name, count)| (name.as_str(), *count)),
        )
        .text()
}
