//! What the answers of the application's backend mean.

use std::time::Duration;

use tidegate_backbone::{Channel, Publication};
use tidegate_codec::{
    ConnectRequest, Disconnect, DisconnectCode, ErrorCode, Failure, Reply, SubscribeRequest,
    UnsubscribeCode,
};

use super::asking::{Pending, called};
use super::{Action, Actions, Moment, Session, State, Term};
use crate::auth::ConnectionClaims;
use crate::hooks::{Answer, Grant, Unanswered};

/// How long what expires goes on when the backend cannot say whether it may.
const REPRIEVE: Duration = Duration::from_secs(60);

/// How a question ended without a grant.
enum Ending {
    Refused(Failure),
    Disconnect(Disconnect),
}

impl Session {
    /// Takes the outcome of [`Action::Ask`].
    pub fn answered(
        &mut self,
        ticket: u32,
        result: Result<Answer, Unanswered>,
        now: Moment,
        actions: &mut Actions,
    ) {
        let asking = self.asking.as_mut();
        let Some(pending) = asking.and_then(|asking| asking.take(ticket)) else {
            return;
        };
        match pending {
            // What a client publishes before it leaves is published.
            Pending::Publish(id, channel, publication) => {
                self.publish_answered(id, channel, *publication, result, actions);
            }
            _ if self.is_closed() => {}
            Pending::Connect(id, request) => {
                self.connect_answered(id, *request, result, now, actions);
            }
            Pending::Refresh => self.refresh_answered(result, now, actions),
            Pending::Subscribe(id, channel, request) => {
                self.subscribe_answered(id, channel, &request, result, now, actions);
            }
            Pending::SubRefresh(channel) => {
                self.sub_refresh_answered(&channel, result, now, actions);
            }
            // Nobody asks for it by a question.
            Pending::Keys(_) => {}
            Pending::Rpc(id) => match grant_of(result) {
                Ok(grant) => actions.push(called(id, grant.data.unwrap_or_default())),
                Err(ending) => self.end_question(id, ending, actions),
            },
        }
    }

    fn connect_answered(
        &mut self,
        id: u32,
        request: ConnectRequest,
        result: Result<Answer, Unanswered>,
        now: Moment,
        actions: &mut Actions,
    ) {
        let grant = match result {
            // Without credentials from anywhere nobody comes in.
            Ok(Answer::Nothing) => {
                let refusal = DisconnectCode::BadRequest.into();
                return self.refuse_connect(id, refusal, actions);
            }
            result => grant_of(result),
        };
        let grant = match grant {
            Ok(grant) => grant,
            Err(Ending::Disconnect(disconnect)) => return self.close(disconnect, actions),
            Err(Ending::Refused(failure)) => return self.fail_connect(id, failure, actions),
        };
        if let Some(meta) = grant.meta {
            self.asking.get_or_insert_default().meta = meta;
        }
        let claims = ConnectionClaims {
            user: grant.user,
            expiry: grant.expiry,
            info: grant.info.unwrap_or_default(),
            subs: grant.subs,
            token: None,
        };
        let data = grant.data.unwrap_or_default();
        let connecting = self.granted_connect(id, &request, claims, data, now);
        self.go_on_connecting(id, connecting, actions);
    }

    fn subscribe_answered(
        &mut self,
        id: u32,
        channel: Channel,
        request: &SubscribeRequest,
        result: Result<Answer, Unanswered>,
        now: Moment,
        actions: &mut Actions,
    ) {
        match grant_of(result) {
            Ok(grant) => {
                let joined = self.join_granted(id, request, channel, grant.into(), now, actions);
                if let Err(refusal) = joined {
                    self.refuse(id, refusal, actions);
                }
            }
            Err(ending) => self.end_question(id, ending, actions),
        }
    }

    fn publish_answered(
        &mut self,
        id: u32,
        channel: Channel,
        mut publication: Publication,
        result: Result<Answer, Unanswered>,
        actions: &mut Actions,
    ) {
        let grant = match grant_of(result) {
            Ok(grant) => grant,
            Err(ending) => return self.end_question(id, ending, actions),
        };
        if let Some(data) = grant.data {
            publication.data = data;
        }
        publication.tags = grant.tags;
        publication.id = grant.id;
        publication.version = grant.version;
        publication.skips_history = grant.skips_history;
        actions.push(Action::Publish {
            id,
            channel,
            publication,
        });
    }

    /// Errors and disconnects mean that it has expired, as in Centrifugo.
    fn refresh_answered(
        &mut self,
        result: Result<Answer, Unanswered>,
        now: Moment,
        actions: &mut Actions,
    ) {
        let renewal = renewal(result, now);
        let State::Open(identity) = &mut self.state else {
            return;
        };
        let Some((term, grant)) = renewal else {
            return self.close(DisconnectCode::ConnectionExpired, actions);
        };
        identity.deadline = term.deadline;
        if let Some(info) = grant.info {
            identity.info = info;
        }
        if let Some(meta) = grant.meta {
            self.asking.get_or_insert_default().meta = meta;
        }
    }

    fn sub_refresh_answered(
        &mut self,
        channel: &Channel,
        result: Result<Answer, Unanswered>,
        now: Moment,
        actions: &mut Actions,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(channel.as_str()) else {
            return;
        };
        if let Some((term, grant)) = renewal(result, now) {
            subscription.deadline = term.deadline;
            if let Some(info) = grant.info {
                subscription.info = info;
            }
            return;
        }
        if subscription.server_side {
            return self.close(DisconnectCode::SubscriptionExpired, actions);
        }
        if let Some((channel, _)) = self.subscriptions.remove(channel.as_str()) {
            self.end_subscription(channel, UnsubscribeCode::Expired, actions);
        }
    }

    fn end_question(&mut self, id: u32, ending: Ending, actions: &mut Actions) {
        match ending {
            Ending::Refused(failure) => actions.push(Action::Reply(Reply {
                id,
                outcome: Err(failure),
            })),
            Ending::Disconnect(disconnect) => self.close(disconnect, actions),
        }
    }
}

/// What was granted: nothing in particular, where the backend says neither yes nor no.
fn grant_of(result: Result<Answer, Unanswered>) -> Result<Grant, Ending> {
    match result {
        Ok(Answer::Granted(grant)) => Ok(*grant),
        Ok(Answer::Nothing) => Ok(Grant::default()),
        Ok(Answer::Refused(failure)) => Err(Ending::Refused(failure)),
        Ok(Answer::Disconnect(disconnect)) => Err(Ending::Disconnect(disconnect)),
        Err(_) => Err(Ending::Refused(ErrorCode::Internal.into())),
    }
}

/// Until when what expired goes on, and what changes; `None` when it does not.
fn renewal(result: Result<Answer, Unanswered>, now: Moment) -> Option<(Term, Grant)> {
    match result {
        Ok(Answer::Granted(grant)) if !grant.is_expired => {
            let term = Term::new(grant.expiry, Duration::ZERO, now)?;
            Some((term, *grant))
        }
        Ok(_) => None,
        Err(_) => {
            let term = Term {
                ttl: None,
                deadline: Some(now.instant + REPRIEVE),
            };
            Some((term, Grant::default()))
        }
    }
}

impl From<Grant> for super::subscribe::Grant {
    fn from(grant: Grant) -> Self {
        Self {
            info: grant.info.unwrap_or_default(),
            data: grant.data.unwrap_or_default(),
            expiry: grant.expiry,
            overrides: grant.overrides,
            token: None,
        }
    }
}
