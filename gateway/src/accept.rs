//! Takes clients' sockets off a worker's listener, and speaks TLS on them where it is configured: WebSocket upgrades go to
//! [`transport`], all else is HTTP.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Protocol};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App, web};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::api::Api;
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
        None => serve(site, listener, stop, Plain).await,
        Some(tls) => {
            let scratch = Scratch::new();
            serve(site, listener, stop, Secure { tls, node, scratch }).await
        }
    }
}

/// What happens to a socket before a request is read from it.
trait Entrance: Clone + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + 'static;

    /// `None` when the client may not come in.
    async fn enter(self, socket: TcpStream) -> Option<Self::Io>;
}

#[derive(Clone)]
struct Plain;

impl Entrance for Plain {
    type Io = TcpStream;

    async fn enter(self, socket: TcpStream) -> Option<TcpStream> {
        Some(socket)
    }
}

#[derive(Clone)]
struct Secure {
    tls: Arc<Tls>,
    node: Arc<Node>,
    scratch: Scratch,
}

impl Entrance for Secure {
    type Io = Stream;

    async fn enter(self, socket: TcpStream) -> Option<Self::Io> {
        let outcome = self.tls.handshake(socket, self.scratch).await;
        let outcome = outcome.inspect_err(|error| {
            self.node.counters.tls_failed.add(1);
            tracing::debug!(%error, "a TLS handshake failed");
        });
        outcome.ok()
    }
}

async fn serve<E: Entrance>(
    site: (Rc<Worker>, Api),
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
    entrance: E,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let service = Rc::new(service::<E::Io>(site).await?);
    // Each task holds a sender: they have all ended when nothing more can come.
    let (task, mut tasks) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (entrance, service) = (entrance.clone(), Rc::clone(&service));
                let task = task.clone();
                actix_web::rt::spawn(async move {
                    if let Some(io) = entrance.enter(socket).await {
                        // A client that breaks HTTP has been answered.
                        let _ = service.call((io, Protocol::Http1, Some(peer))).await;
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

/// What serves HTTP on a worker's sockets.
async fn service<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    (worker, api): (Rc<Worker>, Api),
) -> io::Result<impl Service<(T, Protocol, Option<SocketAddr>)>> {
    let node = web::Data::from(Arc::clone(&worker.node));
    let app_node = node.clone();
    let is_lean = node.config.websocket.engine == "lean";
    let app = App::new()
        .app_data(node.clone())
        .app_data(web::Data::new(Rc::clone(&worker)))
        .app_data(web::Data::new(api))
        .configure(move |app| site::configure(app, &app_node))
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    let service = HttpService::build()
        .client_request_timeout(node.config.http_server.request_timeout)
        // A transport closes its socket when its client is done, not some time after.
        .client_disconnect_timeout(Duration::ZERO)
        .finish(map_config(app, |()| AppConfig::default()))
        .upgrade(is_lean.then(|| transport::Upgrade::new(worker)));
    let service = service.new_service(()).await;
    service.map_err(|()| io::Error::other("the site cannot be set up"))
}

/// Whether a client went away before it was taken in, which says nothing of the others.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
