//! The servers that Tidegate is compared with deliver what they are measured by.

use std::path::Path;
use std::process::Command;

use tidegate_testkit::program::Program;
use tidegate_testkit::tools;

use crate::load::run;

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// Starts a peer, and says where it listens.
async fn peer(program: &str, script: Option<&str>) -> (Program, String) {
    let install = || tools::run(&mut Command::new(Path::new(PEERS).join("install")));
    tokio::task::spawn_blocking(install).await.unwrap().unwrap();
    let mut command = match script {
        Some(_) => Command::new(program),
        None => Command::new(Path::new(PEERS).join(program)),
    };
    command.args(script.map(|script| Path::new(PEERS).join(script)));
    let mut program = Program::start(command).unwrap();
    let url = program.next_line().await.unwrap();
    (program, url)
}

/// A schedule, a closed loop, and subscriptions that come and go.
async fn check(dialect: &str, url: &str) {
    let fanout = "fanout --clients 20 --channels 2 --rate 20 --duration 2s --warm-up 0s";
    let rounds = "fanout --clients 20 --channel round --rounds 5";
    let mixed = "mixed --hot-clients 5 --hot-rate 10 --room-clients 10 --rooms 2 --room-rate 5 \
                 --churn 20 --duration 2s --warm-up 0s --channel mixed";
    let [fanout, rounds, mixed] =
        [fanout, rounds, mixed].map(|arguments| format!("{arguments} --dialect {dialect}"));
    let (fanout, rounds, mixed) =
        tokio::join!(run(&fanout, url), run(&rounds, url), run(&mixed, url));
    fanout.assert_complete(20 * 40);
    rounds.assert_complete(20 * 5);
    mixed.assert_complete(5 * 20 + 10 * 10);
    assert_eq!(mixed.count("subscribes"), 40, "{}", mixed.output);
}

#[tokio::test]
async fn ws() {
    let (_server, url) = peer("node", Some("ws.mjs")).await;
    check("raw", &url).await;
}

#[tokio::test]
async fn socket_io() {
    let (_server, url) = peer("node", Some("socket-io.mjs")).await;
    check("socket.io", &url).await;
}

#[tokio::test]
async fn nats_server() {
    let (_server, url) = peer("nats", None).await;
    check("nats", &url).await;
}

#[tokio::test]
async fn floor() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-loadtest"));
    command.arg("floor");
    let mut server = Program::start(command).unwrap();
    let url = server.next_line().await.unwrap();
    check("raw", &url).await;
}
