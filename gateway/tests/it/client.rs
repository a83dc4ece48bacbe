//! A well-behaved client in either format, over a WebSocket library that is not the node's.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::command::{Format, Message, Request};
use crate::http::PATIENCE;
use crate::token;

/// A socket, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One connection. It answers pings.
pub(crate) struct Client {
    socket: WebSocketStream<Box<dyn Stream>>,
    format: Format,
    received: VecDeque<Message>,
    next_id: u32,
}

/// How the node ended a connection: the close frame's code and reason, or `None` when there was none.
pub(crate) type Closed = Option<(u16, String)>;

impl Client {
    /// A connection that has said nothing yet.
    pub(crate) async fn open(address: SocketAddr, format: Format) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::open_on(stream, format).await
    }

    /// A connection on a socket of the test's own.
    pub(crate) async fn open_on(stream: impl Stream + 'static, format: Format) -> Self {
        let query = match format {
            Format::Json => "",
            Format::Protobuf => "?format=protobuf",
        };
        let url = format!("ws://gateway.test/connection/websocket{query}");
        let stream: Box<dyn Stream> = Box::new(stream);
        let (socket, _) = client_async(url, stream).await.unwrap();
        Self {
            socket,
            format,
            received: VecDeque::new(),
            next_id: 0,
        }
    }

    /// A client that is connected as `user`.
    pub(crate) async fn connected(address: SocketAddr, format: Format, user: &str) -> Self {
        let mut client = Self::open(address, format).await;
        client.connect(user).await;
        client
    }

    pub(crate) async fn connect(&mut self, user: &str) {
        let outcome = self.call(Request::Connect(token::of(user))).await;
        assert_eq!(outcome, Ok(()), "connect");
    }

    pub(crate) async fn subscribe(&mut self, channel: &str) {
        let outcome = self.call(Request::Subscribe(channel.to_owned())).await;
        assert_eq!(outcome, Ok(()), "subscribe to {channel}");
    }

    pub(crate) async fn unsubscribe(&mut self, channel: &str) {
        let outcome = self.call(Request::Unsubscribe(channel.to_owned())).await;
        assert_eq!(outcome, Ok(()), "unsubscribe from {channel}");
    }

    pub(crate) async fn publish(&mut self, channel: &str, data: impl Into<Vec<u8>>) {
        let request = Request::Publish(channel.to_owned(), data.into());
        assert_eq!(self.call(request).await, Ok(()), "publish to {channel}");
    }

    /// Sends a command and waits for its reply. What else comes meanwhile stays to be received.
    pub(crate) async fn call(&mut self, request: Request) -> Result<(), u32> {
        let id = self.send(&[request]).await;
        let mut others = VecDeque::new();
        loop {
            match self.next().await {
                Ok(Message::Reply {
                    id: found, error, ..
                }) if found == id => {
                    others.append(&mut self.received);
                    self.received = others;
                    return error.map_or(Ok(()), Err);
                }
                Ok(message) => others.push_back(message),
                Err(closed) => panic!("no reply, but {closed:?}"),
            }
        }
    }

    /// Sends commands as one frame, without waiting; gives the id of the last.
    pub(crate) async fn send(&mut self, requests: &[Request]) -> u32 {
        let mut frame = Vec::new();
        for request in requests {
            self.next_id += 1;
            frame.extend(self.format.encode(self.next_id, request));
        }
        self.send_frame(frame).await;
        self.next_id
    }

    async fn send_frame(&mut self, frame: Vec<u8>) {
        let frame = match self.format {
            Format::Json => Frame::text(String::from_utf8(frame).unwrap()),
            Format::Protobuf => Frame::binary(frame),
        };
        // The node may have closed; whoever reads is told how.
        let _sent = self.socket.send(frame).await;
    }

    /// The next message, or the end.
    pub(crate) async fn next(&mut self) -> Result<Message, Closed> {
        loop {
            match self.received.pop_front() {
                Some(Message::Ping) => self.send_frame(self.format.pong()).await,
                Some(message) => return Ok(message),
                None => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> Result<(), Closed> {
        let frame = timeout(PATIENCE, self.socket.next()).await;
        match frame.expect("the node neither answers nor closes") {
            Some(Ok(Frame::Text(text))) => {
                self.received.extend(Format::Json.decode(text.as_bytes()));
            }
            Some(Ok(Frame::Binary(bytes))) => {
                self.received.extend(Format::Protobuf.decode(&bytes));
            }
            Some(Ok(Frame::Close(close))) => {
                let close = close.map(|close| (close.code.into(), close.reason.to_string()));
                return Err(close);
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(None),
        }
        Ok(())
    }

    /// The payload of the next message, which must be a publication.
    pub(crate) async fn publication(&mut self, expected: &str) -> Vec<u8> {
        match self.next().await {
            Ok(Message::Publication { channel, data }) if channel == expected => data,
            other => panic!("no publication on {expected}, but {other:?}"),
        }
    }

    /// Reads until the node closes; gives code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(closed) = self.next().await {
                return closed.expect("the connection ended without a close frame");
            }
        }
    }

    /// Leaves in good order.
    pub(crate) async fn leave(mut self) {
        self.socket.close(None).await.unwrap();
        // Its answer may stand behind what was sent before.
        while self.next().await.is_ok() {}
    }
}
