//! A client of one WebSocket that speaks JSON by hand.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidegate_testkit::deadline::PATIENCE;
use tidegate_testkit::gateway::Gateway;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A connected client.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What has come and was not asked for yet.
    waiting: VecDeque<Value>,
    commands: u32,
}

impl Client {
    /// Connects without a token.
    pub(crate) async fn connect(gateway: &Gateway) -> Self {
        let mut client = Self::open(gateway.websocket().into_client_request().unwrap()).await;
        client.ask("connect", json!({})).await;
        client
    }

    /// Opens the socket that a request asks for, and says nothing.
    pub(crate) async fn open(request: Request) -> Self {
        let (socket, _) = connect_async(request).await.unwrap();
        Self {
            socket,
            waiting: VecDeque::new(),
            commands: 0,
        }
    }

    /// The reply to a command.
    pub(crate) async fn ask(&mut self, method: &str, body: Value) -> Value {
        let id = self.tell(method, body).await;
        self.next(|it| it["id"] == id).await
    }

    /// Sends a command; gives its id.
    pub(crate) async fn tell(&mut self, method: &str, body: Value) -> u32 {
        self.commands += 1;
        let id = self.commands;
        let command = json!({ "id": id, method: body });
        let text = Message::text(command.to_string());
        self.socket.send(text).await.unwrap();
        id
    }

    /// Returns when the connection has ended.
    pub(crate) async fn ended(&mut self) {
        let end = async { while let Some(Ok(_)) = self.socket.next().await {} };
        timeout(PATIENCE, end).await.expect("it ends in time");
    }

    /// Subscribes to a channel.
    pub(crate) async fn subscribe(&mut self, channel: &str) {
        let reply = self.ask("subscribe", json!({ "channel": channel })).await;
        assert!(reply["error"].is_null(), "{reply}");
    }

    /// The next publication's data.
    pub(crate) async fn publication(&mut self) -> Value {
        let is_publication = |it: &Value| it["push"]["pub"].is_object();
        self.next(is_publication).await["push"]["pub"]["data"].clone()
    }

    /// The push that ends a subscription.
    pub(crate) async fn unsubscribed(&mut self) -> Value {
        let is_end = |it: &Value| it["push"]["unsubscribe"].is_object();
        self.next(is_end).await["push"].clone()
    }

    async fn next(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(index) = self.waiting.iter().position(&is_wanted) {
                return self.waiting.remove(index).unwrap();
            }
            let message = timeout(PATIENCE, self.socket.next()).await;
            let message = message.expect("a message in time").unwrap().unwrap();
            let lines = message.to_text().unwrap().lines();
            let read = lines.map(|line| serde_json::from_str(line).unwrap());
            self.waiting.extend(read);
        }
    }
}
