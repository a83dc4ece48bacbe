//! A namespace that is spread over several streams: the program finds out how many there are, takes all of them in, and what
//! it answers is of the namespace, whatever is where.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use tidegate_backbone::{Backbone, Channel, Publication, Streams};
use tidegate_proto::history as proto;
use tidegate_proto::history::history_client::HistoryClient;
use tidegate_testkit::deadline::until_some;
use tonic::Code;
use tonic::transport::Channel as Connection;

use crate::program::{
    PARTITIONS, World, archived, everything, has_all, publish_all, survive_kills,
};

const COUNT: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_double_nothing() -> Result<()> {
    let mut world = World::spread().await?;
    let archive = world.embedded()?.map(str::to_owned);
    let archive: Vec<_> = archive.iter().map(String::as_str).collect();
    survive_kills(&mut world, &archive).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_streams_are_one_namespace() -> Result<()> {
    let world = World::spread().await?;
    let archive = world.embedded()?;
    publish_all(&world.publisher, &world.rooms, COUNT).await;
    is_one_namespace(&world, &archive, COUNT).await
}

/// Asks everything that can be asked of a namespace whose rooms have something each.
pub(crate) async fn is_one_namespace(world: &World, archive: &[&str], count: usize) -> Result<()> {
    let (mut program, mut client) = world.start_with(archive).await?;
    let are_known = async || has_all(&mut client.clone(), &world.rooms, count).await.ok();
    until_some("the streams are known", are_known).await?;
    archived(&client, count).await?;
    has_all(&mut client, &world.rooms, count).await?;
    channels_are_listed(&mut client, &world.rooms, count).await?;
    stats_are_of_all(&mut client, count).await?;
    epochs_are_of_the_channel(&mut client, world).await?;
    only_one_is_removed(&mut client, world).await?;
    program.terminate()?;
    program.succeeded().await
}

async fn channels_are_listed(
    client: &mut HistoryClient<Connection>,
    rooms: &[Channel],
    count: usize,
) -> Result<()> {
    let listed = client.channels(proto::ChannelsRequest::default()).await?;
    let listed = listed.into_inner().channels;
    let names: BTreeSet<_> = listed.iter().map(|it| it.name.clone()).collect();
    assert_eq!(names, rooms.iter().map(ToString::to_string).collect());
    let each = (count / rooms.len()) as u64;
    assert!(
        listed.iter().all(|it| it.publications >= each),
        "{listed:?}"
    );
    Ok(())
}

async fn stats_are_of_all(client: &mut HistoryClient<Connection>, count: usize) -> Result<()> {
    let stats = client.stats(proto::StatsRequest {}).await?.into_inner();
    let streams: BTreeSet<_> = stats
        .streams
        .iter()
        .map(|it| (it.partition, it.partitions))
        .collect();
    assert_eq!(
        streams,
        (0..PARTITIONS).map(|it| (it, PARTITIONS)).collect()
    );
    let [all] = &stats.namespaces[..] else {
        panic!("not one namespace: {stats:?}");
    };
    let of_streams = stats.streams.iter().map(|it| it.publications);
    assert!(all.publications >= count as u64, "{all:?}");
    assert_eq!(all.publications, of_streams.sum::<u64>());
    // What was taken in before this program was started told it nothing.
    assert!(all.lag.is_none_or(|lag| lag == 0), "{all:?}");
    Ok(())
}

/// An epoch is that of one stream, and another channel's is not known in a channel.
async fn epochs_are_of_the_channel(
    client: &mut HistoryClient<Connection>,
    world: &World,
) -> Result<()> {
    let tops = world.publisher.tops(&world.rooms).await?;
    let epochs: BTreeSet<_> = tops
        .iter()
        .map(|it| it.position.epoch.to_string())
        .collect();
    assert_eq!(epochs.len(), PARTITIONS as usize);
    for (room, top) in world.rooms.iter().zip(&tops) {
        let request = proto::PositionRequest {
            channel: room.to_string(),
        };
        let newest = client.position(request).await?.into_inner();
        let position = newest.position.context("a position")?;
        assert_eq!(position.epoch, *top.position.epoch);
        let mut others = epochs.iter().filter(|it| **it != position.epoch);
        assert!(newest.epochs.contains(&position.epoch));
        assert!(
            others.all(|it| !newest.epochs.contains(it)),
            "{:?}",
            newest.epochs
        );
        for epoch in &epochs {
            let request = proto::ReadRequest {
                channel: room.to_string(),
                start: Some(proto::read_request::Start::Position(
                    proto::StreamPosition {
                        epoch: epoch.clone(),
                        offset: 0,
                    },
                )),
                ..proto::ReadRequest::default()
            };
            let refused = client.read(request).await.err().map(|it| it.code());
            let is_own = *epoch == position.epoch;
            assert_eq!(refused, (!is_own).then_some(Code::NotFound));
        }
        let request = proto::GetRequest {
            channel: room.to_string(),
            position: Some(position),
        };
        let found = client.get(request).await?.into_inner();
        assert!(
            found
                .publication
                .is_some_and(|it| it.offset == top.position.offset)
        );
    }
    Ok(())
}

async fn only_one_is_removed(client: &mut HistoryClient<Connection>, world: &World) -> Result<()> {
    let (room, others) = world.rooms.split_first().context("there are rooms")?;
    let before = everything(client, room).await?.len();
    let mut of_others = Vec::new();
    for other in others {
        of_others.push(everything(client, other).await?);
    }
    let request = proto::RemoveRequest {
        channel: room.to_string(),
        what: Some(proto::remove_request::What::Everything(true)),
    };
    let removed = client.remove(request.clone()).await?.into_inner().removed;
    assert!(removed >= before as u64, "{removed}");
    assert_eq!(client.remove(request).await?.into_inner().removed, 0);
    // Nothing is proved before the archive has seen the mark of the removal.
    let left = async || everything(&mut client.clone(), room).await.ok();
    let left = until_some("the removal is archived", left).await?;
    assert!(left.is_empty(), "{left:?}");
    for (other, expected) in others.iter().zip(of_others) {
        assert_eq!(everything(client, other).await?, expected);
    }
    let publication = Publication {
        data: "7".into(),
        ..Publication::default()
    };
    world.publisher.publish(room, publication).await?;
    assert_eq!(everything(client, room).await?, [7]);
    Ok(())
}

/// Started first, the program waits for the streams, and then knows how many there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_may_be_there_before_the_streams() -> Result<()> {
    let server = crate::program::spreading().await?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path().to_str().context("a folder with a name")?;
    let (_program, mut client) =
        crate::program::start(&server.url(), &["--archive", folder]).await?;
    let room = Channel::parse("chat:room.0")?;
    let early = everything(&mut client, &room).await;
    assert!(early.is_err(), "there is no stream yet: {early:?}");
    let world = World::on(server, PARTITIONS, vec![room]).await?;
    publish_all(&world.publisher, &world.rooms, 10).await;
    assert_eq!(archived(&client, 10).await?, 10);
    has_all(&mut client, &world.rooms, 10).await
}
