//! One publication on its way to the workers, and its forms for clients: as it is, or as a patch of the one before it. So go
//! joins and leaves, too.

mod journey;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tidegate_backbone::{Channel, Place, Publication};
use tidegate_codec::delta::{self, Alignment};
use tidegate_codec::{ClientInfo, Encoded, Event, Format, Push, SharedPublication};

use crate::counters::Counters;
use journey::Journey;

/// One publication on its way to the node's workers, encoded once per form for all of them.
#[derive(Debug, Clone)]
pub struct Broadcast(Arc<Encodings>, Option<Arc<Journey>>);

#[derive(Debug)]
struct Encodings {
    channel: Channel,
    content: Content,
    /// When it came to this node.
    since: Instant,
    /// Payload of the channel's publication before it, where that is at hand.
    base: Option<Bytes>,
    /// Offset up to which the channel has nothing but this publication.
    after: u64,
    forms: [OnceLock<Option<Encoded>>; Form::COUNT],
    /// What replies to clients that come back hold of it; nothing until the first one does.
    shared: OnceLock<Box<SharedForms>>,
    counters: Arc<Counters>,
}

type SharedForms = [OnceLock<Option<SharedPublication>>; Form::COUNT];

#[derive(Debug)]
enum Content {
    Publication(Publication),
    Happening(Happening, tidegate_backbone::ClientInfo),
}

/// What subscribers may be told of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// One has come.
    Join,
    /// One has gone.
    Leave,
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
        Self::of(channel, Content::Publication(publication), counters)
    }

    /// A join or leave that nobody has needed encoded yet.
    #[must_use]
    pub fn happening(
        channel: Channel,
        happening: Happening,
        info: tidegate_backbone::ClientInfo,
        counters: Arc<Counters>,
    ) -> Self {
        Self::of(channel, Content::Happening(happening, info), counters)
    }

    fn of(channel: Channel, content: Content, counters: Arc<Counters>) -> Self {
        let encodings = Encodings {
            channel,
            content,
            since: Instant::now(),
            base: None,
            after: 0,
            forms: Default::default(),
            shared: OnceLock::new(),
            counters,
        };
        Self(Arc::new(encodings), None)
    }

    /// The same publication of a kept channel, whose one before it had this payload, if that is at hand, and this offset.
    pub(crate) fn behind(self, base: Option<Bytes>, after: u64) -> Self {
        let mut encodings = Arc::into_inner(self.0).expect("it was made just now");
        encodings.base = base;
        encodings.after = after;
        Self(Arc::new(encodings), None)
    }

    /// The same on its way to workers, traced if its publisher wants that; `None` if it does not.
    pub(crate) fn traced(&self) -> Option<Self> {
        let journey = Journey::begin(self.channel(), self.published()?.trace)?;
        Some(Self(Arc::clone(&self.0), Some(Arc::new(journey))))
    }

    /// A worker takes it up.
    pub(crate) fn taken(&self) {
        if let Some(journey) = &self.1 {
            journey.taken();
        }
    }

    /// It was queued for so many more subscribers.
    pub(crate) fn queued(&self, subscribers: usize) {
        if let Some(journey) = &self.1 {
            journey.queued(subscribers);
        }
    }

    /// When it came to this node.
    pub(crate) fn since(&self) -> Instant {
        self.0.since
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

    fn published(&self) -> Option<&Publication> {
        match &self.0.content {
            Content::Publication(publication) => Some(publication),
            Content::Happening(..) => None,
        }
    }

    /// Whether it is a join or leave.
    #[must_use]
    pub fn is_happening(&self) -> bool {
        matches!(self.0.content, Content::Happening(..))
    }

    /// Its payload.
    #[must_use]
    pub fn data(&self) -> Bytes {
        self.published()
            .map_or_else(Bytes::new, |it| it.data.clone())
    }

    /// Bytes of its payload.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.0.content {
            Content::Publication(it) => it.data.len(),
            Content::Happening(_, it) => it.conn_info.len() + it.chan_info.len(),
        }
    }

    /// Its place in the stream of a kept channel.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.published()?.place.as_ref()
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

    /// The value of a tag; empty when there is none. Of a join or leave, the client, whose latest one counts.
    pub(crate) fn key(&self, tag: &str) -> &str {
        match &self.0.content {
            Content::Publication(it) => it.tags.get(tag).map_or("", String::as_str),
            Content::Happening(_, it) => &it.client,
        }
    }

    /// The push in a form; `None` when the publication has none such.
    #[must_use]
    pub fn encoded(&self, form: Form) -> Option<&Encoded> {
        let cell = &self.0.forms[form.index()];
        cell.get_or_init(|| self.encode(form)).as_ref()
    }

    fn encode(&self, form: Form) -> Option<Encoded> {
        let event = match &self.0.content {
            Content::Publication(it) => Event::Publication(self.form_of(it, form)),
            Content::Happening(Happening::Join, it) => {
                Event::Join(info_to_client(it, form.format()))
            }
            Content::Happening(Happening::Leave, it) => {
                Event::Leave(info_to_client(it, form.format()))
            }
        };
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

    /// The publication in a form, as replies hold it; `None` if it is none, or has none such.
    pub(crate) fn shared(&self, form: Form) -> Option<&SharedPublication> {
        let forms = self.0.shared.get_or_init(Box::default);
        let share = || {
            let readable = self.published();
            let readable = readable.filter(|it| form.format().accepts(&it.data))?;
            SharedPublication::new(self.form_of(readable, form), form.format()).ok()
        };
        forms[form.index()].get_or_init(share).as_ref()
    }

    fn form_of(&self, publication: &Publication, form: Form) -> tidegate_codec::Publication {
        let format = form.format();
        let mut seen = to_client(publication, format);
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

/// Somebody as clients of `format` see them. Payloads that the format cannot carry, from a token's `b64info`, are left out.
pub(crate) fn info_to_client(info: &tidegate_backbone::ClientInfo, format: Format) -> ClientInfo {
    let payload = |bytes: &Bytes| match format.accepts(bytes) {
        true => bytes.clone(),
        false => Bytes::new(),
    };
    ClientInfo {
        user: info.user.clone(),
        client: info.client.clone(),
        conn_info: payload(&info.conn_info),
        chan_info: payload(&info.chan_info),
    }
}

/// A publication as clients of `format` see it.
pub(crate) fn to_client(publication: &Publication, format: Format) -> tidegate_codec::Publication {
    let place = publication.place.as_ref();
    let first = place.filter(|place| place.offset == 1);
    tidegate_codec::Publication {
        data: publication.data.clone(),
        info: publication
            .info
            .as_ref()
            .map(|info| info_to_client(info, format)),
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

    #[test]
    fn what_replies_hold_of_it_is_made_once_a_form() {
        let broadcast = |data| {
            let publication = Publication {
                data: Bytes::from_static(data),
                ..Publication::default()
            };
            let channel = Channel::parse("news").unwrap();
            Broadcast::new(channel, publication, Arc::default())
        };
        let json = Form::Plain(Format::Json);
        let seen = broadcast(b"1");
        let other = seen.clone();
        let twice = (seen.shared(json).unwrap(), other.shared(json).unwrap());
        assert!(std::ptr::eq(twice.0, twice.1));
        let unreadable = broadcast(b"{");
        assert!(unreadable.shared(json).is_none());
        assert!(unreadable.shared(Form::Plain(Format::Protobuf)).is_some());
    }
}
