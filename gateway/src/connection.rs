//! Joins one client's session to the hub, the backbone and its outbox. Knows no transport: frames come in as bytes, and
//! what is to be written stands in the outbox.

mod acting;
mod landing;
mod one_way;
mod operation;
mod presence;
mod work;

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use tidegate_backbone::{Channel, Error, Position};
use tidegate_codec::{
    Command, ConnectRequest, Disconnect, DisconnectCode, Format, Frame, Request, StreamPosition,
};

use crate::admission::AdmittedUser;
use crate::by_channel::ByChannel;
use crate::control::{Connected, Errand, Task};
use crate::hub::Membership;
use crate::node::Node;
use crate::outbox::Outbox;
use crate::presence::Seen;
use crate::session::{Actions, Entry, Landing, Moment, OpenError, Session};
use crate::users::Seat;
use crate::wire::Wire;
use crate::worker::Worker;
use operation::{Finished, Joined};
use work::Work;

/// One client, whatever its transport.
pub(crate) struct Connection {
    worker: Rc<Worker>,
    session: Session,
    outbox: Rc<Outbox>,
    /// What waits or is under way; `None` while there is nothing of that.
    work: Option<Box<Work>>,
    memberships: ByChannel<Membership>,
    user: Option<AdmittedUser>,
    /// Among the connections of its user.
    seat: Option<Seat>,
    /// What others are told of it; `None` while that is nothing.
    seen: Option<Box<Seen>>,
    closing: Option<Box<Disconnect>>,
}

impl Connection {
    pub(crate) fn new(worker: &Rc<Worker>, entry: Entry, wire: Wire) -> Self {
        let node = &worker.node;
        Self {
            outbox: Rc::new(Outbox::new(wire, node.config.client.queue_max_size)),
            session: Session::new(Arc::clone(&node.rules), entry, now()),
            worker: Rc::clone(worker),
            work: None,
            memberships: ByChannel::default(),
            user: None,
            seat: None,
            seen: None,
            closing: None,
        }
    }

    /// What waits to be written.
    pub(crate) fn outbox(&self) -> &Rc<Outbox> {
        &self.outbox
    }

    /// The worker that it lives on.
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The format of its messages.
    pub(crate) fn format(&self) -> Format {
        self.outbox.wire().format
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
        self.closing.is_none() && self.work.as_ref().is_none_or(|work| work.takes_frames())
    }

    /// What to close with, once what waits has been written.
    pub(crate) fn closing(&self) -> Option<Disconnect> {
        self.closing.as_deref().cloned()
    }

    /// When [`Connection::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// Takes a whole frame from the client.
    pub(crate) fn receive(&mut self, frame: &Bytes) {
        let limit = self.node().config.client.frame_command_limit;
        match self.format().decode(frame, limit) {
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

    /// Takes a connect of a client that sends no commands.
    pub(crate) fn connect(&mut self, request: ConnectRequest) {
        let request = Request::Connect(Box::new(request));
        self.take(Frame::Command(Command { id: 1, request }));
        self.advance();
    }

    /// Up to where each of its channels that are kept has been put into the outbox.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (&str, StreamPosition)> {
        let memberships = self.memberships.values();
        memberships.filter_map(|it| {
            let Position { epoch, offset } = it.position()?;
            let epoch = epoch.to_string();
            Some((it.channel().as_str(), StreamPosition { offset, epoch }))
        })
    }

    /// Takes one element of a frame. A pong counts when it comes, whatever commands still wait.
    fn take(&mut self, element: Frame) {
        match element {
            Frame::Pong => {
                self.step(|session, now, actions| session.handle(Frame::Pong, now, actions))
            }
            Frame::Command(command) => self.work().backlog.push_back(command),
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
    pub(crate) fn close(&mut self, why: impl Into<Disconnect>) {
        self.step(|session, _, actions| session.close(why, actions));
    }

    /// Whether something was begun that has to be waited for.
    pub(crate) fn is_working(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.is_under_way())
    }

    /// Goes on with whatever has ended of what was begun; tells whether anything has. Wakes the task of `context` when more
    /// of it ends.
    pub(crate) fn progress(&mut self, context: &mut Context<'_>) -> bool {
        let mut has_progressed = false;
        if let Some((lost, errands)) = self.outbox.take_notes() {
            for channel in lost {
                self.step(|session, _, actions| session.lost(&channel, actions));
            }
            for errand in errands {
                self.run(&errand);
            }
            has_progressed = true;
        }
        while let Some(finished) = self.work.as_mut().and_then(|work| work.poll(context)) {
            self.finish(finished);
            self.advance();
            has_progressed = true;
        }
        self.work.take_if(|work| work.is_done());
        has_progressed
    }

    /// Ends the session. What it has published still has to arrive, so that a client that publishes and leaves loses
    /// nothing: its task goes on with [`Connection::progress`] while the connection [is working](Self::is_working). The
    /// replies stand in the outbox afterwards.
    pub(crate) fn end(&mut self) {
        self.user = None;
        self.close(DisconnectCode::ConnectionClosed);
    }

    fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Opened {
                result,
                user,
                quota,
            } => {
                self.user = user;
                if let Some(quota) = quota {
                    self.session.share(quota);
                }
                let result = result.and_then(|all| {
                    let landings = all.into_iter().map(|joined| self.take_landing(joined));
                    landings.collect::<Result<_, _>>().map_err(OpenError::Join)
                });
                self.step(|session, now, actions| session.opened(result, now, actions));
                self.take_seat();
            }
            Finished::Joined(channel, result) => {
                let result = result.and_then(|joined| self.take_landing(joined));
                let result = result.map(|(_, landing)| landing);
                self.step(|session, _, actions| session.joined(channel, result, actions));
            }
            Finished::Answered(ticket, result) => {
                self.step(|session, now, actions| session.answered(ticket, result, now, actions));
            }
            Finished::Fetched(ticket, are_there) => {
                self.step(|session, now, actions| session.fetched(ticket, are_there, now, actions));
            }
            Finished::Read(id, result) => {
                let format = self.format();
                self.step(|session, now, actions| session.read(id, result, format, now, actions));
            }
            Finished::Asked(id, result) => {
                self.step(|session, _, actions| session.presence_answered(id, result, actions));
            }
            Finished::Sent(id, Ok(sent)) => {
                let confirmed = sent
                    .confirmed()
                    .map(move |result| Finished::Published(id, result));
                self.work().begin(confirmed);
            }
            Finished::Sent(id, Err(error)) => self.published(id, Err(error)),
            Finished::Published(id, result) => self.published(id, result),
        }
        // What the session did not keep, because it has ended meanwhile or misses something, is let go.
        self.work().landed.clear();
    }

