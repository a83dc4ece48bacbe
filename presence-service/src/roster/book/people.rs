//! Users and their connections.

use std::hash::BuildHasher;

use super::members::NonMax;
use super::{Book, Done, Run, kept, number};
use crate::message::{Client, Connection};

#[derive(Debug)]
pub(super) struct UserEntry {
    pub(super) name: Box<str>,
    partition: u32,
    /// Where it stands in the list of its partition.
    place: u32,
    pub(super) connections: Vec<u32>,
    /// How many of them were told in a stream of users.
    pub(super) sessions: u32,
}

#[derive(Debug)]
pub(super) struct ConnectionEntry {
    pub(super) run: Run,
    pub(super) client: Client,
    pub(super) user: u32,
    /// Where it stands in the list of its user.
    place: u32,
    /// The first of its memberships.
    pub(super) first: Option<NonMax>,
    pub(super) conn_info: Option<Box<[u8]>>,
    /// What was told of it in a stream of users.
    pub(super) session: Option<Box<Session>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) since: u64,
    pub(super) transport: Box<str>,
    pub(super) name: Box<str>,
    pub(super) app_version: Box<str>,
}

impl Book {
    /// Notes that a user has a connection. Changed: the user was not there before.
    pub(crate) fn connect(&mut self, run: Run, it: &Connection) -> Done {
        if self.connections.len() >= self.maximum {
            return Done::Full;
        }
        let user = self.intern_user(&it.user);
        let at = self.intern_connection(run, it.client, user);
        let connection = &mut self.connections[at as usize];
        if connection.user != user {
            self.forget_user_if_unused(user);
            return Done::OtherUser;
        }
        let session = Session {
            since: it.since,
            transport: it.transport.as_str().into(),
            name: it.name.as_str().into(),
            app_version: it.app_version.as_str().into(),
        };
        let before = connection.session.replace(Box::new(session));
        if before.is_some() {
            return Done::Updated;
        }
        self.sessions += 1;
        let user = &mut self.users[user as usize];
        user.sessions += 1;
        match user.sessions {
            1 => Done::Changed,
            _ => Done::Updated,
        }
    }

    /// The number of a connection that was told in a stream of users.
    pub(crate) fn session_of(&self, run: Run, client: Client) -> Option<u32> {
        let at = self.find_connection(run, client)?;
        self.connections[at as usize].session.as_ref().map(|_| at)
    }

    /// The user of a connection.
    pub(crate) fn user_of(&self, connection: u32) -> &str {
        &self.users[self.connections[connection as usize].user as usize].name
    }

    /// The partition of the user of a connection.
    pub(crate) fn partition_of_user(&self, connection: u32) -> u32 {
        self.users[self.connections[connection as usize].user as usize].partition
    }

    /// The numbers of those that a run has in a partition's streams of users.
    pub(crate) fn sessions_of_run(&self, run: Run, partition: u32) -> Vec<u32> {
        let users = self.users_of[partition as usize].iter();
        let connections = users.flat_map(|at| self.users[*at as usize].connections.iter());
        let is_of_run = |at: &&u32| {
            let it = &self.connections[**at as usize];
            it.run == run && it.session.is_some()
        };
        connections.filter(is_of_run).copied().collect()
    }

    /// Notes that a connection has ended. Changed: the user has no other.
    pub(crate) fn disconnect(&mut self, connection: u32) -> Done {
        let it = &mut self.connections[connection as usize];
        if it.session.take().is_none() {
            return Done::Same;
        }
        self.sessions -= 1;
        let user = &mut self.users[it.user as usize];
        user.sessions -= 1;
        let is_last = user.sessions == 0;
        self.forget_connection_if_unused(connection);
        match is_last {
            true => Done::Changed,
            false => Done::Updated,
        }
    }

    pub(super) fn find_user(&self, name: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        let is_it = |at: u32| &*self.users[at as usize].name == name;
        self.users_by_name.find(hash, is_it)
    }

    pub(super) fn find_connection(&self, run: Run, client: Client) -> Option<u32> {
        let hash = self.hasher.hash_one((run, client));
        self.connections_by_client.find(hash, |at| {
            let it = &self.connections[at as usize];
            it.run == run && it.client == client
        })
    }

    pub(super) fn intern_user(&mut self, name: &str) -> u32 {
        if let Some(at) = self.find_user(name) {
            return at;
        }
        let partition = self.partition(name);
        let list = &mut self.users_of[partition as usize];
        let at = number(self.users.insert(UserEntry {
            name: name.into(),
            partition,
            place: number(list.len()),
            connections: Vec::new(),
            sessions: 0,
        }));
        list.push(at);
        let (users, hasher) = (&self.users, &self.hasher);
        let hash_of = |at: u32| hasher.hash_one(&*users[at as usize].name);
        self.users_by_name
            .insert(hasher.hash_one(name), at, hash_of);
        at
    }

    /// The connection, which is of this user unless it was of another.
    pub(super) fn intern_connection(&mut self, run: Run, client: Client, user: u32) -> u32 {
        if let Some(at) = self.find_connection(run, client) {
            return at;
        }
        let list = &mut self.users[user as usize].connections;
        let at = number(self.connections.insert(ConnectionEntry {
            run,
            client,
            user,
            place: number(list.len()),
            first: None,
            conn_info: None,
            session: None,
        }));
        list.push(at);
        let (connections, hasher) = (&self.connections, &self.hasher);
        let hash_of = |at: u32| {
            let it = &connections[at as usize];
            hasher.hash_one((it.run, it.client))
        };
        let hash = hasher.hash_one((run, client));
        self.connections_by_client.insert(hash, at, hash_of);
        at
    }

    /// Whether it is another than before.
    pub(super) fn update_conn_info(&mut self, connection: u32, info: &[u8]) -> bool {
        let it = &mut self.connections[connection as usize].conn_info;
        let is_other = it.as_deref().unwrap_or_default() != info;
        if is_other {
            *it = kept(info);
        }
        is_other
    }

    pub(super) fn forget_connection_if_unused(&mut self, at: u32) {
        let it = &self.connections[at as usize];
        if it.first.is_some() || it.session.is_some() {
            return;
        }
        let connection = self.connections.remove(at as usize);
        let hash = self.hasher.hash_one((connection.run, connection.client));
        self.connections_by_client.remove(hash, at);
        let list = &mut self.users[connection.user as usize].connections;
        list.swap_remove(connection.place as usize);
        if let Some(moved) = list.get(connection.place as usize) {
            self.connections[*moved as usize].place = connection.place;
        }
        self.forget_user_if_unused(connection.user);
    }

    pub(super) fn forget_user_if_unused(&mut self, at: u32) {
        if !self.users[at as usize].connections.is_empty() {
            return;
        }
        let user = self.users.remove(at as usize);
        let hash = self.hasher.hash_one(&*user.name);
        self.users_by_name.remove(hash, at);
        let list = &mut self.users_of[user.partition as usize];
        list.swap_remove(user.place as usize);
        if let Some(moved) = list.get(user.place as usize) {
            self.users[*moved as usize].place = user.place;
        }
    }
}
