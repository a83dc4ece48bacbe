//! Golden frames of every request: one meaning, two formats.

mod session;

use bytes::Bytes;
use tidegate_codec::{
    Command, Format, Frame, HistoryRequest, PublishRequest, Request, RpcRequest, StreamPosition,
};

use crate::wire::{bytes, delimited, message, number};

/// `body` is the text of the one key beside the id, wrapped at will, `fields` what follows the id on the wire.
#[track_caller]
fn check(body: &str, fields: &[Vec<u8>], request: Request) {
    let expected = Ok(vec![Frame::Command(Command { id: 7, request })]);
    let line = Bytes::from(format!(r#"{{"id":7,{body}}}"#).replace('\n', ""));
    assert_eq!(Format::Json.decode(&line, 1), expected, "{body}");
    let message = [number(1, 7), fields.concat()].concat();
    assert_eq!(
        Format::Protobuf.decode(&delimited(message).into(), 1),
        expected,
        "{body}"
    );
}

fn position(offset: u64, epoch: &str) -> StreamPosition {
    StreamPosition {
        offset,
        epoch: epoch.to_owned(),
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn requests_of_a_channel_alone() {
    let channel = || text("c");
    for (name, field, request) in [
        (
            "unsubscribe",
            6,
            Request::Unsubscribe { channel: channel() },
        ),
        ("presence", 8, Request::Presence { channel: channel() }),
        (
            "presence_stats",
            9,
            Request::PresenceStats { channel: channel() },
        ),
    ] {
        let body = format!(r#""{name}":{{"channel":"c"}}"#);
        check(&body, &[message(field, &[bytes(1, "c")])], request);
    }
}

#[test]
fn publish() {
    check(
        r#""publish":{"channel":"c","data": "x" ,"type":1,"key":"k","removed":true}"#,
        &[message(
            7,
            &[
                bytes(1, "c"),
                bytes(2, "\"x\""),
                number(3, 1),
                bytes(4, "k"),
            ],
        )],
        Request::Publish(PublishRequest {
            channel: text("c"),
            data: "\"x\"".into(),
            kind: 1,
        }),
    );
}

#[test]
fn history() {
    let request = |limit, since, reverse| {
        Request::History(HistoryRequest {
            channel: text("c"),
            limit,
            since,
            reverse,
        })
    };
    check(
        r#""history":{"channel":"c"}"#,
        &[message(10, &[bytes(1, "c")])],
        request(0, None, false),
    );
    check(
        r#""history":{"channel":"c","since":{}}"#,
        &[message(10, &[bytes(1, "c"), bytes(8, "")])],
        request(0, Some(StreamPosition::default()), false),
    );
    let since = message(8, &[number(1, 3), bytes(2, "e")]);
    check(
        r#""history":{"channel":"c","limit":-1,"since":{"offset":3,"epoch":"e"},"reverse":true}"#,
        &[message(
            10,
            &[bytes(1, "c"), number(7, u64::MAX), since, number(9, 1)],
        )],
        request(-1, Some(position(3, "e")), true),
    );
}

#[test]
fn application_payloads() {
    let payload = || Bytes::from_static(b"{\"k\":1}");
    check(
        r#""send":{"data":{"k":1}}"#,
        &[message(12, &[bytes(1, payload())])],
        Request::Send { data: payload() },
    );
    check(
        r#""rpc":{"method":"m","data":{"k":1}}"#,
        &[message(13, &[bytes(1, payload()), bytes(2, "m")])],
        Request::Rpc(RpcRequest {
            method: text("m"),
            data: payload(),
        }),
    );
}

#[test]
fn no_known_body() {
    check(r#""ping":{}"#, &[bytes(11, "")], Request::Unknown);
    check(
        r#""future":{"deep":[{}]}"#,
        &[bytes(100, "x")],
        Request::Unknown,
    );
    check(r#""connect":null"#, &[], Request::Unknown);
}

#[test]
fn of_several_bodies_the_first_in_the_schema_counts() {
    let unsubscribe = || Request::Unsubscribe { channel: text("c") };
    check(
        r#""rpc":{"method":"m"},"connect":null,"presence":{},"unsubscribe":{"channel":"c"}"#,
        &[bytes(13, ""), bytes(8, ""), message(6, &[bytes(1, "c")])],
        unsubscribe(),
    );
    check(
        r#""send":{},"ping":{}"#,
        &[bytes(12, ""), bytes(11, "")],
        Request::Unknown,
    );
}
