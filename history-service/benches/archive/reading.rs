//! Reads of 100 publications over gRPC, by so many callers, each as soon as it has the answer before.

use std::sync::Arc;
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
    let places: Arc<[_]> = places(address, arguments.channels).await?.into();
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let begin = Instant::now();
    let callers = (0..callers as u64).map(|seed| {
        let endpoint = Endpoint::from_shared(address.to_owned());
        let places = Arc::clone(&places);
        tokio::spawn(async move {
            let client = HistoryClient::new(endpoint?.connect().await?);
            call(client, StdRng::seed_from_u64(seed), &places, end).await
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

/// Each channel with its newest offset.
async fn places(address: &str, channels: u64) -> Result<Vec<(String, u64)>> {
    let endpoint = Endpoint::from_shared(address.to_owned())?;
    let mut client = HistoryClient::new(endpoint.connect().await?);
    let mut places = Vec::new();
    for number in 0..channels {
        let channel = channel(number)?.to_string();
        let request = proto::PositionRequest {
            channel: channel.clone(),
        };
        let newest = client.position(request).await?.into_inner().position;
        places.push((channel, newest.unwrap_or_default().offset));
    }
    Ok(places)
}

/// Reads pages behind places in the older half of channels, each of which must be full; how long each took.
async fn call(
    mut client: HistoryClient<Connection>,
    mut random: StdRng,
    places: &[(String, u64)],
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let (channel, newest) = &places[random.random_range(0..places.len())];
        let position = proto::StreamPosition {
            epoch: String::new(),
            offset: random.random_range(0..=newest / 2),
        };
        let request = proto::ReadRequest {
            channel: channel.clone(),
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
