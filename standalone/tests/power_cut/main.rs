//! What was acknowledged is there after a power cut, or clients are told that it may not be: see `docs/faults.md`.
//!
//! Needs Linux, root and loop devices; without them it fails.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail the test and tell how it goes, as tests do themselves"
)]

mod channel;
#[path = "../load/connection.rs"]
mod connection;
mod disk;
#[path = "../load/environment.rs"]
mod environment;
#[path = "../load/order.rs"]
mod order;
mod outcome;
#[path = "../load/publisher.rs"]
mod publisher;
#[path = "../load/room.rs"]
mod room;
mod round;
#[path = "../load/sequence.rs"]
mod sequence;
mod setting;
mod site;
#[path = "../load/subscriber.rs"]
mod subscriber;
mod verdict;

use round::{Ground, rounds};
use setting::{Servers, Setting, Sync};

#[tokio::test]
#[ignore = "it needs root and loop devices: docs/faults.md has the command"]
async fn embedded_that_syncs_always_loses_nothing() {
    let setting = Setting::Embedded(Sync::Always);
    let outcome = rounds("embedded, sync: always", setting, Ground::Fresh).await;
    outcome.check_whole();
}

#[tokio::test]
#[ignore = "it needs root and loop devices: docs/faults.md has the command"]
async fn embedded_that_syncs_at_intervals_tells_of_its_loss() {
    let setting = Setting::Embedded(Sync::Later);
    let outcome = rounds("embedded, sync: interval", setting, Ground::Fresh).await;
    outcome.check_honest();
    // Nobody knows whether something was lost, so everybody is told.
    assert_eq!(outcome.epochs, outcome.rounds, "{outcome}");
}

#[tokio::test]
#[ignore = "it needs root and loop devices: docs/faults.md has the command"]
async fn one_server_that_syncs_always_loses_nothing() {
    let setting = Setting::Nats(Servers::One, Sync::Always);
    let name = "one nats-server, sync_interval: always";
    rounds(name, setting, Ground::Fresh).await.check_whole();
}

#[tokio::test]
#[ignore = "it needs root and loop devices: docs/faults.md has the command"]
async fn three_servers_that_sync_always_lose_nothing() {
    let setting = Setting::Nats(Servers::Three, Sync::Always);
    let name = "three nats-servers, sync_interval: always";
    rounds(name, setting, Ground::Fresh).await.check_whole();
}

#[tokio::test]
#[ignore = "it needs root and loop devices: docs/faults.md has the command"]
async fn one_server_with_defaults_and_a_new_stream_tells_of_its_loss() {
    let setting = Setting::Nats(Servers::One, Sync::Later);
    let name = "one nats-server, defaults, new stream";
    rounds(name, setting, Ground::Fresh).await.check_honest();
}

#[tokio::test]
#[ignore = "it needs root and loop devices: docs/faults.md has the command"]
async fn one_server_with_defaults_and_an_old_stream_tells_of_its_loss() {
    let setting = Setting::Nats(Servers::One, Sync::Later);
    let name = "one nats-server, defaults, old stream";
    rounds(name, setting, Ground::Settled).await.check_honest();
}
