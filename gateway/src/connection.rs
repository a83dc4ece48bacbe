//! Joins one client's session to the hub, the backbone and its outbox. Knows no transport: frames come in as bytes, and
//! what is to be written stands in the outbox.

mod operation;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::{LocalBoxFuture, OptionFuture};
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use tidegate_backbone::{Channel, Error};
use tidegate_codec::{Command, DisconnectCode, EncodeError, Frame, Push, Reply};

use crate::admission::AdmittedUser;
use crate::hub::{Hub, Membership};
use crate::interest::Topic;
use crate::node::Node;
use crate::outbox::Outbox;
use crate::session::{Action, Actions, Entry, Moment, PingStyle, Session};
use operation::Finished;

/// Joins and publications of one connection that may be under way; its further commands wait.
const UNDER_WAY_LIMIT: usize = 128;

/// With as many commands waiting as this, no further frame is read from the client.
const BACKLOG_LIMIT: usize = 16;

/// One client, whatever its transport.
pub(crate) struct Connection {
    node: Arc<Node>,
    hub: Rc<Hub>,
    number: u64,
    session: Session,
    pings: PingStyle,
    outbox: Rc<Outbox>,
    /// Commands that wait, in order.
    backlog: VecDeque<Command>,
    /// What the next command waits for.
    turn: Option<LocalBoxFuture<'static, Finished>>,
    /// Joins and confirmations of publications, in the order of their commands; at most [`UNDER_WAY_LIMIT`].
    under_way: FuturesOrdered<LocalBoxFuture<'static, Finished>>,
    /// Channels that were joined and not attached yet.
    joined: HashMap<Channel, Arc<Topic>>,
    memberships: HashMap<Channel, Membership>,
    user: Option<AdmittedUser>,
    ping_due: bool,
    closing: Option<DisconnectCode>,
}

impl Connection {
    pub(crate) fn new(node: Arc<Node>, hub: Rc<Hub>, entry: Entry) -> Self {
        let outbox = Rc::new(Outbox::new(entry.format, node.config.client.queue_max_size));
        let pings = entry.pings;
        Self {
            number: node.next_connection(),
            session: Session::new(Arc::clone(&node.rules), entry, now()),
            pings,
            node,
            hub,
            outbox,
            backlog: VecDeque::new(),
            turn: None,
            under_way: FuturesOrdered::new(),
            joined: HashMap::new(),
            memberships: HashMap::new(),
            user: None,
            ping_due: false,
            closing: None,
        }
    }

    /// What waits to be written.
    pub(crate) fn outbox(&self) -> &Rc<Outbox> {
        &self.outbox
    }

    /// The connection's id.
    pub(crate) fn client(&self) -> &str {
        self.session.client()
    }

    /// The user's id; `None` before the client has authenticated.
    pub(crate) fn user(&self) -> Option<&str> {
        self.session.user()
    }

    /// Whether another frame may be given.
    pub(crate) fn takes_frames(&self) -> bool {
        self.backlog.len() < BACKLOG_LIMIT && self.closing.is_none()
    }

    /// The code to close with, once what waits has been written.
    pub(crate) fn closing(&self) -> Option<DisconnectCode> {
        self.closing
    }

    /// Whether the transport has to send a ping frame.
    pub(crate) fn has_ping(&self) -> bool {
        self.ping_due
    }

    /// Whether it has to, asked once per ping.
    pub(crate) fn take_ping(&mut self) -> bool {
        std::mem::take(&mut self.ping_due)
    }

    /// When [`Connection::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// Takes a whole frame from the client.
    pub(crate) fn receive(&mut self, frame: &Bytes) {
        match self
            .outbox
            .format()
            .decode(frame, self.node.config.client.frame_command_limit)
        {
            Ok(elements) => {
                elements.into_iter().for_each(|element| self.take(element));
                // Not before all are there: a refused connect drops what came along with it.
                self.advance();
            }
            Err(error) => {
                tracing::info!(client = self.client(), %error, "frame refused");
                self.close(DisconnectCode::BadRequest);
            }
        }
    }

    /// Takes one element of a frame. A pong counts when it comes, whatever commands still wait.
    fn take(&mut self, element: Frame) {
        match element {
            Frame::Pong => {
                self.step(|session, now, actions| session.handle(Frame::Pong, now, actions))
            }
            Frame::Command(command) => self.backlog.push_back(command),
        }
    }

    /// Takes a transport's pong frame.
    pub(crate) fn pong_frame(&mut self) {
        self.session.pong_frame();
    }

    /// Does what is due now.
    pub(crate) fn tick(&mut self) {
        self.step(Session::tick);
    }

    /// Ends the session.
    pub(crate) fn close(&mut self, code: DisconnectCode) {
        self.step(|session, _, actions| session.close(code, actions));
    }

    /// Whether something was begun that has to be waited for.
    pub(crate) fn is_working(&self) -> bool {
        self.turn.is_some() || !self.under_way.is_empty()
    }

