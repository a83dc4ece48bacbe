//! The program's port, as every program opens one.

use std::process::Command;

use anyhow::{Context, Result};
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::port::{KEY, SecuredPort};
use tidegate_testkit::program::Program;

#[tokio::test]
async fn the_port_is_as_every_port_is() -> Result<()> {
    let server = NatsServer::start().await?;
    let port = SecuredPort::new("tidegate.presence.v1.Presence", "Nodes")?;
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("key");
    std::fs::write(&key, KEY)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-presence"));
    command
        .args(["--nats", &server.url(), "--listen", "127.0.0.1:0"])
        .args(["--tls-reload-interval", "1s", "--api-key"])
        .arg(&key);
    for (option, file) in [
        ("--tls-certificate", "tls.crt"),
        ("--tls-key", "tls.key"),
        ("--tls-client-ca", "ca.crt"),
    ] {
        command.arg(option).arg(port.secret.file(file));
    }
    let mut program = Program::start(command)?;
    let line = program.next_line().await?;
    let address = line.strip_prefix("listening on ").context(line.clone())?;
    let has_logged = |text: &str| program.output().contains(text);
    let checked = port.check(address.trim(), has_logged).await;
    checked.with_context(|| program.output())?;
    program.terminate()?;
    program.succeeded().await
}
