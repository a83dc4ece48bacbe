//! What a server does wrong is found, counted exactly, and ends in failure.

use crate::load::{Run, run};
use crate::server::{Fault, start};

/// 6 clients and 90 messages: 8 of them are the tenth, and the ninetieth is, too.
const SCENARIO: &str =
    "fanout --clients 6 --processes 2 --rate 45 --duration 2s --warm-up 0s --drain 5s";

const CLIENTS: u64 = 6;
const MESSAGES: u64 = 90;
const TENTHS: u64 = 9;

/// Received, missing, duplicate and out of order.
async fn check(fault: Fault, expected: [u64; 4]) -> Run {
    let run = run(SCENARIO, &start(fault).await).await;
    let names = ["received", "missing", "duplicates", "out_of_order"];
    assert_eq!(
        names.map(|name| run.figure(name)),
        expected,
        "{}",
        run.output
    );
    assert_eq!(run.figure("expected"), CLIENTS * MESSAGES);
    run
}

fn assert_failed(run: &Run, problem: &str) {
    assert_eq!(run.status, 1, "{}", run.output);
    assert!(run.output.contains(problem), "{}", run.output);
    assert_eq!(run.result["passed"], false);
    assert!(run.page().contains(problem));
}

#[tokio::test]
async fn a_server_that_does_right_passes() {
    let run = check(Fault::None, [CLIENTS * MESSAGES, 0, 0, 0]).await;
    run.assert_complete(CLIENTS * MESSAGES);
}

#[tokio::test]
async fn lost_messages_are_missing_the_last_one_too() {
    let lost = CLIENTS * TENTHS;
    let run = check(Fault::Drop, [CLIENTS * MESSAGES - lost, lost, 0, 0]).await;
    assert_failed(&run, "54 deliveries are missing");
}

#[tokio::test]
async fn doubled_messages_are_duplicates() {
    let run = check(Fault::Double, [CLIENTS * MESSAGES, 0, CLIENTS * TENTHS, 0]).await;
    assert_failed(&run, "54 deliveries are duplicate");
}

#[tokio::test]
async fn swapped_messages_are_out_of_order() {
    // The ninetieth is held back for ever.
    let late = CLIENTS * (TENTHS - 1);
    let run = check(
        Fault::Swap,
        [CLIENTS * MESSAGES - CLIENTS, CLIENTS, 0, late],
    )
    .await;
    assert_failed(&run, "48 deliveries are out of order");
}

#[tokio::test]
async fn clients_come_back_when_a_busy_server_says() {
    let url = start(Fault::Busy).await;
    let scenario = "idle --clients 20 --concurrency 5 --hold 1s";
    let patient = run(&format!("{scenario} --honour-retry-after"), &url).await;
    assert_eq!(patient.status, 0, "{}", patient.output);
    assert!(patient.count("busy") >= 20, "{}", patient.output);
    assert_eq!(patient.count("connects"), 20);
    let impatient = run(scenario, &url).await;
    assert_eq!(impatient.status, 1, "{}", impatient.output);
    assert!(
        impatient.output.contains("10 of 20 connections are up"),
        "{}",
        impatient.output
    );
}
