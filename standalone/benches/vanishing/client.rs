//! A client that asks one thing at a time, in JSON.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two questions at the start.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    commands: u32,
    pub(crate) id: String,
    /// Clients that were told as left, as they came.
    pub(crate) left: Vec<String>,
    last_leave: Instant,
}

impl Client {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let (socket, _) = connect_async_with_config(url, None, true).await?;
        let mut client = Self {
            socket,
            commands: 0,
            id: String::new(),
            left: Vec::new(),
            last_leave: Instant::now(),
        };
        let reply = client.ask("connect", json!({})).await?;
        let id = reply["client"].as_str().context("no id")?;
        id.clone_into(&mut client.id);
        Ok(client)
    }

    pub(crate) async fn subscribe(&mut self, channel: &str) -> Result<()> {
        let command = json!({ "channel": channel, "join_leave": true });
        self.ask("subscribe", command).await.map(drop)
    }

    pub(crate) async fn unsubscribe(&mut self, channel: &str) -> Result<()> {
        let command = json!({ "channel": channel });
        self.ask("unsubscribe", command).await.map(drop)
    }

    pub(crate) async fn disconnect(mut self) -> Result<()> {
        Ok(self.socket.close(None).await?)
    }

    /// Asks until the presence service answers, which has begun with the gateways.
    pub(crate) async fn until_answered(&mut self, channel: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = self
            .ask("presence_stats", json!({ "channel": channel }))
            .await
        {
            ensure!(Instant::now() < end, error);
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Asks how many are in a channel until there are so many.
    pub(crate) async fn until(&mut self, channel: &str, count: usize) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let command = json!({ "channel": channel });
            let stats = self.ask("presence_stats", command).await?;
            let clients = stats["num_clients"].as_u64().unwrap_or_default();
            if clients == count as u64 {
                return Ok(());
            }
            ensure!(
                Instant::now() < end,
                "{clients} are in {channel}, not {count}"
            );
        }
    }

    /// Listens until so many were told as left, and for a while longer. When the last of them came.
    pub(crate) async fn listen_until(&mut self, count: usize, longer: Duration) -> Result<Instant> {
        let end = Instant::now() + PATIENCE;
        while self.left.len() < count {
            timeout_at(end, self.receive()).await??;
        }
        let (last, end) = (self.last_leave, Instant::now() + longer);
        while let Ok(received) = timeout_at(end, self.receive()).await {
            received?;
        }
        Ok(last)
    }

    async fn ask(&mut self, method: &str, command: Value) -> Result<Value> {
        self.commands += 1;
        let id = self.commands;
        let mut text = json!({ "id": id });
        text[method] = command;
        self.socket.send(Message::text(text.to_string())).await?;
        let end = Instant::now() + PATIENCE;
        loop {
            for mut reply in timeout_at(end, self.receive()).await?? {
                if reply["id"] == id {
                    ensure!(reply.get("error").is_none(), "{method}: {reply}");
                    return Ok(reply[method].take());
                }
            }
        }
    }

    /// The replies of the next message.
    async fn receive(&mut self) -> Result<Vec<Value>> {
        let message = self.socket.next().await.context("the gateway has gone")??;
        let Message::Text(text) = message else {
            match message {
                Message::Close(reason) => bail!("closed: {reason:?}"),
                _ => return Ok(Vec::new()),
            }
        };
        let mut replies = Vec::new();
        for line in text.lines() {
            let reply: Value = serde_json::from_str(line)?;
            if reply == json!({}) {
                self.socket.send(Message::text("{}")).await?;
            } else if let Some(client) = reply["push"]["leave"]["info"]["client"].as_str() {
                self.left.push(client.to_owned());
                self.last_leave = Instant::now();
            }
            replies.push(reply);
        }
        Ok(replies)
    }
}
