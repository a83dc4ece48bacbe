//! What happened on this node, as numbers that only grow (or gauges where said), and their text form for Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_backbone::{Count, Durability, DurabilityReport};

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
    ($($(#[$meta:meta])* $name:ident: $kind:literal, $help:literal;)+) => {
        /// The counters of one node.
        #[derive(Debug, Default)]
        pub struct Counters { $(#[doc = $help] pub $name: Counter,)+ }

        impl Counters {
            /// All counters, `others`, and what its streams are, in Prometheus' text format.
            #[must_use]
            pub fn render(&self, others: &[Count], streams: &[DurabilityReport]) -> String {
                let mut text = String::new();
                $(render(&mut text, concat!("tidegate_", stringify!($name)), $kind, $help, self.$name.get());)+
                for count in others {
                    render(&mut text, &format!("tidegate_{}", count.name), "counter", count.help, count.value);
                }
                render_durability(&mut text, streams);
                text
            }
        }
    };
}

counters! {
    connections: "gauge", "Connections open now.";
    connections_accepted: "counter", "Connections accepted.";
    connections_refused: "counter", "Upgrades refused by the limits on connections.";
    origins_refused: "counter", "Upgrades refused because of their origin.";
    jwks_fetched: "counter", "Sets of keys of tokens fetched from their issuers.";
    jwks_fetch_failed: "counter", "Fetches of such sets that failed.";
    revocations: "gauge", "Blocked users and revoked tokens in the list now.";
    position_checks: "counter", "Positions of kept channels compared with the stream.";
    position_repairs: "counter", "Channels whose missing publications were read from the stream.";
    positions_lost: "counter", "Channels whose subscribers had to recover, because something was gone from the stream.";
    recovery_reads: "counter", "Reads of the stream for clients that came back.";
    recovered_from_archive: "counter", "Reads of the archive for clients that came back later than the stream keeps.";
    recovered: "counter", "Subscribers that were given everything they had missed.";
    not_recovered: "counter", "Subscribers that asked for what they had missed and could not be given all of it.";
    subscriptions: "gauge", "Subscriptions of connections now.";
    channels: "gauge", "Channels that this node listens to now.";
    rate_limited: "counter", "Commands refused with error 111, for they came too often.";
    emulation_frames: "counter", "Frames of clients that came as requests of their own.";
    emulation_passed_on: "counter", "Of these, passed on to the node that has the connection.";
    echoes_lost: "counter", "Times that what the node tells itself did not come back in time.";
    commands: "counter", "Commands taken from clients.";
    publications_in: "counter", "Publications accepted from clients.";
    publications_out: "counter", "Publications put into connections' outboxes.";
    events_out: "counter", "Joins and leaves put into connections' outboxes.";
    events_dropped: "counter", "Joins and leaves that other nodes could not be told.";
    presence_ignored: "counter", "Messages of other nodes and of the presence service that this node cannot read.";
    presence_reports: "counter", "Reports to the presence service.";
    presence_snapshots: "counter", "Of these, parts of snapshots that it asked for.";
    presence_unanswered: "counter", "Questions that the presence service did not answer in time.";
    not_json: "counter", "Publications kept from JSON clients because they are not valid JSON.";
    worker_queue_full: "counter", "Publications dropped because a worker's queue was full.";
    closed_by_server: "counter", "Connections closed by the server with a disconnect code.";
    given_away: "counter", "Of these, asked to connect again (3011) because other nodes have far fewer.";
    closed_slow: "counter", "Of these, closed because their outbox was full (3008).";
    protocol_errors: "counter", "Connections ended for breaking the WebSocket protocol or its limits.";
}

fn render(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
    );
}

/// One line for each stream, named as its namespace is; channels without one have the empty name.
fn render_durability(text: &mut String, streams: &[DurabilityReport]) {
    const LEVELS: &str = "0 accepted, 1 replicated, 2 synced";
    for (name, what, of) in [
        (
            "stream_durability",
            "means",
            (|it| it.level) as fn(&DurabilityReport) -> Durability,
        ),
        ("stream_durability_required", "has to mean", |it| {
            it.required
        }),
    ] {
        let _ = writeln!(
            text,
            "# HELP tidegate_{name} What a confirmation {what}: {LEVELS}.\n# TYPE tidegate_{name} gauge"
        );
        for report in streams {
            let namespace = report.namespace.as_deref().unwrap_or_default();
            let level = of(report) as u8;
            let _ = writeln!(text, "tidegate_{name}{{namespace=\"{namespace}\"}} {level}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_rendered_with_what_it_is_and_what_it_should_be() {
        let report = DurabilityReport {
            namespace: Some("chat".to_owned()),
            level: Durability::Synced,
            required: Durability::Replicated,
            reason: String::new(),
        };
        let text = Counters::default().render(&[], &[report]);
        for line in [
            "tidegate_stream_durability{namespace=\"chat\"} 2",
            "tidegate_stream_durability_required{namespace=\"chat\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{text}");
        }
    }

    #[test]
    fn every_counter_is_rendered_with_its_value() {
        let counters = Counters::default();
        counters.not_json.add(3);
        let count = Count {
            name: "nats_refused",
            help: "Refusals.",
            value: 7,
        };
        let text = counters.render(&[count], &[]);
        assert!(text.contains("\ntidegate_nats_refused 7\n"), "{text}");
        assert!(text.contains("\ntidegate_not_json 3\n"), "{text}");
        assert!(text.starts_with("# HELP tidegate_connections "), "{text}");
    }
}
