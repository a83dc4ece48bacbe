//! `presence` and `presence_stats`, and what others are told of a subscription.

use std::collections::BTreeMap;

use tidegate_codec::{ClientInfo, DisconnectCode, ErrorCode, Reply, Success};

use super::{Action, Actions, Refusal, Session};
use crate::auth::Override;
use crate::rules::{Asker, ChannelRules};

/// How a subscription takes part in presence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// The presence service is told of it.
    pub is_shown: bool,
    /// Other subscribers are told of it; only if it is shown.
    pub is_announced: bool,
    /// It is told of the joins and leaves of others.
    pub is_hearing: bool,
}

/// What is asked of a channel's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceQuestion {
    /// Who is there.
    Members,
    /// How many.
    Counts,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// The presence service does not answer, or not yet.
    #[error("the presence service is not available: {0}")]
    Unavailable(String),
    /// More are there than one reply can name.
    #[error("more clients than fit into a reply")]
    TooMany,
}

/// What the presence service says of a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum PresenceAnswer {
    /// Who is there, in the form of the client that asks.
    Members(BTreeMap<String, ClientInfo>),
    /// How many are there.
    Counts {
        /// Connections.
        clients: u32,
        /// Different users.
        users: u32,
    },
}

impl Standing {
    /// Of a subscription that asks to hear of joins and leaves or does not. A token that hides a client hides that it joins and
    /// leaves, too.
    pub(super) fn new(rules: &ChannelRules, token: &Override, may_hear: bool) -> Self {
        let options = &rules.options;
        let is_announced = token.join_leave.unwrap_or(options.join_leave);
        let is_hidden = token.presence == Some(false);
        let is_forced = token.force_push_join_leave;
        Self {
            is_shown: token.presence.unwrap_or(options.presence || is_announced),
            is_announced: is_announced && !is_hidden,
            is_hearing: is_forced.unwrap_or(options.force_push_join_leave)
                || may_hear && is_announced,
        }
    }
}

impl Session {
    pub(super) fn presence(
        &mut self,
        id: u32,
        channel: &str,
        question: PresenceQuestion,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        if channel.is_empty() {
            return Err(DisconnectCode::BadRequest.into());
        }
        let (channel, rules) = self.rules.channel(channel)?;
        if !rules.options.presence {
            return Err(ErrorCode::NotAvailable.into());
        }
        let asker = Asker {
            user: &self.identity().user,
            subscribed: self.subscriptions.contains(channel.as_str()),
        };
        if !self.rules.may_ask_presence(asker, rules) {
            return Err(ErrorCode::PermissionDenied.into());
        }
        actions.push(Action::Presence {
            id,
            channel,
            question,
        });
        Ok(())
    }

    /// Takes the outcome of [`Action::Presence`].
    pub fn presence_answered(
        &mut self,
        id: u32,
        result: Result<PresenceAnswer, PresenceError>,
        actions: &mut Actions,
    ) {
        if self.is_closed() {
            return;
        }
        let outcome = match result {
            Ok(PresenceAnswer::Members(members)) => Ok(Success::Presence(members)),
            Ok(PresenceAnswer::Counts { clients, users }) => {
                Ok(Success::PresenceStats { clients, users })
            }
            Err(PresenceError::Unavailable(_)) => Err(ErrorCode::Internal.into()),
            Err(PresenceError::TooMany) => Err(ErrorCode::LimitExceeded.into()),
        };
        actions.push(Action::Reply(Reply { id, outcome }));
    }
}
