//! What the README shows beside its pages is done as it stands there.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::go::nats_program;
use tidegate_testkit::program::Program;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::backends::snippets::nats_command;
use crate::site::{Backbone, Site};

const README: &str = include_str!("../../../README.md");

/// A backend that is nothing but a line of the README.
#[tokio::test]
async fn the_nats_program_answers_calls_of_clients() {
    let programs = tokio::task::spawn_blocking(|| nats_program().unwrap());
    let programs = programs.await.unwrap();
    let line = README.lines().map(str::trim_start);
    let line = line
        .clone()
        .find(|it| it.starts_with("nats reply "))
        .unwrap();
    let site = Site::start(Backbone::Nats, |config| {
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["rpc"] = json!({
            "proxy": { "endpoint": "nats:app" },
            "without_namespace": { "proxy_enabled": true },
        });
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let url = site.nats.as_ref().unwrap().url();
    let line = format!("exec {line}");
    let command = nats_command(&line, &programs, home.path(), &url);
    let mut backend = Program::start(command).unwrap();
    let (mut socket, _) = connect_async(site.near().websocket()).await.unwrap();
    let connect = json!({ "id": 1, "connect": {} }).to_string();
    socket.send(Message::text(connect)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let mut id = 1;
    let mut answered = async || {
        id += 1;
        let call = json!({ "id": id, "rpc": { "method": "x", "data": {} } }).to_string();
        socket.send(Message::text(call)).await.ok()?;
        let reply = socket.next().await?.ok()?.into_text().ok()?;
        let reply: Value = serde_json::from_str(&reply).ok()?;
        reply["rpc"]["data"]
            .is_object()
            .then(|| reply["rpc"]["data"].clone())
    };
    let data = until_some("the line answers", &mut answered).await.unwrap();
    assert_eq!(data, json!({ "hello": "from NATS" }));
    backend.kill().unwrap();
}
