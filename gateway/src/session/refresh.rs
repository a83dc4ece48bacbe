//! `refresh` and `sub_refresh`: a new token for what would expire.

use tidegate_codec::{
    DisconnectCode, ErrorCode, RefreshRequest, RefreshResult, Reply, SubRefreshRequest,
    SubRefreshResult, Success,
};

use super::{Action, Actions, Moment, Refusal, Session, State, Term, VERSION};
use crate::auth::TokenError;

impl Session {
    pub(super) fn refresh(
        &mut self,
        id: u32,
        request: &RefreshRequest,
        now: Moment,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        if request.token.is_empty() {
            return Err(DisconnectCode::BadRequest.into());
        }
        let claims = self
            .rules
            .verifier
            .connection(&request.token, now.wall)
            .map_err(|error| match error {
                TokenError::Expired => DisconnectCode::ConnectionExpired,
                TokenError::Invalid(_) => DisconnectCode::InvalidToken,
            })?;
        self.admit(&claims.user, claims.token.as_ref(), now)?;
        let grace = self.rules.client.expired_close_delay;
        let term = Term::new(claims.expiry, grace, now).ok_or(DisconnectCode::ConnectionExpired)?;
        let State::Open(identity) = &mut self.state else {
            return Ok(());
        };
        if *claims.user != *identity.user {
            return Err(DisconnectCode::InvalidToken.into());
        }
        if !claims.subs.keys().eq(identity.token_channels.iter()) {
            return Err(DisconnectCode::InsufficientState.into());
        }
        identity.deadline = term.deadline;
        identity.info = claims.info;
        self.keep_token(claims.token);
        let result = RefreshResult {
            client: self.client.to_string(),
            version: VERSION.to_owned(),
            expires: term.expires(),
            ttl: term.ttl(),
        };
        actions.push(Action::Reply(Reply {
            id,
            outcome: Ok(Success::Refresh(result)),
        }));
        Ok(())
    }

    pub(super) fn sub_refresh(
        &mut self,
        id: u32,
        request: &SubRefreshRequest,
        now: Moment,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        if request.channel.is_empty() {
            return Err(DisconnectCode::BadRequest.into());
        }
        if !self.subscriptions.contains(&request.channel) {
            return Err(ErrorCode::PermissionDenied.into());
        }
        if request.kind != 0 || request.token.is_empty() {
            return Err(ErrorCode::BadRequest.into());
        }
        let claims = self
            .rules
            .verifier
            .subscription(&request.token, now.wall)
            .map_err(|error| match error {
                TokenError::Expired => Refusal::from(ErrorCode::Expired),
                TokenError::Invalid(_) => DisconnectCode::InvalidToken.into(),
            })?;
        self.check_token_is_for(&claims, &request.channel)?;
        if self.is_revoked(&claims.token, &claims.user, &request.channel, now) {
            return Err(DisconnectCode::InvalidToken.into());
        }
        let grace = self.rules.client.expired_sub_close_delay;
        let term = Term::new(claims.expiry, grace, now).ok_or(ErrorCode::Expired)?;
        if let Some(subscription) = self.subscriptions.get_mut(&request.channel) {
            subscription.deadline = term.deadline;
            subscription.info = claims.options.info;
        }
        if let Ok((channel, _)) = self.rules.channel(&request.channel) {
            self.keep_token_of(&channel, Some(claims.token));
        }
        let result = SubRefreshResult {
            expires: term.expires(),
            ttl: term.ttl(),
        };
        actions.push(Action::Reply(Reply {
            id,
            outcome: Ok(Success::SubRefresh(result)),
        }));
        Ok(())
    }
}
