//! Gives errands to the workers of this node, and waits until they are done.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_backbone::Channel;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Census, Connected, Errand, Job, Order, Tally, Task, Whom};

/// Jobs that may wait for one worker; who gives another one waits.
const QUEUE: usize = 256;

/// How long all workers may take.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The workers' side of this node.
#[derive(Debug)]
pub(crate) struct Local(Vec<mpsc::Sender<Job>>);

/// Not every connection that was meant is known to have got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed;

impl Local {
    /// For so many workers, with what each of them has to consume.
    pub(crate) fn new(workers: usize) -> (Self, Vec<mpsc::Receiver<Job>>) {
        let (senders, receivers) = (0..workers).map(|_| mpsc::channel(QUEUE)).unzip();
        (Self(senders), receivers)
    }

    /// Gives an order; tells how many connections obeyed.
    pub(crate) async fn order(&self, whom: Whom, order: Order) -> Result<u64, Missed> {
        let tally = self
            .send(whom, Task::Order(order), Tally::new("", 0))
            .await?;
        Ok(tally.count())
    }

    /// Has connections look whether they may be here.
    pub(crate) async fn review(&self, whom: Whom) -> Result<(), Missed> {
        let tally = Tally::new("", 0);
        self.send(whom, Task::Review, tally).await.map(drop)
    }

    /// Those connections with the first ids behind `after`.
    pub(crate) async fn connections(
        &self,
        whom: Whom,
        after: &str,
        limit: usize,
    ) -> Result<BTreeMap<String, Connected>, Missed> {
        let tally = self
            .send(whom, Task::Describe, Tally::new(after, limit))
            .await?;
        Ok(tally.take_found())
    }

    /// The channels that have subscribers, with how many.
    pub(crate) async fn channels(&self) -> Result<BTreeMap<Channel, u64>, Missed> {
        self.ask(Job::Channels).await
    }

    /// How many users are there.
    pub(crate) async fn users(&self) -> Result<usize, Missed> {
        let users: HashSet<u32> = self.ask(Job::Users).await?;
        Ok(users.len())
    }

    /// Asks so many of the oldest connections to connect again. A worker that has too much to do is spared.
    pub(crate) fn give_away(&self, count: usize) {
        let workers = self.0.len();
        for (number, worker) in self.0.iter().enumerate() {
            // Those of the first ones are greater by one, if it cannot be shared evenly.
            let part = count / workers + usize::from(number < count % workers);
            if part > 0 {
                let _busy = worker.try_send(Job::GiveAway(part));
            }
        }
    }

    async fn send(&self, whom: Whom, task: Task, tally: Arc<Tally>) -> Result<Arc<Tally>, Missed> {
        let (end, ended) = oneshot::channel();
        let errand = Arc::new(Errand {
            whom,
            task,
            tally: Arc::clone(&tally),
            _end: end,
        });
        let give = async {
            for worker in &self.0 {
                let job = Job::Errand(Arc::clone(&errand));
                worker.send(job).await.map_err(|_| Missed)?;
            }
            drop(errand);
            let _gone = ended.await;
            Ok(())
        };
        timeout(PATIENCE, give).await.map_err(|_| Missed)??;
        match tally.has_missed() {
            true => Err(Missed),
            false => Ok(tally),
        }
    }

    async fn ask<T: Default>(&self, job: impl Fn(Census<T>) -> Job) -> Result<T, Missed> {
        let (end, ended) = oneshot::channel();
        let (total, end) = (Arc::<Mutex<T>>::default(), Arc::new(end));
        let count = async {
            for worker in &self.0 {
                let census = Census {
                    total: Arc::clone(&total),
                    _end: Arc::clone(&end),
                };
                worker.send(job(census)).await.map_err(|_| Missed)?;
            }
            drop(end);
            let _gone = ended.await;
            Ok(())
        };
        timeout(PATIENCE, count).await.map_err(|_| Missed)??;
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *total))
    }
}
