//! The one way a port of gRPC is opened.
//!
//! In: a socket, who may call on it ([`Access`]), and services with their schemas. Out: their answers, those of the standard
//! health service and of reflection, to callers who came over TLS and showed the key where that is asked for. It knows nothing
//! of what is asked.

mod health;
mod incoming;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic_health::server::health_reporter;
use tonic_reflection::server::Builder;
use tower::Service;
use tower::layer::layer_fn;

use crate::access::Access;
use crate::deadline::Deadlines;
use crate::key::Gate;
use health::{State, report};
use incoming::incoming;

/// Between two pings of a connection, so that one that broke is noticed.
const PING: Duration = Duration::from_secs(30);

/// Time for calls that are under way at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// A port that is to be opened.
pub struct Port {
    access: Access,
    max_calls: u32,
    routes: Routes,
    descriptions: Vec<&'static [u8]>,
    states: Vec<State>,
}

/// Why a port is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The schema.
    #[error("reflection cannot read the schema")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The socket.
    #[error("the server failed")]
    Transport(#[from] tonic::transport::Error),
}

/// Ends a port.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// One, and what hears it.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<bool>) {
        let (stop, stopping) = watch::channel(false);
        (Self(stop), stopping)
    }

    /// Takes no more calls. Those under way are answered; streams end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Port {
    /// A port with nothing on it; `max_calls` of one connection are answered at a time, and its further ones wait.
    #[must_use]
    pub fn new(access: Access, max_calls: u32) -> Self {
        Self {
            access,
            max_calls,
            routes: Routes::default(),
            descriptions: vec![tonic_health::pb::FILE_DESCRIPTOR_SET],
            states: Vec::new(),
        }
    }

    /// Puts a service on it. `description` is its schema, and `is_ready` what the health service says of it.
    #[must_use]
    pub fn with<S>(
        mut self,
        service: S,
        description: &'static [u8],
        is_ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let gate = Gate(self.access.key.clone());
        self.routes = self
            .routes
            .add_service(InterceptedService::new(service, gate));
        self.descriptions.push(description);
        self.states.push(State {
            name: S::NAME,
            is_ready: Box::new(is_ready),
        });
        self
    }

    /// Answers calls on this socket until `stopping` says so, or its sender is gone; those under way have ten seconds then.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn serve(
        self,
        listener: TcpListener,
        stopping: watch::Receiver<bool>,
    ) -> Result<(), ServeError> {
        let reflection = || {
            let told = self.descriptions.iter();
            told.fold(Builder::configure(), |it, description| {
                it.register_encoded_file_descriptor_set(description)
            })
        };
        // Not every tool knows the newer one: Python's `grpcio-reflection` does not.
        let routes = self.routes.add_service(reflection().build_v1()?);
        let routes = routes.add_service(reflection().build_v1alpha()?);
        let (reporter, health) = health_reporter();
        // Every call passes these, from the outermost in.
        let mut server = Server::builder()
            .layer(layer_fn(Deadlines))
            .max_concurrent_streams(self.max_calls)
            .http2_keepalive_interval(Some(PING));
        let server = server
            .add_routes(routes.add_service(health))
            .serve_with_incoming_shutdown(
                incoming(listener, self.access.tls.clone()),
                stopped(stopping.clone()),
            );
        tokio::select! {
            ended = server => Ok(ended?),
            never = report(reporter, &self.states, stopping.clone()) => match never {},
            never = watch_files(self.access.tls) => match never {},
            () = late(stopping) => {
                tracing::warn!("calls are still under way, and are ended");
                Ok(())
            }
        }
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A stopper that is gone stops, too.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}

async fn late(stopping: watch::Receiver<bool>) {
    stopped(stopping).await;
    sleep(DRAIN).await;
}

async fn watch_files(tls: Option<Arc<crate::tls::Tls>>) -> Infallible {
    match tls {
        Some(tls) => tls.watch().await,
        None => std::future::pending().await,
    }
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services: Vec<_> = self.states.iter().map(|it| it.name).collect();
        f.debug_struct("Port")
            .field("access", &self.access)
            .field("services", &services)
            .finish_non_exhaustive()
    }
}
