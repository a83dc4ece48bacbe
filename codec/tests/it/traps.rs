//! Where clients and servers of this protocol go wrong: pongs, framing, payload bytes.

use bytes::Bytes;
use tidegate_codec::{
    Command, EncodeError, Event, Format, Frame, Publication, Push, Reply, Request, Success,
    single_line_json,
};

use crate::wire::{bytes, delimited, message, number};

fn publication(data: &'static [u8]) -> Push {
    let publication = Publication {
        data: Bytes::from_static(data),
        ..Publication::default()
    };
    Push {
        channel: String::new(),
        event: Event::Publication(publication),
    }
}

fn unknown(id: u32) -> Frame {
    Frame::Command(Command {
        id,
        request: Request::Unknown,
    })
}

#[test]
fn an_empty_command_is_a_pong() {
    for frame in [
        "{}",
        " { } \n",
        "\n{}\r\n",
        r#"{"id":0}"#,
        r#"{"id":null,"send":null}"#,
    ] {
        assert_eq!(
            Format::Json.decode(&frame.into(), 1),
            Ok(vec![Frame::Pong]),
            "{frame}"
        );
    }
    for frame in [&b"\0"[..], b"\x02\x08\0"] {
        assert_eq!(
            Format::Protobuf.decode(&Bytes::from_static(frame), 1),
            Ok(vec![Frame::Pong])
        );
    }
    assert_eq!(
        Format::Json.decode(&r#"{"ping":{}}"#.into(), 1),
        Ok(vec![unknown(0)])
    );
    assert_eq!(
        Format::Json.decode(&r#"{"id":1}"#.into(), 1),
        Ok(vec![unknown(1)])
    );
    assert_eq!(
        Format::Protobuf.decode(&Bytes::from_static(b"\x02\x5a\0"), 1),
        Ok(vec![unknown(0)])
    );
}

#[test]
fn the_servers_ping_is_an_empty_reply() {
    assert_eq!(Format::Json.ping(), "{}");
    assert_eq!(Format::Protobuf.ping(), delimited(""));
}

#[test]
fn commands_of_one_frame_keep_their_order() {
    let expected = Ok(vec![unknown(2), Frame::Pong, unknown(1)]);
    let lines = "\n{\"id\":2}\r\n \n{}\n{\"id\":1}\n\n";
    assert_eq!(Format::Json.decode(&lines.into(), 3), expected);
    let messages = [
        delimited(number(1, 2)),
        delimited(""),
        delimited(number(1, 1)),
    ]
    .concat();
    assert_eq!(Format::Protobuf.decode(&messages.into(), 3), expected);
}

#[test]
fn payloads_are_slices_of_the_frame() {
    let json = Bytes::from(r#"{"send":{"data": [1,  2] }}"#);
    let protobuf = Bytes::from(delimited(message(12, &[bytes(1, "[1,  2]")])));
    for (format, frame, offset) in [(Format::Json, json, 17), (Format::Protobuf, protobuf, 5)] {
        let frames = format.decode(&frame, 1).unwrap();
        let [
            Frame::Command(Command {
                request: Request::Send { data },
                ..
            }),
        ] = &frames[..]
        else {
            panic!("{frames:?}");
        };
        assert_eq!(data, "[1,  2]");
        assert_eq!(data.as_ptr(), frame[offset..].as_ptr(), "{format:?}");
    }
}

#[test]
fn null_is_a_payload_and_an_absent_anything_else() {
    let frame = r#"{"id":1,"subscribe":{"channel":null,"data":null,"offset":null,"tf":null}}"#;
    let frames = Format::Json.decode(&frame.into(), 1).unwrap();
    let [
        Frame::Command(Command {
            request: Request::Subscribe(body),
            ..
        }),
    ] = &frames[..]
    else {
        panic!("{frames:?}");
    };
    assert_eq!(body.data, "null");
    assert_eq!(
        (
            body.channel.as_str(),
            body.position.offset,
            body.tags_filter
        ),
        ("", 0, false)
    );

    let frame = r#"{"id":1,"connect":{"headers":{"h":null},"subs":{"s":null}}}"#;
    let frames = Format::Json.decode(&frame.into(), 1).unwrap();
    let [
        Frame::Command(Command {
            request: Request::Connect(body),
            ..
        }),
    ] = &frames[..]
    else {
        panic!("{frames:?}");
    };
    assert_eq!(
        (body.headers["h"].as_str(), body.subs["s"].recover),
        ("", false)
    );
    assert!(body.data.is_empty());
}

#[test]
fn payloads_become_one_line() {
    let line = Format::Json.encode_push(&publication(b" {\"a\":\r\n[1,\n2],\t\"b\":\"\\n\"}\n"));
    assert_eq!(
        line.unwrap(),
        r#"{"push":{"pub":{"data":{"a":[1,2],	"b":"\n"}}}}"#
    );
    let raw = Bytes::from_static(b"[1,\r\n2]");
    assert_eq!(single_line_json(&raw).unwrap(), "[1,2]");
    let same = single_line_json(&raw.slice(1..2)).unwrap();
    assert_eq!(same.as_ptr(), raw[1..].as_ptr(), "copied without need");
}

#[test]
fn binary_payloads_have_no_json_form() {
    for data in [
        &b"\xff"[..],
        b"{",
        b"1 2",
        b" ",
        b"\"\n\"",
        b"\"\xff\"",
        b"nul",
        b"\xef\xbb\xbf1",
    ] {
        let shown = data.escape_ascii();
        assert_eq!(
            Format::Json.encode_push(&publication(data)),
            Err(EncodeError::NotJson),
            "{shown}"
        );
        assert!(!Format::Json.accepts(data), "{shown}");
        assert_eq!(single_line_json(&Bytes::from_static(data)), None, "{shown}");
        assert!(Format::Protobuf.accepts(data));
        let encoded = Format::Protobuf.encode_push(&publication(data)).unwrap();
        assert!(encoded.ends_with(data), "{shown}");
    }
    let reply = Reply {
        id: 1,
        outcome: Ok(Success::Rpc { data: "}".into() }),
    };
    assert_eq!(Format::Json.encode_reply(&reply), Err(EncodeError::NotJson));
    assert!(!Format::Json.accepts(b""));
}

#[test]
fn payloads_keep_what_only_their_reader_can_judge() {
    // Numbers beyond a double and lone surrogates are JSON by its grammar.
    for data in [
        "1e999",
        r#""\ud800""#,
        "-0",
        "123456789012345678901234567890",
    ] {
        let line = Format::Json
            .encode_push(&publication(data.as_bytes()))
            .unwrap();
        assert_eq!(line, format!(r#"{{"push":{{"pub":{{"data":{data}}}}}}}"#));
    }
}

#[test]
fn joined_messages_are_one_frame() {
    for (format, expected) in [(Format::Json, "{}\n{}"), (Format::Protobuf, "\0\0")] {
        let frame = [format.ping(), format.ping()].join(format.separator());
        assert_eq!(frame, expected.as_bytes());
        let pongs = format.decode(&frame.into(), 10).unwrap();
        assert_eq!(pongs, [Frame::Pong, Frame::Pong]);
    }
}
