//! What nodes tell each other of the streams' ends, so that one that has seen less learns of it.
//!
//! Whoever looks at the streams calls all nodes, and each says what it has seen. Nodes that answered the last time and do not
//! now are waited for, because they may have seen more. What is heard is a colleague's word: who may publish on this subject can
//! make epochs change, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::mark::Mark;
use crate::nats::node::Node;
use crate::nats::wire::encoder;

/// Nodes that are remembered; of more, some are not waited for.
const NODES_LIMIT: usize = 1_024;

/// Bytes of a node's name.
const NAME_LIMIT: usize = 64;

/// Time for nodes to come back that are away with the same server.
const COME_BACK: Duration = Duration::from_secs(5);

/// Time for nodes to answer when nothing depends on it.
const ANSWER: Duration = Duration::from_secs(1);

/// Time for nodes to answer that are not known yet.
const UNKNOWN: Duration = Duration::from_millis(100);

/// After which the call is repeated.
const REPEAT: Duration = Duration::from_millis(200);

/// A node's answers are no closer than that; they reach everybody.
const BETWEEN: Duration = Duration::from_millis(20);

/// Who is there.
#[derive(Debug, Default)]
pub(in crate::nats) struct Roll {
    state: Mutex<State>,
    heard: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When each node last said something, this one included.
    nodes: HashMap<String, Instant>,
    answered: Option<Instant>,
}

/// What a node says.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    node: String,
    /// Everybody is to say what they have seen.
    #[serde(default)]
    asks: bool,
    /// It will not be there any more.
    #[serde(default)]
    leaves: bool,
    marks: BTreeMap<String, Mark>,
}

impl Word {
    fn parse(payload: &[u8]) -> Option<Self> {
        let word: Self = serde_json::from_slice(payload).ok()?;
        let is_short = word.node.len() <= NAME_LIMIT && word.marks.values().all(Mark::is_short);
        is_short.then_some(word)
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// All who are known have answered.
    Everybody,
    /// Some have not, or there is no hearing at all.
    NotEverybody,
}

impl Roll {
    /// Calls everybody. Where `matters`, nodes that may come back are waited for.
    pub(super) async fn call(&self, node: &Node, matters: bool) -> Called {
        let begin = Instant::now();
        let end = begin + if matters { COME_BACK } else { ANSWER };
        let mut complete = None;
        loop {
            say(node, true, false);
            let again = (Instant::now() + REPEAT).min(end);
            while timeout_at(complete.unwrap_or(again), self.heard.notified())
                .await
                .is_ok()
            {
                if complete.is_none() && self.is_complete(node.name(), begin) {
                    complete = Some((Instant::now() + UNKNOWN).min(end));
                }
            }
            if complete.is_some() {
                return Called::Everybody;
            }
            if again == end {
                return Called::NotEverybody;
            }
        }
    }

    /// Forgets who has not answered since; what they saw is known by now.
    pub(super) fn forget(&self, since: Instant) {
        self.state().nodes.retain(|_, heard| *heard >= since);
    }

    fn is_complete(&self, own: &str, since: Instant) -> bool {
        let state = self.state();
        state.nodes.contains_key(own) && state.nodes.values().all(|heard| *heard >= since)
    }

    /// Takes what a node says.
    pub(in crate::nats) fn hear(&self, node: &Node, payload: &[u8]) {
        match Word::parse(payload) {
            Some(word) => self.take(node, word),
            None => {
                if let Some(total) = node.counters.malformed.add() {
                    tracing::warn!(total, "malformed word of a node dropped");
                }
            }
        }
    }

    fn take(&self, node: &Node, word: Word) {
        let is_own = word.node == node.name();
        if !is_own {
            for (stream, mark) in word.marks {
                node.streams.merge(&stream, mark);
            }
        }
        let mut state = self.state();
        if word.leaves {
            state.nodes.remove(&word.node);
        } else if state.nodes.len() < NODES_LIMIT || state.nodes.contains_key(&word.node) {
            state.nodes.insert(word.node, Instant::now());
        }
        let is_due = state.answered.is_none_or(|it| it.elapsed() >= BETWEEN);
        let answers = word.asks && !is_own && is_due;
        if answers {
            state.answered = Some(Instant::now());
        }
        drop(state);
        self.heard.notify_one();
        if answers {
            say(node, false, false);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that this node leaves, and what it has seen.
pub(in crate::nats) fn leave(node: &Node) {
    if !node.streams.is_empty() {
        say(node, false, true);
    }
}

fn say(node: &Node, asks: bool, leaves: bool) {
    let word = Word {
        node: node.name().to_owned(),
        asks,
        leaves,
        marks: node.streams.marks(),
    };
    let payload = serde_json::to_vec(&word).expect("text and numbers are always JSON");
    if let Ok(link) = node.link() {
        let subject = node.subjects.nodes();
        link.add(|buffer| encoder::publish(buffer, subject, b"", &payload));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_short_json() {
        let mark = |epoch: &str| {
            format!(r#"{{"created":"c","epoch":"{epoch}","top":7,"dated":[7,1],"named":[7,"x"]}}"#)
        };
        let word = |node: &str, mark: &str| {
            format!(r#"{{"node":"{node}","asks":true,"marks":{{"tide_kept":{mark}}}}}"#)
        };
        let long = "x".repeat(1_000);
        for (text, is_taken) in [
            (word("n", &mark("e")), true),
            (word(&long, &mark("e")), false),
            (word("n", &mark(&long)), false),
            (word("n", r#"{"top":-1}"#), false),
            (r#"{"node":"n"}"#.to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(Word::parse(text.as_bytes()).is_some(), is_taken, "{text}");
        }
    }
}
