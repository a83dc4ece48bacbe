//! Backends that are NATS clients, in other languages, with a client on the SDK; and notices that wait in a stream.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Bus, Message, Topic};
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::node::node;
use tidegate_testkit::program::Program;
use tidegate_testkit::python::python;

use super::visitor::Visitor;
use crate::process::Process;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/services")
        .join(name)
}

fn asking_on_the_bus(config: &mut Value) {
    let app = || json!({"endpoint": "nats:app", "timeout": "10s"});
    let mut connect = app();
    connect["enabled"] = true.into();
    config["client"]["proxy"]["connect"] = connect;
    for event in ["subscribe", "publish"] {
        config["channel"]["proxy"][event] = app();
        config["channel"]["namespaces"][0][format!("{event}_proxy_enabled")] = true.into();
    }
    config["rpc"] = json!({"proxy": app(), "without_namespace": {"proxy_enabled": true}});
}

async fn check(language: &str, service: fn() -> Command) {
    let (mut service, mut client) =
        tokio::task::spawn_blocking(move || (service(), node(&script("client.mjs")).unwrap()))
            .await
            .unwrap();
    let gateway = Process::start(asking_on_the_bus).await;
    service.env("NATS_URL", gateway.nats.url());
    let mut service = Program::start(service).unwrap();
    assert_eq!(service.next_line().await.unwrap(), "ready");
    let url = format!("ws://{}/connection/websocket", gateway.address);
    client
        .env("TIDEGATE_URL", url)
        .env("LANGUAGE_OF_BACKEND", language);
    let mut client = Program::start(client).unwrap();
    if let Err(error) = client.succeeded().await {
        panic!(
            "{error:#}\n{}\n{}",
            service.output(),
            gateway.program.output()
        );
    }
}

#[tokio::test]
async fn a_backend_in_node_answers_on_nats() {
    check("node", || node(&script("service.mjs")).unwrap()).await;
}

#[tokio::test]
async fn a_backend_in_python_answers_on_nats() {
    check("python", || python(&script("service.py")).unwrap()).await;
}

#[tokio::test]
async fn without_a_backend_on_nats_a_client_is_told_so_at_once() {
    let gateway = Process::start(asking_on_the_bus).await;
    let mut visitor = Visitor::open(gateway.address, &[]).await;
    let begin = tokio::time::Instant::now();
    let reply = visitor.ask(json!({"connect": {}})).await;
    assert_eq!(reply["error"]["code"], 100);
    assert!(begin.elapsed().as_secs() < 9, "it waited for the timeout");
}

/// What the stream of notices holds at a place.
pub(super) async fn stored(nats: &Nats, sequence: u64) -> Option<Value> {
    let topic = Topic::stream_message("tide-hooks");
    let question = Message::new(json!({"seq": sequence}).to_string());
    let answer = nats.ask(&topic, question, PATIENCE).await.ok()?;
    let answer: Value = serde_json::from_slice(&answer.data).unwrap();
    answer["message"]
        .is_object()
        .then(|| answer["message"].clone())
}

#[tokio::test]
async fn notices_wait_in_a_stream_for_backends_that_are_away() {
    let change = |config: &mut Value| {
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["client"]["proxy"]["disconnect"] = json!({"enabled": true, "endpoint": "nats:app"});
        config["channel"]["proxy"]["unsubscribe"] = json!({"endpoint": "nats:app"});
        let chat = &mut config["channel"]["namespaces"][0];
        chat["unsubscribe_proxy_enabled"] = true.into();
        chat["allow_subscribe_for_anonymous"] = true.into();
    };
    let fetching = tokio::task::spawn_blocking(|| python(&script("notices.py")).unwrap());
    let mut backend = fetching.await.unwrap();
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let gateway = Process::start_on(server, change).await;
    let mut visitor = Visitor::connected(gateway.address).await;
    let reply = visitor
        .ask(json!({"subscribe": {"channel": "chat:a"}}))
        .await;
    assert_eq!(reply["subscribe"], json!({}));
    drop(visitor);
    let nats = Nats::connect(NatsOptions::new([gateway.nats.url()]))
        .await
        .unwrap();
    for sequence in 1..=2 {
        let is_stored = async || stored(&nats, sequence).await;
        until_some("a notice", is_stored).await.unwrap();
    }

    // Both are there although the gateway is gone, and the backend comes only now.
    let Process {
        nats: server,
        program,
        ..
    } = &gateway;
    kill(program.id());
    backend.env("NATS_URL", server.url());
    let mut backend = Program::start(backend).unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let line = backend.next_line().await.unwrap();
        told.push(serde_json::from_str::<Value>(&line).unwrap());
    }
    told.sort_by_key(|it| it["event"].to_string());
    let notice = |event: &str, channel: Value, code: u32, reason: &str| json!({"event": event, "user": "", "channel": channel, "code": code, "reason": reason});
    assert_eq!(
        told,
        [
            notice("disconnect", Value::Null, 3000, "connection closed"),
            notice("unsubscribe", "chat:a".into(), 1, "disconnected"),
        ]
    );
    backend.succeeded().await.unwrap();
    // What was acknowledged is not there any more.
    for sequence in 1..=2 {
        assert_eq!(stored(&nats, sequence).await, None);
    }
}

/// Ends a process as a power failure would.
fn kill(id: u32) {
    let killed = Command::new("kill").args(["-9", &id.to_string()]).status();
    assert!(killed.unwrap().success());
}
