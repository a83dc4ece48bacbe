//! Frames that are refused, why, and that nothing of their contents gets into the message.

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_codec::{DecodeError, Format};

use crate::wire::{bytes, delimited, message, number};

const SECRET: &str = "hunter2";

/// Checks that `frame` is refused for a reason that begins with `expected`, in the message at `offset`.
#[track_caller]
fn check(format: Format, frame: impl Into<Bytes>, offset: usize, expected: &str) {
    let frame = frame.into();
    let error = format.decode(&frame, 8).expect_err("the frame is faulty");
    let DecodeError::Malformed {
        format: named,
        offset: at,
        reason,
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((*named, *at), (format, offset), "{reason}");
    assert!(reason.starts_with(expected), "{reason:?} for {frame:?}");
    assert!(!error.to_string().contains(SECRET), "{error}");
}

#[test]
fn json() {
    for (line, expected) in [
        ("hunter2", "not JSON at column 1"),
        ("{\"id\":1} hunter2", "not JSON at column 10"),
        ("{\"id\":1", "incomplete JSON at column 7"),
        ("{\"connect\":{\"token\":\"hunter2", "incomplete JSON"),
        ("{\"id\":\"hunter2\"}", "unexpected value at column 15"),
        ("{\"id\":-1}", "unexpected value"),
        ("{\"id\":4294967296}", "unexpected value"),
        ("{\"id\":1.5}", "unexpected value"),
        ("{\"id\":1,\"id\":1}", "unexpected value"),
        ("{\"id\":null,\"id\":1}", "unexpected value"),
        ("null", "unexpected value"),
        ("\"hunter2\"", "unexpected value"),
        ("[1]", "unexpected value"),
        ("{\"connect\":\"hunter2\"}", "unexpected value"),
        ("{\"connect\":{\"token\":7}}", "unexpected value"),
        ("{\"connect\":{\"headers\":{\"h\":1}}}", "unexpected value"),
        (
            "{\"connect\":{\"headers\":{\"hunter2\":\"a\",\"hunter2\":\"b\"}}}",
            "unexpected value",
        ),
        (
            "{\"connect\":{\"subs\":{\"hunter2\":[]}}}",
            "unexpected value",
        ),
        ("{\"unsubscribe\":[\"hunter2\"]}", "unexpected value"),
        ("{\"history\":{\"since\":[1,\"e\"]}}", "unexpected value"),
        (
            "{\"subscribe\":{\"offset\":18446744073709551616}}",
            "unexpected value",
        ),
        ("{\"subscribe\":{\"recover\":1}}", "unexpected value"),
        ("{\"subscribe\":{\"tf\":\"hunter2\"}}", "unexpected value"),
        ("{\"publish\":{\"data\":hunter2}}", "not JSON"),
        ("{\"publish\":{\"data\":1,\"data\":2}}", "unexpected value"),
    ] {
        check(Format::Json, line, 0, expected);
        check(Format::Json, format!("{{}}\n \n{line}\n"), 5, expected);
    }
}

#[test]
fn json_that_is_not_unicode() {
    check(
        Format::Json,
        &b"{}\n{\"future\":\"\xff\"}"[..],
        3,
        "not UTF-8 at column 12",
    );
    check(
        Format::Json,
        &b"{\"send\":{\"data\":\"\xc3\"}}"[..],
        0,
        "not UTF-8",
    );
}

#[test]
fn protobuf() {
    let token = |token: &[u8]| delimited(message(4, &[bytes(1, token)]));
    let secret = |end: &[u8]| token(&[SECRET.as_bytes(), end].concat());
    let pong = [0];
    for message in [
        secret(b"\xff"),
        vec![1],
        vec![0xff],
        vec![0xff; 11],
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(),
        delimited(b"\x22\x05\x0a\x07hun"),
        delimited(b"\x22\xff\xff\xff\xff\x0f"),
        delimited(b"\x0a\x07hunter2"),
        delimited(number(0, 1)),
        delimited(b"\x0f"),
        delimited(message(5, &[number(1, 7)])),
        delimited(b"\x08"),
        secret(b"")[..6].to_vec(),
    ] {
        check(Format::Protobuf, [&pong[..], &message].concat(), 1, "");
    }
    check(
        Format::Protobuf,
        vec![2, 8],
        0,
        "message is longer than what is left",
    );
}

#[test]
fn frames_without_a_message() {
    for frame in ["", "\n", " \r\n\t\n"] {
        assert_eq!(
            Format::Json.decode(&frame.into(), 8),
            Err(DecodeError::Empty),
            "{frame:?}"
        );
    }
    assert_eq!(
        Format::Protobuf.decode(&Bytes::new(), 8),
        Err(DecodeError::Empty)
    );
}

#[test]
fn more_messages_than_the_limit() {
    for (format, two, three) in [
        (Format::Json, "{}\n{}\n\n", "{}\n{}\n{}"),
        (Format::Protobuf, "\0\0", "\0\0\0"),
    ] {
        let count = |frame: &'static str, limit| Ok(format.decode(&frame.into(), limit)?.len());
        assert_eq!(count(two, 2), Ok(2), "{format:?}");
        for (frame, limit) in [(three, 2), (two, 1), (two, 0)] {
            assert_eq!(
                count(frame, limit),
                Err(DecodeError::TooMany { limit }),
                "{format:?}"
            );
        }
    }
}

#[test]
fn deep_nesting_does_not_use_the_stack() {
    const DEPTH: usize = 1 << 20;
    let open = "[".repeat(DEPTH);
    check(Format::Json, open.clone(), 0, "unexpected value");
    check(
        Format::Json,
        format!("{{\"id\":{open}"),
        0,
        "unexpected value",
    );
    check(
        Format::Json,
        format!("{{\"send\":{{\"data\":{open}"),
        0,
        "incomplete JSON",
    );
    check(
        Format::Json,
        format!("{{\"future\":{open}"),
        0,
        "incomplete JSON",
    );
    check(
        Format::Json,
        format!("{{\"subscribe\":{{\"tf\":{{\"nodes\":{open}"),
        0,
        "incomplete JSON",
    );
    let closed = format!("{open}{}", "]".repeat(DEPTH));
    assert!(Format::Json.accepts(closed.as_bytes()));
    let frame = Bytes::from(format!("{{\"send\":{{\"data\":{closed}}}}}"));
    assert_eq!(
        Format::Json.decode(&frame, 1).map(|frames| frames.len()),
        Ok(1)
    );
}

#[test]
fn filters_nested_too_deeply_are_refused() {
    let filter = |depth| (0..depth).fold(Vec::new(), |inner, _| bytes(6, inner));
    let frame = |depth| Bytes::from(delimited(message(5, &[bytes(13, filter(depth))])));
    assert!(Format::Protobuf.decode(&frame(20), 1).is_ok());
    check(Format::Protobuf, frame(10_000), 0, "");
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
        let frame = Bytes::from(data);
        for format in [Format::Json, Format::Protobuf] {
            if let Ok(frames) = format.decode(&frame, 4) {
                prop_assert!((1..=4).contains(&frames.len()));
            }
        }
    }
}
