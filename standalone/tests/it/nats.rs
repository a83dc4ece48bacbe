//! Two gateways on one NATS server: what is published through one reaches the clients of both.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::json;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::program::Program;

use super::scenario::{Format, Sdk, scenarios, start};
use super::site::{Backbone, Site};

scenarios! { both on Nats, crate::scenario::play:
    errors
    private_channel
    server_side
    publish
    order
    many_subscriptions
    subscribe_loop
    batch
}
scenarios! { both on Nats, crate::scenario::play:
    recovery
    recovery_of_deltas
    recovery_of_the_newest
    recovery_of_too_much
}
scenarios! { javascript on Nats, crate::scenario::play: deltas history }
scenarios! { python on Nats, crate::scenario::play:
    server_api_publishes
    server_api_reads_history
    server_api_publishes_versions
    server_api_skips_history
    server_api_controls_connections
    server_api_refreshes
    server_api_tells_who_is_there
    server_api_refuses
}
scenarios! { both on Nats, crate::outage::kill_quietly: recovery_after_a_kill }
scenarios! { both on Nats, crate::outage::kill: killed }
scenarios! { both on Nats, crate::outage::stop: stopped }
scenarios! { both on Nats, crate::outage::lose_nats: backbone_lost }

/// Starts a listener per gateway.
async fn listeners(site: &Site, kinds: [(Sdk, Format); 2]) -> Vec<Program> {
    let mut programs = Vec::new();
    for (gateway, (sdk, format)) in site.gateways.iter().zip(kinds) {
        programs.push(start("listen", sdk, format, gateway, gateway));
    }
    for program in &mut programs {
        assert_eq!(program.next_line().await.unwrap(), "listening");
    }
    programs
}

/// What a listener says of a publication.
fn said(payload: &[u8]) -> String {
    BASE64.encode(payload)
}

/// Everything published through one gateway comes to listeners on both, in order and once.
async fn talk(speaker: (Sdk, Format), kinds: [(Sdk, Format); 2]) {
    let site = Site::start(Backbone::Nats, |_| {}).await;
    let mut listeners = listeners(&site, kinds).await;
    let (sdk, format) = speaker;
    let mut speaker = start("speak", sdk, format, site.near(), site.far());
    speaker.succeeded().await.unwrap();
    for listener in &mut listeners {
        for number in 0..1_000 {
            let expected = said(number.to_string().as_bytes());
            assert_eq!(
                listener.next_line().await.unwrap(),
                expected,
                "publication {number}"
            );
        }
        assert_eq!(listener.next_line().await.unwrap(), said(br#""end""#));
        listener.tell("stop").unwrap();
        listener.succeeded().await.unwrap();
    }
}

#[tokio::test]
async fn javascript_speaks_to_javascript() {
    let kinds = [
        (Sdk::JavaScript, Format::Protobuf),
        (Sdk::JavaScript, Format::Json),
    ];
    talk((Sdk::JavaScript, Format::Json), kinds).await;
}

#[tokio::test]
async fn javascript_speaks_to_python() {
    let kinds = [(Sdk::Python, Format::Json), (Sdk::Python, Format::Protobuf)];
    talk((Sdk::JavaScript, Format::Protobuf), kinds).await;
}

#[tokio::test]
async fn python_speaks_to_javascript() {
    let kinds = [
        (Sdk::JavaScript, Format::Json),
        (Sdk::JavaScript, Format::Protobuf),
    ];
    talk((Sdk::Python, Format::Json), kinds).await;
}

#[tokio::test]
async fn plain_nats_messages_reach_clients_in_the_formats_that_can_hold_them() {
    let site = Site::start(Backbone::Nats, |_| {}).await;
    let json = [(Sdk::JavaScript, Format::Json), (Sdk::Python, Format::Json)];
    let protobuf = [
        (Sdk::JavaScript, Format::Protobuf),
        (Sdk::Python, Format::Protobuf),
    ];
    let (mut json, mut protobuf) = (
        listeners(&site, json).await,
        listeners(&site, protobuf).await,
    );
    let (first, binary, last) = (
        br#""first""#.as_slice(),
        b"\xffnot JSON\0".as_slice(),
        b"2".as_slice(),
    );

    let nats = async_nats::connect(site.nats.as_ref().unwrap().url())
        .await
        .unwrap();
    for payload in [first, binary, last] {
        nats.publish("tide.pub.chat.room", Bytes::copy_from_slice(payload))
            .await
            .unwrap();
    }
    nats.flush().await.unwrap();

    for listener in &mut json {
        hear(listener, &[first, last]).await;
    }
    for listener in &mut protobuf {
        hear(listener, &[first, binary, last]).await;
    }
    for gateway in &site.gateways {
        assert_eq!(gateway.metric("tidegate_not_json").await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_is_stored_while_a_gateway_is_cut_off_is_delivered_when_it_is_back() {
    let mut site = Site::start(Backbone::Nats, |config| {
        let chat = &mut config["channel"]["namespaces"][0];
        chat["history_size"] = json!(1_000);
        chat["history_ttl"] = json!("10m");
        chat["force_positioning"] = json!(true);
    })
    .await;
    let kinds = [
        (Sdk::JavaScript, Format::Json),
        (Sdk::Python, Format::Protobuf),
    ];
    let mut listeners = listeners(&site, kinds).await;
    site.nats.as_mut().unwrap().kill().unwrap();
    site.nats.as_mut().unwrap().restart().await.unwrap();
    let nats = async_nats::connect(site.nats.as_ref().unwrap().url())
        .await
        .unwrap();
    // The gateways are not back yet, or just are: either way nothing may be missing, and nothing come twice.
    let payloads: Vec<_> = (0..50).map(|number: u32| number.to_string()).collect();
    for payload in &payloads {
        let stored = async || {
            let sent = nats.request("tide.pub.chat.room", payload.clone().into());
            let answer = sent.await.ok()?;
            String::from_utf8_lossy(&answer.payload)
                .contains("\"seq\"")
                .then_some(())
        };
        until_some("it is stored", stored).await.unwrap();
    }
    let expected: Vec<_> = payloads.iter().map(String::as_bytes).collect();
    for listener in &mut listeners {
        hear(listener, &expected).await;
    }
}

/// The listener hears exactly this, and its connection has not broken meanwhile.
async fn hear(listener: &mut Program, payloads: &[&[u8]]) {
    for payload in payloads {
        assert_eq!(listener.next_line().await.unwrap(), said(payload));
    }
    listener.tell("stop").unwrap();
    listener.succeeded().await.unwrap();
}
