//! The port of clients that come by gRPC: one service, over HTTP/2 alone.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_service::ServiceFactory;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::entrance::{Entrance, Plain, Secure};
use super::{Door, no_site, site, take_in};
use crate::http2::{self, Terms};
use crate::node::Node;
use crate::transport;
use crate::worker::Worker;

/// Serves what comes until `stop` says so.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    listener: std::net::TcpListener,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let node = Arc::clone(&worker.node);
    let site = site(worker, transport::configure_grpc)
        .new_service(())
        .await;
    let site = Rc::new(site.map_err(no_site)?);
    match node.tls.uni_grpc.clone() {
        None => {
            let entrance = Plain;
            let door = GrpcDoor {
                entrance,
                node,
                site,
            };
            take_in(listener, stop, Rc::new(door)).await
        }
        Some(tls) => {
            let entrance = Secure::new(tls);
            let door = GrpcDoor {
                entrance,
                node,
                site,
            };
            take_in(listener, stop, Rc::new(door)).await
        }
    }
}

struct GrpcDoor<E, S> {
    entrance: E,
    node: Arc<Node>,
    site: Rc<S>,
}

impl<E: Entrance, S: http2::Site> Door for GrpcDoor<E, S> {
    async fn serve(&self, socket: TcpStream, peer: SocketAddr) {
        let Some((io, _)) = self.entrance.enter(socket).await else {
            return;
        };
        let config = &self.node.config;
        let terms = Terms {
            streams: config.uni_grpc.max_concurrent_streams,
            time: config.http_server.request_timeout,
        };
        let site = Rc::clone(&self.site);
        http2::serve(io, peer, site, terms, self.node.drain()).await;
    }
}
