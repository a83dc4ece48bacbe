//! Gives stored notices to backends that do not hear on the bus, until they take them.
//!
//! In: notices from the stream, each at one node at a time. Out: an acknowledgement once the backend has taken one; otherwise
//! it comes again after a while, here or elsewhere, until it is given up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::{Asker, Ear, Heard, Message, Subscription};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::answer::{Outcome, Unanswered};
use super::envelope::open;
use super::notices::Notice;
use super::question::TargetId;
use super::relay::Relay;
use super::store::RECHECK;
use super::target::Target;

/// Notices that one node gives to a backend at a time. Others that it has got wait for at most sixteen of these.
const WIDTH: usize = 16;
const ROUNDS: u32 = 16;

/// What acknowledging takes besides.
const MARGIN: Duration = Duration::from_secs(5);

/// Time before a node tries again to fetch notices.
const RETRY: Duration = Duration::from_secs(1);

/// Time before a notice comes again: half its age, between these.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Age at which a notice is given up to a backend that fails, a day before the stream drops it unseen.
const LIFE: Duration = Duration::from_secs(6 * 24 * 3_600);

/// The same to one that refuses it: as long as what stands in front of a backend may need while that is replaced. It must not
/// take the room of others for long.
const LIFE_REFUSED: Duration = Duration::from_secs(60);

/// Fetches a backend's notices and gives them to it, until the future is dropped; of one that fetches them itself, makes the
/// place.
pub(super) async fn run(target: Arc<Target>, id: TargetId) -> Infallible {
    let Some(relay) = &target.relay else {
        return prepare(&target).await;
    };
    let patience = target.timeout() * ROUNDS + MARGIN;
    let ear = Arc::new(Dispatch {
        id,
        target: Arc::clone(&target),
        room: Arc::new(Semaphore::new(WIDTH)),
        runtime: Handle::current(),
    });
    let mut hearing: Option<Subscription> = None;
    loop {
        match attend(relay, patience, &ear, &mut hearing).await {
            Ok(()) => sleep(RECHECK).await,
            Err(error) => {
                tracing::warn!(%error, "notices to a backend cannot be fetched yet");
                sleep(RETRY).await;
            }
        }
    }
}

/// Makes the stream before there is a notice, for a backend may come first, and it asks for its consumer only once.
async fn prepare(target: &Target) -> Infallible {
    loop {
        match target.prepare().await {
            Ok(()) => sleep(RECHECK).await,
            Err(error) => {
                tracing::warn!(%error, "notices to a backend cannot be stored yet");
                sleep(RETRY).await;
            }
        }
    }
}

/// Sees to it that this node gets notices, as long as they are stored.
async fn attend(
    relay: &Relay,
    patience: Duration,
    ear: &Arc<Dispatch>,
    hearing: &mut Option<Subscription>,
) -> Result<(), Unanswered> {
    if !relay.is_kept().await? {
        *hearing = None;
        return Ok(());
    }
    if hearing.is_some() {
        // An operator may have deleted the stream, and it came back without the consumer.
        return relay.consume(patience).await;
    }
    let ear: Arc<dyn Ear> = Arc::clone(ear) as _;
    *hearing = Some(relay.hear(patience, ear).await?);
    Ok(())
}

/// Gives notices to one backend.
struct Dispatch {
    id: TargetId,
    target: Arc<Target>,
    room: Arc<Semaphore>,
    runtime: Handle,
}

impl Ear for Dispatch {
    /// The consumer bounds how many are under way.
    fn hear(&self, heard: Heard) {
        let Some(asker) = heard.asker else {
            return;
        };
        let (target, room, id) = (Arc::clone(&self.target), Arc::clone(&self.room), self.id);
        self.runtime.spawn(async move {
            let _permit = room.acquire().await;
            let verdict = match open(&heard.message.data, id) {
                Ok(notice) => {
                    let told = target.tell(&notice).await;
                    let verdict = Verdict::new(told.as_ref().err(), notice.stamp.age());
                    if verdict == Verdict::Dead {
                        bury(&target, &notice);
                    }
                    verdict
                }
                Err(error) => {
                    tracing::error!(%error, "a stored notice cannot be read and is given up");
                    target.meter.lost();
                    Verdict::Dead
                }
            };
            verdict.say(asker).await;
        });
    }
}

/// Counts and logs a notice that nobody will hear.
fn bury(target: &Target, notice: &Notice) {
    let event = notice.question.subject.event();
    target.meter.end(event, Outcome::Dead, Duration::ZERO);
    let (event, id, client) = (
        event.name(),
        &notice.stamp.id,
        &notice.question.caller.client,
    );
    tracing::error!(
        event,
        id,
        client,
        "a notice is given up, for the backend does not take it"
    );
}

/// What becomes of a notice that was told.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It was taken.
    Done,
    /// It comes again after so long.
    Again(Duration),
    /// It does not come again.
    Dead,
}

impl Verdict {
    fn new(failure: Option<&Unanswered>, age: Duration) -> Self {
        let life = match failure {
            None => return Self::Done,
            Some(Unanswered::Status(status)) if is_refusal(*status) => LIFE_REFUSED,
            Some(_) => LIFE,
        };
        match age < life {
            true => Self::Again((age / 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)),
            false => Self::Dead,
        }
    }

    /// Says so to the stream. When that is lost the notice comes again.
    async fn say(self, asker: Asker) {
        let word = match self {
            Self::Done => "+ACK".to_owned(),
            Self::Again(pause) => format!("-NAK {{\"delay\": {}}}", pause.as_nanos()),
            Self::Dead => "+TERM".to_owned(),
        };
        if let Err(error) = asker.answer(Message::new(word)).await {
            tracing::debug!(%error, "a notice was not acknowledged and comes again");
        }
    }
}

/// Whether a backend says that it will never take this: not that it was busy, too early, or too slow.
pub(super) const fn is_refusal(status: u16) -> bool {
    match status {
        408 | 425 | 429 => false,
        400..=499 | 501 => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_comes_again_ever_later_and_not_for_ever() {
        let failed = Unanswered::Unreachable(String::new());
        let status = |status| Unanswered::Status(status);
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let again = Verdict::Again;
        for (failure, age, expected) in [
            (None, LIFE, Verdict::Done),
            (Some(failed.clone()), Duration::ZERO, again(SHORTEST_PAUSE)),
            (Some(failed.clone()), 4 * second, again(2 * second)),
            (Some(failed.clone()), LIFE - second, again(minute)),
            (Some(failed), LIFE, Verdict::Dead),
            (Some(status(503)), minute, again(minute / 2)),
            (Some(status(429)), minute, again(minute / 2)),
            (Some(status(404)), 2 * second, again(second)),
            (Some(status(404)), minute, Verdict::Dead),
            (Some(status(501)), minute, Verdict::Dead),
        ] {
            let verdict = Verdict::new(failure.as_ref(), age);
            assert_eq!(verdict, expected, "{failure:?} {age:?}");
        }
    }
}
