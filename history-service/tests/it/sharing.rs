//! Replicas that share an archive: one takes the stream in, and when it is killed another goes on.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use rand::RngExt;
use tidegate_backbone::embedded::{Embedded as Carrier, EmbeddedOptions};
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{
    Backbone, Channel, Durability, Epoch, From, Publication, Range, Storage, StreamOptions,
};
use tidegate_history_service::grpc::Access;
use tidegate_history_service::service::{Archived, Service};
use tidegate_history_service::store::embedded::Embedded;
use tidegate_history_service::store::{
    ArchivedChannel, ArchivedStream, Batch, Page, Record, Spans, Store, StoreError, StreamId,
};
use tidegate_history_service::turn::Turns;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const COUNT: usize = 5_000;

/// An archive that several replicas have open, and what one of them appends to it.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    store: Arc<dyn Store>,
    appended: Arc<AtomicU64>,
    /// It does not say what it has.
    pub(crate) is_away: Arc<AtomicBool>,
}

impl Share {
    pub(crate) fn of(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            appended: Arc::default(),
            is_away: Arc::default(),
        }
    }

    /// A service that archives `kept`.
    pub(crate) fn service(
        &self,
        backbone: &Arc<dyn Backbone>,
        probes: Option<TcpListener>,
    ) -> Service {
        Service {
            store: Arc::new(self.clone()),
            backbone: Arc::clone(backbone),
            namespaces: vec![Archived {
                namespace: Some("kept".to_owned()),
                ttl: None,
            }],
            access: Access::default(),
            probes,
        }
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl Store for Share {
    fn shared_name(&self) -> Option<String> {
        Some("the archive, of all".to_owned())
    }

    fn append(&self, batch: Batch) -> Answer<'_, ()> {
        let count = batch.records.len() as u64;
        self.appended.fetch_add(count, Ordering::Relaxed);
        self.store.append(batch)
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        range: Range,
    ) -> Answer<'a, Page> {
        self.store.read(channel, epoch, range)
    }

    fn get<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offset: u64,
    ) -> Answer<'a, Option<Record>> {
        self.store.get(channel, epoch, offset)
    }

    fn find<'a>(&'a self, stream: &'a StreamId, time: u64) -> Answer<'a, u64> {
        self.store.find(stream, time)
    }

    fn channels<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<ArchivedChannel>> {
        self.store.channels(prefix, after, limit)
    }

    fn remove<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offsets: RangeInclusive<u64>,
    ) -> Answer<'a, u64> {
        self.store.remove(channel, epoch, offsets)
    }

    fn removed<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offsets: RangeInclusive<u64>,
    ) -> Answer<'a, Spans> {
        self.store.removed(channel, epoch, offsets)
    }

    fn trim<'a>(
        &'a self,
        namespace: Option<&'a str>,
        time: u64,
        limit: usize,
    ) -> Answer<'a, usize> {
        self.store.trim(namespace, time, limit)
    }

    fn streams(&self) -> Answer<'_, Vec<ArchivedStream>> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Box::pin(ready(Err(StoreError::Unavailable("no answer".to_owned())))),
            false => self.store.streams(),
        }
    }

    fn disk_bytes(&self) -> Answer<'_, u64> {
        self.store.disk_bytes()
    }
}

/// One replica, with what it has appended; aborted it is gone between any two steps.
struct Replica {
    task: JoinHandle<()>,
    appended: Arc<AtomicU64>,
}

