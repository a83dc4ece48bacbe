//! Channels and who is in them.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;

use super::{Book, Done, Run, kept, number};
use crate::message::{Client, Membership};

#[derive(Debug)]
pub(super) struct ChannelEntry {
    pub(super) name: Box<str>,
    pub(super) partition: u32,
    /// Where it stands in the list of its partition.
    place: u32,
    pub(super) members: Vec<u32>,
    /// How many different users are in it.
    pub(super) users: u32,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) channel: u32,
    pub(super) connection: u32,
    /// Where it stands in the list of its channel.
    place: u32,
    /// The next of the same connection.
    pub(super) next: Option<NonMax>,
    pub(super) since: u64,
    pub(super) chan_info: Option<Box<[u8]>>,
}

#[derive(Debug)]
pub(super) struct UserCount {
    channel: u32,
    user: u32,
    connections: u32,
}

/// The number of a member, so that none takes no room of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NonMax(std::num::NonZeroU32);

impl NonMax {
    pub(super) fn new(at: u32) -> Self {
        let one_more = at.saturating_add(1);
        Self(std::num::NonZeroU32::new(one_more).expect("one more than something is above zero"))
    }

    pub(super) fn get(self) -> u32 {
        self.0.get() - 1
    }
}

impl Book {
    /// Puts a client into a channel.
    pub(crate) fn join(&mut self, run: Run, it: &Membership) -> Done {
        if self.members.len() >= self.maximum || self.connections.len() >= self.maximum {
            return Done::Full;
        }
        let user = self.intern_user(&it.user);
        let connection = self.intern_connection(run, it.client, user);
        if self.connections[connection as usize].user != user {
            self.forget_user_if_unused(user);
            return Done::OtherUser;
        }
        let channel = self.intern_channel(&it.channel);
        let infos = self.update_conn_info(connection, &it.conn_info);
        match self.find_member(channel, connection) {
            Some(at) => {
                let member = &mut self.members[at as usize];
                let is_same = member.since == it.since
                    && member.chan_info.as_deref().unwrap_or_default() == &*it.chan_info;
                member.since = it.since;
                member.chan_info = kept(&it.chan_info);
                if is_same && !infos {
                    Done::Same
                } else {
                    Done::Updated
                }
            }
            None => {
                self.insert_member(channel, connection, it);
                Done::Changed
            }
        }
    }

    /// Takes a client out of a channel.
    pub(crate) fn leave(&mut self, run: Run, channel: &str, client: Client) -> Done {
        match self.member_of(run, channel, client) {
            Some(at) => {
                self.remove_member(at);
                Done::Changed
            }
            None => Done::Same,
        }
    }

    /// The number of a client in a channel.
    pub(crate) fn member_of(&self, run: Run, channel: &str, client: Client) -> Option<u32> {
        let channel = self.find_channel(channel)?;
        let connection = self.find_connection(run, client)?;
        self.find_member(channel, connection)
    }

    /// The numbers of those that a run has in a partition's channels.
    pub(crate) fn members_of_run(&self, run: Run, partition: u32) -> Vec<u32> {
        let channels = self.channels_of[partition as usize].iter();
        let members = channels.flat_map(|at| self.channels[*at as usize].members.iter());
        let is_of_run = |at: &&u32| {
            let connection = self.members[**at as usize].connection;
            self.connections[connection as usize].run == run
        };
        members.filter(is_of_run).copied().collect()
    }

    /// Who that is.
    pub(crate) fn membership(&self, at: u32) -> Membership {
        let member = &self.members[at as usize];
        let connection = &self.connections[member.connection as usize];
        let info = |it: &Option<Box<[u8]>>| it.as_deref().unwrap_or_default().to_vec().into();
        Membership {
            channel: self.channels[member.channel as usize].name.to_string(),
            client: connection.client,
            user: self.users[connection.user as usize].name.to_string(),
            conn_info: info(&connection.conn_info),
            chan_info: info(&member.chan_info),
            since: member.since,
        }
    }

