//! Arbitrary requests, replies and pushes. Payloads are JSON, so that both formats can carry them.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;
use tidegate_codec::{
    ClientInfo, ConnectRequest, ConnectResult, Event, Failure, HistoryRequest, Publication,
    PublishRequest, Push, RecoverRequest, RefreshRequest, RefreshResult, Reply, Request,
    RpcRequest, ServerSubscription, StreamPosition, SubRefreshRequest, SubRefreshResult,
    SubscribeRequest, SubscribeResult, Success, Unsubscribed,
};

fn text() -> impl Strategy<Value = String> {
    let awkward = prop_oneof![
        Just('\n'),
        Just('"'),
        Just('\\'),
        Just('\u{2028}'),
        Just('\0')
    ];
    vec(prop_oneof![any::<char>(), awkward], 0..6).prop_map(String::from_iter)
}

fn map<V: std::fmt::Debug>(
    value: impl Strategy<Value = V>,
) -> impl Strategy<Value = BTreeMap<String, V>> {
    btree_map(text(), value, 0..3)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let object = map(inner.clone()).prop_map(|fields| fields.into_iter().collect());
        prop_oneof![vec(inner, 0..3).prop_map(Value::Array), object]
    })
}

fn payload() -> impl Strategy<Value = Bytes> {
    let written = json().prop_map(|value| Bytes::from(value.to_string()));
    prop_oneof![1 => Just(Bytes::new()), 3 => written]
}

fn position() -> impl Strategy<Value = StreamPosition> {
    (any::<u64>(), text()).prop_map(|(offset, epoch)| StreamPosition { offset, epoch })
}

prop_compose! {
    fn connect_request()(
        token in text(), data in payload(), name in text(), version in text(), headers in map(text()),
        subs in map((any::<bool>(), position())),
    ) -> ConnectRequest {
        let recover = |(recover, position)| RecoverRequest { recover, position };
        let subs = subs.into_iter().map(|(channel, sub)| (channel, recover(sub))).collect();
        ConnectRequest { token, data, name, version, headers, subs }
    }
}

prop_compose! {
    fn subscribe_request()(
        (channel, token, delta) in (text(), text(), text()),
        position in position(), data in payload(), flag in any::<i64>(), kind in any::<i32>(),
        [recover, positioned, recoverable, join_leave, tags_filter] in any::<[bool; 5]>(),
    ) -> SubscribeRequest {
        SubscribeRequest {
            channel, token, recover, position, data, positioned, recoverable, join_leave, delta, tags_filter,
            flag, kind,
        }
    }
}

prop_compose! {
    fn history_request()(
        channel in text(), limit in any::<i32>(), since in option::of(position()), reverse in any::<bool>(),
    ) -> HistoryRequest {
        HistoryRequest { channel, limit, since, reverse }
    }
}

/// Any request with a form on the wire.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        connect_request().prop_map(|body| Request::Connect(Box::new(body))),
        subscribe_request().prop_map(|body| Request::Subscribe(Box::new(body))),
        text().prop_map(|channel| Request::Unsubscribe { channel }),
        (text(), payload(), any::<i32>()).prop_map(|(channel, data, kind)| Request::Publish(
            PublishRequest {
                channel,
                data,
                kind
            }
        )),
        text().prop_map(|channel| Request::Presence { channel }),
        text().prop_map(|channel| Request::PresenceStats { channel }),
        history_request().prop_map(Request::History),
        payload().prop_map(|data| Request::Send { data }),
        (text(), payload()).prop_map(|(method, data)| Request::Rpc(RpcRequest { method, data })),
        text().prop_map(|token| Request::Refresh(RefreshRequest { token })),
        (text(), text(), any::<i32>()).prop_map(|(channel, token, kind)| {
            Request::SubRefresh(SubRefreshRequest {
                channel,
                token,
                kind,
            })
        }),
    ]
}

prop_compose! {
    fn client_info()(
        user in text(), client in text(), conn_info in payload(), chan_info in payload(),
    ) -> ClientInfo {
        ClientInfo { user, client, conn_info, chan_info }
    }
}

