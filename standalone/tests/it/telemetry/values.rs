//! Metrics that only count what does not happen every day: each is made to happen, and has to be counted once.

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;

use super::client::Client;
use super::{config, gateway, nats, post};

/// Those of recovery, in the order in which [`recovery`] has their values.
const RECOVERY: [&str; 5] = [
    "recovered",
    "not_recovered",
    "recovered_from_ring",
    "recovery_reads",
    "recovered_from_archive",
];

async fn recovery(gateway: &Gateway) -> [u64; 5] {
    let mut values = [0; 5];
    for (value, name) in values.iter_mut().zip(RECOVERY) {
        *value = gateway.metric(&format!("tidegate_{name}")).await.unwrap();
    }
    values
}

/// Asks for what came after `offset`; whether it was given.
async fn recover(gateway: &Gateway, channel: &str, epoch: &Value, offset: u64) -> Value {
    let mut client = Client::connect(gateway).await;
    let wish = json!({ "channel": channel, "recover": true, "epoch": epoch, "offset": offset });
    let reply = client.ask("subscribe", wish).await;
    assert!(reply["subscribe"].is_object(), "{reply}");
    reply["subscribe"]["recovered"].clone()
}

#[tokio::test]
async fn of_recovery() {
    let nats = nats().await;
    let mut config = config();
    config["channel"]["namespaces"][1]["force_recovery"] = json!(true);
    let gateway = gateway(&nats, &config, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let subscribe = json!({ "channel": "kept:room" });
    let reply = client.ask("subscribe", subscribe).await;
    let (epoch, start) = (
        &reply["subscribe"]["epoch"],
        reply["subscribe"]["offset"].as_u64().unwrap_or(0),
    );
    assert_eq!(recovery(&gateway).await, [0; 5]);
    for _ in 0..3 {
        post(&gateway, "kept:room", None).await;
        client.publication().await;
    }
    // Somebody has listened all the time: what the other has missed is at hand.
    assert_eq!(recover(&gateway, "kept:room", epoch, start + 1).await, true);
    assert_eq!(recovery(&gateway).await, [1, 0, 1, 0, 0]);
    // Of another stream nothing can be given.
    let lost = recover(&gateway, "kept:room", &json!("another"), start + 1).await;
    assert_ne!(lost, true);
    assert_eq!(recovery(&gateway).await[..2], [1, 1]);
    // Nobody has listened: the stream is asked.
    for _ in 0..3 {
        post(&gateway, "kept:deserted", None).await;
    }
    let before = recovery(&gateway).await;
    let found = recover(&gateway, "kept:deserted", epoch, start + 4).await;
    assert_eq!(found, true);
    let after = recovery(&gateway).await;
    assert_eq!(
        (after[0], after[1], after[4]),
        (before[0] + 1, before[1], before[4])
    );
    assert!(after[3] > before[3], "{before:?} {after:?}");
}

#[tokio::test]
async fn of_positions_that_are_compared() {
    let nats = nats().await;
    let mut config = config();
    config["client"]["channel_position_check_delay"] = json!("1s");
    config["channel"]["namespaces"][1]["force_positioning"] = json!(true);
    let gateway = gateway(&nats, &config, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.subscribe("kept:room").await;
    let checked = async || {
        let checks = gateway.metric("tidegate_position_checks").await.ok()?;
        (checks > 0).then_some(())
    };
    until_some("a position is compared", checked).await.unwrap();
    for name in ["position_repairs", "positions_lost"] {
        let value = gateway.metric(&format!("tidegate_{name}")).await;
        assert_eq!(value.unwrap(), 0, "{name}");
    }
}

/// Long before positions are compared.
#[tokio::test]
async fn of_positions_in_a_stream_that_was_deleted() {
    let nats = nats().await;
    let mut config = config();
    config["client"]["channel_position_check_delay"] = json!("10m");
    config["channel"]["namespaces"][1]["force_positioning"] = json!(true);
    let gateway = gateway(&nats, &config, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.subscribe("kept:room").await;
    post(&gateway, "kept:room", None).await;
    client.publication().await;
    let backend = async_nats::connect(nats.url()).await.unwrap();
    let delete = "$JS.API.STREAM.DELETE.tide_kept";
    backend.request(delete, "".into()).await.unwrap();
    let end = client.unsubscribed().await;
    assert_eq!(end["unsubscribe"]["code"], 2500, "{end}");
    for name in ["position_repairs", "positions_lost"] {
        let value = gateway.metric(&format!("tidegate_{name}")).await;
        assert!(value.unwrap() > 0, "{name}");
    }
    client.subscribe("kept:room").await;
    post(&gateway, "kept:room", None).await;
    client.publication().await;
}

#[tokio::test]
async fn of_joins_and_commands() {
    let nats = nats().await;
    let mut config = config();
    config["channel"]["namespaces"][0]["join_leave"] = json!(true);
    config["channel"]["namespaces"][0]["force_push_join_leave"] = json!(true);
    let gateway = gateway(&nats, &config, &[]).await;
    let mut first = Client::connect(&gateway).await;
    first.subscribe("chat:room").await;
    let mut second = Client::connect(&gateway).await;
    second.subscribe("chat:room").await;
    let heard = async || {
        let events = gateway.metric("tidegate_events_out").await.ok()?;
        (events > 0).then_some(())
    };
    until_some("a join is heard", heard).await.unwrap();
    assert_eq!(gateway.metric("tidegate_commands").await.unwrap(), 4);
    // Namespaces that nobody has configured have no label of their own.
    let client = async_nats::connect(nats.url()).await.unwrap();
    for number in 0..20 {
        let channel = format!("made-up-{number}:room");
        second.ask("subscribe", json!({ "channel": channel })).await;
        let subject = format!("tide.pub.made-up-{number}.room");
        client.publish(subject, "1".into()).await.unwrap();
    }
    let (_, page) = gateway.get("/metrics").await.unwrap();
    assert!(!page.contains("made-up"), "{page}");
}
