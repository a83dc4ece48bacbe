//! Channels that come and go while others are held, and publications meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};
use tidegate_backbone::{Backbone, Channel, Subscription};
use tokio::time::{interval, sleep};

use crate::ear::{Ear, stamped};
use crate::hold::{Held, channel};
use crate::samples::Samples;
use crate::stage::Stage;

/// How often channels come: as many as are due by then.
const TICK: Duration = Duration::from_millis(2);

/// How long a channel lives, in ticks.
const LIFE: usize = 500;

/// After the last publication was sent, it is there.
const REST: Duration = Duration::from_millis(500);

pub(crate) async fn measure(
    stage: &Stage,
    held: &Held,
    per_second: u32,
    rate: u32,
    time: Duration,
) -> Result<Value> {
    let (ours, servers) = stage.usage()?;
    held.heard.take_delays();
    let (coming, publishing) = join(
        come_and_go(stage, held, per_second, time),
        publish(stage, &held.channels, rate, time),
    )
    .await;
    let ((subscribe, failed), sent) = (coming?, publishing?);
    sleep(REST).await;
    let (ours_after, servers_after) = stage.usage()?;
    let came = subscribe.len();
    let mut delivery = Samples::default();
    delivery.extend(held.heard.take_delays());
    Ok(json!({
        "came": came,
        "failed": failed,
        "cpu_us_per_channel": ours_after.micros_each_since(&ours, came),
        "server_cpu_us_per_channel": servers_after.micros_each_since(&servers, came),
        "bytes_grown": ours_after.bytes_each_since(&ours, 1),
        "subscribe": subscribe.summary(),
        "published": sent,
        "delivery": delivery.summary(),
    }))
}

/// How long each subscribe took since it was due, and how many failed.
async fn come_and_go(
    stage: &Stage,
    held: &Held,
    per_second: u32,
    time: Duration,
) -> Result<(Samples, usize)> {
    let (start, mut ticks) = (Instant::now(), interval(TICK));
    let (mut latency, mut failed, mut next) = (Samples::default(), 0, 0);
    let mut alive: VecDeque<Vec<Subscription>> = VecDeque::new();
    let mut under_way = FuturesUnordered::new();
    let mut arrived = Vec::new();
    while start.elapsed() < time || !under_way.is_empty() {
        tokio::select! {
            Some((subscribed, took)) = under_way.next(), if !under_way.is_empty() => match subscribed {
                Ok(subscription) => {
                    latency.add(took);
                    arrived.push(subscription);
                }
                Err(_) => failed += 1,
            },
            _ = ticks.tick(), if start.elapsed() < time => {
                alive.push_back(std::mem::take(&mut arrived));
                if alive.len() > LIFE {
                    drop(alive.pop_front());
                }
                while due(next, per_second) <= start.elapsed() {
                    let due = start + due(next, per_second);
                    let (name, ear) = (channel("passing", next), Ear::new(&held.heard));
                    under_way.push(async move {
                        let subscribed = stage.far.subscribe(&name, ear as Arc<_>).await;
                        (subscribed, due.elapsed())
                    });
                    next += 1;
                }
            }
        }
    }
    Ok((latency, failed))
}

/// Publishes to one held channel after the other, without waiting for confirmations.
pub(crate) async fn publish(
    stage: &Stage,
    channels: &[Channel],
    rate: u32,
    time: Duration,
) -> Result<usize> {
    let (start, mut ticks, mut next) = (Instant::now(), interval(Duration::from_millis(1)), 0);
    while start.elapsed() < time {
        ticks.tick().await;
        while due(next, rate) <= start.elapsed() {
            // A prime step visits every channel, far from the one before.
            let channel = &channels[next * 7919 % channels.len()];
            let publication = stamped(start + due(next, rate));
            let _unconfirmed = stage.near.send(channel, publication).await?;
            next += 1;
        }
    }
    Ok(next)
}

fn due(number: usize, per_second: u32) -> Duration {
    Duration::from_secs_f64(number as f64 / f64::from(per_second.max(1)))
}
