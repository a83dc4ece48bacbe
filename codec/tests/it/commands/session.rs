//! Requests about the session and its subscriptions.

use bytes::Bytes;
use tidegate_codec::{
    ConnectRequest, RecoverRequest, RefreshRequest, Request, SubRefreshRequest, SubscribeRequest,
};

use super::{check, position, text};
use crate::wire::{bytes, entry, message, number};

const EVERYTHING: &str = "ünïcode \"quoted\"\nnext";
const EVERYTHING_JSON: &str = r#""ünïcode \"quoted\"\n\u006eext""#;

#[test]
fn connect() {
    check(
        r#""connect":{}"#,
        &[bytes(4, "")],
        Request::Connect(Box::default()),
    );
    let recover = [number(3, 1), bytes(6, "e"), number(7, u64::MAX)].concat();
    check(
        r#""connect":{"token":"t","data":{"a":[]},"name":"js","version":"5","headers":{"h":"v","x":""},
        "subs":{"s":{"recover":true,"epoch":"e","offset":18446744073709551615},"t":{}},"flag":1,"dict":"d"}"#,
        &[message(
            4,
            &[
                bytes(1, "t"),
                bytes(2, r#"{"a":[]}"#),
                entry(3, "s", recover),
                entry(3, "t", ""),
                bytes(4, "js"),
                bytes(5, "5"),
                entry(6, "h", "v"),
                entry(6, "x", ""),
                number(7, 1),
                bytes(8, "d"),
            ],
        )],
        Request::Connect(Box::new(ConnectRequest {
            token: text("t"),
            data: Bytes::from(r#"{"a":[]}"#),
            name: text("js"),
            version: text("5"),
            headers: [(text("h"), text("v")), (text("x"), text(""))].into(),
            subs: [
                (
                    text("s"),
                    RecoverRequest {
                        recover: true,
                        position: position(u64::MAX, "e"),
                    },
                ),
                (text("t"), RecoverRequest::default()),
            ]
            .into(),
        })),
    );
}

#[test]
fn subscribe() {
    check(
        r#""subscribe":{}"#,
        &[bytes(5, "")],
        Request::Subscribe(Box::default()),
    );
    let filter = message(
        13,
        &[bytes(1, "and"), message(6, &[bytes(2, "k"), bytes(5, "v")])],
    );
    let flags = [9, 10, 11].map(|field| number(field, 1)).concat();
    let strings = [
        bytes(1, EVERYTHING),
        bytes(2, "t"),
        number(3, 1),
        bytes(6, "e"),
    ]
    .concat();
    let rest = [bytes(12, "fossil"), filter, number(14, 3), number(15, 4)].concat();
    check(
        &format!(
            r#""subscribe":{{"channel":{EVERYTHING_JSON},"token":"t","recover":true,"epoch":"e","offset":9,
            "data":[1, 2],"positioned":true,"recoverable":true,"join_leave":true,"delta":"fossil",
            "tf":{{"op":"and","nodes":[{{"key":"k","vals":["v"]}}]}},"flag":3,"type":4}}"#
        ),
        &[message(
            5,
            &[strings, number(7, 9), bytes(8, "[1, 2]"), flags, rest],
        )],
        Request::Subscribe(Box::new(SubscribeRequest {
            channel: text(EVERYTHING),
            token: text("t"),
            recover: true,
            position: position(9, "e"),
            data: Bytes::from("[1, 2]"),
            positioned: true,
            recoverable: true,
            join_leave: true,
            delta: text("fossil"),
            tags_filter: true,
            flag: 3,
            kind: 4,
        })),
    );
}

#[test]
fn refreshes() {
    check(
        r#""refresh":{"token":"t"}"#,
        &[message(14, &[bytes(1, "t")])],
        Request::Refresh(RefreshRequest { token: text("t") }),
    );
    let items = message(
        4,
        &[bytes(1, "s"), message(2, &[bytes(1, "k"), number(2, 9)])],
    );
    check(
        r#""sub_refresh":{"channel":"c","token":"t","type":1,"track":[{"signature":"s"}],"untrack":["u"]}"#,
        &[message(
            15,
            &[
                bytes(1, "c"),
                bytes(2, "t"),
                number(3, 1),
                items,
                bytes(5, "u"),
            ],
        )],
        Request::SubRefresh(SubRefreshRequest {
            channel: text("c"),
            token: text("t"),
            kind: 1,
        }),
    );
}
