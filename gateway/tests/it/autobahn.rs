//! The Autobahn test suite against the very engine that clients have: all but the longer ones of the compression cases,
//! which take minutes. Those too, against `cargo run --release -p tidegate-gateway --features echo -- --config FILE` with a
//! file that has `websocket.compression`: `cargo run -p tidegate-testkit --example autobahn -- ws://127.0.0.1:8000/echo`

use serde_json::json;
use tidegate_testkit::autobahn::{CORE, SHORT_COMPRESSION, run_cases};

use crate::process::Process;

/// Asserts that every case like `patterns` is passed as strictly as it can be.
async fn passes(client_context: bool, patterns: &'static [&'static str], count: usize) {
    let process = Process::start(|config| {
        config["websocket"]["compression"] = json!(true);
        config["websocket"]["compression_min_size"] = json!(0);
        config["websocket"]["compression_client_context"] = json!(client_context);
    });
    let process = process.await;
    let url = format!("ws://{}/echo", process.address);
    let report = tokio::task::spawn_blocking(move || run_cases(&url, patterns)).await;
    let report = report.unwrap().unwrap();
    assert_eq!(report.faults(), [""; 0]);
    assert_eq!(report.count(), count);
}

#[tokio::test]
async fn the_core_cases_pass_strictly() {
    passes(false, &CORE, 301).await;
}

#[tokio::test]
async fn the_short_compression_cases_pass_strictly_without_context_takeover() {
    passes(false, &SHORT_COMPRESSION, 48).await;
}

#[tokio::test]
async fn the_short_compression_cases_pass_strictly_with_context_takeover() {
    passes(true, &SHORT_COMPRESSION, 48).await;
}
