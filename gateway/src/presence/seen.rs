//! One connection as others see it. When it is dropped, its client has left everywhere.

use std::sync::Arc;

use tidegate_backbone::{Channel, ClientInfo};

use super::Presence;
use super::entry::{Card, ClientId, Member, Online};
use crate::broadcast::Happening;

/// Most bytes of a name that a client gives itself, and of its version.
const NAME_BYTES: usize = 128;

/// What is told of one connection.
pub(crate) struct Seen {
    presence: Arc<Presence>,
    card: Arc<Card>,
    is_online: bool,
    channels: Vec<Channel>,
}

impl Seen {
    /// Of a connection about which nothing is told yet. `info` is the client as it is seen in any channel.
    pub(crate) fn new(presence: Arc<Presence>, info: &ClientInfo) -> Self {
        let client = ClientId::parse(&info.client).expect("ids of connections are UUIDs");
        let card = Card {
            client,
            user: info.user.as_str().into(),
            conn_info: info.conn_info.clone(),
        };
        Self {
            presence,
            card: Arc::new(card),
            is_online: false,
            channels: Vec::new(),
        }
    }

    /// Tells that the user is connected, and how.
    pub(crate) fn connect(&mut self, transport: &'static str, name: &str, version: &str) {
        if self.card.user.is_empty() {
            return;
        }
        self.is_online = true;
        let has_names = !name.is_empty() || !version.is_empty();
        self.presence.streams.connect(Online {
            card: Arc::clone(&self.card),
            since: super::now(),
            transport,
            names: has_names.then(|| Arc::new((clip(name), clip(version)))),
        });
    }

    /// Tells that the client is in a channel; other subscribers as well, if that `is_announced`.
    pub(crate) fn join(&mut self, channel: &Channel, info: &ClientInfo, is_announced: bool) {
        let chan_info = &info.chan_info;
        let member = Member {
            card: Arc::clone(&self.card),
            chan_info: (!chan_info.is_empty()).then(|| Arc::from(&chan_info[..])),
            since: super::now(),
            is_announced,
        };
        self.presence.streams.join(channel, member);
        self.channels.reserve_exact(1);
        self.channels.push(channel.clone());
        if is_announced {
            self.presence.events.tell(channel, Happening::Join, info);
        }
    }

    /// Tells that it is not any more.
    pub(crate) fn leave(&mut self, channel: &Channel) {
        if let Some(index) = self.channels.iter().position(|it| it == channel) {
            self.left(&self.channels[index]);
            self.channels.swap_remove(index);
        }
    }

    fn left(&self, channel: &Channel) {
        let member = self.presence.streams.leave(channel, self.card.client);
        if let Some(member) = member.filter(|it| it.is_announced) {
            let events = &self.presence.events;
            events.tell(channel, Happening::Leave, &member.info());
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.channels.iter().for_each(|channel| self.left(channel));
        if self.is_online {
            self.presence.streams.disconnect(&self.card);
        }
    }
}

/// The beginning of a text.
fn clip(text: &str) -> String {
    text[..text.floor_char_boundary(NAME_BYTES)].to_owned()
}
