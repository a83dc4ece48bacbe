//! Metrics that only count what does not happen every day: each is made to happen, and has to be counted once.

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;

use super::client::Client;
use super::{config, gateway, nats, post, start};

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

/// Nobody else is subscribed meanwhile, and no stream is read all the same.
#[tokio::test]
async fn of_recovery_when_the_last_subscriber_comes_back() {
    let nats = nats().await;
    let mut config = config();
    config["channel"]["namespaces"][1]["force_recovery"] = json!(true);
    let gateway = gateway(&nats, &config, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let subscribed = client
        .ask("subscribe", json!({ "channel": "kept:room" }))
        .await;
    let (epoch, offset) = (
        &subscribed["subscribe"]["epoch"],
        subscribed["subscribe"]["offset"].as_u64().unwrap_or(0),
    );
    drop(client);
    let left = async || (gateway.metric("tidegate_subscriptions").await.ok()? == 0).then_some(());
    until_some("the client has gone", left).await.unwrap();
    for _ in 0..3 {
        post(&gateway, "kept:room", None).await;
    }
    assert_eq!(recover(&gateway, "kept:room", epoch, offset).await, true);
    assert_eq!(recovery(&gateway).await, [1, 0, 1, 0, 0]);
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

#[tokio::test]
async fn of_messages_that_cannot_be_and_of_subjects_that_are_forbidden() {
    let denied = "jetstream: enabled\nauthorization: { users: [\
        { user: all, password: x }, \
        { user: some, password: x, permissions: { publish: { deny: \"tide.pub.chat.secret\" } } } ] }\n\
        no_auth_user: some\n";
    let nats = NatsServer::start_with(denied).await.unwrap();
    let gateway = gateway(&nats, &config(), &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.subscribe("chat:room").await;
    let stranger = async_nats::connect(nats.url()).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Tide-Info", "no JSON");
    let sent = stranger.publish_with_headers("tide.pub.chat.room", headers, "1".into());
    sent.await.unwrap();
    stranger
        .publish("tide.pub.chat.room", "2".into())
        .await
        .unwrap();
    assert_eq!(client.publication().await, 2);
    client
        .ask("publish", json!({ "channel": "chat:secret", "data": 1 }))
        .await;
    for name in ["nats_malformed", "nats_refused"] {
        let counted = async || {
            let value = gateway.metric(&format!("tidegate_{name}")).await.ok()?;
            (value == 1).then_some(())
        };
        until_some(name, counted).await.unwrap();
    }
    let (_, page) = gateway.get("/metrics").await.unwrap();
    let echo = page
        .lines()
        .find_map(|it| it.strip_prefix("tidegate_echo_seconds "));
    let echo: f64 = echo.unwrap().parse().unwrap();
    assert!(echo > 0.0 && echo < 60.0, "{echo}");
}

/// No presence service answers; then there is one, within the gateway's process where there is no NATS.
#[tokio::test]
async fn of_presence() {
    let mut config = config();
    config["presence"] = json!({ "timeout": "100ms" });
    let chat = &mut config["channel"]["namespaces"][0];
    chat["presence"] = json!(true);
    chat["allow_presence_for_client"] = json!(true);
    let nats = nats().await;
    let lonely = gateway(&nats, &config, &[]).await;
    let mut client = Client::connect(&lonely).await;
    client.subscribe("chat:room").await;
    let presence = json!({ "channel": "chat:room" });
    let reply = client.ask("presence", presence.clone()).await;
    assert!(reply["error"].is_object(), "{reply}");
    let unanswered = lonely.metric("tidegate_presence_unanswered").await;
    assert!(unanswered.unwrap() > 0);

    config["presence"] = json!({ "lease": "1s", "timeout": "30s" });
    let whole = start(None, &config, &[]).await;
    let seen = async || {
        let mut client = Client::connect(&whole).await;
        client.subscribe("chat:room").await;
        let reply = client.ask("presence", presence.clone()).await;
        let seen = reply["presence"]["presence"].as_object()?;
        (!seen.is_empty()).then_some(())
    };
    until_some("somebody is seen", seen).await.unwrap();
    for name in ["reports", "snapshots"] {
        let counted = async || {
            let value = whole
                .metric(&format!("tidegate_presence_{name}"))
                .await
                .ok()?;
            (value > 0).then_some(())
        };
        until_some(name, counted).await.unwrap();
    }
}

/// One stream is better than it has to be, the other as good.
#[tokio::test]
async fn of_what_a_confirmation_means() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config["embedded"] = json!({ "data_dir": folder.path(), "sync": "always" });
    config["channel"]["namespaces"] = json!([
        { "name": "chat", "history_size": 9, "history_ttl": "1m", "require_durability": "synced" },
        { "name": "kept", "history_size": 9, "history_ttl": "1m", "require_durability": "replicated" },
    ]);
    let gateway = start(None, &config, &[]).await;
    for (name, expected) in [
        ("durability{namespace=\"chat\"}", 2),
        ("durability_required{namespace=\"chat\"}", 2),
        ("durability{namespace=\"kept\"}", 2),
        ("durability_required{namespace=\"kept\"}", 1),
    ] {
        let value = gateway.metric(&format!("tidegate_stream_{name}")).await;
        assert_eq!(value.unwrap(), expected, "{name}");
    }
}

/// Other nodes are not told who leaves while there is no way to them.
#[tokio::test]
async fn of_nats_that_is_lost() {
    let mut nats = nats().await;
    let mut config = config();
    config["channel"]["namespaces"][0]["join_leave"] = json!(true);
    let gateway = gateway(&nats, &config, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.subscribe("chat:room").await;
    let counts = async || {
        let lost = gateway.metric("tidegate_nats_lost").await.unwrap();
        let dropped = gateway.metric("tidegate_events_dropped").await.unwrap();
        (lost, dropped)
    };
    assert_eq!(counts().await, (0, 0));
    nats.kill().unwrap();
    let is_lost = async || (counts().await == (1, 0)).then_some(());
    until_some("nats is lost", is_lost).await.unwrap();
    let unsubscribe = json!({ "channel": "chat:room" });
    client.ask("unsubscribe", unsubscribe).await;
    let is_dropped = async || (counts().await == (1, 1)).then_some(());
    until_some("the leave is dropped", is_dropped)
        .await
        .unwrap();
    nats.restart().await.unwrap();
    let ready = async || (gateway.get("/ready").await.ok()?.0 == 200).then_some(());
    until_some("nats is back", ready).await.unwrap();
    client.subscribe("chat:room").await;
    // That it was away is counted once, however often it was tried to reach it.
    assert_eq!(counts().await, (1, 1));
}
