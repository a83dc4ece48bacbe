//! One publication on its way to the workers, and its forms for clients: as it is, or as a patch of the one before it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tidegate_backbone::{Channel, Place, Publication};
use tidegate_codec::delta::{self, Alignment};
use tidegate_codec::{ClientInfo, Encoded, Event, Format, Push};

use crate::counters::Counters;

/// One publication on its way to the node's workers, encoded once per form for all of them.
#[derive(Debug, Clone)]
pub struct Broadcast(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    channel: Channel,
    publication: Publication,
    /// Payload of the channel's publication before it, where that is at hand.
    base: Option<Bytes>,
    /// Offset up to which the channel has nothing but this publication.
    after: u64,
    forms: [OnceLock<Option<Encoded>>; Form::COUNT],
    counters: Arc<Counters>,
}

/// How a client gets publications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Plain(Format),
    /// As the first one that later ones are patches of.
    Whole(Format),
    /// As a patch of the one before it, if that is smaller.
    Patch(Format),
}

impl Form {
    const COUNT: usize = 6;

    fn index(self) -> usize {
        let place = |format| match format {
            Format::Json => 0,
            Format::Protobuf => 3,
        };
        match self {
            Self::Plain(format) => place(format),
            Self::Whole(format) => place(format) + 1,
            Self::Patch(format) => place(format) + 2,
        }
    }

    fn format(self) -> Format {
        let (Self::Plain(format) | Self::Whole(format) | Self::Patch(format)) = self;
        format
    }
}

impl Broadcast {
    /// A publication that nobody has needed encoded yet.
    #[must_use]
    pub fn new(channel: Channel, publication: Publication, counters: Arc<Counters>) -> Self {
        Self(Arc::new(Encodings {
            channel,
            publication,
            base: None,
            after: 0,
            forms: Default::default(),
            counters,
        }))
    }

    /// The same publication of a kept channel, whose one before it had this payload, if that is at hand, and this offset.
    pub(crate) fn behind(self, base: Option<Bytes>, after: u64) -> Self {
        let mut encodings = Arc::into_inner(self.0).expect("it was made just now");
        encodings.base = base;
        encodings.after = after;
        Self(Arc::new(encodings))
    }

    /// Whether who had the publication at this offset last can be given it, as a patch too. One that was read again, after
    /// the one before it was removed, may be a patch of another.
    pub(crate) fn continues(&self, offset: u64) -> bool {
        self.0.base.is_none() || self.0.after == offset
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.0.channel
    }

    /// Its payload.
    #[must_use]
    pub fn data(&self) -> Bytes {
        self.0.publication.data.clone()
    }

    /// Bytes of its payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.publication.data.len()
    }

    /// Its place in the stream of a kept channel.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.publication.place.as_ref()
    }

    /// Its offset in a kept channel.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.place().map_or(0, |place| place.offset)
    }

    /// In a kept channel, the offset from which on nothing but this publication was missing.
    pub(crate) fn after(&self) -> u64 {
        self.0.after
    }

    /// The value of a tag; empty when there is none.
    pub(crate) fn key(&self, tag: &str) -> &str {
        self.0.publication.tags.get(tag).map_or("", String::as_str)
    }

    /// The push in a form; `None` when the publication has none such.
    #[must_use]
    pub fn encoded(&self, form: Form) -> Option<&Encoded> {
        let cell = &self.0.forms[form.index()];
        cell.get_or_init(|| self.encode(form)).as_ref()
    }

    fn encode(&self, form: Form) -> Option<Encoded> {
        let event = Event::Publication(self.publication(form));
        let push = Push {
            channel: self.0.channel.as_str().to_owned(),
            event,
        };
        let encoded = form.format().encode_push(&push);
        if encoded.is_err() {
            self.0.counters.not_json.add(1);
            tracing::debug!(
                channel = self.0.channel.as_str(),
                "publication is not valid JSON, JSON clients do not get it"
            );
        }
        encoded.ok()
    }

    /// The publication as a client sees it.
    pub(crate) fn publication(&self, form: Form) -> tidegate_codec::Publication {
        let format = form.format();
        let mut seen = to_client(&self.0.publication, format);
        // What is no JSON has no form for JSON clients, a string neither.
        if matches!(form, Form::Plain(_)) || !format.accepts(&seen.data) {
            return seen;
        }
        if let (Form::Patch(_), Some(base)) = (form, &self.0.base)
            && let Some(patch) = patch(format, base, &seen.data)
        {
            seen.data = patch;
            seen.delta = true;
        }
        match format.delta_data(&seen.data) {
            Ok(data) => seen.data = data,
            // What is not text is refused by the encoder, as everywhere.
            Err(_) => seen.delta = false,
        }
        seen
    }
}

/// What turns one payload into the next, if that is smaller. Of texts it is text.
fn patch(format: Format, base: &Bytes, target: &Bytes) -> Option<Bytes> {
    let alignment = match format {
        Format::Json if !format.accepts(base) => return None,
        Format::Json => Alignment::Characters,
        Format::Protobuf => Alignment::Bytes,
    };
    delta::patch(base, target, alignment)
}

/// A publication as clients of `format` see it. Payloads about the publisher that the format cannot carry, from a token's
/// `b64info`, are left out.
pub(crate) fn to_client(publication: &Publication, format: Format) -> tidegate_codec::Publication {
    let payload = |bytes: &Bytes| match format.accepts(bytes) {
        true => bytes.clone(),
        false => Bytes::new(),
    };
    let place = publication.place.as_ref();
    let first = place.filter(|place| place.offset == 1);
    tidegate_codec::Publication {
        data: publication.data.clone(),
        info: publication.info.as_ref().map(|info| ClientInfo {
            user: info.user.clone(),
            client: info.client.clone(),
            conn_info: payload(&info.conn_info),
            chan_info: payload(&info.chan_info),
        }),
        tags: publication.tags.clone(),
        offset: place.map_or(0, |place| place.offset),
        time: place.map_or(0, |place| i64::try_from(place.time).unwrap_or(i64::MAX)),
        // A client that subscribed before there was anything learns it so.
        epoch: first.map_or_else(String::new, |place| place.epoch.to_string()),
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
