//! What cannot be read is refused, with its path and what to do, and left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fjall::{Database, KeyspaceCreateOptions};
use tidegate_backbone::{Channel, From, Partition, Publication, Range};
use tidegate_history_service::store::embedded::{Embedded, OpenError};
use tidegate_history_service::store::{Batch, Record, Store, StoreError, StreamId};

async fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let room = Channel::parse("kept:room").expect("a channel");
    let archive = Embedded::open(folder.path()).expect("an archive");
    let record = |offset| Record {
        offset,
        time: 1,
        publication: Publication {
            data: vec![b'x'; 1_000].into(),
            ..Publication::default()
        },
    };
    let batch = Batch {
        stream: StreamId::of(&room, &"e".into()),
        records: (1..=100).map(|it| (room.clone(), record(it))).collect(),
        passed_over: Vec::new(),
        partition: Partition::WHOLE,
        watermark: 100,
    };
    archive.append(batch).await.expect("it is stored");
    folder
}

fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).expect("a folder") {
        let path = entry.expect("a file").path();
        match path.is_dir() {
            true => found.append(&mut files(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).expect("a file"))),
        }
    }
    found
}

fn refused(path: &Path) -> OpenError {
    let before = files(path);
    let error = Embedded::open(path).expect_err("it is refused");
    assert!(
        error.to_string().contains(path.to_str().expect("a name")),
        "{error}"
    );
    assert_eq!(files(path), before, "it is left as it is");
    error
}

#[tokio::test]
async fn an_archive_that_is_in_use_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _open = Embedded::open(folder.path()).expect("an archive");
    let error = Embedded::open(folder.path()).expect_err("it is in use");
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
}

#[tokio::test]
async fn a_folder_with_something_else_in_it_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
}

#[tokio::test]
async fn an_archive_of_another_format_is_refused() {
    let folder = filled().await;
    for marker in [&b"FJL\x02"[..], b"FJL\x09", b"what"] {
        fs::write(folder.path().join("archive/version"), marker).expect("it is written");
        let error = refused(folder.path());
        assert!(matches!(error, OpenError::OtherFormat { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_archive_of_a_later_program_is_refused() {
    let folder = filled().await;
    {
        let archive = raw(folder.path());
        let meta = archive.keyspace("meta", KeyspaceCreateOptions::default);
        let changed = meta.and_then(|meta| meta.insert("format", "tidegate archive 2"));
        changed.expect("it is written");
    }
    let error = Embedded::open(folder.path()).expect_err("it is refused");
    assert!(error.to_string().contains("tidegate archive 2"), "{error}");
}

#[tokio::test]
async fn what_an_interrupted_first_start_left_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let left = folder.path().join("new/keyspaces/1");
    fs::create_dir_all(left).expect("a folder");
    let archive = Embedded::open(folder.path()).expect("an archive");
    assert_eq!(count(&archive).await, Ok(0));
}

/// Whichever file is lost or has another content, before or after it was flushed, nothing is missing silently.
#[tokio::test]
async fn a_damaged_archive_is_refused_or_whole() {
    let mut refusals = 0;
    for is_flushed in [false, true] {
        let folder = filled().await;
        if is_flushed {
            flush(folder.path());
        }
        let all = files(folder.path());
        for (path, content) in &all {
            for damage in [None, Some(flipped(content))] {
                let damaged = copy(&all, folder.path(), (path, damage.as_deref()));
                let found = match Embedded::open(damaged.path()) {
                    Ok(archive) => count(&archive).await.ok(),
                    Err(_) => None,
                };
                let is_lost = damage.is_none();
                let what = format!("{}, lost: {is_lost}, flushed: {is_flushed}", path.display());
                assert!(found.is_none_or(|found| found == 100), "{found:?}: {what}");
                refusals += usize::from(found.is_none());
            }
        }
    }
    assert!(refusals > 20, "{refusals}");
}

/// What can be read, unless reading fails.
async fn count(archive: &Embedded) -> Result<usize, StoreError> {
    let room = Channel::parse("kept:room").expect("a channel");
    let range = Range {
        from: From::After(0),
        limit: 1_000,
        max_bytes: 1_000_000,
    };
    let page = archive.read(&room, &"e".into(), range).await?;
    Ok(page.records.len())
}

fn raw(path: &Path) -> Database {
    let opened = Database::builder(path.join("archive")).open();
    opened.expect("an LSM tree")
}

/// Takes everything from the journal into tables.
fn flush(path: &Path) {
    let archive = raw(path);
    for name in archive.list_keyspace_names() {
        let flushed = archive
            .keyspace(&name, KeyspaceCreateOptions::default)
            .and_then(|it| it.rotate_memtable_and_wait());
        flushed.expect("it is flushed");
    }
}

fn flipped(content: &[u8]) -> Vec<u8> {
    let mut flipped = content.to_vec();
    let third = content.len() / 3;
    if let Some(byte) = flipped.get_mut(third) {
        *byte ^= 0x55;
    }
    flipped
}

/// A copy of an archive, but for one file, which is another one or none.
fn copy(
    all: &BTreeMap<PathBuf, Vec<u8>>,
    from: &Path,
    (changed, content): (&PathBuf, Option<&[u8]>),
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, original) in all {
        let content = match path == changed {
            true => content,
            false => Some(&**original),
        };
        let to = path.strip_prefix(from).expect("it is inside");
        let to = folder.path().join(to);
        let parent = to.parent().expect("it is in a folder");
        fs::create_dir_all(parent).expect("a folder");
        if let Some(content) = content {
            fs::write(to, content).expect("it is written");
        }
    }
    folder
}
