//! A channel's first subscriber and its last, wherever they are.

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;

use super::backend::{Backend, Reaction};
use super::relaying::{address, gateway};
use super::visitor::Visitor;
use crate::site::Site;

/// Has a backend told of channels `chat:…`.
fn telling(backend: &Backend, delay: &str) -> impl Fn(&mut Value) + use<> {
    let (endpoint, delay) = (backend.url("/state"), delay.to_owned());
    move |config: &mut Value| {
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["channel"]["proxy"]["state"] = json!({"endpoint": endpoint, "timeout": "10s"});
        let chat = &mut config["channel"]["namespaces"][0];
        chat["state_proxy_enabled"] = true.into();
        chat["state_vacated_delay"] = delay.clone().into();
        chat["allow_subscribe_for_anonymous"] = true.into();
    }
}

async fn taking() -> Backend {
    Backend::start(|_| Reaction::Answer(json!({"result": {}}))).await
}

/// What a backend was told of a channel, by the numbers; what was told again counts once.
fn told(backend: &Backend, channel: &str) -> Vec<String> {
    let asked = backend.asked();
    let events = asked.iter().map(|it| &it.body["events"][0]);
    let mut events: Vec<_> = events
        .filter(|it| it["channel"] == channel)
        .map(|it| {
            (
                it["number"].as_u64().unwrap(),
                it["type"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    events.sort();
    events.dedup();
    events.into_iter().map(|(_, kind)| kind).collect()
}

async fn until_told(backend: &Backend, channel: &str, expected: &[&str]) {
    let mut last = Vec::new();
    let is_told = until_some("what became of a channel", async || {
        last = told(backend, channel);
        (last == expected).then_some(())
    });
    let outcome = is_told.await;
    assert!(outcome.is_ok(), "{channel}: {last:?}, not {expected:?}");
}

async fn subscriber(address: std::net::SocketAddr, channel: &str) -> Visitor {
    let mut visitor = Visitor::connected(address).await;
    let subscribe = json!({"subscribe": {"channel": channel}});
    let reply = visitor.ask(subscribe).await;
    assert_eq!(reply["subscribe"], json!({}), "{reply}");
    visitor
}

#[tokio::test]
async fn a_node_alone_tells_of_the_first_and_the_last_subscriber() {
    let backend = taking().await;
    let site = Site::with(telling(&backend, "2s"));
    let mut first = subscriber(site.address(), "chat:a").await;
    let second = subscriber(site.address(), "chat:a").await;
    until_told(&backend, "chat:a", &["occupied"]).await;
    drop(second);
    // It comes back in time.
    for _ in 0..3 {
        first
            .ask(json!({"unsubscribe": {"channel": "chat:a"}}))
            .await;
        let reply = first.ask(json!({"subscribe": {"channel": "chat:a"}})).await;
        assert_eq!(reply["subscribe"], json!({}));
    }
    drop(first);
    until_told(&backend, "chat:a", &["occupied", "vacated"]).await;
    let again = subscriber(site.address(), "chat:a").await;
    until_told(&backend, "chat:a", &["occupied", "vacated", "occupied"]).await;
    drop(again);
    // A node that stops tells of it first.
    site.stop().await;
    let all = ["occupied", "vacated", "occupied", "vacated"];
    assert_eq!(told(&backend, "chat:a"), all);
    assert_eq!(backend.asked().len(), 4, "something was told twice");
}

#[tokio::test]
async fn nodes_together_tell_once() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let backend = taking().await;
    let near = gateway(&server, telling(&backend, "1s")).await;
    let far = gateway(&server, telling(&backend, "1s")).await;
    let first = subscriber(address(&near), "chat:a").await;
    until_told(&backend, "chat:a", &["occupied"]).await;
    let second = subscriber(address(&far), "chat:a").await;
    drop(first);
    // Who was told of something later has heard all that was before.
    let other = subscriber(address(&near), "chat:b").await;
    drop(other);
    until_told(&backend, "chat:b", &["occupied", "vacated"]).await;
    assert_eq!(told(&backend, "chat:a"), ["occupied"]);
    drop(second);
    until_told(&backend, "chat:a", &["occupied", "vacated"]).await;
    assert_eq!(backend.asked().len(), 4, "something was told twice");
}

#[tokio::test]
async fn what_a_killed_node_occupied_is_vacated_by_the_others_or_the_next() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let backend = taking().await;
    let mut near = gateway(&server, telling(&backend, "100ms")).await;
    let mut far = gateway(&server, telling(&backend, "100ms")).await;
    let _gone = subscriber(address(&near), "chat:a").await;
    let _both = [
        subscriber(address(&near), "chat:b").await,
        subscriber(address(&far), "chat:b").await,
    ];
    for channel in ["chat:a", "chat:b"] {
        until_told(&backend, channel, &["occupied"]).await;
    }
    near.kill().unwrap();
    until_told(&backend, "chat:a", &["occupied", "vacated"]).await;
    assert_eq!(told(&backend, "chat:b"), ["occupied"]);
    far.kill().unwrap();
    near.restart().await.unwrap();
    until_told(&backend, "chat:b", &["occupied", "vacated"]).await;
}
