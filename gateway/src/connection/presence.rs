//! What others are told of a connection, as it joins and leaves.

use std::sync::Arc;

use tidegate_backbone::Channel;

use super::Connection;
use crate::presence::Seen;

impl Connection {
    /// Tells who is connected.
    pub(super) fn introduce(&mut self, name: &str, version: &str) {
        if self.user().is_none_or(str::is_empty) {
            return;
        }
        let transport = self.outbox.wire().transport();
        if let Some(seen) = self.seen() {
            seen.connect(transport, name, version);
        }
    }

    /// Tells of a subscription, where that is to be told.
    pub(super) fn show(&mut self, channel: &Channel) {
        let standing = self.session.standing(channel);
        if !standing.is_shown {
            return;
        }
        let info = self.session.client_info(channel);
        if let Some(seen) = self.seen() {
            seen.join(channel, &info, standing.is_announced);
        }
    }

    /// Tells that it has ended.
    pub(super) fn hide(&mut self, channel: &Channel) {
        if let Some(seen) = &mut self.seen {
            seen.leave(channel);
        }
    }

    fn seen(&mut self) -> Option<&mut Seen> {
        if self.seen.is_none() {
            let presence = Arc::clone(self.node().presence.as_ref()?);
            let info = self.session.own_info();
            self.seen = Some(Box::new(Seen::new(presence, &info)));
        }
        self.seen.as_deref_mut()
    }
}
