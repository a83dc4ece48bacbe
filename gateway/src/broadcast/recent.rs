//! A publication as a node has it at hand: what clients are given of it, and what that takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tidegate_backbone::{ClientInfo, Epoch, Publication};
use tidegate_codec::delta::{self, Alignment};
use tidegate_codec::{Format, SharedPublication};

use super::{Form, info_to_client};

/// Bytes that a publication takes besides what it has: counters, a slot in its ring, and what allocations are rounded up by.
const ROUNDING: usize = 64;

/// What the recent publications of a node may take together.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Bytes.
    limit: usize,
    held: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let held = AtomicUsize::new(0);
        Arc::new(Self { limit, held })
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes in use.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.held() > self.limit
    }
}

/// What clients are given of one publication. In a ring there are millions.
#[derive(Debug)]
pub(crate) struct Recent {
    data: Bytes,
    extra: Option<Box<Extra>>,
    /// Of a kept channel.
    epoch: Option<Epoch>,
    /// Zero where there is no stream.
    offset: u64,
    /// When it was stored, in milliseconds since the Unix epoch.
    time: u64,
    /// When it came to this node.
    since: Instant,
    /// Payload of the channel's publication before it, where that is at hand.
    base: Option<Bytes>,
    /// Offset up to which the channel has nothing but this publication.
    after: u64,
    /// A reply to a client that came back held it.
    was_shared: AtomicBool,
    /// What further ones hold of it.
    shared: OnceLock<Box<SharedForms>>,
    /// What `shared` is charged to.
    budget: Option<Arc<Budget>>,
}

type SharedForms = [OnceLock<Option<SharedPublication>>; Form::COUNT];

/// What few publications have.
#[derive(Debug)]
struct Extra {
    info: Option<ClientInfo>,
    tags: BTreeMap<String, String>,
}

impl Recent {
    pub(crate) fn new(publication: Publication) -> Self {
        let (info, tags) = (publication.info, publication.tags);
        let has_extra = info.is_some() || !tags.is_empty();
        let (epoch, offset, time) = match publication.place {
            Some(place) => (Some(place.epoch), place.offset, place.time),
            None => (None, 0, 0),
        };
        Self {
            data: publication.data,
            extra: has_extra.then(|| Box::new(Extra { info, tags })),
            epoch,
            offset,
            time,
            since: Instant::now(),
            base: None,
            after: 0,
            was_shared: AtomicBool::new(false),
            shared: OnceLock::new(),
            budget: None,
        }
    }

    /// The same of a kept channel, whose publication before it had this payload, if that is at hand, and this offset.
    pub(crate) fn behind(mut self, base: Option<Bytes>, after: u64, budget: &Arc<Budget>) -> Self {
        self.base = base;
        self.after = after;
        self.budget = Some(Arc::clone(budget));
        self
    }

    pub(crate) fn data(&self) -> &Bytes {
        &self.data
    }

    /// The incarnation of the stream that it is of, in a kept channel.
    pub(crate) fn epoch(&self) -> Option<&Epoch> {
        self.epoch.as_ref()
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn after(&self) -> u64 {
        self.after
    }

    /// Whether who had the publication at this offset last can be given it, as a patch too. One that was read again, after
    /// the one before it was removed, may be a patch of another.
    pub(crate) fn continues(&self, offset: u64) -> bool {
        self.base.is_none() || self.after == offset
    }

    /// The value of a tag; empty when there is none.
    pub(crate) fn tag(&self, name: &str) -> &str {
        let extra = self.extra.as_ref();
        extra
            .and_then(|it| it.tags.get(name))
            .map_or("", String::as_str)
    }

    /// Bytes that it takes, but for its shared forms.
    pub(crate) fn weight(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |it| it.weight());
        size_of::<Self>() + ROUNDING + self.data.len() + extra
    }

    /// It as replies hold it; `None` if there is no such form. It is kept from the second one on: of many channels, only one
    /// client ever comes back.
    pub(crate) fn shared(&self, form: Form) -> Option<SharedPublication> {
        if !self.was_shared.swap(true, Ordering::Relaxed) {
            return self.share(form);
        }
        let forms = self.shared.get_or_init(|| {
            self.charge(size_of::<SharedForms>());
            Box::default()
        });
        let share = || {
            let shared = self.share(form)?;
            self.charge(shared.size());
            Some(shared)
        };
        forms[form.index()].get_or_init(share).clone()
    }

