//! Joins one client's session to the hub, the backbone and its outbox. Knows no transport: frames come in as bytes, and
//! what is to be written stands in the outbox.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tidegate_backbone::Channel;
use tidegate_codec::{DisconnectCode, EncodeError, Frame, Push, Reply};

use crate::admission::AdmittedUser;
use crate::hub::{Hub, Membership};
use crate::interest::Topic;
use crate::node::Node;
use crate::outbox::Outbox;
use crate::session::{
    Action, Actions, Entry, Moment, OpenError, Operation, Outcome, PingStyle, Session,
};

/// One client, whatever its transport.
pub(crate) struct Connection {
    node: Arc<Node>,
    hub: Rc<Hub>,
    number: u64,
    session: Session,
    pings: PingStyle,
    outbox: Rc<Outbox>,
    /// Elements of a frame that wait for the operation under way.
    backlog: VecDeque<Frame>,
    operation: Option<LocalBoxFuture<'static, Finished>>,
    /// Channels that were joined and not attached yet.
    joined: HashMap<Channel, Arc<Topic>>,
    memberships: HashMap<Channel, Membership>,
    user: Option<AdmittedUser>,
    ping_due: bool,
    closing: Option<DisconnectCode>,
}

/// What an operation brings back besides its outcome.
struct Finished {
    outcome: Outcome,
    topics: Vec<Arc<Topic>>,
    user: Option<AdmittedUser>,
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
            operation: None,
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
    pub(crate) fn is_idle(&self) -> bool {
        self.operation.is_none() && self.backlog.is_empty()
    }

    /// The code to close with, once what waits has been written.
    pub(crate) fn closing(&self) -> Option<DisconnectCode> {
        self.closing
    }

    /// Whether the transport has to send a ping frame; asked once per ping.
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
            Ok(frames) => {
                self.backlog.extend(frames);
                self.advance();
            }
            Err(error) => {
                tracing::info!(client = self.client(), %error, "frame refused");
                self.close(DisconnectCode::BadRequest);
            }
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

    /// Waits until the operation under way has ended, and goes on from there. Never returns when there is none.
    pub(crate) async fn finish_operation(&mut self) {
        let Some(operation) = &mut self.operation else {
            return std::future::pending().await;
        };
        let finished = operation.await;
        self.operation = None;
        self.user = finished.user.or(self.user.take());
        self.joined = finished
            .topics
            .into_iter()
            .map(|topic| (topic.channel().clone(), topic))
            .collect();
        self.step(|session, now, actions| session.complete(finished.outcome, now, actions));
        self.joined.clear();
        self.advance();
    }

    /// Gives the session what waits, until something has to be waited for.
    fn advance(&mut self) {
        while self.operation.is_none() && self.closing.is_none() {
            let Some(frame) = self.backlog.pop_front() else {
                return;
            };
            self.node.counters.commands.add(1);
            self.step(|session, now, actions| session.handle(frame, now, actions));
        }
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
            Action::Perform(operation) => self.operation = Some(self.start(operation)),
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

    fn start(&self, operation: Operation) -> LocalBoxFuture<'static, Finished> {
        let hub = Rc::clone(&self.hub);
        let node = Arc::clone(&self.node);
        match operation {
            Operation::Open { user, channels } => open(node, hub, user, channels).boxed_local(),
            Operation::Join(channel) => async move {
                let (result, topics) = match hub.join(&channel).await {
                    Ok(topic) => (Ok(()), vec![topic]),
                    Err(error) => (Err(error), Vec::new()),
                };
                Finished {
                    outcome: Outcome::Joined(result),
                    topics,
                    user: None,
                }
            }
            .boxed_local(),
            Operation::Publish {
                channel,
                publication,
            } => async move {
                let result = node.backbone.publish(&channel, publication).await;
                if let Err(error) = &result {
                    tracing::debug!(%channel, %error, "publish failed");
                } else {
                    node.counters.publications_in.add(1);
                }
                Finished {
                    outcome: Outcome::Published(result),
                    topics: Vec::new(),
                    user: None,
                }
            }
            .boxed_local(),
        }
    }
}

async fn open(node: Arc<Node>, hub: Rc<Hub>, user: String, channels: Vec<Channel>) -> Finished {
    let refused = |error| Finished {
        outcome: Outcome::Opened(Err(error)),
        topics: Vec::new(),
        user: None,
    };
    let Some(admitted) = node.admission.admit_user(&user) else {
        return refused(OpenError::ConnectionLimit);
    };
    let joins = channels.iter().map(|channel| hub.join(channel));
    match futures_util::future::try_join_all(joins).await {
        Ok(topics) => Finished {
            outcome: Outcome::Opened(Ok(())),
            topics,
            user: Some(admitted),
        },
        Err(error) => refused(OpenError::Join(error)),
    }
}

fn now() -> Moment {
    Moment {
        instant: tokio::time::Instant::now().into_std(),
        wall: SystemTime::now(),
    }
}
