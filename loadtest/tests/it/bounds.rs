//! What is out of bounds is refused before anything happens, by name.

use crate::load::{end, program, run};

#[tokio::test]
async fn a_run_out_of_bounds_is_not_made() {
    for (arguments, target, expected) in [
        (
            "fanout --clients 2000000",
            "ws://127.0.0.1:9",
            "--clients is 2000000",
        ),
        (
            "fanout --rate 1e9",
            "ws://127.0.0.1:9",
            "messages per second",
        ),
        (
            "idle --clients 1",
            "ws://192.0.2.1:80",
            "--i-own-this-target",
        ),
        (
            "idle --dialect raw --token x",
            "ws://127.0.0.1:9",
            "no tokens",
        ),
        (
            "idle --clients 1 --server-pid 4294967295",
            "ws://127.0.0.1:9",
            "no such process",
        ),
    ] {
        let run = run(arguments, target).await;
        assert_eq!(run.status, 2, "{}", run.output);
        assert!(run.output.contains(expected), "{}", run.output);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    let run = run("idle --clients 3 --hold 1s", &url).await;
    assert_eq!(run.status, 2, "{}", run.output);
    assert!(run.output.contains("Connection refused"), "{}", run.output);
}

#[tokio::test]
async fn help_names_every_scenario() {
    let mut command = program();
    command.arg("--help");
    let (status, output) = end(command).await;
    assert_eq!(status, 0);
    for scenario in [
        "idle", "fanout", "rooms", "storm", "recover", "mixed", "report", "compare",
    ] {
        assert!(output.contains(scenario), "{output}");
    }
}
