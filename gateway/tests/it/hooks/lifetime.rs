//! Notices that a backend never takes: how long they are told, and that they do not keep others from being told.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Bus, Message, Topic};
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;

use super::backend::{Asked, Backend, Reaction};
use super::relaying::{address, gateway};
use super::services::stored;
use super::visitor::Visitor;

const MINUTE: u64 = 60 * 1_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// Has a backend told of connections that end.
fn telling(backend: &Backend) -> impl Fn(&mut Value) + use<> {
    let endpoint = backend.url("/gone");
    move |config: &mut Value| {
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["client"]["proxy"]["disconnect"] =
            json!({"enabled": true, "endpoint": endpoint, "timeout": "2s"});
    }
}

/// How often a backend was told by this id.
fn times(backend: &Backend, id: &str) -> usize {
    let asked = backend.asked();
    asked.iter().filter(|it| it.body["id"] == id).count()
}

/// A connection comes and goes; gives the id of the notice, once the backend was told.
async fn told_of_one(gateway: &Gateway, backend: &Backend) -> String {
    let before = backend.asked();
    drop(Visitor::connected(address(gateway)).await);
    let told = async || {
        let asked = backend.asked();
        let mut ids = asked.iter().map(|it| &it.body["id"]);
        let is_new = |id: &&Value| before.iter().all(|it| it.body["id"] != **id);
        ids.find(is_new)?.as_str().map(str::to_owned)
    };
    until_some("the backend is told", told).await.unwrap()
}

/// The value of a metric with these labels.
async fn metric(gateway: &Gateway, name: &str) -> u64 {
    let (_, text) = gateway.get("/metrics").await.unwrap();
    tidegate_testkit::gateway::metric(&text, name).unwrap_or_default()
}

/// A stored notice once more, with another id and so much older.
async fn age(nats: &Nats, notice: &Value, id: &str, by: u64) -> u64 {
    let data = BASE64.decode(notice["data"].as_str().unwrap()).unwrap();
    let mut notice: Value = serde_json::from_slice(&data).unwrap();
    notice["id"] = id.into();
    notice["time_ms"] = (notice["time_ms"].as_u64().unwrap() - by).into();
    let topic = Topic::relayed("default:disconnect").of_event("disconnect");
    let message = Message::new(notice.to_string());
    let answer = nats.ask(&topic, message, PATIENCE).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.data).unwrap();
    answer["seq"].as_u64().unwrap()
}

#[tokio::test]
async fn a_notice_is_given_up_after_six_days_and_after_a_minute_when_it_is_refused() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let backend = Backend::start(|asked: &Asked| match asked.body["id"].as_str() {
        Some("refused: old" | "refused: new") => Reaction::Status(404),
        Some("late: old") => Reaction::Silence,
        Some("broken: old") => Reaction::HangUp,
        Some("taken: old") => Reaction::Status(200),
        _ => Reaction::Status(503),
    })
    .await;
    let gateway = gateway(&server, telling(&backend)).await;
    told_of_one(&gateway, &backend).await;
    let nats = Nats::connect(NatsOptions::new([server.url()]));
    let nats = nats.await.unwrap();
    let notice = stored(&nats, 1).await.unwrap();

    let mut dead = Vec::new();
    for (id, by) in [
        ("failed: old", 6 * DAY),
        ("late: old", 6 * DAY),
        ("broken: old", 6 * DAY),
        ("refused: old", MINUTE),
    ] {
        dead.push((id, age(&nats, &notice, id, by).await));
    }
    let mut alive = Vec::new();
    for (id, by) in [
        ("failed: new", 6 * DAY - 60 * MINUTE),
        ("refused: new", MINUTE / 2),
    ] {
        alive.push((id, age(&nats, &notice, id, by).await));
    }
    let taken = age(&nats, &notice, "taken: old", 6 * DAY).await;
    let name = "tidegate_hook_outcomes{target=\"default\",event=\"disconnect\",outcome=\"dead\"}";
    let given_up = async || {
        let is_gone = stored(&nats, taken).await.is_none();
        (is_gone && metric(&gateway, name).await >= dead.len() as u64).then_some(())
    };
    let given_up = until_some("what is too old is given up", given_up).await;
    given_up.unwrap_or_else(|error| panic!("{error:#}\n{}", gateway.output()));
    assert_eq!(metric(&gateway, name).await, dead.len() as u64);
    for (id, sequence) in dead {
        assert_eq!(times(&backend, id), 1, "{id}");
        let is_gone = async || stored(&nats, sequence).await.is_none().then_some(());
        until_some("it has left the stream", is_gone).await.unwrap();
        let log = gateway.output();
        let mut lines = log.lines();
        let is_it = |line: &str| line.contains("a notice is given up") && line.contains(id);
        assert!(lines.any(is_it), "{id}: {log}");
    }
    for (id, sequence) in alive {
        let told = async || (times(&backend, id) > 0).then_some(());
        until_some("it is told", told).await.unwrap();
        assert!(stored(&nats, sequence).await.is_some(), "{id}");
        assert!(!gateway.output().contains(id), "{id}");
    }
}

