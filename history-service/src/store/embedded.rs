//! An archive in a folder of this machine, on an LSM tree.
//!
//! One thread writes, and syncs once for all that waits (`writer`); reads run beside it on snapshots, on threads that may
//! block. What stands where, `archive` tells.

mod appending;
mod archive;
mod change;
mod keys;
mod opening;
mod reading;
mod removing;
mod trimming;
mod writer;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_backbone::{Channel, Epoch, Range};

use super::{
    ArchivedChannel, ArchivedStream, Batch, MAX_EPOCH_BYTES, Page, Record, Spans, Store,
    StoreError, StreamId,
};
use archive::Archive;
pub use opening::OpenError;
use writer::{Removal, Trimming, Writer};

/// An archive in a folder.
pub struct Embedded {
    path: PathBuf,
    archive: Arc<Archive>,
    writer: Writer,
}

impl Embedded {
    /// Opens the archive in a folder, or makes one in a new or empty folder. Blocks.
    ///
    /// # Errors
    /// [`OpenError`] when what is there cannot be used; it is left as it is.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let archive = Arc::new(Archive::open(path)?);
        let writer = Writer::start(Arc::clone(&archive))
            .map_err(|error| OpenError::damaged(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            archive,
            writer,
        })
    }

    /// Asks the archive on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Archive) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let archive = Arc::clone(&self.archive);
        let asked = tokio::task::spawn_blocking(move || question(&archive));
        asked.await.map_err(|_| StoreError::Closed)?
    }
}

fn check(epoch: &Epoch) -> Result<(), StoreError> {
    match epoch.len() <= MAX_EPOCH_BYTES {
        true => Ok(()),
        false => Err(StoreError::EpochTooLong),
    }
}

impl Store for Embedded {
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            check(&batch.stream.epoch)?;
            self.writer.append(batch).await
        })
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        range: Range,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            check(epoch)?;
            let (channel, epoch) = (channel.clone(), Epoch::clone(epoch));
            self.ask(move |archive| archive.read(&channel, &epoch, range))
                .await
        })
    }

    fn get<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offset: u64,
    ) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        Box::pin(async move {
            check(epoch)?;
            let (channel, epoch) = (channel.clone(), Epoch::clone(epoch));
            self.ask(move |archive| archive.get(&channel, &epoch, offset))
                .await
        })
    }

    fn find<'a>(
        &'a self,
        stream: &'a StreamId,
        time: u64,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            check(&stream.epoch)?;
            let stream = stream.clone();
            self.ask(move |archive| archive.find(&stream, time)).await
        })
    }

    fn channels<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ArchivedChannel>, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        Box::pin(self.ask(move |archive| archive.channels(&prefix, &after, limit)))
    }

    fn remove<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offsets: RangeInclusive<u64>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            check(epoch)?;
            let removal = Removal {
                channel: channel.clone(),
                epoch: Epoch::clone(epoch),
                offsets,
            };
            self.writer.remove(removal).await
        })
    }

    fn removed<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offsets: RangeInclusive<u64>,
    ) -> BoxFuture<'a, Result<Spans, StoreError>> {
        Box::pin(async move {
            check(epoch)?;
            let (channel, epoch) = (channel.clone(), Epoch::clone(epoch));
            self.ask(move |archive| archive.removed(&channel, &epoch, &offsets))
                .await
        })
    }

    fn trim<'a>(
        &'a self,
        namespace: Option<&'a str>,
        time: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(self.writer.trim(Trimming {
            namespace: namespace.map(str::to_owned),
            time,
            limit,
        }))
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<ArchivedStream>, StoreError>> {
        Box::pin(self.ask(Archive::archived_streams))
    }

    fn disk_bytes(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.ask(Archive::disk_bytes))
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
