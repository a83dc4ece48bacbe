//! What keeps the rings of a node without holes: repairs that are asked for, and a regular look at every position.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tidegate_backbone::Channel;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Interest, Topic};

/// Channels whose positions are asked for at once.
const BATCH: usize = 256;

/// Channels that are repaired at the same time.
const AT_ONCE: usize = 32;

/// How long a backbone that does not tell positions is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// Channels that have to be looked at; a set, so it is bounded by the channels there are.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    channels: Mutex<BTreeSet<Channel>>,
    asked: Notify,
}

impl Repairs {
    /// Asks for a look at a channel.
    pub(super) fn ask(&self, channel: &Channel) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.insert(channel.clone());
        drop(channels);
        self.asked.notify_one();
    }

    fn take(&self) -> BTreeSet<Channel> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *channels)
    }
}

/// Time between two looks at every position at most: less than [`RETENTION_SLACK`](tidegate_backbone::RETENTION_SLACK), or what was missed could have gone unseen.
const LONGEST: Duration = Duration::from_secs(60);

/// Looks at channels when that is asked for, and at all of them once in a period, until the node is gone.
pub(crate) async fn keep(interest: Weak<Interest>, period: Duration) {
    let period = period.min(LONGEST);
    let Some(repairs) = interest.upgrade().map(|it| Arc::clone(&it.repairs)) else {
        return;
    };
    let mut next = Instant::now() + period;
    loop {
        let asked = tokio::select! {
            () = repairs.asked.notified() => true,
            () = sleep_until(next) => false,
        };
        let Some(interest) = interest.upgrade() else {
            return;
        };
        let topics = match asked {
            true => interest.kept_topics(&repairs.take()),
            false => {
                next = Instant::now() + period;
                interest.all_kept_topics()
            }
        };
        for batch in topics.chunks(BATCH) {
            look(&interest, batch).await;
        }
    }
}

/// Compares positions with the stream's, and repairs what differs.
async fn look(interest: &Interest, topics: &[Arc<Topic>]) {
    let channels: Vec<_> = topics.iter().map(|it| it.channel().clone()).collect();
    interest.counters.position_checks.add(channels.len() as u64);
    let tops = match interest.backbone.tops(&channels).await {
        Ok(tops) => tops,
        Err(error) => {
            tracing::debug!(%error, "cannot compare positions with the stream, trying again");
            sleep(PAUSE).await;
            return topics
                .iter()
                .for_each(|topic| interest.repairs.ask(topic.channel()));
        }
    };
    let differing = topics
        .iter()
        .zip(&tops)
        .filter(|(topic, top)| topic.differs(top));
    stream::iter(differing)
        .for_each_concurrent(AT_ONCE, |(topic, _)| topic.repair())
        .await;
}

#[cfg(test)]
mod tests {
    use tokio::time::pause;

    use super::*;
    use crate::interest::{Windows, testing};

    #[tokio::test]
    async fn a_position_is_compared_once_a_minute_whatever_is_configured() {
        let windows = Windows::new(1_000_000);
        let (interest, _) = Interest::new(testing::kept(), 1, Arc::default(), windows);
        let topic = interest.topic(&Channel::parse("kept:room").unwrap());
        topic.ready().await.unwrap();
        let checks = &interest.counters.position_checks;
        pause();
        for (period, expected) in [
            (Duration::from_secs(10), 60),
            (Duration::from_secs(40), 15),
            (Duration::from_secs(60), 10),
            (Duration::from_secs(61), 10),
            (Duration::from_secs(3_600), 10),
            (Duration::MAX, 10),
        ] {
            let before = checks.get();
            let keeping = tokio::spawn(keep(Arc::downgrade(&interest), period));
            // Ten minutes, and the last look has its time.
            sleep(Duration::from_secs(605)).await;
            keeping.abort();
            assert_eq!(checks.get() - before, expected, "every {period:?}");
        }
    }
}
