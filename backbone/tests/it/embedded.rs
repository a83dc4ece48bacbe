//! The embedded backbone keeps the promises: without streams, with streams in memory, and with streams in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::conformance::{Cluster, Spread};
use tidegate_backbone::embedded::{Embedded, EmbeddedOptions, OpenError, Sync};
use tidegate_backbone::{
    Backbone, Channel, Durability, Error, From, Page, Partition, Position, Publication, Range,
    Storage, StreamOptions, Streams,
};

async fn one_process() -> Cluster {
    let node = Arc::new(Embedded::new());
    Cluster::new(node.clone(), node, Spread::AtOnce, ())
}

async fn in_memory() -> Cluster {
    let streams = [stream("kept", 100), stream("short", 3)];
    let streams = streams.map(|it| StreamOptions {
        storage: Storage::Memory,
        ..it
    });
    let options = EmbeddedOptions {
        streams: streams.into(),
        ..EmbeddedOptions::default()
    };
    let node = Arc::new(Embedded::open(options).expect("a backbone"));
    Cluster::new(node.clone(), node, Spread::AtOnce, ())
}

async fn in_files() -> Cluster {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Arc::new(open(folder.path()).expect("a backbone"));
    Cluster::new(node.clone(), node, Spread::AtOnce, folder)
}

tidegate_backbone::conformance_tests!(one_process);

mod memory {
    tidegate_backbone::conformance_tests!(super::in_memory);
    tidegate_backbone::conformance_tests!(registers super::in_memory);
    tidegate_backbone::conformance_tests!(streams super::in_memory);
}

mod files {
    tidegate_backbone::conformance_tests!(super::in_files);
    tidegate_backbone::conformance_tests!(registers super::in_files);
    tidegate_backbone::conformance_tests!(streams super::in_files);
}

fn stream(namespace: &str, size: u64) -> StreamOptions {
    StreamOptions {
        namespace: Some(namespace.to_owned()),
        size,
        ttl: Duration::from_secs(600),
        storage: Storage::File,
        replicas: 1,
        compression: false,
        duplicate_window: Duration::from_secs(120),
        partitions: 1,
        required: Durability::Accepted,
    }
}

fn options(folder: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        data_dir: Some(folder.to_owned()),
        sync: Sync::Always,
        streams: vec![stream("kept", 100), stream("short", 3)],
    }
}

fn open(folder: &Path) -> Result<Embedded, OpenError> {
    Embedded::open(options(folder))
}

fn channel(name: &str) -> Channel {
    Channel::parse(name).expect("a channel")
}

async fn publish(node: &Embedded, channel: &Channel, id: &str, data: &str) -> Position {
    let publication = Publication {
        data: data.to_owned().into(),
        id: id.to_owned(),
        ..Publication::default()
    };
    let published = node.publish(channel, publication).await;
    published.expect("it is stored").expect("it has a position")
}

async fn after(node: &Embedded, channel: &Channel, offset: u64) -> Page {
    let range = Range {
        from: From::After(offset),
        limit: 1_000,
        max_bytes: usize::MAX,
    };
    node.read(channel, range).await.expect("a page")
}

fn texts(page: &Page) -> Vec<String> {
    let text = |it: &Publication| String::from_utf8_lossy(&it.data).into_owned();
    page.publications.iter().map(text).collect()
}

/// Promise 6.
#[tokio::test]
async fn offsets_epoch_and_ids_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, short) = (channel("kept:room"), channel("short:room"));
    let node = open(folder.path()).unwrap();
    let first = publish(&node, &kept, "a", "1").await;
    for number in 0..5 {
        publish(&node, &short, "", &number.to_string()).await;
    }
    node.shutdown().await;
    drop(node);

    let node = open(folder.path()).unwrap();
    assert_eq!(publish(&node, &kept, "a", "again").await, first);
    let second = publish(&node, &kept, "b", "2").await;
    assert_eq!(second.epoch, first.epoch);
    assert!(second.offset > first.offset);
    let page = after(&node, &kept, first.offset).await;
    assert_eq!(
        (texts(&page), page.is_gapless),
        (vec!["2".to_owned()], true)
    );
    let page = after(&node, &short, 1).await;
    assert_eq!(
        (texts(&page).join(""), page.is_gapless),
        ("234".into(), false)
    );
}

#[tokio::test]
async fn a_folder_has_one_process_and_is_never_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path()).unwrap();
    publish(&node, &channel("kept:room"), "", "1").await;
    assert!(matches!(open(folder.path()), Err(OpenError::InUse(_))));
    node.shutdown().await;
    drop(node);

    let streams = folder.path().join("streams");
    for entry in std::fs::read_dir(&streams).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => std::fs::remove_dir_all(path).unwrap(),
            false => std::fs::remove_file(path).unwrap(),
        }
    }
    let refused = open(folder.path()).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains(streams.to_str().unwrap()), "{refused}");
    assert!(refused.contains("move it away"), "{refused}");
}

#[tokio::test]
async fn a_new_folder_that_was_left_unfinished_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let unfinished = folder.path().join("streams.new");
    std::fs::create_dir_all(&unfinished).unwrap();
    std::fs::write(unfinished.join("0.jnl"), b"half").unwrap();
    let node = open(folder.path()).unwrap();
    publish(&node, &channel("kept:room"), "", "1").await;
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn files_without_a_data_directory_are_refused() {
    let refused = Embedded::open(EmbeddedOptions {
        data_dir: None,
        ..options(Path::new(""))
    });
    let refused = refused.map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        refused,
        "namespace kept is to be kept in files, and no data directory is set"
    );
}

