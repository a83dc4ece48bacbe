//! Whose turn it is to take a stream in, where several replicas share an archive.
//!
//! In: the bus. Out: a [`Turn`], for as long as nobody else has one. Who has it answers when others ask; who hears no answer
//! takes it. A replica that ends, or is killed, answers no more: at once where the bus notices, or else after two questions.
//!
//! Two may have it for a moment, when they cannot hear each other. Nothing depends on that being impossible: appends change
//! nothing the second time. It only keeps replicas from all doing the same work.

use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::{AskError, Backbone, Ear, Error, Heard, Message, Subscription, Topic};
use tokio::runtime::Handle;
use tokio::time::sleep;

/// Between two questions of one that waits for its turn.
const AGAIN: Duration = Duration::from_millis(500);

/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Questions without an answer after which whoever had the turn is taken for gone.
const UNANSWERED: u32 = 2;

/// Between two looks of one that has the turn at whether somebody else has it too.
const LOOK: Duration = Duration::from_secs(5);

/// Time in which others that have it answer.
const OTHERS: Duration = Duration::from_millis(250);

/// Replicas that are heard then.
const MOST: usize = 64;

/// Waits for the turn of one replica.
#[derive(Debug)]
pub struct Turns {
    backbone: Arc<dyn Backbone>,
    topic: Topic,
    /// Of two that have the turn, the smaller one keeps it.
    id: u64,
}

/// It is this replica's turn until this is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    _answering: Subscription,
}

/// Says that it has the turn.
struct Holder {
    id: u64,
    runtime: Handle,
}

impl Turns {
    /// Turns at a namespace's stream, for those who share the archive of this name.
    #[must_use]
    pub fn new(
        backbone: &Arc<dyn Backbone>,
        archive: &str,
        namespace: Option<&str>,
        id: u64,
    ) -> Self {
        Self {
            backbone: Arc::clone(backbone),
            topic: Topic::turn(archive, namespace),
            id,
        }
    }

    /// Waits until it is this replica's turn.
    pub async fn next(&self) -> Turn<'_> {
        let mut unanswered = 0;
        loop {
            let question = Message::default();
            match self.backbone.ask(&self.topic, question, PATIENCE).await {
                Ok(_) => unanswered = 0,
                Err(AskError::NobodyHears) => unanswered = UNANSWERED,
                Err(AskError::Late(_)) => unanswered += 1,
                Err(AskError::Unsent(error)) => {
                    tracing::debug!(%error, "cannot ask whose turn it is, trying again");
                }
            }
            if unanswered >= UNANSWERED {
                match self.take().await {
                    Ok(turn) if !turn.is_others().await => return turn,
                    Ok(_) => unanswered = 0,
                    Err(error) => tracing::debug!(%error, "cannot take the turn, trying again"),
                }
            }
            sleep(AGAIN).await;
        }
    }

    async fn take(&self) -> Result<Turn<'_>, Error> {
        let holder = Arc::new(Holder {
            id: self.id,
            runtime: Handle::current(),
        });
        let answering = self.backbone.hear(&self.topic, None, holder).await?;
        Ok(Turn {
            turns: self,
            _answering: answering,
        })
    }
}

impl Turn<'_> {
    /// Waits until somebody else has the turn as well, and before this one.
    pub async fn lost(&self) {
        while !self.is_others().await {
            sleep(LOOK).await;
        }
    }

    async fn is_others(&self) -> bool {
        let Turns {
            backbone,
            topic,
            id,
        } = self.turns;
        let holders = backbone.ask_all(topic, Message::default(), OTHERS, MOST);
        // Without an answer there is nobody to give way to.
        let holders = holders.await.unwrap_or_default();
        let mut ids = holders.iter().filter_map(|it| {
            let text = std::str::from_utf8(&it.data).ok()?;
            text.parse::<u64>().ok()
        });
        ids.any(|it| it < *id)
    }
}

impl Ear for Holder {
    fn hear(&self, heard: Heard) {
        let Some(asker) = heard.asker else {
            return;
        };
        let answer = asker.answer(Message::new(self.id.to_string()));
        self.runtime.spawn(async move {
            if let Err(error) = answer.await {
                tracing::debug!(%error, "cannot say whose turn it is");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tidegate_backbone::embedded::Embedded;
    use tokio::time::{Instant, advance, timeout};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn turns(backbone: &Arc<dyn Backbone>, archive: &str, id: u64) -> Turns {
        Turns::new(backbone, archive, Some("chat"), id)
    }

    fn backbone() -> Arc<dyn Backbone> {
        Arc::new(Embedded::new())
    }

    #[tokio::test(start_paused = true)]
    async fn one_has_the_turn_and_another_gets_it_when_it_ends() {
        let bus = backbone();
        let (one, other) = (turns(&bus, "a", 1), turns(&bus, "a", 2));
        let elsewhere = turns(&bus, "b", 3);
        let turn = one.next().await;
        assert!(timeout(LONG, other.next()).await.is_err());
        assert!(timeout(LONG, elsewhere.next()).await.is_ok());
        assert!(timeout(LONG, turn.lost()).await.is_err());
        drop(turn);
        let start = Instant::now();
        let _turn = other.next().await;
        assert!(start.elapsed() <= AGAIN + OTHERS);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_is_taken_for_gone() {
        struct Dead;
        impl Ear for Dead {
            fn hear(&self, heard: Heard) {
                std::mem::forget(heard.asker);
            }
        }
        let bus = backbone();
        let one = turns(&bus, "a", 1);
        let _dead = bus.hear(&one.topic, None, Arc::new(Dead)).await;
        let start = Instant::now();
        let _turn = one.next().await;
        assert!(start.elapsed() <= (PATIENCE + AGAIN) * UNANSWERED + OTHERS);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_have_it_one_gives_way() {
        let bus = backbone();
        let (one, other) = (turns(&bus, "a", 1), turns(&bus, "a", 2));
        let late = other.next().await;
        let first = one.take().await.unwrap();
        advance(LOOK).await;
        late.lost().await;
        assert!(timeout(LONG, first.lost()).await.is_err());
        drop(late);
        assert!(other.next().now_or_never().is_none());
    }
}
