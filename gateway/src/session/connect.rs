//! `connect`: who the client is, and the subscriptions that come with that.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tidegate_backbone::Channel;
use tidegate_codec::{
    ConnectRequest, ConnectResult, DisconnectCode, ErrorCode, Failure, Reply, SubscribeResult,
    Success,
};

use super::heartbeat::announced_seconds;
use super::server_side::ServerSide;
use super::{
    Action, Actions, Identity, Join, Landing, Moment, OpenError, PingStyle, Refusal, Session,
    State, Subscription, Term, VERSION,
};
use crate::auth::{ConnectionClaims, Expiry, TokenError, TokenId};

/// A connect that waits for its channels to be joined.
#[derive(Debug)]
pub(super) struct Connecting {
    id: u32,
    identity: Identity,
    term: Term,
    subscriptions: BTreeMap<Channel, ServerSide>,
    /// The application's, for the client.
    data: Bytes,
    /// Of the token, if there is one.
    token: Option<TokenId>,
    /// Name and version that the client gave itself.
    names: (String, String),
}

impl Session {
    pub(super) fn connect(
        &mut self,
        id: u32,
        request: ConnectRequest,
        now: Moment,
        actions: &mut Actions,
    ) {
        self.keep_headers(&request);
        if let Some(target) = self.rules.hooks.connect
            && self.token(&request.token).is_empty()
        {
            return self.ask_connect(target, id, request, actions);
        }
        let connecting = self.identify(id, &request, now);
        self.go_on_connecting(id, connecting, actions);
    }

    /// Opens the connection of somebody who was identified.
    pub(super) fn go_on_connecting(
        &mut self,
        id: u32,
        connecting: Result<Connecting, Refusal>,
        actions: &mut Actions,
    ) {
        match connecting {
            Ok(connecting) => {
                let user = connecting.identity.user.to_string();
                let join = |(channel, it): (&Channel, &ServerSide)| Join {
                    channel: channel.clone(),
                    wish: it.recovery.wish(),
                    is_delta: false,
                    is_hearing: it.standing.is_hearing,
                };
                let channels = connecting.subscriptions.iter().map(join).collect();
                self.connecting = Some(Box::new(connecting));
                actions.push(Action::Open { user, channels });
            }
            Err(refusal) => self.refuse_connect(id, refusal, actions),
        }
    }

    /// Takes the outcome of [`Action::Open`].
    pub fn opened(
        &mut self,
        result: Result<Vec<(Channel, Landing)>, OpenError>,
        now: Moment,
        actions: &mut Actions,
    ) {
        let Some(connecting) = self.connecting.take() else {
            return;
        };
        let Connecting {
            id,
            identity,
            term,
            subscriptions,
            data,
            token,
            names: (name, version),
        } = *connecting;
        if self.is_closed() {
            return;
        }
        let landings = match result {
            Ok(landings) => landings,
            Err(OpenError::ConnectionLimit) => {
                return self.close(DisconnectCode::ConnectionLimit, actions);
            }
            Err(OpenError::Join(_)) => {
                return self.refuse_connect(id, ErrorCode::Internal.into(), actions);
            }
        };
        // The list may have grown meanwhile.
        if let Err(refusal) = self.admit(&identity.user, token.as_ref(), now) {
            return self.refuse_connect(id, refusal, actions);
        }
        self.keep_token(token);
        let before = std::mem::replace(&mut self.state, State::Open(identity));
        let mut result = self.connect_result(term, &subscriptions, landings, now.wall);
        if let State::Fresh(fresh) = before {
            self.heartbeat
                .start(&self.rules.client, now.instant, fresh.phase);
            if let Some(address) = fresh.address {
                self.address = Some(address.session.as_str().into());
                (result.session, result.node) = (address.session, address.node);
            }
        }
        result.data = data;
        actions.push(Action::Reply(Reply {
            id,
            outcome: Ok(Success::Connect(Box::new(result))),
        }));
        actions.push(Action::Introduce { name, version });
        for (channel, it) in subscriptions {
            let subscription = Subscription {
                info: it.options.info,
                deadline: it.term.deadline,
                server_side: true,
                standing: it.standing,
            };
            self.subscriptions.insert(channel.clone(), subscription);
            actions.push(Action::Attach(channel));
        }
    }

    /// Who the client is and what it will be subscribed to, or why it may not connect.
    fn identify(
        &self,
        id: u32,
        request: &ConnectRequest,
        now: Moment,
    ) -> Result<Connecting, Refusal> {
        let claims = self.authenticate(&request.token, now.wall)?;
        let wishes = self.wishes(&claims.user, request)?;
        self.identified(id, request, claims, wishes, now)
    }

    /// What a backend granted to a client without a token. What else the client wished for it has been told.
    pub(super) fn granted_connect(
        &self,
        id: u32,
        request: &ConnectRequest,
        claims: ConnectionClaims,
        data: Bytes,
        now: Moment,
    ) -> Result<Connecting, Refusal> {
        let connecting = self.identified(id, request, claims, Vec::new(), now)?;
        Ok(Connecting { data, ..connecting })
    }

