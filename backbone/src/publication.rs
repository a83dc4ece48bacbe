//! A publication on its way between nodes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Channel, Error, MAX_VERSION_EPOCH_BYTES, Place, TraceContext, Version};

/// What was published, with its metadata. Cheap to clone but for `tags`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    /// The payload: any bytes.
    pub data: Bytes,
    /// Who published, when a client did.
    pub info: Option<ClientInfo>,
    /// The application's labels.
    pub tags: BTreeMap<String, String>,
    /// Where there is a stream: an id of the publisher's own, so that what it sends again is stored once; empty for none.
    /// Those who receive the publication do not get it.
    pub id: String,
    /// Where there is a stream: which state of a document it is. One that is superseded by what the channel keeps is not stored,
    /// and nobody hears it. Where it would not be stored anyway it is refused with [`Error::NotKept`](crate::Error::NotKept).
    pub version: Option<Version>,
    /// Whether it is for those alone who listen now, where there is a stream: it is not stored, and has no place.
    pub skips_history: bool,
    /// Where it stands in the channel's stream; `None` when it is being published, or there is no stream.
    pub place: Option<Place>,
    /// The span that sent it, where somebody says so.
    pub trace: Option<TraceContext>,
}

impl Publication {
    /// Whether it can be published to a channel, where it is stored or not.
    pub(crate) fn check(&self, channel: &Channel, is_kept: bool) -> Result<(), Error> {
        let Some(version) = &self.version else {
            return Ok(());
        };
        if !is_kept || self.skips_history {
            return Err(Error::NotKept(channel.clone()));
        }
        let (size, limit) = (version.epoch.len(), MAX_VERSION_EPOCH_BYTES);
        match size > limit {
            true => Err(Error::TooLarge { size, limit }),
            false => Ok(()),
        }
    }
}

/// The connection that a publication came from, as other clients may see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// User id; empty for an anonymous user.
    pub user: String,
    /// Connection id.
    pub client: String,
    /// Payload attached to the connection.
    pub conn_info: Bytes,
    /// Payload attached to the subscription.
    pub chan_info: Bytes,
}
