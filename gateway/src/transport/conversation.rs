//! What a socket is for: whom its messages go to, and where what it writes comes from.

use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use tidegate_codec::{Disconnect, DisconnectCode};
use tidegate_websocket::{Limits, Message};

use crate::outbox::Outbox;
use crate::worker::Worker;

/// One client's side of the node, as its socket sees it.
pub(super) trait Conversation: 'static {
    /// The worker that it lives on.
    fn worker(&self) -> &Rc<Worker>;

    /// What waits to be written.
    fn outbox(&self) -> &Rc<Outbox>;

    /// What the client may send.
    fn limits(&self) -> Limits;

    /// For the log: the connection's id, and the user's if it has authenticated.
    fn names(&self) -> (&str, Option<&str>);

    /// Takes a message. It may end the conversation.
    fn message(&mut self, message: Message);

    /// Takes a pong frame.
    fn pong(&mut self);

    /// Whether another message may be given.
    fn takes_messages(&self) -> bool;

    /// Goes on with what has ended of what was begun, and wakes the task of `context` when more of it ends. Tells whether
    /// anything has.
    fn progress(&mut self, context: &mut Context<'_>) -> bool;

    /// Whether something was begun that has to be waited for.
    fn is_working(&self) -> bool;

    /// When [`Conversation::tick`] has something to do.
    fn deadline(&self) -> Option<Instant>;

    /// Does what is due now.
    fn tick(&mut self);

    /// Asks it to end with a code.
    fn close(&mut self, code: DisconnectCode);

    /// What to close with, once what waits has been written.
    fn closing(&self) -> Option<Disconnect>;

    /// The client is not there any more. What it began goes on for as long as it [is working](Self::is_working).
    fn end(&mut self);
}
