//! Generated replies and pushes back to what was encoded.

use std::collections::BTreeMap;

use tidegate_codec::{
    ClientInfo, ConnectResult, Event, Failure, Publication, Push, RefreshResult, Reply,
    ServerSubscription, SubRefreshResult, SubscribeResult, Success, Unsubscribed,
};
use tidegate_proto as proto;

/// A reply as a client reads it; nothing when it has no outcome.
pub(super) fn reply(reply: proto::Reply) -> Option<Reply> {
    let id = reply.id;
    if let Some(error) = reply.error {
        let failure = Failure {
            code: error.code,
            message: error.message,
            temporary: error.temporary,
        };
        return Some(Reply {
            id,
            outcome: Err(failure),
        });
    }
    let outcome = Ok(success(reply)?);
    Some(Reply { id, outcome })
}

fn success(reply: proto::Reply) -> Option<Success> {
    None.or(reply
        .connect
        .map(|result| Success::Connect(Box::new(connection(result)))))
        .or(reply
            .subscribe
            .map(|result| Success::Subscribe(Box::new(subscription(result)))))
        .or(reply.unsubscribe.map(|_| Success::Unsubscribe))
        .or(reply.publish.map(|_| Success::Publish))
        .or(reply.presence.map(|result| {
            Success::Presence(
                result
                    .presence
                    .into_iter()
                    .map(|(id, of)| (id, info(of)))
                    .collect(),
            )
        }))
        .or(reply.presence_stats.map(|result| Success::PresenceStats {
            clients: result.num_clients,
            users: result.num_users,
        }))
        .or(reply.history.map(|result| Success::History {
            publications: result.publications.into_iter().map(publication).collect(),
            epoch: result.epoch,
            offset: result.offset,
        }))
        .or(reply.rpc.map(|result| Success::Rpc { data: result.data }))
        .or(reply.refresh.map(|result| {
            let proto::RefreshResult {
                client,
                version,
                expires,
                ttl,
            } = result;
            Success::Refresh(RefreshResult {
                client,
                version,
                expires,
                ttl,
            })
        }))
        .or(reply.sub_refresh.map(|result| {
            Success::SubRefresh(SubRefreshResult {
                expires: result.expires,
                ttl: result.ttl,
            })
        }))
}

fn connection(result: proto::ConnectResult) -> ConnectResult {
    ConnectResult {
        client: result.client,
        version: result.version,
        expires: result.expires,
        ttl: result.ttl,
        data: result.data,
        subs: subscriptions(result.subs),
        ping: result.ping,
        pong: result.pong,
        session: result.session,
        node: result.node,
        time: result.time,
    }
}

fn opened(push: proto::Connect) -> ConnectResult {
    ConnectResult {
        client: push.client,
        version: push.version,
        expires: push.expires,
        ttl: push.ttl,
        data: push.data,
        subs: subscriptions(push.subs),
        ping: push.ping,
        pong: push.pong,
        session: push.session,
        node: push.node,
        time: push.time,
    }
}

fn subscriptions(entries: Vec<proto::SubsEntry>) -> BTreeMap<String, SubscribeResult> {
    let entries = entries.into_iter();
    entries
        .map(|entry| {
            let sub = entry.value.expect("never left out");
            (entry.key, subscription(sub))
        })
        .collect()
}

fn subscription(result: proto::SubscribeResult) -> SubscribeResult {
    SubscribeResult {
        expires: result.expires,
        ttl: result.ttl,
        recoverable: result.recoverable,
        epoch: result.epoch,
        publications: (result.publications.into_iter())
            .map(|it| publication(it).into())
            .collect(),
        recovered: result.recovered,
        offset: result.offset,
        positioned: result.positioned,
        data: result.data,
        was_recovering: result.was_recovering,
        delta: result.delta,
    }
}

fn publication(publication: proto::Publication) -> Publication {
    Publication {
        data: publication.data,
        info: publication.info.map(info),
        offset: publication.offset,
        tags: publication.tags,
        delta: publication.delta,
        time: publication.time,
        channel: publication.channel,
        epoch: publication.epoch,
    }
}

fn info(info: proto::ClientInfo) -> ClientInfo {
    let proto::ClientInfo {
        user,
        client,
        conn_info,
        chan_info,
    } = info;
    ClientInfo {
        user,
        client,
        conn_info,
        chan_info,
    }
}

/// A push as a client reads it; nothing when the reply has none.
pub(super) fn push(reply: proto::Reply) -> Option<Push> {
    let push = reply.push?;
    let event = None
        .or(push.r#pub.map(|body| Event::Publication(publication(body))))
        .or(push
            .join
            .and_then(|body| Some(Event::Join(info(body.info?)))))
        .or(push
            .leave
            .and_then(|body| Some(Event::Leave(info(body.info?)))))
        .or(push.unsubscribe.map(|body| {
            Event::Unsubscribe(Unsubscribed {
                code: body.code,
                reason: body.reason,
            })
        }))
        .or(push.message.map(|body| Event::Message { data: body.data }))
        .or(push.subscribe.map(|body| {
            let proto::Subscribe {
                recoverable,
                epoch,
                offset,
                positioned,
                data,
            } = body;
            Event::Subscribe(ServerSubscription {
                recoverable,
                epoch,
                offset,
                positioned,
                data,
            })
        }))
        .or(push
            .refresh
            .map(|proto::Refresh { expires, ttl }| Event::Refresh { expires, ttl }))
        .or(push
            .connect
            .map(|body| Event::Connect(Box::new(opened(body)))))
        .or(push.disconnect.map(|body| {
            let proto::Disconnect {
                code,
                reason,
                reconnect,
            } = body;
            Event::Disconnect {
                code,
                reason,
                reconnect,
            }
        }))?;
    Some(Push {
        channel: push.channel,
        event,
    })
}
