use super::*;
use crate::{Message, write_close, write_frame, write_masked_frame};

const LIMITS: Limits = Limits {
    message: 10,
    fragments: 4,
};

const KEY: [u8; 4] = [0xa1, 0x07, 0x5c, 0x3e];

/// Everything that a server reads from `bytes` when they come in pieces of `size`.
fn read(bytes: &[u8], size: usize, limits: &Limits) -> (Vec<Event>, Result<Decoder, u16>) {
    let mut decoder = Decoder::new(Role::Server);
    let mut events = Vec::new();
    for piece in bytes.to_vec().chunks_mut(size) {
        let mut input = piece;
        loop {
            match decoder.next(&mut input, limits, None) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => return (events, Err(violation.code)),
            }
        }
        assert!(input.is_empty());
    }
    (events, Ok(decoder))
}

/// A masked frame with any first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_masked_frame(&mut bytes, Opcode::Binary, payload, KEY);
    bytes[0] = first;
    bytes
}

fn check(frames: &[(u8, &[u8])], events: &[Event], ending: Result<(), u16>) {
    let bytes: Vec<u8> = (frames.iter())
        .flat_map(|(first, payload)| frame(*first, payload))
        .collect();
    for size in 1..=bytes.len() {
        let (found, end) = read(&bytes, size, &LIMITS);
        assert_eq!(found, events, "{frames:x?} by {size}");
        assert_eq!(
            end.map(|decoder| assert!(decoder.is_idle())),
            ending,
            "{frames:x?} by {size}"
        );
    }
}

fn text(text: &'static str) -> Event {
    Event::Message(Message::Text(text.into()))
}

fn binary(data: &'static [u8]) -> Event {
    Event::Message(Message::Binary(data.into()))
}

#[test]
fn frames_make_messages() {
    check(&[(0x81, b"hi")], &[text("hi")], Ok(()));
    check(
        &[(0x81, b""), (0x82, b"\xff")],
        &[text(""), binary(b"\xff")],
        Ok(()),
    );
    check(
        &[(0x01, b"a\xc3"), (0x80, b"\xa4d")],
        &[text("aäd")],
        Ok(()),
    );
    check(
        &[(0x02, b""), (0x00, b""), (0x00, b""), (0x80, b"")],
        &[binary(b"")],
        Ok(()),
    );
}

#[test]
fn control_frames_come_between_fragments() {
    let frames: [(u8, &[u8]); 5] = [
        (0x01, b"a"),
        (0x89, b"ping with more than ten bytes"),
        (0x8a, b""),
        (0x80, b"b"),
        (0x88, b"\x03\xe8bye"),
    ];
    let reason = CloseReason {
        code: 1000,
        text: "bye".into(),
    };
    let events = [
        Event::Ping("ping with more than ten bytes".into()),
        Event::Pong(Bytes::new()),
        text("ab"),
        Event::Close(Some(reason)),
    ];
    check(&frames, &events, Ok(()));
    check(&[(0x88, b"")], &[Event::Close(None)], Ok(()));
}