    fn identified(
        &self,
        id: u32,
        request: &ConnectRequest,
        claims: ConnectionClaims,
        wishes: Vec<Channel>,
        now: Moment,
    ) -> Result<Connecting, Refusal> {
        self.admit(&claims.user, claims.token.as_ref(), now)?;
        let term = self.connection_term(claims.expiry, now)?;
        let token_channels = claims.subs.keys().cloned().collect();
        let subscriptions = self.server_side(&claims.user, claims.subs, wishes, request, now)?;
        let identity = Identity {
            user: claims.user.into(),
            info: claims.info,
            deadline: term.deadline,
            token_channels,
        };
        Ok(Connecting {
            id,
            identity,
            term,
            subscriptions,
            data: Bytes::new(),
            token: claims.token,
            names: (request.name.clone(), request.version.clone()),
        })
    }

    /// How long a connection lasts. Where a backend says whether it may go on, the client need not do anything about it.
    pub(super) fn connection_term(&self, expiry: Expiry, now: Moment) -> Result<Term, ErrorCode> {
        let is_asked = self.rules.hooks.refresh.is_some();
        let grace = match is_asked {
            true => Duration::ZERO,
            false => self.rules.client.expired_close_delay,
        };
        let term = Term::new(expiry, grace, now).ok_or(ErrorCode::Expired)?;
        Ok(if is_asked { term.unannounced() } else { term })
    }

    /// The token of the command, or else of the upgrade request.
    pub(super) fn token<'a>(&'a self, of_command: &'a str) -> &'a str {
        match &self.state {
            State::Fresh(fresh) if of_command.is_empty() => &fresh.token,
            _ => of_command,
        }
    }

    /// Claims of the token, or those of an anonymous user where one is welcome. A token that is present is judged in
    /// `insecure` mode too, but then the connection does not expire.
    fn authenticate(
        &self,
        command_token: &str,
        now: SystemTime,
    ) -> Result<ConnectionClaims, Refusal> {
        let client = &self.rules.client;
        let token = self.token(command_token);
        if token.is_empty() {
            if client.insecure || client.allow_anonymous_connect_without_token {
                return Ok(anonymous());
            }
            tracing::info!(client = self.client(), "connect without a token refused");
            return Err(DisconnectCode::BadRequest.into());
        }
        let mut claims =
            self.rules
                .verifier
                .connection(token, now)
                .map_err(|error| match error {
                    TokenError::Expired => Refusal::from(ErrorCode::TokenExpired),
                    TokenError::Invalid(reason) => {
                        tracing::info!(client = self.client(), %reason, "connection token refused");
                        DisconnectCode::InvalidToken.into()
                    }
                })?;
        if client.insecure {
            claims.expiry = Expiry::Never;
        }
        Ok(claims)
    }

    fn connect_result(
        &self,
        term: Term,
        subscriptions: &BTreeMap<Channel, ServerSide>,
        landings: Vec<(Channel, Landing)>,
        now: SystemTime,
    ) -> ConnectResult {
        let time = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let subs = landings.into_iter().filter_map(|(channel, landing)| {
            let it = subscriptions.get(&channel)?;
            let mut result = SubscribeResult {
                expires: it.term.expires(),
                ttl: it.term.ttl(),
                data: it.options.data.clone(),
                ..SubscribeResult::default()
            };
            let told = it.recovery.tell(landing, &mut result);
            told.is_ok().then(|| (channel.as_str().to_owned(), result))
        });
        let ping = announced_seconds(&self.rules.client, self.pings);
        ConnectResult {
            client: self.client.to_string(),
            version: VERSION.to_owned(),
            expires: term.expires(),
            ttl: term.ttl(),
            subs: subs.collect(),
            ping,
            pong: ping > 0 && self.pings != PingStyle::OneWay,
            time: if self.rules.client.connect_include_server_time {
                time as i64
            } else {
                0
            },
            ..ConnectResult::default()
        }
    }

    /// A connect that failed with an error leaves the connection without use: what came along in its frame is dropped,
    /// another command breaks the protocol, and it is closed when it gets stale.
    pub(super) fn refuse_connect(&mut self, id: u32, refusal: Refusal, actions: &mut Actions) {
        match refusal {
            Refusal::Error(code) => self.fail_connect(id, code.into(), actions),
            Refusal::Disconnect(code) => {
                self.close(code, actions);
                actions.push(Action::SkipFrame);
            }
        }
    }

    /// The same, with an error of the application's.
    pub(super) fn fail_connect(&mut self, id: u32, failure: Failure, actions: &mut Actions) {
        if let State::Fresh(fresh) = &self.state {
            self.state = State::Refused(fresh.stale);
        }
        let outcome = Err(failure);
        actions.extend([Action::Reply(Reply { id, outcome }), Action::SkipFrame]);
    }
}

fn anonymous() -> ConnectionClaims {
    ConnectionClaims {
        user: String::new(),
        expiry: Expiry::Never,
        info: Bytes::new(),
        subs: BTreeMap::new(),
        token: None,
    }
}
