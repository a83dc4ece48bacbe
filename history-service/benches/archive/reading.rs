//! Reads of 100 publications over gRPC, by so many callers, each as soon as it has the answer before.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tidegate_proto::history as proto;
use tidegate_proto::history::history_client::HistoryClient;
use tokio::time::Instant;
use tonic::transport::{Channel as Connection, Endpoint};

use super::filling::channel;
use super::{Arguments, rate};

/// Publications of a page.
const PAGE: u32 = 100;

pub(super) async fn read(address: &str, arguments: &Arguments, callers: usize) -> Result<Value> {
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let begin = Instant::now();
    let callers = (0..callers as u64).map(|seed| {
        let endpoint = Endpoint::from_shared(address.to_owned());
        let channels = arguments.channels;
        tokio::spawn(async move {
            let client = HistoryClient::new(endpoint?.connect().await?);
            call(client, StdRng::seed_from_u64(seed), channels, end).await
        })
    });
    let mut times = Vec::new();
    for caller in try_join_all(callers).await? {
        times.extend(caller?);
    }
    let reads = rate(times.len() as u64, begin.elapsed())?;
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1_000.0;
    Ok(json!({
        "reads a second": reads,
        "publications a second": reads * f64::from(PAGE),
        "p50 in ms": at(50),
        "p99 in ms": at(99),
    }))
}

/// Reads pages behind places in the older half of channels, each of which must be full; how long each took.
async fn call(
    mut client: HistoryClient<Connection>,
    mut random: StdRng,
    channels: u64,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let newest = client.position(proto::PositionRequest {
        channel: channel(0)?.to_string(),
    });
    let newest = newest
        .await?
        .into_inner()
        .position
        .unwrap_or_default()
        .offset;
    while Instant::now() < end {
        let position = proto::StreamPosition {
            epoch: String::new(),
            offset: random.random_range(0..=newest / 2),
        };
        let request = proto::ReadRequest {
            channel: channel(random.random_range(0..channels))?.to_string(),
            start: Some(proto::read_request::Start::Position(position)),
            limit: PAGE,
            ..proto::ReadRequest::default()
        };
        let begin = Instant::now();
        let page = client.read(request).await?.into_inner();
        times.push(begin.elapsed());
        let count = page.publications.len();
        anyhow::ensure!(
            count == PAGE as usize && page.is_gapless,
            "a page of {count}"
        );
    }
    anyhow::ensure!(!times.is_empty(), "no read has ended in time");
    Ok(times)
}
