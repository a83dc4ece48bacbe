//! Which channels have subscribers on this node, and what is to be done about it. Pure: it is told the time.
//!
//! A channel that has subscribers is claimed, and released when it had none for a while. What is done about one channel is done
//! before the next is begun.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use tidegate_backbone::Channel;

/// Time before what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What is to be done about a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// This node has subscribers.
    Claim,
    /// It has none any more.
    Release,
}

/// The channels of one node. There are as many as have subscribers, or had until a while ago.
#[derive(Debug, Default)]
pub(super) struct Desk {
    channels: HashMap<Channel, Entry>,
    ready: VecDeque<Channel>,
    due: BTreeSet<(Instant, Channel)>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Of workers that have some.
    workers: usize,
    is_claimed: bool,
    /// Something is being done about it.
    is_busy: bool,
    /// What is claimed may not be so any more.
    is_doubted: bool,
    /// In `due` at this time.
    due: Option<Instant>,
    /// When it may be released.
    end: Option<Instant>,
}

impl Desk {
    /// A worker has its first subscriber. Tells whether there is something to do now.
    pub(super) fn enter(&mut self, channel: &Channel) -> bool {
        let entry = self.channels.entry(channel.clone()).or_default();
        entry.workers += 1;
        let is_first = entry.workers == 1 && !entry.is_claimed && !entry.is_busy;
        if let Some(at) = entry.due.take_if(|_| entry.workers == 1) {
            self.due.remove(&(at, channel.clone()));
        }
        if is_first {
            self.ready.push_back(channel.clone());
        }
        is_first
    }

    /// A worker had its last subscriber; the channel is not released before `end`.
    pub(super) fn leave(&mut self, channel: &Channel, end: Instant) {
        let Some(entry) = self.channels.get_mut(channel) else {
            return;
        };
        entry.workers = entry.workers.saturating_sub(1);
        if entry.workers == 0 {
            entry.end = Some(end);
            if !entry.is_busy {
                self.wait(channel, end);
            }
        }
    }

