//! Newest places that are asked for at the same time, one channel each, asked for together: when all clients of a node come back
//! at once, they are thousands.
//!
//! One who asks leads for those who wait; what is asked meanwhile waits for the next one. So nobody gets what was found before
//! it asked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{self, Sender};
use tokio::time::{Instant, sleep_until};

use super::PATIENCE;
use super::tops::{AT_ONCE, tops_until};
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
    answer: Sender<Result<Top, Error>>,
}

impl Gathering {
    /// The newest place of a channel of this stream; it sees everything that was confirmed before it began.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the stream does not answer in time.
    pub(super) async fn top(
        &self,
        node: &Node,
        channel: &Channel,
        deadline: Instant,
    ) -> Result<Top, Error> {
        loop {
            let (answer, mut answered) = oneshot::channel();
            let channel = channel.clone();
            self.waiting().push(Question { channel, answer });
            let answer = loop {
                tokio::select! {
                    biased;
                    answer = &mut answered => break answer,
                    _lead = self.lead.lock() => self.ask(node).await,
                    () = sleep_until(deadline) => {
                        let reason = "the stream does not say in time where a channel is";
                        return Err(Error::Unavailable(reason.to_owned()));
                    }
                }
            };
            // Otherwise who led has given up.
            if let Ok(answer) = answer {
                return answer;
            }
        }
    }

    /// Asks for those who wait.
    async fn ask(&self, node: &Node) {
        let questions = self.take();
        let channels: Vec<_> = questions.iter().map(|it| it.channel.clone()).collect();
        let found = tops_until(node, &channels, Instant::now() + PATIENCE).await;
        for (index, question) in questions.into_iter().enumerate() {
            let answer = found.as_ref().map(|tops| tops[index].clone());
            // Who has given up needs none.
            let _gone = question.answer.send(answer.map_err(Error::clone));
        }
    }

    /// The first who wait and have not given up.
    fn take(&self) -> Vec<Question> {
        let mut waiting = self.waiting();
        waiting.retain(|it| !it.answer.is_closed());
        let count = waiting.len().min(AT_ONCE);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Question>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
