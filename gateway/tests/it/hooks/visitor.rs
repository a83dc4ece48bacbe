//! A client that speaks JSON as it is told to, and shows what comes back.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::http::PATIENCE;

pub(crate) struct Visitor {
    socket: WebSocketStream<TcpStream>,
    received: Vec<Value>,
    next: u32,
}

impl Visitor {
    /// A connection whose upgrade request had these headers.
    pub(crate) async fn open(address: SocketAddr, headers: &[(&'static str, &str)]) -> Self {
        let url = format!("ws://{address}/connection/websocket");
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().insert(*name, value);
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(request, stream).await.unwrap();
        Self {
            socket,
            received: Vec::new(),
            next: 1,
        }
    }

    /// A connection that has been let in, without a token.
    pub(crate) async fn connected(address: SocketAddr) -> Self {
        let mut visitor = Self::open(address, &[]).await;
        let reply = visitor.ask(json!({ "connect": {} })).await;
        assert!(reply["connect"].is_object(), "{reply}");
        visitor
    }

    /// Sends a command, to which it gives an id; gives the id.
    pub(crate) async fn send(&mut self, mut command: Value) -> u32 {
        let id = self.next;
        self.next += 1;
        command["id"] = id.into();
        self.socket
            .send(Message::text(command.to_string()))
            .await
            .unwrap();
        id
    }

    /// Sends a command, and gives the reply to it.
    pub(crate) async fn ask(&mut self, command: Value) -> Value {
        let id = self.send(command).await;
        self.reply(id).await
    }

    /// The reply to the command with this id.
    pub(crate) async fn reply(&mut self, id: u32) -> Value {
        let reply = self.outcome(id).await;
        reply.unwrap_or_else(|closed| panic!("no reply, but {closed:?}"))
    }

    /// The reply to the command with this id, or how the node closes.
    pub(crate) async fn outcome(&mut self, id: u32) -> Result<Value, (u16, String)> {
        loop {
            let found = self.received.iter().position(|it| it["id"] == id);
            if let Some(index) = found {
                return Ok(self.received.remove(index));
            }
            match self.read().await {
                Ok(values) => self.received.extend(values),
                Err(closed) => return Err(closed.expect("a close frame")),
            }
        }
    }

    /// The next push.
    pub(crate) async fn push(&mut self) -> Value {
        loop {
            let found = self.received.iter().position(|it| it["push"].is_object());
            if let Some(index) = found {
                return self.received.remove(index)["push"].take();
            }
            let values = self.read().await.unwrap();
            self.received.extend(values);
        }
    }

    /// How the node closes.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(closed) = self.read().await {
                return closed.expect("a close frame");
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<Value>, Option<(u16, String)>> {
        let frame = timeout(PATIENCE, self.socket.next()).await;
        match frame.expect("the node neither answers nor closes") {
            Some(Ok(Message::Text(text))) => {
                let lines = text.lines().map(serde_json::from_str);
                Ok(lines.collect::<Result<_, _>>().unwrap())
            }
            Some(Ok(Message::Close(close))) => {
                Err(close.map(|it| (it.code.into(), it.reason.to_string())))
            }
            Some(Ok(_)) => Ok(Vec::new()),
            Some(Err(_)) | None => Err(None),
        }
    }
}