    /// Takes that one out of its channel.
    pub(crate) fn remove_member(&mut self, at: u32) {
        let member = self.members.remove(at as usize);
        let hash = self.hasher.hash_one((member.channel, member.connection));
        self.members_by_place.remove(hash, at);
        self.unlink(at, &member);
        let user = self.connections[member.connection as usize].user;
        self.uncount_user(member.channel, user);
        let channel = &mut self.channels[member.channel as usize];
        channel.members.swap_remove(member.place as usize);
        if let Some(moved) = channel.members.get(member.place as usize) {
            self.members[*moved as usize].place = member.place;
        }
        if channel.members.is_empty() {
            self.forget_channel(member.channel);
        }
        self.forget_connection_if_unused(member.connection);
    }

    pub(super) fn find_channel(&self, name: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        let is_it = |at: u32| &*self.channels[at as usize].name == name;
        self.channels_by_name.find(hash, is_it)
    }

    fn find_member(&self, channel: u32, connection: u32) -> Option<u32> {
        let hash = self.hasher.hash_one((channel, connection));
        self.members_by_place.find(hash, |at| {
            let it = &self.members[at as usize];
            it.channel == channel && it.connection == connection
        })
    }

    fn intern_channel(&mut self, name: &str) -> u32 {
        if let Some(at) = self.find_channel(name) {
            return at;
        }
        let partition = self.partition(name);
        let list = &mut self.channels_of[partition as usize];
        let at = number(self.channels.insert(ChannelEntry {
            name: name.into(),
            partition,
            place: number(list.len()),
            members: Vec::new(),
            users: 0,
        }));
        list.push(at);
        let (channels, hasher) = (&self.channels, &self.hasher);
        let hash_of = |at: u32| hasher.hash_one(&*channels[at as usize].name);
        self.channels_by_name
            .insert(hasher.hash_one(name), at, hash_of);
        at
    }

    fn forget_channel(&mut self, at: u32) {
        let channel = self.channels.remove(at as usize);
        let hash = self.hasher.hash_one(&*channel.name);
        self.channels_by_name.remove(hash, at);
        let list = &mut self.channels_of[channel.partition as usize];
        list.swap_remove(channel.place as usize);
        if let Some(moved) = list.get(channel.place as usize) {
            self.channels[*moved as usize].place = channel.place;
        }
    }

    fn insert_member(&mut self, channel: u32, connection: u32, it: &Membership) {
        let list = &mut self.channels[channel as usize].members;
        let at = number(self.members.insert(Member {
            channel,
            connection,
            place: number(list.len()),
            next: self.connections[connection as usize].first,
            since: it.since,
            chan_info: kept(&it.chan_info),
        }));
        list.push(at);
        self.connections[connection as usize].first = Some(NonMax::new(at));
        let (members, hasher) = (&self.members, &self.hasher);
        let hash_of = |at: u32| {
            let it = &members[at as usize];
            hasher.hash_one((it.channel, it.connection))
        };
        let hash = hasher.hash_one((channel, connection));
        self.members_by_place.insert(hash, at, hash_of);
        self.count_user(channel, self.connections[connection as usize].user);
    }

    /// Takes a member out of the list of its connection, which has few.
    fn unlink(&mut self, at: u32, member: &Member) {
        let connection = &mut self.connections[member.connection as usize];
        if connection.first == Some(NonMax::new(at)) {
            connection.first = member.next;
            return;
        }
        let mut before = connection.first;
        while let Some(it) = before {
            let it = &mut self.members[it.get() as usize];
            if it.next == Some(NonMax::new(at)) {
                it.next = member.next;
                return;
            }
            before = it.next;
        }
    }

    fn count_user(&mut self, channel: u32, user: u32) {
        let hasher = &self.hasher;
        let entry = self.user_counts.entry(
            hasher.hash_one((channel, user)),
            |it| it.channel == channel && it.user == user,
            |it| hasher.hash_one((it.channel, it.user)),
        );
        match entry {
            Entry::Occupied(mut entry) => entry.get_mut().connections += 1,
            Entry::Vacant(entry) => {
                entry.insert(UserCount {
                    channel,
                    user,
                    connections: 1,
                });
                self.channels[channel as usize].users += 1;
            }
        }
    }

    fn uncount_user(&mut self, channel: u32, user: u32) {
        let hash = self.hasher.hash_one((channel, user));
        let is_it = |it: &UserCount| it.channel == channel && it.user == user;
        let Ok(mut entry) = self.user_counts.find_entry(hash, is_it) else {
            return;
        };
        entry.get_mut().connections -= 1;
        if entry.get().connections == 0 {
            entry.remove();
            self.channels[channel as usize].users -= 1;
        }
    }
}
