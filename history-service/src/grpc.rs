//! The face for backend teams: gRPC, by `proto/schema/history.proto`.
//!
//! In: requests, checked here. Out: what [`History`] answers. Deadlines end calls, replays included; so does the end of the
//! service.

mod page_token;
mod reply;
mod request;
mod server;
mod tls;

use futures_util::future::Either;
use futures_util::stream::{BoxStream, select};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use std::sync::Arc;
use tidegate_proto::history as proto;
use tidegate_proto::history::history_server::History as Service;
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status};

use crate::history::History;
use page_token::Binding;
use reply::{failure, replayed};
pub use server::{Access, ServeError, Stopper, serve};
pub use tidegate_service::{ApiKey, KeyError};
use tidegate_service::{Deadline, exceeded};
pub use tls::{Tls, TlsError, TlsFiles};

/// Replays at a time.
pub const MAX_REPLAYS: usize = 1_024;

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
        let deadline = Deadline::of(&request)?;
        deadline.meet(self.page(request.into_inner())).await
    }

    type ReplayStream = BoxStream<'static, Result<proto::ReplayResponse, Status>>;

    async fn replay(
        &self,
        request: Request<proto::ReplayRequest>,
    ) -> Result<Response<Self::ReplayStream>, Status> {
        let deadline = Deadline::of(&request)?;
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
        let deadline = Deadline::of(&request)?;
        let (channel, epoch, offset) = request::get(request.into_inner())?;
        let found = async {
            let found = self.history.get(&channel, epoch.as_ref(), offset).await;
            Ok(proto::GetResponse {
                publication: Some(reply::publication(found.map_err(failure)?)),
            })
        };
        deadline.meet(found).await
    }

    async fn position(
        &self,
        request: Request<proto::PositionRequest>,
    ) -> Result<Response<proto::PositionResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        let channel = request::channel(&request.into_inner().channel)?;
        let newest = async {
            let newest = self.history.newest(&channel).await;
            Ok(reply::newest(newest.map_err(failure)?))
        };
        deadline.meet(newest).await
    }

    async fn channels(
        &self,
        request: Request<proto::ChannelsRequest>,
    ) -> Result<Response<proto::ChannelsResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        deadline
            .meet(self.some_channels(request.into_inner()))
            .await
    }

    async fn remove(
        &self,
        request: Request<proto::RemoveRequest>,
    ) -> Result<Response<proto::RemoveResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        let (channel, removal) = request::remove(request.into_inner())?;
        let removed = async {
            let removed = self.history.remove(&channel, &removal).await;
            Ok(proto::RemoveResponse {
                removed: removed.map_err(failure)?,
            })
        };
        deadline.meet(removed).await
    }

    async fn stats(
        &self,
        request: Request<proto::StatsRequest>,
    ) -> Result<Response<proto::StatsResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        let stats = async { Ok(reply::stats(self.history.stats().await.map_err(failure)?)) };
        deadline.meet(stats).await
    }
}
