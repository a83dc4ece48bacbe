//! Byte streams that are mostly made of frames.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tidegate_websocket::{Opcode, write_masked_frame};

/// Sizes of pieces that bytes come in.
pub(crate) fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![3 => 1_usize..20, 1 => 1_usize..2_000], 1..8)
}

/// Frames that follow each other as they should, or not; with a few bytes that are not what they were.
pub(crate) fn stream() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    let frames = vec(frame(), 1..8)
        .prop_map(|frames| frames.concat())
        .boxed();
    let changed = (frames.clone(), changes).prop_map(|(mut bytes, changes)| {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    let cut = (frames.clone(), any::<Index>()).prop_map(|(mut bytes, at)| {
        bytes.truncate(at.index(bytes.len()));
        bytes
    });
    prop_oneof![3 => frames, 3 => changed, 1 => cut, 1 => vec(any::<u8>(), 0..40)]
}

/// One masked frame.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let whole = select(vec![0x81, 0x82, 0x89, 0x8a]);
    let begins = select(vec![0x01, 0x02]);
    let continues = select(vec![0x00, 0x80]);
    let first =
        prop_oneof![6 => whole, 3 => begins, 4 => continues, 1 => Just(0x88), 1 => any::<u8>()];
    (first, payload(), any::<[u8; 4]>()).prop_map(|(first, payload, key)| {
        let mut bytes = Vec::new();
        write_masked_frame(&mut bytes, Opcode::Binary, &payload, key);
        bytes[0] = first;
        bytes
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let text = "[a-z äß€😀]{0,60}".prop_map(String::into_bytes);
    let close = (
        select(vec![
            1000_u16, 1004, 1005, 1013, 1014, 1015, 2999, 3000, 4999, 5000,
        ]),
        text.clone(),
    )
        .prop_map(|(code, text)| [code.to_be_bytes().as_slice(), &text].concat());
    let cut = (text.clone(), any::<Index>()).prop_map(|(mut text, at)| {
        text.truncate(at.index(text.len() + 1));
        text
    });
    let long = (prop_oneof![
        Just(125_usize),
        Just(126),
        127_usize..3_000,
        Just(65_535),
        Just(65_536)
    ])
    .prop_map(|length| vec![b'x'; length]);
    prop_oneof![6 => text, 3 => cut, 2 => close, 2 => vec(any::<u8>(), 0..20), 2 => long]
}
