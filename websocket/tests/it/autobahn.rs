//! The Autobahn test suite against the codec on a plain socket: all but the longer ones of the compression cases, which
//! take minutes. Those too, against `cargo run --release -p tidegate-websocket --example echo -- 9001`:
//! `cargo run -p tidegate-testkit --example autobahn -- ws://127.0.0.1:9001`

use anyhow::Result;
use tidegate_testkit::autobahn::{CORE, Report, SHORT_COMPRESSION, run_cases};
use tokio::net::TcpListener;

async fn run(patterns: &'static [&'static str]) -> Result<Report> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    let server = tokio::spawn(crate::server::serve(listener));
    let report = tokio::task::spawn_blocking(move || run_cases(&url, patterns)).await?;
    server.abort();
    report
}

#[tokio::test]
async fn the_core_cases_pass_strictly() {
    let report = run(&CORE).await.unwrap();
    assert_eq!(report.faults(), [""; 0]);
    assert_eq!(report.count(), 301);
}

#[tokio::test]
async fn the_short_compression_cases_pass_strictly() {
    let report = run(&SHORT_COMPRESSION).await.unwrap();
    assert_eq!(report.faults(), [""; 0]);
    assert_eq!(report.count(), 48);
}

#[test]
fn a_server_that_is_not_there_passes_nothing() {
    assert!(run_cases("ws://127.0.0.1:1", &["1.1.1"]).is_err());
}
