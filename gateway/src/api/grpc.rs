//! The server API over gRPC: `tidegate.gateway.v1`, with reflection and the standard health service, on an address of its own.

mod gate;
mod reply;
mod request;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tidegate_backbone::{TRACE_HEADER, TraceContext};
use tidegate_codec::Failure;
use tidegate_proto::gateway as proto;
use tidegate_proto::gateway::gateway_server::{Gateway, GatewayServer};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_health::server::HealthReporter;

use super::{Api, Operation, Outcome};
use gate::Gate;

/// The largest request, in bytes.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Calls of one connection at a time; the client's further ones wait.
const MAX_CALLS: u32 = 1_024;

/// Between two looks at whether the node is of use.
const LOOK: Duration = Duration::from_secs(1);

/// Between two pings of a connection, so that one that broke is noticed.
const PING: Duration = Duration::from_secs(30);

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The schema.
    #[error("reflection cannot read the schema")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The socket.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// There is none.
    #[error("cannot listen: {0}")]
    Listen(#[from] io::Error),
}

/// A socket to listen on.
///
/// # Errors
/// The system's.
pub(crate) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until `stopped` is over; calls under way are answered.
pub(crate) async fn serve(
    api: Api,
    listener: std::net::TcpListener,
    stopped: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTION)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (reporter, health) = tonic_health::server::health_reporter();
    let gate = Gate::new(&api.cluster().node.config.grpc_api.key);
    let service = GatewayServer::new(Face(api.clone()));
    let service = service.max_decoding_message_size(MAX_REQUEST_BYTES);
    let server = Server::builder()
        .max_concurrent_streams(MAX_CALLS)
        .http2_keepalive_interval(Some(PING))
        .add_service(health)
        .add_service(reflection)
        .add_service(InterceptedService::new(service, gate))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(TcpListener::from_std(listener)?).with_nodelay(Some(true)),
            stopped,
        );
    tokio::select! {
        ended = server => Ok(ended?),
        never = report(&reporter, &api) => match never {},
    }
}

/// Keeps the health service's answer up to date.
async fn report(reporter: &HealthReporter, api: &Api) -> Infallible {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        match api.cluster().node.is_ready() {
            true => reporter.set_serving::<GatewayServer<Face>>().await,
            false => reporter.set_not_serving::<GatewayServer<Face>>().await,
        }
        looks.tick().await;
    }
}

/// The service behind the protocol.
struct Face(Api);

impl Face {
    async fn perform<T: From<Outcome>>(
        &self,
        trace: Option<TraceContext>,
        operation: Result<Operation, Failure>,
    ) -> Result<Response<T>, Status> {
        let outcome = async { self.0.serve(trace, operation?).await }.await;
        let outcome = outcome.map_err(|failure| status(&failure))?;
        Ok(Response::new(outcome.into()))
    }
}

/// Makes the methods that perform one operation each.
macro_rules! methods {
    ($($method:ident: $request:ident -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl Gateway for Face {
            $(async fn $method(
                &self,
                request: Request<proto::$request>,
            ) -> Result<Response<proto::$response>, Status> {
                self.perform(trace(&request), request::$method(request.into_inner())).await
            })+

            async fn batch(
                &self,
                request: Request<proto::BatchRequest>,
            ) -> Result<Response<proto::BatchResponse>, Status> {
                let trace = trace(&request);
                let batch = request::batch(request.into_inner());
                let batch = batch.map_err(|failure| status(&failure))?;
                let outcomes = self.0.serve_batch(trace, batch).await;
                Ok(Response::new(reply::batch(outcomes)))
            }
        }
    };
}

methods! {
    publish: PublishRequest -> PublishResponse;
    broadcast: BroadcastRequest -> BroadcastResponse;
    subscribe: SubscribeRequest -> ControlResponse;
    unsubscribe: UnsubscribeRequest -> ControlResponse;
    disconnect: DisconnectRequest -> ControlResponse;
    refresh: RefreshRequest -> ControlResponse;
    connections: ConnectionsRequest -> ConnectionsResponse;
    presence: PresenceRequest -> PresenceResponse;
    presence_stats: PresenceStatsRequest -> PresenceStatsResponse;
    history: HistoryRequest -> HistoryResponse;
    history_remove: HistoryRemoveRequest -> HistoryRemoveResponse;
    channels: ChannelsRequest -> ChannelsResponse;
    info: InfoRequest -> InfoResponse;
    block_user: BlockUserRequest -> RevocationResponse;
    unblock_user: UnblockUserRequest -> RevocationResponse;
    revoke_token: RevokeTokenRequest -> RevocationResponse;
    invalidate_user_tokens: InvalidateUserTokensRequest -> RevocationResponse;
    revocations: RevocationsRequest -> RevocationsResponse;
}

/// The trace that the backend says.
fn trace<T>(request: &Request<T>) -> Option<TraceContext> {
    let value = request.metadata().get(TRACE_HEADER)?;
    TraceContext::parse(value.as_bytes())
}

/// The status that says the same as a failure's code.
fn status(failure: &Failure) -> Status {
    let code = match failure.code {
        101 => Code::Unauthenticated,
        102 | 104 => Code::NotFound,
        103 => Code::PermissionDenied,
        106 | 111 => Code::ResourceExhausted,
        107 => Code::InvalidArgument,
        108 => Code::Unimplemented,
        112 => Code::OutOfRange,
        _ => Code::Unavailable,
    };
    Status::new(code, format!("{} {}", failure.code, failure.message))
}
