//! The program over a real NATS server, and what kills do to both.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::RngExt;
use tempfile::TempDir;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Backbone, Channel, Durability, Publication, Storage, StreamOptions};
use tidegate_proto::history as proto;
use tidegate_proto::history::history_client::HistoryClient;
use tidegate_testkit::deadline::{until, until_some};
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;
use tokio::time::sleep;
use tonic::transport::{Channel as Connection, Endpoint};

/// Publications while things are killed.
pub(crate) const COUNT: usize = 10_000;

/// A server that keeps `chat`, its publisher, and a folder for an archive.
pub(crate) struct World {
    pub(crate) server: NatsServer,
    pub(crate) publisher: Arc<Nats>,
    /// What is published to, in turn.
    pub(crate) rooms: Vec<Channel>,
    folder: TempDir,
}

/// Spreads `chat` over this many streams.
pub(crate) const PARTITIONS: u32 = 3;

impl World {
    pub(crate) async fn new() -> Result<Self> {
        let server = NatsServer::start_with("jetstream: enabled\n").await?;
        Self::on(server, 1, vec![Channel::parse("chat:room")?]).await
    }

    /// One whose namespace is spread over several streams.
    pub(crate) async fn spread() -> Result<Self> {
        let rooms = (0..12).map(|number| Channel::parse(&format!("chat:room.{number}")));
        let rooms = rooms.collect::<Result<_, _>>()?;
        Self::on(spreading().await?, PARTITIONS, rooms).await
    }

    pub(crate) async fn on(
        server: NatsServer,
        partitions: u32,
        rooms: Vec<Channel>,
    ) -> Result<Self> {
        let stream = StreamOptions {
            namespace: Some("chat".to_owned()),
            size: 100_000,
            ttl: Duration::from_secs(600),
            storage: Storage::File,
            replicas: 1,
            compression: false,
            duplicate_window: Duration::from_secs(120),
            partitions,
            required: Durability::Accepted,
        };
        let options = NatsOptions {
            streams: vec![stream],
            ..NatsOptions::new([server.url()])
        };
        let publisher = Arc::new(Nats::connect(options).await?);
        let is_ready = async || publisher.is_ready().then_some(());
        until_some("the publisher is ready", is_ready).await?;
        Ok(Self {
            server,
            publisher,
            rooms,
            folder: tempfile::tempdir()?,
        })
    }

    pub(crate) async fn start(&self) -> Result<(Program, HistoryClient<Connection>)> {
        self.start_with(&self.embedded()?).await
    }

    /// Starts the service with an archive that these arguments tell.
    pub(crate) async fn start_with(
        &self,
        archive: &[&str],
    ) -> Result<(Program, HistoryClient<Connection>)> {
        start(&self.server.url(), archive).await
    }

    pub(crate) fn embedded(&self) -> Result<[&str; 2]> {
        let folder = self.folder.path().to_str();
        Ok(["--archive", folder.context("a folder with a name")?])
    }
}

/// A server that maps what is published in `chat` to partitions.
pub(crate) async fn spreading() -> Result<NatsServer> {
    let mapping =
        format!(r#""tide.pub.chat.>": "tide.part.chat.{{{{partition({PARTITIONS})}}}}.>""#);
    NatsServer::start_with(&format!("jetstream: enabled\nmappings: {{ {mapping} }}\n")).await
}

pub(crate) async fn start(
    nats: &str,
    archive: &[&str],
) -> Result<(Program, HistoryClient<Connection>)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-history"));
    command
        .args([
            "--nats",
            nats,
            "--namespace",
            "chat",
            "--listen",
            "127.0.0.1:0",
        ])
        .args(archive);
    let mut program = Program::start(command)?;
    let line = program.next_line().await?;
    let address = line.strip_prefix("listening on ");
    let address = address.with_context(|| format!("another line: {line}"))?;
    let endpoint = Endpoint::from_shared(format!("http://{}", address.trim()))?;
    Ok((program, HistoryClient::new(endpoint.connect().await?)))
}

