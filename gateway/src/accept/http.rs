//! The port of HTTP: WebSocket upgrades go to [`transport`], all else is HTTP of either version.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Protocol};
use actix_service::{Service, ServiceFactory};
use actix_web::web;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::entrance::{Either, Entrance, Plain, Secure};
use super::{Door, SiteFactory, no_site, take_in};
use crate::api::Api;
use crate::http2::{self, Terms};
use crate::node::Node;
use crate::transport::Lent;
use crate::worker::Worker;
use crate::{site, transport};

/// Requests of one client under way by HTTP/2; more wait at the client.
const STREAMS: u32 = 100;

/// Serves what comes until `stop` says so.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    api: Api,
    listener: std::net::TcpListener,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let node = &worker.node;
    let http = &node.config.http_server;
    match node.tls.http.clone() {
        None if http.h2c_external => {
            let time = http.request_timeout;
            let door = door(worker, api, Either { time }).await?;
            take_in(listener, stop, Rc::new(door)).await
        }
        None => {
            let door = door(worker, api, Plain).await?;
            take_in(listener, stop, Rc::new(door)).await
        }
        Some(tls) => {
            let entrance = Secure::new(tls);
            let door = door(worker, api, entrance).await?;
            take_in(listener, stop, Rc::new(door)).await
        }
    }
}

/// The same site, by each version of HTTP.
struct HttpDoor<E, S, H> {
    entrance: E,
    node: Arc<Node>,
    site: Rc<S>,
    http1: H,
}

impl<E, S, H> Door for HttpDoor<E, S, H>
where
    E: Entrance,
    S: http2::Site,
    H: Service<(Lent<E::Io>, Protocol, Option<SocketAddr>)> + 'static,
{
    async fn serve(&self, socket: TcpStream, peer: SocketAddr) {
        let Some((io, protocol)) = self.entrance.enter(socket).await else {
            return;
        };
        if protocol != Protocol::Http2 {
            // A client that breaks HTTP has been answered, and a response may have taken the socket over.
            let _ = self.http1.call((Lent::new(io), protocol, Some(peer))).await;
            return;
        }
        let terms = Terms {
            streams: STREAMS,
            time: self.node.config.http_server.request_timeout,
        };
        let site = Rc::clone(&self.site);
        http2::serve(io, peer, site, terms, self.node.drain()).await;
    }
}

async fn door<E: Entrance>(
    worker: &Rc<Worker>,
    api: Api,
    entrance: E,
) -> io::Result<impl Door + use<E>> {
    let site = site(worker, &api).new_service(()).await.map_err(no_site)?;
    Ok(HttpDoor {
        entrance,
        node: Arc::clone(&worker.node),
        site: Rc::new(site),
        http1: http1::<E>(worker, &api).await?,
    })
}

/// What answers requests.
fn site(worker: &Rc<Worker>, api: &Api) -> impl SiteFactory + use<> {
    let node = web::Data::from(Arc::clone(&worker.node));
    let api = web::Data::new(api.clone());
    super::site(worker, move |app| {
        app.app_data(node.clone()).app_data(api);
        site::configure(app, &node);
    })
}

/// What serves HTTP/1.1 on a worker's sockets.
async fn http1<E: Entrance>(
    worker: &Rc<Worker>,
    api: &Api,
) -> io::Result<impl Service<(Lent<E::Io>, Protocol, Option<SocketAddr>)> + use<E>> {
    let config = &worker.node.config;
    let is_lean = config.websocket.engine == "lean";
    let service = HttpService::build()
        .client_request_timeout(config.http_server.request_timeout)
        // A transport closes its socket when its client is done, not some time after.
        .client_disconnect_timeout(Duration::ZERO)
        // Who sends nothing more has gone: a response that does not end would not notice otherwise.
        .h1_allow_half_closed(false)
        .on_connect_ext(|io: &Lent<E::Io>, data| {
            data.insert(io.claim());
        })
        .finish(site(worker, api))
        .upgrade(is_lean.then(|| transport::Upgrade::new(Rc::clone(worker))));
    service.new_service(()).await.map_err(no_site)
}
