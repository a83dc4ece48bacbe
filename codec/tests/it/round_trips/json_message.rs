//! What a client should read: replies and pushes as trees of JSON values.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tidegate_codec::{
    ClientInfo, ConnectResult, Event, Publication, Push, Reply, SharedPublication, SubscribeResult,
    Success,
};

/// A line as a tree; fails on more than one line.
pub(super) fn parse(line: &Bytes) -> Value {
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'), "{line:?}");
    serde_json::from_slice(line).expect("a line is JSON")
}

/// A payload's tree, or nothing for an empty one.
pub(super) fn payload(data: &Bytes) -> Option<Value> {
    (!data.is_empty()).then(|| parse(data))
}

/// A value that is not written when zero.
pub(super) fn value(value: impl Into<Value>) -> Option<Value> {
    let value = value.into();
    let zero = match &value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    (!zero).then_some(value)
}

pub(super) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

/// What a client should read of a reply.
pub(super) fn reply(reply: &Reply) -> Value {
    let (name, body) = match &reply.outcome {
        Ok(success) => result(success),
        Err(failure) => {
            let message = value(failure.message.as_str());
            let (code, temporary) = (value(failure.code), value(failure.temporary));
            (
                "error",
                object([
                    ("code", code),
                    ("message", message),
                    ("temporary", temporary),
                ]),
            )
        }
    };
    object([("id", value(reply.id)), (name, Some(body))])
}

fn result(success: &Success) -> (&'static str, Value) {
    match success {
        Success::Connect(result) => ("connect", connection(result)),
        Success::Subscribe(result) => ("subscribe", subscription(result)),
        Success::Unsubscribe => ("unsubscribe", json!({})),
        Success::Publish => ("publish", json!({})),
        Success::Presence(clients) => {
            let clients: Map<_, _> = clients
                .iter()
                .map(|(id, of)| (id.clone(), info(of)))
                .collect();
            ("presence", json!({"presence": clients}))
        }
        Success::PresenceStats { clients, users } => (
            "presence_stats",
            json!({"num_clients": clients, "num_users": users}),
        ),
        Success::History {
            publications,
            epoch,
            offset,
        } => {
            let list = list(publications);
            (
                "history",
                json!({"publications": list, "epoch": epoch, "offset": offset}),
            )
        }
        Success::Rpc { data } => ("rpc", object([("data", payload(data))])),
        Success::Refresh(result) => {
            let (client, version) = (
                value(result.client.as_str()),
                value(result.version.as_str()),
            );
            let (expires, ttl) = (value(result.expires), value(result.ttl));
            (
                "refresh",
                object([
                    ("client", client),
                    ("version", version),
                    ("expires", expires),
                    ("ttl", ttl),
                ]),
            )
        }
        Success::SubRefresh(result) => (
            "sub_refresh",
            object([
                ("expires", value(result.expires)),
                ("ttl", value(result.ttl)),
            ]),
        ),
    }
}

fn connection(result: &ConnectResult) -> Value {
    let subs: Map<_, _> = result
        .subs
        .iter()
        .map(|(channel, sub)| (channel.clone(), subscription(sub)))
        .collect();
    object([
        ("client", value(result.client.as_str())),
        ("version", value(result.version.as_str())),
        ("expires", value(result.expires)),
        ("ttl", value(result.ttl)),
        ("data", payload(&result.data)),
        ("subs", value(subs)),
        ("ping", value(result.ping)),
        ("pong", value(result.pong)),
        ("session", value(result.session.as_str())),
        ("node", value(result.node.as_str())),
        ("time", value(result.time)),
    ])
}

fn subscription(result: &SubscribeResult) -> Value {
    let publications = result
        .publications
        .iter()
        .map(SharedPublication::publication);
    object([
        ("expires", value(result.expires)),
        ("ttl", value(result.ttl)),
        ("recoverable", value(result.recoverable)),
        ("epoch", value(result.epoch.as_str())),
        ("publications", value(list(publications))),
        ("recovered", value(result.recovered)),
        ("offset", value(result.offset)),
        ("positioned", value(result.positioned)),
        ("data", payload(&result.data)),
        ("was_recovering", value(result.was_recovering)),
        ("delta", value(result.delta)),
    ])
}

fn list<'a>(publications: impl IntoIterator<Item = &'a Publication>) -> Vec<Value> {
    publications.into_iter().map(publication).collect()
}

fn publication(publication: &Publication) -> Value {
    object([
        ("data", payload(&publication.data)),
        ("info", publication.info.as_ref().map(info)),
        ("offset", value(publication.offset)),
        ("tags", value(json!(publication.tags))),
        ("delta", value(publication.delta)),
        ("time", value(publication.time)),
        ("channel", value(publication.channel.as_str())),
        ("epoch", value(publication.epoch.as_str())),
    ])
}

fn info(info: &ClientInfo) -> Value {
    object([
        ("user", Some(json!(info.user))),
        ("client", Some(json!(info.client))),
        ("conn_info", payload(&info.conn_info)),
        ("chan_info", payload(&info.chan_info)),
    ])
}

/// What a client should read of a push.
pub(super) fn push(push: &Push) -> Value {
    let (name, body) = match &push.event {
        Event::Publication(body) => ("pub", publication(body)),
        Event::Join(joined) => ("join", json!({"info": info(joined)})),
        Event::Leave(left) => ("leave", json!({"info": info(left)})),
        Event::Unsubscribe(body) => {
            let reason = value(body.reason.as_str());
            (
                "unsubscribe",
                object([("code", value(body.code)), ("reason", reason)]),
            )
        }
        Event::Message { data } => ("message", object([("data", payload(data))])),
        Event::Subscribe(body) => (
            "subscribe",
            object([
                ("recoverable", value(body.recoverable)),
                ("epoch", value(body.epoch.as_str())),
                ("offset", value(body.offset)),
                ("positioned", value(body.positioned)),
                ("data", payload(&body.data)),
            ]),
        ),
        Event::Connect(result) => ("connect", connection(result)),
        Event::Refresh { expires, ttl } => (
            "refresh",
            object([("expires", value(*expires)), ("ttl", value(*ttl))]),
        ),
        Event::Disconnect {
            code,
            reason,
            reconnect,
        } => {
            let (code, reason) = (value(*code), value(reason.as_str()));
            (
                "disconnect",
                object([
                    ("code", code),
                    ("reason", reason),
                    ("reconnect", value(*reconnect)),
                ]),
            )
        }
    };
    json!({"push": object([("channel", value(push.channel.as_str())), (name, Some(body))])})
}
