//! How long it takes until every channel is heard again after the server was killed and started.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_backbone::{Backbone, Publication};
use tidegate_testkit::deadline::until;
use tokio::time::sleep;

use crate::hold::Held;
use crate::samples::millis;
use crate::stage::Stage;

/// Every so many channels one is asked whether it hears.
const STEP: usize = 97;

/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) async fn measure(stage: &mut Stage, held: &Held) -> Result<Value> {
    stage.server.kill()?;
    until("both nodes notice", || {
        !stage.near.is_ready() && !stage.far.is_ready()
    })
    .await?;
    let (ours, start) = (stage.usage_of_ours()?, Instant::now());
    stage.server.restart().await?;
    let serving = start.elapsed();
    until("both nodes are back", || {
        stage.near.is_ready() && stage.far.is_ready()
    })
    .await?;
    let ready = start.elapsed();
    let mut deaf: Vec<_> = held
        .ears
        .iter()
        .zip(&held.channels)
        .step_by(STEP)
        .map(|(ear, channel)| (ear, channel, ear.count()))
        .collect();
    let asked = deaf.len();
    while !deaf.is_empty() {
        for (_, channel, _) in &deaf {
            let _lost = stage.near.send(channel, Publication::default()).await;
        }
        sleep(PAUSE).await;
        deaf.retain(|(ear, _, before)| ear.count() == *before);
    }
    let ours_after = stage.usage_of_ours()?;
    Ok(json!({
        "server_up_ms": millis(serving),
        "ready_ms": millis(ready),
        "all_heard_ms": millis(start.elapsed()),
        "asked": asked,
        "cpu_us_per_channel": ours_after.micros_each_since(&ours, held.channels.len()),
    }))
}
