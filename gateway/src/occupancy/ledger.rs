//! Carries out what is to be done about a channel: in the records that nodes share, or alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_backbone::Backbone;

use super::desk::Step;
use super::record::{Change, Move, Record};
use super::records::{Fault, Placed, Records, token};
use crate::hooks::{ChannelState, Happened, TargetId, Teller, Transition, now_ms};

/// How often a record may change under our hands before it is left for later.
const TRIES: usize = 16;

/// What one node does about channels.
pub(super) struct Ledger {
    pub(super) bus: Arc<dyn Backbone>,
    pub(super) node: String,
    pub(super) teller: Teller,
    /// Of the last transition that was told of alone.
    number: AtomicU64,
    /// Who is told, by namespace.
    pub(super) targets: HashMap<Option<String>, TargetId>,
}

impl Ledger {
    pub(super) fn new(
        bus: Arc<dyn Backbone>,
        node: String,
        teller: Teller,
        targets: HashMap<Option<String>, TargetId>,
    ) -> Self {
        Self {
            bus,
            node,
            teller,
            number: AtomicU64::new(0),
            targets,
        }
    }

    /// Does it.
    pub(super) async fn perform(&self, channel: &str, step: Step) -> Result<(), Fault> {
        if !self.bus.reaches_others() {
            return self.alone(channel, step).await;
        }
        let own = BTreeSet::from([self.node.clone()]);
        match step {
            Step::Claim => self.change(channel, &Change::Add(&self.node)).await,
            Step::Release => self.change(channel, &Change::Remove(&own)).await,
        }
    }

    /// The only node's subscribers are all that there are.
    async fn alone(&self, channel: &str, step: Step) -> Result<(), Fault> {
        let state = match step {
            Step::Claim => ChannelState::Occupied,
            Step::Release => ChannelState::Vacated,
        };
        let now = now_ms();
        // Higher than before, after a restart too.
        let next = |last: u64| Some(now.max(last + 1));
        let last = self
            .number
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        let number = now.max(last.unwrap_or_default() + 1);
        self.tell(channel, state, number, now).await
    }

    /// Changes a channel's record, and tells the backend of the first and the last node.
    pub(super) async fn change(&self, channel: &str, change: &Change<'_>) -> Result<(), Fault> {
        let records = Records(&*self.bus);
        let mut placed = records.get(channel).await?;
        for _ in 0..TRIES {
            let next = Record::towards(placed.1.as_ref(), channel, change, now_ms());
            let moved = match next {
                Move::Rest => return Ok(()),
                Move::Write(record) => records
                    .put(placed.0, &record)
                    .await
                    .map(|place| (place, Some(record))),
                Move::Tell(state) => self.settle(placed, state).await,
            };
            placed = match moved {
                Err(Fault::Changed) => records.get(channel).await?,
                other => other?,
            };
        }
        Err(Fault::Changed)
    }

    /// Tells of a record's state, and notes that this was done.
    async fn settle(&self, placed: Placed, state: ChannelState) -> Result<Placed, Fault> {
        let records = Records(&*self.bus);
        let (place, Some(record)) = placed else {
            return Ok(placed);
        };
        self.tell(&record.channel, state, place, record.time_ms)
            .await?;
        match state {
            ChannelState::Occupied => {
                let told = Record {
                    is_told: true,
                    ..record
                };
                let place = records.put(place, &told).await?;
                Ok((place, Some(told)))
            }
            ChannelState::Vacated => {
                records.remove(&record.channel, place).await?;
                Ok((0, None))
            }
        }
    }

    async fn tell(
        &self,
        channel: &str,
        state: ChannelState,
        number: u64,
        time_ms: u64,
    ) -> Result<(), Fault> {
        let namespace = tidegate_backbone::Channel::parse(channel).ok();
        let namespace = namespace.and_then(|it| it.namespace().map(str::to_owned));
        let Some(target) = self.targets.get(&namespace) else {
            // The namespace is not told of any more.
            return Ok(());
        };
        let happened = Happened {
            target: *target,
            id: format!("{}-{number}", token(channel)),
            time_ms,
            transition: Transition {
                channel: channel.to_owned(),
                state,
                number,
            },
        };
        let told = self.teller.tell(happened).await;
        told.map_err(|error| Fault::Unavailable(error.to_string()))
    }
}
