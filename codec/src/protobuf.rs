//! The Protobuf format: length-delimited messages to [`Frame`]s, [`Reply`] or [`Push`] to one message.
//!
//! The generated types of `tidegate-proto` stop here and in the modules below. Whether a field is absent or zero makes
//! no difference, except for bodies and results, which are messages of their own (Centrifugo client protocol v2).

mod event;
mod outcome;
mod request;

use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::decode_varint;
use tidegate_proto as proto;

use crate::{ConnectRequest, DecodeError, EmulationRequest, Encoded, Format, Frame, Push, Reply};

/// The key of a reply's push, which is its only field: number 4, of the kind that has a length.
const PUSH: u8 = 4 << 3 | 2;

/// Decodes the messages of one binary frame into at most `limit` elements. Payloads are slices of `frame`.
///
/// A command without a body and with id zero is a pong.
///
/// # Errors
/// [`DecodeError`] when any message is not understood; nothing of the frame is then returned.
pub fn decode(frame: &Bytes, limit: usize) -> Result<Vec<Frame>, DecodeError> {
    let mut frames = Vec::new();
    let mut rest = frame.clone();
    while rest.has_remaining() {
        if frames.len() == limit {
            return Err(DecodeError::TooMany { limit });
        }
        let offset = frame.len() - rest.len();
        let command = next_command(&mut rest).map_err(|reason| malformed(offset, reason))?;
        frames.push(request::frame(command));
    }
    if frames.is_empty() {
        Err(DecodeError::Empty)
    } else {
        Ok(frames)
    }
}

/// Takes one message off `rest`. Prost's messages name fields and numbers, never the contents of a field.
fn next_command(rest: &mut Bytes) -> Result<proto::Command, String> {
    let length = decode_varint(rest).map_err(|error| error.to_string())?;
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= rest.len());
    let message = rest.split_to(length.ok_or("message is longer than what is left")?);
    proto::Command::decode(message).map_err(|error| error.to_string())
}

fn malformed(offset: usize, reason: String) -> DecodeError {
    DecodeError::Malformed {
        format: Format::Protobuf,
        offset,
        reason,
    }
}

/// Decodes the body of a `connect` alone, as one-way clients send it.
///
/// # Errors
/// [`DecodeError::Malformed`] when it is not understood.
pub fn decode_connect(body: &Bytes) -> Result<ConnectRequest, DecodeError> {
    let connect = proto::ConnectRequest::decode(body.clone());
    let connect = connect.map_err(|error| malformed(0, error.to_string()))?;
    Ok(request::connect(connect))
}

/// Decodes a request that carries a frame as bytes.
///
/// # Errors
/// [`DecodeError::Malformed`] when it is not understood.
pub fn decode_emulation(body: &Bytes) -> Result<EmulationRequest, DecodeError> {
    let request = proto::EmulationRequest::decode(body.clone());
    let request = request.map_err(|error| malformed(0, error.to_string()))?;
    Ok(EmulationRequest {
        node: request.node,
        session: request.session,
        data: request.data,
    })
}

/// What a push says, after its length, without the reply around it.
pub(crate) fn bare(message: &Encoded) -> Encoded {
    let mut rest = message.clone();
    let has_length = decode_varint(&mut rest).is_ok();
    if has_length && rest.first() == Some(&PUSH) {
        rest.advance(1);
        return rest;
    }
    message.clone()
}

/// Encodes a reply, after its length as a varint.
#[must_use]
pub fn encode_reply(reply: &Reply) -> Encoded {
    outcome::reply(reply)
        .encode_length_delimited_to_vec()
        .into()
}

/// Encodes a push, after its length as a varint.
#[must_use]
pub fn encode_push(push: &Push) -> Encoded {
    let reply = proto::Reply {
        push: Some(event::push(push)),
        ..proto::Reply::default()
    };
    reply.encode_length_delimited_to_vec().into()
}
