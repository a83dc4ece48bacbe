mod narrow;

use proptest::prelude::*;

use super::*;
use narrow::Receiver;

fn all_bits() -> impl Iterator<Item = WindowBits> {
    (0..16).filter_map(WindowBits::new)
}

fn receive(receiver: &mut Receiver, deflated: &[u8]) -> Vec<u8> {
    let data = [deflated, &TAIL].concat();
    receiver.inflate(&data).unwrap().to_vec()
}

/// Parts that come again near and far.
fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let part = (1_usize..400).prop_flat_map(|length| prop::collection::vec(any::<u8>(), length));
    prop::collection::vec(part, 1..12).prop_flat_map(|parts| {
        let part = prop::sample::select(parts);
        let message = prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat());
        prop::collection::vec(message, 1..5)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn messages_refer_to_no_more_than_the_window(messages in messages(), level in 1_u32..10) {
        let mut deflater = Deflater::new(level);
        for bits in all_bits() {
            let mut receiver = Receiver::new(bits.size());
            let mut window = Window::new(bits);
            for message in &messages {
                let mut deflated = Vec::new();
                deflater.deflate_in_context(message, &mut window, &mut deflated);
                prop_assert!(receive(&mut receiver, &deflated) == *message, "{bits:?}");
            }
        }
    }

    #[test]
    fn messages_without_context_can_be_read_in_any(messages in messages(), level in 1_u32..10) {
        let mut deflater = Deflater::new(level);
        for bits in all_bits() {
            let mut receiver = Receiver::new(bits.size());
            for message in &messages {
                let mut deflated = Vec::new();
                deflater.deflate(message, bits, &mut deflated);
                prop_assert!(receive(&mut receiver, &deflated) == *message, "{bits:?}");
                let mut alone = Receiver::new(bits.size());
                prop_assert!(receive(&mut alone, &deflated) == *message, "{bits:?}");
            }
        }
    }
}

/// Bytes that deflate cannot shrink.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let noise = (0..count).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    noise.collect()
}

#[test]
fn a_receiver_with_a_smaller_window_refuses() {
    let mut message = noise(600);
    message.extend_from_within(..);
    let mut deflated = Vec::new();
    let bits = WindowBits::new(10).unwrap();
    Deflater::new(6).deflate(&message, bits, &mut deflated);
    deflated.extend_from_slice(&TAIL);
    let refused = Receiver::new(512).inflate(&deflated).unwrap_err();
    assert_eq!(refused, "600 bytes back");
    assert!(Receiver::new(1_024).inflate(&deflated).unwrap() == message);
}

#[test]
fn a_message_far_larger_than_its_window_is_deflated_whole() {
    let message = noise(200_000);
    for bits in [WindowBits::MIN, WindowBits::MAX] {
        let mut deflated = b"before".to_vec();
        Deflater::new(1).deflate(&message, bits, &mut deflated);
        let deflated = deflated.strip_prefix(b"before").unwrap();
        assert!(receive(&mut Receiver::new(bits.size()), deflated) == message);
    }
}

#[test]
fn what_was_said_before_makes_messages_smaller() {
    let message = b"{\"price\":101.25,\"symbol\":\"ACME\",\"volume\":1000}";
    let mut deflater = Deflater::new(6);
    let mut window = Window::new(WindowBits::MIN);
    let sizes = [(); 2].map(|()| {
        let mut out = Vec::new();
        deflater.deflate_in_context(message, &mut window, &mut out);
        out.len()
    });
    assert!(sizes[0] > 40 && sizes[1] < 10, "{sizes:?}");
}
