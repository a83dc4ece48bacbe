//! A register inside one process, kept in a file where there is a data directory: written whole beside the old one, synced,
//! and put in its place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::register::is_key;
use crate::{Change, Error, News, Register, Watch};

/// Values of one process.
#[derive(Debug)]
pub(super) struct EmbeddedRegister {
    file: Option<PathBuf>,
    /// Locked for a look, or to put others in their place.
    entries: Mutex<Entries>,
    /// Held while the file is written, by a thread that may block.
    writing: Mutex<()>,
    /// The number of the newest change.
    changed: watch::Sender<u64>,
}

type Entries = BTreeMap<String, Entry>;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    /// In base64.
    value: String,
    /// Unix time in seconds at which it goes.
    until: Option<u64>,
    /// The number of the change that made it.
    #[serde(skip)]
    number: u64,
}

impl EmbeddedRegister {
    /// Opens the register of a name in a folder, or one in memory.
    pub(super) fn open(folder: Option<&Path>, name: &str) -> Result<Self, Error> {
        let file = folder.map(|folder| folder.join(format!("{name}.json")));
        let entries = match &file {
            Some(file) => read(file).map_err(|reason| unusable(file, reason))?,
            None => Entries::new(),
        };
        Ok(Self {
            file,
            entries: Mutex::new(entries),
            writing: Mutex::default(),
            changed: watch::Sender::new(0),
        })
    }

    fn change(&self, key: &str, entry: Option<Entry>) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = self.lock().clone();
        let number = *self.changed.borrow() + 1;
        match entry {
            Some(entry) => drop(next.insert(key.to_owned(), Entry { number, ..entry })),
            None => drop(next.remove(key)),
        }
        let now = now();
        next.retain(|_, entry| entry.until.is_none_or(|until| until > now));
        if let Some(file) = &self.file {
            write(file, &next).map_err(|reason| unusable(file, reason))?;
        }
        *self.lock() = next;
        self.changed.send_replace(number);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same behind a handle that can be taken to a thread of its own.
#[derive(Debug, Clone)]
pub(super) struct Handle(pub(super) Arc<EmbeddedRegister>);

impl Handle {
    async fn change(&self, key: &str, entry: Option<Entry>) -> Result<(), Error> {
        assert!(is_key(key), "{key:?} is no key");
        let (register, key) = (Arc::clone(&self.0), key.to_owned());
        let changed = spawn_blocking(move || register.change(&key, entry)).await;
        changed.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string())))
    }
}

impl Register for Handle {
    fn put<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        time_to_live: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let entry = Entry {
            value: STANDARD.encode(value),
            until: time_to_live.map(|time| now().saturating_add(time.as_secs().max(1))),
            number: 0,
        };
        Box::pin(self.change(key, Some(entry)))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.change(key, None))
    }

    fn watch(self: Arc<Self>) -> Box<dyn Watch> {
        Box::new(EmbeddedWatch {
            changed: self.0.changed.subscribe(),
            register: self.0.clone(),
            seen: None,
        })
    }
}

struct EmbeddedWatch {
    register: Arc<EmbeddedRegister>,
    changed: watch::Receiver<u64>,
    /// The keys that were there, and the change up to which all is known.
    seen: Option<(Vec<String>, u64)>,
}

impl EmbeddedWatch {
    /// What differs from what was seen.
    fn look(&mut self) -> News {
        let number = *self.changed.borrow_and_update();
        let entries = self.register.lock();
        let seen = self.seen.take();
        let last = seen.as_ref().map(|(_, last)| *last);
        let is_new = |entry: &Entry| last.is_none_or(|last| entry.number > last);
        let decode = |entry: &Entry| STANDARD.decode(&entry.value).unwrap_or_default();
        let put = entries.iter().filter(|(_, entry)| is_new(entry));
        let put = put.map(|(key, entry)| Change {
            key: key.clone(),
            value: Some(decode(entry).into()),
        });
        let seen = seen.map_or_else(Vec::new, |(keys, _)| keys).into_iter();
        let gone = seen.filter(|key| !entries.contains_key(key));
        let gone = gone.map(|key| Change { key, value: None });
        let changes = put.chain(gone).collect();
        self.seen = Some((entries.keys().cloned().collect(), number));
        News {
            changes,
            is_whole: last.is_none(),
        }
    }

    async fn wait(&mut self) -> Result<News, Error> {
        if self.seen.is_some() {
            let changed = self.changed.changed().await;
            changed.map_err(|_| Error::Unavailable("it was shut down".to_owned()))?;
        }
        Ok(self.look())
    }
}

impl Watch for EmbeddedWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<News, Error>> {
        Box::pin(self.wait())
    }
}

fn read(file: &Path) -> std::io::Result<Entries> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Entries::new()),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_slice(&text)?)
}

fn write(file: &Path, entries: &Entries) -> std::io::Result<()> {
    let folder = file.parent().expect("it was joined to a folder");
    std::fs::create_dir_all(folder)?;
    let beside = file.with_extension("new");
    let mut new = File::create(&beside)?;
    new.write_all(&serde_json::to_vec(entries)?)?;
    new.sync_all()?;
    std::fs::rename(&beside, file)?;
    File::open(folder)?.sync_all()
}

fn unusable(file: &Path, reason: std::io::Error) -> Error {
    Error::Unavailable(format!("{}: {reason}", file.display()))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| it.as_secs())
}
