//! The reference engine: another way for the bytes, and nothing else that a client could tell.

use serde_json::json;

use crate::client::Client;
use crate::command::Format;
use crate::http::get;
use crate::process::Process;
use crate::raw::{End, FINAL, Raw, TEXT, header};

async fn start() -> Process {
    Process::start(|config| {
        config["websocket"]["engine"] = json!("actix");
        config["shutdown"]["drain"] = json!("100ms");
    })
    .await
}

#[tokio::test]
async fn publications_go_through_in_order_and_the_end_is_told() {
    let mut process = start().await;
    let mut reader = Client::connected(process.address, Format::Json, "reader").await;
    reader.subscribe("chat:a").await;
    let mut publisher = Client::connected(process.address, Format::Protobuf, "alice").await;
    for number in 0..50 {
        let data = format!("\"{number} {}\"", "x".repeat(3_000));
        publisher.publish("chat:a", data).await;
    }
    for number in 0..50 {
        let data = reader.publication("chat:a").await;
        assert!(data.starts_with(format!("\"{number} ").as_bytes()));
    }
    process.program.terminate().unwrap();
    assert_eq!(reader.closed().await, (3001, "shutdown".to_owned()));
    assert_eq!(publisher.closed().await.0, 3001);
    process.program.succeeded().await.unwrap();
}

#[tokio::test]
async fn violations_and_refusals_are_the_same() {
    let process = start().await;
    assert_eq!(
        get(process.address, "/connection/websocket").await.status,
        400
    );
    let mut raw = Raw::open(process.address, "").await;
    raw.write(&header(FINAL | TEXT, 70_000)).await;
    assert_eq!(raw.end().await, End::Close(1009));
}
