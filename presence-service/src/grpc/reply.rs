//! Answers, as the protocol has them.

use tidegate_proto::node;
use tidegate_proto::presence as proto;
use tonic::Status;
use uuid::Uuid;

use super::page_token;
use crate::message::{Client, Membership};
use crate::presence::PresenceError;
use crate::roster::{NodeState, NodeView, Roster};

/// The status that an error has, by the table in the schema.
pub(super) fn failure(error: PresenceError) -> Status {
    let text = error.to_string();
    match error {
        PresenceError::Invalid(_) => Status::invalid_argument(text),
        PresenceError::Unavailable { .. } | PresenceError::Closed(_) => Status::unavailable(text),
    }
}

/// Another replica answered something else.
pub(super) fn strange() -> Status {
    Status::unavailable("another replica answered something else")
}

pub(super) fn page(channel: &str, it: node::Members, is_incomplete: bool) -> proto::GetResponse {
    let last = it.members.last().filter(|_| it.has_more);
    proto::GetResponse {
        next_page_token: last
            .map(|last| page_token::write(channel, &last.client))
            .unwrap_or_default(),
        members: it.members.into_iter().map(member_of_node).collect(),
        count: Some(count(it.clients, it.users)),
        is_incomplete,
    }
}

pub(super) fn count(clients: u32, users: u32) -> proto::Count {
    proto::Count { clients, users }
}

fn member_of_node(it: node::Membership) -> proto::Member {
    proto::Member {
        client: id(&it.client),
        user: it.user,
        conn_info: it.conn_info,
        chan_info: it.chan_info,
        since: it.since,
    }
}

pub(super) fn member(it: Membership) -> proto::Member {
    proto::Member {
        client: it.client.to_string(),
        user: it.user,
        conn_info: it.conn_info,
        chan_info: it.chan_info,
        since: it.since,
    }
}

/// The text of a connection's id; empty where another replica gave none.
fn id(bytes: &[u8]) -> String {
    Uuid::from_slice(bytes)
        .map(|it| Client(*it.as_bytes()).to_string())
        .unwrap_or_default()
}

pub(super) fn state(user: &node::UserPresence) -> proto::UserState {
    proto::UserState {
        is_online: user.connection_count > 0,
        connections: user.connection_count,
        last_seen: user.last_seen,
    }
}

pub(super) fn user(found: node::Users, is_incomplete: bool) -> proto::UserResponse {
    let user = found.users.into_iter().next().unwrap_or_default();
    proto::UserResponse {
        connections: user.connections.into_iter().map(connection).collect(),
        connection_count: user.connection_count,
        channels: Vec::new(),
        last_seen: user.last_seen,
        is_incomplete,
    }
}

fn connection(it: node::UserConnection) -> proto::UserConnection {
    let connection = it.connection.unwrap_or_default();
    proto::UserConnection {
        client: id(&connection.client),
        node: it.node,
        since: connection.since,
        transport: connection.transport,
        name: connection.name,
        version: connection.app_version,
    }
}

pub(super) fn user_channel(it: node::ChannelMembership) -> proto::UserChannel {
    proto::UserChannel {
        channel: it.channel,
        connections: it.connections,
        since: it.since,
    }
}

pub(super) fn nodes(roster: &Roster, replica: String, offered: Vec<u32>) -> proto::NodesResponse {
    let (memberships, connections) = roster.entries();
    let faults = roster.faults().all().filter(|it| it.2 > 0);
    proto::NodesResponse {
        nodes: roster.nodes().map(node).collect(),
        replica,
        other_replicas: roster.peers().map(str::to_owned).collect(),
        held: roster.held(),
        ready: offered,
        memberships: memberships as u64,
        connections: connections as u64,
        faults: faults
            .map(|(fault, help, count)| proto::Fault {
                name: fault.to_string(),
                help: help.to_owned(),
                count,
            })
            .collect(),
    }
}

fn node(it: NodeView) -> proto::Node {
    use proto::node::State;
    let state = match it.state {
        NodeState::Alive => State::Alive,
        NodeState::Gone => State::Gone,
        NodeState::Ended => State::Ended,
    };
    proto::Node {
        name: it.name,
        incarnation: it.incarnation,
        state: state.into(),
        connections: it.connections,
        missing: it.missing,
    }
}
