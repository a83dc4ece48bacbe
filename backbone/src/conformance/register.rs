//! Promises of a [`Register`](crate::Register): what is put is seen by every watch, and stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Cluster, PATIENCE};
use bytes::Bytes;

use crate::{Backbone, Register, RegisterOptions, Storage, Watch};

fn options() -> RegisterOptions {
    RegisterOptions {
        name: "conformance",
        description: "of a test",
        replicas: 1,
        storage: Storage::File,
        max_keys: 10_000,
    }
}

fn open(node: &Arc<dyn Backbone>) -> Arc<dyn Register> {
    node.register(options()).expect("a register")
}

/// A watch, and what it has seen so far.
struct Watcher {
    watch: Box<dyn Watch>,
    seen: BTreeMap<String, Bytes>,
}

impl Watcher {
    fn new(node: &Arc<dyn Backbone>) -> Self {
        Self {
            watch: open(node).watch(),
            seen: BTreeMap::new(),
        }
    }

    /// Waits until exactly these are there.
    async fn until(&mut self, expected: &[(&str, &str)]) {
        let owned = |(key, value): &(&str, &str)| {
            ((*key).to_owned(), Bytes::copy_from_slice(value.as_bytes()))
        };
        let expected: BTreeMap<_, _> = expected.iter().map(owned).collect();
        let end = Instant::now() + PATIENCE;
        let mut is_first = self.seen.is_empty();
        while is_first || self.seen != expected {
            is_first = false;
            let left = end.saturating_duration_since(Instant::now());
            let next = timeout(left, self.watch.next()).await;
            let next = next.unwrap_or_else(|_| panic!("{:?}, not {expected:?}", self.seen));
            let Ok(news) = next else { continue };
            if news.is_whole {
                self.seen.clear();
            }
            for change in news.changes {
                match change.value {
                    Some(value) => drop(self.seen.insert(change.key, value)),
                    None => drop(self.seen.remove(&change.key)),
                }
            }
        }
    }
}

async fn put(node: &Arc<dyn Backbone>, key: &str, value: &str) {
    let value = Bytes::copy_from_slice(value.as_bytes());
    let done = open(node).put(key, value, None).await;
    assert!(done.is_ok(), "{done:?}");
}

async fn delete(node: &Arc<dyn Backbone>, key: &str) {
    let done = open(node).delete(key).await;
    assert!(done.is_ok(), "{done:?}");
}

/// Whoever begins to watch sees what is there.
pub async fn a_watch_begins_with_everything_that_is_there(cluster: Cluster) {
    put(&cluster.near, "a.one", "1").await;
    put(&cluster.far, "a.two", "2").await;
    put(&cluster.far, "a.two", "3").await;
    delete(&cluster.near, "a.one").await;
    put(&cluster.near, "b", "").await;
    for node in cluster.nodes() {
        Watcher::new(node).until(&[("a.two", "3"), ("b", "")]).await;
    }
}

/// Changes of every node reach every watch.
pub async fn a_watch_sees_changes_of_every_node(cluster: Cluster) {
    let mut watchers = cluster.nodes().map(Watcher::new);
    put(&cluster.near, "k=2E.x/y", "1").await;
    for watcher in &mut watchers {
        watcher.until(&[("k=2E.x/y", "1")]).await;
    }
    put(&cluster.far, "other", "2").await;
    put(&cluster.far, "k=2E.x/y", "3").await;
    for watcher in &mut watchers {
        watcher.until(&[("k=2E.x/y", "3"), ("other", "2")]).await;
    }
    delete(&cluster.far, "k=2E.x/y").await;
    delete(&cluster.near, "never-there").await;
    for watcher in &mut watchers {
        watcher.until(&[("other", "2")]).await;
    }
}

/// Many values come all, in the order of their changes.
pub async fn a_watch_sees_a_thousand_changes(cluster: Cluster) {
    let mut watcher = Watcher::new(&cluster.far);
    let register = open(&cluster.near);
    for number in 0..1_000_u32 {
        let key = format!("key.{}", number % 700);
        let value = Bytes::from(number.to_string());
        register.put(&key, value, None).await.expect("a put");
    }
    let expected: Vec<_> = (0..700_u32)
        .map(|key| {
            let value = if key < 300 { key + 700 } else { key };
            (format!("key.{key}"), value.to_string())
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|(a, b)| (&**a, &**b)).collect();
    watcher.until(&expected).await;
    Watcher::new(&cluster.near).until(&expected).await;
}

/// A value with a time to live goes.
pub async fn a_value_goes_when_its_time_is_over(cluster: Cluster) {
    let register = open(&cluster.near);
    let short = Some(Duration::from_secs(1));
    let done = register.put("short", Bytes::from_static(b"1"), short).await;
    assert!(done.is_ok(), "{done:?}");
    put(&cluster.near, "long", "1").await;
    let end = Instant::now() + PATIENCE;
    loop {
        // A change in the same place makes a carrier look.
        put(&cluster.near, "long", "1").await;
        let mut watcher = Watcher::new(&cluster.far);
        let news = watcher.watch.next().await.expect("what is there");
        if news
            .changes
            .iter()
            .all(|it| it.key != "short" || it.value.is_none())
        {
            return;
        }
        assert!(Instant::now() < end, "it is still there");
    }
}
