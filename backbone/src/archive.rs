//! What a history service is asked on the bus, and what it answers, as JSON.
//!
//! In: a [`Question`] on [`Topic::archive`] of the channel's namespace. Out: an [`Answer`], or a refusal of the
//! [service](crate::service) with an HTTP status. Nothing here knows how the archive is kept.
//!
//! ```json
//! {"channel": "chat:room", "epoch": "5c1f…", "after": 7, "limit": 100}
//! ```
//!
//! Instead of `after` (behind that offset, the oldest first) there can be `before` (the newest first), `since` (stored at
//! that time or later, milliseconds since 1970) or `until` (before it, the newest first); with none, all from the oldest. Without
//! `epoch` it is the newest one, without `limit` 100.
//!
//! ```json
//! {"epoch": "5c1f…", "publications": [{"offset": 9, "time": 1795586400123, "data": "{\"text\":\"hi\"}"}],
//!  "next": 9, "end": 9, "is_gapless": true}
//! ```
//!
//! A payload is a text, or `{"base64": "…"}` where it is none. `info` and `tags` of a publication are absent when there are
//! none. `next` is where the next page goes on, absent when there is no more; everything up to `end` (backward: from it on) has
//! been looked at; and `is_gapless` says whether it is proved that nothing is missing there but what was removed on purpose.

mod removing;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bus::{AskError, Bus, Message};
use crate::topic::Topic;
use crate::{Channel, ClientInfo, Epoch, Place, Publication};
pub use removing::{Removal, Removed, remove_from_archive};

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The channel's whole name.
    pub channel: String,
    /// The stream's incarnation; `None` for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Behind this offset, the oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Before this offset, the newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Stored at this time or later, the oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Stored before this time, the newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Publications at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The epoch that was read.
    pub epoch: Epoch,
    /// In the order that was asked for; each has a place, without the one before it.
    pub publications: Vec<Publication>,
    /// Where the next page goes on; `None` when there is no more.
    pub next: Option<u64>,
    /// Everything up to this offset, or from it on, has been looked at.
    pub end: u64,
    /// Whether it is proved that nothing is missing.
    pub is_gapless: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Nobody archives the namespace.
    #[error("there is no history service for the namespace")]
    Absent,
    /// It does not answer, or says something else.
    #[error("the history service did not answer: {0}")]
    Silent(String),
    /// It refuses.
    #[error("the history service refuses: {0}")]
    Refused(String),
}

/// Asks whoever archives the channel's namespace.
///
/// # Errors
/// [`ArchiveError`]; [`ArchiveError::Absent`] at once.
pub async fn ask_archive(
    bus: &dyn Bus,
    channel: &Channel,
    question: &Question,
    within: Duration,
) -> Result<Answer, ArchiveError> {
    let topic = Topic::archive(channel.namespace());
    let answer = ask(bus, &topic, question, within).await?;
    Answer::decode(&answer).map_err(|error| ArchiveError::Silent(error.to_string()))
}

async fn ask(
    bus: &dyn Bus,
    topic: &Topic,
    question: &impl Serialize,
    within: Duration,
) -> Result<Bytes, ArchiveError> {
    let question = serde_json::to_vec(question).expect("a question has no keys but names");
    let answer = bus.ask(topic, Message::new(question), within).await;
    let answer = answer.map_err(|error| match error {
        AskError::NobodyHears => ArchiveError::Absent,
        AskError::Late(_) | AskError::Unsent(_) => ArchiveError::Silent(error.to_string()),
    })?;
    if let Some(refusal) = answer.refusal() {
        return Err(ArchiveError::Refused(refusal.text));
    }
    Ok(answer.data)
}

#[derive(Serialize, Deserialize)]
struct Written {
    epoch: String,
    publications: Vec<WrittenPublication>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    end: u64,
    is_gapless: bool,
}

