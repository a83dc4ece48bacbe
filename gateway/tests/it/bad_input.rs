//! Frames that break a rule: each ends its own connection, with the code that says why, and nobody else's.

mod heads;
mod memory;
mod random;
mod sizes;

use std::net::SocketAddr;

use crate::bystander::Bystander;
use crate::command::{Format, Message, Request};
use crate::raw::{
    BINARY, CLOSE, CONTINUATION, End, FINAL, Incoming, PING, PONG, Raw, TEXT, frame, text,
};
use crate::site::Site;
use crate::token;

/// What is wrong, the bytes, the close code.
type Case<'a> = (&'a str, Vec<u8>, u16);

/// A connection on which anything may be sent: its connect is answered.
async fn connected(address: SocketAddr, format: Format) -> Raw {
    let (query, opcode) = match format {
        Format::Json => ("format=json", TEXT),
        Format::Protobuf => ("format=protobuf", BINARY),
    };
    let mut raw = Raw::open(address, query).await;
    let connect = format.encode(1, &Request::Connect(token::of("mallory")));
    raw.write(&frame(FINAL | opcode, &connect)).await;
    let Incoming::Frame(_, reply) = raw.next().await else {
        panic!("connect was not answered");
    };
    let reply = &format.decode(&reply)[0];
    assert!(
        matches!(
            reply,
            Message::Reply {
                id: 1,
                error: None,
                ..
            }
        ),
        "{reply:?}"
    );
    raw
}

/// Sends each case on a connection of its own. Those that break the WebSocket protocol are counted as such, and no others.
async fn check(format: Format, cases: Vec<Case<'_>>) {
    let site = Site::start();
    let mut bystander = Bystander::arrive(site.address()).await;
    let breaks = |(_, _, code): &&Case<'_>| *code < 3_000;
    let broken = cases.iter().filter(breaks).count() as u64;
    for (what, bytes, code) in cases {
        let mut raw = connected(site.address(), format).await;
        raw.write(&bytes).await;
        assert_eq!(raw.end().await, End::Close(code), "{what}");
        drop(raw);
        bystander.check(what).await;
    }
    site.until_metric("tidegate_protocol_errors", broken).await;
    bystander.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn broken_framing_is_closed_with_1002() {
    let close = |payload: &[u8]| frame(FINAL | CLOSE, payload);
    let text_begun = frame(TEXT, b"{\"id\":2,");
    let mut cases = vec![
        ("unmasked", vec![FINAL | TEXT, 2, b'{', b'}'], 1002),
        ("ping of 126 bytes", frame(FINAL | PING, &[0; 126]), 1002),
        (
            "pong of 70,000 bytes",
            frame(FINAL | PONG, &[0; 70_000]),
            1002,
        ),
        ("close of 126 bytes", close(&[3; 126]), 1002),
        ("fragmented ping", frame(PING, b"x"), 1002),
        ("fragmented close", frame(CLOSE, b""), 1002),
        ("close with half a code", close(&[3]), 1002),
        (
            "close with a code that must not be sent",
            close(&[3, 237]),
            1002,
        ),
        (
            "end of a message that did not begin",
            frame(FINAL | CONTINUATION, b"{}"),
            1002,
        ),
        (
            "middle of a message that did not begin",
            frame(CONTINUATION, b"{}"),
            1002,
        ),
        (
            "whole message inside of another",
            [text_begun.clone(), text("{}")].concat(),
            1002,
        ),
        (
            "begin of a message inside of another",
            [text_begun.clone(), frame(BINARY, b"x")].concat(),
            1002,
        ),
    ];
    for bits in [0x40, 0x20, 0x10, 0x70] {
        cases.push(("reserved bits", frame(FINAL | TEXT | bits, b"{}"), 1002));
    }
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        cases.push(("reserved opcode", frame(FINAL | opcode, b""), 1002));
        cases.push(("reserved opcode in fragments", frame(opcode, b"x"), 1002));
    }
    check(Format::Json, cases).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    let halves = [
        frame(TEXT, b"{\"a\":\"\xff"),
        frame(FINAL | CONTINUATION, b"\"}"),
    ];
    let cases = vec![
        (
            "a byte that UTF-8 has not",
            text(b"{\"id\":2,\"x\":\"\xff\"}"),
            1007,
        ),
        (
            "a surrogate",
            text(b"{\"id\":2,\"x\":\"\xed\xa0\x80\"}"),
            1007,
        ),
        ("a character cut off", text(b"\xe2\x82"), 1007),
        ("in fragments", halves.concat(), 1007),
    ];
    check(Format::Json, cases).await;
}

#[tokio::test]
async fn a_character_may_be_split_between_fragments() {
    let site = Site::start();
    let mut raw = connected(site.address(), Format::Json).await;
    raw.write(&frame(
        TEXT,
        b"{\"id\":2,\"unsubscribe\":{\"channel\":\"\xe2",
    ))
    .await;
    raw.write(&frame(FINAL | PING, b"between")).await;
    raw.write(&frame(FINAL | CONTINUATION, b"\x82\xac\"}}"))
        .await;
    assert_eq!(raw.next().await, Incoming::Frame(PONG, b"between".to_vec()));
    let reply = Incoming::Frame(TEXT, b"{\"id\":2,\"unsubscribe\":{}}".to_vec());
    assert_eq!(raw.next().await, reply);
    drop(raw);
    site.stop().await;
}

