//! One change of a log: publications in, rows out, all of them or none.
//!
//! Offsets count within a namespace, which is what a stream is. What is known of a channel says how far it was trimmed, so
//! whether something is missing behind an offset needs no search. A channel of which nothing is kept has no row; `forgotten`
//! is how far such channels of its namespace were trimmed.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;

use bytes::Bytes;

use super::record;
use crate::embedded::tables::{Changes, Failure, Table, View};
use crate::{Channel, Publication, StreamOptions, VERSION_SEARCH, Version};

const TOTAL: &[u8] = b"total";

/// In place of the channel, in the order of what was stored, of a publication that was removed.
pub(super) const NOWHERE: &str = "";

/// What is known of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    /// Publications that were ever stored.
    pub(super) stored: u64,
    /// When the newest was, in milliseconds since the Unix epoch: time never goes back.
    time: u64,
}

/// What is known of a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The newest offset in any channel.
    pub(super) last: u64,
    /// Everything up to this offset is gone from channels that have no row.
    pub(super) forgotten: u64,
}

/// What is known of a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its newest offset.
    pub(super) newest: u64,
    /// Publications that are kept.
    pub(super) count: u64,
    /// Everything up to this offset is gone.
    pub(super) trimmed: u64,
}

/// Where a publication was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) offset: u64,
    pub(super) previous: u64,
    pub(super) time: u64,
}

/// A change that is being made.
pub(super) struct Group<'a> {
    view: &'a dyn View,
    now: u64,
    total: Total,
    heads: HashMap<String, Head>,
    channels: HashMap<Channel, Touched>,
    changes: Changes,
}

#[derive(Default)]
struct Touched {
    kept: Kept,
    /// Those of this change.
    fresh: VecDeque<(Put, Bytes)>,
    size: u64,
}

impl Total {
    pub(super) fn read(view: &dyn View) -> Result<Self, Failure> {
        let Some(row) = view.get(Table::Meta, TOTAL)? else {
            return Ok(Self::default());
        };
        let [stored, time] = record::parse_numbers(&row)?;
        Ok(Self { stored, time })
    }
}

impl Head {
    pub(super) fn read(view: &dyn View, namespace: &str) -> Result<Self, Failure> {
        let Some(row) = view.get(Table::Meta, &Self::key(namespace))? else {
            return Ok(Self::default());
        };
        let [last, forgotten] = record::parse_numbers(&row)?;
        Ok(Self { last, forgotten })
    }

    fn key(namespace: &str) -> Vec<u8> {
        [b"head:", namespace.as_bytes()].concat()
    }
}

impl Kept {
    /// `None` if nothing of the channel is kept.
    pub(super) fn read(view: &dyn View, channel: &Channel) -> Result<Option<Self>, Failure> {
        let Some(row) = view.get(Table::Channels, channel.as_str().as_bytes())? else {
            return Ok(None);
        };
        let [newest, count, trimmed] = record::parse_numbers(&row)?;
        Ok(Some(Self {
            newest,
            count,
            trimmed,
        }))
    }
}

impl<'a> Group<'a> {
    /// `now` is in milliseconds since the Unix epoch.
    pub(super) fn new(view: &'a dyn View, now: u64) -> Result<Self, Failure> {
        let total = Total::read(view)?;
        Ok(Self {
            view,
            now: now.max(total.time),
            total,
            heads: HashMap::new(),
            channels: HashMap::new(),
            changes: Changes::new(),
        })
    }

    /// Puts a publication behind all others.
    pub(super) fn append(
        &mut self,
        channel: &Channel,
        publication: &Publication,
        size: u64,
    ) -> Result<Put, Failure> {
        let namespace = channel.namespace().unwrap_or_default();
        let head = self.head(namespace)?;
        head.last += 1;
        let (offset, time) = (head.last, self.now);
        self.total.stored += 1;
        self.total.time = time;
        let touched = self.touch(channel)?;
        let previous = match touched.kept.count {
            0 => 0,
            _ => touched.kept.newest,
        };
        let put = Put {
            offset,
            previous,
            time,
        };
        touched.kept.newest = offset;
        touched.kept.count += 1;
        touched.size = size;
        let row = record::encode(time, publication);
        touched.fresh.push_back((put, row));
        if !publication.id.is_empty() {
            let key = (Table::Ids, record::namespace_key(namespace, offset));
            let value = record::timed(time, &publication.id);
            self.changes.insert(key, Some(value));
        }
        Ok(put)
    }

