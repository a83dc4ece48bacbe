//! Scenarios in which a server goes away while clients are connected.

use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;

use super::scenario::{self, Format, Sdk};
use super::site::{Backbone, Site};

/// Kills the gateway under the clients, and starts it again on its port.
pub(crate) async fn kill(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let mut site = Site::start(backbone, |_| {}).await;
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    assert_eq!(script.next_line().await.unwrap(), "ready");
    let gateway = &mut site.gateways[0];
    gateway.kill().unwrap();
    gateway.restart().await.unwrap();
    script.succeeded().await.unwrap();
}

/// Kills the gateway when the script says so, and starts it again; the script goes on when it is told.
pub(crate) async fn kill_quietly(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let mut site = Site::start(backbone, scenario::keep).await;
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    assert_eq!(script.next_line().await.unwrap(), "ready");
    let gateway = &mut site.gateways[0];
    gateway.kill().unwrap();
    gateway.restart().await.unwrap();
    script.tell("back").unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
}

/// Stops the gateway under the clients as an operator does, and starts it again on its port.
pub(crate) async fn stop(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let mut site = Site::start(backbone, |_| {}).await;
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    assert_eq!(script.next_line().await.unwrap(), "ready");
    let gateway = &mut site.gateways[0];
    gateway.stop().await.unwrap();
    gateway.restart().await.unwrap();
    script.succeeded().await.unwrap();
}

/// Kills NATS under the gateways, and starts it again on its port.
pub(crate) async fn lose_nats(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let mut site = Site::start(backbone, |_| {}).await;
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    assert_eq!(script.next_line().await.unwrap(), "ready");
    site.nats.as_mut().unwrap().kill().unwrap();
    for gateway in &site.gateways {
        readiness(gateway, 503).await;
        let (health, _) = gateway.get("/health").await.unwrap();
        assert_eq!(health, 200, "a gateway without NATS is alive");
    }
    script.tell("lost").unwrap();
    assert_eq!(script.next_line().await.unwrap(), "refused");
    site.nats.as_mut().unwrap().restart().await.unwrap();
    for gateway in &site.gateways {
        readiness(gateway, 200).await;
    }
    script.tell("back").unwrap();
    script.succeeded().await.unwrap();
}

async fn readiness(gateway: &Gateway, expected: u16) {
    let what = format!("/ready answers {expected}");
    let ask = async || {
        gateway
            .get("/ready")
            .await
            .ok()
            .filter(|(status, _)| *status == expected)
    };
    until_some(&what, ask).await.unwrap();
}
