//! The subscriptions that come with a connect.

use std::collections::BTreeMap;

use tidegate_backbone::Channel;
use tidegate_codec::{ConnectRequest, DisconnectCode, ErrorCode, StreamPosition};

use super::recovery::Recovery;
use super::{Moment, Refusal, Session, Standing, State, Term};
use crate::auth::SubscriptionOptions;
use crate::rules::{Asker, ChannelRules};

/// A server-side subscription.
#[derive(Debug)]
pub(super) struct ServerSide {
    pub(super) options: SubscriptionOptions,
    pub(super) term: Term,
    pub(super) recovery: Recovery,
    pub(super) standing: Standing,
}

impl Session {
    /// The server-side subscriptions: of the token, the personal channel, and the client's own wishes.
    pub(super) fn server_side(
        &self,
        user: &str,
        from_token: BTreeMap<String, SubscriptionOptions>,
        wishes: Vec<Channel>,
        request: &ConnectRequest,
        now: Moment,
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
            let it = ServerSide {
                term: self.subscription_term(options.expiry, rules, now)?,
                recovery: Recovery::server_side(since(&name), rules, options.overrides),
                standing: Standing::new(rules, &options.overrides, false),
                options,
            };
            subscriptions.insert(channel, it);
        }
        if let Some(name) = self.personal_channel(user) {
            let (channel, rules) = self.rules.channel(&name)?;
            wish(&mut subscriptions, channel, since(&name), rules);
        }
        for channel in wishes {
            let (_, rules) = self.rules.channel(channel.as_str())?;
            let position = since(channel.as_str());
            wish(&mut subscriptions, channel, position, rules);
        }
        if subscriptions.len() > self.rules.client.channel_limit {
            return Err(DisconnectCode::ChannelLimit.into());
        }
        Ok(subscriptions)
    }

    /// Of the channels that the client would like to be subscribed to, those that it may be without further ado.
    pub(super) fn wishes(
        &self,
        user: &str,
        request: &ConnectRequest,
    ) -> Result<Vec<Channel>, Refusal> {
        let asker = Asker {
            user,
            subscribed: false,
        };
        let mut wishes = Vec::new();
        for name in request.subs.keys() {
            let (channel, rules) = match self.rules.channel(name) {
                Ok(found) => found,
                Err(ErrorCode::UnknownChannel) => return Err(DisconnectCode::BadRequest.into()),
                Err(_) => continue,
            };
            let is_asked = self.rules.asks_to_subscribe(&channel, rules).is_some();
            let may = !is_asked && self.rules.may_subscribe(asker, &channel, rules);
            if may && rules.accepts_name(&channel) {
                wishes.push(channel);
            }
        }
        Ok(wishes)
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
}

/// Adds a subscription without options, unless there is one already.
fn wish(
    subscriptions: &mut BTreeMap<Channel, ServerSide>,
    channel: Channel,
    since: Option<&StreamPosition>,
    rules: &ChannelRules,
) {
    let new = || {
        let options = SubscriptionOptions::default();
        ServerSide {
            term: Term::default(),
            recovery: Recovery::server_side(since, rules, options.overrides),
            standing: Standing::new(rules, &options.overrides, false),
            options,
        }
    };
    subscriptions.entry(channel).or_insert_with(new);
}
