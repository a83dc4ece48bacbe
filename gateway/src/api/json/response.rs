//! Bodies of answers.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tidegate_backbone::{ClientInfo, Position, Publication};
use tidegate_codec::{Failure, single_line_json};

use super::revocation::RevocationsBody;
use crate::api::Outcome;
use crate::cluster::NodeInfo;
use crate::control::Connected;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer<T> {
    Error(ErrorBody),
    Result(T),
}

#[derive(Serialize)]
struct ErrorBody {
    code: u32,
    message: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    temporary: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Published(PublishBody),
    Broadcast {
        responses: Vec<Answer<PublishBody>>,
    },
    Reached {
        num_clients: u64,
    },
    Connections(ConnectionsBody),
    Presence {
        presence: BTreeMap<String, InfoBody>,
    },
    PresenceStats {
        num_clients: u32,
        num_users: u32,
    },
    History(HistoryBody),
    Removed {},
    Channels {
        channels: BTreeMap<String, ChannelBody>,
    },
    Revocations(RevocationsBody),
    Info {
        nodes: Vec<NodeInfo>,
    },
}

#[derive(Serialize)]
struct PublishBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

#[derive(Serialize)]
struct ConnectionsBody {
    connections: BTreeMap<String, Connected>,
    /// What to give as `after` for those behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct HistoryBody {
    publications: Vec<PublicationBody>,
    epoch: String,
    offset: u64,
}

#[derive(Serialize)]
struct ChannelBody {
    num_clients: u64,
}

#[derive(Serialize)]
struct PublicationBody {
    /// `null` where the payload is not JSON, and stands in `b64data`.
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64data: Option<String>,
    offset: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<InfoBody>,
}

#[derive(Serialize)]
struct InfoBody {
    user: String,
    client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    conn_info: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chan_info: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct BatchBody {
    replies: Vec<BTreeMap<String, Box<RawValue>>>,
}

/// `{"result":…}` or `{"error":…}`.
pub(in crate::api) fn outcome(outcome: Result<Outcome, Failure>) -> Vec<u8> {
    let answer: Answer<Body> = answer(outcome);
    serde_json::to_vec(&answer).expect("an answer is JSON")
}

/// `{"replies":[{"<method>":…},{"error":…}]}`.
pub(in crate::api) fn batch(
    methods: Vec<String>,
    outcomes: Vec<Result<Outcome, Failure>>,
) -> Vec<u8> {
    let replies = methods.into_iter().zip(outcomes);
    let replies = replies.map(|(method, outcome)| match outcome {
        Ok(outcome) => BTreeMap::from([(method, raw_of(&Body::from(outcome)))]),
        Err(failure) => BTreeMap::from([("error".to_owned(), raw_of(&ErrorBody::from(failure)))]),
    });
    let body = BatchBody {
        replies: replies.collect(),
    };
    serde_json::to_vec(&body).expect("an answer is JSON")
}

fn answer<T, B: From<T>>(outcome: Result<T, Failure>) -> Answer<B> {
    match outcome {
        Ok(outcome) => Answer::Result(outcome.into()),
        Err(failure) => Answer::Error(failure.into()),
    }
}

fn raw_of(body: &impl Serialize) -> Box<RawValue> {
    to_raw_value(body).expect("a body is JSON")
}

impl From<Failure> for ErrorBody {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            message: failure.message,
            temporary: failure.temporary,
        }
    }
}

