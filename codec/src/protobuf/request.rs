//! Generated commands to [`Frame`]s.

use tidegate_proto as proto;

use crate::{
    Command, ConnectRequest, Frame, HistoryRequest, PublishRequest, RecoverRequest, RefreshRequest,
    Request, RpcRequest, StreamPosition, SubRefreshRequest, SubscribeRequest,
};

/// The frame element that `command` stands for.
pub(super) fn frame(command: proto::Command) -> Frame {
    let id = command.id;
    match request(command) {
        None if id == 0 => Frame::Pong,
        request => Frame::Command(Command {
            id,
            request: request.unwrap_or(Request::Unknown),
        }),
    }
}

/// The first body in the order of the schema; the protocol does not forbid several.
fn request(command: proto::Command) -> Option<Request> {
    (command
        .connect
        .map(|body| Request::Connect(Box::new(connect(body)))))
    .or_else(|| Some(Request::Subscribe(Box::new(subscribe(command.subscribe?)))))
    .or_else(|| {
        Some(Request::Unsubscribe {
            channel: command.unsubscribe?.channel,
        })
    })
    .or_else(|| Some(Request::Publish(publish(command.publish?))))
    .or_else(|| {
        Some(Request::Presence {
            channel: command.presence?.channel,
        })
    })
    .or_else(|| {
        Some(Request::PresenceStats {
            channel: command.presence_stats?.channel,
        })
    })
    .or_else(|| Some(Request::History(history(command.history?))))
    .or_else(|| command.ping.map(|_| Request::Unknown))
    .or_else(|| {
        Some(Request::Send {
            data: command.send?.data,
        })
    })
    .or_else(|| Some(Request::Rpc(rpc(command.rpc?))))
    .or_else(|| {
        Some(Request::Refresh(RefreshRequest {
            token: command.refresh?.token,
        }))
    })
    .or_else(|| Some(Request::SubRefresh(sub_refresh(command.sub_refresh?))))
}

pub(super) fn connect(body: proto::ConnectRequest) -> ConnectRequest {
    ConnectRequest {
        token: body.token,
        data: body.data,
        name: body.name,
        version: body.version,
        headers: body.headers,
        subs: body
            .subs
            .into_iter()
            .map(|(channel, sub)| (channel, recover(sub)))
            .collect(),
    }
}

fn recover(body: proto::SubscribeRequest) -> RecoverRequest {
    RecoverRequest {
        recover: body.recover,
        position: StreamPosition {
            offset: body.offset,
            epoch: body.epoch,
        },
    }
}

fn subscribe(body: proto::SubscribeRequest) -> SubscribeRequest {
    SubscribeRequest {
        channel: body.channel,
        token: body.token,
        recover: body.recover,
        position: StreamPosition {
            offset: body.offset,
            epoch: body.epoch,
        },
        data: body.data,
        positioned: body.positioned,
        recoverable: body.recoverable,
        join_leave: body.join_leave,
        delta: body.delta,
        tags_filter: body.tf.is_some(),
        flag: body.flag,
        kind: body.r#type,
    }
}

fn publish(body: proto::PublishRequest) -> PublishRequest {
    PublishRequest {
        channel: body.channel,
        data: body.data,
        kind: body.r#type,
    }
}

fn history(body: proto::HistoryRequest) -> HistoryRequest {
    let position = |since: proto::StreamPosition| StreamPosition {
        offset: since.offset,
        epoch: since.epoch,
    };
    HistoryRequest {
        channel: body.channel,
        limit: body.limit,
        since: body.since.map(position),
        reverse: body.reverse,
    }
}

fn rpc(body: proto::RpcRequest) -> RpcRequest {
    RpcRequest {
        method: body.method,
        data: body.data,
    }
}

fn sub_refresh(body: proto::SubRefreshRequest) -> SubRefreshRequest {
    SubRefreshRequest {
        channel: body.channel,
        token: body.token,
        kind: body.r#type,
    }
}
