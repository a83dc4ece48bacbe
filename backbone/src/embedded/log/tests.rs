//! A log against a model that never forgets, and against tables that fail.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::group::Group;
use super::*;
use crate::embedded::tables::{Changes, Memory};
use crate::{Durability, Listener, Storage};

const SECOND: u64 = 1_000;

fn stream(size: u64) -> StreamOptions {
    StreamOptions {
        namespace: Some("kept".to_owned()),
        size,
        ttl: Duration::from_secs(60),
        storage: Storage::File,
        replicas: 1,
        compression: false,
        duplicate_window: Duration::from_secs(120),
        partitions: 1,
        required: Durability::Accepted,
    }
}

fn channel(name: &str) -> Channel {
    Channel::parse(&format!("kept:{name}")).unwrap()
}

fn text(data: &str) -> Publication {
    Publication {
        data: data.to_owned().into(),
        ..Publication::default()
    }
}

fn read(tables: &dyn Tables, channel: &Channel, from: From) -> Page {
    let range = Range {
        from,
        limit: usize::MAX,
        max_bytes: usize::MAX,
    };
    page(&*tables.view(), &"epoch".into(), channel, range).unwrap()
}

fn offsets(page: &Page) -> Vec<u64> {
    let offset = |it: &Publication| it.place.as_ref().unwrap().offset;
    page.publications.iter().map(offset).collect()
}

/// What happens to a log.
#[derive(Debug, Clone)]
enum Step {
    /// Publications in these channels, in one change.
    Append(Vec<u8>),
    /// Seconds go by, and what is too old goes, at most so many.
    Expire(u64, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => prop::collection::vec(0..4_u8, 1..8).prop_map(Step::Append),
        1 => (0..90_u64, 0..5_usize).prop_map(|(seconds, limit)| Step::Expire(seconds, limit)),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    /// What is called gapless is everything that ever was; what is promised is kept; a page backward is a page forward.
    #[test]
    fn nothing_is_missing_where_nothing_is_said_to_be(steps in steps(), size in 1..5_u64) {
        let (tables, mut now) = (Memory::default(), 0);
        let mut ever: BTreeMap<Channel, Vec<(u64, u64)>> = BTreeMap::new();
        for step in steps {
            let view = tables.view();
            let changes = match step {
                Step::Append(channels) => {
                    let mut group = Group::new(&*view, now).unwrap();
                    for name in channels {
                        let channel = channel(&name.to_string());
                        let put = group.append(&channel, &text("x"), size).unwrap();
                        let before = ever.entry(channel).or_default();
                        prop_assert!(before.last().is_none_or(|it| it.0 < put.offset));
                        prop_assert!(put.previous == 0 || Some(put.previous) == before.last().map(|it| it.0));
                        before.push((put.offset, now));
                    }
                    group.finish().unwrap()
                }
                Step::Expire(seconds, limit) => {
                    now += seconds * SECOND;
                    let mut group = Group::new(&*view, now).unwrap();
                    group.expire(&stream(size), limit).unwrap();
                    group.finish().unwrap()
                }
            };
            drop(view);
            tables.apply(changes).unwrap();
            let newest = ever.values().flatten().map(|it| it.0).max().unwrap_or(0);
            for (channel, all) in &ever {
                check(&tables, channel, all, newest, size, now)?;
            }
        }
    }
}

fn check(
    tables: &Memory,
    channel: &Channel,
    ever: &[(u64, u64)],
    newest: u64,
    size: u64,
    now: u64,
) -> Result<(), TestCaseError> {
    let all = offsets(&read(tables, channel, From::After(0)));
    let promised: Vec<_> = ever
        .iter()
        .rev()
        .take(usize::try_from(size).unwrap())
        .filter(|(_, time)| time + 60 * SECOND > now)
        .map(|(offset, _)| *offset)
        .collect();
    prop_assert!(
        promised.iter().all(|it| all.contains(it)),
        "{promised:?} of {all:?}"
    );
    prop_assert!(all.len() as u64 <= size);
    let mut backward = offsets(&read(tables, channel, From::Before(u64::MAX)));
    backward.reverse();
    prop_assert_eq!(&backward, &all);
    for after in 0..=newest + 1 {
        let page = read(tables, channel, From::After(after));
        let expected = ever.iter().map(|it| it.0).filter(|it| *it > after);
        if page.is_gapless {
            prop_assert_eq!(
                offsets(&page),
                expected.collect::<Vec<_>>(),
                "after {}",
                after
            );
            prop_assert!(after <= newest);
        }
        prop_assert!(
            page.is_gapless || !all.contains(&after),
            "{} is kept",
            after
        );
    }
    let top = read(tables, channel, From::After(0)).top;
    prop_assert_eq!(top.is_empty, all.is_empty());
    prop_assert!(read(tables, channel, From::After(top.position.offset)).is_gapless);
    Ok(())
}

/// Tables in memory that fail when they are told to, and count how often they were synced.
#[derive(Default)]
struct Faulty {
    memory: Memory,
    fails: AtomicBool,
    syncs: AtomicU64,
}

impl Tables for Faulty {
    fn view(&self) -> Box<dyn View + '_> {
        self.memory.view()
    }

