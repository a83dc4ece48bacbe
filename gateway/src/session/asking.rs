//! What the application's backend is asked.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_backbone::{Channel, Publication};
use tidegate_codec::{
    Command, ConnectRequest, ErrorCode, Reply, Request, RpcRequest, SubscribeRequest, Success,
};

use super::{Action, Actions, Refusal, Session};
use crate::hooks::{Callee, Caller, Headers, Question, Subject, TargetId};

/// What of a connection concerns the backend.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Of the client, as far as some backend wants them.
    headers: Option<Arc<Headers>>,
    /// Attached to the connection by a backend, as JSON; empty for nothing.
    pub(super) meta: Bytes,
    /// The number of the next question.
    next: u32,
    pending: Vec<(u32, Pending)>,
}

/// What waits for an answer.
#[derive(Debug)]
pub(super) enum Pending {
    Connect(u32, Box<ConnectRequest>),
    Refresh,
    Subscribe(u32, Channel, Box<SubscribeRequest>),
    SubRefresh(Channel),
    Publish(u32, Channel, Box<Publication>),
    Rpc(u32),
    /// A command with a token whose key is being fetched.
    Keys(Box<Command>),
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
        pending.any(|(_, it)| match it {
            Pending::Connect(..) => true,
            Pending::Keys(command) => matches!(command.request, Request::Connect(_)),
            _ => false,
        })
    }

    /// Whether a subscribe to the channel waits for an answer.
    pub(super) fn is_subscribing(&self, channel: &str) -> bool {
        self.asked().any(|it| it == channel)
    }

    /// The channels of subscribes that wait for an answer.
    pub(super) fn asked(&self) -> impl Iterator<Item = &str> {
        self.pending.iter().filter_map(|(_, it)| it.subscribe())
    }

    /// Keeps what waits; gives its number.
    pub(super) fn keep(&mut self, pending: Pending) -> u32 {
        let ticket = self.next;
        self.next = ticket.wrapping_add(1);
        self.pending.push((ticket, pending));
        ticket
    }

    /// What waits for the answer to this question.
    pub(super) fn take(&mut self, ticket: u32) -> Option<Pending> {
        let index = self.pending.iter().position(|(it, _)| *it == ticket)?;
        Some(self.pending.swap_remove(index).1)
    }

    /// Takes away a subscribe that waits for an answer; gives its command's id.
    fn withdraw(&mut self, channel: &str) -> Option<u32> {
        let mut pending = self.pending.iter();
        let index = pending.position(|(_, it)| it.subscribe() == Some(channel))?;
        match self.pending.swap_remove(index).1 {
            Pending::Subscribe(id, ..) => Some(id),
            Pending::Keys(command) => Some(command.id),
            _ => None,
        }
    }
}

impl Pending {
    /// The channel of a subscribe.
    fn subscribe(&self) -> Option<&str> {
        match self {
            Self::Subscribe(_, channel, _) => Some(channel.as_str()),
            Self::Keys(command) => match &command.request {
                Request::Subscribe(request) => Some(&request.channel),
                _ => None,
            },
            _ => None,
        }
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
        let ticket = asking.keep(pending);
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

    /// Answers a subscribe that waits for the backend; whatever the backend says later comes too late.
    pub(super) fn end_asking(
        &mut self,
        channel: &str,
        code: ErrorCode,
        actions: &mut Actions,
    ) -> bool {
        let asking = self.asking.as_mut();
        let Some(id) = asking.and_then(|asking| asking.withdraw(channel)) else {
            return false;
        };
        self.refuse(id, code.into(), actions);
        true
    }
}

pub(super) fn called(id: u32, data: Bytes) -> Action {
    Action::Reply(Reply {
        id,
        outcome: Ok(Success::Rpc { data }),
    })
}
