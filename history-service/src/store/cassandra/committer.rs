//! The one task of a process that counts what was written: all that waits for the same stream in one step.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::cluster::Cluster;
use super::state::{Taken, Written};
use super::streams;
use crate::store::{StoreError, StreamId};

/// Commits that wait; who has more waits until there is room.
const QUEUE: usize = 256;

type Answer = oneshot::Sender<Result<Taken, StoreError>>;

struct Commit {
    stream: StreamId,
    written: Written,
    answer: Answer,
}

/// The task; it ends with this value.
pub(super) struct Committer {
    commits: mpsc::Sender<Commit>,
    task: JoinHandle<()>,
}

impl Committer {
    pub(super) fn start(cluster: Arc<Cluster>) -> Self {
        let (commits, received) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(cluster, received));
        Self { commits, task }
    }

    /// Counts what was written; returns when that is durable.
    pub(super) async fn commit(
        &self,
        stream: &StreamId,
        written: Written,
    ) -> Result<Taken, StoreError> {
        let (answer, answered) = oneshot::channel();
        let commit = Commit {
            stream: stream.clone(),
            written,
            answer,
        };
        let sent = self.commits.send(commit).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(cluster: Arc<Cluster>, mut commits: mpsc::Receiver<Commit>) {
    while let Some(first) = commits.recv().await {
        let mut by_stream: HashMap<StreamId, Vec<(Written, Answer)>> = HashMap::new();
        let mut next = Some(first);
        while let Some(commit) = next {
            let of_stream = by_stream.entry(commit.stream).or_default();
            of_stream.push((commit.written, commit.answer));
            next = commits.try_recv().ok();
        }
        for (stream, waiting) in by_stream {
            commit_together(&cluster, &stream, waiting).await;
        }
    }
}

async fn commit_together(cluster: &Cluster, stream: &StreamId, waiting: Vec<(Written, Answer)>) {
    let committed = streams::change(cluster, stream, |state| {
        let taken = waiting.iter().map(|(written, _)| state.take_in(written));
        taken.collect::<Vec<_>>()
    });
    let outcomes = match committed.await {
        Ok(taken) => taken.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); waiting.len()],
    };
    for ((_, answer), outcome) in waiting.into_iter().zip(outcomes) {
        // Who asked may have given up.
        let _ = answer.send(outcome);
    }
}
