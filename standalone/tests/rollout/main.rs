//! Gateways are replaced one after the other under load, as an upgrade does: nothing is lost or doubled, and their clients
//! come to the others one after the other.
//!
//! Three gateways behind a balancer, a NATS server, and clients that recover: see `docs/faults.md`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail the test and tell how it goes, as tests do themselves"
)]

#[path = "../load/audience.rs"]
mod audience;
mod balancer;
#[path = "../load/connection.rs"]
mod connection;
#[path = "../load/order.rs"]
mod order;
mod outcome;
mod plan;
#[path = "../load/publisher.rs"]
mod publisher;
mod rate;
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

use balancer::Probe;
use outcome::Outcome;
use plan::{Load, Style};
use run::{Played, under_load};
use site::Site;
use tidegate_testkit::deadline::until_some;

const SHORT: Load = Load {
    subscribers: 600,
    channels: 12,
    rate: 48,
    drain: Duration::from_secs(6),
    probe: Probe {
        period: Duration::from_millis(200),
        failures: 1,
    },
    rebalances: false,
    style: Style::Signal,
    // The machine does other tests beside.
    slack: 2.5,
};

const FULL: Load = Load {
    subscribers: 3_000,
    channels: 60,
    rate: 60,
    drain: Duration::from_secs(20),
    slack: 2.0,
    ..SHORT
};

/// As the manifests have it.
const KUBERNETES: Load = Load {
    drain: Duration::from_secs(45),
    probe: Probe {
        period: Duration::from_secs(2),
        failures: 2,
    },
    style: Style::Kubernetes {
        before: Duration::from_secs(5),
        grace: Duration::from_secs(75),
    },
    ..FULL
};

/// Replaces each of three gateways.
async fn check(load: Load) {
    let replace_all = async |site: &mut Site| {
        let mut replaced = Vec::new();
        for _ in 0..3 {
            let one = site.replace_oldest().await.unwrap();
            println!("{one:?}");
            replaced.push(one);
        }
        replaced
    };
    let played = under_load(load, 3, replace_all).await;
    let outcome = Outcome { load, played };
    println!("{outcome}");
    outcome.check();
}

#[tokio::test]
async fn nothing_is_lost_while_gateways_are_replaced() {
    check(SHORT).await;
}

#[tokio::test]
#[ignore = "it takes more than a minute: cargo test --release -p tidegate --test rollout -- --ignored --nocapture --test-threads 1"]
async fn nothing_is_lost_by_3_000_clients_while_gateways_are_replaced() {
    check(FULL).await;
}

#[tokio::test]
#[ignore = "it takes minutes: cargo test --release -p tidegate --test rollout -- --ignored --nocapture --test-threads 1"]
async fn nothing_is_lost_by_3_000_clients_while_pods_are_replaced() {
    check(KUBERNETES).await;
}

/// A gateway that is new gets its share of the clients that are there, and then everybody is left alone.
#[tokio::test]
async fn a_third_gateway_gets_clients_of_the_others() {
    let load = Load {
        subscribers: 180,
        channels: 6,
        rate: 24,
        rebalances: true,
        ..SHORT
    };
    let add_one = async |site: &mut Site| {
        site.start_gateway().await.unwrap();
        let even = until_some("all have as many", async || {
            let connections = site.connections().await.ok()?;
            let sum: u64 = connections.iter().sum();
            // Far more is a fifth more than the mean.
            let is_even = connections.iter().all(|it| it * 5 * 3 <= sum * 6);
            (is_even && sum >= 180).then_some(connections)
        });
        println!("even: {:?}", even.await.unwrap());
        site.given_away().await.unwrap()
    };
    let played = under_load(load, 2, add_one).await;
    let Played {
        tally,
        found,
        output,
        ..
    } = &played;
    println!(
        "{tally}, {found} given away, clients of each {:?}",
        played.connections
    );
    // A third of the clients moved at least.
    assert!(
        *found >= 60 && tally.is_clean(60),
        "{tally}, {found} given away\n{output}"
    );
}
