//! Runs a node: its HTTP server, one hub a worker, and the graceful stop.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_server::ServerHandle;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpResponse, web};
use socket2::{Domain, SockRef, Socket, Type};
use tidegate_backbone::Backbone;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::counters::Counters;
use crate::hub::Broadcast;
use crate::interest::{Interest, MAX_WORKERS};
use crate::node::Node;
use crate::worker::Worker;
use crate::{playground, transport};

/// Time after which the kernel gives up on a client that takes no data at all.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that the kernel has made and nobody has taken yet.
const BACKLOG: u32 = 4_096;

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
    /// The listening socket cannot be used.
    #[error("cannot serve: {0}")]
    Listener(io::Error),
    /// The process cannot listen for signals.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

/// A node that serves clients.
#[derive(Debug)]
pub struct Server {
    node: web::Data<Node>,
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

/// What a worker needs to begin: its number, and its queue of publications.
type WorkerSeeds = Arc<Mutex<Vec<(usize, tokio::sync::mpsc::Receiver<Broadcast>)>>>;

impl Server {
    /// Starts a node over a backbone.
    ///
    /// # Errors
    /// [`StartError`] with the option to change.
    pub fn start(config: Config, backbone: Arc<dyn Backbone>) -> Result<Self, StartError> {
        let workers = match config.http_server.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let workers = workers.min(MAX_WORKERS);
        let counters = Arc::new(Counters::default());
        let (interest, queues) =
            Interest::new(Arc::clone(&backbone), workers, Arc::clone(&counters));
        let node = Node::new(config, backbone, interest, counters).map_err(StartError::Config)?;
        let node = web::Data::new(node);
        let seeds: WorkerSeeds = Arc::new(Mutex::new(queues.into_iter().enumerate().collect()));
        let http = &node.config.http_server;
        let host = if http.address.is_empty() {
            "0.0.0.0"
        } else {
            &http.address
        };
        let listener = listen(host, http.port).map_err(|source| StartError::Bind {
            address: format!("{host}:{}", http.port),
            source,
        })?;
        let address = listener.local_addr().map_err(StartError::Listener)?;
        let service_node = node.clone();
        let server = actix_server::Server::build()
            .workers(workers)
            .backlog(BACKLOG)
            // The limit is client.connection_limit, which is told to those it keeps out.
            .max_concurrent_connections(usize::MAX)
            .disable_signals()
            .shutdown_timeout(node.config.shutdown.timeout.as_secs())
            .listen("tidegate", listener, move || {
                http_service(&service_node, &seeds)
            })
            .map_err(StartError::Listener)?;
        let server = server.run();
        let handle = server.handle();
        Ok(Self {
            address,
            handle,
            task: tokio::spawn(server),
            node,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
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
        self.handle.stop(true).await;
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the server's task failed");
        }
        self.node.backbone.shutdown().await;
        tracing::info!("stopped");
    }
}

/// Sends small frames at once, and lets the kernel end connections that take no data.
fn tune(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    let _ = SockRef::from(socket).set_tcp_user_timeout(Some(UNREAD_TIMEOUT));
}

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let addresses = (host, port).to_socket_addrs()?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it names no address");
    for address in addresses {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG as i32)?;
    Ok(socket.into())
}

/// What a worker does with a socket: WebSocket upgrades are taken over by [`transport`], all else is HTTP.
fn http_service(
    node: &web::Data<Node>,
    seeds: &WorkerSeeds,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
+ use<> {
    let worker = start_worker(node, seeds);
    let app_node = node.clone();
    let app = App::new()
        .app_data(node.clone())
        .configure(move |app| configure(app, &app_node));
    let app = app
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    HttpService::build()
        .client_request_timeout(node.config.http_server.request_timeout)
        // A transport closes its socket when its client is done, not some time after.
        .client_disconnect_timeout(Duration::ZERO)
        .on_connect_ext(|socket: &TcpStream, _| tune(socket))
        .upgrade(transport::Upgrade::new(worker))
        .finish(map_config(app, |()| AppConfig::default()))
        .tcp()
}

fn start_worker(node: &web::Data<Node>, seeds: &WorkerSeeds) -> Rc<Worker> {
    let seed = seeds.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let (number, queue) = seed.expect("the server has as many workers as there are queues");
    Worker::start(Arc::clone(node), number, queue)
}

fn configure(app: &mut web::ServiceConfig, node: &Node) {
    let config = &node.config;
    if !config.websocket.disabled {
        app.route(&config.websocket.handler_prefix, web::to(transport::refuse));
    }
    if config.health.enabled {
        app.route(
            "/health",
            web::get().to(async || HttpResponse::Ok().body("ok\n")),
        );
        app.route("/ready", web::get().to(ready));
    }
    if config.prometheus.enabled {
        app.route(&config.prometheus.handler_prefix, web::get().to(metrics));
    }
    if config.playground.enabled {
        app.configure(playground::configure);
    }
}

async fn ready(node: web::Data<Node>) -> HttpResponse {
    if node.is_ready() {
        return HttpResponse::Ok().body("ready\n");
    }
    let reason = if node.is_draining() {
        "stopping"
    } else {
        "backbone is not reachable"
    };
    HttpResponse::ServiceUnavailable().body(format!("not ready: {reason}\n"))
}

async fn metrics(node: web::Data<Node>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(node.counters.render(&node.backbone.counts()))
}
