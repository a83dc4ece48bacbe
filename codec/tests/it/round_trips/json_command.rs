//! Commands as trees of JSON values.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tidegate_codec::Request;

use super::json_message::{object, payload, value};

/// A client's command, zero fields written out.
pub(super) fn command(id: u32, request: &Request) -> Value {
    let (name, body) = match request {
        Request::Connect(body) => {
            let mut subs = Map::new();
            for (channel, sub) in &body.subs {
                let (offset, epoch) = (sub.position.offset, &sub.position.epoch);
                let sub = json!({"recover": sub.recover, "offset": offset, "epoch": epoch});
                subs.insert(channel.clone(), sub);
            }
            let mut fields = json!({
                "token": body.token, "name": body.name, "version": body.version, "headers": body.headers,
                "subs": subs,
            });
            set_payload(&mut fields, &body.data);
            ("connect", fields)
        }
        Request::Subscribe(body) => {
            let mut fields = json!({
                "channel": body.channel, "token": body.token, "recover": body.recover,
                "epoch": body.position.epoch, "offset": body.position.offset, "positioned": body.positioned,
                "recoverable": body.recoverable, "join_leave": body.join_leave, "delta": body.delta,
                "tf": body.tags_filter.then(|| json!({"key": "k", "cmp": "ex"})), "flag": body.flag,
                "type": body.kind,
            });
            set_payload(&mut fields, &body.data);
            ("subscribe", fields)
        }
        Request::Unsubscribe { channel } => ("unsubscribe", json!({"channel": channel})),
        Request::Publish(body) => {
            let mut fields = json!({"channel": body.channel, "type": body.kind});
            set_payload(&mut fields, &body.data);
            ("publish", fields)
        }
        Request::Presence { channel } => ("presence", json!({"channel": channel})),
        Request::PresenceStats { channel } => ("presence_stats", json!({"channel": channel})),
        Request::History(body) => {
            let since = body.since.as_ref();
            let since = since.map(|since| json!({"offset": since.offset, "epoch": since.epoch}));
            let (limit, reverse) = (body.limit, body.reverse);
            let fields = json!({"channel": body.channel, "limit": limit, "since": since, "reverse": reverse});
            ("history", fields)
        }
        Request::Send { data } => ("send", object([("data", payload(data))])),
        Request::Rpc(body) => (
            "rpc",
            object([
                ("method", value(body.method.as_str())),
                ("data", payload(&body.data)),
            ]),
        ),
        Request::Refresh(body) => ("refresh", json!({"token": body.token})),
        Request::SubRefresh(body) => (
            "sub_refresh",
            json!({"channel": body.channel, "token": body.token, "type": body.kind}),
        ),
        Request::Unknown => ("future", json!({})),
    };
    json!({"id": id, name: body})
}

fn set_payload(fields: &mut Value, data: &Bytes) {
    if let Some(data) = payload(data) {
        fields["data"] = data;
    }
}
