//! `subscribe` and `unsubscribe`. The checks stand in the order of the protocol notes, which SDKs' tests rely on.

use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::{Channel, Error};
use tidegate_codec::{
    DisconnectCode, ErrorCode, Reply, SubscribeRequest, SubscribeResult, Success,
};

use super::control::push_subscription;
use super::recovery::Recovery;
use super::{
    Action, Actions, Join, Landing, Moment, Refusal, Session, Standing, Subscription, Term,
};
use crate::auth::{Expiry, Override, SubscriptionClaims, TokenError, TokenId};
use crate::rules::{Asker, ChannelRules};

/// A subscribe that waits for its channel to be joined.
#[derive(Debug)]
pub(super) struct Subscribing {
    /// Of the client's command; `None` where a backend wants it.
    pub(super) id: Option<u32>,
    pub(super) subscription: Subscription,
    pub(super) result: SubscribeResult,
    pub(super) recovery: Recovery,
}

/// What allows a subscription, and what comes with it.
pub(super) struct Grant {
    pub(super) info: Bytes,
    pub(super) data: Bytes,
    pub(super) expiry: Expiry,
    pub(super) overrides: Override,
    /// Of the token, if there is one.
    pub(super) token: Option<TokenId>,
}

impl Session {
    pub(super) fn subscribe(
        &mut self,
        id: u32,
        request: SubscribeRequest,
        now: Moment,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        if request.channel.is_empty() {
            return Err(DisconnectCode::BadRequest.into());
        }
        check_kind(&request)?;
        let (channel, rules) = self.channel_to_join(&request.channel)?;
        if request.kind != 0 {
            return Err(ErrorCode::PermissionDenied.into());
        }
        if request.token.is_empty()
            && let Some(target) = self.rules.asks_to_subscribe(&channel, rules)
        {
            if request.tags_filter {
                return Err(ErrorCode::BadRequest.into());
            }
            self.ask_subscribe(target, id, channel, request, actions);
            return Ok(());
        }
        let grant = self.grant(&request, &channel, rules, now)?;
        self.join_granted(id, &request, channel, grant, now, actions)
    }

    /// Joins a channel that the client may subscribe to.
    pub(super) fn join_granted(
        &mut self,
        id: u32,
        request: &SubscribeRequest,
        channel: Channel,
        grant: Grant,
        now: Moment,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        if request.tags_filter {
            return Err(ErrorCode::BadRequest.into());
        }
        let (_, rules) = self.rules.channel(channel.as_str())?;
        let term = self.subscription_term(grant.expiry, rules, now)?;
        let asker = Asker {
            user: &self.identity().user,
            subscribed: true,
        };
        let may_hear = request.join_leave && self.rules.may_ask_presence(asker, rules);
        let standing = Standing::new(rules, &grant.overrides, may_hear);
        let subscription = Subscription {
            info: grant.info,
            deadline: term.deadline,
            server_side: false,
            standing,
        };
        let result = SubscribeResult {
            expires: term.expires(),
            ttl: term.ttl(),
            data: grant.data,
            ..SubscribeResult::default()
        };
        let may_read = self.rules.may_read_history(asker, rules);
        let recovery = Recovery::new(request, rules, may_read, grant.overrides);
        self.keep_token_of(&channel, grant.token);
        actions.push(Action::Join(Join {
            channel: channel.clone(),
            wish: recovery.wish(),
            is_delta: recovery.is_delta,
            is_hearing: standing.is_hearing,
        }));
        let subscribing = Subscribing {
            id: Some(id),
            subscription,
            result,
            recovery,
        };
        self.begin_joining(channel, subscribing);
        Ok(())
    }

    /// How long a subscription lasts. Where a backend says whether it may go on, the client need not do anything about it.
    pub(super) fn subscription_term(
        &self,
        expiry: Expiry,
        rules: &ChannelRules,
        now: Moment,
    ) -> Result<Term, ErrorCode> {
        let is_asked = rules.hooks.sub_refresh.is_some();
        let grace = match is_asked {
            true => Duration::ZERO,
            false => self.rules.client.expired_sub_close_delay,
        };
        let term = Term::new(expiry, grace, now).ok_or(ErrorCode::Expired)?;
        Ok(if is_asked { term.unannounced() } else { term })
    }

    pub(super) fn is_joining(&self, channel: &str) -> bool {
        let joining = self.joining.as_ref();
        joining.is_some_and(|it| it.contains(channel))
    }

    pub(super) fn begin_joining(&mut self, channel: Channel, subscribing: Subscribing) {
        let joining = self.joining.get_or_insert_default();
        joining.insert(channel, subscribing);
    }

    pub(super) fn end_joining(&mut self, channel: &str) -> Option<Subscribing> {
        let (_, subscribing) = self.joining.as_mut()?.remove(channel)?;
        self.joining.take_if(|it| it.len() == 0);
        Some(subscribing)
    }

