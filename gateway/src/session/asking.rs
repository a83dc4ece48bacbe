//! What the application's backend is asked, and what its answers mean.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::{Channel, Publication};
use tidegate_codec::{
    ConnectRequest, Disconnect, DisconnectCode, ErrorCode, Failure, Reply, RpcRequest,
    SubscribeRequest, Success, UnsubscribeCode,
};

use super::{Action, Actions, Moment, Refusal, Session, State, Term};
use crate::auth::ConnectionClaims;
use crate::hooks::{
    Answer, Callee, Caller, Grant, Headers, Question, Subject, TargetId, Unanswered,
};

/// How long what expires goes on when the backend cannot say whether it may.
const REPRIEVE: Duration = Duration::from_secs(60);

/// What of a connection concerns the backend.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Of the client, as far as some backend wants them.
    headers: Option<Arc<Headers>>,
    /// Attached to the connection by a backend, as JSON; empty for nothing.
    meta: Bytes,
    /// The number of the next question.
    next: u32,
    pending: Vec<(u32, Pending)>,
}

/// What waits for an answer.
#[derive(Debug)]
enum Pending {
    Connect(u32, Box<ConnectRequest>),
    Refresh,
    Subscribe(u32, Channel, Box<SubscribeRequest>),
    SubRefresh(Channel),
    Publish(u32, Channel, Box<Publication>),
    Rpc(u32),
}

/// How a question ended without a grant.
enum Ending {
    Refused(Failure),
    Disconnect(Disconnect),
}

impl Asking {
    pub(super) fn new(headers: Headers) -> Option<Box<Self>> {
        (!headers.is_empty()).then(|| {
            Box::new(Self {
                headers: Some(Arc::new(headers)),
                ..Self::default()
            })
        })
    }

    /// Whether the connect waits for an answer.
    pub(super) fn is_connecting(&self) -> bool {
        let mut pending = self.pending.iter();
        pending.any(|(_, it)| matches!(it, Pending::Connect(..)))
    }

    /// Whether a subscribe to the channel waits for an answer.
    pub(super) fn is_subscribing(&self, channel: &str) -> bool {
        let mut pending = self.pending.iter();
        pending.any(|(_, it)| matches!(it, Pending::Subscribe(_, of, _) if of.as_str() == channel))
    }

    /// Subscribes that wait for an answer.
    pub(super) fn subscribing(&self) -> usize {
        let pending = self.pending.iter();
        pending
            .filter(|(_, it)| matches!(it, Pending::Subscribe(..)))
            .count()
    }
}

impl Session {
    /// Keeps the headers that a client makes up, if some backend wants them.
    pub(super) fn keep_headers(&mut self, request: &ConnectRequest) {
        let wanted = &self.rules.hooks.wanted;
        let asking = self.asking.as_ref();
        let known = asking.and_then(|it| it.headers.as_deref().cloned());
        let mut headers = known.unwrap_or_default();
        headers.make_up(&request.headers, wanted);
        if !headers.is_empty() {
            self.asking.get_or_insert_default().headers = Some(Arc::new(headers));
        }
    }

    fn ask(&mut self, target: TargetId, subject: Subject, pending: Pending, actions: &mut Actions) {
        let caller = self.caller();
        let asking = self.asking.get_or_insert_default();
        let ticket = asking.next;
        asking.next = ticket.wrapping_add(1);
        asking.pending.push((ticket, pending));
        let question = Box::new(Question {
            target,
            caller,
            subject,
        });
        actions.push(Action::Ask { ticket, question });
    }

    pub(super) fn caller(&self) -> Caller {
        let asking = self.asking.as_ref();
        Caller {
            client: self.client.to_string(),
            user: self.user().unwrap_or_default().to_owned(),
            meta: asking.map_or_else(Bytes::new, |it| it.meta.clone()),
            headers: asking.and_then(|it| it.headers.clone()),
        }
    }

    /// Asks who a client without a token is.
    pub(super) fn ask_connect(
        &mut self,
        target: TargetId,
        id: u32,
        request: ConnectRequest,
        actions: &mut Actions,
    ) {
        let subject = Subject::Connect {
            data: request.data.clone(),
            name: request.name.clone(),
            version: request.version.clone(),
            channels: request.subs.keys().cloned().collect(),
        };
        let pending = Pending::Connect(id, Box::new(request));
        self.ask(target, subject, pending, actions);
    }

    /// Asks whether a client may subscribe.
    pub(super) fn ask_subscribe(
        &mut self,
        target: TargetId,
        id: u32,
        channel: Channel,
        request: SubscribeRequest,
        actions: &mut Actions,
    ) {
        let subject = Subject::Subscribe {
            channel: channel.as_str().to_owned(),
            data: request.data.clone(),
        };
        let pending = Pending::Subscribe(id, channel, Box::new(request));
        self.ask(target, subject, pending, actions);
    }

    /// Asks whether a client may publish, and what.
    pub(super) fn ask_publish(
        &mut self,
        target: TargetId,
        id: u32,
        channel: Channel,
        publication: Publication,
        actions: &mut Actions,
    ) {
        let subject = Subject::Publish {
            channel: channel.as_str().to_owned(),
            data: publication.data.clone(),
        };
        let pending = Pending::Publish(id, channel, Box::new(publication));
        self.ask(target, subject, pending, actions);
    }

    /// `rpc`: passed on to the backend, or answered with nothing.
    pub(super) fn rpc(
        &mut self,
        id: u32,
        request: RpcRequest,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        let RpcRequest { method, data } = request;
        match self.rules.hooks.callee(&method)? {
            Callee::Node => actions.push(called(id, Bytes::new())),
            Callee::Backend(target) => {
                let subject = Subject::Rpc { method, data };
                self.ask(target, subject, Pending::Rpc(id), actions);
            }
        }
        Ok(())
    }

    /// Asks whether a connection that has expired may go on.
    pub(super) fn ask_refresh(&mut self, target: TargetId, actions: &mut Actions) {
        self.ask(target, Subject::Refresh, Pending::Refresh, actions);
    }

    /// Asks whether a subscription that has expired may go on.
    pub(super) fn ask_sub_refresh(
        &mut self,
        target: TargetId,
        channel: Channel,
        actions: &mut Actions,
    ) {
        let subject = Subject::SubRefresh {
            channel: channel.as_str().to_owned(),
        };
        self.ask(target, subject, Pending::SubRefresh(channel), actions);
    }

    /// Takes the outcome of [`Action::Ask`].
    pub fn answered(
        &mut self,
        ticket: u32,
        result: Result<Answer, Unanswered>,
        now: Moment,
        actions: &mut Actions,
    ) {
        let Some(asking) = &mut self.asking else {
            return;
        };
        let Some(index) = asking.pending.iter().position(|(it, _)| *it == ticket) else {
            return;
        };
        let (_, pending) = asking.pending.swap_remove(index);
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
        if grant.skips_history {
            let (client, channel) = (self.client(), channel.as_str());
            tracing::warn!(
                client,
                channel,
                "skip_history is not offered, the publication is kept"
            );
        }
        if let Some(data) = grant.data {
            publication.data = data;
        }
        publication.tags = grant.tags;
        publication.id = grant.id;
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

fn called(id: u32, data: Bytes) -> Action {
    Action::Reply(Reply {
        id,
        outcome: Ok(Success::Rpc { data }),
    })
}

impl From<Grant> for super::subscribe::Grant {
    fn from(grant: Grant) -> Self {
        Self {
            info: grant.info.unwrap_or_default(),
            data: grant.data.unwrap_or_default(),
            expiry: grant.expiry,
            overrides: grant.overrides,
        }
    }
}
