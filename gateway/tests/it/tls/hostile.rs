//! What is no TLS, or no longer: nothing of it ends more than its own connection.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConnection;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::site::{TlsSite, Trust};
use crate::command::Format;
use crate::http::PATIENCE;

/// What a client says first.
fn hello(trust: &Trust) -> Vec<u8> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut session = ClientConnection::new(Arc::clone(trust.config()), name).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

/// Records that nobody should send, in the middle of a conversation or at its beginning.
fn records(random: &mut StdRng) -> Vec<u8> {
    let kind = [20, 21, 22, 23, 24, 255][random.random_range(0..6)];
    let size = [
        0_u16, 1, 2, 4, 17, 64, 1_000, 16_000, 18_432, 18_433, 65_535,
    ];
    let size = size[random.random_range(0..size.len())];
    let mut record = vec![kind, 3, 3];
    record.extend(size.to_be_bytes());
    let payload = (0..size).map(|_| random.random::<u8>());
    record.extend(payload);
    record
}

async fn ends(mut socket: TcpStream) {
    // What makes no record may be waited for.
    let _ended = socket.shutdown().await;
    let mut answer = Vec::new();
    let end = timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    assert!(end.is_ok(), "the node keeps the connection");
}

async fn works(site: &TlsSite, data: usize) {
    let data = data.to_string();
    let mut alice = site.client(Format::Json, "alice").await;
    alice.subscribe("chat:a").await;
    alice.publish("chat:a", data.as_str()).await;
    assert_eq!(alice.publication("chat:a").await, data.as_bytes());
    alice.leave().await;
}

#[tokio::test]
async fn broken_handshakes_end_nothing_but_themselves() {
    let site = TlsSite::with(|config| config["http_server"]["workers"] = json!(1));
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..400 {
        let mut bytes = hello(&site.trust());
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        if random.random() {
            bytes.truncate(random.random_range(0..bytes.len()));
        }
        for _ in 0..random.random_range(0..3) {
            bytes.extend(records(&mut random));
        }
        let mut socket = TcpStream::connect(site.address()).await.unwrap();
        let _sent = socket.write_all(&bytes).await;
        ends(socket).await;
        if round % 100 == 99 {
            works(&site, round).await;
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn broken_records_end_nothing_but_their_connection() {
    let site = TlsSite::with(|config| config["http_server"]["workers"] = json!(1));
    let mut random = StdRng::seed_from_u64(2);
    for round in 0..200 {
        let trust = site.trust().versions(&[[&TLS12, &TLS13][round % 2]]);
        let mut stream = trust.connect(site.address()).await.unwrap();
        if random.random() {
            stream.write_all(b"GET /hea").await.unwrap();
        }
        let (mut socket, _) = stream.into_inner();
        for _ in 0..random.random_range(1..4) {
            let _sent = socket.write_all(&records(&mut random)).await;
        }
        ends(socket).await;
        if round % 50 == 49 {
            works(&site, round).await;
        }
    }
    site.stop().await;
}
