//! A backbone for tests: one stream in memory, which can lose its voice and be made anew.

use std::collections::HashMap;
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tidegate_backbone::embedded::Embedded;
use tidegate_backbone::{
    AskError, Backbone, Bus, Channel, Confirmation, DurabilityReport, Ear, Epoch, Error, Feed,
    From, Listener, Message, Page, Partition, Place, Position, Publication, Range, Removal,
    StreamOptions, Streams, Subscription, Top, Topic,
};
use tidegate_history_service::store::{Batch, Record, StreamId};

/// Keeps channels of the namespace `kept`.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// Publications of each channel that are kept.
    size: usize,
    /// Messages are no matter of these tests.
    bus: Embedded,
    state: Arc<Mutex<State>>,
    next_listener: AtomicU64,
}

struct State {
    epoch: Epoch,
    last: u64,
    /// How far each channel was trimmed.
    trimmed: HashMap<Channel, u64>,
    messages: Vec<(Channel, Publication)>,
    is_silent: bool,
    is_frozen: bool,
    listeners: Vec<(u64, Channel, Arc<dyn Listener>)>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl Carrier {
    pub(crate) fn new(size: usize) -> Arc<Self> {
        let state = State {
            epoch: "one".into(),
            last: 0,
            trimmed: HashMap::new(),
            messages: Vec::new(),
            is_silent: false,
            is_frozen: false,
            listeners: Vec::new(),
        };
        Arc::new(Self {
            size,
            bus: Embedded::new(),
            state: Arc::new(Mutex::new(state)),
            next_listener: AtomicU64::new(0),
        })
    }

    pub(crate) fn set_silent(&self, is_silent: bool) {
        self.lock().is_silent = is_silent;
    }

    /// Nothing is answered any more, neither yes nor no.
    pub(crate) fn freeze(&self) {
        self.lock().is_frozen = true;
    }

    /// Makes the stream anew, without anything in it.
    pub(crate) fn renew(&self, epoch: &str) {
        let mut state = self.lock();
        state.epoch = epoch.into();
        state.last = 0;
        state.trimmed.clear();
        state.messages.clear();
    }

    /// Stores; returns the offset.
    pub(crate) fn put(&self, channel: &Channel, mut publication: Publication) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        let offset = state.last;
        publication.place = Some(Place {
            epoch: Epoch::clone(&state.epoch),
            offset,
            previous: None,
            time: offset * 10,
        });
        state.messages.push((channel.clone(), publication.clone()));
        let of_channel = |(it, _): &&(Channel, Publication)| it == channel;
        if state.messages.iter().filter(of_channel).count() > self.size {
            let oldest = state.messages.iter().position(|(it, _)| it == channel);
            let (_, trimmed) = state.messages.remove(oldest.expect("there are some"));
            let trimmed = self::offset(&trimmed);
            state.trimmed.insert(channel.clone(), trimmed);
        }
        for (_, of, listener) in &state.listeners {
            if of == channel {
                listener.deliver(publication.clone());
            }
        }
        offset
    }

    pub(crate) fn put_text(&self, channel: &Channel, text: &str) -> u64 {
        let publication = Publication {
            data: text.to_owned().into(),
            ..Publication::default()
        };
        self.put(channel, publication)
    }

    /// What a consumer gets behind a sequence.
    pub(crate) fn batch(&self, after: u64, limit: usize) -> Batch {
        let state = self.lock();
        let record = |(channel, publication): &(Channel, Publication)| {
            let place = publication.place.as_ref().expect("it was stored");
            let publication = Publication {
                place: None,
                ..publication.clone()
            };
            let record = Record {
                offset: place.offset,
                time: place.time,
                publication,
            };
            (channel.clone(), record)
        };
        let records = state.messages.iter().map(record);
        let records = records.filter(|(_, it)| it.offset > after).take(limit);
        let records: Vec<_> = records.collect();
        Batch {
            stream: StreamId {
                namespace: Some("kept".to_owned()),
                epoch: Epoch::clone(&state.epoch),
            },
            watermark: records.last().map_or(after, |(_, it)| it.offset),
            records,
            passed_over: Vec::new(),
            partition: Partition::WHOLE,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds it")
    }

    fn top(state: &State, channel: &Channel) -> Result<Top, Error> {
        if state.is_silent {
            return Err(Error::Unavailable("no answer in time".to_owned()));
        }
        if channel.namespace() != Some("kept") {
            return Err(Error::NotKept(channel.clone()));
        }
        let newest = state.messages.iter().rfind(|(it, _)| it == channel);
        Ok(Top {
            position: Position {
                epoch: Epoch::clone(&state.epoch),
                offset: newest.map_or(state.last, |(_, it)| offset(it)),
            },
            is_empty: newest.is_none(),
        })
    }

    fn page(&self, channel: &Channel, range: Range) -> Result<Page, Error> {
        let state = self.lock();
        let top = Self::top(&state, channel)?;
        let of_channel = state.messages.iter().filter(|(it, _)| it == channel);
        let mut all: Vec<_> = of_channel.map(|(_, it)| it.clone()).collect();
        let trimmed = state.trimmed.get(channel).copied().unwrap_or(0);
        let is_gapless = match range.from {
            From::After(after) => after >= trimmed,
            From::Before(_) => false,
        };
        match range.from {
            From::After(after) => all.retain(|it| offset(it) > after),
            From::Before(before) => {
                all.retain(|it| offset(it) < before);
                all.reverse();
            }
        }
        let has_more = all.len() > range.limit;
        all.truncate(range.limit);
        Ok(Page {
            top,
            publications: all,
            is_gapless,
            removed: 0,
            has_more,
        })
    }
}

fn offset(publication: &Publication) -> u64 {
    publication.place.as_ref().map_or(0, |it| it.offset)
}

impl Streams for Carrier {
    fn stream(&self, _channel: &Channel) -> Option<&StreamOptions> {
        None
    }

