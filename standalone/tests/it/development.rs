//! Development mode: the program without any option, as somebody sees it first.

use std::path::Path;
use std::process::Command;

use tidegate_testkit::chromium::chromium;
use tidegate_testkit::deadline::until;
use tidegate_testkit::node::node;
use tidegate_testkit::program::Program;

/// What stands behind a label in the greeting, or below it.
async fn told(program: &mut Program, label: &str) -> String {
    loop {
        let line = program.next_line().await.unwrap();
        if let Some((_, told)) = line.split_once(label) {
            return told.trim().to_owned();
        }
    }
}

#[tokio::test]
async fn the_playground_shows_who_is_there() {
    let (browser, mut script) = tokio::task::spawn_blocking(|| {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playground/presence.test.mjs");
        (chromium().unwrap(), node(&script).unwrap())
    })
    .await
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["--set", "http_server.port=0"]);
    let mut program = Program::start(command).unwrap();
    let url = told(&mut program, "playground  ").await;
    told(&mut program, "token of user").await;
    let token = told(&mut program, "  ").await;
    // Its presence service, which answers from then on.
    let is_ready = || program.output().contains("told everything");
    until("a presence service that is ready", is_ready)
        .await
        .unwrap();
    script
        .env("TIDEGATE_URL", url)
        .env("TIDEGATE_TOKEN", token)
        .env("CHROMIUM", browser);
    let mut script = Program::start(script).unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", program.output());
    }
    program.terminate().unwrap();
    program.succeeded().await.unwrap();
}