#[tokio::test]
async fn what_a_backend_refuses_keeps_nothing_else_from_it() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let refusing = |asked: &Asked| asked.head.contains("cookie: refused");
    let backend = Backend::start(move |asked| {
        let is_refused = refusing(asked);
        Reaction::Status(if is_refused { 404 } else { 200 })
    })
    .await;
    let gateway = gateway(&server, |config| {
        telling(&backend)(config);
        config["client"]["proxy"]["disconnect"]["http_headers"] = json!(["Cookie"]);
    })
    .await;
    // More than the backend is given at a time.
    for _ in 0..40 {
        let cookie = [("Cookie", "refused")];
        let mut visitor = Visitor::open(address(&gateway), &cookie).await;
        visitor.ask(json!({"connect": {}})).await;
    }
    let refused = async || {
        let asked = backend.asked();
        let refused = asked.iter().filter(|it| refusing(it));
        let ids: BTreeSet<_> = refused.map(|it| it.body["id"].to_string()).collect();
        (ids.len() == 40).then_some(())
    };
    until_some("all are refused once", refused).await.unwrap();
    for _ in 0..10 {
        told_of_one(&gateway, &backend).await;
    }
}

#[tokio::test]
async fn without_a_stream_a_notice_is_told_eight_times_and_then_lost() {
    let refused = |asked: &Asked| asked.head.contains("cookie: refused");
    let backend = Backend::start(move |asked| {
        let is_refused = refused(asked);
        Reaction::Status(if is_refused { 503 } else { 200 })
    })
    .await;
    let server = NatsServer::start().await.unwrap();
    let gateway = gateway(&server, |config| {
        telling(&backend)(config);
        config["client"]["proxy"]["disconnect"]["http_headers"] = json!(["Cookie"]);
    })
    .await;
    let mut visitor = Visitor::open(address(&gateway), &[("Cookie", "refused")]).await;
    let reply = visitor.ask(json!({"connect": {}})).await;
    let client = reply["connect"]["client"].as_str().unwrap().to_owned();
    drop(visitor);
    let lost = "tidegate_hook_notices_lost{target=\"default\"}";
    let begun = async || (!backend.asked().is_empty()).then_some(());
    until_some("it is told", begun).await.unwrap();
    let is_lost = async || {
        // Meanwhile others are told.
        told_of_one(&gateway, &backend).await;
        (metric(&gateway, lost).await == 1).then_some(())
    };
    until_some("it is lost", is_lost).await.unwrap();
    let asked = backend.asked();
    let told: Vec<_> = asked.iter().filter(|it| refused(it)).collect();
    assert_eq!(told.len(), 8);
    for again in &told {
        assert_eq!(again.body, told[0].body);
        assert_eq!(again.body["client"], client.as_str());
    }
    let log = gateway.output();
    let mut lines = log.lines();
    let is_it = |line: &str| line.contains("a notice is lost") && line.contains(&client);
    assert!(lines.any(is_it), "{log}");
}