    fn apply(&self, changes: Changes) -> Result<(), Failure> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(Failure("no space left".to_owned())),
            false => self.memory.apply(changes),
        }
    }

    fn sync(&self) -> Result<(), Failure> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Publication>>);

impl Listener for Heard {
    fn deliver(&self, publication: Publication) {
        self.0.lock().unwrap().push(publication);
    }
}

struct Bench {
    tables: Arc<Faulty>,
    listeners: Arc<Listeners>,
    now: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        Self {
            tables: Arc::default(),
            listeners: Arc::default(),
            now: Arc::default(),
        }
    }

    fn open(&self, sync: Sync) -> Log {
        self.open_marked(None, sync)
    }

    fn open_marked(&self, mark: Option<Mark>, sync: Sync) -> Log {
        let now = Arc::clone(&self.now);
        let tables: Arc<dyn Tables> = Arc::<Faulty>::clone(&self.tables);
        let clock: Clock = Arc::new(move || now.load(Ordering::SeqCst));
        let listeners = Arc::clone(&self.listeners);
        Log::open(tables, mark, vec![stream(10)], sync, listeners, clock).unwrap()
    }
}

async fn publish(log: &Log, id: &str) -> Result<Position, Error> {
    let publication = Publication {
        id: id.to_owned(),
        ..text("x")
    };
    let confirmation = log.send(&channel("room"), publication).await?;
    confirmation.await.map(|it| it.unwrap())
}

#[tokio::test]
async fn what_could_not_be_stored_is_neither_confirmed_nor_heard() {
    let bench = Bench::new();
    let heard = Arc::<Heard>::default();
    let listener: Arc<dyn Listener> = Arc::<Heard>::clone(&heard);
    let _subscription = bench.listeners.add(&channel("room"), listener);
    let log = bench.open(Sync::Always);
    let first = publish(&log, "").await.unwrap();
    bench.tables.fails.store(true, Ordering::SeqCst);
    assert!(log.is_ready());
    let failed = publish(&log, "").await;
    assert_eq!(failed, Err(Error::Unavailable("no space left".to_owned())));
    bench.tables.fails.store(false, Ordering::SeqCst);
    assert!(publish(&log, "").await.is_err());
    assert!(!log.is_ready());
    let heard: Vec<_> = heard.0.lock().unwrap().drain(..).collect();
    let places: Vec<_> = heard
        .iter()
        .map(|it| it.place.as_ref().unwrap().offset)
        .collect();
    assert_eq!(places, [first.offset]);
}

/// A power cut soon afterwards may leave the file as it was made: that must not look like a mark that was taken away.
#[tokio::test]
async fn a_mark_is_there_before_anything_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mark");
    let mark = Mark::open(&path).unwrap();
    let log = Bench::new().open_marked(Some(mark), Sync::Always);
    assert_eq!(Mark::open(&path).unwrap().found(), Some(0));
    log.close().await;
}

#[tokio::test]
async fn an_id_is_remembered_for_its_window_also_from_run_to_run() {
    let bench = Bench::new();
    let log = bench.open(Sync::Always);
    let first = publish(&log, "a").await.unwrap();
    log.close().await;
    bench.now.store(119 * SECOND, Ordering::SeqCst);
    let log = bench.open(Sync::Always);
    assert_eq!(publish(&log, "a").await.unwrap(), first);
    let mut ids = Ids::read(&*bench.tables.view(), &stream(10)).unwrap();
    assert!(ids.expire(119 * SECOND, 10).is_empty());
    assert_eq!(ids.expire(120 * SECOND, 10), [first.offset]);
    assert_eq!(ids.offset("a"), None);
}

#[tokio::test]
async fn time_never_goes_back() {
    let bench = Bench::new();
    bench.now.store(10 * SECOND, Ordering::SeqCst);
    let log = bench.open(Sync::Always);
    publish(&log, "").await.unwrap();
    bench.now.store(SECOND, Ordering::SeqCst);
    publish(&log, "").await.unwrap();
    let page = read(&*bench.tables, &channel("room"), From::After(0));
    let time = |it: &Publication| it.place.as_ref().unwrap().time;
    let times: Vec<_> = page.publications.iter().map(time).collect();
    assert_eq!(times, [10 * SECOND, 10 * SECOND]);
}

#[tokio::test]
async fn what_was_sent_before_the_end_is_stored() {
    let bench = Bench::new();
    let log = bench.open(Sync::Interval(Duration::from_secs(3_600)));
    let mut confirmations = Vec::new();
    for _ in 0..100 {
        confirmations.push(log.send(&channel("room"), text("x")).await.unwrap());
    }
    let before = bench.tables.syncs.load(Ordering::SeqCst);
    log.close().await;
    for confirmation in confirmations {
        assert!(confirmation.await.is_ok());
    }
    assert!(bench.tables.syncs.load(Ordering::SeqCst) > before);
}
