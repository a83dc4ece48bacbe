//! What clients bring that only listen: a connect in a body, in either format or as a message of gRPC, and the id of the last
//! event. The first byte says which; any others.
#![no_main]

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidegate_codec::grpc::{self, MessageError, only_message};
use tidegate_codec::{Bookmark, ConnectRequest, DecodeError, Format, StreamPosition};

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match kind % 5 {
        0 => drop(connect(Format::Json, data)),
        1 => drop(connect(Format::Protobuf, data)),
        2 => grpc_message(data),
        3 => event_id(data),
        _ => positions(data),
    }
});

/// Decodes a connect twice; its payload lies inside of the body.
fn connect(format: Format, data: &[u8]) -> Option<ConnectRequest> {
    let body = Bytes::copy_from_slice(data);
    let decoded = format.decode_connect(&body);
    assert_eq!(decoded, format.decode_connect(&body), "not repeatable");
    let connect = match decoded {
        Ok(connect) => connect,
        Err(DecodeError::Malformed { offset, .. }) => {
            assert_eq!(offset, 0, "there is one message");
            return None;
        }
        Err(error) => panic!("{error} of a connect"),
    };
    let (bounds, range) = (body.as_ptr_range(), connect.data.as_ptr_range());
    let is_inside = bounds.start <= range.start && range.end <= bounds.end;
    assert!(connect.data.is_empty() || is_inside, "payload was copied");
    Some(connect)
}

/// A body is a head and a message, and nothing else.
fn grpc_message(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    match only_message(&body) {
        Ok(message) => {
            let length = u32::try_from(message.len()).expect("inputs are short");
            let whole = [&[0][..], &length.to_be_bytes(), &message].concat();
            assert_eq!(whole, data, "it says something else");
            drop(connect(Format::Protobuf, &message));
        }
        Err(MessageError::Compressed) => assert_ne!(data[0], 0),
        Err(MessageError::Malformed) => assert!(data.len() < grpc::HEAD || data[0] == 0),
    }
}

/// An id as it comes, and one whose check fits what it holds.
fn event_id(data: &[u8]) {
    let text = std::str::from_utf8(data);
    if let Some(read) = text.ok().and_then(Bookmark::parse) {
        assert_eq!(Bookmark::parse(text.unwrap_or_default()), Some(read));
    }
    let check = digest(&SHA256, data);
    let text = BASE64.encode([data, &check.as_ref()[..8]].concat());
    if Bookmark::parse(&text).is_some() {
        assert_eq!(data.first(), Some(&1), "another version is understood");
    }
}

/// Positions come back as they were written, each for its channel.
fn positions(data: &[u8]) {
    let positions: Vec<_> = data
        .chunks_exact(10)
        .enumerate()
        .map(|(number, bytes)| {
            let (epoch, rest) = bytes.split_at(2);
            let offset = rest.try_into().expect("eight bytes are left");
            let offset = u64::from_le_bytes(offset);
            let epoch = String::from_utf8_lossy(epoch).into_owned();
            (number.to_string(), StreamPosition { offset, epoch })
        })
        .collect();
    let entries = positions
        .iter()
        .map(|(channel, position)| (channel.as_str(), position.clone()));
    let Some(text) = Bookmark::text(entries) else {
        assert!(positions.is_empty() || positions.len() > 200, "no text");
        return;
    };
    let read = Bookmark::parse(&text).expect("what is written can be read");
    for (channel, position) in &positions {
        assert_eq!(read.position(channel), Some(position));
    }
}
