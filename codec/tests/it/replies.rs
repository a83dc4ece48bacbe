//! Golden messages of every reply.

mod session;

use std::collections::BTreeMap;

use bytes::Bytes;
use tidegate_codec::{
    ClientInfo, ErrorCode, Failure, Format, Publication, RefreshResult, Reply, SubRefreshResult,
    Success,
};

use crate::wire::{bytes, delimited, entry, message, number};

/// `body` is the text of the one key beside the id, `fields` what follows the id on the wire.
#[track_caller]
fn check(outcome: Result<Success, Failure>, body: &str, fields: &[Vec<u8>]) {
    let reply = Reply {
        id: u32::MAX,
        outcome,
    };
    let line = Format::Json
        .encode_reply(&reply)
        .expect("payloads are JSON");
    assert_eq!(line, format!(r#"{{"id":4294967295,{body}}}"#));
    let encoded = Format::Protobuf
        .encode_reply(&reply)
        .expect("all bytes are payloads");
    assert_eq!(
        encoded,
        delimited([number(1, 0xffff_ffff), fields.concat()].concat()),
        "{body}"
    );
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn failures() {
    check(
        Err(ErrorCode::Internal.into()),
        r#""error":{"code":100,"message":"internal server error","temporary":true}"#,
        &[message(
            2,
            &[
                number(1, 100),
                bytes(2, "internal server error"),
                number(3, 1),
            ],
        )],
    );
    check(
        Err(Failure {
            code: 400,
            message: String::new(),
            temporary: false,
        }),
        r#""error":{"code":400}"#,
        &[message(2, &[number(1, 400)])],
    );
}

#[test]
fn empty_results_are_written() {
    check(
        Ok(Success::Connect(Box::default())),
        r#""connect":{}"#,
        &[bytes(5, "")],
    );
    check(
        Ok(Success::Subscribe(Box::default())),
        r#""subscribe":{}"#,
        &[bytes(6, "")],
    );
    check(
        Ok(Success::Unsubscribe),
        r#""unsubscribe":{}"#,
        &[bytes(7, "")],
    );
    check(Ok(Success::Publish), r#""publish":{}"#, &[bytes(8, "")]);
    check(
        Ok(Success::Presence(BTreeMap::new())),
        r#""presence":{"presence":{}}"#,
        &[bytes(9, "")],
    );
    check(
        Ok(Success::PresenceStats {
            clients: 0,
            users: 0,
        }),
        r#""presence_stats":{"num_clients":0,"num_users":0}"#,
        &[bytes(10, "")],
    );
    check(
        Ok(Success::History {
            publications: Vec::new(),
            epoch: String::new(),
            offset: 0,
        }),
        r#""history":{"publications":[],"epoch":"","offset":0}"#,
        &[bytes(11, "")],
    );
    check(
        Ok(Success::Rpc { data: Bytes::new() }),
        r#""rpc":{}"#,
        &[bytes(13, "")],
    );
    check(
        Ok(Success::Refresh(RefreshResult::default())),
        r#""refresh":{}"#,
        &[bytes(14, "")],
    );
    check(
        Ok(Success::SubRefresh(SubRefreshResult::default())),
        r#""sub_refresh":{}"#,
        &[bytes(15, "")],
    );
}

#[test]
fn presence() {
    let info = ClientInfo {
        conn_info: "[1]".into(),
        ..ClientInfo::default()
    };
    check(
        Ok(Success::Presence([(text("id"), info)].into())),
        r#""presence":{"presence":{"id":{"user":"","client":"","conn_info":[1]}}}"#,
        &[message(9, &[entry(1, "id", bytes(3, "[1]"))])],
    );
    check(
        Ok(Success::PresenceStats {
            clients: 3,
            users: 2,
        }),
        r#""presence_stats":{"num_clients":3,"num_users":2}"#,
        &[message(10, &[number(1, 3), number(2, 2)])],
    );
}

#[test]
fn history() {
    let publication = Publication {
        data: "\"x\"".into(),
        offset: 7,
        ..Publication::default()
    };
    check(
        Ok(Success::History {
            publications: vec![publication],
            epoch: text("e"),
            offset: 9,
        }),
        r#""history":{"publications":[{"data":"x","offset":7}],"epoch":"e","offset":9}"#,
        &[message(
            11,
            &[
                message(1, &[bytes(4, "\"x\""), number(6, 7)]),
                bytes(2, "e"),
                number(3, 9),
            ],
        )],
    );
}

#[test]
fn ids_of_zero_are_left_out() {
    let reply = Reply {
        id: 0,
        outcome: Ok(Success::Publish),
    };
    assert_eq!(
        Format::Json.encode_reply(&reply).unwrap(),
        r#"{"publish":{}}"#
    );
    assert_eq!(
        Format::Protobuf.encode_reply(&reply).unwrap(),
        &b"\x02\x42\x00"[..]
    );
}

#[test]
fn rpc() {
    check(
        Ok(Success::Rpc { data: "7".into() }),
        r#""rpc":{"data":7}"#,
        &[message(13, &[bytes(1, "7")])],
    );
}
