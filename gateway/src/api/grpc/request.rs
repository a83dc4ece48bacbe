//! Operations from messages.

use tidegate_backbone::Version;
use tidegate_codec::{DisconnectCode, ErrorCode, Failure};
use tidegate_proto::gateway as proto;
use tidegate_proto::gateway::command::Command;

use crate::api::{
    Batch, Broadcast, Connections, HistoryQuery, MAX_OPERATIONS, Operation, Publish, Publishing,
    Target,
};
use crate::auth::Override;
use crate::control::{Order, Refreshing, Subscribing};
use crate::revocation::{Entry, Subject};

type Result<T> = std::result::Result<T, Failure>;

pub(super) fn publish(request: proto::PublishRequest) -> Result<Operation> {
    Ok(Operation::Publish(Publish {
        channel: request.channel,
        what: what(request.publication),
    }))
}

pub(super) fn broadcast(request: proto::BroadcastRequest) -> Result<Operation> {
    Ok(Operation::Broadcast(Broadcast {
        channels: request.channels,
        what: what(request.publication),
    }))
}

pub(super) fn subscribe(request: proto::SubscribeRequest) -> Result<Operation> {
    let order = Order::Subscribe(Subscribing {
        channel: request.channel,
        info: request.info.into(),
        data: request.data.into(),
        expire_at: time(request.expire_at),
        since: request.recover_since.map(|it| (it.epoch, it.offset)),
        overrides: request.r#override.map_or_else(Override::default, overrides),
    });
    Ok(Operation::Control(target(request.target)?, order))
}

pub(super) fn unsubscribe(request: proto::UnsubscribeRequest) -> Result<Operation> {
    let channel = Some(request.channel).filter(|it| !it.is_empty());
    let order = Order::Unsubscribe { channel };
    Ok(Operation::Control(target(request.target)?, order))
}

pub(super) fn disconnect(request: proto::DisconnectRequest) -> Result<Operation> {
    let force = DisconnectCode::ForceDisconnect;
    let (code, reason) = match request.code {
        0 => (force.code(), force.message().to_owned()),
        code => (code, request.reason),
    };
    let order = Order::Disconnect { code, reason };
    Ok(Operation::Control(target(request.target)?, order))
}

pub(super) fn refresh(request: proto::RefreshRequest) -> Result<Operation> {
    let order = Order::Refresh(Refreshing {
        is_expired: request.expired,
        expire_at: time(request.expire_at),
        info: request.info.into(),
    });
    Ok(Operation::Control(target(request.target)?, order))
}

pub(super) fn connections(request: proto::ConnectionsRequest) -> Result<Operation> {
    Ok(Operation::Connections(Connections {
        user: request.user,
        channel: request.channel,
        after: request.after,
        limit: request.limit as usize,
    }))
}

pub(super) fn presence(request: proto::PresenceRequest) -> Result<Operation> {
    Ok(Operation::Presence {
        channel: request.channel,
    })
}

pub(super) fn presence_stats(request: proto::PresenceStatsRequest) -> Result<Operation> {
    Ok(Operation::PresenceStats {
        channel: request.channel,
    })
}

pub(super) fn history(request: proto::HistoryRequest) -> Result<Operation> {
    Ok(Operation::History(HistoryQuery {
        channel: request.channel,
        limit: request.limit,
        since: request.since.map(|it| (it.offset, it.epoch)),
        is_reverse: request.reverse,
    }))
}

pub(super) fn history_remove(request: proto::HistoryRemoveRequest) -> Result<Operation> {
    let channel = request.channel;
    Ok(Operation::HistoryRemove { channel })
}

pub(super) fn channels(request: proto::ChannelsRequest) -> Result<Operation> {
    let pattern = request.pattern;
    Ok(Operation::Channels { pattern })
}

pub(super) fn info(_: proto::InfoRequest) -> Result<Operation> {
    Ok(Operation::Info)
}

pub(super) fn block_user(request: proto::BlockUserRequest) -> Result<Operation> {
    Ok(revoke(Subject::User(request.user), request.expire_at, 0))
}

pub(super) fn unblock_user(request: proto::UnblockUserRequest) -> Result<Operation> {
    Ok(Operation::Unblock { user: request.user })
}

pub(super) fn revoke_token(request: proto::RevokeTokenRequest) -> Result<Operation> {
    Ok(revoke(Subject::Token(request.uid), request.expire_at, 0))
}

pub(super) fn invalidate_user_tokens(
    request: proto::InvalidateUserTokensRequest,
) -> Result<Operation> {
    let subject = Subject::Issued {
        user: request.user,
        channel: Some(request.channel).filter(|it| !it.is_empty()),
    };
    Ok(revoke(subject, request.expire_at, request.issued_before))
}

fn revoke(subject: Subject, expire_at: i64, issued_before: i64) -> Operation {
    Operation::Revoke(Entry {
        subject,
        expire_at: time(expire_at),
        issued_before,
    })
}

pub(super) fn revocations(request: proto::RevocationsRequest) -> Result<Operation> {
    Ok(Operation::Revocations {
        after: request.after,
        limit: request.limit as usize,
    })
}

pub(super) fn batch(request: proto::BatchRequest) -> Result<Batch> {
    if request.commands.len() > MAX_OPERATIONS {
        return Err(ErrorCode::LimitExceeded.into());
    }
    let operation = |command: proto::Command| match command.command.ok_or(ErrorCode::BadRequest)? {
        Command::Publish(it) => publish(it),
        Command::Broadcast(it) => broadcast(it),
        Command::Subscribe(it) => subscribe(it),
        Command::Unsubscribe(it) => unsubscribe(it),
        Command::Disconnect(it) => disconnect(it),
        Command::Refresh(it) => refresh(it),
        Command::Presence(it) => presence(it),
        Command::PresenceStats(it) => presence_stats(it),
        Command::History(it) => history(it),
        Command::HistoryRemove(it) => history_remove(it),
        Command::Channels(it) => channels(it),
        Command::Connections(it) => connections(it),
        Command::Info(it) => info(it),
        Command::BlockUser(it) => block_user(it),
        Command::UnblockUser(it) => unblock_user(it),
        Command::RevokeToken(it) => revoke_token(it),
        Command::InvalidateUserTokens(it) => invalidate_user_tokens(it),
        Command::Revocations(it) => revocations(it),
    };
    Ok(Batch {
        operations: request.commands.into_iter().map(operation).collect(),
        is_parallel: request.parallel,
    })
}

fn what(publication: Option<proto::Publishing>) -> Publishing {
    let publication = publication.unwrap_or_default();
    Publishing {
        data: publication.data,
        tags: publication.tags,
        idempotency_key: publication.idempotency_key,
        skip_history: publication.skip_history,
        version: Version::given(publication.version, publication.version_epoch),
    }
}

/// Whose connections; anonymous users have to be meant, not forgotten.
fn target(target: Option<proto::Target>) -> Result<Target> {
    let target = target.ok_or(ErrorCode::BadRequest)?;
    Ok(Target {
        user: target.user,
        client: target.client,
        spared: target.spared_clients,
        session: target.session,
    })
}

const fn overrides(options: proto::SubscriptionOverride) -> Override {
    Override {
        presence: options.presence,
        join_leave: options.join_leave,
        force_push_join_leave: options.force_push_join_leave,
        force_positioning: options.force_positioning,
        force_recovery: options.force_recovery,
    }
}

fn time(seconds: i64) -> Option<i64> {
    Some(seconds).filter(|it| *it != 0)
}
