//! Waiting for a condition that sends no event: asked again and again until it holds or the time is over.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How long a condition may take on a busy machine before a test calls it a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks `probe` until it answers with a value.
///
/// # Errors
/// With `what` was awaited, when [`PATIENCE`] is over.
pub async fn until_some<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe().await {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("{what}: not so within {PATIENCE:?}");
        }
        sleep(PAUSE).await;
    }
}

/// Asks `holds` until it is true.
///
/// # Errors
/// With `what` was awaited, when [`PATIENCE`] is over.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    until_some(what, async || holds().then_some(())).await
}