    fn share(&self, form: Form) -> Option<SharedPublication> {
        SharedPublication::new(self.form(form), form.format()).ok()
    }

    fn charge(&self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.take(bytes);
        }
    }

    /// It in a form.
    pub(crate) fn form(&self, form: Form) -> tidegate_codec::Publication {
        let format = form.format();
        let mut seen = self.to_client(format);
        // What is no JSON has no form for JSON clients, a string neither.
        if matches!(form, Form::Plain(_)) || !format.accepts(&seen.data) {
            return seen;
        }
        if let (Form::Patch(_), Some(base)) = (form, &self.base)
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

    /// It as clients of a format see it.
    pub(crate) fn to_client(&self, format: Format) -> tidegate_codec::Publication {
        let extra = self.extra.as_ref();
        let info = extra.and_then(|it| it.info.as_ref());
        let first = self.epoch().filter(|_| self.offset == 1);
        tidegate_codec::Publication {
            data: self.data.clone(),
            info: info.map(|info| info_to_client(info, format)),
            tags: extra.map_or_else(BTreeMap::new, |it| it.tags.clone()),
            offset: self.offset,
            time: i64::try_from(self.time).unwrap_or(i64::MAX),
            // A client that subscribed before there was anything learns it so.
            epoch: first.map_or_else(String::new, |epoch| epoch.to_string()),
            ..Default::default()
        }
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        if let (Some(budget), Some(forms)) = (&self.budget, self.shared.get()) {
            let made = forms.iter().filter_map(OnceLock::get).flatten();
            let sizes = made.map(SharedPublication::size);
            budget.give_back(size_of::<SharedForms>() + sizes.sum::<usize>());
        }
    }
}

impl Extra {
    fn weight(&self) -> usize {
        let texts = |it: &ClientInfo| {
            it.user.len() + it.client.len() + it.conn_info.len() + it.chan_info.len()
        };
        let info = self.info.as_ref().map_or(0, texts);
        let tags = self.tags.iter();
        let tags = tags.map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len());
        size_of::<Self>() + info + tags.sum::<usize>()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(data: &'static [u8]) -> Recent {
        let publication = Publication {
            data: Bytes::from_static(data),
            ..Publication::default()
        };
        Recent::new(publication)
    }

    #[test]
    fn info_that_is_not_json_is_left_out_for_json_clients_alone() {
        let info = ClientInfo {
            user: "42".to_owned(),
            conn_info: Bytes::from_static(b"\xffhello"),
            chan_info: Bytes::from_static(b"{}"),
            ..Default::default()
        };
        let recent = Recent::new(Publication {
            data: Bytes::from_static(b"1"),
            info: Some(info),
            ..Publication::default()
        });
        let json = recent.to_client(Format::Json).info.unwrap();
        assert_eq!(
            (json.conn_info.as_ref(), json.chan_info.as_ref()),
            (&b""[..], &b"{}"[..])
        );
        assert_eq!(json.user, "42");
        let protobuf = recent.to_client(Format::Protobuf).info.unwrap();
        assert_eq!(protobuf.conn_info.as_ref(), b"\xffhello");
    }

    #[test]
    fn what_is_no_json_is_left_out_for_json_clients_alone() {
        let unreadable = recent(b"{");
        for _ in 0..3 {
            assert_eq!(unreadable.shared(Form::Plain(Format::Json)), None);
            assert_eq!(unreadable.shared(Form::Whole(Format::Json)), None);
            assert!(unreadable.shared(Form::Plain(Format::Protobuf)).is_some());
        }
    }

    #[test]
    fn what_replies_hold_of_it_is_kept_from_the_second_one_on_and_charged_for_once_a_form() {
        let budget = Budget::new(1_000);
        let seen = recent(b"1").behind(None, 0, &budget);
        let json = seen.shared(Form::Plain(Format::Json)).unwrap();
        assert_eq!(budget.held(), 0);
        assert_eq!(seen.shared(Form::Plain(Format::Json)).unwrap(), json);
        let one = budget.held();
        assert!(one > size_of::<SharedForms>() + 1);
        assert_eq!(seen.shared(Form::Plain(Format::Json)).unwrap(), json);
        assert_eq!(budget.held(), one);
        seen.shared(Form::Plain(Format::Protobuf)).unwrap();
        assert!(budget.held() > one);
        drop(seen);
        assert_eq!(budget.held(), 0);
    }
}