    /// Takes the outcome of [`Action::Join`].
    pub fn joined(
        &mut self,
        channel: Channel,
        result: Result<Landing, Error>,
        actions: &mut Actions,
    ) {
        let Some(subscribing) = self.end_joining(channel.as_str()) else {
            return;
        };
        let Subscribing {
            id,
            subscription,
            result: mut reply,
            recovery,
        } = subscribing;
        if self.is_closed() {
            return;
        }
        let told = result
            .map_err(|_| ErrorCode::Internal)
            .and_then(|landing| recovery.tell(landing, &mut reply));
        match (told, id) {
            (Ok(()), Some(id)) => {
                let outcome = Ok(Success::Subscribe(Box::new(reply)));
                actions.push(Action::Reply(Reply { id, outcome }));
            }
            (Ok(()), None) => push_subscription(&channel, reply, actions),
            (Err(code), Some(id)) => return self.refuse(id, code.into(), actions),
            (Err(code), None) => {
                tracing::warn!(client = self.client(), channel = channel.as_str(), %code, "a subscription that a backend wants failed");
                return;
            }
        }
        self.subscriptions.insert(channel.clone(), subscription);
        actions.push(Action::Attach(channel));
    }

    pub(super) fn unsubscribe(
        &mut self,
        id: u32,
        channel: &str,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        if channel.is_empty() {
            return Err(DisconnectCode::BadRequest.into());
        }
        if let Some((channel, _)) = self.subscriptions.remove(channel) {
            self.tell_of_unsubscribe(&channel, 0, "client unsubscribed", actions);
            actions.push(Action::Detach(channel));
        }
        actions.push(Action::Reply(Reply {
            id,
            outcome: Ok(Success::Unsubscribe),
        }));
        Ok(())
    }

    /// Checks 4 to 8 of a subscribe: the name, and the room for one more.
    fn channel_to_join(&self, name: &str) -> Result<(Channel, &ChannelRules), Refusal> {
        if self.subscriptions.contains(name) {
            return Err(ErrorCode::AlreadySubscribed.into());
        }
        // A name that is too long is told so even when there is no room for it.
        let found = self.rules.channel(name);
        if found
            .as_ref()
            .is_err_and(|code| *code == ErrorCode::BadRequest)
        {
            return Err(ErrorCode::BadRequest.into());
        }
        if !self.has_room_for(name) {
            return Err(ErrorCode::LimitExceeded.into());
        }
        let (channel, rules) = found?;
        if !rules.accepts_name(&channel) {
            return Err(ErrorCode::BadRequest.into());
        }
        Ok((channel, rules))
    }

    /// Whether there may be a subscription to a channel beside those to others that are there and under way.
    pub(super) fn has_room_for(&self, channel: &str) -> bool {
        let asked = self.asking.iter().flat_map(|it| it.asked());
        let asking = asked.filter(|it| *it != channel).count();
        let joining = self.joining.as_ref().map_or(0, |it| it.len());
        let taken = self.subscriptions.len() + joining + asking;
        taken < self.rules.client.channel_limit
    }

    fn grant(
        &self,
        request: &SubscribeRequest,
        channel: &Channel,
        rules: &ChannelRules,
        now: Moment,
    ) -> Result<Grant, Refusal> {
        if !request.token.is_empty() {
            let claims = self.rules.verifier.subscription(&request.token, now.wall).map_err(|error| match error {
                TokenError::Expired => ErrorCode::TokenExpired,
                TokenError::Invalid(reason) => {
                    tracing::info!(client = self.client(), channel = channel.as_str(), %reason, "subscription token refused");
                    ErrorCode::PermissionDenied
                }
            })?;
            self.check_token_is_for(&claims, channel.as_str())?;
            let SubscriptionClaims {
                user,
                expiry,
                options,
                token,
                ..
            } = claims;
            if self.is_revoked(&token, &user, channel.as_str(), now) {
                return Err(ErrorCode::PermissionDenied.into());
            }
            return Ok(Grant {
                info: options.info,
                data: options.data,
                expiry,
                overrides: options.overrides,
                token: Some(token),
            });
        }
        let asker = Asker {
            user: &self.identity().user,
            subscribed: false,
        };
        if !self.rules.may_subscribe(asker, channel, rules) {
            return Err(ErrorCode::PermissionDenied.into());
        }
        Ok(Grant {
            info: Bytes::new(),
            data: Bytes::new(),
            expiry: Expiry::Never,
            overrides: Override::default(),
            token: None,
        })
    }

    /// A token made for another channel, user or connection is a fault of the application: terminal.
    pub(super) fn check_token_is_for(
        &self,
        claims: &SubscriptionClaims,
        channel: &str,
    ) -> Result<(), Refusal> {
        let for_client = claims.client.is_empty() || *claims.client == *self.client;
        if claims.channel == channel && *claims.user == *self.identity().user && for_client {
            return Ok(());
        }
        tracing::info!(
            client = self.client(),
            channel,
            "subscription token is for another channel, user or client"
        );
        Err(DisconnectCode::InvalidToken.into())
    }
}

/// Checks 2 and 3: kinds of subscriptions and deltas that do not exist here.
fn check_kind(request: &SubscribeRequest) -> Result<(), Refusal> {
    match (request.kind, request.delta.as_str()) {
        (4, _) => Err(ErrorCode::NotAvailable.into()),
        (0, "" | "fossil") | (1..=3, _) => Ok(()),
        (0, _) => Err(DisconnectCode::BadRequest.into()),
        _ => Err(ErrorCode::BadRequest.into()),
    }
}
