//! Does what a session asks of its connection.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_backbone::{Channel, Publication};
use tidegate_codec::{Disconnect, DisconnectCode, EncodeError, ErrorCode, Push, Reply};
use tidegate_websocket::{Opcode, write_frame};

use super::{Connection, operation};
use crate::by_channel::ByChannel;
use crate::hooks::{self, Question, Via};
use crate::session::{Action, Join, PingStyle, PresenceQuestion};
use crate::wire::Envelope;

impl Connection {
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Reply(reply) => self.send_reply(reply),
            Action::Push(push) => self.send_push(&push),
            Action::Ping => self.ping(),
            Action::Attach(channel) => self.attach(channel),
            Action::Detach(channel) => {
                self.hide(&channel);
                self.memberships.remove(channel.as_str());
            }
            Action::Introduce { name, version } => self.introduce(&name, &version),
            Action::Open { user, channels } => self.open(user, channels),
            Action::Join(join) => {
                let (node, hub) = (Arc::clone(self.node()), Rc::clone(&self.worker.hub));
                self.work().begin(operation::join(node, hub, join));
            }
            Action::Presence {
                id,
                channel,
                question,
            } => self.look(id, channel, question),
            Action::Read { id, channel, range } => {
                let read = operation::read(Arc::clone(self.node()), id, channel, range);
                self.work().begin(read);
            }
            Action::Ask { ticket, question } => self.ask(ticket, question),
            Action::Fetch { ticket, endpoint } => {
                let fetch = operation::fetch(Arc::clone(self.node()), ticket, endpoint);
                self.work().begin(fetch);
            }
            Action::Tell(notice) => {
                let hooks = self.node().hooks.as_ref();
                let hooks = hooks.expect("who has somebody to tell has hooks");
                hooks.tell(*notice, self.via());
            }
            Action::Publish {
                id,
                channel,
                publication,
            } => self.publish(id, channel, publication),
            Action::SkipFrame => self.work().backlog.clear(),
            Action::Close(with) => self.begin_closing(with),
        }
    }

    fn ping(&self) {
        match self.session.pings() {
            PingStyle::Message | PingStyle::OneWay => self.push(&self.format().ping()),
            PingStyle::Frame => self
                .outbox
                .extend(|bytes| write_frame(bytes, Opcode::Ping, b"")),
        }
    }

    fn attach(&mut self, channel: Channel) {
        let membership = self.work().take_landed(&channel);
        let membership = membership.expect("a session keeps only what it joined");
        self.show(&channel);
        self.memberships.insert(channel, membership);
    }

    fn open(&mut self, user: String, channels: Vec<Join>) {
        let (node, hub) = (Arc::clone(self.node()), Rc::clone(&self.worker.hub));
        self.work()
            .wait_for(operation::open(node, hub, user, channels));
    }

    fn look(&mut self, id: u32, channel: Channel, question: PresenceQuestion) {
        let (node, format) = (Arc::clone(self.node()), self.format());
        let look = operation::look(node, id, channel, question, format);
        self.work().begin(look);
    }

    fn ask(&mut self, ticket: u32, question: Box<Question>) {
        let keeps_order = question.subject.keeps_order();
        let (node, via) = (Arc::clone(self.node()), self.via());
        let span = hooks::span(&question);
        let asked = operation::ask(node, ticket, question, via, span);
        match keeps_order {
            true => self.work().wait_for(asked),
            false => self.work().begin(asked),
        }
    }

    fn publish(&mut self, id: u32, channel: Channel, publication: Publication) {
        let (node, scope) = (Arc::clone(self.node()), self.work().scope(id));
        let send = operation::send(node, id, channel, publication, scope);
        self.work().wait_for(send);
    }

    fn begin_closing(&mut self, with: Disconnect) {
        self.closing = Some(Box::new(with));
        self.seat = None;
        self.seen = None;
        self.outbox.take_notes();
        self.work().backlog.clear();
        self.memberships = ByChannel::default();
    }

    fn via(&self) -> Via<'static> {
        Via {
            transport: self.outbox.wire().transport(),
            format: self.format(),
        }
    }

    fn send_reply(&mut self, reply: Reply) {
        if let Some(work) = &mut self.work {
            work.answered(&reply);
        }
        let code = reply.outcome.as_ref().err().map(|failure| failure.code);
        if code == Some(ErrorCode::TooManyRequests.code()) {
            self.node().counters.rate_limited.add(1);
        }
        if self.outbox.wire().envelope == Envelope::Bare {
            return self.tell_outcome(reply.outcome);
        }
        let encoded = self.format().encode_reply(&reply);
        self.send(encoded);
    }

    /// Adds a push for this client alone.
    pub(crate) fn send_push(&mut self, push: &Push) {
        let encoded = self.format().encode_push(push);
        self.send(encoded);
    }

    fn send(&mut self, encoded: Result<Bytes, EncodeError>) {
        match encoded {
            Ok(message) => self.push(&message),
            // Data for this client alone that its format cannot carry, from a token's `b64data`.
            Err(EncodeError::NotJson) => self.close(DisconnectCode::InappropriateProtocol),
        }
    }

    fn push(&self, message: &Bytes) {
        self.outbox.push(message, self.worker.hub.press());
    }
}
