//! A client that only listens, on a WebSocket: its first message is its connect, and nothing that it says later counts.

use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use actix_http::RequestHead;
use tidegate_codec::{ConnectRequest, Disconnect, DisconnectCode, Format};
use tidegate_websocket::{Limits, Message};

use super::conversation::Conversation;
use super::request::{connect_parameter, entry, wire};
use crate::config::Config;
use crate::connection::Connection;
use crate::outbox::Outbox;
use crate::session::PingStyle;
use crate::wire::{Envelope, Wire};
use crate::worker::Worker;

/// Frames that the connect may come in, or close 1009.
const FRAGMENT_LIMIT: usize = 16;

/// The connection of such a client.
pub(super) struct OneWay {
    connection: Connection,
    has_connected: bool,
}

impl OneWay {
    /// Whether a request is for this.
    pub(super) fn is_for(head: &RequestHead, config: &Config) -> bool {
        let options = &config.uni_websocket;
        options.enabled && head.uri.path() == options.handler_prefix
    }

    /// A client that may have said its connect in the target of its request.
    pub(super) fn new(worker: &Rc<Worker>, head: &RequestHead) -> Self {
        let mut entry = entry(head, &worker.node.config.client.token_cookie);
        entry.pings = PingStyle::OneWay;
        let wire = Wire {
            envelope: Envelope::Bare,
            ..wire(head, None)
        };
        Self {
            connection: Connection::new(worker, entry, wire),
            has_connected: false,
        }
    }

    /// Takes what the target of its request says, once the answer to that stands in the outbox.
    pub(super) fn begin(&mut self, head: &RequestHead) {
        match connect_parameter(head) {
            Ok(connect) if connect.is_empty() => {}
            Ok(connect) => self.connect(Format::Json.decode_connect(&connect).ok()),
            Err(_) => self.connect(None),
        }
    }

    fn connect(&mut self, request: Option<ConnectRequest>) {
        self.has_connected = true;
        match request {
            Some(request) => self.connection.connect(request),
            None => self.connection.close(DisconnectCode::BadRequest),
        }
    }
}

impl Conversation for OneWay {
    fn worker(&self) -> &Rc<Worker> {
        self.connection.worker()
    }

    fn outbox(&self) -> &Rc<Outbox> {
        self.connection.outbox()
    }

    fn limits(&self) -> Limits {
        let config = &self.connection.worker().node.config;
        Limits {
            message: config.uni_websocket.message_size_limit,
            fragments: FRAGMENT_LIMIT,
        }
    }

    fn names(&self) -> (&str, Option<&str>) {
        (self.connection.client(), self.connection.user())
    }

    fn message(&mut self, message: Message) {
        if !self.has_connected {
            let (Message::Text(body) | Message::Binary(body)) = message;
            let request = self.connection.format().decode_connect(&body);
            self.connect(request.ok());
        }
    }

    fn pong(&mut self) {}

    fn takes_messages(&self) -> bool {
        self.connection.takes_frames()
    }

    fn progress(&mut self, context: &mut Context<'_>) -> bool {
        self.connection.progress(context)
    }

    fn is_working(&self) -> bool {
        self.connection.is_working()
    }

    fn deadline(&self) -> Option<Instant> {
        self.connection.deadline()
    }

    fn tick(&mut self) {
        self.connection.tick();
    }

    fn close(&mut self, code: DisconnectCode) {
        self.connection.close(code);
    }

    fn closing(&self) -> Option<Disconnect> {
        self.connection.closing()
    }

    fn end(&mut self) {
        self.connection.end();
    }
}
