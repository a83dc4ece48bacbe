//! The nodes of a deployment together: who is there, and what all of them are asked.
//!
//! Every node says each second that it lives. Who asks puts its question to all nodes at once, answers its own part, and
//! waits for those that live: an answer that lacks one of them is none, for the connection that was meant may be there. A node
//! that is killed counts as living until [`LEASE`] is over.

mod beats;
mod question;
mod rebalance;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidegate_backbone::{AskError, Bus, Error, Message, Subscription, Topic};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::node::Node;
use beats::Other;
pub(crate) use question::{Answer, NodeInfo, Question};
use question::{Answered, Asked, Questions};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);

/// A node that was not heard of for so long is gone.
pub(crate) const LEASE: Duration = Duration::from_millis(3_500);

/// How long the nodes may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions of other nodes under way; those above are not answered, which who asks notices.
const MAX_QUESTIONS: usize = 1_024;

/// This node among the others.
pub(crate) struct Cluster {
    pub(crate) node: Arc<Node>,
    bus: Arc<dyn Bus>,
    /// As messages say it.
    uid: String,
    started: Instant,
    others: Mutex<BTreeMap<String, Other>>,
    room: Arc<Semaphore>,
}

/// What keeps a node among the others; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Presence {
    _subscriptions: [Subscription; 2],
}

/// What the nodes said, and whether all that live did.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) answers: Vec<Answer>,
    pub(crate) is_complete: bool,
}

impl Cluster {
    pub(crate) fn new(node: Arc<Node>) -> Arc<Self> {
        let bus: Arc<dyn Bus> = Arc::clone(&node.backbone) as _;
        Arc::new(Self {
            uid: node.id.to_string(),
            node,
            bus,
            started: Instant::now(),
            others: Mutex::default(),
            room: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        })
    }

    /// What the others know it by.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    /// Hears the others from here on, on this runtime.
    pub(crate) async fn join(self: &Arc<Self>) -> Result<Presence, Error> {
        let questions = Arc::new(Questions {
            cluster: Arc::downgrade(self),
            runtime: Handle::current(),
        });
        let topic = Topic::node_questions();
        let questions = self.bus.hear(&topic, None, questions).await?;
        let beats = self.hear_beats(Handle::current()).await?;
        Ok(Presence {
            _subscriptions: [questions, beats],
        })
    }

    /// Puts a question to all nodes, this one among them.
    pub(crate) async fn gather(&self, question: Question) -> Gathered {
        let expected = self.living();
        let asked = Asked {
            from: self.uid.clone(),
            question,
        };
        let message = Message::new(asked.encode());
        let (own, others) = tokio::join!(
            self.answer(asked.question),
            self.ask_others(message, &expected)
        );
        let mut answers = Vec::new();
        let mut missing = expected;
        let is_sent = others.is_ok();
        for Answered { from, answer } in others.unwrap_or_default() {
            missing.remove(&from);
            answers.push(answer);
        }
        answers.push(own);
        let is_complete = is_sent && missing.is_empty();
        if !is_complete {
            tracing::warn!(?missing, is_sent, "not every node has answered");
        }
        Gathered {
            answers,
            is_complete,
        }
    }

    async fn ask_others(
        &self,
        message: Message,
        expected: &BTreeSet<String>,
    ) -> Result<Vec<Answered>, AskError> {
        let topic = Topic::node_questions();
        if expected.is_empty() {
            // A node that was not heard yet hears it all the same.
            self.bus.tell(&topic, message).await?;
            return Ok(Vec::new());
        }
        let asked = self.bus.ask_all(&topic, message, PATIENCE, expected.len());
        let answers = asked.await?.into_iter();
        Ok(answers
            .filter_map(|it| Answered::decode(&it.data))
            .collect())
    }

    /// The other nodes that live.
    pub(crate) fn living(&self) -> BTreeSet<String> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.retain(|_, it| it.heard.elapsed() < LEASE);
        others.keys().cloned().collect()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}
