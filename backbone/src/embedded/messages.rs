//! Messages between programs that are one process.
//!
//! Who tells calls the ears itself, so there is no queue and no task. What an ear tells in turn is heard inside.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout_at};

use crate::Subscription;
use crate::bus::{AskError, Asker, Ear, Heard, Message};
use crate::topic::Topic;

/// Answers that wait to be looked at; who would add another waits.
const ANSWERS: usize = 64;

/// `hearers` is locked for a look-up or a change, never while an ear hears.
#[derive(Default)]
pub(super) struct Messages {
    hearers: RwLock<Vec<Hearer>>,
    next_id: AtomicU64,
    turn: AtomicUsize,
}

#[derive(Clone)]
struct Hearer {
    id: u64,
    topic: Topic,
    group: Option<String>,
    ear: Arc<dyn Ear>,
}

impl Messages {
    pub(super) fn tell(&self, topic: &Topic, message: &Message) {
        for ear in self.chosen(topic) {
            ear.hear(Heard {
                topic: topic.clone(),
                message: message.clone(),
                asker: None,
            });
        }
    }

    pub(super) async fn ask_all(
        &self,
        topic: &Topic,
        question: Message,
        within: Duration,
        enough: usize,
    ) -> Result<Vec<Message>, AskError> {
        let deadline = Instant::now() + within;
        let chosen = self.chosen(topic);
        if chosen.is_empty() {
            return Err(AskError::NobodyHears);
        }
        let (sender, mut answers) = mpsc::channel(ANSWERS);
        for ear in chosen {
            let sender = sender.clone();
            let asker = Asker::new(move |answer| {
                Box::pin(async move {
                    // One who has gone waits no more.
                    let _gone = sender.send(answer).await;
                    Ok(())
                })
            });
            ear.hear(Heard {
                topic: topic.clone(),
                message: question.clone(),
                asker: Some(asker),
            });
        }
        drop(sender);
        let mut got = Vec::new();
        while got.len() < enough {
            match timeout_at(deadline, answers.recv()).await {
                Ok(Some(answer)) => got.push(answer),
                // Everyone has answered or let go of the question, so nothing more can come.
                Ok(None) | Err(_) => break,
            }
        }
        Ok(got)
    }

    pub(super) fn hear(
        self: &Arc<Self>,
        topic: &Topic,
        group: Option<&str>,
        ear: Arc<dyn Ear>,
    ) -> Subscription {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.write().push(Hearer {
            id,
            topic: topic.clone(),
            group: group.map(str::to_owned),
            ear,
        });
        let messages = Arc::clone(self);
        Subscription::new(move || {
            let mut hearers = messages.write();
            let at = hearers.iter().position(|it| it.id == id);
            let gone = at.map(|at| hearers.remove(at));
            // The ear may be dropped with it, and its own drop may come back here.
            drop(hearers);
            drop(gone);
        })
    }

    pub(super) fn clear(&self) {
        let _gone = std::mem::take(&mut *self.write());
    }

    /// Every ear without a group that hears about the topic, and of each group one, in turn.
    fn chosen(&self, topic: &Topic) -> Vec<Arc<dyn Ear>> {
        let hearers = self.hearers.read().unwrap_or_else(PoisonError::into_inner);
        let mut covered: Vec<&Hearer> =
            hearers.iter().filter(|it| it.topic.covers(topic)).collect();
        covered.sort_by(|a, b| a.group.cmp(&b.group));
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let row = covered
            .chunk_by(|a, b| a.group == b.group)
            .flat_map(|row| match row[0].group {
                None => row,
                Some(_) => std::slice::from_ref(&row[turn % row.len()]),
            });
        row.map(|it| Arc::clone(&it.ear)).collect()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Hearer>> {
        self.hearers.write().unwrap_or_else(PoisonError::into_inner)
    }
}
