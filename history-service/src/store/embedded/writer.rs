//! The one thread that changes the archive. What waits to be appended is appended together, with one sync.

use std::io;
use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tidegate_backbone::{Channel, Epoch};
use tokio::sync::{mpsc, oneshot};

use super::appending::append;
use super::archive::Archive;
use super::removing::remove;
use super::trimming::trim;
use crate::store::{Batch, StoreError};

/// Commands that wait; who has more waits until there is room.
const QUEUE: usize = 256;

/// Records after which no more batches are added to those that are appended together.
const TOGETHER: usize = 8_192;

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What is to be removed.
#[derive(Debug)]
pub(super) struct Removal {
    pub(super) channel: Channel,
    pub(super) epoch: Epoch,
    pub(super) offsets: RangeInclusive<u64>,
}

/// What is to be trimmed.
#[derive(Debug)]
pub(super) struct Trimming {
    pub(super) namespace: Option<String>,
    pub(super) time: u64,
    pub(super) limit: usize,
}

enum Command {
    Append(Batch, Answer<()>),
    Remove(Removal, Answer<u64>),
    Trim(Trimming, Answer<usize>),
}

/// The thread, which ends with this value when it has done what it was told.
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(archive: Arc<Archive>) -> io::Result<Self> {
        let (commands, received) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("archive".to_owned());
        let thread = thread.spawn(move || run(&archive, received))?;
        Ok(Self {
            commands,
            thread: Some(thread),
        })
    }

    pub(super) async fn append(&self, batch: Batch) -> Result<(), StoreError> {
        self.tell(|answer| Command::Append(batch, answer)).await
    }

    pub(super) async fn remove(&self, removal: Removal) -> Result<u64, StoreError> {
        self.tell(|answer| Command::Remove(removal, answer)).await
    }

    pub(super) async fn trim(&self, trimming: Trimming) -> Result<usize, StoreError> {
        self.tell(|answer| Command::Trim(trimming, answer)).await
    }

    async fn tell<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a sender the thread sees the end of its commands.
        drop(mem::replace(&mut self.commands, mpsc::channel(1).0));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the archive's thread has panicked");
        }
    }
}

fn run(archive: &Archive, mut commands: mpsc::Receiver<Command>) {
    let mut next = commands.blocking_recv();
    while let Some(command) = next {
        next = match command {
            Command::Append(batch, answer) => {
                let first = (batch, answer);
                append_with_others(archive, first, &mut commands)
            }
            Command::Remove(removal, answer) => {
                tell(answer, remove(archive, &removal));
                None
            }
            Command::Trim(trimming, answer) => {
                tell(answer, trim(archive, &trimming));
                None
            }
        };
        next = next.or_else(|| commands.blocking_recv());
    }
}

/// Appends a batch and those that wait behind it; returns the first command that is something else.
fn append_with_others(
    archive: &Archive,
    (batch, answer): (Batch, Answer<()>),
    commands: &mut mpsc::Receiver<Command>,
) -> Option<Command> {
    let mut records = batch.records.len();
    let (mut batches, mut answers, mut next) = (vec![batch], vec![answer], None);
    while records < TOGETHER {
        match commands.try_recv() {
            Ok(Command::Append(batch, answer)) => {
                records += batch.records.len();
                batches.push(batch);
                answers.push(answer);
            }
            Ok(other) => {
                next = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    let appended = append(archive, batches);
    for answer in answers {
        tell(answer, appended.clone());
    }
    next
}

fn tell<T>(answer: Answer<T>, result: Result<T, StoreError>) {
    // Who asked may have given up.
    let _ = answer.send(result);
}
