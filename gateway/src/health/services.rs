//! Whether the services that the configuration needs answer. A node without them is still of use: it says so, and stays
//! ready, for a service that is away must not take away all nodes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::node::Node;

/// Between two questions to each of them.
const PERIOD: Duration = Duration::from_secs(5);

/// The same while one has not answered yet and the node has just started.
const EARLY: Duration = Duration::from_millis(250);

/// For so long a service that has not answered yet is one that starts after the node, which is no fault.
const GRACE: Duration = Duration::from_secs(15);

/// What is known of each that the configuration needs, by name: nothing before it was asked for the first time.
type Known = BTreeMap<&'static str, Result<(), String>>;

/// Locked for a look or a change.
#[derive(Debug, Default)]
pub(super) struct Services(Mutex<BTreeMap<&'static str, Service>>);

/// What is known of one.
#[derive(Debug)]
struct Service {
    found: Result<(), String>,
    /// At any time.
    has_answered: bool,
    /// The log says that it does not answer.
    is_missed: bool,
}

/// What is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Missed,
    Back,
}

impl Services {
    /// What was found last.
    pub(super) fn known(&self) -> Known {
        let all = self.lock();
        let all = all.iter().map(|(name, it)| (*name, it.found.clone()));
        all.collect()
    }

    /// Asks them again and again.
    pub(super) async fn keep(&self, node: &Node) -> Infallible {
        let end_of_grace = Instant::now() + GRACE;
        loop {
            let presence = async {
                match &node.presence {
                    Some(presence) => Some(presence.reach().await),
                    None => None,
                }
            };
            let history = node.interest.archive().reach();
            let (presence, history) = tokio::join!(presence, history);
            let is_early = Instant::now() < end_of_grace;
            for (name, found) in [("presence", presence), ("history", history)] {
                if let Some(found) = found {
                    self.note(name, found, is_early);
                }
            }
            let pause = match is_early && self.lock().values().any(|it| it.found.is_err()) {
                true => EARLY,
                false => PERIOD,
            };
            sleep(pause).await;
        }
    }

    fn note(&self, name: &'static str, found: Result<(), String>, is_early: bool) {
        let reason = found.as_ref().err().cloned().unwrap_or_default();
        let news = self.lock().entry(name).or_default().note(found, is_early);
        match news {
            Some(News::Missed) => tracing::warn!(
                name,
                reason,
                "a service does not answer: is it running, on the same NATS and with the same prefix?"
            ),
            Some(News::Back) => tracing::info!(name, "a service answers again"),
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Service>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    fn note(&mut self, found: Result<(), String>, is_early: bool) -> Option<News> {
        let is_there = found.is_ok();
        self.found = found;
        if is_there {
            self.has_answered = true;
            return std::mem::take(&mut self.is_missed).then_some(News::Back);
        }
        let is_news = !self.is_missed && (self.has_answered || !is_early);
        self.is_missed |= is_news;
        is_news.then_some(News::Missed)
    }
}

impl Default for Service {
    fn default() -> Self {
        Self {
            found: Ok(()),
            has_answered: false,
            is_missed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_starts_after_the_node_is_not_missed_at_once() {
        const EARLY: bool = true;
        const LATE: bool = false;
        let mut service = Service::default();
        for (is_there, when, news) in [
            (false, EARLY, None),
            (true, EARLY, None),
            (false, EARLY, Some(News::Missed)),
            (false, EARLY, None),
            (true, LATE, Some(News::Back)),
            (true, LATE, None),
            (false, LATE, Some(News::Missed)),
            (false, LATE, None),
        ] {
            let found = is_there.then_some(()).ok_or_else(String::new);
            assert_eq!(service.note(found, when), news, "{service:?}");
        }
    }

    #[test]
    fn one_that_never_answers_is_missed_once_when_the_grace_is_over() {
        let mut service = Service::default();
        for (is_early, news) in [(true, None), (false, Some(News::Missed)), (false, None)] {
            assert_eq!(service.note(Err(String::new()), is_early), news);
            assert!(
                service.found.is_err(),
                "what was found is told all the same"
            );
        }
    }
}
