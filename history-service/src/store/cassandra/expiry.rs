//! When rows of a namespace expire by themselves.
//!
//! Trimming is what takes them away from readers; expiry only frees the disk. So rows outlive their namespace's time by a
//! margin, and when nobody has trimmed for so long that some may have expired, nothing is proved until someone has.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::state::State;

/// The longest expiry that a cluster takes, 20 years; longer is for good.
const LIMIT: u64 = 630_720_000;

/// When rows of namespaces expire.
#[derive(Debug, Clone, Default)]
pub(super) struct Expiry {
    ttls: Vec<(Option<String>, Duration)>,
    /// How much longer than their time rows stay.
    margin: Duration,
}

impl Expiry {
    pub(super) fn new(ttls: Vec<(Option<String>, Duration)>, margin: Duration) -> Self {
        Self { ttls, margin }
    }

    fn of(&self, namespace: Option<&str>) -> Option<Duration> {
        let mut ttls = self.ttls.iter();
        let found = ttls.find(|(name, _)| name.as_deref() == namespace);
        let stay = found?.1 + self.margin;
        (stay.as_secs() <= LIMIT).then_some(stay)
    }

    /// Whether rows of a namespace expire.
    pub(super) fn is_for(&self, namespace: Option<&str>) -> bool {
        self.of(namespace).is_some()
    }

    /// Seconds that a row of a publication stays which was stored at `time`; 0 for good.
    pub(super) fn seconds(&self, namespace: Option<&str>, time: u64, now: u64) -> i32 {
        let Some(stay) = self.of(namespace) else {
            return 0;
        };
        let age = now.saturating_sub(time) / 1_000;
        // What comes late stays for the margin all the same, so that whoever trims sees it first.
        let left = stay
            .as_secs()
            .saturating_sub(age)
            .max(self.margin.as_secs());
        i32::try_from(left.min(LIMIT)).expect("20 years are an i32")
    }

    /// Up to which time a stream that begins now needs no trimming: none of its rows expires before the margin is over.
    pub(super) fn swept_at_first(&self, namespace: Option<&str>, now: u64) -> u64 {
        let stay = self.of(namespace).unwrap_or_default();
        let ttl = stay.saturating_sub(self.margin).as_millis();
        now.saturating_sub(u64::try_from(ttl).unwrap_or(u64::MAX))
    }

    /// Whether rows may have expired that nobody has trimmed.
    pub(super) fn is_overdue(&self, namespace: Option<&str>, state: &State, now: u64) -> bool {
        let stay = self.of(namespace).map(|it| it.as_millis());
        stay.is_some_and(|stay| u128::from(state.swept) + stay < u128::from(now))
    }

    /// Whether it is time to say how far was trimmed, although nothing was.
    pub(super) fn is_worth_saying(&self, namespace: Option<&str>, swept: u64, time: u64) -> bool {
        let since = u128::from(time.saturating_sub(swept));
        self.of(namespace).is_some() && since > self.margin.as_millis() / 8
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn expiry() -> Expiry {
        let day = Duration::from_millis(DAY);
        let ttls = vec![(Some("kept".to_owned()), day), (None, day * 9_000)];
        Expiry::new(ttls, day * 7)
    }

    #[test]
    fn rows_stay_a_margin_longer_than_their_time() {
        let now = 100 * DAY;
        for (namespace, time, expected) in [
            (Some("kept"), now, 8 * 86_400),
            (Some("kept"), now - DAY, 7 * 86_400),
            (Some("kept"), 0, 7 * 86_400),
            (Some("kept"), now + DAY, 8 * 86_400),
            (None, now, 0),
            (Some("other"), now, 0),
        ] {
            assert_eq!(expiry().seconds(namespace, time, now), expected);
        }
    }

    #[test]
    fn what_nobody_trims_is_overdue_before_it_expires() {
        let mut state = State::new(100, 0);
        state.swept = 10 * DAY;
        for (now, expected) in [(10 * DAY, false), (18 * DAY, false), (18 * DAY + 1, true)] {
            assert_eq!(expiry().is_overdue(Some("kept"), &state, now), expected);
            assert!(!expiry().is_overdue(Some("other"), &state, now));
        }
        state.swept = expiry().swept_at_first(Some("kept"), 10 * DAY);
        assert!(!expiry().is_overdue(Some("kept"), &state, 17 * DAY));
        assert!(expiry().is_overdue(Some("kept"), &state, 17 * DAY + 1));
        assert!(!expiry().is_worth_saying(Some("kept"), 10 * DAY, 10 * DAY + 1));
        assert!(expiry().is_worth_saying(Some("kept"), 10 * DAY, 11 * DAY));
    }
}
