//! A publication on its way between nodes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Place, TraceContext};

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
    /// Where it stands in the channel's stream; `None` when it is being published, or there is no stream.
    pub place: Option<Place>,
    /// The span that sent it, where somebody says so.
    pub trace: Option<TraceContext>,
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
