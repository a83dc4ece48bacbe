//! Replays.

use anyhow::{Context, Result};
use tidegate_backbone::Publication;
use tidegate_proto::history as proto;
use tidegate_proto::history::replay_request::Start;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use super::{World, position, room, texts};

type Replay = Streaming<proto::ReplayResponse>;

async fn replay(world: &mut World, start: Option<Start>) -> Result<Replay> {
    let request = proto::ReplayRequest {
        channel: "kept:chat".to_owned(),
        start,
    };
    Ok(world.client.replay(request).await?.into_inner())
}

async fn next(replay: &mut Replay) -> Result<Result<Option<proto::ReplayResponse>, Status>> {
    let patience = tidegate_testkit::deadline::PATIENCE;
    timeout(patience, replay.message())
        .await
        .context("the replay is silent")
}

/// Takes publications until there are enough of them.
async fn take(replay: &mut Replay, count: usize) -> Result<Vec<String>> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let page = next(replay).await??.context("the replay has ended")?;
        assert!(page.is_gapless);
        taken.extend(texts(&page.publications).iter().map(ToString::to_string));
    }
    Ok(taken)
}

/// Everything comes, in order, once: from the archive, from the stream, and live; and it goes on where it ended.
#[tokio::test]
async fn a_replay_follows_live_and_can_be_resumed() -> Result<()> {
    let mut world = World::new().await?;
    let chat = room("kept:chat");
    let all: Vec<_> = (1..=60).map(|it| it.to_string()).collect();
    let publish = |world: &World, some: &[String]| {
        for text in some {
            world.carrier.put_text(&chat, text);
        }
    };
    publish(&world, &all[..20]);
    world.ingest(0, 10).await;
    let mut first = replay(&mut world, None).await?;
    assert_eq!(take(&mut first, 20).await?, all[..20]);
    publish(&world, &all[20..30]);
    assert_eq!(take(&mut first, 10).await?, all[20..30]);
    drop(first);
    publish(&world, &all[30..40]);
    world.ingest(10, 15).await;
    let resumed = Start::Position(position("one", 30));
    let mut second = replay(&mut world, Some(resumed)).await?;
    assert_eq!(take(&mut second, 10).await?, all[30..40]);
    let mut timed = replay(&mut world, Some(Start::Time(351))).await?;
    publish(&world, &all[40..]);
    assert_eq!(take(&mut second, 20).await?, all[40..]);
    assert_eq!(take(&mut timed, 25).await?, all[35..]);
    Ok(())
}

/// Who is at the end is told so, once.
#[tokio::test]
async fn a_replay_tells_when_it_is_live() -> Result<()> {
    let mut world = World::new().await?;
    let mut replay = replay(&mut world, None).await?;
    let first = next(&mut replay).await??.context("a page")?;
    assert!(first.is_live && first.publications.is_empty());
    world.carrier.put_text(&room("kept:other"), "x");
    world.carrier.put_text(&room("kept:chat"), "1");
    let second = next(&mut replay).await??.context("a page")?;
    assert!(second.is_live && texts(&second.publications) == ["1"]);
    Ok(())
}

/// A slow reader holds up only itself: what it does not take waits in the log.
#[tokio::test]
async fn a_slow_reader_gets_everything() -> Result<()> {
    let mut world = World::new().await?;
    let chat = room("kept:chat");
    let mut slow = replay(&mut world, None).await?;
    assert!(next(&mut slow).await??.is_some());
    for number in 0..400_u32 {
        let publication = Publication {
            data: vec![b'x'; 100_000 + number as usize].into(),
            ..Publication::default()
        };
        let after = world.carrier.put(&chat, publication) - 1;
        world.ingest(after, 1).await;
    }
    let mut sizes = Vec::new();
    while sizes.len() < 400 {
        let page = next(&mut slow).await??.context("the replay has ended")?;
        let bytes: usize = page.publications.iter().map(|it| it.data.len()).sum();
        assert!(bytes <= 1024 * 1024, "{bytes}");
        sizes.extend(page.publications.iter().map(|it| it.data.len()));
    }
    assert_eq!(sizes, (100_000..100_400).collect::<Vec<_>>());
    Ok(())
}

/// A new epoch ends a replay, and so does the end of the service.
#[tokio::test]
async fn a_replay_ends_with_a_reason() -> Result<()> {
    let mut world = World::new().await?;
    let chat = room("kept:chat");
    world.carrier.put_text(&chat, "1");
    world.ingest(0, 1).await;
    let mut old = replay(&mut world, None).await?;
    assert_eq!(take(&mut old, 1).await?, ["1"]);
    world.carrier.renew("two");
    world.carrier.put_text(&chat, "2");
    let ended = next(&mut old).await?.expect_err("an end");
    assert_eq!(ended.code(), Code::Aborted);
    let mut new = replay(&mut world, None).await?;
    assert_eq!(take(&mut new, 1).await?, ["2"]);
    world.stopper.stop();
    let ended = next(&mut new).await?.expect_err("an end");
    assert_eq!(ended.code(), Code::Unavailable);
    world.server.await??;
    Ok(())
}
