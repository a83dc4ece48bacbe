//! What lies below a ring, for clients that were away for long: from the stream, or else the archive.
//!
//! In: the offset from which somebody lacks publications. Out: a ring that reaches back to it, or that this cannot be. One
//! read is under way for a channel, however many ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_backbone::{Backbone, Error, From, Page, Publication, Range};

use super::{Kept, Reach, State, chain};
use crate::archive::Archive;
use crate::interest::route::Route;

/// Reads of what lies below the ring, when publications are removed meanwhile.
const READS: usize = 4;

impl Kept {
    /// Makes the ring reach back to an offset, with what the stream has, or else the archive. Callers at the same time share
    /// one read, unless one needs less than it can be given.
    pub(in crate::interest) async fn reach(
        &self,
        route: &Route,
        (backbone, archive): (&dyn Backbone, &Archive),
        after: u64,
    ) -> Result<Reach, Error> {
        let _want = Want::new(&self.wanted, after);
        let _turn = self.reading.lock().await;
        if self.covers(after) {
            route.counters.recovered_from_ring.add(1);
            return Ok(Reach::Whole);
        }
        let lowest = self.wanted().keys().next().copied().unwrap_or(after);
        if self.lower(route, backbone, lowest).await? == Reach::Whole {
            return Ok(Reach::Whole);
        }
        if lowest < after && self.lower(route, backbone, after).await? == Reach::Whole {
            return Ok(Reach::Whole);
        }
        Ok(self.lower_further(route, archive, after).await)
    }

    /// Takes what lies between an offset and the ring's floor from the archive.
    async fn lower_further(&self, route: &Route, archive: &Archive, after: u64) -> Reach {
        let (epoch, floor, removals) = {
            let state = self.state();
            let Some(ring) = state.ring() else {
                return Reach::Broken;
            };
            (Arc::clone(ring.epoch()), ring.floor(), state.removals)
        };
        let bounds = (self.limits.count, self.limits.bytes);
        let stretch = archive.stretch(&route.channel, &epoch, (after, floor), bounds);
        let Some(stretch) = stretch.await else {
            return Reach::Broken;
        };
        let mut state = self.state();
        match state.ring() {
            Some(ring) if *ring.epoch() == epoch && ring.floor() <= stretch.end => {}
            Some(_) | None => return Reach::Broken,
        }
        if state.removals != removals {
            return Reach::Broken;
        }
        route.counters.recovered_from_archive.add(1);
        state.lower_by(route, after, stretch.publications)
    }

    /// Reads from an offset up to the ring's floor.
    async fn lower(
        &self,
        route: &Route,
        backbone: &dyn Backbone,
        after: u64,
    ) -> Result<Reach, Error> {
        route.counters.recovery_reads.add(1);
        let range = Range {
            from: From::After(after),
            limit: self.limits.count,
            max_bytes: self.limits.bytes,
        };
        for _ in 0..READS {
            let removals = self.state().removals;
            let page = backbone.read(&route.channel, range).await?;
            let mut state = self.state();
            if state.removals == removals {
                return Ok(state.lower(route, after, page));
            }
        }
        let reason = "publications are removed all the time";
        Err(Error::Unavailable(reason.to_owned()))
    }

    fn covers(&self, after: u64) -> bool {
        let state = self.state();
        state.ring().is_some_and(|ring| ring.floor() <= after)
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
    /// Adds a page that begins behind an offset below the ring.
    fn lower(&mut self, route: &Route, after: u64, page: Page) -> Reach {
        let Some(ring) = self.ring() else {
            return Reach::Broken;
        };
        let last = page.publications.last().and_then(|it| it.place.as_ref());
        let reaches = !page.has_more || last.is_some_and(|place| place.offset >= ring.floor());
        if *ring.epoch() != page.top.position.epoch || !page.is_gapless || !reaches {
            return Reach::Broken;
        }
        self.lower_by(route, after, page.publications)
    }

    /// Adds what is not missing anything between an offset and the ring's floor, or beyond.
    fn lower_by(&mut self, route: &Route, after: u64, publications: Vec<Publication>) -> Reach {
        let Some(ring) = self.ring_mut() else {
            return Reach::Broken;
        };
        let floor = ring.floor();
        let below = publications.into_iter();
        let below = below.take_while(|it| it.place.as_ref().is_some_and(|it| it.offset <= floor));
        let below = chain(below.map(|publication| route.broadcast(publication)));
        ring.lower(after, below);
        Reach::Whole
    }
}