impl From<Outcome> for Body {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Published(position) => Self::Published(position.into()),
            Outcome::Broadcast(all) => Self::Broadcast {
                responses: all.into_iter().map(answer).collect(),
            },
            Outcome::Reached(num_clients) => Self::Reached { num_clients },
            Outcome::Connections { found, has_more } => Self::Connections(ConnectionsBody {
                next: found.keys().next_back().filter(|_| has_more).cloned(),
                connections: found,
            }),
            Outcome::Presence(members) => {
                let body = |(client, info): (_, ClientInfo)| (client, info.into());
                Self::Presence {
                    presence: members.into_iter().map(body).collect(),
                }
            }
            Outcome::PresenceStats { clients, users } => Self::PresenceStats {
                num_clients: clients,
                num_users: users,
            },
            Outcome::History {
                publications,
                position,
            } => Self::History(HistoryBody {
                publications: publications
                    .into_iter()
                    .map(PublicationBody::from)
                    .collect(),
                epoch: position.epoch.to_string(),
                offset: position.offset,
            }),
            Outcome::Removed | Outcome::Done => Self::Removed {},
            Outcome::Revocations { entries, has_more } => {
                Self::Revocations(RevocationsBody::new(entries, has_more))
            }
            Outcome::Channels(all) => {
                let body = |(channel, num_clients)| (channel, ChannelBody { num_clients });
                Self::Channels {
                    channels: all.into_iter().map(body).collect(),
                }
            }
            Outcome::Info(nodes) => Self::Info { nodes },
        }
    }
}

impl From<Option<Position>> for PublishBody {
    fn from(position: Option<Position>) -> Self {
        Self {
            offset: position.as_ref().map(|it| it.offset),
            epoch: position.map(|it| it.epoch.to_string()),
        }
    }
}

impl From<Publication> for PublicationBody {
    fn from(publication: Publication) -> Self {
        let data = raw(&publication.data);
        Self {
            b64data: data.is_none().then(|| STANDARD.encode(&publication.data)),
            data,
            offset: publication.place.map_or(0, |it| it.offset),
            tags: publication.tags,
            info: publication.info.map(InfoBody::from),
        }
    }
}

impl From<ClientInfo> for InfoBody {
    fn from(info: ClientInfo) -> Self {
        Self {
            user: info.user,
            client: info.client,
            conn_info: raw(&info.conn_info),
            chan_info: raw(&info.chan_info),
        }
    }
}

/// A payload as a part of JSON, if it is JSON.
fn raw(data: &Bytes) -> Option<Box<RawValue>> {
    let line = single_line_json(data)?;
    let text = String::from_utf8(line.into()).ok()?;
    RawValue::from_string(text).ok()
}

#[cfg(test)]
mod tests {
    use tidegate_codec::ErrorCode;

    use super::*;

    #[test]
    fn answers_have_the_shapes_that_server_libraries_read() {
        let position = Position {
            epoch: "e".into(),
            offset: 7,
        };
        let broadcast = vec![
            Ok(Some(position.clone())),
            Err(ErrorCode::UnknownChannel.into()),
        ];
        for (given, expected) in [
            (
                Ok(Outcome::Published(Some(position))),
                r#"{"result":{"offset":7,"epoch":"e"}}"#,
            ),
            (Ok(Outcome::Published(None)), r#"{"result":{}}"#),
            (
                Ok(Outcome::Broadcast(broadcast)),
                r#"{"result":{"responses":[{"result":{"offset":7,"epoch":"e"}},{"error":{"code":102,"message":"unknown channel"}}]}}"#,
            ),
            (
                Err(ErrorCode::Internal.into()),
                r#"{"error":{"code":100,"message":"internal server error","temporary":true}}"#,
            ),
        ] {
            assert_eq!(String::from_utf8(outcome(given)).unwrap(), expected);
        }
    }

    #[test]
    fn a_payload_that_is_not_json_is_given_as_base64() {
        let body = |data: &'static [u8]| {
            let publication = Publication {
                data: Bytes::from_static(data),
                ..Publication::default()
            };
            serde_json::to_string(&PublicationBody::from(publication)).unwrap()
        };
        assert_eq!(body(b"{\"a\":\n1}"), r#"{"data":{"a":1},"offset":0}"#);
        assert_eq!(body(b"hi"), r#"{"data":null,"b64data":"aGk=","offset":0}"#);
    }
}
