//! The application's backend, asked over HTTP: what it decides, and what becomes of clients when it cannot.

mod again;
mod backend;
mod failing;
mod grpc;
mod lifetime;
mod limits;
mod occupancy;
mod relaying;
mod services;
mod telling;
pub(crate) mod visitor;

use serde_json::{Value, json};

use crate::site::Site;
use backend::{Asked, Backend, Reaction};
use visitor::Visitor;

/// A backend that lets everybody do everything, and does what a method says.
fn obliging(asked: &Asked) -> Reaction {
    match asked.path.as_str() {
        "/connect" => Reaction::Answer(json!({"result": {
            "user": "u", "info": {"name": "U"}, "data": {"hello": 1}, "channels": ["chat:news"], "meta": {"m": 1},
        }})),
        "/subscribe" if asked.body["channel"] == "chat:closed" => {
            Reaction::Answer(json!({"error": {"code": 403, "message": "closed"}}))
        }
        "/subscribe" => Reaction::Answer(json!({"result": {"data": {"welcome": true}}})),
        "/publish" if asked.body["data"] == json!("bye") => {
            Reaction::Answer(json!({"disconnect": {"code": 4501, "reason": "enough"}}))
        }
        "/publish" => Reaction::Answer(json!({"result": {"data": {"seen": asked.body["data"]}}})),
        "/rpc" => Reaction::Answer(json!({"result": {"data": {"method": asked.body["method"]}}})),
        path => panic!("{path}"),
    }
}

/// A node that asks `backend` everything.
pub(crate) fn asking(backend: &Backend, change: impl FnOnce(&mut Value)) -> Site {
    Site::with(|config| {
        config["client"]["proxy"]["connect"] = json!({
            "enabled": true, "endpoint": backend.url("/connect"),
            "http_headers": ["Cookie"], "emulated_headers": ["X-Made-Up", "Cookie"],
            "http": {"static_headers": {"X-Key": "k", "Cookie": "none"}},
        });
        for event in ["subscribe", "publish"] {
            config["channel"]["proxy"][event] = json!({
                "endpoint": backend.url(&format!("/{event}")), "include_connection_meta": true,
            });
            config["channel"]["namespaces"][0][format!("{event}_proxy_enabled")] = true.into();
        }
        config["rpc"] = json!({
            "proxy": {"endpoint": backend.url("/rpc")},
            "without_namespace": {"proxy_enabled": true},
        });
        change(config);
    })
}

#[tokio::test]
async fn a_backend_decides_about_connects_subscribes_publications_and_calls() {
    let backend = Backend::start(obliging).await;
    let site = asking(&backend, |_| {});
    let mut visitor = Visitor::open(site.address(), &[("Cookie", "session=1")]).await;
    let connect = json!({"connect": {"data": {"d": 1}, "headers": {"X-Made-Up": "yes", "Cookie": "forged", "Host": "h"}}});
    let reply = visitor.ask(connect).await;
    assert_eq!(reply["connect"]["data"], json!({"hello": 1}));
    assert_eq!(reply["connect"]["subs"], json!({"chat:news": {}}));

    let reply = visitor
        .ask(json!({"subscribe": {"channel": "chat:a"}}))
        .await;
    assert_eq!(reply["subscribe"], json!({"data": {"welcome": true}}));
    let reply = visitor
        .ask(json!({"subscribe": {"channel": "chat:closed"}}))
        .await;
    assert_eq!(reply["error"], json!({"code": 403, "message": "closed"}));
    let reply = visitor
        .ask(json!({"publish": {"channel": "chat:a", "data": 7}}))
        .await;
    assert_eq!(reply["publish"], json!({}));
    let push = visitor.push().await;
    assert_eq!(push["pub"]["data"], json!({"seen": 7}));
    assert_eq!(push["pub"]["info"]["conn_info"], json!({"name": "U"}));
    let reply = visitor
        .ask(json!({"rpc": {"method": "sum", "data": [1]}}))
        .await;
    assert_eq!(reply["rpc"], json!({"data": {"method": "sum"}}));
    visitor
        .send(json!({"publish": {"channel": "chat:a", "data": "bye"}}))
        .await;
    assert_eq!(visitor.closed().await, (4501, "enough".to_owned()));

    let asked = backend.asked();
    let connect = &asked[0];
    assert_eq!(connect.body["data"], json!({"d": 1}));
    for line in [
        "cookie: session=1",
        "x-made-up: yes",
        "x-key: k",
        "content-type: application/json",
    ] {
        assert!(
            connect.head.lines().any(|it| it == line),
            "{line} in {}",
            connect.head
        );
    }
    assert_eq!(
        connect.head.matches("cookie: ").count(),
        1,
        "{}",
        connect.head
    );
    let subscribe = &asked[1].body;
    assert_eq!(
        (&subscribe["user"], &subscribe["meta"]),
        (&json!("u"), &json!({"m": 1}))
    );
    assert_eq!(subscribe["protocol"], "json");
    site.stop().await;
}

#[tokio::test]
async fn connections_to_the_backend_are_kept() {
    let backend = Backend::start(obliging).await;
    let site = asking(&backend, |_| {});
    let mut visitor = Visitor::connected(site.address()).await;
    for _ in 0..20 {
        visitor.ask(json!({"rpc": {"method": "x"}})).await;
    }
    assert_eq!(backend.asked().len(), 21);
    // One for each backend that is configured: connect and rpc.
    assert_eq!(backend.connections(), 2);
    drop(visitor);
    site.stop().await;
}

#[tokio::test]
async fn calls_of_one_client_reach_the_backend_in_order() {
    let backend = Backend::start(obliging).await;
    let site = asking(&backend, |_| {});
    let mut visitor = Visitor::connected(site.address()).await;
    let mut last = 0;
    for number in 0..50 {
        last = visitor
            .send(json!({"rpc": {"method": "x", "data": number}}))
            .await;
    }
    visitor.reply(last).await;
    let asked = backend.asked();
    let numbers: Vec<_> = asked[1..]
        .iter()
        .map(|it| it.body["data"].clone())
        .collect();
    assert_eq!(numbers, (0..50).map(Value::from).collect::<Vec<_>>());
    // None was asked before the one before it was answered: that would have taken more than one connection.
    assert_eq!(backend.connections(), 2);
    drop(visitor);
    site.stop().await;
}

#[tokio::test]
async fn a_connection_lives_on_for_as_long_as_the_backend_says() {
    let backend = Backend::start(|asked| match asked.path.as_str() {
        "/connect" => {
            Reaction::Answer(json!({"result": {"user": "u", "expire_at": crate::token::soon()}}))
        }
        "/refresh" => Reaction::Answer(json!({"result": {"expired": true}})),
        path => panic!("{path}"),
    })
    .await;
    let site = asking(&backend, |config| {
        config["client"]["proxy"]["refresh"] =
            json!({"enabled": true, "endpoint": backend.url("/refresh")});
    });
    let mut visitor = Visitor::open(site.address(), &[]).await;
    let reply = visitor.ask(json!({"connect": {}})).await;
    assert_eq!(reply["connect"].get("expires"), None);
    assert_eq!(visitor.closed().await.0, 3005);
    assert_eq!(backend.asked()[1].body["user"], "u");
    site.stop().await;
}
