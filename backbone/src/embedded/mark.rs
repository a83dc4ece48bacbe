//! How far a log has got, in a file beside its folder.
//!
//! Damage in the middle of fjall's journal looks to it like the end of the journal, and it goes on without what follows. The
//! mark tells: it is written when a change has been made, and never ahead of one that is synced. From then on it is only written
//! over, so what a power cut leaves is an older mark, and not none.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How many publications were ever stored, and the same inverted.
const LENGTH: usize = 16;

/// The mark of one log.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    path: PathBuf,
    /// What it said when it was opened; `None` if it said nothing that makes sense.
    found: Option<u64>,
}

impl Mark {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path)?;
        let mut bytes = Vec::new();
        (&mut file).take(LENGTH as u64).read_to_end(&mut bytes)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            found: parse(&bytes),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn found(&self) -> Option<u64> {
        self.found
    }

    /// Begins to be one that lasts, in a file that has its place on the disk before anything is stored.
    pub(super) fn begin(&self, stored: u64) -> io::Result<()> {
        self.set(stored)?;
        self.file.sync_all()?;
        match self.path.parent() {
            Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    pub(super) fn set(&self, stored: u64) -> io::Result<()> {
        let bytes = [stored.to_be_bytes(), (!stored).to_be_bytes()].concat();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&bytes)
    }
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let (stored, inverted) = bytes.split_at_checked(LENGTH / 2)?;
    let stored = u64::from_be_bytes(stored.try_into().ok()?);
    (inverted == (!stored).to_be_bytes()).then_some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_what_was_set_last_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        let mark = Mark::open(&path).unwrap();
        assert_eq!(mark.found(), None);
        mark.set(7).unwrap();
        mark.set(8).unwrap();
        assert_eq!(Mark::open(&path).unwrap().found(), Some(8));
        for damaged in [&b"short"[..], &[0; LENGTH]] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(Mark::open(&path).unwrap().found(), None);
        }
    }
}
