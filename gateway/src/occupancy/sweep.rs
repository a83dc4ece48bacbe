//! Removes nodes that are gone from the records: those that were killed, and those that had no time to do it themselves.

use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Duration;

use tidegate_backbone::{Message, Topic};
use tokio::time::{Instant, sleep};

use super::ledger::Ledger;
use super::record::Change;
use super::records::{Fault, Records};
use crate::cluster::{Cluster, LEASE};

/// Between two looks at who lives.
const LOOK: Duration = Duration::from_secs(1);

/// A node that is not known is looked for again after so long, before it is given up: it may be new.
const DOUBT: Duration = Duration::from_secs(2);

/// What was missed is found after so long.
const ROUND: Duration = Duration::from_secs(600);

/// Watches the others until the node has ended.
pub(super) async fn watch(ledger: &Ledger, cluster: Weak<Cluster>, delay: Duration) {
    // Until then others may live that were not heard.
    sleep(LEASE + LOOK).await;
    let mut living = BTreeSet::new();
    let (mut is_due, mut last) = (true, Instant::now());
    loop {
        let Some(now) = cluster.upgrade().map(|it| it.living()) else {
            return;
        };
        is_due |= !living.is_subset(&now) || last.elapsed() > ROUND;
        living = now;
        // One of them is enough; when it dies meanwhile, that is seen here.
        let is_first = living.first().is_none_or(|it| ledger.node < *it);
        if is_due && is_first {
            match sweep(ledger, &cluster, delay.max(DOUBT)).await {
                Ok(is_whole) => (is_due, last) = (!is_whole, Instant::now()),
                Err(error) => {
                    tracing::warn!(%error, "channels of nodes that are gone cannot be released yet");
                }
            }
        } else if is_due && last.elapsed() > ROUND {
            last = Instant::now();
        }
        sleep(LOOK).await;
    }
}

/// Tells whether every record was looked at.
async fn sweep(ledger: &Ledger, cluster: &Weak<Cluster>, delay: Duration) -> Result<bool, Fault> {
    let reading = Records(&*ledger.bus).all(&ledger.node);
    let (records, is_whole) = reading.await?;
    let is_left = |lost: &BTreeSet<String>| {
        let all = records.iter().flat_map(|it| &it.nodes);
        let gone = all.filter(|node| **node != ledger.node && !lost.contains(*node));
        gone.cloned().collect::<BTreeSet<_>>()
    };
    let living = || cluster.upgrade().map(|it| it.living()).unwrap_or_default();
    let untold = records.iter().any(|it| !it.is_told);
    let missing = is_left(&living());
    if missing.is_empty() && !untold {
        return Ok(is_whole);
    }
    // Whose clients come to other nodes are still there.
    sleep(delay).await;
    if cluster.upgrade().is_none() {
        return Ok(true);
    }
    let living = living();
    let gone: BTreeSet<_> = missing
        .into_iter()
        .filter(|node| !living.contains(node))
        .collect();
    for record in &records {
        // What was left untold is told by whoever changes the record, or does as if.
        if !record.is_told || !record.nodes.is_disjoint(&gone) {
            ledger
                .change(&record.channel, &Change::Remove(&gone))
                .await?;
        }
    }
    for node in &gone {
        tracing::info!(node, "a node is gone, and its channels were released");
        let message = Message::new(node.clone());
        // Should it live after all, it claims them again.
        let told = ledger.bus.tell(&Topic::node_given_up(), message).await;
        told.map_err(|error| Fault::Unavailable(error.to_string()))?;
    }
    Ok(is_whole)
}
