//! The bodies of commands in JSON.
//!
//! Every field is optional here, because `null` and absent mean the same.

use bytes::Bytes;
use serde::Deserialize;

use super::shape::{Map, Object, Payload};
use crate::{
    ConnectRequest, HistoryRequest, PublishRequest, RecoverRequest, RefreshRequest, RpcRequest,
    StreamPosition, SubRefreshRequest, SubscribeRequest,
};

/// An object of which only the presence counts.
#[derive(Deserialize)]
pub(super) struct Empty {}

/// Body of the requests that name a channel only.
#[derive(Deserialize)]
pub(super) struct Channel {
    channel: Option<String>,
}

impl Channel {
    pub(super) fn into_name(self) -> String {
        self.channel.unwrap_or_default()
    }
}

/// Body of `connect`.
#[derive(Deserialize)]
pub(super) struct Connect<'a> {
    token: Option<String>,
    #[serde(borrow, default)]
    data: Payload<'a>,
    subs: Option<Map<Object<Recover>>>,
    name: Option<String>,
    version: Option<String>,
    headers: Option<Map<String>>,
}

impl Connect<'_> {
    pub(super) fn into_request(self, frame: &Bytes) -> ConnectRequest {
        let subs = self.subs.map(|Map(subs)| subs).unwrap_or_default();
        let headers = self.headers.map(|Map(headers)| headers).unwrap_or_default();
        let recover = |sub: Option<Object<Recover>>| sub.map(|Object(sub)| sub.into_request());
        ConnectRequest {
            token: self.token.unwrap_or_default(),
            data: self.data.slice_of(frame),
            name: self.name.unwrap_or_default(),
            version: self.version.unwrap_or_default(),
            headers: headers
                .into_iter()
                .map(|(key, value)| (key, value.unwrap_or_default()))
                .collect(),
            subs: (subs.into_iter())
                .map(|(channel, sub)| (channel, recover(sub).unwrap_or_default()))
                .collect(),
        }
    }
}

#[derive(Deserialize)]
struct Recover {
    recover: Option<bool>,
    epoch: Option<String>,
    offset: Option<u64>,
}

impl Recover {
    pub(super) fn into_request(self) -> RecoverRequest {
        RecoverRequest {
            recover: self.recover.unwrap_or_default(),
            position: position(self.offset, self.epoch),
        }
    }
}

fn position(offset: Option<u64>, epoch: Option<String>) -> StreamPosition {
    StreamPosition {
        offset: offset.unwrap_or_default(),
        epoch: epoch.unwrap_or_default(),
    }
}

/// Body of `subscribe`.
#[derive(Deserialize)]
pub(super) struct Subscribe<'a> {
    channel: Option<String>,
    token: Option<String>,
    recover: Option<bool>,
    epoch: Option<String>,
    offset: Option<u64>,
    #[serde(borrow, default)]
    data: Payload<'a>,
    positioned: Option<bool>,
    recoverable: Option<bool>,
    join_leave: Option<bool>,
    delta: Option<String>,
    tf: Option<Object<Empty>>,
    flag: Option<i64>,
    #[serde(rename = "type")]
    kind: Option<i32>,
}

impl Subscribe<'_> {
    pub(super) fn into_request(self, frame: &Bytes) -> SubscribeRequest {
        SubscribeRequest {
            channel: self.channel.unwrap_or_default(),
            token: self.token.unwrap_or_default(),
            recover: self.recover.unwrap_or_default(),
            position: position(self.offset, self.epoch),
            data: self.data.slice_of(frame),
            positioned: self.positioned.unwrap_or_default(),
            recoverable: self.recoverable.unwrap_or_default(),
            join_leave: self.join_leave.unwrap_or_default(),
            delta: self.delta.unwrap_or_default(),
            tags_filter: self.tf.is_some(),
            flag: self.flag.unwrap_or_default(),
            kind: self.kind.unwrap_or_default(),
        }
    }
}

/// Body of `publish`.
#[derive(Deserialize)]
pub(super) struct Publish<'a> {
    channel: Option<String>,
    #[serde(borrow, default)]
    data: Payload<'a>,
    #[serde(rename = "type")]
    kind: Option<i32>,
}

impl Publish<'_> {
    pub(super) fn into_request(self, frame: &Bytes) -> PublishRequest {
        PublishRequest {
            channel: self.channel.unwrap_or_default(),
            data: self.data.slice_of(frame),
            kind: self.kind.unwrap_or_default(),
        }
    }
}

/// Body of `history`.
#[derive(Deserialize)]
pub(super) struct History {
    channel: Option<String>,
    limit: Option<i32>,
    since: Option<Object<Since>>,
    reverse: Option<bool>,
}

#[derive(Deserialize)]
struct Since {
    offset: Option<u64>,
    epoch: Option<String>,
}

impl History {
    pub(super) fn into_request(self) -> HistoryRequest {
        HistoryRequest {
            channel: self.channel.unwrap_or_default(),
            limit: self.limit.unwrap_or_default(),
            since: self
                .since
                .map(|Object(since)| position(since.offset, since.epoch)),
            reverse: self.reverse.unwrap_or_default(),
        }
    }
}

/// Body of `send`.
#[derive(Deserialize)]
pub(super) struct Send<'a> {
    #[serde(borrow, default)]
    data: Payload<'a>,
}

impl Send<'_> {
    pub(super) fn into_data(self, frame: &Bytes) -> Bytes {
        self.data.slice_of(frame)
    }
}

/// Body of `rpc`.
#[derive(Deserialize)]
pub(super) struct Rpc<'a> {
    #[serde(borrow, default)]
    data: Payload<'a>,
    method: Option<String>,
}

impl Rpc<'_> {
    pub(super) fn into_request(self, frame: &Bytes) -> RpcRequest {
        RpcRequest {
            method: self.method.unwrap_or_default(),
            data: self.data.slice_of(frame),
        }
    }
}

/// Body of `refresh`.
#[derive(Deserialize)]
pub(super) struct Refresh {
    token: Option<String>,
}

impl Refresh {
    pub(super) fn into_request(self) -> RefreshRequest {
        RefreshRequest {
            token: self.token.unwrap_or_default(),
        }
    }
}

/// Body of `sub_refresh`.
#[derive(Deserialize)]
pub(super) struct SubRefresh {
    channel: Option<String>,
    token: Option<String>,
    #[serde(rename = "type")]
    kind: Option<i32>,
}

impl SubRefresh {
    pub(super) fn into_request(self) -> SubRefreshRequest {
        SubRefreshRequest {
            channel: self.channel.unwrap_or_default(),
            token: self.token.unwrap_or_default(),
            kind: self.kind.unwrap_or_default(),
        }
    }
}
