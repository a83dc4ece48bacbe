//! The task that owns the roster.
//!
//! In: messages from the bus, questions, and time. Out: what the roster wants told, and what watches see. Messages wait in a
//! bounded queue; one that finds it full is dropped, and the numbers that it had are missed and asked for.

mod watches;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tidegate_proto::node::{Answer, Question, partition};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::answer::{Place, answer};
use crate::message::{Fault, ReplicaBeat, decode};
use crate::roster::{Effect, Moment, Options, Roster};
use watches::Watches;
pub use watches::{News, WatchError};

/// Messages that wait.
const MAX_WAITING: usize = 65_536;

/// Bytes of them.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Questions that wait.
const MAX_QUESTIONS: usize = 4_096;

/// Effects that wait to be told.
const MAX_EFFECTS: usize = 4_096;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(50);

/// How long it may take to have everything of a partition that is watched.
const FOLLOW_WITHIN: Duration = Duration::from_secs(35);

/// Who has not heard even its own beat for so long hears nobody. Beats are sent four times as often.
pub const DEAF_AFTER: Duration = Duration::from_millis(1_200);

/// A message from the bus.
#[derive(Debug)]
pub enum Heard {
    Report(Bytes),
    Beat(Bytes),
    Replica(Bytes),
    Gone(Bytes),
    /// Messages may have been lost.
    Interrupted,
}

/// How far the roster is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The partitions that it follows.
    pub held: Vec<u32>,
    /// Those of which it has everything.
    pub ready: Vec<u32>,
    /// Those of them about which it is asked over the bus.
    pub offered: Vec<u32>,
    /// Everything that is this replica's has been ready and offered.
    pub is_ready: bool,
}

/// A look at the roster, for when so many messages have been taken.
struct Look {
    after: u64,
    look: Box<dyn FnOnce(&mut State) + Send>,
}

/// How many messages have come, and how many of them were taken or dropped.
#[derive(Debug, Default)]
struct Counts {
    heard: AtomicU64,
    taken: AtomicU64,
}

/// The desk has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the service is shutting down")]
pub struct Closed;

/// Speaks with the task. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    heard: mpsc::Sender<Heard>,
    counts: Arc<Counts>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    answers: Arc<AtomicU64>,
    looks: mpsc::Sender<Look>,
    progress: watch::Receiver<Progress>,
}

impl Desk {
    /// A desk, the effects of its roster, and the task, which runs while it is polled and as long as there is a desk.
    pub fn new(
        options: Options,
    ) -> (
        Self,
        mpsc::Receiver<Effect>,
        impl Future<Output = ()> + Send,
    ) {
        let (heard, hears) = mpsc::channel(MAX_WAITING);
        let (looks, looked) = mpsc::channel(MAX_QUESTIONS);
        let (effects, told) = mpsc::channel(MAX_EFFECTS);
        let (progress, progressed) = watch::channel(Progress::default());
        let desk = Self {
            heard,
            counts: Arc::default(),
            waiting_bytes: Arc::default(),
            dropped: Arc::default(),
            answers: Arc::default(),
            looks,
            progress: progressed,
        };
        let state = State {
            partitions: options.partitions,
            own: options.replica.clone(),
            roster: Roster::new(options),
            offered: Vec::new(),
            watches: Watches::default(),
            effects,
            start: Instant::now(),
            echo: Instant::now(),
            counts: Arc::clone(&desk.counts),
            waiting: VecDeque::new(),
            waiting_bytes: Arc::clone(&desk.waiting_bytes),
            dropped: Arc::clone(&desk.dropped),
            progress,
        };
        (desk, told, run(state, hears, looked))
    }

    /// Takes a message, unless too much waits. Does not block.
    pub fn hear(&self, heard: Heard) {
        let size = heard.size();
        // Counted before it is there, so that no message has a higher place than the count says.
        self.counts.heard.fetch_add(1, Ordering::AcqRel);
        let waiting = self.waiting_bytes.fetch_add(size, Ordering::Relaxed);
        if waiting + size <= MAX_WAITING_BYTES && self.heard.try_send(heard).is_ok() {
            return;
        }
        self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
        self.counts.taken.fetch_add(1, Ordering::AcqRel);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a message as soon as there is room.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn hear_in_time(&self, heard: Heard) -> Result<(), Closed> {
        self.counts.heard.fetch_add(1, Ordering::AcqRel);
        self.waiting_bytes
            .fetch_add(heard.size(), Ordering::Relaxed);
        self.heard.send(heard).await.map_err(|_| Closed)
    }

    /// Bytes of the messages that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// What `look` sees in the roster once it has taken everything that was heard before this call.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Roster) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Closed>> + Send + 'static {
        self.with(move |state| look(&state.roster))
    }

