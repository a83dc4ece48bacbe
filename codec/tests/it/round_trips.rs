//! What one side writes, the other reads, for arbitrary messages in both formats.

mod json_command;
mod json_message;
mod protobuf_command;
mod protobuf_message;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use tidegate_codec::{Command, Format, Frame};
use tidegate_proto as proto;

use crate::samples;

proptest! {
    #[test]
    fn json_commands(id: u32, request in samples::request()) {
        let line = Bytes::from(json_command::command(id, &request).to_string());
        prop_assert_eq!(Format::Json.decode(&line, 1), Ok(vec![Frame::Command(Command { id, request })]));
    }

    #[test]
    fn protobuf_commands(id: u32, request in samples::request()) {
        let frame = protobuf_command::command(id, &request).encode_length_delimited_to_vec().into();
        let expected = Ok(vec![Frame::Command(Command { id, request })]);
        prop_assert_eq!(Format::Protobuf.decode(&frame, 1), expected);
    }

    #[test]
    fn json_replies(reply in samples::reply()) {
        let line = Format::Json.encode_reply(&reply).unwrap();
        prop_assert_eq!(json_message::parse(&line), json_message::reply(&reply));
    }

    #[test]
    fn json_pushes(push in samples::push()) {
        let line = Format::Json.encode_push(&push).unwrap();
        prop_assert_eq!(json_message::parse(&line), json_message::push(&push));
    }

    #[test]
    fn protobuf_replies(reply in samples::reply()) {
        let encoded = Format::Protobuf.encode_reply(&reply).unwrap();
        let decoded = proto::Reply::decode_length_delimited(encoded).unwrap();
        prop_assert_eq!(protobuf_message::reply(decoded), Some(reply));
    }

    #[test]
    fn protobuf_pushes(push in samples::push()) {
        let encoded = Format::Protobuf.encode_push(&push).unwrap();
        let decoded = proto::Reply::decode_length_delimited(encoded).unwrap();
        prop_assert_eq!(protobuf_message::push(decoded), Some(push));
    }
}
