//! The durable half of a topic: its ring, and how that is kept without a hole.
//!
//! In: publications as they are heard, and pages of the stream. Out: the same publications, in order and each once, to the
//! topic's [`Route`]. While something is missing what is heard waits, and [`repair`](Kept::repair) reads it. What has no place
//! in the stream goes through without a trace.

mod lowering;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::{
    Backbone, Epoch, From, Page, Position, Publication, RETENTION_SLACK, Range, StreamOptions, Top,
};
use tokio::time::Instant;

use super::ring::{Limits, Ring, Step};
use super::route::Route;
use crate::broadcast::{Budget, Recent};

/// Publications that are heard while something is missing and wait for it; when there are more, they are read too, and those
/// that skip history are lost.
const WAITING_LIMIT: usize = 1_024;

/// How long a stream that cannot be read is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// A kept channel of this node.
pub(super) struct Kept {
    limits: Limits,
    /// How long what is stored stays at least, unless there is no room.
    lifetime: Duration,
    /// Publications of a channel that stay at least.
    size: u64,
    /// Held for a look-up or a change, and while publications are handed to the route.
    state: Mutex<State>,
    /// Offsets from which somebody waits for a read, with their number.
    wanted: Mutex<BTreeMap<u64, usize>>,
    /// Held by who reads what lies below the ring.
    reading: tokio::sync::Mutex<()>,
}

struct State {
    phase: Phase,
    /// When it was last sure that the ring's top is the stream's.
    verified: Instant,
    /// How often publications were removed; what was read before the last time may have some of them.
    removals: u64,
}

/// What a read of what is missing at the top begins with.
struct Missing {
    epoch: Epoch,
    after: u64,
    /// Everything that was heard up to here was stored before the read, which finds it unless it was removed.
    heard: u64,
    removals: u64,
}

enum Phase {
    /// The position is not known yet; what was heard waits.
    Opening(Vec<Publication>),
    Live(Ring),
    /// Something is missing at the top; what is heard waits.
    Filling(Ring, Vec<Publication>),
    /// It will not be had again.
    Lost,
}

/// Everything of a kept channel behind an offset, for a client that came back.
#[derive(Debug)]
pub(crate) struct Missed {
    publications: Vec<Arc<Recent>>,
    /// The offset up to which it reaches.
    to: u64,
    /// Those before it was taken, see [`State::removals`].
    removals: u64,
}

impl Missed {
    /// The offset up to which it reaches.
    pub(crate) fn end(&self) -> u64 {
        self.to
    }
}

