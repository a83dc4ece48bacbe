//! What blocked users and revoked tokens mean to a session: they do not come in, and what they have ends.

use tidegate_backbone::Channel;
use tidegate_codec::{DisconnectCode, ErrorCode};

use super::{Actions, Moment, Refusal, Session, State};
use crate::auth::TokenId;
use crate::control::Order;
use crate::revocation::unix_seconds;

/// The tokens that a session lives by, where any of them may be revoked.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    connection: Option<TokenId>,
    /// Of subscriptions, by channel.
    subscriptions: Vec<(Channel, TokenId)>,
}

impl Session {
    /// Whether somebody may connect, by this token if there is one. While the list is not there nobody may.
    pub(super) fn admit(
        &self,
        user: &str,
        token: Option<&TokenId>,
        now: Moment,
    ) -> Result<(), Refusal> {
        let Some(list) = &self.rules.revocations else {
            return Ok(());
        };
        if !list.is_complete() {
            return Err(ErrorCode::Internal.into());
        }
        let now = unix_seconds(now.wall);
        if list.blocks(user, now) {
            return Err(DisconnectCode::PermissionDenied.into());
        }
        match token.is_some_and(|token| list.revokes(token, user, None, now)) {
            true => Err(DisconnectCode::InvalidToken.into()),
            false => Ok(()),
        }
    }

    /// Whether a user's token for a subscription is revoked.
    pub(super) fn is_revoked(
        &self,
        token: &TokenId,
        user: &str,
        channel: &str,
        now: Moment,
    ) -> bool {
        let list = self.rules.revocations.as_ref();
        let now = unix_seconds(now.wall);
        list.is_some_and(|list| list.revokes(token, user, Some(channel), now))
    }

    /// Keeps the token of the connection in mind.
    pub(super) fn keep_token(&mut self, token: Option<TokenId>) {
        if self.rules.revocations.is_some() {
            self.credentials.get_or_insert_default().connection = token;
        }
    }

    /// Keeps the token of a subscription in mind, if there is one.
    pub(super) fn keep_token_of(&mut self, channel: &Channel, token: Option<TokenId>) {
        if self.rules.revocations.is_none() {
            return;
        }
        let (subscriptions, joining) = (&self.subscriptions, &self.joining);
        let credentials = self.credentials.get_or_insert_default();
        let kept = &mut credentials.subscriptions;
        kept.retain(|(it, _)| {
            let is_joining = joining
                .as_ref()
                .is_some_and(|all| all.contains(it.as_str()));
            let is_there = subscriptions.contains(it.as_str()) || is_joining;
            is_there && it != channel
        });
        kept.extend(token.map(|token| (channel.clone(), token)));
    }

    /// Looks again whether the client may be here: the list has grown.
    pub fn review(&mut self, now: Moment, actions: &mut Actions) {
        let (State::Open(identity), Some(list)) = (&self.state, &self.rules.revocations) else {
            return;
        };
        let seconds = unix_seconds(now.wall);
        let user = &*identity.user;
        let credentials = self.credentials.as_deref();
        let token = credentials.and_then(|it| it.connection.as_ref());
        if list.blocks(user, seconds) {
            tracing::info!(client = self.client(), "its user is blocked");
            return self.close(DisconnectCode::PermissionDenied, actions);
        }
        if token.is_some_and(|token| list.revokes(token, user, None, seconds)) {
            tracing::info!(client = self.client(), "its token is revoked");
            return self.close(DisconnectCode::InvalidToken, actions);
        }
        let kept = credentials.map_or(&[][..], |it| &it.subscriptions);
        let ended = kept
            .iter()
            .filter(|(channel, token)| list.revokes(token, user, Some(channel.as_str()), seconds));
        let ended: Vec<_> = ended
            .map(|(channel, _)| channel.as_str().to_owned())
            .collect();
        for channel in ended {
            let channel = Some(channel);
            self.obey(&Order::Unsubscribe { channel }, now, actions);
        }
    }
}
