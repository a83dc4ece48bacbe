//! Pushes in JSON.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::body::{ClientInfoBody, PublicationBody};
use super::line::{Payload, is_zero};
use super::outcome::ConnectBody;
use crate::{ClientInfo, Event, Push};

/// The line of a push.
#[derive(Serialize)]
pub(super) struct PushLine<'a> {
    pub(super) push: PushBody<'a>,
}

/// The channel, if any, and the event under the name of its kind.
pub(super) struct PushBody<'a>(pub(super) &'a Push);

impl Serialize for PushBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Push { channel, event } = self.0;
        let mut map = serializer.serialize_map(None)?;
        if !channel.is_empty() {
            map.serialize_entry("channel", channel)?;
        }
        match event {
            Event::Publication(publication) => {
                map.serialize_entry("pub", &PublicationBody::from(publication))?;
            }
            Event::Join(info) => map.serialize_entry("join", &presence(info))?,
            Event::Leave(info) => map.serialize_entry("leave", &presence(info))?,
            Event::Unsubscribe(body) => {
                map.serialize_entry(
                    "unsubscribe",
                    &Unsubscribe {
                        code: body.code,
                        reason: &body.reason,
                    },
                )?;
            }
            Event::Message { data } => {
                map.serialize_entry("message", &Message { data: data.into() })?
            }
            Event::Subscribe(body) => map.serialize_entry(
                "subscribe",
                &Subscribe {
                    recoverable: body.recoverable,
                    epoch: &body.epoch,
                    offset: body.offset,
                    positioned: body.positioned,
                    data: (&body.data).into(),
                },
            )?,
            &Event::Refresh { expires, ttl } => {
                map.serialize_entry("refresh", &Refresh { expires, ttl })?
            }
            Event::Connect(result) => {
                map.serialize_entry("connect", &ConnectBody::from(&**result))?;
            }
            &Event::Disconnect {
                code,
                ref reason,
                reconnect,
            } => {
                map.serialize_entry(
                    "disconnect",
                    &Disconnect {
                        code,
                        reason,
                        reconnect,
                    },
                )?;
            }
        }
        map.end()
    }
}

fn presence(info: &ClientInfo) -> Presence<'_> {
    Presence { info: info.into() }
}

#[derive(Serialize)]
struct Presence<'a> {
    info: ClientInfoBody<'a>,
}

#[derive(Serialize)]
struct Unsubscribe<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    code: u32,
    #[serde(skip_serializing_if = "is_zero")]
    reason: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    data: Payload<'a>,
}

#[derive(Serialize)]
struct Subscribe<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    recoverable: bool,
    #[serde(skip_serializing_if = "is_zero")]
    epoch: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    positioned: bool,
    #[serde(skip_serializing_if = "is_zero")]
    data: Payload<'a>,
}

#[derive(Serialize)]
struct Refresh {
    #[serde(skip_serializing_if = "is_zero")]
    expires: bool,
    #[serde(skip_serializing_if = "is_zero")]
    ttl: u32,
}

#[derive(Serialize)]
struct Disconnect<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    code: u32,
    #[serde(skip_serializing_if = "is_zero")]
    reason: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    reconnect: bool,
}
