//! Commands per second of one connection, and those of them that have a limit of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidegate_codec::Request;

use super::Session;
use crate::quota::{Deed, Quota};

/// How often this connection, and its user, may do what has a limit.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    own: Option<Quota>,
    of_user: Option<Arc<Mutex<Quota>>>,
}

impl Quotas {
    pub(super) fn new(own: Option<Quota>) -> Option<Box<Self>> {
        own.map(|own| {
            Box::new(Self {
                own: Some(own),
                of_user: None,
            })
        })
    }

    fn take(&mut self, deed: Deed, now: Instant) -> bool {
        let own = self.own.as_mut();
        own.is_none_or(|quota| quota.take(deed, now))
            && self.of_user.as_ref().is_none_or(|quota| {
                let mut quota = quota.lock().unwrap_or_else(PoisonError::into_inner);
                quota.take(deed, now)
            })
    }
}

impl Session {
    /// Counts what the client does against its user's quota too.
    pub fn share(&mut self, of_user: Arc<Mutex<Quota>>) {
        self.quotas.get_or_insert_default().of_user = Some(of_user);
    }

    /// Whether the client may do this now.
    pub(super) fn takes_quota(&mut self, request: &Request, now: Instant) -> bool {
        let deed = match request {
            Request::Publish(_) => Deed::Publish,
            Request::Subscribe(_) => Deed::Subscribe,
            Request::Rpc(_) => Deed::Rpc,
            _ => return true,
        };
        let quotas = self.quotas.as_mut();
        quotas.is_none_or(|quotas| quotas.take(deed, now))
    }
}

/// A bucket of commands that fills evenly, up to one second's worth.
#[derive(Debug)]
pub(super) struct CommandRate {
    /// Commands per second.
    limit: u32,
    /// When the bucket would be full.
    full_at: Instant,
    /// Refusals since a command last passed.
    refused: u32,
}

/// What becomes of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// Answered with error 111.
    Refuse,
    /// The client went on after a second's worth of refusals: 3013.
    Disconnect,
}

impl CommandRate {
    /// A full bucket; `None` when the limit is zero, for no limit.
    pub(super) fn new(limit: usize, now: Instant) -> Option<Self> {
        (limit > 0).then(|| Self {
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            full_at: now,
            refused: 0,
        })
    }

    pub(super) fn take(&mut self, now: Instant) -> Verdict {
        let full_at = self.full_at.max(now) + Duration::from_secs(1) / self.limit;
        if full_at <= now + Duration::from_secs(1) {
            self.full_at = full_at;
            self.refused = 0;
            return Verdict::Pass;
        }
        self.refused += 1;
        if self.refused > self.limit {
            Verdict::Disconnect
        } else {
            Verdict::Refuse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_commands_passes_then_refusals_then_the_end() {
        let now = Instant::now();
        let mut rate = CommandRate::new(3, now).unwrap();
        let verdicts: Vec<Verdict> = (0..7).map(|_| rate.take(now)).collect();
        use Verdict::{Disconnect, Pass, Refuse};
        assert_eq!(
            verdicts,
            [Pass, Pass, Pass, Refuse, Refuse, Refuse, Disconnect]
        );
    }

    #[test]
    fn the_bucket_fills_evenly_and_no_higher_than_a_second() {
        let now = Instant::now();
        let mut rate = CommandRate::new(4, now).unwrap();
        while rate.take(now) == Verdict::Pass {}
        assert_eq!(rate.take(now + Duration::from_millis(250)), Verdict::Pass);
        assert_eq!(rate.take(now + Duration::from_millis(250)), Verdict::Refuse);
        let later = now + Duration::from_secs(60);
        assert_eq!(
            (0..5).filter(|_| rate.take(later) == Verdict::Pass).count(),
            4
        );
    }

    #[test]
    fn zero_is_no_limit() {
        assert!(CommandRate::new(0, Instant::now()).is_none());
    }
}
