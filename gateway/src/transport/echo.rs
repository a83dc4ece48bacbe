//! Sends every message back: the same engine as clients have, with nothing behind it, for conformance suites. Only with the
//! feature `echo`, which no release has.

use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use tidegate_codec::{Disconnect, DisconnectCode, Format};
use tidegate_websocket::{Limits, Message};

use super::conversation::Conversation;
use crate::outbox::Outbox;
use crate::wire::Wire;
use crate::worker::Worker;

/// Where it is served.
pub(super) const PATH: &str = "/echo";

/// More than any case of the suites needs.
const LIMITS: Limits = Limits {
    message: 16 * 1024 * 1024,
    fragments: 1024 * 1024,
};

/// A client that wants to hear itself.
pub(super) struct Echo {
    worker: Rc<Worker>,
    outbox: Rc<Outbox>,
    closing: Option<DisconnectCode>,
}

impl Echo {
    pub(super) fn new(worker: &Rc<Worker>, wire: Wire) -> Self {
        Self {
            worker: Rc::clone(worker),
            outbox: Rc::new(Outbox::new(wire, 4 * LIMITS.message)),
            closing: None,
        }
    }
}

impl Conversation for Echo {
    fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    fn outbox(&self) -> &Rc<Outbox> {
        &self.outbox
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn names(&self) -> (&str, Option<&str>) {
        ("echo", None)
    }

    fn message(&mut self, message: Message) {
        let (format, bytes) = match message {
            Message::Text(bytes) => (Format::Json, bytes),
            Message::Binary(bytes) => (Format::Protobuf, bytes),
        };
        let wire = Wire {
            format,
            ..self.outbox.wire()
        };
        let press = self.worker.hub.press();
        self.outbox.extend(|out| wire.write(&[bytes], press, out));
    }

    fn pong(&mut self) {}

    fn takes_messages(&self) -> bool {
        self.closing.is_none()
    }

    fn progress(&mut self, _: &mut Context<'_>) -> bool {
        false
    }

    fn is_working(&self) -> bool {
        false
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn tick(&mut self) {}

    fn close(&mut self, code: DisconnectCode) {
        self.closing = Some(code);
    }

    fn closing(&self) -> Option<Disconnect> {
        self.closing.map(Disconnect::from)
    }

    fn end(&mut self) {}
}
