//! Transports beside the WebSocket: the same scenarios of the SDK over each of them, with two gateways of which most
//! commands come to the wrong one; proxies that refuse WebSockets; browsers.

mod browsers;

use serde_json::{Value, json};
use tidegate_testkit::program::Program;

use super::backends::free_port;
use super::presence;
use super::scenario::{self, Format, Sdk};
use super::site::{Backbone, Site};

/// Switches every transport on.
pub(crate) fn offer(config: &mut Value) {
    for section in [
        "http_stream",
        "sse",
        "uni_http_stream",
        "uni_sse",
        "uni_websocket",
    ] {
        config[section] = json!({ "enabled": true });
    }
}

/// Plays a scenario over another transport.
async fn play(name: &str, transport: &str, format: Format) {
    let site = Site::start(Backbone::Nats, |config| {
        offer(config);
        scenario::configure(name, config);
    })
    .await;
    let mut command = scenario::command(name, Sdk::JavaScript, format, site.near(), site.far());
    command.env("TIDEGATE_TRANSPORT", transport);
    scenario::succeed(Program::start(command).unwrap(), &site).await;
}

/// Makes a module of tests, one of each scenario.
macro_rules! scenarios {
    ($($module:ident, $transport:literal in $format:ident: $($name:ident)+;)+) => { $(
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    super::play(stringify!($name), $transport, crate::scenario::Format::$format).await;
                }
            )+
        }
    )+ };
}

scenarios! {
    http_stream, "http_stream" in Json:
        expired_token bad_token refresh errors private_channel server_side publish many_channels
        subscribe_loop batch in_order recovery recovery_of_deltas deltas history;
    http_stream_protobuf, "http_stream" in Protobuf:
        refresh errors server_side publish many_channels batch in_order recovery recovery_of_deltas deltas;
    sse, "sse" in Json:
        expired_token bad_token refresh errors private_channel server_side publish many_channels
        subscribe_loop batch in_order recovery recovery_of_deltas deltas history;
}

/// Plays a scenario that chooses its transports itself.
async fn play_freely(name: &str, format: Format) {
    let site = Site::start(Backbone::Nats, offer).await;
    let script = scenario::start(name, Sdk::JavaScript, format, site.near(), site.far());
    scenario::succeed(script, &site).await;
    let (mut frames, mut passed_on) = (0, 0);
    for gateway in &site.gateways {
        frames += gateway.metric("tidegate_emulation_frames").await.unwrap();
        passed_on += gateway
            .metric("tidegate_emulation_passed_on")
            .await
            .unwrap();
    }
    assert!(
        2 * passed_on > frames,
        "{passed_on} of {frames} to the wrong gateway"
    );
}

#[tokio::test]
async fn behind_a_proxy_without_websockets_the_sdk_finds_another_way() {
    play_freely("fallback", Format::Json).await;
}

#[tokio::test]
async fn many_commands_at_once_are_all_answered() {
    for format in [Format::Json, Format::Protobuf] {
        play_freely("burst", format).await;
    }
}

/// A gateway is killed under clients, who find it again and are given what they missed.
async fn kill_quietly(transport: &str) {
    let mut site = Site::start(Backbone::Nats, |config| {
        offer(config);
        scenario::keep(config);
    })
    .await;
    let name = "recovery_after_a_kill";
    let (near, far) = (site.near(), site.far());
    let mut command = scenario::command(name, Sdk::JavaScript, Format::Json, near, far);
    command.env("TIDEGATE_TRANSPORT", transport);
    let mut script = Program::start(command).unwrap();
    assert_eq!(script.next_line().await.unwrap(), "ready");
    site.gateways[0].kill().unwrap();
    site.gateways[0].restart().await.unwrap();
    script.tell("back").unwrap();
    scenario::succeed(script, &site).await;
}

#[tokio::test]
async fn clients_recover_after_their_gateway_was_killed() {
    for transport in ["http_stream", "sse"] {
        kill_quietly(transport).await;
    }
}

#[tokio::test]
async fn who_is_there_over_a_stream_is_seen_and_missed_as_over_a_websocket() {
    for (transport, name) in [
        ("http_stream", "presence"),
        ("http_stream", "joins_and_leaves"),
        ("sse", "presence"),
    ] {
        let site = Site::start(Backbone::Embedded, |config| {
            offer(config);
            presence::see(config);
        });
        let site = site.await;
        let (near, far) = (site.near(), site.far());
        let mut command = scenario::command(name, Sdk::JavaScript, Format::Json, near, far);
        command.env("TIDEGATE_TRANSPORT", transport);
        scenario::succeed(Program::start(command).unwrap(), &site).await;
    }
}

/// Adds a namespace of which nothing is missed by those who cannot ask for it.
fn keep_events(config: &mut Value) {
    let namespaces = config["channel"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(json!({
        "name": "events",
        "allow_subscribe_for_client": true,
        "allow_publish_for_client": true,
        "history_size": 1_000,
        "history_ttl": "10m",
        "force_recovery": true,
    }));
}

#[tokio::test]
async fn a_program_that_knows_centrifugo_listens_by_grpc() {
    let port = free_port();
    let site = Site::start(Backbone::Embedded, |config| {
        keep_events(config);
        config["uni_grpc"] = json!({ "enabled": true, "address": "127.0.0.1", "port": port });
    });
    let site = site.await;
    let (near, far) = (site.near(), site.far());
    let mut command = scenario::command("uni_grpc", Sdk::Python, Format::Protobuf, near, far);
    command.env("TIDEGATE_UNI_GRPC", format!("127.0.0.1:{port}"));
    scenario::succeed(Program::start(command).unwrap(), &site).await;
}
