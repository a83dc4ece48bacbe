//! What the service says of itself to orchestrators and Prometheus.

use futures_util::future::BoxFuture;
use tidegate_service::Vitals;
use tidegate_telemetry::metrics::Family;

use crate::history::{History, Stats};

impl Vitals for History {
    fn readiness(&self) -> Result<(), String> {
        match self.is_ready() {
            true => Ok(()),
            false => Err("NATS, or a stream that is archived, cannot be asked".to_owned()),
        }
    }

    fn metrics(&self) -> BoxFuture<'_, Vec<Family>> {
        Box::pin(async move {
            let ready = Family::gauge(
                "tidegate_history_ready",
                "1 while archive and streams can be asked.",
            );
            let mut families = vec![ready.of(self.is_ready().into())];
            match self.stats().await {
                Ok(stats) => families.extend(sizes(&stats)),
                Err(error) => {
                    tracing::warn!(%error, "the archive does not say what it has");
                    families.push(unreadable(1));
                }
            }
            families
        })
    }
}

fn sizes(stats: &Stats) -> Vec<Family> {
    let mut publications = Family::gauge(
        "tidegate_history_publications",
        "Publications that are archived.",
    );
    let mut bytes = Family::gauge("tidegate_history_bytes", "Bytes of their payloads.");
    let mut lag = Family::gauge(
        "tidegate_history_lag",
        "Messages of the streams that are not archived yet, where this replica takes them in.",
    );
    for of in stats.namespaces() {
        let namespace = of.namespace.unwrap_or_default();
        let labels = [("namespace", namespace.as_str())];
        publications.add(&labels, of.count.publications);
        bytes.add(&labels, of.count.bytes);
        if let Some(messages) = of.lag {
            lag.add(&labels, messages);
        }
    }
    let disk = Family::gauge(
        "tidegate_history_disk_bytes",
        "Bytes that the archive takes on this machine's disk.",
    );
    let disk = disk.of(stats.disk_bytes);
    vec![publications, bytes, lag, disk, unreadable(0)]
}

/// Whether sizes are not known: a page that lacks them in silence would look like an empty archive.
fn unreadable(value: u64) -> Family {
    Family::gauge(
        "tidegate_history_unreadable",
        "1 while the archive does not say what it has.",
    )
    .of(value)
}
