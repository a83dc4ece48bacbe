//! A gateway that cannot hear itself, or a service, says so.

use serde_json::{Value, json};
use tidegate_testkit::address;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::pipe::{Direction, Pipe};

use super::site::{Backbone, Site};

/// Waits until `/ready` answers with a status; gives what it says.
pub(crate) async fn readiness(gateway: &Gateway, expected: u16) -> Value {
    let what = format!("/ready answers {expected}");
    let body = until_some(&what, async || {
        let (status, body) = gateway.get("/ready").await.ok()?;
        (status == expected).then_some(body)
    });
    let body = body.await;
    assert!(body.is_ok(), "{body:?}\n{}", gateway.output());
    serde_json::from_str(&body.unwrap()).unwrap()
}

/// The state of a check, as `/ready` says it.
fn state<'a>(report: &'a Value, check: &str) -> &'a str {
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|it| it["name"] == check);
    check.map_or("none", |it| it["state"].as_str().unwrap())
}

fn config() -> Value {
    json!({
        "http_server": { "workers": 1 },
        "client": { "insecure": true },
        "health": { "echo_interval": "1s", "echo_timeout": "1s" },
        "prometheus": { "enabled": true },
    })
}

async fn gateway(nats: &str) -> Gateway {
    let executable = env!("CARGO_BIN_EXE_tidegate");
    let gateway = Gateway::start(executable, &config(), Some(nats)).await;
    gateway.unwrap()
}

/// The other gateway's signs of life come through one way, so the connection is never silent; nobody else would notice.
async fn a_stopped_up_direction(direction: Direction) {
    let nats = NatsServer::start().await.unwrap();
    let pipe = Pipe::to(nats.address()).await.unwrap();
    let near = gateway(&format!("nats://{}", pipe.address())).await;
    let far = gateway(&nats.url()).await;
    readiness(&near, 200).await;
    pipe.stop_up(direction);
    let report = readiness(&near, 503).await;
    // It is still connected, as far as NATS and its pings go.
    assert_eq!(near.metric("tidegate_nats_lost").await.unwrap(), 0);
    assert_eq!(
        (state(&report, "echo"), state(&report, "backbone")),
        ("failed", "ok")
    );
    assert_eq!(near.metric("tidegate_ready").await.unwrap(), 0);
    readiness(&far, 200).await;
    pipe.clear();
    let report = readiness(&near, 200).await;
    assert_eq!(state(&report, "echo"), "ok");
    let lost = until_some("the log says so", async || {
        let lost = near.metric("tidegate_echoes_lost").await.ok()?;
        (lost > 0 && near.output().contains("comes back again")).then_some(())
    });
    lost.await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_not_heard_any_more_is_not_ready() {
    a_stopped_up_direction(Direction::Up).await;
}

#[tokio::test]
async fn a_gateway_that_hears_nothing_any_more_is_not_ready() {
    a_stopped_up_direction(Direction::Down).await;
}

#[tokio::test]
async fn a_gateway_whose_nats_hangs_is_not_ready_until_it_goes_on() {
    let nats = NatsServer::start().await.unwrap();
    let gateway = gateway(&nats.url()).await;
    readiness(&gateway, 200).await;
    nats.freeze().unwrap();
    readiness(&gateway, 503).await;
    assert_eq!(gateway.metric("tidegate_nats_lost").await.unwrap(), 0);
    nats.thaw().unwrap();
    readiness(&gateway, 200).await;
}

fn needs_services(config: &mut Value) {
    let chat = &mut config["channel"]["namespaces"][0];
    chat["presence"] = json!(true);
    chat["history_size"] = json!(10);
    chat["history_ttl"] = json!("1h");
    chat["archive"] = json!(true);
}

#[tokio::test]
async fn services_that_are_missed_are_told_and_keep_nobody_out() {
    let site = Site::start(Backbone::Nats, needs_services).await;
    let told = until_some("they are missed", async || {
        let report = readiness(site.near(), 200).await;
        let states = ["presence", "history"].map(|it| state(&report, it).to_owned());
        (states == ["degraded", "degraded"]).then_some(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn services_that_answer_are_well() {
    let site = Site::start(Backbone::Embedded, |config| {
        needs_services(config);
        config["history_service"]["address"] = json!(address::free().unwrap().to_string());
    })
    .await;
    let told = until_some("they answer", async || {
        let report = readiness(site.near(), 200).await;
        let states = ["presence", "history"].map(|it| state(&report, it).to_owned());
        (states == ["ok", "ok"]).then_some(())
    });
    told.await.unwrap();
}
