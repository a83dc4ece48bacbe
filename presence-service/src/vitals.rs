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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use tidegate_backbone::embedded::Embedded;
    use tidegate_telemetry::metrics::page;
    use tokio::time::sleep;

    use super::*;
    use crate::desk::{Desk, Heard};
    use crate::roster::Options;

    /// No desk has room for so many messages.
    const TOO_MANY: usize = 65_536 + 2;

    async fn shown(presence: &Presence) -> String {
        page(&presence.metrics().await)
    }

    fn check(text: &str, name: &str, value: usize) {
        let line = format!("tidegate_presence_{name} {value}");
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }

    /// The task of the desk gets its turn only after messages have come.
    #[tokio::test(start_paused = true)]
    async fn messages_that_wait_and_those_that_found_no_room_are_shown() {
        let options = Options {
            replica: "a".to_owned(),
            partitions: 1,
            settle: Duration::ZERO,
            patience: Duration::from_secs(1),
            max_entries: 1,
            last_seen_ttl: Duration::ZERO,
            last_seen_max: 0,
        };
        let (desk, _effects, task) = Desk::new(options);
        let presence = Presence::new(desk.clone(), Arc::new(Embedded::new()), 1);
        for _ in 0..TOO_MANY {
            desk.hear(Heard::Beat(Bytes::from_static(&[0xff; 3])));
        }
        let look = presence.metrics();
        tokio::spawn(task);
        let text = page(&look.await);
        check(&text, "waiting_bytes", 3 * (TOO_MANY - 2));
        check(&text, "refused_total{reason=\"malformed\"}", TOO_MANY - 2);
        // Those that were dropped are counted in passing.
        sleep(Duration::from_secs(1)).await;
        let text = shown(&presence).await;
        check(&text, "waiting_bytes", 0);
        check(&text, "refused_total{reason=\"queue_full\"}", 2);
    }
}