#[derive(Serialize, Deserialize)]
struct WrittenPublication {
    offset: u64,
    time: u64,
    data: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<WrittenInfo>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct WrittenInfo {
    user: String,
    client: String,
    conn_info: Payload,
    chan_info: Payload,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Payload {
    Text(String),
    Bytes { base64: String },
}

impl Answer {
    /// As JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let publications = self.publications.iter().filter_map(written);
        let written = Written {
            epoch: self.epoch.to_string(),
            publications: publications.collect(),
            next: self.next,
            end: self.end,
            is_gapless: self.is_gapless,
        };
        serde_json::to_vec(&written).expect("an answer has no keys but texts")
    }

    fn decode(json: &[u8]) -> Result<Self, serde_json::Error> {
        let written: Written = serde_json::from_slice(json)?;
        let epoch = Epoch::from(written.epoch);
        let publications = written.publications.into_iter();
        let publications = publications.map(|it| read(it, &epoch));
        Ok(Self {
            publications: publications.collect::<Result<_, _>>()?,
            next: written.next,
            end: written.end,
            is_gapless: written.is_gapless,
            epoch,
        })
    }
}

fn written(publication: &Publication) -> Option<WrittenPublication> {
    let place = publication.place.as_ref()?;
    let info = publication.info.as_ref().map(|info| WrittenInfo {
        user: info.user.clone(),
        client: info.client.clone(),
        conn_info: Payload::of(&info.conn_info),
        chan_info: Payload::of(&info.chan_info),
    });
    Some(WrittenPublication {
        offset: place.offset,
        time: place.time,
        data: Payload::of(&publication.data),
        info,
        tags: publication.tags.clone(),
    })
}

fn read(written: WrittenPublication, epoch: &Epoch) -> Result<Publication, serde_json::Error> {
    let info = written.info.map(|it| {
        Ok::<_, serde_json::Error>(ClientInfo {
            conn_info: it.conn_info.bytes()?,
            chan_info: it.chan_info.bytes()?,
            user: it.user,
            client: it.client,
        })
    });
    Ok(Publication {
        data: written.data.bytes()?,
        info: info.transpose()?,
        tags: written.tags,
        id: String::new(),
        version: None,
        skips_history: false,
        place: Some(Place {
            epoch: Epoch::clone(epoch),
            offset: written.offset,
            previous: None,
            time: written.time,
        }),
        trace: None,
    })
}

impl Payload {
    fn of(bytes: &Bytes) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes {
                base64: BASE64.encode(bytes),
            },
        }
    }

    fn bytes(self) -> Result<Bytes, serde_json::Error> {
        match self {
            Self::Text(text) => Ok(text.into()),
            Self::Bytes { base64 } => {
                let bytes = BASE64.decode(base64).map_err(serde::de::Error::custom)?;
                Ok(bytes.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_documented_json_and_comes_back() {
        let place = |offset| Place {
            epoch: "e".into(),
            offset,
            previous: None,
            time: 5,
        };
        let answer = Answer {
            epoch: "e".into(),
            publications: vec![
                Publication {
                    data: "é\n".into(),
                    place: Some(place(7)),
                    ..Publication::default()
                },
                Publication {
                    data: b"\xff".as_slice().into(),
                    info: Some(ClientInfo {
                        user: "u".to_owned(),
                        ..ClientInfo::default()
                    }),
                    tags: [("k".to_owned(), "v".to_owned())].into(),
                    place: Some(place(9)),
                    ..Publication::default()
                },
            ],
            next: Some(9),
            end: 9,
            is_gapless: true,
        };
        let json = answer.encode();
        assert_eq!(
            String::from_utf8(json.clone()).unwrap(),
            r#"{"epoch":"e","publications":[{"offset":7,"time":5,"data":"é\n"},{"offset":9,"time":5,"data":{"base64":"/w=="},"info":{"user":"u","client":"","conn_info":"","chan_info":""},"tags":{"k":"v"}}],"next":9,"end":9,"is_gapless":true}"#
        );
        assert_eq!(Answer::decode(&json).unwrap(), answer);
        for strange in [
            "",
            "{}",
            r#"{"epoch":"e","publications":[{"offset":1,"time":1,"data":{"base64":"?"}}],"end":1,"is_gapless":true}"#,
        ] {
            assert!(Answer::decode(strange.as_bytes()).is_err(), "{strange}");
        }
    }

    #[test]
    fn a_question_says_only_what_is_asked() {
        let question: Question =
            serde_json::from_str(r#"{"channel":"chat:room","after":7}"#).unwrap();
        assert_eq!(question.after, Some(7));
        let json = serde_json::to_string(&question).unwrap();
        assert_eq!(json, r#"{"channel":"chat:room","after":7}"#);
        assert!(serde_json::from_str::<Question>(r#"{"channel":"a","afterwards":7}"#).is_err());
    }
}