impl Kept {
    pub(super) fn new(limits: Limits, stream: &StreamOptions) -> Self {
        Self {
            limits,
            lifetime: stream.ttl + RETENTION_SLACK,
            size: stream.size,
            state: Mutex::new(State {
                phase: Phase::Opening(Vec::new()),
                verified: Instant::now(),
                removals: 0,
            }),
            wanted: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Takes the position from which on everything is heard.
    pub(super) fn open(&self, route: &Route, top: &Top) {
        let mut state = self.state();
        if let Phase::Opening(waiting) = &mut state.phase {
            let waiting = std::mem::take(waiting);
            state.phase = Phase::Filling(Ring::new(top, self.limits.clone()), waiting);
            state.verified = Instant::now();
            if !state.settle(route) {
                route.repairs.ask(&route.channel);
            }
        }
    }

    /// Takes a publication of the backbone.
    pub(super) fn hear(&self, route: &Route, publication: Publication) {
        let mut state = self.state();
        match &mut state.phase {
            Phase::Opening(waiting) | Phase::Filling(_, waiting) => {
                if waiting.len() >= WAITING_LIMIT {
                    waiting.clear();
                }
                waiting.push(publication);
            }
            Phase::Live(ring) => {
                let Some(place) = &publication.place else {
                    return route.forward(&route.broadcast(publication));
                };
                match ring.judge(place) {
                    Step::Next => append(ring, route, publication),
                    Step::Known => {}
                    Step::Gap | Step::Stranger => {
                        state.phase.fill(publication);
                        route.repairs.ask(&route.channel);
                    }
                }
            }
            Phase::Lost => {}
        }
    }

    /// Reads what is missing at the top, if anything is. False: subscribers cannot be given everything any more.
    pub(super) async fn repair(&self, route: &Route, backbone: &dyn Backbone) -> bool {
        loop {
            let Some(missing) = self.begin_filling() else {
                return true;
            };
            let range = Range {
                from: From::After(missing.after),
                limit: self.limits.count,
                max_bytes: self.limits.bytes,
            };
            match backbone.read(&route.channel, range).await {
                Ok(page) => {
                    if !self.is_whole(&page, &missing.epoch) {
                        self.state().phase = Phase::Lost;
                        return false;
                    }
                    if self.fill(route, page, &missing) {
                        return true;
                    }
                }
                Err(error) => {
                    tracing::debug!(channel = route.channel.as_str(), %error, "cannot read the stream, trying again");
                    tokio::time::sleep(PAUSE).await;
                    // Other channels have their turn meanwhile.
                    route.repairs.ask(&route.channel);
                    return true;
                }
            }
        }
    }

    /// Whether nothing is missing between the ring and a page that begins behind its top. What was published after the
    /// top was last verified is too young to have gone by its age; and if there is less than a channel keeps, with what was
    /// removed, none has gone for room.
    fn is_whole(&self, page: &Page, epoch: &Epoch) -> bool {
        let is_young = self.state().verified.elapsed() < self.lifetime;
        let count = page.publications.len() as u64;
        let is_small = count.saturating_add(page.removed) < self.size;
        page.top.position.epoch == *epoch && (page.is_gapless || is_young && is_small)
    }

    /// Adds a page, and what was heard meanwhile; false if something is still missing.
    fn fill(&self, route: &Route, page: Page, missing: &Missing) -> bool {
        let mut state = self.state();
        if state.removals != missing.removals {
            return false;
        }
        if let Phase::Filling(ring, waiting) = &mut state.phase {
            if !page.has_more {
                waiting.retain(|it| it.place.as_ref().is_none_or(|it| it.offset > missing.heard));
            }
            for publication in page.publications {
                let place = publication.place.as_ref();
                if place.is_some_and(|place| place.offset > ring.top()) {
                    append(ring, route, publication);
                }
            }
        }
        if page.has_more {
            return false;
        }
        state.verified = Instant::now();
        state.settle(route)
    }

    fn begin_filling(&self) -> Option<Missing> {
        let mut state = self.state();
        if let Phase::Live(_) = &state.phase {
            state.phase.hold();
        }
        match &state.phase {
            Phase::Filling(ring, waiting) => {
                let offsets = waiting.iter().filter_map(|it| it.place.as_ref());
                Some(Missing {
                    epoch: Arc::clone(ring.epoch()),
                    after: ring.top(),
                    heard: offsets.map(|place| place.offset).max().unwrap_or(0),
                    removals: state.removals,
                })
            }
            Phase::Opening(_) | Phase::Live(_) | Phase::Lost => None,
        }
    }

    /// Whether the ring's top is another than the stream's, or something is known to be missing.
    pub(super) fn differs(&self, top: &Top) -> bool {
        let mut state = self.state();
        let differs = match &state.phase {
            Phase::Opening(_) | Phase::Lost => return false,
            Phase::Filling(..) => true,
            Phase::Live(ring) => {
                // Of what came since then, and has gone again by its age, nothing shows but that the stream went on.
                let can_show = !top.is_empty || state.verified.elapsed() >= self.lifetime;
                let is_behind = can_show && top.position.offset > ring.top();
                *ring.epoch() != top.position.epoch || is_behind
            }
        };
        if !differs {
            state.verified = Instant::now();
        }
        differs
    }

    /// Lets go of everything that is at hand, for some of it was removed. What was heard and not handed on yet is read again.
    pub(super) fn forget(&self, route: &Route) {
        let mut state = self.state();
        state.removals += 1;
        match &mut state.phase {
            Phase::Opening(waiting) => drop_stored(waiting),
            Phase::Live(ring) => ring.clear(),
            Phase::Filling(ring, waiting) => {
                ring.clear();
                drop_stored(waiting);
            }
            Phase::Lost => {}
        }
        route.repairs.ask(&route.channel);
    }

    /// The position up to which everything has been handed to the route.
    pub(super) fn position(&self) -> Option<Position> {
        self.state().ring().map(|ring| Position {
            epoch: Arc::clone(ring.epoch()),
            offset: ring.top(),
        })
    }

    /// Calls `begin` while nothing is handed to the route, and gives the position from which on it is.
    pub(super) fn begin_here(&self, begin: impl FnOnce()) -> Option<Position> {
        let state = self.state();
        begin();
        state.ring().map(|ring| Position {
            epoch: Arc::clone(ring.epoch()),
            offset: ring.top(),
        })
    }

    /// Everything behind one offset up to another; `None` if the ring does not reach so far back.
    pub(super) fn between(&self, after: u64, to: u64) -> Option<Vec<Arc<Recent>>> {
        self.state().ring()?.between(after, to)
    }

    /// Everything behind an offset; `None` if the ring does not reach so far back.
    pub(super) fn missed(&self, after: u64) -> Option<Missed> {
        self.state().missed(after)
    }

    /// What a client missed up to an offset, and what came since; `None` if some of it was removed, or has gone.
    pub(super) fn complete(&self, missed: &Missed, to: u64) -> Option<Vec<Arc<Recent>>> {
        let state = self.state();
        if state.removals != missed.removals {
            return None;
        }
        let mut found = missed.publications.clone();
        found.truncate(found.partition_point(|it| it.offset() <= to));
        if to > missed.to {
            found.extend(state.ring()?.between(missed.to, to)?);
        }
        Some(found)
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state().phase, Phase::Lost)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves a ring that is whole up to its top.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything behind an offset; `None` if the ring does not reach so far back.
    fn missed(&self, after: u64) -> Option<Missed> {
        let ring = self.ring()?;
        Some(Missed {
            publications: ring.between(after, ring.top())?,
            to: ring.top(),
            removals: self.removals,
        })
    }

    fn ring(&self) -> Option<&Ring> {
        match &self.phase {
            Phase::Live(ring) | Phase::Filling(ring, _) => Some(ring),
            Phase::Opening(_) | Phase::Lost => None,
        }
    }

    fn ring_mut(&mut self) -> Option<&mut Ring> {
        match &mut self.phase {
            Phase::Live(ring) | Phase::Filling(ring, _) => Some(ring),
            Phase::Opening(_) | Phase::Lost => None,
        }
    }

    /// Adds what waits, if nothing is missing before it; then the ring is live again.
    fn settle(&mut self, route: &Route) -> bool {
        let Phase::Filling(ring, waiting) = &mut self.phase else {
            return true;
        };
        let mut rest = std::mem::take(waiting).into_iter();
        while let Some(publication) = rest.next() {
            let Some(place) = &publication.place else {
                route.forward(&route.broadcast(publication));
                continue;
            };
            match ring.judge(place) {
                Step::Next => append(ring, route, publication),
                Step::Known => {}
                Step::Gap | Step::Stranger => {
                    waiting.push(publication);
                    waiting.extend(rest);
                    return false;
                }
            }
        }
        if let Phase::Filling(ring, _) = std::mem::replace(&mut self.phase, Phase::Lost) {
            self.phase = Phase::Live(ring);
        }
        true
    }
}

impl Phase {
    /// Holds back what is heard from now on.
    fn hold(&mut self) {
        *self = match std::mem::replace(self, Self::Lost) {
            Self::Live(ring) => Self::Filling(ring, Vec::new()),
            other => other,
        };
    }

    fn fill(&mut self, publication: Publication) {
        self.hold();
        if let Self::Filling(_, waiting) = self {
            waiting.push(publication);
        }
    }
}

/// Drops what can be read again.
fn drop_stored(waiting: &mut Vec<Publication>) {
    waiting.retain(|publication| publication.place.is_none());
}

/// Adds what is next to the ring, and hands it to the route.
fn append(ring: &mut Ring, route: &Route, publication: Publication) {
    let trace = publication.trace;
    let recent = Recent::new(publication).behind(ring.base(), ring.top(), ring.budget());
    let recent = Arc::new(recent);
    ring.push(Arc::clone(&recent));
    route.forward(&route.broadcast_of(recent, trace));
}

/// Tells each publication of a row the one before it.
fn chain(
    publications: impl Iterator<Item = Publication>,
    budget: &Arc<Budget>,
) -> Vec<Arc<Recent>> {
    let mut before: Option<(Bytes, u64)> = None;
    let link = |publication: Publication| {
        let recent = Recent::new(publication);
        let this = (recent.data().clone(), recent.offset());
        Arc::new(match before.replace(this) {
            Some((base, top)) => recent.behind(Some(base), top, budget),
            None => recent.behind(None, 0, budget),
        })
    };
    publications.map(link).collect()
}
