//! Bounds on connections.

use serde_json::json;
use tidegate_testkit::deadline::until_some;

use crate::client::Client;
use crate::command::{Format, Request};
use crate::http::Upgrade;
use crate::raw::Raw;
use crate::site::Site;
use crate::token;

/// Asserts that an upgrade is refused now, with a time to come back.
async fn assert_full(site: &Site) {
    let answer = Raw::upgrade(site.address(), &Upgrade::new(site.address())).await;
    let answer = answer.err().expect("the node is full");
    assert_eq!(answer.status, 503);
    let seconds: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

/// Waits until an upgrade is accepted.
async fn until_accepted(site: &Site) -> Raw {
    let upgrade = Upgrade::new(site.address());
    let accepted = until_some("an upgrade is accepted", async || {
        Raw::upgrade(site.address(), &upgrade).await.ok()
    });
    accepted.await.unwrap()
}

#[tokio::test]
async fn a_full_node_answers_503_until_someone_leaves() {
    let site = Site::with(|config| config["client"]["connection_limit"] = json!(2));
    let first = site.alice().await;
    let mut second = site.alice().await;
    assert_full(&site).await;
    assert_eq!(site.metric("tidegate_connections_refused").await, 1);
    first.leave().await;
    let third = until_accepted(&site).await;
    second.subscribe("chat:a").await;
    drop((second, third));
    site.stop().await;
}

#[tokio::test]
async fn too_many_new_connections_in_a_second_are_answered_503() {
    let site = Site::with(|config| config["client"]["connection_rate_limit"] = json!(2));
    // Two may come at once, and another every half second: that the fourth comes within it is a matter of microseconds.
    let upgrade = Upgrade::new(site.address());
    let mut accepted = Vec::new();
    let refused = loop {
        match Raw::upgrade(site.address(), &upgrade).await {
            Ok(raw) => accepted.push(raw),
            Err(answer) => break answer,
        }
        assert!(accepted.len() < 10, "ten were accepted");
    };
    assert_eq!(refused.status, 503);
    assert!(accepted.len() >= 2, "{} were accepted", accepted.len());
    assert_eq!(refused.header("Retry-After"), Some("1"));
    accepted.push(until_accepted(&site).await);
    drop(accepted);
    site.stop().await;
}

#[tokio::test]
async fn one_connection_of_a_user_too_many_is_closed_with_3504() {
    let site = Site::with(|config| config["client"]["user_connection_limit"] = json!(1));
    let first = site.client(Format::Json, "alice").await;
    let _other = site.client(Format::Protobuf, "bob").await;
    let mut second = Client::open(site.address(), Format::Json).await;
    second.send(&[Request::Connect(token::of("alice"))]).await;
    assert_eq!(second.closed().await, (3504, "connection limit".to_owned()));
    first.leave().await;
    let again = until_some("alice may come again", async || {
        let mut client = Client::open(site.address(), Format::Json).await;
        client.send(&[Request::Connect(token::of("alice"))]).await;
        client.next().await.ok()
    });
    again.await.unwrap();
    drop(_other);
    site.stop().await;
}