prop_compose! {
    fn publication()(
        data in payload(), info in option::of(client_info()), offset in any::<u64>(), tags in map(text()),
        delta in any::<bool>(), time in any::<i64>(), channel in text(), epoch in text(),
    ) -> Publication {
        Publication { data, info, offset, tags, delta, time, channel, epoch }
    }
}

prop_compose! {
    fn subscribe_result()(
        [expires, recoverable, recovered, positioned, was_recovering, delta] in any::<[bool; 6]>(),
        ttl in any::<u32>(), epoch in text(), publications in vec(publication().prop_map(Into::into), 0..3),
        offset in any::<u64>(), data in payload(),
    ) -> SubscribeResult {
        SubscribeResult {
            expires, ttl, recoverable, epoch, publications, recovered, offset, positioned, data,
            was_recovering, delta,
        }
    }
}

prop_compose! {
    fn connect_result()(
        [client, version, session, node] in [text(), text(), text(), text()],
        [expires, pong] in any::<[bool; 2]>(), [ttl, ping] in any::<[u32; 2]>(), data in payload(),
        subs in map(subscribe_result()), time in any::<i64>(),
    ) -> ConnectResult {
        ConnectResult { client, version, expires, ttl, data, subs, ping, pong, session, node, time }
    }
}

fn success() -> impl Strategy<Value = Success> {
    prop_oneof![
        connect_result().prop_map(|result| Success::Connect(Box::new(result))),
        subscribe_result().prop_map(|result| Success::Subscribe(Box::new(result))),
        Just(Success::Unsubscribe),
        Just(Success::Publish),
        map(client_info()).prop_map(Success::Presence),
        any::<(u32, u32)>().prop_map(|(clients, users)| Success::PresenceStats { clients, users }),
        (vec(publication(), 0..3), text(), any::<u64>()).prop_map(
            |(publications, epoch, offset)| {
                Success::History {
                    publications,
                    epoch,
                    offset,
                }
            }
        ),
        payload().prop_map(|data| Success::Rpc { data }),
        (text(), text(), any::<bool>(), any::<u32>()).prop_map(
            |(client, version, expires, ttl)| {
                Success::Refresh(RefreshResult {
                    client,
                    version,
                    expires,
                    ttl,
                })
            }
        ),
        any::<(bool, u32)>()
            .prop_map(|(expires, ttl)| Success::SubRefresh(SubRefreshResult { expires, ttl })),
    ]
}

/// Any reply.
pub(crate) fn reply() -> impl Strategy<Value = Reply> {
    let failure =
        (any::<u32>(), text(), any::<bool>()).prop_map(|(code, message, temporary)| Failure {
            code,
            message,
            temporary,
        });
    let outcome = prop_oneof![8 => success().prop_map(Ok), 1 => failure.prop_map(Err)];
    (any::<u32>(), outcome).prop_map(|(id, outcome)| Reply { id, outcome })
}

prop_compose! {
    fn server_subscription()(
        [recoverable, positioned] in any::<[bool; 2]>(), epoch in text(), offset in any::<u64>(),
        data in payload(),
    ) -> ServerSubscription {
        ServerSubscription { recoverable, epoch, offset, positioned, data }
    }
}

/// Any push.
pub(crate) fn push() -> impl Strategy<Value = Push> {
    let event = prop_oneof![
        publication().prop_map(Event::Publication),
        client_info().prop_map(Event::Join),
        client_info().prop_map(Event::Leave),
        (any::<u32>(), text())
            .prop_map(|(code, reason)| Event::Unsubscribe(Unsubscribed { code, reason })),
        payload().prop_map(|data| Event::Message { data }),
        server_subscription().prop_map(Event::Subscribe),
        connect_result().prop_map(|result| Event::Connect(Box::new(result))),
        any::<(bool, u32)>().prop_map(|(expires, ttl)| Event::Refresh { expires, ttl }),
        (any::<u32>(), text(), any::<bool>()).prop_map(|(code, reason, reconnect)| {
            Event::Disconnect {
                code,
                reason,
                reconnect,
            }
        }),
    ];
    (text(), event).prop_map(|(channel, event)| Push { channel, event })
}