impl Replica {
    async fn start(store: &Arc<dyn Store>, backbone: &Arc<dyn Backbone>) -> Self {
        let share = Share::of(Arc::clone(store));
        let service = share.service(backbone, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let run = async move {
            let ended = service.run(listener, std::future::pending()).await;
            panic!("it has ended: {ended:?}");
        };
        Self {
            task: tokio::spawn(run),
            appended: share.appended,
        }
    }

    fn count(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    async fn kill(self) -> u64 {
        self.task.abort();
        assert!(self.task.await.is_err_and(|it| it.is_cancelled()));
        self.appended.load(Ordering::Relaxed)
    }
}

pub(crate) fn carrier() -> Arc<dyn Backbone> {
    let stream = StreamOptions {
        namespace: Some("kept".to_owned()),
        size: 100_000,
        ttl: Duration::from_secs(600),
        storage: Storage::Memory,
        replicas: 1,
        partitions: 1,
        compression: false,
        duplicate_window: Duration::from_secs(120),
        required: Durability::Accepted,
    };
    let carrier = Carrier::open(EmbeddedOptions {
        streams: vec![stream],
        ..EmbeddedOptions::default()
    });
    Arc::new(carrier.expect("a carrier"))
}

async fn publish(backbone: &Arc<dyn Backbone>, room: &Channel, number: usize) -> Epoch {
    let publication = Publication {
        data: number.to_string().into(),
        ..Publication::default()
    };
    let position = backbone.publish(room, publication).await;
    position.expect("it is stored").expect("it is kept").epoch
}

/// Each number that is archived, and whether nothing can be missing.
async fn archived(store: &Arc<dyn Store>, room: &Channel, epoch: &Epoch) -> (Vec<usize>, bool) {
    let range = Range {
        from: From::After(0),
        limit: COUNT * 2,
        max_bytes: usize::MAX,
    };
    let page = store.read(room, epoch, range).await.expect("a page");
    let number = |it: &Record| String::from_utf8_lossy(&it.publication.data).parse();
    let numbers: Result<_, _> = page.records.iter().map(number).collect();
    let newest = page.records.last().map_or(0, |it| it.offset);
    let is_gapless = page.coverage.proves(0, newest);
    (numbers.expect("numbers"), is_gapless)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_takes_the_stream_in_and_the_next_goes_on_when_it_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).expect("an archive"));
    let (backbone, room) = (carrier(), Channel::parse("kept:room").expect("a channel"));
    let mut replicas = Vec::new();
    for _ in 0..2 {
        replicas.push(Replica::start(&store, &backbone).await);
    }
    let (mut epoch, mut appended, mut kills) = (Epoch::from(""), 0, 0);
    let mut kill_at = rand::rng().random_range(1..500);
    for number in 0..COUNT {
        epoch = publish(&backbone, &room, number).await;
        if number == kill_at {
            // Whoever has appended something has the turn.
            replicas.sort_by_key(|it| u64::MAX - it.count());
            appended += replicas.remove(0).kill().await;
            replicas.push(Replica::start(&store, &backbone).await);
            kills += 1;
            kill_at += rand::rng().random_range(1..1_000);
        }
    }
    let all = async || {
        let (found, is_gapless) = archived(&store, &room, &epoch).await;
        (found.len() == COUNT).then_some((found, is_gapless))
    };
    let (found, is_gapless) = until_some("everything is archived", all)
        .await
        .expect("in time");
    assert!(found.into_iter().eq(0..COUNT) && is_gapless);
    appended += replicas.iter().map(Replica::count).sum::<u64>();
    // What was under way when one was killed is taken in again, not what both could.
    let again = appended - COUNT as u64;
    assert!(again <= kills * 1_024, "{again} after {kills} kills");
}

/// With nobody killed, one does all the work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_do_not_do_the_same_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).expect("an archive"));
    let (backbone, room) = (carrier(), Channel::parse("kept:room").expect("a channel"));
    let first = Replica::start(&store, &backbone).await;
    let epoch = publish(&backbone, &room, 0).await;
    let has_begun = async || (first.count() > 0).then_some(());
    until_some("the first has the turn", has_begun)
        .await
        .expect("in time");
    let second = Replica::start(&store, &backbone).await;
    for number in 1..COUNT {
        publish(&backbone, &room, number).await;
    }
    let all = async || {
        let (found, _) = archived(&store, &room, &epoch).await;
        (found.len() == COUNT).then_some(())
    };
    until_some("everything is archived", all)
        .await
        .expect("in time");
    assert_eq!((first.kill().await, second.kill().await), (COUNT as u64, 0));
}

/// Over NATS the end of a connection is the end of a turn, as a kill ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_makes_way_over_nats() {
    let server = NatsServer::start().await.expect("a server");
    let connect = async || {
        let options = NatsOptions::new([server.url()]);
        let nats = Nats::connect(options).await.expect("a connection");
        Arc::new(nats) as Arc<dyn Backbone>
    };
    let turns = |backbone: &_, id| Turns::new(backbone, "cassandra/a.b", Some("kept"), id);
    let (one, other) = (connect().await, connect().await);
    let (first, second) = (turns(&one, 1), turns(&other, 2));
    let turn = first.next().await;
    let waits = timeout(Duration::from_secs(3), second.next()).await;
    assert!(waits.is_err(), "two have the turn");
    // Without a word: nothing is unsubscribed.
    std::mem::forget(turn);
    drop((first, one));
    let turn = timeout(Duration::from_secs(20), second.next()).await;
    assert!(turn.is_ok(), "nobody has the turn");
}
