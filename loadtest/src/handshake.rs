//! The opening handshake of a WebSocket (RFC 6455 section 4). Bytes in, bytes out.

use std::fmt::Write;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The key of every handshake here, 16 bytes in base64: it guards against proxies that answer from a cache, and there are none.
const KEY: &str = "dGlkZWdhdGUgY2xpZW50cw==";

/// What is appended to a key before it is hashed.
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of the longest answer.
const LIMIT: usize = 16 << 10;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It speaks WebSocket from this byte on.
    Accepted(usize),
    /// It has no room, and may have said when to come back.
    Busy(Option<Duration>),
    /// Anything else.
    Refused(String),
    /// There is more to come.
    Partial,
}

/// A request, and what makes an answer to it true.
#[derive(Debug)]
pub struct Handshake {
    request: String,
    accept: String,
}

impl Handshake {
    #[must_use]
    pub fn new(host: &str, resource: &str, subprotocol: Option<&str>) -> Self {
        let mut request = format!(
            "GET {resource} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
        );
        if let Some(subprotocol) = subprotocol {
            let written = write!(request, "Sec-WebSocket-Protocol: {subprotocol}\r\n");
            written.expect("a string takes all");
        }
        request.push_str("\r\n");
        let accept = accept_value(KEY);
        Self { request, accept }
    }

    /// What the client says first.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        self.request.as_bytes()
    }

    /// What the server's first bytes say.
    #[must_use]
    pub fn answer(&self, bytes: &[u8]) -> Answer {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return match bytes.len() > LIMIT {
                true => Answer::Refused("an endless answer".into()),
                false => Answer::Partial,
            };
        };
        let head = String::from_utf8_lossy(&bytes[..end]);
        let status = head.split(' ').nth(1).unwrap_or_default();
        match status {
            "101" if header(&head, "sec-websocket-accept") == Some(&self.accept) => {
                Answer::Accepted(end + 4)
            }
            "101" => Answer::Refused("a wrong Sec-WebSocket-Accept".into()),
            "503" => {
                let seconds = header(&head, "retry-after").and_then(|text| text.parse().ok());
                Answer::Busy(seconds.map(Duration::from_secs))
            }
            status => Answer::Refused(format!("HTTP {status}")),
        }
    }
}

/// What a server answers to a whole request; `None` if it is no request for a WebSocket.
pub(crate) fn accept(request: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(request.strip_suffix(b"\r\n\r\n")?).ok()?;
    let accept = accept_value(header(head, "sec-websocket-key")?);
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

fn accept_value(key: &str) -> String {
    let hash = digest(
        &SHA1_FOR_LEGACY_USE_ONLY,
        format!("{key}{SUFFIX}").as_bytes(),
    );
    STANDARD.encode(hash)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: Answer) {
        let handshake = Handshake::new("localhost", "/", None);
        let answer = answer.replace("ACCEPT", &handshake.accept);
        let shift = match expected {
            Answer::Accepted(_) => answer.len() - 2,
            _ => 0,
        };
        let found = handshake.answer(answer.as_bytes());
        match expected {
            Answer::Accepted(_) => assert_eq!(found, Answer::Accepted(shift), "{answer}"),
            expected => assert_eq!(found, expected, "{answer}"),
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let accepted = "HTTP/1.1 101 Switching Protocols\r\nSEC-WebSocket-Accept: ACCEPT\r\n\r\n{}";
        check(accepted, Answer::Accepted(0));
        check(
            "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: no\r\n\r\n",
            Answer::Refused("a wrong Sec-WebSocket-Accept".into()),
        );
        check(
            "HTTP/1.1 503 x\r\nRetry-After: 2\r\n\r\n",
            Answer::Busy(Some(Duration::from_secs(2))),
        );
        check("HTTP/1.1 503 x\r\n\r\n", Answer::Busy(None));
        check("HTTP/1.1 404 x\r\n\r\n", Answer::Refused("HTTP 404".into()));
        check("HTTP/1.1 101 x\r\n", Answer::Partial);
        check(
            &"x".repeat(LIMIT + 1),
            Answer::Refused("an endless answer".into()),
        );
    }

    #[test]
    fn the_accept_value_is_that_of_the_specification() {
        let accept = accept_value("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_server_accepts_what_a_client_asks() {
        let handshake = Handshake::new("h:1", "/", None);
        let answer = accept(handshake.request()).unwrap();
        let expected = Answer::Accepted(answer.len());
        assert_eq!(handshake.answer(answer.as_bytes()), expected);
        assert_eq!(accept(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), None);
    }

    #[test]
    fn the_request_names_its_subprotocol() {
        let handshake = Handshake::new("h:1", "/x?y", Some("centrifuge-protobuf"));
        let request = String::from_utf8(handshake.request().to_vec()).unwrap();
        assert!(request.starts_with("GET /x?y HTTP/1.1\r\nHost: h:1\r\n"));
        assert!(request.ends_with("Sec-WebSocket-Protocol: centrifuge-protobuf\r\n\r\n"));
    }
}
