//! Plain HTTP by hand, so that nothing between the test and the socket repairs a request.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the node may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer. Status 0 is none: the connection ended without a word.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Self {
            status: status.unwrap_or_default(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The value of a metric, in an answer of `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let mut values = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        values.next().unwrap().parse().unwrap()
    }
}

/// An upgrade request, which a test changes.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Upgrade {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            target: "/connection/websocket".to_owned(),
            headers: Vec::new(),
        }
        .with("Host", &address.to_string())
        .with("Connection", "Upgrade")
        .with("Upgrade", "websocket")
        .with("Sec-WebSocket-Version", "13")
        .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Sets a header, or adds it.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    pub(crate) fn query(mut self, query: &str) -> Self {
        self.target = format!("{}?{query}", self.target);
        self
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("GET {} HTTP/1.1\r\n", self.target);
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        text + "\r\n"
    }
}

/// Sends a request and reads the answer until the connection ends.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may be refused before it is complete.
    let _sent = stream.write_all(request).await;
    let mut answer = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(end.is_ok(), "the node keeps the connection");
    Answer::parse(&String::from_utf8_lossy(&answer))
}

/// Fetches a resource.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    exchange(address, request.as_bytes()).await
}

/// Sends JSON to a resource.
pub(crate) async fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    exchange(address, request.as_bytes()).await
}

/// The value of a metric now.
pub(crate) async fn metric(address: SocketAddr, name: &str) -> u64 {
    get(address, "/metrics").await.metric(name)
}
