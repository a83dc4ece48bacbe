//! Who may come in at all: connections on this node, new ones per second, and connections per user.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::ClientConfig;

/// The node's doors.
#[derive(Debug)]
pub(crate) struct Admission {
    connections: AtomicUsize,
    connection_limit: usize,
    rate: Option<Mutex<Bucket>>,
    users: Mutex<HashMap<String, usize>>,
    user_limit: usize,
}

/// A counted connection; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Admitted(Arc<Admission>);

/// A connection of a user; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct AdmittedUser {
    /// `None` where it is not counted.
    _counted: Option<Box<CountedUser>>,
}

#[derive(Debug)]
struct CountedUser {
    admission: Arc<Admission>,
    user: String,
}

/// The node is full: come back after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) retry_after: Duration,
}

/// How long a client should stay away from a node that has all the connections it may have.
const FULL_NODE_RETRY: Duration = Duration::from_secs(5);

/// Fills evenly up to one second's worth of connections.
#[derive(Debug)]
struct Bucket {
    step: Duration,
    full_at: Instant,
}

impl Admission {
    pub(crate) fn new(config: &ClientConfig, now: Instant) -> Arc<Self> {
        let per_second = u32::try_from(config.connection_rate_limit).unwrap_or(u32::MAX);
        let rate = (per_second > 0).then(|| {
            Mutex::new(Bucket {
                step: Duration::from_secs(1) / per_second,
                full_at: now,
            })
        });
        Arc::new(Self {
            connections: AtomicUsize::new(0),
            connection_limit: config.connection_limit,
            rate,
            users: Mutex::default(),
            user_limit: config.user_connection_limit,
        })
    }

    /// Counts a connection in.
    pub(crate) fn admit(self: &Arc<Self>, now: Instant) -> Result<Admitted, Full> {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        // Counted from here on: dropping it on a refusal takes it off again.
        let admitted = Admitted(Arc::clone(self));
        if self.connection_limit > 0 && before >= self.connection_limit {
            return Err(Full {
                retry_after: FULL_NODE_RETRY,
            });
        }
        if let Some(rate) = &self.rate {
            rate.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(now)?;
        }
        Ok(admitted)
    }

    /// Counts a connection of a user in; `None` when the user has as many as allowed. Anonymous users are not counted.
    pub(crate) fn admit_user(self: &Arc<Self>, user: &str) -> Option<AdmittedUser> {
        if self.user_limit == 0 || user.is_empty() {
            return Some(AdmittedUser { _counted: None });
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let count = users.entry(user.to_owned()).or_default();
        if *count >= self.user_limit {
            return None;
        }
        *count += 1;
        let counted = CountedUser {
            admission: Arc::clone(self),
            user: user.to_owned(),
        };
        Some(AdmittedUser {
            _counted: Some(Box::new(counted)),
        })
    }
}

impl Bucket {
    fn take(&mut self, now: Instant) -> Result<(), Full> {
        let full_at = self.full_at.max(now) + self.step;
        let limit = now + Duration::from_secs(1);
        if full_at > limit {
            return Err(Full {
                retry_after: (full_at - limit).max(Duration::from_secs(1)),
            });
        }
        self.full_at = full_at;
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for CountedUser {
    fn drop(&mut self) {
        let mut users = self
            .admission
            .users
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = users.entry(std::mem::take(&mut self.user)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(change: impl FnOnce(&mut ClientConfig)) -> Arc<Admission> {
        let mut config = ClientConfig::default();
        change(&mut config);
        Admission::new(&config, Instant::now())
    }

    #[test]
    fn a_full_node_refuses_until_someone_leaves() {
        let admission = admission(|config| config.connection_limit = 2);
        let now = Instant::now();
        let first = admission.admit(now).unwrap();
        let _second = admission.admit(now).unwrap();
        assert_eq!(
            admission.admit(now).unwrap_err().retry_after,
            FULL_NODE_RETRY
        );
        assert!(
            admission.admit(now).is_err(),
            "a refused connection must not count"
        );
        drop(first);
        assert!(admission.admit(now).is_ok());
    }

    #[test]
    fn a_second_of_connections_may_come_at_once_then_evenly() {
        let admission = admission(|config| config.connection_rate_limit = 10);
        let now = Instant::now();
        assert_eq!((0..20).filter(|_| admission.admit(now).is_ok()).count(), 10);
        let later = now + Duration::from_millis(100);
        assert_eq!(
            (0..20).filter(|_| admission.admit(later).is_ok()).count(),
            1
        );
    }

    #[test]
    fn users_are_counted_apart_and_forgotten_when_gone() {
        let admission = admission(|config| config.user_connection_limit = 1);
        let first = admission.admit_user("42").unwrap();
        assert!(admission.admit_user("42").is_none());
        let _other = admission.admit_user("43").unwrap();
        let _anonymous = (
            admission.admit_user("").unwrap(),
            admission.admit_user("").unwrap(),
        );
        drop(first);
        assert_eq!(admission.users.lock().unwrap().len(), 1);
        assert!(admission.admit_user("42").is_some());
    }
}
