//! Answers about who is where.

use super::{Counts, Effect, NodeState, NodeView, Roster};
use crate::message::encode::size;
use crate::message::{CHUNK_BYTES, Change, Client, Connection, Membership};
use tidegate_proto::node::partition;

/// The partition is another replica's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("partition {0} is not held here")]
pub struct NotHeld(pub u32);

/// Some of those who are in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// By client.
    pub members: Vec<Membership>,
    /// There are more behind the last.
    pub has_more: bool,
    /// Of the whole channel.
    pub counts: Counts,
}

/// A connection of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionView {
    pub connection: Connection,
    pub node: String,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserView {
    pub connections: Vec<ConnectionView>,
    pub connection_count: u32,
    /// Milliseconds since the Unix epoch, of one who is not there.
    pub last_seen: Option<u64>,
}

/// A channel that a user is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelView {
    pub channel: String,
    pub connections: u32,
    /// Milliseconds since the Unix epoch.
    pub since: u64,
}

impl Roster {
    /// Who is in a channel, behind a client.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub fn page(
        &self,
        channel: &str,
        after: Option<Client>,
        limit: usize,
    ) -> Result<Page, NotHeld> {
        self.check(partition(channel, self.options.partitions))?;
        let mut members = self.book.page(channel, after, limit.saturating_add(1));
        let mut has_more = members.len() > limit;
        members.truncate(limit);
        let mut room = CHUNK_BYTES;
        let fits = |it: &Membership| {
            let needed = size(&Change::Join(it.clone()));
            let fits = needed <= room || room == CHUNK_BYTES;
            room = room.saturating_sub(needed);
            fits
        };
        let fitting = members.iter().map_while({
            let mut fits = fits;
            move |it| fits(it).then_some(())
        });
        let count = fitting.count();
        has_more |= count < members.len();
        members.truncate(count);
        Ok(Page {
            members,
            has_more,
            counts: self.book.counts(channel),
        })
    }

    /// Everyone in a channel.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub fn everyone(&self, channel: &str) -> Result<Vec<Membership>, NotHeld> {
        self.check(partition(channel, self.options.partitions))?;
        Ok(self.book.page(channel, None, usize::MAX))
    }

    /// How many are in a channel.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub fn counts(&self, channel: &str) -> Result<Counts, NotHeld> {
        self.check(partition(channel, self.options.partitions))?;
        Ok(self.book.counts(channel))
    }

    /// The connections of a user, at most so many, and when they were last seen.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub fn user(&self, user: &str, limit: usize) -> Result<UserView, NotHeld> {
        self.check(partition(user, self.options.partitions))?;
        let connection_count = self.book.session_count(user);
        let connections = self.book.connections(user, limit).into_iter();
        let connections = connections.map(|it| ConnectionView {
            node: self.name_of(it.run),
            connection: it.connection,
        });
        Ok(UserView {
            connections: connections.collect(),
            connection_count,
            last_seen: match connection_count {
                0 => self.last_seen.of(user),
                _ => None,
            },
        })
    }

    /// The channels of a partition that a user is in, at most so many.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub fn channels_of(
        &self,
        user: &str,
        partition: u32,
        limit: usize,
    ) -> Result<Vec<ChannelView>, NotHeld> {
        self.check(partition)?;
        let channels = self.book.channels_of_user(user, partition).into_iter();
        let view = |(channel, (connections, since))| ChannelView {
            channel,
            connections,
            since,
        };
        Ok(channels.take(limit).map(view).collect())
    }

    /// From now on every change of a channel is an effect, or is not any more.
    pub fn watch(&mut self, channel: &str, is_watched: bool) {
        if is_watched {
            self.watched.insert(channel.to_owned());
        } else {
            self.watched.remove(channel);
        }
    }

    /// The nodes that are remembered, by name.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView> {
        self.nodes.iter().map(|(name, node)| NodeView {
            name: name.clone(),
            incarnation: node.incarnation,
            state: node.state,
            connections: node.connections,
            missing: match node.state {
                NodeState::Alive => node.missing(&self.held),
                NodeState::Gone | NodeState::Ended => 0,
            },
        })
    }

    /// The other replicas that live.
    pub fn peers(&self) -> impl Iterator<Item = &str> {
        self.peers.others()
    }

    /// How many memberships and connections of users are here.
    #[must_use]
    pub fn entries(&self) -> (usize, usize) {
        (self.book.memberships(), self.book.sessions())
    }

    /// Whether everything of every held partition is here, as far as living nodes have told.
    #[must_use]
    pub fn is_everything_whole(&self) -> bool {
        let mut alive = self.nodes().filter(|node| node.state == NodeState::Alive);
        self.sweeps.is_empty() && alive.all(|node| node.missing == 0)
    }

    fn check(&self, partition: u32) -> Result<(), NotHeld> {
        match self.held.get(partition as usize) {
            Some(true) => Ok(()),
            Some(false) | None => Err(NotHeld(partition)),
        }
    }

    fn name_of(&self, run: u32) -> String {
        let node = self.nodes.iter().find(|(_, node)| node.run == run);
        node.map_or_else(String::new, |(name, _)| name.clone())
    }
}

impl Effect {
    /// The channel that a watched change is of.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Joined(membership) => Some(&membership.channel),
            Self::Left { channel, .. } => Some(channel),
            Self::Ask { .. } | Self::Gone(_) | Self::Online { .. } => None,
        }
    }
}
