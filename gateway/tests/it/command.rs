//! Commands and replies in both formats, in a form that tests can compare.

use prost::Message as _;
use serde_json::{Value, json, value::RawValue};
use tidegate_proto as proto;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Protobuf,
}

/// What a test's client asks.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// With this token.
    Connect(String),
    Subscribe(String),
    /// With this token.
    SubscribeWith(String, String),
    Unsubscribe(String),
    Publish(String, Vec<u8>),
}

/// What the node says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// `result` is the reply to a connect; `Value::Null` for others and for Protobuf.
    Reply {
        id: u32,
        error: Option<u32>,
        result: Value,
    },
    Publication {
        channel: String,
        data: Vec<u8>,
    },
    Unsubscribed {
        channel: String,
        code: u32,
    },
    Ping,
}

impl Format {
    pub(crate) const BOTH: [Self; 2] = [Self::Json, Self::Protobuf];

    /// One command as a whole frame, or a part of one: frames of several commands are their concatenation.
    pub(crate) fn encode(self, id: u32, request: &Request) -> Vec<u8> {
        match self {
            Self::Json => json_command(id, request),
            Self::Protobuf => protobuf_command(id, request).encode_length_delimited_to_vec(),
        }
    }

    pub(crate) fn pong(self) -> Vec<u8> {
        match self {
            Self::Json => b"{}".to_vec(),
            Self::Protobuf => vec![0],
        }
    }

    /// The messages of a frame.
    pub(crate) fn decode(self, mut frame: &[u8]) -> Vec<Message> {
        if self == Self::Json {
            let lines = frame.split(|byte| *byte == b'\n');
            return lines.map(json_message).collect();
        }
        let mut messages = Vec::new();
        while !frame.is_empty() {
            let reply = proto::Reply::decode_length_delimited(&mut frame).unwrap();
            messages.push(protobuf_message(reply));
        }
        messages
    }
}

fn json_command(id: u32, request: &Request) -> Vec<u8> {
    let text = match request {
        Request::Connect(token) => json!({ "id": id, "connect": { "token": token } }).to_string(),
        Request::Subscribe(channel) => {
            json!({ "id": id, "subscribe": { "channel": channel } }).to_string()
        }
        Request::SubscribeWith(channel, token) => {
            json!({ "id": id, "subscribe": { "channel": channel, "token": token } }).to_string()
        }
        Request::Unsubscribe(channel) => {
            json!({ "id": id, "unsubscribe": { "channel": channel } }).to_string()
        }
        // The payload stands in the command as it is.
        Request::Publish(channel, data) => format!(
            r#"{{"id":{id},"publish":{{"channel":{},"data":{}}}}}"#,
            json!(channel),
            std::str::from_utf8(data).unwrap()
        ),
    };
    (text + "\n").into_bytes()
}

fn protobuf_command(id: u32, request: &Request) -> proto::Command {
    let mut command = proto::Command {
        id,
        ..proto::Command::default()
    };
    match request.clone() {
        Request::Connect(token) => {
            command.connect = Some(proto::ConnectRequest {
                token,
                ..proto::ConnectRequest::default()
            });
        }
        Request::Subscribe(channel) => {
            return protobuf_command(id, &Request::SubscribeWith(channel, String::new()));
        }
        Request::SubscribeWith(channel, token) => {
            command.subscribe = Some(proto::SubscribeRequest {
                channel,
                token,
                ..proto::SubscribeRequest::default()
            });
        }
        Request::Unsubscribe(channel) => {
            command.unsubscribe = Some(proto::UnsubscribeRequest { channel });
        }
        Request::Publish(channel, data) => {
            command.publish = Some(proto::PublishRequest {
                channel,
                data: data.into(),
                ..proto::PublishRequest::default()
            });
        }
    }
    command
}

fn json_message(line: &[u8]) -> Message {
    let value: Value = serde_json::from_slice(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let push = &value["push"];
    if push["pub"].is_object() {
        return Message::Publication {
            channel: text(&push["channel"]),
            data: json_payload(line),
        };
    }
    if push["unsubscribe"].is_object() {
        return Message::Unsubscribed {
            channel: text(&push["channel"]),
            code: number(&push["unsubscribe"]["code"]),
        };
    }
    if value == json!({}) {
        return Message::Ping;
    }
    Message::Reply {
        id: number(&value["id"]),
        error: value.get("error").map(|error| number(&error["code"])),
        result: value["connect"].clone(),
    }
}

/// A publication's payload as the node wrote it.
fn json_payload(line: &[u8]) -> Vec<u8> {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        push: Push<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Push<'a> {
        #[serde(borrow, rename = "pub")]
        publication: Publication<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Publication<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let line: Line<'_> = serde_json::from_slice(line).unwrap();
    line.push.publication.data.get().as_bytes().to_vec()
}

fn protobuf_message(reply: proto::Reply) -> Message {
    if reply == proto::Reply::default() {
        return Message::Ping;
    }
    let Some(push) = reply.push else {
        return Message::Reply {
            id: reply.id,
            error: reply.error.map(|error| error.code),
            result: Value::Null,
        };
    };
    match (push.r#pub, push.unsubscribe) {
        (Some(publication), _) => Message::Publication {
            channel: push.channel,
            data: publication.data.to_vec(),
        },
        (None, Some(unsubscribe)) => Message::Unsubscribed {
            channel: push.channel,
            code: unsubscribe.code,
        },
        (None, None) => panic!("a push of an unexpected kind on {}", push.channel),
    }
}
