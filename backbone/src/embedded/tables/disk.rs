//! Tables in files, in a folder of their own.
//!
//! A new folder is made under another name and gets its own when it is whole, so a folder without a format is not one that
//! was just begun: it is damaged, or someone else's, and is refused.

use std::fs;
use std::io;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};

use super::{Changes, Failure, Rows, Table, Tables, View};
use crate::embedded::options::OpenError;

/// The form of what is stored.
const FORMAT: &[u8] = b"1";

const FORMAT_KEY: &[u8] = b"format";

/// Tables that outlive the process.
pub(in crate::embedded) struct Disk {
    database: Database,
    /// In the order of [`Table::ALL`].
    tables: Vec<Keyspace>,
    folder: PathBuf,
    /// How far each change has got when it has been applied.
    mode: PersistMode,
}

impl Disk {
    /// Opens what is in a folder, or makes it. `is_synced`: each change survives a power cut as soon as it has been applied.
    pub(in crate::embedded) fn open(folder: &Path, is_synced: bool) -> Result<Self, OpenError> {
        if !folder.exists() {
            make(folder).map_err(|reason| OpenError::new(folder, reason))?;
        }
        let mode = match is_synced {
            true => PersistMode::SyncAll,
            false => PersistMode::Buffer,
        };
        // fjall asserts some of what it reads.
        let connected = catch_unwind(|| Self::connect(folder, mode));
        let connected = connected.map_err(|_| OpenError::new(folder, "it is damaged"))?;
        let disk = connected.map_err(|reason| match reason {
            fjall::Error::Locked => OpenError::InUse(folder.to_owned()),
            other => OpenError::new(folder, other),
        })?;
        let format = disk.view().get(Table::Meta, FORMAT_KEY)?;
        match format.as_deref() {
            Some(FORMAT) => Ok(disk),
            Some(other) => Err(OpenError::Format {
                folder: folder.to_owned(),
                found: String::from_utf8_lossy(other).into_owned(),
            }),
            None => Err(OpenError::new(folder, "it has no format")),
        }
    }

    fn connect(folder: &Path, mode: PersistMode) -> Result<Self, fjall::Error> {
        let database = Database::builder(folder).open()?;
        let open = |table: Table| database.keyspace(table.name(), KeyspaceCreateOptions::default);
        let tables = Table::ALL
            .into_iter()
            .map(open)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            database,
            tables,
            folder: folder.to_owned(),
            mode,
        })
    }

    fn failure(&self, reason: impl std::fmt::Display) -> Failure {
        Failure(format!("{}: {reason}", self.folder.display()))
    }

    fn table(&self, table: Table) -> &Keyspace {
        &self.tables[table as usize]
    }
}

/// Makes a folder with empty tables.
fn make(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let unfinished = folder.with_extension("new");
    if let Err(error) = fs::remove_dir_all(&unfinished)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    fs::create_dir_all(&unfinished)?;
    let disk = Disk::connect(&unfinished, PersistMode::SyncAll)?;
    let format = (Table::Meta, FORMAT_KEY.to_vec());
    disk.apply([(format, Some(Bytes::from_static(FORMAT)))].into())?;
    drop(disk);
    fs::rename(&unfinished, folder)?;
    if let Some(parent) = folder.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

impl Tables for Disk {
    fn view(&self) -> Box<dyn View + '_> {
        Box::new(Moment {
            disk: self,
            snapshot: self.database.snapshot(),
        })
    }

    fn apply(&self, changes: Changes) -> Result<(), Failure> {
        let mut batch = self.database.batch().durability(Some(self.mode));
        for ((table, key), value) in changes {
            match value {
                Some(value) => batch.insert(self.table(table), key, value),
                None => batch.remove(self.table(table), key),
            }
        }
        batch.commit().map_err(|error| self.failure(error))
    }

    fn sync(&self) -> Result<(), Failure> {
        let synced = self.database.persist(PersistMode::SyncAll);
        synced.map_err(|error| self.failure(error))
    }
}

struct Moment<'a> {
    disk: &'a Disk,
    snapshot: Snapshot,
}

impl View for Moment<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        let found = self.snapshot.get(self.disk.table(table), key);
        let found = found.map_err(|error| self.disk.failure(error))?;
        Ok(found.map(Bytes::from))
    }

    fn rows(&self, table: Table, from: &[u8], to: &[u8]) -> Rows<'_> {
        let rows = self.snapshot.range(self.disk.table(table), from..to);
        Box::new(rows.map(|row| {
            let (key, value) = row.into_inner().map_err(|error| self.disk.failure(error))?;
            Ok((Bytes::from(key), Bytes::from(value)))
        }))
    }
}
