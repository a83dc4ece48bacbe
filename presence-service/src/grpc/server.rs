//! The server: the presence service, the standard health service, and reflection.

use std::future::Future;
use std::time::Duration;

use tidegate_proto::presence::DESCRIPTION;
use tidegate_proto::presence::presence_server::PresenceServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::Face;
use crate::presence::Presence;
use tidegate_service::{ApiKey, Gate};

/// The largest request, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Calls of one connection at a time; the client's further ones wait.
const MAX_CALLS: u32 = 256;

/// Between two looks at whether the service is ready.
const LOOK: Duration = Duration::from_millis(200);

/// Between two pings of a connection, so that one that broke is noticed.
const PING: Duration = Duration::from_secs(30);

/// Ends a server.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Takes no more calls. Those under way are answered; watches end.
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
    presence: Presence,
    replica: String,
    key: Option<ApiKey>,
) -> (Stopper, impl Future<Output = Result<(), ServeError>> + Send) {
    let (stop, stopping) = watch::channel(false);
    (
        Stopper(stop),
        run(listener, presence, replica, key, stopping),
    )
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
    presence: Presence,
    replica: String,
    key: Option<ApiKey>,
    stopping: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTION)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (reporter, health) = tonic_health::server::health_reporter();
    let face = Face {
        presence: presence.clone(),
        replica,
        stopping: stopping.clone(),
    };
    let service = PresenceServer::new(face).max_decoding_message_size(MAX_REQUEST_BYTES);
    let server = Server::builder()
        .max_concurrent_streams(MAX_CALLS)
        .http2_keepalive_interval(Some(PING))
        .add_service(health)
        .add_service(reflection)
        .add_service(InterceptedService::new(service, Gate(key)))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stopped(stopping.clone()),
        );
    tokio::select! {
        ended = server => Ok(ended?),
        never = report(&reporter, &presence, stopping) => match never {},
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A stopper that is gone stops, too.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}

/// Keeps the health service's answer up to date, until it is dropped.
async fn report(
    reporter: &HealthReporter,
    presence: &Presence,
    mut stopping: watch::Receiver<bool>,
) -> std::convert::Infallible {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_serving = presence.is_ready() && !*stopping.borrow_and_update();
        match is_serving {
            true => reporter.set_serving::<PresenceServer<Face>>().await,
            false => reporter.set_not_serving::<PresenceServer<Face>>().await,
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
