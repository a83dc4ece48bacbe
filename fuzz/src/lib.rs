//! What both targets of the client codec check: frames decode the same way each time, and payloads lie inside their frame.

pub mod delta;

use bytes::Bytes;
use tidegate_codec::{DecodeError, Event, Format, Frame, Publication, Push, Request};

/// Commands in a frame at most; low, so that the limit is met as well.
const LIMIT: usize = 32;

/// Decodes `data` and checks what holds for all frames. Nothing when it is not a frame.
///
/// # Panics
/// When a promise of the codec is broken.
pub fn decode_twice(format: Format, data: &[u8]) -> Vec<Frame> {
    let frame = Bytes::copy_from_slice(data);
    let decoded = format.decode(&frame, LIMIT);
    assert_eq!(
        decoded,
        format.decode(&frame, LIMIT),
        "decoding is not repeatable"
    );
    let frames = match decoded {
        Ok(frames) => frames,
        Err(DecodeError::Malformed { offset, .. }) => {
            assert!(offset < data.len(), "the fault lies outside of the frame");
            return Vec::new();
        }
        Err(DecodeError::Empty | DecodeError::TooMany { .. }) => return Vec::new(),
    };
    assert!(
        (1..=LIMIT).contains(&frames.len()),
        "{} commands",
        frames.len()
    );
    let bounds = frame.as_ptr_range();
    for payload in frames.iter().flat_map(payloads) {
        let range = payload.as_ptr_range();
        assert!(
            bounds.start <= range.start && range.end <= bounds.end,
            "payload was copied"
        );
    }
    frames
}

/// The payloads of a frame element that are not empty.
pub fn payloads(frame: &Frame) -> Option<&Bytes> {
    let Frame::Command(command) = frame else {
        return None;
    };
    let data = match &command.request {
        Request::Connect(body) => &body.data,
        Request::Subscribe(body) => &body.data,
        Request::Publish(body) => &body.data,
        Request::Send { data } => data,
        Request::Rpc(body) => &body.data,
        Request::Unsubscribe { .. }
        | Request::Presence { .. }
        | Request::PresenceStats { .. }
        | Request::History(_)
        | Request::Refresh(_)
        | Request::SubRefresh(_)
        | Request::Unknown => return None,
    };
    (!data.is_empty()).then_some(data)
}

/// A push that publishes `payload` in channel `c`.
pub fn publication(payload: &Bytes) -> Push {
    let publication = Publication {
        data: payload.clone(),
        ..Publication::default()
    };
    Push {
        channel: "c".to_owned(),
        event: Event::Publication(publication),
    }
}