    /// The newest offset of a channel, if what it keeps supersedes a version.
    pub(super) fn superseding(
        &mut self,
        channel: &Channel,
        version: &Version,
    ) -> Result<Option<u64>, Failure> {
        let view = self.view;
        let touched = self.touch(channel)?;
        let from = record::publication_key(channel, touched.kept.trimmed + 1);
        let to = record::publication_key(channel, u64::MAX);
        let stored = view.rows(Table::Publications, &from, &to).rev();
        let fresh = touched.fresh.iter().rev().map(|(_, row)| Ok(row.clone()));
        let rows = fresh.chain(stored.map(|row| row.map(|(_, value)| value)));
        for row in rows.take(VERSION_SEARCH) {
            let (_, publication) = record::decode(row?)?;
            if let Some(kept) = publication.version {
                let newest = touched.kept.newest;
                return Ok(version.is_superseded_by(&kept).then_some(newest));
            }
        }
        Ok(None)
    }

    /// Removes what a namespace promises no longer, at most `limit` publications; tells how many went.
    pub(super) fn expire(
        &mut self,
        options: &StreamOptions,
        limit: usize,
    ) -> Result<usize, Failure> {
        let namespace = options.namespace.as_deref().unwrap_or_default();
        let ttl = u64::try_from(options.ttl.as_millis()).unwrap_or(u64::MAX);
        let from = record::namespace_key(namespace, 0);
        let to = record::namespace_key(namespace, u64::MAX);
        let view = self.view;
        let mut gone = 0;
        for row in view.rows(Table::Order, &from, &to).take(limit) {
            let (key, value) = row?;
            let (time, name) = record::parse_timed(&value)?;
            if time.saturating_add(ttl) > self.now {
                break;
            }
            let offset = record::offset_of(&key)?;
            gone += 1;
            if name == NOWHERE {
                self.changes.insert((Table::Order, key.into()), None);
                continue;
            }
            let channel = Channel::parse(&name).map_err(|it| Failure(it.to_string()))?;
            self.remove(&channel, offset);
            let kept = &mut self.touch(&channel)?.kept;
            kept.count = kept.count.saturating_sub(1);
            kept.trimmed = kept.trimmed.max(offset);
        }
        Ok(gone)
    }

