//! Any bytes as deflated messages: no panic, no more than the limit, and what inflates does so again once it is deflated.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidegate_websocket::{
    Agreement, Decoder, DeflateOptions, Deflater, Event, Inflater, Limits, Message, Opcode, Role,
    WindowBits, write_deflated_frame,
};

const LIMITS: Limits = Limits {
    message: 65_536,
    fragments: 4,
};

fuzz_target!(|data: &[u8]| {
    // The first byte says what was agreed on, the second how long the messages are.
    let [agreed, length, rest @ ..] = data else {
        return;
    };
    let agreement = agreement(*agreed);
    let mut inflater = Inflater::new();
    let mut decoder = Decoder::with_deflate(Role::Client, &agreement);
    let mut deflater = Deflater::new(u32::from(agreed >> 4));
    for data in rest.chunks(usize::from(*length) + 1) {
        let Some(message) = inflate(&mut decoder, &mut inflater, data) else {
            return;
        };
        assert!(message.len() <= LIMITS.message, "{} bytes", message.len());
        let mut again = Vec::new();
        deflater.deflate(&message, agreement.server_window, &mut again);
        let mut fresh = Decoder::new(Role::Client);
        assert_eq!(inflate(&mut fresh, &mut inflater, &again), Some(message));
    }
});

fn agreement(agreed: u8) -> Agreement {
    let options = DeflateOptions {
        server_context_takeover: agreed & 8 == 0,
        server_max_window: WindowBits::new(8 + agreed % 8).expect("from 8 to 15"),
        ..DeflateOptions::FULL
    };
    options
        .accept(["permessage-deflate"])
        .expect("it asks for nothing")
}

/// The one message of a frame with this payload, unless it is refused.
fn inflate(decoder: &mut Decoder, inflater: &mut Inflater, payload: &[u8]) -> Option<Bytes> {
    let mut bytes = Vec::new();
    write_deflated_frame(&mut bytes, Opcode::Binary, payload);
    let mut input = bytes.as_mut_slice();
    match decoder.next(&mut input, &LIMITS, Some(inflater)) {
        Ok(Some(Event::Message(Message::Binary(message)))) => Some(message),
        Ok(other) => panic!("{other:?} from one frame"),
        Err(_) => None,
    }
}
