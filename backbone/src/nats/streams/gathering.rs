//! Newest places that are asked for at the same time, one channel each, asked for together: when all clients of a node come back
//! at once, they are thousands.
//!
//! One who asks leads for those who wait; what is asked meanwhile waits for the next one. So nobody gets what was found before
//! it asked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{self, Sender};
use tokio::time::{Instant, timeout};

use super::PATIENCE;
use super::reading::{TURN, crowded};
use super::tops::{TOGETHER, of_all};
use crate::nats::node::Node;
use crate::{Channel, Error, Top};

/// Who waits for places in one stream.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    waiting: Mutex<Vec<Question>>,
    /// Held by who leads.
    lead: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Question {
    channel: Channel,
    since: Instant,
    answer: Sender<Result<Top, Error>>,
}

impl Gathering {
    /// The newest place of a channel of this stream; it sees everything that was confirmed before it began.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the stream does not answer in time.
    pub(super) async fn top(&self, node: &Node, channel: &Channel) -> Result<Top, Error> {
        let top = timeout(TURN, self.answer(node, channel));
        top.await.map_err(|_| crowded())?
    }

    async fn answer(&self, node: &Node, channel: &Channel) -> Result<Top, Error> {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.waiting().push(Question {
                channel: channel.clone(),
                since: Instant::now(),
                answer,
            });
            let answer = loop {
                tokio::select! {
                    biased;
                    answer = &mut answered => break answer,
                    _lead = self.lead.lock() => self.ask(node).await,
                }
            };
            // Otherwise who led has given up.
            if let Ok(answer) = answer {
                return answer;
            }
        }
    }

    /// Asks for those who wait. If the stream does not answer, who has waited for as long as it may take waits no more.
    async fn ask(&self, node: &Node) {
        let questions = self.take(|waiting| waiting.len().min(TOGETHER));
        let channels: Vec<_> = questions.iter().map(|it| it.channel.clone()).collect();
        // Who has given up needs no answer.
        match of_all(node, &channels).await {
            Ok(tops) => {
                for (question, top) in questions.into_iter().zip(tops) {
                    let _gone = question.answer.send(Ok(top));
                }
            }
            Err(error) => {
                let is_late = |it: &Question| it.since.elapsed() >= PATIENCE;
                let late = self.take(|waiting| waiting.partition_point(is_late));
                for question in questions.into_iter().chain(late) {
                    let _gone = question.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// So many of the first who wait and have not given up.
    fn take(&self, count: impl FnOnce(&[Question]) -> usize) -> Vec<Question> {
        let mut waiting = self.waiting();
        waiting.retain(|it| !it.answer.is_closed());
        let count = count(&waiting);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Question>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
