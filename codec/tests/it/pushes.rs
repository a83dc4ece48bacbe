//! Golden messages of every push.

use bytes::Bytes;
use tidegate_codec::{
    ClientInfo, Event, Format, Publication, Push, ServerSubscription, UnsubscribeCode, Unsubscribed,
};

use crate::wire::{bytes, delimited, entry, message, number};

/// `body` is the text of the one key beside the channel, `fields` what follows the channel on the wire.
#[track_caller]
fn check(event: Event, body: &str, fields: &[Vec<u8>]) {
    let push = Push {
        channel: "c".to_owned(),
        event,
    };
    let line = Format::Json.encode_push(&push).expect("payloads are JSON");
    assert_eq!(line, format!(r#"{{"push":{{"channel":"c",{body}}}}}"#));
    let encoded = Format::Protobuf
        .encode_push(&push)
        .expect("all bytes are payloads");
    assert_eq!(
        encoded,
        delimited(message(4, &[bytes(2, "c"), fields.concat()])),
        "{body}"
    );
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn publications() {
    check(
        Event::Publication(Publication::default()),
        r#""pub":{}"#,
        &[bytes(4, "")],
    );
    let publication = Publication {
        data: Bytes::from(r#"{"text":"ü😀"}"#),
        info: Some(ClientInfo {
            user: text("u"),
            client: text("id"),
            conn_info: "1".into(),
            chan_info: "2".into(),
        }),
        offset: u64::MAX,
        tags: [(text("k"), text("v")), (text("empty"), text(""))].into(),
        delta: true,
        time: i64::MAX,
        channel: text("d\n"),
        epoch: text("e"),
    };
    let info = [bytes(1, "u"), bytes(2, "id"), bytes(3, "1"), bytes(4, "2")];
    let fields = [
        [
            bytes(4, r#"{"text":"ü😀"}"#),
            message(5, &info),
            number(6, u64::MAX),
        ]
        .concat(),
        [
            message(7, &[bytes(1, "empty")]),
            entry(7, "k", "v"),
            number(8, 1),
        ]
        .concat(),
        [number(9, u64::MAX >> 1), bytes(10, "d\n"), bytes(14, "e")].concat(),
    ];
    check(
        Event::Publication(publication),
        r#""pub":{"data":{"text":"ü😀"},"info":{"user":"u","client":"id","conn_info":1,"chan_info":2},"offset":18446744073709551615,"tags":{"empty":"","k":"v"},"delta":true,"time":9223372036854775807,"channel":"d\n","epoch":"e"}"#,
        &[message(4, &fields)],
    );
}

#[test]
fn join_and_leave_name_user_and_client_even_when_empty() {
    let body = r#"{"info":{"user":"","client":""}}"#;
    let info = message(1, &[]);
    check(
        Event::Join(ClientInfo::default()),
        &format!(r#""join":{body}"#),
        &[message(5, std::slice::from_ref(&info))],
    );
    check(
        Event::Leave(ClientInfo::default()),
        &format!(r#""leave":{body}"#),
        &[message(6, &[info])],
    );
}

#[test]
fn unsubscribe() {
    let code = UnsubscribeCode::InsufficientState;
    check(
        Event::Unsubscribe(Unsubscribed {
            code: code.code(),
            reason: text(code.message()),
        }),
        r#""unsubscribe":{"code":2500,"reason":"insufficient state"}"#,
        &[message(
            7,
            &[number(2, 2500), bytes(3, "insufficient state")],
        )],
    );
}

#[test]
fn message_to_a_connection() {
    let data = Bytes::from("[]");
    check(
        Event::Message { data },
        r#""message":{"data":[]}"#,
        &[message(8, &[bytes(1, "[]")])],
    );
}

#[test]
fn subscribe() {
    check(
        Event::Subscribe(ServerSubscription::default()),
        r#""subscribe":{}"#,
        &[bytes(9, "")],
    );
    let subscription = ServerSubscription {
        recoverable: true,
        epoch: text("e"),
        offset: 4,
        positioned: true,
        data: "0".into(),
    };
    check(
        Event::Subscribe(subscription),
        r#""subscribe":{"recoverable":true,"epoch":"e","offset":4,"positioned":true,"data":0}"#,
        &[message(
            9,
            &[
                number(1, 1),
                bytes(4, "e"),
                number(5, 4),
                number(6, 1),
                bytes(7, "0"),
            ],
        )],
    );
}

#[test]
fn disconnect() {
    check(
        Event::Disconnect {
            code: 3000,
            reason: text("bye"),
            reconnect: true,
        },
        r#""disconnect":{"code":3000,"reason":"bye","reconnect":true}"#,
        &[message(
            11,
            &[number(1, 3000), bytes(2, "bye"), number(3, 1)],
        )],
    );
}

#[test]
fn an_empty_channel_is_left_out() {
    let push = Push {
        channel: String::new(),
        event: Event::Refresh {
            expires: true,
            ttl: 60,
        },
    };
    let line = Format::Json.encode_push(&push).unwrap();
    assert_eq!(line, r#"{"push":{"refresh":{"expires":true,"ttl":60}}}"#);
    let encoded = Format::Protobuf.encode_push(&push).unwrap();
    assert_eq!(encoded, &b"\x08\x22\x06\x62\x04\x08\x01\x10\x3c"[..]);
}
