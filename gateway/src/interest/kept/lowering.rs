//! What lies below a ring, for clients that were away for long: from the stream, or else the archive.
//!
//! In: the offset from which somebody lacks publications. Out: a ring that reaches back to it, or that this cannot be. One
//! read is under way for a channel, however many ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_backbone::{Backbone, Error, From, Page, Publication, Range};

use super::{Kept, Missed, State, chain};
use crate::archive::Archive;
use crate::interest::route::Route;

/// Reads of what lies below the ring, when publications are removed meanwhile.
const READS: usize = 4;

impl Kept {
    /// Everything behind an offset: of the ring, which is made to reach back so far with what the stream has, or else the
    /// archive; `None` if something is gone, or was never there. Callers at the same time share one read, unless one needs less
    /// than it can be given.
    pub(in crate::interest) async fn reach(
        &self,
        route: &Route,
        (backbone, archive): (&dyn Backbone, &Archive),
        after: u64,
    ) -> Result<Option<Missed>, Error> {
        let _want = Want::new(&self.wanted, after);
        let _turn = self.reading.lock().await;
        if let Some(missed) = self.missed(after) {
            route.counters.recovered_from_ring.add(1);
            return Ok(Some(missed));
        }
        let lowest = self.wanted().keys().next().copied().unwrap_or(after);
        let mut found = self.lower(route, backbone, (lowest, after)).await?;
        if found.is_none() && lowest < after {
            found = self.lower(route, backbone, (after, after)).await?;
        }
        if found.is_none() {
            found = self.lower_further(route, archive, after).await;
        }
        Ok(found)
    }

    /// Takes what lies between an offset and the ring's floor from the archive.
    async fn lower_further(&self, route: &Route, archive: &Archive, after: u64) -> Option<Missed> {
        let (epoch, floor, removals) = {
            let state = self.state();
            let ring = state.ring()?;
            (Arc::clone(ring.epoch()), ring.floor(), state.removals)
        };
        let bounds = (self.limits.count, self.limits.bytes);
        let stretch = archive.stretch(&route.channel, &epoch, (after, floor), bounds);
        let stretch = stretch.await?;
        let mut state = self.state();
        let ring = state.ring()?;
        if *ring.epoch() != epoch || ring.floor() > stretch.end || state.removals != removals {
            return None;
        }
        route.counters.recovered_from_archive.add(1);
        state.lower_by((after, after), stretch.publications)
    }

    /// Reads from the lower of two offsets up to the ring's floor; gives everything behind the other one.
    async fn lower(
        &self,
        route: &Route,
        backbone: &dyn Backbone,
        offsets: (u64, u64),
    ) -> Result<Option<Missed>, Error> {
        route.counters.recovery_reads.add(1);
        let range = Range {
            from: From::After(offsets.0),
            limit: self.limits.count,
            max_bytes: self.limits.bytes,
        };
        for _ in 0..READS {
            let removals = self.state().removals;
            let page = backbone.read(&route.channel, range).await?;
            let mut state = self.state();
            if state.removals == removals {
                return Ok(state.lower(offsets, page));
            }
        }
        let reason = "publications are removed all the time";
        Err(Error::Unavailable(reason.to_owned()))
    }

    fn wanted(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An offset that somebody waits for; dropping it takes it off.
struct Want<'a> {
    wanted: &'a Mutex<BTreeMap<u64, usize>>,
    after: u64,
}

impl<'a> Want<'a> {
    fn new(wanted: &'a Mutex<BTreeMap<u64, usize>>, after: u64) -> Self {
        let mut offsets = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *offsets.entry(after).or_default() += 1;
        Self { wanted, after }
    }
}

impl Drop for Want<'_> {
    fn drop(&mut self) {
        let mut offsets = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = offsets.get_mut(&self.after) {
            *count -= 1;
            if *count == 0 {
                offsets.remove(&self.after);
            }
        }
    }
}

impl State {
    /// Adds a page that begins behind the lower of two offsets; gives everything behind the other one.
    fn lower(&mut self, offsets: (u64, u64), page: Page) -> Option<Missed> {
        let ring = self.ring()?;
        let last = page.publications.last().and_then(|it| it.place.as_ref());
        let reaches = !page.has_more || last.is_some_and(|place| place.offset >= ring.floor());
        if *ring.epoch() != page.top.position.epoch || !page.is_gapless || !reaches {
            return None;
        }
        self.lower_by(offsets, page.publications)
    }

    /// Adds what is not missing anything between the lower of two offsets and the ring's floor, or beyond.
    fn lower_by(
        &mut self,
        (lowest, after): (u64, u64),
        publications: Vec<Publication>,
    ) -> Option<Missed> {
        let ring = self.ring_mut()?;
        let floor = ring.floor();
        let below = publications.into_iter();
        let below = below.take_while(|it| it.place.as_ref().is_some_and(|it| it.offset <= floor));
        let below = chain(below, ring.budget());
        ring.lower(lowest, below);
        self.missed(after)
    }
}