    /// The answer to a question that came by `place`.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn answer(
        &self,
        place: Place,
        question: Question,
    ) -> impl Future<Output = Result<Answer, Closed>> + Send + 'static {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.look(move |roster| answer(roster, place, question))
    }

    /// How many questions were answered.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Who is in a channel now, and then what happens there until the receiver is dropped. The replica takes on the channel's
    /// partition if it does not follow it, and has everything of it first.
    ///
    /// # Errors
    /// [`WatchError`].
    pub async fn watch(&self, channel: String) -> Result<(News, mpsc::Receiver<News>), WatchError> {
        self.follow(&channel).await?;
        let watched = self.with(move |state| state.watches.begin(&mut state.roster, channel));
        watched.await.map_err(|Closed| WatchError::Closed)?
    }

    async fn follow(&self, channel: &str) -> Result<(), WatchError> {
        let channel = channel.to_owned();
        let wanted = self.with(move |state| {
            let partition = partition(&channel, state.partitions);
            state.roster.want(partition, state.moment());
            partition
        });
        let partition = wanted.await.map_err(|Closed| WatchError::Closed)?;
        let mut progress = self.progress();
        let is_ready = progress.wait_for(|it| it.ready.contains(&partition));
        match timeout(FOLLOW_WITHIN, is_ready).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(WatchError::Closed),
            Err(_) => Err(WatchError::Late(FOLLOW_WITHIN)),
        }
    }

    /// Is asked over the bus about these partitions from now on.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn offer(&self, partitions: Vec<u32>) -> Result<(), Closed> {
        self.with(move |state| state.offered = partitions).await
    }

    /// How far the roster is, from now on.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    fn with<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Closed>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let look = Look {
            after: self.counts.heard.load(Ordering::Acquire),
            look: Box::new(move |state: &mut State| {
                // Who asked may have gone.
                let _ = answer.send(look(state));
            }),
        };
        let looks = self.looks.clone();
        async move {
            looks.send(look).await.map_err(|_| Closed)?;
            answered.await.map_err(|_| Closed)
        }
    }
}

impl Heard {
    fn size(&self) -> usize {
        match self {
            Self::Report(it) | Self::Beat(it) | Self::Replica(it) | Self::Gone(it) => it.len(),
            Self::Interrupted => 0,
        }
    }
}

struct State {
    partitions: u32,
    own: String,
    roster: Roster,
    offered: Vec<u32>,
    watches: Watches,
    effects: mpsc::Sender<Effect>,
    start: Instant,
    /// When our own beat was heard last.
    echo: Instant,
    counts: Arc<Counts>,
    /// Looks that came before the messages that were heard before them.
    waiting: VecDeque<Look>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    progress: watch::Sender<Progress>,
}

async fn run(mut state: State, mut hears: mpsc::Receiver<Heard>, mut looks: mpsc::Receiver<Look>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Questions come before messages that were heard after them, and time before messages: there is always another
        // message under load.
        tokio::select! {
            biased;
            look = looks.recv(), if state.waiting.len() < MAX_QUESTIONS => match look {
                Some(look) => state.waiting.push_back(look),
                None => return,
            },
            _ = ticks.tick() => state.tick().await,
            Some(heard) = hears.recv() => state.take(heard),
        }
        state.look();
    }
}

impl State {
    fn moment(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = wall.unwrap_or_default().as_millis();
        Moment {
            now: self.start.elapsed(),
            wall: u64::try_from(wall).unwrap_or(u64::MAX),
        }
    }

    /// Answers those who have waited for long enough.
    fn look(&mut self) {
        let taken = self.counts.taken.load(Ordering::Acquire);
        while let Some(look) = self.waiting.pop_front_if(|it| it.after <= taken) {
            (look.look)(self);
        }
    }

    fn take(&mut self, heard: Heard) {
        self.counts.taken.fetch_add(1, Ordering::AcqRel);
        self.waiting_bytes
            .fetch_sub(heard.size(), Ordering::Relaxed);
        let (at, partitions, mut effects) = (self.moment(), self.partitions, Vec::new());
        let taken = match heard {
            Heard::Report(bytes) => decode::report(bytes, partitions)
                .map(|report| self.roster.report(report, at, &mut effects)),
            Heard::Beat(bytes) => {
                decode::beat(bytes, partitions).map(|beat| self.roster.beat(beat, at))
            }
            Heard::Replica(bytes) => {
                decode::replica_beat(bytes, partitions).map(|beat| self.replica(beat, at))
            }
            Heard::Gone(bytes) => {
                decode::gone(bytes, partitions).map(|gone| self.roster.gone(gone, at))
            }
            Heard::Interrupted => {
                self.roster.interrupted(at);
                Ok(())
            }
        };
        if let Err(fault) = taken {
            self.roster.count(fault);
        }
        self.tell(effects);
    }

    fn replica(&mut self, beat: ReplicaBeat, at: Moment) {
        if beat.replica == self.own {
            self.echo = Instant::now();
        }
        self.roster.replica_beat(beat, at);
    }

    async fn tick(&mut self) {
        let (at, mut effects) = (self.moment(), Vec::new());
        if self.echo.elapsed() >= DEAF_AFTER {
            self.roster.interrupted(at);
        }
        for _ in 0..self.dropped.swap(0, Ordering::Relaxed) {
            self.roster.count(Fault::QueueFull);
        }
        while self.roster.tick(at, &mut effects) {
            self.tell(std::mem::take(&mut effects));
            tokio::task::yield_now().await;
        }
        self.tell(effects);
        self.watches.prune(&mut self.roster);
        let (held, ready) = (self.roster.held(), self.roster.ready());
        let mut offered = self.offered.clone();
        offered.retain(|it| ready.contains(it));
        let is_ready = self.roster.is_ready() && offered == ready;
        self.progress.send_if_modified(|before| {
            let progress = Progress {
                held,
                ready,
                offered,
                // What it takes on later another replica answers for meanwhile.
                is_ready: is_ready || before.is_ready,
            };
            let is_other = *before != progress;
            *before = progress;
            is_other
        });
    }

    fn tell(&mut self, effects: Vec<Effect>) {
        let mut news = Vec::new();
        for effect in effects {
            match effect {
                Effect::Joined(_) | Effect::Left { .. } => news.push(effect),
                effect => {
                    if self.effects.try_send(effect).is_err() {
                        self.roster.count(Fault::Untold);
                    }
                }
            }
        }
        if !news.is_empty() {
            self.watches.tell(&mut self.roster, news);
        }
    }
}

#[cfg(test)]
mod tests;
