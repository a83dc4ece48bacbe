//! Commands with tokens whose keys have to be fetched first.

use tidegate_codec::{Command, ErrorCode, Request};

use super::asking::Pending;
use super::{Action, Actions, Moment, Session};
use crate::auth::{EndpointId, Purpose};

impl Session {
    /// Takes a command that may be given now, or begins to fetch the key of its token.
    pub(super) fn take_with_keys(&mut self, command: Command, now: Moment, actions: &mut Actions) {
        match self.missing_key(&command, now) {
            None => self.take(command, now, actions),
            Some(endpoint) => {
                let pending = Pending::Keys(Box::new(command));
                let ticket = self.asking.get_or_insert_default().keep(pending);
                actions.push(Action::Fetch { ticket, endpoint });
            }
        }
    }

    /// Takes the outcome of [`Action::Fetch`]: whether keys were fetched. A token is told to be invalid only by keys that
    /// were fetched after it came: by older ones nobody knows.
    pub fn fetched(&mut self, ticket: u32, are_there: bool, now: Moment, actions: &mut Actions) {
        let asking = self.asking.as_mut();
        let Some(Pending::Keys(command)) = asking.and_then(|asking| asking.take(ticket)) else {
            return;
        };
        if self.is_closed() {
            return;
        }
        if are_there || self.missing_key(&command, now).is_none() {
            return self.take(*command, now, actions);
        }
        tracing::info!(client = self.client(), "the key of a token cannot be had");
        let refusal = ErrorCode::Internal.into();
        match command.request {
            Request::Connect(_) => self.refuse_connect(command.id, refusal, actions),
            _ => self.refuse(command.id, refusal, actions),
        }
    }

    fn take(&mut self, command: Command, now: Moment, actions: &mut Actions) {
        let Command { id, request } = command;
        if let Request::Connect(request) = request {
            return self.connect(id, *request, now, actions);
        }
        if let Err(refusal) = self.open_command(id, request, now, actions) {
            self.refuse(id, refusal, actions);
        }
    }

    fn missing_key(&self, command: &Command, now: Moment) -> Option<EndpointId> {
        let (purpose, token) = match &command.request {
            Request::Connect(it) => (Purpose::Connection, self.token(&it.token)),
            Request::Refresh(it) => (Purpose::Connection, &*it.token),
            Request::Subscribe(it) => (Purpose::Subscription, &*it.token),
            Request::SubRefresh(it) => (Purpose::Subscription, &*it.token),
            _ => return None,
        };
        let verifier = &self.rules.verifier;
        (!token.is_empty()).then(|| verifier.missing(purpose, token, now.wall))?
    }
}
