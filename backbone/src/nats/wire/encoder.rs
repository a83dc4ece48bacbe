//! Commands to a server, as bytes at the end of a buffer.

use std::fmt::Write;

use bytes::BytesMut;
use serde::Serialize;

pub(in crate::nats) const PING: &[u8] = b"PING\r\n";
pub(in crate::nats) const PONG: &[u8] = b"PONG\r\n";

/// Who we are and what we want of the connection.
#[derive(Clone, Default, Serialize)]
pub(in crate::nats) struct Connect<'a> {
    pub(in crate::nats) name: &'a str,
    pub(in crate::nats) tls_required: bool,
    #[serde(flatten)]
    pub(in crate::nats) proof: Proof<'a>,
}

/// What proves who we are. Without `Debug`, because it is secret.
#[derive(Clone, Default, Serialize)]
pub(in crate::nats) struct Proof<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::nats) user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::nats) pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::nats) auth_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::nats) jwt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::nats) nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::nats) sig: Option<String>,
}

/// Says hello, in the words that every client says.
pub(in crate::nats) fn connect(buffer: &mut BytesMut, connect: &Connect<'_>) {
    #[derive(Serialize)]
    struct Hello<'a> {
        verbose: bool,
        pedantic: bool,
        echo: bool,
        headers: bool,
        /// That a request that nobody hears is answered at once.
        no_responders: bool,
        /// That the server may tell of other servers at any time.
        protocol: u8,
        lang: &'a str,
        version: &'a str,
        #[serde(flatten)]
        connect: &'a Connect<'a>,
    }
    let hello = Hello {
        verbose: false,
        pedantic: false,
        echo: true,
        headers: true,
        no_responders: true,
        protocol: 1,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        connect,
    };
    let json = serde_json::to_string(&hello).expect("texts and booleans are JSON");
    append(buffer, format_args!("CONNECT {json}\r\n"));
}

/// Of those who subscribe with the same group one receives each message.
pub(in crate::nats) fn subscribe(
    buffer: &mut BytesMut,
    subject: &str,
    group: Option<&str>,
    sid: u64,
) {
    match group {
        None => append(buffer, format_args!("SUB {subject} {sid}\r\n")),
        Some(group) => append(buffer, format_args!("SUB {subject} {group} {sid}\r\n")),
    }
}

pub(in crate::nats) fn unsubscribe(buffer: &mut BytesMut, sid: u64) {
    append(buffer, format_args!("UNSUB {sid}\r\n"));
}

/// A message. An empty block is no headers.
pub(in crate::nats) fn publish(
    buffer: &mut BytesMut,
    subject: &str,
    headers: &[u8],
    payload: &[u8],
) {
    let total = headers.len() + payload.len();
    match headers.len() {
        0 => append(buffer, format_args!("PUB {subject} {total}\r\n")),
        size => append(buffer, format_args!("HPUB {subject} {size} {total}\r\n")),
    }
    buffer.extend_from_slice(headers);
    buffer.extend_from_slice(payload);
    buffer.extend_from_slice(b"\r\n");
}

/// A message that asks for an answer on another subject.
pub(in crate::nats) fn request(
    buffer: &mut BytesMut,
    subject: &str,
    reply: &str,
    headers: &[u8],
    payload: &[u8],
) {
    let total = headers.len() + payload.len();
    match headers.len() {
        0 => append(buffer, format_args!("PUB {subject} {reply} {total}\r\n")),
        size => append(
            buffer,
            format_args!("HPUB {subject} {reply} {size} {total}\r\n"),
        ),
    }
    buffer.extend_from_slice(headers);
    buffer.extend_from_slice(payload);
    buffer.extend_from_slice(b"\r\n");
}

fn append(buffer: &mut BytesMut, line: std::fmt::Arguments<'_>) {
    buffer
        .write_fmt(line)
        .expect("a buffer takes what memory holds");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(encode: impl FnOnce(&mut BytesMut)) -> String {
        let mut buffer = BytesMut::new();
        encode(&mut buffer);
        String::from_utf8(buffer.to_vec()).unwrap()
    }

    #[test]
    fn commands_are_spelt_as_the_protocol_says() {
        let table = [
            (
                encoded(|buffer| subscribe(buffer, "a.b", None, 7)),
                "SUB a.b 7\r\n",
            ),
            (
                encoded(|buffer| subscribe(buffer, "a.b", Some("g"), 7)),
                "SUB a.b g 7\r\n",
            ),
            (encoded(|buffer| unsubscribe(buffer, 7)), "UNSUB 7\r\n"),
            (
                encoded(|buffer| publish(buffer, "a", b"", b"xyz")),
                "PUB a 3\r\nxyz\r\n",
            ),
            (
                encoded(|buffer| publish(buffer, "a", b"", b"")),
                "PUB a 0\r\n\r\n",
            ),
            (
                encoded(|buffer| publish(buffer, "a", b"NATS/1.0\r\n\r\n", b"x")),
                "HPUB a 12 13\r\nNATS/1.0\r\n\r\nx\r\n",
            ),
        ];
        for (bytes, expected) in table {
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn only_the_proof_that_there_is_is_sent() {
        let hello = Connect {
            name: "node",
            tls_required: true,
            proof: Proof {
                user: Some("ann"),
                pass: Some("right"),
                ..Proof::default()
            },
        };
        let said = encoded(|buffer| connect(buffer, &hello));
        let json = said.strip_prefix("CONNECT ").unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["user"], "ann");
        assert_eq!(json["tls_required"], true);
        assert_eq!(json["verbose"], false);
        assert!(json.get("jwt").is_none());
    }
}
