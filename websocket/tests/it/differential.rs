//! Frame streams mean to the codec what they mean to tungstenite.

use proptest::prelude::*;
use tidegate_websocket::{Decoder, Limits, Role};

use crate::peer;
use crate::reading::read;
use crate::streams::{sizes, stream};

const LIMITS: Limits = Limits {
    message: 70_000,
    fragments: usize::MAX,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_codec_agrees_with_tungstenite(stream in stream(), sizes in sizes()) {
        let ours = read(&mut Decoder::new(Role::Server), &stream, &sizes, &LIMITS, None);
        let theirs = peer::read(&stream, LIMITS.message);
        let disagreement = peer::disagreement(&ours.events, ours.violation, &theirs);
        prop_assert_eq!(disagreement, None);
    }
}
