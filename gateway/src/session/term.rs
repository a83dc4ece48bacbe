//! How long something lasts that a token granted: a connection, or a subscription.

use std::time::{Duration, Instant, SystemTime};

use super::Moment;
use crate::auth::Expiry;

/// A stretch of time that began now, with or without an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Term {
    /// Whole seconds until the client has to refresh; `None` when it need not.
    pub(super) ttl: Option<u32>,
    /// When the grace to refresh is over.
    pub(super) deadline: Option<Instant>,
}

impl Term {
    /// The term of what ends at `expiry`, with a grace; `None` when it has ended already.
    pub(super) fn new(expiry: Expiry, grace: Duration, now: Moment) -> Option<Self> {
        let Expiry::At(seconds) = expiry else {
            return Some(Self::default());
        };
        let end = Duration::from_secs(seconds.max(0).unsigned_abs());
        let since_epoch = now.wall.duration_since(SystemTime::UNIX_EPOCH);
        let left = end.checked_sub(since_epoch.unwrap_or_default())?;
        if left.is_zero() {
            return None;
        }
        Some(Self {
            ttl: Some(seconds_of(left)),
            deadline: now.instant.checked_add(left.saturating_add(grace)),
        })
    }

    /// The same, of which the client is told nothing.
    pub(super) fn unannounced(self) -> Self {
        Self { ttl: None, ..self }
    }

    /// Whether the client has to refresh.
    pub(super) fn expires(self) -> bool {
        self.ttl.is_some()
    }

    /// Seconds until then, as they stand on the wire.
    pub(super) fn ttl(self) -> u32 {
        self.ttl.unwrap_or(0)
    }
}

/// Whole seconds for a client's timer, rounded up: one that refreshes too early may get the token that it has.
pub(super) fn seconds_of(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_end_when_the_token_says() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
        let now = Moment {
            instant: Instant::now(),
            wall,
        };
        let grace = Duration::from_secs(25);
        let term = |expiry| Term::new(expiry, grace, now);
        assert_eq!(term(Expiry::Never), Some(Term::default()));
        for over in [1_000, 0, -5, i64::MIN] {
            assert_eq!(term(Expiry::At(over)), None, "{over}");
        }
        let soon = term(Expiry::At(1_010)).unwrap();
        assert_eq!((soon.expires(), soon.ttl()), (true, 10));
        assert_eq!(
            soon.deadline,
            Some(now.instant + Duration::from_millis(34_500))
        );
    }

    #[test]
    fn a_term_beyond_all_clocks_is_no_fault() {
        let now = Moment {
            instant: Instant::now(),
            wall: SystemTime::now(),
        };
        let term = Term::new(Expiry::At(i64::MAX), Duration::ZERO, now).unwrap();
        assert_eq!(term.ttl(), u32::MAX);
    }
}
