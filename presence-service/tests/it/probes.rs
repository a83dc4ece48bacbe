//! What the program answers to orchestrators and Prometheus.

use std::process::Command;

use anyhow::Result;
use tidegate_testkit::address;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::get;
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_say_when_it_is_ready_and_what_it_holds() -> Result<()> {
    let server = NatsServer::start().await?;
    let free = address::free()?;
    let address = free.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-presence"));
    command.args(["--nats", &server.url(), "--listen", "127.0.0.1:0"]);
    command.args(["--metrics-address", &address]);
    let mut program = Program::start(command)?;
    program.next_line().await?;
    let ready = async || get(&address, "/ready").await.ok();
    let (status, _) = until_some("probes are answered", ready).await?;
    // It listens for a second before it can be, and this may come later.
    assert!([503, 200].contains(&status), "{status}");
    assert_eq!(get(&address, "/health").await?.1, "ok\n");
    let ready = async || (ready().await?.1 == "ready\n").then_some(());
    until_some("it is ready", ready).await?;
    let (_, metrics) = get(&address, "/metrics").await?;
    for line in [
        "tidegate_presence_ready 1",
        "tidegate_presence_memberships 0",
        "tidegate_presence_partitions{state=\"ready\"} 64",
        "tidegate_presence_refused_total{reason=\"malformed\"} 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}:\n{metrics}");
    }
    Ok(())
}
