//! Messages from outcomes.

use tidegate_backbone::{ClientInfo, Position, Publication};
use tidegate_codec::Failure;
use tidegate_proto::gateway as proto;
use tidegate_proto::gateway::published::Outcome as PublishedOutcome;
use tidegate_proto::gateway::reply::Reply;
use tidegate_proto::gateway::revocation::Subject as RevocationSubject;

use crate::api::Outcome;
use crate::revocation::{Entry, Subject};

/// Makes a message of the outcome of its method: [`Api::perform`](crate::api::Api::perform) gives no other.
macro_rules! messages {
    ($($message:ident: $pattern:pat => $made:expr;)+) => {
        $(impl From<Outcome> for proto::$message {
            fn from(outcome: Outcome) -> Self {
                match outcome {
                    $pattern => $made,
                    other => unreachable!("{other:?} is no outcome of this method"),
                }
            }
        })+
    };
}

messages! {
    PublishResponse: Outcome::Published(position) => published(position);
    BroadcastResponse: Outcome::Broadcast(all) => Self {
        outcomes: all.into_iter().map(one_of_broadcast).collect(),
    };
    ControlResponse: Outcome::Reached(clients) => Self { clients };
    ConnectionsResponse: Outcome::Connections { found, has_more } => Self {
        next: found.keys().next_back().filter(|_| has_more).cloned().unwrap_or_default(),
        connections: found.into_iter().map(|(client, it)| proto::Connection {
            client,
            user: it.user,
            format: it.format,
            channels: it.channels as u64,
        }).collect(),
    };
    HistoryResponse: Outcome::History { publications, position: top } => Self {
        publications: publications.into_iter().map(publication).collect(),
        position: Some(position(top)),
    };
    PresenceResponse: Outcome::Presence(members) => Self {
        presence: members.into_iter().map(|(client, it)| (client, info(it))).collect(),
    };
    PresenceStatsResponse: Outcome::PresenceStats { clients, users } => Self { clients, users };
    ChannelsResponse: Outcome::Channels(channels) => Self { channels };
    RevocationsResponse: Outcome::Revocations { entries, has_more } => Self {
        next: entries.last().filter(|_| has_more).map(|(key, _)| key.clone()).unwrap_or_default(),
        revocations: entries.into_iter().map(|(_, it)| revocation(it)).collect(),
    };
    InfoResponse: Outcome::Info(nodes) => Self {
        nodes: nodes.into_iter().map(|it| proto::Node {
            uid: it.uid,
            name: it.name,
            version: it.version,
            clients: it.num_clients,
            users: it.num_users,
            subscriptions: it.num_subs,
            channels: it.num_channels,
            uptime: it.uptime,
        }).collect(),
    };
}

impl From<Outcome> for proto::HistoryRemoveResponse {
    fn from(_: Outcome) -> Self {
        Self {}
    }
}

impl From<Outcome> for proto::RevocationResponse {
    fn from(_: Outcome) -> Self {
        Self {}
    }
}

fn revocation(entry: Entry) -> proto::Revocation {
    let subject = match entry.subject {
        Subject::User(user) => RevocationSubject::BlockedUser(user),
        Subject::Token(uid) => RevocationSubject::TokenUid(uid),
        Subject::Issued { user, channel } => RevocationSubject::Issued(proto::IssuedTokens {
            user,
            before: entry.issued_before,
            channel: channel.unwrap_or_default(),
        }),
    };
    proto::Revocation {
        subject: Some(subject),
        expire_at: entry.expire_at.unwrap_or(0),
    }
}

pub(super) fn batch(outcomes: Vec<Result<Outcome, Failure>>) -> proto::BatchResponse {
    let reply = |outcome: Result<Outcome, Failure>| proto::Reply {
        reply: Some(outcome.map_or_else(|failure| Reply::Error(error(failure)), one_of_batch)),
    };
    proto::BatchResponse {
        replies: outcomes.into_iter().map(reply).collect(),
    }
}

fn one_of_batch(outcome: Outcome) -> Reply {
    match outcome {
        it @ Outcome::Published(_) => Reply::Publish(it.into()),
        it @ Outcome::Broadcast(_) => Reply::Broadcast(it.into()),
        it @ Outcome::Reached(_) => Reply::Control(it.into()),
        it @ Outcome::Presence(_) => Reply::Presence(it.into()),
        it @ Outcome::PresenceStats { .. } => Reply::PresenceStats(it.into()),
        it @ Outcome::History { .. } => Reply::History(it.into()),
        it @ Outcome::Removed => Reply::HistoryRemove(it.into()),
        it @ Outcome::Channels(_) => Reply::Channels(it.into()),
        it @ Outcome::Connections { .. } => Reply::Connections(it.into()),
        it @ Outcome::Info(_) => Reply::Info(it.into()),
        it @ Outcome::Done => Reply::Revocation(it.into()),
        it @ Outcome::Revocations { .. } => Reply::Revocations(it.into()),
    }
}

fn published(at: Option<Position>) -> proto::PublishResponse {
    proto::PublishResponse {
        position: at.map(position),
    }
}

fn one_of_broadcast(outcome: Result<Option<Position>, Failure>) -> proto::Published {
    let outcome = match outcome {
        Ok(position) => PublishedOutcome::Result(published(position)),
        Err(failure) => PublishedOutcome::Error(error(failure)),
    };
    proto::Published {
        outcome: Some(outcome),
    }
}

fn position(position: Position) -> proto::StreamPosition {
    proto::StreamPosition {
        offset: position.offset,
        epoch: position.epoch.to_string(),
    }
}

fn error(failure: Failure) -> proto::Error {
    proto::Error {
        code: failure.code,
        message: failure.message,
        temporary: failure.temporary,
    }
}

fn publication(publication: Publication) -> proto::Publication {
    proto::Publication {
        data: publication.data,
        offset: publication.place.map_or(0, |it| it.offset),
        tags: publication.tags,
        info: publication.info.map(info),
    }
}

fn info(info: ClientInfo) -> proto::ClientInfo {
    proto::ClientInfo {
        user: info.user,
        client: info.client,
        conn_info: info.conn_info,
        chan_info: info.chan_info,
    }
}