    /// Waits until something that was begun has ended, and goes on from there. Never returns when there is nothing.
    pub(crate) async fn progress(&mut self) {
        let turn = OptionFuture::from(self.turn.as_mut());
        tokio::select! {
            Some(finished) = turn => {
                self.turn = None;
                self.finish(finished);
            }
            Some(finished) = self.under_way.next() => self.finish(finished),
            else => std::future::pending().await,
        }
        self.advance();
    }

    /// Ends the session, then waits for what it has published to arrive, so that a client that publishes and leaves loses
    /// nothing. The replies stand in the outbox afterwards.
    pub(crate) async fn settle(mut self) {
        self.user = None;
        self.close(DisconnectCode::ConnectionClosed);
        while self.is_working() {
            self.progress().await;
        }
    }

    fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Opened {
                result,
                topics,
                user,
            } => {
                self.user = user;
                self.joined.extend(
                    topics
                        .into_iter()
                        .map(|topic| (topic.channel().clone(), topic)),
                );
                self.step(|session, now, actions| session.opened(result, now, actions));
            }
            Finished::Joined(channel, result) => {
                let result = result.map(|topic| {
                    self.joined.insert(channel.clone(), topic);
                });
                self.step(|session, _, actions| session.joined(channel, &result, actions));
            }
            Finished::Sent(id, Ok(confirmation)) => {
                let confirmed = confirmation.map(move |result| Finished::Published(id, result));
                self.under_way.push_back(confirmed.boxed_local());
            }
            Finished::Sent(id, Err(error)) => self.published(id, Err(error)),
            Finished::Published(id, result) => self.published(id, result),
        }
        // What the session did not attach, because it has ended meanwhile, is let go.
        self.joined.clear();
    }

    fn published(&mut self, id: u32, result: Result<(), Error>) {
        match &result {
            Ok(()) => self.node.counters.publications_in.add(1),
            Err(error) => tracing::debug!(client = self.client(), %error, "publish failed"),
        }
        self.step(|session, _, actions| session.published(id, &result, actions));
    }

    /// Gives the session what waits, until something has to be waited for.
    fn advance(&mut self) {
        while self.is_free() {
            let session = &self.session;
            let Some(command) = self
                .backlog
                .pop_front_if(|command| !session.must_wait(command))
            else {
                return;
            };
            self.node.counters.commands.add(1);
            self.step(|session, now, actions| {
                session.handle(Frame::Command(command), now, actions)
            });
        }
    }

    /// Whether the session can take a command now.
    fn is_free(&self) -> bool {
        self.turn.is_none() && self.under_way.len() < UNDER_WAY_LIMIT && self.closing.is_none()
    }

    fn step(&mut self, input: impl FnOnce(&mut Session, Moment, &mut Actions)) {
        let mut actions = Actions::new();
        input(&mut self.session, now(), &mut actions);
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Reply(reply) => self.send_reply(&reply),
            Action::Push(push) => self.send_push(&push),
            Action::Ping => match self.pings {
                PingStyle::Message => self.outbox.push(self.outbox.format().ping()),
                PingStyle::Frame => self.ping_due = true,
            },
            Action::Attach(channel) => {
                let topic = self
                    .joined
                    .remove(&channel)
                    .expect("a session attaches only what it joined");
                let membership = self.hub.attach(topic, self.number, &self.outbox);
                self.memberships.insert(channel, membership);
            }
            Action::Detach(channel) => {
                self.memberships.remove(&channel);
            }
            Action::Open { user, channels } => {
                let open =
                    operation::open(Arc::clone(&self.node), Rc::clone(&self.hub), user, channels);
                self.turn = Some(open.boxed_local());
            }
            Action::Join(channel) => {
                let join = operation::join(Rc::clone(&self.hub), channel);
                self.under_way.push_back(join.boxed_local());
            }
            Action::Publish {
                id,
                channel,
                publication,
            } => {
                let send = operation::send(Arc::clone(&self.node), id, channel, publication);
                self.turn = Some(send.boxed_local());
            }
            Action::SkipFrame => self.backlog.clear(),
            Action::Close(code) => {
                self.closing = Some(code);
                self.backlog.clear();
                self.memberships.clear();
            }
        }
    }

    fn send_reply(&mut self, reply: &Reply) {
        let encoded = self.outbox.format().encode_reply(reply);
        self.send(encoded);
    }

    fn send_push(&mut self, push: &Push) {
        let encoded = self.outbox.format().encode_push(push);
        self.send(encoded);
    }

    fn send(&mut self, encoded: Result<Bytes, EncodeError>) {
        match encoded {
            Ok(message) => self.outbox.push(message),
            // Data for this client alone that its format cannot carry, from a token's `b64data`.
            Err(EncodeError::NotJson) => self.close(DisconnectCode::InappropriateProtocol),
        }
    }
}

fn now() -> Moment {
    Moment {
        instant: tokio::time::Instant::now().into_std(),
        wall: SystemTime::now(),
    }
}
