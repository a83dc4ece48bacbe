//! No acknowledged publication is lost, doubled or out of order while gateways and NATS servers are killed under load.
//!
//! Two gateways, three NATS servers, a namespace of which each has a copy, and clients that recover: see `docs/faults.md`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail the test and tell how it goes, as tests do themselves"
)]

#[path = "../load/audience.rs"]
mod audience;
#[path = "../load/connection.rs"]
mod connection;
#[path = "../load/environment.rs"]
mod environment;
#[path = "../load/order.rs"]
mod order;
mod outcome;
mod plan;
#[path = "../load/publisher.rs"]
mod publisher;
#[path = "../load/room.rs"]
mod room;
mod run;
#[path = "../load/sequence.rs"]
mod sequence;
mod site;
#[path = "../load/stream.rs"]
mod stream;
#[path = "../load/subscriber.rs"]
mod subscriber;
#[path = "../load/tally.rs"]
mod tally;
#[path = "../load/verdict.rs"]
mod verdict;

use std::time::Duration;

use plan::Load;

const SHORT: Load = Load {
    subscribers: 100,
    channels: 5,
    rate: 400,
    length: Duration::from_secs(10),
};

const FULL: Load = Load {
    subscribers: 500,
    channels: 20,
    rate: 500,
    length: Duration::from_secs(60),
};

/// The seed of a run that is to be repeated, else any.
fn seed() -> u64 {
    environment::number("FAULTS_SEED").unwrap_or_else(|| rand::random::<u32>().into())
}

#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let outcome = run::run(SHORT, seed()).await;
    println!("{outcome}");
    outcome.check();
}

#[tokio::test]
#[ignore = "it takes more than a minute and measures: cargo test --release -p tidegate --test faults -- --ignored --nocapture"]
async fn nothing_acknowledged_is_lost_in_a_minute_of_full_load() {
    let outcome = run::run(FULL, seed()).await;
    println!("{outcome}");
    outcome.check();
}
