//! Transports over HTTP responses, as a client without any library meets them.

mod bounds;
mod emulation;
mod grpc;
mod http2;
mod one_way;
mod origins;
mod queue;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{Answer, PATIENCE};
use crate::site::Site;
use crate::token;

/// A site that offers all of them.
pub(crate) fn site(change: impl FnOnce(&mut Value)) -> Site {
    Site::with(|config| {
        offer(config);
        change(config);
    })
}

fn offer(config: &mut Value) {
    for section in [
        "http_stream",
        "sse",
        "uni_http_stream",
        "uni_sse",
        "uni_websocket",
    ] {
        config[section] = json!({ "enabled": true });
    }
}

/// A response that goes on, read by hand.
pub(crate) struct Reading {
    socket: TcpStream,
    pub(crate) answer: Answer,
    /// Of the chunks (RFC 9112 section 7.1), what is not decoded yet.
    raw: Vec<u8>,
    decoded: Vec<u8>,
    has_ended: bool,
}

impl Reading {
    /// Sends a request and reads the head of its answer.
    pub(crate) async fn open(address: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        Self::on(socket).await
    }

    /// Reads the head of the answer to a request that was sent.
    pub(crate) async fn on(mut socket: TcpStream) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, socket.read_u8()).await.unwrap().unwrap());
        }
        Self {
            socket,
            answer: Answer::parse(&String::from_utf8(head).unwrap()),
            raw: Vec::new(),
            decoded: Vec::new(),
            has_ended: false,
        }
    }

    /// What stands before the next of these marks; `None` at the end.
    pub(crate) async fn until(&mut self, mark: &str) -> Option<String> {
        loop {
            let mut windows = self.decoded.windows(mark.len());
            if let Some(at) = windows.position(|window| window == mark.as_bytes()) {
                let rest = self.decoded.split_off(at + mark.len());
                let piece = std::mem::replace(&mut self.decoded, rest);
                return Some(String::from_utf8(piece[..at].to_vec()).unwrap());
            }
            if self.has_ended {
                assert!(self.decoded.is_empty(), "half a message");
                return None;
            }
            self.read().await;
        }
    }

    /// The next line.
    pub(crate) async fn line(&mut self) -> Value {
        let line = self.until("\n").await.expect("the response has ended");
        serde_json::from_str(&line).unwrap()
    }

    /// The data of the next event that has some.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            let block = self.until("\n\n").await.expect("the response has ended");
            if let Some((_, data)) = block.split_once("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    /// The next Protobuf message, which stands after its length of one or two bytes.
    pub(crate) async fn message(&mut self) -> Vec<u8> {
        loop {
            let (length, head) = match self.decoded[..] {
                [low, high, ..] if low & 0x80 != 0 => {
                    (usize::from(low & 0x7f) | usize::from(high) << 7, 2)
                }
                [low, ..] => (usize::from(low), 1),
                [] => (usize::MAX / 2, 0),
            };
            if self.decoded.len() >= head + length {
                let rest = self.decoded.split_off(head + length);
                return std::mem::replace(&mut self.decoded, rest)[head..].to_vec();
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let mut bytes = [0; 4096];
        let count = timeout(PATIENCE, self.socket.read(&mut bytes)).await;
        let count = count
            .expect("the node neither writes nor ends")
            .unwrap_or(0);
        assert!(count > 0, "cut off");
        self.raw.extend(&bytes[..count]);
        while let Some(at) = self.raw.windows(2).position(|window| window == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..at]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if self.raw.len() < at + 2 + size + 2 {
                return;
            }
            self.decoded.extend(&self.raw[at + 2..at + 2 + size]);
            self.raw.drain(..at + 2 + size + 2);
            self.has_ended |= size == 0;
        }
    }
}

/// A request with a body.
pub(crate) fn post(path: &str, content: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: {content}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The first frame of `alice`.
pub(crate) fn connect() -> String {
    json!({ "id": 1, "connect": { "token": token::of("alice") } }).to_string()
}

/// A bidirectional connection over lines of JSON.
pub(crate) struct Emulated {
    pub(crate) reading: Reading,
    address: SocketAddr,
    session: Value,
    node: Value,
}

impl Emulated {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let request = post("/connection/http_stream", "application/json", &connect());
        let mut reading = Reading::open(address, &request).await;
        assert_eq!(reading.answer.status, 200);
        let reply = reading.line().await;
        let result = &reply["connect"];
        Self {
            address,
            session: result["session"].clone(),
            node: result["node"].clone(),
            reading,
        }
    }

    /// The request that carries commands.
    pub(crate) fn request(&self, commands: &str) -> String {
        let body = json!({ "session": self.session, "node": self.node, "data": commands });
        post("/emulation", "application/json", &body.to_string())
    }

    /// Sends commands by way of some node; gives the status of the answer.
    pub(crate) async fn send_by(&self, address: SocketAddr, commands: &str) -> u16 {
        status(address, &self.request(commands)).await
    }

    pub(crate) async fn send(&self, commands: &str) -> u16 {
        self.send_by(self.address, commands).await
    }
}

/// The status of the answer to a request.
pub(crate) async fn status(address: SocketAddr, request: &str) -> u16 {
    Reading::open(address, request).await.answer.status
}
