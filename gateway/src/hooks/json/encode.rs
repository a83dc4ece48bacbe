//! Questions and notices as they are sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Style;
use crate::hooks::answer::Unanswered;
use crate::hooks::notices::Stamp;
use crate::hooks::question::{Question, Subject, Transition, Via};

#[derive(Serialize)]
struct Body<'a> {
    client: &'a str,
    transport: &'a str,
    protocol: &'a str,
    encoding: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    channels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "String::is_empty")]
    b64data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_ms: Option<u64>,
}

/// A question, or with a stamp a notice, as it is sent.
///
/// # Errors
/// [`Unanswered::NotJson`] when the client's payload has no place in it.
pub(in crate::hooks) fn encode(
    question: &Question,
    via: Via<'_>,
    style: Style,
    stamp: Option<&Stamp>,
) -> Result<Bytes, Unanswered> {
    let Question {
        caller, subject, ..
    } = question;
    if let (Subject::State(transition), Some(stamp)) = (subject, stamp) {
        return Ok(state(transition, stamp));
    }
    let data = subject.data();
    let mut body = Body {
        client: &caller.client,
        transport: via.transport,
        protocol: via.protocol(),
        encoding: if style.is_binary { "binary" } else { "json" },
        user: Some(&caller.user),
        channel: subject.channel(),
        method: "",
        name: "",
        version: "",
        channels: &[],
        data: None,
        b64data: String::new(),
        meta: style.has_meta.then(|| raw(&caller.meta)).flatten(),
        code: None,
        reason: None,
        id: stamp.map(|stamp| stamp.id.as_str()),
        time_ms: stamp.map(|stamp| stamp.time_ms),
    };
    if style.is_binary {
        body.b64data = STANDARD.encode(data);
    } else if !data.is_empty() {
        body.data = Some(raw(data).ok_or(Unanswered::NotJson)?);
    }
    add(&mut body, subject);
    let bytes = serde_json::to_vec(&body).expect("texts and numbers have a form in JSON");
    Ok(bytes.into())
}

/// Adds what only some events have.
fn add<'a>(body: &mut Body<'a>, subject: &'a Subject) {
    match subject {
        Subject::Connect {
            name,
            version,
            channels,
            ..
        } => {
            body.user = None;
            (body.name, body.version, body.channels) = (name, version, channels);
        }
        Subject::Rpc { method, .. } => body.method = method,
        Subject::Disconnect { code, reason } | Subject::Unsubscribe { code, reason, .. } => {
            (body.code, body.reason) = (Some(*code), Some(reason.as_str()));
        }
        Subject::State(_)
        | Subject::Refresh
        | Subject::Subscribe { .. }
        | Subject::SubRefresh { .. }
        | Subject::Publish { .. } => {}
    }
}

/// A notice that is about no connection.
fn state(transition: &Transition, stamp: &Stamp) -> Bytes {
    let Transition {
        channel,
        state,
        number,
    } = transition;
    let (kind, time_ms) = (state.name(), stamp.time_ms);
    let event = json!({ "channel": channel, "type": kind, "time_ms": time_ms, "number": number });
    let body = json!({ "events": [event], "id": stamp.id });
    body.to_string().into()
}

fn raw(bytes: &Bytes) -> Option<&RawValue> {
    serde_json::from_slice(bytes).ok()
}
