//! How a process ends: spread over the drain period when it is asked once, at once when it is asked twice.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::command::Format;
use crate::http::{Upgrade, get};
use crate::process::Process;
use crate::raw::Raw;

const DRAIN: Duration = Duration::from_secs(6);
const CLIENTS: usize = 60;

#[tokio::test]
async fn clients_are_closed_one_after_the_other_and_the_process_ends_well() {
    let mut process = Process::start(|config| {
        config["shutdown"] = json!({ "drain": "6s", "timeout": "30s" });
    })
    .await;
    let address = process.address;
    let clients =
        (0..CLIENTS).map(|index| Client::connected(address, Format::BOTH[index % 2], "reader"));
    let clients = join_all(clients).await;

    let began = Instant::now();
    process.program.terminate().unwrap();
    let ends = clients.into_iter().map(async |mut client| {
        assert_eq!(client.closed().await, (3001, "shutdown".to_owned()));
        began.elapsed()
    });
    let (mut ends, ()) = tokio::join!(join_all(ends), nobody_new(&process));
    ends.sort();
    let (first, last) = (ends[0], ends[CLIENTS - 1]);
    // That 60 random moments all fall within one third of the period is not to be expected in this world.
    assert!(
        last - first > DRAIN / 3,
        "closed from {first:?} to {last:?}"
    );
    let early = ends.iter().filter(|end| **end < DRAIN / 10).count();
    assert!(
        early < CLIENTS / 2,
        "{early} were closed in the first tenth"
    );
    assert!(last < DRAIN * 2, "the last was closed after {last:?}");
    process.program.succeeded().await.unwrap();
}

/// Asserts that a node that is stopping takes nobody in.
async fn nobody_new(process: &Process) {
    let log = tidegate_testkit::deadline::until("the node says that it stops", || {
        process.program.output().contains("stopping")
    });
    log.await.unwrap();
    let upgrade = Upgrade::new(process.address);
    // The socket may be open for a moment still.
    if let Ok(stream) = TcpStream::connect(process.address).await {
        let refused = Raw::upgrade_on(stream, &upgrade).await.err();
        let status = refused.map_or(101, |answer| answer.status);
        assert!([0, 503].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn what_waits_is_written_before_the_close() {
    const PUBLICATIONS: usize = 100;
    let mut process = Process::start(|config| config["shutdown"]["drain"] = json!("500ms")).await;
    let address = process.address;
    let mut reader = Client::connected(address, Format::Json, "reader").await;
    reader.subscribe("chat:a").await;
    let mut publisher = Client::connected(address, Format::Protobuf, "alice").await;
    for number in 0..PUBLICATIONS {
        let data = format!("\"{number} {}\"", "x".repeat(5_000));
        publisher.publish("chat:a", data).await;
    }
    // The last one has come from NATS: all of them stand in the reader's outbox or behind it.
    let delivered = tidegate_testkit::deadline::until_some("all are delivered", async || {
        let out = crate::http::metric(address, "tidegate_publications_out").await;
        (out == PUBLICATIONS as u64).then_some(())
    });
    delivered.await.unwrap();
    process.program.terminate().unwrap();
    for number in 0..PUBLICATIONS {
        let data = reader.publication("chat:a").await;
        assert!(
            data.starts_with(format!("\"{number} ").as_bytes()),
            "{number} is missing"
        );
    }
    assert_eq!(reader.closed().await, (3001, "shutdown".to_owned()));
    assert_eq!(publisher.closed().await.0, 3001);
    process.program.succeeded().await.unwrap();
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once_with_status_1() {
    let mut process = Process::start(|config| {
        config["shutdown"] = json!({ "drain": "60s", "timeout": "120s" });
    })
    .await;
    let clients = (0..5).map(|_| Client::connected(process.address, Format::Json, "reader"));
    let clients = join_all(clients).await;
    let ready = async || (get(process.address, "/ready").await.status == 200).then_some(());
    let ready = tidegate_testkit::deadline::until_some("the node is ready", ready);
    ready.await.unwrap();
    process.program.terminate().unwrap();
    let stopping = tidegate_testkit::deadline::until("the node says that it stops", || {
        process.program.output().contains("stopping")
    });
    stopping.await.unwrap();
    let began = Instant::now();
    process.program.terminate().unwrap();
    let status = process.program.ended().await.unwrap();
    assert_eq!(status.code(), Some(1), "{}", process.program.output());
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    drop(clients);
}
