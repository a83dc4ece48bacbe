//! What concerns connections, on every node.

use std::collections::BTreeMap;

use tidegate_codec::{Disconnect, ErrorCode, Failure};

use super::{Api, Connections, Outcome, Target};
use crate::cluster::{Answer, Question};
use crate::control::Order;

/// Connections in one answer.
const MAX_CONNECTIONS: usize = 1_000;

/// The same where nothing else is asked for.
const DEFAULT_CONNECTIONS: usize = 100;

impl Api {
    /// Gives an order on every node; tells how many connections obeyed. When a node that lives does not say, nobody knows
    /// whether all that were meant got it, and it failed. Every order may be repeated.
    pub(super) async fn control(&self, target: Target, order: Order) -> Result<u64, Failure> {
        self.check(&order)?;
        let question = Question::Order {
            user: target.user,
            client: Some(target.client).filter(|it| !it.is_empty()),
            session: Some(target.session).filter(|it| !it.is_empty()),
            spared: target.spared,
            order,
        };
        let gathered = self.cluster.gather(question).await;
        let counts = gathered.answers.iter().map(|answer| match answer {
            Answer::Reached(count) => Some(*count),
            _ => None,
        });
        let reached: Option<u64> = counts.sum();
        let reached = reached.filter(|_| gathered.is_complete);
        Ok(reached.ok_or(ErrorCode::Internal)?)
    }

    fn check(&self, order: &Order) -> Result<(), Failure> {
        match order {
            Order::Subscribe(wanted) => drop(self.rules().channel(&wanted.channel)?),
            Order::Unsubscribe { channel } => {
                if let Some(channel) = channel {
                    self.rules().channel(channel)?;
                }
            }
            Order::Disconnect { code, reason } => {
                Disconnect::new(*code, reason).ok_or(ErrorCode::BadRequest)?;
            }
            Order::Refresh(_) => {}
        }
        Ok(())
    }

    pub(super) async fn connections(&self, wanted: Connections) -> Result<Outcome, Failure> {
        if let Some(channel) = &wanted.channel {
            self.rules().channel(channel)?;
        }
        let limit = match wanted.limit {
            0 => DEFAULT_CONNECTIONS,
            limit => limit.min(MAX_CONNECTIONS),
        };
        let question = Question::Connections {
            user: wanted.user,
            channel: wanted.channel,
            after: wanted.after,
            // One more tells whether there are more.
            limit: limit + 1,
        };
        let gathered = self.cluster.gather(question).await;
        let mut found = BTreeMap::new();
        for answer in gathered.answers {
            match answer {
                Answer::Connections(some) => found.extend(some),
                _ => return Err(ErrorCode::Internal.into()),
            }
        }
        if !gathered.is_complete {
            return Err(ErrorCode::Internal.into());
        }
        let has_more = found.len() > limit;
        while found.len() > limit {
            found.pop_last();
        }
        Ok(Outcome::Connections { found, has_more })
    }
}
