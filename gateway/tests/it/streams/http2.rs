//! HTTP/2, with and without TLS: many responses on one socket.

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{connect, offer, site};
use crate::command::Format;
use crate::http::PATIENCE;
use crate::tls::site::TlsSite;
use crate::token;

/// One socket, on which requests are sent.
struct Client {
    sender: SendRequest<Bytes>,
    scheme: &'static str,
}

/// A response that goes on.
struct Reading {
    status: u16,
    body: RecvStream,
    text: String,
}

impl Client {
    async fn on(
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: &'static str,
    ) -> Self {
        let mut builder = h2::client::Builder::new();
        // One stream that is not read must not use up the window that all of them share.
        builder.initial_connection_window_size(1 << 20);
        let (sender, connection) = builder.handshake(socket).await.unwrap();
        tokio::spawn(async move {
            let _ended = connection.await;
        });
        Self { sender, scheme }
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Reading {
        let uri = format!("{}://gateway.test{path}", self.scheme);
        let request = http::Request::builder().method(method).uri(uri);
        let request = request.header("content-type", "application/json").body(());
        let mut sender = self.sender.clone().ready().await.unwrap();
        let is_empty = body.is_empty();
        let (response, mut stream) = sender.send_request(request.unwrap(), is_empty).unwrap();
        if !is_empty {
            stream.send_data(body.to_owned().into(), true).unwrap();
        }
        let response = timeout(PATIENCE, response).await.unwrap().unwrap();
        Reading {
            status: response.status().as_u16(),
            body: response.into_body(),
            text: String::new(),
        }
    }
}

impl Reading {
    async fn line(&mut self) -> Value {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let value = serde_json::from_str(line).unwrap();
                self.text = rest.to_owned();
                return value;
            }
            let piece = timeout(PATIENCE, self.body.data()).await.unwrap();
            let piece = piece.expect("the response has ended").unwrap();
            self.body
                .flow_control()
                .release_capacity(piece.len())
                .unwrap();
            self.text += std::str::from_utf8(&piece).unwrap();
        }
    }
}

/// Ten connections on one socket, with their commands on the same.
async fn converse(client: &Client) {
    let mut streams = Vec::new();
    for number in 0..10 {
        let mut reading = client
            .send("POST", "/connection/http_stream", &connect())
            .await;
        assert_eq!(reading.status, 200);
        let reply = reading.line().await;
        let body = json!({
            "session": reply["connect"]["session"],
            "node": reply["connect"]["node"],
            "data": json!({ "id": 2, "subscribe": { "channel": format!("chat:{number}") } }).to_string(),
        });
        let answer = client.send("POST", "/emulation", &body.to_string()).await;
        assert_eq!(answer.status, 204);
        assert_eq!(reading.line().await, json!({ "id": 2, "subscribe": {} }));
        streams.push(reading);
    }
    assert_eq!(client.send("GET", "/health", "").await.status, 200);
    assert_eq!(client.send("POST", "/emulation", "{").await.status, 400);
}

#[tokio::test]
async fn clients_speak_it_without_asking_where_that_is_allowed() {
    let site = site(|config| config["http_server"]["h2c_external"] = json!(true));
    let client = Client::on(TcpStream::connect(site.address()).await.unwrap(), "http").await;
    converse(&client).await;
    // Others go on as before.
    let websocket = site.alice().await;
    websocket.leave().await;
    drop(client);
    site.stop().await;
}

#[tokio::test]
async fn clients_choose_it_with_tls() {
    let site = TlsSite::with(offer);
    let socket = site
        .trust()
        .protocols(&["h2"])
        .connect(site.address())
        .await
        .unwrap();
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    converse(&Client::on(socket, "https").await).await;
    // Where nothing gains by it, it is not offered.
    let other = TlsSite::start();
    let refused = other
        .trust()
        .protocols(&["h2"])
        .connect(other.address())
        .await;
    assert!(refused.is_err(), "HTTP/2 without use");
    other.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_closed_as_slow_and_the_others_go_on() {
    let site = site(|config| config["http_server"]["h2c_external"] = json!(true));
    let client = Client::on(TcpStream::connect(site.address()).await.unwrap(), "http").await;
    let connect = json!({ "token": token::of("alice"), "subs": { "chat:a": {} } }).to_string();
    let stuck = client
        .send("POST", "/connection/uni_http_stream", &connect)
        .await;
    let mut other = client
        .send("POST", "/connection/uni_http_stream", &connect)
        .await;
    other.line().await;
    let mut writer = site.client(Format::Json, "bob").await;
    let payload = format!("\"{}\"", "x".repeat(20_000));
    let mut sent = 0;
    while site.metric("tidegate_closed_slow").await == 0 {
        assert!(sent < 2_000, "nothing is bounded");
        for _ in 0..10 {
            writer.publish("chat:a", payload.clone()).await;
            assert_eq!(other.line().await["channel"], "chat:a");
            sent += 1;
        }
    }
    drop(stuck);
    drop((client, other));
    writer.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn a_node_that_stops_says_so_in_each_stream() {
    let site = site(|config| config["http_server"]["h2c_external"] = json!(true));
    let client = Client::on(TcpStream::connect(site.address()).await.unwrap(), "http").await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut reading = client
            .send("POST", "/connection/http_stream", &connect())
            .await;
        reading.line().await;
        streams.push(reading);
    }
    let stop = tokio::spawn(site.end());
    for reading in &mut streams {
        let last = reading.line().await;
        assert_eq!(last["push"]["disconnect"]["code"], 3001);
        assert_eq!(last["push"]["disconnect"]["reconnect"], true);
    }
    stop.await.unwrap();
}