    /// What is to be done now, one channel at a time; [`Desk::done`] is to be called then.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Channel, Step)> {
        while let Some((at, channel)) = self.due.first() {
            if *at > now {
                break;
            }
            let (at, channel) = (*at, channel.clone());
            self.due.remove(&(at, channel.clone()));
            if let Some(entry) = self.channels.get_mut(&channel) {
                entry.due = None;
            }
            self.ready.push_back(channel);
        }
        while let Some(channel) = self.ready.pop_front() {
            let Some(entry) = self.channels.get_mut(&channel) else {
                continue;
            };
            if entry.is_busy {
                continue;
            }
            let step = match (entry.workers > 0, entry.is_claimed) {
                (true, false) => Step::Claim,
                (false, true) => Step::Release,
                (true, true) => continue,
                (false, false) => {
                    self.forget(&channel);
                    continue;
                }
            };
            entry.is_busy = true;
            return Some((channel, step));
        }
        None
    }

    /// When there is something to do next, if nothing happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Something was done, or failed.
    pub(super) fn done(&mut self, channel: &Channel, step: Step, is_done: bool, now: Instant) {
        let Some(entry) = self.channels.get_mut(channel) else {
            return;
        };
        entry.is_busy = false;
        let is_doubted = std::mem::take(&mut entry.is_doubted);
        if is_done {
            entry.is_claimed = step == Step::Claim && !is_doubted;
        }
        let retry = if is_done { now } else { now + RETRY };
        match (entry.workers > 0, entry.is_claimed) {
            (true, true) => {}
            (true, false) => self.wait(channel, retry),
            (false, true) => {
                let end = entry.end.unwrap_or(now);
                self.wait(channel, end.max(retry));
            }
            (false, false) if is_done => self.forget(channel),
            (false, false) => self.wait(channel, retry),
        }
    }

    /// Others may believe that this node has no subscribers: everything is claimed again.
    pub(super) fn doubt(&mut self) {
        for (channel, entry) in &mut self.channels {
            if entry.is_busy {
                entry.is_doubted = true;
            } else if entry.workers > 0 && entry.is_claimed {
                entry.is_claimed = false;
                self.ready.push_back(channel.clone());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    fn wait(&mut self, channel: &Channel, at: Instant) {
        let Some(entry) = self.channels.get_mut(channel) else {
            return;
        };
        if let Some(before) = entry.due.replace(at) {
            self.due.remove(&(before, channel.clone()));
        }
        self.due.insert((at, channel.clone()));
    }

    fn forget(&mut self, channel: &Channel) {
        if let Some(Entry { due: Some(at), .. }) = self.channels.remove(channel) {
            self.due.remove(&(at, channel.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Case {
        desk: Desk,
        now: Instant,
        channel: Channel,
    }

    impl Case {
        fn new() -> Self {
            Self {
                desk: Desk::default(),
                now: Instant::now(),
                channel: Channel::parse("a").unwrap(),
            }
        }

        fn enter(&mut self) {
            self.desk.enter(&self.channel);
        }

        fn leave(&mut self) {
            self.desk.leave(&self.channel, self.now + SECOND);
        }

        fn next(&mut self) -> Option<Step> {
            self.desk.next(self.now).map(|(_, step)| step)
        }

        fn done(&mut self, step: Step, is_done: bool) {
            self.desk.done(&self.channel, step, is_done, self.now);
        }

        fn does(&mut self, step: Step) {
            assert_eq!(self.next(), Some(step));
            self.done(step, true);
            assert_eq!(self.next(), None);
        }
    }

    #[test]
    fn a_channel_is_claimed_at_once_and_released_after_a_while() {
        let mut case = Case::new();
        case.enter();
        case.enter();
        case.does(Step::Claim);
        case.leave();
        assert_eq!(case.desk.due(), None, "a worker has subscribers");
        case.leave();
        assert_eq!(case.next(), None);
        assert_eq!(case.desk.due(), Some(case.now + SECOND));
        case.now += SECOND;
        case.does(Step::Release);
        assert!(case.desk.is_empty());
        assert_eq!(case.desk.due(), None);
    }

    #[test]
    fn who_comes_back_in_time_is_not_missed() {
        let mut case = Case::new();
        case.enter();
        case.does(Step::Claim);
        for _ in 0..3 {
            case.leave();
            case.now += SECOND / 2;
            case.enter();
            case.now += SECOND;
            assert_eq!(case.next(), None);
        }
    }

    #[test]
    fn who_leaves_while_a_channel_is_claimed_is_seen_then() {
        let mut case = Case::new();
        case.enter();
        assert_eq!(case.next(), Some(Step::Claim));
        case.leave();
        case.now += 2 * SECOND;
        assert_eq!(case.next(), None, "one thing at a time");
        case.done(Step::Claim, true);
        case.does(Step::Release);
        assert!(case.desk.is_empty());
    }

    #[test]
    fn what_failed_is_tried_again() {
        let mut case = Case::new();
        case.enter();
        assert_eq!(case.next(), Some(Step::Claim));
        case.done(Step::Claim, false);
        assert_eq!(case.next(), None);
        case.now += RETRY;
        case.does(Step::Claim);
        case.leave();
        case.now += SECOND;
        assert_eq!(case.next(), Some(Step::Release));
        case.done(Step::Release, false);
        case.enter();
        case.now += RETRY;
        assert_eq!(case.next(), None, "it is claimed still");
    }

    #[test]
    fn what_is_doubted_is_claimed_again() {
        let mut case = Case::new();
        case.enter();
        case.does(Step::Claim);
        case.desk.doubt();
        assert_eq!(case.next(), Some(Step::Claim));
        case.desk.doubt();
        case.done(Step::Claim, true);
        case.does(Step::Claim);
        case.leave();
        case.desk.doubt();
        case.now += SECOND;
        case.does(Step::Release);
    }
}
