//! Commands over the generated types.

use tidegate_codec::{ConnectRequest, RecoverRequest, Request, StreamPosition, SubscribeRequest};
use tidegate_proto as proto;

/// A client's command.
pub(super) fn command(id: u32, request: &Request) -> proto::Command {
    let mut command = proto::Command {
        id,
        ..Default::default()
    };
    match request.clone() {
        Request::Connect(body) => command.connect = Some(connect(*body)),
        Request::Subscribe(body) => command.subscribe = Some(subscribe(*body)),
        Request::Unsubscribe { channel } => {
            command.unsubscribe = Some(proto::UnsubscribeRequest { channel })
        }
        Request::Publish(body) => {
            let (channel, data, r#type) = (body.channel, body.data, body.kind);
            command.publish = Some(proto::PublishRequest {
                channel,
                data,
                r#type,
                ..Default::default()
            });
        }
        Request::Presence { channel } => {
            command.presence = Some(proto::PresenceRequest { channel })
        }
        Request::PresenceStats { channel } => {
            command.presence_stats = Some(proto::PresenceStatsRequest { channel });
        }
        Request::History(body) => {
            let since = body
                .since
                .map(|StreamPosition { offset, epoch }| proto::StreamPosition { offset, epoch });
            let (channel, limit, reverse) = (body.channel, body.limit, body.reverse);
            command.history = Some(proto::HistoryRequest {
                channel,
                limit,
                since,
                reverse,
            });
        }
        Request::Send { data } => command.send = Some(proto::SendRequest { data }),
        Request::Rpc(body) => {
            command.rpc = Some(proto::RpcRequest {
                data: body.data,
                method: body.method,
            })
        }
        Request::Refresh(body) => {
            command.refresh = Some(proto::RefreshRequest { token: body.token })
        }
        Request::SubRefresh(body) => {
            let (channel, token, r#type) = (body.channel, body.token, body.kind);
            command.sub_refresh = Some(proto::SubRefreshRequest {
                channel,
                token,
                r#type,
                ..Default::default()
            });
        }
        Request::Unknown => {}
    }
    command
}

fn connect(body: ConnectRequest) -> proto::ConnectRequest {
    let subs = body
        .subs
        .into_iter()
        .map(|(channel, sub)| (channel, recover(sub)))
        .collect();
    proto::ConnectRequest {
        token: body.token,
        data: body.data,
        subs,
        name: body.name,
        version: body.version,
        headers: body.headers,
        ..Default::default()
    }
}

fn subscribe(body: SubscribeRequest) -> proto::SubscribeRequest {
    proto::SubscribeRequest {
        channel: body.channel,
        token: body.token,
        recover: body.recover,
        epoch: body.position.epoch,
        offset: body.position.offset,
        data: body.data,
        positioned: body.positioned,
        recoverable: body.recoverable,
        join_leave: body.join_leave,
        delta: body.delta,
        tf: body.tags_filter.then(proto::FilterNode::default),
        flag: body.flag,
        r#type: body.kind,
        ..Default::default()
    }
}

fn recover(sub: RecoverRequest) -> proto::SubscribeRequest {
    let StreamPosition { offset, epoch } = sub.position;
    proto::SubscribeRequest {
        recover: sub.recover,
        offset,
        epoch,
        ..Default::default()
    }
}
