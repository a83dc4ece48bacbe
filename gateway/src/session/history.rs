//! `history`: what is kept of a channel.

use std::time::{Duration, SystemTime};

use tidegate_backbone::{Error, From, Page, Publication, Range};
use tidegate_codec::{
    DisconnectCode, ErrorCode, Format, HistoryRequest, Reply, StreamPosition, Success,
};

use super::{Action, Actions, Moment, Refusal, Session};
use crate::broadcast::Recent;
use crate::rules::Asker;

/// Bytes of payloads in one reply; a client that reads its replies is not closed as slow for it.
const MAX_BYTES: usize = 512 * 1024;

/// What a reader gave as its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    id: u32,
    epoch: String,
    ttl: Duration,
}

/// Those of one client.
#[derive(Debug, Default)]
pub(super) struct Readings(Vec<Reading>);

impl Session {
    pub(super) fn history(
        &mut self,
        id: u32,
        request: HistoryRequest,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        if request.channel.is_empty() {
            return Err(DisconnectCode::BadRequest.into());
        }
        let (channel, rules) = self.rules.channel(&request.channel)?;
        if !rules.options.is_kept() {
            return Err(ErrorCode::NotAvailable.into());
        }
        let asker = Asker {
            user: &self.identity().user,
            subscribed: self.subscriptions.contains(channel.as_str()),
        };
        if !self.rules.may_read_history(asker, rules) {
            return Err(ErrorCode::PermissionDenied.into());
        }
        let since = request.since.unwrap_or_default();
        if request.reverse && since != StreamPosition::default() && since.offset == 0 {
            return Err(ErrorCode::BadRequest.into());
        }
        let from = match (request.reverse, since.offset) {
            (false, offset) => From::After(offset),
            (true, 0) => From::Before(u64::MAX),
            (true, offset) => From::Before(offset),
        };
        let most = self.rules.client.history_max_publication_limit;
        let limit = usize::try_from(request.limit).map_or(most, |limit| limit.min(most));
        let range = Range {
            from,
            limit,
            max_bytes: MAX_BYTES,
        };
        let ttl = match (rules.options.archive, rules.options.archive_ttl) {
            (false, _) => rules.options.history_ttl,
            (true, Duration::ZERO) => Duration::MAX,
            (true, ttl) => ttl.max(rules.options.history_ttl),
        };
        self.reading.get_or_insert_default().0.push(Reading {
            id,
            epoch: since.epoch,
            ttl,
        });
        actions.push(Action::Read {
            id,
            channel,
            range: (limit > 0).then_some(range),
        });
        Ok(())
    }

    /// Takes what [`Action::Read`] found, for a client of `format`.
    pub fn read(
        &mut self,
        id: u32,
        result: Result<Page, Error>,
        format: Format,
        now: Moment,
        actions: &mut Actions,
    ) {
        let Some(reading) = self.take_reading(id) else {
            return;
        };
        let outcome = match result {
            Ok(page) if !reading.epoch.is_empty() && *reading.epoch != *page.top.position.epoch => {
                Err(ErrorCode::UnrecoverablePosition.into())
            }
            Ok(page) => Ok(reading.success(page, format, now.wall)),
            Err(Error::NotKept(_)) => Err(ErrorCode::NotAvailable.into()),
            Err(Error::Unavailable(_) | Error::TooLarge { .. }) => Err(ErrorCode::Internal.into()),
        };
        actions.push(Action::Reply(Reply { id, outcome }));
    }

    fn take_reading(&mut self, id: u32) -> Option<Reading> {
        let all = &mut self.reading.as_mut()?.0;
        let index = all.iter().position(|reading| reading.id == id)?;
        let reading = all.swap_remove(index);
        self.reading.take_if(|all| all.0.is_empty());
        Some(reading)
    }
}

impl Reading {
    /// What is older than readers are promised, and what has no form for the client, is left out.
    fn success(&self, page: Page, format: Format, now: SystemTime) -> Success {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let oldest = now.saturating_sub(self.ttl).as_millis();
        let is_due = |publication: &Publication| {
            let place = publication.place.as_ref();
            place.is_some_and(|place| u128::from(place.time) >= oldest)
        };
        let publications = page.publications.iter();
        let publications = publications.filter(|it| is_due(it) && format.accepts(&it.data));
        Success::History {
            publications: publications
                .map(|it| Recent::new(it.clone()).to_client(format))
                .collect(),
            epoch: page.top.position.epoch.to_string(),
            offset: page.top.position.offset,
        }
    }
}
