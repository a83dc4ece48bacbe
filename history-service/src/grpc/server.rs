//! The server: the history service, the standard health service, and reflection.

use std::future::Future;
use std::time::Duration;

use tidegate_proto::history::DESCRIPTION;
use tidegate_proto::history::history_server::HistoryServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::Face;
use super::tls::Tls;
use crate::history::History;
use tidegate_service::{ApiKey, Gate};

/// The largest request, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Calls of one connection at a time; the client's further ones wait.
const MAX_CALLS: u32 = 256;

/// Between two looks at whether the stream can be asked.
const LOOK: Duration = Duration::from_secs(1);

/// Between two pings of a connection, so that one that broke is noticed.
const PING: Duration = Duration::from_secs(30);

/// Who may call, and how.
#[derive(Debug, Default)]
pub struct Access {
    /// What callers must show; `None` for nothing.
    pub key: Option<ApiKey>,
    /// TLS; `None` for plain connections.
    pub tls: Option<Tls>,
}

/// Ends a server.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Takes no more calls. Those under way are answered; replays end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// A server on a socket, and what ends it. The server runs while it is polled; when its stopper is dropped it stops.
///
/// # Errors
/// When reflection cannot read the schema, or the socket fails.
pub fn serve(
    listener: TcpListener,
    history: History,
    access: Access,
) -> (Stopper, impl Future<Output = Result<(), ServeError>> + Send) {
    let (stop, stopping) = watch::channel(false);
    (Stopper(stop), run(listener, history, access, stopping))
}

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The schema.
    #[error("reflection cannot read the schema")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The socket.
    #[error("the server failed")]
    Transport(#[from] tonic::transport::Error),
}

async fn run(
    listener: TcpListener,
    history: History,
    access: Access,
    stopping: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTION)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (reporter, health) = tonic_health::server::health_reporter();
    let face = Face::new(history.clone(), stopping.clone());
    let service = HistoryServer::new(face).max_decoding_message_size(MAX_REQUEST_BYTES);
    let mut server = Server::builder();
    if let Some(Tls(tls)) = access.tls {
        server = server.tls_config(tls)?;
    }
    let server = server
        .max_concurrent_streams(MAX_CALLS)
        .http2_keepalive_interval(Some(PING))
        .add_service(health)
        .add_service(reflection)
        .add_service(InterceptedService::new(service, Gate(access.key)))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stopped(stopping.clone()),
        );
    tokio::select! {
        ended = server => Ok(ended?),
        never = report(&reporter, &history, stopping) => match never {},
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A stopper that is gone stops, too.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}

/// Keeps the health service's answer up to date, until it is dropped.
async fn report(
    reporter: &HealthReporter,
    history: &History,
    mut stopping: watch::Receiver<bool>,
) -> std::convert::Infallible {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_serving = history.is_ready() && !*stopping.borrow_and_update();
        match is_serving {
            true => reporter.set_serving::<HistoryServer<Face>>().await,
            false => reporter.set_not_serving::<HistoryServer<Face>>().await,
        }
        // Who names no service, as Kubernetes does, asks for the whole.
        let status = match is_serving {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        reporter.set_service_status("", status).await;
        looks.tick().await;
    }
}
