//! Kept channels that nobody is subscribed to any more, and that a node listens to for a while longer: when its clients lose
//! their connections and come back, what they missed is at hand, and no stream has to be read for each of their channels.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tidegate_backbone::Channel;
use tokio::time::{Instant, sleep};

use super::{Interest, Topic};

/// Channels that are listened to for longer; those beyond are let go of at once.
const LIMIT: usize = 65_536;

/// Time between two looks at whose time is over.
const LOOK: Duration = Duration::from_secs(1);

/// Topics without subscribers.
#[derive(Debug)]
pub(super) struct Lingering {
    period: Duration,
    /// Until when.
    topics: Mutex<HashMap<Channel, (Instant, Arc<Topic>)>>,
}

impl Lingering {
    pub(super) fn new(period: Duration) -> Self {
        Self {
            period,
            topics: Mutex::default(),
        }
    }

    /// Holds a topic for a while.
    pub(super) fn hold(&self, topic: &Arc<Topic>) {
        if self.period.is_zero() || !topic.is_kept() || topic.is_lost() {
            return;
        }
        let mut topics = self.topics();
        let has_room = topics.len() < LIMIT || topics.contains_key(topic.channel());
        // One that took another's place is dropped once nothing is locked.
        let _before = has_room.then(|| {
            let until = Instant::now() + self.period;
            topics.insert(topic.channel().clone(), (until, Arc::clone(topic)))
        });
        drop(topics);
    }

    /// Lets go of those whose time is over.
    fn expire(&self) {
        let now = Instant::now();
        let over: Vec<_> = {
            let mut topics = self.topics();
            let over = topics.extract_if(|_, (until, topic)| *until <= now || topic.is_lost());
            over.collect()
        };
        drop(over);
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<Channel, (Instant, Arc<Topic>)>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of topics in time, until the node is gone.
pub(crate) async fn let_go(interest: Weak<Interest>) {
    loop {
        sleep(LOOK).await;
        let Some(interest) = interest.upgrade() else {
            return;
        };
        interest.lingering.expire();
    }
}

#[cfg(test)]
mod tests {
    use tidegate_backbone::{Backbone, Publication};
    use tokio::time::{advance, pause};

    use super::*;
    use crate::interest::{Windows, testing};

    fn interest(period: Duration) -> (Arc<dyn Backbone>, Arc<Interest>) {
        let backbone: Arc<dyn Backbone> = testing::kept();
        let mut windows = Windows::new(1_000_000);
        windows.linger = period;
        let (interest, _) = Interest::new(Arc::clone(&backbone), 1, Arc::default(), windows);
        (backbone, interest)
    }

    /// What comes meanwhile is at hand for who comes back.
    #[tokio::test]
    async fn a_kept_channel_is_listened_to_for_a_while() {
        let (backbone, interest) = interest(Duration::from_secs(60));
        let [kept, other] = ["kept:room", "other:room"].map(|it| Channel::parse(it).unwrap());
        for channel in [&kept, &other] {
            let topic = interest.topic(channel);
            topic.ready().await.unwrap();
            interest.linger(&topic);
        }
        assert_eq!(interest.channel_count(), 1);
        let mut offsets = Vec::new();
        for _ in 0..3 {
            let publication = Publication {
                data: "1".into(),
                ..Publication::default()
            };
            let position = backbone.publish(&kept, publication).await.unwrap();
            offsets.push(position.unwrap().offset);
        }
        let topic = interest.topic(&kept);
        let found = topic.between(offsets[0], offsets[2]);
        assert_eq!(found.map(|it| it.len()), Some(2));
        // Who comes and goes again begins the time anew. The log's thread goes by its own.
        pause();
        advance(Duration::from_secs(59)).await;
        interest.linger(&topic);
        drop(topic);
        advance(Duration::from_secs(59)).await;
        interest.lingering.expire();
        assert_eq!(interest.channel_count(), 1);
        advance(Duration::from_secs(1)).await;
        interest.lingering.expire();
        assert_eq!(interest.channel_count(), 0);
    }

    #[tokio::test]
    async fn without_a_time_it_is_let_go_of_at_once() {
        let (_backbone, interest) = interest(Duration::ZERO);
        let topic = interest.topic(&Channel::parse("kept:room").unwrap());
        interest.linger(&topic);
        drop(topic);
        assert_eq!(interest.channel_count(), 0);
    }
}
