//! The face for backend teams: gRPC, by `proto/schema/presence.proto`.
//!
//! In: requests, checked here. Out: what [`Presence`] answers, from here or from another replica. Deadlines end calls, watches
//! included; so does the end of the service.

mod many;
mod page_token;
mod reply;
mod request;
mod watching;

use futures_util::stream::BoxStream;
use tidegate_proto::node::answer::What;
use tidegate_proto::node::question;
use tidegate_proto::node::{MembersQuestion, partition};
use tidegate_proto::presence as proto;
use tidegate_proto::presence::presence_server::{Presence as Service, PresenceServer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::message::Kind;
use crate::presence::{Answered, Presence};
use crate::roster::Roster;
use reply::failure;
pub use tidegate_service::{Access, ServeError, Stopper};
use tidegate_service::{Deadline, Port};

/// The largest request, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Calls of one connection at a time; the client's further ones wait.
const MAX_CALLS: u32 = 256;

/// A server on a socket, and what ends it. The server runs while it is polled; when its stopper is dropped it stops.
pub fn serve(
    listener: TcpListener,
    presence: Presence,
    replica: String,
    access: Access,
) -> (Stopper, impl Future<Output = Result<(), ServeError>> + Send) {
    let (stopper, stopping) = Stopper::new();
    let face = Face {
        presence: presence.clone(),
        replica,
        stopping: stopping.clone(),
    };
    let service = PresenceServer::new(face).max_decoding_message_size(MAX_REQUEST_BYTES);
    let is_ready = move || presence.is_ready();
    let port = Port::new(access, MAX_CALLS).with(service, proto::DESCRIPTION, is_ready);
    (stopper, port.serve(listener, stopping))
}

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
        let page = self.page(request.into_inner()).await?;
        Ok(Response::new(page))
    }

    async fn stats(
        &self,
        request: Request<proto::StatsRequest>,
    ) -> Result<Response<proto::StatsResponse>, Status> {
        let channels = vec![request.into_inner().channel];
        let (counts, is_incomplete) = self.counts(channels).await?;
        Ok(Response::new(proto::StatsResponse {
            count: counts.into_iter().next(),
            is_incomplete,
        }))
    }

    async fn get_many(
        &self,
        request: Request<proto::GetManyRequest>,
    ) -> Result<Response<proto::GetManyResponse>, Status> {
        let pages = self.pages(request.into_inner()).await?;
        Ok(Response::new(pages))
    }

    async fn stats_many(
        &self,
        request: Request<proto::StatsManyRequest>,
    ) -> Result<Response<proto::StatsManyResponse>, Status> {
        let (counts, is_incomplete) = self.counts(request.into_inner().channels).await?;
        Ok(Response::new(proto::StatsManyResponse {
            counts,
            is_incomplete,
        }))
    }

    async fn user(
        &self,
        request: Request<proto::UserRequest>,
    ) -> Result<Response<proto::UserResponse>, Status> {
        let user = self.one_user(request.into_inner()).await?;
        Ok(Response::new(user))
    }

    async fn online(
        &self,
        request: Request<proto::OnlineRequest>,
    ) -> Result<Response<proto::OnlineResponse>, Status> {
        let states = self.states(request.into_inner().users).await?;
        Ok(Response::new(states))
    }

    type WatchStream = BoxStream<'static, Result<proto::WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let deadline = Deadline::of(&request);
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
        _: Request<proto::NodesRequest>,
    ) -> Result<Response<proto::NodesResponse>, Status> {
        let (replica, desk) = (self.replica.clone(), self.presence.desk());
        let offered = desk.progress().borrow().offered.clone();
        let look = |roster: &Roster| reply::nodes(roster, replica, offered);
        let nodes = desk.look(look).await;
        let nodes = nodes.map_err(|closed| Status::unavailable(closed.to_string()))?;
        Ok(Response::new(nodes))
    }
}
