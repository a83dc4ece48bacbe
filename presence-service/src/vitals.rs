//! What the service says of itself to orchestrators and Prometheus.

use futures_util::future::BoxFuture;
use tidegate_service::Vitals;
use tidegate_telemetry::metrics::Family;

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

    fn metrics(&self) -> BoxFuture<'_, Vec<Family>> {
        let desk = self.desk();
        let own = [
            Family::gauge(
                "tidegate_presence_ready",
                "1 once the service has everything that is this replica's.",
            )
            .of(self.is_ready().into()),
            Family::gauge(
                "tidegate_presence_waiting_bytes",
                "Messages from the bus that were not taken yet.",
            )
            .of(desk.waiting() as u64),
            Family::counter(
                "tidegate_presence_answers_total",
                "Questions that were answered from here.",
            )
            .of(desk.answers()),
        ];
        let seen = desk.look(|roster| (sizes(roster), events(roster)));
        Box::pin(async move {
            // A service that ends has nothing else to tell.
            let Ok((sizes, events)) = seen.await else {
                return own.into();
            };
            own.into_iter().chain(sizes).chain(events).collect()
        })
    }
}

fn sizes(roster: &Roster) -> [Family; 5] {
    let (memberships, connections) = roster.entries();
    let mut nodes = Family::gauge(
        "tidegate_presence_nodes",
        "Gateway nodes that are remembered.",
    );
    for (name, state) in [
        ("alive", NodeState::Alive),
        ("gone", NodeState::Gone),
        ("ended", NodeState::Ended),
    ] {
        let count = roster.nodes().filter(|it| it.state == state).count();
        nodes.add(&[("state", name)], count as u64);
    }
    let mut partitions = Family::gauge(
        "tidegate_presence_partitions",
        "Partitions that this replica follows, and those of which it has everything.",
    );
    partitions.add(&[("state", "held")], roster.held().len() as u64);
    partitions.add(&[("state", "ready")], roster.ready().len() as u64);
    [
        Family::gauge(
            "tidegate_presence_memberships",
            "Clients in channels, each in each channel.",
        )
        .of(memberships as u64),
        Family::gauge("tidegate_presence_connections", "Connections of users.")
            .of(connections as u64),
        nodes,
        Family::gauge(
            "tidegate_presence_other_replicas",
            "Other replicas that live.",
        )
        .of(roster.peers().count() as u64),
        partitions,
    ]
}

fn events(roster: &Roster) -> [Family; 5] {
    let activity = roster.activity();
    let mut refused = Family::counter(
        "tidegate_presence_refused_total",
        "What had no effect, and why.",
    );
    for (fault, _, count) in roster.faults().all() {
        if fault != Fault::Missed {
            refused.add(&[("reason", &fault.to_string())], count);
        }
    }
    [
        Family::counter(
            "tidegate_presence_changes_total",
            "Changes of nodes that were taken in.",
        )
        .of(activity.changes),
        Family::counter(
            "tidegate_presence_snapshots_total",
            "Snapshots of streams that were taken in.",
        )
        .of(activity.snapshots),
        Family::counter(
            "tidegate_presence_gaps_total",
            "Streams that were asked for because something of them was missing.",
        )
        .of(roster.faults().of(Fault::Missed)),
        Family::counter(
            "tidegate_presence_leases_ended_total",
            "Times that a node was silent for longer than its lease.",
        )
        .of(activity.leases_ended),
        refused,
    ]
}
