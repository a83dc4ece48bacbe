//! The moment in which a joined channel begins to be delivered: what lies before is in the reply, what lies behind comes
//! from the log, and nothing comes between, for all of it happens at once on the worker's thread.

use std::rc::Rc;
use std::sync::Arc;

use tidegate_backbone::Error;
use tidegate_codec::SharedPublication;

use super::Connection;
use super::operation::Joined;
use crate::broadcast::{Form, Recent};
use crate::hub::{Membership, Terms};
use crate::interest::{Missed, Wish};
use crate::session::Landing;

impl Connection {
    /// Begins delivery of a joined channel, and gathers what the client missed.
    pub(super) fn land(&mut self, joined: Joined) -> Result<(Membership, Landing), Error> {
        let terms = Terms {
            delivery: self.node().rules.delivery(joined.topic.channel()),
            is_delta: joined.join.is_delta,
            hearing: joined.hearing.clone(),
        };
        let hub = Rc::clone(&self.worker.hub);
        let membership = hub.attach(Arc::clone(&joined.topic), &self.outbox, &terms)?;
        let wish = joined.join.wish.as_ref().zip(joined.missed.as_ref());
        let missed = wish.and_then(|(wish, missed)| missed_of(&membership, wish, missed));
        self.count(&joined, missed.is_some());
        if missed.as_ref().is_some_and(|missed| !missed.is_empty()) {
            membership.has_base();
        }
        let landing = Landing {
            position: membership.position(),
            recovered: missed.map(|missed| self.publications(&missed, terms.is_delta)),
        };
        Ok((membership, landing))
    }

    fn count(&self, joined: &Joined, has_recovered: bool) {
        let counters = &self.node().counters;
        match (&joined.join.wish, has_recovered) {
            (None, _) => {}
            (Some(_), true) => counters.recovered.add(1),
            (Some(_), false) => counters.not_recovered.add(1),
        }
    }

    /// Publications as they stand in a reply: as a row of patches, where the client asked for that.
    fn publications(&self, missed: &[Arc<Recent>], is_delta: bool) -> Vec<SharedPublication> {
        let format = self.format();
        let mut publications = Vec::with_capacity(missed.len());
        for recent in missed {
            let form = match (is_delta, publications.is_empty()) {
                (false, _) => Form::Plain(format),
                (true, true) => Form::Whole(format),
                (true, false) => Form::Patch(format),
            };
            publications.extend(recent.shared(form));
        }
        publications
    }
}

/// What of the channel the client has not had; `None` if that is not at hand.
fn missed_of(membership: &Membership, wish: &Wish, missed: &Missed) -> Option<Vec<Arc<Recent>>> {
    let mut missed = membership.missed(missed)?;
    if let Wish::Newest(since) = wish {
        let newest = missed.pop()?;
        let has_it = newest.offset() == since.offset && newest.epoch() == Some(&since.epoch);
        missed = if has_it { Vec::new() } else { vec![newest] };
    }
    Some(missed)
}
