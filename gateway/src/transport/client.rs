//! A client's connection as what a WebSocket is for.

use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use tidegate_codec::{Disconnect, DisconnectCode, Format};
use tidegate_websocket::{Limits, Message};

use super::conversation::Conversation;
use crate::connection::Connection;
use crate::outbox::Outbox;
use crate::worker::Worker;

/// Frames that one message may come in, or close 1009.
const FRAGMENT_LIMIT: usize = 1_024;

impl Conversation for Connection {
    fn worker(&self) -> &Rc<Worker> {
        self.worker()
    }

    fn outbox(&self) -> &Rc<Outbox> {
        self.outbox()
    }

    fn limits(&self) -> Limits {
        Limits {
            message: self.worker().node.config.websocket.message_size_limit,
            fragments: FRAGMENT_LIMIT,
        }
    }

    fn names(&self) -> (&str, Option<&str>) {
        (self.client(), self.user())
    }

    fn message(&mut self, message: Message) {
        match (self.format(), message) {
            (Format::Json, Message::Text(frame)) | (Format::Protobuf, Message::Binary(frame)) => {
                self.receive(&frame);
            }
            (Format::Json, Message::Binary(_)) => self.close(DisconnectCode::InappropriateProtocol),
            (Format::Protobuf, Message::Text(_)) => self.close(DisconnectCode::BadRequest),
        }
    }

    fn pong(&mut self) {
        self.pong_frame();
    }

    fn takes_messages(&self) -> bool {
        self.takes_frames()
    }

    fn progress(&mut self, context: &mut Context<'_>) -> bool {
        self.progress(context)
    }

    fn is_working(&self) -> bool {
        self.is_working()
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline()
    }

    fn tick(&mut self) {
        self.tick();
    }

    fn close(&mut self, code: DisconnectCode) {
        self.close(code);
    }

    fn closing(&self) -> Option<Disconnect> {
        self.closing()
    }

    fn end(&mut self) {
        self.end();
    }
}
