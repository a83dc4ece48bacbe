//! Questions that many ask at the same time, one channel each, asked for together: when all clients of a node come back at
//! once, they are thousands.
//!
//! One who asks leads for those who wait; what is asked meanwhile waits for the next one. So nobody gets what was found before
//! it asked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{self, Sender};
use tokio::time::{Instant, timeout};

use super::PATIENCE;
use super::reading::{TURN, crowded};
use crate::Error;

/// Who waits for an answer `A` to a question `Q` about one stream.
#[derive(Debug)]
pub(super) struct Gathering<Q, A> {
    waiting: Mutex<Vec<Waiting<Q, A>>>,
    /// Held by who leads.
    lead: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiting<Q, A> {
    question: Q,
    since: Instant,
    answer: Sender<Result<A, Error>>,
}

impl<Q, A> Default for Gathering<Q, A> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            lead: tokio::sync::Mutex::default(),
        }
    }
}

impl<Q: Clone, A> Gathering<Q, A> {
    /// The answer to a question; it sees everything that was confirmed before this call. `ask` is given at most so many
    /// questions at once, and gives an answer to each.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the stream does not answer in time.
    pub(super) async fn answer<F>(
        &self,
        question: Q,
        most: usize,
        ask: impl Fn(Vec<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Vec<A>, Error>>,
    {
        let answer = timeout(TURN, self.wait(question, most, ask));
        answer.await.map_err(|_| crowded())?
    }

    async fn wait<F>(&self, question: Q, most: usize, ask: impl Fn(Vec<Q>) -> F) -> Result<A, Error>
    where
        F: Future<Output = Result<Vec<A>, Error>>,
    {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.waiting().push(Waiting {
                question: question.clone(),
                since: Instant::now(),
                answer,
            });
            let answer = loop {
                tokio::select! {
                    biased;
                    answer = &mut answered => break answer,
                    _lead = self.lead.lock() => self.lead(most, &ask).await,
                }
            };
            // Otherwise who led has given up.
            if let Ok(answer) = answer {
                return answer;
            }
        }
    }

    /// Asks for those who wait. If the stream does not answer, who has waited for as long as it may take waits no more.
    async fn lead<F>(&self, most: usize, ask: impl Fn(Vec<Q>) -> F)
    where
        F: Future<Output = Result<Vec<A>, Error>>,
    {
        let led = self.take(|waiting| waiting.len().min(most));
        let questions = led.iter().map(|it| it.question.clone()).collect();
        // Who has given up needs no answer.
        match ask(questions).await {
            Ok(answers) => {
                for (waiting, answer) in led.into_iter().zip(answers) {
                    let _gone = waiting.answer.send(Ok(answer));
                }
            }
            Err(error) => {
                let is_late = |it: &Waiting<Q, A>| it.since.elapsed() >= PATIENCE;
                let late = self.take(|waiting| waiting.partition_point(is_late));
                for waiting in led.into_iter().chain(late) {
                    let _gone = waiting.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// So many of the first who wait and have not given up.
    fn take(&self, count: impl FnOnce(&[Waiting<Q, A>]) -> usize) -> Vec<Waiting<Q, A>> {
        let mut waiting = self.waiting();
        waiting.retain(|it| !it.answer.is_closed());
        let count = count(&waiting);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<Q, A>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
