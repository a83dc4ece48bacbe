//! Whatever a stream delivers, and however often, is archived once, and acknowledged only then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, pending, ready};
use tempfile::TempDir;
use tidegate_backbone::{
    Channel, Delivery, Error, Feed, From, Partition, Place, Publication, Range,
};
use tidegate_history_service::ingest::ingest;
use tidegate_history_service::lag::Lags;
use tidegate_history_service::retention::{Retention, keep};
use tidegate_history_service::store::embedded::Embedded;
use tidegate_history_service::store::{Store, StreamId};
use tidegate_testkit::deadline::{until, until_some};

/// What the stream does next.
enum Act {
    Deliver(Vec<u64>),
    DeliverAndLoseTheAcknowledgement(Vec<u64>),
    Fail,
}

/// Delivers by a script, then nothing more.
struct Script {
    acts: VecDeque<Act>,
    is_lossy: bool,
    store: Arc<dyn Store>,
    acknowledged: Arc<Mutex<Vec<u64>>>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

fn unavailable() -> Error {
    Error::Unavailable("no answer in time".to_owned())
}

impl Feed for Script {
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, Error>> {
        let (offsets, is_lossy) = match self.acts.pop_front() {
            Some(Act::Deliver(offsets)) => (offsets, false),
            Some(Act::DeliverAndLoseTheAcknowledgement(offsets)) => (offsets, true),
            Some(Act::Fail) => return Box::pin(ready(Err(unavailable()))),
            None => return Box::pin(pending()),
        };
        self.is_lossy = is_lossy;
        Box::pin(ready(Ok(delivery(&offsets))))
    }

    fn acknowledge<'a>(&'a mut self, delivery: &'a Delivery) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let archived = archived(&self.store).await;
            for (_, publication) in &delivery.publications {
                let offset = publication.place.as_ref().map_or(0, |it| it.offset);
                assert!(archived.contains(&offset), "{offset} is not durable yet");
            }
            if self.is_lossy {
                return Err(unavailable());
            }
            let mut acknowledged = self.acknowledged.lock().expect("nobody panics");
            acknowledged.push(delivery.watermark);
            Ok(())
        })
    }
}

fn delivery(offsets: &[u64]) -> Delivery {
    let room = Channel::parse("kept:room").expect("a channel");
    let publication = |offset: &u64| Publication {
        data: offset.to_string().into(),
        place: Some(Place {
            epoch: "e".into(),
            offset: *offset,
            previous: None,
            time: offset * 10,
        }),
        ..Publication::default()
    };
    Delivery {
        namespace: Some("kept".to_owned()),
        epoch: "e".into(),
        publications: offsets
            .iter()
            .map(|it| (room.clone(), publication(it)))
            .collect(),
        passed_over: Vec::new(),
        partition: Partition::WHOLE,
        watermark: offsets.last().copied().unwrap_or(0),
        lag: 7,
    }
}

async fn archived(store: &Arc<dyn Store>) -> Vec<u64> {
    let room = Channel::parse("kept:room").expect("a channel");
    let range = Range {
        from: From::After(0),
        limit: 1_000,
        max_bytes: 1_000_000,
    };
    let page = store.read(&room, &"e".into(), range).await;
    let records = page.expect("a page").records;
    records.iter().map(|it| it.offset).collect()
}

fn open(folder: &TempDir) -> Arc<dyn Store> {
    Arc::new(Embedded::open(folder.path()).expect("an archive"))
}

/// Follows a script to its last acknowledgement, and then ends as a crash would.
async fn follow(store: &Arc<dyn Store>, lags: &Lags, acts: Vec<Act>, expected: &[u64]) {
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut script = Script {
        acts: acts.into(),
        is_lossy: false,
        store: Arc::clone(store),
        acknowledged: Arc::clone(&acknowledged),
    };
    let done = until("the acknowledgements", || {
        *acknowledged.lock().expect("nobody panics") == expected
    });
    tokio::select! {
        error = ingest(&mut script, store, lags) => panic!("{error}"),
        done = done => done.expect("all are acknowledged"),
    }
}

#[tokio::test]
async fn what_is_delivered_again_is_archived_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lags = Lags::default();
    let acts = vec![
        Act::Deliver(vec![1, 2]),
        Act::Fail,
        Act::DeliverAndLoseTheAcknowledgement(vec![3, 4]),
        Act::Deliver(vec![3, 4, 5]),
        Act::Deliver(vec![1, 2, 3]),
    ];
    follow(&store, &lags, acts, &[2, 5, 3]).await;
    assert_eq!(archived(&store).await, [1, 2, 3, 4, 5]);
    let streams = store.streams().await.expect("streams");
    assert_eq!(
        (streams[0].count.publications, streams[0].watermark),
        (5, 5)
    );
    let stream = StreamId {
        namespace: Some("kept".to_owned()),
        epoch: "e".into(),
    };
    assert_eq!(lags.of(&stream), Some(7));
}

/// Between the append and its acknowledgement the service ends; the stream delivers again to the one that follows.
#[tokio::test]
async fn a_crash_before_the_acknowledgement_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let lags = Lags::default();
    let store = open(&folder);
    let acts = vec![
        Act::Deliver(vec![1]),
        Act::DeliverAndLoseTheAcknowledgement(vec![2, 3]),
        Act::Deliver(vec![1]),
    ];
    follow(&store, &lags, acts, &[1, 1]).await;
    drop(store);
    let store = open(&folder);
    let acts = vec![Act::Deliver(vec![2, 3]), Act::Deliver(vec![4])];
    follow(&store, &lags, acts, &[3, 4]).await;
    assert_eq!(archived(&store).await, [1, 2, 3, 4]);
}

/// What is older than its namespace promises goes by itself; and only in that namespace.
#[tokio::test]
async fn what_is_too_old_goes_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    follow(
        &store,
        &Lags::default(),
        vec![Act::Deliver(vec![1, 2])],
        &[2],
    )
    .await;
    assert_eq!(store.trim(Some("other"), u64::MAX, 9).await, Ok(0));
    let retentions = [Retention {
        namespace: Some("kept".to_owned()),
        ttl: Duration::from_secs(3_600),
    }];
    let is_empty = async || archived(&store).await.is_empty().then_some(());
    let done = until_some("the end of what is old", is_empty);
    tokio::select! {
        error = keep(&store, &retentions) => panic!("{error}"),
        done = done => done.expect("it goes"),
    }
}
