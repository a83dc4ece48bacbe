//! The face for backend teams: gRPC, by `proto/schema/history.proto`.
//!
//! In: requests, checked here. Out: what [`History`] answers. Deadlines end calls, replays included; so does the end of the
//! service.

mod page_token;
mod reply;
mod request;

use futures_util::future::Either;
use futures_util::stream::{BoxStream, select};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use std::sync::Arc;
use tidegate_proto::history as proto;
use tidegate_proto::history::history_server::{History as Service, HistoryServer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status};

use crate::history::History;
use page_token::Binding;
use reply::{failure, replayed};
pub use tidegate_service::{Access, ServeError, Stopper};
use tidegate_service::{Deadline, Port, exceeded};

/// Replays at a time.
pub const MAX_REPLAYS: usize = 1_024;

/// The largest request, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Calls of one connection at a time; the client's further ones wait.
const MAX_CALLS: u32 = 256;

/// A server on a socket, and what ends it. The server runs while it is polled; when its stopper is dropped it stops.
pub fn serve(
    listener: TcpListener,
    history: History,
    access: Access,
) -> (Stopper, impl Future<Output = Result<(), ServeError>> + Send) {
    let (stopper, stopping) = Stopper::new();
    let face = Face::new(history.clone(), stopping.clone());
    let service = HistoryServer::new(face).max_decoding_message_size(MAX_REQUEST_BYTES);
    let is_ready = move || history.is_ready();
    let port = Port::new(access, MAX_CALLS).with(service, proto::DESCRIPTION, is_ready);
    (stopper, port.serve(listener, stopping))
}

/// The service behind the protocol.
struct Face {
    history: History,
    replays: Arc<Semaphore>,
    /// True when the service ends.
    stopping: watch::Receiver<bool>,
}

impl Face {
    fn new(history: History, stopping: watch::Receiver<bool>) -> Self {
        Self {
            history,
            replays: Arc::new(Semaphore::new(MAX_REPLAYS)),
            stopping,
        }
    }

    async fn page(&self, request: proto::ReadRequest) -> Result<proto::ReadResponse, Status> {
        let binding = Binding::of_read(&request);
        let query = request::read(request, &binding)?;
        let reading = self.history.read(&query).await.map_err(failure)?;
        Ok(reply::reading(reading, &binding))
    }

    async fn some_channels(
        &self,
        request: proto::ChannelsRequest,
    ) -> Result<proto::ChannelsResponse, Status> {
        let binding = Binding::of_channels(&request);
        let limit = request::limit(request.limit)?;
        let after = binding.channel(&request.page_token)?;
        let found = self.history.channels(&request.prefix, &after, limit).await;
        let found = found.map_err(failure)?;
        Ok(reply::channels(found, limit, &binding))
    }
}

#[tonic::async_trait]
impl Service for Face {
    async fn read(
        &self,
        request: Request<proto::ReadRequest>,
    ) -> Result<Response<proto::ReadResponse>, Status> {
        let page = self.page(request.into_inner()).await?;
        Ok(Response::new(page))
    }

    type ReplayStream = BoxStream<'static, Result<proto::ReplayResponse, Status>>;

    async fn replay(
        &self,
        request: Request<proto::ReplayRequest>,
    ) -> Result<Response<Self::ReplayStream>, Status> {
        let deadline = Deadline::of(&request);
        let query = request::replay(request.into_inner())?;
        let permit = Arc::clone(&self.replays).try_acquire_owned();
        let permit = permit.map_err(|_| Status::resource_exhausted("too many replays"))?;
        let pages = self.history.replay(query);
        let pages = pages.map_ok(move |page| {
            // Held as long as the replay.
            let _ = &permit;
            replayed(page)
        });
        let mut stopping = self.stopping.clone();
        let end = async move {
            let stopped = stopping.wait_for(|is_stopping| *is_stopping);
            match future::select(Box::pin(stopped), Box::pin(deadline.passed())).await {
                Either::Left(_) => Err(Status::unavailable("the service is shutting down")),
                Either::Right(_) => Err(exceeded()),
            }
        };
        let replay = select(pages.map_err(failure), stream::once(end));
        Ok(Response::new(replay.boxed()))
    }

    async fn get(
        &self,
        request: Request<proto::GetRequest>,
    ) -> Result<Response<proto::GetResponse>, Status> {
        let (channel, epoch, offset) = request::get(request.into_inner())?;
        let found = self.history.get(&channel, epoch.as_ref(), offset).await;
        Ok(Response::new(proto::GetResponse {
            publication: Some(reply::publication(found.map_err(failure)?)),
        }))
    }

    async fn position(
        &self,
        request: Request<proto::PositionRequest>,
    ) -> Result<Response<proto::PositionResponse>, Status> {
        let channel = request::channel(&request.into_inner().channel)?;
        let newest = self.history.newest(&channel).await;
        Ok(Response::new(reply::newest(newest.map_err(failure)?)))
    }

    async fn channels(
        &self,
        request: Request<proto::ChannelsRequest>,
    ) -> Result<Response<proto::ChannelsResponse>, Status> {
        let channels = self.some_channels(request.into_inner()).await?;
        Ok(Response::new(channels))
    }

    async fn remove(
        &self,
        request: Request<proto::RemoveRequest>,
    ) -> Result<Response<proto::RemoveResponse>, Status> {
        let (channel, removal) = request::remove(request.into_inner())?;
        let removed = self.history.remove(&channel, &removal).await;
        Ok(Response::new(proto::RemoveResponse {
            removed: removed.map_err(failure)?,
        }))
    }

    async fn stats(
        &self,
        _: Request<proto::StatsRequest>,
    ) -> Result<Response<proto::StatsResponse>, Status> {
        let stats = self.history.stats().await.map_err(failure)?;
        Ok(Response::new(reply::stats(stats)))
    }
}
