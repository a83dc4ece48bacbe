//! A notice as it waits in the stream until a node gives it to its backend: whatever that speaks, now or by then.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidegate_codec::Format;

use super::headers::{Headers, Wanted};
use super::notices::{Notice, Stamp};
use super::question::{Caller, ChannelState, Question, Subject, TargetId, Transition};

#[derive(Serialize, Deserialize)]
struct Envelope {
    id: String,
    time_ms: u64,
    client: String,
    user: String,
    transport: String,
    is_protobuf: bool,
    /// JSON, or empty.
    meta: String,
    sent: Vec<(String, String)>,
    made_up: Vec<(String, String)>,
    event: Happened,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Happened {
    Disconnect {
        code: u32,
        reason: String,
    },
    Unsubscribe {
        channel: String,
        code: u32,
        reason: String,
    },
    State {
        channel: String,
        is_occupied: bool,
        number: u64,
    },
}

/// A notice with what its backend may see; `None` for what is no notice.
pub(super) fn seal(notice: &Notice, wanted: &Wanted) -> Option<Bytes> {
    let Question {
        caller, subject, ..
    } = &notice.question;
    let headers = caller.headers.as_deref();
    let [sent, made_up] = headers.map_or_else(Default::default, |it| it.parts(wanted));
    let envelope = Envelope {
        id: notice.stamp.id.clone(),
        time_ms: notice.stamp.time_ms,
        client: caller.client.clone(),
        user: caller.user.clone(),
        transport: notice.transport.clone().into_owned(),
        is_protobuf: notice.format == Format::Protobuf,
        meta: String::from_utf8_lossy(&caller.meta).into_owned(),
        sent,
        made_up,
        event: happened(subject)?,
    };
    let bytes = serde_json::to_vec(&envelope).expect("texts and numbers have a form in JSON");
    Some(bytes.into())
}

fn happened(subject: &Subject) -> Option<Happened> {
    match subject.clone() {
        Subject::Disconnect { code, reason } => Some(Happened::Disconnect { code, reason }),
        Subject::Unsubscribe {
            channel,
            code,
            reason,
        } => Some(Happened::Unsubscribe {
            channel,
            code,
            reason,
        }),
        Subject::State(Transition {
            channel,
            state,
            number,
        }) => Some(Happened::State {
            channel,
            is_occupied: state == ChannelState::Occupied,
            number,
        }),
        Subject::Connect { .. }
        | Subject::Refresh
        | Subject::Subscribe { .. }
        | Subject::SubRefresh { .. }
        | Subject::Publish { .. }
        | Subject::Rpc { .. } => None,
    }
}

/// The notice again.
///
/// # Errors
/// When it is none: another version's, or somebody else's.
pub(super) fn open(bytes: &[u8], target: TargetId) -> Result<Notice, serde_json::Error> {
    let envelope: Envelope = serde_json::from_slice(bytes)?;
    let headers = Headers::of_parts(envelope.sent, envelope.made_up);
    let caller = Caller {
        client: envelope.client,
        user: envelope.user,
        meta: envelope.meta.into(),
        headers: (!headers.is_empty()).then(|| Arc::new(headers)),
    };
    Ok(Notice {
        question: Question {
            target,
            caller,
            subject: subject(envelope.event),
        },
        transport: Cow::Owned(envelope.transport),
        format: match envelope.is_protobuf {
            true => Format::Protobuf,
            false => Format::Json,
        },
        stamp: Stamp {
            id: envelope.id,
            time_ms: envelope.time_ms,
        },
    })
}

fn subject(event: Happened) -> Subject {
    match event {
        Happened::Disconnect { code, reason } => Subject::Disconnect { code, reason },
        Happened::Unsubscribe {
            channel,
            code,
            reason,
        } => Subject::Unsubscribe {
            channel,
            code,
            reason,
        },
        Happened::State {
            channel,
            is_occupied,
            number,
        } => Subject::State(Transition {
            channel,
            state: match is_occupied {
                true => ChannelState::Occupied,
                false => ChannelState::Vacated,
            },
            number,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::question::Event;
    use super::*;

    #[test]
    fn a_notice_comes_out_as_it_went_in() {
        let pair = |name: &str| (name.to_owned(), "v".to_owned());
        let headers = Headers::of_parts(vec![pair("cookie"), pair("other")], vec![pair("made")]);
        let wanted = Wanted::new(&["Cookie".to_owned()], &["Made".to_owned()]);
        let ended = |channel: &str| (channel.to_owned(), 3_000, "bye".to_owned());
        let (channel, code, reason) = ended("chat:a");
        let state = |state| {
            Subject::State(Transition {
                channel: "chat:a".to_owned(),
                state,
                number: 7,
            })
        };
        for subject in [
            Subject::Disconnect {
                code,
                reason: reason.clone(),
            },
            Subject::Unsubscribe {
                channel,
                code,
                reason,
            },
            state(ChannelState::Occupied),
            state(ChannelState::Vacated),
        ] {
            let target = TargetId::Default(Event::Disconnect);
            let mut notice = Notice {
                question: Question {
                    target,
                    caller: Caller {
                        client: "c".to_owned(),
                        user: "u".to_owned(),
                        meta: Bytes::from_static(b"{}"),
                        headers: Some(Arc::new(headers.clone())),
                    },
                    subject,
                },
                transport: Cow::Borrowed("websocket"),
                format: Format::Protobuf,
                stamp: Stamp {
                    id: "i".to_owned(),
                    time_ms: 9,
                },
            };
            let bytes = seal(&notice, &wanted).unwrap();
            let opened = open(&bytes, target).unwrap();
            // What the backend may not see is not stored.
            let seen = Headers::of_parts(vec![pair("cookie")], vec![pair("made")]);
            notice.question.caller.headers = Some(Arc::new(seen));
            assert_eq!(opened.question, notice.question);
            assert_eq!(opened.via(), notice.via());
            assert_eq!((opened.stamp.id, opened.stamp.time_ms), ("i".to_owned(), 9));
        }
    }
}
