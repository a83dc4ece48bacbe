//! Publications of backends.

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::{StreamExt, stream};
use tidegate_backbone::{Channel, Error, Position, Publication};
use tidegate_codec::{ErrorCode, Failure};

use super::{Api, Broadcast, MAX_OPERATIONS, Publish, Publishing};
use crate::counters::Origin;
use crate::publishing;

/// Publications of one broadcast under way at a time.
const WIDTH: usize = 256;

impl Api {
    pub(super) async fn publish(&self, publish: Publish) -> Result<Option<Position>, Failure> {
        self.publish_to(publish.channel, publish.what).await
    }

    pub(super) async fn broadcast(
        &self,
        broadcast: Broadcast,
    ) -> Result<Vec<Result<Option<Position>, Failure>>, Failure> {
        if broadcast.channels.is_empty() || broadcast.what.data.is_empty() {
            return Err(ErrorCode::BadRequest.into());
        }
        if broadcast.channels.len() > MAX_OPERATIONS {
            return Err(ErrorCode::LimitExceeded.into());
        }
        let channels = stream::iter(broadcast.channels);
        let sent = channels.map(|channel| self.publish_to(channel, broadcast.what.clone()));
        Ok(sent.buffered(WIDTH).collect().await)
    }

    async fn publish_to(
        &self,
        channel: String,
        what: Publishing,
    ) -> Result<Option<Position>, Failure> {
        if what.data.is_empty() {
            return Err(ErrorCode::BadRequest.into());
        }
        let (channel, rules) = self.rules().channel(&channel)?;
        let is_kept = rules.options.is_kept() && !what.skip_history;
        let id = id(&channel, &what.idempotency_key);
        let publication = Publication {
            data: what.data,
            tags: what.tags,
            id: if is_kept { id.clone() } else { String::new() },
            version: what.version,
            skips_history: what.skip_history,
            ..Publication::default()
        };
        if is_kept || id.is_empty() {
            return self.send(&channel, publication).await;
        }
        if !self.recent.is_first(&id) {
            return Ok(None);
        }
        let sent = self.send(&channel, publication).await;
        if sent.is_err() {
            self.recent.forget(&id);
        }
        sent
    }

    async fn send(
        &self,
        channel: &Channel,
        publication: Publication,
    ) -> Result<Option<Position>, Failure> {
        let node = &self.cluster.node;
        let sent = publishing::send(node, channel, publication, Origin::Backend).await;
        let confirmed = match sent {
            Ok(sent) => sent.confirmed().await,
            Err(error) => Err(error),
        };
        confirmed.map_err(|error| {
            tracing::debug!(channel = channel.as_str(), %error, "publish of a backend failed");
            failure(&error)
        })
    }
}

/// What a backend is told of the backbone's errors.
pub(super) fn failure(error: &Error) -> Failure {
    match error {
        Error::Unavailable(_) => ErrorCode::Internal.into(),
        Error::TooLarge { .. } => ErrorCode::BadRequest.into(),
        Error::NotKept(_) => ErrorCode::NotAvailable.into(),
    }
}

/// The id that a publication is stored under. A stream has many channels, of which each has keys of its own.
fn id(channel: &Channel, key: &str) -> String {
    if key.is_empty() {
        return String::new();
    }
    let digest = digest(&SHA256, format!("{channel}\0{key}").as_bytes());
    let halves = digest.as_ref()[..16].iter();
    halves.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_publication_of_one_channel() {
        let id = |channel: &str, key| id(&Channel::parse(channel).unwrap(), key);
        assert_eq!(id("a", ""), "");
        assert_eq!(id("a", "k"), id("a", "k"));
        assert_ne!(id("a", "k"), id("b", "k"));
        assert_ne!(id("a", "k"), id("a", "l"));
        assert!(id("a", "\n").bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
