//! Histories, as backends read them.

use std::time::{Duration, SystemTime};

use tidegate_backbone::archive::ArchiveError;
use tidegate_backbone::{Channel, Error, From, Publication, Range, Removal};
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

    /// Takes everything that is kept of a channel out of its stream, out of every gateway's hands, and out of the archive, if
    /// its namespace has one. Where one of these fails it can be repeated.
    pub(super) async fn remove_history(&self, channel: &str) -> Result<Outcome, Failure> {
        let (channel, rules) = self.rules().channel(channel)?;
        if !rules.options.is_kept() {
            return Err(ErrorCode::NotAvailable.into());
        }
        let backbone = &*self.cluster.node.backbone;
        let removed = tidegate_backbone::remove(backbone, &channel, &Removal::All).await;
        removed.map_err(|error| not_of_stream(&error))?;
        let archive = self.cluster.node.interest.archive();
        let removed = archive.remove(&channel).await;
        removed.map_err(|error| not_of_archive(&channel, &error))?;
        Ok(Outcome::Removed)
    }
}

/// Nothing is removed from the archive before the rest is done.
fn not_of_stream(error: &Error) -> Failure {
    match error {
        Error::Unavailable(_) => Failure {
            message:
                "some of it may be removed from the stream, and nothing from the archive; repeat it"
                    .to_owned(),
            ..ErrorCode::Internal.into()
        },
        Error::TooLarge { .. } | Error::NotKept(_) => failure(error),
    }
}

/// What is left to do, for who has to do it.
fn not_of_archive(channel: &Channel, error: &ArchiveError) -> Failure {
    let channel = channel.as_str();
    tracing::warn!(channel, %error, "history was not removed from the archive");
    let doubt = match error {
        ArchiveError::Absent | ArchiveError::Refused(_) => "not",
        ArchiveError::Silent(_) => "perhaps not",
    };
    Failure {
        message: format!(
            "removed from the stream and from gateways, but {doubt} from the archive: {error}; repeat it"
        ),
        ..ErrorCode::Internal.into()
    }
}

/// The time of the oldest publication that readers are promised, in milliseconds since the Unix epoch.
fn oldest(ttl: Duration) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let oldest = now.unwrap_or_default().saturating_sub(ttl);
    u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX)
}
