//! Notices to backends over HTTP, where there is a stream that keeps them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;

use super::backend::{Backend, Reaction};
use super::visitor::Visitor;
use crate::site;

pub(super) async fn gateway(server: &NatsServer, change: impl FnOnce(&mut Value)) -> Gateway {
    let mut config = site::config();
    change(&mut config);
    let executable = env!("CARGO_BIN_EXE_tidegate-gateway");
    let url = server.url();
    Gateway::start(executable, &config, Some(&url))
        .await
        .unwrap()
}

pub(super) fn address(gateway: &Gateway) -> SocketAddr {
    gateway.http()["http://".len()..].parse().unwrap()
}

/// A backend that answers with a status that can be changed.
async fn backend(status: u16) -> (Backend, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(status));
    let answers = Arc::clone(&status);
    let react = move |_: &_| Reaction::Status(answers.load(Ordering::Relaxed));
    (Backend::start(react).await, status)
}

/// The ids of the clients that a backend was told of.
fn told(backend: &Backend) -> BTreeSet<String> {
    let asked = backend.asked().into_iter();
    asked.map(|it| it.body["client"].to_string()).collect()
}

#[tokio::test]
async fn notices_outlive_the_backends_absence_and_the_nodes() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let (away, status) = backend(503).await;
    let telling = |config: &mut Value| {
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["client"]["proxy"]["disconnect"] =
            json!({"enabled": true, "endpoint": away.url("/gone"), "timeout": "100ms"});
    };
    let mut near = gateway(&server, telling).await;
    let mut far = gateway(&server, telling).await;
    for gateway in [&near, &far] {
        for _ in 0..10 {
            drop(Visitor::connected(address(gateway)).await);
        }
    }
    let all = async || (told(&away).len() == 20).then_some(());
    until_some("everything is told once", all).await.unwrap();

    // What they have is with them when they die, and the backend is well only then.
    near.kill().unwrap();
    far.kill().unwrap();
    let before = away.asked().len();
    status.store(200, Ordering::Relaxed);
    near.restart().await.unwrap();
    let all = async || {
        let asked = away.asked();
        let since = asked[before..].iter();
        let clients: BTreeSet<_> = since.map(|it| it.body["client"].to_string()).collect();
        (clients.len() == 20).then_some(())
    };
    until_some("everything is taken", all).await.unwrap();
    let asked = away.asked();
    assert!(asked.iter().all(|it| it.body["code"] == 3000), "{asked:?}");
}

#[tokio::test]
async fn each_notice_is_taken_once_where_nothing_fails() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let (backend, _) = backend(200).await;
    let telling = |config: &mut Value| {
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["client"]["proxy"]["disconnect"] = json!({
            "enabled": true, "endpoint": backend.url("/gone"), "http_headers": ["Cookie"],
        });
    };
    let gateways = [
        gateway(&server, telling).await,
        gateway(&server, telling).await,
    ];
    for number in 0..10 {
        let cookie = format!("number={number}");
        let address = address(&gateways[number % 2]);
        let mut visitor = Visitor::open(address, &[("Cookie", &cookie), ("X-Other", "x")]).await;
        visitor.ask(json!({"connect": {}})).await;
    }
    let all = async || (told(&backend).len() == 10).then_some(());
    until_some("everything is told", all).await.unwrap();
    let asked = backend.asked();
    assert_eq!(asked.len(), 10, "something was told twice");
    for number in 0..10 {
        let cookie = format!("cookie: number={number}");
        let with = asked
            .iter()
            .filter(|it| it.head.lines().any(|line| line == cookie));
        assert_eq!(with.count(), 1, "{cookie}");
    }
    assert!(asked.iter().all(|it| !it.head.contains("x-other")));
}