#[tokio::test]
async fn a_durability_that_is_not_there_is_told_and_keeps_a_node_from_being_ready() {
    let folder = tempfile::tempdir().unwrap();
    for (sync, level, is_ready) in [
        (Sync::Always, Durability::Synced, true),
        (
            Sync::Interval(Duration::from_secs(1)),
            Durability::Accepted,
            false,
        ),
    ] {
        let stream = StreamOptions {
            required: Durability::Synced,
            ..stream("kept", 10)
        };
        let node = Embedded::open(EmbeddedOptions {
            sync,
            streams: vec![stream],
            ..options(folder.path())
        });
        let node = node.unwrap();
        let reports = node.durability();
        assert_eq!((reports[0].level, node.is_ready()), (level, is_ready));
        node.shutdown().await;
        let closed = node
            .publish(&channel("kept:room"), Publication::default())
            .await;
        assert!(matches!(closed, Err(Error::Unavailable(_))), "{closed:?}");
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Opens a folder and reads a channel; what was wrong, or what was read.
async fn reopened(folder: &Path) -> Result<Vec<String>, String> {
    let node = open(folder).map_err(|error| error.to_string())?;
    let range = Range {
        from: From::After(0),
        limit: 1_000,
        max_bytes: usize::MAX,
    };
    let page = node.read(&channel("kept:room"), range).await;
    node.shutdown().await;
    page.map(|it| texts(&it)).map_err(|error| error.to_string())
}

#[tokio::test]
async fn damage_is_told_and_never_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path()).unwrap();
    let expected: Vec<_> = (0..50).map(|it| format!("publication {it}")).collect();
    for text in &expected {
        publish(&node, &channel("kept:room"), "", text).await;
    }
    node.shutdown().await;
    drop(node);
    let mut told = 0;
    for path in files(folder.path()) {
        let whole = std::fs::read(&path).unwrap();
        for part in 1..8 {
            let at = whole.len() * part / 8;
            let mut damaged = whole.clone();
            let Some(byte) = damaged.get_mut(at) else {
                continue;
            };
            *byte ^= 0x55;
            let copy = tempfile::tempdir().unwrap();
            copy_folder(folder.path(), copy.path());
            let relative = path.strip_prefix(folder.path()).unwrap();
            std::fs::write(copy.path().join(relative), damaged).unwrap();
            match reopened(copy.path()).await {
                Ok(read) => assert_eq!(read, expected, "{} at {at}", relative.display()),
                Err(reason) => {
                    let place = copy.path().join("streams");
                    assert!(reason.contains(place.to_str().unwrap()), "{reason}");
                    told += 1;
                }
            }
        }
    }
    assert!(told > 0);
}

fn copy_folder(from: &Path, to: &Path) {
    for path in files(from) {
        let copy = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(path, copy).unwrap();
    }
}

#[tokio::test]
async fn a_feed_delivers_a_namespace_in_order_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let node = open(folder.path()).unwrap();
    let rooms = [channel("kept:a"), channel("kept:b")];
    let mut feed = node
        .feed(Some("kept"), Partition::WHOLE, None)
        .expect("it is kept");
    assert!(node.feed(Some("other"), Partition::WHOLE, None).is_none());
    let mut delivered = Vec::new();
    let mut last = None;
    for number in 0..6 {
        publish(&node, &channel("short:room"), "", "not this").await;
        publish(&node, &rooms[number % 2], "", &number.to_string()).await;
        let delivery = feed.next().await.unwrap();
        // Until it is acknowledged it comes again.
        assert_eq!(feed.next().await.unwrap(), delivery);
        feed.acknowledge(&delivery).await.unwrap();
        let text = |(channel, it): &(Channel, Publication)| {
            format!("{channel} {}", String::from_utf8_lossy(&it.data))
        };
        delivered.extend(delivery.publications.iter().map(text));
        assert_eq!(delivery.lag, 0);
        last = Some(delivery);
    }
    let expected: Vec<_> = (0..6).map(|it| format!("{} {it}", rooms[it % 2])).collect();
    assert_eq!(delivered, expected);
    drop(feed);
    node.shutdown().await;
    drop(node);

    let node = open(folder.path()).unwrap();
    let last = last.unwrap();
    let position = Position {
        epoch: last.epoch.clone(),
        offset: last.watermark,
    };
    let mut feed = node
        .feed(Some("kept"), Partition::WHOLE, Some(position))
        .unwrap();
    let waits = tokio::spawn(async move { feed.next().await });
    publish(&node, &rooms[0], "", "6").await;
    let delivery = waits.await.unwrap().unwrap();
    assert_eq!(delivery.publications.len(), 1);
    assert_eq!(delivery.watermark, last.watermark + 1);
    let mut anew = node
        .feed(
            Some("kept"),
            Partition::WHOLE,
            Some(Position {
                epoch: "other".into(),
                offset: 9,
            }),
        )
        .unwrap();
    assert_eq!(anew.next().await.unwrap().publications.len(), 7);
}
