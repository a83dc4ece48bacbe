//! The bound on what waits for one connection.

use serde_json::json;
use tokio::net::TcpSocket;

use crate::client::Client;
use crate::command::{Format, Message};
use crate::site::Site;

/// A socket that takes as little as possible before its reader does.
async fn narrow(site: &Site) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(site.address()).await.unwrap();
    let mut client = Client::open_on(stream, Format::Json).await;
    client.connect("slow").await;
    client
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_with_3008_and_nobody_else_is_held_up() {
    let site = Site::with(|config| config["client"]["queue_max_size"] = json!(65_536));
    let mut slow = narrow(&site).await;
    slow.subscribe("chat:a").await;
    let mut reader = site.client(Format::Protobuf, "reader").await;
    reader.subscribe("chat:a").await;
    let mut publisher = site.alice().await;

    let data = format!("\"{}\"", "x".repeat(20_000));
    let mut published = 0;
    while site.metric("tidegate_closed_slow").await == 0 {
        assert!(
            published < 2_000,
            "40 MB wait for a client that does not read"
        );
        for _ in 0..10 {
            publisher.publish("chat:a", data.as_str()).await;
            published += 1;
            assert_eq!(reader.publication("chat:a").await, data.as_bytes());
        }
    }
    let mut got = 0;
    let closed = loop {
        match slow.next().await {
            Ok(Message::Publication { data: found, .. }) => {
                assert!(found == data.as_bytes(), "a part of a publication");
                got += 1;
            }
            Ok(other) => panic!("{other:?}"),
            Err(closed) => break closed,
        }
    };
    assert_eq!(closed, Some((3008, "slow".to_owned())));
    assert!(got < published, "nothing was dropped");
    site.until_metric("tidegate_connections", 2).await;
    assert_eq!(site.metric("tidegate_subscriptions").await, 1);
    drop((slow, reader, publisher));
    site.stop().await;
}
