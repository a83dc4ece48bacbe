//! Proofs that a channel has let nothing go behind an offset by itself: one by one, and for many who read at the same time
//! from one list of what their stream has.

use std::cmp::Ordering;

use serde_json::json;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::reading::{Reading, TURN, turn};
use super::removing::{self, Marks};
use super::settings::{self, Info};
use super::tops::of_leader;
use super::{KeptStream, PATIENCE};
use crate::nats::node::Node;
use crate::{Channel, Error};

/// Subjects that a server lists, and that are read here, in the time that a proof of one channel takes.
const LISTED: usize = 100;

/// The most subjects that a list has.
const MAX_LISTED: usize = 100_000;

/// Whether it is proved that nothing is missing.
pub(super) enum Proof {
    Whole,
    None {
        /// See [`Page::removed`](crate::Page::removed).
        removed: u64,
    },
}

/// A channel of which it is not known whether something has gone behind an offset.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    channel: Channel,
    after: u64,
}

impl Reading<'_> {
    /// Whether nothing behind an offset has gone by itself until now. Who reads without a turn is one of many.
    pub(super) async fn proof(
        &mut self,
        after: u64,
        taken: Option<SemaphorePermit<'_>>,
    ) -> Result<Proof, Error> {
        let newest = (!self.top.is_empty).then_some(self.top.position.offset);
        let order = newest.map_or(Ordering::Less, |newest| after.cmp(&newest));
        let is_one_of_many = taken.is_none();
        if order.is_eq() || is_one_of_many && order.is_lt() && self.is_listed(after).await? {
            return Ok(Proof::Whole);
        }
        let _turn = match taken {
            Some(turn) => turn,
            None => {
                let turn = turn(&self.node.proofs, TURN).await?;
                self.deadline = Instant::now() + PATIENCE;
                turn
            }
        };
        // Only by removal does a channel's newest go before those in front of it.
        match order.is_gt() {
            true if removing::reaches(self, after).await? => Ok(Proof::Whole),
            true => Ok(Proof::None { removed: 0 }),
            false => self.prove(after).await,
        }
    }

    /// A channel lets its oldest go first, so everything behind one that is held is there, or was removed. Or nothing ever
    /// went, see [`never_let_go`]. What was purged cannot be missed, so it is as good as had.
    async fn prove(&self, after: u64) -> Result<Proof, Error> {
        let request = json!({ "seq": 1, "next_by_subj": self.subject });
        let oldest = of_leader(self.node, self.stream, &request, self.deadline).await?;
        if oldest.is_some_and(|oldest| oldest <= after) {
            return Ok(Proof::Whole);
        }
        let subject = Some(&*self.subject);
        let info = settings::info(self.node, self.stream, subject, self.deadline).await?;
        let count = info.state.count(&self.subject);
        let Marks { removed, purged } = removing::marks(self).await?;
        if after <= info.state.last_seq && never_let_go(&info, after.max(purged), count, removed) {
            return Ok(Proof::Whole);
        }
        Ok(Proof::None {
            removed: if purged > after { u64::MAX } else { removed },
        })
    }

    /// Whether a list of the stream's subjects, got for all who ask, proves it.
    async fn is_listed(&self, after: u64) -> Result<bool, Error> {
        let (node, stream) = (self.node, self.stream);
        let doubt = Doubt {
            channel: self.channel.clone(),
            after,
        };
        let ask = |doubts| list(node, stream, doubts);
        stream.doubts.answer(doubt, MAX_LISTED, ask).await
    }
}

/// Whether of each channel nothing ever went, as far as one list of the stream's subjects says. It is not asked for where
/// there is too much else in the stream.
async fn list(node: &Node, stream: &KeptStream, doubts: Vec<Doubt>) -> Result<Vec<bool>, Error> {
    let deadline = Instant::now() + PATIENCE;
    let info = settings::info(node, stream, None, deadline).await?;
    let is_held = |it: &&Doubt| info.state.first_seq <= it.after.saturating_add(1);
    let worth = doubts.iter().filter(is_held).count().saturating_mul(LISTED);
    if info.state.num_subjects > worth.min(MAX_LISTED) {
        return Ok(vec![false; doubts.len()]);
    }
    let info = settings::info(node, stream, Some(&stream.stored), deadline).await?;
    let is_whole = |Doubt { channel, after }: Doubt| {
        let count = info.state.count(&node.subjects.publication(&channel));
        let removed = info.state.count(&node.subjects.removed(&channel));
        after <= info.state.last_seq && never_let_go(&info, after, count, removed)
    };
    // A list that the server has cut says nothing of what is not in it.
    let is_all = info.state.listed() >= info.state.num_subjects;
    Ok(doubts
        .into_iter()
        .map(|it| is_all && is_whole(it))
        .collect())
}

/// Whether nothing behind an offset ever went: neither by its age, which takes the stream's oldest first, nor to make room in
/// its channel, which always had some left, what was removed counted in.
fn never_let_go(info: &Info, had: u64, count: u64, removed: u64) -> bool {
    let is_small = count.saturating_add(removed) <= info.least_size();
    info.state.first_seq <= had.saturating_add(1) && is_small
}
