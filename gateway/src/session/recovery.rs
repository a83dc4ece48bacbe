//! What a subscription is told of positions, and what a client is given that comes back.

use std::sync::Arc;

use tidegate_backbone::{Channel, Position};
use tidegate_codec::{
    DisconnectCode, ErrorCode, StreamPosition, SubscribeRequest, SubscribeResult, UnsubscribeCode,
};

use super::{Actions, Landing, Session};
use crate::auth::Override;
use crate::interest::Wish;
use crate::rules::ChannelRules;

/// The bit of a subscribe's flags that asks for error 112 in place of a subscription without what was missed.
const REJECT_UNRECOVERED: i64 = 2;

/// What is in force for one subscription, and what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recovery {
    is_positioned: bool,
    is_recoverable: bool,
    pub(super) is_delta: bool,
    wish: Option<Wish>,
    rejects: bool,
}

impl Recovery {
    /// For a subscribe of somebody who may read the history or not.
    pub(super) fn new(
        request: &SubscribeRequest,
        rules: &ChannelRules,
        may_read: bool,
        overrides: Override,
    ) -> Self {
        let options = &rules.options;
        if !options.is_kept() {
            return Self::default();
        }
        let asks_recovery = request.recoverable || request.recover;
        let forces_recovery = overrides.force_recovery.unwrap_or(options.force_recovery);
        let forces_positioning = overrides.force_positioning;
        let is_recoverable = forces_recovery || asks_recovery && options.allow_recovery && may_read;
        let is_positioned = is_recoverable
            || forces_positioning.unwrap_or(options.force_positioning)
            || request.positioned && options.allow_positioning && may_read;
        let is_allowed = options.allowed_delta_types.contains(&request.delta);
        let is_delta = is_positioned && is_allowed && rules.delivery.newest_by.is_none();
        Self {
            wish: (is_recoverable && request.recover).then(|| wish(&request.position, rules)),
            rejects: request.flag & REJECT_UNRECOVERED != 0,
            is_positioned,
            is_recoverable,
            is_delta,
        }
    }

    /// For a server-side subscription, which recovers where the namespace says so.
    pub(super) fn server_side(
        since: Option<&StreamPosition>,
        rules: &ChannelRules,
        overrides: Override,
    ) -> Self {
        let options = &rules.options;
        let forces_recovery = overrides.force_recovery.unwrap_or(options.force_recovery);
        let forces_positioning = overrides.force_positioning;
        let forces_positioning = forces_positioning.unwrap_or(options.force_positioning);
        let is_recoverable = options.is_kept() && forces_recovery;
        Self {
            is_positioned: is_recoverable || options.is_kept() && forces_positioning,
            is_recoverable,
            wish: since.filter(|_| is_recoverable).map(|it| wish(it, rules)),
            ..Self::default()
        }
    }

    pub(super) fn wish(&self) -> Option<Wish> {
        self.wish.clone()
    }

    /// Adds what came of it to a reply.
    ///
    /// # Errors
    /// 112 when the client would rather not be subscribed than miss something.
    pub(super) fn tell(
        &self,
        landing: Landing,
        reply: &mut SubscribeResult,
    ) -> Result<(), ErrorCode> {
        reply.positioned = self.is_positioned;
        reply.recoverable = self.is_recoverable;
        reply.delta = self.is_delta;
        let Some(position) = landing.position.filter(|_| self.is_positioned) else {
            return Ok(());
        };
        reply.epoch = position.epoch.to_string();
        reply.offset = position.offset;
        let Some(Wish::Since(since) | Wish::Newest(since)) = &self.wish else {
            return Ok(());
        };
        reply.was_recovering = true;
        match landing.recovered {
            Some(publications) => {
                reply.recovered = true;
                reply.publications = publications;
                // The client goes on from its own position by reading the publications.
                reply.offset = since.offset;
            }
            None if self.rejects => return Err(ErrorCode::UnrecoverablePosition),
            None => {}
        }
        Ok(())
    }
}

impl Session {
    /// Gives up a channel of which the client cannot be given everything any more. It comes back with its position.
    pub fn lost(&mut self, channel: &Channel, actions: &mut Actions) {
        let Some((channel, subscription)) = self.subscriptions.remove(channel.as_str()) else {
            return;
        };
        if subscription.server_side {
            return self.close(DisconnectCode::InsufficientState, actions);
        }
        self.end_subscription(channel, UnsubscribeCode::InsufficientState, actions);
    }
}

fn wish(position: &StreamPosition, rules: &ChannelRules) -> Wish {
    let since = Position {
        epoch: Arc::from(&*position.epoch),
        offset: position.offset,
    };
    match rules.options.force_recovery_mode.as_str() {
        "cache" => Wish::Newest(since),
        _ => Wish::Since(since),
    }
}
