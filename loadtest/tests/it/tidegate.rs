//! Every scenario on a Tidegate of this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::tools;

use crate::load::{Run, run};

/// The program, built as this test was. It belongs to another package, so Cargo does not build it for us.
pub(crate) fn executable() -> &'static str {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    let path = EXECUTABLE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_tidegate-loadtest"));
        let folder = folder.parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--package",
            "tidegate",
            "--bin",
            "tidegate",
        ]);
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        tools::run(cargo.current_dir(env!("CARGO_MANIFEST_DIR"))).unwrap();
        folder.join("tidegate")
    });
    path.to_str().unwrap()
}

async fn gateway(config: &Value) -> Gateway {
    let built = tokio::task::spawn_blocking(executable).await.unwrap();
    Gateway::start(built, config, None).await.unwrap()
}

async fn load(arguments: &str) -> Run {
    let gateway = gateway(&json!({"client": {"insecure": true}})).await;
    run(arguments, gateway.websocket()).await
}

#[tokio::test]
async fn fanout_in_json() {
    let arguments =
        "fanout --clients 20 --rate 50 --duration 2s --warm-up 0s --processes 2 --sources 3";
    let run = load(arguments).await;
    run.assert_complete(20 * 100);
    assert_eq!(run.count("acknowledged"), 100);
}

#[tokio::test]
async fn fanout_in_protobuf_with_inputs() {
    let arguments = "fanout --dialect centrifuge-protobuf --clients 10 --channels 5 --subscriptions 3 \
                     --rate 10 --duration 2s --warm-up 0s --inputs-per-second 5";
    let run = load(arguments).await;
    run.assert_complete(10 * 3 * 20);
    assert_eq!(run.count("inputs"), 10 * 5 * 2);
    assert_eq!(run.count("acknowledged"), 100 + 100);
}

#[tokio::test]
async fn rounds_and_the_warm_up_are_exact() {
    let (rounds, warm) = tokio::join!(
        load("fanout --clients 30 --channels 3 --rounds 5"),
        load("fanout --clients 5 --rate 20 --duration 1s --warm-up 1s"),
    );
    rounds.assert_complete(30 * 5);
    assert_eq!(rounds.result["latencies"]["round"]["count"], 5);
    assert_eq!(warm.status, 0, "{}", warm.output);
    assert_eq!(warm.figure("received"), 5 * 40);
    assert_eq!(
        warm.result["latencies"]["delivery"]["count"],
        5 * 20,
        "{}",
        warm.output
    );
}

#[tokio::test]
async fn slow_clients_count_apart() {
    let arguments = "fanout --clients 20 --rate 20 --duration 2s --warm-up 0s --slow 10%";
    load(arguments).await.assert_complete(18 * 40);
}

#[tokio::test]
async fn idle_and_its_memory() {
    let gateway = gateway(&json!({"client": {"insecure": true}})).await;
    let own = std::process::id();
    // Any process will do to read: the gateway's own is not told by the test kit.
    let arguments = format!("idle --clients 50 --hold 1s --server-pid {own}");
    let run = run(&arguments, gateway.websocket()).await;
    assert_eq!(run.status, 0, "{}", run.output);
    let memories = &run.result["server"]["memories"];
    assert_eq!(memories["connections"], 50);
    assert!(memories["connected"]["resident"].as_u64().unwrap() > 1 << 20);
}

#[tokio::test]
async fn storm_in_two_rounds() {
    let run = load("storm --clients 100 --rounds 2 --settle 1s --connect-rate 500").await;
    assert_eq!(run.status, 0, "{}", run.output);
    assert_eq!(run.count("connects"), 200);
    assert_eq!(run.count("live"), 0);
}

#[tokio::test]
async fn rooms() {
    let run = load("rooms --clients 60 --rooms 6 --rate 5 --duration 2s --warm-up 0s").await;
    run.assert_complete(60 * 10);
}

#[tokio::test]
async fn mixed_with_churn() {
    let arguments = "mixed --hot-clients 10 --hot-rate 20 --room-clients 20 --rooms 4 --room-rate 5 \
                     --churn 50 --duration 2s --warm-up 0s";
    let run = load(arguments).await;
    run.assert_complete(10 * 40 + 20 * 10);
    assert_eq!(run.count("subscribes"), 100, "{}", run.output);
    assert_eq!(run.count("unsubscribes"), 100, "{}", run.output);
}

#[tokio::test]
async fn what_is_not_recovered_is_missing() {
    let arguments =
        "recover --clients 10 --rate 20 --duration 4s --warm-up 0s --offline 1s --drain 1s";
    let run = load(arguments).await;
    assert_eq!(run.status, 1, "{}", run.output);
    assert!(run.figure("missing") >= 10 * 10, "{}", run.output);
}

#[tokio::test]
async fn tokens_are_minted_for_each_client() {
    let secret = "a secret of more than thirty-two bytes";
    let config = json!({
        "client": {"token": {"hmac_secret_key": secret}},
        "channel": {"without_namespace": {
            "allow_subscribe_for_client": true, "allow_publish_for_client": true
        }},
    });
    let gateway = gateway(&config).await;
    let arguments = "fanout --clients 5 --rate 10 --duration 1s --warm-up 0s --hmac-secret";
    let file = tempfile::tempdir().unwrap();
    let mut command = crate::load::program();
    command.args(arguments.split_whitespace()).arg(secret);
    command.args(["--target", gateway.websocket(), "--json"]);
    command.arg(file.path().join("run.json"));
    let (status, output) = crate::load::end(command).await;
    assert_eq!(status, 0, "{output}");
    let refused = run(&format!("{arguments} wrong"), gateway.websocket()).await;
    assert_eq!(refused.status, 2, "{}", refused.output);
    assert!(
        refused.output.contains("nobody could connect"),
        "{}",
        refused.output
    );
}
