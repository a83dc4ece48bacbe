//! Replies in JSON.
//!
//! SDKs tell success from failure by which key is there, so a result is written even without fields and `error` only
//! on failure.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::body::{Clients, Publications, SharedPublications};
use super::line::{Payload, is_zero};
use crate::{
    ConnectResult, Failure, RefreshResult, Reply, SubRefreshResult, SubscribeResult, Success,
};

/// The line of a reply: its id, and the outcome under the name of its kind.
pub(super) struct ReplyLine<'a>(pub(super) &'a Reply);

impl Serialize for ReplyLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.0.id != 0 {
            map.serialize_entry("id", &self.0.id)?;
        }
        match &self.0.outcome {
            Ok(success) => write_success(&mut map, success)?,
            Err(failure) => map.serialize_entry("error", &ErrorBody::from(failure))?,
        }
        map.end()
    }
}

fn write_success<M: SerializeMap>(map: &mut M, success: &Success) -> Result<(), M::Error> {
    match success {
        Success::Connect(result) => map.serialize_entry("connect", &ConnectBody::from(&**result)),
        Success::Subscribe(result) => {
            map.serialize_entry("subscribe", &SubscribeBody::from(&**result))
        }
        Success::Unsubscribe => map.serialize_entry("unsubscribe", &Empty {}),
        Success::Publish => map.serialize_entry("publish", &Empty {}),
        Success::Presence(clients) => map.serialize_entry(
            "presence",
            &PresenceBody {
                presence: Clients(clients),
            },
        ),
        &Success::PresenceStats { clients, users } => {
            let body = PresenceStatsBody {
                num_clients: clients,
                num_users: users,
            };
            map.serialize_entry("presence_stats", &body)
        }
        Success::History {
            publications,
            epoch,
            offset,
        } => {
            let publications = Publications(publications);
            map.serialize_entry(
                "history",
                &HistoryBody {
                    publications,
                    epoch,
                    offset: *offset,
                },
            )
        }
        Success::Rpc { data } => map.serialize_entry("rpc", &RpcBody { data: data.into() }),
        Success::Refresh(result) => map.serialize_entry("refresh", &RefreshBody::from(result)),
        &Success::SubRefresh(SubRefreshResult { expires, ttl }) => {
            map.serialize_entry("sub_refresh", &SubRefreshBody { expires, ttl })
        }
    }
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    code: u32,
    #[serde(skip_serializing_if = "is_zero")]
    message: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    temporary: bool,
}

impl<'a> From<&'a Failure> for ErrorBody<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            code: failure.code,
            message: &failure.message,
            temporary: failure.temporary,
        }
    }
}

/// Result of `connect`, or the push in place of it.
#[derive(Serialize)]
pub(super) struct ConnectBody<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    client: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    version: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    expires: bool,
    #[serde(skip_serializing_if = "is_zero")]
    ttl: u32,
    #[serde(skip_serializing_if = "is_zero")]
    data: Payload<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    subs: BTreeMap<&'a str, SubscribeBody<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    ping: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pong: bool,
    #[serde(skip_serializing_if = "is_zero")]
    session: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    node: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    time: i64,
}

impl<'a> From<&'a ConnectResult> for ConnectBody<'a> {
    fn from(result: &'a ConnectResult) -> Self {
        Self {
            client: &result.client,
            version: &result.version,
            expires: result.expires,
            ttl: result.ttl,
            data: (&result.data).into(),
            subs: result
                .subs
                .iter()
                .map(|(channel, sub)| (channel.as_str(), sub.into()))
                .collect(),
            ping: result.ping,
            pong: result.pong,
            session: &result.session,
            node: &result.node,
            time: result.time,
        }
    }
}

#[derive(Serialize)]
struct SubscribeBody<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    expires: bool,
    #[serde(skip_serializing_if = "is_zero")]
    ttl: u32,
    #[serde(skip_serializing_if = "is_zero")]
    recoverable: bool,
    #[serde(skip_serializing_if = "is_zero")]
    epoch: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    publications: SharedPublications<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    recovered: bool,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    positioned: bool,
    #[serde(skip_serializing_if = "is_zero")]
    data: Payload<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    was_recovering: bool,
    #[serde(skip_serializing_if = "is_zero")]
    delta: bool,
}

impl<'a> From<&'a SubscribeResult> for SubscribeBody<'a> {
    fn from(result: &'a SubscribeResult) -> Self {
        Self {
            expires: result.expires,
            ttl: result.ttl,
            recoverable: result.recoverable,
            epoch: &result.epoch,
            publications: SharedPublications(&result.publications),
            recovered: result.recovered,
            offset: result.offset,
            positioned: result.positioned,
            data: (&result.data).into(),
            was_recovering: result.was_recovering,
            delta: result.delta,
        }
    }
}

#[derive(Serialize)]
struct PresenceBody<'a> {
    presence: Clients<'a>,
}

#[derive(Serialize)]
struct PresenceStatsBody {
    num_clients: u32,
    num_users: u32,
}

#[derive(Serialize)]
struct HistoryBody<'a> {
    publications: Publications<'a>,
    epoch: &'a str,
    offset: u64,
}

#[derive(Serialize)]
struct RpcBody<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    data: Payload<'a>,
}

#[derive(Serialize)]
struct RefreshBody<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    client: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    version: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    expires: bool,
    #[serde(skip_serializing_if = "is_zero")]
    ttl: u32,
}

impl<'a> From<&'a RefreshResult> for RefreshBody<'a> {
    fn from(result: &'a RefreshResult) -> Self {
        Self {
            client: &result.client,
            version: &result.version,
            expires: result.expires,
            ttl: result.ttl,
        }
    }
}

#[derive(Serialize)]
struct SubRefreshBody {
    #[serde(skip_serializing_if = "is_zero")]
    expires: bool,
    #[serde(skip_serializing_if = "is_zero")]
    ttl: u32,
}
