//! What is measured: a nats-server, the namespace `chat` in it, and the program with its archive.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use scylla::client::session_builder::SessionBuilder;
use tempfile::TempDir;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Backbone, Durability, Storage, StreamOptions};
use tidegate_testkit::cassandra::CassandraNode;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;

use super::Place;

const KEYSPACE: &str = "figures";

/// The parts of one run.
pub(super) struct Stage {
    server: NatsServer,
    pub(super) publisher: Arc<Nats>,
    archive: Archive,
}

enum Archive {
    Folder(TempDir),
    Cluster(Box<CassandraNode>),
}

impl Stage {
    pub(super) async fn set(place: Place, partitions: u32) -> Result<Self> {
        let server = NatsServer::start_with(&configuration(partitions)).await?;
        let options = NatsOptions {
            streams: vec![stream(partitions)],
            ..NatsOptions::new([server.url()])
        };
        let publisher = Arc::new(Nats::connect(options).await?);
        let is_ready = async || publisher.is_ready().then_some(());
        until_some("the publisher is ready", is_ready).await?;
        let archive = match place {
            Place::Embedded => Archive::Folder(tempfile::tempdir()?),
            Place::Cassandra => Archive::Cluster(Box::new(cluster().await?)),
        };
        Ok(Self {
            server,
            publisher,
            archive,
        })
    }

    /// Starts the program; where it answers.
    pub(super) async fn start(&self) -> Result<(Program, String)> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-history"));
        command.args(["--nats", &self.server.url(), "--namespace", "chat"]);
        command.args(["--listen", "127.0.0.1:0"]);
        match &self.archive {
            Archive::Folder(folder) => command.arg("--archive").arg(folder.path()),
            Archive::Cluster(node) => {
                command.args(["--store", "cassandra", "--cassandra-keyspace", KEYSPACE]);
                command.args(["--cassandra-nodes", &node.node()])
            }
        };
        let mut program = Program::start(command)?;
        let line = program.next_line().await?;
        let address = line.strip_prefix("listening on ");
        let address = address.with_context(|| format!("another line: {line}"))?;
        Ok((program, format!("http://{}", address.trim())))
    }
}

fn configuration(partitions: u32) -> String {
    let mapping = match partitions {
        0 | 1 => String::new(),
        _ => format!(
            "mappings: {{ \"tide.pub.chat.>\": \"tide.part.chat.{{{{partition({partitions})}}}}.>\" }}\n"
        ),
    };
    format!("jetstream: enabled\n{mapping}")
}

fn stream(partitions: u32) -> StreamOptions {
    StreamOptions {
        namespace: Some("chat".to_owned()),
        size: 10_000_000,
        ttl: Duration::from_secs(3_600),
        storage: Storage::File,
        replicas: 1,
        compression: false,
        duplicate_window: Duration::from_secs(1),
        partitions,
        required: Durability::Accepted,
    }
}

async fn cluster() -> Result<CassandraNode> {
    let node = CassandraNode::start().await?;
    let session = SessionBuilder::new().known_node(node.node());
    let session = session.build().await?;
    let statement = format!(
        "CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    );
    session.query_unpaged(statement, ()).await?;
    Ok(node)
}
