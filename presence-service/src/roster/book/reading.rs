//! Who is where.

use std::collections::BTreeMap;

use super::{Book, Run};
use crate::message::{Client, Connection, Membership};

/// How many are in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub clients: u32,
    /// Different users; the anonymous ones are one.
    pub users: u32,
}

/// A connection, and of which run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserConnection {
    pub(crate) run: Run,
    pub(crate) connection: Connection,
}

impl Book {
    pub(crate) fn counts(&self, channel: &str) -> Counts {
        let Some(at) = self.find_channel(channel) else {
            return Counts::default();
        };
        let channel = &self.channels[at as usize];
        Counts {
            clients: super::number(channel.members.len()),
            users: channel.users,
        }
    }

    /// The first so many behind `after`, by client. Reads the whole channel, and sorts only what it gives.
    pub(crate) fn page(
        &self,
        channel: &str,
        after: Option<Client>,
        limit: usize,
    ) -> Vec<Membership> {
        let Some(at) = self.find_channel(channel) else {
            return Vec::new();
        };
        let client = |at: u32| {
            let member = &self.members[at as usize];
            self.connections[member.connection as usize].client
        };
        let members = self.channels[at as usize].members.iter();
        let mut behind: Vec<_> = members
            .map(|at| (client(*at), *at))
            .filter(|(client, _)| after.is_none_or(|after| *client > after))
            .collect();
        if behind.len() > limit {
            behind.select_nth_unstable(limit);
            behind.truncate(limit);
        }
        behind.sort_unstable();
        behind
            .into_iter()
            .map(|(_, at)| self.membership(at))
            .collect()
    }

    /// How many connections a user has.
    pub(crate) fn session_count(&self, user: &str) -> u32 {
        let user = self.find_user(user).map(|at| &self.users[at as usize]);
        user.map_or(0, |user| user.sessions)
    }

    /// The connections of a user, at most so many.
    pub(crate) fn connections(&self, user: &str, limit: usize) -> Vec<UserConnection> {
        let Some(at) = self.find_user(user) else {
            return Vec::new();
        };
        let connections = self.users[at as usize].connections.iter();
        let told = connections.filter_map(|at| {
            let it = &self.connections[*at as usize];
            let session = it.session.as_ref()?;
            Some(UserConnection {
                run: it.run,
                connection: Connection {
                    client: it.client,
                    user: user.to_owned(),
                    since: session.since,
                    transport: session.transport.to_string(),
                    name: session.name.to_string(),
                    app_version: session.app_version.to_string(),
                },
            })
        });
        told.take(limit).collect()
    }

    /// The channels of a partition that a user is in, by name: with how many connections, and since when.
    pub(crate) fn channels_of_user(
        &self,
        user: &str,
        partition: u32,
    ) -> BTreeMap<String, (u32, u64)> {
        let mut channels = BTreeMap::new();
        let Some(at) = self.find_user(user) else {
            return channels;
        };
        for connection in &self.users[at as usize].connections {
            let mut next = self.connections[*connection as usize].first;
            while let Some(at) = next {
                let member = &self.members[at.get() as usize];
                next = member.next;
                let channel = &self.channels[member.channel as usize];
                if channel.partition == partition {
                    let name = channel.name.to_string();
                    let (count, since) = channels.entry(name).or_insert((0, u64::MAX));
                    *count += 1;
                    *since = member.since.min(*since);
                }
            }
        }
        channels
    }
}
