//! The choice of wire format, and what can go wrong with either.

use bytes::Bytes;

use crate::{ConnectRequest, EmulationRequest, Frame, Push, Reply, json, protobuf};

/// The wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON, one message a line, in text frames.
    Json,
    /// Protobuf, each message after its length as a varint, in binary frames.
    Protobuf,
}

/// One message in wire form, ready to be joined with others of its format: a JSON line without its newline, or a
/// length-delimited Protobuf message.
pub type Encoded = Bytes;

/// A frame that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The frame has no message.
    #[error("empty frame")]
    Empty,
    /// The frame holds more messages than the limit.
    #[error("more than {limit} commands in a frame")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The frame is not of its format.
    #[error("malformed {format:?} at byte {offset}: {reason}")]
    Malformed {
        /// The format it should have had.
        format: Format,
        /// Where the faulty message begins in the frame.
        offset: usize,
        /// What the parser found. Holds no payload.
        reason: String,
    },
}

/// A message that has no form in the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A payload that is not JSON, for a JSON client.
    #[error("payload is not valid JSON")]
    NotJson,
}

impl Format {
    /// Decodes one frame into at most `limit` elements, in order. Payloads are slices of `frame`.
    ///
    /// # Errors
    /// [`DecodeError`] when any part of the frame is not understood; nothing of it is then returned.
    pub fn decode(self, frame: &Bytes, limit: usize) -> Result<Vec<Frame>, DecodeError> {
        match self {
            Self::Json => json::decode(frame, limit),
            Self::Protobuf => protobuf::decode(frame, limit),
        }
    }

    /// Decodes the body of a `connect` alone, as one-way clients send it.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] when it is not understood.
    pub fn decode_connect(self, body: &Bytes) -> Result<ConnectRequest, DecodeError> {
        match self {
            Self::Json => json::decode_connect(body),
            Self::Protobuf => protobuf::decode_connect(body),
        }
    }

    /// Decodes a request that carries a frame: in JSON as a string, in Protobuf as bytes.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] when it is not understood; the frame itself is not looked at.
    pub fn decode_emulation(self, body: &Bytes) -> Result<EmulationRequest, DecodeError> {
        match self {
            Self::Json => json::decode_emulation(body),
            Self::Protobuf => protobuf::decode_emulation(body),
        }
    }

    /// An encoded push as one-way clients read it, which is without the reply around it. What is no push stays as it is.
    #[must_use]
    pub fn bare(self, message: &Encoded) -> Encoded {
        match self {
            Self::Json => json::bare(message),
            Self::Protobuf => protobuf::bare(message),
        }
    }

    /// Encodes a reply.
    ///
    /// # Errors
    /// [`EncodeError::NotJson`] when a payload in it cannot be given to a JSON client.
    pub fn encode_reply(self, reply: &Reply) -> Result<Encoded, EncodeError> {
        match self {
            Self::Json => json::encode_reply(reply),
            Self::Protobuf => Ok(protobuf::encode_reply(reply)),
        }
    }

    /// Encodes a push.
    ///
    /// # Errors
    /// [`EncodeError::NotJson`] when a payload in it cannot be given to a JSON client.
    pub fn encode_push(self, push: &Push) -> Result<Encoded, EncodeError> {
        match self {
            Self::Json => json::encode_push(push),
            Self::Protobuf => Ok(protobuf::encode_push(push)),
        }
    }

    /// The server's ping: an empty reply.
    #[must_use]
    pub fn ping(self) -> Encoded {
        match self {
            Self::Json => Bytes::from_static(b"{}"),
            Self::Protobuf => Bytes::from_static(b"\0"),
        }
    }

    /// Whether `data` can be a payload for clients of this format.
    #[must_use]
    pub fn accepts(self, data: &[u8]) -> bool {
        match self {
            Self::Json => json::is_valid(data),
            Self::Protobuf => true,
        }
    }

    /// What stands in [`Publication::data`](crate::Publication::data) for subscribers with deltas, both for a whole
    /// payload and for a patch: the text as a JSON string, or the bytes as they are. Clients keep the text inside of
    /// the string as the base of the next patch.
    ///
    /// # Errors
    /// [`EncodeError::NotJson`] when `data` is not UTF-8 text and the client reads JSON.
    pub fn delta_data(self, data: &Bytes) -> Result<Bytes, EncodeError> {
        match self {
            Self::Json => json::string(data),
            Self::Protobuf => Ok(data.clone()),
        }
    }

