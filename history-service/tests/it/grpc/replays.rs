//! Replays at a time.

use anyhow::{Context, Result};
use tidegate_history_service::grpc::MAX_REPLAYS;
use tidegate_proto::history as proto;
use tidegate_proto::history::history_client::HistoryClient;
use tidegate_testkit::deadline::until_some;
use tonic::Code;
use tonic::transport::{Channel as Connection, Endpoint};

use super::{World, room};

/// Calls that one connection may have under way.
const OF_ONE_CONNECTION: usize = 256;

type Replay = tonic::Streaming<proto::ReplayResponse>;

async fn replay(client: &mut HistoryClient<Connection>) -> Result<Replay, tonic::Status> {
    let request = proto::ReplayRequest {
        channel: "kept:chat".to_owned(),
        ..proto::ReplayRequest::default()
    };
    Ok(client.replay(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_a_bound_and_who_ends_makes_room() -> Result<()> {
    let world = World::new().await?;
    world.carrier.put_text(&room("kept:chat"), "x");
    let connect = async || Endpoint::from_shared(world.url.clone())?.connect().await;
    let mut replays = Vec::new();
    for _ in 0..MAX_REPLAYS / OF_ONE_CONNECTION {
        let mut client = HistoryClient::new(connect().await?);
        for _ in 0..OF_ONE_CONNECTION {
            replays.push(replay(&mut client).await?);
        }
    }
    assert_eq!(replays.len(), MAX_REPLAYS);
    let mut client = HistoryClient::new(connect().await?);
    let refused = replay(&mut client)
        .await
        .err()
        .context("there is no room")?;
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    // Those that run go on, and other calls are answered.
    let page = replays[0].message().await?.context("a page")?;
    assert_eq!(page.publications.len(), 1);
    client.stats(proto::StatsRequest {}).await?;
    replays.pop();
    let again = async || replay(&mut client.clone()).await.ok();
    let mut replay = until_some("there is room again", again).await?;
    assert!(replay.message().await?.is_some());
    Ok(())
}
