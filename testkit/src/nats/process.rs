//! The process of a NATS server: started, signalled, and gone when its value is dropped.
//!
//! The server chooses its own free ports and says them in a file, so no port is guessed; only a server that starts
//! again asks for the ports it had, and asks again while they are taken.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, timeout_at};

use super::Greeting;
use crate::deadline::{PATIENCE, until_some};
use crate::program;

/// The ports of a server; `-1` lets it choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) client: i32,
    pub(super) cluster: Option<i32>,
}

impl Ports {
    pub(super) const ANY: Self = Self {
        client: -1,
        cluster: None,
    };
}

/// What a server is made of while it does not run.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) program: PathBuf,
    /// Has its configuration, its log and what it says of its ports.
    pub(super) folder: TempDir,
    /// JetStream's folder.
    pub(super) store: PathBuf,
}

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    folder: PathBuf,
}

impl Process {
    /// Starts `place.program` on its `server.conf`.
    pub(super) fn spawn(place: &Place, ports: Ports) -> Result<Self> {
        let (program, folder) = (&place.program, place.folder.path());
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(folder.join("server.conf"));
        command.arg("--store_dir").arg(&place.store);
        command.arg("--ports_file_dir").arg(folder);
        command.args(["--addr", "127.0.0.1", "--port", &ports.client.to_string()]);
        if let Some(port) = ports.cluster {
            command.args(["--cluster", &format!("nats://127.0.0.1:{port}")]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        Ok(Self {
            child,
            folder: folder.to_owned(),
        })
    }

    /// Starts it on ports that may still be taken for a moment, and waits until it serves.
    pub(super) async fn spawn_on(place: &Place, ports: Ports) -> Result<Self> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut process = Self::spawn(place, ports)?;
            match timeout_at(end, process.listening()).await {
                Ok(Ok(_)) => return Ok(process),
                Ok(Err(error)) if !error.to_string().contains("address already in use") => {
                    return Err(error);
                }
                Ok(Err(_)) => fs::remove_file(place.folder.path().join("log"))?,
                Err(_) => bail!("the port of the server stayed taken for {PATIENCE:?}"),
            }
        }
    }

    /// Waits until it has chosen its ports and greets clients.
    pub(super) async fn listening(&mut self) -> Result<Ports> {
        until_some("nats-server listens", async || {
            match self.child.try_wait() {
                Ok(None) => {
                    let ports = self.ports()?;
                    Greeting::read(&format!("127.0.0.1:{}", ports.client))
                        .await
                        .ok()?;
                    Some(Ok(ports))
                }
                Ok(Some(status)) => Some(Err(anyhow!(
                    "nats-server ended with {status}\n{}",
                    self.log()
                ))),
                Err(error) => Some(Err(error.into())),
            }
        })
        .await
        .with_context(|| self.log())?
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(super) fn freeze(&self) -> Result<()> {
        program::freeze(&self.child)
    }

    pub(super) fn thaw(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What the server wrote about its ports, once it has.
    fn ports(&self) -> Option<Ports> {
        let file = self
            .folder
            .join(format!("nats-server_{}.ports", self.child.id()));
        let said: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
        let port = |face: &str| said[face][0].as_str()?.rsplit_once(':')?.1.parse().ok();
        Some(Ports {
            client: port("nats")?,
            cluster: port("cluster"),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ended = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use crate::nats::NatsServer;

    #[tokio::test]
    async fn a_wrong_configuration_shows_in_the_error() {
        let error = NatsServer::start_with("no_such_option: 1")
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("no_such_option"), "{error:#}");
    }
}
