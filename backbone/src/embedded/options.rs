//! How an embedded backbone is set up, and why it cannot be.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::tables::Failure;
use crate::StreamOptions;

/// How the embedded backbone keeps what is to be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Folder of everything that is kept in files; made if it does not exist.
    pub data_dir: Option<PathBuf>,
    /// When files are synced.
    pub sync: Sync,
    /// Namespaces that are kept.
    pub streams: Vec<StreamOptions>,
}

/// When what was stored survives a power cut. That the process ends loses nothing either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before it is confirmed. Publications under way are synced together.
    #[default]
    Always,
    /// Within this time.
    Interval(Duration),
}

/// Why an embedded backbone cannot keep what it should.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Files are wanted, and no place for them is named.
    #[error(
        "{} is to be kept in files, and no data directory is set",
        .0.as_deref().map_or("a channel without namespace".to_owned(), |it| format!("namespace {it}"))
    )]
    NoDataDir(Option<String>),
    /// Another process has it.
    #[error("{}: another process has it open; each node needs its own", .0.display())]
    InUse(PathBuf),
    /// Written by another version.
    #[error("{}: has format {found}, and this version reads format 1; start the version that wrote it", .folder.display())]
    Format {
        /// Where it is.
        folder: PathBuf,
        /// What it says.
        found: String,
    },
    /// It cannot be made or read.
    #[error(
        "{}: cannot be opened: {reason}; nothing was changed. Put back a copy of the folder, or move it away to start with \
         empty streams", .folder.display()
    )]
    Unusable {
        /// Where it is.
        folder: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something that was confirmed is not there.
    #[error(
        "{}: {marked} publications were confirmed, and the streams beside it know of {stored}: they are damaged. \
         Put back a copy of both, or remove this file to go on with what is left, in a new epoch", .mark.display()
    )]
    Behind {
        /// The file that tells.
        mark: PathBuf,
        /// How many they know of.
        stored: u64,
        /// How many there were.
        marked: u64,
    },
    /// What is in it cannot be read.
    #[error(
        "what is stored cannot be read: {0}; put back a copy of the folder, or move it away to start with empty streams"
    )]
    Damaged(String),
    /// There is no thread for it.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl OpenError {
    pub(super) fn new(folder: &Path, reason: impl Display) -> Self {
        Self::Unusable {
            folder: folder.to_owned(),
            reason: reason.to_string(),
        }
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Damaged(failure.to_string())
    }
}
