//! Runs a node: its worker threads, each with sockets and connections of its own, and the graceful stop.

use std::io;
use std::iter;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tidegate_backbone::Backbone;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_blocking};

use crate::accept::{Listeners, accept};
use crate::api::{Api, grpc};
use crate::backends;
use crate::cluster::Cluster;
use crate::config::{Config, GrpcApiConfig};
use crate::control::{Job, Local};
use crate::counters::Counters;
use crate::interest::{Interest, Item, MAX_WORKERS};
use crate::listener::listen;
use crate::node::Node;
use crate::occupancy::Occupancy;
use crate::worker::Worker;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is at fault; one text a fault.
    #[error("{}", .0.join("\n"))]
    Config(Vec<String>),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}, set http_server.address and http_server.port: {source}")]
    Bind {
        /// The address.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The address of gRPC cannot be listened on.
    #[error("cannot listen on {address}, set grpc_api.address and grpc_api.port: {source}")]
    BindGrpc {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The address of one-way gRPC cannot be listened on.
    #[error("cannot listen on {address}, set uni_grpc.address and uni_grpc.port: {source}")]
    BindUniGrpc {
        /// The address.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A worker cannot be set up.
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
    /// Telemetry cannot be sent.
    #[error("opentelemetry: {0}")]
    Telemetry(#[from] tidegate_telemetry::StartError),
    /// The process cannot listen for signals.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

/// A node that serves clients.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    occupancy: Option<Arc<Occupancy>>,
    address: SocketAddr,
    uni_grpc_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<io::Result<()>>>,
    backends: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Starts a node over a backbone.
    ///
    /// # Errors
    /// [`StartError`] with the option to change.
    pub fn start(config: Config, backbone: Arc<dyn Backbone>) -> Result<Self, StartError> {
        let workers = match config.http_server.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let workers = workers.min(MAX_WORKERS);
        let counters = Arc::new(Counters::new(
            config.channel.sets().filter_map(|(name, _)| name),
        ));
        let (interest, queues) = Interest::new(
            Arc::clone(&backbone),
            workers,
            Arc::clone(&counters),
            config.channel.windows(),
        );
        let occupancy = Occupancy::new(&config);
        if let Some(occupancy) = &occupancy {
            interest.tell(occupancy);
        }
        let (local, jobs) = Local::new(workers);
        let node = Node::new(config, backbone, interest, counters, local);
        let node = Arc::new(node.map_err(StartError::Config)?);
        let listeners = listen_for_clients(&node.config, workers)?;
        let address = listeners[0].http.local_addr().map_err(StartError::Worker)?;
        let uni_grpc = listeners[0].grpc.as_ref().map(TcpListener::local_addr);
        let uni_grpc_address = uni_grpc.transpose().map_err(StartError::Worker)?;
        let grpc = listen_for_grpc(&node.config.grpc_api)?;
        let (stop, stopped) = watch::channel(false);
        let cluster = Cluster::new(Arc::clone(&node));
        if let Some((occupancy, hooks)) = occupancy.as_ref().zip(node.hooks.as_ref()) {
            hooks
                .runtime()
                .spawn(Arc::clone(occupancy).run(&cluster, hooks.teller()));
        }
        let api = Api::new(cluster);
        let parts = listeners.into_iter().zip(queues.into_iter().zip(jobs));
        let workers = parts.enumerate().map(|(number, (listeners, queues))| {
            start_worker(&api, number, listeners, queues, stopped.clone())
        });
        let workers = workers.collect::<io::Result<Vec<_>>>();
        let backends = backends::start(api, grpc, stopped);
        Ok(Self {
            workers: workers.map_err(StartError::Worker)?,
            backends: backends.map_err(StartError::Worker)?,
            address,
            uni_grpc_address,
            stop,
            occupancy,
            node,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients connect that come by gRPC, if they may.
    #[must_use]
    pub fn uni_grpc_address(&self) -> Option<SocketAddr> {
        self.uni_grpc_address
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Takes nobody in, closes clients spread over the drain period, then stops listening and lets go of the backbone.
    pub async fn stop(self) {
        tracing::info!(drain = ?self.node.config.shutdown.drain, connections = self.node.counters.connections.get(), "stopping");
        self.node.start_drain();
        let timeout = self.node.config.shutdown.timeout;
        if tokio::time::timeout(timeout, self.node.deserted())
            .await
            .is_err()
        {
            let connections = self.node.counters.connections.get();
            tracing::warn!(
                connections,
                "cut off, they did not end within shutdown.timeout"
            );
        }
        self.stop.send_replace(true);
        for worker in self.workers.into_iter().chain([self.backends]) {
            match spawn_blocking(|| worker.join()).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => tracing::error!(%error, "a worker could not serve"),
                Ok(Err(_)) | Err(_) => tracing::error!("a worker panicked"),
            }
        }
        if let Some(presence) = &self.node.presence {
            presence.goodbye().await;
        }
        if let Some(occupancy) = &self.occupancy {
            occupancy.finish().await;
        }
        if let Some(hooks) = &self.node.hooks {
            hooks.finish().await;
        }
        self.node.backbone.shutdown().await;
        tracing::info!("stopped");
    }
}

/// The sockets of each worker.
fn listen_for_clients(config: &Config, workers: usize) -> Result<Vec<Listeners>, StartError> {
    let http = &config.http_server;
    let address = (&*http.address, http.port);
    let sockets = listen_on(address, workers);
    let sockets = sockets.map_err(|(address, source)| StartError::Bind { address, source })?;
    let grpc = &config.uni_grpc;
    let grpc = match grpc.enabled {
        true => listen_on((&*grpc.address, grpc.port), workers),
        false => Ok(Vec::new()),
    };
    let grpc = grpc.map_err(|(address, source)| StartError::BindUniGrpc { address, source })?;
    let grpc = grpc.into_iter().map(Some).chain(iter::repeat_with(|| None));
    let both = sockets.into_iter().zip(grpc);
    Ok(both.map(|(http, grpc)| Listeners { http, grpc }).collect())
}

/// Listens on an address as it is configured; a failure comes with it.
fn listen_on(
    (host, port): (&str, u16),
    count: usize,
) -> Result<Vec<TcpListener>, (String, io::Error)> {
    let host = match host {
        "" => "0.0.0.0",
        host => host,
    };
    listen(host, port, count).map_err(|source| (format!("{host}:{port}"), source))
}

/// The socket of the server API over gRPC, where it is served.
fn listen_for_grpc(config: &GrpcApiConfig) -> Result<Option<TcpListener>, StartError> {
    let address = config.address.parse().ok().filter(|_| config.enabled);
    let address = address.map(|address| SocketAddr::new(address, config.port));
    let listen =
        |address| grpc::listen(address).map_err(|source| StartError::BindGrpc { address, source });
    address.map(listen).transpose()
}

/// Starts a worker's thread. All of its tasks, and what they share, live on it.
fn start_worker(
    api: &Api,
    number: usize,
    listeners: Listeners,
    queues: (Receiver<Item>, Receiver<Job>),
    stopped: watch::Receiver<bool>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let api = api.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let run = move || {
        LocalSet::new().block_on(&runtime, async {
            let node = Arc::clone(&api.cluster().node);
            accept(Worker::start(node, number, queues), api, listeners, stopped).await
        })
    };
    thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(run)
}
