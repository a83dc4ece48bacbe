//! The bounds that `docs/limits.md` lists: what happens when each is reached, to whom, and to nobody else.

mod admission;
mod queue;
mod rates;
mod time;

use serde_json::json;

use crate::client::Client;
use crate::command::{Format, Message, Request};
use crate::site::Site;
use crate::token;

fn subscribe(channel: &str) -> Request {
    Request::Subscribe(channel.to_owned())
}

fn unsubscribe() -> Request {
    Request::Unsubscribe("chat:none".to_owned())
}

/// A publish whose frame has `size` bytes.
fn publish_of(size: usize) -> Request {
    let request = |data: usize| {
        Request::Publish(
            "chat:a".to_owned(),
            format!("\"{}\"", "x".repeat(data)).into(),
        )
    };
    let overhead = Format::Json.encode(2, &request(0)).len();
    request(size - overhead)
}

#[tokio::test]
async fn a_message_larger_than_its_limit_is_closed_with_1009() {
    let site = Site::with(|config| config["websocket"] = json!({ "message_size_limit": 1_024 }));
    let mut client = site.alice().await;
    assert_eq!(client.call(publish_of(1_024)).await, Ok(()));
    client.send(&[publish_of(1_026)]).await;
    assert_eq!(client.closed().await.0, 1009);
    drop(client);
    site.stop().await;
}

#[tokio::test]
async fn more_commands_in_a_frame_than_allowed_are_closed_with_3501() {
    for format in Format::BOTH {
        let site = Site::with(|config| config["client"]["frame_command_limit"] = json!(3));
        let mut client = site.client(format, "alice").await;
        let last = client
            .send(&[unsubscribe(), unsubscribe(), unsubscribe()])
            .await;
        for id in last - 2..=last {
            let reply = client.next().await.unwrap();
            assert!(matches!(reply, Message::Reply { id: found, error: None, .. } if found == id));
        }
        client
            .send(&[unsubscribe(), unsubscribe(), unsubscribe(), unsubscribe()])
            .await;
        assert_eq!(client.closed().await, (3501, "bad request".to_owned()));
        drop(client);
        site.stop().await;
    }
}

#[tokio::test]
async fn one_subscription_too_many_is_error_106() {
    let site = Site::with(|config| config["client"]["channel_limit"] = json!(2));
    let mut client = site.alice().await;
    client.subscribe("chat:a").await;
    client.subscribe("chat:b").await;
    assert_eq!(client.call(subscribe("chat:c")).await, Err(106));
    client.unsubscribe("chat:a").await;
    client.subscribe("chat:c").await;
    let mut other = site.alice().await;
    other.subscribe("chat:a").await;
    drop((client, other));
    site.stop().await;
}

#[tokio::test]
async fn one_channel_too_many_in_a_token_is_closed_with_3505() {
    let site = Site::with(|config| config["client"]["channel_limit"] = json!(2));
    for (channels, expected) in [
        (vec!["chat:a", "chat:b"], None),
        (vec!["chat:a", "chat:b", "chat:c"], Some(3505)),
    ] {
        let mut client = Client::open(site.address(), Format::Json).await;
        let token = token::signed(&json!({ "sub": "alice", "channels": channels }));
        client.send(&[Request::Connect(token)]).await;
        match expected {
            None => assert!(matches!(
                client.next().await,
                Ok(Message::Reply { error: None, .. })
            )),
            Some(code) => assert_eq!(client.closed().await, (code, "channel limit".to_owned())),
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn a_channel_name_that_is_too_long_is_error_107() {
    let site = Site::with(|config| config["channel"]["max_length"] = json!(10));
    let mut client = site.alice().await;
    client.subscribe("chat:12345").await;
    assert_eq!(client.call(subscribe("chat:123456")).await, Err(107));
    let publish = Request::Publish("chat:123456".to_owned(), b"1".to_vec());
    assert_eq!(client.call(publish).await, Err(107));
    drop(client);
    site.stop().await;
}

#[tokio::test]
async fn too_many_commands_per_second_are_error_111_and_then_3013() {
    let site = Site::with(|config| config["client"]["command_rate_limit"] = json!(5));
    let mut client = site.alice().await;
    // Well inside of the 200 milliseconds in which another command would be granted: all in one frame.
    let last = client.send(&vec![unsubscribe(); 11]).await;
    let mut errors = Vec::new();
    for _ in last - 10..last {
        match client.next().await {
            Ok(Message::Reply { error, .. }) => errors.push(error),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(errors, [[None; 5], [Some(111); 5]].concat());
    assert_eq!(
        client.closed().await,
        (3013, "too many requests".to_owned())
    );
    let mut other = site.alice().await;
    assert_eq!(other.call(unsubscribe()).await, Ok(()));
    drop((client, other));
    site.stop().await;
}

#[tokio::test]
async fn a_token_that_is_too_large_is_closed_with_3500() {
    let site = Site::start();
    for (size, expected) in [(15 * 1024, None), (17 * 1024, Some(3500))] {
        let padding = "x".repeat(size * 3 / 4 - 200);
        let token = token::signed(&json!({ "sub": "alice", "padding": padding }));
        let mut client = Client::open(site.address(), Format::Json).await;
        client.send(&[Request::Connect(token)]).await;
        match expected {
            None => assert!(matches!(
                client.next().await,
                Ok(Message::Reply { error: None, .. })
            )),
            Some(code) => assert_eq!(client.closed().await, (code, "invalid token".to_owned())),
        }
    }
    site.stop().await;
}
