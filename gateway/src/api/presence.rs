//! Who is in a channel, as the presence service says.

use tidegate_backbone::Channel;
use tidegate_codec::{ErrorCode, Failure};

use super::{Api, Outcome};
use crate::presence::Presence;
use crate::session::PresenceError;

impl Api {
    pub(super) async fn presence(&self, channel: &str) -> Result<Outcome, Failure> {
        let (channel, presence) = self.shown(channel)?;
        let members = presence.members(&channel).await.map_err(failure)?;
        Ok(Outcome::Presence(members))
    }

    pub(super) async fn presence_stats(&self, channel: &str) -> Result<Outcome, Failure> {
        let (channel, presence) = self.shown(channel)?;
        let (clients, users) = presence.counts(&channel).await.map_err(failure)?;
        Ok(Outcome::PresenceStats { clients, users })
    }

    /// A channel that has presence, and who knows it.
    fn shown(&self, channel: &str) -> Result<(Channel, &Presence), Failure> {
        let (channel, rules) = self.rules().channel(channel)?;
        let presence = self.cluster.node.presence.as_deref();
        match presence.filter(|_| rules.options.presence) {
            Some(presence) => Ok((channel, presence)),
            None => Err(ErrorCode::NotAvailable.into()),
        }
    }
}

fn failure(error: PresenceError) -> Failure {
    match error {
        PresenceError::Unavailable(_) => ErrorCode::Internal.into(),
        PresenceError::TooMany => ErrorCode::LimitExceeded.into(),
    }
}
