//! What backends want of a session.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_backbone::Channel;
use tidegate_codec::{
    Disconnect, DisconnectCode, ErrorCode, Event, Push, ServerSubscription, StreamPosition,
    SubscribeResult, UnsubscribeCode,
};

use super::recovery::Recovery;
use super::subscribe::Subscribing;
use super::{Action, Actions, Join, Moment, Session, Standing, State, Subscription};
use crate::auth::Expiry;
use crate::control::{Order, Refreshing, Subscribing as Wanted};

impl Session {
    /// Does what a backend wants. Tells whether it could be done, or was so already.
    pub(crate) fn obey(&mut self, order: &Order, now: Moment, actions: &mut Actions) -> bool {
        if !matches!(self.state, State::Open(_)) {
            return false;
        }
        match order {
            Order::Subscribe(wanted) => self.subscribe_by_order(wanted, now, actions),
            Order::Unsubscribe {
                channel: Some(channel),
            } => self.unsubscribe_by_order(channel, actions),
            Order::Unsubscribe { channel: None } => self.unsubscribe_of_all(actions),
            Order::Disconnect { code, reason } => {
                let with = Disconnect::new(*code, reason);
                let with = with.unwrap_or(DisconnectCode::ForceDisconnect.into());
                self.close(with, actions);
                true
            }
            Order::Refresh(refreshing) => self.refresh_by_order(refreshing, now, actions),
        }
    }

    fn subscribe_by_order(&mut self, wanted: &Wanted, now: Moment, actions: &mut Actions) -> bool {
        if self.subscriptions.contains(&wanted.channel) || self.is_joining(&wanted.channel) {
            return true;
        }
        let rules = Arc::clone(&self.rules);
        let Ok((channel, channel_rules)) = rules.channel(&wanted.channel) else {
            return false;
        };
        let expiry = wanted.expire_at.map_or(Expiry::Never, Expiry::At);
        let term = self.subscription_term(expiry, channel_rules, now);
        let (Ok(term), true) = (term, self.has_room_for(&wanted.channel)) else {
            return false;
        };
        // What the backend is still asked is settled.
        self.end_asking(&wanted.channel, ErrorCode::AlreadySubscribed, actions);
        let since = wanted.since.clone();
        let since = since.map(|(epoch, offset)| StreamPosition { epoch, offset });
        let overrides = wanted.overrides;
        let recovery = Recovery::server_side(since.as_ref(), channel_rules, overrides);
        let standing = Standing::new(channel_rules, &overrides, false);
        actions.push(Action::Join(Join {
            channel: channel.clone(),
            wish: recovery.wish(),
            is_delta: false,
            is_hearing: standing.is_hearing,
        }));
        let subscribing = Subscribing {
            id: None,
            subscription: Subscription {
                info: wanted.info.clone().into(),
                deadline: term.deadline,
                server_side: true,
                standing,
            },
            result: SubscribeResult {
                data: wanted.data.clone().into(),
                ..SubscribeResult::default()
            },
            recovery,
        };
        self.begin_joining(channel, subscribing);
        true
    }

    fn unsubscribe_by_order(&mut self, channel: &str, actions: &mut Actions) -> bool {
        if let Some((channel, _)) = self.subscriptions.remove(channel) {
            self.end_subscription(channel, UnsubscribeCode::Server, actions);
            return true;
        }
        if self.end_asking(channel, ErrorCode::PermissionDenied, actions) {
            return true;
        }
        let Some(joining) = self.end_joining(channel) else {
            return false;
        };
        if let Some(id) = joining.id {
            self.refuse(id, ErrorCode::PermissionDenied.into(), actions);
        }
        true
    }

    fn unsubscribe_of_all(&mut self, actions: &mut Actions) -> bool {
        let names = |it: &Channel| it.as_str().to_owned();
        let subscribed = self.subscriptions.channels().map(names);
        let joining = self.joining.iter().flat_map(|it| it.channels()).map(names);
        let asking = self.asking.iter().flat_map(|it| it.asked());
        let asking = asking.map(str::to_owned);
        let all: Vec<_> = subscribed.chain(joining).chain(asking).collect();
        for channel in &all {
            self.unsubscribe_by_order(channel, actions);
        }
        !all.is_empty()
    }

    fn refresh_by_order(
        &mut self,
        refreshing: &Refreshing,
        now: Moment,
        actions: &mut Actions,
    ) -> bool {
        let expiry = refreshing.expire_at.map_or(Expiry::Never, Expiry::At);
        let term = self.connection_term(expiry, now);
        let (Ok(term), false) = (term, refreshing.is_expired) else {
            self.close(DisconnectCode::ConnectionExpired, actions);
            return true;
        };
        let State::Open(identity) = &mut self.state else {
            return false;
        };
        identity.deadline = term.deadline;
        if !refreshing.info.is_empty() {
            identity.info = Bytes::from(refreshing.info.clone());
        }
        actions.push(Action::Push(Push {
            channel: String::new(),
            event: Event::Refresh {
                expires: term.expires(),
                ttl: term.ttl(),
            },
        }));
        true
    }
}

/// Tells the client of a subscription that a backend began, and gives it what it has missed.
pub(super) fn push_subscription(channel: &Channel, result: SubscribeResult, actions: &mut Actions) {
    let push = |event| {
        Action::Push(Push {
            channel: channel.as_str().to_owned(),
            event,
        })
    };
    actions.push(push(Event::Subscribe(ServerSubscription {
        recoverable: result.recoverable,
        epoch: result.epoch,
        offset: result.offset,
        positioned: result.positioned,
        data: result.data,
    })));
    let publications = result
        .publications
        .iter()
        .map(|it| it.publication().clone());
    actions.extend(publications.map(|it| push(Event::Publication(it))));
}
