//! A `tidegate-gateway` in a process of its own, over a NATS server: for what only a process has.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;

use crate::site;

/// A running gateway. Its memory and its files are the kernel's figures.
pub(crate) struct Process {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    config: PathBuf,
    pub(crate) nats: NatsServer,
}

impl Process {
    /// With the usual configuration, changed by `change`.
    pub(crate) async fn start(change: impl FnOnce(&mut Value)) -> Self {
        Self::start_on(NatsServer::start().await.unwrap(), change).await
    }

    /// The same over this server.
    pub(crate) async fn start_on(nats: NatsServer, change: impl FnOnce(&mut Value)) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("gateway-{}-{number}.json", process::id());
        let config = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut value = site::config();
        change(&mut value);
        fs::write(&config, value.to_string()).unwrap();

        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-gateway"));
        command.arg("--config").arg(&config);
        command.args(["--nats", &nats.url()]);
        let program = Program::start(command).unwrap();
        let address = until_some("the gateway's address", async || {
            address_in(&program.output())
        });
        let address = address.await;
        assert!(address.is_ok(), "{}", program.output());
        Self {
            address: address.unwrap(),
            program,
            config,
            nats,
        }
    }

    /// Memory that is in use and in RAM, in bytes.
    pub(crate) fn resident_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kilobytes * 1024
    }

    /// Open files, sockets among them.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.program.id()))
            .unwrap()
            .count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _removed = fs::remove_file(&self.config);
    }
}

/// The address in the line that says that clients can connect.
fn address_in(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("serving address=")?;
    rest.split_once(' ')?.0.parse().ok()
}
