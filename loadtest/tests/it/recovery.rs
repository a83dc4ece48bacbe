//! Clients that are lost and come back get everything once, or it is said that they do not.

use crate::load::run;
use crate::server::{Fault, start};

const SCENARIO: &str = "recover --clients 10 --channels 2 --rate 20 --duration 4s --warm-up 0s --offline 500ms --drain 5s";

/// Each client has one of two channels with 80 messages.
const DELIVERIES: u64 = 800;

#[tokio::test]
async fn clients_that_blink_recover() {
    let run = run(&format!("{SCENARIO} --every 2s"), &start(Fault::None).await).await;
    run.assert_complete(DELIVERIES);
    let blinks = run.count("blinks");
    assert!(blinks >= 10, "{}", run.output);
    let latencies = &run.result["latencies"];
    assert_eq!(latencies["replay"]["count"], blinks, "{}", run.output);
    assert_eq!(latencies["recovery"]["count"], blinks, "{}", run.output);
    let away = latencies["recovery"]["percentiles_ms"]["p50"]
        .as_f64()
        .unwrap();
    assert!(away >= 500.0, "{away}");
}

#[tokio::test]
async fn all_clients_recover_from_a_loss_at_once() {
    let run = run(SCENARIO, &start(Fault::None).await).await;
    run.assert_complete(DELIVERIES);
    assert_eq!(run.count("blinks"), 10);
    assert_eq!(run.count("connects"), 20 + 1, "and the publisher");
}

#[tokio::test]
async fn what_a_recovery_leaves_out_is_missing() {
    let run = run(SCENARIO, &start(Fault::Forget).await).await;
    assert_eq!(run.status, 1, "{}", run.output);
    assert_eq!(run.figure("missing"), 10, "{}", run.output);
    assert_eq!(run.figure("received"), DELIVERIES - 10, "{}", run.output);
}

#[tokio::test]
async fn connections_that_others_break_come_back() {
    let url = start(Fault::Hangup).await;
    let run = run(&format!("{SCENARIO} --undisturbed"), &url).await;
    run.assert_complete(DELIVERIES);
    assert_eq!(run.count("blinks"), 0);
    let recovered = &run.result["latencies"]["recovery"]["count"];
    assert!(recovered.as_u64().unwrap() >= 10, "{}", run.output);
}
