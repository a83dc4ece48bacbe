//! Takes clients' sockets off a worker's listener, and speaks TLS on them where it is configured: WebSocket upgrades go to
//! [`transport`], all else is HTTP.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Protocol, Request};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::{App, HttpResponse, web};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::api::Api;
use crate::http2::{self, Rewound, is_http2};
use crate::node::Node;
use crate::tls::{Scratch, Stream, Tls};
use crate::worker::Worker;
use crate::{site, transport};

/// How long nobody is taken in when the process has no file left for a socket.
const PAUSE: Duration = Duration::from_millis(100);

/// Time for answers under way when the node stops.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves what comes until `stop` says so.
///
/// # Errors
/// The listener cannot be used.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    api: Api,
    listener: std::net::TcpListener,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let node = Arc::clone(&worker.node);
    let site = (worker, api);
    match node.tls.clone() {
        None if node.config.http_server.h2c_external => {
            let time = node.config.http_server.request_timeout;
            serve(site, listener, stop, Either { time }).await
        }
        None => serve(site, listener, stop, Plain).await,
        Some(tls) => {
            let scratch = Scratch::new();
            serve(site, listener, stop, Secure { tls, scratch }).await
        }
    }
}

/// What happens to a socket before a request is read from it.
trait Entrance: Clone + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + 'static;

    /// The socket, and what is spoken on it; `None` when the client may not come in.
    async fn enter(self, socket: TcpStream) -> Option<(Self::Io, Protocol)>;
}

#[derive(Clone)]
struct Plain;

impl Entrance for Plain {
    type Io = TcpStream;

    async fn enter(self, socket: TcpStream) -> Option<(TcpStream, Protocol)> {
        Some((socket, Protocol::Http1))
    }
}

/// For clients that may speak HTTP/2 without asking.
#[derive(Clone)]
struct Either {
    time: Duration,
}

impl Entrance for Either {
    type Io = Rewound<TcpStream>;

    async fn enter(self, socket: TcpStream) -> Option<(Self::Io, Protocol)> {
        let looked = timeout(self.time, is_http2(socket)).await;
        let (is_http2, socket) = looked.ok()?.ok()?;
        Some((socket, protocol(is_http2)))
    }
}

fn protocol(is_http2: bool) -> Protocol {
    match is_http2 {
        true => Protocol::Http2,
        false => Protocol::Http1,
    }
}

#[derive(Clone)]
struct Secure {
    tls: Arc<Tls>,
    scratch: Scratch,
}

impl Entrance for Secure {
    type Io = Stream;

    async fn enter(self, socket: TcpStream) -> Option<(Self::Io, Protocol)> {
        // Who failed is counted.
        let stream = self.tls.handshake(socket, self.scratch).await.ok()?;
        let protocol = protocol(stream.is_http2());
        Some((stream, protocol))
    }
}

async fn serve<E: Entrance>(
    parts: (Rc<Worker>, Api),
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
    entrance: E,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let (worker, api) = parts;
    let site = site(Rc::clone(&worker), api.clone()).new_service(()).await;
    let site = site.map_err(|()| io::Error::other("the site cannot be set up"))?;
    let doors = Rc::new(Doors {
        node: Arc::clone(&worker.node),
        site: Rc::new(site),
        http1: service::<E::Io>(worker, api).await?,
    });
    // Each task holds a sender: they have all ended when nothing more can come.
    let (task, mut tasks) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (entrance, doors) = (entrance.clone(), Rc::clone(&doors));
                let task = task.clone();
                actix_web::rt::spawn(async move {
                    if let Some((io, protocol)) = entrance.enter(socket).await {
                        doors.serve(io, protocol, peer).await;
                    }
                    drop(task);
                });
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot take clients in");
                sleep(PAUSE).await;
            }
        }
    }
    drop((listener, task));
    // What takes longer is cut off.
    let _ = timeout(ANSWER_TIMEOUT, tasks.recv()).await;
    Ok(())
}

/// The same site, by each version of HTTP.
struct Doors<S, H> {
    node: Arc<Node>,
    site: Rc<S>,
    http1: H,
}

impl<S: http2::Site, H> Doors<S, H> {
    async fn serve<T>(&self, io: T, protocol: Protocol, peer: SocketAddr)
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
        H: Service<(T, Protocol, Option<SocketAddr>)>,
    {
        if protocol != Protocol::Http2 {
            // A client that breaks HTTP has been answered.
            let _ = self.http1.call((io, protocol, Some(peer))).await;
            return;
        }
        let time = self.node.config.http_server.request_timeout;
        let site = Rc::clone(&self.site);
        let served = http2::serve(io, peer, site, time, self.node.drain()).await;
        if let Err(error) = served {
            tracing::debug!(%error, "an HTTP/2 client was cut off");
        }
    }
}

/// What serves HTTP/1.1 on a worker's sockets.
async fn service<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    worker: Rc<Worker>,
    api: Api,
) -> io::Result<impl Service<(T, Protocol, Option<SocketAddr>)>> {
    let node = Arc::clone(&worker.node);
    let is_lean = node.config.websocket.engine == "lean";
    let service = HttpService::build()
        .client_request_timeout(node.config.http_server.request_timeout)
        // A transport closes its socket when its client is done, not some time after.
        .client_disconnect_timeout(Duration::ZERO)
        // Who sends nothing more has gone: a response that does not end would not notice otherwise.
        .h1_allow_half_closed(false)
        .finish(site(Rc::clone(&worker), api))
        .upgrade(is_lean.then(|| transport::Upgrade::new(worker)));
    let service = service.new_service(()).await;
    service.map_err(|()| io::Error::other("the site cannot be set up"))
}

/// What answers requests, whatever version of HTTP they come by.
fn site(
    worker: Rc<Worker>,
    api: Api,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = ServiceResponse,
    Error = HttpResponse,
    InitError = (),
    Service: 'static,
> {
    let node = web::Data::from(Arc::clone(&worker.node));
    let app_node = node.clone();
    let app = App::new()
        .app_data(node)
        .app_data(web::Data::new(worker))
        .app_data(web::Data::new(api))
        .configure(move |app| site::configure(app, &app_node))
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    map_config(app, |()| AppConfig::default())
}

/// Whether a client went away before it was taken in, which says nothing of the others.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
