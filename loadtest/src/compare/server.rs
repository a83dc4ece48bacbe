//! Servers to measure, each as a process of its own on a free port.

use std::env;
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
    /// Two of Tidegate over nats-server: published at one, delivered by the other
    TidegateNats,
    /// npm's ws, as a plain broadcast server
    Ws,
    /// npm's socket.io
    #[value(name = "socket.io")]
    SocketIo,
    /// nats-server's WebSocket listener
    Nats,
    /// One thread that sends to each subscriber, and does nothing else
    Floor,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate",
            Self::TidegateProtobuf => "tidegate-protobuf",
            Self::TidegateNats => "tidegate-nats",
            Self::Ws => "ws",
            Self::SocketIo => "socket.io",
            Self::Nats => "nats",
            Self::Floor => "floor",
        }
    }

    pub(super) fn dialect(self) -> &'static str {
        match self {
            Self::Tidegate | Self::TidegateNats => "centrifuge-json",
            Self::TidegateProtobuf => "centrifuge-protobuf",
            Self::Ws | Self::Floor => "raw",
            Self::SocketIo => "socket.io",
            Self::Nats => "nats",
        }
    }
}

/// A server that runs until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Server {
    processes: Vec<Process>,
    /// Where clients connect.
    pub(super) url: String,
    /// Where is published, if elsewhere.
    pub(super) publish: Option<String>,
}

impl Server {
    /// Starts one, and waits until it listens. Peers are fetched first, if need be.
    pub(super) fn start(kind: Kind, compare: &Compare) -> Result<Self> {
        let mut server = Self::default();
        server.url = match kind {
            Kind::Tidegate | Kind::TidegateProtobuf => server.tidegate(compare, &[])?,
            Kind::TidegateNats => {
                server.peer(compare, "nats", None)?;
                let nats = server.next_address("nats://")?;
                server.publish = Some(server.tidegate(compare, &["--nats", &nats])?);
                server.tidegate(compare, &["--nats", &nats])?
            }
            Kind::Ws => server.peer(compare, "node", Some("ws.mjs"))?,
            Kind::SocketIo => server.peer(compare, "node", Some("socket-io.mjs"))?,
            Kind::Nats => server.peer(compare, "nats", None)?,
            Kind::Floor => server.floor(compare)?,
        };
        Ok(server)
    }

    /// The ids of its processes.
    pub(super) fn processes(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().map(|process| process.child.id())
    }

    fn tidegate(&mut self, compare: &Compare, options: &[&str]) -> Result<String> {
        let mut command = pinned(compare.server_cpus.as_deref(), &tidegate(compare)?);
        command.args(["--address", "127.0.0.1", "--port", "0"]);
        command.args(compare.tidegate_options.split_whitespace());
        self.add(command.args(options))
    }

    fn floor(&mut self, compare: &Compare) -> Result<String> {
        let mut command = pinned(compare.server_cpus.as_deref(), &env::current_exe()?);
        self.add(command.arg("floor"))
    }

    /// A program of the peers' folder, or one that runs a script there.
    fn peer(&mut self, compare: &Compare, program: &str, script: Option<&str>) -> Result<String> {
        let peers = Path::new(PEERS);
        let status = Command::new(peers.join("install")).status();
        let installed = status.context("the peers' script cannot be run")?;
        ensure!(installed.success(), "the peers cannot be fetched");
        let program = match script {
            Some(_) => PathBuf::from(program),
            None => peers.join(program),
        };
        let mut command = pinned(compare.server_cpus.as_deref(), &program);
        self.add(command.args(script.map(|script| peers.join(script))))
    }

    /// Starts a process, and waits for the URL that it names.
    fn add(&mut self, command: &mut Command) -> Result<String> {
        self.processes.push(Process::start(command)?);
        self.next_address("ws://")
    }

    /// The next URL of this scheme that the last process names.
    fn next_address(&self, scheme: &str) -> Result<String> {
        let last = self.processes.last().context("no process")?;
        address(&last.lines, scheme).context("a server does not say where it listens")
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{:?} cannot be started", command.get_program()))?;
        let output = child.stdout.take().context("a server has no output")?;
        let lines = read(output);
        Ok(Self { child, lines })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// The program that was named, or the one beside this one.
fn tidegate(compare: &Compare) -> Result<PathBuf> {
    let beside = env::current_exe()?.with_file_name("tidegate");
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

/// The next URL of this scheme.
fn address(lines: &Receiver<String>, scheme: &str) -> Result<String> {
    loop {
        let line = lines.recv_timeout(PATIENCE)?;
        if let Some(url) = line
            .split_whitespace()
            .find(|word| word.starts_with(scheme))
        {
            return Ok(url.to_owned());
        }
    }
}
