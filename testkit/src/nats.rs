//! NATS servers for tests: one, or a cluster of three, on free ports.
//!
//! A server can be killed, frozen and thawed, and started again on its port, as machines and networks do to it. Its
//! files stand in a temporary folder, and it dies with the value that stands for it.

mod cluster;
mod greeting;
mod process;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

pub use cluster::NatsCluster;
pub use greeting::Greeting;

use crate::tools;
use process::{Place, Ports, Process};

/// One `nats-server`.
#[derive(Debug)]
pub struct NatsServer {
    place: Place,
    ports: Ports,
    process: Process,
}

impl NatsServer {
    /// A server with the default configuration.
    ///
    /// # Errors
    /// When it cannot be fetched or does not come up; then with its log.
    pub async fn start() -> Result<Self> {
        Self::start_with("").await
    }

    /// A server with this configuration file. Ports, addresses and the store's folder are not for it to say.
    ///
    /// # Errors
    /// When it cannot be fetched or does not come up; then with its log.
    pub async fn start_with(config: &str) -> Result<Self> {
        let folder = folder()?;
        let store = folder.path().join("store");
        Self::start_at(config, folder, store).await
    }

    /// The same with JetStream's files in this folder, which stays.
    ///
    /// # Errors
    /// When it cannot be fetched or does not come up; then with its log.
    pub async fn start_on(config: &str, store: &Path) -> Result<Self> {
        Self::start_at(config, folder()?, store.to_owned()).await
    }

    async fn start_at(config: &str, folder: TempDir, store: PathBuf) -> Result<Self> {
        let program = tokio::task::spawn_blocking(tools::nats_server).await??;
        fs::write(folder.path().join("server.conf"), config)?;
        let place = Place {
            program,
            folder,
            store,
        };
        let mut process = Process::spawn(&place, Ports::ANY)?;
        let ports = process.listening().await?;
        Ok(Self {
            place,
            ports,
            process,
        })
    }

    /// Where clients connect: `nats://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Where clients connect: `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.client)
    }

    /// The id of its process, which a restart changes.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What the server says to a new client.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn greeting(&self) -> Result<Greeting> {
        Greeting::read(&self.address()).await
    }

    /// Ends it as a power failure would, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Freezes it: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets it go on after [`NatsServer::freeze`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Starts it again on the same port, with the same files, after [`NatsServer::kill`].
    ///
    /// # Errors
    /// When it does not come up; then with its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = Process::spawn_on(&self.place, self.ports).await?;
        Ok(())
    }

    /// Where other servers of its cluster connect.
    pub(crate) fn route(&self) -> Option<String> {
        self.ports
            .cluster
            .map(|port| format!("nats://127.0.0.1:{port}"))
    }
}

fn folder() -> Result<TempDir> {
    tempfile::tempdir().context("cannot make a folder for nats-server")
}
