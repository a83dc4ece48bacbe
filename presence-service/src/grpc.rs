//! The face for backend teams: gRPC, by `proto/schema/presence.proto`.
//!
//! In: requests, checked here. Out: what [`Presence`] answers, from here or from another replica. Deadlines end calls, watches
//! included; so does the end of the service.

mod many;
mod page_token;
mod reply;
mod request;
mod server;
mod watching;

use futures_util::stream::BoxStream;
use tidegate_proto::node::answer::What;
use tidegate_proto::node::question;
use tidegate_proto::node::{MembersQuestion, partition};
use tidegate_proto::presence as proto;
use tidegate_proto::presence::presence_server::Presence as Service;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::message::Kind;
use crate::presence::{Answered, Presence};
use reply::failure;
pub use server::{ServeError, Stopper, serve};
use tidegate_service::Deadline;
pub use tidegate_service::{ApiKey, KeyError};

/// The service behind the protocol.
struct Face {
    presence: Presence,
    replica: String,
    /// True when the service ends.
    stopping: watch::Receiver<bool>,
}

impl Face {
    async fn ask(&self, kind: Kind, name: &str, what: question::What) -> Result<Answered, Status> {
        let partition = partition(name, self.presence.partitions());
        let answered = self.presence.ask(kind, partition, what).await;
        answered.map_err(failure)
    }

    /// One page of a channel.
    async fn page(&self, request: proto::GetRequest) -> Result<proto::GetResponse, Status> {
        request::channel(&request.channel)?;
        let question = MembersQuestion {
            after: page_token::read(&request.channel, &request.page_token)?,
            limit: request::limit(request.limit)?,
            without_infos: request.without_infos,
            channel: request.channel.clone(),
        };
        let what = question::What::Members(question);
        let answered = self.ask(Kind::Channel, &request.channel, what).await?;
        match answered.what {
            What::Members(it) => Ok(reply::page(&request.channel, it, answered.is_incomplete)),
            _ => Err(reply::strange()),
        }
    }
}

#[tonic::async_trait]
impl Service for Face {
    async fn get(
        &self,
        request: Request<proto::GetRequest>,
    ) -> Result<Response<proto::GetResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        deadline.meet(self.page(request.into_inner())).await
    }

    async fn stats(
        &self,
        request: Request<proto::StatsRequest>,
    ) -> Result<Response<proto::StatsResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        let channels = vec![request.into_inner().channel];
        let stats = async {
            let (counts, is_incomplete) = self.counts(channels).await?;
            Ok(proto::StatsResponse {
                count: counts.into_iter().next(),
                is_incomplete,
            })
        };
        deadline.meet(stats).await
    }

    async fn get_many(
        &self,
        request: Request<proto::GetManyRequest>,
    ) -> Result<Response<proto::GetManyResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        deadline.meet(self.pages(request.into_inner())).await
    }

    async fn stats_many(
        &self,
        request: Request<proto::StatsManyRequest>,
    ) -> Result<Response<proto::StatsManyResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        let stats = async {
            let (counts, is_incomplete) = self.counts(request.into_inner().channels).await?;
            Ok(proto::StatsManyResponse {
                counts,
                is_incomplete,
            })
        };
        deadline.meet(stats).await
    }

    async fn user(
        &self,
        request: Request<proto::UserRequest>,
    ) -> Result<Response<proto::UserResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        deadline.meet(self.one_user(request.into_inner())).await
    }

    async fn online(
        &self,
        request: Request<proto::OnlineRequest>,
    ) -> Result<Response<proto::OnlineResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        deadline.meet(self.states(request.into_inner().users)).await
    }

    type WatchStream = BoxStream<'static, Result<proto::WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let deadline = Deadline::of(&request)?;
        let channel = request.into_inner().channel;
        request::channel(&channel)?;
        let mut end = Box::pin(watching::end(deadline, self.stopping.clone()));
        let (there, news) = tokio::select! {
            watch = self.presence.desk().watch(channel) => watch.map_err(watching::failure)?,
            ended = &mut end => return Err(ended),
        };
        Ok(Response::new(watching::stream(there, news, end)))
    }

    async fn nodes(
        &self,
        request: Request<proto::NodesRequest>,
    ) -> Result<Response<proto::NodesResponse>, Status> {
        let deadline = Deadline::of(&request)?;
        let replica = self.replica.clone();
        let nodes = async {
            let seen = self
                .presence
                .desk()
                .look(|roster| reply::nodes(roster, replica));
            seen.await
                .map_err(|closed| Status::unavailable(closed.to_string()))
        };
        deadline.meet(nodes).await
    }
}
