//! One place where keys are published: when it is asked, and who waits for that.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::fetch::{Fetch, FetchError, Found};
use crate::auth::Published;
use crate::config::JwksConfig;
use crate::counters::Counters;

/// A place, with the task that asks it.
#[derive(Debug)]
pub(super) struct Source {
    config: JwksConfig,
    published: Arc<Published>,
    fetch: Fetch,
    counters: Arc<Counters>,
    /// Held for a few lines; never over an await.
    demand: Mutex<Demand>,
    wake: Notify,
    /// Whether the last fetch brought keys; sent anew after each.
    ended: watch::Sender<bool>,
}

/// Who waits for what.
#[derive(Debug)]
struct Demand {
    /// Whether a fetch is under way.
    is_fetching: bool,
    /// Whether somebody waits for the next one.
    is_wanted: bool,
    /// No fetch begins before.
    earliest: Instant,
}

impl Source {
    /// # Errors
    /// What is wrong with an option.
    pub(super) fn new(
        config: &JwksConfig,
        published: Arc<Published>,
        counters: Arc<Counters>,
    ) -> Result<Self, String> {
        Ok(Self {
            fetch: Fetch::new(config, &published)?,
            config: config.clone(),
            published,
            counters,
            demand: Mutex::new(Demand {
                is_fetching: false,
                is_wanted: true,
                earliest: Instant::now(),
            }),
            wake: Notify::new(),
            ended: watch::Sender::new(false),
        })
    }

    /// Waits for the fetch under way or else the next one; tells whether it brought keys in time.
    pub(super) async fn fetch(&self) -> bool {
        let mut ended = self.ended.subscribe();
        if !self.demand() {
            return false;
        }
        let changed = timeout(self.config.timeout, ended.changed()).await;
        matches!(changed, Ok(Ok(()))) && *ended.borrow()
    }

    /// Asks for a fetch; tells whether it is worth waiting for.
    fn demand(&self) -> bool {
        let mut demand = self.lock();
        if demand.is_fetching {
            return true;
        }
        demand.is_wanted = true;
        self.wake.notify_one();
        demand.earliest.saturating_duration_since(Instant::now()) < self.config.timeout
    }

    /// Asks when keys are due or wanted, until the future is dropped.
    pub(super) async fn keep(self: Arc<Self>) -> Infallible {
        let mut had = Instant::now();
        let mut due = had;
        loop {
            self.next(due).await;
            self.begin();
            let found = self.fetch.get().await;
            let now = Instant::now();
            let is_found = found.is_ok();
            match found {
                Ok(found) => {
                    had = now;
                    due = now + self.take(found);
                }
                Err(error) => {
                    self.miss(&error, now - had);
                    due = now + self.config.refetch_interval;
                }
            }
            self.lock().is_fetching = false;
            self.ended.send_replace(is_found);
        }
    }

    /// Waits until keys are due, or are wanted and may be fetched.
    async fn next(&self, due: Instant) {
        tokio::select! {
            () = sleep_until(due) => {}
            () = self.wanted() => {}
        }
    }

    async fn wanted(&self) {
        while !self.lock().is_wanted {
            self.wake.notified().await;
        }
        let earliest = self.lock().earliest;
        sleep_until(earliest).await;
    }

    fn begin(&self) {
        let mut demand = self.lock();
        demand.is_fetching = true;
        demand.is_wanted = false;
        demand.earliest = Instant::now() + self.config.refetch_interval;
    }

    /// Tells for how long they are fresh: a little less than they might be, so that nodes that started together do not
    /// ask together.
    fn take(&self, Found { keys, fresh }: Found) -> Duration {
        let (option, count) = (&*self.published.option, keys.len());
        if keys.passed_over > 0 || count == 0 {
            let passed_over = keys.passed_over;
            tracing::warn!(
                option,
                count,
                passed_over,
                "published keys that do not verify tokens are passed over"
            );
        }
        tracing::debug!(option, count, "keys fetched");
        self.counters.jwks_fetched.add(1);
        self.published.replace(Some(keys));
        let config = &self.config;
        let fresh = fresh.unwrap_or(config.cache_default);
        let fresh = fresh.clamp(config.cache_min, config.cache_max);
        fresh.mul_f64(1.0 - rand::random::<f64>() / 10.0)
    }

    /// The last keys serve for a while.
    fn miss(&self, error: &FetchError, without: Duration) {
        let option = &*self.published.option;
        self.counters.jwks_fetch_failed.add(1);
        tracing::warn!(option, %error, ?without, "keys cannot be fetched");
        if without > self.config.stale_limit {
            self.published.replace(None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
