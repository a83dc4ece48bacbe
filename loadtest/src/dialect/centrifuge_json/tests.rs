use super::*;
use crate::dialect::testing::{Said, opening, receive, sent};

#[test]
fn connect_and_subscriptions_are_one_frame() {
    let dialect = CentrifugeJson::default();
    let mut opening = opening(&["a-0", "a-1"]);
    opening.token = Some("token".into());
    let position = Position {
        epoch: "e".into(),
        offset: 7,
    };
    opening.subscriptions[1].recovery = Recovery::From(position);
    let frames = sent(|frames| dialect.open(&opening, frames));
    let [frame] = &frames[..] else {
        panic!("{frames:?}");
    };
    let lines: Vec<serde_json::Value> = frame
        .split(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let expected = [
        json!({"id": 1, "connect": {"token": "token"}}),
        json!({"id": 2, "subscribe": {"channel": "a-0"}}),
        json!({"id": 3, "subscribe": {"channel": "a-1", "recoverable": true, "recover": true, "epoch": "e", "offset": 7}}),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_frame_of_several_lines_is_taken_line_by_line() {
    let dialect = CentrifugeJson::default();
    let push = r#"{"push":{"channel":"a","pub":{"data":{},"offset":12}}}"#;
    let frame = [
        r#"{"id":1,"connect":{"client":"c","version":"1","ping":25,"pong":true}}"#,
        r#"{"id":2,"subscribe":{"epoch":"x","offset":3}}"#,
        r#"{"id":3,"error":{"code":103,"message":"permission denied"}}"#,
        push,
        "{}",
        r#"{"id":4,"publish":{}}"#,
    ]
    .join("\n");
    let (said, answers) = receive(&dialect, frame.as_bytes());
    let position = Position {
        epoch: "x".into(),
        offset: 3,
    };
    let expected = [
        Said::Done(1),
        Said::Subscribed(2, position, false),
        Said::Refused(3, "error 103: permission denied".into()),
        Said::Message(push.into()),
        Said::Done(4),
    ];
    assert_eq!(said, expected);
    assert_eq!(answers, [b"{}"]);
    assert_eq!(dialect.offset(push.as_bytes()), Some(12));
}

#[test]
fn a_server_that_wants_no_pong_gets_none() {
    let dialect = CentrifugeJson::default();
    let (_, answers) = receive(&dialect, b"{\"id\":1,\"connect\":{}}\n{}");
    assert!(answers.is_empty());
}

#[test]
fn recovered_publications_come_before_their_subscription() {
    let dialect = CentrifugeJson::default();
    let line = r#"{"id":2,"subscribe":{"was_recovering":true,"recovered":true,"epoch":"x","offset":3,"publications":[{"data":1,"offset":4},{"data":2,"offset":9}]}}"#;
    let (said, _) = receive(&dialect, line.as_bytes());
    let position = Position {
        epoch: "x".into(),
        offset: 9,
    };
    let expected = [
        Said::Message(line.into()),
        Said::Subscribed(2, position, true),
    ];
    assert_eq!(said, expected);
    let failed = br#"{"id":2,"subscribe":{"was_recovering":true,"epoch":"y","offset":20}}"#;
    let (said, _) = receive(&dialect, failed);
    assert!(matches!(said[..], [Said::Subscribed(2, _, false)]));
}

#[test]
fn a_publish_embeds_its_payload() {
    let dialect = CentrifugeJson::default();
    let frames = sent(|frames| dialect.publish(9, "a", br#"{"s":1}"#, frames));
    let command: serde_json::Value = serde_json::from_slice(&frames[0]).unwrap();
    let expected = json!({"id": 9, "publish": {"channel": "a", "data": {"s": 1}}});
    assert_eq!(command, expected);
}