#[test]
fn violations_end_the_connection() {
    type Frames<'a> = &'a [(u8, &'a [u8])];
    let cases: [(Frames, u16); 15] = [
        // Reserved bits, and the one of an extension that was not agreed on.
        (&[(0xa1, b"")], 1002),
        (&[(0x91, b"")], 1002),
        (&[(0xc1, b"")], 1002),
        // Fragments of two messages, or of none.
        (&[(0x80, b"a")], 1002),
        (&[(0x01, b"a"), (0x81, b"a")], 1002),
        (&[(0x01, b"a"), (0x02, b"a")], 1002),
        (&[(0x01, b"a"), (0xc0, b"a")], 1002),
        (&[(0x09, b"")], 1002),
        (&[(0x88, b"\x03")], 1002),
        (&[(0x81, b"\xff")], 1007),
        (&[(0x81, b"\xc3")], 1007),
        (&[(0x01, b"a\xc3"), (0x80, b"a")], 1007),
        // Limits.
        (&[(0x82, b"12345678901")], 1009),
        (&[(0x02, b"12345"), (0x80, b"678901")], 1009),
        (
            &[
                (0x02, b""),
                (0x00, b""),
                (0x00, b""),
                (0x00, b""),
                (0x80, b""),
            ],
            1009,
        ),
    ];
    for (frames, code) in cases {
        check(frames, &[], Err(code));
    }
    check(&[(0x81, b"ok"), (0x83, b"")], &[text("ok")], Err(1002));
}

#[test]
fn sizes_are_judged_before_the_payload_is_there() {
    let cases: [(&[u8], usize); 3] = [
        (&[0x81, 0x8b, 0, 0, 0, 0], 10),
        (&[0x81, 0xfe, 1, 1, 0, 0, 0, 0], 256),
        (
            &[
                0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0,
            ],
            65_536,
        ),
    ];
    for (head, message) in cases {
        let limits = Limits { message, ..LIMITS };
        assert_eq!(read(head, 1, &limits).1.map(|_| ()), Err(1009), "{head:x?}");
        let limits = Limits {
            message: message + 1,
            ..LIMITS
        };
        let fits = read(head, 1, &limits).1.is_ok();
        assert_eq!(fits, head[1] != 0xff, "{head:x?}");
    }
}

#[test]
fn text_is_judged_before_its_frame_is_whole() {
    // A surrogate, a character beyond the last, an overlong form.
    for bytes in [b"a\xed\xa0", b"a\xf4\x90", b"a\xe0\x80"] {
        let mut frame = frame(0x01, &[bytes.as_slice(), b"more"].concat());
        frame.truncate(6 + bytes.len());
        assert_eq!(
            read(&frame, 1, &LIMITS).1.map(|_| ()),
            Err(1007),
            "{bytes:x?}"
        );
        frame.truncate(6 + bytes.len() - 1);
        assert!(read(&frame, 1, &LIMITS).1.is_ok(), "{bytes:x?}");
    }
}

#[test]
fn servers_mask_nothing_and_clients_everything() {
    let mut unmasked = Vec::new();
    write_frame(&mut unmasked, Opcode::Text, b"hi");
    write_close(&mut unmasked, 1001, "");
    let masked = frame(0x81, b"hi");
    for (role, good, bad) in [
        (Role::Server, &masked, &unmasked),
        (Role::Client, &unmasked, &masked),
    ] {
        let mut decoder = Decoder::new(role);
        let event = decoder.next(&mut good.clone().as_mut_slice(), &LIMITS, None);
        assert_eq!(event, Ok(Some(text("hi"))));
        let refused = decoder.next(&mut bad.clone().as_mut_slice(), &LIMITS, None);
        assert_eq!(refused.map_err(|violation| violation.code), Err(1002));
    }
}

#[test]
fn nothing_is_kept_when_nothing_is_under_way() {
    assert!(size_of::<Decoder>() <= 16);
    let bytes = frame(0x81, b"hi");
    for count in 0..=bytes.len() {
        let decoder = read(&bytes[..count], 1, &LIMITS).1.unwrap();
        assert_eq!(
            decoder.is_idle(),
            count == 0 || count == bytes.len(),
            "{count}"
        );
    }
    let begun = read(&frame(0x01, b"hi"), 99, &LIMITS).1.unwrap();
    assert!(!begun.is_idle());
}

#[test]
fn memory_grows_with_what_arrived() {
    let limits = Limits {
        message: 1 << 30,
        fragments: 4,
    };
    let head = Head {
        last: true,
        compressed: false,
        opcode: Opcode::Binary,
        mask: Some(KEY),
        length: 1 << 30,
    };
    let mut bytes = Vec::new();
    head.write(&mut bytes);
    bytes.resize(bytes.len() + 1_000, 0);
    let decoder = read(&bytes, 100, &limits).1.unwrap();
    assert!(decoder.pending.unwrap().held() <= 2_000);
}
