//! What happened on this node, as numbers that only grow (or gauges where said), and as metrics for whoever reads them.

mod closes;
mod times;
mod traffic;

use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_backbone::{Count, Durability, DurabilityReport};
use tidegate_telemetry::metrics::{Family, Shape};

pub use closes::Closes;
pub use times::Times;
pub use traffic::{Namespace, Origin, Traffic};

/// One number.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes `n` off: for gauges.
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares the counters, each with its Prometheus kind and help text.
macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident: $kind:ident, $help:literal;)+) => {
        /// The counters of one node.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $help] pub $name: Counter,)+
            /// By disconnect code.
            pub closes: Closes,
            /// How long things took.
            pub times: Times,
            /// By namespace.
            pub traffic: Traffic,
        }

        impl Counters {
            /// Each with its value.
            fn numbers(&self) -> Vec<Family> {
                vec![$(Family::new(
                    Shape::$kind,
                    concat!("tidegate_", stringify!($name)),
                    $help,
                ).of(self.$name.get()),)+]
            }
        }
    };
}

counters! {
    connections: Gauge, "Connections open now.";
    connections_accepted: Counter, "Connections accepted.";
    connections_refused: Counter, "Upgrades refused by the limits on connections.";
    origins_refused: Counter, "Upgrades refused because of their origin.";
    jwks_fetched: Counter, "Sets of keys of tokens fetched from their issuers.";
    jwks_fetch_failed: Counter, "Fetches of such sets that failed.";
    revocations: Gauge, "Blocked users and revoked tokens in the list now.";
    position_checks: Counter, "Positions of kept channels compared with the stream.";
    position_repairs: Counter, "Channels whose missing publications were read from the stream.";
    positions_lost: Counter, "Channels whose subscribers had to recover, because something was gone from the stream.";
    recovered_from_ring: Counter, "Looks for what clients missed that found it at hand.";
    recovery_reads: Counter, "Reads of the stream for clients that came back.";
    recovered_from_archive: Counter, "Reads of the archive for clients that came back later than the stream keeps.";
    recovered: Counter, "Subscribers that were given everything they had missed.";
    not_recovered: Counter, "Subscribers that asked for what they had missed and could not be given all of it.";
    subscriptions: Gauge, "Subscriptions of connections now.";
    channels: Gauge, "Channels that this node listens to now.";
    rate_limited: Counter, "Commands refused with error 111, for they came too often.";
    emulation_frames: Counter, "Frames of clients that came as requests of their own.";
    emulation_passed_on: Counter, "Of these, passed on to the node that has the connection.";
    echoes_lost: Counter, "Times that what the node tells itself did not come back in time.";
    commands: Counter, "Commands taken from clients.";
    publications_in: Counter, "Publications accepted from clients.";
    publications_out: Counter, "Publications put into connections' outboxes.";
    queue_bytes: Gauge, "Bytes that wait for clients whose connections take no more now.";
    events_out: Counter, "Joins and leaves put into connections' outboxes.";
    events_dropped: Counter, "Joins and leaves that other nodes could not be told.";
    presence_ignored: Counter, "Messages of other nodes and of the presence service that this node cannot read.";
    presence_reports: Counter, "Reports to the presence service.";
    presence_snapshots: Counter, "Of these, parts of snapshots that it asked for.";
    presence_unanswered: Counter, "Questions that the presence service did not answer in time.";
    not_json: Counter, "Publications kept from JSON clients because they are not valid JSON.";
    worker_queue_full: Counter, "Publications dropped because a worker's queue was full.";
    closed_by_server: Counter, "Connections closed by the server with a disconnect code.";
    given_away: Counter, "Of these, asked to connect again (3011) because other nodes have far fewer.";
    closed_slow: Counter, "Of these, closed because their outbox was full (3008).";
    protocol_errors: Counter, "Connections ended for breaking the WebSocket protocol or its limits.";
}

impl Counters {
    /// Counters of a node whose configuration names these namespaces.
    #[must_use]
    pub fn new<'a>(namespaces: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            traffic: Traffic::new(namespaces),
            ..Self::default()
        }
    }

    /// All counters, those of the backbone, and what its streams are.
    #[must_use]
    pub fn families(&self, backbone: &[Count], streams: &[DurabilityReport]) -> Vec<Family> {
        let mut families = self.numbers();
        families.extend(backbone.iter().map(|count| {
            let name = format!("tidegate_{}", count.name);
            Family::new(Shape::Counter, name, count.help).of(count.value)
        }));
        families.extend(durability(streams));
        families.push(self.closes.family());
        families.extend(self.times.families());
        families.extend(self.traffic.families());
        families
    }
}

/// A value for each stream, named as its namespace is; channels without one have the empty name.
fn durability(streams: &[DurabilityReport]) -> [Family; 2] {
    let family = |name, help, level: fn(&DurabilityReport) -> Durability| {
        let mut family = Family::gauge(name, help);
        for report in streams {
            let namespace = report.namespace.as_deref().unwrap_or_default();
            family.add(&[("namespace", namespace)], level(report) as u64);
        }
        family
    };
    [
        family(
            "tidegate_stream_durability",
            "What a confirmation means: 0 accepted, 1 replicated, 2 synced.",
            |it| it.level,
        ),
        family(
            "tidegate_stream_durability_required",
            "What a confirmation has to mean: 0 accepted, 1 replicated, 2 synced.",
            |it| it.required,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::metrics::page;

    use super::*;

    #[test]
    fn a_stream_is_shown_with_what_it_is_and_what_it_should_be() {
        let report = DurabilityReport {
            namespace: Some("chat".to_owned()),
            level: Durability::Synced,
            required: Durability::Replicated,
            reason: String::new(),
        };
        let text = page(&Counters::default().families(&[], &[report]));
        for line in [
            "tidegate_stream_durability{namespace=\"chat\"} 2",
            "tidegate_stream_durability_required{namespace=\"chat\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{text}");
        }
    }

    #[test]
    fn every_counter_is_shown_with_its_value() {
        let counters = Counters::default();
        counters.not_json.add(3);
        let count = Count {
            name: "nats_refused",
            help: "Refusals.",
            value: 7,
        };
        let text = page(&counters.families(&[count], &[]));
        assert!(text.contains("\ntidegate_nats_refused 7\n"), "{text}");
        assert!(text.contains("\ntidegate_not_json 3\n"), "{text}");
        assert!(text.starts_with("# HELP tidegate_connections "), "{text}");
    }
}
