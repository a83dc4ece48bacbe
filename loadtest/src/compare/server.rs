//! Servers to measure, each as a process of its own on a free port.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::pinned;
use crate::cli::Compare;

/// Where the peers are, from the folder of this crate's sources.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines that a server may be ahead.
const LINES: usize = 1_024;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Tidegate, in JSON
    Tidegate,
    /// Tidegate, in Protobuf
    TidegateProtobuf,
    /// npm's ws, as a plain broadcast server
    Ws,
    /// npm's socket.io
    #[value(name = "socket.io")]
    SocketIo,
    /// nats-server's WebSocket listener
    Nats,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate",
            Self::TidegateProtobuf => "tidegate-protobuf",
            Self::Ws => "ws",
            Self::SocketIo => "socket.io",
            Self::Nats => "nats",
        }
    }

    pub(super) fn dialect(self) -> &'static str {
        match self {
            Self::Tidegate => "centrifuge-json",
            Self::TidegateProtobuf => "centrifuge-protobuf",
            Self::Ws => "raw",
            Self::SocketIo => "socket.io",
            Self::Nats => "nats",
        }
    }
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Where clients connect.
    pub(super) url: String,
}

impl Server {
    /// Starts one, and waits until it listens. Peers are fetched first, if need be.
    pub(super) fn start(kind: Kind, compare: &Compare) -> Result<Self> {
        let peers = Path::new(PEERS);
        let program = match kind {
            Kind::Tidegate | Kind::TidegateProtobuf => tidegate(compare)?,
            Kind::Ws | Kind::SocketIo | Kind::Nats => {
                let status = Command::new(peers.join("install")).status();
                let installed = status.context("the peers' script cannot be run")?.success();
                ensure!(installed, "the peers cannot be fetched");
                match kind {
                    Kind::Nats => peers.join("nats"),
                    _ => PathBuf::from("node"),
                }
            }
        };
        let mut command = pinned(compare.server_cpus.as_deref(), &program);
        match kind {
            Kind::Tidegate | Kind::TidegateProtobuf => {
                let options = compare.tidegate_options.split_whitespace();
                command
                    .args(["--address", "127.0.0.1", "--port", "0"])
                    .args(options)
            }
            Kind::Ws => command.arg(peers.join("ws.mjs")),
            Kind::SocketIo => command.arg(peers.join("socket-io.mjs")),
            Kind::Nats => &mut command,
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let output = child.stdout.take().context("a server has no output")?;
        let mut server = Self {
            child,
            url: String::new(),
        };
        server.url = address(&read(output))
            .with_context(|| format!("{} does not say where it listens", kind.name()))?;
        Ok(server)
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// The program that was named, or the one beside this one.
fn tidegate(compare: &Compare) -> Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("tidegate");
    let program = compare.tidegate.clone().unwrap_or(beside);
    let there = fs::exists(&program).unwrap_or_default();
    ensure!(
        there,
        "no {}; cargo build --release makes it, --tidegate names another",
        program.display()
    );
    Ok(program)
}

/// A server's lines, read to their end so that it never waits for a reader.
fn read(output: ChildStdout) -> Receiver<String> {
    let (tell, lines) = sync_channel(LINES);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Once the address is known nobody listens, and the lines are let go.
            let _told = tell.try_send(line);
        }
    });
    lines
}

/// The first WebSocket URL that a server names.
fn address(lines: &Receiver<String>) -> Result<String> {
    loop {
        let line = lines.recv_timeout(PATIENCE)?;
        if let Some(url) = line
            .split_whitespace()
            .find(|word| word.starts_with("ws://"))
        {
            return Ok(url.to_owned());
        }
    }
}
