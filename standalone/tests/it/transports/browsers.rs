//! Pages in Chromium, of another origin than the gateways'.

use std::process::Command;

use serde_json::{Value, json};
use tidegate_testkit::authority::Authority;
use tidegate_testkit::chromium::chromium;
use tidegate_testkit::program::Program;

use super::{keep_events, offer};
use crate::backends::free_port;
use crate::scenario::{self, Format, Sdk};
use crate::site::{Backbone, SECRET, Site};

/// A script that opens a page in Chromium, and gateways that let this page in.
async fn browse(name: &str, format: Format, backbone: Backbone) -> (Site, Program) {
    let (site, command) = page(name, format, backbone, |_| {}).await;
    (site, Program::start(command).unwrap())
}

/// The same, not started yet, with a configuration changed by `change`.
async fn page(
    name: &str,
    format: Format,
    backbone: Backbone,
    change: impl FnOnce(&mut Value),
) -> (Site, Command) {
    let browser = tokio::task::spawn_blocking(|| chromium().unwrap());
    let port = free_port();
    let site = Site::start(backbone, |config| {
        offer(config);
        config["client"]["allowed_origins"] = json!([format!("http://127.0.0.1:{port}")]);
        keep_events(config);
        change(config);
    });
    let site = site.await;
    let mut command = scenario::command(name, Sdk::JavaScript, format, site.near(), site.far());
    command
        .env("CHROMIUM", browser.await.unwrap())
        .env("PAGE_PORT", port.to_string());
    (site, command)
}

#[tokio::test]
async fn the_sdk_works_in_chromium_over_each_transport() {
    for format in [Format::Json, Format::Protobuf] {
        let (site, script) = browse("browser_transports", format, Backbone::Nats).await;
        scenario::succeed(script, &site).await;
    }
}

#[tokio::test]
async fn an_event_source_in_chromium_misses_nothing_while_a_gateway_is_started_anew() {
    for backbone in [Backbone::Embedded, Backbone::Nats] {
        let (mut site, mut script) = browse("event_source_stopped", Format::Json, backbone).await;
        assert_eq!(script.next_line().await.unwrap(), "ready");
        site.gateways[0].stop().await.unwrap();
        site.gateways[0].restart().await.unwrap();
        script.tell("back").unwrap();
        scenario::succeed(script, &site).await;
    }
}

#[tokio::test]
async fn an_event_source_in_chromium_misses_nothing_while_a_gateway_is_killed() {
    let (mut site, mut script) =
        browse("event_source_killed", Format::Json, Backbone::Embedded).await;
    assert_eq!(script.next_line().await.unwrap(), "ready");
    site.gateways[0].kill().unwrap();
    site.gateways[0].restart().await.unwrap();
    script.tell("back").unwrap();
    scenario::succeed(script, &site).await;
}

#[tokio::test]
async fn more_event_sources_than_a_browser_has_sockets_are_live_over_http_2() {
    let authority = Authority::new().unwrap();
    let (certificate, key) = authority.certificate_files("127.0.0.1").unwrap();
    let name = "event_sources_over_http_2";
    let (site, mut command) = page(name, Format::Json, Backbone::Embedded, |config| {
        config["http_server"]["tls"] =
            json!({ "enabled": true, "cert_pem_file": certificate, "key_pem_file": key });
    })
    .await;
    command.env("NODE_EXTRA_CA_CERTS", authority.file());
    let mut script = Program::start(command).unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
}

#[tokio::test]
async fn over_http_1_the_seventh_event_source_waits_for_a_socket() {
    let name = "event_sources_over_http_1";
    let (site, script) = browse(name, Format::Json, Backbone::Embedded).await;
    scenario::succeed(script, &site).await;
}

#[tokio::test]
async fn the_page_of_the_server_api_tries_its_methods() {
    let (site, command) = page("api_page", Format::Json, Backbone::Embedded, |config| {
        config["http_api"] = json!({ "key": SECRET });
        config["swagger"] = json!({ "enabled": true });
    })
    .await;
    scenario::succeed(Program::start(command).unwrap(), &site).await;
}
