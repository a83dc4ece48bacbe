//! Bodies of requests. Members that are not known are ignored, as Centrifugo does.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tidegate_backbone::Version;
use tidegate_codec::{DisconnectCode, ErrorCode};

use super::overrides::overrides;
use super::{Fault, revocation};
use crate::api::{Broadcast, Connections, HistoryQuery, Operation, Publish, Publishing, Target};
use crate::control::{Order, Refreshing, Subscribing};

type Raw = Option<Box<RawValue>>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct PublishRequest {
    channel: String,
    channels: Vec<String>,
    data: Raw,
    b64data: String,
    skip_history: bool,
    tags: Option<BTreeMap<String, String>>,
    idempotency_key: String,
    version: u64,
    version_epoch: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ControlRequest {
    user: String,
    client: String,
    session: String,
    whitelist: Vec<String>,
    channel: String,
    info: Raw,
    b64info: String,
    data: Raw,
    b64data: String,
    expired: bool,
    expire_at: i64,
    recover_since: Option<Since>,
    r#override: Option<Map<String, Value>>,
    disconnect: Option<DisconnectObject>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Since {
    offset: u64,
    epoch: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DisconnectObject {
    code: u32,
    reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadRequest {
    channel: String,
    limit: i64,
    since: Option<Since>,
    reverse: bool,
    pattern: String,
    method: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConnectionsRequest {
    user: Option<String>,
    channel: Option<String>,
    after: String,
    limit: usize,
}

pub(super) fn operation(method: &str, body: &[u8]) -> Result<Operation, Fault> {
    Ok(match method {
        "publish" => {
            let request: PublishRequest = read(body)?;
            Operation::Publish(Publish {
                channel: request.channel.clone(),
                what: request.what()?,
            })
        }
        "broadcast" => {
            let request: PublishRequest = read(body)?;
            Operation::Broadcast(Broadcast {
                channels: request.channels.clone(),
                what: request.what()?,
            })
        }
        "subscribe" | "unsubscribe" | "disconnect" | "refresh" => control(method, read(body)?)?,
        "connections" => {
            let request: ConnectionsRequest = read(body)?;
            Operation::Connections(Connections {
                user: request.user,
                channel: request.channel,
                after: request.after,
                limit: request.limit,
            })
        }
        "block_user"
        | "unblock_user"
        | "revoke_token"
        | "invalidate_user_tokens"
        | "revocations" => revocation::operation(method, read(body)?),
        "presence" | "presence_stats" | "history" | "history_remove" | "channels" | "info"
        | "rpc" => reading(method, read(body)?),
        _ => return Err(ErrorCode::MethodNotFound.into()),
    })
}

fn reading(method: &str, request: ReadRequest) -> Operation {
    let channel = request.channel;
    match method {
        "presence" => Operation::Presence { channel },
        "presence_stats" => Operation::PresenceStats { channel },
        "history" => Operation::History(HistoryQuery {
            channel,
            limit: request.limit,
            since: request.since.map(|it| (it.offset, it.epoch)),
            is_reverse: request.reverse,
        }),
        "history_remove" => Operation::HistoryRemove { channel },
        "channels" => Operation::Channels {
            pattern: request.pattern,
        },
        "rpc" => Operation::Rpc {
            method: request.method,
        },
        _ => Operation::Info,
    }
}

fn control(method: &str, request: ControlRequest) -> Result<Operation, Fault> {
    let target = Target {
        user: request.user,
        client: request.client,
        spared: request.whitelist,
        session: request.session,
    };
    let expire_at = Some(request.expire_at).filter(|at| *at != 0);
    let info = payload(request.info, &request.b64info)?.to_vec();
    let order = match method {
        "subscribe" => {
            let changes = request.r#override.unwrap_or_default();
            Order::Subscribe(Subscribing {
                channel: request.channel,
                info,
                data: payload(request.data, &request.b64data)?.to_vec(),
                expire_at,
                since: request.recover_since.map(|it| (it.epoch, it.offset)),
                overrides: overrides(&changes).map_err(Fault::Failed)?,
            })
        }
        "unsubscribe" => Order::Unsubscribe {
            channel: Some(request.channel).filter(|it| !it.is_empty()),
        },
        "disconnect" => disconnect(request.disconnect),
        _ => Order::Refresh(Refreshing {
            is_expired: request.expired,
            expire_at,
            info,
        }),
    };
    Ok(Operation::Control(target, order))
}

fn disconnect(with: Option<DisconnectObject>) -> Order {
    let force = DisconnectCode::ForceDisconnect;
    match with.filter(|it| it.code != 0) {
        Some(DisconnectObject { code, reason }) => Order::Disconnect { code, reason },
        None => Order::Disconnect {
            code: force.code(),
            reason: force.message().to_owned(),
        },
    }
}

impl PublishRequest {
    fn what(self) -> Result<Publishing, Fault> {
        Ok(Publishing {
            data: payload(self.data, &self.b64data)?,
            tags: self.tags.unwrap_or_default(),
            idempotency_key: self.idempotency_key,
            skip_history: self.skip_history,
            version: Version::given(self.version, self.version_epoch),
        })
    }
}

/// A payload, given as JSON or as the base64 of any bytes.
fn payload(json: Raw, base64: &str) -> Result<Bytes, Fault> {
    if !base64.is_empty() {
        let bytes = STANDARD.decode(base64).map_err(|_| ErrorCode::BadRequest)?;
        return Ok(bytes.into());
    }
    let text = json.map(|it| Box::<str>::from(it).into_string());
    Ok(text.unwrap_or_default().into())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    Ok(serde_json::from_slice(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, body: &str) -> Operation {
        operation(method, body.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?}"))
    }

    #[test]
    fn payloads_are_kept_as_they_stand_or_decoded() {
        for (body, expected) in [
            (r#"{"data":{"b":1, "a":2}}"#, r#"{"b":1, "a":2}"#),
            (r#"{"data":"text"}"#, "\"text\""),
            (r#"{"b64data":"aGk="}"#, "hi"),
            ("{}", ""),
            (r#"{"data":null}"#, ""),
        ] {
            let Operation::Publish(publish) = parse("publish", body) else {
                panic!("{body}");
            };
            assert_eq!(publish.what.data, expected, "{body}");
        }
    }

    #[test]
    fn a_disconnect_without_a_code_is_forced() {
        for (body, expected) in [
            (r#"{"user":"a"}"#, (3_503, "force disconnect")),
            (
                r#"{"user":"a","disconnect":{"reason":"x"}}"#,
                (3_503, "force disconnect"),
            ),
            (
                r#"{"user":"a","disconnect":{"code":4500,"reason":"x"}}"#,
                (4_500, "x"),
            ),
        ] {
            let Operation::Control(_, Order::Disconnect { code, reason }) =
                parse("disconnect", body)
            else {
                panic!("{body}");
            };
            assert_eq!((code, reason.as_str()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_apart_from_what_fails() {
        for (method, body, is_malformed) in [
            ("publish", "", true),
            ("publish", "{", true),
            ("publish", r#"{"channel":1}"#, true),
            ("publish", r#"{"b64data":"!"}"#, false),
            (
                "subscribe",
                r#"{"override":{"gzip":{"value":true}}}"#,
                false,
            ),
            ("map_publish", "{}", false),
        ] {
            let fault = operation(method, body.as_bytes()).unwrap_err();
            assert_eq!(
                matches!(fault, Fault::Malformed(_)),
                is_malformed,
                "{method} {body}"
            );
        }
    }
}