    fn durability(&self) -> Vec<DurabilityReport> {
        Vec::new()
    }

    fn tops<'a>(&'a self, channels: &'a [Channel]) -> BoxFuture<'a, Result<Vec<Top>, Error>> {
        let state = self.lock();
        if state.is_frozen {
            return Box::pin(std::future::pending());
        }
        let tops = channels.iter().map(|it| Self::top(&state, it)).collect();
        Box::pin(ready(tops))
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        range: Range,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(ready(self.page(channel, range)))
    }

    fn remove<'a>(
        &'a self,
        channel: &'a Channel,
        removal: &'a Removal,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        let mut state = self.lock();
        if state.is_silent {
            return Box::pin(ready(Err(Error::Unavailable(
                "no answer in time".to_owned(),
            ))));
        }
        let before = state.messages.len();
        let epoch = Epoch::clone(&state.epoch);
        state.messages.retain(|(of, it)| {
            let is_meant = match removal {
                Removal::All => true,
                Removal::Offsets(of, offsets) => *of == epoch && offsets.contains(&offset(it)),
            };
            of != channel || !is_meant
        });
        let removed = (before - state.messages.len()) as u64;
        Box::pin(ready(Ok(removed)))
    }

    fn partitions<'a>(&'a self, _: Option<&'a str>) -> Option<BoxFuture<'a, u32>> {
        None
    }

    fn partition_of(&self, _: &Channel, _: u32) -> u32 {
        Partition::WHOLE.number
    }

    fn feed(&self, _: Option<&str>, _: Partition, _: Option<Position>) -> Option<Box<dyn Feed>> {
        None
    }
}

impl Bus for Carrier {
    fn tell<'a>(&'a self, topic: &'a Topic, message: Message) -> BoxFuture<'a, Result<(), Error>> {
        self.bus.tell(topic, message)
    }

    fn hear<'a>(
        &'a self,
        topic: &'a Topic,
        group: Option<&'a str>,
        ear: Arc<dyn Ear>,
    ) -> BoxFuture<'a, Result<Subscription, Error>> {
        self.bus.hear(topic, group, ear)
    }

    fn ask_all<'a>(
        &'a self,
        topic: &'a Topic,
        question: Message,
        within: Duration,
        enough: usize,
    ) -> BoxFuture<'a, Result<Vec<Message>, AskError>> {
        self.bus.ask_all(topic, question, within, enough)
    }

    fn address(&self, topic: &Topic) -> String {
        self.bus.address(topic)
    }
}

impl Backbone for Carrier {
    fn send<'a>(
        &'a self,
        channel: &'a Channel,
        publication: Publication,
    ) -> BoxFuture<'a, Result<Confirmation, Error>> {
        let position = Position {
            offset: self.put(channel, publication),
            epoch: Epoch::clone(&self.lock().epoch),
        };
        let confirmation: Confirmation = Box::pin(ready(Ok(Some(position))));
        Box::pin(ready(Ok(confirmation)))
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
        listener: Arc<dyn Listener>,
    ) -> BoxFuture<'a, Result<Subscription, Error>> {
        let number = self.next_listener.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        state.listeners.push((number, channel.clone(), listener));
        let state = Arc::clone(&self.state);
        let subscription = Subscription::new(move || {
            let mut state = state.lock().expect("no test panics while it holds it");
            state.listeners.retain(|(it, _, _)| *it != number);
        });
        Box::pin(ready(Ok(subscription)))
    }

    fn is_ready(&self) -> bool {
        !self.lock().is_silent
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}
