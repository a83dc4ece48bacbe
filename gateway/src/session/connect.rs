//! `connect`: who the client is, and the subscriptions that come with that.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use tidegate_backbone::Channel;
use tidegate_codec::{
    ConnectRequest, ConnectResult, DisconnectCode, ErrorCode, Reply, StreamPosition,
    SubscribeResult, Success,
};

use super::heartbeat::announced_seconds;
use super::recovery::Recovery;
use super::{
    Action, Actions, Identity, Join, Landing, Moment, OpenError, PingStyle, Refusal, Session,
    Standing, State, Subscription, Term, VERSION,
};
use crate::auth::{ConnectionClaims, Expiry, SubscriptionOptions, TokenError};
use crate::rules::{Asker, ChannelRules};

/// A connect that waits for its channels to be joined.
#[derive(Debug)]
pub(super) struct Connecting {
    id: u32,
    identity: Identity,
    term: Term,
    subscriptions: BTreeMap<Channel, ServerSide>,
    /// Name and version that the client gave itself.
    names: (String, String),
}

/// A server-side subscription.
#[derive(Debug, Default)]
struct ServerSide {
    options: SubscriptionOptions,
    recovery: Recovery,
    standing: Standing,
}

impl ServerSide {
    fn new(options: SubscriptionOptions, recovery: Recovery, rules: &ChannelRules) -> Self {
        let standing = Standing::new(rules, &options.overrides, false);
        Self {
            options,
            recovery,
            standing,
        }
    }
}

impl Session {
    pub(super) fn connect(
        &mut self,
        id: u32,
        request: ConnectRequest,
        now: Moment,
        actions: &mut Actions,
    ) {
        match self.identify(id, &request, now) {
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
        let before = std::mem::replace(&mut self.state, State::Open(identity));
        let mut result = self.connect_result(term, &subscriptions, landings, now.wall);
        if let State::Fresh(fresh) = before {
            self.heartbeat
                .start(&self.rules.client, now.instant, fresh.phase);
            if let Some(address) = fresh.address {
                (result.session, result.node) = (address.session, address.node);
            }
        }
        actions.push(Action::Reply(Reply {
            id,
            outcome: Ok(Success::Connect(Box::new(result))),
        }));
        actions.push(Action::Introduce { name, version });
        for (channel, it) in subscriptions {
            let subscription = Subscription {
                info: it.options.info,
                deadline: None,
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
        let grace = self.rules.client.expired_close_delay;
        let term = Term::new(claims.expiry, grace, now).ok_or(ErrorCode::Expired)?;
        let token_channels = claims.subs.keys().cloned().collect();
        let subscriptions = self.server_side(&claims.user, claims.subs, request)?;
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
            names: (request.name.clone(), request.version.clone()),
        })
    }

    /// Claims of the token, or those of an anonymous user where one is welcome. A token that is present is judged in
    /// `insecure` mode too, but then the connection does not expire.
    fn authenticate(
        &self,
        command_token: &str,
        now: SystemTime,
    ) -> Result<ConnectionClaims, Refusal> {
        let client = &self.rules.client;
        let token = match &self.state {
            State::Fresh(fresh) if command_token.is_empty() => &fresh.token,
            _ => command_token,
        };
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

    /// The server-side subscriptions: of the token, the personal channel, and the client's own wishes.
    fn server_side(
        &self,
        user: &str,
        from_token: BTreeMap<String, SubscriptionOptions>,
        request: &ConnectRequest,
    ) -> Result<BTreeMap<Channel, ServerSide>, Refusal> {
        let mut subscriptions = BTreeMap::new();
        let since = |name: &str| {
            let asked = request.subs.get(name).filter(|it| it.recover);
            asked
                .map(|it| &it.position)
                .or_else(|| self.bookmarked(name))
        };
        for (name, options) in from_token {
            let (channel, rules) = self.rules.channel(&name)?;
            let recovery = Recovery::server_side(since(&name), rules);
            let it = ServerSide::new(options, recovery, rules);
            subscriptions.insert(channel, it);
        }
        if let Some(name) = self.personal_channel(user) {
            let (channel, rules) = self.rules.channel(&name)?;
            let recovery = Recovery::server_side(since(&name), rules);
            wish(&mut subscriptions, channel, recovery, rules);
        }
        let asker = Asker {
            user,
            subscribed: false,
        };
        for name in request.subs.keys() {
            let (channel, rules) = match self.rules.channel(name) {
                Ok(found) => found,
                Err(ErrorCode::UnknownChannel) => return Err(DisconnectCode::BadRequest.into()),
                Err(_) => continue,
            };
            if rules.accepts_name(&channel) && self.rules.may_subscribe(asker, &channel, rules) {
                let recovery = Recovery::server_side(since(name), rules);
                wish(&mut subscriptions, channel, recovery, rules);
            }
        }
        if subscriptions.len() > self.rules.client.channel_limit {
            return Err(DisconnectCode::ChannelLimit.into());
        }
        Ok(subscriptions)
    }

    /// Up to where the client has seen a channel, as far as its transport knows.
    fn bookmarked(&self, channel: &str) -> Option<&StreamPosition> {
        match &self.state {
            State::Fresh(fresh) => fresh.bookmark.position(channel),
            State::Refused(_) | State::Open(_) | State::Closed(_) => None,
        }
    }

    fn personal_channel(&self, user: &str) -> Option<String> {
        let personal = &self.rules.client.subscribe_to_user_personal_channel;
        if !personal.enabled || user.is_empty() {
            return None;
        }
        Some(match personal.personal_channel_namespace.as_str() {
            "" => format!("#{user}"),
            namespace => format!("{namespace}:#{user}"),
        })
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
    fn refuse_connect(&mut self, id: u32, refusal: Refusal, actions: &mut Actions) {
        if let State::Fresh(fresh) = &self.state {
            self.state = State::Refused(fresh.stale);
        }
        self.refuse(id, refusal, actions);
        actions.push(Action::SkipFrame);
    }
}

/// Adds a subscription without options of a token, or only what is recovered if there is one already.
fn wish(
    subscriptions: &mut BTreeMap<Channel, ServerSide>,
    channel: Channel,
    recovery: Recovery,
    rules: &ChannelRules,
) {
    let new = || ServerSide::new(SubscriptionOptions::default(), Recovery::default(), rules);
    subscriptions.entry(channel).or_insert_with(new).recovery = recovery;
}

fn anonymous() -> ConnectionClaims {
    ConnectionClaims {
        user: String::new(),
        expiry: Expiry::Never,
        info: Bytes::new(),
        subs: BTreeMap::new(),
    }
}
