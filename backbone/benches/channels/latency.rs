//! How long a publication takes from one node to another that is otherwise at rest, and how long its confirmation.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_backbone::Backbone;
use tokio::time::interval;

use crate::ear::stamped;
use crate::hold::Held;
use crate::samples::Samples;
use crate::stage::Stage;

const COUNT: usize = 2_000;

const PAUSE: Duration = Duration::from_millis(5);

pub(crate) async fn measure(stage: &Stage, held: &Held) -> Result<Value> {
    held.heard.take_delays();
    let before = held.heard.count();
    let (mut ticks, mut confirmed) = (interval(PAUSE), Samples::default());
    for _ in 0..COUNT {
        ticks.tick().await;
        let start = Instant::now();
        stage
            .near
            .publish(&held.channels[0], stamped(start))
            .await?;
        confirmed.add(start.elapsed());
    }
    held.heard.wait_for(before + COUNT).await;
    let mut delivery = Samples::default();
    delivery.extend(held.heard.take_delays());
    Ok(json!({
        "delivery": delivery.summary(),
        "confirmation": confirmed.summary(),
    }))
}
