//! Whether what a node tells itself comes back in time. Pure: times come in, counted from the node's start.

use std::time::Duration;

/// Between two questions while nothing comes back.
const HASTE: Duration = Duration::from_secs(1);

/// What came back so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pulse {
    interval: Duration,
    timeout: Duration,
    /// When the newest of those that came back was sent.
    newest: Option<Duration>,
    round_trip: Duration,
    /// As of the last [turn](Self::turn).
    was_lost: bool,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beating {
    /// Nobody asks.
    Unwatched,
    /// Nothing has come back yet.
    NotYet,
    Well,
    /// The newest that came back was sent so long ago.
    Lost(Duration),
}

impl Pulse {
    /// Sends each `interval`, none if that is zero, and awaits each for `timeout`.
    pub(super) fn new(interval: Duration, timeout: Duration) -> Self {
        Self {
            interval,
            timeout,
            newest: None,
            round_trip: Duration::ZERO,
            was_lost: false,
        }
    }

    /// One that was sent at a time came back. What claims to come from the future is not of this node.
    pub(super) fn hear(&mut self, sent: Duration, now: Duration) {
        if sent <= now && self.newest.is_none_or(|newest| newest < sent) {
            self.newest = Some(sent);
            self.round_trip = now - sent;
        }
    }

    /// How it stands now. It need not be called for something to become late.
    pub(super) fn beating(&self, now: Duration) -> Beating {
        let Some(newest) = self.newest else {
            return match self.interval.is_zero() {
                true => Beating::Unwatched,
                false => Beating::NotYet,
            };
        };
        let age = now.saturating_sub(newest);
        match age > self.interval + self.timeout {
            true => Beating::Lost(age),
            false => Beating::Well,
        }
    }

    /// How it stands now, if it was lost since this was last asked and was well then, or the other way round.
    pub(super) fn turn(&mut self, now: Duration) -> Option<Beating> {
        let beating = self.beating(now);
        let is_lost = matches!(beating, Beating::Lost(_));
        (std::mem::replace(&mut self.was_lost, is_lost) != is_lost).then_some(beating)
    }

    /// When the next is to be sent after one at `now`; `None` for never.
    pub(super) fn pause(&self, now: Duration) -> Option<Duration> {
        match self.beating(now) {
            Beating::Unwatched => None,
            Beating::NotYet | Beating::Lost(_) => Some(self.interval.min(HASTE)),
            Beating::Well => Some(self.interval),
        }
    }

    /// How long the newest took.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.newest.map(|_| self.round_trip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Every five seconds, awaited for three.
    fn pulse(heard: &[(u64, u64)]) -> Pulse {
        let mut pulse = Pulse::new(at(5_000), at(3_000));
        for (sent, now) in heard {
            pulse.hear(at(*sent), at(*now));
        }
        pulse
    }

    #[test]
    fn it_is_lost_when_the_newest_is_older_than_interval_and_timeout() {
        for (heard, now, expected) in [
            (&[][..], 0, Beating::NotYet),
            (&[], 100_000, Beating::NotYet),
            (&[(0, 2)], 8_000, Beating::Well),
            (&[(0, 2)], 8_001, Beating::Lost(at(8_001))),
            (&[(0, 2), (5_000, 5_001)], 8_001, Beating::Well),
            // One that comes late counts from when it was sent.
            (&[(0, 7_900)], 8_001, Beating::Lost(at(8_001))),
            // An older one that comes after a newer one changes nothing.
            (&[(5_000, 5_001), (0, 6_000)], 13_000, Beating::Well),
            (&[(0, 2), (20_000, 20_001)], 20_002, Beating::Well),
            // Nobody can keep a node ready ahead of time.
            (&[(0, 2), (90_000, 10)], 8_001, Beating::Lost(at(8_001))),
        ] {
            assert_eq!(pulse(heard).beating(at(now)), expected, "{heard:?} {now}");
        }
    }

    #[test]
    fn each_turn_is_told_once() {
        let mut pulse = pulse(&[(0, 2)]);
        assert_eq!(pulse.turn(at(8_000)), None);
        assert_eq!(pulse.turn(at(8_001)), Some(Beating::Lost(at(8_001))));
        assert_eq!(pulse.turn(at(9_000)), None);
        pulse.hear(at(9_000), at(9_001));
        assert_eq!(pulse.turn(at(9_001)), Some(Beating::Well));
        assert_eq!(pulse.turn(at(9_002)), None);
    }

    #[test]
    fn it_is_sent_more_often_while_nothing_comes_back() {
        assert_eq!(pulse(&[]).pause(at(0)), Some(at(1_000)));
        assert_eq!(pulse(&[(0, 2)]).pause(at(3)), Some(at(5_000)));
        assert_eq!(pulse(&[(0, 2)]).pause(at(9_000)), Some(at(1_000)));
    }

    #[test]
    fn nobody_waits_for_what_is_not_sent() {
        let pulse = Pulse::new(Duration::ZERO, at(3_000));
        assert_eq!(pulse.beating(at(100_000)), Beating::Unwatched);
        assert_eq!(pulse.pause(at(100_000)), None);
    }
}
