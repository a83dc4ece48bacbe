//! Fills the stream, and watches how the archive takes it in.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tidegate_backbone::{Backbone, Channel, Publication};
use tidegate_proto::history as proto;
use tidegate_proto::history::history_client::HistoryClient;
use tokio::time::{Instant, sleep};
use tonic::transport::Endpoint;

use super::stage::Stage;
use super::{Arguments, rate};

/// Publications under way.
const AT_ONCE: usize = 1_000;

/// Between two looks at how far the archive is.
const LOOK: Duration = Duration::from_millis(20);

/// Time in which the archive must get further.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn channel(number: u64) -> Result<Channel> {
    Ok(Channel::parse(&format!("chat:room.{number}"))?)
}

/// Publishes everything, and waits until it is stored.
pub(super) async fn publish(stage: &Stage, arguments: &Arguments) -> Result<()> {
    let data = bytes::Bytes::from(vec![b'x'; arguments.bytes]);
    let publications = stream::iter(0..arguments.messages).map(|number| {
        let publication = Publication {
            data: data.clone(),
            ..Publication::default()
        };
        async move {
            let channel = channel(number % arguments.channels)?;
            stage.publisher.publish(&channel, publication).await?;
            anyhow::Ok(())
        }
    });
    publications
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// Waits until all is archived; how much came in a second from the first that was seen to the last.
pub(super) async fn taken_in(address: &str, messages: u64) -> Result<Value> {
    let endpoint = Endpoint::from_shared(address.to_owned())?;
    let mut client = HistoryClient::new(endpoint.connect().await?);
    let (mut first, mut last) = (None, (0, Instant::now()));
    loop {
        let stats = client.stats(proto::StatsRequest {}).await?.into_inner();
        let archived = stats.streams.iter().map(|it| it.publications).sum::<u64>();
        let now = Instant::now();
        if archived > last.0 {
            last = (archived, now);
            first = first.or(Some(last));
        }
        anyhow::ensure!(now - last.1 < PATIENCE, "it stays at {archived}");
        if archived >= messages {
            break;
        }
        sleep(LOOK).await;
    }
    anyhow::ensure!(last.0 == messages, "there are {} of {messages}", last.0);
    let (before, begin) = first.unwrap_or((0, last.1));
    let (count, time) = (last.0 - before, last.1 - begin);
    anyhow::ensure!(count * 2 > messages, "too few publications to measure");
    Ok(json!({ "publications a second": rate(count, time)?, "seconds": time.as_secs_f64() }))
}
