//! Any bytes as frames, in any pieces: no panic, the same however they are split, and as tungstenite has it.
#![no_main]

#[path = "../../websocket/tests/it/peer.rs"]
mod peer;
#[path = "../../websocket/tests/it/reading.rs"]
mod reading;

use libfuzzer_sys::fuzz_target;
use reading::read;
use tidegate_websocket::{Decoder, Limits, Role};

const LIMITS: Limits = Limits {
    message: 4_096,
    fragments: usize::MAX,
};

fuzz_target!(|data: &[u8]| {
    // The first byte says how the rest is cut.
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let sizes = [usize::from(*size) + 1, 1, usize::from(size / 16) + 1];
    let whole = read(&mut Decoder::new(Role::Server), bytes, &[], &LIMITS, None);
    let pieces = read(
        &mut Decoder::new(Role::Server),
        bytes,
        &sizes,
        &LIMITS,
        None,
    );
    assert_eq!(whole, pieces);
    read(
        &mut Decoder::new(Role::Client),
        bytes,
        &sizes,
        &LIMITS,
        None,
    );

    let theirs = peer::read(bytes, LIMITS.message);
    assert_eq!(
        peer::disagreement(&whole.events, whole.violation, &theirs),
        None
    );
});
