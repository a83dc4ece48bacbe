//! Labels have the values that are documented, whatever clients and backends make up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;

use super::backend::Backend;
use super::client::Client;
use super::collector::Collector;
use super::{AT_ONCE, config, gateway, nats, post, tells};

/// Names that one storm makes up of each kind.
const NAMES: usize = 20;

/// Outcomes that `docs/hooks.md` names, in a table and below it.
fn outcomes() -> BTreeSet<String> {
    let text = include_str!("../../../../docs/hooks.md");
    let lines = || text.lines().skip_while(|it| !it.contains("| `outcome` of"));
    let rows = lines().skip(2).take_while(|it| it.starts_with('|'));
    let in_table = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    let below = lines().skip_while(|it| !it.starts_with("Other outcomes: "));
    let below = below.take_while(|it| !it.is_empty());
    let words = in_table
        .chain(below)
        .flat_map(|it| it.split('`').skip(1).step_by(2));
    words.map(str::to_owned).collect()
}

/// A node with many namespaces and two backends that are asked about everything.
fn asking(backend: &Backend) -> Value {
    let mut config = config();
    config["proxies"] = json!([{ "name": "app", "endpoint": backend.url }]);
    for event in ["subscribe", "publish"] {
        config["channel"]["proxy"][event]["endpoint"] = json!(backend.url);
    }
    config["client"]["proxy"]["disconnect"] = json!({ "enabled": true, "endpoint": backend.url });
    let namespace = |number: usize| {
        let chooses = ["app", "default"][number % 2];
        json!({
            "name": format!("n{number}"),
            "subscribe_proxy_enabled": true, "subscribe_proxy_name": chooses,
            "publish_proxy_enabled": true, "publish_proxy_name": chooses,
        })
    };
    let namespaces = config["channel"]["namespaces"].as_array_mut().unwrap();
    namespaces.extend((0..NAMES).map(namespace));
    config["rpc"] = json!({
        "proxy": { "endpoint": backend.url },
        "without_namespace": { "proxy_enabled": true },
        "namespaces": [{ "name": "math", "proxy_enabled": true, "proxy_name": "app" }],
    });
    config
}

/// Does everything with names that are made up, and all of them are others than those of other words.
async fn storm(gateway: &Gateway, stranger: &async_nats::Client, word: &str) {
    let mut client = Client::connect(gateway).await;
    for number in 0..NAMES {
        let made_up = format!("{word}{number}");
        for channel in [
            made_up.clone(),
            format!("{made_up}:room"),
            format!("chat:{made_up}"),
            format!("n{number}:{made_up}"),
        ] {
            let about = json!({ "channel": channel });
            client.ask("subscribe", about.clone()).await;
            let publish = json!({ "channel": channel, "data": 1 });
            client.ask("publish", publish).await;
            for method in ["history", "presence", "unsubscribe"] {
                client.ask(method, about.clone()).await;
            }
        }
        for method in [
            made_up.clone(),
            format!("{made_up}:{word}"),
            format!("math:{made_up}"),
        ] {
            let call = json!({ "method": method, "data": 1 });
            client.ask("rpc", call).await;
        }
        post(gateway, &format!("n{number}:{made_up}"), None).await;
        let subject = format!("tide.pub.{made_up}.room");
        stranger.publish(subject, "1".into()).await.unwrap();
    }
}

/// Each metric with its labels, without its value.
async fn series(gateway: &Gateway) -> BTreeSet<String> {
    let (_, page) = gateway.get("/metrics").await.unwrap();
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let names = lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned());
    names.collect()
}

/// The values of each label but those of histograms' buckets.
fn labels(series: &BTreeSet<String>) -> BTreeMap<&str, BTreeSet<String>> {
    let mut labels = BTreeMap::<_, BTreeSet<_>>::new();
    for line in series {
        let Some((_, inside)) = line.split_once('{') else {
            continue;
        };
        for pair in inside.trim_end_matches('}').split(',') {
            let (name, value) = pair.split_once('=').unwrap();
            let values = labels.entry(name).or_default();
            values.insert(value.trim_matches('"').to_owned());
        }
    }
    labels.remove("le");
    labels
}

fn set<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    words.map(str::to_owned).into()
}

#[tokio::test]
async fn what_is_made_up_is_no_value_of_a_label() {
    let (nats, collector) = (nats().await, Collector::start().await);
    let backend = Backend::start().await;
    let config = tells(asking(&backend), &collector.url);
    let gateway = gateway(&nats, &config, &[AT_ONCE]).await;
    let stranger = async_nats::connect(nats.url()).await.unwrap();
    storm(&gateway, &stranger, "one").await;
    let told = async || {
        let told =
            "tidegate_hook_outcomes{target=\"default\",event=\"disconnect\",outcome=\"granted\"}";
        gateway.metric(told).await.ok()
    };
    until_some("the backend hears who has left", told)
        .await
        .unwrap();
    let before = series(&gateway).await;
    for word in ["two", "three"] {
        storm(&gateway, &stranger, word).await;
    }
    let after = series(&gateway).await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    check(&after);
}

/// Each label with the values of the table in `docs/telemetry.md`.
fn check(series: &BTreeSet<String>) {
    let mut found = labels(series);
    let configured = (0..NAMES).map(|number| format!("n{number}"));
    let namespaces = set(["", "other", "chat", "kept"]);
    let all = [
        (
            "namespace",
            namespaces.into_iter().chain(configured).collect(),
        ),
        ("target", set(["app", "default"])),
        ("event", set(["disconnect", "publish", "rpc", "subscribe"])),
        ("by", set(["stream", "carrier", "client", "backend"])),
        (
            "reason",
            set(["queue_full", "unreachable", "refused", "late"]),
        ),
    ];
    for (label, expected) in all {
        assert_eq!(found.remove(label).unwrap(), expected, "{label}");
    }
    let outcomes = found.remove("outcome").unwrap();
    assert!(outcomes.is_subset(&self::outcomes()), "{outcomes:?}");
    let codes = found.remove("code").unwrap();
    let is_code = |it: &String| it == "other" || it.parse::<u16>().is_ok();
    assert!(codes.iter().all(is_code), "{codes:?}");
    let checks = found.remove("check").unwrap();
    let expected = set(["backbone", "drain", "echo", "stream kept"]);
    assert_eq!(checks, expected);
    assert!(found.is_empty(), "{found:?}");
}
