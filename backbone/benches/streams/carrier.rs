//! Whatever keeps publications, each started afresh.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tidegate_backbone::embedded::{Embedded, EmbeddedOptions, Sync};
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Backbone, Durability, Storage, StreamOptions};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::{NatsCluster, NatsServer};

/// Where and how publications are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Carrier {
    Memory,
    /// The node's own disk, synced before a confirmation or not.
    Disk {
        is_synced: bool,
    },
    /// NATS servers with a copy each.
    Nats {
        copies: u8,
        is_synced: bool,
    },
}

impl Carrier {
    pub(crate) const ALL: [Self; 7] = [
        Self::Memory,
        Self::Disk { is_synced: false },
        Self::Disk { is_synced: true },
        nats(1, false),
        nats(1, true),
        nats(3, false),
        nats(3, true),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "embedded, memory",
            Self::Disk { is_synced: false } => "embedded, interval",
            Self::Disk { is_synced: true } => "embedded, always",
            Self::Nats {
                copies: 1,
                is_synced: false,
            } => "NATS R1, default",
            Self::Nats {
                copies: 1,
                is_synced: true,
            } => "NATS R1, always",
            Self::Nats {
                is_synced: false, ..
            } => "NATS R3, default",
            Self::Nats {
                is_synced: true, ..
            } => "NATS R3, always",
        }
    }

    /// A backbone, and what has to live as long as it does.
    pub(crate) async fn start(self) -> Result<(Arc<dyn Backbone>, Box<dyn Any + Send>)> {
        let (backbone, kept): (Arc<dyn Backbone>, Box<dyn Any + Send>) = match self {
            Self::Memory => (Arc::new(embedded(None, Sync::Always)?), Box::new(())),
            Self::Disk { is_synced } => {
                let folder = tempfile::tempdir()?;
                let sync = match is_synced {
                    true => Sync::Always,
                    false => Sync::Interval(Duration::from_secs(1)),
                };
                (Arc::new(embedded(Some(&folder), sync)?), Box::new(folder))
            }
            Self::Nats {
                copies: 1,
                is_synced,
            } => {
                let server = NatsServer::start_with(jetstream(is_synced)).await?;
                let backbone = Nats::connect(options(vec![server.url()], 1)).await?;
                (Arc::new(backbone), Box::new(server))
            }
            Self::Nats { copies, is_synced } => {
                let cluster = NatsCluster::start_with(jetstream(is_synced)).await?;
                let urls = cluster.servers.iter().map(NatsServer::url).collect();
                let backbone = Nats::connect(options(urls, copies)).await?;
                (Arc::new(backbone), Box::new(cluster))
            }
        };
        until_some("the stream is there", async || {
            backbone.is_ready().then_some(())
        })
        .await?;
        Ok((backbone, kept))
    }
}

const fn nats(copies: u8, is_synced: bool) -> Carrier {
    Carrier::Nats { copies, is_synced }
}

/// Addresses of servers with a stream, and what has to live as long as it is used.
pub(crate) async fn servers(
    copies: u8,
    is_synced: bool,
) -> Result<(Vec<String>, Box<dyn Any + Send>)> {
    let config = jetstream(is_synced);
    let (urls, servers): (Vec<String>, Box<dyn Any + Send>) = match copies {
        1 => {
            let server = NatsServer::start_with(config).await?;
            (vec![server.url()], Box::new(server))
        }
        _ => {
            let cluster = NatsCluster::start_with(config).await?;
            let urls = cluster.servers.iter().map(NatsServer::url);
            (urls.collect(), Box::new(cluster))
        }
    };
    let backbone = Nats::connect(options(urls.clone(), copies)).await?;
    until_some("the stream is there", async || {
        backbone.is_ready().then_some(())
    })
    .await?;
    backbone.shutdown().await;
    Ok((urls, servers))
}

fn jetstream(is_synced: bool) -> &'static str {
    match is_synced {
        true => "jetstream: { sync_interval: always }\n",
        false => "jetstream: enabled\n",
    }
}

fn embedded(folder: Option<&tempfile::TempDir>, sync: Sync) -> Result<Embedded> {
    let storage = folder.map_or(Storage::Memory, |_| Storage::File);
    let options = EmbeddedOptions {
        data_dir: folder.map(|it| it.path().to_owned()),
        sync,
        streams: vec![stream(storage, 1)],
    };
    Ok(Embedded::open(options)?)
}

fn options(urls: Vec<String>, copies: u8) -> NatsOptions {
    NatsOptions {
        streams: vec![stream(Storage::File, copies)],
        ..NatsOptions::new(urls)
    }
}

fn stream(storage: Storage, replicas: u8) -> StreamOptions {
    StreamOptions {
        namespace: Some("kept".to_owned()),
        size: 1_000,
        ttl: Duration::from_secs(3_600),
        storage,
        replicas,
        compression: false,
        duplicate_window: Duration::from_secs(120),
        partitions: 1,
        required: Durability::Accepted,
    }
}
