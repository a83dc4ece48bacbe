//! One client's session: commands in, actions out. Pure: it is told the time, and does no I/O.
//!
//! Commands are taken in the order of their arrival. What has to be done outside is an [`Action`], and its outcome comes
//! back by a call. Meanwhile other commands may be given, except those that [`Session::must_wait`] tells of: everything
//! waits for the connect, and what concerns a channel waits while the channel is being joined. A subscribe reply always
//! precedes the channel's first publication.

mod action;
mod answers;
mod asking;
mod connect;
mod control;
mod expiry;
mod heartbeat;
mod history;
mod keys;
mod presence;
mod publish;
mod rate;
mod recovery;
mod refresh;
mod revocation;
mod server_side;
mod state;
mod subscribe;
mod telling;
mod term;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use tidegate_backbone::{Channel, ClientInfo};
use tidegate_codec::{
    Bookmark, Command, Disconnect, DisconnectCode, ErrorCode, Event, Frame, Push, Reply, Request,
    UnsubscribeCode, Unsubscribed,
};

use crate::by_channel::ByChannel;
use crate::config::Secret;
use crate::hooks::Headers;
use crate::quota::Quota;
use crate::rules::Rules;
pub use action::{Action, Actions, Join, Landing, OpenError};
use asking::Asking;
use connect::Connecting;
use heartbeat::Heartbeat;
pub use heartbeat::PingStyle;
use history::Readings;
pub use presence::{PresenceAnswer, PresenceError, PresenceQuestion, Standing};
use rate::{CommandRate, Quotas, Verdict};
use revocation::Credentials;
use state::{Fresh, Identity, Refusal, State, Subscription};
use subscribe::Subscribing;
use term::{Term, seconds_of};

/// The server's version, as clients see it.
pub const VERSION: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));

/// A point in time, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For delays.
    pub instant: Instant,
    /// For the times in tokens.
    pub wall: SystemTime,
}

/// What a connection brings along when it opens.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Unique id of the connection.
    pub client: String,
    /// Token from the upgrade request's header or cookie; empty for none.
    pub token: Secret,
    /// Headers of the upgrade request that some backend wants.
    pub headers: Headers,
    /// How it is pinged.
    pub pings: PingStyle,
    /// A number between 0 and 1 that spreads the first pings of many connections in time.
    pub phase: f64,
    /// What its client names it by, on transports that need that.
    pub address: Option<Address>,
    /// Up to where the client has seen its channels, where the transport keeps that for it.
    pub bookmark: Bookmark,
}

/// What a client names its session by in requests of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A secret of this connection.
    pub session: String,
    /// The node that has it; empty where requests are not taken.
    pub node: String,
}

/// The state of one client.
#[derive(Debug)]
pub struct Session {
    rules: Arc<Rules>,
    client: Box<str>,
    /// What the client names it by, where it was told that.
    address: Option<Box<str>>,
    pings: PingStyle,
    state: State,
    subscriptions: ByChannel<Subscription>,
    heartbeat: Heartbeat,
    /// `None` where there is no limit.
    rate: Option<Box<CommandRate>>,
    /// The same.
    quotas: Option<Box<Quotas>>,
    /// The connect under way.
    connecting: Option<Box<Connecting>>,
    /// The subscribes under way; `None` while there are none.
    joining: Option<Box<ByChannel<Subscribing>>>,
    /// The reads of histories under way; the same.
    reading: Option<Box<Readings>>,
    /// What concerns the application's backend; `None` while there is nothing of that.
    asking: Option<Box<Asking>>,
    /// The tokens that may be revoked; `None` where none can be.
    credentials: Option<Box<Credentials>>,
}

