//! Histories, as backends read them.

use std::time::{Duration, SystemTime};

use tidegate_backbone::{From, Publication, Range, Removal};
use tidegate_codec::{ErrorCode, Failure};

use super::publish::failure;
use super::{Api, HistoryQuery, Outcome};

/// Publications in one answer.
const MAX_COUNT: usize = 1_000;

/// Bytes of payloads in one answer.
const MAX_BYTES: usize = 1024 * 1024;

impl Api {
    pub(super) async fn history(&self, query: HistoryQuery) -> Result<Outcome, Failure> {
        let (channel, rules) = self.rules().channel(&query.channel)?;
        if !rules.options.is_kept() {
            return Err(ErrorCode::NotAvailable.into());
        }
        let backbone = &self.cluster.node.backbone;
        let limit = usize::try_from(query.limit).unwrap_or(MAX_COUNT);
        let (offset, epoch) = query.since.unwrap_or_default();
        if query.is_reverse && offset == 0 && !epoch.is_empty() {
            return Err(ErrorCode::BadRequest.into());
        }
        let from = match (query.is_reverse, offset) {
            (false, offset) => From::After(offset),
            (true, 0) => From::Before(u64::MAX),
            (true, offset) => From::Before(offset),
        };
        let (publications, top) = if limit == 0 {
            let tops = backbone.tops(std::slice::from_ref(&channel)).await;
            let tops = tops.map_err(|error| failure(&error))?;
            let top = tops.into_iter().next().ok_or(ErrorCode::Internal)?;
            (Vec::new(), top)
        } else {
            let range = Range {
                from,
                limit: limit.min(MAX_COUNT),
                max_bytes: MAX_BYTES,
            };
            let page = backbone.read(&channel, range).await;
            let page = page.map_err(|error| failure(&error))?;
            (page.publications, page.top)
        };
        if !epoch.is_empty() && *epoch != *top.position.epoch {
            return Err(ErrorCode::UnrecoverablePosition.into());
        }
        let oldest = oldest(rules.options.history_ttl);
        let is_due = |it: &Publication| it.place.as_ref().is_some_and(|it| it.time >= oldest);
        Ok(Outcome::History {
            publications: publications.into_iter().filter(is_due).collect(),
            position: top.position,
        })
    }

    /// Takes everything that is kept of a channel out of its stream and out of every gateway's hands. The history service keeps
    /// what it has archived.
    pub(super) async fn remove_history(&self, channel: &str) -> Result<Outcome, Failure> {
        let (channel, rules) = self.rules().channel(channel)?;
        if !rules.options.is_kept() {
            return Err(ErrorCode::NotAvailable.into());
        }
        let backbone = &*self.cluster.node.backbone;
        let removed = tidegate_backbone::remove(backbone, &channel, &Removal::All).await;
        removed.map_err(|error| failure(&error))?;
        Ok(Outcome::Removed)
    }
}

/// The time of the oldest publication that readers are promised, in milliseconds since the Unix epoch.
fn oldest(ttl: Duration) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let oldest = now.unwrap_or_default().saturating_sub(ttl);
    u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX)
}
