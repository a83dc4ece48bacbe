//! One publication on its way to the workers, and its forms for clients: as it is, or as a patch of the one before it. So go
//! joins and leaves, too.

mod journey;
mod recent;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tidegate_backbone::{Channel, Publication, TraceContext};
use tidegate_codec::{ClientInfo, Encoded, Event, Format, Push};

use crate::counters::Counters;
use journey::Journey;
pub(crate) use recent::{Budget, Recent};

/// One publication on its way to the node's workers, encoded once per form for all of them.
#[derive(Debug, Clone)]
pub struct Broadcast(Arc<Encodings>, Option<Arc<Journey>>);

#[derive(Debug)]
struct Encodings {
    channel: Channel,
    content: Content,
    /// The span that sent it, where somebody says so.
    trace: Option<TraceContext>,
    forms: [OnceLock<Option<Encoded>>; Form::COUNT],
    counters: Arc<Counters>,
}

#[derive(Debug)]
enum Content {
    Publication(Arc<Recent>),
    Happening(Happening, tidegate_backbone::ClientInfo, Instant),
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
        let trace = publication.trace;
        Self::of(channel, Arc::new(Recent::new(publication)), trace, counters)
    }

    /// One that is at hand.
    pub(crate) fn of(
        channel: Channel,
        recent: Arc<Recent>,
        trace: Option<TraceContext>,
        counters: Arc<Counters>,
    ) -> Self {
        Self::with(channel, Content::Publication(recent), trace, counters)
    }

    /// A join or leave that nobody has needed encoded yet.
    #[must_use]
    pub fn happening(
        channel: Channel,
        happening: Happening,
        info: tidegate_backbone::ClientInfo,
        counters: Arc<Counters>,
    ) -> Self {
        let content = Content::Happening(happening, info, Instant::now());
        Self::with(channel, content, None, counters)
    }

    fn with(
        channel: Channel,
        content: Content,
        trace: Option<TraceContext>,
        counters: Arc<Counters>,
    ) -> Self {
        let encodings = Encodings {
            channel,
            content,
            trace,
            forms: Default::default(),
            counters,
        };
        Self(Arc::new(encodings), None)
    }

    /// The same on its way to workers, traced if its publisher wants that; `None` if it does not.
    pub(crate) fn traced(&self) -> Option<Self> {
        self.recent()?;
        let journey = Journey::begin(self.channel(), self.0.trace)?;
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
        match &self.0.content {
            Content::Publication(recent) => recent.since(),
            Content::Happening(.., since) => *since,
        }
    }

    /// What is at hand of it, unless it is a join or leave.
    pub(crate) fn recent(&self) -> Option<&Arc<Recent>> {
        match &self.0.content {
            Content::Publication(recent) => Some(recent),
            Content::Happening(..) => None,
        }
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.0.channel
    }

    /// Whether it is a join or leave.
    #[must_use]
    pub fn is_happening(&self) -> bool {
        matches!(self.0.content, Content::Happening(..))
    }

    /// Its offset in a kept channel.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.recent().map_or(0, |it| it.offset())
    }

    /// See [`Recent::continues`].
    pub(crate) fn continues(&self, offset: u64) -> bool {
        self.recent().is_none_or(|it| it.continues(offset))
    }

    /// Bytes of its payload.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.0.content {
            Content::Publication(it) => it.data().len(),
            Content::Happening(_, it, _) => it.conn_info.len() + it.chan_info.len(),
        }
    }

    /// The value of a tag; empty when there is none. Of a join or leave, the client, whose latest one counts.
    pub(crate) fn key(&self, tag: &str) -> &str {
        match &self.0.content {
            Content::Publication(it) => it.tag(tag),
            Content::Happening(_, it, _) => &it.client,
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
            Content::Publication(it) => Event::Publication(it.form(form)),
            Content::Happening(Happening::Join, it, _) => {
                Event::Join(info_to_client(it, form.format()))
            }
            Content::Happening(Happening::Leave, it, _) => {
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