/// Publishes numbers, in each room in turn, until each is confirmed, whatever happens meanwhile.
pub(crate) async fn publish_all(publisher: &Nats, rooms: &[Channel], count: usize) {
    for (number, room) in (0..count).zip(rooms.iter().cycle()) {
        let publication = Publication {
            data: number.to_string().into(),
            id: format!("id-{number}"),
            ..Publication::default()
        };
        while publisher.publish(room, publication.clone()).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Everything in a channel, page by page; each page must be proved whole.
pub(crate) async fn everything(
    client: &mut HistoryClient<Connection>,
    room: &Channel,
) -> Result<Vec<usize>> {
    let mut request = proto::ReadRequest {
        channel: room.to_string(),
        limit: 1_000,
        ..proto::ReadRequest::default()
    };
    let mut numbers = Vec::new();
    loop {
        let page = client.read(request.clone()).await?.into_inner();
        anyhow::ensure!(page.is_gapless, "behind {}", numbers.len());
        for publication in &page.publications {
            numbers.push(std::str::from_utf8(&publication.data)?.parse()?);
        }
        if page.next_page_token.is_empty() {
            return Ok(numbers);
        }
        request.page_token = page.next_page_token;
    }
}

/// Whether each room has its numbers, each once and in order.
pub(crate) async fn has_all(
    client: &mut HistoryClient<Connection>,
    rooms: &[Channel],
    count: usize,
) -> Result<()> {
    for (first, room) in rooms.iter().enumerate() {
        let expected: Vec<_> = (first..count).step_by(rooms.len()).collect();
        let found = everything(client, room).await?;
        let wrong = expected
            .iter()
            .zip(&found)
            .find(|(one, other)| one != other);
        let lengths = (found.len(), expected.len());
        anyhow::ensure!(found == expected, "{room}: {wrong:?}, {lengths:?}");
    }
    Ok(())
}

/// Waits until so much of the streams is archived, or more; how much that is. A server that was killed may have lost the end
/// of a stream, for all that its nodes know; then the stream has another epoch, and is archived anew beside what was before.
pub(crate) async fn archived(client: &HistoryClient<Connection>, count: usize) -> Result<u64> {
    let probe = async || {
        let stats = client.clone().stats(proto::StatsRequest {}).await.ok()?;
        let mut newest = BTreeMap::new();
        for stream in stats.into_inner().streams {
            let most = newest.entry(stream.partition).or_insert(0);
            *most = stream.publications.max(*most);
        }
        let archived: u64 = newest.values().sum();
        (archived >= count as u64).then_some(archived)
    };
    until_some("the archive has everything", probe).await
}

/// The service and the server are killed at random points while numbers are published: nothing is missing, nothing is
/// there twice, and the archive proves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_double_nothing() -> Result<()> {
    let mut world = World::new().await?;
    let archive = world.embedded()?.map(str::to_owned);
    let archive: Vec<_> = archive.iter().map(String::as_str).collect();
    survive_kills(&mut world, &archive).await
}

/// Publishes while both are killed, and looks at what there is then.
pub(crate) async fn survive_kills(world: &mut World, archive: &[&str]) -> Result<()> {
    let (publisher, rooms) = (Arc::clone(&world.publisher), world.rooms.clone());
    let publishing = tokio::spawn(async move { publish_all(&publisher, &rooms, COUNT).await });
    let mut kills = 0;
    while !publishing.is_finished() || kills < 3 {
        let (mut program, _client) = world.start_with(archive).await?;
        let lives = rand::rng().random_range(20..400);
        sleep(Duration::from_millis(lives)).await;
        program.kill()?;
        kills += 1;
        if kills % 3 == 2 {
            world.server.kill()?;
            world.server.restart().await?;
            // Nodes hear each other before they use the stream again; killed sooner, it would never be used.
            let is_back = || world.publisher.is_ready();
            until("the publisher uses the stream again", is_back).await?;
        }
    }
    publishing.await?;
    let (mut program, mut client) = world.start_with(archive).await?;
    let is_there = async || {
        let first = everything(&mut client.clone(), &world.rooms[0]).await;
        first.ok()
    };
    until_some("the stream answers", is_there).await?;
    has_all(&mut client, &world.rooms, COUNT).await?;
    assert_eq!(archived(&client, COUNT).await?, COUNT as u64, "each once");
    has_all(&mut client, &world.rooms, COUNT).await?;
    program.terminate()?;
    program.succeeded().await
}

/// What was confirmed is read at once, although the archive is behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_is_read_at_once() -> Result<()> {
    let world = World::new().await?;
    let room = &world.rooms[0];
    let (_program, client) = world.start().await?;
    let is_ready = async || everything(&mut client.clone(), room).await.ok();
    until_some("the service has found the stream", is_ready).await?;
    let mut replay = client
        .clone()
        .replay(proto::ReplayRequest {
            channel: "chat:room".to_owned(),
            start: None,
        })
        .await?
        .into_inner();
    for count in 1..=50 {
        let publication = Publication {
            data: (count - 1).to_string().into(),
            ..Publication::default()
        };
        world.publisher.publish(room, publication).await?;
        assert_eq!(everything(&mut client.clone(), room).await?.len(), count);
    }
    let mut replayed = 0;
    while replayed < 50 {
        let page = replay.message().await?.context("the replay has ended")?;
        assert!(page.is_gapless);
        replayed += page.publications.len();
    }
    assert_eq!((replayed, archived(&client, 50).await?), (50, 50));
    Ok(())
}
