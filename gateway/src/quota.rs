//! How often something may be done, by one connection and by one user: publishing, subscribing, calling the backend.
//!
//! A user's quota counts the connections of this node only. It outlives them for as long as it is not full again, or who comes
//! back would have a fresh one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{RateConfig, RateLimitConfig};

/// Users up to which nobody looks for quotas that are not needed any more.
const FEW: usize = 1_024;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// `publish`.
    Publish,
    /// `subscribe`.
    Subscribe,
    /// `rpc`.
    Rpc,
}

/// Three buckets, each of which fills evenly, up to one second's worth.
#[derive(Debug, Clone)]
pub struct Quota {
    publish: Bucket,
    subscribe: Bucket,
    rpc: Bucket,
}

#[derive(Debug, Clone)]
struct Bucket {
    /// Zero for no limit.
    per_second: u32,
    full_at: Instant,
}

/// The quotas of the users of one node.
#[derive(Debug)]
pub struct UserQuotas {
    rates: RateConfig,
    users: Mutex<Users>,
}

#[derive(Debug, Default)]
struct Users {
    quotas: HashMap<String, Arc<Mutex<Quota>>>,
    /// Users at which quotas that are not needed are looked for.
    sweep_at: usize,
}

impl Quota {
    /// A full one; `None` where there is no limit.
    pub(crate) fn new(rates: &RateConfig, now: Instant) -> Option<Self> {
        let bucket = |per_second: usize| Bucket {
            per_second: u32::try_from(per_second).unwrap_or(u32::MAX),
            full_at: now,
        };
        let RateConfig {
            publish,
            subscribe,
            rpc,
        } = *rates;
        [publish, subscribe, rpc]
            .iter()
            .any(|rate| *rate > 0)
            .then(|| Self {
                publish: bucket(publish),
                subscribe: bucket(subscribe),
                rpc: bucket(rpc),
            })
    }

    /// Whether there is room for one more.
    pub(crate) fn take(&mut self, deed: Deed, now: Instant) -> bool {
        let bucket = match deed {
            Deed::Publish => &mut self.publish,
            Deed::Subscribe => &mut self.subscribe,
            Deed::Rpc => &mut self.rpc,
        };
        bucket.take(now)
    }

    fn is_full(&self, now: Instant) -> bool {
        let buckets = [&self.publish, &self.subscribe, &self.rpc];
        buckets.iter().all(|bucket| bucket.full_at <= now)
    }
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let full_at = self.full_at.max(now) + Duration::from_secs(1) / self.per_second;
        let has_room = full_at <= now + Duration::from_secs(1);
        if has_room {
            self.full_at = full_at;
        }
        has_room
    }
}

impl UserQuotas {
    pub(crate) fn new(config: &RateLimitConfig) -> Self {
        Self {
            rates: config.user.clone(),
            users: Mutex::default(),
        }
    }

    /// What all connections of a user share; `None` for an anonymous one, and where there is no limit.
    pub(crate) fn of(&self, user: &str, now: Instant) -> Option<Arc<Mutex<Quota>>> {
        if user.is_empty() {
            return None;
        }
        let fresh = Quota::new(&self.rates, now)?;
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.quotas.len() >= users.sweep_at.max(FEW) {
            users.quotas.retain(|_, quota| {
                let is_full = || quota.lock().is_ok_and(|quota| quota.is_full(now));
                Arc::strong_count(quota) > 1 || !is_full()
            });
            users.sweep_at = users.quotas.len() * 2;
        }
        let entry = users.quotas.entry(user.to_owned());
        let quota = entry.or_insert_with(|| Arc::new(Mutex::new(fresh)));
        Some(Arc::clone(quota))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(publish: usize) -> RateConfig {
        RateConfig {
            publish,
            ..RateConfig::default()
        }
    }

    #[test]
    fn a_second_of_deeds_passes_and_the_bucket_fills_evenly() {
        let now = Instant::now();
        let mut quota = Quota::new(&rates(4), now).unwrap();
        let taken =
            |quota: &mut Quota, now| (0..10).filter(|_| quota.take(Deed::Publish, now)).count();
        assert_eq!(taken(&mut quota, now), 4);
        assert_eq!(taken(&mut quota, now + Duration::from_millis(500)), 2);
        assert_eq!(taken(&mut quota, now + Duration::from_secs(60)), 4);
        assert!((0..100).all(|_| quota.take(Deed::Rpc, now)), "has no limit");
    }

    #[test]
    fn connections_of_a_user_share_a_quota_that_outlives_them() {
        let now = Instant::now();
        let config = RateLimitConfig {
            user: rates(1),
            ..RateLimitConfig::default()
        };
        let quotas = UserQuotas::new(&config);
        let take = |user: &str| {
            let quota = quotas.of(user, now).unwrap();
            quota.lock().unwrap().take(Deed::Publish, now)
        };
        assert_eq!([take("a"), take("a"), take("b")], [true, false, true]);
        assert!(quotas.of("", now).is_none());
        assert!(
            UserQuotas::new(&RateLimitConfig::default())
                .of("a", now)
                .is_none()
        );
    }

    #[test]
    fn quotas_that_are_full_again_are_forgotten() {
        let now = Instant::now();
        let config = RateLimitConfig {
            user: rates(1),
            ..RateLimitConfig::default()
        };
        let quotas = UserQuotas::new(&config);
        let spent = quotas.of("spent", now).unwrap();
        spent.lock().unwrap().take(Deed::Publish, now);
        let spent = Arc::downgrade(&spent);
        let held = quotas.of("held", now);
        for number in 0..10 * FEW {
            quotas.of(&number.to_string(), now);
        }
        let len = quotas.users.lock().unwrap().quotas.len();
        assert!(len <= 2 * FEW, "{len} are kept");
        assert!(spent.upgrade().is_some() && held.is_some());
    }
}
