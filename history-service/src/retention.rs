//! Trims what is older than its namespace promises.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{MissedTickBehavior, interval};

use crate::store::{Store, StoreError};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(30);

/// Records that are trimmed together. Between two such steps the archive does what waits.
const STEP: usize = 2_000;

/// How long a namespace is archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The namespace; `None` for channels without one.
    pub namespace: Option<String>,
    /// How long.
    pub ttl: Duration,
}

/// Trims for as long as the archive lets itself be trimmed; one that does not answer is asked again at the next look.
///
/// # Errors
/// What the archive said.
pub async fn keep(store: &Arc<dyn Store>, retentions: &[Retention]) -> StoreError {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        for retention in retentions {
            match trim(store, retention).await {
                Ok(()) => {}
                Err(StoreError::Unavailable(reason)) => {
                    tracing::warn!(reason, "what is too old is trimmed later");
                }
                Err(error) => return error,
            }
        }
    }
}

async fn trim(store: &Arc<dyn Store>, retention: &Retention) -> Result<(), StoreError> {
    let oldest = SystemTime::now().checked_sub(retention.ttl);
    let oldest = oldest.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    let oldest = oldest.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(0));
    let namespace = retention.namespace.as_deref();
    let mut trimmed = 0;
    loop {
        let count = store.trim(namespace, oldest, STEP).await?;
        trimmed += count;
        if count < STEP {
            break;
        }
    }
    if trimmed > 0 {
        tracing::debug!(namespace, trimmed, "publications were too old");
    }
    Ok(())
}