impl Session {
    /// A session that has not authenticated yet.
    #[must_use]
    pub fn new(rules: Arc<Rules>, entry: Entry, now: Moment) -> Self {
        let limit = rules.client.command_rate_limit;
        let quota = Quota::new(&rules.client.rate_limit.connection, now.instant);
        let fresh = Fresh {
            stale: now.instant + rules.client.stale_close_delay,
            token: entry.token,
            phase: entry.phase,
            address: entry.address,
            bookmark: entry.bookmark,
        };
        Self {
            client: entry.client.into(),
            address: None,
            pings: entry.pings,
            heartbeat: Heartbeat::default(),
            rate: CommandRate::new(limit, now.instant).map(Box::new),
            quotas: Quotas::new(quota),
            rules,
            state: State::Fresh(Box::new(fresh)),
            subscriptions: ByChannel::default(),
            connecting: None,
            joining: None,
            reading: None,
            asking: Asking::new(entry.headers),
            credentials: None,
        }
    }

    /// The connection's id.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// What the client names it by in requests of their own; `None` where it was not told, or not yet.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// How the client is pinged.
    #[must_use]
    pub fn pings(&self) -> PingStyle {
        self.pings
    }

    /// The user's id; `None` when the client has not authenticated.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.state {
            State::Open(identity) => Some(&identity.user),
            State::Closed(user) => user.as_deref(),
            State::Fresh(_) | State::Refused(_) => None,
        }
    }

    /// Whether a command must not be given yet.
    #[must_use]
    pub fn must_wait(&self, command: &Command) -> bool {
        let channel = command.request.channel();
        let asking = self.asking.as_ref();
        self.connecting.is_some()
            || asking.is_some_and(|it| it.is_connecting())
            || channel.is_some_and(|it| {
                self.is_joining(it) || asking.is_some_and(|asking| asking.is_subscribing(it))
            })
    }

    /// Takes one element of a frame.
    pub fn handle(&mut self, frame: Frame, now: Moment, actions: &mut Actions) {
        match frame {
            Frame::Pong => self.pong(actions),
            Frame::Command(command) => self.command(command, now, actions),
        }
    }

    /// Takes a pong frame of the transport. One that answers no ping is fine (RFC 6455 section 5.5.3).
    pub fn pong_frame(&mut self) {
        if self.pings == PingStyle::Frame {
            self.heartbeat.pong();
        }
    }

    /// Takes an empty command: the answer to a ping, or a breach of the protocol.
    fn pong(&mut self, actions: &mut Actions) {
        let expected = matches!(self.state, State::Open(_)) && self.heartbeat.pong();
        if !expected {
            self.close(DisconnectCode::BadRequest, actions);
        }
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Moment, actions: &mut Actions) {
        match &self.state {
            State::Fresh(_) | State::Refused(_) => {
                if self.deadline().is_some_and(|stale| stale <= now.instant) {
                    self.close(DisconnectCode::Stale, actions);
                }
            }
            State::Open(Identity {
                deadline: Some(deadline),
                ..
            }) if *deadline <= now.instant => self.expire(actions),
            State::Open(_) => {
                self.end_expired_subscriptions(now, actions);
                self.heartbeat_tick(now, actions);
            }
            State::Closed(_) => {}
        }
    }

    /// When [`Session::tick`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Fresh(fresh) => Some(fresh.stale),
            State::Refused(stale) => Some(*stale),
            State::Open(identity) => {
                let subscriptions = self
                    .subscriptions
                    .values()
                    .filter_map(|subscription| subscription.deadline);
                subscriptions
                    .chain(identity.deadline)
                    .chain(self.heartbeat.deadline())
                    .min()
            }
            State::Closed(_) => None,
        }
    }

    /// Ends the session.
    pub fn close(&mut self, why: impl Into<Disconnect>, actions: &mut Actions) {
        if !self.is_closed() {
            let why = why.into();
            self.tell_of_the_end(&why, actions);
            let user = self.user().map(str::to_owned);
            self.state = State::Closed(user);
            actions.push(Action::Close(why));
        }
    }

    fn command(&mut self, command: Command, now: Moment, actions: &mut Actions) {
        let id = command.id;
        let refusal: Refusal = match (&self.state, &command.request) {
            (State::Closed(_), _) => return,
            (State::Fresh(_), Request::Connect(_)) if id != 0 => {
                return self.take_with_keys(command, now, actions);
            }
            (State::Fresh(_) | State::Refused(_), _) => DisconnectCode::BadRequest.into(),
            (State::Open(_), request) => match self.take_rate(now.instant) {
                Verdict::Pass if self.takes_quota(request, now.instant) => {
                    return self.take_with_keys(command, now, actions);
                }
                Verdict::Pass | Verdict::Refuse => ErrorCode::TooManyRequests.into(),
                Verdict::Disconnect => DisconnectCode::TooManyRequests.into(),
            },
        };
        self.refuse(id, refusal, actions);
    }

    fn take_rate(&mut self, now: Instant) -> Verdict {
        let rate = self.rate.as_mut();
        rate.map_or(Verdict::Pass, |rate| rate.take(now))
    }

    fn open_command(
        &mut self,
        id: u32,
        request: Request,
        now: Moment,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        match request {
            Request::Send { .. } => Err(DisconnectCode::NotAvailable.into()),
            Request::Connect(_) | Request::Unknown => Err(DisconnectCode::BadRequest.into()),
            _ if id == 0 => Err(DisconnectCode::BadRequest.into()),
            Request::Subscribe(request) => self.subscribe(id, *request, now, actions),
            Request::Unsubscribe { channel } => self.unsubscribe(id, &channel, actions),
            Request::Publish(request) => self.publish(id, request, actions),
            Request::Presence { channel } => {
                self.presence(id, &channel, PresenceQuestion::Members, actions)
            }
            Request::PresenceStats { channel } => {
                self.presence(id, &channel, PresenceQuestion::Counts, actions)
            }
            Request::History(request) => self.history(id, request, actions),
            Request::Rpc(request) => self.rpc(id, request, actions),
            Request::Refresh(request) => self.refresh(id, &request, now, actions),
            Request::SubRefresh(request) => self.sub_refresh(id, &request, now, actions),
        }
    }

    fn refuse(&mut self, id: u32, refusal: Refusal, actions: &mut Actions) {
        match refusal {
            // Without an id there is nothing to reply to.
            Refusal::Error(_) if id == 0 => {}
            Refusal::Error(code) => actions.push(Action::Reply(Reply {
                id,
                outcome: Err(code.into()),
            })),
            Refusal::Disconnect(code) => self.close(code, actions),
        }
    }

    /// Tells the client that a subscription has ended.
    fn end_subscription(&self, channel: Channel, code: UnsubscribeCode, actions: &mut Actions) {
        self.tell_of_unsubscribe(&channel, code.code(), code.message(), actions);
        let body = Unsubscribed {
            code: code.code(),
            reason: code.message().to_owned(),
        };
        let push = Push {
            channel: channel.as_str().to_owned(),
            event: Event::Unsubscribe(body),
        };
        actions.extend([Action::Detach(channel), Action::Push(push)]);
    }

    fn heartbeat_tick(&mut self, now: Moment, actions: &mut Actions) {
        match self.heartbeat.tick(&self.rules.client, now.instant) {
            heartbeat::Due::Nothing => {}
            heartbeat::Due::Ping => {
                if self.pings == PingStyle::OneWay {
                    self.heartbeat.pong();
                }
                actions.push(Action::Ping);
            }
            heartbeat::Due::NoPong => self.close(DisconnectCode::NoPong, actions),
        }
    }

    fn identity(&self) -> &Identity {
        match &self.state {
            State::Open(identity) => identity,
            state => unreachable!("a session that is {state:?} has no identity"),
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// What others are told of a subscription.
    #[must_use]
    pub fn standing(&self, channel: &Channel) -> Standing {
        let subscription = self.subscriptions.get(channel.as_str());
        subscription.map_or_else(Standing::default, |it| it.standing)
    }

    /// The client as subscribers of a channel see it.
    pub(crate) fn client_info(&self, channel: &Channel) -> ClientInfo {
        let subscription = self.subscriptions.get(channel.as_str());
        ClientInfo {
            chan_info: subscription.map_or_else(Bytes::new, |it| it.info.clone()),
            ..self.own_info()
        }
    }

    /// The client as others see it anywhere.
    pub(crate) fn own_info(&self) -> ClientInfo {
        let identity = self.identity();
        ClientInfo {
            user: identity.user.to_string(),
            client: self.client.to_string(),
            conn_info: identity.info.clone(),
            chan_info: Bytes::new(),
        }
    }
}
