//! The server API over gRPC: `tidegate.gateway.v1`, with reflection and the standard health service, on an address of its own.

mod reply;
mod request;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tidegate_backbone::{TRACE_HEADER, TraceContext};
use tidegate_codec::Failure;
use tidegate_proto::gateway as proto;
use tidegate_proto::gateway::gateway_server::{Gateway, GatewayServer};
use tidegate_service::Port;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status};

use super::{Api, Operation, Outcome};

/// The largest request, in bytes.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Calls of one connection at a time; the client's further ones wait.
const MAX_CALLS: u32 = 1_024;

/// A socket to listen on.
///
/// # Errors
/// The system's.
pub(crate) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until `stopping` says so; calls under way are answered.
pub(crate) async fn serve(
    api: Api,
    listener: std::net::TcpListener,
    stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let node = Arc::clone(&api.cluster().node);
    let access = node.grpc.clone();
    let service = GatewayServer::new(Face(api)).max_decoding_message_size(MAX_REQUEST_BYTES);
    let is_ready = move || node.is_ready();
    let port = Port::new(access, MAX_CALLS).with(service, proto::DESCRIPTION, is_ready);
    let served = port.serve(TcpListener::from_std(listener)?, stopping).await;
    served.map_err(io::Error::other)
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
