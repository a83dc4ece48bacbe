//! Notices that are told more than once: by what a backend knows the same one again.

use std::collections::HashSet;
use std::sync::Mutex;

use serde_json::{Value, json};
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;

use super::backend::{Asked, Backend, Reaction};
use super::relaying::{address, gateway};
use super::services::stored;
use super::visitor::Visitor;

/// Has a backend told of everything, by a node of this name.
fn telling(backend: &Backend, node: &str) -> impl FnOnce(&mut Value) + use<> {
    let (base, node) = (backend.url(""), node.to_owned());
    move |config: &mut Value| {
        let target = |path: &str| {
            json!({
                "endpoint": format!("{base}/{path}"), "timeout": "500ms",
                "http": {"static_headers": {"X-Node": node}},
            })
        };
        let mut disconnect = target("disconnect");
        disconnect["enabled"] = true.into();
        config["client"]["proxy"]["disconnect"] = disconnect;
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        let channel = &mut config["channel"];
        channel["namespaces"][0]["allow_subscribe_for_anonymous"] = true.into();
        for event in ["unsubscribe", "state"] {
            channel["namespaces"][0][format!("{event}_proxy_enabled")] = true.into();
            channel["proxy"][event] = target(event);
        }
    }
}

fn subscribe() -> Value {
    json!({"subscribe": {"channel": "chat:a"}})
}

/// What it was asked at a path.
fn at(asked: &[Asked], path: &str) -> Vec<Value> {
    let asked = asked.iter().filter(|it| it.path == path);
    asked.map(|it| it.body.clone()).collect()
}

#[tokio::test]
async fn what_a_backend_answered_too_late_comes_again_as_it_was() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let seen = Mutex::new(HashSet::new());
    let backend = Backend::start(move |asked| {
        let id = asked.body["id"].to_string();
        match seen.lock().unwrap().insert(id) {
            true => Reaction::Silence,
            false => Reaction::Status(200),
        }
    })
    .await;
    let gateway = gateway(&server, telling(&backend, "alone")).await;
    let mut visitor = Visitor::connected(address(&gateway)).await;
    let reply = visitor.ask(subscribe()).await;
    assert_eq!(reply["subscribe"], json!({}));
    let occupied = async || (!backend.asked().is_empty()).then_some(());
    until_some("it is occupied", occupied).await.unwrap();
    drop(visitor);
    let paths = ["/disconnect", "/unsubscribe", "/state"];
    let all_again = async || {
        let asked = backend.asked();
        let counts = paths.map(|path| at(&asked, path).len());
        // Of state there are two: the channel is occupied, and vacated.
        (counts[0] >= 2 && counts[1] >= 2 && counts[2] >= 4).then_some(())
    };
    until_some("everything is told again", all_again)
        .await
        .unwrap();
    let asked = backend.asked();
    for path in paths {
        let told = at(&asked, path);
        for notice in &told {
            // The time, the code, of state the number: nothing of it has changed.
            let again = told.iter().filter(|it| it["id"] == notice["id"]);
            assert!(again.clone().count() >= 2, "{path}: {told:?}");
            for again in again {
                assert_eq!(again, notice, "{path}");
            }
        }
        let mut ids: Vec<_> = told.iter().map(|it| it["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), if path == "/state" { 2 } else { 1 }, "{path}");
    }
    let number = |kind: &str| {
        let events = at(&asked, "/state").into_iter();
        let mut events = events.map(|it| it["events"][0].clone());
        let event = events.find(|it| it["type"] == kind).unwrap();
        event["number"].as_u64().unwrap()
    };
    assert!(number("occupied") < number("vacated"));
}

#[tokio::test]
async fn what_a_killed_gateway_had_is_told_by_another_as_it_was() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let first = Mutex::new(None);
    // The node that tells of it first is left without an answer.
    let backend = Backend::start(move |asked| {
        let mut first = first.lock().unwrap();
        let is_first = *first.get_or_insert_with(|| node_of(asked)) == node_of(asked);
        match is_first && asked.path == "/state" {
            true => Reaction::Silence,
            false => Reaction::Status(200),
        }
    })
    .await;
    let mut near = gateway(&server, telling(&backend, "near")).await;
    let mut far = gateway(&server, telling(&backend, "far")).await;
    let mut visitors = Vec::new();
    for gateway in [&near, &far] {
        let mut visitor = Visitor::connected(address(gateway)).await;
        visitor.ask(subscribe()).await;
        visitors.push(visitor);
    }
    let told = async || backend.asked().into_iter().next();
    let before = until_some("a node tells", told).await.unwrap();
    let holder = match node_of(&before).as_str() {
        "near" => &mut near,
        _ => &mut far,
    };
    holder.kill().unwrap();
    let by_other = async || {
        let asked = backend.asked();
        let mut others = asked
            .into_iter()
            .filter(|it| node_of(it) != node_of(&before));
        others.find(|it| it.body["id"] == before.body["id"])
    };
    let again = until_some("the other node tells", by_other).await.unwrap();
    assert_eq!(again.body, before.body);
    assert!(again.body["events"][0]["number"].is_u64());
    let nats = Nats::connect(NatsOptions::new([server.url()]));
    let nats = nats.await.unwrap();
    let is_taken = async || stored(&nats, 1).await.is_none().then_some(());
    until_some("it has left the stream", is_taken)
        .await
        .unwrap();
}

/// Who tells, by the header of its configuration.
fn node_of(asked: &Asked) -> String {
    let mut lines = asked.head.lines();
    let name = lines.find_map(|line| line.strip_prefix("x-node: "));
    name.unwrap().to_owned()
}
