//! Clients that do not read, that go half-way, that are too many or too slow.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{Emulated, Reading, connect, post, site, status};
use crate::command::Format;
use crate::token;

#[tokio::test]
async fn a_client_that_never_reads_is_closed_as_slow_and_harms_nobody() {
    let site = site(|_| {});
    let mut reader = site.alice().await;
    reader.subscribe("chat:a").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut socket = socket.connect(site.address()).await.unwrap();
    let subs = json!({ "token": token::of("alice"), "subs": { "chat:a": {} } });
    let request = post(
        "/connection/uni_http_stream",
        "application/json",
        &subs.to_string(),
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    site.until_metric("tidegate_subscriptions", 2).await;
    let mut writer = site.client(Format::Json, "bob").await;
    let payload = format!("\"{}\"", "x".repeat(60_000));
    let mut sent = 0;
    while site.metric("tidegate_closed_slow").await == 0 {
        assert!(sent < 2_000, "nothing is bounded");
        for _ in 0..20 {
            writer.publish("chat:a", payload.clone()).await;
            reader.publication("chat:a").await;
            sent += 1;
        }
    }
    site.until_metric("tidegate_subscriptions", 1).await;
    reader.leave().await;
    writer.leave().await;
    drop(socket);
    site.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_half_way_has_gone() {
    let site = site(|_| {});
    let mut socket = TcpStream::connect(site.address()).await.unwrap();
    let request = post("/connection/http_stream", "application/json", &connect());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    site.until_metric("tidegate_connections", 1).await;
    socket.shutdown().await.unwrap();
    site.until_metric("tidegate_connections", 0).await;
    // So has one that goes in the middle of its body.
    let mut socket = TcpStream::connect(site.address()).await.unwrap();
    socket
        .write_all(&request.as_bytes()[..request.len() - 5])
        .await
        .unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _read = socket.read_to_end(&mut answer).await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "half a request was served"
    );
    site.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_or_does_not_come_is_refused() {
    let site = site(|config| {
        config["http_server"]["request_timeout"] = json!("3s");
        config["http_stream"]["max_request_body_size"] = json!(1_000);
    });
    let large = post(
        "/connection/http_stream",
        "application/json",
        &"x".repeat(1_001),
    );
    assert_eq!(status(site.address(), &large).await, 413);
    let chunked = format!(
        "POST /connection/http_stream HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n\
         3e9\r\n{}\r\n",
        "x".repeat(1_001)
    );
    assert_eq!(status(site.address(), &chunked).await, 413);
    let whole = post("/connection/http_stream", "application/json", &connect());
    assert_eq!(status(site.address(), &whole[..whole.len() - 1]).await, 408);
    site.stop().await;
}

#[tokio::test]
async fn connections_count_whatever_their_transport() {
    let site = site(|config| config["client"]["connection_limit"] = json!(1));
    let client = Emulated::open(site.address()).await;
    let again = post("/connection/http_stream", "application/json", &connect());
    let refused = Reading::open(site.address(), &again).await.answer;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    // A browser would not come back after a refusal: it is sent away until later.
    let get = "GET /connection/uni_sse HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
    let mut later = TcpStream::connect(site.address()).await.unwrap();
    later.write_all(get.as_bytes()).await.unwrap();
    let mut text = String::new();
    later.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains("retry: "),
        "{text}"
    );
    drop(client);
    site.stop().await;
}

#[tokio::test]
async fn who_does_not_answer_pings_is_closed() {
    let site = site(|config| {
        config["client"]["ping_interval"] = json!("2s");
        config["client"]["pong_timeout"] = json!("1800ms");
    });
    let mut client = Emulated::open(site.address()).await;
    assert_eq!(client.reading.line().await, json!({}));
    assert_eq!(client.send("{}").await, 204);
    assert_eq!(client.reading.line().await, json!({}));
    let last = client.reading.line().await;
    assert_eq!(last["push"]["disconnect"]["code"], 3012);
    assert_eq!(client.reading.until("\n").await, None);
    site.stop().await;
}