    /// From here on backends find the connection by its user.
    fn take_seat(&mut self) {
        if let (Some(user), None) = (self.session.user(), &self.closing) {
            self.seat = Some(self.worker.users.seat(user, &self.outbox));
        }
    }

    /// Does what a backend wants of it, if it is one of those that are meant.
    fn run(&mut self, errand: &Errand) {
        let is_meant = |user| errand.whom.is(user, self.client(), self.session.address());
        if self.closing.is_some() || !self.user().is_some_and(is_meant) {
            return;
        }
        match &errand.task {
            Task::Order(order) => {
                let mut has_obeyed = false;
                self.step(|session, now, actions| has_obeyed = session.obey(order, now, actions));
                if has_obeyed {
                    errand.tally.reached();
                }
                self.advance();
            }
            Task::Review => {
                self.step(|session, now, actions| session.review(now, actions));
                self.advance();
            }
            Task::Describe => errand.tally.found(self.client(), self.describe()),
        }
    }

    fn describe(&self) -> Connected {
        Connected {
            user: self.user().unwrap_or_default().to_owned(),
            format: match self.format() {
                Format::Json => "json",
                Format::Protobuf => "protobuf",
            }
            .to_owned(),
            channels: self.memberships.len(),
        }
    }

    fn take_landing(&mut self, joined: Joined) -> Result<(Channel, Landing), Error> {
        let (membership, landing) = self.land(joined)?;
        let channel = membership.channel().clone();
        self.work().landed.push(membership);
        Ok((channel, landing))
    }

    fn published(&mut self, id: u32, result: Result<Option<Position>, Error>) {
        match &result {
            Ok(_) => self.node().counters.publications_in.add(1),
            Err(error) => tracing::debug!(client = self.client(), %error, "publish failed"),
        }
        self.step(|session, _, actions| session.published(id, &result, actions));
    }

    /// Gives the session what waits, until something has to be waited for.
    fn advance(&mut self) {
        while let Some(command) = self.next_command() {
            self.node().counters.commands.add(1);
            let scope = self.work().trace(&command);
            scope.during(|| {
                self.step(|session, now, actions| {
                    session.handle(Frame::Command(command), now, actions)
                });
            });
        }
    }

    /// The next command, if the session can take it now.
    fn next_command(&mut self) -> Option<Command> {
        let (work, session) = (self.work.as_mut()?, &self.session);
        if self.closing.is_some() || !work.is_free() {
            return None;
        }
        work.backlog
            .pop_front_if(|command| !session.must_wait(command))
    }

    fn step(&mut self, input: impl FnOnce(&mut Session, Moment, &mut Actions)) {
        let mut actions = Actions::new();
        input(&mut self.session, now(), &mut actions);
        for action in actions {
            self.act(action);
        }
    }

    fn node(&self) -> &Arc<Node> {
        &self.worker.node
    }

    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }
}

fn now() -> Moment {
    Moment {
        instant: tokio::time::Instant::now().into_std(),
        wall: SystemTime::now(),
    }
}
