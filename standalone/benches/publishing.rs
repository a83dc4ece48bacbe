//! Publications a second into one subscriber, by the three ways that backends have: HTTP on 16 connections that are kept, gRPC
//! with many calls under way on one connection, and NATS itself. In turn, several rounds in one run; medians at the end.
//!
//! `cargo bench -p tidegate --bench publishing -- [publications] [rounds]`; only what has reached the subscriber counts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt, future};
use serde_json::{Value, json};
use tidegate_proto::gateway::gateway_client::GatewayClient;
use tidegate_proto::gateway::{PublishRequest, Publishing};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

const KEY: &str = "the key of the bench";
const CHANNEL: &str = "chat:bench";
const PUBLICATIONS: usize = 20_000;
const ROUNDS: usize = 3;

/// Connections over HTTP, each with one request at a time.
const CONNECTIONS: usize = 16;

/// Calls under way over gRPC.
const CALLS: usize = 256;

/// Without anything new what is missing is lost.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
enum Way {
    Http,
    Grpc,
    Nats,
}

struct Bench {
    gateway: Gateway,
    grpc: Channel,
    nats: async_nats::Client,
    received: watch::Receiver<usize>,
    payload: Value,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut numbers = std::env::args().filter_map(|it| it.parse().ok());
    let count = numbers.next().unwrap_or(PUBLICATIONS);
    let rounds = numbers.next().unwrap_or(ROUNDS);
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    let server = NatsServer::start().await?;
    let config = json!({
        "client": { "allow_anonymous_connect_without_token": true, "queue_max_size": 268_435_456 },
        "channel": { "namespaces": [{ "name": "chat", "allow_subscribe_for_anonymous": true, "allow_subscribe_for_client": true }] },
        "http_api": { "key": KEY },
        "grpc_api": { "enabled": true, "port": port, "key": KEY },
    });
    let executable = env!("CARGO_BIN_EXE_tidegate");
    let gateway = Gateway::start(executable, &config, Some(&server.url())).await?;
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
    let connect = async || endpoint.connect().await.ok();
    let mut bench = Bench {
        received: subscribe(&gateway).await?,
        grpc: until_some("gRPC answers", connect).await?,
        nats: async_nats::connect(server.url()).await?,
        payload: json!({ "text": "x".repeat(90) }),
        gateway,
    };
    let mut rates = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        for way in [Way::Http, Way::Grpc, Way::Nats] {
            let rate = bench.measure(way, count).await?;
            // The first round warms up.
            let note = if round == 0 { " (not counted)" } else { "" };
            println!("{way:?}: {rate:.0} publications/s{note}");
            if round > 0 {
                rates[way as usize].push(rate);
            }
        }
    }
    for (way, rates) in [Way::Http, Way::Grpc, Way::Nats].iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        let (least, median, most) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        println!(
            "median {way:?}: {median:.0}/s, from {least:.0} to {most:.0}, {count} publications, {rounds} rounds"
        );
    }
    Ok(())
}

impl Bench {
    /// Publications a second, from the first request until the last one has reached the subscriber.
    async fn measure(&mut self, way: Way, count: usize) -> Result<f64> {
        let goal = *self.received.borrow_and_update() + count;
        let start = Instant::now();
        match way {
            Way::Http => self.over_http(count).await?,
            Way::Grpc => self.over_grpc(count).await?,
            Way::Nats => self.over_nats(count).await?,
        }
        while *self.received.borrow_and_update() < goal {
            match timeout(PATIENCE, self.received.changed()).await {
                Ok(changed) => changed.context("the subscriber is gone")?,
                Err(_) => bail!(
                    "{way:?}: {} of {count} are lost",
                    goal - *self.received.borrow()
                ),
            }
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    }

    async fn over_http(&self, count: usize) -> Result<()> {
        let body = json!({ "channel": CHANNEL, "data": self.payload }).to_string();
        let http = self.gateway.http();
        let host = http.trim_start_matches("http://");
        let request = format!(
            "POST /api/publish HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let each = |number| {
            let share = count / CONNECTIONS + usize::from(number < count % CONNECTIONS);
            post(host, &request, share)
        };
        future::try_join_all((0..CONNECTIONS).map(each)).await?;
        Ok(())
    }

    async fn over_grpc(&self, count: usize) -> Result<()> {
        let data = self.payload.to_string();
        let key: MetadataValue<_> = format!("apikey {KEY}").parse()?;
        let call = || {
            let mut client = GatewayClient::new(self.grpc.clone());
            let publication = Publishing {
                data: data.clone().into(),
                ..Publishing::default()
            };
            let mut request = tonic::Request::new(PublishRequest {
                channel: CHANNEL.to_owned(),
                publication: Some(publication),
            });
            request.metadata_mut().insert("authorization", key.clone());
            async move { client.publish(request).await }
        };
        let mut calls = FuturesUnordered::new();
        for _ in 0..count {
            if calls.len() == CALLS {
                calls.next().await.transpose()?;
            }
            calls.push(call());
        }
        while let Some(answer) = calls.next().await {
            answer?;
        }
        Ok(())
    }

    async fn over_nats(&self, count: usize) -> Result<()> {
        let data = bytes::Bytes::from(self.payload.to_string());
        for _ in 0..count {
            self.nats
                .publish("tide.pub.chat.bench", data.clone())
                .await?;
        }
        self.nats.flush().await?;
        Ok(())
    }
}

/// Makes a request so many times on one connection.
async fn post(host: &str, request: &str, count: usize) -> Result<()> {
    let socket = TcpStream::connect(host).await?;
    socket.set_nodelay(true)?;
    let mut socket = BufReader::new(socket);
    for _ in 0..count {
        socket.write_all(request.as_bytes()).await?;
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            socket.read_line(&mut line).await?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        if !body.starts_with(b"{\"result\"") {
            bail!("{}", String::from_utf8_lossy(&body));
        }
    }
    Ok(())
}

/// A subscriber, and how many publications it has received.
async fn subscribe(gateway: &Gateway) -> Result<watch::Receiver<usize>> {
    let (mut socket, _) = connect_async(gateway.websocket()).await?;
    let commands = [
        json!({ "id": 1, "connect": {} }),
        json!({ "id": 2, "subscribe": { "channel": CHANNEL } }),
    ];
    for command in commands {
        socket.send(Message::text(command.to_string())).await?;
        let answer = socket.next().await.context("the connection ended")??;
        if answer.to_text()?.contains("\"error\"") {
            bail!("{answer}");
        }
    }
    let (sender, received) = watch::channel(0);
    tokio::spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            let text = message.to_text().unwrap_or_default();
            let count = text.matches("\"pub\":").count();
            sender.send_modify(|it| *it += count);
            if text.lines().any(|line| line == "{}")
                && socket.send(Message::text("{}")).await.is_err()
            {
                return;
            }
        }
    });
    Ok(received)
}
