//! Archive and stream are one log, however far the archive is, whatever was removed, and whatever it never got.

use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use tidegate_backbone::{Backbone, Channel};
use tidegate_history_service::history::{History, Query, Reading, Removal, Start};
use tidegate_history_service::lag::Lags;
use tidegate_history_service::store::Store;
use tidegate_history_service::store::embedded::Embedded;

use crate::carrier::Carrier;

/// Kept in the stream of each channel.
const SIZE: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Publish(usize),
    Ingest(usize),
    Remove(u64, u64),
    Redeliver,
}

struct World {
    carrier: Arc<Carrier>,
    store: Arc<dyn Store>,
    history: History,
    rooms: [Channel; 2],
    watermark: u64,
    /// Everything that was ever published in the first room and not removed.
    published: Vec<u64>,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let carrier = Carrier::new(SIZE);
        let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).expect("an archive"));
        let backbone: Arc<dyn Backbone> = Arc::<Carrier>::clone(&carrier);
        let room = |name| Channel::parse(name).expect("a channel");
        Self {
            history: History::new(Arc::clone(&store), backbone, Lags::default()),
            carrier,
            store,
            rooms: [room("kept:a"), room("kept:b")],
            watermark: 0,
            published: Vec::new(),
            _folder: folder,
        }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Publish(room) => {
                let offset = self.carrier.put_text(&self.rooms[room], "x");
                if room == 0 {
                    self.published.push(offset);
                }
            }
            Step::Ingest(limit) => {
                let batch = self.carrier.batch(self.watermark, limit);
                self.watermark = batch.watermark;
                self.store.append(batch).await.expect("it is stored");
            }
            Step::Redeliver => {
                let batch = self.carrier.batch(0, 3);
                let watermark = batch.watermark.min(self.watermark);
                let batch = tidegate_history_service::store::Batch { watermark, ..batch };
                self.store.append(batch).await.expect("it is stored");
            }
            Step::Remove(first, length) => {
                let removal = Removal::Offsets(None, first..=first + length);
                let removed = self.history.remove(&self.rooms[0], &removal).await;
                assert!(removed.is_ok(), "{removed:?}");
                self.published
                    .retain(|it| !(first..=first + length).contains(it));
            }
        }
    }

    async fn read(&self, start: Start, limit: usize) -> Reading {
        let query = Query {
            channel: self.rooms[0].clone(),
            epoch: None,
            start,
            limit,
        };
        self.history.read(&query).await.expect("a page")
    }

    /// All pages from a place on; whether all of them were whole.
    async fn walk(&self, mut start: Start, limit: usize) -> (Vec<u64>, bool) {
        let (mut offsets, mut is_gapless) = (Vec::new(), true);
        loop {
            let page = self.read(start, limit).await;
            offsets.extend(page.records.iter().map(|it| it.offset));
            is_gapless &= page.is_gapless;
            let Some(next) = page.next else {
                return (offsets, is_gapless);
            };
            start = match start {
                Start::After(_) | Start::Since(_) => Start::After(next),
                Start::Before(_) | Start::Until(_) => Start::Before(next),
            };
        }
    }

    /// Everything that either has.
    fn known(&self, archived: &[u64]) -> Vec<u64> {
        let kept = self.carrier.batch(0, usize::MAX).records;
        let kept = kept.into_iter().filter(|(room, _)| *room == self.rooms[0]);
        let mut known: Vec<_> = kept.map(|(_, it)| it.offset).collect();
        known.extend(archived);
        known.retain(|it| self.published.contains(it));
        known.sort_unstable();
        known.dedup();
        known
    }

    async fn archived(&self) -> Vec<u64> {
        let range = tidegate_backbone::Range {
            from: tidegate_backbone::From::After(0),
            limit: 1_000,
            max_bytes: 1_000_000,
        };
        let page = self.store.read(&self.rooms[0], &"one".into(), range).await;
        let records = page.expect("a page").records;
        records.iter().map(|it| it.offset).collect()
    }

    async fn check(&self) {
        let known = self.known(&self.archived().await);
        let newest = self.history.newest(&self.rooms[0]).await;
        let newest = newest.expect("a position").position.offset;
        for limit in [1, 2, 100] {
            for after in 0..=newest {
                let (found, is_gapless) = self.walk(Start::After(after), limit).await;
                let expected: Vec<_> = known.iter().copied().filter(|it| *it > after).collect();
                assert_eq!(found, expected, "after {after}, {limit} at a time");
                let all = self.published.iter().filter(|it| **it > after);
                let is_whole = all.eq(&found);
                assert!(is_whole || !is_gapless, "after {after}: a wrong proof");
            }
            for before in 0..=newest + 2 {
                let (mut found, is_gapless) = self.walk(Start::Before(before), limit).await;
                found.reverse();
                let expected: Vec<_> = known.iter().copied().filter(|it| *it < before).collect();
                assert_eq!(found, expected, "before {before}, {limit} at a time");
                let first = found.first().copied().unwrap_or(0);
                let all = self.published.iter();
                let all = all.filter(|it| **it < before && **it >= first);
                assert!(
                    all.eq(&found) || !is_gapless,
                    "before {before}: a wrong proof"
                );
            }
        }
        self.check_times(&known).await;
    }

    /// The carrier's clock says ten times the sequence.
    async fn check_times(&self, known: &[u64]) {
        let last = self.carrier.batch(0, usize::MAX).watermark;
        for time in (0..=(last + 1) * 10).step_by(5) {
            let (found, _) = self.walk(Start::Since(time), 2).await;
            let since = known.iter().copied().filter(|it| it * 10 >= time);
            assert_eq!(found, since.collect::<Vec<_>>(), "since {time}");
            let (found, _) = self.walk(Start::Until(time), 2).await;
            let until = known.iter().copied().filter(|it| it * 10 < time);
            assert_eq!(found, until.rev().collect::<Vec<_>>(), "until {time}");
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2_usize).prop_map(Step::Publish),
        3 => (1..6_usize).prop_map(Step::Ingest),
        1 => (1..20_u64, 0..4_u64).prop_map(|(first, length)| Step::Remove(first, length)),
        1 => Just(Step::Redeliver),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn archive_and_stream_are_one_log(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut world = World::new();
            for step in &steps {
                world.take(step).await;
            }
            world.check().await;
        });
    }
}

/// Where nothing was lost, the proof is there, wherever the publications are.
#[tokio::test]
async fn what_is_whole_is_proved_to_be() {
    let mut world = World::new();
    for _ in 0..10 {
        for room in [0, 1, 0, 1] {
            world.take(&Step::Publish(room)).await;
        }
        world.take(&Step::Ingest(3)).await;
        world.take(&Step::Ingest(1)).await;
    }
    world.take(&Step::Publish(0)).await;
    world.take(&Step::Publish(1)).await;
    world.take(&Step::Publish(0)).await;
    for after in [0, 1, 20, 39, 40, 41] {
        for limit in [1, 5, 100] {
            let (found, is_gapless) = world.walk(Start::After(after), limit).await;
            assert!(is_gapless, "after {after}, {limit} at a time: {found:?}");
        }
    }
    assert!(world.walk(Start::Before(41), 5).await.1);
}
