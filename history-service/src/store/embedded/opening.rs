//! Opens an archive, or refuses to: what cannot be read is never taken for an empty one, and never changed.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use fjall::{Database, KeyspaceCreateOptions, PersistMode};

use super::archive::Archive;

/// What this program writes. Another number for anything that this program's predecessors cannot read.
const FORMAT: &[u8] = b"tidegate archive 1";

const FORMAT_KEY: &[u8] = b"format";

/// Where an archive stands in its folder, and where a new one is made.
const MADE: &str = "archive";
const MAKING: &str = "new";

/// Bytes of blocks that are kept in memory.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Why an archive cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder has something else in it.
    #[error(
        "{} is not empty and has no archive in it; name another folder, or restore the archive from a backup",
        .0.display()
    )]
    Foreign(PathBuf),
    /// Another process has it open.
    #[error("the archive in {} is used by another process; stop that one, or name another folder", .0.display())]
    InUse(PathBuf),
    /// It was written by another version of this program.
    #[error(
        "the archive in {} has the format {found:?}, and this program reads {:?}; start the version that wrote it, or \
         name another folder and let it fill from the streams",
        .path.display(), String::from_utf8_lossy(FORMAT)
    )]
    OtherFormat {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// It cannot be read.
    #[error(
        "the archive in {} cannot be read ({reason}); restore it from a backup, or move it away and \
         let a new one fill from what the streams still hold",
        .path.display()
    )]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl OpenError {
    pub(super) fn damaged(path: &Path, reason: &dyn fmt::Display) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    fn of(path: &Path, error: &fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::InUse(path.to_owned()),
            fjall::Error::InvalidVersion(version) => Self::OtherFormat {
                path: path.to_owned(),
                found: match version {
                    Some(version) => format!("fjall {version}"),
                    None => "unknown".to_owned(),
                },
            },
            other => Self::damaged(path, other),
        }
    }
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let (made, making) = (path.join(MADE), path.join(MAKING));
        if made.exists() {
            check_files(&made)?;
        } else {
            let damaged = |error: io::Error| OpenError::damaged(path, &error);
            fs::create_dir_all(path).map_err(damaged)?;
            check_unused(path)?;
            make(&making)?;
            fs::rename(&making, &made).map_err(damaged)?;
            File::open(path)
                .and_then(|folder| folder.sync_all())
                .map_err(damaged)?;
        }
        let archive = Self::of(&made)?;
        archive.check_format(&made)?;
        Ok(archive)
    }

    /// What is in a folder, or a new one.
    fn of(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::of(path, &error);
        let opened = Database::builder(path).cache_size(CACHE_BYTES).open();
        let database = opened.map_err(failed)?;
        let keyspace = |name| {
            let found = database.keyspace(name, KeyspaceCreateOptions::default);
            found.map_err(failed)
        };
        Ok(Self {
            meta: keyspace("meta")?,
            records: keyspace("records")?,
            log: keyspace("log")?,
            channels: keyspace("channels")?,
            streams: keyspace("streams")?,
            removed: keyspace("removed")?,
            removed_by_end: keyspace("removed_by_end")?,
            database,
        })
    }

    fn check_format(&self, path: &Path) -> Result<(), OpenError> {
        let found = self.meta.get(FORMAT_KEY);
        match found
            .map_err(|error| OpenError::of(path, &error))?
            .as_deref()
        {
            Some(format) if format == FORMAT => Ok(()),
            other => Err(OpenError::OtherFormat {
                path: path.to_owned(),
                found: String::from_utf8_lossy(other.unwrap_or(b"none")).into_owned(),
            }),
        }
    }
}

/// An archive is made beside its place, so that one which stands there is whole, however the program ended.
fn make(making: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::of(making, &error);
    if making.exists() {
        fs::remove_dir_all(making).map_err(|error| OpenError::damaged(making, &error))?;
    }
    let archive = Archive::of(making)?;
    archive.meta.insert(FORMAT_KEY, FORMAT).map_err(failed)?;
    archive
        .database
        .persist(PersistMode::SyncAll)
        .map_err(failed)
}

fn check_unused(path: &Path) -> Result<(), OpenError> {
    let names = names(path).map_err(|error| OpenError::damaged(path, &error))?;
    match names.iter().all(|name| name == MAKING) {
        true => Ok(()),
        false => Err(OpenError::Foreign(path.to_owned())),
    }
}

/// The LSM tree takes a folder without these files for a new one.
fn check_files(path: &Path) -> Result<(), OpenError> {
    let damaged = |error: io::Error| OpenError::damaged(path, &error);
    let missing = |what: &str| OpenError::damaged(path, &format!("{what} is missing"));
    if !path.join("version").exists() {
        return Err(missing("version"));
    }
    let is_journal = |name: &String| name.ends_with(".jnl");
    if !names(path).map_err(damaged)?.iter().any(is_journal) {
        return Err(missing("its journal"));
    }
    let trees = path.join("keyspaces");
    for name in names(&trees).map_err(damaged)? {
        let current = trees.join(name).join("current");
        if !current.exists() {
            return Err(missing(&current.display().to_string()));
        }
    }
    Ok(())
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}