#[tokio::test]
async fn malformed_json_is_closed_with_3501() {
    let deep = |open: &str, depth| open.repeat(depth);
    let mut cases: Vec<Case<'_>> = vec![
        ("binary", frame(FINAL | BINARY, b"{}"), 3506),
        ("empty binary", frame(FINAL | BINARY, b""), 3506),
        ("empty", text(""), 3501),
        (
            "more commands than allowed",
            text("{\"id\":2,\"unsubscribe\":{\"channel\":\"a\"}}\n".repeat(1_001)),
            3501,
        ),
        ("30,000 open brackets", text(deep("[", 30_000)), 3501),
        (
            "open brackets in a payload",
            text(format!(
                "{{\"id\":2,\"rpc\":{{\"data\":{}",
                deep("[", 60_000)
            )),
            3501,
        ),
        (
            "open objects in an unknown key",
            text(format!("{{\"id\":2,\"x\":{}", deep("{\"x\":", 10_000))),
            3501,
        ),
    ];
    for line in [
        "\n\n",
        "null",
        "1",
        "\"x\"",
        "[]",
        "{",
        "{}}",
        "{\"id\":}",
        "{\"id\":-1}",
        "{\"id\":1.5}",
        "{\"id\":4294967296}",
        "{\"id\":2,\"subscribe\":[\"chat:a\"]}",
        "{\"id\":2,\"subscribe\":{\"channel\":7}}",
        "{\"id\":2,\"id\":3}",
        "{\"id\":2}",
        "{\"id\":2,\"ping\":{}}",
        "{\"unsubscribe\":{\"channel\":\"a\"}}",
        "{'id':2}",
        "\u{feff}{}",
        "{} {}",
    ] {
        cases.push((line, text(line), 3501));
    }
    check(Format::Json, cases).await;
}

#[tokio::test]
async fn malformed_protobuf_is_closed_with_3501() {
    let whole = Format::Protobuf.encode(2, &Request::Unsubscribe("chat:a".to_owned()));
    let binary = |payload: &[u8]| frame(FINAL | BINARY, payload);
    let mut cases: Vec<Case<'_>> = vec![
        ("text", text("{}"), 3501),
        ("empty text", text(""), 3501),
        ("empty", binary(b""), 3501),
        ("a length without end", binary(&[0xff; 11]), 3501),
        (
            "a length of 2^63",
            binary(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
            3501,
        ),
        ("a length beyond the frame", binary(&[100, 8, 2]), 3501),
        ("a field of a wire type that is none", binary(&[1, 7]), 3501),
        (
            "1,000 groups in each other",
            binary(&[&[0xe8, 0x07][..], &[0x0b; 1_000]].concat()),
            3501,
        ),
        (
            "a channel that is not UTF-8",
            binary(&[7, 8, 2, 0x32, 3, 10, 1, 0xff]),
            3501,
        ),
        (
            "more commands than allowed",
            binary(&whole.repeat(1_001)),
            3501,
        ),
    ];
    for length in 1..whole.len() {
        cases.push(("cut off", binary(&whole[..length]), 3501));
    }
    check(Format::Protobuf, cases).await;
}

#[tokio::test]
async fn deep_nesting_in_a_payload_does_no_harm() {
    let site = Site::start();
    let nested = "[".repeat(30_000) + &"]".repeat(30_000);
    let mut bystander = Bystander::arrive(site.address()).await;
    let mut raw = connected(site.address(), Format::Json).await;
    raw.write(&text(format!("{{\"id\":2,\"rpc\":{{\"data\":{nested}}}}}")))
        .await;
    let refusal = b"{\"id\":2,\"error\":{\"code\":108,\"message\":\"not available\"}}";
    assert_eq!(raw.next().await, Incoming::Frame(TEXT, refusal.to_vec()));
    let publish =
        format!("{{\"id\":3,\"publish\":{{\"channel\":\"chat:deep\",\"data\":{nested}}}}}");
    raw.write(&text(publish)).await;
    let reply = b"{\"id\":3,\"publish\":{}}";
    assert_eq!(raw.next().await, Incoming::Frame(TEXT, reply.to_vec()));
    drop(raw);
    bystander.check("deep nesting").await;
    bystander.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn a_frame_that_is_cut_off_leaves_nothing_behind() {
    let site = Site::start();
    let mut bystander = Bystander::arrive(site.address()).await;
    let whole = text("{\"id\":2,\"unsubscribe\":{\"channel\":\"chat:a\"}}");
    for length in 0..whole.len() {
        let mut raw = connected(site.address(), Format::Json).await;
        raw.write(&whole[..length]).await;
        raw.finish().await;
        assert_eq!(raw.end().await, End::Cut, "after {length} bytes");
    }
    bystander.check("frames that are cut off").await;
    bystander.leave().await;
    site.stop().await;
}
