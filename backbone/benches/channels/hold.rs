//! Many channels at one node: what it costs to subscribe to them, to hold them, and to let them go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tidegate_backbone::{Backbone, Channel, Publication, Subscription};
use tokio::time::sleep;

use crate::ear::{Ear, Heard, start_clock};
use crate::samples::{Samples, millis};
use crate::stage::Stage;

/// Subscribes that are under way at the same time.
const AT_ONCE: usize = 256;

/// Long enough for a server's garbage collector and our allocator to come to rest.
const REST: Duration = Duration::from_secs(3);

pub(crate) struct Held {
    pub(crate) channels: Vec<Channel>,
    pub(crate) ears: Vec<Arc<Ear>>,
    pub(crate) heard: Arc<Heard>,
    subscriptions: Vec<Subscription>,
}

impl Held {
    /// Subscribes to `count` channels at the far node.
    pub(crate) async fn subscribe(stage: &Stage, count: usize) -> Result<(Self, Value)> {
        start_clock();
        let heard = Arc::new(Heard::default());
        let mut held = Self {
            channels: (0..count).map(|number| channel("held", number)).collect(),
            ears: (0..count).map(|_| Ear::new(&heard)).collect(),
            heard,
            subscriptions: Vec::with_capacity(count),
        };
        sleep(REST).await;
        let (ours, servers) = stage.usage()?;
        let start = Instant::now();
        let latency = held.subscribe_all(stage).await?;
        let time = start.elapsed();
        sleep(REST).await;
        let (ours_after, servers_after) = stage.usage()?;
        let figures = json!({
            "bytes_per_channel": ours_after.bytes_each_since(&ours, count),
            "server_bytes_per_channel": servers_after.bytes_each_since(&servers, count),
            "cpu_us_per_subscribe": ours_after.micros_each_since(&ours, count),
            "server_cpu_us_per_subscribe": servers_after.micros_each_since(&servers, count),
            "took_ms": millis(time),
            "subscribe": latency.summary(),
        });
        Ok((held, figures))
    }

    async fn subscribe_all(&mut self, stage: &Stage) -> Result<Samples> {
        let mut latency = Samples::default();
        let subscribing = stream::iter(self.channels.iter().zip(&self.ears))
            .map(async |(channel, ear)| {
                let start = Instant::now();
                let subscription = stage.far.subscribe(channel, Arc::clone(ear) as _).await?;
                anyhow::Ok((subscription, start.elapsed()))
            })
            .buffered(AT_ONCE);
        let mut subscribing = std::pin::pin!(subscribing);
        while let Some((subscription, time)) = subscribing.try_next().await? {
            self.subscriptions.push(subscription);
            latency.add(time);
        }
        Ok(latency)
    }

    /// Lets all of them go, and waits until the server knows.
    pub(crate) async fn release(self, stage: &Stage) -> Result<Value> {
        let count = self.subscriptions.len();
        let (ours, servers) = stage.usage()?;
        let start = Instant::now();
        drop(self.subscriptions);
        let dropped = start.elapsed();
        stage
            .far
            .publish(&channel("other", 0), Publication::default())
            .await?;
        let time = start.elapsed();
        sleep(REST).await;
        let (ours_after, servers_after) = stage.usage()?;
        Ok(json!({
            "cpu_us_per_unsubscribe": ours_after.micros_each_since(&ours, count),
            "server_cpu_us_per_unsubscribe": servers_after.micros_each_since(&servers, count),
            "drop_ms": millis(dropped),
            "took_ms": millis(time),
            "bytes_returned_per_channel": -ours_after.bytes_each_since(&ours, count),
        }))
    }
}

pub(crate) fn channel(name: &str, number: usize) -> Channel {
    Channel::parse(&format!("bench:{name}.{number}")).expect("a channel")
}
