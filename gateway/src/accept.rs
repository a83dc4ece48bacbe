//! Takes clients' sockets off a worker's listeners, and gives each to what is behind its port.

mod entrance;
mod grpc;
mod http;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::Request;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::{App, HttpResponse, web};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::api::Api;
use crate::worker::Worker;

/// How long nobody is taken in when the process has no file left for a socket.
const PAUSE: Duration = Duration::from_millis(100);

/// Time for answers under way when the node stops.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The sockets that a worker listens on.
pub(crate) struct Listeners {
    pub(crate) http: std::net::TcpListener,
    /// Where one-way clients come by gRPC, if they may.
    pub(crate) grpc: Option<std::net::TcpListener>,
}

/// Serves what comes until `stop` says so.
///
/// # Errors
/// A listener cannot be used.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    api: Api,
    listeners: Listeners,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let grpc = async {
        match listeners.grpc {
            Some(listener) => grpc::serve(&worker, listener, stop.clone()).await,
            None => Ok(()),
        }
    };
    let http = http::serve(&worker, api, listeners.http, stop.clone());
    let (http, grpc) = tokio::join!(http, grpc);
    http.and(grpc)
}

/// What is behind a port.
trait Door: 'static {
    /// Serves a client until it leaves.
    async fn serve(&self, socket: TcpStream, peer: SocketAddr);
}

async fn take_in(
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
    door: Rc<impl Door>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    // Each task holds a sender: they have all ended when nothing more can come.
    let (task, mut tasks) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (door, task) = (Rc::clone(&door), task.clone());
                actix_web::rt::spawn(async move {
                    door.serve(socket, peer).await;
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

/// Makes what answers requests, whatever version of HTTP they come by.
trait SiteFactory:
    ServiceFactory<
        Request,
        Config = (),
        Response = ServiceResponse,
        Error = HttpResponse,
        InitError = (),
        Service: 'static,
    > + 'static
{
}

impl<F> SiteFactory for F where
    F: ServiceFactory<
            Request,
            Config = (),
            Response = ServiceResponse,
            Error = HttpResponse,
            InitError = (),
            Service: 'static,
        > + 'static
{
}

/// A site with the routes that `configure` adds.
fn site<C>(worker: &Rc<Worker>, configure: C) -> impl SiteFactory + use<C>
where
    C: FnOnce(&mut web::ServiceConfig) + 'static,
{
    let app = App::new()
        .app_data(web::Data::new(Rc::clone(worker)))
        .configure(configure)
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    map_config(app, |()| AppConfig::default())
}

fn no_site(_: ()) -> io::Error {
    io::Error::other("the site cannot be set up")
}

/// Whether a client went away before it was taken in, which says nothing of the others.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
