//! Bounds on time.

use std::time::Instant;

use serde_json::json;
use tidegate_gateway::codes::UnsubscribeCode;

use crate::client::Client;
use crate::command::{Format, Message, Request};
use crate::http::Upgrade;
use crate::raw::{End, FINAL, Incoming, PING, PONG, Raw, TEXT, frame};
use crate::site::Site;
use crate::token;

#[tokio::test]
async fn a_client_that_does_not_authenticate_is_closed_with_3502() {
    let site = Site::with(|config| config["client"]["stale_close_delay"] = json!("2s"));
    let mut connected = site.alice().await;
    let began = Instant::now();
    let mut silent = Client::open(site.address(), Format::Json).await;
    assert_eq!(silent.closed().await, (3502, "stale".to_owned()));
    assert!(began.elapsed().as_secs() >= 2, "{:?}", began.elapsed());
    connected.subscribe("chat:a").await;
    drop((silent, connected));
    site.stop().await;
}

/// SDKs send the connect and every subscribe in one frame, and come back with a fresh token when the old one is over.
#[tokio::test]
async fn what_comes_along_with_a_refused_connect_is_dropped_and_breaks_nothing() {
    let site = Site::with(|config| config["client"]["stale_close_delay"] = json!("2s"));
    let expired = token::signed(&json!({ "sub": "alice", "exp": 1 }));
    let frame = [
        Request::Connect(expired),
        Request::Subscribe("chat:a".to_owned()),
        Request::Subscribe("chat:b".to_owned()),
    ];
    for format in Format::BOTH {
        let mut client = Client::open(site.address(), format).await;
        client.send(&frame).await;
        let refused = client.next().await.unwrap();
        assert!(matches!(
            refused,
            Message::Reply {
                id: 1,
                error: Some(109),
                ..
            }
        ));
        assert_eq!(client.closed().await, (3502, "stale".to_owned()));
    }
    site.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_closed_with_3012() {
    let site = Site::with(|config| {
        config["client"]["ping_interval"] = json!("2s");
        config["client"]["pong_timeout"] = json!("1800ms");
    });
    let connect = Format::Json.encode(1, &Request::Connect(token::of("mallory")));
    for (query, ping) in [("", TEXT), ("cf_ws_frame_ping_pong=true", PING)] {
        let upgrade = Upgrade::new(site.address()).query(query);
        let mut silent = Raw::upgrade(site.address(), &upgrade).await.unwrap();
        silent.write(&frame(FINAL | TEXT, &connect)).await;
        assert!(matches!(silent.next().await, Incoming::Frame(TEXT, _)));
        assert!(matches!(silent.next().await, Incoming::Frame(opcode, _) if opcode == ping));
        assert_eq!(silent.end().await, End::Close(3012), "{query}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let site = Site::with(|config| {
        config["client"]["ping_interval"] = json!("2s");
        config["client"]["pong_timeout"] = json!("1800ms");
    });
    let connect = Format::Json.encode(1, &Request::Connect(token::of("alice")));
    let cases = [
        ("", TEXT, TEXT, "{}"),
        ("cf_ws_frame_ping_pong=true", PING, PONG, ""),
    ];
    for (query, ping, pong, answer) in cases {
        let upgrade = Upgrade::new(site.address()).query(query);
        let mut client = Raw::upgrade(site.address(), &upgrade).await.unwrap();
        client.write(&frame(FINAL | TEXT, &connect)).await;
        assert!(matches!(client.next().await, Incoming::Frame(TEXT, _)));
        for _ in 0..2 {
            assert!(
                matches!(client.next().await, Incoming::Frame(opcode, _) if opcode == ping),
                "{query}"
            );
            client.write(&frame(FINAL | pong, answer.as_bytes())).await;
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_not_refreshed_is_closed_with_3005() {
    let site = Site::with(|config| config["client"]["expired_close_delay"] = json!("100ms"));
    let mut other = site.alice().await;
    let mut client = Client::open(site.address(), Format::Json).await;
    let token = token::signed(&json!({ "sub": "bob", "exp": token::soon() }));
    assert_eq!(client.call(Request::Connect(token)).await, Ok(()));
    assert_eq!(
        client.closed().await,
        (3005, "connection expired".to_owned())
    );
    other.subscribe("chat:a").await;
    drop((client, other));
    site.stop().await;
}

#[tokio::test]
async fn a_subscription_that_is_not_refreshed_ends_with_2501() {
    let site = Site::with(|config| config["client"]["expired_sub_close_delay"] = json!("100ms"));
    let mut client = site.alice().await;
    client.subscribe("chat:a").await;
    let claims = json!({ "sub": "alice", "channel": "chat:b", "exp": token::soon() });
    let request = Request::SubscribeWith("chat:b".to_owned(), token::signed(&claims));
    assert_eq!(client.call(request).await, Ok(()));
    let expected = Message::Unsubscribed {
        channel: "chat:b".to_owned(),
        code: UnsubscribeCode::Expired.code(),
    };
    assert_eq!(client.next().await, Ok(expected));
    // The connection and its other subscription go on; the one that ended is gone.
    let mut publisher = site.alice().await;
    publisher.publish("chat:b", "1").await;
    publisher.publish("chat:a", "2").await;
    assert_eq!(client.publication("chat:a").await, b"2");
    drop((client, publisher));
    site.stop().await;
}
