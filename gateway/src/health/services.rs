//! Whether the services that the configuration needs answer. A node without them is still of use: it says so, and stays
//! ready, for a service that is away must not take away all nodes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::node::Node;

/// Between two questions to each of them.
const PERIOD: Duration = Duration::from_secs(5);

/// What is known of each that the configuration needs, by name: nothing before it was asked for the first time.
type Known = BTreeMap<&'static str, Result<(), String>>;

/// Locked for a look or a change.
#[derive(Debug, Default)]
pub(super) struct Services(Mutex<Known>);

impl Services {
    /// What was found last.
    pub(super) fn known(&self) -> Known {
        self.lock().clone()
    }

    /// Asks them again and again.
    pub(super) async fn keep(&self, node: &Node) -> Infallible {
        loop {
            let presence = async {
                match &node.presence {
                    Some(presence) => Some(presence.reach().await),
                    None => None,
                }
            };
            let history = node.interest.archive().reach();
            let (presence, history) = tokio::join!(presence, history);
            for (name, found) in [("presence", presence), ("history", history)] {
                if let Some(found) = found {
                    self.note(name, found);
                }
            }
            sleep(PERIOD).await;
        }
    }

    fn note(&self, name: &'static str, found: Result<(), String>) {
        let before = self.lock().insert(name, found.clone());
        match (before, found) {
            (Some(Err(_)), Ok(())) => tracing::info!(name, "a service answers again"),
            (None | Some(Ok(())), Err(reason)) => {
                tracing::warn!(name, reason, "a service does not answer");
            }
            (None | Some(Ok(())), Ok(())) | (Some(Err(_)), Err(_)) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
