//! Replies about the session and its subscriptions.

use bytes::Bytes;
use tidegate_codec::{
    ConnectResult, Publication, RefreshResult, SubRefreshResult, SubscribeResult, Success,
};

use super::{check, text};
use crate::wire::{bytes, entry, message, number};

#[test]
fn connect() {
    let sub = SubscribeResult {
        recoverable: true,
        offset: 3,
        ..SubscribeResult::default()
    };
    let result = ConnectResult {
        client: text("id"),
        version: text("1.0"),
        expires: true,
        ttl: 60,
        data: Bytes::from("{}"),
        subs: [(text("ä"), sub), (text("ö"), SubscribeResult::default())].into(),
        ping: 25,
        pong: true,
        session: text("s"),
        node: text("n"),
        time: -1,
    };
    let fields = [
        [
            bytes(1, "id"),
            bytes(2, "1.0"),
            number(3, 1),
            number(4, 60),
            bytes(5, "{}"),
        ]
        .concat(),
        entry(6, "ä", [number(3, 1), number(9, 3)].concat()),
        // Not left out although it is empty: SDKs would read null.
        entry(6, "ö", []),
        [
            number(7, 25),
            number(8, 1),
            bytes(9, "s"),
            bytes(10, "n"),
            number(11, u64::MAX),
        ]
        .concat(),
    ];
    check(
        Ok(Success::Connect(Box::new(result))),
        r#""connect":{"client":"id","version":"1.0","expires":true,"ttl":60,"data":{},"subs":{"ä":{"recoverable":true,"offset":3},"ö":{}},"ping":25,"pong":true,"session":"s","node":"n","time":-1}"#,
        &[message(5, &fields)],
    );
}

#[test]
fn subscribe() {
    let publication = Publication {
        data: "1".into(),
        offset: 1,
        ..Publication::default()
    };
    let result = SubscribeResult {
        expires: true,
        ttl: 5,
        recoverable: true,
        epoch: text("e"),
        publications: vec![publication.into(), Publication::default().into()],
        recovered: true,
        offset: u64::MAX,
        positioned: true,
        data: Bytes::from("null"),
        was_recovering: true,
        delta: true,
    };
    let fields = [
        [number(1, 1), number(2, 5), number(3, 1), bytes(6, "e")].concat(),
        [
            message(7, &[bytes(4, "1"), number(6, 1)]),
            bytes(7, ""),
            number(8, 1),
        ]
        .concat(),
        [
            number(9, u64::MAX),
            number(10, 1),
            bytes(11, "null"),
            number(12, 1),
            number(13, 1),
        ]
        .concat(),
    ];
    check(
        Ok(Success::Subscribe(Box::new(result))),
        r#""subscribe":{"expires":true,"ttl":5,"recoverable":true,"epoch":"e","publications":[{"data":1,"offset":1},{}],"recovered":true,"offset":18446744073709551615,"positioned":true,"data":null,"was_recovering":true,"delta":true}"#,
        &[message(6, &fields)],
    );
}

#[test]
fn refreshes() {
    let refresh = RefreshResult {
        client: text("id"),
        version: text("1"),
        expires: true,
        ttl: 9,
    };
    check(
        Ok(Success::Refresh(refresh)),
        r#""refresh":{"client":"id","version":"1","expires":true,"ttl":9}"#,
        &[message(
            14,
            &[bytes(1, "id"), bytes(2, "1"), number(3, 1), number(4, 9)],
        )],
    );
    check(
        Ok(Success::SubRefresh(SubRefreshResult {
            expires: true,
            ttl: 9,
        })),
        r#""sub_refresh":{"expires":true,"ttl":9}"#,
        &[message(15, &[number(1, 1), number(2, 9)])],
    );
}
