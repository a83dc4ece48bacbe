//! The gRPC face, over a socket.

mod following;
mod refusals;
mod removing;
mod replays;
mod standard;

use std::sync::Arc;

use anyhow::Result;
use tempfile::TempDir;
use tidegate_backbone::{Backbone, Channel};
use tidegate_history_service::grpc::{Access, ServeError, Stopper, serve};
use tidegate_history_service::history::History;
use tidegate_history_service::lag::Lags;
use tidegate_history_service::store::Store;
use tidegate_history_service::store::embedded::Embedded;
use tidegate_proto::history as proto;
use tidegate_proto::history::history_client::HistoryClient;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::{Channel as Connection, Endpoint};

use crate::carrier::Carrier;

/// A service and a client of it.
pub(crate) struct World {
    pub(crate) carrier: Arc<Carrier>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) url: String,
    pub(crate) connection: Connection,
    pub(crate) client: HistoryClient<Connection>,
    pub(crate) stopper: Stopper,
    pub(crate) server: JoinHandle<Result<(), ServeError>>,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let carrier = Carrier::new(100);
        let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path())?);
        let backbone: Arc<dyn Backbone> = Arc::<Carrier>::clone(&carrier);
        let history = History::new(Arc::clone(&store), backbone, Lags::default());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stopper, server) = serve(listener, history, Access::default());
        let server = tokio::spawn(server);
        let connection = Endpoint::from_shared(url.clone())?.connect().await?;
        Ok(Self {
            url,
            carrier,
            store,
            client: HistoryClient::new(connection.clone()),
            connection,
            stopper,
            server,
            _folder: folder,
        })
    }

    pub(crate) async fn ingest(&self, after: u64, limit: usize) {
        let batch = self.carrier.batch(after, limit);
        self.store.append(batch).await.expect("it is stored");
    }
}

pub(crate) fn room(name: &str) -> Channel {
    Channel::parse(name).expect("a channel")
}

pub(crate) fn of(channel: &str) -> proto::ReadRequest {
    proto::ReadRequest {
        channel: channel.to_owned(),
        ..proto::ReadRequest::default()
    }
}

pub(crate) fn position(epoch: &str, offset: u64) -> proto::StreamPosition {
    proto::StreamPosition {
        epoch: epoch.to_owned(),
        offset,
    }
}

pub(crate) fn texts(publications: &[proto::Publication]) -> Vec<&str> {
    let text = |data| std::str::from_utf8(data).expect("a text");
    publications.iter().map(|it| text(&*it.data)).collect()
}

/// A read that begins after a publish was confirmed sees it, archived or not; pages follow each other in both directions.
#[tokio::test]
async fn a_channel_is_read_page_by_page() -> Result<()> {
    let mut world = World::new().await?;
    let chat = room("kept:chat");
    for number in 0..10 {
        world.carrier.put_text(&chat, &number.to_string());
    }
    world.ingest(0, 4).await;
    for (direction, expected) in [
        (
            proto::Direction::Unspecified,
            ["0 1 2", "3 4 5", "6 7 8", "9"],
        ),
        (proto::Direction::Backward, ["9 8 7", "6 5 4", "3 2 1", "0"]),
    ] {
        let mut request = proto::ReadRequest {
            direction: direction.into(),
            limit: 3,
            ..of("kept:chat")
        };
        for (index, expected) in expected.iter().enumerate() {
            let page = world.client.read(request.clone()).await?.into_inner();
            assert_eq!(texts(&page.publications).join(" "), *expected);
            assert_eq!(page.epoch, "one");
            assert_eq!(page.next_page_token.is_empty(), index == 3);
            assert!(page.is_gapless || direction == proto::Direction::Backward);
            request.page_token = page.next_page_token;
        }
    }
    Ok(())
}

/// One is found by its position, archived or not, and the newest position tells the epochs.
#[tokio::test]
async fn single_publications_and_positions_are_found() -> Result<()> {
    let mut world = World::new().await?;
    let chat = room("kept:chat");
    for number in 1..=4 {
        world.carrier.put_text(&chat, &number.to_string());
    }
    world.ingest(0, 2).await;
    for offset in 1..=4 {
        let request = proto::GetRequest {
            channel: "kept:chat".to_owned(),
            position: Some(position("one", offset)),
        };
        let found = world.client.get(request).await?.into_inner().publication;
        let found = found.expect("a publication");
        assert_eq!(
            (found.offset, &*found.data),
            (offset, offset.to_string().as_bytes())
        );
    }
    world.carrier.renew("two");
    let request = proto::PositionRequest {
        channel: "kept:chat".to_owned(),
    };
    let newest = world.client.position(request).await?.into_inner();
    assert_eq!(newest.position, Some(position("two", 0)));
    assert_eq!(newest.epochs, ["one"]);
    let old = proto::ReadRequest {
        start: Some(proto::read_request::Start::Position(position("one", 0))),
        ..of("kept:chat")
    };
    let page = world.client.read(old).await?.into_inner();
    assert_eq!(
        texts(&page.publications),
        ["1", "2"],
        "the archive knows old epochs"
    );
    assert!(page.is_gapless);
    Ok(())
}

/// Channels are listed in pages; what is removed is gone at once, also where only the stream has it.
#[tokio::test]
async fn channels_are_listed_and_removed() -> Result<()> {
    let mut world = World::new().await?;
    for name in ["kept:a", "kept:b", "kept:c", "kept:a", "kept:a"] {
        world.carrier.put_text(&room(name), "x");
    }
    world.ingest(0, 4).await;
    let mut request = proto::ChannelsRequest {
        prefix: "kept:".to_owned(),
        limit: 2,
        page_token: String::new(),
    };
    let first = world.client.channels(request.clone()).await?.into_inner();
    assert_eq!(first.channels[0].publications, 2);
    request.page_token = first.next_page_token;
    let second = world.client.channels(request).await?.into_inner();
    let names = first.channels.iter().chain(&second.channels);
    let names: Vec<_> = names.map(|it| &*it.name).collect();
    assert_eq!(names, ["kept:a", "kept:b", "kept:c"]);
    assert!(second.next_page_token.is_empty());
    for (what, removed, left) in [
        (proto::remove_request::What::One(position("", 1)), 1, 2),
        (proto::remove_request::What::One(position("", 1)), 0, 2),
        (proto::remove_request::What::Everything(true), 1, 0),
    ] {
        let request = proto::RemoveRequest {
            channel: "kept:a".to_owned(),
            what: Some(what),
        };
        let answer = world.client.remove(request).await?.into_inner();
        assert_eq!(answer.removed, removed);
        let page = world.client.read(of("kept:a")).await?.into_inner();
        assert_eq!(page.publications.len(), left);
    }
    world.ingest(0, 5).await;
    world.carrier.put_text(&room("kept:a"), "later");
    let page = world.client.read(of("kept:a")).await?.into_inner();
    assert_eq!(texts(&page.publications), ["later"]);
    let stats = world
        .client
        .stats(proto::StatsRequest {})
        .await?
        .into_inner();
    assert_eq!(stats.streams.len(), 1);
    assert_eq!(stats.streams[0].publications, 2);
    assert!(stats.disk_bytes > 0);
    Ok(())
}
