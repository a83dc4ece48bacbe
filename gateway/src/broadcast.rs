//! One publication on its way to the workers, and its forms for clients.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tidegate_backbone::{Channel, Publication};
use tidegate_codec::{ClientInfo, Encoded, Event, Format, Push};

use crate::counters::Counters;

/// One publication on its way to the node's workers, encoded once per format for all of them.
#[derive(Debug, Clone)]
pub struct Broadcast(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    channel: Channel,
    publication: Publication,
    json: OnceLock<Option<Encoded>>,
    protobuf: OnceLock<Option<Encoded>>,
    counters: Arc<Counters>,
}

impl Broadcast {
    /// A publication that nobody has needed encoded yet.
    #[must_use]
    pub fn new(channel: Channel, publication: Publication, counters: Arc<Counters>) -> Self {
        Self(Arc::new(Encodings {
            channel,
            publication,
            json: OnceLock::new(),
            protobuf: OnceLock::new(),
            counters,
        }))
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.0.channel
    }

    /// Bytes of its payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.publication.data.len()
    }

    /// The value of a tag; empty when there is none.
    pub(crate) fn key(&self, tag: &str) -> &str {
        self.0.publication.tags.get(tag).map_or("", String::as_str)
    }

    /// The push for clients of `format`; `None` when the publication has no form there.
    #[must_use]
    pub fn encoded(&self, format: Format) -> Option<&Encoded> {
        let cell = match format {
            Format::Json => &self.0.json,
            Format::Protobuf => &self.0.protobuf,
        };
        cell.get_or_init(|| self.encode(format)).as_ref()
    }

    fn encode(&self, format: Format) -> Option<Encoded> {
        let event = Event::Publication(to_client(&self.0.publication, format));
        let push = Push {
            channel: self.0.channel.as_str().to_owned(),
            event,
        };
        let encoded = format.encode_push(&push);
        if encoded.is_err() {
            self.0.counters.not_json.add(1);
            tracing::debug!(
                channel = self.0.channel.as_str(),
                "publication is not valid JSON, JSON clients do not get it"
            );
        }
        encoded.ok()
    }
}

/// A publication as clients of `format` see it. Payloads about the publisher that the format cannot carry, from a token's
/// `b64info`, are left out.
fn to_client(publication: &Publication, format: Format) -> tidegate_codec::Publication {
    let payload = |bytes: &Bytes| match format.accepts(bytes) {
        true => bytes.clone(),
        false => Bytes::new(),
    };
    tidegate_codec::Publication {
        data: publication.data.clone(),
        info: publication.info.as_ref().map(|info| ClientInfo {
            user: info.user.clone(),
            client: info.client.clone(),
            conn_info: payload(&info.conn_info),
            chan_info: payload(&info.chan_info),
        }),
        tags: publication.tags.clone(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_that_is_not_json_is_left_out_for_json_clients_alone() {
        let info = tidegate_backbone::ClientInfo {
            user: "42".to_owned(),
            conn_info: Bytes::from_static(b"\xffhello"),
            chan_info: Bytes::from_static(b"{}"),
            ..Default::default()
        };
        let publication = Publication {
            data: Bytes::from_static(b"1"),
            info: Some(info),
            ..Publication::default()
        };
        let json = to_client(&publication, Format::Json).info.unwrap();
        assert_eq!(
            (json.conn_info.as_ref(), json.chan_info.as_ref()),
            (&b""[..], &b"{}"[..])
        );
        assert_eq!(json.user, "42");
        let protobuf = to_client(&publication, Format::Protobuf).info.unwrap();
        assert_eq!(protobuf.conn_info.as_ref(), b"\xffhello");
    }
}
