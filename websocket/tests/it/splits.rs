//! However bytes are split on their way, they mean the same.

use proptest::prelude::*;
use tidegate_websocket::{Decoder, Limits, Role};

use crate::reading::read;
use crate::streams::{sizes, stream};

const LIMITS: Limits = Limits {
    message: 70_000,
    fragments: 4,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn splits_change_nothing(stream in stream(), sizes in sizes()) {
        let whole = read(&mut Decoder::new(Role::Server), &stream, &[], &LIMITS, None);
        let pieces = read(&mut Decoder::new(Role::Server), &stream, &sizes, &LIMITS, None);
        prop_assert_eq!(&whole, &pieces);
        let bytes = read(&mut Decoder::new(Role::Server), &stream, &[1], &LIMITS, None);
        prop_assert_eq!(&whole, &bytes);
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        sizes in sizes(),
    ) {
        for role in [Role::Server, Role::Client] {
            read(&mut Decoder::new(role), &bytes, &sizes, &LIMITS, None);
        }
    }
}
