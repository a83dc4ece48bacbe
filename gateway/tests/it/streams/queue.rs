//! Bytes that wait for clients that do not read, over each transport, as operators see them.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::{grpc, post};
use crate::client::Client;
use crate::command::Format;
use crate::site::Site;
use crate::token;

/// A socket that takes as little as possible before its reader does.
async fn narrow(site: &Site) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(site.address()).await.unwrap()
}

/// One that subscribes by a request whose answer it never reads.
async fn one_way(site: &Site, path: &str) -> TcpStream {
    let mut socket = narrow(site).await;
    let subs = json!({ "token": token::of("alice"), "subs": { "chat:a": {} } });
    let request = post(path, "application/json", &subs.to_string());
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// Publishes until the one subscriber, which does not read, is closed for it.
async fn check(site: &Site) {
    site.until_metric("tidegate_subscriptions", 1).await;
    assert_eq!(site.metric("tidegate_queue_bytes").await, 0);
    let mut publisher = site.client(Format::Json, "bob").await;
    let data = format!("\"{}\"", "x".repeat(60_000));
    let (mut highest, mut sent) = (0, 0);
    while site.metric("tidegate_closed_slow").await == 0 {
        assert!(sent < 2_000, "nothing is bounded");
        publisher.publish("chat:a", data.as_str()).await;
        highest = highest.max(site.metric("tidegate_queue_bytes").await);
        sent += 1;
    }
    assert!(
        highest > 60_000,
        "{highest} bytes waited of {sent} messages"
    );
    site.until_metric("tidegate_queue_bytes", 0).await;
    assert_eq!(site.metric("tidegate_closed{code=\"3008\"}").await, 1);
    publisher.leave().await;
}

fn site() -> Site {
    grpc::grpc_site(|config| config["client"]["queue_max_size"] = json!(4 << 20))
}

#[tokio::test]
async fn of_a_websocket() {
    let site = site();
    let mut client = Client::open_on(narrow(&site).await, Format::Json).await;
    client.connect("slow").await;
    client.subscribe("chat:a").await;
    check(&site).await;
    drop(client);
    site.stop().await;
}

#[tokio::test]
async fn of_responses_that_do_not_end() {
    for path in ["/connection/uni_http_stream", "/connection/uni_sse"] {
        let site = site();
        let socket = one_way(&site, path).await;
        check(&site).await;
        drop(socket);
        site.stop().await;
    }
}

#[tokio::test]
async fn of_a_stream_of_grpc() {
    let site = site();
    let channel = grpc::channel(&site).await;
    let stream = grpc::consume(&channel, grpc::connect(&["chat:a"])).await;
    check(&site).await;
    drop((stream, channel));
    site.stop().await;
}

#[tokio::test]
async fn of_one_that_goes() {
    let site = site();
    let socket = one_way(&site, "/connection/uni_http_stream").await;
    site.until_metric("tidegate_subscriptions", 1).await;
    let mut publisher = site.client(Format::Json, "bob").await;
    let data = format!("\"{}\"", "x".repeat(60_000));
    let mut sent = 0;
    while site.metric("tidegate_queue_bytes").await == 0 {
        assert!(sent < 2_000, "nothing waits");
        publisher.publish("chat:a", data.as_str()).await;
        sent += 1;
    }
    drop(socket);
    site.until_metric("tidegate_queue_bytes", 0).await;
    publisher.leave().await;
    site.stop().await;
}
