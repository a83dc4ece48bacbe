//! Replies to generated messages. A result without fields is still set, and so encoded with length zero.

use tidegate_proto as proto;

use super::event::{client_info, publication};
use crate::{ConnectResult, Failure, Reply, SubscribeResult, Success};

/// The generated form of a reply.
pub(super) fn reply(reply: &Reply) -> proto::Reply {
    let mut out = proto::Reply {
        id: reply.id,
        ..proto::Reply::default()
    };
    match &reply.outcome {
        Ok(success) => set_success(&mut out, success),
        Err(failure) => out.error = Some(error(failure)),
    }
    out
}

fn set_success(out: &mut proto::Reply, success: &Success) {
    match success {
        Success::Connect(result) => out.connect = Some(connect(result)),
        Success::Subscribe(result) => out.subscribe = Some(subscribe(result)),
        Success::Unsubscribe => out.unsubscribe = Some(proto::UnsubscribeResult {}),
        Success::Publish => out.publish = Some(proto::PublishResult {}),
        Success::Presence(clients) => {
            let presence = clients
                .iter()
                .map(|(id, info)| (id.clone(), client_info(info)))
                .collect();
            out.presence = Some(proto::PresenceResult { presence });
        }
        &Success::PresenceStats { clients, users } => {
            out.presence_stats = Some(proto::PresenceStatsResult {
                num_clients: clients,
                num_users: users,
            });
        }
        Success::History {
            publications,
            epoch,
            offset,
        } => {
            out.history = Some(proto::HistoryResult {
                publications: publications.iter().map(publication).collect(),
                epoch: epoch.clone(),
                offset: *offset,
            });
        }
        Success::Rpc { data } => out.rpc = Some(proto::RpcResult { data: data.clone() }),
        Success::Refresh(result) => {
            out.refresh = Some(proto::RefreshResult {
                client: result.client.clone(),
                version: result.version.clone(),
                expires: result.expires,
                ttl: result.ttl,
            });
        }
        Success::SubRefresh(result) => {
            out.sub_refresh = Some(proto::SubRefreshResult {
                expires: result.expires,
                ttl: result.ttl,
                ..proto::SubRefreshResult::default()
            });
        }
    }
}

fn error(failure: &Failure) -> proto::Error {
    proto::Error {
        code: failure.code,
        message: failure.message.clone(),
        temporary: failure.temporary,
    }
}

fn connect(result: &ConnectResult) -> proto::ConnectResult {
    proto::ConnectResult {
        client: result.client.clone(),
        version: result.version.clone(),
        expires: result.expires,
        ttl: result.ttl,
        data: result.data.clone(),
        subs: subs(result),
        ping: result.ping,
        pong: result.pong,
        session: result.session.clone(),
        node: result.node.clone(),
        time: result.time,
        ..proto::ConnectResult::default()
    }
}

/// The generated form of the subscriptions that come with a connection.
pub(super) fn subs(result: &ConnectResult) -> Vec<proto::SubsEntry> {
    let entry = |(channel, sub): (&String, _)| proto::SubsEntry {
        key: channel.clone(),
        value: Some(subscribe(sub)),
    };
    result.subs.iter().map(entry).collect()
}

fn subscribe(result: &SubscribeResult) -> proto::SubscribeResult {
    proto::SubscribeResult {
        expires: result.expires,
        ttl: result.ttl,
        recoverable: result.recoverable,
        epoch: result.epoch.clone(),
        publications: (result.publications.iter())
            .map(|it| publication(it.publication()))
            .collect(),
        recovered: result.recovered,
        offset: result.offset,
        positioned: result.positioned,
        data: result.data.clone(),
        was_recovering: result.was_recovering,
        delta: result.delta,
        ..proto::SubscribeResult::default()
    }
}
