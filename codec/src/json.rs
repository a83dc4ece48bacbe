//! The JSON format: lines of text to [`Frame`]s, [`Reply`] or [`Push`] to a line.
//!
//! Names are those of the Protobuf schema. Payloads are embedded as they are, not as base64, so they have to be JSON
//! themselves and lose their line breaks on the way out. Serde types stay in the modules below.
//!
//! What a client may write (Centrifugo client protocol v2): one command a line, blank lines anywhere, any order of
//! keys, keys that are not known here. `null` stands for an absent field, except in a payload, where it is a value
//! that an application can mean. A key given twice or a value of another type makes the frame malformed.

mod body;
mod command;
mod event;
mod line;
mod outcome;
mod request;
mod shape;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    ConnectRequest, DecodeError, EmulationRequest, EncodeError, Encoded, Format, Frame,
    Publication, Push, Reply,
};

/// How the line of a push begins.
const PUSH: &[u8] = b"{\"push\":";

/// Decodes the lines of one text frame into at most `limit` elements. Payloads are slices of `frame`.
///
/// A command without a body and with no id (or zero) is a pong.
///
/// # Errors
/// [`DecodeError`] when any line is not understood; nothing of the frame is then returned.
pub fn decode(frame: &Bytes, limit: usize) -> Result<Vec<Frame>, DecodeError> {
    let mut frames = Vec::new();
    let mut next = 0;
    for line in frame.split(|&byte| byte == b'\n') {
        let offset = next;
        next += line.len() + 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        if frames.len() == limit {
            return Err(DecodeError::TooMany { limit });
        }
        frames.push(command::decode(line, frame).map_err(|reason| malformed(offset, reason))?);
    }
    if frames.is_empty() {
        Err(DecodeError::Empty)
    } else {
        Ok(frames)
    }
}

fn malformed(offset: usize, reason: String) -> DecodeError {
    DecodeError::Malformed {
        format: Format::Json,
        offset,
        reason,
    }
}

/// Decodes the body of a `connect` alone, as one-way clients send it. Payloads are slices of `body`.
///
/// # Errors
/// [`DecodeError::Malformed`] when it is not understood.
pub fn decode_connect(body: &Bytes) -> Result<ConnectRequest, DecodeError> {
    command::decode_connect(body).map_err(|reason| malformed(0, reason))
}

/// Decodes a request that carries a frame as a string.
///
/// # Errors
/// [`DecodeError::Malformed`] when it is not understood.
pub fn decode_emulation(body: &Bytes) -> Result<EmulationRequest, DecodeError> {
    command::decode_emulation(body).map_err(|reason| malformed(0, reason))
}

/// What a push says, without the reply around it.
pub(crate) fn bare(message: &Encoded) -> Encoded {
    let inner = (message.strip_prefix(PUSH)).and_then(|rest| rest.strip_suffix(b"}"));
    inner.map_or_else(|| message.clone(), |inner| message.slice_ref(inner))
}

/// Encodes a reply as one line, without its newline.
///
/// # Errors
/// [`EncodeError::NotJson`] when a payload in it is not JSON.
pub fn encode_reply(reply: &Reply) -> Result<Encoded, EncodeError> {
    line::write(&outcome::ReplyLine(reply))
}

/// Encodes a push as one line, without its newline.
///
/// # Errors
/// [`EncodeError::NotJson`] when a payload in it is not JSON.
pub fn encode_push(push: &Push) -> Result<Encoded, EncodeError> {
    line::write(&event::PushLine {
        push: event::PushBody(push),
    })
}

/// What replies hold of a publication.
///
/// # Errors
/// [`EncodeError::NotJson`] when a payload in it is not JSON.
pub(crate) fn encode_publication(publication: &Publication) -> Result<Box<RawValue>, EncodeError> {
    line::write_raw(&body::PublicationBody::from(publication))
}

/// Whether `data` is one JSON value, however deep.
#[must_use]
pub fn is_valid(data: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(data).is_ok()
}

/// The text as a JSON string.
///
/// # Errors
/// [`EncodeError::NotJson`] when `text` is not UTF-8.
pub fn string(text: &[u8]) -> Result<Bytes, EncodeError> {
    let text = std::str::from_utf8(text).map_err(|_| EncodeError::NotJson)?;
    let string = serde_json::to_vec(text).map_err(|_| EncodeError::NotJson)?;
    Ok(string.into())
}