    /// What stands between messages of one frame.
    #[must_use]
    pub fn separator(self) -> &'static [u8] {
        match self {
            Self::Json => b"\n",
            Self::Protobuf => b"",
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use tidegate_proto as proto;

    use super::*;
    use crate::{ConnectResult, Event, SubscribeResult};

    fn push(event: Event) -> Push {
        let channel = match event {
            Event::Connect(_) => "",
            _ => "chat",
        };
        Push {
            channel: channel.to_owned(),
            event,
        }
    }

    fn bare(format: Format, event: Event) -> Encoded {
        format.bare(&format.encode_push(&push(event)).unwrap())
    }

    #[test]
    fn a_bare_push_has_no_reply_around_it() {
        let message = || Event::Message {
            data: Bytes::from_static(b"{\"push\":1}"),
        };
        let opened = || {
            let subs = [("chat".to_owned(), SubscribeResult::default())];
            Event::Connect(Box::new(ConnectResult {
                client: "c".to_owned(),
                subs: subs.into(),
                ping: 25,
                ..ConnectResult::default()
            }))
        };
        let json = bare(Format::Json, message());
        assert_eq!(json, r#"{"channel":"chat","message":{"data":{"push":1}}}"#);
        let json = bare(Format::Json, opened());
        assert_eq!(
            json,
            r#"{"connect":{"client":"c","subs":{"chat":{}},"ping":25}}"#
        );

        let decode = |bytes| proto::Push::decode_length_delimited(bytes).unwrap();
        let read = decode(bare(Format::Protobuf, message()));
        assert_eq!(read.channel, "chat");
        assert_eq!(read.message.unwrap().data, "{\"push\":1}");
        let read = decode(bare(Format::Protobuf, opened())).connect.unwrap();
        assert_eq!((read.client.as_str(), read.ping), ("c", 25));
        assert_eq!(read.subs[0].key, "chat");
        for format in [Format::Json, Format::Protobuf] {
            assert_eq!(format.bare(&format.ping()), format.ping());
        }
    }

    #[test]
    fn a_connect_may_come_without_a_command_around_it() {
        let body =
            Bytes::from_static(br#"{"token":"t","subs":{"chat":{"recover":true,"offset":7}}}"#);
        let request = Format::Json.decode_connect(&body).unwrap();
        assert_eq!(
            (request.token.as_str(), request.subs["chat"].position.offset),
            ("t", 7)
        );
        for wrong in ["", "[]", "{", "{\"token\":1}", "\"\u{0}\"", "{} {}"] {
            let outcome = Format::Json.decode_connect(&Bytes::from(wrong));
            assert!(outcome.is_err(), "{wrong}");
        }
        let body = proto::ConnectRequest {
            token: "t".to_owned(),
            ..proto::ConnectRequest::default()
        };
        let body = Bytes::from(body.encode_to_vec());
        assert_eq!(Format::Protobuf.decode_connect(&body).unwrap().token, "t");
        assert!(Format::Protobuf.decode_connect(&body.slice(..2)).is_err());
    }

    #[test]
    fn a_frame_may_come_in_a_request_of_its_own() {
        let expected = EmulationRequest {
            node: "n".to_owned(),
            session: "s".to_owned(),
            data: Bytes::from_static(b"{}\n{}"),
        };
        let body = Bytes::from_static(br#"{"session":"s","node":"n","data":"{}\n{}"}"#);
        assert_eq!(Format::Json.decode_emulation(&body), Ok(expected.clone()));
        for wrong in ["", "[]", r#"{"session":"s","node":"n","data":{}}"#] {
            let outcome = Format::Json.decode_emulation(&Bytes::from(wrong));
            assert!(outcome.is_err(), "{wrong}");
        }
        let body = proto::EmulationRequest {
            node: "n".to_owned(),
            session: "s".to_owned(),
            data: expected.data.clone(),
        };
        let body = Bytes::from(body.encode_to_vec());
        assert_eq!(Format::Protobuf.decode_emulation(&body), Ok(expected));
        assert!(Format::Protobuf.decode_emulation(&body.slice(1..)).is_err());
    }

    #[test]
    fn data_for_deltas_is_a_string_in_json_only() {
        for (data, string) in [
            (r#"{"a":"é"}"#, r#""{\"a\":\"é\"}""#),
            ("3\n3:a\r\u{1}0;", r#""3\n3:a\r\u00010;""#),
            ("", r#""""#),
        ] {
            let data = Bytes::from(data);
            let json = Format::Json.delta_data(&data).unwrap();
            assert_eq!(json, string);
            let decoded: String = serde_json::from_slice(&json).unwrap();
            assert_eq!(decoded, data, "clients keep another text");
            assert!(Format::Json.accepts(&json));
            assert_eq!(Format::Protobuf.delta_data(&data), Ok(data));
        }
    }

    #[test]
    fn only_text_is_data_for_json_deltas() {
        let data = Bytes::from_static(b"\xFF");
        assert_eq!(Format::Json.delta_data(&data), Err(EncodeError::NotJson));
        assert_eq!(Format::Protobuf.delta_data(&data), Ok(data));
    }
}
