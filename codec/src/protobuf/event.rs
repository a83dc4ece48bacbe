//! Pushes to generated messages, and the parts that replies share with them.

use tidegate_proto as proto;

use super::outcome::subs;
use crate::{ClientInfo, ConnectResult, Event, Publication, Push, ServerSubscription};

/// The generated form of a push.
pub(super) fn push(push: &Push) -> proto::Push {
    let mut out = proto::Push {
        channel: push.channel.clone(),
        ..proto::Push::default()
    };
    match &push.event {
        Event::Publication(body) => out.r#pub = Some(publication(body)),
        Event::Join(info) => {
            out.join = Some(proto::Join {
                info: Some(client_info(info)),
            })
        }
        Event::Leave(info) => {
            out.leave = Some(proto::Leave {
                info: Some(client_info(info)),
            })
        }
        Event::Unsubscribe(body) => {
            out.unsubscribe = Some(proto::Unsubscribe {
                code: body.code,
                reason: body.reason.clone(),
            });
        }
        Event::Message { data } => out.message = Some(proto::Message { data: data.clone() }),
        Event::Subscribe(body) => out.subscribe = Some(server_subscription(body)),
        &Event::Refresh { expires, ttl } => out.refresh = Some(proto::Refresh { expires, ttl }),
        Event::Connect(result) => out.connect = Some(connect(result)),
        &Event::Disconnect {
            code,
            ref reason,
            reconnect,
        } => {
            out.disconnect = Some(proto::Disconnect {
                code,
                reason: reason.clone(),
                reconnect,
            });
        }
    }
    out
}

/// The generated form of a publication.
pub(super) fn publication(publication: &Publication) -> proto::Publication {
    proto::Publication {
        data: publication.data.clone(),
        info: publication.info.as_ref().map(client_info),
        offset: publication.offset,
        tags: publication.tags.clone(),
        delta: publication.delta,
        time: publication.time,
        channel: publication.channel.clone(),
        epoch: publication.epoch.clone(),
        ..proto::Publication::default()
    }
}

/// The generated form of client information.
pub(super) fn client_info(info: &ClientInfo) -> proto::ClientInfo {
    proto::ClientInfo {
        user: info.user.clone(),
        client: info.client.clone(),
        conn_info: info.conn_info.clone(),
        chan_info: info.chan_info.clone(),
    }
}

fn server_subscription(body: &ServerSubscription) -> proto::Subscribe {
    proto::Subscribe {
        recoverable: body.recoverable,
        epoch: body.epoch.clone(),
        offset: body.offset,
        positioned: body.positioned,
        data: body.data.clone(),
    }
}

/// The same fields as those of a reply, under other numbers.
fn connect(result: &ConnectResult) -> proto::Connect {
    proto::Connect {
        client: result.client.clone(),
        version: result.version.clone(),
        data: result.data.clone(),
        subs: subs(result),
        expires: result.expires,
        ttl: result.ttl,
        ping: result.ping,
        pong: result.pong,
        session: result.session.clone(),
        node: result.node.clone(),
        time: result.time,
    }
}