    /// Removes publications of a channel on purpose, at most `limit`; gives their offsets. That is no trimming: what is known of
    /// how far the channel was trimmed stays, and so does its newest offset. Where each was is remembered, for who has to know
    /// that nothing else was there. Nothing may have been appended in this change.
    pub(super) fn take_out(
        &mut self,
        channel: &Channel,
        offsets: RangeInclusive<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, Failure> {
        let namespace = channel.namespace().unwrap_or_default();
        let from = record::publication_key(channel, *offsets.start());
        let to = record::publication_key(channel, offsets.end().saturating_add(1));
        let (view, mut gone) = (self.view, Vec::new());
        for row in view.rows(Table::Publications, &from, &to).take(limit) {
            let (key, value) = row?;
            let offset = record::offset_of(&key)?;
            let (time, _) = record::decode(value)?;
            self.changes.insert((Table::Publications, key.into()), None);
            let order = record::namespace_key(namespace, offset);
            let row = Some(record::timed(time, NOWHERE));
            self.changes.insert((Table::Order, order), row);
            gone.push(offset);
        }
        if !gone.is_empty() {
            let kept = &mut self.touch(channel)?.kept;
            kept.count = kept.count.saturating_sub(gone.len() as u64);
        }
        Ok(gone)
    }

    /// Forgets a publisher's id.
    pub(super) fn forget(&mut self, namespace: &str, offset: u64) {
        let key = (Table::Ids, record::namespace_key(namespace, offset));
        self.changes.insert(key, None);
    }

    /// Publications that were ever stored, with those of this change.
    pub(super) fn stored(&self) -> u64 {
        self.total.stored
    }

    /// The rows.
    pub(super) fn finish(mut self) -> Result<Changes, Failure> {
        for (channel, touched) in std::mem::take(&mut self.channels) {
            self.settle(&channel, touched)?;
        }
        for (namespace, head) in self.heads {
            let row = record::numbers([head.last, head.forgotten]);
            let key = (Table::Meta, Head::key(&namespace));
            self.changes.insert(key, Some(row));
        }
        if !self.changes.is_empty() {
            let row = record::numbers([self.total.stored, self.total.time]);
            let key = (Table::Meta, TOTAL.to_vec());
            self.changes.insert(key, Some(row));
        }
        Ok(self.changes)
    }

    /// Trims a channel to its size, and writes what is left of this change.
    fn settle(&mut self, channel: &Channel, mut touched: Touched) -> Result<(), Failure> {
        let Touched { kept, fresh, size } = &mut touched;
        let stored = kept.count.saturating_sub(fresh.len() as u64);
        let excess = match fresh.is_empty() {
            true => 0,
            false => kept.count.saturating_sub(*size),
        };
        let from = record::publication_key(channel, kept.trimmed + 1);
        let to = record::publication_key(channel, u64::MAX);
        let oldest = usize::try_from(excess.min(stored)).unwrap_or(usize::MAX);
        let view = self.view;
        for row in view.rows(Table::Publications, &from, &to).take(oldest) {
            let offset = record::offset_of(&row?.0)?;
            self.remove(channel, offset);
            kept.trimmed = offset;
        }
        for _ in stored..excess {
            kept.trimmed = fresh.pop_front().map_or(kept.trimmed, |it| it.0.offset);
        }
        kept.count -= excess;
        let namespace = channel.namespace().unwrap_or_default();
        for (put, row) in std::mem::take(fresh) {
            let key = record::publication_key(channel, put.offset);
            self.changes.insert((Table::Publications, key), Some(row));
            let order = record::namespace_key(namespace, put.offset);
            let value = record::timed(put.time, channel.as_str());
            self.changes.insert((Table::Order, order), Some(value));
        }
        let row =
            (kept.count > 0).then(|| record::numbers([kept.newest, kept.count, kept.trimmed]));
        if row.is_none() {
            let trimmed = kept.trimmed;
            let head = self.head(namespace)?;
            head.forgotten = head.forgotten.max(trimmed);
        }
        let key = channel.as_str().as_bytes().to_vec();
        self.changes.insert((Table::Channels, key), row);
        Ok(())
    }

    fn remove(&mut self, channel: &Channel, offset: u64) {
        let namespace = channel.namespace().unwrap_or_default();
        let publication = record::publication_key(channel, offset);
        let order = record::namespace_key(namespace, offset);
        self.changes
            .insert((Table::Publications, publication), None);
        self.changes.insert((Table::Order, order), None);
    }

    fn head(&mut self, namespace: &str) -> Result<&mut Head, Failure> {
        if !self.heads.contains_key(namespace) {
            let head = Head::read(self.view, namespace)?;
            self.heads.insert(namespace.to_owned(), head);
        }
        Ok(self.heads.entry(namespace.to_owned()).or_default())
    }

    fn touch(&mut self, channel: &Channel) -> Result<&mut Touched, Failure> {
        if !self.channels.contains_key(channel) {
            let namespace = channel.namespace().unwrap_or_default();
            let absent = Kept {
                trimmed: self.head(namespace)?.forgotten,
                ..Kept::default()
            };
            let kept = Kept::read(self.view, channel)?.unwrap_or(absent);
            let touched = Touched {
                kept,
                ..Touched::default()
            };
            self.channels.insert(channel.clone(), touched);
        }
        Ok(self.channels.entry(channel.clone()).or_default())
    }
}
