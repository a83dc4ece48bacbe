//! Cassandra for tests: one node of the real thing, on an address of its own, in a folder that goes with it.
//!
//! Its jars are fetched by Maven once. Starting takes some seconds and half a gigabyte, so a test binary shares one node,
//! each test with a keyspace of its own; only a test that ends or freezes a node needs another.

mod configuration;

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::authority::{Authority, Certificate};
use crate::program;
use crate::tools::{fetch, run};
use configuration::{MODULES, configuration};

const CASSANDRA: &str = "org.apache.cassandra:cassandra-all:5.0.5";

/// How long a node may take until it answers, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A running node.
#[derive(Debug)]
pub struct CassandraNode {
    jars: PathBuf,
    folder: TempDir,
    address: Ipv4Addr,
    running: Option<Running>,
}

/// Its process, and another that ends it when this one is gone: a node that a whole test binary shares is never dropped.
#[derive(Debug)]
struct Running {
    node: Child,
    guard: Child,
}

impl CassandraNode {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// With what it wrote, when it does not.
    pub async fn start() -> Result<Self> {
        Self::start_at(free_address(), None).await
    }

    /// Starts one that speaks TLS only, with a certificate of this authority.
    ///
    /// # Errors
    /// With what it wrote, when it does not.
    pub async fn start_tls(authority: &Authority) -> Result<Self> {
        let address = free_address();
        let certificate = authority.certificate(&address.to_string())?;
        Self::start_at(address, Some(&certificate)).await
    }

    async fn start_at(address: Ipv4Addr, tls: Option<&Certificate>) -> Result<Self> {
        let jars = tokio::task::spawn_blocking(jars).await??;
        let folder = tempfile::tempdir()?;
        let text = configuration(folder.path(), address, tls)?;
        fs::write(folder.path().join("cassandra.yaml"), text)?;
        let mut node = Self {
            jars,
            folder,
            address,
            running: None,
        };
        node.restart().await?;
        Ok(node)
    }

    /// Where clients connect: `host:port`.
    #[must_use]
    pub fn node(&self) -> String {
        format!("{}:{}", self.address, configuration::CLIENT_PORT)
    }

    /// Ends it as a power failure would.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(Running { node, guard }) = &mut self.running {
            // The guard first: the node's id is nobody's afterwards.
            for child in [guard, node] {
                child.kill()?;
                child.wait()?;
            }
        }
        self.running = None;
        Ok(())
    }

    /// Freezes it: nothing of it runs until it goes on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn freeze(&self) -> Result<()> {
        let running = self.running.as_ref().context("it does not run")?;
        program::freeze(&running.node)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn thaw(&self) -> Result<()> {
        let running = self.running.as_ref().context("it does not run")?;
        Ok(kill_process(Pid::from_child(&running.node), Signal::CONT)?)
    }

    /// Starts it again with what it had, and waits until it answers.
    ///
    /// # Errors
    /// With what it wrote, when it does not.
    pub async fn restart(&mut self) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        let node = command(&self.jars, self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run java")?;
        let guard = guard(&node, self.folder.path())?;
        self.running = Some(Running { node, guard });
        self.answering().await
    }

    async fn answering(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !answers(&self.node()).await {
            let running = self.running.as_mut().context("it does not run")?;
            if let Some(status) = running.node.try_wait()? {
                bail!("cassandra ended with {status}\n{}", self.log());
            }
            if Instant::now() >= end {
                bail!("cassandra does not answer in {PATIENCE:?}\n{}", self.log());
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for CassandraNode {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ended = self.kill();
    }
}

/// Whether a node takes connections of clients, which is the last thing that it begins.
async fn answers(node: &str) -> bool {
    TcpStream::connect(node).await.is_ok()
}

/// Waits for the end of this process, and then ends a node and takes its folder away.
fn guard(node: &Child, folder: &Path) -> Result<Child> {
    let script = "trap '' INT; read line; kill -9 \"$1\"; sleep 1; rm -rf \"$2\"";
    let mut guard = Command::new("sh");
    guard.args(["-c", script, "guard", &node.id().to_string()]);
    guard.arg(folder).stdin(Stdio::piped());
    // Who waits for what a test prints does not wait for this.
    guard.stdout(Stdio::null()).stderr(Stdio::null());
    guard.spawn().context("cannot run sh")
}

/// A loopback address that no other node has: processes have numbers of their own, and count their nodes.
fn free_address() -> Ipv4Addr {
    static NODES: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let node = NODES.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, 64 + node % 64, high, low)
}

fn command(jars: &Path, folder: &Path) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xms256m", "-Xmx512m", "-XX:MaxDirectMemorySize=256m"]);
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.args([
        "-XX:+ExitOnOutOfMemoryError",
        "-Djdk.attach.allowAttachSelf=true",
    ]);
    for module in MODULES {
        command
            .arg("--add-opens")
            .arg(format!("{module}=ALL-UNNAMED"));
        command
            .arg("--add-exports")
            .arg(format!("{module}=ALL-UNNAMED"));
    }
    let file = |name: &str| folder.join(name).display().to_string();
    let properties = [
        (
            "cassandra.config",
            format!("file://{}", file("cassandra.yaml")),
        ),
        ("cassandra.storagedir", file("data")),
        ("logback.configurationFile", file("logback.xml")),
        ("java.io.tmpdir", folder.display().to_string()),
        ("cassandra.ring_delay_ms", "1".to_owned()),
        ("cassandra.skip_wait_for_gossip_to_settle", "0".to_owned()),
        ("cassandra.superuser_setup_delay_ms", "0".to_owned()),
    ];
    for (name, value) in properties {
        command.arg(format!("-D{name}={value}"));
    }
    command.arg("-cp").arg(format!("{}/*", jars.display()));
    command.arg("org.apache.cassandra.service.CassandraDaemon");
    command
}

fn jars() -> Result<PathBuf> {
    let needs = [
        ("java", "-version", "default-jre-headless"),
        ("mvn", "--version", "maven"),
    ];
    for (program, argument, package) in needs {
        run(Command::new(program).arg(argument)).with_context(|| {
            format!("{program} is missing; on Debian: apt-get install {package}")
        })?;
    }
    fetch("cassandra", CASSANDRA, |target| {
        let project = target.join("pom.xml");
        fs::write(&project, configuration::project(CASSANDRA)?)?;
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-f"]).arg(&project);
        maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
        maven.arg(format!("-DoutputDirectory={}", target.display()));
        run(&mut maven)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wrong_configuration_shows_in_the_error() {
        let address = free_address();
        let authority = Authority::new().unwrap();
        let mut certificate = authority.certificate(&address.to_string()).unwrap();
        certificate.key = "no key".to_owned();
        let started = CassandraNode::start_at(address, Some(&certificate)).await;
        let error = started.unwrap_err();
        assert!(
            format!("{error:#}").contains("cassandra ended"),
            "{error:#}"
        );
    }
}
