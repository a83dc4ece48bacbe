//! Watches a bucket: hears that something is said, and reads what is new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::{Info, NatsRegister};
use crate::nats::inbox::{Answer, Wants};
use crate::nats::jetstream::{PATIENCE, ask};
use crate::nats::subscriptions::Entry;
use crate::{Change, Ear, Error, Heard, News, Subscription, Watch};

/// Between two looks at a bucket of which nothing is heard.
const LOOK: Duration = Duration::from_secs(1);

/// What is heard may not be stored yet: the pauses before it is looked for again.
const AGAIN: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(150),
    Duration::from_millis(400),
];

/// How long a copy of the stream that lags is waited for.
const LAG: Duration = Duration::from_secs(1);

/// Pause between two reads of a copy that lags.
const LAG_PAUSE: Duration = Duration::from_millis(20);

/// Messages of one read, and bytes after which it ends.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// One watch.
pub(super) struct NatsWatch {
    register: Arc<NatsRegister>,
    signal: Arc<Signal>,
    subscription: Option<Subscription>,
    /// The incarnation of the stream, and the sequence up to which all is known; `None` to begin anew.
    known: Option<(String, u64)>,
    /// How often what was heard has been looked for.
    looks: usize,
}

/// That something may be new.
#[derive(Debug, Default)]
struct Signal {
    heard: Notify,
    was_interrupted: AtomicBool,
}

impl Ear for Signal {
    fn hear(&self, _: Heard) {
        self.heard.notify_one();
    }

    fn interrupted(&self) {
        self.was_interrupted.store(true, Ordering::Release);
        self.heard.notify_one();
    }
}

impl NatsWatch {
    pub(super) fn new(register: Arc<NatsRegister>) -> Self {
        Self {
            register,
            signal: Arc::default(),
            subscription: None,
            known: None,
            looks: AGAIN.len(),
        }
    }

    async fn wait(&mut self) -> Result<News, Error> {
        self.listen().await?;
        loop {
            if self.signal.was_interrupted.swap(false, Ordering::AcqRel) {
                self.known = None;
            }
            if let Some(news) = self.look().await? {
                return Ok(news);
            }
            self.pause().await;
        }
    }

    async fn listen(&mut self) -> Result<(), Error> {
        if self.subscription.is_some() {
            return Ok(());
        }
        let (node, topic) = (&self.register.node.0, self.register.topic());
        let subject = node.subjects.topic(&topic);
        let entry = Entry::Topic {
            topic,
            group: None,
            ear: Arc::clone(&self.signal) as _,
        };
        let (link, subscription) = node.add(&subject, entry)?;
        let confirmed = timeout(PATIENCE, link.confirm()).await;
        confirmed.map_err(|_| Error::Unavailable("nats did not confirm in time".to_owned()))??;
        self.subscription = Some(subscription);
        Ok(())
    }

    async fn pause(&mut self) {
        let pause = AGAIN.get(self.looks).copied().unwrap_or(LOOK);
        self.looks += 1;
        if timeout(pause, self.signal.heard.notified()).await.is_ok() {
            self.looks = 0;
        }
    }

    /// What is new, if anything is.
    async fn look(&mut self) -> Result<Option<News>, Error> {
        let info = self.register.look(Instant::now() + PATIENCE).await?;
        let known = self.known.take();
        let is_behind = |(created, last): &(String, u64)| {
            *created == info.created && *last <= info.state.last_seq
        };
        if let Some((created, last)) = known.filter(is_behind) {
            let changes = self.read(&info, last).await?;
            let target = info.state.last_seq;
            self.known = Some((created, target));
            return Ok((last < target).then_some(News {
                changes,
                is_whole: false,
            }));
        }
        self.look_at_all(info).await.map(Some)
    }

    /// Everything that is there. A key that is set again meanwhile is no longer where it was: what came meanwhile is read as
    /// well, until nothing has.
    async fn look_at_all(&mut self, mut info: Info) -> Result<News, Error> {
        let (mut changes, mut last) = (Vec::new(), 0);
        loop {
            changes.extend(self.read(&info, last).await?);
            last = info.state.last_seq;
            let now = self.register.look(Instant::now() + PATIENCE).await?;
            if now.created != info.created {
                let reason = format!("{} was made anew", self.register.stream);
                return Err(Error::Unavailable(reason));
            }
            if now.state.last_seq <= last {
                break;
            }
            info = now;
        }
        self.known = Some((info.created, last));
        Ok(News {
            changes,
            is_whole: true,
        })
    }

    /// Everything behind a sequence up to where the stream reached.
    async fn read(&self, info: &Info, from: u64) -> Result<Vec<Change>, Error> {
        let (mut changes, mut last) = (Vec::new(), from);
        let patience = if info.config.num_replicas > 1 {
            LAG
        } else {
            Duration::ZERO
        };
        let mut end = Instant::now() + patience;
        while last < info.state.last_seq {
            let answers = self.get(last + 1).await?;
            if answers.is_empty() {
                // Either a copy lags, or what was there has gone by its age.
                if Instant::now() >= end {
                    break;
                }
                sleep(LAG_PAUSE).await;
                continue;
            }
            end = Instant::now() + patience;
            for answer in answers {
                last = last.max(answer.sequence().unwrap_or(last));
                changes.extend(self.change(answer));
            }
            let limit = self.register.options.max_keys;
            if changes.len() > limit.saturating_mul(2) {
                let reason = format!("{} has more than {limit} keys", self.register.stream);
                return Err(Error::Unavailable(reason));
            }
        }
        Ok(changes)
    }

    async fn get(&self, from: u64) -> Result<Vec<Answer>, Error> {
        let register = &self.register;
        let api = format!("$JS.API.DIRECT.GET.{}", register.stream);
        let request = json!({
            "seq": from,
            "next_by_subj": format!("{}>", register.subjects),
            "batch": BATCH,
            "max_bytes": BATCH_BYTES,
        });
        let deadline = Instant::now() + PATIENCE;
        let answers = ask(&register.node.0, &api, &request, Wants::Row, deadline).await?;
        Ok(answers.into_iter().filter(Answer::is_stored).collect())
    }

    fn change(&self, answer: Answer) -> Option<Change> {
        let key = self.register.key(&answer)?.to_owned();
        let is_gone = matches!(answer.header("KV-Operation"), Some("DEL" | "PURGE"))
            || answer.header("Nats-Marker-Reason").is_some();
        Some(Change {
            key,
            value: (!is_gone).then_some(answer.payload),
        })
    }
}

impl Watch for NatsWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<News, Error>> {
        Box::pin(self.wait())
    }
}
