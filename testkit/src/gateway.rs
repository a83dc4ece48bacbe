//! A gateway process for tests, `tidegate` or `tidegate-gateway`: started on a free port, killed or stopped, and started
//! again on the port it had.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deadline::until_some;
use crate::program::Program;

/// A gateway that accepts connections.
#[derive(Debug)]
pub struct Gateway {
    executable: PathBuf,
    folder: TempDir,
    nats: Option<String>,
    environment: Vec<(String, String)>,
    program: Program,
    address: String,
    websocket: String,
}

impl Gateway {
    /// Starts an executable with this configuration, over the NATS servers at this URL if there is one.
    ///
    /// # Errors
    /// When it does not come up; then with its log.
    pub async fn start(executable: &str, config: &Value, nats: Option<&str>) -> Result<Self> {
        Self::start_in(executable, config, nats, &[]).await
    }

    /// The same with these variables in its environment, and no others.
    ///
    /// # Errors
    /// When it does not come up; then with its log.
    pub async fn start_in(
        executable: &str,
        config: &Value,
        nats: Option<&str>,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for a gateway")?;
        fs::write(folder.path().join("config.json"), config.to_string())?;
        let (executable, nats) = (PathBuf::from(executable), nats.map(str::to_owned));
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = environment.iter().map(owned).collect();
        let words = [executable.as_os_str()];
        let mut command = command(&words, &folder, nats.as_deref(), "0");
        command.envs(environment.iter().cloned());
        let program = Program::start(command)?;
        let mut gateway = Self {
            executable,
            folder,
            nats,
            environment,
            program,
            address: String::new(),
            websocket: String::new(),
        };
        gateway.listening().await?;
        Ok(gateway)
    }

    /// Its HTTP base: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens: `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where clients connect.
    #[must_use]
    pub fn websocket(&self) -> &str {
        &self.websocket
    }

    /// Ends it as a power failure would.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.program.kill()
    }

    /// Freezes it: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn freeze(&self) -> Result<()> {
        self.program.freeze()
    }

    /// Lets it go on after [`Gateway::freeze`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn thaw(&self) -> Result<()> {
        self.program.thaw()
    }

    /// Asks it to stop, and waits until it has ended well.
    ///
    /// # Errors
    /// With its log, when it fails or takes too long.
    pub async fn stop(&mut self) -> Result<()> {
        self.program.terminate()?;
        self.program.succeeded().await
    }

    /// Starts it again on its port, after [`Gateway::kill`] or [`Gateway::stop`].
    ///
    /// # Errors
    /// When it does not come up; then with its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.restart_under(&[]).await
    }

    /// The same, started by another command, which is given its executable and arguments behind its own.
    ///
    /// # Errors
    /// When it does not come up; then with its log.
    pub async fn restart_under(&mut self, wrapper: &[&OsStr]) -> Result<()> {
        let before = self.address.clone();
        let (_, port) = before.rsplit_once(':').context("an address without port")?;
        let nats = self.nats.as_deref();
        let words = [wrapper, &[self.executable.as_os_str()]].concat();
        let mut command = command(&words, &self.folder, nats, port);
        command.envs(self.environment.iter().cloned());
        self.program = Program::start(command)?;
        self.listening().await?;
        if self.address != before {
            bail!(
                "it was to listen on {before} again, not on {}",
                self.address
            );
        }
        Ok(())
    }

    /// What `token` prints for these arguments, with this gateway's configuration.
    ///
    /// # Errors
    /// With what it wrote, when it fails.
    pub async fn token(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.executable);
        command.arg("token").args(arguments).env_clear();
        command
            .arg("--config")
            .arg(self.folder.path().join("config.json"));
        let mut program = Program::start(command)?;
        program.succeeded().await?;
        program.next_line().await
    }

    /// Everything it wrote.
    #[must_use]
    pub fn output(&self) -> String {
        self.program.output()
    }

    /// Status and body of an HTTP resource, such as `/ready`.
    ///
    /// # Errors
    /// When it does not answer like an HTTP server.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        get(&self.address, path).await
    }

    /// The value of a metric without labels, now.
    ///
    /// # Errors
    /// When there is no such metric.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let (_, text) = self.get("/metrics").await?;
        metric(&text, name).with_context(|| format!("no {name} in\n{text}"))
    }

    /// Waits for the banner, and takes the address from it; `tidegate-gateway` has none, but a line in its log.
    async fn listening(&mut self) -> Result<()> {
        if self.executable.ends_with("tidegate-gateway") {
            let logged = async || address_in(&self.program.output());
            self.address = until_some("a gateway's address", logged)
                .await
                .with_context(|| self.output())?;
            self.websocket = format!("ws://{}/connection/websocket", self.address);
            return Ok(());
        }
        loop {
            let line = self.program.next_line().await?;
            let endpoint = line
                .split_whitespace()
                .find(|word| word.ends_with("/connection/websocket"));
            let authority = endpoint.and_then(|url| url.split('/').nth(2));
            if let Some((url, authority)) = endpoint.zip(authority) {
                url.clone_into(&mut self.websocket);
                authority.clone_into(&mut self.address);
                return Ok(());
            }
        }
    }
}

/// Status and body of an HTTP resource of whoever listens at `127.0.0.1:<port>`.
///
/// # Errors
/// When it does not answer like an HTTP server.
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without a head")?;
    let status = head
        .split(' ')
        .nth(1)
        .context("an answer without a status")?;
    Ok((status.parse()?, body.to_owned()))
}

/// The value of a metric without labels in an answer of `/metrics`.
#[must_use]
pub fn metric(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value?.parse().ok()
}

/// The address in the line that says that clients can connect.
fn address_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("serving address=")?;
    Some(rest.split_once(' ')?.0.to_owned())
}

fn command(words: &[&OsStr], folder: &TempDir, nats: Option<&str>, port: &str) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    // What the developer's environment says about Tidegate is not for tests.
    command.env_clear();
    command
        .arg("--config")
        .arg(folder.path().join("config.json"));
    command.args(["--address", "127.0.0.1", "--port", port]);
    if let Some(nats) = nats {
        command.args(["--nats", nats]);
    }
    command
}
